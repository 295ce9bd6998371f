//! The errors of all stages under one name.

use std::path::PathBuf;
use std::sync::Arc;

use crate::arch::Arch;
use crate::base_image::BaseImageError;
use crate::cache::CacheError;
use crate::catalog::CatalogError;
use crate::fetch::FetchError;
use crate::hint::Hint;
use crate::layer::LayerError;
use crate::lock::{AssemblyError, LockError};
use crate::oci::{OciError, PackError};
use crate::recipe::RecipeError;
use crate::render::RenderError;
use crate::repository::RepositoryError;
use crate::resolve::{ApkResolveError, ResolveError};
use crate::select::SelectError;
use crate::transport::TransportError;

use super::ProgramError;

/// Why an image was not built. Each is the error of the stage that met it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ForgeError {
    /// A mistake of the recipe that only its packages show.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// What somebody else in this run has met before, and who asks for the same meets too.
    #[error(transparent)]
    Shared(Arc<ForgeError>),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    ApkResolve(#[from] ApkResolveError),
    /// The recipe could be resolved, but not with what its base fixes.
    #[error("{source}\n  the base {} fixes {}", base.display(), listed(fixed))]
    OnBase { base: PathBuf, is_image: bool, fixed: Vec<Fixed>, source: Box<ForgeError> },
    #[error("the lock of the base has no packages for {arch}")]
    NotInBase { arch: Arch },
    /// The lock of a recipe and that of its base have different files of one package.
    #[error("{package} is not the same in the lock and in that of the base {}", base.display())]
    BaseDiffers { base: PathBuf, package: String },
    #[error(transparent)]
    BaseImage(#[from] BaseImageError),
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("{arch}: {source}")]
    Select { arch: Arch, source: SelectError },
    #[error("{arch}: what packages' scripts would do is not all understood:\n  {}", steps.join("\n  "))]
    Undone { arch: Arch, steps: Vec<String> },
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error(transparent)]
    Oci(#[from] OciError),
    #[error("no thread can be started to follow packages' scripts: {0}")]
    Threads(std::io::Error),
}

impl ForgeError {
    pub(super) fn of_selection(arch: Arch, error: SelectError) -> Self {
        match error {
            SelectError::Unread(error) => ForgeError::Catalog(*error),
            source => ForgeError::Select { arch, source },
        }
    }
}

/// A package that a base has at a version with which nothing can be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The package.
    pub name: String,
    /// The base's version.
    pub is: String,
    /// The version that would be chosen on no base.
    pub would_be: String,
}

/// The packages that a base fixes, a few of them.
fn listed(fixed: &[Fixed]) -> String {
    let few = fixed.iter().take(5).map(|one| format!("{} {} (not {})", one.name, one.is, one.would_be));
    let few = few.collect::<Vec<_>>().join(", ");
    if fixed.len() > 5 { format!("{few} and {} more", fixed.len() - 5) } else { few }
}

impl Hint for ForgeError {
    fn hints(&self) -> Vec<String> {
        match self {
            ForgeError::Recipe(error) => error.hints(),
            ForgeError::Shared(error) => error.hints(),
            ForgeError::Transport(error) => error.hints(),
            ForgeError::Cache(error) => error.hints(),
            ForgeError::Repository(error) => error.hints(),
            ForgeError::Resolve(error) => error.hints(),
            ForgeError::ApkResolve(error) => error.hints(),
            ForgeError::OnBase { is_image: true, .. } => vec![
                "take an image as the base that has these packages at other versions".into(),
                "or ask for versions that go with those of the base".into(),
            ],
            ForgeError::OnBase { base, fixed, .. } => {
                let names: Vec<&str> = fixed.iter().map(|one| one.name.as_str()).collect();
                vec![
                    format!(
                        "bring the base up to date: `rootforge lock --update {} {}`",
                        names.join(" "),
                        base.display()
                    ),
                    "or ask for versions that go with those of the base".into(),
                ]
            }
            ForgeError::NotInBase { arch } => vec![format!("lock the base with `--arch {arch}` first")],
            ForgeError::BaseDiffers { .. } => vec!["run `rootforge lock` to make the lock anew".into()],
            ForgeError::BaseImage(error) => error.hints(),
            ForgeError::Program(error) => error.hints(),
            ForgeError::Lock(error) => error.hints(),
            ForgeError::Assembly(error) => error.hints(),
            ForgeError::Fetch(error) => error.hints(),
            ForgeError::Catalog(error) => error.hints(),
            ForgeError::Select { source, .. } => source.hints(),
            ForgeError::Undone { .. } => {
                vec![
                    "do it with `files` of a layer, and leave out `strict` to build without these steps"
                        .into(),
                ]
            }
            ForgeError::Threads(_) => {
                vec!["let rootforge have more threads and address space (`ulimit -u`, `ulimit -v`)".into()]
            }
            ForgeError::Render(error) => error.hints(),
            ForgeError::Layer(error) => error.hints(),
            ForgeError::Pack(error) => error.hints(),
            ForgeError::Oci(error) => error.hints(),
        }
    }
}
