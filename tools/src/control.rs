//! What a control record says: the log's own marks, which consumers never see.
//!
//! ```text
//! key    version i16 · type i16
//! value  of an end of a transaction: version i16 · coordinator epoch i32
//! ```

use duramen_protocol::batch::Record;
use duramen_protocol::wire::Reader;

const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// A control record, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    kind: i16,
    /// Of the transaction coordinator that ended a transaction.
    pub(crate) coordinator_epoch: Option<i32>,
}

impl Control {
    /// The control record in `record`, which stands in a control batch; `None` if it is none.
    pub(crate) fn parse(record: &Record<'_>) -> Option<Control> {
        let mut key = Reader::new(record.key?);
        let (_version, kind) = (key.i16().ok()?, key.i16().ok()?);
        let coordinator_epoch = match kind {
            ABORT | COMMIT => {
                let mut value = Reader::new(record.value?);
                let _version = value.i16().ok()?;
                Some(value.i32().ok()?)
            }
            _ => None,
        };
        Some(Control { kind, coordinator_epoch })
    }

    /// The name that Kafka gives it.
    pub(crate) fn name(self) -> &'static str {
        match self.kind {
            ABORT => "ABORT",
            COMMIT => "COMMIT",
            2 => "LEADER_CHANGE",
            3 => "SNAPSHOT_HEADER",
            4 => "SNAPSHOT_FOOTER",
            5 => "KRAFT_VERSION",
            6 => "KRAFT_VOTERS",
            _ => "UNKNOWN",
        }
    }

    /// Whether it ends a transaction.
    pub(crate) fn ends_transaction(self) -> bool {
        matches!(self.kind, ABORT | COMMIT)
    }

    /// Whether it ends a transaction whose records don't count.
    pub(crate) fn aborts(self) -> bool {
        self.kind == ABORT
    }
}
