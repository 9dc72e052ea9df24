//! Folders and names, apart from the bytes of files.
//!
//! A folder has two tables: the names that the running system sees, and those that survive a
//! power cut for certain. A change (a file made, renamed or removed) alters the first at once
//! and waits in `pending` until each folder it touches was synced after it.
//!
//! At a power cut each pending change survives or not, but whole: a renamed file has its old
//! name or its new one, never both or neither. A change that follows another one on the same
//! name or the same file never survives without it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use fastrand::Rng;

use super::file::File;
use crate::io::{ErrorKind, Name};

/// Names a file or folder for as long as anything leads to it.
pub(super) type NodeId = u64;

const ROOT: NodeId = 0;

/// Why an operation was refused.
pub(super) struct Refusal {
    pub kind: ErrorKind,
    pub reason: String,
}

fn refuse<T>(kind: ErrorKind, reason: &str) -> Result<T, Refusal> {
    Err(Refusal { kind, reason: reason.to_string() })
}

/// Which of the two states of names.
#[derive(Clone, Copy)]
pub(super) enum View {
    Cached,
    Stable,
}

#[derive(Clone)]
enum Node {
    Folder(Folder),
    File(Box<File>),
}

#[derive(Clone, Default)]
struct Folder {
    cached: BTreeMap<String, NodeId>,
    stable: BTreeMap<String, NodeId>,
}

/// One name of a folder, set or (`to` is `None`) removed.
#[derive(Clone)]
struct Edit {
    folder: NodeId,
    name: String,
    was: Option<NodeId>,
    to: Option<NodeId>,
}

#[derive(Clone)]
struct Change {
    stamp: u64,
    edits: Vec<Edit>,
    /// Folders that still have to be synced.
    unsynced: BTreeSet<NodeId>,
}

impl Change {
    fn follows(&self, earlier: &Change) -> bool {
        self.edits.iter().any(|a| {
            earlier.edits.iter().any(|b| {
                let same_name = a.folder == b.folder && a.name == b.name;
                let nodes = [b.was, b.to];
                same_name || [a.was, a.to].iter().any(|n| n.is_some() && nodes.contains(n))
            })
        })
    }
}

#[derive(Clone)]
pub(super) struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    next: NodeId,
    pending: Vec<Change>,
    /// Bytes that all files together may occupy.
    pub capacity: Option<u64>,
}

impl Tree {
    pub fn new() -> Tree {
        let nodes = BTreeMap::from([(ROOT, Node::Folder(Folder::default()))]);
        Tree { nodes, next: ROOT + 1, pending: Vec::new(), capacity: None }
    }

    // ---- looking ----

    pub fn find(&self, path: &Path, view: View) -> Option<NodeId> {
        self.walk(&parts(path), view)
    }

    fn walk(&self, parts: &[&str], view: View) -> Option<NodeId> {
        parts.iter().try_fold(ROOT, |at, part| self.names(at, view)?.get(*part).copied())
    }

    fn names(&self, folder: NodeId, view: View) -> Option<&BTreeMap<String, NodeId>> {
        match (self.nodes.get(&folder)?, view) {
            (Node::Folder(folder), View::Cached) => Some(&folder.cached),
            (Node::Folder(folder), View::Stable) => Some(&folder.stable),
            (Node::File(_), _) => None,
        }
    }

    /// The file that `node` names, if it is one.
    pub fn file(&self, node: NodeId) -> Option<&File> {
        match self.nodes.get(&node)? {
            Node::File(file) => Some(file),
            Node::Folder(_) => None,
        }
    }

    pub fn file_mut(&mut self, node: NodeId) -> Option<&mut File> {
        match self.nodes.get_mut(&node)? {
            Node::File(file) => Some(file),
            Node::Folder(_) => None,
        }
    }

