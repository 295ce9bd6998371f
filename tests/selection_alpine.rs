//! What gets in on Alpine: recipe, lock and package files, and the selection that comes of them. A case a rule.
//!
//! Packages are made in code and reach selection as it asks for them, one round after the other. What is said of a
//! path is which package it is from, or, of a link that no package has, what it says.
#![allow(clippy::too_many_lines, reason = "a table of cases is as long as its cases")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc as Shared;

use crate::support::Package;
use rootforge::apk::archive::Marks;
use rootforge::arch::Arch;
use rootforge::catalog::{
    CatalogError, CataloguedFile, Control, FileCatalog, Manifest, MergedUsr, OwnElfs, PackageFiles,
};
use rootforge::digest::Digest;
use rootforge::distro::Distro;
use rootforge::elf;
use rootforge::lock::LockedPackage;
use rootforge::recipe::Recipe;
use rootforge::root_path::RootPath;
use rootforge::select::{Given, Inputs, Outcome, ReadScripts, Selection, likely_packages, select};
use rootforge::shell::{ScriptWords, TextKind};

/// Links that busybox would have.
const APPLETS: &[(&str, &str)] = &[("/usr/bin/env", "/bin/busybox"), ("/bin/ls", "/bin/busybox")];

/// What a distro of Alpine's kind has for every program.
const BASE: &str = "
    Package: musl
    /lib/ld-musl-x86_64.so.1 elf soname=libc.musl-x86_64.so.1
    /lib/libc.musl-x86_64.so.1 -> ld-musl-x86_64.so.1

    Package: busybox
    Depends: musl
    /bin/busybox elf program interp=/lib/ld-musl-x86_64.so.1 needed=libc.musl-x86_64.so.1
    /etc/securetty 0644 tty
    /usr/share/udhcpc/default.script 0755 #!/bin/sh

    Package: busybox-binsh
    Source: busybox
    Depends: busybox
    /bin/sh -> /bin/busybox
";

struct Case {
    summary: &'static str,
    from: &'static str,
    layers: String,
    packages: String,
    musl_path: Option<&'static str>,
    chosen: &'static str,
    warnings: Vec<&'static str>,
    error: &'static str,
    /// Packages that need not have been fetched.
    untouched: Vec<&'static str>,
}

fn case(summary: &'static str, layers: &str, packages: &str, chosen: &'static str) -> Case {
    Case {
        summary,
        from: "alpine:3.20",
        layers: layers.to_owned(),
        packages: format!("{BASE}\n{packages}"),
        musl_path: None,
        chosen,
        warnings: Vec::new(),
        error: "",
        untouched: Vec::new(),
    }
}

fn layer(packages: &str, more: &str) -> String {
    format!("[[layer]]\nname = \"main\"\npackages = [{packages}]\n{more}\n")
}

