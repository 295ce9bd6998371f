//! Links that are made if there is a reason, which no package lists: to the commands of busybox, and those that
//! packages' scripts make.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::FileCatalog;
use crate::distro::PackageFormat;
use crate::effects::PackageEffects;
use crate::render::alpine::{command_links, command_programs};
use crate::render::debian::candidate_links;
use crate::root_path::RootPath;

use super::ForgeError;
use super::contents::contents;

/// The links that the programs catalogued so far would make.
#[derive(Default)]
pub(super) struct MadeLinks {
    /// By path, what each says.
    pub(super) links: BTreeMap<RootPath, String>,
    read: BTreeSet<RootPath>,
}

impl MadeLinks {
    /// Looks into what was catalogued since; `effects` are those of its packages' scripts.
    pub(super) fn update(
        &mut self,
        format: PackageFormat,
        catalog: &FileCatalog,
        effects: &BTreeMap<String, PackageEffects>,
    ) -> Result<(), ForgeError> {
        if format == PackageFormat::Deb {
            self.links = candidate_links(effects, catalog);
            return Ok(());
        }
        let programs = command_programs();
        let present: BTreeSet<RootPath> =
            programs.into_iter().filter(|path| !catalog.at(path).is_empty()).collect();
        if present.iter().any(|path| !self.read.contains(path)) {
            // A program that cannot be understood is told of where its links are made.
            self.links = command_links(&contents(catalog, &present)?).unwrap_or_default();
            self.read = present;
        }
        Ok(())
    }
}
