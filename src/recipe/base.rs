//! `base`: another recipe, whose layers come first, and what is inherited from it.
//!
//! `from` with what refines it, repositories, run-time rules and accounts are the base's; what the upper recipe says
//! must not contradict them. `env` and `labels` are merged, the upper winning; other keys of `[image]` are inherited
//! unless set; tests, strip and variants are not. Bases may have bases.
//!
//! A base that is an image ([`super::BaseImage`]) has a recipe that stands for it, of which nothing is inherited here.

use std::path::{Path, PathBuf};

use super::base_image;
use super::findings::Findings;
use super::image::ImageConfig;
use super::origin::Origin;
use super::problems::quoted;
use super::reader::Value;
use super::repository::{Location, Repositories};
use super::{Layer, Pattern, Recipe, RecipeError};

/// How deep bases may lie.
const MAX_DEPTH: usize = 32;

/// A base, and where it lies seen from the recipe that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The recipe.
    pub recipe: Recipe,
    /// The directory that its relative paths start at, relative to the upper recipe's.
    pub prefix: PathBuf,
}

/// A layer of a recipe or of one of its bases.
#[derive(Clone, Debug)]
pub struct Stacked<'a> {
    /// Whose layer it is.
    pub recipe: &'a Recipe,
    /// The layer.
    pub layer: &'a Layer,
    /// Where its recipe's relative paths start, relative to the top recipe's directory.
    pub prefix: PathBuf,
}

impl Stacked<'_> {
    /// A relative path of its recipe, as the top recipe would say it.
    pub fn path(&self, path: &str) -> String {
        if self.prefix.as_os_str().is_empty() {
            return path.to_owned();
        }
        let path = self.prefix.join(path.trim_start_matches("./"));
        path.to_string_lossy().into_owned()
    }
}

impl Recipe {
    /// The recipes whose layers it has, lowest first: its bases, and itself.
    pub fn stack(&self) -> Vec<&Recipe> {
        let mut stack = vec![self];
        while let Some(base) = stack.last().and_then(|recipe| recipe.base.as_deref()) {
            stack.push(&base.recipe);
        }
        stack.reverse();
        stack
    }

    /// All layers, lowest first: those of its bases, then its own.
    pub fn stacked(&self) -> Vec<Stacked<'_>> {
        let mut parts = vec![(self, PathBuf::new())];
        while let Some((recipe, prefix)) = parts.last()
            && let Some(base) = &recipe.base
        {
            parts.push((&base.recipe, prefix.join(&base.prefix)));
        }
        let mut stacked = Vec::new();
        for (recipe, prefix) in parts.into_iter().rev() {
            stacked.extend(recipe.layers.iter().map(|layer| Stacked {
                recipe,
                layer,
                prefix: prefix.clone(),
            }));
        }
        stacked
    }

    /// The patterns of what is kept out of a layer, counted as in [`Recipe::stacked`]: its own, or those of all that
    /// it is put together with.
    pub fn excluded(&self, number: usize) -> Vec<&Pattern> {
        let mut first = 0;
        for recipe in self.stack() {
            let (grouped, all) = (recipe.grouped(), recipe.layers.len());
            if number < first + all {
                let at = number - first;
                let layers = if at < grouped { 0..grouped } else { at..at + 1 };
                return recipe.layers[layers].iter().flat_map(|layer| &layer.exclude).collect();
            }
            first += all;
        }
        Vec::new()
    }

    /// How many layers its bases have.
    pub fn layers_below(&self) -> usize {
        self.stack().iter().map(|recipe| recipe.layers.len()).sum::<usize>() - self.layers.len()
    }
}

