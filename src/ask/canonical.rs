//! One text for each JSON value, so that a client may write its arguments in another order
//! or with other white space when it calls again.

use serde_json::Value;

/// Appends the canonical text of a JSON text; a text that is no JSON stands for itself.
pub(super) fn canonical(buffer: &mut Vec<u8>, text: &str) {
    match serde_json::from_str(text) {
        Ok(value) => write(buffer, &value),
        Err(_) => buffer.extend_from_slice(text.as_bytes()),
    }
}

fn write(buffer: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Object(members) => {
            // A map keeps some order, but not everywhere the same.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            buffer.push(b'{');
            for (name, value) in members {
                write(buffer, &Value::String(name.clone()));
                buffer.push(b':');
                write(buffer, value);
                buffer.push(b',');
            }
            buffer.push(b'}');
        }
        Value::Array(elements) => {
            buffer.push(b'[');
            for element in elements {
                write(buffer, element);
                buffer.push(b',');
            }
            buffer.push(b']');
        }
        leaf => buffer.extend_from_slice(leaf.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    fn written(text: &str) -> Vec<u8> {
        let mut buffer = Vec::new();
        canonical(&mut buffer, text);
        buffer
    }

    #[test]
    fn equal_values_have_equal_texts_and_others_do_not() {
        assert_eq!(written(r#"{"b": [1, 2], "a": "\u0061"}"#), written(r#"{"a":"a","b":[1,2]}"#));
        for (one, other) in [("[1,2]", "[2,1]"), (r#"{"a":1}"#, r#"{"a":"1"}"#), ("[[1],2]", "[[1,2]]")] {
            assert_ne!(written(one), written(other));
        }
    }
}
