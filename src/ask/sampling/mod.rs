//! Questions to the client's model.

mod message;
mod request;

pub use message::{SamplingContent, SamplingMessage, SamplingResult};
pub use request::{IncludeContext, SamplingRequest};

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::{IncludeContext, SamplingContent, SamplingMessage, SamplingRequest, SamplingResult};
    use crate::protocol::{Annotations, Role};

    #[test]
    fn one_part_goes_alone_and_comes_alone_or_in_a_list() {
        let request = json!(SamplingRequest::new("Hi", 5));
        let expected = json!({"messages": [{"role": "user", "content": {"type": "text", "text": "Hi"}}], "maxTokens": 5});
        assert_eq!(request, expected);
        for content in [json!({"type": "text", "text": "a"}), json!([{"type": "text", "text": "a"}])] {
            let result: SamplingResult =
                serde_json::from_value(json!({"role": "assistant", "content": content, "model": "m"}))
                    .expect("a result");
            assert_eq!(result.text(), "a");
        }
    }

    #[test]
    fn the_use_of_a_tool_is_read_as_the_specification_writes_it() {
        let part = json!({"type": "tool_use", "id": "1", "name": "add", "input": {"a": 1}});
        let read: SamplingContent = serde_json::from_value(part.clone()).expect("a part");
        assert_eq!(json!(read), part);
        let part = json!({"type": "tool_result", "toolUseId": "1", "content": []});
        let read: SamplingContent = serde_json::from_value(part.clone()).expect("a part");
        assert_eq!(json!(read), part);
    }

    #[test]
    fn every_optional_member_can_be_set() {
        let annotations = || Annotations::new().audience(Role::User).priority(0.5);
        let parts = [
            SamplingContent::text("a").annotate(annotations()).with_meta("x/y", 1),
            SamplingContent::image(b"i", "image/png").annotate(annotations()),
            SamplingContent::audio(b"a", "audio/wav").annotate(annotations()),
            SamplingContent::tool_use("1", "add", Map::new()).annotate(annotations()).structured(1).failed(),
            SamplingContent::tool_result("1", json!([]))
                .structured(json!({"sum": 3}))
                .failed()
                .with_meta("x/y", 2),
        ];
        let message = SamplingMessage::new(Role::User, parts).with_meta("x/y", 3);
        let request =
            SamplingRequest::new("Hi", 5).include_context(IncludeContext::ThisServer).message(message);
        let shown = json!({"audience": ["user"], "priority": 0.5});
        let parts = json!([
            {"type": "text", "text": "a", "annotations": shown, "_meta": {"x/y": 1}},
            {"type": "image", "data": "aQ==", "mimeType": "image/png", "annotations": shown},
            {"type": "audio", "data": "YQ==", "mimeType": "audio/wav", "annotations": shown},
            {"type": "tool_use", "id": "1", "name": "add", "input": {}},
            {
                "type": "tool_result", "toolUseId": "1", "content": [], "structuredContent": {"sum": 3},
                "isError": true, "_meta": {"x/y": 2},
            },
        ]);
        assert_eq!(
            json!(request)["messages"][1],
            json!({"role": "user", "content": parts, "_meta": {"x/y": 3}})
        );
        assert_eq!(json!(request)["includeContext"], "thisServer");
        let result = json!({"role": "assistant", "content": parts, "model": "m", "_meta": {"x/y": 4}});
        let read: SamplingResult = serde_json::from_value(result.clone()).expect("a result");
        assert_eq!(json!(read), result);
    }
}
