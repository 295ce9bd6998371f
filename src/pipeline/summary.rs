//! What there is to say of an image that was built.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::PackageFiles;
use crate::effects::PackageEffects;
use crate::layer::LayerPlan;
use crate::lock::LockedPackage;
use crate::root_path::RootPath;
use crate::select::{PluginCost, Selection, Warning, is_command};
use crate::tarball::{Entry, EntryKind};

/// Figures and warnings of one architecture. Sizes are in bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Packages that give files.
    pub packages: usize,
    /// Packages in the lock, less those on demand that were not asked for.
    pub locked: usize,
    /// Files and links that got in.
    pub files: usize,
    /// Files and links of the packages looked into, as far as is known of them, that did not.
    pub left_out: usize,
    /// What the image takes unpacked, contents only.
    pub unpacked: u64,
    /// What its layers take compressed.
    pub compressed: u64,
    /// What each package takes unpacked, largest first.
    pub sizes: Vec<PackageSize>,
    /// What is worth knowing.
    pub warnings: Vec<Warning>,
    /// What plug-ins cost, dearest first: each, and those of one directory together.
    pub plugins: Vec<PluginCost>,
    /// What packages' scripts would do and the image lacks: package, script and line.
    pub undone: Vec<String>,
    /// Programs that packages' scripts call to make what is each machine's own, by package.
    pub at_run_time: BTreeMap<String, Vec<String>>,
    /// Those of these programs that the image lacks, and the package that has them, if one that was looked into does.
    pub absent: BTreeMap<String, Option<String>>,
}

/// The space a package takes in an image, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSize {
    /// The package's name.
    pub package: String,
    /// The contents of its files that got in.
    pub bytes: u64,
}

impl Summary {
    /// Adds up what was planned; what layers take compressed shows when they are packed.
    pub(super) fn of<'p>(
        plans: &[LayerPlan],
        packages: &BTreeMap<&str, &LockedPackage>,
        looked_into: impl Iterator<Item = &'p PackageFiles>,
        selection: &Selection,
        undone: Vec<String>,
        effects: &BTreeMap<String, PackageEffects>,
    ) -> Self {
        let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
        let mut files = 0;
        let mut unpacked = 0;
        for plan in plans {
            for part in &plan.packages {
                let bytes: u64 = part.files.values().map(content_size).sum();
                *sizes.entry(&part.package).or_default() += bytes;
                unpacked += bytes;
                files += part.files.len() + part.others.len();
            }
            unpacked += plan.made.iter().map(|made| content_size(&made.entry)).sum::<u64>();
        }
        let mut sizes: Vec<PackageSize> = sizes
            .into_iter()
            .map(|(package, bytes)| PackageSize { package: package.to_owned(), bytes })
            .collect();
        sizes.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.package.cmp(&b.package)));
        let looked_into: Vec<&PackageFiles> = looked_into.collect();
        let seen: usize = looked_into
            .iter()
            .filter(|package| package.source.is_none())
            .flat_map(|package| &package.manifest.files)
            .filter(|file| file.entry.kind != EntryKind::Directory)
            .count();
        let at_run_time = sizes.iter().filter_map(|size| {
            let programs = &effects.get(&size.package)?.at_run_time;
            (!programs.is_empty()).then(|| (size.package.clone(), programs.clone()))
        });
        let at_run_time: BTreeMap<String, Vec<String>> = at_run_time.collect();
        Summary {
            absent: absent(plans, &looked_into, at_run_time.values().flatten()),
            at_run_time,
            packages: sizes.len(),
            locked: packages
                .values()
                .filter(|package| !package.on_demand || sizes.iter().any(|size| size.package == package.name))
                .count(),
            files,
            left_out: seen.saturating_sub(files),
            unpacked,
            compressed: 0,
            sizes,
            warnings: selection.warnings.iter().filter(|one| !is_made(one, plans)).cloned().collect(),
            plugins: selection.plugins.clone(),
            undone,
        }
    }
}

/// The programs of which no layer has a command by their name, and who has it.
fn absent<'p>(
    plans: &[LayerPlan],
    looked_into: &[&PackageFiles],
    programs: impl Iterator<Item = &'p String>,
) -> BTreeMap<String, Option<String>> {
    let is_its = |path: &RootPath, program: &str| is_command(path) && path.file_name() == program;
    let entries = |plan: &'_ LayerPlan, program: &str| {
        let packed = plan.packages.iter().flat_map(|part| part.files.values().chain(&part.others));
        packed.chain(plan.made.iter().map(|made| &made.entry)).any(|entry| is_its(&entry.path, program))
    };
    let absent = programs.filter(|program| !plans.iter().any(|plan| entries(plan, program)));
    let owner = |program: &str| {
        let has = |package: &&&PackageFiles| {
            package.manifest.files.iter().any(|file| is_its(&file.entry.path, program))
        };
        looked_into.iter().find(has).map(|package| package.name.clone())
    };
    absent.map(|program| (program.clone(), owner(program))).collect()
}

/// Whether a link leads to what was made after the selection, such as the bundle of certificates.
fn is_made(warning: &Warning, plans: &[LayerPlan]) -> bool {
    let Warning::Dangling { link, target } = warning else { return false };
    let target = link.link_target(target);
    plans.iter().flat_map(|plan| &plan.made).any(|made| made.entry.path == target)
}

fn content_size(entry: &Entry) -> u64 {
    match entry.kind {
        EntryKind::File { size } => size,
        _ => 0,
    }
}
