//! The packages of a lock, fetched into the cache and listed; what one shows to be wanted comes beside the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};

use crate::arch::Arch;
use crate::cache::ContentId;
use crate::catalog::{MergedUsr, PackageFiles, catalogue_arriving};
use crate::distro::is_install_helper;
use crate::fetch::{self, Connections, Orders, Wanted, fetch_ordered};
use crate::lock::{Lock, LockError, LockedPackage};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::repository::roots;
use crate::select::{Wants, loader_for};
use crate::transport::below;

use super::incoming::{End, Event, Foresee, Incoming, Known, Listed, Locked, Place};
use super::{Forge, ForgeError, Loaded};

impl Forge<'_> {
    /// The files of some locked packages, in order of their names.
    pub(super) fn catalogued(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
        names: &BTreeSet<String>,
        links: &MergedUsr,
    ) -> Result<Vec<PackageFiles>, ForgeError> {
        let wants = Wants { files: names.clone(), ..Wants::default() };
        let listed = self.catalogued_ahead(recipe, lock, arch, wants, links, None)?;
        Ok(listed.whole.into_values().collect())
    }

    /// As [`Forge::catalogued`], and those of the packages that are wanted because of them. Each is listed as soon as it
    /// is there, while others come; what was listed before in this run is at hand.
    pub(super) fn catalogued_ahead(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
        wants: Wants,
        links: &MergedUsr,
        foresee: Option<&mut Foresee<'_>>,
    ) -> Result<Listed, ForgeError> {
        let packages = lock.packages_of(arch);
        let Loaded { packages: whole, outlines, .. } = &self.loaded;
        let know = |name: &str, is_whole: bool| -> Result<Option<Known>, LockError> {
            let Some(package) = packages.get(name) else { return Ok(None) };
            // What cannot be had for this recipe cannot be had from another's either.
            let wanted = self.wanted(recipe, lock, arch, package)?;
            let known = if is_whole { whole } else { outlines }.get(&package.content, links);
            let known = known.filter(|known| known.name == package.name && known.version == package.version);
            Ok(Some(known.map_or(Known::Not(wanted), Known::Listed)))
        };
        let slow = vec![self.mirrors.snapshot_root().to_owned()];
        let connections = Connections { slow, ..Connections::default() };
        let progress = Relay { to: self.progress, present: Mutex::new(BTreeMap::new()) };
        let looks_ahead = foresee.is_some();
        let nothing_more = &mut |_: &PackageFiles| Wants::default();
        let foresee = foresee.unwrap_or(nothing_more);
        let requires = |name: &str| {
            let locked = packages.get(name).filter(|_| looks_ahead);
            let requires = locked.into_iter().flat_map(|locked| &locked.requires);
            requires.filter(|name| !is_install_helper(recipe.conventions(), name)).cloned().collect()
        };
        let search = loader_for(recipe.conventions(), arch, None);
        let locked = Locked { know: &know, requires: &requires, outlines: search.as_ref() };
        let (orders, (tell, events)) = (Orders::default(), channel());
        let mut incoming = Incoming::new(&orders, locked, foresee, (tell.clone(), events));
        incoming.ask(wants);
        if incoming.is_open() {
            std::thread::scope(|scope| {
                let _closing = orders.closing();
                scope.spawn(|| {
                    let _end = End(tell.clone());
                    fetch_ordered(
                        &orders,
                        &self.transport,
                        &self.cache,
                        &connections,
                        &progress,
                        &|arrival| {
                            // Where nobody waits for it, it is there all the same.
                            let _ = tell.send(Event::Fetched(arrival));
                        },
                    );
                });
                let fill = &|place: Place, files| place.fill(files);
                catalogue_arriving(&mut incoming, links, &self.cache, &self.scratch, fill);
            });
        }
        let mut listed = incoming.end()?;
        listed.notes.iter().for_each(|note| self.progress.note(&note.to_string()));
        listed.whole.values().for_each(|package| whole.put(package, links));
        let instead = listed.instead.iter().filter_map(|name| listed.whole.get(name));
        listed.outlines.values().chain(instead).for_each(|package| outlines.put(package, links));
        listed.outlines.retain(|name, _| !listed.whole.contains_key(name));
        Ok(listed)
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
                    .map(|root| below(&root, &package.path))
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
    fn begin(&self, package: &Wanted) {
        self.to.expect(package.size);
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
