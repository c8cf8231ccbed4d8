//! A client that sends one request repeatedly over one connection.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// The revision that a request speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

impl Era {
    pub(crate) const ALL: [Self; 2] = [Self::Legacy, Self::Modern];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }

    /// Returns an HTTP request that calls the tool `add`. Its members are in the order of the
    /// specification's examples.
    pub(crate) fn add(self) -> Vec<u8> {
        let (headers, meta) = match self {
            Self::Legacy => ("mcp-protocol-version: 2025-11-25\r\n", ""),
            Self::Modern => (
                "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: add\r\n",
                r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"load","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{}}"#,
            ),
        };
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":17,"b":25}"#;
        let body = format!("{call}{meta}}}}}");
        let request = format!(
            "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        request.into_bytes()
    }
}

/// Sends a request `times` times over one connection, waiting for each reply.
pub(crate) fn ask(addr: SocketAddr, request: &[u8], times: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    let mut replies = BufReader::new(stream.try_clone()?);
    for _ in 0..times {
        stream.write_all(request)?;
        let body = read(&mut replies)?;
        if !body.contains(r#""text":"42""#) {
            return Err(io::Error::other(format!("an unexpected reply: {body}")));
        }
    }
    Ok(())
}

/// Reads a response that declares its length. Returns its body.
fn read(replies: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        replies.read_line(&mut line)?;
        let line = line.trim_ascii_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    replies.read_exact(&mut body)?;
    String::from_utf8(body).map_err(io::Error::other)
}
