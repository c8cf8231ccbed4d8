//! `#[derive(FromRef)]`: makes each field of a struct a part of the state.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Field, Ident, Item, ItemStruct, Member, Type};

use crate::errors::Errors;
use crate::options::Library;

/// The attribute of the struct and of its fields.
const ATTRIBUTE: &str = "from_ref";

/// Expands `#[derive(FromRef)]`.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let parts = match errors.keep(syn::parse2(item)) {
        Some(Item::Struct(state)) => parts(&state, &mut errors),
        Some(Item::Enum(state)) => not_a_struct(&state.ident, "an enum", &mut errors),
        Some(Item::Union(state)) => not_a_struct(&state.ident, "a union", &mut errors),
        _ => TokenStream::new(),
    };
    let errors = errors.into_compile_errors();
    quote!(#parts #errors)
}

fn not_a_struct(ident: &Ident, what: &str, errors: &mut Errors) -> TokenStream {
    errors.at(
        ident,
        format!(
            "the parts of a state are the fields of a struct, and `{ident}` is {what}: write \
             `impl FromRef<{ident}> for …` for each part"
        ),
    );
    TokenStream::new()
}

/// Returns an implementation of `FromRef` for the type of each field.
fn parts(state: &ItemStruct, errors: &mut Errors) -> TokenStream {
    if let Some(parameter) = state.generics.params.first() {
        errors.at(
            parameter,
            "`#[derive(FromRef)]` takes no generic struct, because two parameters may stand for one type: write \
             `impl FromRef<…> for …` for each part",
        );
        return TokenStream::new();
    }
    let library = library(&state.attrs, errors);
    let mut seen: Vec<&Type> = Vec::new();
    let mut parts = TokenStream::new();
    for (index, field) in state.fields.iter().enumerate() {
        if is_skipped(field, errors) {
            continue;
        }
        if is_among(&seen, &field.ty) {
            errors.at(
                &field.ty,
                format!(
                    "two fields are of the type `{}`, so it does not say which of them is the part: write \
                     `#[from_ref(skip)]` above one of them",
                    field.ty.to_token_stream()
                ),
            );
            continue;
        }
        seen.push(&field.ty);
        let member = match &field.ident {
            Some(ident) => Member::Named(ident.clone()),
            None => Member::Unnamed(index.into()),
        };
        parts.extend(part(&state.ident, &member, &field.ty, &library));
    }
    parts
}

/// Whether a type is among others, compared as they are written.
fn is_among(types: &[&Type], ty: &Type) -> bool {
    let written = ty.to_token_stream().to_string();
    types.iter().any(|other| other.to_token_stream().to_string() == written)
}

fn part(state: &Ident, member: &Member, ty: &Type, library: &Library) -> TokenStream {
    let private = library.private();
    let clone = quote_spanned!(ty.span()=> ::core::clone::Clone::clone(&state.#member));
    quote! {
        #[automatically_derived]
        impl #private::FromRef<#state> for #ty {
            fn from_ref(state: &#state) -> Self {
                #clone
            }
        }
    }
}

/// Reads `#[from_ref(crate = path)]`.
fn library(attrs: &[Attribute], errors: &mut Errors) -> Library {
    let mut library = Library::default();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(ATTRIBUTE)) {
        let parsed = attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("a state has no such option; the only one is `crate = path`"));
            }
            library = meta.value()?.parse()?;
            Ok(())
        });
        errors.keep(parsed);
    }
    library
}

/// Reads `#[from_ref(skip)]`.
fn is_skipped(field: &Field, errors: &mut Errors) -> bool {
    let mut skipped = false;
    for attr in field.attrs.iter().filter(|attr| attr.path().is_ident(ATTRIBUTE)) {
        let parsed = attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("skip") {
                return Err(meta.error("a field has no such option; the only one is `skip`"));
            }
            skipped = true;
            Ok(())
        });
        errors.keep(parsed);
    }
    skipped
}
