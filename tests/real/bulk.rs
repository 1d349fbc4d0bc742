//! Files that are dropped in a bucket, with instances that die and sleep meanwhile.

#[path = "bulk/beside.rs"]
mod beside;
#[path = "bulk/burst.rs"]
mod burst;
#[path = "bulk/flights.rs"]
mod flights;
#[path = "bulk/large.rs"]
mod large;
#[path = "bulk/many.rs"]
mod many;
#[path = "bulk/steps.rs"]
mod steps;
#[path = "bulk/yard.rs"]
mod yard;
