//! The packages of a lock, fetched into the cache and listed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};

use crate::arch::Arch;
use crate::cache::ContentId;
use crate::catalog::{MergedUsr, PackageArchive, PackageFiles, catalogue_arriving};
use crate::fetch::{self, Arrival, Connections, Wanted, fetch_sending};
use crate::lock::{Lock, LockError, LockedPackage};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::repository::roots;

use super::{Forge, ForgeError};

impl Forge<'_> {
    /// The files of some locked packages, in order of their names. Each is listed as soon as it is there, while others
    /// come; what was listed before in this run is at hand.
    pub(super) fn catalogued(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
        names: &BTreeSet<String>,
        links: &MergedUsr,
    ) -> Result<Vec<PackageFiles>, ForgeError> {
        let packages = lock.packages_of(arch);
        let locked = names.iter().filter_map(|name| packages.get(name.as_str()).copied());
        let known = |package: &&LockedPackage| {
            let known = self.loaded.packages.get(&package.content, links);
            known.filter(|known| known.name == package.name && known.version == package.version)
        };
        let mut all: BTreeMap<String, PackageFiles> = BTreeMap::new();
        let mut wanted: Vec<Wanted> = Vec::new();
        for package in locked {
            // What cannot be had for this recipe cannot be had from another's either.
            let one = self.wanted(recipe, lock, arch, package)?;
            match known(&package) {
                Some(known) => _ = all.insert(known.name.clone(), known),
                None => wanted.push(one),
            }
        }
        if wanted.is_empty() {
            return Ok(all.into_values().collect());
        }
        // Places are by size: what is large is begun first, so that at the end not all wait for one.
        wanted.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
        let slow = vec![self.mirrors.snapshot_root().to_owned()];
        let connections = Connections { slow, ..Connections::default() };
        let progress = Relay { to: self.progress, present: Mutex::new(BTreeMap::new()) };
        let (arrivals, arrived) = channel();
        let (fetched, listed) = std::thread::scope(|scope| {
            let fetching = scope.spawn(|| {
                let arrivals = arrivals;
                fetch_sending(&wanted, &self.transport, &self.cache, &connections, &progress, &arrivals)
            });
            let archives = InPlace { wanted: &wanted, arrived, waiting: BTreeMap::new() };
            let listed = catalogue_arriving(archives, links, &self.cache, &self.scratch);
            let fetched = fetching.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (fetched, listed)
        });
        for note in fetched?.notes {
            self.progress.note(&note.to_string());
        }
        for package in listed? {
            self.loaded.packages.put(&package, links);
            all.insert(package.name.clone(), package);
        }
        Ok(all.into_values().collect())
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

/// The packages that have come, with their places among those that are wanted: of those that are there the first, and
/// where none is, whichever comes next.
struct InPlace<'w> {
    wanted: &'w [Wanted],
    arrived: Receiver<Arrival>,
    waiting: BTreeMap<usize, PackageArchive>,
}

impl InPlace<'_> {
    fn add(&mut self, arrival: &Arrival) {
        let Arrival { content, path } = arrival;
        for (place, one) in self.wanted.iter().enumerate().filter(|(_, one)| one.content == *content) {
            let Wanted { name, version, .. } = one.clone();
            let archive = PackageArchive { name, version, content: *content, path: path.clone() };
            self.waiting.insert(place, archive);
        }
    }
}

impl Iterator for InPlace<'_> {
    type Item = (usize, PackageArchive);

    fn next(&mut self) -> Option<Self::Item> {
        while let Ok(arrival) = self.arrived.try_recv() {
            self.add(&arrival);
        }
        while self.waiting.is_empty() {
            let arrival = self.arrived.recv().ok()?;
            self.add(&arrival);
        }
        self.waiting.pop_first()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn what_is_first_of_those_that_have_come_is_next() {
        let wanted: Vec<Wanted> = ["a", "b", "c", "d"]
            .map(|name| Wanted {
                name: name.to_owned(),
                version: "1".to_owned(),
                urls: Vec::new(),
                size: 1,
                // Two of them are one file.
                content: Digest::of(name.replace('d', "a").as_bytes()).into(),
            })
            .into();
        let (arrivals, arrived) = channel();
        let come = |place: usize| {
            arrivals.send(Arrival { content: wanted[place].content, path: "p".into() }).unwrap();
        };
        let mut all = InPlace { wanted: &wanted, arrived, waiting: BTreeMap::new() };
        let mut next = || all.next().map(|(place, archive)| format!("{place}{}", archive.name));
        come(2);
        come(1);
        assert_eq!(next().as_deref(), Some("1b"));
        come(0);
        assert_eq!([next(), next(), next()].map(Option::unwrap), ["0a", "2c", "3d"]);
        drop(arrivals);
        assert_eq!(next(), None);
    }
}
