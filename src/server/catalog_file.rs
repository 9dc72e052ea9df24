//! Writes the catalog's file, durably and as a whole.
//!
//! ```text
//! store catalog.next (synced) ──> rename to catalog ──> sync the folder
//! ```
//! It has a disk of its own, apart from the cores': changes of topics are rare, and wait for nobody.

use std::io;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::broker::catalog::Catalog;
use crate::io::blocking::Blocking;
use crate::io::{Disk, DiskError, Done, Op, Probe, Token};
use crate::storage::names::Layout;

/// The file, and the disk to write it with.
pub struct CatalogWriter {
    disk: Blocking,
    completed: Arc<Notify>,
    layout: Layout,
}

/// Why the catalog was not written.
#[derive(Debug)]
pub enum WriteError {
    /// The one before holds.
    NotWritten(DiskError),
    /// Which one a restart finds is not known.
    Unknown(DiskError),
}

impl CatalogWriter {
    /// Starts the disk's thread.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(layout: Layout, probe: &Probe, no_sync: bool) -> io::Result<CatalogWriter> {
        let completed = Arc::new(Notify::new());
        let notify = completed.clone();
        let setup = probe.setup(no_sync, Arc::new(move || notify.notify_one()));
        Ok(CatalogWriter { disk: Blocking::start(1, setup)?, completed, layout })
    }

    /// Writes the file. When it returns, a crash finds this catalog.
    ///
    /// # Errors
    /// When the disk fails; the error says which catalog holds.
    pub async fn write(&mut self, catalog: &Catalog) -> Result<(), WriteError> {
        let (path, data) = (self.layout.catalog_next(), catalog.to_file().encode());
        let store = Op::Store { path: path.clone(), at: 0, data };
        self.run(store).await.map_err(WriteError::NotWritten)?;
        let rename = Op::Rename { from: path, to: self.layout.catalog() };
        self.run(rename).await.map_err(WriteError::Unknown)?;
        let sync = Op::SyncDir { path: self.layout.own() };
        self.run(sync).await.map_err(WriteError::Unknown)
    }

    async fn run(&mut self, op: Op) -> Result<(), DiskError> {
        self.disk.submit(Token(0), op);
        let mut done: Vec<Done> = Vec::new();
        loop {
            self.disk.poll(&mut done);
            if let Some(done) = done.pop() {
                return done.result.map(|_| ());
            }
            self.completed.notified().await;
        }
    }
}