impl Case {
    fn warns(mut self, words: &[&'static str]) -> Self {
        self.warnings = words.to_vec();
        self
    }

    fn fails(self, error: &'static str) -> Self {
        Case { error, ..self }
    }

    fn leaves(mut self, packages: &[&'static str]) -> Self {
        self.untouched = packages.to_vec();
        self
    }

    #[track_caller]
    fn holds(&self) {
        // Wolfi's keys are the recipe's to bring.
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::write(dir.path().join("key.rsa.pub"), "").unwrap();
        let (from, layers) = (self.from, &self.layers);
        let text = format!("name = \"r\"\nfrom = \"{from}\"\nkeys = [\"key.rsa.pub\"]\n{layers}");
        let recipe = Recipe::parse(&text, &dir.path().join("r.toml")).unwrap();
        let packages = Package::parse(&self.packages);
        let (fetched, result) = selection(&recipe, &packages, self.musl_path);
        match result {
            Err(error) => {
                assert!(!self.error.is_empty() && error.contains(self.error), "{}: {error}", self.summary);
            }
            Ok((catalog, selection)) => {
                assert_eq!(self.error, "", "{}", self.summary);
                let wanted: Vec<&str> =
                    self.chosen.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                assert_eq!(told(&catalog, &selection), wanted, "{}", self.summary);
                let warnings: Vec<String> = selection.warnings.iter().map(ToString::to_string).collect();
                assert_eq!(warnings, self.warnings, "{}", self.summary);
            }
        }
        for package in &self.untouched {
            assert!(!fetched.contains(*package), "{}: {package} was fetched", self.summary);
        }
    }
}

/// Reads none: what scripts call is not what these cases are about.
#[derive(Debug)]
struct Unread;

impl ReadScripts for Unread {
    fn words(&self, _: &RootPath) -> Result<Shared<ScriptWords>, CatalogError> {
        Ok(Shared::default())
    }

    fn named(
        &self,
        _: &PackageFiles,
        _: &BTreeMap<u32, TextKind>,
        _: &BTreeSet<String>,
    ) -> Result<BTreeSet<(u32, String)>, CatalogError> {
        Ok(BTreeSet::new())
    }
}

/// Asks until nothing more is wanted: what was fetched, and the outcome.
fn selection(
    recipe: &Recipe,
    packages: &[Package],
    musl_path: Option<&str>,
) -> (BTreeSet<String>, Result<(FileCatalog, Selection), String>) {
    let distro = recipe.conventions();
    let arch = Arch::Amd64;
    let locked: Vec<LockedPackage> = packages.iter().map(lock).collect();
    let by_name: BTreeMap<&str, &LockedPackage> = locked.iter().map(|one| (one.name.as_str(), one)).collect();
    let applets: BTreeMap<RootPath, String> =
        APPLETS.iter().map(|(path, target)| (RootPath::parse(path).unwrap(), (*target).to_owned())).collect();
    let none = BTreeMap::new();
    let mut catalog = FileCatalog::new(MergedUsr::new(distro.directory_links(arch)));
    let mut wants = likely_packages(recipe, arch, &by_name);
    let mut fetched = BTreeSet::new();
    loop {
        for name in wants {
            let package = packages.iter().find(|package| package.name() == name).unwrap();
            catalog.insert(catalogued(package, distro)).unwrap();
            fetched.insert(name);
        }
        catalog.order_owners();
        // Applets are known once busybox is.
        let made_links = if fetched.contains("busybox") { &applets } else { &none };
        let inputs = Inputs {
            recipe,
            below: &Selection::default(),
            distro,
            arch,
            given: &Given::default(),
            packages: &by_name,
            catalog: &catalog,
            made_links,
            musl_path,
            own: &OwnElfs::default(),
            own_packages: &BTreeMap::new(),
            loader_configuration: &BTreeMap::new(),
            scripts: &Unread,
        };
        match select(inputs) {
            Ok(Outcome::Wants(more)) => {
                wants = more.files;
                wants.extend(more.outlines);
            }
            Ok(Outcome::Selection(selection)) => return (fetched, Ok((catalog, selection))),
            Err(error) => return (fetched, Err(error.to_string())),
        }
    }
}

/// The lock's entry: the solver's edges are the names in `Depends`.
fn lock(package: &Package) -> LockedPackage {
    let names = package.field("Depends").unwrap_or_default().split(',').map(str::trim);
    LockedPackage {
        arch: Arch::Amd64,
        name: package.name().to_owned(),
        version: "1.0-r0".to_owned(),
        architecture: "x86_64".to_owned(),
        source: package.field("Source").unwrap_or(package.name()).to_owned(),
        layer: None,
        on_demand: false,
        in_image: false,
        essential: false,
        multi_arch: None,
        repository: None,
        path: format!("{}-1.0-r0.apk", package.name()),
        size: 0,
        content: Digest::of(package.name().as_bytes()).into(),
        relations: package
            .field("Provides")
            .map(|text| ("provides".to_owned(), text.to_owned()))
            .into_iter()
            .collect(),
        requires: names.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect(),
    }
}

fn catalogued(package: &Package, distro: Distro) -> PackageFiles {
    let members = package.members(distro, Arch::Amd64);
    let files = members.into_iter().zip(0..).map(|((entry, content), index)| {
        let text = String::from_utf8_lossy(&content).into_owned();
        let shebang =
            text.strip_prefix("#!").map(|rest| rest.lines().next().unwrap_or_default().trim().to_owned());
        let elf = elf::facts(&content).ok().map(Shared::new);
        CataloguedFile { entry, index, elf, shebang, damaged_elf: None, marks: Marks::default() }
    });
    PackageFiles {
        name: package.name().to_owned(),
        version: "1.0-r0".to_owned(),
        content: Digest::of(package.name().as_bytes()).into(),
        archive: "none".into(),
        cache: None,
        manifest: Shared::new(Manifest { files: files.collect(), control: Control::default() }),
        kept: None,
        source: None,
        is_outline: false,
    }
}

/// A line a path, directories left out.
fn told(catalog: &FileCatalog, selection: &Selection) -> Vec<String> {
    let mut lines = Vec::new();
    for layer in &selection.layers {
        if selection.layers.len() > 1 {
            lines.push(format!("-- {}", layer.name));
        }
        let mut of_layer: Vec<String> =
            layer.links.iter().map(|(path, link)| format!("{path} -> {}", link.target)).collect();
        for (path, file) in &layer.files {
            let (package, entry) = catalog.get(file.file);
            if entry.entry.kind != rootforge::tarball::EntryKind::Directory {
                of_layer.push(format!("{path} of {}", package.name));
            }
        }
        of_layer.sort();
        lines.extend(of_layer);
    }
    lines
}

#[test]
fn what_a_daemon_needs() {
    case(
        "libraries of /lib and /usr/lib, data and plug-ins, and nothing for its install scripts",
        &layer(r#""webd""#, ""),
        "Package: webd
         Depends: busybox-binsh, musl, libssl3, webd-mime, webd-openrc
         /usr/sbin/webd elf program interp=/lib/ld-musl-x86_64.so.1 needed=libssl.so.3,libc.musl-x86_64.so.1
         /etc/webd/webd.conf 0644 conf
         /etc/logrotate.d/webd 0644 rotate

         Package: libssl3
         Source: openssl
         Depends: musl, libcrypto3
         /lib/libssl.so.3 elf soname=libssl.so.3 needed=libcrypto.so.3,libc.musl-x86_64.so.1
         /usr/lib/libssl.so.3 -> ../../lib/libssl.so.3

         Package: libcrypto3
         Source: openssl
         Depends: musl
         /lib/libcrypto.so.3 elf soname=libcrypto.so.3 needed=libc.musl-x86_64.so.1
         /usr/lib/engines-3/afalg.so elf needed=libcrypto.so.3
         /etc/ssl/openssl.cnf 0644 cnf

         Package: webd-mime
         /usr/share/mime 0644 mime
         /usr/bin/mime-edit elf program soname=edit
         /sbin/mime-admin elf program soname=admin

         Package: webd-openrc
         Source: webd
         Depends: openrc
         /etc/init.d/webd 0755 #!/sbin/openrc-run
         /etc/conf.d/webd 0644 conf

         Package: openrc
         Depends: busybox-binsh
         /sbin/openrc-run elf program soname=run
         /lib/rc/sh/functions.sh 0755 #!/bin/sh",
        "/etc/ssl/openssl.cnf of libcrypto3
         /etc/webd/webd.conf of webd
         /lib/ld-musl-x86_64.so.1 of musl
         /lib/libc.musl-x86_64.so.1 of musl
         /lib/libcrypto.so.3 of libcrypto3
         /lib/libssl.so.3 of libssl3
         /usr/lib/engines-3/afalg.so of libcrypto3
         /usr/sbin/webd of webd
         /usr/share/mime of webd-mime",
    )
    .leaves(&["busybox", "busybox-binsh", "openrc"])
    .holds();
}

#[test]
fn scripts_and_applets() {
    case(
        "/bin/sh is a link of one package to another's file, and brings nothing else of both",
        &layer(r#""app""#, ""),
        "Package: app
         Depends: busybox-binsh
         /usr/bin/app 0755 #!/bin/sh -e",
        "/bin/busybox of busybox
         /bin/sh of busybox-binsh
         /lib/ld-musl-x86_64.so.1 of musl
         /lib/libc.musl-x86_64.so.1 of musl
         /usr/bin/app of app",
    )
    .holds();
    case(
        "an applet's link that is yet to be made leads to busybox; the others stay out",
        &layer(r#""app""#, ""),
        "Package: app
         Depends: busybox-binsh, python3
         /usr/libexec/app/run 0755 #!/usr/bin/env python3

         Package: python3
         Depends: musl
         /usr/bin/python3 -> python3.12
         /usr/bin/python3.12 elf program interp=/lib/ld-musl-x86_64.so.1 needed=libc.musl-x86_64.so.1
         /usr/bin/pydoc3 0755 #!/usr/bin/python3
         /usr/lib/python3.12/os.py 0644 import",
        "/bin/busybox of busybox
         /lib/ld-musl-x86_64.so.1 of musl
         /lib/libc.musl-x86_64.so.1 of musl
         /usr/bin/env -> /bin/busybox
         /usr/bin/python3 of python3
         /usr/bin/python3.12 of python3
         /usr/lib/python3.12/os.py of python3
         /usr/libexec/app/run of app",
    )
    .leaves(&["busybox-binsh"])
    .holds();
    case(
        "a package's own command comes before an applet of that name",
        &layer(r#""app""#, ""),
        "Package: app
         Depends: coreutils
         /usr/bin/app 0755 #!/usr/bin/env ls

         Package: coreutils
         Depends: musl
         /usr/bin/env elf program interp=/lib/ld-musl-x86_64.so.1 needed=libc.musl-x86_64.so.1
         /bin/ls -> ../usr/bin/coreutils
         /usr/bin/coreutils elf program soname=coreutils",
        "/bin/ls of coreutils
         /lib/ld-musl-x86_64.so.1 of musl
         /lib/libc.musl-x86_64.so.1 of musl
         /usr/bin/app of app
         /usr/bin/coreutils of coreutils
         /usr/bin/env of coreutils",
    )
    .holds();
    case(
        "an excluded applet is not there",
        &layer(r#""app""#, "exclude = [\"/usr/bin/env\"]"),
        "Package: app
         Depends: busybox-binsh
         /usr/bin/app 0755 #!/usr/bin/env ls",
        "/bin/busybox of busybox
         /bin/ls -> /bin/busybox
         /lib/ld-musl-x86_64.so.1 of musl
         /lib/libc.musl-x86_64.so.1 of musl
         /usr/bin/app of app",
    )
    .warns(&["the script /usr/bin/app is run by /usr/bin/env, which is not there"])
    .holds();
    case(
        "a link made for a lower layer is not made again",
        &format!("{}[[layer]]\nname = \"top\"\npackages = [\"tool\"]\n", layer(r#""app""#, "")),
        "Package: app
         Depends: busybox-binsh
         /usr/bin/app 0755 #!/usr/bin/env sh

         Package: tool
         Depends: busybox-binsh
         /usr/bin/tool 0755 #!/usr/bin/env ls",
        "-- main
         /bin/busybox of busybox
         /bin/sh of busybox-binsh
         /lib/ld-musl-x86_64.so.1 of musl
         /lib/libc.musl-x86_64.so.1 of musl
         /usr/bin/app of app
         /usr/bin/env -> /bin/busybox
         -- top
         /bin/ls -> /bin/busybox
         /usr/bin/tool of tool",
    )
    .holds();
}

#[test]
fn what_programs_name() {
    case(
        "a plug-in of what is reached names a program of its own package, which busybox has nothing to do with",
        &layer(r#""app", "busybox""#, ""),
        "Package: app
         Depends: tool
         /usr/bin/app elf program interp=/lib/ld-musl-x86_64.so.1 needed=libtool.so.1,libc.musl-x86_64.so.1

         Package: tool
         Depends: musl
         /usr/lib/libtool.so.1 elf soname=libtool.so.1 needed=libc.musl-x86_64.so.1
         /usr/lib/tool/plug.so elf names=/usr/bin/tool-helper needed=libc.musl-x86_64.so.1
         /usr/bin/tool-helper elf program interp=/lib/ld-musl-x86_64.so.1 needed=libc.musl-x86_64.so.1
         /usr/bin/tool-admin elf program interp=/lib/ld-musl-x86_64.so.1 needed=libc.musl-x86_64.so.1",
        "/bin/busybox of busybox
         /etc/securetty of busybox
         /lib/ld-musl-x86_64.so.1 of musl
         /lib/libc.musl-x86_64.so.1 of musl
         /usr/bin/app of app
         /usr/bin/tool-helper of tool
         /usr/lib/libtool.so.1 of tool
         /usr/lib/tool/plug.so of tool
         /usr/share/udhcpc/default.script of busybox",
    )
    .holds();
}

#[test]
fn names() {
    case(
        "a name that a package provides names it, and naming passes on within one origin",
        &layer(r#""cmd:app""#, ""),
        "Package: app-bin
         Source: app
         Depends: app-libs, other
         Provides: cmd:app=1.0-r0 app=1.0
         /usr/bin/app elf program needed=libapp.so.1

         Package: app-libs
         Source: app
         /usr/lib/libapp.so.1 elf soname=libapp.so.1
         /usr/lib/libappmore.so.1 elf soname=libappmore.so.1

         Package: other
         /usr/bin/other elf program soname=other",
        "/usr/bin/app of app-bin
         /usr/lib/libapp.so.1 of app-libs
         /usr/lib/libappmore.so.1 of app-libs",
    )
    .holds();
    case(
        "busybox that is named gives all it has",
        &layer(r#""busybox""#, ""),
        "",
        "/bin/busybox of busybox
         /etc/securetty of busybox
         /lib/ld-musl-x86_64.so.1 of musl
         /lib/libc.musl-x86_64.so.1 of musl
         /usr/share/udhcpc/default.script of busybox",
    )
    .holds();
}

#[test]
fn the_closure_is_musls() {
    const SHARED: &str = "Package: app
         Depends: musl, app-libs
         /usr/bin/app elf program interp=/lib/ld-musl-x86_64.so.1 needed=liba.so,libb.so

         Package: app-libs
         /usr/lib/liba.so elf needed=libx.so rpath=/usr/lib/app
         /usr/lib/libb.so elf needed=libx.so
         /usr/lib/app/libx.so elf soname=libx.so.1";
    const PATH_FILE: &str = "Package: app
         Depends: musl, libx
         /usr/bin/app elf program interp=/lib/ld-musl-x86_64.so.1 needed=libx.so

         Package: libx
         /opt/lib/libx.so elf soname=libx.so";
    const APP: &str = "Package: app
         Depends: musl, app-libs
         /usr/bin/app elf program interp=/lib/ld-musl-x86_64.so.1 needed=libp.so runpath=/usr/lib/app

         Package: app-libs
         /usr/lib/app/libp.so elf soname=libp.so needed=libq.so,libpthread.so.0
         /usr/lib/app/libq.so elf soname=libq.so
         /opt/lib/libq.so elf soname=libq.so";
    case(
        "a runpath is inherited",
        &layer(r#""app""#, "exclude = [\"/opt\"]"),
        APP,
        "/lib/ld-musl-x86_64.so.1 of musl
         /usr/bin/app of app
         /usr/lib/app/libp.so of app-libs
         /usr/lib/app/libq.so of app-libs",
    )
    .holds();
    case(
        "LD_LIBRARY_PATH comes before it",
        &format!(
            "{}[image]\nenv = {{ LD_LIBRARY_PATH = \"/opt/lib\" }}\n",
            layer(r#""app""#, "keep = \"listed\"\ninclude = [\"/usr/bin/app\"]")
        ),
        APP,
        "/lib/ld-musl-x86_64.so.1 of musl
         /opt/lib/libq.so of app-libs
         /usr/bin/app of app
         /usr/lib/app/libp.so of app-libs",
    )
    .holds();
    Case {
        musl_path: Some("/lib\n/opt/lib\n"),
        ..case(
            "the path file says where libraries are",
            &layer(r#""app""#, ""),
            PATH_FILE,
            "/lib/ld-musl-x86_64.so.1 of musl
             /opt/lib/libx.so of libx
             /usr/bin/app of app",
        )
    }
    .holds();
    case("and without it they are missing", &layer(r#""app""#, ""), PATH_FILE, "")
        .fails("/usr/bin/app (from app) needs `libx.so`, which no locked package puts where the loader looks")
        .holds();
    case(
        "a library by itself brings the loader, which is its libc",
        &layer(r#""liby""#, "keep = \"listed\"\ninclude = [\"/usr/lib/liby.so\"]"),
        "Package: liby
         Depends: musl
         /usr/lib/liby.so elf soname=liby.so needed=libc.musl-x86_64.so.1",
        "/lib/ld-musl-x86_64.so.1 of musl
         /lib/libc.musl-x86_64.so.1 of musl
         /usr/lib/liby.so of liby",
    )
    .holds();
    case(
        "what was loaded for another is not missing",
        &layer(r#""app""#, ""),
        SHARED,
        "/lib/ld-musl-x86_64.so.1 of musl
         /usr/bin/app of app
         /usr/lib/app/libx.so of app-libs
         /usr/lib/liba.so of app-libs
         /usr/lib/libb.so of app-libs",
    )
    .holds();
    case(
        "nor is it an excuse for a program that does not load it",
        &layer(r#""app", "tool""#, ""),
        &format!(
            "{SHARED}\n\nPackage: tool
             Depends: app-libs, musl
             /usr/bin/tool elf program interp=/lib/ld-musl-x86_64.so.1 needed=libb.so"
        ),
        "",
    )
    .fails(
        "/usr/lib/libb.so (from app-libs, loaded by /usr/bin/tool) needs `libx.so`, which no locked package",
    )
    .holds();
}

#[test]
fn loaders_of_others() {
    case(
        "a program for glibc is run by a stand-in, by musl's rules, and is told of",
        &layer(r#""app""#, ""),
        "Package: app
         Depends: gcompat
         /opt/app elf program interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6,libm.so.6,ld-linux-x86-64.so.2

         Package: gcompat
         Depends: musl
         /lib/ld-linux-x86-64.so.2 elf program interp=/lib/ld-musl-x86_64.so.1 needed=libc.musl-x86_64.so.1
         /lib/libgcompat.so.0 elf soname=libgcompat.so.0
         /lib64/ld-linux-x86-64.so.2 -> /lib/ld-linux-x86-64.so.2",
        "/lib/ld-linux-x86-64.so.2 of gcompat
         /lib/ld-musl-x86_64.so.1 of musl
         /lib/libc.musl-x86_64.so.1 of musl
         /lib64/ld-linux-x86-64.so.2 of gcompat
         /opt/app of app",
    )
    .warns(&["/opt/app is made for glibc's loader /lib64/ld-linux-x86-64.so.2; its libraries are sought by musl's rules"])
    .holds();
    case(
        "without one it does not start",
        &layer(r#""app""#, ""),
        "Package: app
         Depends: musl
         /opt/app elf program interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6",
        "",
    )
    .fails("/opt/app (from app) needs `/lib64/ld-linux-x86-64.so.2`")
    .holds();
    Case {
        from: "debian:trixie",
        packages: "Package: app
             Depends: musl
             /usr/bin/app elf program interp=/lib/ld-musl-x86_64.so.1 needed=libp.so,libc.so runpath=/usr/lib/app
             /usr/lib/app/libp.so elf needed=libq.so
             /usr/lib/app/libq.so elf soname=libq.so

             Package: musl
             /usr/lib/ld-musl-x86_64.so.1 elf soname=libc.so"
            .to_owned(),
        ..case(
            "a program for musl on Debian is musl's",
            &layer(r#""app""#, ""),
            "",
            "/lib -> usr/lib
             /usr/bin/app of app
             /usr/lib/app/libp.so of app
             /usr/lib/app/libq.so of app
             /usr/lib/ld-musl-x86_64.so.1 of musl",
        )
    }
    .holds();
    Case {
        from: "wolfi",
        ..case(
            "Wolfi has glibc, and its libraries in two directories",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: glibc
             /usr/bin/app elf program interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6,libx.so

             Package: glibc
             /usr/lib/ld-linux-x86-64.so.2 elf soname=ld-linux-x86-64.so.2
             /usr/lib/libc.so.6 elf soname=libc.so.6 needed=ld-linux-x86-64.so.2
             /usr/lib/libx.so elf soname=libx.so
             /usr/lib/x86_64-linux-gnu/libx.so elf soname=libx.so",
            "/lib64 -> usr/lib
             /usr/bin/app of app
             /usr/lib/ld-linux-x86-64.so.2 of glibc
             /usr/lib/libc.so.6 of glibc
             /usr/lib/libx.so of glibc
             /usr/lib/x86_64-linux-gnu/libx.so of glibc",
        )
    }
    .holds();
}
