//! The files that a recipe brings along: `files = [...]` of a layer.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::recipe::{FileSource, FileSpec, Layer, Recipe, Template, WHITEOUT};
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

use super::{Accounts, Content, Made, MadeFile, RenderError};

/// The names that `{arch}` and `{triplet}` stand for.
#[derive(Clone, Copy, Debug)]
pub struct Placeholders<'a> {
    /// The distro's name of the architecture.
    pub arch_name: &'a str,
    /// The multiarch triplet.
    pub triplet: &'a str,
}

impl Placeholders<'_> {
    fn expand(self, template: &Template) -> String {
        template.expand(self.arch_name, self.triplet)
    }
}

/// What the image has already where a recipe's files go.
pub struct Surroundings<'a> {
    /// Leads a path through the links of the skeleton, so that nothing a recipe writes hides them.
    pub canonical: &'a dyn Fn(&RootPath) -> RootPath,
    /// Whether the image has a directory there, whose mode and owner are none of the host's business.
    pub has_directory: &'a dyn Fn(&RootPath) -> bool,
}

/// The files of one layer.
///
/// A file of the host keeps of its mode only whether it can be executed: the rest is the host's business. A
/// directory of the host that the image has already adds nothing to it but what is in it.
pub fn recipe_files(
    recipe: &Recipe,
    layer: &Layer,
    accounts: &Accounts,
    placeholders: Placeholders<'_>,
    surroundings: &Surroundings<'_>,
) -> Result<Made, RenderError> {
    let mut gathered =
        Gathered { recipe, layer, accounts, surroundings, made: Made::new(), named: BTreeMap::new() };
    layer.files.iter().try_for_each(|spec| gathered.add(spec, placeholders))?;
    Ok(gathered.made)
}

/// The files of a layer as they come together.
struct Gathered<'a> {
    recipe: &'a Recipe,
    layer: &'a Layer,
    accounts: &'a Accounts,
    surroundings: &'a Surroundings<'a>,
    made: Made,
    /// The paths of entries so far, and by which names those have them.
    named: BTreeMap<RootPath, RootPath>,
}

impl Gathered<'_> {
    /// Adds what an entry brings.
    fn add(&mut self, spec: &FileSpec, placeholders: Placeholders<'_>) -> Result<(), RenderError> {
        let canonical = self.surroundings.canonical;
        let target = spec
            .path(placeholders.arch_name, placeholders.triplet)
            .map_err(|source| RenderError::Path { layer: self.layer.name.clone(), source })?;
        if behind_itself(&target, canonical) {
            let place = canonical(&target);
            match &spec.source {
                FileSource::Symlink(to)
                    if canonical(&target.link_target(&placeholders.expand(to))) == place =>
                {
                    if !self.recipe.skeleton {
                        let link = MadeFile::symlink(target.clone(), &placeholders.expand(to));
                        self.made.insert(target, link);
                    }
                    return Ok(());
                }
                FileSource::Symlink(_) | FileSource::Content(_) => {
                    let layer = self.layer.name.clone();
                    return Err(RenderError::DistroLink { layer, path: target, place });
                }
                // Directories grow together, and trees with them.
                FileSource::Directory | FileSource::Host(_) => {}
            }
        }
        for file in spec_files(self.recipe, spec, &canonical(&target), placeholders)? {
            self.put(file, spec, &target)?;
        }
        self.named.insert(canonical(&target), target);
        Ok(())
    }

    /// Adds one file of an entry.
    fn put(&mut self, mut file: MadeFile, spec: &FileSpec, target: &RootPath) -> Result<(), RenderError> {
        let Surroundings { canonical, has_directory } = self.surroundings;
        let path = canonical(&file.entry.path);
        if path.components().any(|name| name.starts_with(WHITEOUT)) {
            return Err(RenderError::Whiteout { layer: self.layer.name.clone(), path });
        }
        let adds_nothing = match &file.entry.kind {
            EntryKind::Directory => has_directory(&path),
            // A link of the skeleton, brought along in a tree.
            EntryKind::Symlink { target } if path != file.entry.path => {
                canonical(&file.entry.path.link_target(target)) == path
            }
            _ => false,
        };
        if adds_nothing && matches!(spec.source, FileSource::Host(_)) {
            return Ok(());
        }
        file.entry.path = path.clone();
        own(&mut file, spec, self.accounts)?;
        let kind = file.entry.kind.clone();
        let before = self.made.insert(path.clone(), file);
        // What a tree brings may be replaced by what is named for itself, and trees may grow together.
        let is_directory = |kind: &EntryKind| *kind == EntryKind::Directory;
        if let (Some(before), Some(first)) = (before, self.named.get(&path))
            && path == canonical(target)
            && !(is_directory(&kind) && is_directory(&before.entry.kind))
        {
            let (layer, first, second) = (self.layer.name.clone(), first.clone(), target.clone());
            return Err(RenderError::SamePlace { layer, path, first, second });
        }
        Ok(())
    }
}

