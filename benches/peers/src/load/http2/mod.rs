//! HTTP/2: several requests in flight on each connection. The requests that follow the replies
//! of one read are written together.
//!
//! The client does only what repeated small requests need, so that it costs less than the
//! server: bodies fit into one frame, and of a reply's header block only the status is decoded.

mod frame;
mod hpack;

use std::{io, time::Instant};

use self::{
    frame::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, MAX_PAYLOAD, PADDED, PING,
        PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    },
    hpack::{Blocks, STATUS_200},
};
use super::{
    connection::Socket,
    nanoseconds_since,
    reply::{Reply, Uniform, malformed},
    request::Request,
};

pub(super) struct Connection {
    pub(super) socket: Socket,
    blocks: Blocks,
    body: Vec<u8>,
    next_stream: u32,
    exchanges: Vec<Exchange>,
    /// The number of bytes that the server still accepts.
    send_window: i64,
    /// The number of bytes that the server may still send.
    receive_window: u32,
    /// Frames to write, and how many of their bytes are written.
    out: Vec<u8>,
    written: usize,
    /// The beginning of a frame that is not complete.
    partial: Vec<u8>,
    uniform: Uniform,
    kept: Option<Reply>,
}

/// A request in flight.
struct Exchange {
    stream: u32,
    sent: Instant,
    status: Option<u16>,
    length: usize,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The initial and the largest size of a window.
const INITIAL_WINDOW: u32 = 65_535;
const MAX_WINDOW: u32 = u32::MAX >> 1;

const LAST_STREAM: u32 = u32::MAX >> 1;

/// The client's settings: no pushes, and the largest window for each stream.
const ENABLE_PUSH: [u8; 6] = [0, 2, 0, 0, 0, 0];
const INITIAL_WINDOW_SIZE: [u8; 6] = [0, 4, 0x7f, 0xff, 0xff, 0xff];

impl Connection {
    /// Fails when the body does not fit into one frame.
    pub(super) fn new(socket: Socket, request: &Request) -> io::Result<Self> {
        if request.body.len() > MAX_PAYLOAD {
            return Err(io::Error::other("only small requests are supported over HTTP/2"));
        }
        let mut out = PREFACE.to_vec();
        let settings = [ENABLE_PUSH, INITIAL_WINDOW_SIZE].concat();
        Frame { kind: SETTINGS, flags: 0, stream: 0, payload: &settings }.write(&mut out);
        let mut connection = Self {
            socket,
            blocks: Blocks::new(request),
            body: request.body.clone().into_bytes(),
            next_stream: 1,
            exchanges: Vec::new(),
            send_window: INITIAL_WINDOW.into(),
            receive_window: INITIAL_WINDOW,
            out,
            written: 0,
            partial: Vec::new(),
            uniform: Uniform::default(),
            kept: None,
        };
        connection.open_receive_window();
        Ok(connection)
    }

    pub(super) fn keep_reply(&mut self) {
        self.kept = Some(Reply::default());
    }

    pub(super) fn take_reply(&mut self) -> Reply {
        self.kept.take().unwrap_or_default()
    }

    /// Starts this many requests with one write.
    pub(super) fn send(&mut self, times: usize) -> io::Result<()> {
        for _ in 0..times {
            let stream = self.next_stream;
            if stream > LAST_STREAM {
                return Err(io::Error::other("the connection has no more stream ids"));
            }
            self.next_stream += 2;
            let block = if stream == 1 { &self.blocks.first } else { &self.blocks.later };
            Frame { kind: HEADERS, flags: END_HEADERS, stream, payload: block }.write(&mut self.out);
            Frame { kind: DATA, flags: END_STREAM, stream, payload: &self.body }.write(&mut self.out);
            self.send_window -= i64::try_from(self.body.len()).expect("a body fits into a frame");
            if self.send_window < 0 {
                return Err(io::Error::other("the server's flow-control window is too small"));
            }
            self.exchanges.push(Exchange { stream, sent: Instant::now(), status: None, length: 0 });
        }
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        self.written += self.socket.write(&self.out[self.written..])?;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
        Ok(())
    }

    pub(super) fn advance(
        &mut self,
        buffer: &mut [u8],
        readable: bool,
        latencies: &mut Vec<u32>,
    ) -> io::Result<()> {
        if readable {
            while let Some(count) = self.socket.read(buffer)? {
                self.read(&buffer[..count], latencies)?;
                if count < buffer.len() {
                    // The socket is drained; the next bytes cause another event.
                    break;
                }
            }
        }
        self.write()
    }

    fn read(&mut self, bytes: &[u8], latencies: &mut Vec<u32>) -> io::Result<()> {
        let mut partial = std::mem::take(&mut self.partial);
        let mut rest = if partial.is_empty() {
            bytes
        } else {
            partial.extend_from_slice(bytes);
            &partial
        };
        while let Some((frame, after)) = Frame::split(rest) {
            self.take(&frame, latencies)?;
            rest = after;
        }
        self.partial = rest.to_vec();
        Ok(())
    }

