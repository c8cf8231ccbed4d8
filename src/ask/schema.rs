//! Derives the schema of a form from a Rust type.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The formats that forms support (2026-07-28, Client, "Requested Schema").
const FORMATS: [&str; 4] = ["email", "uri", "date", "date-time"];

/// Returns the schema of a form with the fields of `T`: an object of strings, numbers, booleans and
/// choices, which is what clients can show.
///
/// # Errors
/// Returns an error if a field has another type. The error names it.
pub(super) fn form_of<T: JsonSchema>() -> Result<Value, String> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(format!("a form must be an object, and `{}` is not", T::schema_name()));
    }
    let mut fields = Map::new();
    for (name, property) in properties {
        let field = field(property).ok_or_else(|| {
            format!("the field `{name}` of a form must be a string, a number, a boolean or a choice")
        })?;
        fields.insert(name, field);
    }
    let mut form = json!({"type": "object", "properties": fields});
    if let Some(required) = schema.get("required") {
        form["required"] = required.clone();
    }
    Ok(form)
}

/// Converts one field to the schemas that forms support.
fn field(property: Value) -> Option<Value> {
    let Value::Object(mut property) = property else { return None };
    if let Some(Value::Array(types)) = property.get("type") {
        // An optional field is left out of `required` instead.
        let one = types.iter().find(|it| *it != "null").cloned()?;
        property.insert("type".to_owned(), one);
    }
    if let Some(Value::Array(alternatives)) = property.remove("anyOf") {
        // An optional choice.
        let choice = alternatives.into_iter().find(|it| it["type"] != "null")?;
        property.extend(choice.as_object()?.clone());
    }
    if let Some(Value::Array(choices)) = property.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
    }
    if let Some(choices) = property.remove("oneOf") {
        property.insert("oneOf".to_owned(), titled(&choices)?);
        property.entry("type").or_insert_with(|| "string".into());
    }
    match property.get("type").and_then(Value::as_str)? {
        "string" | "number" | "integer" | "boolean" => {}
        "array" => {
            let items = property.get_mut("items").and_then(Value::as_object_mut)?;
            match items.remove("oneOf") {
                Some(choices) => *items = Map::from_iter([("anyOf".to_owned(), titled(&choices)?)]),
                None => drop(items.get("enum").or_else(|| items.get("anyOf"))?),
            }
        }
        _ => return None,
    }
    if property.get("format").is_some_and(|format| !FORMATS.iter().any(|known| format == known)) {
        property.remove("format");
    }
    if property.get("default").is_some_and(Value::is_null) {
        property.remove("default");
    }
    Some(Value::Object(property))
}

/// Choices with a name for each: its title, otherwise its documentation.
fn titled(choices: &Value) -> Option<Value> {
    let mut titled = Vec::new();
    for choice in choices.as_array()? {
        // Variants without documentation are grouped.
        if let Some(values) = choice.get("enum").and_then(Value::as_array) {
            titled.extend(values.iter().map(|value| json!({"const": value, "title": value})));
            continue;
        }
        let value = choice.get("const").filter(|value| value.is_string())?;
        let title = choice.get("title").or_else(|| choice.get("description")).unwrap_or(value);
        titled.push(json!({"const": value, "title": title}));
    }
    Some(Value::Array(titled))
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde_json::json;

    use super::form_of;

    #[derive(JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Plain {
        Red,
        Blue,
    }

    #[derive(JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Titled {
        /// A red one
        Red,
        /// A blue one
        Blue,
    }

    fn thirty() -> u8 {
        30
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Form {
        /// Your name
        #[schemars(length(min = 1))]
        name: String,
        #[schemars(default = "thirty")]
        age: u8,
        ratio: Option<f64>,
        sure: bool,
        #[schemars(extend("format" = "email"))]
        mail: Option<String>,
        plain: Plain,
        titled: Titled,
        maybe: Option<Titled>,
        many: Vec<Plain>,
        many_titled: Vec<Titled>,
    }

    #[test]
    fn fields_are_said_in_the_words_that_forms_know() {
        let titled =
            json!([{"const": "red", "title": "A red one"}, {"const": "blue", "title": "A blue one"}]);
        let expected = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "Your name", "minLength": 1},
                "age": {"type": "integer", "minimum": 0, "maximum": 255, "default": 30},
                "ratio": {"type": "number"},
                "sure": {"type": "boolean"},
                "mail": {"type": "string", "format": "email"},
                "plain": {"type": "string", "enum": ["red", "blue"]},
                "titled": {"type": "string", "oneOf": titled},
                "maybe": {"type": "string", "oneOf": titled},
                "many": {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}},
                "many_titled": {"type": "array", "items": {"anyOf": titled}},
            },
            "required": ["name", "sure", "plain", "titled", "many", "many_titled"],
        });
        assert_eq!(form_of::<Form>(), Ok(expected));
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Nested {
        form: Option<Box<Form>>,
    }

    #[test]
    fn what_no_form_can_show_is_refused() {
        assert!(form_of::<Nested>().is_err_and(|fault| fault.contains("`form`")));
        assert!(form_of::<String>().is_err());
    }
}
