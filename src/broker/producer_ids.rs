//! Handing out producer ids, none of them twice, whatever happens.
//!
//! The catalog says below which number ids may have been handed out. A lease raises that number
//! by a block and makes it durable; only then are ids of the block given away, from memory. A
//! crash loses the rest of the block, which is never missed: there are 2^63 ids.

/// Ids that are leased to a core and not yet handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerIds {
    next: i64,
    end: i64,
}

/// A block of ids, `start` up to `end` exclusive, that the catalog holds as handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub start: i64,
    pub end: i64,
}

impl ProducerIds {
    /// An id that was never handed out before; none when a new lease is needed first.
    pub fn allocate(&mut self) -> Option<i64> {
        let id = self.next;
        (id < self.end).then(|| {
            self.next += 1;
            id
        })
    }

    /// Goes on with a new lease, which must be durable in the catalog. What is left of the one
    /// before is given up.
    pub fn renew(&mut self, lease: Lease) {
        assert!(lease.start >= self.end, "lease {lease:?} after one up to {}", self.end);
        (self.next, self.end) = (lease.start, lease.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_from_the_lease_only_and_once() {
        let mut ids = ProducerIds::default();
        assert_eq!(ids.allocate(), None);
        ids.renew(Lease { start: 10, end: 12 });
        assert_eq!([ids.allocate(), ids.allocate(), ids.allocate()], [Some(10), Some(11), None]);
        ids.renew(Lease { start: 40, end: 41 });
        assert_eq!([ids.allocate(), ids.allocate()], [Some(40), None]);
    }

    #[test]
    #[should_panic(expected = "after one up to 12")]
    fn an_old_lease_is_our_own_fault() {
        let mut ids = ProducerIds::default();
        ids.renew(Lease { start: 10, end: 12 });
        ids.renew(Lease { start: 11, end: 20 });
    }
}
