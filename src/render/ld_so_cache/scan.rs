//! Which libraries the cache names: what ldconfig(8) finds in the directories of ld.so.conf(5).

use std::collections::{BTreeMap, BTreeSet};

use globset::GlobBuilder;

use super::super::fixed;
use super::super::image_tree::{ImageTree, Item};
use super::{CacheEntry, compare_names};
use crate::arch::ElfMachine;
use crate::elf::{ElfFacts, ElfKind};
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

/// The file that ldconfig reads first.
pub(in crate::render) const CONFIG: &str = "/etc/ld.so.conf";
/// Where packages put what it includes. An image may have these without the file that includes them.
const CONFIG_DIR: &str = "/etc/ld.so.conf.d";
/// As many files may include one another.
const MAX_INCLUDES: usize = 16;

/// Every file of the image that may say where libraries are.
pub(in crate::render) fn config_files(tree: &ImageTree) -> BTreeSet<RootPath> {
    let dir = fixed(CONFIG_DIR);
    let mut files: BTreeSet<RootPath> =
        tree.files_named(&dir, |name| name.strip_suffix(".conf").is_some()).cloned().collect();
    files.extend(tree.get(&fixed(CONFIG)).is_some().then(|| fixed(CONFIG)));
    files
}

/// The directories of libraries in their order, as configuration names them, then the loader's own. What the
/// configuration files of [`config_files`] say is in `contents`.
///
/// Where there is no `/etc/ld.so.conf`, Debian's is taken for granted, which includes a directory's files.
pub(in crate::render) fn directories(
    contents: &BTreeMap<RootPath, Vec<u8>>,
    default_dirs: &[RootPath],
) -> Vec<RootPath> {
    let mut dirs = Vec::new();
    let config = contents.get(&fixed(CONFIG)).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let config = config.unwrap_or_else(|| format!("include {CONFIG_DIR}/*.conf\n"));
    read_config(&config, &fixed(CONFIG), contents, MAX_INCLUDES, &mut dirs);
    dirs.extend(default_dirs.iter().cloned());
    dirs
}

fn read_config(
    text: &str,
    file: &RootPath,
    contents: &BTreeMap<RootPath, Vec<u8>>,
    depth: usize,
    dirs: &mut Vec<RootPath>,
) {
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("include") if line.len() > "include".len() => {
                for pattern in words {
                    let absolute = match file.parent() {
                        Some(dir) if !pattern.starts_with('/') => format!("{dir}/{pattern}"),
                        _ => pattern.to_owned(),
                    };
                    let glob = GlobBuilder::new(&absolute).literal_separator(true).build();
                    let Some(glob) = glob.ok().filter(|_| depth > 0).map(|glob| glob.compile_matcher())
                    else {
                        continue;
                    };
                    // By the bytes of their names, as glob(3) sorts them without a locale.
                    let mut matching: Vec<&RootPath> =
                        contents.keys().filter(|path| glob.is_match(path.as_str())).collect();
                    matching.sort_by(|a, b| a.as_str().cmp(b.as_str()));
                    for path in matching {
                        let text = String::from_utf8_lossy(&contents[path]);
                        read_config(&text, path, contents, depth - 1, dirs);
                    }
                }
            }
            // Which processor features count is none of ldconfig's business any more.
            Some("hwcap") | None => {}
            Some(_) => {
                let dir = line.split('=').next().unwrap_or_default().trim_end();
                if dir.starts_with('/') {
                    dirs.extend(RootPath::parse(dir).ok());
                }
            }
        }
    }
}

/// What a directory has under one library name.
struct Library {
    name: String,
    is_link: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(in crate::render) struct Scan {
    /// The cache's entries, in the order of directories.
    pub(in crate::render) entries: Vec<CacheEntry>,
    /// Links from a library's name to its file that are not there, and that ldconfig makes.
    pub(in crate::render) missing_links: BTreeMap<RootPath, String>,
}

/// Looks through directories for libraries of a machine.
pub(in crate::render) fn scan(tree: &ImageTree, dirs: &[RootPath], machine: ElfMachine) -> Scan {
    let mut scan = Scan::default();
    let mut seen = BTreeSet::new();
    let mut places = Vec::new();
    for named in dirs {
        let Some(dir) = tree.resolve(named).filter(|dir| seen.insert(dir.clone())) else { continue };
        if !matches!(tree.get(&dir), Some(Item { kind: EntryKind::Directory, .. })) {
            continue;
        }
        places.push((named.clone(), dir.clone(), None));
        let Some(hwcaps) = dir.join("glibc-hwcaps").ok() else { continue };
        for (below, item) in tree.entries(&hwcaps).filter(|(_, item)| item.kind == EntryKind::Directory) {
            let _ = item;
            let name = below.file_name().to_owned();
            if let Ok(named) = named.join(&format!("glibc-hwcaps/{name}")) {
                places.push((named, below.clone(), Some(name)));
            }
        }
    }
    for (named, dir, hwcaps) in places {
        scan.directory(tree, &named, &dir, hwcaps.as_deref(), machine);
    }
    scan
}

impl Scan {
    fn directory(
        &mut self,
        tree: &ImageTree,
        named: &RootPath,
        dir: &RootPath,
        hwcaps: Option<&str>,
        machine: ElfMachine,
    ) {
        // In the order in which names were met first, which decides nothing: the cache is sorted.
        let mut libraries: BTreeMap<String, Library> = BTreeMap::new();
        for (path, item) in tree.entries(dir) {
            let name = path.file_name();
            let Some(facts) = library(tree, path, name, machine) else { continue };
            let own = facts.soname.as_deref().unwrap_or(name);
            let is_link = matches!(item.kind, EntryKind::Symlink { .. })
                && (name == own || (name.strip_suffix(".so").is_some() && own.starts_with(name)));
            let soname = if is_link { name } else { own }.to_owned();
            let better = libraries.get(&soname).is_none_or(|there| {
                (!is_link && there.is_link)
                    || (is_link == there.is_link
                        && compare_names(there.name.as_bytes(), name.as_bytes()).is_lt())
            });
            if better {
                libraries.insert(soname, Library { name: name.to_owned(), is_link });
            }
        }
        for (soname, library) in libraries {
            let file = if hwcaps.is_some() { &library.name } else { &soname };
            if hwcaps.is_none()
                && !library.is_link
                && let Ok(link) = dir.join(&soname)
                && tree.get(&link).is_none()
            {
                self.missing_links.insert(link, library.name.clone());
            }
            let path = format!("{}/{file}", if named.is_root() { "" } else { named.as_str() });
            self.entries.push(CacheEntry { soname, path, hwcaps: hwcaps.map(str::to_owned) });
        }
    }
}

/// What a library says of itself, if a name in a directory of libraries leads to one.
fn library<'t>(
    tree: &'t ImageTree,
    path: &RootPath,
    name: &str,
    machine: ElfMachine,
) -> Option<&'t ElfFacts> {
    let is_library = ((name.starts_with("lib") || name.starts_with("ld-")) && name.contains(".so"))
        || name.starts_with("ld.so.")
        || name.starts_with("ld64.so.");
    let is_other = name.ends_with("-gdb.py") || name.ends_with(".dpkg-new") || name.ends_with(".dpkg-tmp");
    if !is_library || is_other {
        return None;
    }
    let file = tree.resolve(path)?;
    let facts = tree.get(&file)?.elf.as_deref()?;
    let fits = facts.machine == machine && facts.kind != ElfKind::Other && facts.dynamic;
    fits.then_some(facts)
}
