//! What Alpine's set-up makes, against real Alpine roots of two releases and four architectures; and the real apk
//! and busybox in a root that was made so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may fail, and says why it does not run"
)]

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::alpine_corpus;
use rootforge::apk::{applets, archive};
use rootforge::arch::Arch;
use rootforge::cache::ContentId;
use rootforge::catalog::{CatalogError, FileCatalog, MergedUsr, PackageArchive, catalogue, read_contents};
use rootforge::digest::Digest;
use rootforge::effects::{CatalogFiles, EffectsMemo, effects_of_all};
use rootforge::lock::LockedPackage;
use rootforge::recipe::Recipe;
use rootforge::render::alpine::{Image, LayerFiles, ScriptFiles, Setup};
use rootforge::render::{Changes, Content, Made, directory_links, skeleton};
use rootforge::root_path::RootPath;
use rootforge::select::{Reason, Selected, SelectedLayer};
use rootforge::tarball::EntryKind;

const MIRRORS: [(&str, &str, Arch); 6] = [
    ("v3.20", "x86_64", Arch::Amd64),
    ("v3.20", "armhf", Arch::Arm32v6),
    ("v3.20", "aarch64", Arch::Arm64),
    ("v3.20", "s390x", Arch::S390x),
    ("v3.8", "x86_64", Arch::Amd64),
    ("v3.8", "armhf", Arch::Arm32v6),
];
const WORLD: [&str; 6] =
    ["alpine-baselayout", "alpine-keys", "apk-tools", "busybox", "libc-utils", "alpine-release"];

/// A mirror's packages, catalogued, and what its index says of their edges.
struct Packages {
    arch: Arch,
    recipe: Recipe,
    locked: Vec<LockedPackage>,
    catalog: FileCatalog,
}

/// A file of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    kind: &'static str,
    mode: u32,
    owner: [u32; 2],
    target: String,
    content: Vec<u8>,
}

/// The fields of a package's `.PKGINFO`, each name with its values.
fn fields(pkginfo: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut fields: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in pkginfo.lines().filter_map(|line| line.split_once(" = ")) {
        fields.entry(name).or_default().push(value);
    }
    fields
}

