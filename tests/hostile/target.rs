//! The examples, and a running one.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    contract::{self, Code},
    process::Process,
    requests::{Era, Http, call},
    server::{self, ExampleServer},
    wire::{Response, Trouble, Until, Wire},
};

/// The most findings that a test tells of.
const MAX_FINDINGS: usize = 40;

/// A tool, and the arguments that carry a text.
type Echo = (&'static str, fn(&str) -> Value);

/// An example, as far as its clients know it.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) name: &'static str,
    /// What every client must send.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// A tool that answers a modern client at once.
    pub(crate) tool: &'static str,
    pub(crate) arguments: &'static str,
    /// A part of its answer.
    pub(crate) answer: &'static str,
    /// A tool that says a text again, and the arguments that carry it.
    pub(crate) echo: Option<Echo>,
    /// The tool `countdown`.
    pub(crate) countdown: Option<&'static str>,
    /// A tool that asks the user, as `tool` does or not.
    pub(crate) asking: Option<Asking>,
    /// Whether there is something to listen to.
    pub(crate) listens: bool,
}

/// A tool that asks the user.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) tool: &'static str,
    pub(crate) arguments: &'static str,
    /// The key of its first question, and the content of an answer.
    pub(crate) key: &'static str,
    pub(crate) content: &'static str,
}

const PLAIN: Example = Example {
    name: "quickstart",
    headers: &[],
    tool: "add",
    arguments: r#"{"a":20,"b":22}"#,
    answer: r#""42""#,
    echo: Some(("echo", |text| json!({"text": text}))),
    countdown: Some("countdown"),
    asking: None,
    listens: false,
};
const ORDER: Asking =
    Asking { tool: "order", arguments: r#"{"dish":"soup"}"#, key: "guests", content: r#"{"guests":2}"# };
const GREETING: Asking = Asking {
    tool: "test_input_required_result_multi_round",
    arguments: "{}",
    key: "step1",
    content: r#"{"name":"Ada"}"#,
};

pub(crate) static QUICKSTART: Example = PLAIN;
pub(crate) static HYPER_SERVER: Example = Example { name: "hyper_server", ..PLAIN };
pub(crate) static AXUM_APP: Example = Example {
    name: "axum_app",
    headers: &[("Authorization", "Bearer ada-secret")],
    tool: "whoami",
    arguments: "{}",
    answer: r#""Ada""#,
    echo: None,
    countdown: None,
    ..PLAIN
};
pub(crate) static PER_TENANT: Example = Example {
    name: "per_tenant",
    headers: &[("X-Tenant", "bakery")],
    tool: "bake",
    arguments: "{}",
    answer: "one loaf",
    echo: None,
    countdown: None,
    ..PLAIN
};
pub(crate) static ASK_THE_USER: Example = Example {
    name: "ask_the_user",
    tool: "order",
    arguments: r#"{"dish":"soup"}"#,
    answer: "input_required",
    echo: None,
    countdown: None,
    asking: Some(ORDER),
    ..PLAIN
};
pub(crate) static LIVE_RESOURCES: Example = Example {
    name: "live_resources",
    tool: "write_note",
    arguments: r#"{"about":"milk","text":"Buy some."}"#,
    answer: "noted",
    echo: None,
    countdown: None,
    listens: true,
    ..PLAIN
};
pub(crate) static EVERYTHING: Example = Example {
    name: "everything",
    tool: "test_simple_text",
    arguments: "{}",
    answer: "simple text",
    echo: Some(("json_schema_2020_12_tool", |text| json!({"name": text, "email": ""}))),
    countdown: None,
    asking: Some(GREETING),
    listens: true,
    ..PLAIN
};
pub(crate) static GATEWAY: Example = Example {
    name: "gateway",
    tool: "up-add",
    echo: Some(("up-echo", |text| json!({"text": text}))),
    countdown: Some("up-countdown"),
    // What it joins may change.
    listens: true,
    ..PLAIN
};

/// All of them.
pub(crate) fn all() -> Vec<&'static Example> {
    vec![
        &QUICKSTART,
        &HYPER_SERVER,
        &AXUM_APP,
        &PER_TENANT,
        &ASK_THE_USER,
        &LIVE_RESOURCES,
        &EVERYTHING,
        &GATEWAY,
    ]
}

/// A running example, and what was found out about it.
pub(crate) struct Target {
    pub(crate) example: &'static Example,
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    /// Where another server listens, which is left alone.
    pub(crate) control: SocketAddr,
    cases: AtomicUsize,
    findings: Mutex<Vec<String>>,
    log: PathBuf,
    /// They run until they are dropped: the example, the control, and what is behind it.
    _servers: [Option<ExampleServer>; 3],
}

