//! The files that are made of a whole image: the loader's cache, certificates, PAM's configuration, and what
//! update-alternatives remembers.

use std::collections::{BTreeMap, BTreeSet};

use crate::effects::{Effect, Tool};
use crate::loader::Search;
use crate::recipe::RuleTool;
use crate::root_path::RootPath;

use super::super::Content;
use super::{Made, MadeFile, Setup, certificates, database, fixed, graphviz, ld_so_cache, pam, shells};

/// Where a Java from packages looks for its keystore.
const JAVA_KEYSTORE: &str = "/etc/ssl/certs/java/cacerts";

/// Whether a package's file is one from which whole-image files are made.
pub(super) fn is_source(path: &RootPath) -> bool {
    let text = path.as_str();
    text == ld_so_cache::CONFIG
        || shells::is_source(path)
        || text == certificates::CONFIG
        || (graphviz::is_plugin(path.file_name())
            && path.parent().is_some_and(|parent| parent.file_name() == graphviz::DIRECTORY))
        || (text.starts_with("/etc/ld.so.conf.d/") && text.strip_suffix(".conf").is_some())
        || (text.strip_suffix(".crt").is_some()
            && (path.is_within(&fixed(certificates::PACKAGED))
                || path.is_within(&fixed(certificates::LOCAL))))
}

/// What is made of several packages' files by programs that are left out, and is missed where it is not there and
/// something below a directory is.
const MISSED: [(&str, &str, &str, &str); 3] = [
    ("update-catalog", "the catalogs of SGML are", "/etc/sgml/catalog", "/usr/share/sgml"),
    (
        "update-perl-sax-parsers",
        "the list of Perl's parsers for SAX is",
        "/etc/perl/XML/SAX/ParserDetails.ini",
        "/usr/share/perl5/XML",
    ),
    ("update-xmlcatalog", "the catalogs of XML are", "/etc/xml/catalog", "/usr/share/xml"),
];

