//! Server processes: starts each on its own core, and reads what it has used.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::resource::{Resource, getrlimit, setrlimit},
    time::ClockId,
    unistd::Pid,
};

/// The cores of the two sides.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Cores {
    /// The core that servers run on.
    #[arg(long, default_value_t = 1)]
    pub(crate) server_core: usize,
    /// The core that the load comes from.
    #[arg(long, default_value_t = 0)]
    pub(crate) client_core: usize,
}

/// Pins this process, and the processes that it starts, to one core.
pub(crate) fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set)
        .map_err(|error| io::Error::other(format!("no core {core} to run on: {error}")))
}

/// Raises the limit of open files, and so of connections, as far as the system allows.
pub(crate) fn raise_open_files() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// Returns the number of connections that the limit of open files allows. Servers have the same.
pub(crate) fn most_connections() -> io::Result<usize> {
    /// Standard streams, pipes, the listener and `epoll`.
    const OTHERS: usize = 64;
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(usize::try_from(soft).unwrap_or(usize::MAX).saturating_sub(OTHERS))
}

/// Fails if the limit of open files does not allow this many.
pub(crate) fn needs_connections(connections: usize) -> io::Result<()> {
    let most = most_connections()?;
    if connections <= most {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{connections} connections are more than the {most} that the limit of open files (`ulimit -Hn`) allows"
    )))
}

/// Returns the CPU time of this process.
pub(crate) fn own_cpu() -> io::Result<Duration> {
    Ok(ClockId::CLOCK_PROCESS_CPUTIME_ID.now()?.into())
}

/// Returns how long the two cores have been busy since the system started, in units of 10 ms.
pub(crate) fn busy(cores: Cores) -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let both = [cores.server_core, cores.client_core];
    let ticks = stat.lines().filter_map(|line| {
        let (core, times) = line.strip_prefix("cpu")?.split_once(' ')?;
        both.contains(&core.parse().ok()?).then_some(times)
    });
    // User, nice, system, irq, softirq, steal; without idle and iowait.
    let busy = ticks.flat_map(|times| {
        let times: Vec<u64> = times.split_whitespace().map_while(|time| time.parse().ok()).collect();
        [0, 1, 2, 5, 6, 7].map(|kind| times.get(kind).copied().unwrap_or(0))
    });
    Ok(TICK * u32::try_from(busy.sum::<u64>()).unwrap_or(u32::MAX))
}

/// The unit of times in `/proc`, which does not depend on the kernel's tick.
const TICK: Duration = Duration::from_millis(10);

/// Returns user time and system time of a process, in units of 10 ms.
pub(crate) fn user_and_system(process: Pid) -> io::Result<(Duration, Duration)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in parentheses, which may contain any character.
    let mut ticks = stat.rsplit(')').next().into_iter().flat_map(|rest| rest.split_whitespace().skip(11));
    let mut next = || Some(TICK * ticks.next()?.parse().ok()?);
    next().zip(next()).ok_or_else(|| io::Error::other("no times of the server"))
}

/// Starts a process on the server's core.
pub(crate) fn spawn(command: &mut Command, cores: Cores) -> io::Result<Child> {
    // A child inherits the core of its parent.
    pin(cores.server_core)?;
    let child = command.spawn();
    pin(cores.client_core)?;
    child
}

/// A running server. It ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    commands: ChildStdin,
    lines: Receiver<String>,
    addr: SocketAddr,
}

/// The time limit for a start. Servers in other languages take seconds if nothing is cached.
const START: Duration = Duration::from_secs(60);

impl Server {
    pub(crate) fn start(mut command: Command, cores: Cores) -> io::Result<Self> {
        let mut child = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()), cores)?;
        let commands = child.stdin.take().expect("standard input is piped");
        let output = child.stdout.take().expect("standard output is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut server = Self { child, commands, lines, addr: SocketAddr::from(([127, 0, 0, 1], 0)) };
        server.addr = server.announced()?;
        Ok(server)
    }

    /// Starts a hidden command of this program.
    #[cfg(any(feature = "gateway", feature = "tasks"))]
    pub(crate) fn of_this_program(arguments: &[&str], cores: Cores) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments);
        Self::start(command, cores)
    }

    /// Returns the address from the line that a server writes when it is ready.
    fn announced(&self) -> io::Result<SocketAddr> {
        let line =
            self.lines.recv_timeout(START).map_err(|_| io::Error::other("the server did not start"))?;
        line.strip_prefix("listening on http://")
            .and_then(|rest| rest.strip_suffix("/mcp"))
            .and_then(|addr| addr.parse().ok())
            .ok_or_else(|| io::Error::other(format!("the server said {line:?}")))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the user and system time of all threads.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        Ok(ClockId::pid_cpu_clock_id(self.pid())?.now()?.into())
    }

    /// Returns user time and system time separately, in units of 10 ms.
    pub(crate) fn user_and_system(&self) -> io::Result<(Duration, Duration)> {
        user_and_system(self.pid())
    }

    /// Returns the resident memory in KiB.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        self.status("VmRSS:")
    }

    /// Returns the peak resident memory in KiB.
    pub(crate) fn peak_resident(&self) -> io::Result<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, key: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no {key} of the server")))
    }

    /// Returns the number of heap allocations so far, and their bytes. Both are zero unless the
    /// server is built to count.
    pub(crate) fn allocations(&mut self) -> io::Result<(u64, u64)> {
        writeln!(self.commands)?;
        let line =
            self.lines.recv_timeout(START).map_err(|_| io::Error::other("the server did not answer"))?;
        line.strip_prefix("allocations ")
            .and_then(|rest| rest.split_once(' '))
            .and_then(|(count, bytes)| Some((count.parse().ok()?, bytes.parse().ok()?)))
            .ok_or_else(|| io::Error::other(format!("the server said {line:?}")))
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may already have ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
