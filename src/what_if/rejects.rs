//! Stored rejects, judged again.
//!
//! Owns: which of them can be judged, and whether the bytes are a message or a record of one.

use std::sync::Arc;

use crate::config::{Framing, PayloadFormat, Stream};
use crate::error::{Error, Result};
use crate::lake::rejects::{Filter, Reject, RejectsTable};
use crate::model::reject::RejectCode;
use crate::model::truncation::Truncation;
use crate::pipeline::trial::{TrialMessage, TrialParts};
use crate::what_if::tally::{Place, Tally};
use crate::what_if::{Judges, Records, Source};

/// Codes that are about a record: in an envelope its bytes are kept, not the message's.
const OF_A_RECORD: &[RejectCode] = &[
    RejectCode::DuplicateField,
    RejectCode::UnknownField,
    RejectCode::MissingField,
    RejectCode::NullValue,
    RejectCode::NullKey,
    RejectCode::WrongType,
    RejectCode::OutOfRange,
    RejectCode::InvalidFormat,
    RejectCode::Inexact,
    RejectCode::UnknownSymbol,
];

/// Judges every reject of `table`. `each` is told of each, and `stop` is asked whether to end early.
///
/// # Errors
/// The store cannot be reached, or a file is not what it should be (`Found`).
pub async fn from_rejects(
    table: &RejectsTable,
    in_force: &Stream,
    new: &Stream,
    trial: &TrialParts,
    each: impl Fn(),
    stop: impl Fn() -> bool,
) -> Result<Records> {
    let topics = in_force.topics.as_ref();
    let is_envelope = topics.is_some_and(|t| t.format == PayloadFormat::JsonEnvelope);
    let has_header = topics.is_some_and(|t| t.framing == Framing::Header);
    let mut messages = Judges::of_messages(in_force, new, trial);
    let mut records = Judges::of_records(in_force, new, trial);
    let mut tally = Tally::default();
    let mut stopped = false;
    let read = table
        .find(&Filter::default(), u64::MAX, |reject| {
            if stop() {
                stopped = true;
                return Err(Error::internal("stopped"));
            }
            each();
            let judges = match is_envelope && is_of_a_record(&reject.code) {
                true => &mut records,
                false if has_header => {
                    tally.pass_over("without its header");
                    return Ok(());
                }
                false => &mut messages,
            };
            again(&reject, judges, &mut tally)
        })
        .await;
    match read {
        Err(error) if !stopped => return Err(error),
        _ => {}
    }
    Ok(Records {
        source: Source::Rejects,
        complete: !stopped,
        partitions: Vec::new(),
        verdicts: tally.finish(),
        is_stalled: false,
    })
}

fn again(reject: &Reject, judges: &mut Judges, tally: &mut Tally) -> Result<()> {
    if Truncation::in_message(&reject.message, reject.raw.len()).is_some() {
        tally.pass_over("truncated");
        return Ok(());
    }
    if reject.line.is_some() {
        tally.pass_over("of a file");
        return Ok(());
    }
    let place = Place {
        source: &reject.at.source,
        partition: reject.at.partition,
        offset: reject.at.offset,
        index: reject.at.index,
    };
    let message = TrialMessage {
        value: &reject.raw,
        header: None,
        topic: &Arc::from(&*reject.at.source),
    };
    // A writer's schema may have to be asked for.
    tokio::task::block_in_place(|| judges.judge(message, place, tally))
}

fn is_of_a_record(code: &str) -> bool {
    OF_A_RECORD.iter().any(|c| c.as_str() == code)
}
