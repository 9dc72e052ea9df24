//! Our formats against bytes made by Kafka itself: a selection that lies in `tests/fixtures/kafka`,
//! and the whole collection where it is at hand.

mod batches;
mod codec;
mod keys;
mod reference;
mod segments;
