//! A suite's signed InRelease, and the Packages indexes that it vouches for.
//!
//! Follows the Debian wiki's `DebianRepository/Format`. Indexes are found by their path in InRelease, never by
//! its `Components`: that of the security archive says `updates/main` where the paths say `main`. Each is
//! compared with its size and SHA-256 before anything unpacks or parses it. Left out: flat repositories,
//! source packages, translations, and incremental updates (an index is fetched once per change, whole).

use std::sync::Arc;
use std::time::SystemTime;

use crate::cache::{Cache, SoundFile};
use crate::deb::release::Release;
use crate::digest::Digest;
use crate::transport::Transport;

mod in_release;
mod packed;

use packed::Packed;

use super::compression::Compression;
use super::index::KEPT;
use super::{IndexOrigin, IndexText, Note, OriginKind, RepositoryError, Source};

/// What loading an index takes.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Fetches.
    pub transport: &'a Transport,
    /// Keeps what was fetched.
    pub cache: &'a Cache,
    /// The time as of which signatures and dates must be valid; that of the snapshot, for snapshots.
    pub at: SystemTime,
    /// Whether an index whose `Valid-Until` has passed is used, with a note.
    pub allow_expired: bool,
}

/// A suite's InRelease file, verified and found to be current.
#[derive(Clone, Debug)]
pub struct SuiteRelease {
    source: Source,
    /// The root it came from; that of the source, or of one of its fallbacks.
    uri: String,
    digest: Digest,
    date: u64,
    release: Arc<Release>,
}

/// An index and what vouches for it.
pub type IndexPart = (IndexOrigin, IndexText);

/// Fetches and verifies the InRelease files of several suites, at the same time.
pub fn load_releases(
    sources: &[Source],
    access: Access<'_>,
    notes: &mut Vec<Note>,
) -> Result<Vec<SuiteRelease>, RepositoryError> {
    in_parallel(sources, |source| SuiteRelease::load(source, access), notes)
}

/// Loads the indexes of several suites for one architecture, at the same time, in their order.
pub fn load_indexes(
    releases: &[SuiteRelease],
    deb_arch: &str,
    access: Access<'_>,
    notes: &mut Vec<Note>,
) -> Result<Vec<IndexPart>, RepositoryError> {
    let parts = in_parallel(releases, |release| release.indexes(deb_arch, access), notes)?;
    Ok(parts.into_iter().flatten().collect())
}

/// Does something for each item on a thread of its own; the first item's error counts.
pub(super) fn in_parallel<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<(T, Vec<Note>), RepositoryError> + Sync,
    notes: &mut Vec<Note>,
) -> Result<Vec<T>, RepositoryError> {
    let work = &work;
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let mut values = Vec::with_capacity(results.len());
    for result in results {
        let (value, found) = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        notes.extend(found);
        values.push(value);
    }
    Ok(values)
}

impl SuiteRelease {
    /// Fetches, verifies and dates a suite's InRelease, from the first root that is the right one.
    pub fn load(source: &Source, access: Access<'_>) -> Result<(Self, Vec<Note>), RepositoryError> {
        let first = match Self::load_from(source, &source.uri, access) {
            Err(error) if error.is_wrong_place() && !source.fallbacks.is_empty() => error,
            result => return result,
        };
        for uri in &source.fallbacks {
            match Self::load_from(source, uri, access) {
                Err(error) if error.is_wrong_place() => {}
                Err(error) => return Err(error),
                Ok((release, mut notes)) => {
                    notes.push(Note::OtherMirror {
                        suite: source.suite.clone(),
                        wanted: source.uri.clone(),
                        used: uri.clone(),
                        reason: first.to_string(),
                    });
                    return Ok((release, notes));
                }
            }
        }
        Err(first)
    }

    fn load_from(
        source: &Source,
        uri: &str,
        access: Access<'_>,
    ) -> Result<(Self, Vec<Note>), RepositoryError> {
        let url = format!("{uri}/dists/{}/InRelease", source.suite);
        let (bytes, verified) = in_release::get(source, uri, &url, access)?;
        let release = Release::parse(&verified)
            .map_err(|error| RepositoryError::Release { url: url.clone(), source: error })?;
        in_release::check_identity(source, &url, &release)?;
        let date = release.date.ok_or_else(|| RepositoryError::NoDate { url: url.clone() })?;
        let mut notes = Vec::new();
        in_release::check_dates(source, uri, &release, date, access, &mut notes)?;
        let release = SuiteRelease {
            source: source.clone(),
            uri: uri.to_owned(),
            digest: Digest::of(&bytes),
            date,
            release: Arc::new(release),
        };
        Ok((release, notes))
    }

