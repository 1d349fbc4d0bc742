use super::*;
use crate::lake::claims::Standing;

fn live(claim: Option<bool>, retries: bool) -> LiveJob {
    LiveJob {
        claim: claim.map(|is_released| Standing {
            epoch: 1,
            is_made: true,
            beat: String::new(),
            is_released,
        }),
        retries,
        ..LiveJob::default()
    }
}

#[test]
fn a_state_is_told_by_the_ledger_then_by_claims_then_by_the_result() {
    use JobState::*;
    let told = |state: Option<JobState>| {
        state.map(|state| JobDocument {
            state,
            ..JobDocument::new(&JobId::from_text("1"), "s", Vec::new(), String::new())
        })
    };
    let held = || Some(live(Some(false), false));
    let released = || Some(live(Some(true), false));
    let asked = || Some(live(None, true));
    let beat = || {
        let mut beat = live(Some(false), false);
        beat.claim.as_mut().unwrap().is_made = false;
        Some(beat)
    };
    let late = || Some(live(None, false));
    for (has_landed, live, of_result, is) in [
        (true, None, None, JobComplete),
        (true, held(), Some(InProgress), JobComplete),
        (false, None, None, UploadComplete),
        (false, None, Some(Failed), Failed),
        (false, None, Some(Open), Open),
        (false, held(), None, InProgress),
        (false, held(), Some(Failed), InProgress),
        (false, released(), Some(InProgress), UploadComplete),
        (false, released(), None, UploadComplete),
        (false, asked(), Some(Failed), UploadComplete),
        (false, asked(), Some(Open), Open),
        (false, late(), Some(Aborted), Aborted),
        (false, late(), Some(InProgress), UploadComplete),
        (false, beat(), Some(Failed), Failed),
    ] {
        let document = told(of_result);
        let found = state(has_landed, live.as_ref(), document.as_ref());
        assert_eq!(found, is, "{has_landed} {live:?} {of_result:?}");
    }
}

#[test]
fn an_id_is_32_digits() {
    assert!(is_id("0123456789abcdef0123456789abcdef"));
    assert!(!is_id("0123456789ABCDEF0123456789abcdef"));
    assert!(!is_id("0123456789abcdef"));
    assert!(!is_id("orders/a.csv"));
}
