//! What is on its way to a socket: small frames in one buffer, records where they lie.
//!
//! ```text
//! front                                                            back
//! | buffer: answers, a push's head | slice | file range | receipt | buffer |
//! └── one writev for memory ───────────────┘ └ sendfile ┘
//! ```
//! A receipt stands behind the records of one answer or push: when it comes to the front they have
//! left, and whoever gave them may give more. Slices pin the memory they lie in; small ones are
//! copied into the buffer instead.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::io::{Descriptors, Slice, sendfile};
use crate::storage::Piece;

/// Slices up to this many bytes are copied.
const COPY_BYTES: usize = 1024;
/// A buffer is begun anew when it holds as much.
const BUFFER_BYTES: usize = 64 << 10;
/// A buffer that grew beyond is not kept for another use.
const SPARE_BYTES: usize = 16 << 10;
/// Ranges of memory that one system call takes.
const GATHER: usize = 64;

/// Records that have left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// How many bytes.
    pub bytes: usize,
    /// How many of them were held in memory.
    pub pinned: usize,
}

/// A piece of a log whose file is at hand: it can be sent from any core.
#[derive(Debug)]
pub enum Chunk {
    /// Bytes in memory.
    Memory(Slice),
    /// A range of a file.
    File {
        /// The file.
        file: Arc<OwnedFd>,
        /// Where the range begins.
        at: u64,
        /// How long it is.
        len: u64,
    },
}

impl Chunk {
    /// The same pieces, with their files at hand.
    ///
    /// # Errors
    /// When a piece's file is not open any more.
    pub fn of_pieces(pieces: Vec<Piece>, files: &dyn Descriptors) -> io::Result<Vec<Chunk>> {
        let chunk = |piece| match piece {
            Piece::Memory(slice) => Ok(Chunk::Memory(slice)),
            Piece::File { file, at, len } => match files.descriptor(file) {
                Some(file) => Ok(Chunk::File { file, at, len }),
                None => Err(io::Error::other("a segment is not open any more")),
            },
        };
        pieces.into_iter().map(chunk).collect()
    }
}

enum Part {
    Buffer(BytesMut),
    Slice { slice: Slice, sent: usize },
    File { file: Arc<OwnedFd>, at: u64, len: u64 },
    Receipt(Receipt),
}

/// One connection's bytes to send.
#[derive(Default)]
pub struct Outbox {
    parts: VecDeque<Part>,
    /// Bytes of all buffers: what is held beside records.
    buffered: usize,
    spare: BytesMut,
}

/// How far a write has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left.
    Done,
    /// As much was written as was allowed at once.
    More,
    /// The socket takes no more just now.
    Full,
}

