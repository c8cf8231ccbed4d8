//! Distinguishes parts of a call from arguments.

use syn::{GenericArgument, PathArguments, PathSegment, Type};

/// The maximum number of parts of a call that a handler takes.
pub(crate) const MAX_PARTS: usize = 4;

/// Whether a parameter of this type is a part of a call. A macro sees only how a type is written,
/// so the last segment of its path decides.
pub(crate) fn is_part(ty: &Type) -> bool {
    let Some(segment) = last_segment(ty) else { return false };
    let is_plain = segment.arguments.is_none();
    match segment.ident.to_string().as_str() {
        "Access" | "CallContext" | "HeaderMap" | "Principal" => is_plain,
        "State" | "Extension" => !is_plain,
        "Option" => inner(segment).and_then(last_segment).is_some_and(is_optional_part),
        _ => false,
    }
}

/// Whether a parameter is a `CallContext`, which a handler may also take at its end.
pub(crate) fn is_context(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "CallContext" && segment.arguments.is_none())
}

/// Returns the `T` of a `State<T>`.
pub(crate) fn state(ty: &Type) -> Option<&Type> {
    inner(last_segment(ty).filter(|segment| segment.ident == "State")?)
}

/// Whether a type is written `Option<…>`.
pub(crate) fn is_option(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "Option")
}

/// Whether a type is written `Arc<Self>`.
pub(crate) fn is_shared_self(ty: &Type) -> bool {
    let arc = last_segment(ty).filter(|segment| segment.ident == "Arc");
    arc.and_then(inner).is_some_and(is_self)
}

/// Whether a type is written `Self`.
pub(crate) fn is_self(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("Self"))
}

fn is_optional_part(segment: &PathSegment) -> bool {
    match segment.ident.to_string().as_str() {
        "Access" | "Principal" => segment.arguments.is_none(),
        "Extension" => !segment.arguments.is_none(),
        _ => false,
    }
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

/// Returns the only generic argument of a segment.
fn inner(segment: &PathSegment) -> Option<&Type> {
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) if arguments.args.len() == 1 => match &arguments.args[0] {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_str;

    use super::{is_part, is_shared_self, state};

    #[test]
    fn parts_are_known_by_how_their_type_is_written() {
        let is_part = |ty: &str| is_part(&parse_str(ty).expect(ty));
        for part in [
            "CallContext",
            "mcp_stateless::CallContext",
            "State<Arc<Tracker>>",
            "Extension<User>",
            "Option<Extension<User>>",
            "Principal",
            "Option<Principal>",
            "Access",
            "Option<auth::Access>",
            "http::HeaderMap",
        ] {
            assert!(is_part(part), "{part}");
        }
        for argument in
            ["State", "Option<State>", "String", "Option<String>", "&CallContext", "Vec<Principal>"]
        {
            assert!(!is_part(argument), "{argument}");
        }
    }

    #[test]
    fn the_state_is_what_stands_in_its_part() {
        let ty = parse_str("call::State<Arc<Self>>").expect("a type");
        assert!(state(&ty).is_some_and(is_shared_self));
        assert!(state(&parse_str("Extension<User>").expect("a type")).is_none());
    }
}
