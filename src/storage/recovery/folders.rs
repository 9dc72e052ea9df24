//! Looking at the partitions' folders, and clearing away what does not belong.

use std::collections::BTreeMap;
use std::path::PathBuf;

use duramen_protocol::TopicId;
use duramen_protocol::files::catalog::CatalogFile;
use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::files::partition_folder;
use duramen_protocol::files::partition_metadata;
use duramen_protocol::files::segment::SegmentFile;

use super::super::names::BESIDE_SUFFIX;
use super::super::retention::DELETED_SUFFIX;
use super::journals::optional_bytes;
use super::steps::Steps;
use super::{Folder, Plan, RecoveryError};
use crate::io::{Name, Op, Output, WaitDisk};

/// What every partition of the catalog has on disk.
pub fn look<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    plan: &Plan<'_>,
    catalog: &CatalogFile,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<PartitionKey, Folder>, RecoveryError> {
    let mut wanted: BTreeMap<String, PartitionKey> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for topic in &catalog.topics {
        for partition in 0..topic.partitions {
            let key = PartitionKey { topic_id: topic.id, partition };
            let path = plan.layout.partition(&topic.name, partition);
            wanted.insert(partition_folder::folder_name(&topic.name, partition), key);
            found.insert(key, Folder { path, ..Folder::default() });
        }
    }
    let present = partition_folders(steps, plan)?;
    let loads = present.iter().map(|path| Op::Load {
        path: path.join(partition_metadata::FILE_NAME),
        at: 0,
        max_len: 4096,
    });
    let ids: Vec<Option<TopicId>> = steps
        .run_all(loads)?
        .into_iter()
        .map(|result| {
            let text = optional_bytes(result)?.and_then(|b| String::from_utf8(b).ok());
            Ok(text.and_then(|t| partition_metadata::decode(&t).ok()))
        })
        .collect::<Result<_, RecoveryError>>()?;
    let mut ours = Vec::new();
    for (path, id) in present.into_iter().zip(ids) {
        let key = wanted.get(&file_name(&path));
        match (key, id) {
            (Some(key), Some(id)) if key.topic_id == id => ours.push((*key, path)),
            // Not described before the server stopped. Only what a checkpoint or a journal
            // says of it counts, so it can be nobody else's.
            (Some(key), None) => ours.push((*key, path)),
            (_, Some(id)) if catalog.tombstones.iter().any(|t| t.id == id) => {
                steps.remove_dir(path)?;
            }
            _ => set_aside(steps, plan, &path, notes)?,
        }
    }
    let listed = steps.all(ours.iter().map(|(_, path)| Op::List { path: path.clone() }))?;
    for ((key, path), output) in ours.into_iter().zip(listed) {
        let Output::Names(names) = output else { continue };
        found.insert(key, Folder::of(path, &names));
    }
    let deleted = found.values().flat_map(|f| f.deleted.clone());
    steps.all(deleted.map(|path| Op::Unlink { path }).collect::<Vec<_>>())?;
    Ok(found)
}

fn partition_folders<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    plan: &Plan<'_>,
) -> Result<Vec<PathBuf>, RecoveryError> {
    let data = plan.layout.data().to_owned();
    let Output::Names(names) = steps.run(Op::List { path: data.clone() })? else {
        return Ok(Vec::new());
    };
    let is_partition =
        |n: &&Name| n.is_dir && partition_folder::parse_folder_name(&n.name).is_some();
    Ok(names.iter().filter(is_partition).map(|n| data.join(&n.name)).collect())
}

fn set_aside<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    plan: &Plan<'_>,
    path: &std::path::Path,
    notes: &mut Vec<String>,
) -> Result<(), RecoveryError> {
    let aside = plan.layout.aside();
    let Output::Names(taken) = steps.run(Op::List { path: aside.clone() })? else {
        return Ok(());
    };
    let name = file_name(path);
    let free = |n: &String| !taken.iter().any(|t| t.name == *n);
    let mut to = name.clone();
    for i in 1.. {
        if free(&to) {
            break;
        }
        to = format!("{name}.{i}");
    }
    let to = aside.join(to);
    steps.run(Op::Rename { from: path.to_owned(), to: to.clone() })?;
    notes.push(format!(
        "{} is of no topic in the catalog and was moved to {}",
        path.display(),
        to.display()
    ));
    Ok(())
}

fn file_name(path: &std::path::Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Folder {
    fn of(path: PathBuf, names: &[Name]) -> Folder {
        let mut folder = Folder { path, ..Folder::default() };
        folder.described = names.iter().any(|n| n.name == partition_metadata::FILE_NAME);
        for name in names {
            if name.name.ends_with(DELETED_SUFFIX) || name.name.ends_with(BESIDE_SUFFIX) {
                folder.deleted.push(folder.path.join(&name.name));
            }
            let Some((base, kind)) = SegmentFile::parse(&name.name) else { continue };
            let Ok(base) = u64::try_from(base) else { continue };
            match kind {
                SegmentFile::Log => drop(folder.segments.insert(base, name.len)),
                SegmentFile::OffsetIndex => drop(folder.indexes.insert(base, name.len)),
                SegmentFile::TimeIndex => drop(folder.time_indexes.insert(base, name.len)),
                SegmentFile::Snapshot => folder.snapshots.push(base),
                SegmentFile::TxnIndex => {}
            }
        }
        folder
    }
}
