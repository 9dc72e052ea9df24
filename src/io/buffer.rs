//! Aligned memory that one writer fills front to back while readers and the disk hold what is
//! already there.
//!
//! ```text
//! Block   |<------------- capacity ------------->|
//!         |######## len ########|   free room    |
//!           Slice    Slice
//! ```
//!
//! A [`Block`] is the one writer: it appends behind `len` and never touches a byte below it.
//! A [`Slice`] is any number of readers: a range below the `len` of the moment it was taken.
//! So the bytes of a slice never change while it lives, whoever holds it: a connection that
//! sends it, or the kernel that writes it to the disk.
//!
//! When the last slice is gone, [`Block::clear`] takes the memory back for another use.
//! Memory is zeroed when it is allocated.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::sync::Arc;

/// Alignment of every block: direct I/O on any device of today.
pub const ALIGNMENT: usize = 4096;

struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: `Memory` owns its allocation, and it is only reached through `Block` and `Slice`,
// whose accesses never overlap: see their invariants below.
unsafe impl Send for Memory {}
// SAFETY: as above; shared access reads bytes that nobody writes any more.
unsafe impl Sync for Memory {}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: `start` came from `alloc_zeroed` with this very layout and is freed once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// Aligned memory with one writer. Invariant: bytes `0..len` are never written again while any
/// slice of this block lives.
pub struct Block {
    memory: Arc<Memory>,
    /// Bytes it takes; the allocation may have more.
    capacity: usize,
    len: usize,
}

impl Block {
    /// A zeroed, empty block of `capacity` bytes, rounded up to whole units of [`ALIGNMENT`].
    ///
    /// # Panics
    /// When `capacity` is over half of the address space.
    pub fn new(capacity: usize) -> Block {
        assert!(capacity <= isize::MAX as usize / 2, "block of {capacity} bytes");
        let size = capacity.next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        let layout = Layout::from_size_align(size, ALIGNMENT)
            .unwrap_or_else(|e| panic!("layout of {size} bytes: {e}"));
        // SAFETY: the layout's size is at least ALIGNMENT, so not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Block { memory: Arc::new(Memory { start, layout }), capacity: size, len: 0 }
    }

    /// A zeroed, empty block that takes `room` bytes and no more, whatever memory that needs.
    pub fn with_room(room: usize) -> Block {
        Block { capacity: room, ..Block::new(room) }
    }

    /// Bytes it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that may still be appended.
    pub fn room(&self) -> usize {
        self.capacity() - self.len
    }

    /// Appends as much of `bytes` as fits and returns how much that was.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room());
        // SAFETY: `len + n <= capacity`; bytes from `len` on are in no slice, as a slice ends
        // at or below `len`, and `&mut self` makes this the only writer.
        unsafe {
            let to = self.memory.start.as_ptr().add(self.len);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, n);
        }
        self.len += n;
        n
    }

    /// Appends `n` zeroes, or as many as fit, and returns how many that were.
    pub fn append_zeroes(&mut self, n: usize) -> usize {
        let n = n.min(self.room());
        // SAFETY: as in `append`.
        unsafe { std::ptr::write_bytes(self.memory.start.as_ptr().add(self.len), 0, n) };
        self.len += n;
        n
    }

    /// The free room, for a reader of files to fill; follow with [`Block::advance`].
    pub fn spare(&mut self) -> &mut [u8] {
        // SAFETY: the room is initialised (zeroed at allocation), within the allocation, and in
        // no slice; `&mut self` excludes other writers for the life of the result.
        unsafe {
            std::slice::from_raw_parts_mut(self.memory.start.as_ptr().add(self.len), self.room())
        }
    }

    /// Counts `n` bytes of the room, filled through [`Block::spare`], as held.
    ///
    /// # Panics
    /// When `n` is over the room.
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.room(), "advance by {n} with room for {}", self.room());
        self.len += n;
    }

    /// A shared view of `range`, which must lie below `len`.
    ///
    /// # Panics
    /// When it does not.
    pub fn slice(&self, range: Range<usize>) -> Slice {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "slice {range:?} of {} bytes",
            self.len
        );
        Slice { memory: self.memory.clone(), start: range.start, len: range.end - range.start }
    }

    /// Whether no slice of it lives.
    pub fn is_unshared(&self) -> bool {
        Arc::strong_count(&self.memory) == 1
    }

    /// Empties the block for another use. Returns `false`, and changes nothing, while a slice
    /// lives.
    pub fn clear(&mut self) -> bool {
        // `get_mut` and not the count alone: it orders this after the last reader's drop.
        let unshared = Arc::get_mut(&mut self.memory).is_some();
        if unshared {
            self.len = 0;
        }
        unshared
    }

    /// Changes bytes that are held, for headers that are known last. Returns `None` while a
    /// slice lives.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        Arc::get_mut(&mut self.memory)?;
        // SAFETY: no slice lives, and `&mut self` makes this the only access.
        Some(unsafe { std::slice::from_raw_parts_mut(self.memory.start.as_ptr(), self.len) })
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: bytes below `len` are initialised, and only `&mut self` methods write.
        unsafe { std::slice::from_raw_parts(self.memory.start.as_ptr(), self.len) }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} of {} bytes)", self.len, self.capacity())
    }
}

/// A shared, unchanging range of a [`Block`].
#[derive(Clone)]
pub struct Slice {
    memory: Arc<Memory>,
    start: usize,
    len: usize,
}

impl Slice {
    /// A part of this slice.
    ///
    /// # Panics
    /// When `range` reaches behind its end.
    pub fn slice(&self, range: Range<usize>) -> Slice {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {}", self.len);
        Slice {
            memory: self.memory.clone(),
            start: self.start + range.start,
            len: range.end - range.start,
        }
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the range lay below the block's `len` when the slice was taken, and the
        // block's invariant keeps those bytes unwritten while this slice lives.
        unsafe { std::slice::from_raw_parts(self.memory.start.as_ptr().add(self.start), self.len) }
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slice({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_keep_their_bytes_while_the_block_grows() {
        let mut block = Block::new(10_000);
        assert_eq!((block.capacity(), block.as_ptr() as usize % ALIGNMENT), (12_288, 0));
        assert_eq!(block.append(b"hello"), 5);
        let hello = block.slice(0..5);
        assert_eq!(block.append(&[7; 20_000]), 12_283);
        assert_eq!((&*hello, &*hello.slice(1..3)), (&b"hello"[..], &b"el"[..]));
        assert_eq!(block.room(), 0);
    }

    #[test]
    fn memory_is_reused_only_without_slices() {
        let mut block = Block::new(4096);
        block.append(b"abc");
        let held = block.slice(0..3);
        assert!(!block.clear() && block.bytes_mut().is_none());
        drop(held);
        block.bytes_mut().unwrap()[0] = b'x';
        assert_eq!(&*block, b"xbc");
        assert!(block.clear() && block.is_empty());
    }

    #[test]
    #[should_panic(expected = "slice 2..9 of 3 bytes")]
    fn a_slice_ends_below_the_length() {
        let mut block = Block::new(4096);
        block.append(b"abc");
        let _ = block.slice(2..9);
    }
}
