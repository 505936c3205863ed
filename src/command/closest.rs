//! The word that somebody may have meant.

/// How far a word may be from another to be taken for a misspelling of it.
const TYPO_MAX: usize = 2;
/// The longest text that is compared; no word is nearly as long.
const LEN_MAX: usize = 30;

/// The nearest of the known words, if one is near.
pub(super) fn closest(
    written: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    if written.len() > LEN_MAX {
        return None;
    }
    known
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, name)| *distance <= TYPO_MAX && *distance < name.len() - 1)
        .min()
        .map(|(_, name)| name)
}
