//! What packages declare for systemd in files of theirs -> what that would make: sysusers.d(5), tmpfiles.d(5) and units.
//!
//! Left out: what lies in `/etc`, which is the administrator's, but for what scripts write there; and drop-ins of an upper layer for a unit of a lower one.

use std::collections::{BTreeMap, BTreeSet};

use crate::effects::Effect;
use crate::effects::systemd::tmpfiles;
use crate::root_path::RootPath;

use super::super::fixed;
use super::super::script_files::source;
use super::{Setup, effects_in, units};

const UNITS: &str = "/usr/lib/systemd/system";
const ADMINISTRATORS_UNITS: &str = "/etc/systemd/system";

/// A file of sysusers.d(5).
pub(super) fn is_sysusers(path: &RootPath) -> bool {
    lies_in(path, "/usr/lib/sysusers.d", ".conf")
}

/// A file from which directories are made when a system starts.
pub(super) fn is_of_a_start(path: &RootPath) -> bool {
    is_tmpfiles(path) || is_unit(path) || is_drop_in(path)
}

fn is_tmpfiles(path: &RootPath) -> bool {
    lies_in(path, "/usr/lib/tmpfiles.d", ".conf")
}

fn is_unit(path: &RootPath) -> bool {
    lies_in(path, UNITS, ".service")
}

/// A file that adds to units (systemd.unit(5)).
fn is_drop_in(path: &RootPath) -> bool {
    path.parent().is_some_and(|directory| {
        lies_in(&directory, UNITS, "service.d") && lies_in(path, directory.as_str(), ".conf")
    })
}

fn lies_in(path: &RootPath, directory: &str, ending: &str) -> bool {
    path.as_str().ends_with(ending) && path.parent().is_some_and(|parent| parent.as_str() == directory)
}

impl Setup<'_> {
    /// The files of a package that declare something, stripped ones too.
    pub(super) fn declared(&self, package: &str, is_such: fn(&RootPath) -> bool) -> Vec<RootPath> {
        let files = self.catalog.files_of(package).map(|file| &self.catalog.get(file).1.entry.path);
        let mut declared: Vec<RootPath> = files.filter(|path| is_such(path)).cloned().collect();
        declared.sort();
        declared
    }

    /// What those files say.
    pub(super) fn declarations(&self, package: &str, is_such: fn(&RootPath) -> bool) -> Vec<String> {
        self.declared(package, is_such).iter().filter_map(|path| self.text(path)).collect()
    }

    /// What a package's declarations copy, where its source is there.
    pub(super) fn copied(&self, package: &str, contents: &BTreeMap<RootPath, Vec<u8>>) -> Vec<RootPath> {
        let paths = self.declared(package, is_tmpfiles);
        let texts =
            paths.iter().filter_map(|path| contents.get(path)).map(|text| String::from_utf8_lossy(text));
        let effects = texts.flat_map(|text| tmpfiles::effects(&text, |_| false, |_| true));
        let sources = effects.filter_map(|effect| match effect {
            Effect::Copy { from, .. } => Some(from),
            _ => None,
        });
        sources.collect()
    }

    /// What a package's declarations ask for beside accounts.
    pub(super) fn declared_effects(&self, package: &str) -> Vec<Effect> {
        let exists = |path: &RootPath| self.tree.leads(path);
        let has = |path: &RootPath| self.tree.leads(path) || source(self.catalog, path).is_some();
        // Files are read in the order of their names, and the first word on a directory
        // stands.
        let mut directories = BTreeSet::new();
        let is_first = |effect: &Effect| match effect {
            Effect::Directory { path, .. } => directories.insert(path.clone()),
            _ => true,
        };
        let tmpfiles = self.declarations(package, is_tmpfiles);
        let tmpfiles = tmpfiles.iter().flat_map(|text| tmpfiles::effects(text, exists, has));
        let mut effects: Vec<Effect> = tmpfiles.filter(is_first).collect();
        let login_group = |user: &str| self.accounts.login_gid(user).map(|gid| gid.to_string());
        for path in self.declared(package, is_unit) {
            let texts: Vec<String> =
                self.text(&path).into_iter().chain(self.drop_ins(package, &path)).collect();
            let unit = units::Unit::new(path.file_name(), &texts);
            let is_made = |path: &RootPath| directories.contains(path);
            let around = units::Around { exists: &exists, is_made: &is_made, login_group: &login_group };
            let made = units::effects(&unit, &around);
            directories.extend(made.iter().filter_map(units::made).cloned());
            effects.extend(made);
        }
        effects
    }

    /// The drop-ins of a unit, whichever package of this layer or those below has them, in the order of their names. Of
    /// two with the same name that counts whose directory says more of the unit's name; what the package's scripts write
    /// for the administrator counts most.
    fn drop_ins(&self, package: &str, unit: &RootPath) -> Vec<String> {
        let mut texts = BTreeMap::new();
        for directory in units::drop_in_directories(unit.file_name()) {
            let Ok(directory) = fixed(UNITS).join(&directory) else { continue };
            let within = self.contents.keys().filter(|path| path.parent().as_ref() == Some(&directory));
            texts.extend(within.filter_map(|path| Some((path.file_name(), self.text(path)?))));
        }
        let written = format!("{ADMINISTRATORS_UNITS}/{}.d", unit.file_name());
        for effect in effects_in(self.effects, package) {
            if let Effect::File { path, content, .. } = effect
                && lies_in(path, &written, ".conf")
            {
                texts.insert(path.file_name(), String::from_utf8_lossy(content).into_owned());
            }
        }
        texts.into_values().collect()
    }

    fn text(&self, path: &RootPath) -> Option<String> {
        self.contents.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}
