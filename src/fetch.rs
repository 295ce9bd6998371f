//! Packages into the cache: several at a time, each compared with its digest or checksum.
//!
//! A package that the mirror no longer has is sought at its other addresses, in order. All failures of a run
//! are reported together. What is in the cache already is compared again where it was touched since.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::apk::ApkError;
use crate::cache::{Cache, CacheError, ContentId, Lookup, Partial, Verdict};
use crate::hint::Hint;
use crate::transport::{Expected, Transport, TransportError, is_remote};

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
    /// How many bytes will be downloaded, for how many packages.
    fn begin(&self, packages: usize, bytes: u64) {
        let _ = (packages, bytes);
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

/// A package that has come, or was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// What says which bytes it has.
    pub content: ContentId,
    /// Where it is.
    pub path: PathBuf,
}

/// Gets every package into the cache, and gives their places in the order they were asked for.
pub fn fetch(
    wanted: &[Wanted],
    transport: &Transport,
    cache: &Cache,
    connections: &Connections,
    progress: &dyn Progress,
) -> Result<Fetched, FetchError> {
    fetch_sending(wanted, transport, cache, connections, progress, &channel().0)
}

/// As [`fetch`]; each package is also sent on as soon as it is there, so that work on it begins while others come.
pub fn fetch_sending(
    wanted: &[Wanted],
    transport: &Transport,
    cache: &Cache,
    connections: &Connections,
    progress: &dyn Progress,
    arrivals: &Sender<Arrival>,
) -> Result<Fetched, FetchError> {
    let unique: BTreeMap<ContentId, &Wanted> = wanted.iter().rev().map(|one| (one.content, one)).collect();
    let looked_up = look_up(unique.keys(), cache);
    let (mut outcomes, mut notes, mut missing) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
    for (digest, lookup) in looked_up {
        let package = unique[&digest];
        match lookup {
            Ok(Lookup::Found(path)) => {
                // Where nobody waits for it, it is there all the same.
                let _ = arrivals.send(Arrival { content: digest, path: path.clone() });
                outcomes.insert(digest, Ok((path, None)));
                continue;
            }
            Ok(Lookup::Missing) => {}
            Ok(Lookup::Corrupt) => {
                notes.insert(digest, Note::Damaged { package: package.to_string() });
            }
            Err(source) => {
                outcomes.insert(digest, Err(Failure::Cache { package: package.to_string(), source }));
                continue;
            }
        }
        missing.push_back(package);
    }
    // As asked for: what is needed first comes first.
    let order: BTreeMap<ContentId, usize> =
        wanted.iter().enumerate().rev().map(|(at, one)| (one.content, at)).collect();
    missing.make_contiguous().sort_by_key(|package| order[&package.content]);
    let downloaded = missing.len();
    progress.begin(downloaded, missing.iter().map(|package| package.size).sum());
    outcomes.extend(download_all(missing, transport, cache, connections, progress, arrivals));

    let (mut fetched, mut failures) = (Fetched { downloaded, ..Fetched::default() }, Vec::new());
    for one in wanted {
        match outcomes.remove(&one.content) {
            Some(Ok((path, note))) => {
                fetched.notes.extend(notes.remove(&one.content));
                fetched.notes.extend(note.clone());
                outcomes.insert(one.content, Ok((path.clone(), None)));
                fetched.paths.push(path);
            }
            Some(Err(failure)) => failures.push(failure),
            // The same file was asked for twice and has failed already.
            None => {}
        }
    }
    if failures.is_empty() {
        return Ok(fetched);
    }
    let more = failures.len().saturating_sub(TOLD);
    failures.truncate(TOLD);
    Err(FetchError { failures, more })
}

