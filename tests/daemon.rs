//! The binary from outside: its commands and its daemon, on embedded parts.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    missing_docs
)]

#[path = "daemon/bad_input.rs"]
mod bad_input;
#[path = "daemon/broker.rs"]
mod broker;
#[path = "daemon/check.rs"]
mod check;
#[path = "daemon/evolution.rs"]
mod evolution;
#[path = "daemon/live_evolution.rs"]
mod live_evolution;
#[path = "daemon/positions.rs"]
mod positions;
#[path = "daemon/registry.rs"]
mod registry;
#[path = "daemon/running.rs"]
mod running;
#[path = "daemon/schema_command.rs"]
mod schema_command;
#[path = "daemon/stop.rs"]
mod stop;
#[path = "daemon/table.rs"]
mod table;
#[path = "daemon/weir.rs"]
mod weir;
#[path = "daemon/what_if.rs"]
mod what_if;
