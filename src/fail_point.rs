//! Named places where a test lets the process die (`WEIR_FAIL_POINT=<name>:<n>`, debug builds only).
//!
//! Owns: the armed point and its count. The environment is read by `cli`, which arms it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Armed {
    name: String,
    left: AtomicU64,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms the point that `spec`, `<name>:<n>`, names: the process aborts at its n-th passage.
/// Returns false where the build has no fail points or the text is none.
pub fn arm(spec: &str) -> bool {
    let Some((name, n)) = spec.split_once(':') else {
        return false;
    };
    let Ok(n) = n.parse::<u64>() else {
        return false;
    };
    cfg!(debug_assertions)
        && ARMED
            .set(Armed {
                name: name.to_owned(),
                left: AtomicU64::new(n),
            })
            .is_ok()
}

/// Passes the point `name`.
#[inline]
pub fn pass(name: &str) {
    if cfg!(debug_assertions)
        && let Some(armed) = ARMED.get()
        && armed.name == name
        && armed.left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        tracing::warn!(fail_point = name, "aborting at the armed fail point");
        std::process::abort();
    }
}
