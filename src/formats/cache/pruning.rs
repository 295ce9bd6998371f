//! How large a cache is, and how it becomes smaller: what was used longest ago goes first.
//!
//! When a file was used last is its time of access, which reading brings up to date at most every ten minutes, or
//! that of its last change. While other processes use the cache, what was used within the last hour stays, so that
//! no build loses what it has just fetched.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Cache, CacheError, TAG_FILE, Usage};

/// How exactly it is known when a file was used last.
const EXACTLY: Duration = Duration::from_secs(600);

/// What was used so recently stays where others use the cache.
const RECENT: Duration = Duration::from_secs(3600);

/// Remembers how much there was, so that not every build has to count.
pub(super) const SIZE_FILE: &str = "size";

/// The blobs of base images. What names them there is small, and of use only with them.
const IMAGES: &str = "images/blobs";

/// What pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// What is gone.
    pub removed: Usage,
    /// What is left.
    pub left: Usage,
    /// Whether more would have had to go, and others use it.
    pub in_use: bool,
}

/// A file of a cache.
struct Found {
    kind: String,
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// Notes that a file is of use, as far as that is not known.
pub(super) fn note_use(file: &File, now: SystemTime) {
    let is_known = file.metadata().is_ok_and(|metadata| {
        let used = last_use(&metadata);
        now.duration_since(used).is_ok_and(|since| since < EXACTLY) || used > now
    });
    if !is_known {
        // Who may not, has a cache of somebody else's, whose affair it is.
        let _ = file.set_times(FileTimes::new().set_accessed(now));
    }
}

fn last_use(metadata: &fs::Metadata) -> SystemTime {
    let times = [metadata.accessed(), metadata.modified()];
    times.into_iter().flatten().max().unwrap_or(SystemTime::UNIX_EPOCH)
}

impl Cache {
    /// How much there is of each kind, by name: `blobs/sha256`, `derived/manifest-5` and so on.
    pub fn kinds(&self) -> Result<BTreeMap<String, Usage>, CacheError> {
        let mut kinds: BTreeMap<String, Usage> = BTreeMap::new();
        for found in self.files()? {
            let usage = kinds.entry(found.kind).or_default();
            usage.files += 1;
            usage.bytes += found.bytes;
        }
        Ok(kinds)
    }

    /// Deletes what was used longest ago until no more than so many bytes are left. What others use is told by the
    /// time given to [`Cache::at`]; without it nothing that others could use goes.
    pub fn prune(&self, limit: u64) -> Result<Pruned, CacheError> {
        // Nobody begins to use it meanwhile.
        let alone = self.use_alone();
        let mut files = self.files()?;
        files.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        let mut pruned = Pruned::default();
        pruned.left.files = files.len() as u64;
        pruned.left.bytes = files.iter().map(|found| found.bytes).sum();
        let recent = self.now.and_then(|now| now.checked_sub(RECENT)).unwrap_or(SystemTime::UNIX_EPOCH);
        for found in files {
            if pruned.left.bytes <= limit {
                break;
            }
            if alone.is_none() && found.used > recent {
                pruned.in_use = true;
                break;
            }
            match fs::remove_file(&found.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(CacheError::Write { path: found.path, source: error });
                }
                _ => {}
            }
            for (usage, sign) in [(&mut pruned.removed, true), (&mut pruned.left, false)] {
                usage.files = if sign { usage.files + 1 } else { usage.files - 1 };
                usage.bytes = if sign { usage.bytes + found.bytes } else { usage.bytes - found.bytes };
            }
        }
        self.remember(pruned.left.bytes, None);
        Ok(pruned)
    }

    /// Counts what somebody else has put below [`Cache::root`], in bytes; rather too much than too little.
    pub fn count(&self, bytes: u64) {
        self.added.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    }

    /// Notes that files below [`Cache::root`] which somebody else reads are of use.
    pub fn note(&self, paths: impl Iterator<Item = PathBuf>) {
        let Some(now) = self.now else { return };
        for file in paths.filter_map(|path| File::open(path).ok()) {
            note_use(&file, now);
        }
    }