/// Reads the recipe that `base` names, relative to `dir`. `chain` are the files of the recipes that lead here. None
/// where there is a mistake at the key itself, which then was reported; a base with mistakes is an error of its own.
pub(super) fn read(
    value: &Value<'_>,
    dir: &Path,
    chain: &[PathBuf],
    findings: &Findings<'_>,
) -> Result<Option<Base>, RecipeError> {
    let Some(text) = value.text() else { return Ok(None) };
    if base_image::names_image(text.text) {
        return Ok(base_image::read(&text, findings).map(|image| Base::of_image(text.text, image, dir)));
    }
    let path = if dir == Path::new(".") { PathBuf::from(text.text) } else { dir.join(text.text) };
    let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
    if let Some(at) = chain.iter().position(|other| *other == identity) {
        let names: Vec<String> =
            chain[at..].iter().chain([&identity]).map(|path| path.display().to_string()).collect();
        let message = format!("the bases lead in a circle: {}", names.join(", then "));
        findings.context(&text.span, message, "one of them must stand on another base, or on none");
        return Ok(None);
    }
    if chain.len() >= MAX_DEPTH {
        let message = format!("bases lie more than {MAX_DEPTH} deep");
        findings.context(&text.span, message, "put some of them together");
        return Ok(None);
    }
    match Recipe::load_above(&path, chain) {
        Ok(recipe) => {
            let prefix = Path::new(text.text).parent().unwrap_or(Path::new("")).to_owned();
            Ok(Some(Base { recipe, prefix }))
        }
        Err(RecipeError::Read { path: failed, source }) if failed == path => {
            let message = format!("cannot read the base {}: {source}", quoted(text.text));
            findings.value(&text.span, message, "the path of a base is relative to the recipe's directory");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Base {
    /// Adds what the base's packages come from.
    pub(super) fn give_origin(&self, origin: &mut Origin) {
        let Recipe { from, pockets, snapshot, keys, archs, .. } = &self.recipe;
        origin.given |= from.is_some();
        origin.from = origin.from.or(*from);
        origin.pockets = origin.pockets.take().or_else(|| pockets.clone());
        origin.snapshot = origin.snapshot.take().or_else(|| snapshot.clone());
        let inherited = keys.iter().map(|key| self.prefix.join(key));
        origin.keys = inherited.chain(std::mem::take(&mut origin.keys)).collect();
        if origin.archs.is_empty() {
            origin.archs.clone_from(archs);
        }
    }

    /// The base's repositories, which come before the upper recipe's.
    pub(super) fn give_repositories(&self) -> Repositories {
        let mut repositories = Repositories { format: Some(self.recipe.format()), ..Repositories::default() };
        for repository in &self.recipe.repositories {
            let mut repository = repository.clone();
            if let Location::Directory(directory) = &mut repository.location {
                *directory = self.prefix.join(&*directory);
            }
            repository.keys = repository.keys.iter().map(|key| self.prefix.join(key)).collect();
            repositories.tags.extend(repository.tag().map(str::to_owned));
            repositories.list.push(repository);
        }
        repositories
    }
}

impl ImageConfig {
    /// Fills in what a base says and the upper recipe does not.
    pub(super) fn inherit(&mut self, base: &ImageConfig) {
        let ImageConfig {
            entrypoint,
            cmd,
            user,
            workdir,
            env,
            expose,
            volumes,
            stop_signal,
            labels,
            healthcheck,
        } = base;
        fill(&mut self.entrypoint, entrypoint.as_ref());
        fill(&mut self.cmd, cmd.as_ref());
        fill(&mut self.user, user.as_ref());
        fill(&mut self.workdir, workdir.as_ref());
        fill(&mut self.stop_signal, stop_signal.as_ref());
        fill(&mut self.healthcheck, healthcheck.as_ref());
        if self.expose.is_empty() {
            self.expose.clone_from(expose);
        }
        if self.volumes.is_empty() {
            self.volumes.clone_from(volumes);
        }
        for (own, inherited) in [(&mut self.env, env), (&mut self.labels, labels)] {
            for (name, value) in inherited {
                own.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
    }
}

fn fill<T: Clone>(own: &mut Option<T>, inherited: Option<&T>) {
    if own.is_none() {
        *own = inherited.cloned();
    }
}
