//! What gets in: recipe and packages, and the tree that comes out of the program. A case a rule.
//!
//! Trees leave out plain directories and dpkg's records, and say of a binary which package's it is.
#![allow(clippy::too_many_lines, reason = "a table of cases is as long as its cases")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::collections::BTreeSet;

use crate::support::image::is_plain;
use crate::support::package::Member;
use crate::support::{Archive, Image, Package, Rig};
use rayon::prelude::*;
use rootforge::arch::Arch;
use rootforge::tarball::EntryKind;

/// A recipe, what there is, and what must come of it.
#[derive(Clone, Default)]
struct Case {
    summary: &'static str,
    recipe: String,
    packages: &'static str,
    /// Package files beside the recipe.
    local: Vec<(&'static str, &'static str)>,
    /// Other files beside the recipe.
    files: Vec<(&'static str, &'static str)>,
    args: Vec<&'static str>,
    tree: &'static str,
    /// What is said on stderr. Without it there must be no warning.
    says: Vec<&'static str>,
    /// The exit code.
    code: i32,
    /// What `check` says of the image; nothing if it is sound.
    check: &'static str,
}

/// A case that works, of a recipe without a skeleton unless it speaks of one.
fn case(summary: &'static str, recipe: &str, packages: &'static str, tree: &'static str) -> Case {
    let skeleton = if recipe.contains("skeleton") { "" } else { "skeleton = false\n" };
    let from = if recipe.contains("[[repository]]") {
        ""
    } else {
        "from = \"debian:trixie\"\nkeys = [\"key.asc\"]\n"
    };
    let recipe = format!("name = \"r\"\n{from}{skeleton}{recipe}");
    Case { summary, recipe, packages, tree, ..Case::default() }
}

/// A layer that names packages, with further lines.
fn layer(packages: &str, more: &str) -> String {
    format!("[[layer]]\nname = \"main\"\npackages = [{packages}]\n{more}\n")
}

