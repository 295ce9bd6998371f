//! From TOML text to a validated [`Recipe`]: what an image is to hold.
//!
//! Every mistake that can be seen without packages is reported at once, each with its place: unknown keys,
//! wrong types, names that nobody defines, files that are not there. The keys and their meaning are those of
//! the user's documentation; [`parse`](Recipe::parse) reads all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::distro::{AlpineRelease, DebianRelease, Distro, PackageFormat, Pocket};
use crate::hint::Hint;

mod accounts;
mod apk_package;
mod base;
mod base_accounts;
mod base_image;
mod duration;
mod file;
mod findings;
mod image;
mod image_test;
mod layer;
mod layering;
mod origin;
mod package;
mod pattern;
mod problems;
mod read;
mod reader;
mod repository;
mod rule;
mod strip;
mod suggest;
mod template;

pub use accounts::{AwaitedAccount, Group, Owner, User};
pub use base::{Base, Stacked};
pub use base_accounts::{
    ALPINE_GROUPS, ALPINE_USERS, BASE_GROUPS, BASE_USERS, BaseGroup, BaseUser, base_groups, base_users,
};
pub use base_image::BaseImage;
pub(crate) use file::WHITEOUT;
pub use file::{FileSource, FileSpec};
pub use image::{ExposedPort, Healthcheck, ImageConfig};
pub use image_test::Test;
pub use layer::{Keep, Layer};
pub use layering::{LayerCompression, Layering};
pub use package::{Constraint, PackageSpec};
pub use pattern::Pattern;
pub use problems::{Place, Problem, Problems, Span, render};
pub use repository::{Location, Repository, RepositoryKind};
pub use rule::{MadeText, Rule, RuleTool, Trigger, runtime_rules};
pub use strip::{Strip, StripClass};
pub use template::Template;

/// What an image is to hold, and how it is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The file it was read from, as it was named.
    pub path: PathBuf,
    /// Its text, which places in messages point into.
    pub text: String,
    /// The directory that its relative paths start at.
    pub dir: PathBuf,
    /// The image's name.
    pub name: String,
    /// The variant that was chosen.
    pub variant: Option<String>,
    /// The distro whose repositories are used.
    pub from: Option<Distro>,
    /// The architectures it names, in its order; empty where it names none. See [`Recipe::archs`].
    pub archs: Vec<Arch>,
    /// The parts of the distro's release that are used, sorted; none for all of them.
    pub pockets: Option<Vec<Pocket>>,
    /// Files with keys that `from`'s repositories may be signed with besides the distro's own, relative to `dir`.
    pub keys: Vec<PathBuf>,
    /// The time of the snapshot archive that packages are taken from, `YYYYMMDDTHHMMSSZ`.
    pub snapshot: Option<String>,
    /// Whether the lowest layer holds what every root file system has.
    pub skeleton: bool,
    /// Whether steps of maintainer scripts that are not understood fail the build.
    pub strict: bool,
    /// Its own layers, lowest first, which lie above those of its base; with a variant, its layers last.
    pub layers: Vec<Layer>,
    /// Which files of its own layers share a layer of the image.
    pub layering: Layering,
    /// How its own layers are compressed.
    pub compression: LayerCompression,
    /// What is stripped.
    pub strip: Strip,
    /// The users it defines itself, in its order.
    pub users: Vec<User>,
    /// The groups it defines itself, in its order.
    pub groups: Vec<Group>,
    /// The accounts that only its packages can define.
    pub awaited: Vec<AwaitedAccount>,
    /// How the image runs, with what is inherited.
    pub image: ImageConfig,
    /// The variants it offers, by name.
    pub variants: BTreeMap<String, Variant>,
    /// What its programs look for when they run, beside what the crate's table knows.
    pub rules: Vec<Rule>,
    /// Commands to try in the finished image.
    pub tests: Vec<Test>,
    /// Repositories beside those of `from`, a base's first.
    pub repositories: Vec<Repository>,
    /// The recipe whose layers come first. What is inherited from it is above already.
    pub base: Option<Box<Base>>,
    /// The image that it stands for, where another recipe has that as its base. Such a recipe is read from no file.
    pub base_image: Option<BaseImage>,
}

/// What a variant adds to a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Layers above the recipe's.
    pub layers: Vec<Layer>,
    /// Tests after the recipe's.
    pub tests: Vec<Test>,
}