impl Packages {
    /// All packages of a mirror, asked for by one layer, or by several that each name some of them.
    fn of(corpus: &Path, branch: &str, arch_name: &str, arch: Arch, layers: &[&[&str]]) -> Packages {
        let from = match branch {
            "v3.20" => "from = \"alpine:3.20\"\n".to_owned(),
            branch => {
                let key = corpus.join("rootforge-test-1.rsa.pub");
                format!(
                    "[[repository]]\ntype = \"apk\"\nurl = \"http://dl-cdn.alpinelinux.org/alpine/{branch}/main\"\nkeys = [\"{}\"]\n",
                    key.display()
                )
            }
        };
        let layers: String = layers
            .iter()
            .enumerate()
            .map(|(at, names)| {
                format!("[[layer]]\nname = \"layer{at}\"\npackages = {names:?}\nkeep = \"all\"\n")
            })
            .collect();
        // `from` belongs to the table's head, repositories do not.
        let recipe = Recipe::parse(&format!("name = \"base\"\n{from}{layers}"), Path::new("/base.toml"));
        let recipe = recipe.unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut infos: BTreeMap<String, (String, PackageArchive, u64)> = BTreeMap::new();
        for entry in fs::read_dir(corpus.join(branch).join("main").join(arch_name)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "apk") {
                let verified = archive::verify(&path, None).unwrap();
                let text = archive::read_control(&path).unwrap().control;
                let one = |name: &str| fields(&text)[name][0].to_owned();
                let (name, version) = (one("pkgname"), one("pkgver"));
                let content = ContentId::Apk(verified.checksum);
                let package = PackageArchive { name: name.clone(), version, content, path, compared: None };
                infos.insert(name, (text, package, verified.size));
            }
        }
        let provider = |wanted: &str| {
            let name = wanted.split(['=', '<', '>', '~']).next().unwrap();
            let provides = |text: &str| {
                let provided = fields(text).remove("provides").unwrap_or_default();
                provided.iter().any(|provided| provided.split('=').next() == Some(name))
            };
            let of =
                infos.get_key_value(name).or_else(|| infos.iter().find(|(_, (text, ..))| provides(text)));
            of.map_or_else(|| panic!("nobody provides {name}"), |(name, _)| name.clone())
        };
        let requires = |text: &str| {
            let fields = fields(text);
            let depends = fields.get("depend").into_iter().flatten().map(|wanted| provider(wanted));
            // What `install_if` adds belongs to the package that it is for.
            let for_us = infos.iter().filter(|(_, (text, ..))| {
                let install_if = self::fields(text).remove("install_if").unwrap_or_default();
                let last = install_if.iter().flat_map(|wanted| wanted.split(' ')).last();
                last.is_some_and(|wanted| provider(wanted) == fields["pkgname"][0])
            });
            depends.chain(for_us.map(|(name, _)| name.clone())).collect::<BTreeSet<_>>()
        };
        // The first layer from which a package is reached.
        let mut layer_of: BTreeMap<String, String> = BTreeMap::new();
        for layer in &recipe.layers {
            let mut queue: Vec<String> =
                layer.packages.iter().map(|name| provider(&name.to_string())).collect();
            while let Some(name) = queue.pop() {
                if let Entry::Vacant(vacant) = layer_of.entry(name) {
                    queue.extend(requires(&infos[vacant.key()].0));
                    vacant.insert(layer.name.clone());
                }
            }
        }
        let locked = infos.iter().map(|(name, (text, package, size))| LockedPackage {
            arch,
            name: name.clone(),
            version: package.version.clone(),
            architecture: arch_name.to_owned(),
            source: String::new(),
            layer: layer_of.get(name).cloned(),
            on_demand: false,
            in_image: false,
            essential: false,
            multi_arch: None,
            repository: Some("alpine main".to_owned()),
            path: String::new(),
            size: *size,
            content: package.content,
            relations: BTreeMap::new(),
            requires: requires(text).into_iter().collect(),
        });
        let locked: Vec<LockedPackage> = locked.collect();
        let links = MergedUsr::new(&directory_links(recipe.conventions(), arch)).keeping_own();
        let mut catalog = FileCatalog::new(links.clone());
        let archives: Vec<PackageArchive> = infos.values().map(|(_, package, _)| package.clone()).collect();
        for package in catalogue(&archives, &links, &()).unwrap() {
            catalog.insert(package).unwrap();
        }
        catalog.order_owners();
        Packages { arch, recipe, locked, catalog }
    }

    /// The selection of a layer: every file of its packages that `keep` wants.
    fn selected(&self, number: usize, keep: impl Fn(&str) -> bool) -> SelectedLayer {
        let name = self.recipe.layers[number].name.clone();
        let is_of_layer = |package: &str| {
            self.locked.iter().any(|locked| locked.name == package && locked.layer.as_ref() == Some(&name))
        };
        let files = self.catalog.paths().filter_map(|(path, files)| {
            let file = files.iter().find(|file| is_of_layer(&self.catalog.get(**file).0.name))?;
            keep(path.as_str()).then(|| (path.clone(), Selected { file: *file, reason: Reason::All }))
        });
        SelectedLayer {
            name: name.clone(),
            files: files.collect(),
            links: BTreeMap::new(),
            made: BTreeMap::new(),
            tools: BTreeMap::new(),
            whole: BTreeSet::new(),
        }
    }

    fn image(&self) -> Image<'_> {
        let packages = self.locked.iter().map(|locked| (locked.name.as_str(), locked)).collect();
        Image::of(&self.recipe, self.arch, &packages, &self.catalog)
    }

    fn content(&self, path: &RootPath) -> Vec<u8> {
        let file = self.catalog.at(path)[0];
        let (package, file) = self.catalog.get(file);
        let index = package.manifest.content_index(file).unwrap();
        let mut bytes = Vec::new();
        read_contents::<(), CatalogError>(package, &[(index, ())].into(), |_, (), content| {
            content.read_to_end(&mut bytes).unwrap();
            Ok(())
        })
        .unwrap();
        bytes
    }

    fn contents(&self, paths: BTreeSet<RootPath>) -> BTreeMap<RootPath, Vec<u8>> {
        paths.into_iter().map(|path| (path.clone(), self.content(&path))).collect()
    }

    /// What is made for each layer, skeleton and all.
    fn made(&self, selected: &[SelectedLayer]) -> (Vec<Made>, Vec<String>) {
        let name = self.recipe.conventions().arch_name(self.arch).unwrap();
        let effects = effects_of_all(
            &self.catalog,
            &CatalogFiles::new(&self.catalog, name, ""),
            &EffectsMemo::default(),
        )
        .unwrap();
        let mut setup = Setup::new(self.image(), &effects);
        let mut script_files = ScriptFiles::new(&self.recipe, self.arch, &self.catalog, &effects);
        let mut layers = Vec::new();
        for (number, selected) in selected.iter().enumerate() {
            let layer = LayerFiles::of(&self.image(), number, selected, &self.catalog);
            let wanted = setup.wants(&layer).into_iter().chain(script_files.wants(selected)).collect();
            let contents = self.contents(wanted);
            let mut laid = setup.layer(&layer, &contents).unwrap();
            let mut made =
                if number == 0 { skeleton(self.recipe.conventions(), self.arch) } else { Made::new() };
            made.retain(|path, file| {
                file.entry.kind == EntryKind::Directory || !selected.files.contains_key(path)
            });
            let changes = script_files.layer(&layer, selected, &made, &mut laid, &contents);
            assert_eq!(changes, Changes::default());
            made.extend(laid.made);
            made.extend(setup.records(&Made::new()));
            layers.push(made);
        }
        (layers, setup.failures().iter().chain(script_files.undone()).cloned().collect())
    }

    /// All files of an image of one layer.
    fn files(&self, selected: &SelectedLayer, made: &Made) -> BTreeMap<String, File> {
        let mut files: BTreeMap<String, File> = BTreeMap::new();
        for (path, selected) in &selected.files {
            let (_, file) = self.catalog.get(selected.file);
            let (kind, target, content) = match &file.entry.kind {
                EntryKind::Directory => ("dir", String::new(), Vec::new()),
                EntryKind::Symlink { target } => ("symlink", target.clone(), Vec::new()),
                _ => ("file", String::new(), self.content(path)),
            };
            let metadata = &file.entry.metadata;
            let owner = [metadata.uid, metadata.gid];
            files.insert(
                path.relative().to_owned(),
                File { kind, mode: metadata.mode, owner, target, content },
            );
        }
        for (path, file) in made {
            let (kind, target) = match &file.entry.kind {
                EntryKind::Directory => ("dir", String::new()),
                EntryKind::Symlink { target } => ("symlink", target.clone()),
                _ => ("file", String::new()),
            };
            let Content::Bytes(content) = file.content.clone() else { panic!("{path} is the host's") };
            let metadata = &file.entry.metadata;
            let owner = [metadata.uid, metadata.gid];
            files.insert(
                path.relative().to_owned(),
                File { kind, mode: metadata.mode, owner, target, content },
            );
            // A layer has every directory above what it holds.
            for above in path.ancestors() {
                let directory = File {
                    kind: "dir",
                    mode: 0o755,
                    owner: [0, 0],
                    target: String::new(),
                    content: Vec::new(),
                };
                files.entry(above.relative().to_owned()).or_insert(directory);
            }
        }
        files
    }
}