/// Compares what the cache has with its digest, on all cores. Not on rayon's threads, which may all wait for this.
fn look_up<'a>(
    contents: impl Iterator<Item = &'a ContentId> + Send,
    cache: &Cache,
) -> BTreeMap<ContentId, Result<Lookup, CacheError>> {
    let (contents, found) = (Mutex::new(contents), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..rayon::current_num_threads() {
            scope.spawn(|| {
                loop {
                    let Some(content) = lock(&contents).next() else { break };
                    let lookup = cache.verified_blob(content);
                    lock(&found).insert(*content, lookup);
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

type Outcome = Result<(PathBuf, Option<Note>), Failure>;

/// Downloads what is missing, several packages at a time.
fn download_all(
    missing: VecDeque<&Wanted>,
    transport: &Transport,
    cache: &Cache,
    connections: &Connections,
    progress: &dyn Progress,
    arrivals: &Sender<Arrival>,
) -> Vec<(ContentId, Outcome)> {
    let threads = connections.all.clamp(1, missing.len().max(1));
    let queue = Mutex::new(missing);
    let outcomes = Mutex::new(Vec::new());
    let slow = Turns::new(connections.few.max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let arrivals = arrivals.clone();
            let (queue, outcomes, slow) = (&queue, &outcomes, &slow);
            scope.spawn(move || {
                loop {
                    let Some(package) = lock(queue).pop_front() else { break };
                    let outcome = obtain(package, transport, cache, connections, slow, progress);
                    if let Ok((path, _)) = &outcome {
                        progress.end(package);
                        let _ = arrivals.send(Arrival { content: package.content, path: path.clone() });
                    }
                    lock(outcomes).push((package.content, outcome));
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A thread that panics takes the program down with it; what it left is never used.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Downloads one package from the first address that has it.
fn obtain(
    package: &Wanted,
    transport: &Transport,
    cache: &Cache,
    connections: &Connections,
    slow: &Turns,
    progress: &dyn Progress,
) -> Outcome {
    let name = || package.to_string();
    if transport.is_offline() && package.urls.iter().all(|url| is_remote(url)) {
        return Err(Failure::Offline { package: name() });
    }
    let mut tried = Vec::new();
    for (at, url) in package.urls.iter().enumerate() {
        let _turn = connections.slow.iter().any(|start| url.starts_with(start)).then(|| slow.take());
        match download(package, url, transport, cache, progress) {
            Ok(path) => {
                let note = (at > 0).then(|| Note::Elsewhere { package: name(), url: url.clone() });
                return Ok((path, note));
            }
            Err(Failure::Transport { source, .. }) if source.is_missing() => tried.push(source.to_string()),
            Err(Failure::Transport { source: TransportError::Offline { .. }, .. }) if at > 0 => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::Gone { package: name(), tried })
}

fn download(
    package: &Wanted,
    url: &str,
    transport: &Transport,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<PathBuf, Failure> {
    let stored = |source| Failure::Cache { package: package.to_string(), source };
    let digest = match package.content {
        ContentId::Sha256(digest) => Some(digest),
        ContentId::Apk(_) => None,
    };
    let expected = Expected { digest, size: package.size };
    let mut attempts = 0;
    loop {
        attempts += 1;
        let partial = cache.partial(package.content).map_err(stored)?;
        let resumed = partial.path().metadata().is_ok_and(|metadata| metadata.len() > 0);
        let arrived =
            transport.download(url, partial.path(), expected, &|bytes| progress.present(package, bytes));
        match arrived {
            // Somebody deleted the cache between two steps: once more.
            Err(error) if attempts == 1 && error.is_vanished(partial.path()) => continue,
            Err(source) => return Err(Failure::Transport { package: package.to_string(), source }),
            Ok(()) => {}
        }
        if digest.is_none()
            && let Err(failure) = look_into(package, url, &partial)
        {
            partial.discard().map_err(stored)?;
            // The part that was there may have been of another file.
            if resumed && attempts == 1 {
                continue;
            }
            return Err(failure);
        }
        match partial.commit_checked() {
            Err(error) if attempts == 1 && error.is_vanished() => {}
            result => return result.map_err(stored),
        }
    }
}

/// Compares what came with what the index says, where that is more than a digest of the file.
fn look_into(package: &Wanted, url: &str, partial: &Partial) -> Result<(), Failure> {
    match package.content.judge(partial.path()) {
        Ok(Verdict::Sound | Verdict::Other(_)) => Ok(()),
        Ok(Verdict::Forged(source)) => {
            let name = url.rsplit('/').next().unwrap_or(url);
            let source = source.of(Path::new(name));
            Err(Failure::Forged { package: package.to_string(), url: url.to_owned(), source })
        }
        Err(source) => {
            let source = CacheError::Read { path: partial.path().to_owned(), source };
            Err(Failure::Cache { package: package.to_string(), source })
        }
    }
}

/// Lets a few threads at a time do something.
struct Turns {
    free: Mutex<usize>,
    changed: Condvar,
}

impl Turns {
    fn new(free: usize) -> Self {
        Turns { free: Mutex::new(free), changed: Condvar::new() }
    }

    fn take(&self) -> Turn<'_> {
        let mut free = lock(&self.free);
        while *free == 0 {
            free = self.changed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Turn(self)
    }
}

struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.changed.notify_one();
    }
}
