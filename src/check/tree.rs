//! The merged tree of an image: is there what it is to run, as whom, and do its ELF files find their
//! libraries?

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::Fault;
use super::access::Account;
use super::closure::Closure;
use super::layers::LayerContent;
use super::owners;
use crate::arch::Arch;
use crate::elf::ElfFacts;
use crate::loader::{self, FileTree, Node, Resolved, configures_dirs};
use crate::oci::{MergedNode, MergedTree};
use crate::root_path::RootPath;
use crate::select::{interpreters, is_command};
use crate::tarball::EntryKind;

/// An image's files, as a container would see them.
#[derive(Debug)]
pub struct ImageTree {
    merged: MergedTree,
    layers: Vec<Rc<LayerContent>>,
}

impl FileTree for ImageTree {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        match self.merged.node(path)? {
            Node::File(_) => Some(Node::File(self.facts(self.merged.get(path)?))),
            other => Some(other),
        }
    }
}

impl ImageTree {
    pub(super) fn new(merged: MergedTree, layers: Vec<Rc<LayerContent>>) -> Self {
        ImageTree { merged, layers }
    }

    /// What is wrong in the tree, given the image's config.
    pub(super) fn faults(&self, config: &Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        let run = &config["config"];
        let program = self.program(run);
        let started = program.as_ref().ok().cloned().flatten();
        faults.extend(program.err());
        faults.extend(self.uninterpreted(run, started.as_ref().map(|place| &place.path)));
        faults.extend(self.user(run));
        faults.extend(self.working_directory(run));
        faults.extend(self.damaged());
        let arch = Arch::ALL.into_iter().find(|arch| {
            let platform = arch.platform();
            config["architecture"] == platform.architecture
                && (config["variant"].as_str() == platform.variant
                    || *arch == Arch::Arm64 && config["variant"].is_null())
        });
        let closure = arch.and_then(|arch| Closure::of(self, arch, run));
        faults.extend(started.map(|start| self.barred(run, &start, closure.as_ref())).unwrap_or_default());
        faults.extend(closure.map(Closure::faults).unwrap_or_default());
        faults
    }

    /// The packages that files are from, as far as the image says it.
    pub(super) fn owners(&self) -> BTreeMap<RootPath, String> {
        let records = self.merged.iter().filter(|(path, _)| owners::is_record(path));
        let paths = records.filter_map(|(path, _)| Some(owners::paths(path, self.text(path)?))).flatten();
        // A record may go by a link such as `/lib`.
        let place = |path: &RootPath| loader::resolve(self, &path.parent()?)?.join(path.file_name()).ok();
        paths.filter_map(|(path, package)| Some((place(&path)?, package))).collect()
    }

    /// The files that begin like ELF files and are not whole.
    fn damaged(&self) -> impl Iterator<Item = Fault> {
        self.merged.iter().filter_map(|(path, node)| {
            let content = node.content?;
            let reason = self.layers.get(content.layer)?.damaged.get(&content.entry)?.clone();
            let is_program = is_command(path) && node.metadata.mode & 0o111 != 0;
            Some(Fault::Damaged { file: path.clone(), reason, is_program })
        })
    }

    /// Every ELF file, by its paths.
    pub(super) fn elf_files(&self) -> impl Iterator<Item = (&RootPath, &ElfFacts)> {
        self.merged.iter().filter_map(|(path, node)| Some((path, self.facts(node)?)))
    }

    /// The texts of `/etc/ld.so.conf` and the files it may include.
    pub(super) fn loader_configuration(&self) -> BTreeMap<RootPath, &str> {
        let files = self.merged.iter().filter(|(path, _)| configures_dirs(path));
        files.filter_map(|(path, _)| Some((path.clone(), self.text(path)?))).collect()
    }

    fn facts(&self, node: &MergedNode) -> Option<&ElfFacts> {
        let content = node.content?;
        self.layers.get(content.layer)?.facts.get(&content.entry)
    }

    /// A text file's content, links followed; only of those that reading a layer keeps.
    pub(super) fn text(&self, path: &RootPath) -> Option<&str> {
        let content = self.merged.get(&loader::resolve(self, path)?)?.content?;
        Some(self.layers.get(content.layer)?.texts.get(&content.entry)?)
    }

    /// The first line of a script, without `#!`.
    pub(super) fn shebang(&self, path: &RootPath) -> Option<&str> {
        let content = self.merged.get(path)?.content?;
        self.layers.get(content.layer)?.shebangs.get(&content.entry).map(String::as_str)
    }