    /// The suite's InRelease.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// The digest of the InRelease file.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The indexes of all components for one architecture, in the components' order.
    pub fn indexes(
        &self,
        deb_arch: &str,
        access: Access<'_>,
    ) -> Result<(Vec<IndexPart>, Vec<Note>), RepositoryError> {
        let (mut parts, mut notes) = (Vec::new(), Vec::new());
        for component in &self.source.components {
            let own = format!("{component}/binary-{deb_arch}/Packages");
            let common = format!("{component}/binary-all/Packages");
            let separate = !self.release.all_within
                && self.release.architectures.iter().any(|arch| arch == "all")
                && self.lists(&common);
            if self.lists(&own) {
                let part = self.part(component, &own, deb_arch, access)?;
                // Some archives have the packages for all architectures in both places.
                let lacks_common = separate && !part.1.has_common();
                parts.push(part);
                if lacks_common {
                    parts.push(self.part(component, &common, deb_arch, access)?);
                }
            } else if separate {
                parts.push(self.part(component, &common, deb_arch, access)?);
            } else {
                self.check_lack(component, deb_arch)?;
                let note = Note::ArchLeftOut { suite: self.source.suite.clone(), arch: deb_arch.to_owned() };
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
        Ok((parts, notes))
    }

    fn lists(&self, path: &str) -> bool {
        Compression::ALL
            .iter()
            .any(|kind| self.release.files.contains_key(&format!("{path}{}", kind.ending())))
    }

    /// An index for one architecture: as it was cut down before, if that is kept of a copy that InRelease lists.
    fn part(
        &self,
        component: &str,
        path: &str,
        deb_arch: &str,
        access: Access<'_>,
    ) -> Result<IndexPart, RepositoryError> {
        let origin = IndexOrigin {
            kind: OriginKind::Archive,
            archive: self.source.archive_name.clone(),
            uri: self.uri.clone(),
            suite: self.source.suite.clone(),
            component: component.to_owned(),
            inrelease: self.digest,
            date: self.date,
        };
        let key = |digest: &Digest| Digest::of(format!("{deb_arch} {digest}").as_bytes());
        let kept = self.copies(path).into_iter().find_map(|(_, file)| {
            access.cache.derived_mapped(KEPT, &key(&file.digest)).and_then(IndexText::kept)
        });
        if let Some(text) = kept {
            return Ok((origin, text));
        }
        let (kind, packed) = self.packed(path, access, Packed::stored)?;
        // What cannot be kept is read as it is, and again the next time.
        let file = self.release.files.get(&format!("{path}{}", kind.ending()));
        let kept = file.and_then(|file| access.cache.derived_writer(KEPT, &key(&file.digest)).ok());
        let cut = kept.and_then(|kept| {
            let unpack = || kind.fast_reader(packed.reader());
            IndexText::unpacked(unpack, self.limit(path), (&origin, deb_arch), kept)
        });
        if let Some(text) = cut {
            return Ok((origin, text));
        }
        let (kind, bytes) = self.packed(path, access, SoundFile::bytes)?;
        Ok((origin, IndexText::vouched(self.unpack(path, kind, &bytes)?)))
    }

    /// Whether it is in order that a component has no index for an architecture.
    fn check_lack(&self, component: &str, deb_arch: &str) -> Result<(), RepositoryError> {
        let indexes = || {
            self.release.files.keys().filter_map(|path| {
                let (directory, name) = path.rsplit_once('/')?;
                let (component, arch) = directory.rsplit_once("/binary-")?;
                name.starts_with("Packages").then_some((component, arch))
            })
        };
        let sorted = |names: Vec<&str>| {
            let names: std::collections::BTreeSet<_> =
                names.into_iter().filter(|name| *name != "all").collect();
            names.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let (uri, suite) = (self.uri.clone(), self.source.suite.clone());
        let arches =
            sorted(indexes().filter(|(found, _)| *found == component).map(|(_, arch)| arch).collect());
        if arches.is_empty() {
            let available = sorted(indexes().map(|(component, _)| component).collect());
            return Err(RepositoryError::NoSuchComponent {
                uri,
                suite,
                component: component.to_owned(),
                available,
            });
        }
        if self.source.required {
            return Err(RepositoryError::NoSuchArch {
                uri,
                suite,
                arch: deb_arch.to_owned(),
                available: arches,
            });
        }
        Ok(())
    }

    /// The paths of the Contents indexes for one architecture, without the endings of compressions.
    pub(super) fn contents_paths(&self, deb_arch: &str) -> Vec<String> {
        let own = self.source.components.iter().map(|component| format!("{component}/Contents-{deb_arch}"));
        let mut paths: Vec<String> = own.filter(|path| self.lists(path)).collect();
        let common = format!("Contents-{deb_arch}");
        if paths.is_empty() && self.lists(&common) {
            paths.push(common);
        }
        paths
    }
}
