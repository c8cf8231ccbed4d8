//! The resources of a server process, from `/proc`.

use std::{fs, time::Duration};

use tokio::time::Instant;

/// The resources of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory, in KiB.
    pub memory: usize,
    pub descriptors: usize,
    pub threads: usize,
    /// TCP connections to the server's port that the process holds.
    pub connections: usize,
}

/// A running process that listens on a port.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub id: u32,
    pub port: u16,
}

/// The state of a listening socket in `/proc/PID/net/tcp`.
const LISTEN: &str = "0A";
/// How long a process may take to release resources: TCP, idle connections and threads have their
/// own time limits. Only detects leaks.
const RECOVERY: Duration = Duration::from_secs(60);
/// How much memory allocators may keep: this many KiB, or a quarter.
const SLACK: usize = 16 * 1024;
/// How many more descriptors and threads are allowed: idle connections to an upstream, or a thread
/// that a runtime keeps for a while.
const SPARE: usize = 4;

impl Process {
    /// Returns its current resources; `None` once it has ended.
    pub fn usage(self) -> Option<Usage> {
        let status = self.read("status")?;
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            value.split_whitespace().next()?.parse().ok()
        };
        Some(Usage {
            memory: field("VmRSS")?,
            descriptors: fs::read_dir(format!("/proc/{}/fd", self.id)).ok()?.count(),
            threads: fs::read_dir(format!("/proc/{}/task", self.id)).ok()?.count(),
            connections: self.clients()?.len(),
        })
    }

    /// Returns its resident memory in KiB, cheaply enough for frequent calls.
    pub fn memory(self) -> Option<usize> {
        let pages: usize = self.read("statm")?.split_whitespace().nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() / 1024)
    }

    /// Returns how often the queue of connections to be accepted was full, of any server on this machine.
    /// The kernel then drops packets of a client, which sends them again a second later.
    pub fn overflows(self) -> u64 {
        let table = self.read("net/netstat").unwrap_or_default();
        let mut rows = table.lines().filter_map(|row| row.strip_prefix("TcpExt:"));
        let mut row = || rows.next().unwrap_or_default().split_whitespace();
        let (names, values) = (row(), row());
        let overflows = names.zip(values).find(|(name, _)| *name == "ListenOverflows");
        overflows.and_then(|(_, count)| count.parse().ok()).unwrap_or_default()
    }

    /// Whether it holds a connection to this port of a client.
    pub fn holds(self, client: u16) -> bool {
        self.clients().is_some_and(|clients| clients.contains(&client))
    }

    /// Returns the ports of the clients to which it holds connections.
    fn clients(self) -> Option<Vec<u16>> {
        let port_of = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
        let table = self.read("net/tcp")?;
        let clients = table.lines().skip(1).filter_map(|line| {
            let columns: Vec<_> = line.split_whitespace().collect();
            let [_, local, remote, state, .., inode] = columns.get(..10)? else { return None };
            // Connections that wait to be accepted or are closed belong to no process.
            let is_open = port_of(local) == Some(self.port) && *state != LISTEN && *inode != "0";
            is_open.then(|| port_of(remote))?
        });
        Some(clients.collect())
    }

    fn read(self, file: &str) -> Option<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.id)).ok()
    }

    /// Waits until it holds no more than in `calm`.
    ///
    /// # Errors
    /// Returns an error if it keeps resources. The error names them.
    pub async fn recovers(self, calm: Usage) -> Result<Usage, String> {
        let deadline = Instant::now() + RECOVERY;
        loop {
            let Some(now) = self.usage() else { return Err("the process has ended".to_owned()) };
            let fits = now.memory <= calm.memory + SLACK.max(calm.memory / 4)
                && now.descriptors <= calm.descriptors + SPARE
                && now.threads <= calm.threads + SPARE
                && now.connections <= calm.connections;
            if fits {
                return Ok(now);
            }
            if Instant::now() >= deadline {
                return Err(format!("it keeps what it had in the storm: calm {calm:?}, now {now:?}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until its resources have been stable for a while.
    pub async fn settles(self) -> Option<Usage> {
        let deadline = Instant::now() + RECOVERY;
        let mut before = self.usage()?;
        let mut unchanged = 0;
        while unchanged < 5 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = self.usage()?;
            unchanged = if now == before { unchanged + 1 } else { 0 };
            before = now;
        }
        Some(before)
    }
}

/// Raises the limit of descriptors for this process and its children.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it is not allowed, the floods fail with a clear message.
    let _ = setrlimit(Resource::Nofile, limit);
}