impl Case {
    fn says(mut self, words: &[&'static str]) -> Self {
        self.says = words.to_vec();
        self
    }

    fn fails(self, code: i32, words: &[&'static str]) -> Self {
        Case { code, ..self }.says(words)
    }

    fn args(self, args: &[&'static str]) -> Self {
        Case { args: args.to_vec(), ..self }
    }

    fn check(self, words: &'static str) -> Self {
        Case { check: words, ..self }
    }

    fn local(mut self, path: &'static str, package: &'static str) -> Self {
        self.local.push((path, package));
        self
    }

    fn file(mut self, path: &'static str, content: &'static str) -> Self {
        self.files.push((path, content));
        self
    }

    /// What differs from what must be: with packages that say nothing of their files, and with packages whose control
    /// files do, as nearly all of Debian's. Those need not be looked into to know what they have.
    fn run(&self) -> Option<String> {
        self.run_with(self.packages).or_else(|| {
            let wrong = self.run_with(&saying(self.packages))?;
            Some(format!("where packages say what they have, {wrong}"))
        })
    }

    fn run_with(&self, packages: &str) -> Option<String> {
        let archive = Archive::new(packages);
        let rig = Rig::with(&archive);
        rig.write("r.toml", &self.recipe);
        for (path, package) in &self.local {
            rig.write(path, Package::parse(package)[0].deb(archive.distro, Arch::Amd64));
        }
        for (path, content) in &self.files {
            rig.write(path, content);
        }
        let built = rig.run(&[&["build", "r.toml", "--arch", "amd64"], &self.args[..]].concat());
        let mut wrong = String::new();
        let mut tell = |words: &str| wrong.push_str(&format!("\n{words}"));
        if built.code != Some(self.code) {
            tell(&format!("exit code {:?}: {}", built.code, built.err));
        } else if self.code == 0 {
            let tag = built.out.split(' ').next().unwrap().rsplit(':').next().unwrap();
            let image = Image::read(&rig.work("images"), tag);
            image.assert_sound();
            let mut packages: Vec<Package> = Package::parse(self.packages);
            packages.extend(self.local.iter().flat_map(|(_, package)| Package::parse(package)));
            let tree = image.tree(|entry| !is_plain(entry), &|member| known(&archive, &packages, member));
            let wanted = trimmed(self.tree);
            if tree != wanted {
                tell(&format!("is:\n{tree}should be:\n{wanted}"));
            }
            let check = rig.run(&["check", &format!("oci:images:{tag}")]);
            let is_sound = self.check.is_empty() || self.check.starts_with("warning: ");
            let says = check.out.contains(self.check) && self.check.is_empty() == check.out.is_empty();
            if !says || (check.code == Some(0)) != is_sound {
                tell(&format!("check: {}{}", check.out, check.err));
            }
        }
        for words in &self.says {
            if !built.err.contains(words) {
                tell(&format!("does not say: {words}\n{}", built.err));
            }
        }
        if self.says.is_empty() && built.err.contains("warning:") {
            tell(&format!("warns: {}", built.err));
        }
        (!wrong.is_empty()).then(|| format!("{}: {wrong}\n{}", self.summary, self.recipe))
    }
}

/// Packages with the control files that debhelper makes: `md5sums` of the regular files, `shlibs` of libraries.
fn saying(packages: &str) -> String {
    let mut text = String::new();
    for package in packages.split("\n\n") {
        let name = package.lines().find_map(|line| line.trim().strip_prefix("Package: ")).unwrap_or_default();
        text.push_str(package.trim_end());
        for line in package.lines().map(str::trim).filter(|line| line.starts_with('/')) {
            let line = line.replace("{triplet}", "x86_64-linux-gnu").replace("{arch}", "amd64");
            let (path, what) = line.split_once(' ').unwrap();
            let directory = path.rsplit_once('/').unwrap().0.trim_start_matches("/usr");
            if !what.starts_with("->") && !path.ends_with('/') {
                text.push_str(&format!("\nmd5sums {:032x}  {}", 0, &path[1..]));
            }
            let soname = what.split(' ').find_map(|word| word.strip_prefix("soname="));
            if let Some((library, version)) = soname.and_then(|soname| soname.split_once(".so."))
                && what.starts_with("elf")
                && ["/lib", "/lib/x86_64-linux-gnu"].contains(&directory)
            {
                text.push_str(&format!("\nshlibs {library} {version} {name}"));
            }
        }
        text.push_str("\n\n");
    }
    text
}

/// The packages that ship these bytes.
fn known(archive: &Archive, packages: &[Package], (_, content): &Member) -> Option<String> {
    let names: Vec<String> = packages
        .iter()
        .filter(|package| {
            let members = package.members(archive.distro, Arch::Amd64);
            members.iter().any(|(_, own)| own == content)
        })
        .map(|package| package.name().to_owned())
        .collect();
    (!names.is_empty()).then(|| format!("of {}", names.join("|")))
}

fn trimmed(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

#[track_caller]
fn all_hold(cases: &[Case]) {
    let wrong: Vec<String> = cases.par_iter().filter_map(Case::run).collect();
    assert!(wrong.is_empty(), "{} of {} cases fail\n\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

#[test]
fn named_and_reached_packages() {
    all_hold(&[
        case(
            "a named package gives every file less the strip classes",
            &layer(r#""app""#, ""),
            "Package: app
             /usr/bin/app elf program
             /usr/share/app/data 0644 data
             /usr/share/doc/app/README 0644 long
             /usr/share/doc/app/copyright 0644 free
             /usr/share/man/man1/app.1.gz 0644 long
             /usr/share/locale/de/LC_MESSAGES/app.mo 0644 Hallo
             /etc/app.conf 0600@0:42 secret
             /var/lib/app/ 0750@33:34",
            r#"/etc/app.conf: file 0600 0:42 "secret"
               /usr/bin/app: file 0755 of app
               /usr/share/app/data: file 0644 "data"
               /usr/share/doc/app/copyright: file 0644 "free"
               /var/lib/app/: dir 0750 33:34"#,
        ),
        case(
            "a reached package gives data and plug-ins, not commands",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: app-data
             Pre-Depends: app-early
             /usr/bin/app elf program

             Package: app-data
             Architecture: all
             Depends: app-more
             /usr/bin/app-edit 0755 edit
             /usr/sbin/app-admin 0755 admin
             /usr/games/app-play 0755 play
             /usr/share/app/data 0644 data
             /usr/lib/app/plugin.so elf soname=plugin.so

             Package: app-early
             /usr/share/early 0644 early

             Package: app-more
             /usr/share/more 0644 more",
            r#"/usr/bin/app: file 0755 of app
               /usr/lib/app/plugin.so: file 0755 of app-data
               /usr/share/app/data: file 0644 "data"
               /usr/share/early: file 0644 "early"
               /usr/share/more: file 0644 "more""#,
        ),
        case(
            "a package with a library is reached only when the library is needed",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: libused1, libidle1
             /usr/bin/app elf program needed=libused.so.1

             Package: libused1
             Depends: used-data
             /usr/lib/{triplet}/libused.so.1 -> libused.so.1.2.3
             /usr/lib/{triplet}/libused.so.1.2.3 elf soname=libused.so.1
             /usr/lib/{triplet}/libused-extra.so.1 elf soname=libused-extra.so.1
             /usr/share/used 0644 used

             Package: used-data
             /usr/share/used-data 0644 more

             Package: libidle1
             Depends: idle-data
             /usr/lib/{triplet}/libidle.so.1 elf soname=libidle.so.1
             /usr/share/idle 0644 idle

             Package: idle-data
             /usr/share/idle-data 0644 idle",
            r#"/usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libused.so.1.2.3: file 0755 of libused1
               /usr/lib/x86_64-linux-gnu/libused.so.1: symlink -> libused.so.1.2.3
               /usr/share/used-data: file 0644 "more"
               /usr/share/used: file 0644 "used""#,
        ),
        case(
            "install helpers are left out and pass nothing on",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: adduser, app-data
             /usr/bin/app elf program

             Package: app-data
             Depends: ucf
             /usr/share/app 0644 data

             Package: adduser
             Depends: adduser-data
             /usr/sbin/adduser 0755 add
             /etc/adduser.conf 0644 conf

             Package: adduser-data
             /usr/share/adduser 0644 data

             Package: ucf
             /etc/ucf.conf 0644 conf",
            r#"/usr/bin/app: file 0755 of app
               /usr/share/app: file 0644 "data""#,
        ),
        case(
            "a helper that is named gives all it has",
            &layer(r#""app", "adduser""#, ""),
            "Package: app
             Depends: adduser
             /usr/bin/app elf program

             Package: adduser
             Depends: adduser-data
             /usr/sbin/adduser 0755 add

             Package: adduser-data
             /usr/share/adduser 0644 data",
            r#"/usr/bin/app: file 0755 of app
               /usr/sbin/adduser: file 0755 "add"
               /usr/share/adduser: file 0644 "data""#,
        ),
        case(
            "naming passes on from meta-packages, through any number of them, and no further",
            &layer(r#""meta""#, ""),
            "Package: meta
             Depends: meta-inner
             /usr/share/doc/meta/copyright 0644 free
             /usr/share/doc/meta/changelog.gz 0644 long

             Package: meta-inner
             Depends: app

             Package: app
             Depends: tool
             /usr/bin/app elf program

             Package: tool
             /usr/bin/tool elf program needed=libc.so.6
             /usr/share/tool 0644 tool",
            r#"/usr/bin/app: file 0755 of app
               /usr/share/doc/meta/copyright: file 0644 "free"
               /usr/share/tool: file 0644 "tool""#,
        ),
        case(
            "a package with lists alone hands its name on",
            &layer(r#""essentials""#, ""),
            "Package: essentials
             Depends: tool
             /usr/share/essentials/list 0644 tool

             Package: tool
             /usr/bin/tool elf program",
            r#"/usr/bin/tool: file 0755 of tool
               /usr/share/essentials/list: file 0644 "tool""#,
        ),
        case(
            "naming passes on within a source package, recursively",
            &layer(r#""py3""#, ""),
            "Package: py3
             Source: py-defaults
             Depends: py3-minimal, other
             /usr/share/py3 0644 py3

             Package: py3-minimal
             Source: py-defaults (1.0)
             Depends: py3-inner
             /usr/bin/py3 elf program

             Package: py3-inner
             Source: py-defaults
             /usr/bin/py3-inner elf program needed=libpy.so.1
             /usr/lib/{triplet}/libpy.so.1 elf soname=libpy.so.1

             Package: other
             /usr/bin/other elf program soname=other",
            r#"/usr/bin/py3-inner: file 0755 of py3-inner
               /usr/bin/py3: file 0755 of py3-minimal
               /usr/lib/x86_64-linux-gnu/libpy.so.1: file 0755 of py3-inner
               /usr/share/py3: file 0644 "py3""#,
        ),
        case(
            "a named library package gives its libraries, wanted or not",
            &layer(r#""libidle1""#, ""),
            "Package: libidle1
             /usr/lib/{triplet}/libidle.so.1 elf soname=libidle.so.1",
            "/usr/lib/x86_64-linux-gnu/libidle.so.1: file 0755 of libidle1",
        ),
        case(
            "a library that a program only names is opened, where the package depends on it and links nothing of it",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: libsdl2, libz1, libx1
             /usr/bin/app elf program needed=libz.so.1 names=libsdl-2.so.0,libz-extra.so.1,libother.so.1

             Package: libsdl2
             /usr/lib/{triplet}/libsdl-2.so.0.9 elf soname=libsdl-2.so.0
             /usr/lib/{triplet}/libsdl-2.so.0 -> libsdl-2.so.0.9

             Package: libz1
             Depends: libother1
             /usr/lib/{triplet}/libz.so.1 elf soname=libz.so.1
             /usr/lib/{triplet}/libz-extra.so.1 elf soname=libz-extra.so.1

             Package: libother1
             /usr/lib/{triplet}/libother.so.1 elf soname=libother.so.1

             Package: libx1
             /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1",
            r"/usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libsdl-2.so.0.9: file 0755 of libsdl2
               /usr/lib/x86_64-linux-gnu/libsdl-2.so.0: symlink -> libsdl-2.so.0.9
               /usr/lib/x86_64-linux-gnu/libz.so.1: file 0755 of libz1",
        ).says(&["names `libz-extra.so.1`, which libz1 has and nothing selected"]),
        case(
            "of alternatives the first is taken, and a real package before one that provides",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: one | two, mail
             /usr/bin/app elf program

             Package: one
             /usr/share/one 0644 one

             Package: two
             /usr/share/two 0644 two

             Package: aa-mail
             Provides: mail
             /usr/share/mail 0644 aa

             Package: mail
             /usr/share/mail 0644 real",
            r#"/usr/bin/app: file 0755 of app
               /usr/share/mail: file 0644 "real"
               /usr/share/one: file 0644 "one""#,
        ),
        case(
            "the newest version that the recipe allows",
            &layer(r#""app<2", "tool>=1.5", "data=1:0.9""#, ""),
            "Package: app
             Version: 1.0
             /usr/share/app 0644 1.0

             Package: app
             Version: 1.9
             /usr/share/app 0644 1.9

             Package: app
             Version: 2.0
             /usr/share/app 0644 2.0

             Package: tool
             Version: 1.10
             /usr/share/tool 0644 1.10

             Package: tool
             Version: 1.9
             /usr/share/tool 0644 1.9

             Package: data
             Version: 1:0.9
             /usr/share/data 0644 epoch

             Package: data
             Version: 7
             /usr/share/data 0644 7",
            r#"/usr/share/app: file 0644 "1.9"
               /usr/share/data: file 0644 "epoch"
               /usr/share/tool: file 0644 "1.10""#,
        ),
    ]);
}

#[test]
fn policies_includes_and_excludes() {
    const LISTED: &str = "Package: app
         Depends: libx1, tool
         /usr/bin/app elf program needed=libx.so.1
         /usr/bin/other elf program soname=other
         /usr/share/app/a.txt 0644 a
         /usr/share/app/b.txt 0644 b
         /usr/share/doc/app/copyright 0644 free
         /usr/share/doc/app/README 0644 read

         Package: libx1
         Depends: x-data
         /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1
         /usr/share/x 0644 x

         Package: x-data
         /usr/share/x-data 0644 x-data

         Package: tool
         /usr/bin/tool elf program soname=tool
         /usr/share/tool/deep/er.conf 0644 deep
         /etc/tool.conf 0644 conf";
    all_hold(&[
        case(
            "`listed` keeps what is listed and its closure",
            &layer(r#""app""#, "keep = \"listed\"\ninclude = [\"/usr/bin/app\", \"/usr/share/app/*.txt\"]"),
            LISTED,
            r#"/usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1
               /usr/share/app/a.txt: file 0644 "a"
               /usr/share/app/b.txt: file 0644 "b""#,
        ),
        case(
            "`listed` finds files of dependencies; `*` stays within a directory, `**` does not",
            &layer(
                r#""app""#,
                "keep = \"listed\"\ninclude = [\"/usr/share/*/b.*\", \"/usr/share/**/er.conf\", \"/usr/share/doc/app/README\"]",
            ),
            LISTED,
            r#"/usr/share/app/b.txt: file 0644 "b"
               /usr/share/doc/app/README: file 0644 "read"
               /usr/share/tool/deep/er.conf: file 0644 "deep""#,
        ),
        case(
            "a `*` that would have to lead through directories matches nothing",
            &layer(r#""app""#, "keep = \"listed\"\ninclude = [\"/usr/share/*/er.conf\"]"),
            LISTED,
            "",
        )
        .fails(2, &["error: layer `main`: `/usr/share/*/er.conf` in `include` matches no file"]),
        case(
            "`all` keeps every file of all dependencies, helpers too, less the strip classes",
            &layer(r#""app""#, "keep = \"all\""),
            "Package: app
             Depends: adduser, libidle1
             /usr/bin/app elf program
             /usr/share/doc/app/README 0644 read

             Package: adduser
             /usr/sbin/adduser 0755 add
             /var/lib/adduser/ 0700

             Package: libidle1
             /usr/lib/{triplet}/libidle.so.1 elf soname=libidle.so.1
             /usr/include/idle.h 0644 int",
            r#"/usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libidle.so.1: file 0755 of libidle1
               /usr/sbin/adduser: file 0755 "add"
               /var/lib/adduser/: dir 0700"#,
        ),
        case(
            "include brings commands of reached packages and what is stripped, and their closure",
            &layer(
                r#""app""#,
                "include = [\"/usr/bin/tool\", \"/usr/share/doc/tool/README\", \"/usr/lib/{triplet}/libidle*\"]",
            ),
            "Package: app
             Depends: tool, libidle1
             /usr/bin/app elf program

             Package: tool
             Depends: liby1
             /usr/bin/tool elf program needed=liby.so.1
             /usr/bin/tool2 elf program soname=two
             /usr/share/doc/tool/README 0644 read
             /usr/share/doc/tool/NEWS 0644 news

             Package: liby1
             /usr/lib/{triplet}/liby.so.1 elf soname=liby.so.1

             Package: libidle1
             /usr/lib/{triplet}/libidle.so.1 elf soname=libidle.so.1",
            r#"/usr/bin/app: file 0755 of app
               /usr/bin/tool: file 0755 of tool
               /usr/lib/x86_64-linux-gnu/libidle.so.1: file 0755 of libidle1
               /usr/lib/x86_64-linux-gnu/liby.so.1: file 0755 of liby1
               /usr/share/doc/tool/README: file 0644 "read""#,
        ),
        case(
            "exclude beats include, and what only an excluded file needed goes too",
            &layer(
                r#""app""#,
                "include = [\"/usr/lib/app/*.so\"]\nexclude = [\"/usr/lib/app/x11.so\", \"/usr/share/app/**\"]",
            ),
            "Package: app
             Depends: libx11, libz1
             /usr/bin/app elf program
             /usr/lib/app/x11.so elf needed=libx11.so.6
             /usr/lib/app/zip.so elf needed=libz.so.1
             /usr/share/app/a/b 0644 b
             /usr/share/app.txt 0644 stays

             Package: libx11
             Depends: x11-data
             /usr/lib/{triplet}/libx11.so.6 elf soname=libx11.so.6

             Package: x11-data
             /usr/share/x11 0644 x11

             Package: libz1
             /usr/lib/{triplet}/libz.so.1 elf soname=libz.so.1",
            r#"/usr/bin/app: file 0755 of app
               /usr/lib/app/zip.so: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libz.so.1: file 0755 of libz1
               /usr/share/app.txt: file 0644 "stays""#,
        ),
        case(
            "exclude beats `all`, a directory with what is in it",
            &layer(r#""app""#, "keep = \"all\"\nexclude = [\"/usr/share/app\", \"/etc/*.conf\"]"),
            "Package: app
             /usr/bin/app elf program
             /usr/share/app/a/b 0644 b
             /etc/app.conf 0644 conf
             /etc/app.d/x.conf 0644 x",
            r#"/etc/app.d/x.conf: file 0644 "x"
               /usr/bin/app: file 0755 of app"#,
        ),
        case(
            "a path without wildcards stands for a directory with what is in it, in include as in exclude",
            &layer(
                r#""app""#,
                "keep = \"listed\"\ninclude = [\"/usr/share/app\", \"/lib/app/run\"]\nexclude = [\"/usr/share/app/big\"]",
            ),
            "Package: app
             Depends: app-data
             /usr/lib/app/run elf program
             /usr/lib/app/other elf program soname=other
             /usr/share/app/big/a 0644 a
             /usr/share/app/conf 0644 conf
             /usr/share/apples 0644 apples

             Package: app-data
             /usr/share/app/state/ 0700
             /usr/share/app/x.so elf soname=x",
            r#"/usr/lib/app/run: file 0755 of app
               /usr/share/app/conf: file 0644 "conf"
               /usr/share/app/state/: dir 0700
               /usr/share/app/x.so: file 0755 of app-data"#,
        ),
        case(
            "what is excluded and needed is an error that names the pattern",
            &layer(r#""app""#, "exclude = [\"/usr/lib/**/libx.so.*\"]"),
            "Package: app
             Depends: libx1
             /usr/bin/app elf program needed=libx.so.1

             Package: libx1
             /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1",
            "",
        )
        .fails(
            1,
            &[
                "/usr/bin/app (from app) needs `libx.so.1`, which the recipe excludes with `/usr/lib/**/libx.so.*`",
                "hint: exclude the file that needs it too",
            ],
        ),
        case(
            "a library that lacks one of its own is told with the programs that load it, which are what to do without",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: libx1
             /usr/bin/one elf program needed=libx.so.1
             /usr/bin/two elf program needed=libx.so.1

             Package: libx1
             /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1 needed=libgone.so.1",
            "",
        )
        .fails(
            1,
            &[
                "/libx.so.1 (from libx1, loaded by /usr/bin/one and 1 more) needs `libgone.so.1`",
                "hint: or do without what cannot work: `exclude = [\"/usr/bin/one\", \"/usr/bin/two\"]`",
            ],
        ),
        case(
            "an excluded file of a lower layer is still there for the upper, and the other way round",
            &format!(
                "{}[[layer]]\nname = \"top\"\npackages = [\"tool\"]\n",
                layer(r#""app""#, "exclude = [\"/usr/share/common\"]")
            ),
            "Package: app
             Depends: common
             /usr/bin/app elf program

             Package: tool
             Depends: common
             /usr/bin/tool elf program soname=tool

             Package: common
             /usr/share/common 0644 common
             /usr/share/rest 0644 rest",
            r#"-- main
               /usr/bin/app: file 0755 of app
               /usr/share/rest: file 0644 "rest"
               -- top
               /usr/bin/tool: file 0755 of tool
               /usr/share/common: file 0644 "common""#,
        ),
        case(
            "a pattern of a layer that matches nothing is a mistake",
            &layer(r#""app""#, "exclude = [\"/usr/lib/none-*.so\"]"),
            "Package: app
             /usr/bin/app elf program",
            "",
        )
        .fails(2, &["layer `main`: `/usr/lib/none-*.so` in `exclude` matches no file of any package", "hint: "]),
        case(
            "patterns that match nothing are told all at once",
            &layer(r#""app""#, "exclude = [\"/usr/none\", \"/usr/bin/app\", \"/usr/lib/none-*.so\"]"),
            "Package: app
             /usr/bin/app elf program",
            "",
        )
        .fails(
            2,
            &[
                "2 patterns match no file of any package:\n  layer `main`: `/usr/lib/none-*.so` in `exclude`\n  \
                 layer `main`: `/usr/none` in `exclude`\nhint: correct the patterns",
            ],
        ),
    ]);
}

/// Where a layer below has a link that its scripts made, a rule above makes no file.
#[test]
fn what_a_rule_makes_is_not_made_over_what_is_below() {
    let rig = Rig::with(&Archive::new(
        "Package: base-files
 Essential: yes
 /etc/dpkg/origins/debian 0644 Vendor: Debian
 postinst #!/bin/sh
 postinst ln -s debian /etc/dpkg/origins/default

 Package: libdpkg-perl
 /usr/share/perl5/Dpkg/Vendor.pm 0644 x",
    ));
    let layer =
        |name: &str, package: &str| format!("[[layer]]\nname = \"{name}\"\npackages = [\"{package}\"]\n");
    rig.recipe(&layer("above", "libdpkg-perl"));
    rig.build(&[]);
    let image = Image::read(&rig.work("images"), "r");
    assert!(image.text("/etc/dpkg/origins/default").starts_with("Vendor: Debian\n"));
    rig.recipe(&(layer("below", "base-files") + &layer("above", "libdpkg-perl")));
    rig.build(&[]);
    let image = Image::read(&rig.work("images"), "r");
    let kind = &image.get("/etc/dpkg/origins/default").unwrap().0.kind;
    assert_eq!(*kind, EntryKind::Symlink { target: "debian".into() });
}

/// Of `C` lines of tmpfiles.d(5) the source is what a package has, or the factory's file of that name.
#[test]
fn what_is_copied_at_a_start_is_there() {
    let rig = Rig::with(&Archive::new(
        "Package: app
 /usr/bin/app elf program
 /usr/share/app/default 0644 text
 /usr/share/factory/etc/own.conf 0644 own
 /usr/lib/tmpfiles.d/app.conf 0644 C /etc/app.conf 0640 - - - /usr/share/app/default\\nC /etc/own.conf\\nC /etc/none",
    ));
    rig.recipe("strict = true\n[[layer]]\nname = \"main\"\npackages = [\"app\"]\n");
    rig.build(&[]);
    let image = Image::read(&rig.work("images"), "r");
    assert_eq!((image.text("/etc/app.conf"), image.text("/etc/own.conf")), ("text", "own"));
    assert_eq!(image.get("/etc/app.conf").unwrap().0.metadata.mode, 0o640);
    assert!(image.get("/etc/none").is_none());
}

/// What control files leave unsaid counts all the same.
#[test]
fn links_of_packages_with_libraries() {
    let app = layer(r#""app""#, "");
    all_hold(&[
        case(
            "a library is found by another name than the one that it is known by",
            &app,
            "Package: app
             Depends: libx1.0
             /usr/bin/app elf program needed=libx.so.1,libx-other.so.1

             Package: libx1.0
             /usr/lib/{triplet}/libx.so.1.0.4 elf soname=libx.so.1.0
             /usr/lib/{triplet}/libx.so.1.0 -> libx.so.1.0.4
             /usr/lib/{triplet}/libx.so.1 -> libx.so.1.0.4
             /usr/lib/{triplet}/libx-other.so.1 -> libx.so.1.0.4",
            "/usr/bin/app: file 0755 of app
             /usr/lib/x86_64-linux-gnu/libx-other.so.1: symlink -> libx.so.1.0.4
             /usr/lib/x86_64-linux-gnu/libx.so.1.0.4: file 0755 of libx1.0
             /usr/lib/x86_64-linux-gnu/libx.so.1: symlink -> libx.so.1.0.4",
        ),
        case(
            "a kept link leads through one that comes with a library",
            &app,
            "Package: app
             Depends: libx1
             /usr/share/app -> x/link

             Package: libx1
             /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1
             /usr/share/x/link -> real
             /usr/share/x/real 0644 real",
            r#"/usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1
               /usr/share/app: symlink -> x/link
               /usr/share/x/link: symlink -> real
               /usr/share/x/real: file 0644 "real""#,
        ),
        case(
            "a script calls a command that is a link beside a library",
            &app,
            "Package: app
             Depends: libx1, dash
             /usr/bin/app 0755 #!/bin/sh\\nx

             Package: libx1
             /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1
             /usr/bin/x -> x-1
             /usr/bin/x-1 0755 x

             Package: dash
             Essential: yes
             /usr/bin/dash 0755 dash
             /usr/bin/sh -> dash",
            r##"/bin: symlink -> usr/bin
               /usr/bin/app: file 0755 "#!/bin/sh\nx"
               /usr/bin/dash: file 0755 "dash"
               /usr/bin/sh: symlink -> dash
               /usr/bin/x-1: file 0755 "x"
               /usr/bin/x: symlink -> x-1
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1"##,
        ),
        case(
            "an excluded link of an unneeded library is matched by the pattern",
            &layer(r#""app""#, "exclude = [\"/usr/share/x/link\"]"),
            "Package: app
             Depends: libx1
             /usr/bin/app elf program

             Package: libx1
             /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1
             /usr/share/x/link -> real",
            "/usr/bin/app: file 0755 of app",
        ),
        case(
            "a pattern that matches nothing is a mistake, libraries that nothing needs or not",
            &layer(r#""app""#, "exclude = [\"/usr/lib/none-*.so\"]"),
            "Package: app
             Depends: libx1
             /usr/bin/app elf program

             Package: libx1
             /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1",
            "",
        )
        .fails(2, &["`/usr/lib/none-*.so` in `exclude` matches no file of any package"]),
    ]);
}

/// A chain of libraries is found in one go: selection is asked once. What says that it has a library that nothing needs
/// is not unpacked.
#[test]
fn what_is_needed_is_foreseen() {
    let chain = |number: usize| {
        let next = number + 1;
        format!(
            "Package: lib{number}\nDepends: lib{next}, libunused\n\
             /usr/lib/{{triplet}}/lib{number}.so.1 elf soname=lib{number}.so.1 needed=lib{next}.so.1\n\n"
        )
    };
    let packages = format!(
        "Package: app\nDepends: lib0\n/usr/bin/app elf program needed=lib0.so.1\n/usr/share/app/x 0644 x\n\n{}\
         Package: lib6\n/usr/lib/{{triplet}}/lib6.so.1 elf soname=lib6.so.1\n\n\
         Package: libunused\n/usr/lib/{{triplet}}/libunused.so.1 elf soname=libunused.so.1\n",
        (0..6).map(chain).collect::<String>()
    );
    for (packages, unpacked) in [(packages.clone(), 9), (saying(&packages), 8)] {
        let rig = Rig::with(&Archive::new(&packages));
        rig.recipe(&layer(r#""app""#, "exclude = [\"/usr/share/app/**\"]"));
        let built = rig.run(&["build", "r.toml", "--arch", "amd64"]);
        assert_eq!(built.err.matches("fetching ").count(), 1, "{}", built.err);
        let manifests =
            rig.listing("home").into_keys().filter(|path| path.to_string_lossy().contains("/manifest-"));
        assert_eq!(manifests.count(), unpacked);
    }
}

#[test]
fn links() {
    all_hold(&[
        case(
            "a kept link pulls its target across packages, through other links, and thereby reaches the package",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: tool
             /usr/bin/app -> ../../etc/alternatives/app
             /etc/alternatives/app -> /usr/bin/tool

             Package: tool
             /usr/bin/tool elf program
             /usr/bin/tool-more elf program soname=more
             /usr/share/tool 0644 tool",
            r#"/etc/alternatives/app: symlink -> /usr/bin/tool
               /usr/bin/app: symlink -> ../../etc/alternatives/app
               /usr/bin/tool: file 0755 of tool
               /usr/share/tool: file 0644 "tool""#,
        ),
        case(
            "a link leads through links to directories",
            &layer(r#""app""#, "keep = \"listed\"\ninclude = [\"/usr/share/app/x\"]"),
            "Package: app
             /usr/share/app/x -> ../alias/file
             /usr/share/alias -> real
             /usr/share/real/file 0644 real
             /usr/share/real/other 0644 other",
            r#"/usr/share/alias: symlink -> real
               /usr/share/app/x: symlink -> ../alias/file
               /usr/share/real/file: file 0644 "real""#,
        ),
        case(
            "a link to a directory pulls nothing",
            &layer(r#""app""#, "keep = \"listed\"\ninclude = [\"/usr/share/link\"]"),
            "Package: app
             /usr/share/link -> real
             /usr/share/real/file 0644 real",
            "/usr/share/link: symlink -> real",
        ),
        case(
            "links to nowhere and to each other are named",
            &layer(r#""app""#, ""),
            "Package: app
             /usr/bin/app elf program
             /usr/share/gone -> ../lib/nowhere
             /usr/share/x -> y
             /usr/share/y -> x",
            "/usr/bin/app: file 0755 of app
             /usr/share/gone: symlink -> ../lib/nowhere
             /usr/share/x: symlink -> y
             /usr/share/y: symlink -> x",
        )
        .says(&[
            "warning: /usr/share/gone leads to ../lib/nowhere, which is not there",
            "warning: /usr/share/x leads to y, which is not there",
        ]),
        case(
            "a documentation directory that is a link keeps the copyright file behind it",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: app-common
             /usr/bin/app elf program
             /usr/share/doc/app -> app-common

             Package: app-common
             /usr/share/doc/app-common/copyright 0644 free
             /usr/share/doc/app-common/NEWS 0644 news",
            r#"/usr/bin/app: file 0755 of app
               /usr/share/doc/app-common/copyright: file 0644 "free""#,
        ),
        case(
            "a hard link whose file is left out becomes the file; another one leads to it",
            &layer(
                r#""app""#,
                "keep = \"listed\"\ninclude = [\"/usr/bin/b\", \"/usr/bin/c\", \"/usr/share/e\", \"/usr/share/d\", \"/usr/share/t\"]",
            ),
            "Package: app
             /usr/bin/a 4755@0:5 content
             /usr/bin/b => /usr/bin/a
             /usr/bin/c => /usr/bin/a
             /usr/share/d 0600 whole
             /usr/share/e => /usr/share/d
             /usr/share/s -> d
             /usr/share/t => /usr/share/s",
            r#"/usr/bin/b: file 4755 0:5 "content"
               /usr/bin/c: hard link -> /usr/bin/b
               /usr/share/d: file 0600 "whole"
               /usr/share/e: hard link -> /usr/share/d
               /usr/share/t: symlink -> d"#,
        ),
        case(
            "a hard link goes as far as its layer",
            "[[layer]]
             name = \"low\"
             packages = [\"app\"]
             keep = \"listed\"
             include = [\"/usr/bin/a\"]
             [[layer]]
             name = \"high\"
             packages = [\"app\"]",
            "Package: app
             /usr/bin/a 0755 content
             /usr/bin/b => /usr/bin/a
             /usr/bin/c => /usr/bin/b",
            r#"-- low
               /usr/bin/a: file 0755 "content"
               -- high
               /usr/bin/b: file 0755 "content"
               /usr/bin/c: hard link -> /usr/bin/b"#,
        ),
        case(
            "setuid, setgid, sticky, owners and capabilities come through",
            &layer(r#""app""#, ""),
            "Package: app
             /usr/bin/su 4755 su
             /usr/bin/wall 2755@0:5 wall
             /usr/bin/ping 0755+cap ping
             /var/spool/app/ 1777
             /var/mail/app/ 2775@8:8",
            r#"/usr/bin/ping: file 0755 +cap "ping"
               /usr/bin/su: file 4755 "su"
               /usr/bin/wall: file 2755 0:5 "wall"
               /var/mail/app/: dir 2775 8:8
               /var/spool/app/: dir 1777"#,
        ),
    ]);
}

#[test]
fn scripts() {
    const SHELL: &str = "Package: app
         Depends: dash
         /usr/bin/app 0755 #!/bin/sh -e\\n:

         Package: dash
         Essential: yes
         Depends: libx1
         /bin/dash elf program needed=libx.so.1
         /bin/sh -> dash

         Package: libx1
         /lib/{triplet}/libx.so.1 elf soname=libx.so.1";
    const PERL: &str = "Package: app
         Depends: perl
         /usr/bin/app 0755 #!/usr/bin/perl

         Package: through
         Depends: modules
         /usr/bin/through 0755 #!/usr/bin/perl -w

         Package: modules
         Depends: perl
         /usr/share/perl5/Mod.pm 0644 mod
         /usr/share/modules/cgi 0755 #!/usr/bin/perl

         Package: essential
         Depends: debconf
         /usr/bin/essential 0755 #!/usr/bin/perl

         Package: debconf
         Depends: perl-base
         /usr/share/debconf 0644 debconf

         Package: perl
         Depends: perl-base, perl-modules, libperl5
         /usr/bin/perldoc 0755 doc

         Package: perl-base
         Source: perl
         Essential: yes
         /usr/bin/perl elf program

         Package: perl-modules
         Source: perl
         Depends: perl-base
         /usr/share/perl/strict.pm 0644 strict

         Package: libperl5
         Source: perl
         Depends: perl-modules, libgdbm6
         /usr/lib/{triplet}/libperl.so.5 elf soname=libperl.so.5
         /usr/lib/{triplet}/perl/Fcntl.pm 0644 fcntl
         /usr/lib/{triplet}/perl/GDBM.so elf needed=libgdbm.so.6

         Package: libgdbm6
         /usr/lib/{triplet}/libgdbm.so.6 elf soname=libgdbm.so.6";
    all_hold(&[
        case(
            "a link among libraries and programs of a package's own runs a script",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: runner
             /usr/share/app/page 0755 #!/usr/bin/runner
             /usr/lib/cgi-bin/page -> ../../share/app/page

             Package: runner
             /usr/bin/runner elf program",
            r##"/usr/bin/runner: file 0755 of runner
               /usr/lib/cgi-bin/page: symlink -> ../../share/app/page
               /usr/share/app/page: file 0755 "#!/usr/bin/runner""##,
        ),
        case(
            "what a script sources of a helper comes, with its modules, and what is called behind that",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: debconf, tool, dash
             /usr/bin/app 0755 #!/bin/sh\\n. /usr/share/debconf/confmodule\\ntool

             Package: tool
             /usr/bin/tool elf program soname=tool
             /usr/bin/other elf program soname=other

             Package: debconf
             /usr/bin/debconf elf program soname=debconf
             /usr/share/debconf/confmodule 0644 # of sh
             /usr/share/perl5/Debconf/Db.pm 0644 db

             Package: dash
             Essential: yes
             /usr/bin/sh elf program soname=sh",
            r##"/bin: symlink -> usr/bin
               /usr/bin/app: file 0755 "#!/bin/sh\n. /usr/share/debconf/confmodule\ntool"
               /usr/bin/sh: file 0755 of dash
               /usr/bin/tool: file 0755 of tool
               /usr/share/debconf/confmodule: file 0644 "# of sh"
               /usr/share/perl5/Debconf/Db.pm: file 0644 "db""##,
        ),
        case(
            "a program of Go runs the commands that its package depends on",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: tool, dpkg
             /usr/bin/app elf program names=os/exec.(*Cmd).Start

             Package: tool
             Depends: deeper
             /usr/bin/tool elf program soname=tool
             /usr/sbin/toold elf program soname=toold

             Package: deeper
             /usr/bin/deeper elf program soname=deeper

             Package: dpkg
             Essential: yes
             /usr/bin/dpkg elf program soname=dpkg",
            "/usr/bin/app: file 0755 of app
             /usr/bin/tool: file 0755 of tool
             /usr/sbin/toold: file 0755 of tool",
        ),
        case(
            "debugging information is for who reads it",
            &layer(r#""app", "app-dbg""#, ""),
            "Package: app
             /usr/bin/app elf program
             /usr/lib/debug/one 0644 one

             Package: app-dbg
             /usr/lib/debug/two 0644 two",
            r#"/usr/bin/app: file 0755 of app
               /usr/lib/debug/one: file 0644 "one"
               /usr/lib/debug/two: file 0644 "two""#,
        ),
        case(
            "a script's interpreter comes, though its package is a helper, with its closure",
            &layer(r#""app""#, ""),
            SHELL,
            r##"/bin: symlink -> usr/bin
               /usr/bin/app: file 0755 "#!/bin/sh -e\n:"
               /usr/bin/dash: file 0755 of dash
               /usr/bin/sh: symlink -> dash
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1"##,
        ),
        case(
            "an interpreter that nobody depends on is found among the Essential packages",
            &layer(r#""app""#, ""),
            "Package: app
             /usr/libexec/app/run 0755 #! /usr/bin/gruff

             Package: gruff-shell
             Essential: yes
             /usr/bin/gruff 0755 shell",
            r##"/usr/bin/gruff: file 0755 "shell"
               /usr/libexec/app/run: file 0755 "#! /usr/bin/gruff""##,
        ),
        case(
            "`env X` brings X and env",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: py3
             /usr/bin/app 0755 #!/usr/bin/env -S A=1 py3 -u\\n

             Package: py3
             /usr/bin/py3 elf program

             Package: coreutils
             Essential: yes
             /usr/bin/env elf program soname=env
             /usr/bin/ls elf program soname=ls",
            r##"/usr/bin/app: file 0755 "#!/usr/bin/env -S A=1 py3 -u\n"
               /usr/bin/env: file 0755 of coreutils
               /usr/bin/py3: file 0755 of py3"##,
        ),
        case(
            "a script's interpreter comes with its modules, also those beside a library that nothing needs",
            &layer(r#""app""#, ""),
            PERL,
            r##"/usr/bin/app: file 0755 "#!/usr/bin/perl"
               /usr/bin/perl: file 0755 of perl-base
               /usr/lib/x86_64-linux-gnu/libgdbm.so.6: file 0755 of libgdbm6
               /usr/lib/x86_64-linux-gnu/perl/Fcntl.pm: file 0644 "fcntl"
               /usr/lib/x86_64-linux-gnu/perl/GDBM.so: file 0755 of libperl5
               /usr/share/perl/strict.pm: file 0644 "strict""##,
        ),
        case(
            "the modules come as well where the interpreter itself is named",
            &layer(r#""perl-base", "app""#, "exclude = [\"/usr/lib\"]"),
            PERL,
            r##"/usr/bin/app: file 0755 "#!/usr/bin/perl"
               /usr/bin/perl: file 0755 of perl-base
               /usr/share/perl/strict.pm: file 0644 "strict""##,
        ),
        case(
            "and where a lower layer names it",
            &format!(
                "{}[[layer]]\nname = \"top\"\npackages = [\"app\"]\nexclude = [\"/usr/lib\"]\n",
                layer(r#""perl-base""#, "")
            ),
            PERL,
            r##"-- main
               /usr/bin/perl: file 0755 of perl-base
               -- top
               /usr/bin/app: file 0755 "#!/usr/bin/perl"
               /usr/share/perl/strict.pm: file 0644 "strict""##,
        ),
        case(
            "what a layer that keeps all does not bring for its libraries comes with who needs them above",
            &format!(
                "{}[[layer]]\nname = \"top\"\npackages = [\"app\"]\n{}",
                layer(r#""libx1""#, "keep = \"all\""),
                "[[rule]]\nname = \"data\"\nwhen = { sonames = [\"liby.so.1\"] }\npackages = [\"data\"]\nfiles = [\"/usr/share/data\"]\n"
            ),
            "Package: app
             Depends: libx1
             /usr/bin/app elf program needed=libx.so.1

             Package: libx1
             Depends: liby1
             /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1 needed=liby.so.1

             Package: liby1
             /usr/lib/{triplet}/liby.so.1 elf soname=liby.so.1

             Package: data
             /usr/share/data 0644 data",
            r#"-- main
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1
               /usr/lib/x86_64-linux-gnu/liby.so.1: file 0755 of liby1
               -- top
               /usr/bin/app: file 0755 of app
               /usr/share/data: file 0644 "data""#,
        ),
        case(
            "`all` keeps its packages and what scripts use of Essential ones, on which everything depends",
            &layer(r#""app""#, "keep = \"all\""),
            "Package: app
             Depends: app-data
             /usr/bin/app 0755 #!/bin/sh\\nsed s/a/b/

             Package: app-data
             /usr/share/app/data 0644 data

             Package: dash
             Essential: yes
             /bin/dash elf program soname=dash
             /bin/sh -> dash

             Package: sed
             Essential: yes
             /bin/sed elf program soname=sed
             /usr/bin/other elf program soname=other

             Package: tool
             /usr/bin/tool elf program soname=tool",
            r##"/bin: symlink -> usr/bin
               /usr/bin/app: file 0755 "#!/bin/sh\nsed s/a/b/"
               /usr/bin/dash: file 0755 of dash
               /usr/bin/sed: file 0755 of sed
               /usr/bin/sh: symlink -> dash
               /usr/share/app/data: file 0644 "data""##,
        ),
        case(
            "a script of the recipe's own brings its interpreter and what it calls of Essential packages",
            "[[layer]]
             name = \"app\"
             packages = [\"app\"]
             files = [
               { path = \"/usr/bin/run\", content = \"#!/bin/sh\\nf() { :; }\\nsed s/a/b/; f\\n\", mode = \"0755\" },
               { path = \"/srv/run\", source = \"run.sh\", mode = \"0700\" },
               { path = \"/usr/bin/no\", content = \"#!/usr/bin/perl\" },
             ]",
            "Package: app
             /usr/share/app 0644 data

             Package: dash
             Essential: yes
             /bin/dash elf program soname=dash
             /bin/sh -> dash

             Package: bash
             Essential: yes
             /bin/bash elf program soname=bash

             Package: sed
             Essential: yes
             /bin/sed elf program soname=sed
             /usr/bin/other elf program",
            r##"/bin: symlink -> usr/bin
               /srv/run: file 0700 "#!/bin/bash\necho"
               /usr/bin/bash: file 0755 of bash
               /usr/bin/dash: file 0755 of dash
               /usr/bin/no: file 0644 "#!/usr/bin/perl"
               /usr/bin/run: file 0755 "#!/bin/sh\nf() { :; }\nsed s/a/b/; f\n"
               /usr/bin/sed: file 0755 of sed
               /usr/bin/sh: symlink -> dash
               /usr/share/app: file 0644 "data""##,
        )
        .file("run.sh", "#!/bin/bash\necho"),
        case(
            "modules are as far as the script's package depends on them, by itself or through others",
            &layer(r#""through", "essential""#, "exclude = [\"/usr/lib\"]"),
            PERL,
            r##"/usr/bin/essential: file 0755 "#!/usr/bin/perl"
               /usr/bin/perl: file 0755 of perl-base
               /usr/bin/through: file 0755 "#!/usr/bin/perl -w"
               /usr/share/modules/cgi: file 0755 "#!/usr/bin/perl"
               /usr/share/perl/strict.pm: file 0644 "strict"
               /usr/share/perl5/Mod.pm: file 0644 "mod""##,
        ),
        case(
            "the interpreter alone, where the script's package wants no more",
            &layer(r#""essential""#, ""),
            PERL,
            r##"/usr/bin/essential: file 0755 "#!/usr/bin/perl"
               /usr/bin/perl: file 0755 of perl-base"##,
        ),
        case(
            "modules without a script that is kept bring no interpreter",
            &layer(r#""modules""#, ""),
            PERL,
            r##"/usr/share/modules/cgi: file 0755 "#!/usr/bin/perl"
               /usr/share/perl5/Mod.pm: file 0644 "mod""##,
        )
        .says(&["warning: /usr/bin/perl is not there, which would run /usr/share/modules/cgi"]),
        case(
            "shell scripts of a package's own share are read where their shell is there",
            &layer(r#""quilts""#, ""),
            "Package: quilts
             /usr/bin/quilts 0755 #!/usr/bin/sh\\ntrue
             /usr/share/quilts/new 0755 #!/usr/bin/sh\\ngetopt x
             /usr/share/quilts/examples/old 0755 #!/usr/bin/sh\\nsort x
             /usr/share/others/new 0755 #!/usr/bin/sh\\nsort x

             Package: dash
             Essential: yes
             /usr/bin/sh elf program soname=sh

             Package: util-linux
             Essential: yes
             /usr/bin/getopt elf program soname=getopt

             Package: coreutils
             Essential: yes
             /usr/bin/sort elf program soname=sort",
            r##"/usr/bin/getopt: file 0755 of util-linux
               /usr/bin/quilts: file 0755 "#!/usr/bin/sh\ntrue"
               /usr/bin/sh: file 0755 of dash
               /usr/share/others/new: file 0755 "#!/usr/bin/sh\nsort x"
               /usr/share/quilts/examples/old: file 0755 "#!/usr/bin/sh\nsort x"
               /usr/share/quilts/new: file 0755 "#!/usr/bin/sh\ngetopt x""##,
        ),
        case(
            "what is scripts alone runs the command that a dependency is called by",
            &layer(r#""easy""#, ""),
            "Package: easy
             Depends: ssltool, data
             /usr/bin/easy 0755 #!/usr/bin/sh\\n$SSL x

             Package: ssltool
             /usr/bin/ssltool elf program soname=ssltool
             /usr/bin/c_rehash elf program soname=c_rehash

             Package: data
             Depends: other
             /usr/share/data 0644 data

             Package: other
             /usr/bin/other elf program soname=other

             Package: dash
             Essential: yes
             /usr/bin/sh elf program soname=sh",
            r##"/usr/bin/easy: file 0755 "#!/usr/bin/sh\n$SSL x"
               /usr/bin/sh: file 0755 of dash
               /usr/bin/ssltool: file 0755 of ssltool
               /usr/share/data: file 0644 "data""##,
        ),
        case(
            "a command may be a link to what the package of the link depends on",
            &layer(r#""docs""#, ""),
            "Package: docs
             Depends: python3
             /usr/bin/docs 0755 #!/usr/bin/sh\\npython3 -m docs

             Package: python3
             Source: python3-defaults
             Depends: python3-minimal

             Package: python3-minimal
             Source: python3-defaults
             Depends: python3.13-minimal
             /usr/bin/python3 -> python3.13

             Package: python3.13-minimal
             /usr/bin/python3.13 elf program soname=python3.13

             Package: dash
             Essential: yes
             /usr/bin/sh elf program soname=sh",
            r##"/usr/bin/docs: file 0755 "#!/usr/bin/sh\npython3 -m docs"
               /usr/bin/python3.13: file 0755 of python3.13-minimal
               /usr/bin/python3: symlink -> python3.13
               /usr/bin/sh: file 0755 of dash"##,
        ),
        case(
            "scripts elsewhere, and those that cannot be run, bring nothing",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: ruby
             /usr/share/app/example.rb 0755 #!/usr/bin/ruby
             /usr/lib/app/module.rb 0644 #!/usr/bin/ruby

             Package: ruby
             /usr/bin/ruby elf program",
            r##"/usr/lib/app/module.rb: file 0644 "#!/usr/bin/ruby"
               /usr/share/app/example.rb: file 0755 "#!/usr/bin/ruby""##,
        )
        .says(&["warning: /usr/bin/ruby is not there, which would run /usr/share/app/example.rb"]),
        case(
            "commands that settings and modules name are of direct dependencies",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: tool, other
             /etc/app.conf 0644 run=/usr/bin/tool
             /usr/share/app/mod.py 0644 call('second') and 'unknown'

             Package: tool
             Depends: further
             /usr/bin/tool elf program
             /usr/bin/unnamed elf program

             Package: other
             Depends: second

             Package: second
             /usr/bin/second elf program

             Package: further
             /usr/bin/unknown elf program",
            "/etc/app.conf: file 0644 \"run=/usr/bin/tool\"
             /usr/bin/second: file 0755 of tool|second|further
             /usr/bin/tool: file 0755 of tool|second|further
             /usr/share/app/mod.py: file 0644 \"call('second') and 'unknown'\"",
        ),
        case(
            "an interpreter that no package has is named",
            &layer(r#""app""#, ""),
            "Package: app
             /usr/bin/app 0755 #!/usr/bin/tclsh8",
            r##"/usr/bin/app: file 0755 "#!/usr/bin/tclsh8""##,
        )
        .says(&["warning: the script /usr/bin/app is run by /usr/bin/tclsh8, which is not there"])
        .check("warning: image `r` (linux/amd64): the script `/usr/bin/app` needs `/usr/bin/tclsh8`"),
    ]);
}

#[test]
fn the_closure_is_what_the_loader_does() {
    all_hold(&[
        case(
            "the program's loader, libraries and their libraries",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: liba1
             /usr/bin/app elf program interp=/lib64/ld-linux-x86-64.so.2 needed=liba.so.1,libc.so.6

             Package: liba1
             Depends: libb1
             /usr/lib/{triplet}/liba.so.1 elf soname=liba.so.1 needed=libb.so.1

             Package: libb1
             Depends: libc6
             /usr/lib/{triplet}/libb.so.1 -> libb.so.1.0
             /usr/lib/{triplet}/libb.so.1.0 elf soname=libb.so.1 needed=libc.so.6
             /usr/lib/{triplet}/libb.so -> libb.so.1

             Package: libc6
             /usr/lib/{triplet}/libc.so.6 elf soname=libc.so.6
             /usr/lib/{triplet}/ld-linux-x86-64.so.2 elf soname=ld-linux-x86-64.so.2
             /lib64/ld-linux-x86-64.so.2 -> /lib/{triplet}/ld-linux-x86-64.so.2
             /usr/lib/{triplet}/gconv/UTF-16.so elf soname=UTF-16.so
             /etc/ld.so.conf.d/x.conf 0644 /usr/local/lib",
            r#"/etc/ld.so.conf.d/x.conf: file 0644 "/usr/local/lib"
               /lib64: symlink -> usr/lib64
               /lib: symlink -> usr/lib
               /usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2: file 0755 of libc6
               /usr/lib/x86_64-linux-gnu/liba.so.1: file 0755 of liba1
               /usr/lib/x86_64-linux-gnu/libb.so.1.0: file 0755 of libb1
               /usr/lib/x86_64-linux-gnu/libb.so.1: symlink -> libb.so.1.0
               /usr/lib/x86_64-linux-gnu/libc.so.6: file 0755 of libc6
               /usr/lib64/ld-linux-x86-64.so.2: symlink -> /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"#,
        ),
        case(
            "a link of the distro that a program's start takes stands once, in the layer that needs it first",
            &format!(
                "{}[[layer]]\nname = \"low\"\npackages = [\"app\"]\n[[layer]]\nname = \"top\"\npackages = [\"tool\"]\n",
                layer(r#""data""#, "")
            ),
            "Package: data
             /usr/share/data 0644 data

             Package: app
             Depends: libc6
             /usr/bin/app elf program interp=/lib64/ld-linux-x86-64.so.2

             Package: tool
             Depends: libc6
             /usr/bin/tool elf program interp=/lib64/ld-linux-x86-64.so.2 soname=tool
             /usr/share/tool/data -> /lib/tool/data
             /usr/lib/tool/data 0644 data

             Package: libc6
             /usr/lib64/ld-linux-x86-64.so.2 elf soname=ld-linux-x86-64.so.2",
            r#"-- main
               /usr/share/data: file 0644 "data"
               -- low
               /lib64: symlink -> usr/lib64
               /usr/bin/app: file 0755 of app
               /usr/lib64/ld-linux-x86-64.so.2: file 0755 of libc6
               -- top
               /lib: symlink -> usr/lib
               /usr/bin/tool: file 0755 of tool
               /usr/lib/tool/data: file 0644 "data"
               /usr/share/tool/data: symlink -> /lib/tool/data"#,
        ),
        case(
            "RUNPATH with $ORIGIN counts for the file that has it",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: app-libs
             /usr/bin/app elf program needed=libp.so runpath=/nowhere:$ORIGIN/../lib/app

             Package: app-libs
             /usr/lib/app/libp.so elf soname=libp.so needed=libq.so runpath=${ORIGIN}
             /usr/lib/app/libq.so elf soname=libq.so",
            "/usr/bin/app: file 0755 of app
             /usr/lib/app/libp.so: file 0755 of app-libs
             /usr/lib/app/libq.so: file 0755 of app-libs",
        ),
        case(
            "a side tool that lacks a library wherever it is installed stops nothing",
            &layer(r#""app""#, ""),
            "Package: app
             /usr/bin/app elf program
             /usr/bin/side elf program needed=libq.so
             /usr/lib/app/libq.so elf soname=libq.so",
            "/usr/bin/app: file 0755 of app
               /usr/bin/side: file 0755 of app
               /usr/lib/app/libq.so: file 0755 of app",
        )
        .says(&["warning: the program /usr/bin/side lacks `libq.so` and will not start, as it does not where"]),
        case(
            "what the image starts is no side tool",
            &layer(r#""app""#, "[image]\nentrypoint = [\"/usr/bin/side\"]"),
            "Package: app
             /usr/bin/app elf program
             /usr/bin/side elf program needed=libq.so
             /usr/lib/app/libq.so elf soname=libq.so",
            "",
        )
        .fails(1, &["/usr/bin/side (from app) needs `libq.so`"]),
        case(
            "RUNPATH does not count for what a library needs",
            &layer(r#""app""#, ""),
            "Package: app
             /usr/bin/app elf program needed=libp.so runpath=/usr/lib/app
             /usr/lib/app/libp.so elf soname=libp.so needed=libq.so
             /usr/lib/app/libq.so elf soname=libq.so",
            "",
        )
        .fails(1, &["/usr/lib/app/libp.so (from app, loaded by /usr/bin/app) needs `libq.so`, which no locked package puts where the loader looks"]),
        case(
            "RPATH does",
            &layer(r#""app""#, ""),
            "Package: app
             /usr/bin/app elf program needed=libp.so rpath=/usr/lib/app
             /usr/lib/app/libp.so elf soname=libp.so needed=libq.so
             /usr/lib/app/libq.so elf soname=libq.so",
            "/usr/bin/app: file 0755 of app
             /usr/lib/app/libp.so: file 0755 of app
             /usr/lib/app/libq.so: file 0755 of app",
        ),
        case(
            "a library of another machine is passed over",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: libx1, libx1-cross
             /usr/bin/app elf program needed=libx.so.1

             Package: libx1-cross
             /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1 machine=s390x

             Package: libx1
             /usr/lib/libx.so.1 elf soname=libx.so.1",
            "/usr/bin/app: file 0755 of app
             /usr/lib/libx.so.1: file 0755 of libx1",
        ),
        case(
            "where that is the only one, it is missing",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: libx1-cross
             /usr/bin/app elf program needed=libx.so.1

             Package: libx1-cross
             /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1 machine=386",
            "",
        )
        .fails(1, &["amd64: /usr/bin/app (from app) needs `libx.so.1`"]),
        case(
            "all that is missing is told together",
            &layer(r#""app""#, ""),
            "Package: app
             /usr/bin/app elf program needed=libx.so.1,liby.so.1
             /usr/bin/tool elf program interp=/lib64/ld.so",
            "",
        )
        .fails(1, &["3 libraries are missing", "`libx.so.1`", "`liby.so.1`", "/usr/bin/tool (from app) needs `/lib64/ld.so`"]),
        case(
            "a plug-in that lacks a library is worth a warning, unless the image has it anyway",
            &layer(r#""app""#, ""),
            "Package: app
             /usr/bin/app elf program needed=libhost.so runpath=/usr/lib/app
             /usr/lib/app/libhost.so elf soname=libhost.so
             /usr/lib/app/plugins/one.so elf needed=libhost.so
             /usr/lib/app/plugins/two.so elf needed=libgone.so.3",
            "/usr/bin/app: file 0755 of app
             /usr/lib/app/libhost.so: file 0755 of app
             /usr/lib/app/plugins/one.so: file 0755 of app
             /usr/lib/app/plugins/two.so: file 0755 of app",
        )
        .says(&["warning: the plug-in /usr/lib/app/plugins/two.so lacks `libgone.so.3` and will not load"])
        .check("warning: image `r` (linux/amd64): the plug-in /usr/lib/app/plugins/two.so lacks `libgone.so.3` and will not load"),
        case(
            "a library that comes along with a named package of the same source may be for others; one that is named must link",
            &layer(r#""app""#, ""),
            "Package: app
             Source: src
             Depends: libapp1
             /usr/bin/app elf program needed=libapp.so.1

             Package: libapp1
             Source: src
             /usr/lib/{triplet}/libapp.so.1 elf soname=libapp.so.1
             /usr/lib/{triplet}/libapp-desktop.so.1 elf soname=libapp-desktop.so.1 needed=libdesktop.so.0",
            "/usr/bin/app: file 0755 of app
             /usr/lib/x86_64-linux-gnu/libapp-desktop.so.1: file 0755 of libapp1
             /usr/lib/x86_64-linux-gnu/libapp.so.1: file 0755 of libapp1",
        )
        .says(&["warning: the plug-in /usr/lib/x86_64-linux-gnu/libapp-desktop.so.1 lacks `libdesktop.so.0` and will not load"])
        .check("warning: image `r` (linux/amd64): the plug-in /usr/lib/x86_64-linux-gnu/libapp-desktop.so.1 lacks `libdesktop.so.0` and will not load"),
        case(
            "the same, named by the recipe",
            &layer(r#""libapp1""#, ""),
            "Package: libapp1
             /usr/lib/{triplet}/libapp-desktop.so.1 elf soname=libapp-desktop.so.1 needed=libdesktop.so.0",
            "",
        )
        .fails(1, &["/usr/lib/x86_64-linux-gnu/libapp-desktop.so.1 (from libapp1) needs `libdesktop.so.0`"]),
        case(
            "a module that Lua loads by a link comes with its package, Lua's own library does not",
            &layer(r#""app""#, ""),
            "Package: app
             Depends: lua-module, liblua5.4-0
             /usr/bin/app elf program

             Package: lua-module
             /usr/lib/{triplet}/liblua5.4-module.so.0.0.0 elf soname=liblua5.4-module.so.0
             /usr/lib/{triplet}/lua/5.4/module.so -> ../../liblua5.4-module.so.0.0.0

             Package: liblua5.4-0
             /usr/lib/{triplet}/liblua5.4.so.0 elf soname=liblua5.4.so.0
             /usr/lib/{triplet}/liblua5.4-c++.so.0 elf soname=liblua5.4-c++.so.0",
            "/usr/bin/app: file 0755 of app
             /usr/lib/x86_64-linux-gnu/liblua5.4-module.so.0.0.0: file 0755 of lua-module
             /usr/lib/x86_64-linux-gnu/lua/5.4/module.so: symlink -> ../../liblua5.4-module.so.0.0.0",
        ),
        case(
            "where the recipe excludes what a plug-in needs, the warning names the pattern",
            &layer(r#""app""#, "exclude = [\"/usr/lib/**/libx11.so.*\"]"),
            "Package: app
             Depends: libx11
             /usr/bin/app elf program
             /usr/lib/app/x11.so elf needed=libx11.so.6

             Package: libx11
             /usr/lib/{triplet}/libx11.so.6 elf soname=libx11.so.6",
            "/usr/bin/app: file 0755 of app
             /usr/lib/app/x11.so: file 0755 of app",
        )
        .says(&["warning: the plug-in /usr/lib/app/x11.so lacks `libx11.so.6`, which the recipe excludes with \
                 `/usr/lib/**/libx11.so.*`, and will not load"])
        .check("warning: image `r` (linux/amd64): the plug-in /usr/lib/app/x11.so lacks `libx11.so.6` and will not load"),
        case(
            "LD_LIBRARY_PATH of the image counts",
            &format!("{}[image]\nenv = {{ LD_LIBRARY_PATH = \"/opt/lib\" }}\n", layer(r#""app""#, "")),
            "Package: app
             /usr/bin/app elf program needed=libp.so
             /opt/lib/libp.so elf soname=libp.so",
            "/opt/lib/libp.so: file 0755 of app
             /usr/bin/app: file 0755 of app",
        ),
    ]);
}

#[test]
fn paths_of_packages_and_of_the_recipe() {
    all_hold(&[
        case(
            "what packages have below /bin, /lib and /sbin is in /usr, and their own links to it vanish",
            &layer(r#""app""#, "exclude = [\"/sbin/unwanted\"]\ninclude = [\"/bin/tool\"]"),
            "Package: app
             Depends: tool
             /bin/app elf program needed=libx.so.1
             /usr/bin/app -> ../../bin/app
             /lib/{triplet}/libx.so.1 elf soname=libx.so.1
             /sbin/unwanted 0755 no
             /lib64/ 0755

             Package: tool
             /bin/tool elf program soname=tool",
            "/usr/bin/app: file 0755 of app
             /usr/bin/tool: file 0755 of tool
             /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of app",
        ),
        case(
            "a recipe's files: content, host files, directories, links, owners, modes",
            "[[layer]]
             name = \"files\"
             files = [
               { path = \"/etc/motd\", content = \"hello\\n\" },
               { path = \"/etc/secret\", content = \"s\", mode = \"0640\", owner = \"pulse:shadow\" },
               { path = \"/usr/bin/run\", source = \"run.sh\" },
               { path = \"/etc/site\", source = \"site\" },
               { path = \"/run/pulse\", type = \"dir\", owner = \"pulse\", mode = \"0700\" },
               { path = \"/usr/bin/pa\", type = \"symlink\", target = \"run\" },
               { path = \"/usr/share/{arch}/{triplet}\", content = \"x\" },
               { path = \"/data\", type = \"dir\", owner = \"1234:5678\" },
             ]
             [[user]]
             name = \"pulse\"
             uid = 100
             group = \"audio\"",
            "",
            r##"/data/: dir 0755 1234:5678
               /etc/group: file 0644 74842904
               /etc/motd: file 0644 "hello\n"
               /etc/passwd: file 0644 ec8a298f
               /etc/secret: file 0640 100:42 "s"
               /etc/site/a/b: file 0644 "b"
               /etc/site/c: file 0644 "c"
               /run/pulse/: dir 0700 100:29
               /usr/bin/pa: symlink -> run
               /usr/bin/run: file 0644 "#!/bin/sh"
               /usr/share/amd64/x86_64-linux-gnu: file 0644 "x""##,
        )
        .file("run.sh", "#!/bin/sh")
        .file("site/a/b", "b")
        .file("site/c", "c"),
        case(
            "a recipe's file takes the place of a package's, in its layer and above it",
            "[[layer]]
             name = \"main\"
             packages = [\"app\"]
             files = [{ path = \"/etc/app.conf\", content = \"mine\" }]
             [[layer]]
             name = \"more\"
             files = [{ path = \"/etc/other.conf\", content = \"mine too\", mode = \"0600\" }]",
            "Package: app
             /usr/bin/app elf program
             /etc/app.conf 0600 theirs
             /etc/other.conf 0644 theirs",
            r#"-- main
               /etc/app.conf: file 0644 "mine"
               /etc/other.conf: file 0644 "theirs"
               /usr/bin/app: file 0755 of app
               -- more
               /etc/other.conf: file 0600 "mine too""#,
        ),
        case(
            "a recipe's path leads through the links of the skeleton",
            "[[layer]]
             name = \"files\"
             files = [
               { path = \"/bin/x\", content = \"x\" },
               { path = \"/lib64/y\", content = \"y\" },
               { path = \"/var/run/z\", content = \"z\" },
               { path = \"/var/lock/l\", content = \"l\" },
             ]",
            "",
            r#"/run/lock/l: file 0644 "l"
               /run/z: file 0644 "z"
               /usr/bin/x: file 0644 "x"
               /usr/lib64/y: file 0644 "y""#,
        ),
        case(
            "Replaces decides on a path of two packages, of links too",
            &layer(r#""app", "zapp""#, ""),
            "Package: app
             /usr/share/one 0644 app
             /usr/share/two -> one

             Package: zapp
             Replaces: other, app (<< 2)
             /usr/share/one 0644 zapp
             /usr/share/two 0644 zapp",
            r#"/usr/share/one: file 0644 "zapp"
               /usr/share/two: file 0644 "zapp""#,
        ),
        case(
            "Replaces counts for the versions that it names",
            &layer(r#""app", "zapp""#, ""),
            "Package: app
             Version: 5
             Replaces: zapp (<< 2)
             /usr/share/one 0644 app

             Package: zapp
             Version: 5
             Replaces: app (>= 4)
             /usr/share/one 0644 zapp",
            r#"/usr/share/one: file 0644 "zapp""#,
        ),
        case(
            "where neither replaces the other, that is told",
            &layer(r#""app", "zapp""#, ""),
            "Package: app
             /usr/share/one 0644 app

             Package: zapp
             /usr/share/one 0644 zapp",
            r#"/usr/share/one: file 0644 "app""#,
        )
        .says(&[
            "warning: /usr/share/one is in app and in zapp, and neither replaces the other; app's is taken",
        ]),
        case(
            "a file where another needs a directory is refused",
            "[[layer]]
             name = \"main\"
             packages = [\"app\"]
             files = [{ path = \"/usr/share/app\", content = \"file\" }]",
            "Package: app
             /usr/share/app/data 0644 data",
            "",
        )
        .fails(1, &["/usr/share/app is to be a file or a link, and a directory for the files below it"]),
        case(
            "the skeleton, whatever else there is",
            "skeleton = true
             [[layer]]
             name = \"main\"
             packages = [\"app\"]
             keep = \"listed\"
             include = [\"/usr/bin/app\"]",
            "Package: app
             /bin/app elf program
             /tmp/ 0755
             /root/ 0755
             /lib/app/ 0755",
            "/bin: symlink -> usr/bin
             /etc/group: file 0644 74842904
             /etc/os-release: symlink -> ../usr/lib/os-release
             /etc/passwd: file 0644 b51cb3fc
             /lib64: symlink -> usr/lib64
             /lib: symlink -> usr/lib
             /proc/: dir 0555
             /root/: dir 0700
             /run/lock/: dir 1777
             /sbin: symlink -> usr/sbin
             /sys/: dir 0555
             /tmp/: dir 1777
             /usr/bin/app: file 0755 of app
             /usr/lib/os-release: file 0644 66b47b11
             /var/lock: symlink -> /run/lock
             /var/mail/: dir 2775 0:8
             /var/run: symlink -> /run
             /var/tmp/: dir 1777",
        ),
    ]);
}

#[test]
fn layers_and_sources() {
    const SHARED: &str = "Package: app
         Depends: libx1, common
         /usr/bin/app elf program needed=libx.so.1

         Package: tool
         Depends: libx1, common, liby1
         /usr/bin/tool elf program needed=libx.so.1,liby.so.1
         /usr/share/tool/x 0644 x

         Package: libx1
         /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1

         Package: liby1
         /usr/lib/{triplet}/liby.so.1 elf soname=liby.so.1 needed=libx.so.1

         Package: common
         /usr/share/common/a 0644 a
         /usr/bin/common elf program soname=common";
    all_hold(&[
        case(
            "a dependency is in the lowest layer that needs it, and nothing is there twice",
            "[[layer]]
             name = \"low\"
             packages = [\"app\"]
             [[layer]]
             name = \"high\"
             packages = [\"tool\"]
             [[layer]]
             name = \"top\"
             packages = [\"app\", \"common\"]",
            SHARED,
            r#"-- low
               /usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1
               /usr/share/common/a: file 0644 "a"
               -- high
               /usr/bin/tool: file 0755 of tool
               /usr/lib/x86_64-linux-gnu/liby.so.1: file 0755 of liby1
               /usr/share/tool/x: file 0644 "x"
               -- top
               /usr/bin/common: file 0755 of common"#,
        ),
        case(
            "directories that a lower layer made stay as they are when an upper has something in them",
            "[[layer]]
             name = \"low\"
             packages = [\"app\"]
             files = [
               { path = \"/data\", type = \"dir\", mode = \"0700\", owner = \"33:33\" },
               { path = \"/var/lib/tool\", type = \"dir\", mode = \"0711\" },
             ]
             [[layer]]
             name = \"high\"
             packages = [\"tool\"]
             files = [
               { path = \"/data/x\", content = \"x\" },
               { path = \"/var/lib/app/x\", content = \"x\" },
             ]",
            "Package: app
             /var/lib/app/ 0750@34:34

             Package: tool
             /var/lib/tool/x 0644 x",
            r#"-- low
               /data/: dir 0700 33:33
               /var/lib/app/: dir 0750 34:34
               /var/lib/tool/: dir 0711
               -- high
               /data/: dir 0700 33:33
               /data/x: file 0644 "x"
               /var/lib/app/: dir 0750 34:34
               /var/lib/app/x: file 0644 "x"
               /var/lib/tool/: dir 0711
               /var/lib/tool/x: file 0644 "x""#,
        ),
        case(
            "a layer that adds nothing is no layer",
            "[[layer]]
             name = \"low\"
             packages = [\"app\"]
             [[layer]]
             name = \"again\"
             packages = [\"app\"]",
            SHARED,
            r#"/usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1
               /usr/share/common/a: file 0644 "a""#,
        ),
        case(
            "a variant has the layers and then its own",
            "[[layer]]
             name = \"main\"
             packages = [\"app\"]
             [[variant.debug.layer]]
             name = \"debug\"
             packages = [\"tool\"]",
            SHARED,
            r#"-- main
               /usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1
               /usr/share/common/a: file 0644 "a"
               -- debug
               /usr/bin/tool: file 0755 of tool
               /usr/lib/x86_64-linux-gnu/liby.so.1: file 0755 of liby1
               /usr/share/tool/x: file 0644 "x""#,
        )
        .args(&["--variant", "debug"]),
        case(
            "without it, only the layers",
            "[[layer]]
             name = \"main\"
             packages = [\"app\"]
             [[variant.debug.layer]]
             name = \"debug\"
             packages = [\"tool\"]",
            SHARED,
            r#"/usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1
               /usr/share/common/a: file 0644 "a""#,
        ),
        case(
            "a package file beside the recipe counts before the archive, and may depend on it",
            &layer(r#""./dist/app_{arch}.deb""#, ""),
            "Package: app
             Version: 9
             /usr/share/app 0644 archive

             Package: libx1
             /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1",
            "/usr/bin/app: file 0755 of app
             /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1",
        )
        .local(
            "dist/app_amd64.deb",
            "Package: app
             Version: 1
             Depends: libx1
             /usr/bin/app elf program needed=libx.so.1",
        ),
        case(
            "a repository of one's own, with no distro",
            "[[repository]]
             type = \"deb\"
             url = \"../archive\"
             suite = \"trixie\"
             keys = [\"key.asc\"]
             [[layer]]
             name = \"main\"
             packages = [\"app\"]",
            "Package: app
             /usr/bin/app elf program",
            "/usr/bin/app: file 0755 of app",
        ),
    ]);
}

/// A path of each strip class, by the key that keeps it.
const STRIPPED: &[(&str, &str)] = &[
    ("apparmor", "/etc/apparmor.d/app"),
    ("bitcode", "/usr/lib/app/bitcode/app/x.bc"),
    ("bug", "/usr/share/bug/app/control"),
    ("caches", "/var/lib/apt/lists/x"),
    ("completions", "/usr/share/bash-completion/completions/app"),
    ("cron", "/etc/cron.daily/app"),
    ("debug", "/usr/lib/debug/x.debug"),
    ("doc-base", "/usr/share/doc-base/app"),
    ("docs", "/usr/share/doc/app/README"),
    ("gdb", "/usr/share/gdb/auto-load/x.py"),
    ("headers", "/usr/lib/app/x.h"),
    ("icons", "/usr/share/icons/app.png"),
    ("info", "/usr/share/info/app.info"),
    ("init", "/etc/init.d/app"),
    ("initramfs", "/usr/share/initramfs-tools/hooks/app"),
    ("lintian", "/usr/share/lintian/overrides/app"),
    ("locales", "/usr/share/locale/de/LC_MESSAGES/app.mo"),
    ("logrotate", "/etc/logrotate.d/app"),
    ("man", "/usr/share/man/man1/app.1"),
    ("menus", "/usr/share/applications/app.desktop"),
    ("metainfo", "/usr/share/metainfo/app.xml"),
    ("pkgconfig", "/usr/lib/pkgconfig/app.pc"),
    ("pod", "/usr/share/perl5/App.pod"),
    ("static", "/usr/lib/libapp.a"),
    ("systemd", "/lib/systemd/system/app.service"),
    ("udev", "/lib/udev/rules.d/app.rules"),
    ("ufw", "/etc/ufw/applications.d/app"),
];

#[test]
fn each_strip_class_goes_unless_it_is_kept() {
    assert_eq!(STRIPPED.len(), rootforge::recipe::StripClass::ALL.len());
    let mut packages = String::from(
        "Package: app\n/usr/bin/app elf program\n/usr/share/doc/app/copyright 0644 free\n\
         /usr/lib/locale/C.utf8/LC_CTYPE 0644 C\n/usr/share/locale/en_GB/x.mo 0644 en\n",
    );
    for (class, path) in STRIPPED {
        packages.push_str(&format!("{path} 0644 {class}\n"));
    }
    let rig = Rig::with(&Archive::new(&packages));
    let mut cases: Vec<(String, Vec<&str>)> = STRIPPED
        .iter()
        .map(|(class, _)| {
            let mut kept = vec![*class, "C", "free"];
            kept.extend((*class == "locales").then_some("en"));
            (format!("[strip]\n{class} = false\n"), kept)
        })
        .collect();
    let all = STRIPPED.iter().map(|(class, _)| *class).chain(["C", "en", "free"]).collect();
    cases.push((String::new(), vec!["C", "free"]));
    cases.push(("strip = false\n".to_owned(), all));
    cases.push(("[strip]\ncopyright = false\n".to_owned(), vec!["C"]));
    cases.push(("[strip]\ncopyright = false\ndocs = false\n".to_owned(), vec!["C", "docs"]));
    cases.push(("[strip]\nlocales = [\"en\"]\n".to_owned(), vec!["C", "en", "free"]));
    cases.push(("[strip]\nlocales = true\n".to_owned(), vec!["C", "free"]));
    let wrong: Vec<String> = cases
        .into_par_iter()
        .enumerate()
        .filter_map(|(number, (strip, mut wanted))| {
            let layer = layer(r#""app""#, "");
            // `[strip]` has to come after the keys of the recipe, `strip` before the first table.
            let text = if strip.starts_with('[') { layer + &strip } else { strip.clone() + &layer };
            let head = format!(
                "name = \"r{number}\"\nfrom = \"debian:trixie\"\nkeys = [\"key.asc\"]\nskeleton = false\n"
            );
            rig.write(&format!("r{number}.toml"), head + &text);
            let ran = rig.run(&["build", &format!("r{number}.toml"), "--arch", "amd64"]);
            if ran.code != Some(0) || ran.err.contains("warning") {
                return Some(format!("{strip}: {:?} {}", ran.code, ran.err));
            }
            let image = Image::read(&rig.work("images"), &format!("r{number}"));
            let mut kept: Vec<&str> = image.layers[0]
                .1
                .iter()
                .filter(|(entry, _)| !is_plain(entry) && entry.path.as_str() != "/usr/bin/app")
                .map(|(_, content)| std::str::from_utf8(content).unwrap())
                .collect();
            kept.sort_unstable();
            wanted.sort_unstable();
            (kept != wanted).then(|| format!("{strip}: {kept:?}, not {wanted:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn accounts_are_in_passwd_and_group() {
    let rig = Rig::with(&Archive::new(
        "Package: bash\n/bin/bash elf program\n\nPackage: app\n/usr/share/app 0644 x",
    ));
    let accounts = "[[user]]
        name = \"pulse\"
        uid = 200
        home = \"/run/pulse\"
        groups = [\"audio\", \"pulse-access\"]
        [[user]]
        name = \"derived\"
        [[group]]
        name = \"pulse-access\"
        gid = 300
        [image]
        user = \"pulse\"
        ";
    let build = |package: &str| {
        rig.recipe(&(layer(package, "") + accounts));
        rig.build(&[]);
        Image::read(&rig.work("images"), "r")
    };
    let image = build(r#""bash""#);
    let passwd = image.text("/etc/passwd");
    assert!(passwd.starts_with("root:x:0:0:root:/root:/bin/bash\n"), "{passwd}");
    assert!(passwd.contains("\npulse:x:200:200::/run/pulse:/usr/sbin/nologin\n"), "{passwd}");
    assert!(passwd.contains("\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"), "{passwd}");
    let group = image.text("/etc/group");
    assert!(group.contains("\naudio:x:29:pulse\n"), "{group}");
    assert!(group.contains("\npulse-access:x:300:pulse\n"), "{group}");
    let derived = passwd.lines().find(|line| line.starts_with("derived:")).expect(passwd);
    let uid: u32 = derived.split(':').nth(2).unwrap().parse().unwrap();
    assert!((100..=999).contains(&uid), "{derived}");
    assert_eq!(image.config["config"]["User"], "pulse");
    // Sorted by id, and each id and name once.
    let column = |at: usize| passwd.lines().map(move |line| line.split(':').nth(at).unwrap());
    let ids: Vec<u32> = column(2).map(|id| id.parse().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{passwd}");
    assert_eq!(column(0).collect::<BTreeSet<_>>().len(), ids.len());
    // A shell that is not in the image is nobody's; an id depends on the name alone.
    let image = build(r#""app""#);
    assert!(image.text("/etc/passwd").starts_with("root:x:0:0:root:/root:/usr/sbin/nologin\n"));
    assert!(image.text("/etc/passwd").contains(derived));
}

#[test]
fn records_tell_of_what_shipped() {
    let packages = "Package: app
        Version: 1.2-3
        Source: app-source (1.2-2)
        Depends: libx1
        /usr/bin/app elf program needed=libx.so.1
        /usr/share/app/data 0644 data
        /usr/share/doc/app/README 0644 read
        md5sums 11111111111111111111111111111111  usr/bin/app
        md5sums 22222222222222222222222222222222  usr/share/app/data
        md5sums 33333333333333333333333333333333  usr/share/doc/app/README

        Package: libx1
        /lib/{triplet}/libx.so.1 elf soname=libx.so.1
        md5sums 44444444444444444444444444444444  lib/x86_64-linux-gnu/libx.so.1

        Package: idle
        Essential: yes
        /usr/bin/idle 0755 idle";
    let rig = Rig::with(&Archive::new(packages));
    rig.recipe(
        "[[layer]]\nname = \"low\"\npackages = [\"app\"]\nexclude = [\"/usr/share/app/**\"]\n\
         [[layer]]\nname = \"high\"\npackages = [\"app\"]\n",
    );
    rig.build(&[]);
    let image = Image::read(&rig.work("images"), "r");
    let record = |layer: usize, name: &str| {
        let path = format!("/var/lib/dpkg/status.d/{name}");
        let found = image.layers[layer].1.iter().find(|(entry, _)| entry.path.as_str() == path);
        found.map(|(_, content)| String::from_utf8(content.clone()).unwrap())
    };
    let status = record(0, "app").unwrap();
    assert!(
        status
            .starts_with("Package: app\nStatus: install ok installed\nVersion: 1.2-3\nArchitecture: amd64\n"),
        "{status}"
    );
    assert!(
        status.contains("\nSource: app-source (1.2-2)\n") && status.contains("\nDepends: libx1\n"),
        "{status}"
    );
    assert_eq!(record(0, "app.md5sums").unwrap(), "11111111111111111111111111111111  usr/bin/app\n");
    assert_eq!(
        record(0, "libx1.md5sums").unwrap(),
        "44444444444444444444444444444444  lib/x86_64-linux-gnu/libx.so.1\n"
    );
    // The upper layer has another part of the package: its list tells of both.
    assert_eq!(
        record(1, "app.md5sums").unwrap(),
        "11111111111111111111111111111111  usr/bin/app\n22222222222222222222222222222222  usr/share/app/data\n"
    );
    assert_eq!(record(1, "app").unwrap(), status);
    assert_eq!(record(1, "libx1"), None);
    assert_eq!(record(0, "idle"), None);
}

/// `dir:` and `tar:` hold what the layers come to.
#[test]
fn a_directory_holds_the_merged_layers() {
    let rig = Rig::with(&Archive::new(
        "Package: app
         /usr/bin/app elf program
         /usr/bin/again => /usr/bin/app
         /usr/bin/su 4755 su
         /etc/app.conf 0600 theirs
         /var/spool/app/ 1777",
    ));
    rig.recipe(
        "[[layer]]\nname = \"low\"\npackages = [\"app\"]\n\
         [[layer]]\nname = \"high\"\nfiles = [{ path = \"/etc/app.conf\", content = \"mine\" }]\n",
    );
    rig.build(&[]);
    rig.build(&["--output", "dir:root"]);
    let image = Image::read(&rig.work("images"), "r");
    let paths: BTreeSet<String> = image
        .layers
        .iter()
        .flat_map(|(_, members)| members.iter().map(|(entry, _)| entry.path.relative().to_owned()))
        .collect();
    let mut found = BTreeSet::new();
    walk(&rig.work("root"), "", &mut found);
    assert_eq!(found, paths);
    let mode = |path: &str| {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = rig.work("root").join(path).symlink_metadata().unwrap();
        (metadata.mode() & 0o7777, metadata.mtime(), metadata.nlink())
    };
    assert_eq!(rig.read("root/etc/app.conf"), "mine");
    assert_eq!(mode("usr/bin/su"), (0o4755, 1_000_000_000, 1));
    assert_eq!(mode("usr/bin/app"), (0o755, 1_000_000_000, 2));
    assert_eq!(mode("tmp").0, 0o1777);
    assert_eq!(mode("var/spool/app").0, 0o1777);
    assert_eq!(mode("etc/app.conf"), (0o644, 315_619_200, 1));
    assert_eq!(std::fs::read_link(rig.work("root/lib64")).unwrap().to_str(), Some("usr/lib64"));
}

fn walk(directory: &std::path::Path, below: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &format!("{path}/"), found);
        }
        found.insert(path);
    }
}

/// An upper layer that has something in /tmp once took its sticky bit.
#[test]
fn the_skeletons_directories_keep_their_modes() {
    let rig = Rig::with(&Archive::new("Package: app\n/usr/share/app 0644 x"));
    rig.recipe(
        "[[layer]]
         name = \"low\"
         packages = [\"app\"]
         [[layer]]
         name = \"high\"
         files = [
           { path = \"/tmp/x\", content = \"x\" },
           { path = \"/root/.x\", content = \"x\" },
           { path = \"/var/lock/x\", content = \"x\" },
         ]",
    );
    rig.build(&[]);
    let image = Image::read(&rig.work("images"), "r");
    image.assert_sound();
    assert_eq!(image.layers[1].0, "high");
    for (path, mode) in [("/tmp", 0o1777), ("/root", 0o700), ("/run/lock", 0o1777)] {
        let (entry, _) = image.layers[1].1.iter().find(|(entry, _)| entry.path.as_str() == path).unwrap();
        assert_eq!(entry.metadata.mode, mode, "{path}");
    }
}

#[test]
fn shell_words_and_run_time_rules() {
    const WORDS: &str = "Package: app
         Depends: dash, tool, other
         /usr/bin/app 0755 #!/bin/sh\\n. /usr/share/app/lib.sh\\ntool | sed s/a/b/; known; nosuch; command -v perhaps && perhaps
         /usr/share/app/lib.sh 0644 known() { uniq; }

         Package: dash
         Essential: yes
         /usr/bin/dash 0755 dash
         /usr/bin/sh -> dash

         Package: sed
         Essential: yes
         Depends: libx1
         /usr/bin/sed elf program needed=libx.so.1
         /usr/share/sed/data 0644 data

         Package: coreutils
         Essential: yes
         /usr/bin/uniq 0755 uniq
         /usr/bin/perhaps 0755 perhaps

         Package: libx1
         /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1

         Package: tool
         Depends: middle
         /usr/bin/tool 0755 tool
         /usr/share/tool/data 0644 data

         Package: middle
         Depends: far

         Package: far
         /usr/bin/nosuch 0755 nosuch

         Package: other
         /usr/bin/unasked 0755 unasked";
    const RULES: &str = "Package: app
         Depends: libx1
         /usr/bin/app elf program needed=libx.so.1

         Package: libx1
         /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1

         Package: extra
         Depends: deep
         /usr/lib/extra/one.so elf
         /usr/lib/extra/two 0644 two

         Package: deep
         /usr/share/deep 0644 deep";
    let rule = |text: &str| layer(r#""app""#, &format!("[[rule]]\nname = \"x\"\n{text}"));
    let plain = r"/usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1";
    all_hold(&[
        case(
            "commands of Essential packages and direct dependencies come, and what scripts source",
            &layer(r#""app""#, ""),
            WORDS,
            r##"/bin: symlink -> usr/bin
               /usr/bin/app: file 0755 "#!/bin/sh\n. /usr/share/app/lib.sh\ntool | sed s/a/b/; known; nosuch; command -v perhaps && perhaps"
               /usr/bin/dash: file 0755 "dash"
               /usr/bin/perhaps: file 0755 "perhaps"
               /usr/bin/sed: file 0755 of sed
               /usr/bin/sh: symlink -> dash
               /usr/bin/tool: file 0755 "tool"
               /usr/bin/uniq: file 0755 "uniq"
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1
               /usr/share/app/lib.sh: file 0644 "known() { uniq; }"
               /usr/share/tool/data: file 0644 "data""##,
        )
        .says(&["the script /usr/bin/app calls `nosuch`, which the image lacks"]),
        case(
            "what scripts source is found by its name where the directory is computed",
            &layer(r#""app""#, ""),
            WORDS.replace(". /usr/share/app/lib.sh", ". $DIR/lib.sh").leak(),
            r##"/bin: symlink -> usr/bin
               /usr/bin/app: file 0755 "#!/bin/sh\n. $DIR/lib.sh\ntool | sed s/a/b/; known; nosuch; command -v perhaps && perhaps"
               /usr/bin/dash: file 0755 "dash"
               /usr/bin/perhaps: file 0755 "perhaps"
               /usr/bin/sed: file 0755 of sed
               /usr/bin/sh: symlink -> dash
               /usr/bin/tool: file 0755 "tool"
               /usr/bin/uniq: file 0755 "uniq"
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1
               /usr/share/app/lib.sh: file 0644 "known() { uniq; }"
               /usr/share/tool/data: file 0644 "data""##,
        )
        .says(&["the script /usr/bin/app calls `nosuch`, which the image lacks"]),
        case(
            "what has no ELF file and depends on a library opens it by name",
            &layer(
                r#""script""#,
                "[[rule]]\nname = \"x\"\nwhen = { opens = [\"/usr/share/script/*\"] }\nmake = [{ path = \"/etc/x\", content = \"y\" }]",
            ),
            "Package: script
             Depends: libx1, other
             /usr/share/script/main.py 0644 main

             Package: libx1
             /usr/lib/{triplet}/libx.so.1 -> libx.so.1.2
             /usr/lib/{triplet}/libx.so.1.2 elf soname=libx.so.1
             /usr/bin/xtool 0755 xtool
             /usr/share/x/data 0644 data

             Package: other
             /usr/share/other/data 0644 data",
            r#"/etc/x: file 0644 "y"
               /usr/lib/x86_64-linux-gnu/libx.so.1.2: file 0755 of libx1
               /usr/lib/x86_64-linux-gnu/libx.so.1: symlink -> libx.so.1.2
               /usr/share/other/data: file 0644 "data"
               /usr/share/script/main.py: file 0644 "main"
               /usr/share/x/data: file 0644 "data""#,
        ),
        case(
            "a rule takes what lies beside the file that fires it, in its package",
            &rule("when = { files = [\"/usr/bin/s*\"] }\nbeside = [\"/usr/share/*/data\"]"),
            WORDS,
            r##"/bin: symlink -> usr/bin
               /usr/bin/app: file 0755 "#!/bin/sh\n. /usr/share/app/lib.sh\ntool | sed s/a/b/; known; nosuch; command -v perhaps && perhaps"
               /usr/bin/dash: file 0755 "dash"
               /usr/bin/perhaps: file 0755 "perhaps"
               /usr/bin/sed: file 0755 of sed
               /usr/bin/sh: symlink -> dash
               /usr/bin/tool: file 0755 "tool"
               /usr/bin/uniq: file 0755 "uniq"
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1
               /usr/share/app/lib.sh: file 0644 "known() { uniq; }"
               /usr/share/sed/data: file 0644 "data"
               /usr/share/tool/data: file 0644 "data""##,
        )
        .says(&["the script /usr/bin/app calls `nosuch`, which the image lacks"]),
        case(
            "a library on which nobody depends is found by the name of its package, where that is locked",
            &rule("when = { files = [\"/nowhere\"] }\npackages = [\"libx1\"]"),
            RULES.replace("Depends: libx1\n         ", "").leak(),
            plain,
        ),
        case("no rule fires by itself", &layer(r#""app""#, ""), RULES, plain),
        case(
            "a rule takes files of a package on demand, and no more",
            &rule("when = { sonames = [\"libx.so.*\"] }\npackages = [\"extra\"]\nfiles = [\"/usr/lib/extra/t*\"]"),
            RULES,
            r#"/usr/bin/app: file 0755 of app
               /usr/lib/extra/two: file 0644 "two"
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1"#,
        ),
        case(
            "a rule without files reaches its packages",
            &rule("when = { files = [\"/usr/bin/a*\"] }\npackages = [\"extra\"]"),
            RULES,
            r#"/usr/bin/app: file 0755 of app
               /usr/lib/extra/one.so: file 0755 of extra
               /usr/lib/extra/two: file 0644 "two"
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1
               /usr/share/deep: file 0644 "deep""#,
        ),
        case(
            "what is excepted fires nothing",
            &rule("when = { sonames = [\"libx*\"] }\nexcept = [\"/usr/bin/app\"]\npackages = [\"extra\"]"),
            RULES,
            plain,
        ),
        case(
            "a rule makes a file, and says what it lacks",
            &rule(
                "when = { sonames = [\"libx*\"] }\npackages = [\"nowhere\"]\nmake = [{ path = \"/etc/x\", content = \"y\" }]",
            ),
            RULES,
            r#"/etc/x: file 0644 "y"
               /usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1"#,
        )
        .says(&["/usr/bin/app fires the rule `x`, whose packages are not locked: nowhere"]),
        case(
            "the recipe's own file takes the place of a rule's",
            &layer(
                r#""app""#,
                "files = [{ path = \"/etc/x\", content = \"z\" }]\n[[rule]]\nname = \"x\"\n\
                 when = { sonames = [\"libx*\"] }\nmake = [{ path = \"/etc/x\", content = \"y\" }]",
            ),
            RULES,
            r#"/etc/x: file 0644 "z"
               /usr/bin/app: file 0755 of app
               /usr/lib/x86_64-linux-gnu/libx.so.1: file 0755 of libx1"#,
        ),
    ]);
}

/// What these run they put together themselves, so the table of rules names it.
#[test]
fn programs_that_others_run_by_paths_of_their_own() {
    let rig = Rig::with(&Archive::new(
        "Package: signs
 Depends: gpg, gpg-agent, dirmngr
 /usr/bin/signs elf program

 Package: gpg
 /usr/bin/gpg elf program

 Package: gpg-agent
 Depends: pinentry-curses
 /usr/bin/gpg-agent elf program

 Package: pinentry-curses
 /usr/bin/pinentry-curses elf program

 Package: dirmngr
 /usr/bin/dirmngr elf program

 Package: clang-19
 Depends: binutils
 /usr/lib/llvm-19/bin/clang elf program

 Package: binutils
 /usr/bin/ld elf program

 Package: serves
 Depends: libnode1
 /usr/bin/serves elf program needed=libnode.so.1

 Package: libnode1
 /usr/lib/{triplet}/libnode.so.1 elf soname=libnode.so.1

 Package: dash
 Essential: yes
 /usr/bin/dash elf program
 /usr/bin/sh -> dash",
    ));
    for (named, programs) in [
        (r#""signs", "gpg""#, &["dirmngr", "gpg-agent", "pinentry-curses"][..]),
        (r#""clang-19""#, &["ld"]),
        (r#""serves""#, &["dash", "sh"]),
    ] {
        rig.recipe(&format!("[[layer]]\nname = \"main\"\npackages = [{named}]\n"));
        rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
        let paths = Image::read(&rig.work("images"), "r").paths();
        for program in programs {
            assert!(paths.contains(&format!("/usr/bin/{program}")), "{named}: {program}: {paths:?}");
        }
    }
}

#[test]
fn what_the_image_starts_comes_and_is_looked_into() {
    let rig = Rig::with(&Archive::new(
        "Package: served
 /usr/share/served/bin/run 0755 #!/bin/sh\\nstat x\\n
 /usr/share/others/bin/other 0755 #!/bin/sh\\nsed x\\n

 Package: py3-module
 Depends: python3
 /usr/lib/python3/dist-packages/module.py 0644 module

 Package: python3
 Source: python3-defaults
 Depends: python3-minimal, libpython3-stdlib
 /usr/share/python3/debian_defaults 0644 defaults

 Package: python3-minimal
 Source: python3-defaults
 /usr/bin/python3 elf program

 Package: libpython3-stdlib
 Source: python3-defaults
 /usr/lib/python3.13/json.py 0644 json

 Package: coreutils
 Essential: yes
 /usr/bin/stat elf program

 Package: sed
 Essential: yes
 /usr/bin/sed elf program

 Package: dash
 Essential: yes
 /usr/bin/sh elf program",
    ));
    let paths = |named: &str, image: &str| {
        let settings = "[[layer]]\nname = \"settings\"\nfiles = [{ path = \"/etc/x\", content = \"\" }]\n";
        rig.recipe(&format!(
            "[[layer]]\nname = \"main\"\npackages = [\"{named}\"]\n{settings}[image]\n{image}\n"
        ));
        let told = rig.run(&["build", "r.toml", "--arch", "amd64"]).ok().err;
        assert!(!told.contains("warning:"), "{told}");
        let image = Image::read(&rig.work("images"), "r");
        let (_, members) = image.layers.last().unwrap();
        assert!(
            members.iter().all(|(entry, _)| !entry.path.as_str().starts_with("/usr/bin/")),
            "{members:?}"
        );
        image.paths()
    };
    let started = paths("served", "entrypoint = [\"/usr/share/served/bin/run\", \"x\"]");
    assert!(started.contains("/usr/bin/stat") && started.contains("/usr/bin/sh"), "{started:?}");
    assert!(!started.contains("/usr/bin/sed"), "{started:?}");
    for image in ["entrypoint = [\"/usr/bin/python3\"]", "cmd = [\"python3\"]"] {
        let python = paths("py3-module", image);
        for path in ["/usr/bin/python3", "/usr/lib/python3.13/json.py"] {
            assert!(python.contains(path), "{image}: {python:?}");
        }
    }
    assert!(!paths("py3-module", "user = \"1\"").contains("/usr/bin/python3"));
    // Every system has it, though nobody depends on it.
    for image in ["entrypoint = [\"stat\"]", "entrypoint = []\ncmd = [\"/usr/bin/stat\"]"] {
        assert!(paths("py3-module", image).contains("/usr/bin/stat"), "{image}");
    }
}

/// What a rule gives of a helper that nothing else wants is there, whatever stands above.
#[test]
fn what_a_rule_gives_of_a_dependency_is_the_same_with_and_without_a_variant() {
    let rig = Rig::with(&Archive::new(
        "Package: easy
 Depends: openssl
 /usr/bin/easy 0755 #!/usr/bin/sh\\n$SSL x

 Package: openssl
 /usr/bin/openssl elf program soname=openssl
 /usr/bin/c_rehash elf program soname=c_rehash

 Package: dash
 Essential: yes
 /usr/bin/sh elf program soname=sh",
    ));
    rig.recipe(
        "[[layer]]\nname = \"main\"\npackages = [\"easy\"]\n\
         [[rule]]\nname = \"easy\"\nwhen = { files = [\"/usr/bin/easy\"] }\nfiles = [\"/usr/bin/openssl\"]\n\
         [[variant.debug.layer]]\nname = \"debug\"\nkeep = \"listed\"\npackages = [\"openssl\"]\ninclude = [\"/usr/bin/c_rehash\"]\n",
    );
    rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
    rig.run(&["build", "r.toml", "--arch", "amd64", "--variant", "debug"]).ok();
    let images = ["r", "r-debug"].map(|name| Image::read(&rig.work("images"), name));
    assert!(images[0].get("/usr/bin/openssl").is_some());
    assert_eq!(images[0].layers[0], images[1].layers[0]);
}

#[test]
fn what_runs_before_unpacking_finds_none_of_the_package() {
    let rig = Rig::with(&Archive::new(
        "Package: early
 Depends: shared
 conffiles /etc/kept.conf
 /etc/kept.conf 0644 shipped
 /usr/share/shared/own 0644 own
 /etc/moved.conf 0644 shipped
 /etc/gone.conf 0644 shipped
 /etc/written.conf 0644 shipped
 /srv/d/f 0644 x
 preinst #!/bin/sh
 preinst if [ -f /etc/moved.conf ]; then mv /etc/moved.conf /etc/old.conf; fi
 preinst rm -f /etc/gone.conf
 preinst echo made > /etc/kept.conf; rm -rf /usr/share/shared
 preinst echo early > /etc/written.conf; chmod 600 /etc/written.conf
 preinst [ -d /srv/d ] || { mkdir /srv/d; chown mail: /srv/d; chmod 700 /srv/d; touch /srv/d/made; }
 postinst #!/bin/sh
 postinst if [ -f /etc/gone.conf ] && [ -d /srv/d ]; then mkdir /etc/is-there; fi

 Package: shared
 /usr/share/shared/theirs 0644 theirs",
    ));
    rig.recipe("[[layer]]\nname = \"main\"\npackages = [\"early\"]\n");
    rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
    let image = Image::read(&rig.work("images"), "r");
    for path in ["/etc/moved.conf", "/etc/gone.conf", "/etc/written.conf"] {
        assert_eq!(image.text(path), "shipped", "{path}");
        assert_eq!(image.get(path).unwrap().0.metadata.mode, 0o644, "{path}");
    }
    assert!(image.get("/etc/old.conf").is_none());
    assert_eq!((image.text("/etc/kept.conf"), image.text("/usr/share/shared/own")), ("made\n", "own"));
    let directory = &image.get("/srv/d").unwrap().0.metadata;
    assert_eq!((directory.mode, directory.uid, directory.gid), (0o700, 8, 8));
    for path in ["/srv/d/f", "/srv/d/made", "/etc/is-there"] {
        assert!(image.get(path).is_some(), "{path}");
    }
}

/// A file has one owner and one mode, whichever of its names a script speaks of.
#[test]
fn what_a_script_gives_one_name_of_a_file_all_have() {
    let rig = Rig::with(&Archive::new(
        "Package: twins
 /usr/bin/first 0755 content
 /usr/bin/second => /usr/bin/first
 /usr/bin/third 0755 other
 /usr/bin/fourth => /usr/bin/third
 postinst #!/bin/sh
 postinst chown root:games /usr/bin/first; chmod 2755 /usr/bin/first; chmod 0700 /usr/bin/fourth",
    ));
    rig.recipe("[[layer]]\nname = \"main\"\npackages = [\"twins\"]\n");
    rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
    let image = Image::read(&rig.work("images"), "r");
    let members = &image.layers[0].1;
    let told = |name: &str| {
        let found = members.iter().find(|(entry, _)| entry.path.as_str() == format!("/usr/bin/{name}"));
        let metadata = &found.unwrap().0.metadata;
        (metadata.mode, metadata.gid)
    };
    for (name, mode, gid) in
        [("first", 0o2755, 60), ("second", 0o2755, 60), ("third", 0o700, 0), ("fourth", 0o700, 0)]
    {
        assert_eq!(told(name), (mode, gid), "{name}");
    }
}

#[test]
fn who_diverts_a_path_has_it() {
    let rig = Rig::with(&Archive::new(
        "Package: all-tools
 /usr/bin/tool 0755 of all

 Package: tool
 /usr/bin/tool 0755 of its own
 preinst #!/bin/sh
 preinst dpkg-divert --package tool --add --rename --divert /usr/bin/tool.all /usr/bin/tool

 Package: copier
 Depends: tool
 /usr/share/copier 0644 x
 postinst #!/bin/sh
 postinst cp /usr/bin/tool /etc/copy
 postinst if grep -q own /usr/bin/tool; then mkdir /etc/is-own; else mkdir /etc/is-all; fi",
    ));
    rig.recipe("[[layer]]\nname = \"main\"\npackages = [\"all-tools\", \"tool\", \"copier\"]\n");
    let told = rig.run(&["build", "r.toml", "--arch", "amd64"]).ok().err;
    let words =
        "tool diverts /usr/bin/tool of all-tools, and has its own there: that of all-tools is left out";
    assert!(told.contains(words), "{told}");
    assert_eq!(Image::read(&rig.work("images"), "r").text("/usr/bin/tool"), "of its own");
    // A script that looks at it sees that, and images on this one have the same layer, recalled or not.
    let base = Image::read(&rig.work("images"), "r").layers[0].clone();
    for name in ["first", "second"] {
        rig.write(
            &format!("{name}.toml"),
            format!(
                "name = \"{name}\"\nbase = \"r.toml\"\n[[layer]]\nname = \"{name}\"\n\
                 files = [{{ path = \"/etc/x\", content = \"{name}\" }}]\n"
            ),
        );
        rig.run(&["build", &format!("{name}.toml"), "--arch", "amd64"]).ok();
        let image = Image::read(&rig.work("images"), name);
        assert_eq!(image.layers[0], base, "{name}");
        assert_eq!(image.text("/etc/copy"), "of its own");
        assert!(
            image.get("/etc/is-own").is_some() && image.get("/etc/is-all").is_none(),
            "{:?}",
            image.paths()
        );
    }
}
