//! The place that makes ids: of batches, and of files.

use uuid::Uuid;

/// An id that was never given before.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the place; no decision depends on what the id is"
)]
pub fn fresh() -> Uuid {
    Uuid::new_v4()
}
