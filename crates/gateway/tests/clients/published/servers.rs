//! The published servers, as entries for a gateway.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use test_support::{server::ExampleServer, setup, upstreams as cast};

/// The directories that the servers work in, removed when dropped.
pub(super) struct Workspace(PathBuf);

impl Workspace {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("workspace-{}-{number}", std::process::id());
        let workspace = Self(setup::scratch().join(name));
        // Left by an earlier process with the same id.
        if let Err(error) = fs::remove_dir_all(&workspace.0) {
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        }
        fs::create_dir_all(workspace.files()).expect("the target directory takes directories");
        workspace.git(&["init", "--quiet", "repository"]);
        for (key, value) in [("user.name", "Ada"), ("user.email", "ada@example.com")] {
            workspace.git(&["-C", "repository", "config", key, value]);
        }
        workspace.git(&["-C", "repository", "commit", "--quiet", "--allow-empty", "--message", "Begin"]);
        workspace
    }

    pub(super) fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    pub(super) fn repository(&self) -> PathBuf {
        self.0.join("repository")
    }

    /// Returns a path where no file exists yet.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        // The tests must not depend on the user's settings, such as hooks and signatures.
        command.args(arguments).current_dir(&self.0).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let status = command.status().expect("git runs");
        assert!(status.success(), "git {arguments:?}: {status}");
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // A child that is still ending may write into it; the next cleanup removes the rest.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A published server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Everything,
    Filesystem,
    Memory,
    Time,
    Git,
    Fast,
    FastOverHttp,
}

impl Server {
    pub(super) const ALL: [Self; 7] = [
        Self::Everything,
        Self::Filesystem,
        Self::Memory,
        Self::Time,
        Self::Git,
        Self::Fast,
        Self::FastOverHttp,
    ];

    /// Its name in the gateway's configuration.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Filesystem => "filesystem",
            Self::Memory => "memory",
            Self::Time => "time",
            Self::Git => "git",
            Self::Fast => "fast",
            Self::FastOverHttp => "far",
        }
    }

    /// The name of the story for it.
    pub(super) fn story(self) -> &'static str {
        match self {
            Self::FastOverHttp => Self::Fast.story(),
            other => other.name(),
        }
    }

    /// The directory that its story mentions.
    pub(super) fn directory(self, workspace: &Workspace) -> Option<PathBuf> {
        match self {
            Self::Filesystem => Some(workspace.files()),
            Self::Git => Some(workspace.repository()),
            _ => None,
        }
    }

    /// A call of one of its tools that needs no setup.
    pub(super) fn quick_call(self, workspace: &Workspace) -> (String, Value) {
        let (tool, arguments) = match self {
            Self::Everything => ("get-sum", json!({ "a": 2, "b": 3 })),
            Self::Filesystem => ("list_directory", json!({ "path": workspace.files() })),
            Self::Memory => ("read_graph", json!({})),
            Self::Time => ("get_current_time", json!({ "timezone": "UTC" })),
            Self::Git => ("git_status", json!({ "repo_path": workspace.repository() })),
            Self::Fast | Self::FastOverHttp => ("add", json!({ "a": 2, "b": 3 })),
        };
        (format!("{}-{tool}", self.name()), arguments)
    }
}

/// Published servers in the gateway's configuration. Those over HTTP run until dropped.
pub(super) struct Cast {
    pub(super) entries: Value,
    _running: Option<ExampleServer>,
}

impl Cast {
    pub(super) async fn of(servers: &[Server], workspace: &Workspace) -> Self {
        let mut entries = json!({});
        let mut running = None;
        for &server in servers {
            entries[server.name()] = match server {
                Server::Everything => node("server-everything", &[]),
                Server::Filesystem => node("server-filesystem", &[&workspace.files()]),
                Server::Memory => {
                    let mut entry = node("server-memory", &[]);
                    entry["env"] = json!({ "MEMORY_FILE_PATH": workspace.file("memory.jsonl") });
                    entry
                }
                Server::Time => python("mcp-server-time", &[]),
                Server::Git => {
                    python("mcp-server-git", &[Path::new("--repository"), &workspace.repository()])
                }
                Server::Fast => cast::fast(),
                Server::FastOverHttp => {
                    let far = cast::fast_over_http().await;
                    let entry = cast::http(&far);
                    running = Some(far);
                    entry
                }
            };
        }
        Self { entries, _running: running }
    }
}

fn node(package: &str, arguments: &[&Path]) -> Value {
    let script = setup::typescript(&format!("node_modules/@modelcontextprotocol/{package}/dist/index.js"));
    let args: Vec<&Path> = [script.as_path()].into_iter().chain(arguments.iter().copied()).collect();
    json!({ "command": setup::node(), "args": args })
}

fn python(program: &str, arguments: &[&Path]) -> Value {
    json!({ "command": setup::python_servers().join(program), "args": arguments })
}
