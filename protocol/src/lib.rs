//! Formats and client of Duramen.
