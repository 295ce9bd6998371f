//! What every command shares: flags, the configuration, the machine it runs on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::SystemTime;

use rootforge::arch::Arch;
use rootforge::cache::{Cache, TAG_FILE};
use rootforge::catalog::Scratch;
use rootforge::distro::{PackageFormat, Pocket};
use rootforge::hint::Hint;
use rootforge::lock::Lock;
use rootforge::oci::{Layout, Remote};
use rootforge::pipeline::{Call, Forge, Loaded, Options};
use rootforge::progress::Progress;
use rootforge::recipe::Recipe;
use rootforge::registry::{CredentialFiles, Places, Reference, Registry};
use rootforge::repository::{MachineSources, MirrorInputs, Mirrors};
use rootforge::transport::{Transport, TransportOptions};

use super::error::Failure;
use super::reporter::{Loudness, Reporter};
use super::settings::{Settings, xdg_directory};

/// How large the cache may become unless the configuration says otherwise, in bytes.
const CACHE_SIZE: u64 = 10_000_000_000;

/// Flags of every command.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Common {
    /// Where downloads are kept [default: `rootforge` in the user's cache directory]
    #[arg(long, global = true, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// The configuration file [default: `rootforge/config.toml` in the user's configuration directory]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where an archive is mirrored, as debian=URL or alpine=URL; may be given once for each archive
    #[arg(long, global = true, value_name = "ARCHIVE=URL")]
    mirror: Vec<String>,
    /// Use the cache alone
    #[arg(long, global = true)]
    offline: bool,
    /// Print results as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print more
    #[arg(short, long, global = true)]
    verbose: bool,
}

/// What decides, beside the recipe, on what is resolved.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Resolving {
    /// Leave out suites, `updates` or `security`. The lock says so, and later builds and updates leave them out
    /// too, until `--without none` takes all in again
    #[arg(long, value_name = "SUITE", value_delimiter = ',')]
    without: Vec<Without>,
    /// Accept an index whose Valid-Until has passed
    #[arg(long)]
    pub(super) allow_expired_index: bool,
    /// The variant of the recipe
    #[arg(long, value_name = "NAME")]
    pub(super) variant: Option<String>,
}

/// A suite to leave out, or that none is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Suite(Pocket),
    None,
}

impl FromStr for Without {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Without::None),
            _ => text.parse().map(Without::Suite).map_err(|error: String| format!("{error}, none")),
        }
    }
}

impl Resolving {
    /// The suites to leave out: those given, else those that were left out when the lock was made.
    pub(super) fn without(&self, recipe: &Recipe, old: Option<&Lock>) -> Result<Vec<Pocket>, Failure> {
        if !self.without.is_empty() && recipe.format() == PackageFormat::Apk {
            return Err(Failure::usage(
                "`--without` names suites, and Alpine's repositories are in none",
                "leave it out; to use fewer repositories, write `[[repository]]` in the recipe in place of `from`",
            ));
        }
        if self.without.is_empty() {
            let names = old.map_or(&[][..], |old| &old.recipe.without);
            return Ok(names.iter().filter_map(|name| name.parse().ok()).collect());
        }
        let given = self.without.iter().filter_map(|one| match one {
            Without::Suite(pocket) => Some(*pocket),
            Without::None => None,
        });
        let given: Vec<Pocket> = given.collect();
        if !given.is_empty() && given.len() < self.without.len() {
            return Err(Failure::usage(
                "`--without` is given both suites and `none`",
                "name the suites to leave out, or `none` to take in all",
            ));
        }
        Ok(given)
    }

    /// What a build of a recipe follows from, as far as it is the same for all architectures.
    pub(super) fn call(&self, recipe: &Recipe) -> Option<Call> {
        let mut locks = vec![lock_path(recipe)];
        let bases = recipe.stack().into_iter().rev().skip(1);
        locks.extend(bases.map(lock_path));
        locks.extend(recipe.variant.as_ref().map(|_| main_lock_path(recipe)));
        Call::of(recipe, &locks, &format!("{:?}", self.without))
    }

