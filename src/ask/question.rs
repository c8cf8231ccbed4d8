//! Questions to a client.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::SamplingRequest;
use crate::protocol::ClientCapability;

/// A question to a client (2026-07-28, Schema, `InputRequest`).
#[derive(Clone, Debug)]
pub struct Question {
    pub(super) method: &'static str,
    pub(super) params: Map<String, Value>,
    pub(super) needs: ClientCapability,
    /// Why it cannot be sent.
    pub(super) fault: Option<String>,
}

/// A directory or file that the client lets the server work in (2026-07-28, Schema, `Root`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Root {
    /// Its URI, with the scheme `file`.
    pub uri: String,
    /// Its display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Members of `_meta`.
    #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Map<String, Value>>,
}

impl Question {
    fn new(method: &'static str, needs: ClientCapability, params: impl Serialize) -> Self {
        let (params, fault) = match serde_json::to_value(params) {
            Ok(Value::Object(params)) => (params, None),
            Ok(_) => (Map::new(), None),
            Err(error) => (Map::new(), Some(error.to_string())),
        };
        Self { method, params, needs, fault }
    }

    /// Creates a form with the fields of `T`: strings, numbers, booleans and choices, with the
    /// defaults of its schema (2026-07-28, Client, "Requested Schema").
    #[cfg(feature = "schemas")]
    pub fn form_of<T: schemars::JsonSchema>(message: impl Into<String>) -> Self {
        match super::schema::form_of::<T>() {
            Ok(schema) => Self::form(message, schema),
            Err(fault) => Self { fault: Some(fault), ..Self::form(message, Value::Null) },
        }
    }

    /// Creates a form with a given schema, which the client receives unchanged.
    pub fn form(message: impl Into<String>, schema: impl Serialize) -> Self {
        let schema = serde_json::to_value(schema).map_err(|error| error.to_string());
        let fault = match &schema {
            Ok(schema) if schema.is_object() => None,
            Ok(_) => Some("the schema of a form must be an object".to_owned()),
            Err(fault) => Some(fault.clone()),
        };
        let params =
            json!({"mode": "form", "message": message.into(), "requestedSchema": schema.unwrap_or_default()});
        let question = Self::new("elicitation/create", ClientCapability::Elicitation, params);
        Self { fault, ..question }
    }

    /// Asks the user to visit a page, for data that must not pass through the client, such as a
    /// password. The answer only says that the user agreed to visit it.
    pub fn url(message: impl Into<String>, url: impl Into<String>) -> Self {
        let params = json!({"mode": "url", "message": message.into(), "url": url.into()});
        Self::new("elicitation/create", ClientCapability::ElicitationUrl, params)
    }

    /// Creates a question to the client's model.
    pub fn sampling(request: &SamplingRequest) -> Self {
        let uses_tools = request.uses_tools();
        let needs = if uses_tools { ClientCapability::SamplingTools } else { ClientCapability::Sampling };
        Self::new("sampling/createMessage", needs, request)
    }

    /// Asks for the directories in which the server may work.
    pub fn roots() -> Self {
        Self::new("roots/list", ClientCapability::Roots, json!({}))
    }

    /// Creates a question from a method and its parameters, for example one that another server
    /// asks. Returns `None` if clients cannot be asked with this method. The parameters reach the
    /// client unchanged, except for the progress token of their `_meta`.
    ///
    /// ```
    /// use mcp_stateless::ask::Question;
    /// use serde_json::json;
    ///
    /// let params = json!({"message": "Which one?", "requestedSchema": {"type": "object", "properties": {}}});
    /// let question = Question::relay("elicitation/create", params.as_object().cloned().unwrap_or_default());
    /// assert!(question.is_some());
    /// assert!(Question::relay("tools/call", serde_json::Map::new()).is_none());
    /// ```
    pub fn relay(method: &str, mut params: Map<String, Value>) -> Option<Self> {
        let has = |name: &str| params.get(name).is_some_and(|it| !it.is_null());
        let (method, needs) = match method {
            "elicitation/create" if params.get("mode").is_some_and(|mode| mode == "url") => {
                ("elicitation/create", ClientCapability::ElicitationUrl)
            }
            "elicitation/create" => ("elicitation/create", ClientCapability::Elicitation),
            "sampling/createMessage" if has("tools") || has("toolChoice") => {
                ("sampling/createMessage", ClientCapability::SamplingTools)
            }
            "sampling/createMessage" => ("sampling/createMessage", ClientCapability::Sampling),
            "roots/list" => ("roots/list", ClientCapability::Roots),
            _ => return None,
        };
        // The token identifies a request of the other server.
        if let Some(Value::Object(meta)) = params.get_mut("_meta") {
            meta.remove("progressToken");
        }
        if params.get("_meta").is_some_and(|meta| meta.as_object().is_none_or(Map::is_empty)) {
            params.remove("_meta");
        }
        Some(Self { method, params, needs, fault: None })
    }

    /// Returns the capability that a client must declare to be asked this.
    pub fn needs(&self) -> ClientCapability {
        self.needs
    }
}
