//! The real binary against a real Kafka, a real S3 server and Python readers.
//!
//! `cargo test --features real-services --test real`; tests/README.md says what it needs. What a
//! part cannot do is a failure, never a skip. Each module is one subject:
//! `smoke`: every part starts and a topic lands; `kills`: instances die at every step; `zombie`: an
//! instance sleeps through its session; `outage`: a part goes away and comes back; `cluster`: leaders
//! die; `evolution`: a schema grows under load; `avro`: framed Avro in several versions, and a registry
//! that goes away; `bulk`: files dropped in a bucket; `framings`: the other framings; `inflating`: batches that inflate a thousandfold;
//! `faults`: what brokers do to a topic; `plantings`: a broken lake is found out; `what_if`: what a new
//! schema would do is what it does; `registry`: schemas of a registry that is not ours; `lake`: the
//! contract of `tests/lake_contract` on S3.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "other processes are waited for in real time, and a test ends by a panic"
)]

#[path = "real/avro.rs"]
mod avro;
#[path = "real/bulk.rs"]
mod bulk;
#[path = "real/cluster.rs"]
mod cluster;
#[path = "real/delta_log.rs"]
mod delta_log;
#[path = "real/evolution.rs"]
mod evolution;
#[path = "real/faults.rs"]
mod faults;
#[path = "lake_contract/faulty.rs"]
#[allow(dead_code, reason = "shared with tests/lake_contract.rs")]
mod faulty;
#[path = "real/framings.rs"]
mod framings;
#[path = "real/inflating.rs"]
mod inflating;
#[path = "real/instance.rs"]
mod instance;
#[path = "real/kills.rs"]
mod kills;
#[path = "real/lake.rs"]
mod lake;
#[path = "real/outage.rs"]
mod outage;
#[path = "real/plan.rs"]
mod plan;
#[path = "real/plantings.rs"]
mod plantings;
#[path = "real/registry.rs"]
mod registry;
#[path = "real/services.rs"]
mod services;
#[path = "real/smoke.rs"]
mod smoke;
#[path = "lake_contract/suite.rs"]
mod suite;
#[path = "real/what_if.rs"]
mod what_if;
#[path = "real/world.rs"]
mod world;
#[path = "real/zombie.rs"]
mod zombie;