    /// The same for a recipe's base, which has no variants that count.
    pub(super) fn of_base(&self) -> Self {
        Resolving { variant: None, ..self.clone() }
    }

    /// Tells that the lock, not the call, leaves suites out: of use where they are about to be resolved from.
    pub(super) fn note_kept(&self, left_out: &[Pocket], progress: &dyn Progress) {
        if self.without.is_empty() && !left_out.is_empty() {
            let names: Vec<&str> = left_out.iter().map(|pocket| pocket.name()).collect();
            progress.note(&format!(
                "the lock leaves out {}, and so does this; `--without none` takes all suites in again",
                names.join(" and ")
            ));
        }
    }
}

/// A run of the program.
pub(super) struct Session {
    pub(super) reporter: Reporter,
    pub(super) json: bool,
    common: Common,
    used_cache: OnceLock<Cache>,
    means: OnceLock<Means>,
}

/// What does not change while the program runs.
struct Means {
    transport: Transport,
    mirrors: Mirrors,
    loaded: Loaded,
    now: SystemTime,
}

impl Session {
    pub(super) fn new(common: Common) -> Self {
        let loudness = match (common.quiet, common.verbose) {
            (true, _) => Loudness::Quiet,
            (_, true) => Loudness::Verbose,
            _ => Loudness::Usual,
        };
        Session {
            reporter: Reporter::new(loudness),
            json: common.json,
            common,
            used_cache: OnceLock::new(),
            means: OnceLock::new(),
        }
    }

    /// The layout that images go into unless told otherwise.
    pub(super) fn images(&self) -> Result<PathBuf, Failure> {
        let settings = self.settings()?;
        Ok(settings.images.unwrap_or_else(|| PathBuf::from("images")))
    }