impl Outbox {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes held beside records.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Whether records are to be sent, wherever they lie.
    pub fn holds_records(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Slice { .. } | Part::File { .. }))
    }

    /// Lets `put` append a frame.
    pub fn frame(&mut self, put: impl FnOnce(&mut BytesMut)) {
        let buffer = match self.parts.back_mut() {
            Some(Part::Buffer(buffer)) if buffer.len() < BUFFER_BYTES => buffer,
            _ => {
                self.parts.push_back(Part::Buffer(std::mem::take(&mut self.spare)));
                let Some(Part::Buffer(buffer)) = self.parts.back_mut() else { return };
                buffer
            }
        };
        let before = buffer.len();
        put(buffer);
        self.buffered += buffer.len() - before;
    }

    /// Appends records, whose head `put` writes.
    ///
    /// # Errors
    /// When a piece's file is not open any more. Nothing is appended then.
    pub fn records(
        &mut self,
        pieces: Vec<Piece>,
        receipt: Receipt,
        files: &dyn Descriptors,
        put: impl FnOnce(&mut BytesMut),
    ) -> io::Result<()> {
        let chunks = Chunk::of_pieces(pieces, files)?;
        self.frame(put);
        self.chunks(chunks);
        self.parts.push_back(Part::Receipt(receipt));
        Ok(())
    }

    /// Appends pieces of a log.
    pub fn chunks(&mut self, chunks: Vec<Chunk>) {
        for chunk in chunks {
            match chunk {
                Chunk::Memory(slice) if slice.len() <= COPY_BYTES => {
                    self.frame(|buffer| buffer.extend_from_slice(&slice));
                }
                Chunk::Memory(slice) => self.parts.push_back(Part::Slice { slice, sent: 0 }),
                Chunk::File { file, at, len } => self.parts.push_back(Part::File { file, at, len }),
            }
        }
    }

    /// Writes until nothing is left, the socket is full, or about `budget` bytes are written.
    /// Adds to `receipt` the records that have left.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn write(
        &mut self,
        stream: &TcpStream,
        budget: usize,
        receipt: &mut Receipt,
    ) -> io::Result<Progress> {
        let mut written = 0;
        while written < budget {
            let result = match self.parts.front() {
                None => return Ok(Progress::Done),
                Some(Part::Receipt(_)) => {
                    self.written(0, receipt);
                    continue;
                }
                Some(Part::File { .. }) => self.send_file(stream, budget - written),
                Some(_) => self.send_memory(stream, receipt),
            };
            match result {
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::Full);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(if self.is_empty() { Progress::Done } else { Progress::More })
    }

    fn send_file(&mut self, stream: &TcpStream, budget: usize) -> io::Result<usize> {
        let Some(Part::File { file, at, len }) = self.parts.front_mut() else { return Ok(0) };
        let wanted = usize::try_from(*len).unwrap_or(usize::MAX).min(budget);
        let sent = match wanted {
            0 => 0,
            wanted => {
                stream.try_io(Interest::WRITABLE, || sendfile(stream, &**file, *at, wanted))?
            }
        };
        if sent == 0 && wanted > 0 {
            return Err(io::Error::other("a segment is shorter than what was promised of it"));
        }
        *at += sent as u64;
        *len -= sent as u64;
        if *len == 0 {
            self.parts.pop_front();
        }
        Ok(sent)
    }

    fn send_memory(&mut self, stream: &TcpStream, receipt: &mut Receipt) -> io::Result<usize> {
        let mut ranges = [IoSlice::new(&[]); GATHER];
        let mut count = 0;
        for part in &self.parts {
            let range = match part {
                Part::Buffer(buffer) => &buffer[..],
                Part::Slice { slice, sent } => &slice[*sent..],
                Part::Receipt(_) => continue,
                Part::File { .. } => break,
            };
            ranges[count] = IoSlice::new(range);
            count += 1;
            if count == GATHER {
                break;
            }
        }
        let written = match &ranges[..count] {
            [one] => stream.try_write(one)?,
            several => stream.try_write_vectored(several)?,
        };
        self.written(written, receipt);
        Ok(written)
    }

    /// Takes `n` bytes of memory off the front, and the receipts that come to the front.
    fn written(&mut self, mut n: usize, receipt: &mut Receipt) {
        while let Some(part) = self.parts.front_mut() {
            let left = match part {
                Part::Buffer(buffer) => {
                    let taken = n.min(buffer.len());
                    buffer.advance(taken);
                    self.buffered -= taken;
                    n -= taken;
                    buffer.len()
                }
                Part::Slice { slice, sent } => {
                    let taken = n.min(slice.len() - *sent);
                    *sent += taken;
                    n -= taken;
                    slice.len() - *sent
                }
                Part::Receipt(left) => {
                    receipt.bytes += left.bytes;
                    receipt.pinned += left.pinned;
                    0
                }
                Part::File { .. } => return,
            };
            if left > 0 {
                return;
            }
            if let Some(Part::Buffer(buffer)) = self.parts.pop_front() {
                self.keep(buffer);
            }
        }
    }

    /// Keeps an empty buffer for its next use.
    fn keep(&mut self, mut buffer: BytesMut) {
        // What was written is not room any more, but can be had back.
        let can_be_had = self.spare.capacity() == 0 && buffer.try_reclaim(1024);
        if can_be_had && buffer.capacity() <= SPARE_BYTES {
            self.spare = buffer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Block, FileId};
    use std::io::{Read, Write};
    use tokio::net::TcpListener;

    /// Files by their number.
    struct Files(Vec<Arc<OwnedFd>>);

    impl Descriptors for Files {
        fn descriptor(&self, file: FileId) -> Option<Arc<OwnedFd>> {
            self.0.get(file.0 as usize).cloned()
        }
    }

    fn memory(bytes: &[u8]) -> Piece {
        let mut block = Block::new(bytes.len());
        block.append(bytes);
        Piece::Memory(block.slice(0..bytes.len()))
    }

    /// Sends everything to a peer that reads slowly. Returns what it got, and the receipt.
    fn send(outbox: &mut Outbox) -> (Vec<u8>, Receipt) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let stream = listener.accept().await.unwrap().0;
            let reading = std::thread::spawn(move || {
                let mut got = Vec::new();
                let mut buffer = [0; 5_000];
                loop {
                    match peer.read(&mut buffer).unwrap() {
                        0 => return got,
                        n => got.extend_from_slice(&buffer[..n]),
                    }
                }
            });
            let mut receipt = Receipt::default();
            loop {
                match outbox.write(&stream, 100_000, &mut receipt).unwrap() {
                    Progress::Done => break,
                    Progress::More => {}
                    Progress::Full => stream.writable().await.unwrap(),
                }
            }
            drop(stream);
            (reading.join().unwrap(), receipt)
        })
    }

    #[test]
    fn frames_memory_and_files_arrive_in_order_with_their_receipts() {
        let mut random = fastrand::Rng::with_seed(3);
        let content: Vec<u8> = (0..3_000_000).map(|_| random.u8(..)).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let files = Files(vec![Arc::new(file.into())]);
        let (mut outbox, mut expected) = (Outbox::default(), Vec::new());
        let mut given = Receipt::default();
        for n in 0..40 {
            let frame = vec![n; usize::from(n) * 300];
            outbox.frame(|out| out.extend_from_slice(&frame));
            expected.extend_from_slice(&frame);
            let at = random.usize(0..2_000_000);
            let (in_file, in_memory) = (random.usize(1..900_000), random.usize(1..70_000));
            let range = &content[at..at + in_file];
            let slice = &content[..in_memory];
            let piece = Piece::File { file: FileId(0), at: at as u64, len: in_file as u64 };
            let pieces = match n % 3 {
                0 => vec![piece, memory(slice)],
                1 => vec![memory(slice), piece],
                _ => vec![memory(slice), memory(slice)],
            };
            let receipt = Receipt { bytes: in_file + in_memory, pinned: in_memory };
            outbox.records(pieces, receipt, &files, |out| out.extend_from_slice(b"head")).unwrap();
            expected.extend_from_slice(b"head");
            expected.extend_from_slice(if n % 3 == 0 { range } else { slice });
            expected.extend_from_slice(if n % 3 == 1 { range } else { slice });
            given.bytes += receipt.bytes;
            given.pinned += receipt.pinned;
        }
        let (got, receipt) = send(&mut outbox);
        assert!(got == expected, "{} of {} bytes", got.len(), expected.len());
        assert_eq!((receipt, outbox.buffered(), outbox.is_empty()), (given, 0, true));
    }

    #[test]
    fn a_file_that_is_gone_or_too_short_is_noticed() {
        let mut outbox = Outbox::default();
        let piece = || vec![Piece::File { file: FileId(0), at: 0, len: 10 }];
        let none = Files(Vec::new());
        assert!(outbox.records(piece(), Receipt::default(), &none, |_| ()).is_err());
        assert!(outbox.is_empty());
        let short = Files(vec![Arc::new(tempfile::tempfile().unwrap().into())]);
        outbox.records(piece(), Receipt::default(), &short, |_| ()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            stream.writable().await.unwrap();
            let error = outbox.write(&stream, 100, &mut Receipt::default()).unwrap_err();
            assert!(error.to_string().contains("shorter"), "{error}");
        });
    }
}
