//! A method that becomes a tool, a prompt or a resource.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::{
    Attribute, FnArg, GenericParam, Ident, ImplItemFn, Receiver, ReceiverKind, ReturnType, Safety, Type,
};

use crate::docs;
use crate::errors::Errors;
use crate::kind::Kind;
use crate::parameter::{Argument, Parameter};
use crate::parts;
use crate::settings::Settings;
use crate::uri;

/// A method, as the macro needs it.
pub(crate) struct Method {
    pub(crate) kind: Kind,
    pub(crate) ident: Ident,
    /// Its `#[cfg]` attributes.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) is_async: bool,
    pub(crate) receiver: Option<SelfKind>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Option<Type>,
    pub(crate) settings: Settings,
    /// The doc comment, as an expression.
    documentation: Option<TokenStream>,
}

/// How a method takes `self`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelfKind {
    /// `&self`
    Borrowed,
    /// `self: Arc<Self>`
    Shared,
}

impl Method {
    /// Parses a method and removes the macro's own attributes. Returns `None`, and adds errors, if
    /// it is not valid.
    pub(crate) fn take(kind: Kind, function: &mut ImplItemFn, errors: &mut Errors) -> Option<Self> {
        let mut faults = Errors::default();
        let settings = Settings::take(kind, &mut function.attrs, &mut faults);
        let receiver = check_signature(function, &mut faults);
        let mut parameters = Vec::new();
        for input in &mut function.sig.inputs {
            if let FnArg::Typed(parameter) = input {
                parameters.extend(Parameter::take(parameter, &mut faults));
            }
        }
        let method = Self {
            kind,
            ident: function.sig.ident.clone(),
            cfgs: function.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect(),
            is_async: function.sig.asyncness.is_some(),
            receiver,
            parameters,
            returns: match &function.sig.output {
                ReturnType::Default => None,
                ReturnType::Type(_, ty) => Some((**ty).clone()),
            },
            settings,
            documentation: docs::description(&function.attrs),
        };
        method.check(&mut faults);
        if !method.is_async && !method.parameters.is_empty() {
            // Parameters are owned, whether or not the method needs that.
            function.attrs.push(syn::parse_quote!(#[allow(clippy::needless_pass_by_value)]));
        }
        let is_valid = faults.is_empty();
        errors.extend(faults);
        is_valid.then_some(method)
    }

    fn check(&self, errors: &mut Errors) {
        let word = self.kind.word();
        if self.kind.needs_description() && self.description().is_none() {
            errors.at(
                &self.ident,
                format!(
                    "a {word} needs a description for the models that choose it: write a doc comment \
                     `/// …`, or `#[{word}(description = \"…\")]`"
                ),
            );
        }
        if let Some(stray) = self.parts().nth(parts::MAX_PARTS) {
            errors.at(stray, format!("a {word} takes at most {} parts of the call", parts::MAX_PARTS));
        }
        match self.kind {
            Kind::Tool => self.check_name(errors),
            Kind::Prompt => {}
            Kind::Resource => {
                uri::check(&self.settings, &self.ident, &self.arguments().collect::<Vec<_>>(), errors);
            }
        }
        if self.kind == Kind::Tool || uri::of(&self.settings).is_some_and(|uri| !uri::is_template(&uri.0)) {
            for argument in self.arguments() {
                if let Some(completer) = &argument.completer {
                    errors.at(completer, "only arguments of prompts and of URI templates are completed");
                }
            }
        }
    }

    /// Refuses a name that the protocol does not allow (2026-07-28, Server, "Tool Names").
    fn check_name(&self, errors: &mut Errors) {
        let (name, span) = match self.settings.value("name") {
            None => (self.ident.unraw().to_string(), self.ident.span()),
            Some(_) => match self.settings.text("name") {
                Some(given) => given,
                None => return,
            },
        };
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || name.len() > 128 || !name.bytes().all(is_allowed) {
            let message = "the name of a tool is 1 to 128 of the characters A-Z a-z 0-9 _ - . : write \
                           `#[tool(name = \"…\")]`";
            errors.add(syn::Error::new(span, message));
        }
    }

    /// Returns the name as an expression.
    pub(crate) fn name(&self) -> TokenStream {
        if let Some(name) = self.settings.value("name") {
            return quote!(#name);
        }
        let name = self.ident.unraw().to_string();
        quote!(#name)
    }

    /// Returns the description as an expression.
    pub(crate) fn description(&self) -> Option<TokenStream> {
        let given = self.settings.value("description").map(|description| quote!(#description));
        given.or_else(|| self.documentation.clone())
    }

    /// Returns the arguments that clients give.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Argument(argument) => Some(&**argument),
            Parameter::Part(_) => None,
        })
    }

    /// Returns the types of the parts of the call.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Type> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Part(ty) => Some(&**ty),
            Parameter::Argument(_) => None,
        })
    }

    /// Returns the span for errors of the method as a whole.
    pub(crate) fn span(&self) -> Span {
        self.ident.span()
    }
}

/// Refuses functions that cannot be handlers, and returns how a handler takes `self`.
fn check_signature(function: &ImplItemFn, errors: &mut Errors) -> Option<SelfKind> {
    let signature = &function.sig;
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            errors.at(parameter, "a handler is not generic: a client cannot say which type it means");
        }
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors.at(token, "a handler is called by clients, and cannot be `unsafe`");
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, "a handler is a Rust function");
    }
    if let Some(variadic) = &signature.variadic {
        errors.at(variadic, "a handler is a Rust function");
    }
    if let ReturnType::Type(_, ty) = &signature.output
        && signature.asyncness.is_none()
        && names_future(ty)
    {
        errors.at(ty, "write `async fn`, and the output of the future as its return type");
    }
    if let ReturnType::Type(_, ty) = &signature.output
        && let Type::Reference(reference) = &**ty
        && reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static")
    {
        errors.at(
            ty,
            "the result outlives the call: return what it owns, such as a `String`, or a `&'static str`",
        );
    }
    signature.receiver().and_then(|receiver| self_kind(receiver, errors))
}

/// Whether a type is written `impl Future<…>`.
pub(crate) fn names_future(ty: &Type) -> bool {
    let Type::ImplTrait(impl_trait) = ty else { return false };
    impl_trait.bounds.iter().any(|bound| match bound {
        syn::TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|segment| segment.ident == "Future")
        }
        _ => false,
    })
}

fn self_kind(receiver: &Receiver, errors: &mut Errors) -> Option<SelfKind> {
    let message = match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => return Some(SelfKind::Borrowed),
        ReceiverKind::Reference(_, _, Some(_)) => {
            "calls run at the same time, and share `self`: write `&self`, and keep what changes in a `Mutex`"
        }
        ReceiverKind::Typed(_, ty) => match &**ty {
            ty if parts::is_shared_self(ty) => return Some(SelfKind::Shared),
            Type::Reference(it) if it.mutability.is_none() && parts::is_self(&it.elem) => {
                return Some(SelfKind::Borrowed);
            }
            _ => "calls share `self`: write `&self` or `self: Arc<Self>`",
        },
        _ => "the first call would take `self` away from the others: write `&self` or `self: Arc<Self>`",
    };
    errors.at(receiver, message);
    None
}