    /// Everything the stages need.
    pub(super) fn forge(
        &self,
        without: Vec<Pocket>,
        allow_expired_index: bool,
    ) -> Result<Forge<'_>, Failure> {
        let Means { transport, mirrors, loaded, now } = self.means()?;
        let cache = self.used_cache.get().cloned().map_or_else(|| self.cache(&self.settings()?), Ok)?;
        Ok(Forge {
            scratch: Scratch::within(cache.scratch()),
            cache,
            transport: transport.clone(),
            mirrors: mirrors.clone(),
            loaded: loaded.clone(),
            now: *now,
            options: Options { without, allow_expired_index, newest: source_date_epoch()? },
            progress: &self.reporter,
        })
    }

    fn means(&self) -> Result<&Means, Failure> {
        if let Some(means) = self.means.get() {
            return Ok(means);
        }
        let means = Means {
            transport: Transport::new(self.transport()).map_err(|error| Failure::work(&error))?,
            mirrors: self.mirrors(self.settings()?.mirror)?,
            loaded: Loaded::default(),
            now: SystemTime::now(),
        };
        Ok(self.means.get_or_init(|| means))
    }

    fn settings(&self) -> Result<Settings, Failure> {
        Settings::read(self.common.config.as_deref())
    }

    /// Where the cache is, and the cache itself unless it is still to be made.
    pub(super) fn cache_as_it_is(&self) -> Result<(PathBuf, Option<Cache>), Failure> {
        let settings = self.settings()?;
        let directory = self.cache_directory(&settings)?;
        let is_begun = std::fs::read_dir(&directory).is_ok_and(|mut entries| entries.next().is_some());
        let cache = (is_begun || directory.is_file()).then(|| self.cache(&settings)).transpose()?;
        Ok((directory, cache))
    }

    /// How large the cache may become, in bytes.
    pub(super) fn cache_limit(&self) -> Result<u64, Failure> {
        Ok(self.settings()?.cache_size.unwrap_or(CACHE_SIZE))
    }

    /// The cache, and how large it may become, in bytes.
    pub(super) fn cache_and_limit(&self) -> Result<(Cache, u64), Failure> {
        let settings = self.settings()?;
        Ok((self.cache(&settings)?, settings.cache_size.unwrap_or(CACHE_SIZE)))
    }

    /// Holds the cache to its limit, if it was used. Failing to stops nobody: it may be larger for a while.
    pub(super) fn settle_cache(&self) {
        if let Some(cache) = self.used_cache.get()
            && let Ok(settings) = self.settings()
        {
            let _ = cache.settle(settings.cache_size.unwrap_or(CACHE_SIZE));
        }
    }

    /// The layout that base images are fetched into, beside the rest of the cache.
    pub(super) fn base_images(&self) -> Result<Layout, Failure> {
        let cache = self.cache(&self.settings()?)?;
        Layout::open_or_create(cache.root().join("images")).map_err(|error| Failure::work(&error))
    }

    fn cache(&self, settings: &Settings) -> Result<Cache, Failure> {
        if let Some(cache) = self.used_cache.get() {
            return Ok(cache.clone());
        }
        let directory = self.cache_directory(settings)?;
        if !Cache::may_be_at(&directory) {
            let mut hints =
                vec!["name a directory that is empty, new or a cache with --cache-dir".to_owned()];
            if directory.join(TAG_FILE).exists() {
                hints.push(format!(
                    "if it is one of rootforge's, its {TAG_FILE} is damaged: delete that file"
                ));
            }
            let message = format!("{} is no cache: it has other files", directory.display());
            return Err(Failure::Usage { message, hints });
        }
        let cache = Cache::open(directory).map_err(|error| Failure::work(&error))?.at(SystemTime::now());
        Ok(self.used_cache.get_or_init(|| cache).clone())
    }

    fn cache_directory(&self, settings: &Settings) -> Result<PathBuf, Failure> {
        let given = self.common.cache_dir.clone().or_else(|| settings.cache_dir.clone());
        given.or_else(|| xdg_directory("XDG_CACHE_HOME", ".cache")).ok_or_else(|| {
            Failure::usage(
                "there is no cache directory: HOME names no absolute path",
                "give one with --cache-dir",
            )
        })
    }

    fn transport(&self) -> TransportOptions {
        let proxies = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
        let mut proxies = proxies.iter().filter_map(std::env::var_os);
        TransportOptions {
            offline: self.common.offline,
            has_secure_proxy: proxies.any(|proxy| proxy.as_encoded_bytes().starts_with(b"https")),
            ..TransportOptions::default()
        }
    }

    /// The error of a registry in a call that is offline, be it on this machine or not.
    pub(super) fn check_online(&self, reference: &Reference) -> Result<(), Failure> {
        if !self.common.offline {
            return Ok(());
        }
        Err(Failure::usage(
            format!("`docker://{reference}` is in a registry, and `--offline` asks none"),
            "leave out `--offline`, or name a place that is no registry: oci:DIR, oci-archive:FILE",
        ))
    }

    /// A place in a registry, asked as whoever is logged in there.
    pub(super) fn remote(&self, reference: &Reference) -> Result<Remote, Failure> {
        let settings = self.settings()?;
        let files = CredentialFiles::from_environment(&|name| std::env::var_os(name));
        let registry = Registry::new(reference.registry(), self.transport(), files)
            .map_err(|error| Failure::work(&error))?;
        let places = Places::new(self.cache(&settings)?, reference.registry());
        Ok(Remote { registry, reference: reference.clone(), places })
    }

    fn mirrors(&self, configured: BTreeMap<String, String>) -> Result<Mirrors, Failure> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("ROOTFORGE_MIRROR_"))
            .collect();
        let mut given = BTreeMap::new();
        for mirror in &self.common.mirror {
            let Some((archive, url)) = mirror.split_once('=') else {
                return Err(Failure::usage(
                    format!("`{mirror}` names no mirror"),
                    "write `--mirror debian=http://mirror.example.org/debian`, or another archive's name",
                ));
            };
            if let Some(other) = given.insert(archive.to_owned(), url.to_owned()).filter(|other| other != url)
            {
                return Err(Failure::usage(
                    format!("two mirrors are given for `{archive}`: {other} and {url}"),
                    "leave one of them out",
                ));
            }
        }
        let machine = MachineSources::read();
        Mirrors::new(&MirrorInputs { given, environment, configured, machine })
            .map_err(|error| Failure::Usage { message: error.to_string(), hints: error.hints() })
    }
}