/// Why there is no recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// Its file cannot be read.
    #[error("cannot read the recipe `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is something that no lock can be beside: a pipe, say.
    #[error("the recipe `{}` is no file, and its lock is kept beside it", path.display())]
    NoFile {
        /// What was given.
        path: PathBuf,
    },
    /// Its file is not UTF-8, as TOML must be.
    #[error("the recipe `{}` is not UTF-8: line {}, column {}", path.display(), place.line, place.column)]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Where the first byte is that does not belong.
        place: Place,
    },
    /// It has mistakes; [`render`] shows them.
    #[error("{0}")]
    Invalid(Problems),
    /// It has no such variant.
    #[error("the recipe `{}` has no variant `{variant}`", path.display())]
    Variant {
        /// The recipe's file.
        path: PathBuf,
        /// The variant asked for.
        variant: String,
        /// Those it has.
        known: Vec<String>,
    },
}

impl Hint for RecipeError {
    fn hints(&self) -> Vec<String> {
        match self {
            RecipeError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                vec!["give the path of a recipe, such as `recipes/NAME.toml`".to_owned()]
            }
            RecipeError::Read { source, .. } if source.kind() == std::io::ErrorKind::IsADirectory => {
                vec!["it is a directory: give the path of a recipe in it".to_owned()]
            }
            RecipeError::Read { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                vec!["make the file readable for the user who builds".to_owned()]
            }
            RecipeError::NoFile { .. } => vec!["write it to a file first".to_owned()],
            RecipeError::Encoding { .. } => vec!["save the file as UTF-8".to_owned()],
            // Each problem carries its own hint, which `render` shows beside it.
            RecipeError::Read { .. } | RecipeError::Invalid(_) => Vec::new(),
            RecipeError::Variant { known, .. } if known.is_empty() => {
                vec!["a variant is defined by `[[variant.NAME.layer]]`".to_owned()]
            }
            RecipeError::Variant { known, .. } => vec![format!("it has {}", known.join(", "))],
        }
    }
}

impl Recipe {
    /// Reads a recipe's file, and those of its bases.
    pub fn load(path: &Path) -> Result<Recipe, RecipeError> {
        Self::load_above(path, &[])
    }

