//! Prompts: their definitions and their messages.

mod definition;
mod output;

pub(crate) use definition::CompiledPrompt;
pub use definition::{Prompt, PromptArgument};
pub use output::{PromptMessage, PromptOutput};