    /// All layers over each other.
    pub(super) const fn merged(&self) -> &MergedTree {
        &self.merged
    }

    /// The program that a container starts, if the config says one: where it lies, or why that cannot be started.
    fn program(&self, config: &Value) -> Result<Option<Resolved>, Fault> {
        let first = |key: &str| config[key][0].as_str().filter(|program| !program.is_empty());
        let Some(program) = first("Entrypoint").or_else(|| first("Cmd")) else { return Ok(None) };
        let found = self.commands(config, program);
        if found.is_empty() {
            return Err(Fault::Entrypoint(program.to_owned()));
        }
        let runs = |place: &Resolved| {
            let node = self.merged.get(&place.path);
            node.is_some_and(|node| {
                matches!(node.kind, EntryKind::File { .. }) && node.metadata.mode & 0o111 != 0
            })
        };
        let mut found: Vec<Resolved> = found.into_iter().filter(runs).collect();
        // What the user may not run is passed over, as long as there is another.
        let account = Account::of(self, config);
        let is_ours =
            |place: &Resolved| account.as_ref().is_none_or(|account| self.may_execute(account, place));
        let first = found.iter().position(is_ours).unwrap_or(0);
        if found.is_empty() {
            return Err(Fault::NotExecutable(program.to_owned()));
        }
        Ok(Some(found.swap_remove(first)))
    }

    /// A working directory that is something else, or lies below something else. One that is not there, engines make.
    fn working_directory(&self, config: &Value) -> Option<Fault> {
        let path = RootPath::parse(config["WorkingDir"].as_str()?).ok()?;
        let mut ways: Vec<RootPath> = path.ancestors().chain([path.clone()]).collect();
        ways.reverse();
        let found = ways.iter().find_map(|way| loader::resolve(self, way))?;
        let is_directory = found.is_root() || self.node(&found) == Some(Node::Directory);
        (!is_directory).then_some(Fault::WorkingDirectory { path, found })
    }

    /// What a container may start by a name or a path, links followed, in the order in which it is looked for.
    pub(super) fn commands(&self, config: &Value, program: &str) -> Vec<Resolved> {
        let mut candidates = Vec::new();
        if program.contains('/') {
            let workdir = config["WorkingDir"].as_str().unwrap_or("/");
            candidates.extend(under(workdir, program));
        } else {
            let mut variables = config["Env"].as_array().into_iter().flatten();
            let path = variables.find_map(|variable| variable.as_str()?.strip_prefix("PATH="));
            let path = path.unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
            candidates.extend(path.split(':').filter_map(|directory| under(directory, program)));
        }
        let found = candidates.iter().filter_map(|path| loader::follow(self, path));
        found.filter(|place| self.merged.get(&place.path).is_some()).collect()
    }

    /// The scripts among the commands, and the one that is started, whose interpreters are not there.
    fn uninterpreted(&self, config: &Value, started: Option<&RootPath>) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (path, node) in self.merged.iter() {
            let is_started = started == Some(path);
            let is_run = is_started || is_command(path) && node.metadata.mode & 0o111 != 0;
            let shebang = if is_run { self.shebang(path) } else { None };
            let named = shebang.map(interpreters).unwrap_or_default();
            let lacking = named.into_iter().find(|program| self.commands(config, program).is_empty());
            faults.extend(lacking.map(|interpreter| Fault::Script {
                file: path.clone(),
                interpreter: interpreter.to_owned(),
                is_started,
            }));
        }
        faults
    }

    /// `user[:group]`, each a name or a number.
    fn user(&self, config: &Value) -> Vec<Fault> {
        let text = config["User"].as_str().unwrap_or_default();
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let mut faults = Vec::new();
        if !self.is_known(user, "/etc/passwd") {
            faults.push(Fault::User(user.to_owned()));
        }
        if !self.is_known(group, "/etc/group") {
            faults.push(Fault::Group(group.to_owned()));
        }
        faults
    }

    fn is_known(&self, name: &str, file: &str) -> bool {
        name.bytes().all(|byte| byte.is_ascii_digit())
            || RootPath::parse(file)
                .ok()
                .and_then(|file| self.text(&file))
                .is_some_and(|text| text.lines().any(|line| line.split(':').next() == Some(name)))
    }
}

/// A program's path, below a directory unless it is absolute.
fn under(directory: &str, program: &str) -> Option<RootPath> {
    let text = if program.starts_with('/') { program.to_owned() } else { format!("{directory}/{program}") };
    RootPath::parse(&text).ok()
}
