//! Measures the cost of the gateway: the same calls to a server through the gateway and directly.
//! The server is a child process, or is reached over HTTP.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::Pid,
};

use crate::{
    cell,
    compare::median,
    era::Era,
    load::Until,
    process::{self, Cores, Server},
    window::{Cpu, Latency, Spent, Times},
    workload,
};

const CALLERS: [usize; 2] = [1, 32];

/// The upstream of the gateway.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Upstream {
    /// A child process.
    Stdio,
    /// A server over HTTP, without sessions and with them.
    Http,
    Sessions,
}

impl Upstream {
    const ALL: [Self; 3] = [Self::Stdio, Self::Http, Self::Sessions];

    fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "HTTP",
            Self::Sessions => "HTTP, a session",
        }
    }

    /// The eras of the clients. Only the legacy era has sessions.
    fn eras(self) -> &'static [Era] {
        if self == Self::Sessions { &[Era::Legacy] } else { &[Era::Legacy, Era::Modern] }
    }
}

/// The result of one window.
struct Sample {
    /// CPU time per call of the process that receives the calls.
    cpu: Cpu,
    latency: Latency,
    calls_per_second: f64,
}

/// Runs the measurements and prints them. The gateway and its upstream share the server's core.
pub(crate) fn run(times: &Times, cores: Cores) -> io::Result<()> {
    println!("\n### A gateway in front of a server: `tools/call` of `add`\n");
    println!(
        "| callers | server | way | CPU of the process called, µs | in user space | p50, µs | p99, µs | calls per second |"
    );
    println!("|--:|---|---|--:|--:|--:|--:|--:|");
    for callers in CALLERS {
        for upstream in Upstream::ALL {
            let eras = upstream.eras();
            let mut direct = Vec::new();
            let mut through: Vec<_> = eras.iter().map(|_| Vec::new()).collect();
            for _ in 0..times.rounds {
                direct.push(directly(upstream, callers, times, cores)?);
                for (era, samples) in eras.iter().zip(&mut through) {
                    samples.push(through_gateway(upstream, *era, callers, times, cores)?);
                }
            }
            let start = format!("| {callers} | {}", upstream.name());
            let alone = print(&format!("{start} | itself"), &direct);
            for (era, samples) in eras.iter().zip(&through) {
                let p50 = print(&format!("{start} | gateway, {}", era.name()), samples);
                println!("{start} | added by it | | | {:.1} | | |", p50 - alone);
            }
        }
    }
    Ok(())
}

/// Prints the medians. Returns the median latency.
fn print(start: &str, samples: &[Sample]) -> f64 {
    let of = |member: fn(&Sample) -> f64| median(samples.iter().map(member).collect());
    let (cpu, user) = (of(|sample| sample.cpu.all), of(|sample| sample.cpu.user));
    let (p50, p99) = (of(|sample| sample.latency.p50), of(|sample| sample.latency.p99));
    let calls = of(|sample| sample.calls_per_second);
    println!("{start} | {cpu:.1} | {user:.1} | {p50:.1} | {p99:.1} | {calls:.0} |");
    p50
}

/// The server over HTTP; `None` for a child process, which the gateway starts.
fn behind(upstream: Upstream, cores: Cores) -> io::Result<Option<Server>> {
    Ok(match upstream {
        Upstream::Stdio => None,
        Upstream::Http => Some(Server::of_this_program(&["serve-upstream"], cores)?),
        Upstream::Sessions => Some(Server::of_this_program(&["serve-upstream", "--sessions"], cores)?),
    })
}

fn through_gateway(
    upstream: Upstream,
    era: Era,
    callers: usize,
    times: &Times,
    cores: Cores,
) -> io::Result<Sample> {
    let behind = behind(upstream, cores)?;
    let gateway = match &behind {
        Some(server) => {
            Server::of_this_program(&["serve-gateway", "--upstream", &server.addr().to_string()], cores)?
        }
        None => Server::of_this_program(&["serve-gateway"], cores)?,
    };
    over_http(&gateway, era, callers, times)
}

fn directly(upstream: Upstream, callers: usize, times: &Times, cores: Cores) -> io::Result<Sample> {
    if let Some(server) = behind(upstream, cores)? {
        return over_http(&server, Era::Legacy, callers, times);
    }
    let mut direct = Direct::start(cores)?;
    for _ in 0..callers {
        direct.call()?;
    }
    direct.run(times.warm_up)?;
    let before = Spent::until_now(direct.pid())?;
    let start = Instant::now();
    let latencies = direct.run(times.window)?;
    sample(latencies, start.elapsed(), &before, &Spent::until_now(direct.pid())?)
}

/// Calls a server over HTTP.
fn over_http(server: &Server, era: Era, callers: usize, times: &Times) -> io::Result<Sample> {
    let mut load = cell::connect(server, &workload::add(era), callers)?;
    load.run(Until::Elapsed(times.warm_up))?;
    let before = Spent::until_now(server.pid())?;
    let run = load.run(Until::Elapsed(times.window))?;
    sample(run.latencies, run.elapsed, &before, &Spent::until_now(server.pid())?)
}

#[expect(clippy::cast_precision_loss)]
fn sample(latencies: Vec<u32>, elapsed: Duration, before: &Spent, after: &Spent) -> io::Result<Sample> {
    let calls = latencies.len() as f64;
    Ok(Sample {
        cpu: after.each_since(before, calls),
        latency: Latency::of(latencies)?,
        calls_per_second: calls / elapsed.as_secs_f64(),
    })
}

/// The same server, called directly over its standard input and output. The client never sleeps, like
/// the load over HTTP.
struct Direct {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// When the calls in flight were sent. The server answers them in order.
    sent: VecDeque<Instant>,
    /// The length of an incomplete line that has been read.
    part: usize,
}

const CALL: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\
    \"params\":{\"name\":\"add\",\"arguments\":{\"a\":17,\"b\":25}}}\n";
const ANSWER: &[u8] =
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"42\"}]}}\n";

impl Direct {
    fn start(cores: Cores) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve-stdio").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = process::spawn(&mut command, cores)?;
        let input = child.stdin.take().expect("standard input is piped");
        let output = child.stdout.take().expect("standard output is piped");
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self { child, input, output, sent: VecDeque::new(), part: 0 })
    }

    fn call(&mut self) -> io::Result<()> {
        self.sent.push_back(Instant::now());
        self.input.write_all(CALL)
    }

    /// Starts a new call after each answer. Returns the latencies in nanoseconds.
    fn run(&mut self, length: Duration) -> io::Result<Vec<u32>> {
        let mut latencies = Vec::with_capacity(1 << 18);
        let mut buffer = [0; 16 * 1024];
        let start = Instant::now();
        while start.elapsed() < length {
            let read = match self.output.read(&mut buffer) {
                Ok(0) => return Err(io::Error::other("the server has ended")),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            for &byte in &buffer[..read] {
                if byte != ANSWER[self.part] {
                    return Err(io::Error::other("the server gave an unexpected answer"));
                }
                self.part += 1;
                if self.part == ANSWER.len() {
                    self.part = 0;
                    let sent = self.sent.pop_front().expect("an answer comes after its call");
                    latencies.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
                    self.call()?;
                }
            }
        }
        Ok(latencies)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        // It may already have ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
