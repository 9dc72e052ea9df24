//! The catalog, and beginning a session.

use std::path::{Path, PathBuf};

use duramen_protocol::files::catalog::CatalogFile;
use duramen_protocol::files::checkpoint::{Checkpoint, JournalStart};
use duramen_protocol::files::partition_folder;

use super::super::log::Log;
use super::super::names::{self, Layout, OWN_FOLDER};
use super::steps::Steps;
use super::{Plan, RecoveryError};
use crate::io::{Block, Name, Op, Output, WaitDisk};

/// Zeroes written at a time. Few large writes: each makes the file longer, which the file system
/// has to commit.
const ZEROES: u64 = 8 << 20;

/// Makes the folders that every data directory has.
pub fn make_folders<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    layout: &Layout,
) -> Result<(), RecoveryError> {
    let listed = steps.run(Op::List { path: layout.own() });
    if listed.is_err() {
        // Nothing is made in a folder that may be somebody else's.
        check_is_new(steps, layout)?;
        steps.make_dir(layout.own())?;
    }
    for path in [layout.aside(), layout.trash()] {
        steps.make_dir(path)?;
    }
    steps.sync_dir(layout.own())?;
    Ok(steps.sync_dir(layout.data())?)
}

/// The catalog, or a new one where there's nothing yet.
pub fn read_catalog<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    plan: &Plan<'_>,
) -> Result<CatalogFile, RecoveryError> {
    let path = plan.layout.catalog();
    match steps.load(&path)? {
        Some(bytes) => CatalogFile::decode(&bytes)
            .map_err(|reason| RecoveryError::Catalog { path: path.display().to_string(), reason }),
        None => {
            check_is_new(steps, &plan.layout)?;
            Ok(CatalogFile {
                start_epoch: 0,
                cluster_id: plan.new_cluster_id,
                next_producer_id: 0,
                topics: Vec::new(),
                tombstones: Vec::new(),
            })
        }
    }
}

/// A data directory without a catalog must hold nothing else.
fn check_is_new<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    layout: &Layout,
) -> Result<(), RecoveryError> {
    let list = |steps: &mut Steps<'_, D>, path: &Path| match steps
        .run(Op::List { path: path.to_owned() })
    {
        Ok(Output::Names(names)) => names,
        _ => Vec::new(),
    };
    let own = list(steps, &layout.own());
    let data = list(steps, layout.data());
    let known = |n: &&Name| n.name != OWN_FOLDER && n.name != "lost+found";
    let partition = |n: &&Name| partition_folder::parse_folder_name(&n.name).is_some();
    let ours = !own.is_empty();
    let session = own.iter().find(|n| n.name.starts_with("session-"));
    let begun = own.iter().any(|n| n.name == "catalog.next");
    let evidence =
        session.filter(|_| !begun).or_else(|| data.iter().filter(|_| ours).find(partition));
    if let Some(evidence) = evidence {
        return Err(RecoveryError::CatalogMissing {
            path: layout.catalog().display().to_string(),
            evidence: evidence.name.clone(),
        });
    }
    match data.iter().find(known) {
        None => Ok(()),
        Some(other) => Err(RecoveryError::NotOurs {
            path: layout.data().display().to_string(),
            found: other.name.clone(),
        }),
    }
}

/// Begins a session: a folder with each core's first checkpoint and journal file, then the
/// catalog that names it. Returns that catalog.
pub fn begin<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    plan: &Plan<'_>,
    old: &CatalogFile,
    logs: &[Log],
) -> Result<CatalogFile, RecoveryError> {
    let layout = &plan.layout;
    let epoch = old.start_epoch + 1;
    // What an earlier start left that did not get as far as the catalog.
    steps.remove_dir(layout.session(epoch))?;
    steps.make_dir(layout.session(epoch))?;
    let folders = (0..plan.cores).map(|core| layout.core(epoch, core)).collect::<Vec<_>>();
    steps.all(folders.iter().map(|path| Op::MakeDir { path: path.clone() }))?;
    first_checkpoints(steps, plan, epoch, logs)?;
    first_journals(steps, plan, &folders)?;
    steps.all(folders.into_iter().map(|path| Op::SyncDir { path }))?;
    steps.sync_dir(layout.session(epoch))?;
    steps.sync_dir(layout.own())?;
    let catalog = CatalogFile { start_epoch: epoch, tombstones: Vec::new(), ..old.clone() };
    replace_catalog(steps, layout, &catalog)?;
    clear_away(steps, layout, epoch)?;
    Ok(catalog)
}

