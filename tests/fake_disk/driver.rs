//! Straight-line calls on a fake disk.

use duramen::io::fake::Fake;
use duramen::io::{Block, Disk, DiskError, Done, FileId, Mode, Op, Output, Slice, Token, WaitDisk};

pub const FILE: FileId = FileId(1);
/// How many power cuts each rule is tried with.
pub const SEEDS: u64 = 200;

/// A fake with straight-line calls on top.
pub struct Driver {
    pub fake: Fake,
    next: u64,
}

impl Driver {
    pub fn new(seed: u64) -> Driver {
        Driver::on(Fake::new(seed))
    }

    pub fn on(fake: Fake) -> Driver {
        Driver { fake, next: 0 }
    }

    /// Submits without waiting.
    pub fn start(&mut self, op: Op) -> Token {
        let token = Token(self.next);
        self.next += 1;
        self.fake.submit(token, op);
        token
    }

    /// Submits and waits for this one.
    pub fn run(&mut self, op: Op) -> Result<Output, DiskError> {
        let token = self.start(op);
        self.finish(token)
    }

    pub fn finish(&mut self, token: Token) -> Result<Output, DiskError> {
        let mut done = Vec::new();
        loop {
            self.fake.wait(&mut done);
            let found = done.drain(..).find(|done: &Done| done.token == token);
            if let Some(done) = found {
                return done.result;
            }
        }
    }

    pub fn open(&mut self, file: FileId, path: &str, mode: Mode) -> u64 {
        match self.run(Op::Open { file, path: path.into(), mode }).unwrap() {
            Output::Opened { len } => len,
            other => panic!("{other:?}"),
        }
    }

    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        self.run(write(at, bytes)).unwrap();
    }

    pub fn sync(&mut self) {
        self.run(Op::Sync { file: FILE }).unwrap();
    }

    pub fn sync_dir(&mut self, path: &str) {
        self.run(Op::SyncDir { path: path.into() }).unwrap();
    }

    pub fn read(&mut self, at: u64, len: usize) -> Vec<u8> {
        match self.run(Op::Read { file: FILE, at, into: Block::new(len) }).unwrap() {
            Output::Read(block) => block[..block.len().min(len)].to_vec(),
            other => panic!("{other:?}"),
        }
    }
}

pub fn slice(bytes: &[u8]) -> Slice {
    let mut block = Block::new(bytes.len());
    block.append(bytes);
    block.slice(0..bytes.len())
}

pub fn write(at: u64, bytes: &[u8]) -> Op {
    Op::Write { file: FILE, at, data: vec![slice(bytes)] }
}

pub fn read(at: u64, len: usize) -> Op {
    Op::Read { file: FILE, at, into: Block::new(len) }
}

pub fn rename(from: &str, to: &str) -> Op {
    Op::Rename { from: from.into(), to: to.into() }
}

/// Whether each sector of `bytes` is filled with one of `fills`; gives the fills by sector.
pub fn sectors(bytes: &[u8]) -> Vec<u8> {
    let uniform = |sector: &[u8]| sector.iter().all(|byte| *byte == sector[0]);
    assert!(bytes.chunks(512).all(uniform), "a sector is torn");
    bytes.chunks(512).map(|sector| sector[0]).collect()
}

/// A driver with one open file whose name is durable.
pub fn with_file(seed: u64, mode: Mode) -> Driver {
    let mut driver = Driver::new(seed);
    driver.fake.make_dirs("/d");
    driver.open(FILE, "/d/f", mode);
    driver.sync_dir("/d");
    driver
}
