//! What the fake disk keeps, loses and refuses. The simulation of the storage core stands on
//! it, so it must be as unkind as the seam allows, and no unkinder.

mod bytes;
mod driver;
mod duties;
mod faults;
mod kill;
mod names;
mod plain;