/// Each core's first checkpoint, in both slots, so that their names are durable before a later one
/// relies on one of them.
fn first_checkpoints<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    plan: &Plan<'_>,
    epoch: u32,
    logs: &[Log],
) -> Result<(), RecoveryError> {
    let mut stores = Vec::new();
    for core in 0..plan.cores {
        let folder = plan.layout.core(epoch, core);
        let owned = |l: &&Log| (plan.owner)(l.key.topic_id, l.key.partition) == core;
        let journal =
            JournalStart { file: 1, generation: 1, sequence: 1, ..JournalStart::default() };
        let partitions = logs.iter().filter(owned).map(Log::record).collect();
        let mut checkpoint =
            Checkpoint { sequence: 0, start_epoch: epoch, core, journal, partitions };
        for sequence in 0..2 {
            checkpoint.sequence = sequence;
            let mut data = Vec::new();
            checkpoint.encode(&mut data);
            let path = names::checkpoint(&folder, sequence);
            stores.push(Op::Store { path, at: 0, data });
        }
    }
    steps.all(stores)?;
    Ok(())
}

/// Each core's first journal file, zeroed.
fn first_journals<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    plan: &Plan<'_>,
    folders: &[PathBuf],
) -> Result<(), RecoveryError> {
    let mut files = Vec::new();
    for folder in folders {
        files.push(steps.open(names::journal(folder, 1))?.0);
    }
    let len = plan.journal_file_bytes;
    let mut zeroes = Block::new(ZEROES.min(len) as usize);
    zeroes.append_zeroes(zeroes.room());
    // A file's pieces one behind the other, as it grows with each.
    for at in (0..len).step_by(ZEROES as usize) {
        let part = ZEROES.min(len - at) as usize;
        let write = |&file| Op::Write { file, at, data: vec![zeroes.slice(0..part)] };
        steps.all(files.iter().map(write))?;
    }
    steps.all(files.into_iter().map(|file| Op::Close { file }))?;
    Ok(())
}

/// Replaces the catalog: after this, a restart sees the new one, or the old one whole.
fn replace_catalog<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    layout: &Layout,
    catalog: &CatalogFile,
) -> Result<(), RecoveryError> {
    steps.run(Op::Store { path: layout.catalog_next(), at: 0, data: catalog.encode() })?;
    steps.run(Op::Rename { from: layout.catalog_next(), to: layout.catalog() })?;
    Ok(steps.sync_dir(layout.own())?)
}

/// Removes what no start will look at again.
fn clear_away<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    layout: &Layout,
    epoch: u32,
) -> Result<(), RecoveryError> {
    let Output::Names(names) = steps.run(Op::List { path: layout.own() })? else { return Ok(()) };
    let current = format!("session-{epoch}");
    for name in names {
        if name.name.starts_with("session-") && name.name != current {
            remove_session(steps, &layout.own().join(&name.name))?;
        }
    }
    let Output::Names(trashed) = steps.run(Op::List { path: layout.trash() })? else {
        return Ok(());
    };
    for name in trashed {
        steps.remove_dir(layout.trash().join(&name.name))?;
    }
    Ok(())
}

/// Removes an old session, its large files many at once.
fn remove_session<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    folder: &Path,
) -> Result<(), RecoveryError> {
    let mut files = Vec::new();
    if let Output::Names(cores) = steps.run(Op::List { path: folder.to_owned() })? {
        for core in cores.iter().filter(|name| name.is_dir) {
            let path = folder.join(&core.name);
            let Output::Names(names) = steps.run(Op::List { path: path.clone() })? else {
                continue;
            };
            files.extend(names.iter().filter(|n| !n.is_dir).map(|n| path.join(&n.name)));
        }
    }
    steps.all(files.into_iter().map(|path| Op::Unlink { path }))?;
    Ok(steps.remove_dir(folder)?)
}
