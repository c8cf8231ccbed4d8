//! Published servers from `upstreams`, as entries for the gateway.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::{server::ExampleServer, setup};

/// The entry of a Python 1.x server that is started as a child process.
pub fn stdio(script: &str, arguments: &[&str]) -> Value {
    let script = setup::source("upstreams").join(script);
    let arguments = arguments.iter().map(Path::new);
    let args: Vec<&Path> = [Path::new("-B"), &script].into_iter().chain(arguments).collect();
    json!({ "command": setup::python_1(), "args": args })
}

/// The entry of the server on `fastmcp`, as a child process.
pub fn fast() -> Value {
    json!({
        "command": setup::python_servers().join("python"),
        "args": [Path::new("-B"), &setup::source("upstreams").join("fast.py")],
    })
}

/// The server on `fastmcp`, over HTTP.
pub async fn fast_over_http() -> ExampleServer {
    python(&setup::python_servers().join("python"), "fast.py", &["--http"]).await
}

/// The entry of a running server.
pub fn http(server: &ExampleServer) -> Value {
    json!({ "type": "http", "url": server.url() })
}

/// The server of sums and products, over stateful HTTP. Port 0 takes a free port.
pub async fn arithmetic_over_http(port: u16) -> ExampleServer {
    python(&setup::python_1(), "arithmetic.py", &["--http", &port.to_string()]).await
}

/// The server of the modern revision.
pub async fn modern() -> ExampleServer {
    python(&setup::python_2(), "modern.py", &[]).await
}

/// A server in TypeScript.
pub async fn typescript(script: &str, arguments: &[&str]) -> ExampleServer {
    let mut command = Command::new(setup::node());
    command.arg(setup::typescript(script)).args(arguments);
    ExampleServer::run(command).await
}

async fn python(interpreter: &Path, script: &str, arguments: &[&str]) -> ExampleServer {
    let mut command = Command::new(interpreter);
    command.arg("-B").arg(setup::source("upstreams").join(script)).args(arguments);
    ExampleServer::run(command).await
}
