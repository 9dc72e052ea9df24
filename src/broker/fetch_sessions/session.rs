//! One fetch session: what a client reads, and what it was told of each partition.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use duramen_protocol::TopicId;

use crate::io::Now;

/// A topic as a client names it; a session keeps to one way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicName {
    /// Before version 13.
    Name(Rc<str>),
    /// From version 13 on.
    Id(TopicId),
}

/// A partition as a client names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its topic.
    pub topic: TopicName,
    /// Its number, not checked.
    pub partition: i32,
}

/// A partition, and what a client wants of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub place: Place,
    /// The first offset wanted, not checked.
    pub offset: i64,
    /// At most as many bytes.
    pub max_bytes: i32,
    /// The leader epoch that the client knows; -1 for none.
    pub leader_epoch: i32,
}

/// How a partition stood when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether there is an error to tell.
    pub is_error: bool,
    /// Whether there are records to give.
    pub any_records: bool,
    /// The offset after the last that can be read.
    pub high_watermark: i64,
    /// The first offset there is.
    pub log_start: i64,
}

/// A partition of a session.
#[derive(Debug)]
struct Member {
    wanted: Wanted,
    /// As the client was told; -1 where that was an error, so that it is told when that is over.
    high_watermark: i64,
    log_start: i64,
}

/// Its partitions, those first that were given records longest ago.
#[derive(Debug, Default)]
pub struct Session {
    /// The epoch of the next request.
    pub epoch: i32,
    /// When it was made, in microseconds.
    pub since_us: u64,
    /// When it was used last, in microseconds.
    pub used_us: u64,
    /// How many partitions count for it.
    pub counted: usize,
    members: BTreeMap<u64, Member>,
    numbers: HashMap<Place, u64>,
    next_number: u64,
}

impl Session {
    /// A session that begins.
    pub fn new(epoch: i32, now: Now) -> Session {
        Session { epoch, since_us: now.monotonic_us, ..Session::default() }
    }

    /// How many partitions it has.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether its topics go by id; nothing before it has any.
    pub fn goes_by_id(&self) -> Option<bool> {
        let first = self.members.values().next()?;
        Some(matches!(first.wanted.place.topic, TopicName::Id(_)))
    }

    /// Takes a partition in, or what is wanted of it now. Returns its number.
    pub fn put(&mut self, wanted: Wanted) -> u64 {
        if let Some(&number) = self.numbers.get(&wanted.place)
            && let Some(member) = self.members.get_mut(&number)
        {
            member.wanted = wanted;
            return number;
        }
        let number = self.next_number;
        self.numbers.insert(wanted.place.clone(), number);
        // Nothing was told of it.
        self.members.insert(number, Member { wanted, high_watermark: -1, log_start: -1 });
        self.next_number += 1;
        number
    }

    /// Leaves a partition out from now on.
    pub fn forget(&mut self, place: &Place) {
        if let Some(number) = self.numbers.remove(place) {
            self.members.remove(&number);
        }
    }

    /// All that it wants, in order, and the numbers by which it knows that.
    pub fn wanted(&self) -> (Vec<Wanted>, Vec<u64>) {
        let wanted = self.members.values().map(|member| member.wanted.clone()).collect();
        (wanted, self.members.keys().copied().collect())
    }

    /// Notes what the client is told of the partition of a number; whether it has to be. One that
    /// gives records is the last to be read from now on.
    pub fn tell(&mut self, number: u64, standing: &Standing) -> bool {
        // It is there, unless another request has come, which the epoch tells.
        let Some(member) = self.members.get_mut(&number) else { return true };
        let is_told = member.tell(standing);
        if standing.any_records
            && let Some(member) = self.members.remove(&number)
        {
            self.numbers.insert(member.wanted.place.clone(), self.next_number);
            self.members.insert(self.next_number, member);
            self.next_number += 1;
        }
        is_told
    }
}

impl Member {
    fn tell(&mut self, standing: &Standing) -> bool {
        let high_watermark = if standing.is_error { -1 } else { standing.high_watermark };
        let has_moved =
            self.high_watermark != high_watermark || self.log_start != standing.log_start;
        (self.high_watermark, self.log_start) = (high_watermark, standing.log_start);
        standing.is_error || standing.any_records || has_moved
    }
}
