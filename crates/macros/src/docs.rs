//! Doc comments as descriptions.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// Returns an expression for the text of a doc comment; `None` without one.
///
/// Lines are joined, without their common indentation and without empty lines at either end.
pub(crate) fn description(attrs: &[Attribute]) -> Option<TokenStream> {
    let docs: Vec<&Expr> = attrs.iter().filter_map(doc).collect();
    if docs.is_empty() {
        return None;
    }
    let lines: Option<Vec<String>> = docs.iter().map(|value| literal(value)).collect();
    match lines {
        Some(lines) => {
            let text = unindented(&lines.join("\n"));
            (!text.is_empty()).then(|| quote!(#text))
        }
        // Only the compiler can expand `include_str!`.
        None => Some(quote!(::core::concat!(#(#docs, "\n"),*))),
    }
}

/// Whether an attribute is a line of a doc comment.
pub(crate) fn is_doc(attr: &Attribute) -> bool {
    doc(attr).is_some()
}

fn doc(attr: &Attribute) -> Option<&Expr> {
    match &attr.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => Some(&meta.value),
        _ => None,
    }
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

fn unindented(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let written = || text.lines().filter(|line| !line.trim().is_empty());
    let common = written().map(indent).min().unwrap_or(0);
    // A shorter line is empty.
    let lines = text.lines().map(|line| line.get(common..).unwrap_or("").trim_end());
    lines.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::unindented;

    #[test]
    fn lines_lose_what_they_are_indented_by_in_common() {
        for (text, expected) in [
            (" Finds issues.", "Finds issues."),
            (" Finds issues.\n\n - by word\n   or two", "Finds issues.\n\n- by word\n  or two"),
            ("\n     Finds issues.\n     ", "Finds issues."),
            ("none", "none"),
            ("", ""),
        ] {
            assert_eq!(unindented(text), expected, "{text:?}");
        }
    }
}