    /// Holds to a limit at the end of a run: counts and deletes only where something was added and the limit may be
    /// reached by that.
    pub fn settle(&self, limit: u64) -> Result<(), CacheError> {
        let added = self.added.swap(0, std::sync::atomic::Ordering::Relaxed);
        if added == 0 {
            return Ok(());
        }
        // What others add meanwhile may be missing in it, as what a killed run has added: so not for long.
        let path = self.root.join(SIZE_FILE);
        let counted = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        let age = self.now.zip(counted).map(|(now, counted)| now.duration_since(counted).unwrap_or_default());
        let is_recent = age.is_some_and(|age| age < EXACTLY);
        let known = fs::read_to_string(&path).ok().filter(|_| is_recent);
        let known = known.and_then(|text| text.parse::<u64>().ok());
        let total = match known {
            Some(before) => added.saturating_add(before),
            None => self.files()?.iter().map(|found| found.bytes).sum(),
        };
        if total <= limit {
            self.remember(total, counted.filter(|_| known.is_some()));
            return Ok(());
        }
        // Below the limit, so that the next run has not to do it again.
        self.prune(limit - limit / 10).map(|_| ())
    }

    /// Remembers a size that was counted then, or just now. One that cannot be remembered is counted again.
    pub(super) fn remember(&self, bytes: u64, counted: Option<SystemTime>) {
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.root)?;
            file.write_all(bytes.to_string().as_bytes())?;
            counted.map_or(Ok(()), |counted| file.as_file().set_modified(counted))?;
            file.persist(self.root.join(SIZE_FILE))?;
            Ok(())
        };
        let _ = write();
    }

    /// The lock of one who deletes, if nobody else uses the cache.
    pub(super) fn use_alone(&self) -> Option<File> {
        // This process's own lock would be in the way.
        if let Some(own) = &self.in_use {
            let _ = fs4::FileExt::unlock(&**own);
        }
        let file = File::open(self.root.join(TAG_FILE)).ok()?;
        let alone = fs4::FileExt::try_lock(&file).is_ok();
        if let Some(own) = self.in_use.as_ref().filter(|_| !alone) {
            let _ = fs4::FileExt::lock_shared(&**own);
        }
        alone.then_some(file)
    }

    fn files(&self) -> Result<Vec<Found>, CacheError> {
        let mut found = Vec::new();
        for kind in self.kind_directories()? {
            let mut directories = vec![self.root.join(&kind)];
            while let Some(directory) = directories.pop() {
                for (path, metadata) in entries(&directory)? {
                    if metadata.is_dir() {
                        directories.push(path);
                    } else {
                        let (bytes, used) = (metadata.len(), last_use(&metadata));
                        found.push(Found { kind: kind.clone(), path, bytes, used });
                    }
                }
            }
        }
        Ok(found)
    }

    /// The directories that have something of one kind, below the root.
    fn kind_directories(&self) -> Result<Vec<String>, CacheError> {
        let mut kinds = vec!["partial".to_owned(), IMAGES.to_owned()];
        for group in ["blobs", "derived"] {
            for (path, metadata) in entries(&self.root.join(group))? {
                let name = path.file_name().and_then(|name| name.to_str());
                kinds.extend(name.filter(|_| metadata.is_dir()).map(|name| format!("{group}/{name}")));
            }
        }
        kinds.sort();
        Ok(kinds)
    }
}

/// What is in a directory; what goes meanwhile is left out.
fn entries(directory: &Path) -> Result<Vec<(PathBuf, fs::Metadata)>, CacheError> {
    let read = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(CacheError::Read { path: directory.to_owned(), source }),
    };
    let mut entries = Vec::new();
    for entry in read {
        let entry = entry.map_err(CacheError::read(directory))?;
        match entry.metadata() {
            Ok(metadata) => entries.push((entry.path(), metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(CacheError::Read { path: entry.path(), source }),
        }
    }
    Ok(entries)
}
