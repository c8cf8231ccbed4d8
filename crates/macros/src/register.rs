//! Generates the code that adds one method to a builder.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::block::{Block, local};
use crate::kind::Kind;
use crate::method::{Method, SelfKind};
use crate::parameter::Parameter;
use crate::uri;

/// The name of the struct of arguments, in the scope of each method.
const ARGUMENTS: &str = "__Arguments";

/// Returns an expression for the builder with the method.
pub(crate) fn registered(block: &Block, method: &Method, builder: &Ident) -> TokenStream {
    let private = block.options.library.private();
    let checks = checks(block, method);
    let arguments = arguments(block, method);
    let handler = handler(method);
    let definition = method.kind.definition();
    let (name, description) = (method.name(), method.description());
    let setters = method.settings.setters(&["name", "uri", "description"]);
    let description_setter = description.as_ref().map(|description| quote!(.description(#description)));
    let description = description.as_ref();
    let added = match method.kind {
        Kind::Tool => quote!(.register(#private::#definition::new(#name, #description, #handler)#setters)),
        Kind::Prompt => {
            let completers = completers(method);
            quote!(.register(#private::#definition::new(#name, #description, #handler)#setters #completers))
        }
        Kind::Resource => {
            let Some((uri, span)) = uri::of(&method.settings) else { return quote!(#builder) };
            if uri::is_template(&uri) {
                let template = Ident::new("ResourceTemplate", span);
                let completers = completers(method);
                quote!(.register_template(
                    #private::#template::new(#uri, #name, #handler)#description_setter #setters #completers
                ))
            } else {
                quote!(.register(#private::#definition::new(#uri, #name, #handler)#description_setter #setters))
            }
        }
    };
    quote!({ #checks #arguments #builder #added })
}

/// Returns code without effect that fails to compile if a part of the method is wrong, with a
/// message that says what to write instead.
fn checks(block: &Block, method: &Method) -> TokenStream {
    let private = block.options.library.private();
    let state = block.state.ty();
    let parts =
        method.parts().map(|part| quote_spanned!(part.span()=> #private::check_part::<#state, #part>();));
    let arguments = method.arguments().filter(|argument| argument.is_plain()).map(|argument| {
        let ty = &argument.ty;
        let check = format_ident!(
            "{}",
            if method.kind == Kind::Resource { "check_variable" } else { "check_argument" },
            span = ty.span()
        );
        quote_spanned!(ty.span()=> #private::#check::<#ty, _>();)
    });
    let output = method.kind.output();
    let returns = method
        .returns
        .as_ref()
        .filter(|ty| !matches!(ty, Type::ImplTrait(_)))
        .map(|ty| quote_spanned!(ty.span()=> #private::check_output::<#private::#output, #ty>();));
    let send = method.is_async.then(|| {
        let parameters = method.parameters.iter().map(|parameter| match parameter {
            Parameter::Part(ty) => &**ty,
            Parameter::Argument(argument) => &argument.ty,
        });
        let (this, ident) = (local("this"), &method.ident);
        let names: Vec<Ident> =
            (0..method.parameters.len()).map(|at| local(&format!("parameter_{at}"))).collect();
        let (receiver, given) = match method.receiver {
            None => (None, None),
            Some(SelfKind::Borrowed) => (Some(quote!(#this: &Self,)), Some(quote!(#this,))),
            Some(SelfKind::Shared) => (Some(quote!(#this: ::std::sync::Arc<Self>,)), Some(quote!(#this,))),
        };
        let call = quote_spanned!(method.span()=> #private::check_future(Self::#ident(#given #(#names),*)));
        quote!(let _ = |#receiver #(#names: #parameters),*| #call;)
    });
    quote!(#(#parts)* #(#arguments)* #returns #send)
}

/// Returns the struct into which the arguments are deserialised, if there are any.
fn arguments(block: &Block, method: &Method) -> Option<TokenStream> {
    method.arguments().next()?;
    let private = block.options.library.private();
    let fields = method.arguments().map(|argument| {
        let (attrs, ident) = (&argument.attrs, &argument.ident);
        let ty = &argument.ty;
        let ty = block.without_self(quote!(#ty));
        quote!(#(#attrs)* #ident: #ty,)
    });
    let name = format_ident!("{ARGUMENTS}");
    let serde = block.options.library.reexported("serde");
    let schemars = block.options.library.reexported("schemars");
    let schema = (method.kind != Kind::Resource).then(|| {
        quote! {
            #[derive(#private::schemars::JsonSchema)]
            #[schemars(crate = #schemars)]
        }
    });
    Some(quote! {
        #[derive(#private::serde::Deserialize)]
        #[serde(crate = #serde)]
        #schema
        struct #name { #(#fields)* }
    })
}

/// Returns the handler: a closure that takes the state, the parts of the call and the arguments,
/// and calls the method.
fn handler(method: &Method) -> TokenStream {
    let (this, arguments, ident) = (local("this"), local("arguments"), &method.ident);
    let mut parts = Vec::new();
    let given: Vec<TokenStream> = method
        .parameters
        .iter()
        .map(|parameter| match parameter {
            Parameter::Part(ty) => {
                let name = local(&format!("part_{}", parts.len()));
                parts.push(quote!(#name: #ty,));
                quote!(#name)
            }
            Parameter::Argument(argument) => {
                let field = &argument.ident;
                quote!(#arguments.#field)
            }
        })
        .collect();
    let receiver = method.receiver.map(|_| quote!(#this: ::std::sync::Arc<Self>,));
    let by = match method.receiver {
        None => quote!(),
        Some(SelfKind::Borrowed) => quote!(&#this,),
        Some(SelfKind::Shared) => quote!(#this,),
    };
    let name = format_ident!("{ARGUMENTS}");
    let taken = method.arguments().next().map(|_| quote!(#arguments: #name,));
    let call = quote_spanned!(method.span()=> Self::#ident(#by #(#given),*));
    let body = match (method.is_async, method.receiver) {
        // The method's future is also the handler's.
        (true, None | Some(SelfKind::Shared)) => call,
        (true, Some(SelfKind::Borrowed)) => quote!(async move { #call.await }),
        (false, _) => quote!(async move { #call }),
    };
    quote!(|#receiver #(#parts)* #taken| #body)
}

/// Returns the calls of `complete`.
fn completers(method: &Method) -> TokenStream {
    let completed = method.arguments().filter_map(|argument| {
        let completer = argument.completer.as_ref()?;
        let name = argument.name();
        Some(quote!(.complete(#name, #completer)))
    });
    completed.collect()
}
