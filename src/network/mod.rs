//! Sockets: bytes become questions, answers become bytes. The only floor with `async`, beside the
//! server above that starts it.
//!
//! ```text
//!  socket ──> Inbound ──> native::dispatch ──> Local.inbox ──> the tick ──┐
//!                              │  questions for other cores               │ Released
//!                              v                                          v
//!                           Mailboxes                   Client::deliver ──> Outbox ──> socket
//! ```
//! Connections of Kafka's protocol come and go through [`kafka`] in the place of [`native`]; their
//! handlers wait for the answers themselves.
//!
//! Everything here lives on one core and is never shared with another: tasks of a core share a
//! [`local::Local`] through an `Rc`, borrow its parts between two awaits and never across one. What
//! cores tell each other goes through [`mailbox`].
//!
//! Bounds, and where their fullness pushes back to:
//!
//! | what | bound | who waits |
//! |---|---|---|
//! | a frame | the hello's `max_frame_bytes` | nobody: the connection is closed |
//! | unanswered requests, append bytes | [`crate::limits`], told in the hello | the connection's reader |
//! | bytes in an outbox | [`crate::limits::OUTBOX_BYTES`], records beside | the connection's reader |
//! | batches that wait to be staged | [`crate::limits::BACKLOG_BYTES`] | every reader of the core |
//! | a mailbox | [`crate::limits::MAILBOX_MAILS`] | the task that asks |
//!
//! A connection's socket is flushed once a tick, with everything that was released for it; where
//! the socket is full, the connection's own task goes on.

pub mod calls;
mod client;
pub mod coordinators;
mod ending;
pub mod inbound;
pub mod kafka;
pub mod listener;
pub mod local;
pub mod mailbox;
pub mod native;
pub mod outbox;
pub mod socket;
