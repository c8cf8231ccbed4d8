//! The kinds of blocks, and their differences.

use proc_macro2::Span;
use syn::Ident;

use crate::known::{Known, Takes};

/// The item that each method of a block becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tool,
    Prompt,
    Resource,
}

/// The settings of a tool in the order in which they are applied: single hints override
/// `annotations`.
const TOOL: &[Known] = &[
    Known::new("name", Takes::Value),
    Known::new("description", Takes::Value),
    Known::new("title", Takes::Value),
    Known::new("annotations", Takes::Value),
    Known::new("read_only", Takes::Nothing),
    Known::new("destructive", Takes::Nothing).unlike("read_only"),
    Known::new("idempotent", Takes::Nothing),
    Known::new("open_world", Takes::Nothing),
    Known::new("closed_world", Takes::Nothing).unlike("open_world"),
    Known::new("icon", Takes::Values),
    Known::new("requires", Takes::Values),
    Known::new("visible_to", Takes::Value),
    Known::new("tag", Takes::Values),
    Known::new("scope", Takes::Values),
    Known::new("scopes_by", Takes::Value),
    Known::new("with_meta", Takes::Pairs),
    Known::new("time_limit", Takes::Value),
    Known::new("no_time_limit", Takes::Nothing).unlike("time_limit"),
    Known::new("detached", Takes::Nothing),
    Known::new("task_mode", Takes::Value),
    Known::new("output_schema", Takes::Type),
    Known::new("with_output_schema", Takes::Value).unlike("output_schema"),
    Known::new("check_arguments", Takes::Nothing),
    Known::new("check_output", Takes::Nothing),
];

const PROMPT: &[Known] = &[
    Known::new("name", Takes::Value),
    Known::new("description", Takes::Value),
    Known::new("title", Takes::Value),
    Known::new("icon", Takes::Values),
    Known::new("visible_to", Takes::Value),
    Known::new("tag", Takes::Values),
    Known::new("scope", Takes::Values),
    Known::new("scopes_by", Takes::Value),
    Known::new("with_meta", Takes::Pairs),
];

const RESOURCE: &[Known] = &[
    Known::new("uri", Takes::Value),
    Known::new("name", Takes::Value),
    Known::new("description", Takes::Value),
    Known::new("title", Takes::Value),
    Known::new("mime_type", Takes::Value),
    Known::new("size", Takes::Value),
    Known::new("list", Takes::Value),
    Known::new("annotations", Takes::Value),
    Known::new("cache_hint", Takes::Value),
    Known::new("icon", Takes::Values),
    Known::new("visible_to", Takes::Value),
    Known::new("tag", Takes::Values),
    Known::new("scope", Takes::Values),
    Known::new("scopes_by", Takes::Value),
    Known::new("with_meta", Takes::Pairs),
];

impl Kind {
    /// Returns the attribute of a method, which also names the item.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
        }
    }

    /// Returns the attribute of a block, which also names the added function.
    pub(crate) fn block(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Resource => "resources",
        }
    }

    /// Returns the settings that the attribute of a method accepts.
    pub(crate) fn settings(self) -> &'static [Known] {
        match self {
            Self::Tool => TOOL,
            Self::Prompt => PROMPT,
            Self::Resource => RESOURCE,
        }
    }

    /// Whether a description is required.
    pub(crate) fn needs_description(self) -> bool {
        self != Self::Resource
    }

    /// Returns the type of the results.
    pub(crate) fn output(self) -> Ident {
        self.named("Output")
    }

    /// Returns the type of the registry.
    pub(crate) fn registry(self) -> Ident {
        self.named("Registry")
    }

    /// Returns the type of the registry's builder.
    pub(crate) fn builder(self) -> Ident {
        self.named("RegistryBuilder")
    }

    /// Returns the type of a definition.
    pub(crate) fn definition(self) -> Ident {
        self.named("")
    }

    fn named(self, suffix: &str) -> Ident {
        let prefix = match self {
            Self::Tool => "Tool",
            Self::Prompt => "Prompt",
            Self::Resource => "Resource",
        };
        Ident::new(&format!("{prefix}{suffix}"), Span::call_site())
    }
}
