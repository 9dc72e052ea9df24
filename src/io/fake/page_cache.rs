//! What the page cache holds.

use std::collections::BTreeSet;
use std::ops::Range;

use super::pages::PAGE;
use super::tree::NodeId;

/// The pages that were read, once somebody asks for that to be kept.
#[derive(Default)]
pub(super) struct PageCache {
    pages: Option<BTreeSet<(NodeId, u64)>>,
}

impl PageCache {
    /// Drops everything, and keeps what is read from now on.
    pub fn drop_all(&mut self) {
        self.pages = Some(BTreeSet::new());
    }

    /// These bytes of a file were read.
    pub fn read(&mut self, node: NodeId, at: u64, len: u64) {
        if let Some(held) = &mut self.pages {
            held.extend(pages(at, len).map(|page| (node, page)));
        }
    }

    /// Whether it holds these bytes of a file; `None` where that was never asked for.
    pub fn holds(&self, node: NodeId, at: u64, len: u64) -> Option<bool> {
        let held = self.pages.as_ref()?;
        Some(pages(at, len).all(|page| held.contains(&(node, page))))
    }
}

/// The pages of these bytes.
fn pages(at: u64, len: u64) -> Range<u64> {
    at / PAGE..at.saturating_add(len).div_ceil(PAGE)
}
