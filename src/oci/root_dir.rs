//! `dir:`: an image's files as files.
//!
//! They are written into a fresh directory beside the target, by descriptors of directories that are opened
//! without following links, and renamed to the target when all is there: whatever a layer holds, nothing is
//! written elsewhere, and a failed write leaves nothing behind. What a killed process leaves, the next one with
//! the same target removes. What the caller may not set (owners, devices, some attributes, without root) is told
//! in notes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags, chownat, fchmod, fsetxattr, linkat,
    makedev, mkdirat, mknodat, openat, symlinkat, utimensat,
};
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;

use super::partial::{self, PartialDir};
use super::{OciError, RootSink, place};
use crate::root_path::RootPath;
use crate::tarball::{Entry, EntryKind, Metadata};

/// A root file system that is being written.
#[derive(Debug)]
pub(super) struct RootDir {
    target: PathBuf,
    temporary: PartialDir,
    root: OwnedFd,
    /// The directory opened last; entries come sorted, so most lie in the same.
    last: Option<(RootPath, OwnedFd)>,
    /// Their modes and times are set at the end, when nothing is written into them any more.
    directories: Vec<(RootPath, Metadata)>,
    /// Owners that were not set: how many paths, and the first.
    owners: BTreeMap<(u32, u32), (u64, RootPath)>,
    notes: Vec<String>,
}

