//! Packages into the cache: several at a time, each compared with its digest or checksum.
//!
//! A package that the mirror no longer has is sought at its other addresses, in order. All failures of a run
//! are reported together. What is in the cache already is compared again where it was touched since. Which packages
//! are wanted may be found out while others come: [`Orders`].

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::apk::ApkError;
use crate::cache::{Cache, CacheError, ContentId, SoundFile, Stamp};
use crate::hint::Hint;
use crate::transport::{Transport, TransportError};

mod obtain;
mod orders;

pub use orders::Orders;

/// So many packages that are gone are told to be updated by name.
const FEW: usize = 3;

/// Failures that are told in full; the rest are counted.
const TOLD: usize = 10;

/// A package to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it may be, the likeliest place first.
    pub urls: Vec<String>,
    /// Its size in bytes.
    pub size: u64,
    /// What says which bytes it has.
    pub content: ContentId,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// How many downloads run at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// From all servers.
    pub all: usize,
    /// Of URLs that start with one of `slow`.
    pub few: usize,
    /// Servers that limit their clients, as the snapshot archive does.
    pub slow: Vec<String>,
}

impl Default for Connections {
    fn default() -> Self {
        Connections { all: 8, few: 2, slow: vec!["http://snapshot.debian.org/".to_owned()] }
    }
}

/// Is told how downloads get on, from several threads.
pub trait Progress: Sync {
    /// A package will be downloaded.
    fn begin(&self, package: &Wanted) {
        let _ = package;
    }
    /// How many bytes of a package are there. It can go back, when a download starts again.
    fn present(&self, package: &Wanted, bytes: u64) {
        let _ = (package, bytes);
    }
    /// A package is complete.
    fn end(&self, package: &Wanted) {
        let _ = package;
    }
}

impl Progress for () {}

/// Packages that are in the cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Where they are, in the order they were asked for.
    pub paths: Vec<PathBuf>,
    /// How many of them were downloaded.
    pub downloaded: usize,
    /// What is worth telling.
    pub notes: Vec<Note>,
}

/// Something worth telling that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The cached file was damaged.
    Damaged {
        /// The package, name and version.
        package: String,
    },
    /// The package was not where it was to be.
    Elsewhere {
        /// The package, name and version.
        package: String,
        /// Where it was found.
        url: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Damaged { package } => {
                write!(f, "the cached file of {package} was damaged and is fetched again")
            }
            Note::Elsewhere { package, url } => {
                write!(f, "{package} is no longer on the mirror and was taken from `{url}`")
            }
        }
    }
}

/// Why a package could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It is at none of its addresses any more.
    #[error("{package}: it is not on the mirror any more: {}", .tried.join("; "))]
    Gone {
        /// The package, name and version.
        package: String,
        /// What the servers said.
        tried: Vec<String>,
    },
    /// It is not in the cache, and nothing may be downloaded.
    #[error("{package}: it is not in the cache, and the build is offline")]
    Offline {
        /// The package, name and version.
        package: String,
    },
    /// Fetching it failed.
    #[error("{package}: {source}")]
    Transport {
        /// The package, name and version.
        package: String,
        /// What failed.
        source: TransportError,
    },
    /// What came is not the package that the index speaks of.
    #[error("{package}: `{url}` is not what it should be: {source}")]
    Forged {
        /// The package, name and version.
        package: String,
        /// Where it came from.
        url: String,
        /// What is wrong with it.
        source: ApkError,
    },
    /// Storing it failed.
    #[error("{package}: {source}")]
    Cache {
        /// The package, name and version.
        package: String,
        /// What failed.
        source: CacheError,
    },
}

/// Packages that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{}", describe(.failures, *.more))]
pub struct FetchError {
    /// What went wrong, in the order the packages were asked for; at most ten.
    pub failures: Vec<Failure>,
    /// How many more failed.
    pub more: usize,
}

fn describe(failures: &[Failure], more: usize) -> String {
    let mut text = match failures {
        [one] if more == 0 => return format!("cannot fetch {one}"),
        _ => format!("cannot fetch {} packages", failures.len() + more),
    };
    for failure in failures {
        let _ = write!(text, "\n  {failure}");
    }
    if more > 0 {
        let _ = write!(text, "\n  and {more} more");
    }
    text
}

impl Hint for FetchError {
    fn hints(&self) -> Vec<String> {
        let mut hints: Vec<String> = Vec::new();
        let few = self.failures.len() <= FEW;
        for failure in &self.failures {
            let own = match failure {
                Failure::Gone { package, .. } if few => {
                    let name = package.split(' ').next().unwrap_or_default();
                    vec![format!("run `rootforge lock --update {name}` to take the present version")]
                }
                Failure::Gone { .. } => vec![
                    "run `rootforge lock --update` to take the present versions".to_owned(),
                    "if the mirror is behind the lock, pass `--mirror` another one".to_owned(),
                ],
                Failure::Offline { .. } => {
                    vec!["build once without `--offline` to fill the cache".to_owned()]
                }
                Failure::Transport { source, .. } => source.hints(),
                Failure::Forged { source, .. } => source.hints(),
                Failure::Cache { source, .. } => source.hints(),
            };
            hints.extend(own.into_iter().filter(|hint| !hints.contains(hint)).collect::<Vec<_>>());
        }
        hints
    }
}

