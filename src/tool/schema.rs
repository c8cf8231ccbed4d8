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

/// What a handler may return for [`Tool::new`](crate::Tool::new): the tool's output schema
/// follows from it. [`Json<T>`](Json) has the schema of `T`, as a value of `T` is serialised;
/// texts, numbers and content have none, nor has a [`serde_json::Value`], which says nothing.
///
/// A type of a host's own that implements [`IntoOutput`](crate::call::IntoOutput) implements this as
/// well; `impl TypedOutput for Mine {}` says that it has no structured content.
#[diagnostic::on_unimplemented(
    message = "it is not known which output schema `{Self}` has",
    note = "`Json<T>` needs `#[derive(schemars::JsonSchema)]` on `T`; for a type of your own that implements \
            `IntoOutput<ToolOutput>`, write `impl TypedOutput for {Self} {{}}`",
    note = "a tool without a derived schema is made by `with_schema`"
)]
pub trait TypedOutput {
    /// Returns the schema of the structured content, if there is any.
    fn output_schema() -> Option<Schema> {
        None
    }
}

impl<T: JsonSchema> TypedOutput for Json<T> {
    fn output_schema() -> Option<Schema> {
        let schema = output_schema_of::<T>();
        // A type that can be anything promises nothing.
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

// Not derived, because the documentation of the type is not meant for a model.
impl JsonSchema for NoArguments {
    fn schema_name() -> Cow<'static, str> {
        "NoArguments".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "object", "additionalProperties": false})
    }
}

/// The schema of arguments, in the dialect that MCP assumes when none is named.
pub(crate) fn schema_of<T: JsonSchema>() -> Schema {
    let mut schema = root_schema::<T>(SchemaSettings::draft2020_12());
    // Of an enum of objects only the alternatives say that they are objects.
    if schema.get("type").is_none() && (schema.get("oneOf").is_some() || schema.get("anyOf").is_some()) {
        schema.insert("type".to_owned(), "object".into());
    }
    schema
}

/// The schema of what a type is serialised to.
pub(super) fn output_schema_of<T: JsonSchema>() -> Schema {
    let mut schema = root_schema::<T>(SchemaSettings::draft2020_12().for_serialize());
    let alternatives = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    let is_object = |it: &Value| it.get("type").and_then(Value::as_str) == Some("object");
    // Earlier revisions know only objects, so say of an enum of objects that it is one.
    if schema.get("type").is_none() && alternatives.is_some_and(|all| all.iter().all(is_object)) {
        schema.insert("type".to_owned(), "object".into());
    }
    schema
}

fn root_schema<T: JsonSchema>(settings: SchemaSettings) -> Schema {
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("$schema");
    // The name of a Rust type means nothing to a model.
    schema.remove("title");
    schema
}
