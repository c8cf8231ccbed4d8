//! The macros of [`mcp-stateless`](https://docs.rs/mcp-stateless), which hands them on with its
//! feature `macros`: use them from there.

mod block;
mod debug;
mod docs;
mod errors;
mod kind;
mod method;
mod options;
mod parameter;
mod parts;
mod register;
mod settings;
mod uri;

use proc_macro::TokenStream;

use crate::kind::Kind;

/// TOOLS
#[proc_macro_attribute]
pub fn tools(options: TokenStream, item: TokenStream) -> TokenStream {
    block::expand(Kind::Tool, options.into(), item.into()).into()
}

/// PROMPTS
#[proc_macro_attribute]
pub fn prompts(options: TokenStream, item: TokenStream) -> TokenStream {
    block::expand(Kind::Prompt, options.into(), item.into()).into()
}

/// RESOURCES
#[proc_macro_attribute]
pub fn resources(options: TokenStream, item: TokenStream) -> TokenStream {
    block::expand(Kind::Resource, options.into(), item.into()).into()
}

/// DEBUG
#[proc_macro_attribute]
pub fn debug_handler(options: TokenStream, item: TokenStream) -> TokenStream {
    debug::expand(options.into(), item.into()).into()
}
