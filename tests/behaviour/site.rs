//! A server with any registry, and its streams, message by message.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use mcp_stateless::manager::{Body, ManagerBuilder};
use mcp_stateless::{
    Catalog, PromptRegistry, Registry, RegistryError, ResourceRegistry, StatelessSessionManager, ToolRegistry,
};
use serde_json::{Value, json};

use crate::support::{Answer, Era, Post, next_frame};

/// A manager with a registry.
pub(crate) struct Site<R> {
    pub(crate) manager: StatelessSessionManager,
    pub(crate) registry: R,
}

impl<R: Registry> Site<R> {
    pub(crate) fn new(registry: R) -> Self {
        Self::with(registry, |builder| builder)
    }

    pub(crate) fn with(registry: R, set: impl FnOnce(ManagerBuilder) -> ManagerBuilder) -> Self {
        let manager = set(StatelessSessionManager::builder("site", "0.0.1")).build();
        Self { manager: manager.expect("valid settings"), registry }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, post: Post) -> Answer {
        Answer::read(self.manager.handle(post.into_request(), &self.registry).await).await
    }

    /// Sends a request whose answer is read message by message.
    pub(crate) async fn open(&self, post: Post) -> Wire {
        Wire::new(self.manager.handle(post.into_request(), &self.registry).await)
    }

    /// Returns the result of a request that succeeds.
    pub(crate) async fn result(&self, post: Post) -> Value {
        let answer = self.send(post).await;
        let result = answer.json()["result"].take();
        assert!(result.is_object(), "{answer:?}");
        result
    }

    /// Returns the names (or URIs) in all pages of a list.
    pub(crate) async fn names(&self, era: Era, list: &str, post: impl Fn(Post) -> Post) -> Vec<String> {
        let (member, key) = match list {
            "resources/templates/list" => ("resourceTemplates", "uriTemplate"),
            "resources/list" => ("resources", "uri"),
            _ => (list.trim_end_matches("/list"), "name"),
        };
        let mut names = Vec::new();
        let mut params = json!({});
        loop {
            let page = self.result(post(era.post(list, params))).await;
            let items = page[member].as_array().expect("a list");
            names.extend(items.iter().map(|item| item[key].as_str().expect("a name").to_owned()));
            match page.get("nextCursor") {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => return names,
            }
        }
    }
}

/// Joins registries that have been built.
pub(crate) fn joined(
    tools: Result<ToolRegistry, RegistryError>,
    prompts: Result<PromptRegistry, RegistryError>,
    resources: Result<ResourceRegistry, RegistryError>,
) -> Catalog {
    let catalog = Catalog::builder()
        .add(tools.expect("valid tools"))
        .add(prompts.expect("valid prompts"))
        .add(resources.expect("valid resources"));
    catalog.build().expect("no collisions")
}

const A_WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// A stream that is read incrementally.
pub(crate) struct Wire {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    response: Response<Body>,
    /// The text that has arrived, but has not been parsed.
    text: String,
}

impl Wire {
    pub(crate) fn new(response: Response<Body>) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, response, text: String::new() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// Returns the whole text of a reply that is not a stream.
    pub(crate) async fn text(mut self) -> String {
        while let Some(frame) = next_frame(&mut self.response).await {
            self.text += &frame;
        }
        self.text
    }

    /// Returns the next block with its end, or `None` after the last one.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return Some(std::mem::replace(&mut self.text, rest));
            }
            self.text += &next_frame(&mut self.response).await?;
        }
    }

    /// Returns the text of the next message, or `None` at the end. Skips comments.
    pub(crate) async fn raw(&mut self) -> Option<String> {
        loop {
            let block = self.block().await?;
            if block != ":\n\n" {
                let data = block.strip_prefix("data: ").unwrap_or_else(|| panic!("not data: {block:?}"));
                return Some(data.trim_end().to_owned());
            }
        }
    }

    /// Returns the next message, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        Some(serde_json::from_str(&self.raw().await?).expect("JSON"))
    }

    /// Returns the next message of a stream that has not ended. With a paused clock, a message that never
    /// comes is noticed at once, although the stream is kept alive.
    pub(crate) async fn message(&mut self) -> Value {
        let next = tokio::time::timeout(A_WEEK, self.next()).await;
        next.expect("a message within a week").expect("a message")
    }
}
