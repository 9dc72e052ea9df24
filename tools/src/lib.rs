//! Tools that read segment and journal files.
