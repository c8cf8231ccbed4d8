//! The Redis that keeps the tasks: a process that is started for a measurement, or one that runs
//! already.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use redis::{Client, Connection, ConnectionLike as _, InfoDict, cmd};

use crate::process::{self, Cores};

/// How long Redis may take to start, and to answer.
const LIMIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// A Redis, and a connection to ask what it has used.
pub(super) struct Redis {
    url: String,
    connection: Connection,
    /// Ends when this is dropped.
    _process: Option<Process>,
}

struct Process {
    child: Child,
    directory: PathBuf,
}

impl Redis {
    /// Connects to the Redis with this URL, or starts one on the server's core.
    pub(super) fn open(url: Option<&str>, cores: Cores) -> io::Result<Self> {
        if let Some(url) = url {
            return Ok(Self { connection: connect(url)?, url: url.to_owned(), _process: None });
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut process = Process::start(port, cores)?;
        let url = format!("redis://127.0.0.1:{port}");
        let start = Instant::now();
        loop {
            match connect(&url) {
                Ok(connection) => return Ok(Self { url, connection, _process: Some(process) }),
                Err(error) if start.elapsed() > LIMIT => return Err(error),
                Err(_) => thread::sleep(LOOK),
            }
            if let Some(status) = process.child.try_wait()? {
                return Err(io::Error::other(format!("redis-server has ended: {status}")));
            }
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the user and system time of all threads.
    pub(super) fn cpu(&mut self) -> io::Result<Duration> {
        let info: InfoDict = cmd("INFO").arg("cpu").query(&mut self.connection).map_err(fault)?;
        let seconds = |key: &str| info.get::<f64>(key);
        let all = seconds("used_cpu_user").zip(seconds("used_cpu_sys")).map(|(user, system)| user + system);
        let all = all.and_then(|all| Duration::try_from_secs_f64(all).ok());
        all.ok_or_else(|| io::Error::other("Redis does not say what CPU time it has used"))
    }

    /// Counts the commands that Redis gets while `work` runs, by name, without those that scripts call.
    pub(super) fn commands(
        &mut self,
        work: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<BTreeMap<String, u64>> {
        let mut monitor = connect(&self.url)?;
        monitor.send_packed_command(&cmd("MONITOR").get_packed_command()).map_err(fault)?;
        monitor.recv_response().map_err(fault)?;
        work()?;
        // Comes after everything else.
        let end = format!("end of {}", std::process::id());
        cmd("ECHO").arg(&end).exec(&mut self.connection).map_err(fault)?;
        let mut commands = BTreeMap::new();
        loop {
            let line: String =
                redis::from_redis_value(monitor.recv_response().map_err(fault)?).map_err(fault)?;
            if line.contains(&end) {
                return Ok(commands);
            }
            // A time, `[database client]`, and the command with its arguments, each in quotes.
            let Some((client, command)) = line.split_once("] \"") else { continue };
            if !client.ends_with(" lua") {
                let name = command.split('"').next().unwrap_or_default();
                *commands.entry(name.to_ascii_uppercase()).or_default() += 1;
            }
        }
    }
}

fn connect(url: &str) -> io::Result<Connection> {
    let mut connection =
        Client::open(url).and_then(|client| client.get_connection_with_timeout(LIMIT)).map_err(fault)?;
    connection.set_read_timeout(Some(LIMIT)).map_err(fault)?;
    if !connection.check_connection() {
        return Err(io::Error::other("Redis does not answer"));
    }
    Ok(connection)
}

fn fault(error: impl Into<redis::RedisError>) -> io::Error {
    io::Error::other(format!("Redis: {}", error.into()))
}

impl Process {
    /// Starts a server that persists its data, as the crate for Redis recommends.
    fn start(port: u16, cores: Cores) -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("peers-redis-{}-{port}", std::process::id()));
        fs::create_dir(&directory)?;
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
        ]);
        command.arg("--dir").arg(&directory).stdin(Stdio::null()).stdout(Stdio::null());
        match process::spawn(&mut command, cores) {
            Ok(child) => Ok(Self { child, directory }),
            Err(error) => {
                fs::remove_dir_all(&directory)?;
                Err(match error.kind() {
                    ErrorKind::NotFound => io::Error::other(
                        "redis-server is not installed: install Redis, or name a Redis or Valkey that runs with `--redis URL`",
                    ),
                    _ => error,
                })
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may already have ended.
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.directory).ok();
    }
}
