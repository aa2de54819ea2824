//! Machines that exist already. Nothing is made, started or removed here.

mod inventory;
mod machines;

pub use inventory::{Inventory, InventoryHost};
pub use machines::StaticProvider;
