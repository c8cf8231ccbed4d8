//! The URI of a resource, and the variables of a template.

use proc_macro2::Span;
use syn::{Expr, Ident};

use crate::errors::Errors;
use crate::parameter::Argument;
use crate::settings::Settings;

/// Returns the URI of a resource, and its span.
pub(crate) fn of(settings: &Settings) -> Option<(String, Span)> {
    settings.text("uri")
}

/// Whether a URI has variables.
pub(crate) fn is_template(uri: &str) -> bool {
    uri.contains('{')
}

/// Compares the variables of the URI with the arguments of the method.
pub(crate) fn check(settings: &Settings, method: &Ident, arguments: &[&Argument], errors: &mut Errors) {
    let Some((uri, span)) = of(settings) else {
        match settings.value("uri") {
            Some(value) if !matches!(value, Expr::Lit(_)) => {
                errors.at(
                    value,
                    "the URI must be a literal, such as `uri = \"note://{id}\"`",
                );
            }
            Some(value) => errors.at(value, "the URI must be a string"),
            None => errors.at(
                method,
                "a resource needs a URI: write `#[resource(uri = \"…\")]`, or `#[skip]` to leave the method out",
            ),
        }
        return;
    };
    let variables = variables(&uri);
    for argument in arguments.iter().filter(|argument| !argument.may_be_missing()) {
        let name = argument.name();
        if !variables.contains(&name.as_str()) {
            let message =
                format!("the URI has no variable `{{{name}}}`: all arguments of a resource come from it");
            errors.at(&argument.ident, message);
        }
    }
    let takes_all = arguments.iter().any(|argument| !argument.is_plain());
    for variable in variables {
        if !takes_all && arguments.iter().all(|argument| argument.name() != variable) {
            let message = format!("the method takes no argument `{variable}`");
            errors.add(syn::Error::new(span, message));
        }
    }
    if let Some(key) = settings.key("size").filter(|_| is_template(&uri)) {
        errors.at(key, "a template has no size, because its resources differ in theirs");
    }
    if let Some(key) = settings.key("list").filter(|_| !is_template(&uri)) {
        errors.at(
            key,
            "only a template, whose URI has variables such as `{id}`, lists its resources by a handler",
        );
    }
}

/// Returns the names of the variables of a template of RFC 6570, level 2.
fn variables(uri: &str) -> Vec<&str> {
    let names = uri.split('{').skip(1).filter_map(|piece| piece.split_once('}'));
    names.map(|(name, _)| name.trim_start_matches(['+', '#'])).collect()
}

#[cfg(test)]
mod tests {
    use super::variables;

    #[test]
    fn variables_are_named_without_their_operators() {
        assert_eq!(variables("note://{folder}/{+path}{#part}"), ["folder", "path", "part"]);
        assert!(variables("note://today").is_empty());
    }
}
