//! What every real disk promises, asked of each of them.

mod conformance;
mod full;
mod harness;
mod model;
mod ring;
