//! The vocabulary: what passes between the stages, without any I/O.

pub mod id;
pub mod job;
pub mod ledger;
pub mod position;
pub mod raw;
pub mod reject;
pub mod secret;
pub mod truncation;
