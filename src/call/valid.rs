//! Arguments that are checked beyond their types.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _};

/// Arguments, or a part of them, that say themselves what is wrong with them; checked where a
/// handler takes them as [`Valid`].
pub trait Validate {
    /// Returns what is wrong, for a model to read, so that it can mend its call.
    ///
    /// # Errors
    /// When something is wrong.
    fn validate(&self) -> Result<(), impl fmt::Display>;
}

/// Arguments that were found valid by [`Validate`], once they had been deserialised.
///
/// What is not valid is answered as what does not fit the type, with the place and the message:
/// by a result with `isError` of a tool, else by `-32602`. It needs no schema engine, and works for
/// the whole of the arguments as for a field.
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