fn text(made: &Made, path: &str) -> String {
    let file = made.get(&RootPath::parse(path).unwrap()).unwrap_or_else(|| panic!("{path} is not made"));
    let Content::Bytes(bytes) = &file.content else { panic!("{path} is the host's") };
    String::from_utf8(bytes.clone()).unwrap()
}

/// The paragraphs of an installed database by package, without what a signature and a compressor decide.
fn paragraphs(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let paragraphs = text.split_terminator("\n\n").map(|paragraph| {
        let lines: Vec<&str> =
            paragraph.lines().filter(|line| !line.starts_with("C:") && !line.starts_with("S:")).collect();
        (lines[0], lines)
    });
    paragraphs.collect()
}

#[test]
fn a_whole_base_is_as_alpine_has_it() {
    let Some(corpus) = alpine_corpus() else { return };
    for (branch, arch_name, arch) in MIRRORS {
        let shown = format!("{branch}-{arch_name}");
        let packages = Packages::of(&corpus, branch, arch_name, arch, &[&WORLD]);
        let selected = packages.selected(0, |_| true);
        let (made, undone) = packages.made(std::slice::from_ref(&selected));
        let files = packages.files(&selected, &made[0]);

        let manifest = fs::read_to_string(corpus.join(format!("manifest/{shown}.jsonl"))).unwrap();
        let mut wanted = BTreeSet::new();
        for line in manifest.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let (path, kind) = (row["path"].as_str().unwrap(), row["type"].as_str().unwrap());
            wanted.insert(path.to_owned());
            if path == "." {
                continue;
            }
            let file = files.get(path).unwrap_or_else(|| panic!("{shown}: {path} is missing"));
            let mode = u32::from_str_radix(row["mode"].as_str().unwrap(), 8).unwrap();
            let owner = ["uid", "gid"].map(|id| u32::try_from(row[id].as_u64().unwrap()).unwrap());
            assert_eq!((file.kind, file.mode, file.owner), (kind, mode, owner), "{shown}: {path}");
            if kind == "symlink" {
                assert_eq!(file.target, row["target"].as_str().unwrap(), "{shown}: {path}");
            }
            // Root is locked there after the install; apk's records have other checksums; the request is
            // another.
            let differs = path == "etc/shadow" || path.starts_with("lib/apk/db/") || path == "etc/apk/world";
            // The 3.8 tarballs list a repository that the corpus lacks.
            let differs = differs || (branch == "v3.8" && path == "etc/apk/repositories");
            if kind == "file" && !differs {
                let digest = Digest::of(&file.content).to_string();
                let sha256 = row["sha256"].as_str().unwrap();
                assert!(digest.ends_with(sha256), "{shown}: {path} has other bytes");
            }
        }
        // In the package, not in the tarball: `/dev` is emptied there.
        wanted.extend(["dev/pts".to_owned(), "dev/shm".to_owned()]);
        let more: Vec<&String> = files.keys().filter(|path| !wanted.contains(*path)).collect();
        assert_eq!(more, Vec::<&String>::new(), "{shown}");

        let database = text(&made[0], "/lib/apk/db/installed");
        let mut ours = paragraphs(&database);
        ours.remove("P:alpine-release").unwrap();
        let theirs = fs::read_to_string(corpus.join(format!("manifest/{shown}.installed"))).unwrap();
        let mut theirs = paragraphs(&theirs);
        if branch == "v3.8" {
            // Its records are in the order of its own packages, which the mirror's have not kept.
            ours.values_mut().chain(theirs.values_mut()).for_each(|lines| lines.sort_unstable());
        }
        assert!(ours.keys().eq(theirs.keys()), "{shown}");
        for (name, lines) in &ours {
            assert_eq!(lines, &theirs[name], "{shown}");
        }
        let names: Vec<&str> = database.lines().filter(|line| line.starts_with("P:")).collect();
        assert!(names.is_sorted() && names.len() == packages.locked.len(), "{names:?}");
        assert_eq!(
            text(&made[0], "/etc/apk/world"),
            "alpine-baselayout\nalpine-keys\nalpine-release\napk-tools\nbusybox\nlibc-utils\n"
        );
        assert_eq!(undone, Vec::<String>::new(), "{shown}");
    }
}

