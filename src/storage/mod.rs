//! Storage: one core's partitions on its disk.

mod arena;
pub mod names;
mod producers;
mod tail;
