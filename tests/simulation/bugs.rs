//! The planted bugs: each a variant of the judgement, the table, the instance or the vacuum.

use std::time::Duration;

use weir::lake::follow::{Limits, Next, Step, next};
use weir::lake::protocol::{Claim, Judge, Moved, Verdict, judge};
use weir::lake::{Logged, View};

use crate::world::RETENTION;

/// What is wrong with the protocol in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Nothing.
    None,
    /// A batch is committed as soon as one of its partitions follows on.
    PartitionsOneByOne,
    /// Our batch id is not looked for.
    NoBatchId,
    /// The rejects table gets its files before the data is committed.
    RejectsFirst,
    /// No starting point is committed.
    NoStartingPoint,
    /// Rows of an older schema version are committed.
    OlderSchema,
    /// Rows that were decoded before a newer version was taken up are committed as of that one.
    OldRowsAsNew,
    /// A schema version comes into force before its text is in the table.
    NoSchemaText,
    /// The vacuum makes no commit of its own.
    VacuumWithoutCommit,
    /// The vacuum measures age by its clock after its commit.
    VacuumLateClock,
    /// The vacuum of the rejects table takes what only the data's log names so far.
    VacuumForgetsRejects,
    /// Files of any age are committed.
    OldUploads,
    /// A conflict is taken for a loss: the batch is dropped and the instance reads on.
    ConflictIsLoss,
    /// A put without an answer is taken for done.
    UnknownIsSuccess,
    /// Positions of an earlier view are judged with a newer version.
    StaleView,
    /// The rejects table is rolled forward without a conditional put.
    BlindFollow,
    /// The rejects table is followed from where it was at an earlier look.
    StaleFollow,
    /// A put to the rejects table that was not answered is taken for done.
    FollowUnheardIsDone,
    /// Whoever won the rejects table's next version is taken to have added all files.
    FollowConflictIsDone,
    /// Files beyond the bound of a rejects commit are passed over.
    FollowDropsTheRest,
    /// A batch that ends where the table is counts as committed, whoever did it.
    EndIsEnough,
    /// A batch of a topic that was accepted as a new one is committed where it stands.
    OldIncarnation,
    /// What an operator changes is put as the next version, wherever the positions are.
    OperatorIsNotJudged,
    /// A partition that the table does not know yet is accepted without a look at whether somebody
    /// starts it meanwhile.
    AcceptForgetsNewPartitions,
    /// A batch that is landed again is looked for only in what is new since then.
    ForgottenLook,
}

impl Bug {
    pub const PLANTED: [Bug; 24] = [
        Bug::PartitionsOneByOne,
        Bug::NoBatchId,
        Bug::RejectsFirst,
        Bug::NoStartingPoint,
        Bug::OlderSchema,
        Bug::OldRowsAsNew,
        Bug::NoSchemaText,
        Bug::VacuumWithoutCommit,
        Bug::VacuumLateClock,
        Bug::VacuumForgetsRejects,
        Bug::OldUploads,
        Bug::ConflictIsLoss,
        Bug::UnknownIsSuccess,
        Bug::StaleView,
        Bug::BlindFollow,
        Bug::StaleFollow,
        Bug::FollowUnheardIsDone,
        Bug::FollowConflictIsDone,
        Bug::FollowDropsTheRest,
        Bug::EndIsEnough,
        Bug::OldIncarnation,
        Bug::OperatorIsNotJudged,
        Bug::AcceptForgetsNewPartitions,
        Bug::ForgottenLook,
    ];

    pub fn judge(self) -> Judge {
        match self {
            Bug::PartitionsOneByOne => one_by_one,
            Bug::NoBatchId => no_batch_id,
            Bug::NoStartingPoint => no_starting_point,
            Bug::OlderSchema => older_schema,
            Bug::ConflictIsLoss => conflict_is_loss,
            Bug::EndIsEnough => end_is_enough,
            Bug::OldIncarnation => old_incarnation,
            _ => judge,
        }
    }

    pub fn next(self) -> Next {
        match self {
            Bug::FollowDropsTheRest => drops_the_rest,
            _ => next,
        }
    }

    pub fn upload_age_max(self) -> Duration {
        match self {
            Bug::OldUploads => Duration::from_secs(u32::MAX.into()),
            _ => RETENTION / 2,
        }
    }
}

fn drops_the_rest(rejects: &View, known: u64, commits: &[Logged], limits: &Limits) -> Step {
    let newest = commits.last().map(|commit| commit.version);
    match next(rejects, known, commits, limits) {
        Step::Add { at, files, data } => Step::Add {
            at,
            files,
            data: newest.unwrap_or(data),
        },
        rest @ Step::Rest { .. } => rest,
    }
}

type Seen<'a> = &'a [Logged];

fn commit(view: &View) -> Verdict {
    Verdict::Commit {
        at: view.version + 1,
    }
}

fn one_by_one(claim: &Claim, view: &View, seen: Seen<'_>) -> Verdict {
    match judge(claim, view, seen) {
        Verdict::Fenced { moved } if moved.len() < claim.ranges.len() => commit(view),
        verdict => verdict,
    }
}

fn no_batch_id(claim: &Claim, view: &View, _: Seen<'_>) -> Verdict {
    judge(claim, view, &[])
}

fn no_starting_point(claim: &Claim, view: &View, seen: Seen<'_>) -> Verdict {
    match judge(claim, view, seen) {
        Verdict::Fenced { moved } if moved.iter().all(|m| m.found.is_none()) => commit(view),
        verdict => verdict,
    }
}

fn old_incarnation(claim: &Claim, view: &View, seen: Seen<'_>) -> Verdict {
    let mut claim = claim.clone();
    for range in &mut claim.ranges {
        range.next_app_id = None;
    }
    judge(&claim, view, seen)
}

/// For the operator's committer.
pub fn blind(claim: &Claim, view: &View, seen: Seen<'_>) -> Verdict {
    match judge(claim, view, seen) {
        Verdict::Fenced { .. } => commit(view),
        verdict => verdict,
    }
}

fn older_schema(claim: &Claim, view: &View, seen: Seen<'_>) -> Verdict {
    match judge(claim, view, seen) {
        Verdict::SchemaBehind { .. } => commit(view),
        verdict => verdict,
    }
}

fn conflict_is_loss(claim: &Claim, view: &View, seen: Seen<'_>) -> Verdict {
    if seen.is_empty() {
        return judge(claim, view, seen);
    }
    let moved = claim.ranges.iter().map(|range| Moved {
        partition: range.partition.clone(),
        expected: range.from,
        found: view.positions.get(&range.app_id).copied(),
    });
    Verdict::Fenced {
        moved: moved.collect(),
    }
}

fn end_is_enough(claim: &Claim, view: &View, seen: Seen<'_>) -> Verdict {
    let mut ranges = claim.ranges.iter();
    if ranges.any(|range| view.positions.get(&range.app_id) == Some(&range.to)) {
        let version = view.version;
        return Verdict::AlreadyCommitted { version };
    }
    judge(claim, view, seen)
}