    fn take(&mut self, frame: &Frame, latencies: &mut Vec<u32>) -> io::Result<()> {
        match frame.kind {
            HEADERS | DATA => self.reply(frame, latencies),
            SETTINGS if !frame.has(ACK) => {
                Frame { kind: SETTINGS, flags: ACK, stream: 0, payload: &[] }.write(&mut self.out);
                Ok(())
            }
            PING if !frame.has(ACK) => {
                Frame { flags: ACK, ..*frame }.write(&mut self.out);
                Ok(())
            }
            WINDOW_UPDATE if frame.stream == 0 => {
                self.send_window += i64::from(frame.number().ok_or_else(|| malformed("no increment"))?);
                Ok(())
            }
            RST_STREAM | GOAWAY | PUSH_PROMISE | CONTINUATION => {
                Err(malformed(&format!("an unexpected frame of type {}", frame.kind)))
            }
            _ => Ok(()),
        }
    }

    /// Handles a frame of a reply.
    fn reply(&mut self, frame: &Frame, latencies: &mut Vec<u32>) -> io::Result<()> {
        let index = self.exchanges.iter().position(|exchange| exchange.stream == frame.stream);
        let index = index.ok_or_else(|| malformed("a reply without a request"))?;
        let exchange = &mut self.exchanges[index];
        if frame.has(PADDED)
            || (frame.kind == HEADERS && frame.flags & (END_HEADERS | PRIORITY) != END_HEADERS)
        {
            return Err(malformed("an unsupported frame"));
        }
        if frame.kind == DATA {
            exchange.length += frame.payload.len();
            let received = u32::try_from(frame.payload.len()).expect("a frame has a length of three bytes");
            self.receive_window = self.receive_window.saturating_sub(received);
            if let Some(kept) = &mut self.kept {
                kept.body.extend_from_slice(frame.payload);
            }
        } else if exchange.status.is_none() {
            // A second header block contains trailers.
            exchange.status = Some(status(frame.payload)?);
        }
        if frame.has(END_STREAM) {
            let Exchange { sent, status, length, .. } = self.exchanges.swap_remove(index);
            let status = status.ok_or_else(|| malformed("a body without headers"))?;
            self.uniform.check(status, length)?;
            latencies.push(nanoseconds_since(sent));
        }
        if self.receive_window < MAX_WINDOW / 2 {
            self.open_receive_window();
        }
        Ok(())
    }

    /// Gives the server the largest window.
    fn open_receive_window(&mut self) {
        let increment = (MAX_WINDOW - self.receive_window).to_be_bytes();
        Frame { kind: WINDOW_UPDATE, flags: 0, stream: 0, payload: &increment }.write(&mut self.out);
        self.receive_window = MAX_WINDOW;
    }
}

/// Returns the status, which comes first in a header block. Fails unless it is 200 and encoded as
/// one byte: other replies end the run.
fn status(block: &[u8]) -> io::Result<u16> {
    match block.first() {
        Some(&STATUS_200) => Ok(200),
        _ => {
            Err(io::Error::other(format!("a status other than 200: {:?}", block.escape_ascii().to_string())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{SocketAddr, TcpListener},
        thread,
    };

    use super::*;
    use crate::{http::Http, load::Load};

    /// Starts a server that sends these bytes in pieces to its first client, and waits for it to
    /// disconnect.
    fn server(bytes: Vec<u8>, piece: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("an address");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.set_nodelay(true).expect("a socket");
            stream.read_exact(&mut [0; PREFACE.len()]).expect("the preface");
            for piece in bytes.chunks(piece) {
                stream.write_all(piece).expect("a client that reads");
            }
            // The client disconnects with a reset.
            stream.read_to_end(&mut Vec::new()).ok();
        });
        addr
    }

    fn probe(frames: &[Frame], piece: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for frame in frames {
            frame.write(&mut bytes);
        }
        let request = Request { headers: Vec::new(), body: "{}".to_owned() };
        let mut load = Load::connect(server(bytes, piece), Http::Http2, &[request], 1)?;
        load.probe().map(|reply| reply.body)
    }

    const OPENING: [Frame; 3] = [
        Frame { kind: SETTINGS, flags: 0, stream: 0, payload: &[] },
        Frame { kind: WINDOW_UPDATE, flags: 0, stream: 0, payload: &[0, 0, 1, 0] },
        Frame { kind: PING, flags: 0, stream: 0, payload: b"12345678" },
    ];

    #[test]
    fn replies_are_read_in_pieces_of_any_size() {
        let [settings, window, ping] = OPENING;
        let frames = [
            settings,
            Frame { kind: HEADERS, flags: END_HEADERS, stream: 1, payload: &[STATUS_200] },
            window,
            Frame { kind: DATA, flags: 0, stream: 1, payload: b"hel" },
            ping,
            Frame { kind: DATA, flags: END_STREAM, stream: 1, payload: b"lo" },
        ];
        for piece in [1, 2, 7, 1024] {
            assert_eq!(probe(&frames, piece).expect("a reply"), b"hello");
        }
    }

    #[test]
    fn replies_without_status_200_fail_the_run() {
        // The index of 404 in the static table.
        let not_found = Frame { kind: HEADERS, flags: END_HEADERS | END_STREAM, stream: 1, payload: &[0x8d] };
        let reset = Frame { kind: RST_STREAM, flags: 0, stream: 1, payload: &[0, 0, 0, 7] };
        let unasked = Frame { kind: DATA, flags: END_STREAM, stream: 3, payload: b"hello" };
        for frame in [not_found, reset, unasked] {
            assert!(probe(&[frame], 1024).is_err());
        }
    }
}
