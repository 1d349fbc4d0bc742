//! Where a schema is: a folder's subject or one of the registry, pinned or followed.
//!
//! Owns: the three keys of such a section, and what may name a folder. Does not own: reading schemas
//! (`config::schemas`).

use crate::config::Origin;
use crate::config::section::Section;

/// Where a section says that a schema is; `None` if that was reported.
pub(crate) fn origin(schema: &Section<'_>) -> Option<Origin> {
    let version = match schema.number_or_word("version", "latest") {
        Some(Ok(number)) => match u32::try_from(number) {
            Ok(number) => Some(number),
            Err(_) => {
                schema.problem("version", "is beyond the numbers of versions");
                return None;
            }
        },
        Some(Err(())) => None,
        None if schema.has("version") => return None,
        None => None,
    };
    if schema.has("registry") {
        if schema.has("subject") {
            schema.problem("subject", "must not stand beside `registry`");
        }
        let subject = schema.required_text("registry")?.text;
        return Some(Origin::Registry { subject, version });
    }
    let subject = schema.required_text("subject")?.text;
    if !is_safe_name(&subject) {
        schema.problem("subject", SAFE_NAME);
        return None;
    }
    Some(Origin::Folder { subject, version })
}

/// The rule of such names, for messages.
pub(crate) const SAFE_NAME: &str = "must be 1 to 100 letters, digits, `_`, `-` or `.`, and begin with a letter or digit, since it becomes a folder's name";

/// True if `name` is a folder's name on every store, and none that weir uses itself.
pub(crate) fn is_safe_name(name: &str) -> bool {
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let holds_well = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    begins_well && holds_well && name.len() <= 100
}
