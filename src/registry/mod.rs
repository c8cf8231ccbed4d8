//! Where tools come from: the [`Registry`] trait, and the [`ToolRegistry`] that
//! most servers need.

mod answer;
mod page;
mod source;
mod tools;

pub use answer::Answer;
pub use page::ToolPage;
pub use source::{ListTools, Registry};
pub use tools::{ToolRegistry, ToolRegistryBuilder};
