//! weir lands data in a lake: Kafka topics into Delta tables, every record held against its
//! registered schema, nothing lost, nothing doubled. `ARCHITECTURE.md` is the map.

pub mod app;
pub mod bucket;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod fail_point;
pub mod http;
pub mod jobs;
pub mod lake;
pub mod load;
pub mod metrics;
pub mod model;
pub mod pipeline;
pub mod positions;
pub mod schema;
pub mod shutdown;
pub mod source;
pub mod store;
pub mod what_if;
