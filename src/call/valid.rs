//! Arguments that are validated after they have been deserialised.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _};

/// Arguments, or a part of them, that can validate themselves. They are validated if a handler
/// takes them as [`Valid`].
pub trait Validate {
    /// Validates the value.
    ///
    /// # Errors
    /// Returns a message if the value is not valid. A model reads the message, so it should say how to
    /// correct the call.
    fn validate(&self) -> Result<(), impl fmt::Display>;
}

/// Arguments that have been validated with [`Validate`] after they were deserialised.
///
/// Invalid arguments are answered like those of a wrong type, with the path and the message: with a
/// result with `isError` for a tool, and with an error `-32602` otherwise. This needs no schema
/// engine, and works for the arguments as a whole and for single fields.
///
/// ```
/// use mcp_stateless::ToolRegistry;
/// use mcp_stateless::call::{Valid, Validate};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Range { from: u32, to: u32 }
///
/// impl Validate for Range {
///     fn validate(&self) -> Result<(), impl std::fmt::Display> {
///         if self.from <= self.to { Ok(()) } else { Err("`from` must not be greater than `to`") }
///     }
/// }
///
/// let tools = ToolRegistry::builder()
///     .tool("count", "Count", async |Valid(range): Valid<Range>| range.to - range.from)
///     .build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Valid<A>(pub A);

impl<'de, A: Deserialize<'de> + Validate> Deserialize<'de> for Valid<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = A::deserialize(deserializer)?;
        match value.validate() {
            Ok(()) => {}
            Err(fault) => return Err(D::Error::custom(fault)),
        }
        Ok(Self(value))
    }
}

#[cfg(feature = "schemas")]
impl<A: schemars::JsonSchema> schemars::JsonSchema for Valid<A> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        A::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        A::schema_id()
    }

    fn inline_schema() -> bool {
        A::inline_schema()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        A::json_schema(generator)
    }
}