/// Whether a path is itself one of the distro's links.
fn behind_itself(path: &RootPath, canonical: &dyn Fn(&RootPath) -> RootPath) -> bool {
    let beside = path.parent().and_then(|parent| canonical(&parent).join(path.file_name()).ok());
    beside.is_some_and(|beside| beside != canonical(path))
}

fn spec_files(
    recipe: &Recipe,
    spec: &FileSpec,
    target: &RootPath,
    placeholders: Placeholders<'_>,
) -> Result<Vec<MadeFile>, RenderError> {
    Ok(match &spec.source {
        FileSource::Content(text) => {
            vec![MadeFile::file(target.clone(), spec.mode.unwrap_or(0o644), text.clone().into_bytes())]
        }
        FileSource::Directory => vec![MadeFile::directory(target.clone(), spec.mode.unwrap_or(0o755))],
        FileSource::Symlink(to) => vec![MadeFile::symlink(target.clone(), &placeholders.expand(to))],
        FileSource::Host(source) => {
            let path = recipe.host_path(Path::new(&placeholders.expand(source)));
            let mut files = Vec::new();
            host_tree(&path, target, spec.mode, &mut files)?;
            files
        }
    })
}

fn host_tree(
    path: &Path,
    target: &RootPath,
    mode: Option<u32>,
    files: &mut Vec<MadeFile>,
) -> Result<(), RenderError> {
    let error = |source| RenderError::Source { path: path.to_owned(), target: target.clone(), source };
    let below = |name: &str| {
        target.join(name).map_err(|source| RenderError::Path { layer: path.display().to_string(), source })
    };
    // What the recipe names is read through links; links inside a directory are kept as links.
    let metadata = if files.is_empty() { path.metadata() } else { path.symlink_metadata() }.map_err(error)?;
    if metadata.is_dir() {
        files.push(MadeFile::directory(target.clone(), 0o755));
        let mut names = std::fs::read_dir(path)
            .and_then(|entries| {
                entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>()
            })
            .map_err(error)?;
        names.sort();
        for name in names {
            let path = path.join(&name);
            let name = name.to_str().ok_or_else(|| RenderError::Encoding(path.clone()))?;
            host_tree(&path, &below(name)?, mode, files)?;
        }
    } else if metadata.is_symlink() {
        let to = std::fs::read_link(path).map_err(error)?;
        let to = to.to_str().ok_or_else(|| RenderError::Encoding(path.to_owned()))?;
        files.push(MadeFile::symlink(target.clone(), to));
    } else if metadata.is_file() {
        let executable = metadata.permissions().mode() & 0o111 != 0;
        let default = if executable { 0o755 } else { 0o644 };
        let mut file = MadeFile::file(target.clone(), mode.unwrap_or(default), Vec::new());
        file.entry.kind = EntryKind::File { size: metadata.len() };
        file.content = Content::Host(path.to_owned());
        files.push(file);
    } else {
        return Err(RenderError::SpecialSource(path.to_owned()));
    }
    Ok(())
}

fn own(file: &mut MadeFile, spec: &FileSpec, accounts: &Accounts) -> Result<(), RenderError> {
    let Some(owner) = &spec.owner else { return Ok(()) };
    let (user, group) = (&owner.user, &owner.group);
    let unknown =
        |owner: &str| RenderError::UnknownOwner { path: file.entry.path.clone(), owner: owner.to_owned() };
    let uid = accounts.uid(user).ok_or_else(|| unknown(user))?;
    let gid = match group {
        Some(group) => accounts.gid(group).ok_or_else(|| unknown(group))?,
        None => accounts.primary_gid(user).unwrap_or(0),
    };
    file.entry.metadata.uid = uid;
    file.entry.metadata.gid = gid;
    Ok(())
}
