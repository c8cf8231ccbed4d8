//! What a client may be asked.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::SamplingRequest;
use crate::protocol::ClientCapability;

/// Something that a client may be asked (2026-07-28, Schema, `InputRequest`).
#[derive(Clone, Debug)]
pub struct Question {
    pub(super) method: &'static str,
    pub(super) params: Map<String, Value>,
    pub(super) needs: ClientCapability,
    /// Why it cannot be asked.
    pub(super) fault: Option<String>,
}

/// A directory or file that the client lets a server work in (2026-07-28, Schema, `Root`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Root {
    /// Its URI, of the scheme `file`.
    pub uri: String,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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

    /// A form whose fields are those of `T`: texts, numbers, flags and choices, with the
    /// defaults of its schema (2026-07-28, Client, "Requested Schema").
    #[cfg(feature = "schemas")]
    pub fn form_of<T: schemars::JsonSchema>(message: impl Into<String>) -> Self {
        match super::schema::form_of::<T>() {
            Ok(schema) => Self::form(message, schema),
            Err(fault) => Self { fault: Some(fault), ..Self::form(message, Value::Null) },
        }
    }

    /// A form of a given schema, which the client gets as it is.
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

    /// A page that the user is to visit: for what must not go through the client, such as
    /// a password. The answer only tells that the user agreed to go there.
    pub fn url(message: impl Into<String>, url: impl Into<String>) -> Self {
        let params = json!({"mode": "url", "message": message.into(), "url": url.into()});
        Self::new("elicitation/create", ClientCapability::ElicitationUrl, params)
    }

    /// Something for the client's model.
    pub fn sampling(request: &SamplingRequest) -> Self {
        let uses_tools = request.uses_tools();
        let needs = if uses_tools { ClientCapability::SamplingTools } else { ClientCapability::Sampling };
        Self::new("sampling/createMessage", needs, request)
    }

    /// Which directories the server may work in.
    pub fn roots() -> Self {
        Self::new("roots/list", ClientCapability::Roots, json!({}))
    }

    /// A question whose method and parameters are given, such as one that another server asks;
    /// `None` when clients cannot be asked by this method. The parameters reach the client as
    /// they are, but for the progress token of their `_meta`.
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
        // It names a request of the other server's.
        if let Some(Value::Object(meta)) = params.get_mut("_meta") {
            meta.remove("progressToken");
        }
        if params.get("_meta").is_some_and(|meta| meta.as_object().is_none_or(Map::is_empty)) {
            params.remove("_meta");
        }
        Some(Self { method, params, needs, fault: None })
    }

    /// Returns the capability that a client must have declared to be asked this.
    pub fn needs(&self) -> ClientCapability {
        self.needs
    }
}
