//! The commands that read and mend a lake: the real binary, over tables on local disk.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::unwrap_used
)]

#[path = "verify/lake.rs"]
#[allow(dead_code, reason = "the proof's own tests use all of it")]
mod lake;

#[path = "commands/house.rs"]
mod house;
#[path = "commands/jobs.rs"]
mod jobs;
#[cfg(debug_assertions)]
#[path = "commands/jobs_at_once.rs"]
mod jobs_at_once;
#[path = "commands/jobs_drops.rs"]
mod jobs_drops;
#[cfg(debug_assertions)]
#[path = "commands/jobs_ends.rs"]
mod jobs_ends;
#[path = "commands/jobs_meant.rs"]
mod jobs_meant;
#[path = "commands/jobs_names.rs"]
mod jobs_names;
#[path = "commands/jobs_shown.rs"]
mod jobs_shown;
#[path = "commands/jobs_under_way.rs"]
mod jobs_under_way;
#[path = "commands/load.rs"]
mod load;
#[path = "commands/not_there.rs"]
mod not_there;
#[path = "commands/rejects.rs"]
mod rejects;
#[path = "commands/site.rs"]
mod site;
#[path = "commands/verify.rs"]
mod verify;
