//! What `tests/fuzz` holds, for the targets beside this folder.

#[path = "../../tests/fuzz"]
mod held {
    pub mod cells;
    pub mod choices;
    pub mod draw;
    pub mod reference;
    pub mod targets;
}
pub use held::{cells, choices, draw, reference, targets};
