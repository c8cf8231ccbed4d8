//! `#[debug_handler]`: reports each fault of a handler separately.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{FnArg, GenericParam, ImplItemFn, PatType, Receiver, ReceiverKind, ReturnType, Signature, Type};

use crate::block::local;
use crate::errors::Errors;
use crate::method::names_future;
use crate::options::DebugOptions;
use crate::parts;

/// Expands `#[debug_handler]`.
pub(crate) fn expand(options: TokenStream, item: &TokenStream) -> TokenStream {
    // Parsing is the same for functions and methods.
    let function: ImplItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = syn::Error::new(error.span(), "`#[debug_handler]` goes on a function");
            let error = error.into_compile_error();
            return quote!(#item #error);
        }
    };
    let mut errors = Errors::default();
    let options = DebugOptions::parse(options, &mut errors);
    check_signature(&function.sig, &mut errors);
    let parameters = Parameters::of(&function.sig, &options, &mut errors);
    let checks = errors.is_empty().then(|| checks(&function, &options, &parameters));
    let errors = errors.into_compile_errors();
    quote!(#item #checks #errors)
}

fn check_signature(signature: &Signature, errors: &mut Errors) {
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            errors.at(parameter, "a handler is not generic: write the type instead");
        }
    }
    if signature.asyncness.is_none() && !returns_future(&signature.output) {
        errors.at(signature.fn_token, "a handler is asynchronous: write `async fn`");
    }
    for input in &signature.inputs {
        if let FnArg::Typed(parameter) = input
            && matches!(&*parameter.ty, Type::Reference(_) | Type::ImplTrait(_))
        {
            errors.at(
                &parameter.ty,
                "a handler owns what it takes: write a type without references or `impl …`",
            );
        }
    }
}

/// Whether the return type is written as a future.
fn returns_future(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else { return false };
    match &**ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| {
            let name = segment.ident.to_string();
            name == "Pin" || name.ends_with("Future")
        }),
        ty => names_future(ty),
    }
}

/// The parameters of a handler, by position.
struct Parameters<'a> {
    /// The state of the handler's registry.
    state: TokenStream,
    /// Whether the handler takes the state itself.
    takes_state: bool,
    parts: Vec<&'a Type>,
    /// Arguments, or a custom part of the call.
    last: Option<&'a Type>,
}

impl<'a> Parameters<'a> {
    fn of(signature: &'a Signature, options: &DebugOptions, errors: &mut Errors) -> Self {
        let typed = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(parameter) => Some(parameter),
            FnArg::Receiver(_) => None,
        });
        let typed: Vec<&PatType> = typed.collect();
        let receiver = signature.receiver().and_then(|receiver| state_of_receiver(receiver, errors));
        let named = || typed.iter().find_map(|parameter| parts::state(&parameter.ty)).map(|ty| quote!(#ty));
        let given = options.state.as_ref().map(|ty| quote!(#ty));
        let state = given.or_else(|| receiver.clone()).or_else(named).unwrap_or_else(|| quote!(()));
        let first = typed.first().map(|parameter| &*parameter.ty);
        let is_state = |ty: &Type| options.state.is_some() && quote!(#ty).to_string() == state.to_string();
        let takes_first = receiver.is_none() && first.is_some_and(is_state);
        let mut rest: Vec<&Type> =
            typed.iter().skip(usize::from(takes_first)).map(|parameter| &*parameter.ty).collect();
        // A context at the end follows the arguments.
        if let [.., before, last] = rest[..]
            && parts::is_context(last)
            && !parts::is_part(before)
        {
            rest.pop();
        }
        let last = rest.pop_if(|last| !parts::is_part(last));
        check_order(&rest, errors);
        Self { state, takes_state: receiver.is_some() || takes_first, parts: rest, last }
    }
}

/// Refuses too many parts. The compiler checks that they are parts.
fn check_order(taken: &[&Type], errors: &mut Errors) {
    if let Some(stray) = taken.get(parts::MAX_PARTS) {
        errors.at(stray, format!("a handler takes at most {} parts of the call", parts::MAX_PARTS));
    }
}

/// Returns the state that a method takes as its `self`.
fn state_of_receiver(receiver: &Receiver, errors: &mut Errors) -> Option<TokenStream> {
    match &receiver.kind {
        ReceiverKind::Value => Some(quote!(Self)),
        ReceiverKind::Typed(_, ty) if !matches!(**ty, Type::Reference(_)) => Some(quote!(#ty)),
        _ => {
            errors.at(
                receiver,
                "a handler owns what it takes: write `self: Arc<Self>`, with an `Arc` as the state; `#[tools]` above \
                 the `impl` block takes `&self` as well",
            );
            None
        }
    }
}

/// Returns a function that is never called, and compiles only if the handler is valid.
fn checks(function: &ImplItemFn, options: &DebugOptions, parameters: &Parameters<'_>) -> TokenStream {
    let private = options.library.private();
    let (signature, state) = (&function.sig, &parameters.state);
    let takes_state = parameters.takes_state.then(|| {
        let span = signature.inputs.first().map_or_else(|| signature.span(), Spanned::span);
        quote_spanned!(span=> #private::check_state::<#state>();)
    });
    let parts = parameters
        .parts
        .iter()
        .map(|part| quote_spanned!(part.span()=> #private::check_part::<#state, #part>();));
    let last =
        parameters.last.map(|last| quote_spanned!(last.span()=> #private::check_last::<#state, #last, _>();));
    let output = options.kind.output();
    let returns = match &signature.output {
        ReturnType::Type(_, ty) if signature.asyncness.is_some() && !matches!(**ty, Type::ImplTrait(_)) => {
            Some(quote_spanned!(ty.span()=> #private::check_output::<#private::#output, #ty>();))
        }
        _ => None,
    };
    let names: Vec<Ident> = (0..signature.inputs.len()).map(|at| local(&format!("parameter_{at}"))).collect();
    let types = signature.inputs.iter().map(|input| match input {
        FnArg::Typed(parameter) => {
            let ty = &parameter.ty;
            quote!(#ty)
        }
        FnArg::Receiver(_) => quote!(#state),
    });
    let ident = &signature.ident;
    let is_method = signature.receiver().is_some() || mentions_self(quote!(#signature));
    let path = if is_method { quote!(Self::#ident) } else { quote!(#ident) };
    let call = quote_spanned!(ident.span()=> #private::check_future(#path(#(#names),*)));
    let name = format_ident!("__debug_handler_{}", ident.unraw());
    let cfgs = function.attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code)]
        fn #name() {
            #takes_state
            #(#parts)*
            #last
            #returns
            let _ = |#(#names: #types),*| #call;
        }
    }
}

fn mentions_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == "Self",
        proc_macro2::TokenTree::Group(group) => mentions_self(group.stream()),
        _ => false,
    })
}