impl Setup<'_> {
    /// What programs that scripts call would make, and what run-time rules ask for, and is not made though the image has
    /// something to make it of.
    pub(super) fn unmade(&self) -> Vec<String> {
        let is_missed = |(.., made, from): &&(&str, &str, &str, &str)| {
            !self.tree.leads(&fixed(made)) && self.tree.within(&fixed(from)).next().is_some()
        };
        let missed = MISSED.iter().filter(is_missed).filter_map(|(program, what, ..)| {
            let calls =
                |effect: &Effect| matches!(effect, Effect::Tool(Tool::Other(name)) if name == program);
            let by = self.done.keys().filter(|name| self.effects_of(name).iter().any(calls));
            let by: Vec<&str> = by.copied().collect();
            (!by.is_empty()).then(|| format!("{what} not made (`{program}`, for {})", by.join(", ")))
        });
        let tools = self.tools.iter().filter_map(|tool| match tool {
            RuleTool::GdkPixbuf => Some(("the list of GDK-Pixbuf's loaders is", "/loaders/", ".so")),
            RuleTool::GlibSchemas => {
                Some(("the compiled settings schemas of GLib are", "/glib-2.0/schemas/", ".gschema.xml"))
            }
            // GIO looks through its modules where it has no list; the others are made.
            RuleTool::CaCertificates
            | RuleTool::Gconv
            | RuleTool::Gio
            | RuleTool::JavaCacerts
            | RuleTool::Nsswitch
            | RuleTool::Pam => None,
        });
        let usr = fixed("/usr");
        let is_there = |directory: &str, ending: &str| {
            let mut below = self.tree.within(&usr).map(|(path, _)| path.as_str());
            below.any(|path| path.ends_with(ending) && path.contains(directory))
        };
        let tools = tools.filter(|(_, directory, ending)| is_there(directory, ending));
        tools.map(|(what, ..)| format!("{what} not made")).chain(missed).collect()
    }

    /// All of them, as the image stands.
    pub(super) fn whole_image_files(&self) -> Made {
        let mut made = self.loader_cache();
        made.extend(self.certificate_files());
        made.extend(self.pam_files());
        made.extend(self.shell_files());
        made.extend(self.graphviz_config());
        if self.tree.leads(&fixed("/usr/bin/dpkg")) {
            made.extend(self.alternatives.records(|path| self.tree.leads(path)));
            made.extend(database::records(self.done.keys().map(|name| (*name, self.effects_of(name)))));
        }
        self.add_to_given(&mut made);
        made
    }

    /// Where a base image has a list of its own, what is made joins it.
    fn add_to_given(&self, made: &mut Made) {
        for path in ["/etc/shells", database::DIVERSIONS, database::OVERRIDES] {
            let path = fixed(path);
            let (Some(given), Some(file)) = (self.given.get(&path), made.get_mut(&path)) else { continue };
            let Content::Bytes(own) = &file.content else { continue };
            let (given, own) = (String::from_utf8_lossy(given), String::from_utf8_lossy(own));
            let lines = database::joined(path.as_str(), &given, &own);
            *file = MadeFile::file(path, file.entry.metadata.mode, lines.into_bytes());
        }
    }

    fn library(&self, name: &str) -> RootPath {
        fixed(&format!("/usr/lib/{}/{name}", self.distro.triplet(self.arch).unwrap_or_default()))
    }

    /// The content of some files of the image, packages' or made.
    fn contents_of(&self, paths: impl IntoIterator<Item = RootPath>) -> BTreeMap<RootPath, Vec<u8>> {
        let content = |path: &RootPath| {
            let made = self.tree.made_content(path);
            made.or_else(|| self.contents.get(&self.tree.resolve(path)?).cloned())
        };
        paths.into_iter().filter_map(|path| Some((path.clone(), content(&path)?))).collect()
    }

    /// `/etc/ld.so.cache`, and the links that ldconfig makes. An image without a skeleton gets them only for
    /// directories that the loader does not know by itself.
    fn loader_cache(&self) -> Made {
        let mut made = Made::new();
        let Some(triplet) = self.distro.triplet(self.arch) else { return made };
        let machine = self.arch.elf_machine();
        let search = Search::glibc(machine, triplet, Vec::new());
        let contents = self.contents_of(ld_so_cache::config_files(&self.tree));
        let dirs = ld_so_cache::directories(&contents, search.default_dirs());
        let scan = ld_so_cache::scan(&self.tree, &dirs, machine);
        let is_known = |path: &str| {
            RootPath::parse(path)
                .ok()
                .and_then(|path| path.parent())
                .is_some_and(|dir| search.default_dirs().contains(&dir))
        };
        let is_needed = self.recipe.skeleton || scan.entries.iter().any(|entry| !is_known(&entry.path));
        // Without glibc there is nobody to read it.
        if scan.entries.is_empty() || !is_needed || !self.tree.leads(&self.library("libc.so.6")) {
            return made;
        }
        for (path, target) in &scan.missing_links {
            made.insert(path.clone(), MadeFile::symlink(path.clone(), target));
        }
        let cache = fixed("/etc/ld.so.cache");
        made.insert(cache.clone(), MadeFile::file(cache, 0o644, ld_so_cache::write(scan.entries, self.arch)));
        made
    }

    fn certificate_files(&self) -> Made {
        let contents = self.contents_of(certificates::sources(&self.tree));
        let trusted = certificates::trusted(&contents);
        if trusted.is_empty() {
            return Made::new();
        }
        let mut made = certificates::files(&trusted, |path| self.tree.leads(path));
        let keystore = fixed(JAVA_KEYSTORE);
        if self.tools.contains(&RuleTool::JavaCacerts) || self.done.contains_key("ca-certificates-java") {
            made.insert(keystore.clone(), MadeFile::file(keystore, 0o644, certificates::keystore(&trusted)));
        }
        made
    }

    /// `/etc/shells`, where a package brings the list to begin with.
    fn shell_files(&self) -> Made {
        let declared = fixed(shells::DECLARED);
        let mut sources: BTreeSet<RootPath> =
            self.tree.entries(&declared).map(|(path, _)| path.clone()).filter(shells::is_source).collect();
        sources.insert(fixed(shells::TEMPLATE));
        let contents = self.contents_of(sources);
        let added = self.done.iter().filter(|(_, whole)| **whole).flat_map(|(name, _)| self.effects_of(name));
        let added = added.filter_map(|effect| match effect {
            Effect::Tool(Tool::Shells(paths)) => Some(paths),
            _ => None,
        });
        let real = |directory: &RootPath| self.tree.resolve(directory).filter(|path| self.tree.leads(path));
        shells::files(&contents, added.flatten(), real, |path| self.tree.leads(path))
    }

    /// Graphviz's list of its plug-ins, where a package has it made.
    fn graphviz_config(&self) -> Made {
        let is_made = |effect: &Effect| *effect == Effect::Tool(Tool::GraphvizConfig);
        let directory = self.library(graphviz::DIRECTORY);
        let names = self.tree.entries(&directory).map(|(path, _)| path.file_name());
        let names: Vec<(&str, &str)> =
            names.filter_map(|name| Some((name, graphviz::version(name)?))).collect();
        let Some((_, version)) = names.first().copied() else { return Made::new() };
        if !self.done.keys().any(|name| self.effects_of(name).iter().any(is_made)) {
            return Made::new();
        }
        let path = |name: &str| directory.join(name).ok();
        let contents = self.contents_of(names.iter().filter_map(|(name, _)| path(name)));
        let plugins =
            names.iter().filter_map(|(name, _)| Some((*name, contents.get(&path(name)?)?.as_slice())));
        let Some(config) = path(&format!("config{version}a")) else { return Made::new() };
        let text = graphviz::config(plugins).into_bytes();
        Made::from([(config.clone(), MadeFile::file(config, 0o644, text))])
    }

    fn pam_files(&self) -> Made {
        let mut sources: BTreeSet<RootPath> = BTreeSet::new();
        for dir in ["/usr/share/pam", "/usr/share/pam-configs"] {
            let dir = fixed(dir);
            sources.extend(self.tree.entries(&dir).map(|(path, _)| path.clone()).filter(pam::is_source));
        }
        let contents = self.contents_of(sources);
        pam::files(&contents, |module| self.tree.leads(&self.library(&format!("security/{module}"))))
    }
}
