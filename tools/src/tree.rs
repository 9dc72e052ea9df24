//! What a path stands for: a data folder, a partition's folder in it, or a single file.
//!
//! ```text
//! DATA/                        meta.properties, checkpoint files (Kafka's)
//! DATA/.duramen/               what is Duramen's alone: the catalog, and for each session and core
//!                              `session-<start epoch>/core-<n>/` with checkpoints and journals
//! DATA/<topic>-<partition>/    segments and their indexes, the same for both
//! ```
//!
//! Folders change while they are looked at: a listing is what was there at that moment.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use duramen_protocol::files::partition_folder::parse_folder_name;
use duramen_protocol::files::segment::SegmentFile;

use crate::kind::Kind;

/// The folder of what is Duramen's alone.
pub(crate) const OWN_FOLDER: &str = ".duramen";
/// How deep files may lie in [`OWN_FOLDER`].
const OWN_DEPTH_MAX: usize = 4;
/// Folders in [`OWN_FOLDER`] with partitions that are no more.
const OWN_LEFTOVERS: [&str; 2] = ["aside", "trash"];

/// What a path stands for.
pub(crate) enum Target {
    /// One file.
    File(PathBuf),
    /// A partition's folder.
    Partition(PathBuf),
    /// A folder with partitions in it.
    Data(DataFolder),
    /// [`OWN_FOLDER`], or a folder in it.
    Own(PathBuf),
}

/// A folder with partitions in it.
pub(crate) struct DataFolder {
    /// The partitions' folders, by topic and number.
    pub(crate) partitions: Vec<PathBuf>,
    /// [`OWN_FOLDER`], if it is there.
    pub(crate) own: Option<PathBuf>,
    /// Files that can be taken apart.
    pub(crate) files: Vec<PathBuf>,
    /// Everything else.
    pub(crate) unknown: Vec<PathBuf>,
}

/// The files of a partition.
#[derive(Default)]
pub(crate) struct PartitionFolder {
    /// The segments' files by base offset. Snapshots count, so there may be some without a log.
    pub(crate) segments: BTreeMap<i64, Vec<SegmentFile>>,
    /// Other files that can be taken apart.
    pub(crate) files: Vec<PathBuf>,
    /// Everything else.
    pub(crate) unknown: Vec<PathBuf>,
}

impl Target {
    /// Looks what `path` is.
    ///
    /// # Errors
    /// If it can't be looked at, or is a folder without anything that is known here.
    pub(crate) fn of(path: &Path) -> io::Result<Target> {
        if !std::fs::metadata(path)?.is_dir() {
            return Ok(Target::File(path.to_owned()));
        }
        if std::path::absolute(path)?.iter().any(|name| name == OWN_FOLDER) {
            return Ok(Target::Own(path.to_owned()));
        }
        if PartitionFolder::list(path)?.is_one() {
            return Ok(Target::Partition(path.to_owned()));
        }
        let data = DataFolder::list(path)?;
        if !data.is_empty() {
            return Ok(Target::Data(data));
        }
        // One that was just made has no files yet.
        if data.unknown.is_empty() && partition_of(path).is_some() {
            return Ok(Target::Partition(path.to_owned()));
        }
        let what = "neither a data folder nor a partition: it holds nothing that is known here";
        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
    }
}

impl DataFolder {
    /// Lists a folder.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn list(path: &Path) -> io::Result<DataFolder> {
        let (mut partitions, mut files, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        let mut own = None;
        for entry in sorted(path)? {
            match Kind::of_name(&entry) {
                _ if entry.is_dir() => match partition_of(&entry) {
                    Some(_) => partitions.push(entry),
                    None if entry.file_name() == Some(OWN_FOLDER.as_ref()) => own = Some(entry),
                    None => unknown.push(entry),
                },
                Some(_) => files.push(entry),
                None => unknown.push(entry),
            }
        }
        partitions.sort_by(|a, b| partition_of(a).cmp(&partition_of(b)));
        Ok(DataFolder { partitions, own, files, unknown })
    }

    fn is_empty(&self) -> bool {
        self.partitions.is_empty() && self.own.is_none() && self.files.is_empty()
    }
}

impl PartitionFolder {
    /// Lists a partition's folder.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn list(path: &Path) -> io::Result<PartitionFolder> {
        let mut folder = PartitionFolder::default();
        for entry in sorted(path)? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy();
            match (SegmentFile::parse(&name), Kind::of_name(&entry)) {
                (Some((base_offset, file)), _) => {
                    folder.segments.entry(base_offset).or_default().push(file);
                }
                (None, Some((Kind::LeaderEpochs | Kind::PartitionMetadata, _))) => {
                    folder.files.push(entry);
                }
                (None, _) => folder.unknown.push(entry),
            }
        }
        for files in folder.segments.values_mut() {
            files.sort();
        }
        Ok(folder)
    }

    /// Whether the files are those of a partition.
    fn is_one(&self) -> bool {
        !self.segments.is_empty() || !self.files.is_empty()
    }

    /// The base offsets of the segments that have a log.
    pub(crate) fn logs(&self) -> impl DoubleEndedIterator<Item = i64> {
        let with_log = self.segments.iter().filter(|(_, files)| files.contains(&SegmentFile::Log));
        with_log.map(|(base_offset, _)| *base_offset)
    }
}

/// All files in [`OWN_FOLDER`] or a folder in it, but for partitions that are no more.
///
/// # Errors
/// If a folder can't be read.
pub(crate) fn own_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in sorted(path)? {
            let is_leftover = OWN_LEFTOVERS.iter().any(|leftover| entry.ends_with(leftover));
            match entry.is_dir() {
                true if depth < OWN_DEPTH_MAX && !is_leftover => collect(&entry, depth + 1, files)?,
                true => {}
                false => files.push(entry),
            }
        }
        Ok(())
    }
    let mut files = Vec::new();
    collect(path, 1, &mut files)?;
    Ok(files)
}

/// The topic and partition that a folder's name stands for.
pub(crate) fn partition_of(path: &Path) -> Option<(&str, u32)> {
    parse_folder_name(path.file_name()?.to_str()?)
}

/// What a folder holds, by name.
///
/// # Errors
/// If it can't be read.
pub(crate) fn sorted(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = std::fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

/// Bytes in the files below `path`, as far as they can be seen: what a bar counts up to.
pub(crate) fn bytes_in(path: &Path) -> u64 {
    let Ok(target) = Target::of(path) else { return 0 };
    match target {
        Target::File(path) => len(&path),
        Target::Partition(path) => bytes_in_folder(&path),
        Target::Own(path) => {
            own_files(&path).unwrap_or_default().iter().map(|path| len(path)).sum()
        }
        Target::Data(data) => {
            let own = data.own.iter().map(|own| bytes_in(own)).sum::<u64>();
            own + data.partitions.iter().map(|path| bytes_in_folder(path)).sum::<u64>()
        }
    }
}

fn bytes_in_folder(path: &Path) -> u64 {
    let Ok(folder) = PartitionFolder::list(path) else { return 0 };
    folder.logs().map(|base_offset| len(&path.join(SegmentFile::Log.name(base_offset)))).sum()
}

fn len(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