impl RootDir {
    /// Refuses a target that exists, unless it is an empty directory.
    pub(super) fn check_place(target: &Path) -> Result<(), OciError> {
        place::check_directory(target)?;
        match fs::read_dir(target).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(OciError::NotEmpty(target.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(OciError::io("open the directory", target)(source)),
        }
    }

    /// Begins a root file system beside its target.
    pub(super) fn create(target: &Path) -> Result<Self, OciError> {
        Self::check_place(target)?;
        // `/` and `..` have no name of their own.
        let absolute = std::path::absolute(target).map_err(OciError::io("find", target))?;
        let name = absolute.file_name().unwrap_or(OsStr::new("root")).to_string_lossy().into_owned();
        let parent = absolute.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(OciError::io("make the directory", parent))?;
        let prefix = format!(".{name}.partial-");
        partial::sweep(parent, &prefix);
        let temporary = partial::directory_in(parent, &prefix)?;
        let root = rustix::fs::open(temporary.path(), directory_flags(), Mode::empty())
            .map_err(|error| OciError::io("open", temporary.path())(error.into()))?;
        Ok(RootDir {
            target: absolute,
            temporary,
            root,
            last: None,
            directories: vec![(RootPath::root(), default_root())],
            owners: BTreeMap::new(),
            notes: Vec::new(),
        })
    }

    /// Sets modes and times of the directories, and renames the whole to its target: what was not set.
    pub(super) fn complete(mut self) -> Result<Vec<String>, OciError> {
        self.last = None;
        let directories = std::mem::take(&mut self.directories);
        for (path, metadata) in directories.iter().rev() {
            self.finish_directory(path, metadata).map_err(|error| self.failed(path, error))?;
        }
        self.temporary.rename(&self.target).map_err(OciError::io("rename to", &self.target))?;
        let owners = self.owners.into_iter().map(|((uid, gid), (count, first))| {
            format!("{count} paths should belong to {uid}:{gid}, the first is `{first}`")
        });
        self.notes.splice(0..0, owners);
        Ok(self.notes)
    }

    fn failed(&self, path: &RootPath, source: io::Error) -> OciError {
        OciError::Io { action: "write", path: self.target.join(path.relative()), source }
    }

    /// The directory that holds a path, opened component by component without following links.
    fn open_directory(&mut self, directory: &RootPath) -> io::Result<OwnedFd> {
        if let Some((last, fd)) = &self.last
            && last == directory
        {
            return fd.try_clone();
        }
        let mut fd = self.root.try_clone()?;
        for component in directory.components() {
            fd = openat(&fd, component, directory_flags(), Mode::empty())?;
        }
        self.last = Some((directory.clone(), fd.try_clone()?));
        Ok(fd)
    }

    fn write(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let Some(parent) = entry.path.parent() else {
            self.directories[0].1 = entry.metadata.clone();
            return Ok(());
        };
        let parent = self.open_directory(&parent)?;
        let name = entry.path.file_name();
        match &entry.kind {
            EntryKind::Directory => {
                mkdirat(&parent, name, Mode::from_raw_mode(0o700))?;
                self.directories.push((entry.path.clone(), entry.metadata.clone()));
                Ok(())
            }
            EntryKind::File { size } => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut file = File::from(openat(&parent, name, flags, Mode::from_raw_mode(0o600))?);
                let written = io::copy(content, &mut file)?;
                if written != *size {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the file is cut short in its layer",
                    ));
                }
                self.finish_opened(&file, &entry.path, &entry.metadata, true)
            }
            EntryKind::HardLink { target } => {
                let directory = self.open_directory(&target.parent().unwrap_or_else(RootPath::root))?;
                Ok(linkat(&directory, target.file_name(), &parent, name, AtFlags::empty())?)
            }
            EntryKind::Symlink { target } => {
                symlinkat(target.as_str(), &parent, name)?;
                self.finish_special(&parent, entry, false)
            }
            EntryKind::Fifo => {
                mknodat(&parent, name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
                self.finish_special(&parent, entry, true)
            }
            EntryKind::CharDevice { major, minor } => {
                self.device(&parent, entry, FileType::CharacterDevice, *major, *minor)
            }
            EntryKind::BlockDevice { major, minor } => {
                self.device(&parent, entry, FileType::BlockDevice, *major, *minor)
            }
        }
    }

    fn device(
        &mut self,
        parent: &OwnedFd,
        entry: &Entry,
        kind: FileType,
        major: u32,
        minor: u32,
    ) -> io::Result<()> {
        let mode = Mode::from_raw_mode(0o600);
        match mknodat(parent, entry.path.file_name(), kind, mode, makedev(major, minor)) {
            Ok(()) => self.finish_special(parent, entry, true),
            Err(Errno::PERM) => {
                let word = if kind == FileType::BlockDevice { "block" } else { "character" };
                self.notes.push(format!("the {word} device `{}` ({major}:{minor}) was not made", entry.path));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Owner, mode, attributes and time of something that is opened: in this order, since a new owner takes
    /// set-id bits and capabilities away, and a write sets the time.
    fn finish_opened(
        &mut self,
        file: &File,
        path: &RootPath,
        metadata: &Metadata,
        is_file: bool,
    ) -> io::Result<()> {
        let owned =
            self.owned(rustix::fs::fchown(file, Some(uid(metadata)), Some(gid(metadata))), path, metadata)?;
        let mut mode = metadata.mode & 0o7777;
        if !owned && is_file && mode & 0o6000 != 0 {
            // For another owner it would mean another thing.
            self.notes.push(format!("`{path}` should have mode {mode:04o}"));
            mode &= 0o1777;
        }
        fchmod(file, Mode::from_raw_mode(mode))?;
        for (name, value) in &metadata.xattrs {
            match fsetxattr(file, name.as_str(), value, XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => {
                    self.notes.push(format!("`{path}` should have the attribute `{name}`"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(rustix::fs::futimens(file, &times(metadata))?)
    }

    fn finish_directory(&mut self, path: &RootPath, metadata: &Metadata) -> io::Result<()> {
        let directory = File::from(self.open_directory(path)?);
        // A directory opened for its own sake must not keep the next from being opened.
        self.last = None;
        self.finish_opened(&directory, path, metadata, false)
    }

    /// Owner, mode and time of what cannot be opened.
    fn finish_special(&mut self, parent: &OwnedFd, entry: &Entry, has_mode: bool) -> io::Result<()> {
        let (name, metadata) = (entry.path.file_name(), &entry.metadata);
        let result =
            chownat(parent, name, Some(uid(metadata)), Some(gid(metadata)), AtFlags::SYMLINK_NOFOLLOW);
        self.owned(result, &entry.path, metadata)?;
        if has_mode {
            // Made a moment ago in a directory of ours: no link can stand here.
            rustix::fs::chmodat(parent, name, Mode::from_raw_mode(metadata.mode & 0o7777), AtFlags::empty())?;
        }
        for attribute in metadata.xattrs.keys() {
            self.notes.push(format!("`{}` should have the attribute `{attribute}`", entry.path));
        }
        Ok(utimensat(parent, name, &times(metadata), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Whether the owner was set; notes it where the caller may not.
    fn owned(&mut self, result: Result<(), Errno>, path: &RootPath, metadata: &Metadata) -> io::Result<bool> {
        match result {
            Ok(()) => Ok(true),
            Err(Errno::PERM | Errno::INVAL) => {
                let owner = (metadata.uid, metadata.gid);
                let (count, first) = self.owners.entry(owner).or_insert_with(|| (0, path.clone()));
                *count += 1;
                if *path < *first {
                    *first = path.clone();
                }
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl RootSink for RootDir {
    fn append(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), OciError> {
        self.write(entry, content).map_err(|error| self.failed(&entry.path, error))
    }
}

/// A root directory that no layer names.
fn default_root() -> Metadata {
    Metadata { mode: 0o755, uid: 0, gid: 0, mtime: super::MADE_AT, xattrs: BTreeMap::new() }
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn uid(metadata: &Metadata) -> Uid {
    Uid::from_raw(metadata.uid)
}

fn gid(metadata: &Metadata) -> Gid {
    Gid::from_raw(metadata.gid)
}

fn times(metadata: &Metadata) -> Timestamps {
    let time = Timespec { tv_sec: i64::try_from(metadata.mtime).unwrap_or(i64::MAX), tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
