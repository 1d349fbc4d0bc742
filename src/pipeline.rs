//! The way of the data from the source to the commit.
//!
//! Owns: the order of the stages, and the stages themselves. Does not own: sources, schemas, the
//! lake's formats.

pub mod assignment;
pub mod batch;
pub mod budget;
pub mod bulk;
pub mod commit;
pub mod decode;
pub mod evolution;
pub mod file;
pub mod flow;
pub mod in_force;
pub mod landing;
pub mod lane;
mod open_files;
mod parked;
pub mod partition;
pub mod partition_values;
pub mod plan;
pub mod provenance;
pub mod rejects;
pub mod status;
pub mod stream_decoder;
pub mod trail;
pub mod trial;
pub mod upload;
pub mod writers;