    /// As [`Recipe::load`], of a recipe that others have as a base: `chain` are their files.
    fn load_above(path: &Path, chain: &[PathBuf]) -> Result<Recipe, RecipeError> {
        // Its lock is written beside it.
        let is_passing = path.parent() == Some(Path::new("/dev"))
            || ["/dev/fd", "/proc"].iter().any(|place| path.starts_with(place));
        if is_passing || path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            return Err(RecipeError::NoFile { path: path.to_owned() });
        }
        let bytes =
            read_bounded(path).map_err(|source| RecipeError::Read { path: path.to_owned(), source })?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => read::parse(text, path, &with(chain, path)),
            Err(error) => {
                let sound = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                Err(RecipeError::Encoding { path: path.to_owned(), place: Place::of(&sound, sound.len()) })
            }
        }
    }

    /// Reads a recipe's text. `path` names its file in messages, and its directory is where relative paths
    /// start; files that the recipe names are looked for there.
    pub fn parse(text: &str, path: &Path) -> Result<Recipe, RecipeError> {
        read::parse(text, path, &with(&[], path))
    }

    /// The architectures it is meant for: those it names, or every one that its distro has.
    pub fn archs(&self) -> Vec<Arch> {
        if !self.archs.is_empty() {
            return self.archs.clone();
        }
        let has = |arch: &Arch| self.from.is_none_or(|distro| distro.has_port(*arch));
        Arch::ALL.into_iter().filter(has).collect()
    }

    /// The run-time rules that hold for it, in order: the crate's table, with its own in place of those of the same
    /// name, then its own others.
    pub fn runtime_rules(&self) -> Vec<&Rule> {
        let id = self.conventions().id();
        let replaced = |rule: &&Rule| !self.rules.iter().any(|own| own.name == rule.name);
        let rules = rule::runtime_rules().iter().filter(replaced).chain(&self.rules);
        rules.filter(|rule| rule.on.is_empty() || rule.on.iter().any(|on| on == id)).collect()
    }

    /// The classes of files that are left out of a layer, counted as in [`Recipe::stacked`]: those that no package is
    /// for that it or a layer below names, unless the recipe says otherwise. A layer that lists files names packages
    /// only to say where they are.
    pub fn stripped(&self, number: usize) -> Vec<StripClass> {
        let stacked = self.stacked();
        let layers = stacked.iter().take(number + 1).map(|one| one.layer);
        let named = layers.filter(|layer| layer.keep != Keep::Listed).flat_map(|layer| &layer.packages);
        self.strip.classes(&named.filter_map(PackageSpec::name).collect())
    }

    /// The packages that run-time rules may ask for.
    pub fn on_demand_packages(&self) -> std::collections::BTreeSet<&str> {
        self.runtime_rules().into_iter().flat_map(|rule| &rule.packages).map(String::as_str).collect()
    }

    /// The mistakes that show when accounts are known: what it mentions and nobody has defined.
    pub fn undefined(&self, is_defined: impl Fn(&AwaitedAccount) -> bool) -> Option<RecipeError> {
        let undefined = self.awaited.iter().filter(|account| !is_defined(account));
        let mut problems: Vec<Problem> = undefined.map(|account| account.problem.clone()).collect();
        problems.sort_by_key(|problem| problem.span.start);
        let (path, text) = (self.path.clone(), self.text.clone());
        (!problems.is_empty()).then_some(RecipeError::Invalid(Problems { path, text, problems }))
    }

    /// The recipe with a variant's layers above its own, and its tests after its own.
    pub fn with_variant(&self, name: &str) -> Result<Recipe, RecipeError> {
        let Some(variant) = self.variants.get(name) else {
            return Err(RecipeError::Variant {
                path: self.path.clone(),
                variant: name.to_owned(),
                known: self.variants.keys().cloned().collect(),
            });
        };
        let mut recipe = self.clone();
        recipe.variant = Some(name.to_owned());
        recipe.layers.extend(variant.layers.iter().cloned());
        recipe.tests.extend(variant.tests.iter().cloned());
        Ok(recipe)
    }

    /// How many of its own layers, from the lowest, are put together and grouped anew. Those of the variant are not: the
    /// layers below them are the same as without it.
    pub fn grouped(&self) -> usize {
        match self.layering {
            Layering::Explicit => 0,
            Layering::Auto { .. } => {
                let variant = self.variant.as_ref().and_then(|name| self.variants.get(name));
                self.layers.len().saturating_sub(variant.map_or(0, |variant| variant.layers.len()))
            }
        }
    }

    /// What the image is called unless told otherwise: `NAME`, or `NAME-VARIANT`.
    pub fn reference(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}-{variant}", self.name),
            None => self.name.clone(),
        }
    }

    /// The format of its packages: that of `from`, else of its repositories; Debian's where nothing says.
    pub fn format(&self) -> PackageFormat {
        let own = || self.repositories.first().map(|repository| repository.kind.format());
        self.from.map(Distro::format).or_else(own).unwrap_or(PackageFormat::Deb)
    }

    /// The distro whose conventions hold: names of architectures, directories, loader. Without `from` it is
    /// Debian's current release where the repositories are Debian's, and Alpine where they are Alpine's; which
    /// release that is, its packages alone can tell.
    pub fn conventions(&self) -> Distro {
        self.from.unwrap_or(match self.format() {
            PackageFormat::Deb => Distro::Debian(DebianRelease::Trixie),
            PackageFormat::Apk => Distro::Alpine(AlpineRelease::Unknown),
        })
    }

    /// As [`Recipe::host_path`], absolute.
    pub fn absolute_path(&self, path: &Path) -> PathBuf {
        let path = self.host_path(path);
        std::path::absolute(&path).unwrap_or(path)
    }

    /// A path that the recipe names, from where the program runs.
    pub fn host_path(&self, path: &Path) -> PathBuf {
        // Without the dots of `./x` in the middle.
        self.dir.join(path).components().collect()
    }
}

/// A chain of recipes' files with one more.
fn with(chain: &[PathBuf], path: &Path) -> Vec<PathBuf> {
    let identity = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    chain.iter().cloned().chain([identity]).collect()
}

/// The largest recipe that is read, in bytes.
const MAX_RECIPE: u64 = 4 << 20;

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_RECIPE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_RECIPE {
        return Err(std::io::Error::other("it is larger than 4 MiB, which no recipe is"));
    }
    Ok(bytes)
}