#[test]
fn base_accounts_are_those_of_the_package_that_ships_them() {
    let Some(corpus) = alpine_corpus() else { return };
    let packages = Packages::of(&corpus, "v3.20", "s390x", Arch::S390x, &[&WORLD]);
    // The shell is there, the accounts are not.
    let selected = packages.selected(0, |path| path == "/bin/sh");
    let (made, _) = packages.made(&[selected]);
    for path in ["/etc/passwd", "/etc/group"] {
        let theirs = packages.content(&RootPath::parse(path).unwrap());
        assert_eq!(text(&made[0], path), String::from_utf8(theirs).unwrap());
    }
}

#[test]
fn applets_are_those_of_each_binary() {
    let Some(corpus) = alpine_corpus() else { return };
    for (branch, arch_name, arch) in MIRRORS {
        let packages = Packages::of(&corpus, branch, arch_name, arch, &[&WORLD]);
        let found = applets(&packages.content(&RootPath::parse("/bin/busybox").unwrap())).unwrap();
        let manifest =
            fs::read_to_string(corpus.join(format!("manifest/{branch}-{arch_name}.jsonl"))).unwrap();
        let links = manifest.lines().filter_map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            (row["target"] == "/bin/busybox" && row["package"].is_null())
                .then(|| format!("/{}", row["path"].as_str().unwrap()))
        });
        let wanted: BTreeSet<String> = links.collect();
        assert!(wanted.len() > 290, "{}", wanted.len());
        let paths: BTreeSet<String> = found.iter().map(|applet| applet.path.to_string()).collect();
        // What is no link to it there is another package's.
        let others = ["/bin/sh", "/usr/bin/ssl_client"];
        let more: Vec<&String> =
            paths.difference(&wanted).filter(|path| !others.contains(&path.as_str())).collect();
        assert_eq!(more, Vec::<&String>::new(), "{branch}-{arch_name}");
        assert_eq!(
            wanted.difference(&paths).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "{branch}-{arch_name}"
        );
        // The package's own list, where there is one.
        let list = RootPath::parse("/etc/busybox-paths.d/busybox").unwrap();
        if branch == "v3.20" {
            let listed = String::from_utf8(packages.content(&list)).unwrap();
            let listed: BTreeSet<String> = listed.lines().map(|line| format!("/{line}")).collect();
            assert_eq!(paths, listed);
        }
    }
}

