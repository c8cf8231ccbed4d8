//! Expands the attributes of `impl` blocks.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, ImplItem, ItemImpl, Meta};

use crate::block::{Block, BlockState, local};
use crate::errors::Errors;
use crate::kind::Kind;
use crate::method::Method;
use crate::options::BlockOptions;
use crate::{parts, register};

/// Expands `#[tools]`, `#[prompts]` and `#[resources]`.
pub(crate) fn expand(kind: Kind, options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut block: ItemImpl = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            // Keep the item, so that code that uses it does not fail as well.
            let message = format!("`#[{}]` goes on an `impl` block", kind.block());
            let error = match syn::parse2::<syn::Item>(item.clone()) {
                Ok(_) => syn::Error::new(Span::call_site(), message),
                Err(_) => error,
            };
            let error = error.into_compile_error();
            return quote!(#item #error);
        }
    };
    let mut errors = Errors::default();
    let options = BlockOptions::parse(kind, options, &mut errors);
    check_block(kind, &block, &mut errors);
    let mut methods = Vec::new();
    for item in &mut block.items {
        let ImplItem::Fn(function) = item else { continue };
        let is_skipped = take_skip(&mut function.attrs, &mut errors);
        check_markers(kind, is_skipped, &mut function.attrs, &mut errors);
        if !is_skipped {
            methods.extend(Method::take(kind, function, &mut errors));
        }
    }
    let state = state(&options, &methods, &mut errors);
    let self_ty = (*block.self_ty).clone();
    let builder = Block { kind, options, self_ty, state, methods };
    // Without it, each use of the function would be another error.
    let function = block.generics.params.is_empty().then(|| builder.function());
    let errors = errors.into_compile_errors();
    let (attrs, self_ty) = (cfgs(&block.attrs), &block.self_ty);
    let function = (block.trait_.is_none())
        .then_some(function)
        .flatten()
        .map(|function| quote!(#(#attrs)* impl #self_ty { #function }));
    quote!(#block #function #errors)
}

fn cfgs(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
}

fn check_block(kind: Kind, block: &ItemImpl, errors: &mut Errors) {
    if let Some((path, _)) = &block.trait_ {
        let message = format!("`#[{}]` goes on the methods of a type, not on those of a trait", kind.block());
        errors.at(path, message);
    }
    if !block.generics.params.is_empty() {
        let message = format!(
            "`#[{}]` needs a type without parameters: write the block for one such type",
            kind.block()
        );
        errors.at(&block.generics, message);
    }
}

/// Removes `#[skip]`, and returns whether it was there.
fn take_skip(attrs: &mut Vec<Attribute>, errors: &mut Errors) -> bool {
    let mut is_skipped = false;
    for attr in attrs.extract_if(.., |attr| attr.path().is_ident("skip")) {
        is_skipped = true;
        if !matches!(attr.meta, Meta::Path(_)) {
            errors.at(attr, "write `#[skip]`");
        }
    }
    is_skipped
}

/// Removes and refuses attributes that belong to another kind of block, or to a method that is
/// skipped.
fn check_markers(kind: Kind, is_skipped: bool, attrs: &mut Vec<Attribute>, errors: &mut Errors) {
    for other in [Kind::Tool, Kind::Prompt, Kind::Resource] {
        let is_stray =
            |attr: &mut Attribute| attr.path().is_ident(other.word()) && (is_skipped || other != kind);
        for attr in attrs.extract_if(.., is_stray) {
            let message = if other == kind {
                "`#[skip]` leaves this method out".to_owned()
            } else {
                format!(
                    "the methods of this block are {}: move this one into an `impl` block with `#[{}]`",
                    kind.block(),
                    other.block()
                )
            };
            errors.at(attr, message);
        }
    }
}

/// Determines the state of a block: `Arc<Self>` if a method takes `self`, otherwise the given type
/// or that of a `State<T>`.
fn state(options: &BlockOptions, methods: &[Method], errors: &mut Errors) -> BlockState {
    let takes_self = methods.iter().any(|method| method.receiver.is_some());
    match &options.state {
        Some(given) if takes_self && !parts::is_shared_self(given) => {
            errors.at(given, "methods with `self` take it from the state, which is `Arc<Self>`");
            BlockState::Shared
        }
        _ if takes_self => BlockState::Shared,
        Some(given) => BlockState::Given(Box::new(given.clone())),
        None => {
            let named = methods.iter().flat_map(Method::parts).find_map(parts::state);
            named.map_or(BlockState::None, |named| BlockState::Given(Box::new(named.clone())))
        }
    }
}

impl Block {
    /// Returns the function that creates a builder with all the methods.
    fn function(&self) -> TokenStream {
        let private = self.options.library.private();
        let (registry, builder_type) = (self.kind.registry(), self.kind.builder());
        let (name, vis, state) = (&self.options.builder, &self.options.vis, self.state.ty());
        let builder = local("builder");
        let given = local("state");
        let (parameter, with_state) = match &self.state {
            BlockState::None => (quote!(), quote!()),
            BlockState::Shared => (
                quote!(#given: impl ::core::convert::Into<#state>),
                quote!(.with_state(::core::convert::Into::<#state>::into(#given))),
            ),
            BlockState::Given(ty) => (quote!(#given: #ty), quote!(.with_state(#given))),
        };
        let checks = self.checks();
        let methods = self.methods.iter().map(|method| {
            let cfgs = &method.cfgs;
            let registered = register::registered(self, method, &builder);
            quote!(#(#cfgs)* let #builder = #registered;)
        });
        let names: Vec<_> = self.methods.iter().map(|method| format!("`{}`", method.ident)).collect();
        let documentation = format!(
            "Returns a builder with the {} {}, to which more can be added.",
            self.kind.block(),
            names.join(", ")
        );
        quote! {
            #[doc = #documentation]
            #vis fn #name(#parameter) -> #private::#builder_type<#state> {
                #checks
                let #builder = #private::#registry::builder()#with_state;
                #(#methods)*
                #builder
            }
        }
    }

    /// Returns code without effect that compiles only if the type can be shared.
    fn checks(&self) -> TokenStream {
        let private = self.options.library.private();
        match &self.state {
            BlockState::None => quote!(),
            BlockState::Shared => quote_spanned!(self.self_ty.span()=> #private::check_shared::<Self>();),
            BlockState::Given(ty) => quote_spanned!(ty.span()=> #private::check_state::<#ty>();),
        }
    }
}
