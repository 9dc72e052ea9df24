//! How a run ended.

/// What a run found, as an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Everything was looked at, and nothing is damaged.
    Whole,
    /// Something could not be looked at; the rest is not damaged.
    CouldNotLook,
    /// Something is damaged.
    Damaged,
}

impl Outcome {
    /// 0 whole, 1 damaged, 2 could not look.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Whole => 0,
            Outcome::Damaged => 1,
            Outcome::CouldNotLook => 2,
        }
    }

    /// The worse of two outcomes.
    #[must_use]
    pub fn and(self, other: Outcome) -> Outcome {
        self.max(other)
    }
}
