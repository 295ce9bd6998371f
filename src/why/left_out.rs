//! Which rule left a path out, and what would bring it in.

use crate::catalog::CataloguedFile;
use crate::distro::is_install_helper;
use crate::recipe::{Keep, StripClass};
use crate::root_path::RootPath;
use crate::select::is_command;
use crate::tarball::EntryKind;

use super::{Explainer, PathAnswer, Step};

/// A rule that left something out.
pub(super) struct Rule {
    /// In one word.
    pub(super) name: &'static str,
    /// Why, and what would change that.
    pub(super) because: String,
}

fn rule(name: &'static str, because: impl Into<String>) -> Rule {
    Rule { name, because: because.into() }
}

impl Explainer<'_> {
    /// What left out a path that a package has; none where no package that was looked into has it.
    pub(super) fn left_out(&self, path: &RootPath) -> Option<PathAnswer> {
        let catalog = self.inputs.catalog;
        let first = *catalog.at(path).first()?;
        let (package, file) = catalog.get(first);
        let found = self.rule_for(&package.name, file);
        Some(PathAnswer {
            path: path.clone(),
            package: Some(self.label(&package.name)),
            layer: None,
            rule: found.name,
            chain: self.belonging(&package.name),
            because: found.because,
        })
    }

    /// How a package that gives little or nothing comes to be in the lock.
    pub(super) fn belonging(&self, package: &str) -> Vec<Step> {
        self.dependency_chain(package, |_| true)
    }

    /// The rule that left out a file of a package.
    pub(super) fn rule_for(&self, package: &str, file: &CataloguedFile) -> Rule {
        let path = &file.entry.path;
        if file.entry.kind == EntryKind::Directory {
            return rule("directory", "it is a directory, and nothing in it is kept");
        }
        if let Some((layer, glob)) = self.excluding(path) {
            return rule("excluded", format!("layer `{layer}` excludes `{glob}`"));
        }
        if let Some(class) = self.strip.as_ref().and_then(|strip| strip.class_of(path)) {
            let name = class.name();
            let how = match class {
                StripClass::Locales => "name its locale in `locales` below `[strip]`".to_owned(),
                StripClass::Copyright => format!("write `{name} = true` below `[strip]`"),
                _ => format!("write `{name} = false` below `[strip]`"),
            };
            return rule(
                "stripped",
                format!("files of the class `{name}` are stripped; {how}, or `include` it"),
            );
        }
        self.rule_for_package(package).unwrap_or_else(|| self.rule_for_kind(package, file))
    }

    /// The glob that excludes a path, and its layer.
    fn excluding(&self, path: &RootPath) -> Option<(&str, &str)> {
        let (arch, triplet) = (self.arch_name, self.triplet);
        self.inputs.recipe.layers.iter().find_map(|layer| {
            let glob = layer.exclude.iter().find(|pattern| match pattern.literal(arch, triplet) {
                Some(literal) => path.is_within(&self.inputs.catalog.merged_usr().canonical(&literal)),
                None => pattern.expand(arch, triplet).is_ok_and(|glob| glob.is_match(path.as_str())),
            })?;
            Some((layer.name.as_str(), glob.as_str()))
        })
    }

    /// The rule that leaves out all that a package has, unless something asks for a single file.
    fn rule_for_package(&self, package: &str) -> Option<Rule> {
        let name = format!("name `{package}` in a layer's `packages`");
        if let Some(layer) = self.naming_layer(package) {
            let stacked = self.inputs.recipe.stacked();
            let keep = stacked.iter().find(|one| one.layer.name == layer).map(|one| one.layer.keep);
            return (keep == Some(Keep::Listed)).then(|| {
                let because = format!("layer `{layer}` keeps what it lists, and `include` does not match it");
                rule("not-listed", because)
            });
        }
        if self.gives_anything(package) {
            return None;
        }
        let locked = self.inputs.packages.get(package)?;
        if locked.on_demand {
            let because = "is there on demand, and no rule asked for it";
            return Some(rule("on-demand", format!("`{package}` {because}; {name} to have it")));
        }
        if is_install_helper(self.inputs.distro, package) {
            let because = "only helps to install other packages, and nothing that is kept runs it";
            return Some(rule("helper", format!("`{package}` {because}; {name} to have it")));
        }
        None
    }

    /// The rule for a single file of a package that is needed only in part.
    fn rule_for_kind(&self, package: &str, file: &CataloguedFile) -> Rule {
        let path = &file.entry.path;
        let include = format!("`include` it, or name `{package}`");
        let is_library = path.file_name().contains(".so") && file.elf.is_some()
            || matches!(&file.entry.kind, EntryKind::Symlink { .. } if path.file_name().contains(".so"));
        if self.owner(path).is_some_and(|owner| owner != package) {
            return rule("replaced", "another package has a file at this path, and that one counts");
        }
        if is_command(path) {
            return rule(
                "command",
                format!(
                    "commands of packages that nobody names come in only where something kept runs them; {include}"
                ),
            );
        }
        if ["/gconv/", "/glibc-hwcaps/"].iter().any(|part| path.as_str().contains(part)) {
            return rule(
                "governed",
                format!("such files come in by a run-time rule, and none asked for it; {include}"),
            );
        }
        if is_library {
            return rule("unneeded", format!("no file that is kept lists it as DT_NEEDED; {include}"));
        }
        rule("not-reached", format!("nothing that is kept needs `{package}`; {include}"))
    }

    /// Whether any file of a package is in.
    pub(super) fn gives_anything(&self, package: &str) -> bool {
        let mut files = self.inputs.selection.layers.iter().flat_map(|layer| layer.files.values());
        files.any(|selected| self.inputs.catalog.get(selected.file).0.name == package)
    }
}
