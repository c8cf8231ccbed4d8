//! The load generator: keep-alive connections in a closed loop, on one thread that does little
//! more than poll `epoll`, so that the server is the bottleneck.
//!
//! It never sleeps. Waking a sleeping thread on another core is expensive, especially on virtual
//! machines, and the server would pay for it with every reply.

mod connection;
mod http1;
mod http2;
mod reply;
mod request;
#[cfg(feature = "tasks")]
mod tasks;

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use self::connection::Connection;
#[cfg(feature = "tasks")]
pub(crate) use self::tasks::{TaskLoad, TaskRequests};
pub(crate) use self::{reply::Reply, request::Request};
use crate::http::Http;

/// When a run of load ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    /// After the duration and this many replies. If there is a reply, after at most eight times the
    /// duration.
    ElapsedWith(Duration, u64),
    /// After this many replies. It is an error if they take longer than the duration.
    Replies(u64, Duration),
}

/// The result of a run of load.
pub(crate) struct Run {
    pub(crate) replies: u64,
    pub(crate) elapsed: Duration,
    /// The share of the time in which there was nothing to do.
    pub(crate) idle: Duration,
    /// In nanoseconds, unordered.
    pub(crate) latencies: Vec<u32>,
}

/// Connections that each repeat one request.
pub(crate) struct Load {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    /// The number of requests that a connection has in flight.
    streams: usize,
    buffer: Vec<u8>,
    started: bool,
}

/// Large enough that most replies take one read.
const BUFFER: usize = 256 * 1024;

/// After this time without a reply, the server is considered to have lost a request. No workload
/// takes a second.
const SILENCE: Duration = Duration::from_secs(30);

impl Load {
    /// Opens connections. Connection `i` sends the request `i` modulo the number of requests.
    pub(crate) fn connect(
        addr: SocketAddr,
        http: Http,
        requests: &[Request],
        connections: usize,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let connections = (0..connections)
            .map(|index| {
                let mut connection = Connection::open(addr, http, &requests[index % requests.len()])?;
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
            streams: http.streams(),
            buffer: vec![0; BUFFER],
            started: false,
        })
    }

    /// Sends one request on the first connection and returns the whole reply.
    pub(crate) fn probe(&mut self) -> io::Result<Reply> {
        self.connections[0].keep_reply();
        self.connections[0].send(1)?;
        self.wait_for(0)?;
        Ok(self.connections[0].take_reply())
    }

    /// Sends one request on every connection, one after the other.
    pub(crate) fn each_once(&mut self) -> io::Result<()> {
        for index in 0..self.connections.len() {
            self.connections[index].send(1)?;
            self.wait_for(index)?;
        }
        Ok(())
    }

    fn wait_for(&mut self, index: usize) -> io::Result<()> {
        let deadline = Instant::now() + SILENCE;
        while Instant::now() < deadline {
            if self.connections[index].advance(&mut self.buffer, true, &mut Vec::new())? > 0 {
                return Ok(());
            }
            self.poll.poll(&mut self.events, Some(Duration::from_millis(1)))?;
        }
        Err(silent())
    }

    /// Starts the requests of every connection.
    pub(crate) fn start(&mut self) -> io::Result<()> {
        self.started = true;
        self.connections.iter_mut().try_for_each(|connection| connection.send(self.streams))
    }

    /// Returns the number of requests in flight when every connection is busy.
    pub(crate) fn in_flight(&self) -> u64 {
        (self.connections.len() * self.streams) as u64
    }

    /// Returns whether no connection has a reply to read.
    pub(crate) fn is_silent(&mut self) -> io::Result<bool> {
        let mut latencies = Vec::new();
        for connection in &mut self.connections {
            connection.advance(&mut self.buffer, true, &mut latencies)?;
        }
        Ok(latencies.is_empty())
    }

    /// Keeps every connection busy. Requests in flight at the end stay in flight, and the next run
    /// reads their replies.
    pub(crate) fn run(&mut self, until: Until) -> io::Result<Run> {
        let start = Instant::now();
        if !self.started {
            self.start()?;
        }
        let (window, replies, limit) = match until {
            Until::Elapsed(window) => (window, 0, window),
            Until::ElapsedWith(window, replies) => (window, replies, window * 8),
            Until::Replies(replies, limit) => (Duration::ZERO, replies, limit),
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
            if run.replies >= replies && run.elapsed >= window {
                return Ok(run);
            }
            if run.elapsed >= limit {
                match until {
                    Until::ElapsedWith(..) if run.replies == 0 => {}
                    Until::Elapsed(_) | Until::ElapsedWith(..) => return Ok(run),
                    Until::Replies(..) => return Err(silent()),
                }
            }
            poll_once(&mut self.poll, &mut self.events, &mut heard, now)?;
            for event in &self.events {
                let connection = &mut self.connections[event.token().0];
                let count = connection.advance(&mut self.buffer, event.is_readable(), &mut run.latencies)?;
                if count > 0 {
                    run.replies += count as u64;
                    // Their replies cause another event.
                    connection.send(count)?;
                }
            }
        }
    }
}

/// Returns the elapsed time in nanoseconds, at most four seconds.
fn nanoseconds_since(sent: Instant) -> u32 {
    u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

/// Gets the events that have occurred. An error if there has been none since `heard` for too long.
fn poll_once(poll: &mut Poll, events: &mut Events, heard: &mut Instant, now: Instant) -> io::Result<()> {
    if now - *heard > SILENCE {
        return Err(silent());
    }
    poll.poll(events, Some(Duration::ZERO))?;
    if !events.is_empty() {
        *heard = now;
    }
    Ok(())
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the server did not reply in time")
}
