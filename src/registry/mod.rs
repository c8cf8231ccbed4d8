//! Where tools, prompts and resources come from: the [`Registry`] trait, the registries that most
//! servers need, and those that wrap others.

mod catalog;
mod filtered;
mod item;
mod item_kind;
mod layered;
mod live;
mod page;
mod prompts;
mod resources;
mod source;
mod tools;

pub use catalog::{Catalog, CatalogBuilder};
pub use filtered::Filtered;
pub use item::{Has, Item};
pub(crate) use item_kind::ItemKind;
pub use layered::{CallInfo, Layered, Middleware, Next, Outcome};
pub use live::Live;
pub use page::Page;
pub use prompts::{PromptRegistry, PromptRegistryBuilder};
pub use resources::{ResourceRegistry, ResourceRegistryBuilder};
pub use source::{ListRequest, Registry};
pub use tools::{ToolRegistry, ToolRegistryBuilder};

pub use crate::call::answer::Answer;
pub(crate) use crate::call::answer::guarded;
