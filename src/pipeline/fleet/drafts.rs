//! A planned base -> its recipe, written, locked and measured in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::arch::Arch;
use crate::digest::Digest;
use crate::fleet::{
    BaseText, FleetPlan, PlannedBase, PulledLayer, content_of, largest_sources, name_of, quoted,
};
use crate::lock::Lock;
use crate::recipe::{Base, Recipe};

use super::super::side_by_side::side_by_side;
use super::super::{Forge, ForgeError, Prepared, Update};
use super::kept::KeptDraft;
use super::{Member, Outcome};

/// A base recipe that is not written yet.
pub(super) struct Draft {
    pub(super) recipe: Recipe,
    pub(super) lock: Lock,
    /// The digests of its lock and of those below.
    pub(super) locks: Vec<Digest>,
    pub(super) text: String,
    pub(super) layers: Vec<PulledLayer>,
    /// Its files, once anybody has asked for them.
    prepared: Mutex<Option<Arc<Prepared>>>,
}

/// Base recipes by their place among those that are planned.
pub(super) type Drafts = BTreeMap<usize, Draft>;

impl Outcome<'_> {
    /// Writes, locks and measures the bases in memory, under names that are not `taken`; at once those whose parents are
    /// there.
    pub(super) fn drafts(&self, mut taken: BTreeSet<String>) -> Result<Drafts, ForgeError> {
        let bases = &self.planned.bases;
        let on: Vec<Vec<usize>> = bases.iter().map(|base| self.members_on(base)).collect();
        let first = |number: usize| &self.members[on[number][0]];
        let names: Vec<String> =
            (0..bases.len()).map(|number| self.name(number, first(number).recipe, &mut taken)).collect();
        let (mut drafts, mut open) = (Drafts::new(), (0..bases.len()).collect::<Vec<_>>());
        while !open.is_empty() {
            let is_ready =
                |number: &usize| bases[*number].parent.is_none_or(|parent| drafts.contains_key(&parent));
            let (ready, later): (Vec<usize>, Vec<usize>) = open.into_iter().partition(is_ready);
            let made = side_by_side(
                &ready,
                |number| first(*number).forge,
                |forge, number| self.draft(forge, *number, &names[*number], &on[*number], &drafts),
            )?;
            drafts.extend(ready.into_iter().zip(made));
            open = later;
        }
        Ok(drafts)
    }

    /// The recipes whose images have the layers of a base, by their places.
    fn members_on(&self, base: &PlannedBase) -> Vec<usize> {
        let places = self.place_of.iter().enumerate();
        let on = places.filter(|(_, place)| place.is_some_and(|place| base.images.contains(&place)));
        on.map(|(member, _)| member).collect()
    }

    fn draft(
        &self,
        forge: &Forge<'_>,
        number: usize,
        name: &str,
        on: &[usize],
        below: &Drafts,
    ) -> Result<Draft, ForgeError> {
        let members: Vec<&Member<'_>> = on.iter().map(|member| &self.members[*member]).collect();
        let (base, first) = (&self.planned.bases[number], members[0]);
        let parent = base.parent.map(|parent| &below[&parent]);
        let path = self.options.directory.join(format!("{name}.toml"));
        let content = content_of(self.fleet, &self.holders, self.planned, number);
        let text = self.text(name, &members);
        // As it will be read, less what can only be read where it is written.
        let mut recipe = Recipe::parse(&text.recipe(&content, None), &path)?;
        recipe.snapshot.clone_from(&first.recipe.snapshot);
        // The directory that its own paths start at may not be there yet.
        recipe.keys = first.recipe.keys.iter().map(|key| first.recipe.absolute_path(key)).collect();
        let written = self.written(text, first.recipe, parent.is_some());
        let file =
            |draft: &Draft| draft.recipe.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = written.recipe(&content, parent.map(file).as_deref());
        recipe.text.clone_from(&text);
        recipe.base =
            parent.map(|parent| Box::new(Base { recipe: parent.recipe.clone(), prefix: PathBuf::new() }));
        let arch = self.options.arch;
        let base_lock = parent.map(|parent| &parent.lock);
        let below_it = parent.map_or(&[][..], |parent| &parent.locks);
        let of_members = on.iter().flat_map(|member| &self.locks[*member]);
        let locks: Vec<Digest> = below_it.iter().chain(of_members).copied().collect();
        let mut prepared = None;
        let kept = forge.drafted(&recipe, &locks, arch, || {
            let pins = pins(&members);
            let lock = forge.lock(&recipe, base_lock, &[arch], Some(&pins), &Update::Necessary)?;
            let parent = base.parent.map(|parent| self.prepared(forge, parent, below)).transpose()?;
            let files = prepared.insert(Arc::new(forge.prepare_on(parent, &recipe, &lock, arch)?));
            let layers = forge.measured(&recipe, &lock, files)?.pulled;
            Ok(KeptDraft { fingerprint: lock.fingerprint(), lock, layers })
        })?;
        let mut lock = kept.lock;
        lock.base = base_lock.cloned().map(Box::new);
        let below: BTreeSet<Digest> = below_of(below, base.parent, self.planned);
        let layers = kept.layers.into_iter().filter(|layer| !below.contains(&layer.key)).collect();
        let locks = std::iter::once(&kept.fingerprint).chain(below_it).copied().collect();
        Ok(Draft { recipe, lock, locks, text, layers, prepared: Mutex::new(prepared) })
    }

    /// The files of a base, which are prepared once for all that stands on it.
    pub(super) fn prepared(
        &self,
        forge: &Forge<'_>,
        number: usize,
        drafts: &Drafts,
    ) -> Result<Arc<Prepared>, ForgeError> {
        let draft = &drafts[&number];
        let mut prepared = draft.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = &*prepared {
            return Ok(Arc::clone(prepared));
        }
        let parent = self.planned.bases[number].parent;
        let parent = parent.map(|parent| self.prepared(forge, parent, drafts)).transpose()?;
        let made = forge.prepare_on(parent, &draft.recipe, &draft.lock, self.options.arch)?;
        Ok(Arc::clone(prepared.insert(Arc::new(made))))
    }

    /// A name that nothing has: of the distro for what stands on nothing, else of the source that most of it is from.
    fn name(&self, number: usize, recipe: &Recipe, taken: &mut BTreeSet<String>) -> String {
        let base = &self.planned.bases[number];
        let sources = largest_sources(self.fleet, &base.files);
        let mut wanted: Vec<String> = sources.iter().map(|source| name_of(source)).collect();
        if base.parent.is_none() {
            wanted.insert(0, recipe.conventions().id().to_owned());
        }
        let first = wanted.first().cloned().unwrap_or_default();
        let numbered = (2..).map(|number| format!("{first}-{number}"));
        let is_free = |name: &String| {
            !taken.contains(name) && !self.options.directory.join(format!("{name}.toml")).exists()
        };
        let name = wanted.into_iter().chain(numbered).find(is_free).unwrap_or(first);
        taken.insert(name.clone());
        name
    }

    /// What a base says beside what it holds.
    fn text(&self, name: &str, members: &[&Member<'_>]) -> BaseText {
        let recipe = members[0].recipe;
        let mut keys = Vec::new();
        if let Some(from) = recipe.from {
            keys.push(("from", quoted(&from.to_string())));
        }
        if members.iter().all(|member| !member.recipe.archs.is_empty()) {
            let archs: BTreeSet<Arch> =
                members.iter().flat_map(|member| member.recipe.archs.clone()).collect();
            keys.push(("arch", listed(archs.iter().map(|arch| arch.name()))));
        }
        if let Some(pockets) = &recipe.pockets {
            keys.push(("suites", listed(pockets.iter().map(|pocket| pocket.name()))));
        }
        let layers: BTreeSet<&str> = self
            .members
            .iter()
            .flat_map(|member| &member.recipe.layers)
            .map(|layer| layer.name.as_str())
            .collect();
        let mut prefix = name.to_owned();
        while layers.iter().any(|layer| layer.starts_with(&prefix)) {
            prefix.insert_str(0, "base-");
        }
        BaseText {
            comment: format!("What {} images have in common, as `rootforge plan` found it.", members.len()),
            name: name.to_owned(),
            keys,
            prefix,
            triplet: recipe.conventions().triplet(self.options.arch).unwrap_or_default().to_owned(),
        }
    }

    /// The text as it is written: what refines `from` is said by the lowest.
    fn written(&self, mut text: BaseText, recipe: &Recipe, has_parent: bool) -> BaseText {
        if has_parent {
            text.keys.retain(|(key, _)| *key == "arch");
            return text;
        }
        if let Some(snapshot) = &recipe.snapshot {
            text.keys.push(("snapshot", quoted(snapshot)));
        }
        if !recipe.keys.is_empty() {
            let paths = keys(recipe, &self.options.directory);
            let paths: Vec<String> = paths.iter().map(|key| key.display().to_string()).collect();
            text.keys.push(("keys", listed(paths.iter().map(String::as_str))));
        }
        text
    }
}

