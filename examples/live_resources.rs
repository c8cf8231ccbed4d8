//! Notes that clients can read and subscribe to.
//!
//! `cargo run --example live_resources --features serve -- --addr 127.0.0.1:8000`, then send
//! `subscriptions/listen` with `{"resourcesListChanged": true, "resourceSubscriptions": ["note://milk"]}`,
//! and call `write_note`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use mcp_stateless::changes::Changes;
use mcp_stateless::registry::Live;
use mcp_stateless::serve::{self, serve};
use mcp_stateless::{
    Catalog, RegistryError, Resource, ResourceRegistry, StatelessSessionManager, ToolError, ToolRegistry,
};
use schemars::JsonSchema;
use serde::Deserialize;

mod common;

/// The maximum number of notes, and the maximum size of each. Everything that clients can add to needs a
/// limit.
const MOST_NOTES: usize = 100;
const MOST_BYTES: usize = 10_000;

#[derive(Deserialize, JsonSchema)]
struct Note {
    /// The topic, in one word.
    about: String,
    text: String,
}

/// The notes by topic, and the resources for them.
#[derive(Clone)]
struct Notes {
    texts: Arc<Mutex<BTreeMap<String, String>>>,
    resources: Live<ResourceRegistry>,
}

impl Notes {
    fn new() -> Result<Self, RegistryError> {
        let resources = Live::new(ResourceRegistry::builder().build()?, Changes::in_process());
        Ok(Self { texts: Arc::default(), resources })
    }

    /// Stores a note, and publishes the change: of the note, or of the list of notes.
    fn write(&self, Note { about, text }: Note) -> Result<(), ToolError> {
        if about.len() + text.len() > MOST_BYTES {
            return Err(ToolError::new(format!("a note may have {MOST_BYTES} bytes")));
        }
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if texts.len() >= MOST_NOTES && !texts.contains_key(&about) {
            return Err(ToolError::new(format!("there are {MOST_NOTES} notes already: change one of them")));
        }
        if texts.insert(about.clone(), text).is_some() {
            self.resources.resource_updated(&uri(&about));
            return Ok(());
        }
        let resources = texts.keys().fold(ResourceRegistry::builder(), |resources, about| {
            let (notes, key) = (Arc::clone(&self.texts), about.clone());
            let read = move || {
                let texts = notes.lock().unwrap_or_else(PoisonError::into_inner);
                std::future::ready(texts.get(&key).cloned().unwrap_or_default())
            };
            resources.register(Resource::new(uri(about), about, read).mime_type("text/plain"))
        });
        match resources.build() {
            Ok(resources) => {
                self.resources.replace(resources);
                Ok(())
            }
            // The topic is not valid in a URI.
            Err(error) => {
                texts.remove(&about);
                Err(ToolError::new(error))
            }
        }
    }
}

fn uri(about: &str) -> String {
    format!("note://{about}")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let notes = Notes::new()?;
    let resources = notes.resources.clone();
    let write_note = move |note: Note| {
        let written = notes.write(note);
        std::future::ready(written.map(|()| "noted"))
    };
    let tools = ToolRegistry::builder().tool("write_note", "Write a note", write_note).build()?;
    let catalog = Catalog::builder().add(tools).add(resources).build()?;

    let manager = StatelessSessionManager::builder("live_resources", env!("CARGO_PKG_VERSION")).build()?;
    let service = manager.service(catalog).at("/mcp");
    serve(common::listen().await?, service).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
