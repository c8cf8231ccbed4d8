//! Schemas derived from Rust types.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fields::field_names;
use super::{Json, ToolOutput};
use crate::call::{Method, NoArguments, WithArguments, WithContext, WithoutArguments};
use crate::protocol::Content;

/// Arguments whose schema is derived from their type with [`schemars`]; required by
/// [`Tool::new`](crate::Tool::new). Implemented for every handler whose arguments implement
/// [`JsonSchema`], and for handlers without arguments.
#[diagnostic::on_unimplemented(
    message = "the arguments of this handler have no schema",
    note = "write `#[derive(serde::Deserialize, schemars::JsonSchema)]` on the type of the arguments, or give a \
            schema with `with_schema`"
)]
pub trait TypedArguments {
    #[doc(hidden)]
    fn input_schema() -> Schema;

    /// The names of the arguments in the order of their declaration, if the type reveals it.
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

/// The return type of a handler for [`Tool::new`](crate::Tool::new), which determines the tool's
/// output schema. [`Json<T>`](Json) has the schema of `T` as it is serialised. Strings, numbers and
/// content have none, and neither has [`serde_json::Value`].
///
/// Implement it for your own types that implement [`IntoOutput`](crate::call::IntoOutput). Write
/// `impl TypedOutput for Mine {}` for a type without structured content.
#[diagnostic::on_unimplemented(
    message = "it is not known which output schema `{Self}` has",
    note = "`Json<T>` needs `#[derive(schemars::JsonSchema)]` on `T`; for a type of your own that implements \
            `IntoOutput<ToolOutput>`, write `impl TypedOutput for {Self} {{}}`",
    note = "a tool without a derived schema is made by `with_schema`"
)]
pub trait TypedOutput {
    /// Returns the schema of the structured content, if it has one.
    fn output_schema() -> Option<Schema> {
        None
    }
}

impl<T: JsonSchema> TypedOutput for Json<T> {
    fn output_schema() -> Option<Schema> {
        let schema = output_schema_of::<T>();
        // A schema that allows any value says nothing.
        schema.as_object().is_some_and(|schema| !schema.is_empty()).then_some(schema)
    }
}

impl<V: TypedOutput, E> TypedOutput for Result<V, E> {
    fn output_schema() -> Option<Schema> {
        V::output_schema()
    }
}

macro_rules! without_schema {
    ($($output:ty),*) => {$(impl TypedOutput for $output {})*};
}

without_schema!((), ToolOutput, Content, Vec<Content>, String, &'static str, Cow<'static, str>);
without_schema!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64, bool, char);

// Not derived: the type's documentation is not meant for a model.
impl JsonSchema for NoArguments {
    fn schema_name() -> Cow<'static, str> {
        "NoArguments".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "object", "additionalProperties": false})
    }
}

/// Returns the schema of arguments, in the dialect that MCP assumes by default.
pub(crate) fn schema_of<T: JsonSchema>() -> Schema {
    let mut schema = root_schema::<T>(SchemaSettings::draft2020_12());
    // The schema of an enum of structs says only in its alternatives that they are objects.
    if schema.get("type").is_none() && (schema.get("oneOf").is_some() || schema.get("anyOf").is_some()) {
        schema.insert("type".to_owned(), "object".into());
    }
    schema
}

/// Returns the schema of a type as it is serialised.
pub(super) fn output_schema_of<T: JsonSchema>() -> Schema {
    let mut schema = root_schema::<T>(SchemaSettings::draft2020_12().for_serialize());
    let alternatives = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    let is_object = |it: &Value| it.get("type").and_then(Value::as_str) == Some("object");
    // Earlier revisions allow only objects, so the schema of an enum of structs has to say it is
    // one.
    if schema.get("type").is_none() && alternatives.is_some_and(|all| all.iter().all(is_object)) {
        schema.insert("type".to_owned(), "object".into());
    }
    schema
}

fn root_schema<T: JsonSchema>(settings: SchemaSettings) -> Schema {
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("$schema");
    // A model has no use for the name of a Rust type.
    schema.remove("title");
    schema
}
