//! Sources: where raw records come from.

pub mod csv;
pub mod kafka;
