//! The request of a call, to which its state is bound.

use sha2::{Digest, Sha256};

use super::canonical::{hash, part};

/// The size in bytes from which a digest is computed at once, instead of copying target and
/// arguments until it is known whether the handler asks. Hashing takes longer than copying, but
/// calls with large arguments must not keep copies.
const DIGEST_FROM: usize = 16 * 1024;

/// The method, target and arguments of a call, as the client sent them.
#[derive(Clone, Copy)]
pub(crate) struct Purpose<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) arguments: &'a str,
}

impl Purpose<'_> {
    /// Returns a digest that does not depend on how the arguments are written.
    pub(super) fn digest(self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        part(&mut hasher, b'm', self.method.as_bytes());
        part(&mut hasher, b't', self.target.as_bytes());
        hash(&mut hasher, self.arguments);
        hasher.finalize().into()
    }

    /// Returns the part to keep while the handler runs, without borrowing from the body.
    pub(super) fn keep(self) -> KeptPurpose {
        let Purpose { method, target, arguments } = self;
        if target.len() + arguments.len() >= DIGEST_FROM {
            return KeptPurpose::Digest(self.digest());
        }
        let ends = (method.len(), method.len() + target.len());
        KeptPurpose::Text { text: [method, target, arguments].concat().into(), ends }
    }
}

/// A purpose that owns its data.
pub(super) enum KeptPurpose {
    /// The purpose of a call whose questions are not bound to it.
    Nothing,
    /// All parts in one text, and where the first two end.
    Text {
        text: Box<str>,
        ends: (usize, usize),
    },
    Digest([u8; 32]),
}

impl KeptPurpose {
    pub(super) fn digest(&self) -> [u8; 32] {
        match self {
            Self::Nothing => Purpose { method: "", target: "", arguments: "" }.digest(),
            Self::Text { text, ends: (method, target) } => {
                let (before, arguments) = text.split_at(*target);
                let (method, target) = before.split_at(*method);
                Purpose { method, target, arguments }.digest()
            }
            Self::Digest(digest) => *digest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DIGEST_FROM, KeptPurpose, Purpose};

    #[test]
    fn what_is_kept_has_the_same_digest_and_large_arguments_are_not_kept() {
        for (length, is_small) in [(0, true), (DIGEST_FROM, false)] {
            let arguments = format!(r#"{{"text":"{}"}}"#, "x".repeat(length));
            let purpose = Purpose { method: "tools/call", target: "greet", arguments: &arguments };
            let kept = purpose.keep();
            assert_eq!(matches!(kept, KeptPurpose::Text { .. }), is_small);
            assert_eq!(kept.digest(), purpose.digest());
        }
    }

    #[test]
    fn no_part_runs_into_the_next() {
        let one = Purpose { method: "a", target: "bc", arguments: "{}" };
        let other = Purpose { method: "ab", target: "c", arguments: "{}" };
        assert_ne!(one.digest(), other.digest());
        assert_ne!(one.keep().digest(), other.keep().digest());
    }
}
