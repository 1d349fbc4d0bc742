//! The way of the data from the source to the commit.
//!
//! Owns: the order of the stages, and the stages themselves. Does not own: sources, schemas, the
//! lake's formats.

pub mod budget;
pub mod commit;
pub mod file;
