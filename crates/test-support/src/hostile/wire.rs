//! A client that writes arbitrary bytes and reads valid responses.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// Only detects hangs.
pub const LIMIT: Duration = Duration::from_secs(45);
/// The maximum number of headers of a response.
const MAX_HEADERS: usize = 64;

/// Why there is no response.
#[derive(Debug)]
pub enum Trouble {
    /// The server closed the connection before it answered.
    Closed,
    /// The server reset the connection.
    Reset,
    /// Nothing came within [`LIMIT`].
    Hang,
    /// The response is not valid HTTP.
    Garbage(String),
}

/// How much of a response is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    End,
    /// Only the head, as in the answer to `HEAD`.
    Head,
    /// The first event of a stream; otherwise everything.
    FirstEvent,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the first response of a complete transcript.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut ahead = bytes.to_vec();
        let (mut response, length) = parse_head(&mut ahead).ok()??;
        if let Length::Bytes(length) = length {
            response.body = ahead.get(..length)?.to_vec();
        }
        Some(response)
    }

    /// Returns the values of a header, joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|value| value.starts_with("text/event-stream"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the messages of a stream, or the only message of a JSON body.
    pub fn messages(&self) -> Vec<String> {
        if !self.is_stream() {
            return vec![self.text()];
        }
        let text = self.text();
        text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
    }
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    pub stream: TcpStream,
    /// Read, but not consumed yet.
    ahead: Vec<u8>,
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpSocket::new_v4()?, address).await
    }

    /// Does the same, for a client that buffers as little as possible.
    pub async fn connect_narrow(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // The kernel rounds it up to its minimum.
        socket.set_recv_buffer_size(1)?;
        Self::over(socket, address).await
    }

    async fn over(socket: TcpSocket, address: SocketAddr) -> io::Result<Self> {
        let stream = timeout(LIMIT, socket.connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, ahead: Vec::new() })
    }

    /// Writes everything, unless the server does not read within [`LIMIT`].
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(LIMIT, self.stream.write_all(bytes)).await?
    }

    /// Writes in pieces, each in a packet.
    pub async fn send_in_pieces(&mut self, bytes: &[u8], size: usize) -> io::Result<()> {
        for piece in bytes.chunks(size) {
            self.send(piece).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Writes as much as the buffers of the server and the kernel take, without reading. Returns
    /// how much that was.
    pub async fn fill(&mut self, bytes: &[u8], patience: Duration) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match timeout(patience, self.stream.write(&bytes[sent..])).await {
                Ok(Ok(size)) if size > 0 => sent += size,
                _ => break,
            }
        }
        sent
    }

    /// Reads the next response.
    pub async fn answer(&mut self, until: Until) -> Result<Response, Trouble> {
        timeout(LIMIT, read_response(&mut self.stream, &mut self.ahead, until))
            .await
            .unwrap_or(Err(Trouble::Hang))
    }

    /// Writes a request and reads its response, which may arrive before all is written.
    pub async fn exchange(&mut self, bytes: &[u8], until: Until) -> Result<Response, Trouble> {
        let (mut reader, mut writer) = self.stream.split();
        let write = async {
            // A server that has refused the request need not read the rest.
            let _ = writer.write_all(bytes).await;
            std::future::pending::<()>().await;
        };
        let read = timeout(LIMIT, read_response(&mut reader, &mut self.ahead, until));
        tokio::select! {
            answer = read => answer.unwrap_or(Err(Trouble::Hang)),
            () = write => unreachable!("it waits for ever"),
        }
    }

    /// Closes with a reset, which discards data in transit.
    pub fn reset(self) {
        // Where the option is missing, the connection is closed normally.
        #[allow(deprecated, reason = "what replaces it is newer than the oldest tokio that is allowed")]
        let _ = self.stream.set_linger(Some(std::time::Duration::ZERO));
    }
}

async fn more(reader: &mut (impl AsyncRead + Unpin), ahead: &mut Vec<u8>) -> Result<(), Trouble> {
    ahead.reserve(16 * 1024);
    match reader.read_buf(ahead).await {
        Ok(0) if ahead.is_empty() => Err(Trouble::Closed),
        Ok(0) => Err(Trouble::Garbage(format!("cut off: {}", String::from_utf8_lossy(ahead)))),
        Ok(_) => Ok(()),
        Err(_) => Err(Trouble::Reset),
    }
}

/// How the length of a body is given.
enum Length {
    Bytes(usize),
    Chunks,
    /// Not at all: the end of the connection ends the body.
    UntilClosed,
}

async fn read_response(
    reader: &mut (impl AsyncRead + Unpin),
    ahead: &mut Vec<u8>,
    until: Until,
) -> Result<Response, Trouble> {
    loop {
        let (mut response, length) = loop {
            if let Some(head) = parse_head(ahead)? {
                break head;
            }
            more(reader, ahead).await?;
        };
        // An answer to `Expect: 100-continue` comes before the response.
        if (100..200).contains(&response.status) {
            continue;
        }
        if until == Until::Head || matches!(response.status, 204 | 304) {
            return Ok(response);
        }
        match length {
            Length::Bytes(length) => {
                while ahead.len() < length {
                    more(reader, ahead).await?;
                }
                response.body = ahead.drain(..length).collect();
            }
            Length::UntilClosed => while more(reader, ahead).await.is_ok() {},
            Length::Chunks => read_chunks(reader, ahead, &mut response, until).await?,
        }
        return Ok(response);
    }
}

fn parse_head(ahead: &mut Vec<u8>) -> Result<Option<(Response, Length)>, Trouble> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let size = match parsed.parse(ahead) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => {
            return Err(Trouble::Garbage(format!("{error}: {:?}", String::from_utf8_lossy(ahead))));
        }
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = parsed.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
    let response = Response { status: parsed.code.unwrap_or_default(), headers, body: Vec::new() };
    ahead.drain(..size);
    let length = match (response.header("transfer-encoding"), response.header("content-length")) {
        (Some(_), None) => Length::Chunks,
        (None, Some(length)) => match length.parse() {
            Ok(length) => Length::Bytes(length),
            Err(_) => return Err(Trouble::Garbage(format!("content-length: {length}"))),
        },
        (None, None) => Length::UntilClosed,
        (Some(_), Some(_)) => return Err(Trouble::Garbage("two lengths".to_owned())),
    };
    Ok(Some((response, length)))
}

async fn read_chunks(
    reader: &mut (impl AsyncRead + Unpin),
    ahead: &mut Vec<u8>,
    response: &mut Response,
    until: Until,
) -> Result<(), Trouble> {
    loop {
        let (start, length) = loop {
            match httparse::parse_chunk_size(ahead) {
                Ok(httparse::Status::Complete((start, length))) => break (start, length),
                Ok(httparse::Status::Partial) => more(reader, ahead).await?,
                Err(_) => return Err(Trouble::Garbage("a chunk without a size".to_owned())),
            }
        };
        let length = usize::try_from(length).map_err(|_| Trouble::Garbage("a huge chunk".to_owned()))?;
        while ahead.len() < start + length + 2 {
            more(reader, ahead).await?;
        }
        response.body.extend_from_slice(&ahead[start..start + length]);
        ahead.drain(..start + length + 2);
        let is_enough = until == Until::FirstEvent
            && response.is_stream()
            && response.body.windows(2).any(|pair| pair == b"\n\n");
        if length == 0 || is_enough {
            return Ok(());
        }
    }
}
