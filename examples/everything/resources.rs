//! Resources: a text, an image, a template, and one whose changes can be watched.

use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::{RegistryError, Resource, ResourceRegistry};
use serde::Deserialize;
use serde_json::json;

use crate::media::PNG;

#[derive(Deserialize)]
struct Variables {
    id: String,
}

pub(crate) fn all() -> Result<ResourceRegistry, RegistryError> {
    let text = Resource::new(
        "test://static-text",
        "text",
        async || "This is the content of the static text resource.",
    );
    let picture = Resource::new("test://static-binary", "picture", async || PNG.to_vec());
    let watched = Resource::new("test://watched-resource", "watched", async || "Nothing has happened yet.");
    let data =
        ResourceTemplate::new("test://template/{id}/data", "data", async |Variables { id }: Variables| {
            json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")}).to_string()
        });
    ResourceRegistry::builder()
        .register(text.description("A text").mime_type("text/plain"))
        .register(picture.description("A red dot").mime_type("image/png"))
        .register(watched.description("A text that may change").mime_type("text/plain"))
        .register_template(data.description("Data by its id").mime_type("application/json"))
        .build()
}
