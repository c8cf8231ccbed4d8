//! Callers that each create a task, ask about it without a pause until it is completed, and start
//! again.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use memchr::memmem;
use mio::{Events, Interest, Poll, Token};

use super::{
    BUFFER, connection::Socket, http1::Connection, nanoseconds_since, poll_once, reply::malformed,
    request::Request,
};

/// The requests of a caller.
#[derive(Clone, Copy)]
pub(crate) struct TaskRequests<'a> {
    /// Creates a task.
    pub(crate) call: &'a Request,
    /// Asks about the task with this id.
    pub(crate) get: fn(&str) -> Request,
    /// A part of the result of a completed task.
    pub(crate) result: &'a str,
}

/// The result of a run. Latencies are in nanoseconds, unordered.
#[derive(Default)]
pub(crate) struct TaskRun {
    pub(crate) elapsed: Duration,
    /// From a call until the task is created.
    pub(crate) created: Vec<u32>,
    /// From a call until its caller knows that the task is completed.
    pub(crate) completed: Vec<u32>,
    /// How often callers have asked.
    pub(crate) gets: u64,
}

/// Callers with one connection each.
pub(crate) struct TaskLoad<'a> {
    poll: Poll,
    events: Events,
    requests: TaskRequests<'a>,
    callers: Vec<Caller>,
    buffer: Vec<u8>,
    started: bool,
}

struct Caller {
    connection: Connection,
    /// When the call was sent.
    called: Instant,
    /// Whether the task exists.
    is_created: bool,
    latencies: Vec<u32>,
}

impl<'a> TaskLoad<'a> {
    pub(crate) fn connect(addr: SocketAddr, requests: TaskRequests<'a>, callers: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let callers = (0..callers)
            .map(|index| {
                let mut connection = Connection::new(Socket::connect(addr)?, requests.call);
                let interests = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(connection.socket.source(), Token(index), interests)?;
                let (called, latencies) = (Instant::now(), Vec::new());
                Ok(Caller { connection, called, is_created: false, latencies })
            })
            .collect::<io::Result<_>>()?;
        let (events, buffer) = (Events::with_capacity(1024), vec![0; BUFFER]);
        Ok(Self { poll, events, requests, callers, buffer, started: false })
    }

    /// Keeps every caller busy. Tasks at the end are continued by the next run.
    pub(crate) fn run(&mut self, length: Duration) -> io::Result<TaskRun> {
        let start = Instant::now();
        if !std::mem::replace(&mut self.started, true) {
            self.callers.iter_mut().try_for_each(|caller| caller.call(self.requests))?;
        }
        let (mut run, mut heard) = (TaskRun::default(), start);
        loop {
            let now = Instant::now();
            run.elapsed = now - start;
            if run.elapsed >= length {
                return Ok(run);
            }
            poll_once(&mut self.poll, &mut self.events, &mut heard, now)?;
            for event in &self.events {
                let caller = &mut self.callers[event.token().0];
                caller.advance(event.is_readable(), &mut self.buffer, self.requests, &mut run)?;
            }
        }
    }
}

impl Caller {
    fn call(&mut self, requests: TaskRequests) -> io::Result<()> {
        self.is_created = false;
        self.called = Instant::now();
        self.connection.set_request(requests.call);
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        self.connection.keep_other_reply();
        self.connection.send()
    }

    fn advance(
        &mut self,
        is_readable: bool,
        buffer: &mut [u8],
        requests: TaskRequests,
        run: &mut TaskRun,
    ) -> io::Result<()> {
        self.connection.advance(buffer, is_readable, &mut self.latencies)?;
        let Some(latency) = self.latencies.pop() else { return Ok(()) };
        let reply = self.connection.take_reply().body;
        let status = member(&reply, b"\"status\":\"")?;
        if !std::mem::replace(&mut self.is_created, true) {
            run.created.push(latency);
            let id = member(&reply, b"\"taskId\":\"")?;
            self.connection.set_request(&(requests.get)(id));
            return self.send();
        }
        run.gets += 1;
        match status {
            "working" => self.send(),
            "completed" if memmem::find(&reply, requests.result.as_bytes()).is_some() => {
                run.completed.push(nanoseconds_since(self.called));
                self.call(requests)
            }
            _ => Err(malformed(&String::from_utf8_lossy(&reply))),
        }
    }
}

/// Returns the value of a member of a reply that is a string without escapes.
fn member<'r>(reply: &'r [u8], start: &[u8]) -> io::Result<&'r str> {
    let found = memmem::find(reply, start).and_then(|at| {
        let value = &reply[at + start.len()..];
        str::from_utf8(&value[..memchr::memchr(b'"', value)?]).ok()
    });
    found.ok_or_else(|| malformed(&String::from_utf8_lossy(reply)))
}
