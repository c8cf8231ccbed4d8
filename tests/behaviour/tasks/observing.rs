//! What is observed of tasks.

use serde_json::json;

use super::alone;
use crate::recorder::Recorder;

#[tokio::test(start_paused = true)]
async fn the_work_of_a_task_has_a_span_that_outlives_that_of_its_request() {
    let recorder = Recorder::default();
    let _kept = recorder.keep();
    let client = alone(|tasks| tasks).client();
    let id = client.call("fail", json!({})).await.task_id().to_owned();
    let is_closed =
        |name| recorder.spans().into_iter().find(|span| span.name == name).map(|span| span.is_closed);
    assert_eq!((is_closed("mcp.request"), is_closed("mcp.task")), (Some(true), Some(false)));
    client.finish_task(&id).await;
    assert_eq!(is_closed("mcp.task"), Some(true));
    let spans = recorder.spans();
    let task = spans.iter().find(|span| span.name == "mcp.task").expect("a span");
    assert_eq!((task.parent, task.fields["gen_ai.tool.name"].as_str()), (None, "fail"));
    let events = recorder.events();
    let failed = events.iter().find(|event| event.fields["message"].contains("a handler failed"));
    assert_eq!(failed.expect("it is logged").span, Some(task.id));
    // Whoever knows an id may be able to use the task.
    let seen = format!("{spans:?} {events:?}");
    assert!(!seen.contains(&id), "{seen}");
}