/// The layers of a base and of those that it stands on.
pub(super) fn below_of(drafts: &Drafts, mut at: Option<usize>, planned: &FleetPlan) -> BTreeSet<Digest> {
    let mut keys = BTreeSet::new();
    while let Some(number) = at {
        keys.extend(drafts[&number].layers.iter().map(|layer| layer.key));
        at = planned.bases[number].parent;
    }
    keys
}

/// A list of strings in TOML.
fn listed<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", texts.map(quoted).collect::<Vec<_>>().join(", "))
}

/// The keys of a recipe, as seen from another directory.
fn keys(recipe: &Recipe, directory: &Path) -> Vec<PathBuf> {
    recipe
        .keys
        .iter()
        .map(|key| {
            let name = key.file_name().unwrap_or_default();
            let held = key.parent().map_or_else(|| recipe.dir.clone(), |parent| recipe.dir.join(parent));
            relative(directory, &held).join(name)
        })
        .collect()
}

/// What the locks of several recipes have, together: where they differ, the first's.
fn pins(members: &[&Member<'_>]) -> Lock {
    let mut pins = members[0].lock.clone();
    let mut packages = BTreeMap::new();
    for package in members.iter().flat_map(|member| &member.lock.packages) {
        packages.entry((package.arch, package.name.clone())).or_insert_with(|| package.clone());
    }
    pins.packages = packages.into_values().collect();
    pins
}

/// The way from one directory to another.
pub(super) fn relative(from: &Path, to: &Path) -> PathBuf {
    let whole = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut parts: Vec<std::ffi::OsString> = Vec::new();
        for part in path.components() {
            match part {
                std::path::Component::ParentDir => _ = parts.pop(),
                std::path::Component::CurDir => {}
                part => parts.push(part.as_os_str().to_owned()),
            }
        }
        parts
    };
    let (from, to) = (whole(from), whole(to));
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(std::ffi::OsString::from(".."), from.len() - same);
    up.chain(to[same..].iter().cloned()).collect()
}
