//! Schemas derived from Rust types.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::fields::field_names;
use crate::call::{Method, NoArguments, WithArguments, WithContext, WithoutArguments};

/// Arguments whose schema is derived from their type, by [`schemars`]: what a
/// handler must take for [`Tool::new`](crate::Tool::new). Implemented for every
/// kind of handler whose arguments are a [`JsonSchema`], or that takes none.
#[diagnostic::on_unimplemented(
    message = "the arguments of this handler have no schema",
    note = "write `#[derive(serde::Deserialize, schemars::JsonSchema)]` on the type of the arguments, or give a \
            schema with `with_schema`"
)]
pub trait TypedArguments {
    #[doc(hidden)]
    fn input_schema() -> Schema;

    /// The names of the arguments as they were declared, as far as their type tells them.
    #[doc(hidden)]
    fn declared() -> &'static [&'static str];
}

impl<Parts> TypedArguments for WithoutArguments<Parts> {
    fn input_schema() -> Schema {
        schema_of::<NoArguments>()
    }

    fn declared() -> &'static [&'static str] {
        &[]
    }
}

impl<Parts, A: JsonSchema + DeserializeOwned> TypedArguments for WithArguments<Parts, A> {
    fn input_schema() -> Schema {
        schema_of::<A>()
    }

    fn declared() -> &'static [&'static str] {
        field_names::<A>()
    }
}

impl<Parts, A: JsonSchema + DeserializeOwned> TypedArguments for WithContext<Parts, A> {
    fn input_schema() -> Schema {
        schema_of::<A>()
    }

    fn declared() -> &'static [&'static str] {
        field_names::<A>()
    }
}

impl<Rest: TypedArguments> TypedArguments for Method<Rest> {
    fn input_schema() -> Schema {
        Rest::input_schema()
    }

    fn declared() -> &'static [&'static str] {
        Rest::declared()
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
