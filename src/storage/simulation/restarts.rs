//! Ending the server one way or another, recovering, and what a restart must find.

use std::path::PathBuf;

use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::files::{leader_epochs, partition_metadata, producer_snapshot};

use super::world::{Checked, TOPIC, World};
use crate::io::ErrorKind;
use crate::io::fake::Fake;
use crate::storage::recovery::{self, Plan, RecoveryError};
use crate::storage::store::{Store, StoreConfig};

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    PowerCut,
    Kill,
    Stop,
}

impl World {
    /// Ends the server one way or another, recovers, and checks what the guarantees say.
    pub fn restart(&mut self, way: Way) -> Checked {
        if way == Way::Stop && !self.latched {
            self.stop_cleanly()?;
        }
        let old = self.store.take().expect("a store");
        let mut disk = match way {
            Way::PowerCut => old.disk().crash(self.rng.u64(..)),
            Way::Kill | Way::Stop => old.disk().kill(self.rng.u64(..)),
        };
        drop(old);
        self.check_snapshots(&disk)?;
        check_replaced(&disk)?;
        disk.set_torn_sectors_garbage(true);
        let recovered = loop {
            let halts = self.rng.usize(0..3) == 0;
            if halts {
                disk.halt_at(self.rng.u64(1..120));
            }
            match self.recover(&mut disk) {
                Ok(recovered) if !disk.halted() => break recovered,
                Ok(_) => disk = disk.crash(self.rng.u64(..)),
                Err(_) if disk.halted() => disk = disk.crash(self.rng.u64(..)),
                // A start on a full disk fails and changes nothing that counts.
                Err(RecoveryError::Disk(error)) if error.kind == ErrorKind::Full => {
                    disk = disk.kill(self.rng.u64(..));
                    disk.set_capacity(None);
                }
                Err(error) => {
                    self.print_log(&disk);
                    return Err(format!("recovery after {way:?}: {error}"));
                }
            }
            disk.set_torn_sectors_garbage(true);
        };
        self.epoch = recovered.catalog.start_epoch;
        let mut config =
            StoreConfig::for_tests(self.layout.clone(), self.epoch, self.journal_file_bytes);
        config.retention_check_ms = 50;
        config.extent_bytes_min = self.extent_bytes_min;
        let logs = recovered.logs.into_iter().flatten().collect();
        disk.halt_at(u64::MAX);
        let mut store = Store::open(disk, config, logs, self.now);
        self.logs = (0..self.partitions.len() as u32)
            .map(|partition| {
                let key = PartitionKey { topic_id: TOPIC, partition };
                let log = store.find(&key).expect("a log of each partition");
                store.configure(log, self.config.clone());
                log
            })
            .collect();
        self.store = Some(store);
        self.latched = false;
        self.check_restart(way)
    }

    fn recover(&mut self, disk: &mut Fake) -> Result<recovery::Recovered, recovery::RecoveryError> {
        let plan = Plan {
            layout: self.layout.clone(),
            cores: 1,
            journal_file_bytes: self.journal_file_bytes,
            new_cluster_id: [1; 16],
            owner: &|_, _| 0,
            accept_loss: false,
            now: self.now,
        };
        recovery::recover(disk, &plan)
    }

    fn stop_cleanly(&mut self) -> Checked {
        self.disk_mut().set_capacity(None);
        self.disk_mut().release_all();
        self.store().begin_shutdown();
        for _ in 0..100_000 {
            if self.store().is_shut_down() {
                return Ok(());
            }
            self.now.monotonic_us += 10_000;
            self.tick()?;
        }
        Err("a clean stop never ended".into())
    }

    /// A snapshot on disk must not know a batch that may never have been.
    fn check_snapshots(&self, disk: &Fake) -> Checked {
        for (p, partition) in self.partitions.iter().enumerate() {
            let folder = format!("sim-{p}/");
            let snapshots = disk.durable_files().into_iter().filter(|f| {
                f.contains(&folder) && PathBuf::from(f).extension().is_some_and(|e| e == "snapshot")
            });
            for path in snapshots {
                let bytes = disk.read_durable(&path).unwrap_or_default();
                let Ok(entries) = producer_snapshot::decode(&bytes) else { continue };
                let late = entries.iter().find(|e| e.last_offset >= partition.acknowledged as i64);
                if let Some(entry) = late {
                    return Err(format!(
                        "{path} knows offset {} of producer {}, acknowledged up to {}",
                        entry.last_offset, entry.producer_id, partition.acknowledged
                    ));
                }
            }
        }
        Ok(())
    }

    fn check_restart(&mut self, way: Way) -> Checked {
        for p in 0..self.partitions.len() {
            let status = self.store_status(p);
            let partition = &mut self.partitions[p];
            if status.durable < partition.acknowledged {
                return Err(format!(
                    "partition {p} after {way:?}: ends at {}, acknowledged up to {}",
                    status.durable, partition.acknowledged
                ));
            }
            let whole = partition.batches.iter().any(|b| b.last + 1 == status.durable);
            if status.durable > 0 && !whole {
                return Err(format!(
                    "partition {p} after {way:?}: ends at {}, which ends no batch",
                    status.durable
                ));
            }
            if status.log_start < partition.log_start {
                return Err(format!(
                    "partition {p} after {way:?}: begins at {}, was {}",
                    status.log_start, partition.log_start
                ));
            }
            partition.log_start = status.log_start;
            partition.cut(status.durable);
        }
        for p in 0..self.partitions.len() {
            let status = self.store_status(p);
            if status.log_start < status.durable {
                self.read_and_compare(p, status.log_start, status.durable)?;
            }
            for i in 0..3 {
                self.check_duplicates(p, i)?;
            }
        }
        Ok(())
    }
}

/// Files that are replaced as a whole are whole, whatever ended the server.
fn check_replaced(disk: &Fake) -> Checked {
    for path in disk.durable_files() {
        let text = || String::from_utf8(disk.read_durable(&path)?).ok();
        let is_whole = match path.rsplit('/').next() {
            Some(leader_epochs::FILE_NAME) => {
                text().is_some_and(|text| leader_epochs::decode(&text).is_ok())
            }
            Some(partition_metadata::FILE_NAME) => {
                text().is_some_and(|text| partition_metadata::decode(&text).is_ok())
            }
            _ => true,
        };
        if !is_whole {
            return Err(format!("{path} is torn: {:?}", text()));
        }
    }
    Ok(())
}
