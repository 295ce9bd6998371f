//! The packages of a lock, fetched into the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::arch::Arch;
use crate::cache::ContentId;
use crate::catalog::PackageArchive;
use crate::fetch::{self, Connections, Wanted, fetch};
use crate::lock::{Lock, LockError, LockedPackage};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::repository::roots;

use super::{Forge, ForgeError};

impl Forge<'_> {
    /// The archives of some locked packages, in order of their names.
    pub(super) fn fetch(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
        names: &BTreeSet<String>,
    ) -> Result<Vec<PackageArchive>, ForgeError> {
        let packages = lock.packages_of(arch);
        let wanted: Vec<(&LockedPackage, Wanted)> = names
            .iter()
            .filter_map(|name| packages.get(name.as_str()).copied())
            .map(|package| Ok((package, self.wanted(recipe, lock, arch, package)?)))
            .collect::<Result<_, LockError>>()?;
        let downloads: Vec<Wanted> = wanted.iter().map(|(_, wanted)| wanted.clone()).collect();
        let slow = vec![self.mirrors.snapshot_root().to_owned()];
        let connections = Connections { slow, ..Connections::default() };
        let progress = Relay { to: self.progress, present: Mutex::new(BTreeMap::new()) };
        let fetched = fetch(&downloads, &self.transport, &self.cache, &connections, &progress)?;
        for note in fetched.notes {
            self.progress.note(&note.to_string());
        }
        let archives = wanted.iter().zip(fetched.paths).map(|((package, _), path)| PackageArchive {
            name: package.name.clone(),
            version: package.version.clone(),
            content: package.content,
            path,
        });
        Ok(archives.collect())
    }

    fn wanted(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
        package: &LockedPackage,
    ) -> Result<Wanted, LockError> {
        let urls = match &package.repository {
            None => vec![recipe.absolute_path(package.path.as_ref()).display().to_string()],
            Some(repository) => {
                let archive = repository.rsplit_once(' ').map_or(repository.as_str(), |(archive, _)| archive);
                roots(recipe, archive, &self.mirrors, lock.date(arch))
                    .into_iter()
                    .map(|root| format!("{root}/{}", package.path))
                    .collect()
            }
        };
        if urls.is_empty() {
            return Err(LockError::ForeignRepository {
                package: package.label(),
                repository: package.repository.clone().unwrap_or_default(),
            });
        }
        Ok(Wanted {
            name: package.name.clone(),
            version: package.version.clone(),
            urls,
            size: package.size,
            content: package.content,
        })
    }
}

/// Turns what is present of each package into how much is new.
struct Relay<'a> {
    to: &'a dyn Progress,
    present: Mutex<BTreeMap<ContentId, u64>>,
}

impl fetch::Progress for Relay<'_> {
    fn begin(&self, _: usize, bytes: u64) {
        self.to.expect(bytes);
    }

    fn present(&self, package: &Wanted, bytes: u64) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let before = present.entry(package.content).or_default();
        if bytes > *before {
            self.to.advance(bytes - *before);
            *before = bytes;
        }
    }
}