#[test]
fn a_layer_is_what_it_and_those_below_it_hold() {
    let Some(corpus) = alpine_corpus() else { return };
    let of = |layers: &[&[&str]]| Packages::of(&corpus, "v3.20", "x86_64", Arch::Amd64, layers);
    let base: &[&str] = &["busybox"];
    let alone = of(&[base]);
    let (below, _) = alone.made(&[alone.selected(0, |_| true)]);
    // Accounts, although no package brings them.
    assert!(text(&below[0], "/etc/passwd").starts_with("root:x:0:0:root:/root:/sbin/nologin\n"));

    let two = of(&[base, &["alpine-baselayout", "apk-tools"]]);
    // Of apk-tools, only the library.
    let keep = |path: &str| !matches!(path, "/sbin/apk" | "/lib/apk/exec" | "/etc/apk/protected_paths.d");
    let selected = [two.selected(0, |_| true), two.selected(1, keep)];
    let (made, _) = two.made(&selected);
    assert_eq!(made[0], below[0]);
    let packages = |made: &Made| {
        let text = text(made, "/lib/apk/db/installed");
        let names = text.lines().filter_map(|line| line.strip_prefix("P:"));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(packages(&made[0]), ["busybox", "musl"]);
    let upper = packages(&made[1]);
    assert!(
        ["apk-tools", "busybox", "zlib"].iter().all(|name| upper.iter().any(|listed| listed == name)),
        "{upper:?}"
    );
    let database = text(&made[1], "/lib/apk/db/installed");
    let apk = paragraphs(&database).remove("P:apk-tools").unwrap();
    let files: Vec<&str> =
        apk.into_iter().filter(|line| line.starts_with("F:") || line.starts_with("R:")).collect();
    assert_eq!(files[..5], ["F:etc", "F:etc/apk", "F:etc/apk/keys", "F:lib", "R:libapk.so.2.14.0"]);
    assert!(!files.contains(&"R:apk") && !files.contains(&"F:lib/apk/exec"), "{files:?}");
    assert_eq!(text(&made[1], "/etc/apk/world"), "alpine-baselayout\napk-tools\nbusybox\n");
    // What the lower layer has is not made again: links, accounts, triggers.
    let paths: Vec<&str> = made[1].keys().map(RootPath::as_str).collect();
    assert_eq!(
        paths,
        [
            "/etc/apk/world",
            "/lib/apk/db/installed",
            "/lib/apk/db/lock",
            "/lib/apk/db/scripts.tar",
            "/var/cache/apk"
        ]
    );
}

/// A root of Alpine 3.20 in a directory of this machine.
struct Root {
    packages: Packages,
    directory: tempfile::TempDir,
}

impl Root {
    /// None, saying so, where it could not be entered.
    fn of(corpus: &Path) -> Option<Root> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 || std::env::consts::ARCH != "x86_64" {
            eprintln!("skipped: chroot needs root, and the corpus's apk an x86_64");
            return None;
        }
        let packages = Packages::of(corpus, "v3.20", "x86_64", Arch::Amd64, &[&WORLD]);
        let selected = packages.selected(0, |_| true);
        let (made, _) = packages.made(std::slice::from_ref(&selected));
        let directory = tempfile::tempdir().unwrap();
        for (path, file) in packages.files(&selected, &made[0]) {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match file.kind {
                "dir" => fs::create_dir_all(&path).unwrap(),
                "symlink" => symlink(&file.target, &path).unwrap(),
                _ => fs::write(&path, &file.content).unwrap(),
            }
            if file.kind != "symlink" {
                chown(&path, Some(file.owner[0]), Some(file.owner[1])).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).unwrap();
            }
        }
        Some(Root { packages, directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What a program in it says on standard output.
    fn run(&self, words: &[&str]) -> String {
        let mut command = Command::new("chroot");
        command.arg(self.path()).args(words).env("PATH", "/sbin:/usr/sbin:/bin:/usr/bin");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}{wrong}");
        said
    }
}

#[test]
fn the_real_apk_and_busybox_find_all_in_order() {
    let Some(corpus) = alpine_corpus() else { return };
    let Some(root) = Root::of(&corpus) else { return };
    let (packages, run) = (&root.packages, |words: &[&str]| root.run(words));
    let links = |root: &Path| {
        let directories = ["bin", "sbin", "usr/bin", "usr/sbin", ""];
        let entries = directories.iter().flat_map(|directory| fs::read_dir(root.join(directory)).unwrap());
        entries.map(|entry| entry.unwrap().path()).collect::<BTreeSet<_>>()
    };
    let before = links(root.path());
    run(&["/bin/busybox", "--install", "-s"]);
    assert_eq!(links(root.path()), before);
    assert_eq!(run(&["/bin/sh", "-c", "id -un; stat -c %G /etc/shadow"]), "root\nshadow\n");

    let said = run(&["/sbin/apk", "info", "-v"]);
    // It has no index of the repositories.
    let listed = said.lines().filter(|line| !line.starts_with("WARNING: opening from cache"));
    let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
    let wanted = packages.locked.iter().map(|locked| format!("{}-{}", locked.name, locked.version));
    assert_eq!(listed, wanted.collect());
    assert_eq!(run(&["/sbin/apk", "audit", "--system"]), "");
    // All else below `/etc` is as the packages have it, accounts too; these it always tells.
    let changed = run(&["/sbin/apk", "audit", "--backup"]);
    assert!(changed.lines().all(|line| line.starts_with("A etc/apk/")), "{changed}");

    // apk writes its records anew as ours were, less the package that went.
    let records = |name: &str| fs::read(root.path().join("lib/apk/db").join(name)).unwrap();
    let scripts = || {
        let bytes = records("scripts.tar");
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let (header, mut content) = (entry.header().as_bytes().to_vec(), Vec::new());
            entry.read_to_end(&mut content).unwrap();
            (header, content)
        });
        // By name: those of a new root are in the order of installation, later ones as in the database.
        entries.collect::<BTreeSet<_>>()
    };
    let before = (records("triggers"), scripts());
    let database = String::from_utf8(records("installed")).unwrap();
    run(&["/sbin/apk", "--no-network", "del", "alpine-release"]);
    assert!(before.1.len() == 7 && before == (records("triggers"), scripts()));
    let left: String = database
        .split_inclusive("\n\n")
        .filter(|paragraph| !paragraph.contains("\nP:alpine-release\n"))
        .collect();
    assert_eq!(String::from_utf8(records("installed")).unwrap(), left);
}

