//! Measures the cost of the gateway: the same calls to a child process, through the gateway and
//! directly over its standard input.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    time::ClockId,
    unistd::Pid,
};

use crate::{
    cell,
    compare::median,
    era::Era,
    load::Until,
    process::{self, Cores, Server},
    workload,
};

const CALLERS: [usize; 2] = [1, 32];

/// The number and length of measurements.
pub(crate) struct Times {
    pub(crate) rounds: usize,
    pub(crate) window: Duration,
    pub(crate) warm_up: Duration,
}

/// The result of one window, in microseconds.
struct Sample {
    /// CPU time per call, of the process that gets the calls.
    cpu: f64,
    p50: f64,
    p99: f64,
    calls_per_second: f64,
}

/// Measures and prints. The gateway and its child share the server's core.
pub(crate) fn run(times: &Times, cores: Cores) -> io::Result<()> {
    println!("\n### A gateway in front of a stdio server: `tools/call` of `add`\n");
    println!("| callers | way | CPU of the process called, µs | p50, µs | p99, µs | calls per second |");
    println!("|--:|---|--:|--:|--:|--:|");
    for callers in CALLERS {
        let (mut direct, mut legacy, mut modern) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..times.rounds {
            direct.push(directly(callers, times, cores)?);
            legacy.push(through_gateway(Era::Legacy, callers, times, cores)?);
            modern.push(through_gateway(Era::Modern, callers, times, cores)?);
        }
        let alone = print(callers, "stdio itself", &direct);
        for (era, samples) in [(Era::Legacy, &legacy), (Era::Modern, &modern)] {
            let p50 = print(callers, &format!("gateway, {}", era.name()), samples);
            println!("| {callers} | added by it | | {:.1} | | |", p50 - alone);
        }
    }
    Ok(())
}

/// Prints the medians. Returns the median latency.
fn print(callers: usize, way: &str, samples: &[Sample]) -> f64 {
    let of = |member: fn(&Sample) -> f64| median(samples.iter().map(member).collect());
    let p50 = of(|sample| sample.p50);
    let (cpu, p99) = (of(|sample| sample.cpu), of(|sample| sample.p99));
    let calls = of(|sample| sample.calls_per_second);
    println!("| {callers} | {way} | {cpu:.1} | {p50:.1} | {p99:.1} | {calls:.0} |");
    p50
}

fn through_gateway(era: Era, callers: usize, times: &Times, cores: Cores) -> io::Result<Sample> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve-gateway");
    let server = Server::start(command, cores)?;
    let mut load = cell::connect(&server, &workload::add(era), callers)?;
    load.run(Until::Elapsed(times.warm_up))?;
    let before = server.cpu()?;
    let run = load.run(Until::Elapsed(times.window))?;
    sample(run.latencies, run.elapsed, server.cpu()?.saturating_sub(before))
}

fn directly(callers: usize, times: &Times, cores: Cores) -> io::Result<Sample> {
    let mut direct = Direct::start(cores)?;
    for _ in 0..callers {
        direct.call()?;
    }
    direct.run(times.warm_up)?;
    let before = direct.cpu()?;
    let start = Instant::now();
    let latencies = direct.run(times.window)?;
    sample(latencies, start.elapsed(), direct.cpu()?.saturating_sub(before))
}

#[expect(clippy::cast_precision_loss)]
fn sample(mut latencies: Vec<u32>, elapsed: Duration, cpu: Duration) -> io::Result<Sample> {
    latencies.sort_unstable();
    let quantile = |percent: usize| latencies.get(latencies.len() * percent / 100);
    let (Some(&p50), Some(&p99)) = (quantile(50), quantile(99)) else {
        return Err(io::Error::other("no reply in the window"));
    };
    let calls = latencies.len() as f64;
    Ok(Sample {
        cpu: cpu.as_secs_f64() * 1e6 / calls,
        p50: f64::from(p50) / 1000.0,
        p99: f64::from(p99) / 1000.0,
        calls_per_second: calls / elapsed.as_secs_f64(),
    })
}

/// The same server, called directly over its standard input and output. Like the load over HTTP, it
/// never sleeps.
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
        process::pin(cores.server_core)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("serve-stdio")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        process::pin(cores.client_core)?;
        let mut child = child?;
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
                    return Err(io::Error::other("the server gave another answer"));
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

    fn cpu(&self) -> io::Result<Duration> {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        Ok(ClockId::pid_cpu_clock_id(pid)?.now()?.into())
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        // It may already have ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
