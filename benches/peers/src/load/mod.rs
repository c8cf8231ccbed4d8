//! The load: keep-alive HTTP/1.1 connections in a closed loop, on one thread
//! that does little else than ask `epoll`, so that the server is what limits.
//!
//! It never sleeps: to wake a sleeping peer on another core is expensive, above
//! all on virtual machines, and the server would pay for it with every reply.

mod connection;
mod reply;

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use self::connection::{Connection, Step};
pub(crate) use self::reply::Reply;

/// When a run of load ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    /// Ends with an error when the replies do not arrive in time.
    Replies(u64, Duration),
}

/// What a run of load did.
pub(crate) struct Run {
    pub(crate) replies: u64,
    pub(crate) elapsed: Duration,
    /// The part of it in which there was nothing to do.
    pub(crate) idle: Duration,
    /// In nanoseconds, in no order.
    pub(crate) latencies: Vec<u32>,
}

/// Connections that each send one request over and over.
pub(crate) struct Load {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    started: bool,
}

/// Large enough that most replies take one read.
const BUFFER: usize = 256 * 1024;

/// No reply of any workload takes a second of work; a server that is silent for
/// this long has lost the request.
const SILENCE: Duration = Duration::from_secs(30);

impl Load {
    /// Connects; connection `i` will send the request `i` modulo their number.
    pub(crate) fn connect(addr: SocketAddr, requests: &[Vec<u8>], connections: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let connections = (0..connections)
            .map(|index| {
                let request = requests[index % requests.len()].clone();
                let mut connection = Connection::open(addr, request)?;
                poll.registry().register(
                    connection.source(),
                    Token(index),
                    Interest::READABLE | Interest::WRITABLE,
                )?;
                Ok(connection)
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            connections,
            buffer: vec![0; BUFFER],
            started: false,
        })
    }

    /// Sends one request on the first connection and returns the whole reply.
    pub(crate) fn probe(&mut self) -> io::Result<Reply> {
        self.connections[0].keep_body();
        self.connections[0].send()?;
        self.wait_for(0)?;
        Ok(self.connections[0].take_reply())
    }

    /// Sends one request on every connection, one after the other.
    pub(crate) fn each_once(&mut self) -> io::Result<()> {
        for index in 0..self.connections.len() {
            self.connections[index].send()?;
            self.wait_for(index)?;
        }
        Ok(())
    }

    fn wait_for(&mut self, index: usize) -> io::Result<()> {
        let deadline = Instant::now() + SILENCE;
        while Instant::now() < deadline {
            if self.connections[index].advance(&mut self.buffer, true)? == Step::Replied {
                return Ok(());
            }
            self.poll.poll(&mut self.events, Some(Duration::from_millis(1)))?;
        }
        Err(silent())
    }

    /// Keeps every connection busy. Requests in flight at the end stay so, and
    /// the next run takes their replies.
    pub(crate) fn run(&mut self, until: Until) -> io::Result<Run> {
        let start = Instant::now();
        if !self.started {
            self.started = true;
            for connection in &mut self.connections {
                connection.send()?;
            }
        }
        let (replies, limit) = match until {
            Until::Elapsed(limit) => (u64::MAX, limit),
            Until::Replies(replies, limit) => (replies, limit),
        };
        let mut run = Run {
            replies: 0,
            elapsed: Duration::ZERO,
            idle: Duration::ZERO,
            latencies: Vec::with_capacity(1 << 18),
        };
        let mut heard = start;
        let mut before = start;
        loop {
            let now = Instant::now();
            run.elapsed = now - start;
            if self.events.is_empty() {
                run.idle += now - before;
            }
            before = now;
            if run.replies >= replies {
                return Ok(run);
            }
            if run.elapsed >= limit {
                return match until {
                    Until::Elapsed(_) => Ok(run),
                    Until::Replies(..) => Err(silent()),
                };
            }
            if now - heard > SILENCE {
                return Err(silent());
            }
            self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
            if !self.events.is_empty() {
                heard = now;
            }
            for event in &self.events {
                let connection = &mut self.connections[event.token().0];
                if connection.advance(&mut self.buffer, event.is_readable())? == Step::Replied {
                    run.replies += 1;
                    run.latencies.push(connection.latency());
                    // The next reply comes with an event of its own.
                    connection.send()?;
                }
            }
        }
    }
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the server did not reply in time")
}
