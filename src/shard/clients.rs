//! What each client was given and has not sent on.
//!
//! ```text
//!  given          sent
//!    |--- unsent --|      <= UNSENT_BYTES, or a single answer
//!    |- pinned -|         <= PINNED_BYTES, or a single answer
//! ```
//! Bytes of files cost nothing while they wait for the network, bytes in memory do: so there are
//! two bounds. Over either, reads and pushes of the client stall here, and go on once it has sent
//! some.

use std::collections::HashMap;

use crate::limits;

use super::fetch::FetchId;
use super::request::ClientId;
use super::subscriptions::SubscriptionKey;

/// The clients that were given bytes.
#[derive(Default)]
pub(super) struct Clients {
    clients: HashMap<ClientId, Client>,
}

#[derive(Default)]
struct Client {
    unsent: usize,
    pinned: usize,
    stalled: Stalled,
}

/// Who waits for room at a client.
#[derive(Default)]
pub(super) struct Stalled {
    pub fetches: Vec<FetchId>,
    pub subscriptions: Vec<SubscriptionKey>,
}

impl Clients {
    /// How many bytes the client may be given now; 0 when it has to send some first.
    pub fn room(&self, id: ClientId) -> usize {
        let Some(client) = self.clients.get(&id) else { return limits::UNSENT_BYTES };
        let unsent = limits::UNSENT_BYTES.saturating_sub(client.unsent);
        match client.pinned {
            0 => unsent,
            pinned => unsent.min(limits::PINNED_BYTES.saturating_sub(pinned)),
        }
    }

    /// The client was given bytes.
    pub fn give(&mut self, id: ClientId, bytes: usize, pinned: usize) {
        let client = self.clients.entry(id).or_default();
        client.unsent += bytes;
        client.pinned += pinned;
    }

    /// The client sent bytes: who waited for that. `None` when nobody did.
    pub fn sent(&mut self, id: ClientId, bytes: usize, pinned: usize) -> Option<Stalled> {
        let client = self.clients.get_mut(&id)?;
        client.unsent = client.unsent.saturating_sub(bytes);
        client.pinned = client.pinned.saturating_sub(pinned);
        let none = client.stalled.fetches.is_empty() && client.stalled.subscriptions.is_empty();
        (!none).then(|| std::mem::take(&mut client.stalled))
    }

    /// Lets a read wait until the client has sent some.
    pub fn stall_fetch(&mut self, id: ClientId, fetch: FetchId) {
        self.clients.entry(id).or_default().stalled.fetches.push(fetch);
    }

    /// Lets a subscription wait until the client has sent some.
    pub fn stall_subscription(&mut self, key: SubscriptionKey) {
        self.clients.entry(key.0).or_default().stalled.subscriptions.push(key);
    }

    pub fn remove(&mut self, id: ClientId) {
        self.clients.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_by_what_is_unsent_and_by_what_is_pinned() {
        let (mut clients, id) = (Clients::default(), ClientId(7));
        assert_eq!(clients.room(id), limits::UNSENT_BYTES);
        clients.give(id, limits::UNSENT_BYTES - 10, 0);
        assert_eq!(clients.room(id), 10);
        clients.give(id, 4, limits::PINNED_BYTES - 3);
        assert_eq!(clients.room(id), 3);
        clients.give(id, 1 << 20, 1 << 20);
        assert_eq!(clients.room(id), 0);
        clients.stall_fetch(id, FetchId(3));
        let stalled = clients.sent(id, 1 << 20, 1 << 20).unwrap();
        assert_eq!((stalled.fetches, clients.room(id)), (vec![FetchId(3)], 3));
        assert!(clients.sent(id, 1, 0).is_none(), "nobody waits any more");
        clients.remove(id);
        assert_eq!(clients.room(id), limits::UNSENT_BYTES);
    }
}
