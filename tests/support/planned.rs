//! Layers as they would be packed, without packing them: what each holds, and the tree of all.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use rootforge::cache::Cache;
use rootforge::catalog::Scratch;
use rootforge::layer::LayerPlan;
use rootforge::lock::Lock;
use rootforge::oci::MergedTree;
use rootforge::pipeline::{Forge, Loaded, Options, Prepared, Update};
use rootforge::progress::Silent;
use rootforge::recipe::Recipe;
use rootforge::render::Content;
use rootforge::repository::{MachineSources, MirrorInputs, Mirrors};
use rootforge::tarball::{Entry, Metadata};
use rootforge::transport::{Transport, TransportOptions};

use super::{Arch, Rig};

/// Plans recipes for amd64, in this process.
pub struct Planner {
    forge: Forge<'static>,
}

/// A recipe, resolved and selected.
pub struct Chosen {
    pub recipe: Recipe,
    lock: Lock,
    prepared: Prepared,
}

impl Planner {
    /// With the archive of a rig.
    pub fn of(rig: &Rig) -> Self {
        let archive = rig.path("archive").display().to_string();
        let given = ["debian", "debian-security"].map(|name| (name.to_owned(), archive.clone()));
        Self::new(&rig.cache(), &MirrorInputs { given: given.into(), ..MirrorInputs::default() })
    }

    /// With the mirrors that this machine's sources name.
    pub fn of_machine(cache: &Path) -> Self {
        Self::new(cache, &MirrorInputs { machine: MachineSources::read(), ..MirrorInputs::default() })
    }

    fn new(cache: &Path, mirrors: &MirrorInputs) -> Self {
        let forge = Forge {
            cache: Cache::open(cache).unwrap(),
            scratch: Scratch::default(),
            transport: Transport::new(TransportOptions::default()).unwrap(),
            mirrors: Mirrors::new(mirrors).unwrap(),
            loaded: Loaded::default(),
            now: SystemTime::now(),
            options: Options::default(),
            progress: &Silent,
        };
        Planner { forge }
    }

    pub fn choose(&self, recipe: Recipe) -> Chosen {
        let lock = self.lock(&recipe);
        let prepared = self.forge.prepare(&recipe, &lock, Arch::Amd64);
        let prepared = prepared.unwrap_or_else(|error| panic!("{}\n{error:?}", recipe.text));
        Chosen { recipe, lock, prepared }
    }

    fn lock(&self, recipe: &Recipe) -> Lock {
        let base = recipe.base.as_ref().map(|base| self.lock(&base.recipe));
        let lock = self.forge.lock(recipe, base.as_ref(), &[Arch::Amd64], None, &Update::Necessary);
        lock.unwrap_or_else(|error| panic!("{}\n{error:?}", recipe.text))
    }

    /// The layers of what was chosen, lowest first; `recipe` may say otherwise how they are grouped.
    pub fn layers(&self, chosen: &Chosen, recipe: &Recipe) -> Vec<LayerPlan> {
        self.forge.plan(recipe, &chosen.lock, &chosen.prepared).unwrap().layers
    }
}

/// What an archive of the layer would have, in its order, with where the content is from.
fn members(plan: &LayerPlan) -> Vec<(Entry, String)> {
    let mut members: Vec<(Entry, String)> =
        plan.directories.iter().map(|entry| (entry.clone(), String::new())).collect();
    for part in &plan.packages {
        let name = &part.package;
        members.extend(part.files.iter().map(|(index, entry)| (entry.clone(), format!("{name} {index}"))));
        members.extend(part.others.iter().map(|entry| (entry.clone(), String::new())));
    }
    members.extend(plan.made.iter().map(|made| {
        let content = match &made.content {
            Content::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Content::Host(path) => path.display().to_string(),
        };
        (made.entry.clone(), content)
    }));
    members
}

/// The tree of layers laid over each other: what stands at each path. No path may stand twice in a layer, nor
/// anything hide what is below.
pub fn tree(layers: &[LayerPlan]) -> BTreeMap<String, String> {
    let layers: Vec<Vec<(Entry, String)>> = layers.iter().map(members).collect();
    let mut tree = MergedTree::new();
    for (number, members) in layers.iter().enumerate() {
        let entries: Vec<Entry> = members.iter().map(|(entry, _)| entry.clone()).collect();
        assert_eq!(tree.apply(&entries), [], "layer {number}");
    }
    let told = tree.iter().map(|(path, node)| {
        let Metadata { mode, uid, gid, mtime, xattrs } = &node.metadata;
        let content = node.content.map(|id| layers[id.layer][id.entry].1.as_str()).unwrap_or_default();
        let told = format!("{:?} {mode:o} {uid}:{gid} {mtime} {xattrs:?} {content:?}", node.kind);
        (path.to_string(), told)
    });
    told.collect()
}

/// Fails, telling the paths, where two trees differ.
#[track_caller]
pub fn assert_same_tree(what: &str, one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) {
    let mut told = String::new();
    for path in one.keys().chain(other.keys().filter(|path| !one.contains_key(*path))) {
        let (one, other) = (one.get(path), other.get(path));
        if one != other {
            told.push_str(&format!(
                "{path}\n  {}\n  {}\n",
                one.map_or("-", |one| one),
                other.map_or("-", |other| other)
            ));
        }
    }
    assert!(told.is_empty(), "{what}:\n{told}");
}
