//! Redis as a process, and where the programs of other services are.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};

use crate::{
    server::free_port,
    setup::{self, scratch},
    wait,
};

/// Only bounds how long one exchange with a server can take.
const LIMIT: Duration = Duration::from_secs(2);

/// Returns the path of a program. Installs it if it is missing.
///
/// # Panics
/// When it cannot be installed. The message says why.
pub fn program(name: &str) -> PathBuf {
    let found = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        directories.map(|directory| directory.join(name)).find(|path| path.is_file())
    };
    found().unwrap_or_else(|| {
        setup::services().unwrap_or_else(|reason| panic!("{name} is missing: {reason}"));
        found().unwrap_or_else(|| panic!("{name} is not in PATH"))
    })
}

/// A directory that is deleted when it is dropped.
pub struct Directory(PathBuf);

impl Directory {
    /// Creates an empty directory. `name` must differ from those of others that exist in this process.
    pub fn new(name: &str) -> Self {
        let path = scratch().join(format!("{name}-{}", std::process::id()));
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{}: {error}", path.display()),
            _ => fs::create_dir_all(&path).expect("the scratch directory takes directories"),
        }
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left is deleted by the next process with this id.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A Redis server with its own port and directory. It ends when it is dropped. What it holds survives
/// its end by any signal.
pub struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    directory: Directory,
    process: Option<Child>,
}

impl RedisServer {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with more arguments, such as `["--requirepass", "secret"]`.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let port = free_port();
        let directory = Directory::new(&format!("redis-{port}"));
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { port, arguments, directory, process: None };
        server.restart().await;
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts the process again, and waits until it answers.
    pub async fn restart(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let mut command = Command::new(program("redis-server"));
        let port = self.port.to_string();
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(self.directory.path());
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        self.process = Some(command.spawn().expect("redis-server runs"));
        wait::until("redis-server answers", async || {
            let process = self.process.as_mut().expect("it was started");
            let ended = process.try_wait().expect("it can be waited for");
            assert!(ended.is_none(), "redis-server has ended with {ended:?}");
            answers(self.port).await
        })
        .await;
    }

    /// Kills the process, and waits until it has ended.
    pub async fn kill(&mut self) {
        self.end(Signal::KILL).await;
    }

    /// Asks the process to end, and waits until it has.
    pub async fn stop(&mut self) {
        self.end(Signal::TERM).await;
    }

    async fn end(&mut self, signal: Signal) {
        self.signal(signal);
        let mut process = self.process.take().expect("it runs");
        process.wait().await.expect("it can be waited for");
    }

    /// Stops the process, without closing its connections, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.process.as_ref().and_then(Child::id).expect("it runs");
        let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(id, signal).expect("it takes signals");
    }
}

/// Returns whether a Redis server answers at a port, be it with an error, except that it loads its
/// data.
async fn answers(port: u16) -> bool {
    let asking = async {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
        socket.write_all(b"PING\r\n").await?;
        let mut answer = [0; 64];
        let length = socket.read(&mut answer).await?;
        Ok::<_, io::Error>(length > 0 && !answer.starts_with(b"-LOADING"))
    };
    timeout(LIMIT, asking).await.is_ok_and(|answered| answered.unwrap_or(false))
}
