//! The attacked servers, and one that runs.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    contract::{self, Code},
    process::Process,
    requests::{Era, Http, call},
    wire::{Response, Trouble, Until, Wire},
};
use crate::{
    server::{self, ExampleServer},
    setup,
};

/// The maximum number of findings that a test reports.
const MAX_FINDINGS: usize = 40;

/// A tool, and the arguments that carry a text.
type Echo = (&'static str, fn(&str) -> Value);

/// A server, as its clients know it.
#[derive(Debug)]
pub struct Example {
    pub name: &'static str,
    pub program: Program,
    /// The headers that every client must send.
    pub headers: &'static [(&'static str, &'static str)],
    /// A tool that answers a modern client at once.
    pub tool: &'static str,
    pub arguments: &'static str,
    /// A part of its answer.
    pub answer: &'static str,
    /// A tool that repeats a text, and the argument for the text.
    pub echo: Option<Echo>,
    /// The tool `countdown`.
    pub countdown: Option<&'static str>,
    /// Whether a tool asks the user.
    pub asking: Option<Asking>,
    /// Whether changes can be listened to.
    pub listens: bool,
}

/// A tool that asks the user.
#[derive(Debug)]
pub struct Asking {
    pub tool: &'static str,
    pub arguments: &'static str,
    /// The key of its first question, and the content of an answer.
    pub key: &'static str,
    pub content: &'static str,
}

impl Example {
    /// The example `quickstart`; others differ from it in a few fields.
    pub const QUICKSTART: Self = Self {
        name: "quickstart",
        program: Program::Example,
        headers: &[],
        tool: "add",
        arguments: r#"{"a":20,"b":22}"#,
        answer: r#""42""#,
        echo: Some(("echo", |text| json!({"text": text}))),
        countdown: Some("countdown"),
        asking: None,
        listens: false,
    };

    fn path(&self) -> PathBuf {
        match self.program {
            Program::Example => server::example(self.name),
            Program::Gateway(path) => path.into(),
        }
    }
}

/// How a server is started.
#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// The example with this name.
    Example,
    /// The gateway at this path, in front of a `quickstart` named `up`.
    Gateway(&'static str),
}

/// A running server, and the findings.
pub struct Target {
    pub example: &'static Example,
    pub address: SocketAddr,
    pub process: Process,
    /// The address of another server, which is not attacked.
    pub control: SocketAddr,
    cases: AtomicUsize,
    findings: Mutex<Vec<String>>,
    log: PathBuf,
    /// Run until they are dropped: the example, the control, and any server behind it.
    _servers: [Option<ExampleServer>; 3],
}

impl Target {
    pub async fn start(example: &'static Example) -> Self {
        Self::run(example, Command::new(example.path())).await
    }

    /// Does the same, but the process may open no more descriptors than this.
    pub async fn start_with_descriptors(example: &'static Example, most: usize) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!(r#"ulimit -n {most}; exec "$0" "$@""#)]);
        command.arg(example.path());
        Self::run(example, command).await
    }

    async fn run(example: &'static Example, mut command: Command) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = |ending: &str| {
            let name = format!("hostile-{}-{number}.{ending}", example.name);
            setup::scratch().join(name)
        };
        let control = ExampleServer::start("quickstart").await;
        let mut behind = None;
        if let Program::Gateway(_) = example.program {
            let server = ExampleServer::start("quickstart").await;
            let config = json!({"mcpServers": {"up": {"type": "http", "url": server.url()}}});
            fs::write(file("json"), config.to_string()).expect("the target directory takes files");
            command.arg(file("json"));
            behind = Some(server);
        }
        let log = file("log");
        let errors = File::create(&log).expect("the target directory takes files");
        command.args(["--addr", "127.0.0.1:0"]).env("RUST_LOG", "error").stderr(errors);
        // Measures what the server keeps, and not its allocator.
        command.env("MALLOC_TRIM_THRESHOLD_", "131072").env("MALLOC_ARENA_MAX", "2");
        let server = ExampleServer::run(command).await;
        let (address, control_address) = (address_of(&server), address_of(&control));
        Self {
            example,
            address,
            process: Process { id: server.id(), port: address.port() },
            control: control_address,
            cases: AtomicUsize::new(0),
            findings: Mutex::default(),
            log,
            _servers: [Some(server), Some(control), behind],
        }
    }

    /// Returns a valid request with this body for this example.
    pub fn http(&self, era: Era, body: &Value) -> Http {
        http(self.example, self.address, era, body)
    }

    /// Returns the bytes of the call that every example answers at once.
    pub fn usual_call(&self, id: impl Into<Value>) -> Vec<u8> {
        usual_call(self.example, self.address, id)
    }

    pub async fn connect(&self) -> Wire {
        let connecting = Wire::connect(self.address).await;
        connecting.unwrap_or_else(|error| panic!("{}: cannot connect: {error}", self.example.name))
    }

    /// Connects a client that will not read.
    pub async fn connect_narrow(&self) -> Wire {
        let connecting = Wire::connect_narrow(self.address).await;
        connecting.unwrap_or_else(|error| panic!("{}: cannot connect: {error}", self.example.name))
    }

    pub fn found(&self, case: &str, what: impl Into<String>) {
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        findings.push(format!("{case}: {}", what.into()));
    }

    pub fn count(&self) -> usize {
        self.cases.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn cases(&self) -> usize {
        self.cases.load(Ordering::Relaxed)
    }

    /// Checks an answer, and records a finding if it breaks the contract. Returns the status and
    /// the code.
    pub fn judge(
        &self,
        case: &str,
        answer: &Result<Response, Trouble>,
        id: Option<&str>,
    ) -> Option<(u16, Code)> {
        self.count();
        match answer {
            Ok(response) => match contract::judge(response, id) {
                Ok(code) => return Some((response.status, code)),
                Err(fault) => self.found(case, fault),
            },
            Err(trouble) => self.found(case, format!("no answer: {trouble:?}")),
        }
        None
    }

    /// Sends a request on a separate connection, and checks its answer.
    pub async fn ask(&self, case: &str, bytes: &[u8], id: Option<&str>) -> Option<(u16, Code)> {
        let answer = self.connect().await.exchange(bytes, Until::FirstEvent).await;
        self.judge(case, &answer, id)
    }

    /// Does the same, if only one answer is right.
    pub async fn ask_for(&self, case: &str, bytes: &[u8], expected: (u16, Code)) {
        if let Some(answer) = self.ask(case, bytes, None).await
            && answer != expected
        {
            self.found(case, format!("{answer:?} instead of {expected:?}"));
        }
    }

    /// Returns all findings, one per line; empty if there are none.
    pub fn findings(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        for line in log.lines().filter(|line| line.contains("panicked")) {
            self.found("log", line);
        }
        if self.process.usage().is_none() {
            self.found("process", format!("it has ended: {}", log.lines().last().unwrap_or_default()));
        }
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        findings.dedup();
        let all = findings.len();
        findings.truncate(MAX_FINDINGS);
        if all > findings.len() {
            findings.push(format!("and {} more", all - MAX_FINDINGS));
        }
        findings.join("\n")
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Cleaning the target directory removes them as well.
        let _ = fs::remove_file(&self.log);
        let _ = fs::remove_file(self.log.with_extension("json"));
    }
}

fn address_of(server: &ExampleServer) -> SocketAddr {
    let address = server.url().strip_prefix("http://").and_then(|url| url.strip_suffix("/mcp"));
    address.and_then(|text| text.parse().ok()).expect("an example says where it listens")
}

pub fn http(example: &Example, address: SocketAddr, era: Era, body: &Value) -> Http {
    let headers = example.headers.iter();
    let http = Http::post(era, body).with("Host", &address.to_string());
    headers.fold(http, |http, (name, value)| http.with(name, value))
}

pub fn usual_call(example: &Example, address: SocketAddr, id: impl Into<Value>) -> Vec<u8> {
    let arguments: Value = serde_json::from_str(example.arguments).expect("arguments are JSON");
    let body = call(Era::Modern, id, example.tool, &arguments);
    http(example, address, Era::Modern, &body).bytes()
}
