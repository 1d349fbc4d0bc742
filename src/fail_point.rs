//! Named places where a test lets the process die or freeze (`WEIR_FAIL_POINT`, debug builds only).
//!
//! Owns: the armed point and its count. The environment is read by `cli`, which arms it.
//!
//! `<name>:<n>` aborts the process at its n-th passage of the point, `<name>:<n>:freeze` stops it
//! there as SIGSTOP does. The points, in the order of a batch's way:
//!
//! | point | the batch |
//! | --- | --- |
//! | `after_start` | none yet: the starting points are in the table |
//! | `before_upload` | is cut; none of its files is in the store |
//! | `after_upload` | has its files in the store; the table was not looked at yet |
//! | `before_put` | was judged; its commit is not in the log |
//! | `after_commit` | is in the log, and nobody was told |
//! | `before_rejects` | is in the log; the rejects table does not have its rejects |
//! | `before_ack` | is in both tables; the group's offsets do not say so |
//!
//! Those of a job, beside `before_upload` and `before_put`:
//!
//! | point | the job |
//! | --- | --- |
//! | `after_part` | has a further part staged |
//! | `before_job` | is read to its end and staged; the ledger was not looked at yet |
//! | `after_job` | is in the log; its result is not written |
//! | `before_clear` | has its result written; what was staged is there yet |

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Armed {
    name: String,
    left: AtomicU64,
    freezes: bool,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms the point that `spec` names. Returns false where the build has no fail points or the text
/// is none.
pub fn arm(spec: &str) -> bool {
    let mut words = spec.split(':');
    let (Some(name), Some(Ok(n)), then, None) = (
        words.next(),
        words.next().map(str::parse),
        words.next(),
        words.next(),
    ) else {
        return false;
    };
    if then.is_some_and(|word| word != "freeze") {
        return false;
    }
    cfg!(debug_assertions)
        && ARMED
            .set(Armed {
                name: name.to_owned(),
                left: AtomicU64::new(n),
                freezes: then.is_some(),
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
        strike(armed);
    }
}

fn strike(armed: &Armed) {
    let name = &armed.name;
    if !armed.freezes {
        tracing::warn!(fail_point = name, "aborting at the armed fail point");
        std::process::abort();
    }
    tracing::warn!(fail_point = name, "freezing at the armed fail point");
    let id = std::process::id().to_string();
    let frozen = std::process::Command::new("kill")
        .args(["-STOP", &id])
        .status();
    tracing::warn!(
        fail_point = name,
        ?frozen,
        "going on behind the armed fail point"
    );
}
