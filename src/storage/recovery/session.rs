//! The catalog, and beginning a session.

use std::path::Path;

use duramen_protocol::files::catalog::CatalogFile;
use duramen_protocol::files::checkpoint::{Checkpoint, JournalStart};
use duramen_protocol::files::partition_folder;

use super::super::log::Log;
use super::super::names::{self, Layout, OWN_FOLDER};
use super::steps::Steps;
use super::{Plan, RecoveryError};
use crate::io::{Block, Name, Op, Output, WaitDisk};

/// Zeroes written at a time.
const ZEROES: u64 = 1 << 20;

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
    for core in 0..plan.cores {
        begin_core(steps, plan, epoch, core, logs)?;
    }
    steps.sync_dir(layout.session(epoch))?;
    steps.sync_dir(layout.own())?;
    let catalog = CatalogFile { start_epoch: epoch, tombstones: Vec::new(), ..old.clone() };
    replace_catalog(steps, layout, &catalog)?;
    clear_away(steps, layout, epoch)?;
    Ok(catalog)
}

fn begin_core<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    plan: &Plan<'_>,
    epoch: u32,
    core: u32,
    logs: &[Log],
) -> Result<(), RecoveryError> {
    let folder = plan.layout.core(epoch, core);
    steps.make_dir(&folder)?;
    let owned = |l: &&Log| (plan.owner)(l.key.topic_id, l.key.partition) == core;
    let mut checkpoint = Checkpoint {
        sequence: 0,
        start_epoch: epoch,
        core,
        journal: JournalStart { file: 1, generation: 1, sequence: 1, ..JournalStart::default() },
        partitions: logs.iter().filter(owned).map(Log::record).collect(),
    };
    // Both slots, so that their names are durable before a checkpoint relies on one.
    for sequence in 0..2 {
        checkpoint.sequence = sequence;
        let mut data = Vec::new();
        checkpoint.encode(&mut data);
        let path = names::checkpoint(&folder, sequence);
        steps.run(Op::Store { path, at: 0, data })?;
    }
    let (file, _) = steps.open(names::journal(&folder, 1))?;
    let mut zeroes = Block::new(ZEROES as usize);
    zeroes.append_zeroes(ZEROES as usize);
    let len = plan.journal_file_bytes;
    let writes = (0..len.div_ceil(ZEROES)).map(|i| {
        let part = ZEROES.min(len - i * ZEROES) as usize;
        Op::Write { file, at: i * ZEROES, data: vec![zeroes.slice(0..part)] }
    });
    // One behind the other: the file grows with each.
    for write in writes {
        steps.run(write)?;
    }
    steps.close(file)?;
    Ok(steps.sync_dir(folder)?)
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
            steps.remove_dir(layout.own().join(&name.name))?;
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