impl FetchError {
    /// Of failures in the order in which they are to be told; none where there are none.
    pub fn of(mut failures: Vec<Failure>) -> Option<Self> {
        let more = failures.len().saturating_sub(TOLD);
        failures.truncate(TOLD);
        (!failures.is_empty()).then_some(FetchError { failures, more })
    }
}

/// Where a package is that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obtained {
    /// In the cache from before, as far as can be told without reading it once more.
    Cached(PathBuf),
    /// In the cache now: its bytes were compared as they came.
    Downloaded(SoundFile),
}

impl Obtained {
    /// The archive.
    pub fn path(&self) -> &Path {
        match self {
            Obtained::Cached(path) => path,
            Obtained::Downloaded(file) => file.path(),
        }
    }

    /// What the archive was like when its bytes were compared, if nobody has touched it since.
    pub fn compared(&self) -> Option<Stamp> {
        match self {
            Obtained::Cached(_) => None,
            Obtained::Downloaded(file) => file.untouched(),
        }
    }
}

/// What became of a package that was asked for.
#[derive(Debug)]
pub struct Arrival {
    /// The package.
    pub package: Wanted,
    /// Where it is, if it could be had.
    pub outcome: Result<Obtained, Failure>,
    /// What is worth telling of it.
    pub notes: Vec<Note>,
}

/// Gets every package into the cache, and gives their places in the order they were asked for.
pub fn fetch(
    wanted: &[Wanted],
    transport: &Transport,
    cache: &Cache,
    connections: &Connections,
    progress: &dyn Progress,
) -> Result<Fetched, FetchError> {
    let orders = Orders::default();
    let unique: BTreeMap<ContentId, &Wanted> = wanted.iter().rev().map(|one| (one.content, one)).collect();
    for one in unique.into_values() {
        orders.ask(one.clone());
    }
    orders.close();
    let arrivals = Mutex::new(BTreeMap::new());
    fetch_ordered(&orders, transport, cache, connections, progress, &|arrival| {
        let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.insert(arrival.package.content, arrival);
    });
    let mut arrivals = arrivals.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut places: BTreeMap<ContentId, PathBuf> = BTreeMap::new();
    let (mut fetched, mut failures) = (Fetched::default(), Vec::new());
    for one in wanted {
        if let Some(Arrival { outcome, notes, .. }) = arrivals.remove(&one.content) {
            match outcome {
                Ok(obtained) => {
                    fetched.downloaded += usize::from(matches!(obtained, Obtained::Downloaded(_)));
                    fetched.notes.extend(notes);
                    places.insert(one.content, obtained.path().to_owned());
                }
                Err(failure) => failures.push(failure),
            }
        }
        // The same file may be asked for twice; if it failed, that is told.
        fetched.paths.extend(places.get(&one.content).cloned());
    }
    FetchError::of(failures).map_or(Ok(fetched), Err)
}

/// Gets packages into the cache as they are asked for, until no more will be; each is handed to `arrived`, from several
/// threads, as soon as it is there or turns out not to be had.
pub fn fetch_ordered(
    orders: &Orders,
    transport: &Transport,
    cache: &Cache,
    connections: &Connections,
    progress: &dyn Progress,
    arrived: &(dyn Fn(Arrival) + Sync),
) {
    let slow = obtain::Turns::new(connections.few.max(1));
    let source = obtain::Source { transport, cache, connections, slow: &slow, progress };
    let connection = || {
        let _closing = orders.closing();
        while let Some((package, mut notes)) = orders.next_missing() {
            let outcome = source.obtain(&package).map(|(obtained, note)| {
                notes.extend(note);
                obtained
            });
            arrived(Arrival { package, outcome, notes });
        }
    };
    // Where nothing is missing there is none.
    let connected = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // What the cache has is compared with its digest on all cores. Not on rayon's threads, which may all wait for
        // this.
        for _ in 0..rayon::current_num_threads() {
            scope.spawn(|| {
                let _closing = orders.closing();
                while let Some((package, _look)) = orders.next_unseen() {
                    if let Some(arrival) = source.look_up(&package, orders) {
                        arrived(arrival);
                    } else if connected.fetch_add(1, Ordering::Relaxed) < connections.all.max(1) {
                        scope.spawn(connection);
                    }
                }
            });
        }
    });
}
