//! The parameters of a method.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Expr, Ident, LitStr, Meta, Pat, PatType, Type};

use crate::docs::is_doc;
use crate::errors::Errors;
use crate::parts;

/// A parameter of a method, without the macro's own attributes.
pub(crate) enum Parameter {
    /// A part of the call.
    Part(Box<Type>),
    /// One of its arguments.
    Argument(Box<Argument>),
}

/// An argument that clients give.
pub(crate) struct Argument {
    /// The documentation, and the attributes for `serde` and `schemars`.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// The handler that completes its values.
    pub(crate) completer: Option<Expr>,
}

impl Parameter {
    /// Parses a parameter, and removes the attributes that functions cannot have.
    pub(crate) fn take(parameter: &mut PatType, errors: &mut Errors) -> Option<Self> {
        let mut attrs = std::mem::take(&mut parameter.attrs);
        let mut is_marked = false;
        let mut completer = None;
        let mut is_valid = true;
        attrs.retain(|attr| {
            let path = attr.path();
            if path.is_ident("from_call") {
                is_marked = true;
                if !matches!(attr.meta, Meta::Path(_)) {
                    errors.at(attr, "write `#[from_call]`");
                }
                false
            } else if path.is_ident("complete") {
                completer = errors.keep(attr.parse_args::<Expr>());
                false
            } else if is_doc(attr) || path.is_ident("serde") || path.is_ident("schemars") {
                true
            } else if ["allow", "expect", "warn", "deny"].iter().any(|lint| path.is_ident(lint)) {
                parameter.attrs.push(attr.clone());
                false
            } else {
                errors.at(
                    attr,
                    "a parameter takes a doc comment, `#[serde(…)]`, `#[schemars(…)]`, `#[complete(…)]` \
                     and `#[from_call]`",
                );
                is_valid = false;
                false
            }
        });
        if is_marked || parts::is_part(&parameter.ty) {
            // Its documentation is for readers of the code.
            if let Some(stray) = attrs.iter().find(|attr| !is_doc(attr)) {
                errors.at(stray, "this is a part of the call, which is not deserialised");
                return None;
            }
            if let Some(completer) = completer {
                errors.at(completer, "this is a part of the call, which no client completes");
            }
            return Some(Self::Part(parameter.ty.clone()));
        }
        let ident = name(&parameter.pat, errors)?;
        if !check_type(&parameter.ty, errors) || !is_valid {
            return None;
        }
        Some(Self::Argument(Box::new(Argument { attrs, ident, ty: (*parameter.ty).clone(), completer })))
    }
}

/// Returns the name of an argument.
fn name(pattern: &Pat, errors: &mut Errors) -> Option<Ident> {
    match pattern {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => Some(name.ident.clone()),
        _ => {
            errors.at(
                pattern,
                "an argument needs a name, which clients give: write `name: Type`; mark a part of the call \
                 of your own type with `#[from_call]`",
            );
            None
        }
    }
}

/// Refuses types that arguments cannot have.
fn check_type(ty: &Type, errors: &mut Errors) -> bool {
    let message = match ty {
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => {
                "an argument owns what it holds: write `String`".to_owned()
            }
            Type::Slice(slice) => {
                let element = slice.elem.to_token_stream();
                format!("an argument owns what it holds: write `Vec<{element}>`")
            }
            elem => {
                format!("an argument owns what it holds: write `{}`", elem.to_token_stream())
            }
        },
        Type::ImplTrait(_) => "an argument is of one type: write it instead of `impl …`".to_owned(),
        _ if has_lifetime(ty.to_token_stream()) => {
            "an argument owns what it holds: write a type without lifetimes, or `'static`".to_owned()
        }
        _ => return true,
    };
    errors.at(ty, message);
    false
}

fn has_lifetime(tokens: TokenStream) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                let is_static = matches!(tokens.peek(), Some(TokenTree::Ident(name)) if name == "static");
                if !is_static {
                    return true;
                }
            }
            TokenTree::Group(group) if has_lifetime(group.stream()) => return true,
            _ => {}
        }
    }
    false
}

impl Argument {
    /// Returns the name that clients know.
    pub(crate) fn name(&self) -> String {
        self.renamed().unwrap_or_else(|| self.ident.unraw().to_string())
    }

    /// Whether a call may leave it out, as far as the code shows.
    pub(crate) fn may_be_missing(&self) -> bool {
        parts::is_option(&self.ty) || ["default", "skip", "flatten"].iter().any(|word| self.tells_serde(word))
    }

    /// Whether it is deserialised as its type, and not by a function or not at all.
    pub(crate) fn is_plain(&self) -> bool {
        let special = ["with", "deserialize_with", "schema_with", "skip", "skip_deserializing", "flatten"];
        !special.iter().any(|word| self.tells_serde(word))
    }

    /// Whether one of the words occurs in an attribute for `serde` or `schemars`.
    fn tells_serde(&self, word: &str) -> bool {
        let lists = self.attrs.iter().filter_map(|attr| attr.meta.require_list().ok());
        let mut tokens = lists.flat_map(|list| list.tokens.clone());
        tokens.any(|token| matches!(token, TokenTree::Ident(ident) if ident == word))
    }

    fn renamed(&self) -> Option<String> {
        let mut renamed = None;
        for attr in self.attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
            // `serde` reports its faults.
            let _ = attr.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    renamed = Some(meta.value()?.parse::<LitStr>()?.value());
                } else if meta.input.peek(syn::Token![=]) {
                    meta.value()?.parse::<Expr>()?;
                }
                Ok(())
            });
        }
        renamed
    }
}