/// `SOURCE_DATE_EPOCH` (reproducible-builds.org), in seconds since the Unix epoch.
fn source_date_epoch() -> Result<Option<u64>, Failure> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    value.to_str().and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| {
        Failure::usage(
            format!("SOURCE_DATE_EPOCH is `{}`, which is no number of seconds", value.display()),
            "set it to seconds since 1970-01-01T00:00:00Z, or unset it",
        )
    })
}

/// Reads a recipe, in one of its variants.
pub(super) fn load_recipe(path: &Path, variant: Option<&str>) -> Result<Recipe, Failure> {
    if path.extension().is_some_and(|ending| ending == "lock") {
        return Err(Failure::usage(
            format!("`{}` is what a recipe's lock is called", path.display()),
            "name the recipe, such as `NAME.toml`",
        ));
    }
    let recipe = Recipe::load(path).map_err(Failure::Recipe)?;
    let Some(variant) = variant else { return Ok(recipe) };
    let recipe = recipe.with_variant(variant).map_err(Failure::Recipe)?;
    let twin = variant_path(&recipe.path, variant);
    if twin.exists() {
        let lock = Lock::path_for(&twin);
        let message = format!(
            "the variant {variant} and the recipe {} would both have the lock {}",
            twin.display(),
            lock.display()
        );
        return Err(Failure::usage(message, "give one of them another name"));
    }
    Ok(recipe)
}

/// Where a variant would be if it were a recipe.
fn variant_path(recipe: &Path, variant: &str) -> PathBuf {
    let stem = recipe.file_stem().unwrap_or_default().to_string_lossy();
    recipe.with_file_name(format!("{stem}-{variant}.toml"))
}

/// The lock of a recipe; a variant has one of its own.
pub(super) fn lock_path(recipe: &Recipe) -> PathBuf {
    match &recipe.variant {
        Some(variant) => Lock::path_for(&variant_path(&recipe.path, variant)),
        None => Lock::path_for(&recipe.path),
    }
}

/// The lock of a recipe itself, whatever variant was chosen.
pub(super) fn main_lock_path(recipe: &Recipe) -> PathBuf {
    Lock::path_for(&recipe.path)
}

/// An architecture by its name.
pub(super) fn arch(name: &str) -> Result<Arch, Failure> {
    name.parse().map_err(|error: rootforge::arch::UnknownArch| {
        let all: Vec<&str> = Arch::ALL.iter().map(|arch| arch.name()).collect();
        Failure::usage(error.to_string(), format!("known are {} and `all`", all.join(", ")))
    })
}

/// The architectures asked for: `all` is those of the recipe, nothing is the host's.
pub(super) fn archs(given: &[String], recipe: &Recipe) -> Result<Vec<Arch>, Failure> {
    let known = recipe.archs();
    let names: Vec<&str> = known.iter().map(|arch| arch.name()).collect();
    let mut archs: Vec<Arch> = Vec::new();
    for name in given {
        if name == "all" {
            archs.extend(&known);
            continue;
        }
        archs.push(arch(name)?);
    }
    if given.is_empty() {
        archs.extend(Arch::host());
    }
    archs.sort();
    archs.dedup();
    if archs.is_empty() {
        return Err(Failure::usage(
            "no architecture is given and the host's is not known",
            "give one with --arch",
        ));
    }
    match archs.iter().find(|arch| !known.contains(arch)) {
        None => Ok(archs),
        Some(arch) => Err(Failure::usage(
            format!("{} is not made for {arch}", recipe.path.display()),
            format!("choose with --arch from {}", names.join(", ")),
        )),
    }
}
