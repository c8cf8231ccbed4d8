//! Schemas derived from Rust types.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::fields::field_names;
use crate::call::{CallContext, NoArguments};

/// Arguments whose schema is derived from their type, by [`schemars`]: what a
/// handler must take for [`Tool::new`](crate::Tool::new). Implemented for every
/// kind of handler whose arguments are a [`JsonSchema`].
pub trait TypedArguments {
    #[doc(hidden)]
    fn input_schema() -> Schema;

    /// The names of the arguments as they were declared, as far as their type tells them.
    #[doc(hidden)]
    fn declared() -> &'static [&'static str];
}

impl TypedArguments for () {
    fn input_schema() -> Schema {
        schema_of::<NoArguments>()
    }

    fn declared() -> &'static [&'static str] {
        &[]
    }
}

impl<A: JsonSchema + DeserializeOwned> TypedArguments for (A,) {
    fn input_schema() -> Schema {
        schema_of::<A>()
    }

    fn declared() -> &'static [&'static str] {
        field_names::<A>()
    }
}

impl<A: JsonSchema + DeserializeOwned> TypedArguments for (A, CallContext) {
    fn input_schema() -> Schema {
        schema_of::<A>()
    }

    fn declared() -> &'static [&'static str] {
        field_names::<A>()
    }
}

// Not derived, for the documentation of the type is not meant for a model.
impl JsonSchema for NoArguments {
    fn schema_name() -> Cow<'static, str> {
        "NoArguments".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "object", "additionalProperties": false})
    }
}

/// The schema of a type, in the dialect that MCP assumes when none is named.
pub(crate) fn schema_of<T: JsonSchema>() -> Schema {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.remove("$schema");
    // The name of a Rust type means nothing to a model.
    schema.remove("title");
    // Of an enum of objects only the alternatives say that they are objects.
    if schema.get("type").is_none() && (schema.get("oneOf").is_some() || schema.get("anyOf").is_some()) {
        schema.insert("type".to_owned(), "object".into());
    }
    schema
}