    /// All files, in order of their identity.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut File> {
        self.nodes.values_mut().filter_map(|node| match node {
            Node::File(file) => Some(&mut **file),
            Node::Folder(_) => None,
        })
    }

    pub fn list(&self, path: &Path) -> Result<Vec<Name>, Refusal> {
        let folder = self.find(path, View::Cached);
        let Some(names) = folder.and_then(|node| self.names(node, View::Cached)) else {
            return refuse(ErrorKind::NotFound, "no such folder");
        };
        let name = |(name, node): (&String, &NodeId)| Name {
            name: name.clone(),
            is_dir: self.file(*node).is_none(),
            len: self.file(*node).map_or(0, File::len),
        };
        Ok(names.iter().map(name).collect())
    }

    /// Bytes that files with a name or a user occupy.
    pub fn used(&self) -> u64 {
        let occupied = |node: &Node| match node {
            Node::File(file) if file.linked || file.handles > 0 => file.blocks.bytes(),
            _ => 0,
        };
        self.nodes.values().map(occupied).sum()
    }

    /// Whether `node` may come to cover the bytes of `range`.
    pub fn check_room(&self, node: NodeId, range: std::ops::Range<u64>) -> Result<(), Refusal> {
        let (Some(capacity), Some(file)) = (self.capacity, self.file(node)) else { return Ok(()) };
        let missing = file.blocks.missing(range);
        if missing > 0 && self.used() + missing > capacity {
            return refuse(ErrorKind::Full, "no space left on device");
        }
        Ok(())
    }

    // ---- changing ----

    /// Makes the file when it is not there.
    pub fn create(&mut self, path: &Path, stamp: u64) -> Result<(), Refusal> {
        match self.find(path, View::Cached) {
            Some(node) if self.file(node).is_some() => Ok(()),
            Some(_) => refuse(ErrorKind::Failed, "it is a folder"),
            None => self.add(path, Node::File(Box::default()), stamp),
        }
    }

    /// Makes the folder when it is not there.
    pub fn make_dir(&mut self, path: &Path, stamp: u64) -> Result<(), Refusal> {
        match self.find(path, View::Cached) {
            Some(node) if self.file(node).is_some() => refuse(ErrorKind::Failed, "it is a file"),
            Some(_) => Ok(()),
            None => self.add(path, Node::Folder(Folder::default()), stamp),
        }
    }

    fn add(&mut self, path: &Path, node: Node, stamp: u64) -> Result<(), Refusal> {
        let (folder, name) = self.place(path)?;
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, node);
        self.change(vec![Edit { folder, name, was: None, to: Some(id) }], stamp);
        Ok(())
    }

    /// The folder that `path` lies in, and its last part.
    fn place(&self, path: &Path) -> Result<(NodeId, String), Refusal> {
        let parts = parts(path);
        let Some((name, above)) = parts.split_last() else {
            return refuse(ErrorKind::Failed, "it is the root");
        };
        match self.walk(above, View::Cached) {
            Some(folder) if self.names(folder, View::Cached).is_some() => {
                Ok((folder, name.to_string()))
            }
            _ => refuse(ErrorKind::NotFound, "its folder is not there"),
        }
    }

    pub fn rename(&mut self, from: &Path, to: &Path, stamp: u64) -> Result<(), Refusal> {
        let Some(node) = self.find(from, View::Cached) else {
            return refuse(ErrorKind::NotFound, "no such file or folder");
        };
        let (old, new) = (self.place(from)?, self.place(to)?);
        let replaced = self.find(to, View::Cached);
        if replaced == Some(node) {
            return Ok(());
        }
        let onto_file = replaced.is_none_or(|at| self.file(at).is_some());
        if !onto_file || (replaced.is_some() && self.file(node).is_none()) {
            return refuse(ErrorKind::Failed, "a folder is in the way, or in its place a file");
        }
        if parts(to).starts_with(&parts(from)) {
            return refuse(ErrorKind::Failed, "a folder can't move into itself");
        }
        self.change(
            vec![
                Edit { folder: old.0, name: old.1, was: Some(node), to: None },
                Edit { folder: new.0, name: new.1, was: replaced, to: Some(node) },
            ],
            stamp,
        );
        Ok(())
    }

    pub fn unlink(&mut self, path: &Path, stamp: u64) -> Result<(), Refusal> {
        match self.find(path, View::Cached) {
            None => refuse(ErrorKind::NotFound, "no such file"),
            Some(node) if self.file(node).is_none() => refuse(ErrorKind::Failed, "it is a folder"),
            Some(node) => {
                let (folder, name) = self.place(path)?;
                self.change(vec![Edit { folder, name, was: Some(node), to: None }], stamp);
                Ok(())
            }
        }
    }

    /// Removes a folder and what is in it, from the leaves up; `rng` stops it half-way.
    pub fn remove_dir(
        &mut self,
        path: &Path,
        stamp: u64,
        rng: Option<&mut Rng>,
    ) -> Result<(), Refusal> {
        let Some(node) = self.find(path, View::Cached) else {
            return refuse(ErrorKind::NotFound, "no such folder");
        };
        if self.file(node).is_some() {
            return refuse(ErrorKind::Failed, "it is a file");
        }
        let (folder, name) = self.place(path)?;
        let mut edits = Vec::new();
        self.removals(node, &mut edits);
        edits.push(Edit { folder, name, was: Some(node), to: None });
        let done = rng.map_or(edits.len(), |rng| rng.usize(0..=edits.len()));
        for edit in edits.into_iter().take(done) {
            self.change(vec![edit], stamp);
        }
        Ok(())
    }

    fn removals(&self, folder: NodeId, edits: &mut Vec<Edit>) {
        for (name, node) in self.names(folder, View::Cached).into_iter().flatten() {
            self.removals(*node, edits);
            edits.push(Edit { folder, name: name.clone(), was: Some(*node), to: None });
        }
    }

    /// Alters the cached names, and notes that this is not durable.
    fn change(&mut self, edits: Vec<Edit>, stamp: u64) {
        for edit in &edits {
            if let Some(file) = edit.was.and_then(|node| self.file_mut(node)) {
                file.linked = false;
            }
            if let Some(file) = edit.to.and_then(|node| self.file_mut(node)) {
                file.linked = true;
            }
            self.set(edit, View::Cached);
        }
        let unsynced = edits.iter().map(|edit| edit.folder).collect();
        self.pending.push(Change { stamp, edits, unsynced });
    }

    fn set(&mut self, edit: &Edit, view: View) {
        let Some(Node::Folder(folder)) = self.nodes.get_mut(&edit.folder) else { return };
        let names = match view {
            View::Cached => &mut folder.cached,
            View::Stable => &mut folder.stable,
        };
        match edit.to {
            Some(node) => names.insert(edit.name.clone(), node),
            None => names.remove(&edit.name),
        };
    }

    // ---- surviving ----

    /// Makes changes in folder `path` up to `stamp` durable.
    pub fn sync_dir(&mut self, path: &Path, stamp: u64) -> Result<(), Refusal> {
        let folder = self.find(path, View::Cached);
        let Some(folder) = folder.filter(|node| self.names(*node, View::Cached).is_some()) else {
            return refuse(ErrorKind::NotFound, "no such folder");
        };
        for change in self.pending.iter_mut().filter(|change| change.stamp <= stamp) {
            change.unsynced.remove(&folder);
        }
        let mut durable: Vec<bool> =
            self.pending.iter().map(|change| change.unsynced.is_empty()).collect();
        for later in (0..durable.len()).rev() {
            if durable[later] {
                let change = &self.pending[later];
                let before = durable.iter_mut().zip(&self.pending).take(later);
                before.for_each(|(durable, earlier)| *durable |= change.follows(earlier));
            }
        }
        self.decide(&durable);
        Ok(())
    }

    /// Makes the pending changes that are marked durable, and keeps the others.
    fn decide(&mut self, durable: &[bool]) {
        let pending = std::mem::take(&mut self.pending);
        for (change, durable) in pending.into_iter().zip(durable) {
            if *durable {
                change.edits.iter().for_each(|edit| self.set(edit, View::Stable));
            } else {
                self.pending.push(change);
            }
        }
    }

    /// A power cut: everything that is not durable survives or not, and what does is all there
    /// is.
    pub fn settle(&mut self, rng: &mut Rng) {
        let manner = rng.u8(0..4);
        let mut durable: Vec<bool> = Vec::new();
        for (i, change) in self.pending.iter().enumerate() {
            let orphan =
                (0..i).any(|earlier| !durable[earlier] && change.follows(&self.pending[earlier]));
            durable.push(!orphan && [false, true, rng.bool(), rng.bool()][usize::from(manner)]);
        }
        self.decide(&durable);
        self.pending.clear();
        for node in self.nodes.values_mut() {
            match node {
                Node::Folder(folder) => folder.cached = folder.stable.clone(),
                Node::File(file) => file.settle(rng),
            }
        }
        self.forget_users();
    }

    /// Everything that the running system sees becomes durable.
    pub fn flush(&mut self) {
        self.pending.clear();
        for node in self.nodes.values_mut() {
            match node {
                Node::Folder(folder) => folder.stable = folder.cached.clone(),
                Node::File(file) => file.flush(),
            }
        }
    }

    /// The process is gone: no file is open.
    pub fn forget_users(&mut self) {
        self.files_mut().for_each(|file| (file.handles, file.syncing) = (0, 0));
        self.collect(&[]);
        let named: BTreeSet<NodeId> = self
            .nodes
            .values()
            .filter_map(|node| match node {
                Node::Folder(folder) => Some(folder.cached.values().copied()),
                Node::File(_) => None,
            })
            .flatten()
            .collect();
        for (id, node) in &mut self.nodes {
            if let Node::File(file) = node {
                file.linked = named.contains(id);
            }
        }
    }

    /// Drops every node that nothing leads to: no name, no pending change of a folder that is
    /// there, and none of `users`.
    pub fn collect(&mut self, users: &[NodeId]) {
        let mut found = BTreeSet::new();
        let mut open: Vec<NodeId> = users.to_vec();
        open.push(ROOT);
        while !open.is_empty() {
            while let Some(node) = open.pop() {
                if found.insert(node)
                    && let Some(Node::Folder(folder)) = self.nodes.get(&node)
                {
                    open.extend(folder.cached.values().chain(folder.stable.values()));
                }
            }
            let edits = self.pending.iter().flat_map(|change| &change.edits);
            let lives = edits.filter(|edit| found.contains(&edit.folder));
            let nodes = lives.flat_map(|edit| [edit.was, edit.to]).flatten();
            open.extend(nodes.filter(|node| !found.contains(node)));
        }
        self.nodes.retain(|id, _| found.contains(id));
        self.pending.retain(|change| change.edits.iter().any(|e| found.contains(&e.folder)));
    }

    /// The paths of all files in one view, sorted by their parts.
    pub fn paths(&self, view: View) -> Vec<String> {
        let mut paths = Vec::new();
        self.paths_below(ROOT, "", view, &mut paths);
        paths
    }

    fn paths_below(&self, folder: NodeId, prefix: &str, view: View, paths: &mut Vec<String>) {
        for (name, node) in self.names(folder, view).into_iter().flatten() {
            let path = format!("{prefix}/{name}");
            match self.file(*node) {
                Some(_) => paths.push(path),
                None => self.paths_below(*node, &path, view, paths),
            }
        }
    }
}

/// The parts of a path, counted from the root whether it says so or not.
///
/// # Panics
/// When it goes upwards, or is not UTF-8: the engine makes no such paths.
fn parts(path: &Path) -> Vec<&str> {
    let part = |component| match component {
        Component::RootDir | Component::CurDir => None,
        Component::Normal(part) => part.to_str(),
        _ => panic!("path {} goes upwards", path.display()),
    };
    path.components().filter_map(part).collect()
}
