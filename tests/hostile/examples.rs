//! The examples, described as a client sees them.

use serde_json::json;
use test_support::hostile::target::{Asking, Example};

const ORDER: Asking =
    Asking { tool: "order", arguments: r#"{"dish":"soup"}"#, key: "guests", content: r#"{"guests":2}"# };
const GREETING: Asking = Asking {
    tool: "test_input_required_result_multi_round",
    arguments: "{}",
    key: "step1",
    content: r#"{"name":"Ada"}"#,
};

pub(crate) static QUICKSTART: Example = Example::QUICKSTART;
pub(crate) static OBSERVED: Example = Example { name: "observed", ..Example::QUICKSTART };
pub(crate) static HYPER_SERVER: Example = Example { name: "hyper_server", ..Example::QUICKSTART };
pub(crate) static AXUM_APP: Example = Example {
    name: "axum_app",
    headers: &[("Authorization", "Bearer ada-secret")],
    tool: "whoami",
    arguments: "{}",
    answer: r#""Ada""#,
    echo: None,
    countdown: None,
    ..Example::QUICKSTART
};
pub(crate) static PER_TENANT: Example = Example {
    name: "per_tenant",
    headers: &[("X-Tenant", "bakery")],
    tool: "bake",
    arguments: "{}",
    answer: "one loaf",
    echo: None,
    countdown: None,
    ..Example::QUICKSTART
};
pub(crate) static ASK_THE_USER: Example = Example {
    name: "ask_the_user",
    tool: "order",
    arguments: r#"{"dish":"soup"}"#,
    answer: "input_required",
    echo: None,
    countdown: None,
    asking: Some(ORDER),
    ..Example::QUICKSTART
};
pub(crate) static LIVE_RESOURCES: Example = Example {
    name: "live_resources",
    tool: "write_note",
    arguments: r#"{"about":"milk","text":"Buy some."}"#,
    answer: "noted",
    echo: None,
    countdown: None,
    listens: true,
    ..Example::QUICKSTART
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
    ..Example::QUICKSTART
};
