//! Every published client, in each of its eras.
//!
//! The stories are in `python/stories.py`, `typescript/stories.mjs` and `rmcp_client.rs`.

use hyper::{Method, StatusCode};
use tokio::process::Command;

use crate::{proxy::Exchange, rmcp_client, script, setup};

pub const LEGACY: &str = "2025-11-25";
pub const MODERN: &str = "2026-07-28";
pub const ALL: [&str; 5] = ["reconnecting", "many_at_once", "progress", "errors", "cancelling"];

pub enum Library {
    Python1,
    Python2,
    TypeScript1,
    TypeScript2,
    Rmcp,
}

pub struct Client {
    pub library: Library,
    /// How the client determines the revision: `legacy`, `auto` or `pinned`.
    pub era: &'static str,
    /// The revision that it must negotiate.
    pub revision: &'static str,
}

impl Client {
    pub async fn goes_through(&self, stories: &[&str], url: &str) {
        match self.library {
            Library::Rmcp => rmcp_client::goes_through(stories, self.era, self.revision, url).await,
            _ => script::succeeds(self.command(stories, url)).await,
        }
    }

    /// Returns the command that goes through `stories`.
    ///
    /// # Panics
    /// For `rmcp`, which is not a program.
    pub fn command(&self, stories: &[&str], url: &str) -> Command {
        let mut command = match self.library {
            Library::Python1 => python(setup::python_1(), "mcp1.py"),
            Library::Python2 => python(setup::python_2(), "mcp2.py"),
            Library::TypeScript1 => node("sdk1.mjs"),
            Library::TypeScript2 => node("sdk2.mjs"),
            Library::Rmcp => panic!("rmcp is not a program"),
        };
        command.args([self.era, self.revision, url]).args(stories);
        command
    }

    pub fn assert_stateless(&self, exchange: &Exchange) {
        assert!(!exchange.has_session_id, "a reply carries a session: {exchange:?}");
        let expected = match exchange.method {
            Method::POST => [StatusCode::OK, StatusCode::ACCEPTED].as_slice(),
            // A client of the legacy era may open a stream that outlives its requests.
            _ => [StatusCode::METHOD_NOT_ALLOWED].as_slice(),
        };
        assert!(expected.contains(&exchange.status), "{exchange:?}");
        // Only `initialize` has no version header, because it negotiates the revision.
        let legacy = self.revision == LEGACY && exchange.revision.is_none();
        let as_negotiated = exchange.revision.as_deref() == Some(self.revision);
        assert!(legacy || as_negotiated, "{exchange:?}");
    }
}

pub fn python(interpreter: std::path::PathBuf, script: &str) -> Command {
    let mut command = Command::new(interpreter);
    // Keeps compiled copies out of the sources.
    command.arg("-B").arg(setup::source("python").join(script));
    command
}

fn node(script: &str) -> Command {
    let mut command = Command::new(setup::node());
    command.arg(setup::typescript(script));
    command
}

/// Each client in each of its eras, for a macro that generates tests.
#[macro_export]
macro_rules! for_each_client {
    ($each:ident) => {
        $each!(python_1: Python1, "legacy", LEGACY);
        $each!(python_2_auto: Python2, "auto", MODERN);
        $each!(python_2_pinned: Python2, "pinned", MODERN);
        $each!(python_2_legacy: Python2, "legacy", LEGACY);
        $each!(typescript_1: TypeScript1, "legacy", LEGACY);
        $each!(typescript_2_auto: TypeScript2, "auto", MODERN);
        $each!(typescript_2_pinned: TypeScript2, "pinned", MODERN);
        $each!(typescript_2_legacy: TypeScript2, "legacy", LEGACY);
        $each!(rmcp_auto: Rmcp, "auto", MODERN);
        $each!(rmcp_pinned: Rmcp, "pinned", MODERN);
        $each!(rmcp_legacy: Rmcp, "legacy", LEGACY);
    };
}
