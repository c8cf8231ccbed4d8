//! Servers are chosen by a header, as the end-to-end tests of the proxy `litellm` do.

use serde_json::json;
use test_support::{
    client::{LEGACY, python},
    script, setup, upstreams as cast,
};

use crate::gateway::support::gateway;

#[tokio::test]
async fn the_header_x_mcp_servers_chooses_a_server_for_one_client_after_another() {
    let gateway = gateway(json!({
        "math_server": cast::stdio("arithmetic.py", &[]),
        "fast": cast::fast(),
    }))
    .await;
    let mut command = python(setup::python_1(), "published.py");
    command.args(["legacy", LEGACY, gateway.url(), "chosen", "math_server"]);
    script::succeeds(command).await;
}
