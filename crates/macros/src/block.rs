//! An `impl` block whose methods become tools, prompts or resources.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::Type;

use crate::kind::Kind;
use crate::method::Method;
use crate::options::BlockOptions;

/// The block and its methods.
pub(crate) struct Block {
    pub(crate) kind: Kind,
    pub(crate) options: BlockOptions,
    pub(crate) self_ty: Type,
    pub(crate) state: BlockState,
    pub(crate) methods: Vec<Method>,
}

/// The state of the handlers of a block.
pub(crate) enum BlockState {
    /// None.
    None,
    /// `Arc<Self>`.
    Shared,
    /// Another type, which handlers take as `State<T>`.
    Given(Box<Type>),
}

impl BlockState {
    /// Returns the type of the state.
    pub(crate) fn ty(&self) -> TokenStream {
        match self {
            Self::None => quote!(()),
            Self::Shared => quote!(::std::sync::Arc<Self>),
            Self::Given(ty) => quote!(#ty),
        }
    }
}

impl Block {
    /// Replaces `Self` with the type, for items that are declared within the function.
    pub(crate) fn without_self(&self, tokens: TokenStream) -> TokenStream {
        let replaced = tokens.into_iter().flat_map(|token| match token {
            TokenTree::Ident(ident) if ident == "Self" => {
                let self_ty = &self.self_ty;
                let is_path = matches!(self_ty, Type::Path(_));
                let tokens = if is_path { self_ty.to_token_stream() } else { quote!(<#self_ty>) };
                tokens.into_iter().collect::<Vec<_>>()
            }
            TokenTree::Group(group) => {
                let mut replaced =
                    proc_macro2::Group::new(group.delimiter(), self.without_self(group.stream()));
                replaced.set_span(group.span());
                vec![replaced.into()]
            }
            token => vec![token],
        });
        replaced.collect()
    }
}

/// Returns a name that cannot collide with the user's code.
pub(crate) fn local(name: &str) -> Ident {
    format_ident!("{name}", span = Span::mixed_site())
}
