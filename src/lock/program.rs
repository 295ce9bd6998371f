//! Programs that a recipe brings itself, in the lock: what each needs, and the packages that were found to have it.

use serde::{Deserialize, Serialize};

use crate::arch::Arch;

use super::Lock;

/// An ELF file of the recipe's own that needs libraries of packages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedProgram {
    /// The architecture it is for.
    pub arch: Arch,
    /// Its path in the image.
    pub path: String,
    /// The layer that brings it.
    pub layer: String,
    /// The names of the libraries that it needs and the recipe does not bring, sorted.
    pub needs: Vec<String>,
    /// The packages that have them, sorted.
    pub packages: Vec<String>,
}

impl Lock {
    /// The programs of one architecture, by path.
    pub fn programs_of(&self, arch: Arch) -> impl Iterator<Item = &LockedProgram> {
        self.programs.iter().filter(move |program| program.arch == arch)
    }

    /// Replaces the programs of one architecture.
    pub fn replace_programs(&mut self, arch: Arch, programs: Vec<LockedProgram>) {
        self.programs.retain(|program| program.arch != arch);
        self.programs.extend(programs);
        self.programs.sort();
    }
}
