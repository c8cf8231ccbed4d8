//! References to variables of the environment.

use super::error::Fault;

/// Looks up a variable of the environment.
pub(crate) type Variable<'v> = dyn Fn(&str) -> Option<String> + 'v;

/// Replaces the references in a string with the values of their variables. Values are not expanded
/// again.
pub(crate) fn expand(string: &str, variable: &Variable<'_>) -> Result<String, Fault> {
    let mut expanded = String::with_capacity(string.len());
    let mut rest = string;
    while let Some((before, after)) = rest.split_once("${") {
        expanded.push_str(before);
        let (inside, after) = after.split_once('}').ok_or_else(|| Fault::Reference("${".to_owned()))?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let name = name.strip_prefix("env:").unwrap_or(name);
        // Other programs support `${input:…}`, and defaults that contain references.
        if name.is_empty() || name.contains(':') || inside.contains("${") {
            return Err(Fault::Reference(format!("${{{inside}}}")));
        }
        match (variable(name), default) {
            (Some(value), None) => expanded.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => expanded.push_str(&value),
            (_, Some(default)) => expanded.push_str(default),
            (None, None) => return Err(Fault::Unset(name.to_owned())),
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}
