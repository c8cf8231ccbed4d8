//! Names of servers, which become segments of paths and prefixes of names.

pub(crate) const NAME_MAX: usize = 64;

/// Whether a name can be a segment of paths and a prefix of names.
pub(crate) fn fits(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(is_kept) && name != "." && name != ".."
}

/// Returns the name for a server whose own is not valid: runs of other characters become `_`, and
/// those at the ends are dropped.
pub(crate) fn fitted(name: &str) -> Option<String> {
    let words = name.split(|character| !is_kept(character)).filter(|word| !word.is_empty());
    Some(words.collect::<Vec<_>>().join("_")).filter(|name| fits(name))
}

fn is_kept(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_.-".contains(character)
}
