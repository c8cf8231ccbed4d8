//! The expansion of the macros compiles with strict lints and shadowed names.
#![forbid(unsafe_code)]
#![deny(missing_docs, warnings)]
#![allow(clippy::unused_async, clippy::unused_self)] // of these methods, not of the expansion

use std::sync::Arc as Shared;

use tools::Notes;

/// Shadows the names that the code of the macros uses.
pub mod shadows {
    #![allow(dead_code, missing_debug_implementations, missing_docs)]
    pub struct Result;
    pub struct Box;
    pub struct Arc;
    pub struct Into;
    pub struct Arguments;
    pub struct Tool;
    pub struct ToolRegistry;
    pub trait Future {}
    pub trait Send {}
    pub mod core {}
    pub mod serde {}
    pub mod schemars {}
    pub mod mcp_stateless {}
    pub fn drop() {}
}

/// Other notes.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Others {}

/// Tools in their own module.
pub mod tools {
    #[allow(unused_imports)]
    use crate::shadows::*;

    /// Keeps notes.
    #[derive(Debug, Default)]
    pub struct Notes {
        notes: ::std::vec::Vec<::std::string::String>,
    }

    #[::mcp_stateless::tools(vis = pub)]
    impl Notes {
        /// Finds notes.
        #[tool(read_only)]
        async fn find(
            &self,
            /** What to find. */
            text: ::std::string::String,
            limit: Option<usize>,
        ) -> String {
            let found = self.notes.iter().filter(|note| note.contains(&text)).take(limit.unwrap_or(1));
            found.cloned().collect()
        }

        /// Counts notes, of which each `builder`, `state`, `this`, `part_0` and `arguments` is one.
        fn count(&self, builder: u8, state: u8, this: u8, part_0: u8, arguments: u8) -> usize {
            self.notes.len() + usize::from(builder + state + this + part_0 + arguments)
        }

        /// Compares with others.
        fn compare(&self, others: ::std::vec::Vec<crate::Others>) -> bool {
            others.is_empty()
        }
    }

    #[::mcp_stateless::prompts(vis = pub)]
    impl Notes {
        /// Sums up a note.
        fn sum_up(&self, number: usize) -> String {
            self.notes[number].clone()
        }
    }

    #[::mcp_stateless::resources(vis = pub)]
    impl Notes {
        #[resource(uri = "note://{number}")]
        fn note(&self, number: usize) -> String {
            self.notes[number].clone()
        }
    }
}

#[test]
fn an_expansion_compiles_among_shadowed_names() {
    let notes = Shared::new(Notes::default());
    assert!(Notes::tools(Shared::clone(&notes)).build().is_ok());
    assert!(Notes::prompts(Shared::clone(&notes)).build().is_ok());
    assert!(Notes::resources(notes).build().is_ok());
}
