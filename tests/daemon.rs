//! The binary from outside: its commands and its daemon, on embedded parts.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    missing_docs
)]

#[path = "daemon/schema_command.rs"]
mod schema_command;
#[path = "daemon/weir.rs"]
mod weir;
