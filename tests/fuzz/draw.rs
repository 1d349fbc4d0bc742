//! Schemas, data and messages drawn from choices: mostly good ones, since what is wrong at once is
//! judged at once.

pub mod data;
pub mod messages;
pub mod schemas;
