//! Prompts: their definitions, their messages, and what completes their arguments.

mod definition;
mod output;

pub(crate) use definition::CompiledPrompt;
pub use definition::{Prompt, PromptArgument};
pub use output::{PromptMessage, PromptOutput};
