//! The options of a macro: `#[tools(vis = pub, builder = admin_tools)]`.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Ident, LitStr, Path, Token, Type, Visibility};

use crate::errors::Errors;
use crate::kind::Kind;

/// The path of the library.
#[derive(Clone)]
pub(crate) struct Library(Path);

impl Default for Library {
    fn default() -> Self {
        Self(syn::parse_quote!(::mcp_stateless))
    }
}

impl Library {
    /// Returns the path of the items that generated code uses.
    pub(crate) fn private(&self) -> TokenStream {
        let path = &self.0;
        quote!(#path::__private)
    }

    /// Returns the path of a crate that the library re-exports, as derive macros expect it.
    pub(crate) fn reexported(&self, name: &str) -> String {
        let path = self.0.to_token_stream().to_string().replace(' ', "");
        format!("{path}::__private::{name}")
    }
}

impl Parse for Library {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let path = if input.peek(LitStr) {
            input.parse::<LitStr>()?.parse_with(Path::parse_mod_style)?
        } else {
            input.call(Path::parse_mod_style)?
        };
        Ok(Self(path))
    }
}

/// The options of a block.
pub(crate) struct BlockOptions {
    pub(crate) library: Library,
    /// The name of the added function.
    pub(crate) builder: Ident,
    /// The visibility of the added function.
    pub(crate) vis: Visibility,
    /// The state of a block without `self`.
    pub(crate) state: Option<Type>,
}

impl BlockOptions {
    pub(crate) fn parse(kind: Kind, tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self {
            library: Library::default(),
            builder: Ident::new(kind.block(), Span::call_site()),
            vis: syn::parse_quote!(pub(crate)),
            state: None,
        };
        let mut unknown = Errors::default();
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("crate") {
                options.library = meta.value()?.parse()?;
            } else if meta.path.is_ident("builder") {
                options.builder = meta.value()?.parse()?;
            } else if meta.path.is_ident("vis") {
                options.vis = visibility(meta.value()?)?;
            } else if meta.path.is_ident("state") {
                options.state = Some(meta.value()?.parse()?);
            } else {
                let message = format!(
                    "`#[{}]` has no such option; the options are `builder = name`, `crate = path`, `state = Type` and \
                     `vis = pub`",
                    kind.block()
                );
                unknown.add(meta.error(message));
                skip_value(meta.input)?;
            }
            Ok(())
        });
        let parsed = parser.parse2(tokens);
        errors.keep(parsed);
        errors.extend(unknown);
        options
    }
}

/// The options of `#[debug_handler]`.
pub(crate) struct DebugOptions {
    pub(crate) library: Library,
    pub(crate) kind: Kind,
    pub(crate) state: Option<Type>,
}

impl DebugOptions {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self { library: Library::default(), kind: Kind::Tool, state: None };
        let mut unknown = Errors::default();
        let parser = syn::meta::parser(|meta| {
            let kinds = [Kind::Tool, Kind::Prompt, Kind::Resource];
            if let Some(&kind) = kinds.iter().find(|kind| meta.path.is_ident(kind.word())) {
                options.kind = kind;
            } else if meta.path.is_ident("crate") {
                options.library = meta.value()?.parse()?;
            } else if meta.path.is_ident("state") {
                options.state = Some(meta.value()?.parse()?);
            } else {
                unknown.add(meta.error(
                    "`#[debug_handler]` has no such option; the options are `tool`, `prompt`, `resource`, `crate = path` \
                     and `state = Type`",
                ));
                skip_value(meta.input)?;
            }
            Ok(())
        });
        let parsed = parser.parse2(tokens);
        errors.keep(parsed);
        errors.extend(unknown);
        options
    }
}

/// Parses a visibility; `self` means private.
fn visibility(input: ParseStream<'_>) -> syn::Result<Visibility> {
    if input.peek(Token![self]) {
        input.parse::<Token![self]>()?;
        return Ok(Visibility::Inherited);
    }
    let start = input.span();
    match input.parse()? {
        Visibility::Inherited => {
            Err(syn::Error::new(start, "write `pub`, `pub(crate)`, `pub(super)` or `self`"))
        }
        vis => Ok(vis),
    }
}

/// Skips the value of an unknown option.
fn skip_value(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
