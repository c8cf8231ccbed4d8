//! A notes server that only accepts requests with an access token from an authorization server. Each caller
//! can read its own notes. Writing a note needs a second scope. A client requests it from its user after a
//! call without it was refused.
//!
//! `ISSUER=https://login.example.com cargo run --example oauth --features auth,serve`
//!
//! The authorization server must issue JWTs for the resource `http://127.0.0.1:8000/mcp` (RFC 8707)
//! with the scopes `notes:read` and `notes:write`. Then connect any client that supports OAuth. It finds
//! the authorization server through the response to its first request. Behind a proxy, set `PUBLIC_URL` to
//! the URL that clients use.

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_stateless::auth::{Access, JwtVerifier, ListedItems, ResourceServer};
use mcp_stateless::call::State;
use mcp_stateless::serve::{self, serve};
use mcp_stateless::{Principal, RegistryError, StatelessSessionManager, Tool, ToolRegistry};
use schemars::JsonSchema;
use serde::Deserialize;

mod common;

const MOST_NOTES: usize = 100;

/// The notes of each caller. A principal consists of an issuer and a subject.
type Notes = Arc<Mutex<HashMap<Principal, Vec<String>>>>;

#[derive(Deserialize, JsonSchema)]
struct Note {
    text: String,
}

async fn read_notes(State(notes): State<Notes>, caller: Principal) -> String {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    notes.get(&caller).map_or_else(|| "no notes".to_owned(), |notes| notes.join("\n"))
}

async fn write_note(
    State(notes): State<Notes>,
    access: Access,
    caller: Principal,
    Note { text }: Note,
) -> String {
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let notes = notes.entry(caller).or_default();
    notes.truncate(MOST_NOTES - 1);
    notes.insert(0, text);
    format!("noted for {}", access.token().subject())
}

fn tools() -> Result<ToolRegistry, RegistryError> {
    ToolRegistry::builder()
        .with_state(Notes::default())
        .register(Tool::new("read_notes", "Read your notes, the latest first", read_notes))
        .register(Tool::new("write_note", "Write a note", write_note).scope("notes:write"))
        .build()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let issuer = env::var("ISSUER").map_err(|_| "ISSUER is not set: the URL of an authorization server")?;
    let listener = common::listen().await?;
    let local = format!("http://{}/mcp", listener.local_addr()?);
    let public_url = env::var("PUBLIC_URL").unwrap_or(local);
    let server = ResourceServer::new(&public_url, JwtVerifier::new(issuer)?.leeway(Duration::from_secs(2)))?
        // Every request needs this scope, and the first challenge names it.
        .scopes(["notes:read"])?
        // A client can only request the scope of a tool that it has seen in the list.
        .listed(ListedItems::All)
        .name("Notes");

    let manager = StatelessSessionManager::builder("oauth", env!("CARGO_PKG_VERSION")).build()?;
    let service = manager.authorize(server).wrap(manager.service(tools()?).at("/mcp"));
    // CORS must be outside of the authorization, because preflights have no token.
    serve(listener, manager.cors().wrap(service)).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