impl Target {
    pub(crate) async fn start(example: &'static Example) -> Self {
        Self::run(example, Command::new(server::example(example.name))).await
    }

    /// The same, where the process may open no more descriptors than this.
    pub(crate) async fn start_with_descriptors(example: &'static Example, most: usize) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!(r#"ulimit -n {most}; exec "$0" "$@""#)]);
        command.arg(server::example(example.name));
        Self::run(example, command).await
    }

    async fn run(example: &'static Example, mut command: Command) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = |ending: &str| {
            let name = format!("hostile-{}-{number}.{ending}", example.name);
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
        };
        let control = ExampleServer::start("quickstart").await;
        let mut behind = None;
        if example.name == "gateway" {
            let server = ExampleServer::start("quickstart").await;
            let config = json!({"mcpServers": {"up": {"type": "http", "url": server.url()}}});
            fs::write(file("json"), config.to_string()).expect("the target directory takes files");
            command.arg(file("json"));
            behind = Some(server);
        }
        let log = file("log");
        let errors = File::create(&log).expect("the target directory takes files");
        command.args(["--addr", "127.0.0.1:0"]).env("RUST_LOG", "error").stderr(errors);
        // What is measured is what the server keeps, not what its allocator does.
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

    /// A proper request of this body, as this example wants it.
    pub(crate) fn http(&self, era: Era, body: &Value) -> Http {
        http(self.example, self.address, era, body)
    }

    /// The bytes of the call that every example answers at once.
    pub(crate) fn usual_call(&self, id: impl Into<Value>) -> Vec<u8> {
        usual_call(self.example, self.address, id)
    }

    pub(crate) async fn connect(&self) -> Wire {
        let connecting = Wire::connect(self.address).await;
        connecting.unwrap_or_else(|error| panic!("{}: cannot connect: {error}", self.example.name))
    }

    /// The connection of a client that does not mean to read.
    pub(crate) async fn connect_narrow(&self) -> Wire {
        let connecting = Wire::connect_narrow(self.address).await;
        connecting.unwrap_or_else(|error| panic!("{}: cannot connect: {error}", self.example.name))
    }

    pub(crate) fn found(&self, case: &str, what: impl Into<String>) {
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        findings.push(format!("{case}: {}", what.into()));
    }

    pub(crate) fn count(&self) -> usize {
        self.cases.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn cases(&self) -> usize {
        self.cases.load(Ordering::Relaxed)
    }

    /// Judges an answer; what breaks the contract is a finding. Gives the status and the code.
    pub(crate) fn judge(
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

    /// Sends one request on a connection to itself, and judges its answer.
    pub(crate) async fn ask(&self, case: &str, bytes: &[u8], id: Option<&str>) -> Option<(u16, Code)> {
        let answer = self.connect().await.exchange(bytes, Until::FirstEvent).await;
        self.judge(case, &answer, id)
    }

    /// The same, where one answer alone is right.
    pub(crate) async fn ask_for(&self, case: &str, bytes: &[u8], expected: (u16, Code)) {
        if let Some(answer) = self.ask(case, bytes, None).await
            && answer != expected
        {
            self.found(case, format!("{answer:?} instead of {expected:?}"));
        }
    }

    /// All that was found, one a line; empty when all is well.
    pub(crate) fn findings(&self) -> String {
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
        // Whoever cleans the target directory removes them as well.
        let _ = fs::remove_file(&self.log);
        let _ = fs::remove_file(self.log.with_extension("json"));
    }
}

fn address_of(server: &ExampleServer) -> SocketAddr {
    let address = server.url().strip_prefix("http://").and_then(|url| url.strip_suffix("/mcp"));
    address.and_then(|text| text.parse().ok()).expect("an example says where it listens")
}

pub(crate) fn http(example: &Example, address: SocketAddr, era: Era, body: &Value) -> Http {
    let headers = example.headers.iter();
    let http = Http::post(era, body).with("Host", &address.to_string());
    headers.fold(http, |http, (name, value)| http.with(name, value))
}

pub(crate) fn usual_call(example: &Example, address: SocketAddr, id: impl Into<Value>) -> Vec<u8> {
    let arguments: Value = serde_json::from_str(example.arguments).expect("arguments are JSON");
    let body = call(Era::Modern, id, example.tool, &arguments);
    http(example, address, Era::Modern, &body).bytes()
}
