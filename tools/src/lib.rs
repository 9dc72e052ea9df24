//! Tools for looking at what lies on disk, with or without a server: [`dump`] shows what is in
//! files, [`verify`] says whether they are whole.
//!
//! Both read Duramen's files and Apache Kafka's, single ones, partitions' folders and whole data
//! folders, live or dead. They open files for reading only, take no locks, and hold little in
//! memory however large a file is. They print through what they are given, so that the `duramen`
//! binary offers them as subcommands and tests read their words.
//!
//! From the bottom up: `source` reads files through a window (`map` maps the sealed ones); `scan`,
//! `entries` and `groups` walk over segments, indexes and journals and don't stop at damage; `kind`
//! and `tree` tell what a path is.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod bench;
mod control;
pub mod dump;
mod entries;
mod groups;
mod kind;
mod map;
mod offsets;
mod outcome;
mod progress;
mod scan;
mod source;
mod tree;
mod value;
pub mod verify;

pub use outcome::Outcome;