/// Copies a mirror's packages and index to where the apk in a root finds them.
fn copy_mirror(corpus: &Path, mirror: &str, root: &Path) {
    let to = root.join("repo").join(mirror);
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(corpus.join(mirror)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn records_are_byte_for_byte_those_of_a_fresh_install() {
    let Some(corpus) = alpine_corpus() else { return };
    let Some(root) = Root::of(&corpus) else { return };
    let key = "rootforge-test-1.rsa.pub";
    fs::create_dir(root.path().join("keys")).unwrap();
    fs::copy(corpus.join(key), root.path().join("keys").join(key)).unwrap();
    for (branch, arch_name, arch) in MIRRORS {
        copy_mirror(&corpus, &format!("{branch}/main/{arch_name}"), root.path());
        let (new, repository) = (format!("/new-{branch}-{arch_name}"), format!("/repo/{branch}/main"));
        let mut words = vec!["/sbin/apk", "add", "--root", &new, "--initdb", "--no-cache", "--no-scripts"];
        words.extend(["--arch", arch_name, "--keys-dir", "/keys", "--repository", &repository]);
        words.extend(WORLD);
        root.run(&words);
        let packages = Packages::of(&corpus, branch, arch_name, arch, &[&WORLD]);
        let (made, _) = packages.made(&[packages.selected(0, |_| true)]);
        let records =
            ["lib/apk/db/installed", "lib/apk/db/triggers", "lib/apk/db/scripts.tar", "lib/apk/db/lock"];
        for path in records.into_iter().chain(["etc/apk/world", "etc/apk/arch"]) {
            let theirs = root.path().join(&new[1..]).join(path);
            let ours = &made[0][&RootPath::parse(path).unwrap()];
            assert!(ours.content == Content::Bytes(fs::read(&theirs).unwrap()), "{new}: {path} differs");
            assert_eq!(fs::metadata(&theirs).unwrap().mode() & 0o7777, ours.entry.metadata.mode, "{path}");
        }
    }
}
