//! The commands that read and mend a lake: the real binary, over tables on local disk.

#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used)]

#[path = "verify/lake.rs"]
#[allow(dead_code, reason = "the proof's own tests use all of it")]
mod lake;

#[path = "commands/house.rs"]
mod house;
#[path = "commands/load.rs"]
mod load;
#[path = "commands/rejects.rs"]
mod rejects;
#[path = "commands/verify.rs"]
mod verify;
