//! The settings in the attribute of a method: `#[tool(title = "Search", read_only)]`.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, Meta, Token, Type};

use crate::errors::Errors;
use crate::kind::Kind;
use crate::known::Takes;

/// The settings of one method.
pub(crate) struct Settings {
    kind: Kind,
    /// The settings by key.
    given: BTreeMap<&'static str, Vec<Setting>>,
}

/// A setting as written.
struct Setting {
    key: Ident,
    value: Option<Value>,
}

enum Value {
    Expr(Box<Expr>),
    Type(Box<Type>),
}

impl Value {
    /// Returns the elements of a tuple of two.
    fn pair(&self) -> Option<(&Expr, &Expr)> {
        let Self::Expr(value) = self else { return None };
        let Expr::Tuple(tuple) = &**value else { return None };
        match tuple.elems.len() {
            2 => Some((&tuple.elems[0], &tuple.elems[1])),
            _ => None,
        }
    }
}

impl ToTokens for Value {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Expr(value) => value.to_tokens(tokens),
            Self::Type(value) => value.to_tokens(tokens),
        }
    }
}

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any)?;
        if !input.peek(Token![=]) {
            return Ok(Self { key, value: None });
        }
        input.parse::<Token![=]>()?;
        let value =
            if key == "output_schema" { Value::Type(input.parse()?) } else { Value::Expr(input.parse()?) };
        Ok(Self { key, value: Some(value) })
    }
}

impl Settings {
    /// Parses and removes the attributes of this kind.
    pub(crate) fn take(kind: Kind, attrs: &mut Vec<Attribute>, errors: &mut Errors) -> Self {
        let mut settings = Self { kind, given: BTreeMap::new() };
        for attr in attrs.extract_if(.., |attr| attr.path().is_ident(kind.word())) {
            if matches!(attr.meta, Meta::Path(_)) {
                continue;
            }
            let parsed = attr.parse_args_with(Punctuated::<Setting, Token![,]>::parse_terminated);
            for setting in errors.keep(parsed).into_iter().flatten() {
                settings.add(setting, errors);
            }
        }
        settings.check_contradictions(errors);
        settings
    }

    fn add(&mut self, setting: Setting, errors: &mut Errors) {
        let Some(known) = self.kind.settings().iter().find(|known| setting.key == known.key) else {
            let keys: Vec<_> = self.kind.settings().iter().map(|known| format!("`{}`", known.key)).collect();
            let message = format!(
                "a {} has no setting `{}`; the settings are {}",
                self.kind.word(),
                setting.key,
                keys.join(", ")
            );
            return errors.at(&setting.key, message);
        };
        let key = known.key;
        match (known.takes, &setting.value) {
            (Takes::Nothing, Some(_)) => {
                return errors.at(&setting.key, format!("`{key}` takes no value: write `{key}`"));
            }
            (Takes::Type, None) => {
                return errors.at(&setting.key, format!("`{key}` needs a type: write `{key} = Type`"));
            }
            (Takes::Value | Takes::Values, None) => {
                return errors.at(&setting.key, format!("`{key}` needs a value: write `{key} = …`"));
            }
            (Takes::Pairs, value) if value.as_ref().and_then(Value::pair).is_none() => {
                let message = format!(
                    "`{key}` needs a key and a value: write `{key} = (\"com.example/owner\", \"…\")`"
                );
                return errors.at(&setting.key, message);
            }
            _ => {}
        }
        let all = self.given.entry(key).or_default();
        if !all.is_empty() && !known.takes.is_repeatable() {
            errors.at(&setting.key, format!("`{key}` is set twice"));
        }
        all.push(setting);
    }

    fn check_contradictions(&self, errors: &mut Errors) {
        for known in self.kind.settings() {
            let Some(other) = known.unlike.filter(|other| self.given.contains_key(other)) else { continue };
            for setting in self.given.get(known.key).into_iter().flatten() {
                errors.at(&setting.key, format!("`{}` contradicts `{other}`", known.key));
            }
        }
    }

    /// Returns the value of a key.
    pub(crate) fn value(&self, key: &str) -> Option<&Expr> {
        match self.given.get(key)?.first()?.value.as_ref()? {
            Value::Expr(value) => Some(value),
            Value::Type(_) => None,
        }
    }

    /// Returns the string value of a key, and its span.
    pub(crate) fn text(&self, key: &str) -> Option<(String, Span)> {
        match self.value(key)? {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some((text.value(), text.span())),
            _ => None,
        }
    }

    /// Returns the key itself, for its span.
    pub(crate) fn key(&self, key: &str) -> Option<&Ident> {
        Some(&self.given.get(key)?.first()?.key)
    }

    /// Returns the calls of the setters, except those in `handled`.
    pub(crate) fn setters(&self, handled: &[&str]) -> TokenStream {
        let ordered = self.kind.settings().iter().filter(|known| !handled.contains(&known.key));
        let given = ordered.flat_map(|known| self.given.get(known.key).into_iter().flatten());
        given.map(Setting::setter).collect()
    }
}

impl Setting {
    fn setter(&self) -> TokenStream {
        let Self { key, value } = self;
        match value {
            Some(Value::Type(ty)) => quote!(.#key::<#ty>()),
            // A duration or an option of one.
            Some(value) if key == "time_limit" => quote!(.#key(::core::convert::Into::into(#value))),
            Some(value) if key == "with_meta" => {
                // `add` refuses anything but a pair.
                let pair = value.pair().map(|(name, value)| quote!(#name, #value));
                quote!(.#key(#pair))
            }
            Some(value) => quote!(.#key(#value)),
            None if key == "no_time_limit" => quote!(.time_limit(::core::option::Option::None)),
            None => quote!(.#key()),
        }
    }
}
