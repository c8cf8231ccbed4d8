//! The processes of a fleet: replicas of the example, nginx in front of them, and Redis.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use test_support::server::{ExampleServer, example, free_port};
use test_support::services::{Directory, RedisServer, program};
use test_support::wait;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/fleet/nginx.conf");
const KEYS: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The header in which nginx names the replicas that got a request, the last one last.
pub(crate) const REPLICA_HEADER: &str = "replica";

/// The pause between two checks of nginx.
const PAUSE: Duration = Duration::from_millis(10);

/// A replica of the example, which may be stopped.
pub(crate) struct Replica {
    pub(crate) port: u16,
    server: Option<ExampleServer>,
    settings: Settings,
}

/// How replicas are started.
#[derive(Clone)]
struct Settings {
    redis: String,
    log: PathBuf,
    times: Times,
}

/// The settings of replicas, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// The time after which a silent replica counts as dead.
    pub(crate) lease: u64,
    /// The time for which a replica continues to serve after the signal.
    pub(crate) announce: u64,
}

/// The time for which results of tasks are kept, in seconds.
const KEPT: u64 = 60;

impl Replica {
    fn new(settings: Settings) -> Self {
        Self { port: free_port(), server: None, settings }
    }

    /// Starts the process, and waits until it listens.
    pub(crate) async fn start(&mut self) {
        assert!(self.server.is_none(), "it runs");
        let log = File::options().create(true).append(true).open(&self.settings.log).expect("a log");
        let mut command = Command::new(example("fleet"));
        command.args(["--addr", &format!("127.0.0.1:{}", self.port)]).stderr(Stdio::from(log));
        command.env("REDIS_URL", &self.settings.redis).env("STATE_KEYS", KEYS).env("RUST_LOG", "warn");
        let Times { lease, announce } = self.settings.times;
        for (name, seconds) in [("LEASE", lease), ("KEEP", KEPT), ("ANNOUNCE", announce)] {
            command.env(format!("{name}_SECONDS"), seconds.to_string());
        }
        self.server = Some(ExampleServer::run(command).await);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Returns the id of the process.
    pub(crate) fn process(&self) -> u32 {
        self.server.as_ref().expect("it runs").id()
    }

    /// Kills the process, and waits until it is dead.
    pub(crate) async fn kill(&mut self) {
        self.server.take().expect("it runs").ends_by("KILL").await;
    }

    /// Sends SIGTERM to the process, and waits until it has ended.
    pub(crate) async fn stop(&mut self) {
        let ended = self.server.take().expect("it runs").ends_by("TERM").await;
        assert!(ended.success(), "a replica ends with {ended}");
    }
}

/// nginx with the configuration of the example.
pub(crate) struct Nginx {
    pub(crate) port: u16,
    directory: PathBuf,
    process: Child,
}

impl Nginx {
    async fn start(directory: &Path, replicas: &[u16]) -> Self {
        let port = free_port();
        fs::create_dir_all(directory.join("temp")).expect("a directory");
        fs::copy(CONFIGURATION, directory.join("nginx.conf")).expect("the configuration");
        // Responses say which replica had their requests.
        let listen =
            format!("listen 127.0.0.1:{port};\nadd_header {REPLICA_HEADER} $upstream_addr always;\n");
        fs::write(directory.join("listen.conf"), listen).expect("a file");
        write_replicas(directory, replicas);
        let mut command = Command::new(program("nginx"));
        command.arg("-p").arg(directory).arg("-c").arg(directory.join("nginx.conf"));
        // As root, nginx would drop its privileges, and could not read the directory.
        command.args(["-e", "nginx.log", "-g", "daemon off; user root;"]);
        let log = File::create(directory.join("start.log")).expect("a log");
        command.stdin(Stdio::null()).stderr(Stdio::from(log)).kill_on_drop(true);
        let process = command.spawn().expect("nginx runs");
        wait::until("nginx listens", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        Self { port, directory: directory.to_owned(), process }
    }

    /// Sends new requests only to these replicas. Returns when all workers use the new configuration.
    pub(crate) async fn balance(&self, replicas: &[u16]) {
        write_replicas(&self.directory, replicas);
        let before = self.workers();
        let id = self.process.id().expect("it runs").to_string();
        let reload = Command::new("kill").args(["-s", "HUP", &id]).status().await.expect("kill runs");
        assert!(reload.success(), "nginx takes no signal");
        let start = Instant::now();
        loop {
            let now = self.workers();
            if !now.is_empty() && now.iter().all(|worker| !before.contains(worker)) {
                return;
            }
            assert!(start.elapsed() < wait::LIMIT, "nginx does not reload");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns the ids of the workers that accept connections.
    fn workers(&self) -> Vec<String> {
        let id = self.process.id().expect("it runs");
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let accepts = |child: &&str| {
            let title = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            let title = String::from_utf8_lossy(&title).into_owned();
            title.contains("worker process") && !title.contains("shutting down")
        };
        children.split_whitespace().filter(accepts).map(str::to_owned).collect()
    }
}

/// nginx gets SIGTERM, because its workers would outlive a master process that is killed.
impl Drop for Nginx {
    fn drop(&mut self) {
        let Some(id) = self.process.id() else { return };
        let _ = std::process::Command::new("kill").args(["-s", "TERM", &id.to_string()]).status();
        let start = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(PAUSE);
        }
    }
}

fn write_replicas(directory: &Path, replicas: &[u16]) {
    let lines: Vec<_> = replicas.iter().map(|port| format!("server 127.0.0.1:{port} max_fails=0;")).collect();
    fs::write(directory.join("replicas.conf"), lines.join("\n")).expect("a file");
}

/// Only one fleet runs at a time, because the tests depend on the clock and share the processors.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Three replicas behind nginx, and Redis.
pub(crate) struct Fleet {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) nginx: Nginx,
    pub(crate) redis: RedisServer,
    directory: Directory,
    _turn: MutexGuard<'static, ()>,
}

impl Fleet {
    /// Starts a fleet. `name` must be unique among the tests.
    pub(crate) async fn start(name: &str, times: Times) -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        let directory = Directory::new(&format!("fleet-{name}"));
        let redis = RedisServer::start().await;
        let log = directory.path().join("replicas.log");
        let settings = Settings { redis: redis.url(), log, times };
        let mut replicas: Vec<_> = (0..3).map(|_| Replica::new(settings.clone())).collect();
        for replica in &mut replicas {
            replica.start().await;
        }
        let ports: Vec<_> = replicas.iter().map(|replica| replica.port).collect();
        let nginx = Nginx::start(directory.path(), &ports).await;
        Self { replicas, nginx, redis, directory, _turn: turn }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.nginx.port)
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.replicas.iter().map(|replica| replica.port).collect()
    }

    /// Returns the ends of the logs of the replicas and of nginx.
    pub(crate) fn log(&self) -> String {
        let end = |name: &str| {
            let text = fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            lines[lines.len().saturating_sub(60)..].join("\n")
        };
        ["replicas.log", "nginx.log"].map(end).join("\n\n")
    }
}
