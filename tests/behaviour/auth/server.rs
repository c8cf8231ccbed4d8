//! A protected server in memory.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use mcp_stateless::auth::{Access, ResourceServer, TokenVerifier};
use mcp_stateless::manager::{Authorize, Body, ManagerBuilder};
use mcp_stateless::{Principal, StatelessSessionManager, Tool, ToolRegistry};
use serde_json::{Value, json};

use super::issuer::{Issuer, RESOURCE};
use crate::support::{Answer, Era, Post};

#[derive(Clone)]
pub(crate) struct Protected {
    pub(crate) manager: StatelessSessionManager,
    pub(crate) authorize: Authorize,
    pub(crate) tools: ToolRegistry,
}

fn tools() -> ToolRegistry {
    let whoami = async |principal: Principal, access: Access, headers: HeaderMap| {
        let token = access.token();
        json!({
            "principal": principal.as_str(),
            "issuer": token.issuer(),
            "subject": token.subject(),
            "client": token.client(),
            "scopes": token.granted().collect::<Vec<_>>(),
            "sub": access.claims::<Value>().ok().map(|claims| claims["sub"].clone()),
            "headers": headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>(),
            "debug": format!("{access:?}"),
        })
        .to_string()
    };
    ToolRegistry::builder()
        .tool("whoami", "Tell who is calling", whoami)
        .register(Tool::new("close", "Close a ticket", async || "closed").scope("tickets:write"))
        .build()
        .expect("valid tools")
}

impl Protected {
    pub(crate) fn new(issuer: &Issuer) -> Self {
        Self::with(issuer, issuer.verifier(), |server| server)
    }

    pub(crate) fn with(
        issuer: &Issuer,
        verifier: impl TokenVerifier,
        set: impl FnOnce(ResourceServer) -> ResourceServer,
    ) -> Self {
        Self::of(tools(), issuer, verifier, set, |manager| manager)
    }

    pub(crate) fn of(
        tools: ToolRegistry,
        issuer: &Issuer,
        verifier: impl TokenVerifier,
        set: impl FnOnce(ResourceServer) -> ResourceServer,
        set_manager: impl FnOnce(ManagerBuilder) -> ManagerBuilder,
    ) -> Self {
        let manager = set_manager(StatelessSessionManager::builder("test", "0.0.1")).build().expect("valid");
        let clock = issuer.clone();
        let server = ResourceServer::new(RESOURCE, verifier).expect("a URL").clock(move || clock.now());
        Self { authorize: manager.authorize(set(server)), manager, tools }
    }

    pub(crate) async fn handle(&self, request: Request<Full<Bytes>>) -> Response<Body> {
        match self.authorize.check(request).await {
            Ok(request) => self.manager.handle(request, &self.tools).await,
            Err(response) => response,
        }
    }

    pub(crate) async fn send(&self, post: Post) -> Answer {
        Answer::read(self.handle(post.into_request()).await).await
    }

    /// Calls a tool with a bearer token.
    pub(crate) async fn call(&self, tool: &str, token: &str) -> Answer {
        self.send(bearer(Post::call(Era::Modern, tool, json!({})), token)).await
    }

    /// Returns the HTTP status of a call with this token.
    pub(crate) async fn status(&self, token: &str) -> u16 {
        self.call("whoami", token).await.status.as_u16()
    }
}

pub(crate) fn bearer(post: Post, token: &str) -> Post {
    post.header("authorization", &format!("Bearer {token}"))
}

/// Returns the challenges of an answer, in order.
pub(crate) fn challenges(answer: &Answer) -> Vec<&str> {
    let values = answer.headers.get_all("www-authenticate").iter();
    values.map(|value| value.to_str().expect("ASCII")).collect()
}

pub(crate) const METADATA_URL: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
