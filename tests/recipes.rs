//! Recipes: what is understood, and what is said of those that are wrong.
//!
//! A case of the table is a recipe and the places and messages of all its mistakes.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write;
use std::path::Path;

use expect_test::expect_file;
use proptest::prelude::*;
use rootforge::arch::Arch;
use rootforge::deb::relation::Operator;
use rootforge::distro::{AlpineRelease, DebianRelease, Distro, PackageFormat, Pocket};
use rootforge::hint::Hint;
use rootforge::recipe::{
    BASE_USERS, FileSource, Keep, Location, PackageSpec, Problems, Recipe, RecipeError, RepositoryKind,
    Strip, StripClass, render,
};

/// The recipe of the manual, less its base, with every key there is.
const PULSE: &str = r#"
name = "pulseaudio"
from = "debian:trixie"
arch = ["amd64", "arm32v6", "arm64", "s390x"]

[[layer]]
name     = "pulseaudio"
packages = ["pulseaudio", "./dist/my_1.0_{arch}.deb", "alsa-utils>=1.2"]
keep     = "needed"
include  = ["/usr/lib/{triplet}/pulse-*/modules/{a,b}.so"]
exclude  = ["/usr/lib/**/module-x11-*.so"]

[[layer]]
name  = "settings"
files = [
  { path = "/etc/asound.conf", source = "pulseaudio/asound.conf" },
  { path = "/etc/motd", content = "hello\n", mode = "0644", owner = "root:root" },
  { path = "/run/pulse", type = "dir", owner = "pulse:pulse", mode = "0700" },
  { path = "/usr/bin/pa", type = "symlink", target = "pulseaudio" },
]

[strip]
locales   = ["C.UTF-8", "en"]
copyright = true
man       = false

[[user]]
name = "pulse"
uid  = 100
home = "/run/pulse"
groups = ["audio", "pulse-access"]
[[group]]
name = "pulse-access"

[image]
entrypoint = ["/usr/bin/pulseaudio", "-v"]
cmd = []
user = "pulse"
workdir = "/"
env = { HOME = "/run/pulse" }
expose = ["4713/tcp"]
volumes = []
stop-signal = "SIGTERM"
labels = { "org.opencontainers.image.title" = "PulseAudio" }
healthcheck = { test = ["CMD", "pactl", "info"], interval = "30s" }

[variant.debug]
[[variant.debug.layer]]
name = "debug"
packages = ["busybox-static"]

[[test]]
run = ["pulseaudio", "--version"]
stdout = "pulseaudio 17"

[[repository]]
type = "deb"
url = "https://apt.example.com/debian"
suite = "stable"
components = ["main"]
keys = ["keys/example.asc"]
"#;

/// A directory with the files that recipes here name.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["pulseaudio/asound.conf", "keys/example.asc", "repo/dists/stable/InRelease"] {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "content\n").unwrap();
    }
    std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
    dir
}

fn parse(text: &str) -> Result<Recipe, RecipeError> {
    let dir = directory();
    Recipe::parse(text, &dir.path().join("x.toml"))
}

/// The problems, with a file name that is the same everywhere.
fn problems(text: &str) -> Option<Problems> {
    match parse(text) {
        Ok(_) => None,
        Err(RecipeError::Invalid(problems)) => Some(Problems { path: "recipes/x.toml".into(), ..problems }),
        Err(other) => panic!("{other}"),
    }
}

fn described(text: &str) -> Vec<String> {
    problems(text).map(|problems| lines(&problems)).unwrap_or_default()
}

/// What a sound recipe mentions and only its packages can define, in the same form.
fn undefined(text: &str) -> Vec<String> {
    match Recipe::parse(text, Path::new("x.toml")).unwrap().undefined(|_| false) {
        Some(RecipeError::Invalid(problems)) => lines(&problems),
        _ => Vec::new(),
    }
}

fn lines(problems: &Problems) -> Vec<String> {
    let line = |problem| {
        let place = problems.place(problem);
        let hint = problem.hint.as_ref().map(|hint| format!(" | {hint}")).unwrap_or_default();
        format!("{place} {}{hint}", problem.message)
    };
    problems.problems.iter().map(line).collect()
}

/// A recipe with nothing wrong, which cases go on from at line 7.
const HEAD: &str =
    "name = \"x\"\nfrom = \"debian:trixie\"\n\n[[layer]]\nname = \"x\"\npackages = [\"curl\"]\n";

/// A recipe of Alpine with a tagged repository, which cases go on from at line 9.
const ALPINE: &str = "name = \"x\"\nfrom = \"alpine:3.20\"\n[[repository]]\ntype = \"apk\"\nurl = \"https://x.example/edge/main\"\ntag = \"x\"\n[[layer]]\nname = \"x\"\n";

/// A wrong recipe and all that is said of it: `LINE:COLUMN MESSAGE | HINT`.
struct Case {
    summary: &'static str,
    before: &'static str,
    text: &'static str,
    expected: &'static [&'static str],
}

#[rustfmt::skip]
const WRONG: &[Case] = &[
    Case {
        summary: "an empty file",
        before: "",
        text: r"",
        expected: &[
            r#"1:1 the recipe has no `name` | add `name = "..."`"#,
            r"1:1 the recipe has no `layer` | add `[[layer]]` and its keys below",
        ],
    },
    Case {
        summary: "a misspelt key is one mistake, not also a missing one",
        before: "",
        text: r#"nmae = "x"
[[layer]]
name = "x"
files = []
"#,
        expected: &[
            r"1:1 unknown key `nmae` | did you mean `name`?",
        ],
    },
    Case {
        summary: "no value, and mistakes elsewhere",
        before: "",
        text: r#"name = 
[[layer]]
name = "x"
packagse = 3
"#,
        expected: &[
            r"1:8 there is no value after `=`",
            r"4:1 unknown key `packagse` in `[[layer]]` | did you mean `packages`?",
        ],
    },
    Case {
        summary: "a key given twice",
        before: "",
        text: r#"name = "x"
name = "y"
"#,
        expected: &[
            r"1:1 the recipe has no `layer` | add `[[layer]]` and its keys below",
            r"2:1 the key `name` is given twice | leave one of them out",
        ],
    },
    Case {
        summary: "a value without quotes",
        before: "",
        text: r#"name = "x"
from = debian:trixie
"#,
        expected: &[
            r"2:8 string values must be quoted, expected literal string | put it in double quotes",
        ],
    },
    Case {
        summary: "a quote left open",
        before: "",
        text: r#"name = "x
[[layer]]
name = "x"
files = 3
"#,
        expected: &[
            r#"1:10 invalid basic string, expected `"` | a string ends on the line it begins on, with the same quote; """ begins one of several lines"#,
            r"4:9 `files` must be an array of tables, not an integer",
        ],
    },
    Case {
        summary: "layers instead of layer",
        before: "",
        text: r#"name = "x"
layers = []
"#,
        expected: &[
            r"2:1 unknown key `layers` | did you mean `layer`?",
        ],
    },
    Case {
        summary: "one bracket instead of two",
        before: "",
        text: r#"name = "x"
[layer]
name = "x"
files = []
"#,
        expected: &[
            r"2:2 there may be several `layer`, so it must be an array of tables | write `[[layer]]`, with two brackets",
        ],
    },
    Case {
        summary: "names that no reference can have",
        before: "",
        text: r#"name = "Big"
[[layer]]
name = "a/b"
files = []
"#,
        expected: &[
            r#"1:8 `Big` cannot be the name of a recipe | write "big""#,
            r"3:8 `a/b` cannot be the name of a layer | a name has letters `a-z` and digits, with single `.`, `-` or `_` between them",
        ],
    },
    Case {
        summary: "a name that is a number",
        before: "",
        text: r#"name = 5
[[layer]]
name = "x"
files = []
"#,
        expected: &[
            r#"1:8 `name` must be a string, not an integer | put it in quotes: "5""#,
        ],
    },
    Case {
        summary: "a release by its number",
        before: "",
        text: r#"name = "x"
from = "debian:13"
[[layer]]
name = "x"
files = []
"#,
        expected: &[
            r#"2:8 `debian:13` is not a distro that rootforge knows | releases go by their code names: write "debian:trixie""#,
        ],
    },
    Case {
        summary: "a distro without a release",
        before: "",
        text: r#"name = "x"
from = "debian"
[[layer]]
name = "x"
files = []
"#,
        expected: &[
            r"2:8 `debian` is not a distro that rootforge knows | known are `debian:bookworm`, `debian:trixie`, `debian:sid`, `ubuntu:jammy`, `ubuntu:noble`, `alpine:3.18` and later, `alpine:edge`, `wolfi`",
        ],
    },
    Case {
        summary: "an unknown distro",
        before: "",
        text: r#"name = "x"
from = "fedora:40"
[[layer]]
name = "x"
files = []
"#,
        expected: &[
            r"2:8 `fedora:40` is not a distro that rootforge knows | known are `debian:bookworm`, `debian:trixie`, `debian:sid`, `ubuntu:jammy`, `ubuntu:noble`, `alpine:3.18` and later, `alpine:edge`, `wolfi`",
        ],
    },
    Case {
        summary: "a point release of Alpine",
        before: "",
        text: r#"name = "x"
from = "alpine:3.20.3"
[[layer]]
name = "x"
packages = ["so:libz.so.1", "cmd:curl", "curl@edge"]
"#,
        expected: &[
            r#"2:8 `alpine:3.20.3` is a point release, of which repositories keep only the newest | write "alpine:3.20"; the lock pins the versions"#,
            r#"5:41 no repository has the tag `edge` | give the `[[repository]]` that it is to come from `tag = "edge"`"#,
        ],
    },
    Case {
        summary: "Alpine without a release",
        before: "",
        text: r#"name = "x"
from = "alpine"
[[layer]]
name = "x"
packages = ["/bin/sh"]
"#,
        expected: &[
            r#"2:8 `alpine` names no release | write "alpine:3.24", or another from "alpine:3.18" on, or "alpine:edge""#,
        ],
    },
    Case {
        summary: "the newest Alpine, whichever that is",
        before: "",
        text: r#"name = "x"
from = "alpine:latest"
[[layer]]
name = "x"
packages = ["busybox"]
"#,
        expected: &[
            r#"2:8 `alpine:latest` names no release | write "alpine:3.24", or another from "alpine:3.18" on, or "alpine:edge""#,
        ],
    },
    Case {
        summary: "an Alpine that is too old for a preset",
        before: "",
        text: r#"name = "x"
from = "alpine:3.8"
[[layer]]
name = "x"
packages = ["busybox"]
"#,
        expected: &[
            r#"2:8 there is no preset for `alpine:3.8`: the oldest is alpine:3.18 | leave `from` out and give its repositories, each a `[[repository]]` of type "apk" with its `keys`"#,
        ],
    },
    Case {
        summary: "an Alpine with a v, as its repositories have it",
        before: "",
        text: r#"name = "x"
from = "alpine:v3.20"
[[layer]]
name = "x"
packages = ["busybox"]
"#,
        expected: &[
            r#"2:8 `alpine:v3.20` is not a distro that rootforge knows | write "alpine:3.20""#,
        ],
    },
    Case {
        summary: "an Alpine that never was",
        before: "",
        text: r#"name = "x"
from = "alpine:egde"
[[layer]]
name = "x"
packages = ["busybox"]
"#,
        expected: &[
            r#"2:8 `alpine:egde` is not a distro that rootforge knows | did you mean "alpine:edge"?"#,
        ],
    },
    Case {
        summary: "Alpine has neither suites, nor snapshots, nor every port in every release",
        before: "",
        text: r#"name = "x"
from = "alpine:3.19"
arch = ["amd64", "arm32v6", "riscv64"]
suites = ["release", "nonsense"]
snapshot = "20261101T000000Z"
[[layer]]
name = "x"
packages = ["busybox"]
"#,
        expected: &[
            r"3:29 alpine:3.19 has no riscv64 | it has `amd64`, `arm32v6`, `arm32v7`, `arm64`, `386`, `ppc64le`, `s390x`",
            r"4:1 a release of Alpine's kind has no suites | leave it out: the whole release is used, main and community",
            r"5:12 alpine:3.19 has no snapshot archive | leave `snapshot` out",
        ],
    },
    Case {
        summary: "Wolfi without its keys, and as if it had releases",
        before: "",
        text: r#"name = "x"
from = "wolfi"
arch = ["s390x"]
[[layer]]
name = "x"
packages = ["busybox"]
"#,
        expected: &[
            r#"2:8 the keys of wolfi are not built in | add `keys = ["wolfi-signing.rsa.pub"]` with that file beside the recipe; the repository has it"#,
            r"3:9 wolfi has no s390x | it has `amd64`, `arm64`",
        ],
    },
    Case {
        summary: "packages of Alpine spelt wrongly",
        before: ALPINE,
        text: r#"packages = ["curl==1-2", "curl=1.0@x", "my.apk", "curl (>= 8)", "a b", "dist/x.rpm", "./x.deb", "./gone.apk", "./x_{ach}.apk", "curl@nope", "my-{nix}", "curl!", 7, "curl@x", "Curl", "curl@x"]
"#,
        expected: &[
            r#"9:13 `curl==1-2` is no package: `1-2` is no version | a version is written NUMBER[.NUMBER...][LETTER][_SUFFIX][-rNUMBER], such as "1.36.1-r29""#,
            r#"9:26 `curl=1.0@x` is no package: the tag comes before the version | write "curl@x=1.0""#,
            r#"9:40 `my.apk` is no package: it looks like a file | write "./my.apk" for a file beside the recipe"#,
            r#"9:50 `curl (>= 8)` is no package: no operator follows the name | write "curl>=VERSION"; there are also `=`, `<=`, `>`, `<` and `~`"#,
            r"9:65 `a b` is no package: each element names one | put each in quotes of its own",
            r"9:72 `dist/x.rpm` is a path, but not that of a `.apk` | packages of a repository are named without `/`",
            r"9:86 `./x.deb` is a package of Debian, and the recipe's are of Alpine | use a `.apk`",
            r"9:97 `./gone.apk` does not exist | paths are relative to the recipe's directory",
            r"9:111 unknown placeholder `{ach}` | `{arch}` is the distro's name of the architecture, `{triplet}` its directory below `/usr/lib`",
            r"9:128 no repository has the tag `nope` | the tags are `@x`",
            r"9:141 `my-{nix}` is no package: `{arch}` is the only placeholder of names | it is the distro's name of the architecture",
            r#"9:153 `curl!` is no package: `!` comes before the name | write "!curl" for what must not be there"#,
            r#"9:162 an element of `packages` must be a string, not an integer | put it in quotes: "7""#,
            r"9:183 `curl@x` is named twice in this layer | leave one out",
        ],
    },
    Case {
        summary: "a package of Alpine for Debian",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
packages = ["./x.apk", "curl~8", "so:libz.so.1", "cmd:curl"]
"#,
        expected: &[
            r"9:13 `./x.apk` is a package of Alpine, and the recipe's are of Debian | use a `.deb`",
            r#"9:24 `curl~8` is no package: `~` is no operator | write "curl=VERSION"; besides `=` there are `>=`, `<=`, `>` and `<`"#,
            r"9:34 `so:libz.so.1` is no package: only apk is asked for what packages provide | name the package that has it, as Debian and Ubuntu call it",
            r"9:50 `cmd:curl` is no package: only apk is asked for what packages provide | name the package that has it, as Debian and Ubuntu call it",
        ],
    },
    Case {
        summary: "repositories of two formats",
        before: "",
        text: r#"name = "x"
[[layer]]
name = "x"
packages = ["so:libz.so.1"]
[[repository]]
type = "apk"
url = "https://a.example/v3.20/main"
keys = ["keys/example.asc"]
[[repository]]
type = "deb"
url = "https://b.example"
suite = "stable"
keys = ["keys/example.asc"]
"#,
        expected: &[
            r#"10:8 this repository is of type "deb", the first one of "apk" | an image has packages of one format; make two recipes"#,
        ],
    },
    Case {
        summary: "a repository of another format than the distro's",
        before: "",
        text: r#"name = "x"
from = "alpine:3.20"
[[layer]]
name = "x"
packages = ["so:libz.so.1"]
[[repository]]
type = "deb"
url = "https://b.example"
suite = "stable"
"#,
        expected: &[
            r#"7:8 a repository of type "deb" does not go with `from` | `from` wants repositories of type "apk""#,
        ],
    },
    Case {
        summary: "a base that is not there",
        before: "",
        text: r#"name = "x"
base = "base/debian.toml"
[[layer]]
name = "x"
packages = ["curl"]
[image]
user = "app"
"#,
        expected: &[
            r"2:8 cannot read the base `base/debian.toml`: No such file or directory (os error 2) | the path of a base is relative to the recipe's directory",
        ],
    },
    Case {
        summary: "packages from nowhere",
        before: "",
        text: r#"name = "x"
[[layer]]
name = "x"
packages = ["curl"]
"#,
        expected: &[
            r#"4:13 nothing says where `curl` comes from | add `from = "debian:trixie"`, or a `[[repository]]`"#,
        ],
    },
    Case {
        summary: "architectures",
        before: "",
        text: r#"name = "x"
from = "ubuntu:noble"
arch = ["amd64", "arm32v6", "x86_64", "armhf", "amd64", 386]
[[layer]]
name = "x"
files = []
"#,
        expected: &[
            r"3:18 ubuntu:noble has no arm32v6 | it has `amd64`, `arm32v7`, `arm64`, `ppc64le`, `riscv64`, `s390x`",
            r#"3:29 `x86_64` is not an architecture | architectures go by Docker's names: write "amd64""#,
            r"3:39 `armhf` is not an architecture | Debian's armhf is `arm32v7`, Alpine's is `arm32v6`",
            r"3:48 `amd64` is named twice | leave one of them out",
            r#"3:57 an element of `arch` must be a string, not an integer | put it in quotes: "386""#,
        ],
    },
    Case {
        summary: "suites",
        before: "",
        text: r#"name = "x"
from = "debian:sid"
suites = ["release", "updates", "secruity"]
[[layer]]
name = "x"
files = []
"#,
        expected: &[
            r"3:22 debian:sid has no updates suite | leave it out",
            r#"3:33 `secruity` is no suite of a release | did you mean "security"?"#,
        ],
    },
    Case {
        summary: "keys of `from` without it",
        before: "",
        text: r#"name = "x"
suites = ["release"]
keys = ["nope.asc"]
snapshot = "2026-11-01"
[[layer]]
name = "x"
files = []
"#,
        expected: &[
            r#"2:1 `suites` means nothing without `from` | add `from = "debian:trixie"`, or leave it out"#,
            r#"3:1 `keys` means nothing without `from` | add `from = "debian:trixie"`, or leave it out"#,
            r"3:9 `nope.asc` does not exist | paths are relative to the recipe's directory",
            r#"4:1 `snapshot` means nothing without `from` | add `from = "debian:trixie"`, or leave it out"#,
            r#"4:12 `2026-11-01` is no time of the snapshot archive | write it in UTC as `YYYYMMDDTHHMMSSZ`, such as "20261101T000000Z""#,
        ],
    },
    Case {
        summary: "a snapshot of an archive without any, on a day that never was",
        before: "",
        text: r#"name = "x"
from = "ubuntu:noble"
snapshot = "20260230T000000Z"
[[layer]]
name = "x"
files = []
"#,
        expected: &[
            r"3:12 ubuntu:noble has no snapshot archive | leave `snapshot` out",
            r#"3:12 `20260230T000000Z` is no time of the snapshot archive | write it in UTC as `YYYYMMDDTHHMMSSZ`, such as "20261101T000000Z""#,
        ],
    },
    Case {
        summary: "switches",
        before: "",
        text: r#"name = "x"
skeleton = "no"
strict = 1
strip = 3
[[layer]]
name = "x"
files = []
"#,
        expected: &[
            r"2:12 `skeleton` must be true or false, not a string | write `skeleton = true` or `skeleton = false`",
            r"3:10 `strict` must be true or false, not an integer | write `strict = true` or `strict = false`",
            r"4:9 `strip` must be a table, not an integer | write `[strip]` on a line by itself, and its keys below",
        ],
    },
    Case {
        summary: "a repository that nothing can verify",
        before: "",
        text: r#"name = "x"
[[layer]]
name = "x"
packages = ["curl"]
[[repository]]
type = "deb"
url = "https://a.example"
suite = "stable"
"#,
        expected: &[
            r#"5:1 nothing says which keys sign this repository | add `keys = ["FILE"]` with the keys it is signed with"#,
        ],
    },
    Case {
        summary: "a layer's name twice",
        before: HEAD,
        text: r#"[[layer]]
name = "x"
files = []
"#,
        expected: &[
            r"8:8 there is a layer `x` already | the first is at line 5",
        ],
    },
    Case {
        summary: "a layer of nothing",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
"#,
        expected: &[
            r"7:1 this layer asks for nothing | give it `packages`, `include` or `files`, or leave it out",
        ],
    },
    Case {
        summary: "one package without brackets",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
packages = "curl"
"#,
        expected: &[
            r#"9:12 `packages` must be an array of strings, not a string | write `packages = ["curl"]`"#,
        ],
    },
    Case {
        summary: "packages spelt wrongly",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
packages = ["Curl", "curl==1", "curl:arm64", "my.deb", "curl (>= 8)", "dist/x.rpm", "./gone.deb", "./x_{ach}.deb", "curl=1_2", 7]
"#,
        expected: &[
            r#"9:13 `Curl` is no package: package names are in lower case | write "curl""#,
            r#"9:21 `curl==1` is no package: `==` is no operator | write "curl=VERSION"; besides `=` there are `>=`, `<=`, `>` and `<`"#,
            r#"9:32 `curl:arm64` is no package: the architecture is that of the image | write "curl""#,
            r#"9:46 `my.deb` is no package: it looks like a file | write "./my.deb" for a file beside the recipe"#,
            r#"9:56 `curl (>= 8)` is no package: no operator follows the name | write "curl=VERSION"; besides `=` there are `>=`, `<=`, `>` and `<`"#,
            r"9:71 `dist/x.rpm` is a path, but not that of a `.deb` | packages of a repository are named without `/`",
            r"9:85 `./gone.deb` does not exist | paths are relative to the recipe's directory",
            r"9:99 unknown placeholder `{ach}` | `{arch}` is the distro's name of the architecture, `{triplet}` its directory below `/usr/lib`",
            r"9:116 `curl=1_2` is no package: `1_2` is no version | a version is written [EPOCH:]UPSTREAM[-REVISION]",
            r#"9:128 an element of `packages` must be a string, not an integer | put it in quotes: "7""#,
        ],
    },
    Case {
        summary: "a package named twice",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
packages = ["wget", "wget"]
"#,
        expected: &[
            r"9:21 `wget` is named twice in this layer | leave one out",
        ],
    },
    Case {
        summary: "listed, but nothing is",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
packages = ["wget"]
keep = "listed"
"#,
        expected: &[
            r"10:8 this layer keeps only what `include` lists, which is nothing | list what is wanted in `include`, or leave `keep` out",
        ],
    },
    Case {
        summary: "an unknown policy",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
packages = ["wget"]
keep = "some"
"#,
        expected: &[
            r"10:8 `some` is nothing that `keep` can be | it is one of `needed`, `all`, `listed`",
        ],
    },
    Case {
        summary: "globs",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
include = ["usr/bin/*", "", "/usr/share/x/", "/usr/../x", "/usr/[a", "/usr/{a", "/usr/{tripel}/x", "/usr/lib/{triplet}/{a,b}"]
"#,
        expected: &[
            r#"9:12 the glob `usr/bin/*` does not start with `/` | write "/usr/bin/*", or "/**/usr/bin/*" for any directory"#,
            r#"9:25 the glob `` does not start with `/` | write a path from the root, such as "/usr/bin/bash""#,
            r#"9:29 the glob `/usr/share/x/` ends in `/`, as no path does | write "/usr/share/x/**" for all that is below the directory"#,
            r"9:46 the glob `/usr/../x` holds an empty component, `.` or `..`, as no path does | leave it out",
            r"9:59 `/usr/[a` is no glob: unclosed character class; missing ']' | a backslash takes a character for itself",
            r"9:70 `/usr/{a` is no glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?) | a backslash takes a character for itself",
            r"9:81 unknown placeholder `{tripel}` | `{arch}` is the distro's name of the architecture, `{triplet}` its directory below `/usr/lib`",
        ],
    },
    Case {
        summary: "a top-level key in a layer",
        before: HEAD,
        text: r#"snapshot = "x"
"#,
        expected: &[
            r"7:1 unknown key `snapshot` in `[[layer]]` | `snapshot` belongs to the recipe itself: move it above the first `[...]`",
        ],
    },
    Case {
        summary: "files",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
files = [
  { path = "/a" },
  { path = "/b", source = "gone", content = "" },
  { path = "c", content = "" },
  { path = "/d/../e", content = "" },
  { path = "/f", content = "", mode = 420 },
  { path = "/g", content = "", mode = "rw" },
  { path = "/h", type = "link", target = "x" },
  { path = "/i", type = "symlink" },
  { path = "/j", target = "x" },
  { path = "/k", type = "dir", target = "x" },
  { path = "/l", type = "symlink", target = "x", mode = "0777" },
  { path = "/m", content = "", owner = "who:what" },
  { path = "/n", content = "", owner = "a b" },
  { path = "/o", source = "gone" },
  { path = "/o", content = "" },
  { path = "/p", contents = "" },
  { path = "/", content = "" },
  "/q",
  { path = "/r", source = "loop" },
]
"#,
        expected: &[
            r#"10:3 a file needs one of `source`, `content` and `type` | `source` copies, `content` is the text itself, `type` is "dir" or "symlink""#,
            r#"11:3 a file has only one of `source`, `content` and `type` | `source` copies, `content` is the text itself, `type` is "dir" or "symlink""#,
            r#"12:12 the path `c` does not start with `/` | write "/c""#,
            r"13:12 the path `/d/../e` contains `..` | name a path inside the image",
            r#"14:39 `mode` must be a string of octal digits, not an integer | write "0420""#,
            r#"15:39 `rw` is no mode | write three or four octal digits, such as "0644""#,
            r#"16:25 `link` is no type of file | write "symlink""#,
            r#"17:3 a symlink needs a `target` | add `target = "..."`"#,
            r#"18:3 a file needs one of `source`, `content` and `type` | add `type = "symlink"`"#,
            r#"19:32 only a symlink has a `target` | write `type = "symlink"`, or leave it out"#,
            r"20:50 a symlink has no `mode` | leave it out",
            r#"22:40 `a b` is no `user` or `user:group` | write names or numbers, such as "root:root" or "1000:1000""#,
            r"23:27 `gone` does not exist | paths are relative to the recipe's directory",
            r"24:12 `/o` is given twice in this layer | leave one of them out",
            r"25:18 unknown key `contents` in `files` | did you mean `content`?",
            r"26:12 `/` can only be a directory | name a file below it",
            r"27:3 an element of `files` must be a table, not a string | write `{ key = value, ... }`",
            r"28:27 `loop` cannot be found: Too many levels of symbolic links (os error 40) | paths are relative to the recipe's directory",
        ],
    },
    Case {
        summary: "strip classes",
        before: HEAD,
        text: r#"[strip]
docs = "no"
mans = false
locales = ["de", "a b"]
"#,
        expected: &[
            r"8:8 `docs` must be true or false, not a string | write `docs = true` or `docs = false`",
            r"9:1 unknown key `mans` in `[strip]` | did you mean `man`?",
            r#"10:18 `a b` is no locale | write a language or a locale, such as "de" or "de_AT.UTF-8""#,
        ],
    },
    Case {
        summary: "users' names and numbers twice",
        before: HEAD,
        text: r#"[[user]]
name = "a"
uid = 1000
[[user]]
name = "a"
[[user]]
name = "b"
uid = 1000
[[user]]
name = "c"
uid = 33
"#,
        expected: &[
            r"11:8 the user `a` is defined twice | the first is at line 8",
            r"14:7 the uid 1000 is that of `a` too | take another",
            r"17:7 the uid 33 is that of `www-data`, which every image has | take another, or use that account",
        ],
    },
    Case {
        summary: "users that cannot be",
        before: HEAD,
        text: r#"[[user]]
name = "9a"
uid = -1
[[user]]
uid = "5"
"#,
        expected: &[
            r"8:8 `9a` cannot be the name of a user | it has at most 32 of `a-z A-Z 0-9 _ - .` and starts with a letter or `_`",
            r"9:7 `uid` must be from 0 to 4294967294",
            r#"10:1 `[[user]]` has no `name` | add `name = "..."`"#,
        ],
    },
    Case {
        summary: "users' paths and groups",
        before: HEAD,
        text: r#"[[user]]
name = "a"
home = "run"
shell = "/bin/a:b"
group = "gone"
groups = ["audoi", "a b", "5"]
"#,
        expected: &[
            r"9:8 `run` is no absolute path that `passwd` can hold | write a path from the root, without `..` and `:`",
            r"10:9 `/bin/a:b` is no absolute path that `passwd` can hold | write a path from the root, without `..` and `:`",
            r#"12:11 nobody defines the group `audoi` | did you mean `audio`? If not, add `[[group]]` with `name = "audoi"`"#,
            r"12:20 `a b` cannot be the name of a group | write a name or a number",
        ],
    },
    Case {
        summary: "groups",
        before: HEAD,
        text: r#"[[group]]
name = "g"
gid = 7
[[group]]
name = "g"
[[group]]
name = "h"
gid = 29
[[user]]
name = "a"
gid = 5
group = "audio"
"#,
        expected: &[
            r"9:7 the gid 7 is that of `lp`, which every image has | take another, or use that account",
            r"11:8 the group `g` is defined twice | the first is at line 8",
            r"14:7 the gid 29 is that of `audio`, which every image has | take another, or use that account",
            r"17:7 the group `audio` has the gid 29, not 5 | leave out one of `group` and `gid`",
        ],
    },
    Case {
        summary: "an image's commands and environment",
        before: HEAD,
        text: r#"[image]
entrypoint = "bash -c"
cmd = [1]
user = "ap"
workdir = "srv"
env = ["A=1"]
"#,
        expected: &[
            r#"8:14 `entrypoint` must be an array of strings, not a string | write `entrypoint = ["bash -c"]`"#,
            r#"9:8 an element of `cmd` must be a string, not an integer | put it in quotes: "1""#,
            r"11:11 `srv` is no absolute path | write a path from the root, without `..`",
            r#"12:7 `env` must be a table, not an array | write `env = { NAME = "value" }`"#,
        ],
    },
    Case {
        summary: "an image's other keys",
        before: HEAD,
        text: r#"[image]
user = "ww-data:1000"
env = { "A=B" = "1", C = 2 }
expose = ["80/http", "0", 443, "70000"]
volumes = ["data"]
stop-signal = "TERM"
labels = { x = true }
entrypoin = ["x"]
"#,
        expected: &[
            r#"8:8 nobody defines the user `ww-data` | did you mean `www-data`? If not, add `[[user]]` with `name = "ww-data"`"#,
            r"9:9 `A=B` cannot be an environment variable | a name is not empty and holds no `=`; nothing holds a NUL",
            r#"9:26 `C` must be a string, not an integer | put it in quotes: "2""#,
            r"10:11 `80/http` is no port | write a number from 1 to 65535 and `/tcp`, `/udp` or `/sctp`",
            r"10:22 `0` is no port | write a number from 1 to 65535 and `/tcp`, `/udp` or `/sctp`",
            r#"10:27 an element of `expose` must be a string, not an integer | write "443/tcp""#,
            r"10:32 `70000` is no port | write a number from 1 to 65535 and `/tcp`, `/udp` or `/sctp`",
            r"11:12 `data` is no absolute path | write a path from the root, without `..`",
            r#"12:15 `TERM` is no signal | did you mean "SIGTERM"?"#,
            r#"13:16 `x` must be a string, not a boolean | put it in quotes: "true""#,
            r"14:1 unknown key `entrypoin` in `[image]` | did you mean `entrypoint`?",
        ],
    },
    Case {
        summary: "a health check",
        before: HEAD,
        text: r#"[image.healthcheck]
test = ["curl"]
interval = "30"
timeout = "1 s"
start-period = "1us"
retries = -1
"#,
        expected: &[
            r#"8:8 `test` must begin with `CMD`, `CMD-SHELL`, `NONE` | write ["CMD", PROGRAM, ARGUMENT...], ["CMD-SHELL", LINE] or ["NONE"]"#,
            r#"9:12 `30` is no duration | write "30s" for seconds"#,
            r#"10:11 `1 s` is no duration | write numbers with `ms`, `s`, `m` or `h`, such as "1m30s""#,
            r"11:16 `1us` is less than a millisecond | leave it out for the default",
            r"12:11 `retries` must be from 0 to 1000000",
        ],
    },
    Case {
        summary: "a health check that is a string",
        before: HEAD,
        text: r#"[image]
healthcheck = { test = "curl" }
"#,
        expected: &[
            r#"8:24 `test` must be an array of strings, not a string | write `test = ["curl"]`"#,
        ],
    },
    Case {
        summary: "a health check without a command",
        before: HEAD,
        text: r#"[image]
healthcheck = { test = ["CMD"] }
"#,
        expected: &[
            r#"8:24 `CMD` has the wrong number of words | write ["CMD", PROGRAM, ARGUMENT...], ["CMD-SHELL", LINE] or ["NONE"]"#,
        ],
    },
    Case {
        summary: "variants",
        before: HEAD,
        text: r#"[variant.debug]
layer = []
image = {}
[variant.Bad]
[[variant.Bad.layer]]
name = "x"
files = []
"#,
        expected: &[
            r"8:9 `layer` is empty | add `[[variant.debug.layer]]` and its keys below",
            r"9:1 unknown key `image` in `[variant.debug]` | known keys are `layer`, `test`",
            r#"10:10 `Bad` cannot be the name of a variant | write "bad""#,
            r"12:8 there is a layer `x` already | the first is at line 5",
        ],
    },
    Case {
        summary: "a variant of nothing",
        before: HEAD,
        text: r"[variant.debug]
",
        expected: &[
            r"7:10 `[variant.debug]` has no `layer` | add `[[variant.debug.layer]]` and its keys below",
        ],
    },
    Case {
        summary: "tests",
        before: HEAD,
        text: r#"[[test]]
run = "x"
[[test]]
run = []
status = 256
[[test]]
stdout = "x"
timeout = "5"
"#,
        expected: &[
            r#"8:7 `run` must be an array of strings, not a string | write `run = ["x"]`"#,
            r"10:7 `run` names no program | the first element is the program",
            r"11:10 `status` must be from 0 to 255",
            r#"12:1 `[[test]]` has no `run` | add `run = ["program", "--version"]`"#,
            r#"14:11 `5` is no duration | write "5s" for seconds"#,
        ],
    },
    Case {
        summary: "an apk repository beside Debian",
        before: HEAD,
        text: r#"[[repository]]
type = "apk"
url = "https://x.example"
"#,
        expected: &[
            r#"8:8 a repository of type "apk" does not go with `from` | `from` wants repositories of type "deb""#,
        ],
    },
    Case {
        summary: "an apk repository with keys of Debian's",
        before: "",
        text: r#"name = "x"
[[layer]]
name = "x"
packages = ["busybox@edge", "curl@egde"]
[[repository]]
type = "apk"
url = "https://x.example/v3.20/main/x86_64/APKINDEX.tar.gz"
suite = "v3.20"
components = ["main"]
check-valid-until = false
tag = "@edge"
"#,
        expected: &[
            r"4:29 no repository has the tag `egde` | did you mean `@edge`?",
            r#"5:1 nothing says which keys sign this repository | add `keys = ["FILE"]` with the keys it is signed with"#,
            r#"7:7 `https://x.example/v3.20/main/x86_64/APKINDEX.tar.gz` is an index, not a repository | write "https://x.example/v3.20/main", which has one for each architecture"#,
            r#"8:1 only repositories of type "deb" have `suite` | leave it out; the `url` goes down to the repository, as in "https://.../v3.20/main""#,
            r#"9:1 only repositories of type "deb" have `components` | leave it out; each repository has its own `[[repository]]`"#,
            r#"10:1 only repositories of type "deb" have `check-valid-until` | leave it out; indexes of apk's do not expire"#,
            r#"11:7 `@edge` cannot be a tag | write "edge""#,
        ],
    },
    Case {
        summary: "a misspelt tag is one mistake",
        before: "",
        text: r#"name = "x"
from = "alpine:3.20"
[[layer]]
name = "x"
packages = ["busybox@edge"]
[[repository]]
type = "apk"
url = "https://x.example/edge/main"
tga = "edge"
"#,
        expected: &[
            r"9:1 unknown key `tga` in `[[repository]]` | did you mean `tag`?",
        ],
    },
    Case {
        summary: "a repository wrong in each key",
        before: HEAD,
        text: r#"[[repository]]
type = "rpm"
url = "ftp://x.example"
suite = "./"
components = ["a b"]
keys = ["gone.asc"]
check-valid-until = "no"
"#,
        expected: &[
            r#"8:8 `rpm` is no type of repository | write "deb" or "apk""#,
            r"9:7 repositories cannot be reached by `ftp:` | write http:, https:, file: or a path",
            r"10:9 flat repositories are not supported by this version | name a directory below `dists/`, without a slash at its end",
            r"11:15 `a b` cannot be the name of a component | write it as the repository's Release file does",
            r"12:9 `gone.asc` does not exist | paths are relative to the recipe's directory",
            r"13:21 `check-valid-until` must be true or false, not a string | write `check-valid-until = true` or `check-valid-until = false`",
        ],
    },
    Case {
        summary: "a repository beside the recipe",
        before: HEAD,
        text: r#"[[repository]]
type = "deb"
url = "gone"
suite = "../x"
tag = "x"
"#,
        expected: &[
            r"9:7 `gone` is not a directory | paths are relative to the recipe's directory; a URL begins with https://",
            r"10:9 `../x` cannot be the name of a suite | name a directory below `dists/`",
            r#"11:1 only repositories of type "apk" have a `tag` | leave it out"#,
        ],
    },
    Case {
        summary: "a repository without a host",
        before: HEAD,
        text: r#"[[repository]]
type = "deb"
url = "https:///"
suite = "x"
key = ["gone"]
"#,
        expected: &[
            r"9:7 `https:///` is no whole URL | write https://HOST/PATH or file:///PATH",
            r"11:1 unknown key `key` in `[[repository]]` | did you mean `keys`?",
        ],
    },
    Case {
        summary: "an empty repository",
        before: HEAD,
        text: r"[[repository]]
",
        expected: &[
            r#"7:1 `[[repository]]` has no `type` | add `type = "deb"`"#,
            r#"7:1 `[[repository]]` has no `url` | add `url = "https://..."`"#,
            r#"7:1 `[[repository]]` has no `suite` | add `suite = "..."`"#,
        ],
    },
    Case {
        summary: "a misspelt definition hides no user",
        before: HEAD,
        text: r#"[[usr]]
name = "app"
[image]
user = "app"
"#,
        expected: &[
            r"7:3 unknown key `usr` | did you mean `user`?",
        ],
    },
    Case {
        summary: "`from` below a header",
        before: HEAD,
        text: r#"from = "x"
"#,
        expected: &[
            r"7:1 unknown key `from` in `[[layer]]` | `from` belongs to the recipe itself: move it above the first `[...]`",
        ],
    },
    Case {
        summary: "modes as numbers",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
files = [
  { path = "/a", content = "", mode = 644 },
  { path = "/b", content = "", mode = 0o755 },
  { path = "/c", content = "", mode = 493 },
  { path = "/d", content = "", mode = "10000" },
  { path = "/e", content = "", mode = "0648" },
]
"#,
        expected: &[
            r#"10:39 `mode` must be a string of octal digits, not an integer | write "0644""#,
            r#"11:39 `mode` must be a string of octal digits, not an integer | write "0755""#,
            r#"12:39 `mode` must be a string of octal digits, not an integer | write "0755""#,
            r#"13:39 `10000` is no mode | write three or four octal digits, such as "0644""#,
            r#"14:39 `0648` is no mode | write three or four octal digits, such as "0644""#,
        ],
    },
    Case {
        summary: "a mode that begins with 0 and has no quotes",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
files = [{ path = "/a", content = "", mode = 0644 }]
"#,
        expected: &[r"9:46 unexpected leading zero | put it in double quotes"],
    },
    Case {
        summary: "empty arrays",
        before: "",
        text: r#"name = "x"
from = "debian:trixie"
arch = [ ]
suites = []
layer = []
[[repository]]
type = "deb"
url = "file:///srv/x"
suite = "x"
components = []
"#,
        expected: &[
            "3:8 `arch` names no architecture | leave it out for every one that the distro has",
            "4:10 `suites` names no suite | leave it out for all of them",
            "5:9 `layer` is empty | add `[[layer]]` and its keys below",
            "10:14 `components` names no component | leave it out for `main`",
        ],
    },
    Case {
        summary: "a table instead of several",
        before: HEAD,
        text: r#"[[layer]]
name = "y"
files = { path = "/a", content = "" }
"#,
        expected: &["9:9 `files` must be an array of tables, not a table | write `files = [{ ... }]`"],
    },
];

#[test]
fn every_mistake_is_named_at_its_place() {
    let mut failed = String::new();
    for case in WRONG {
        let found = described(&format!("{}{}", case.before, case.text));
        if found != case.expected {
            write!(failed, "{}:\n  found    {found:#?}\n  expected {:#?}\n", case.summary, case.expected)
                .unwrap();
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert_eq!(described(HEAD), Vec::<String>::new());
}

#[test]
fn mistakes_are_in_the_order_of_their_places_and_of_one_line() {
    for case in WRONG {
        let problems = problems(&format!("{}{}", case.before, case.text)).unwrap();
        assert!(problems.problems.is_sorted_by_key(|problem| problem.span.start), "{}", case.summary);
        for problem in &problems.problems {
            assert!(!problem.message.ends_with('.'), "{}", problem.message);
            assert!(!problem.message.contains('\n'), "{}", problem.message);
        }
    }
}

#[test]
fn five_mistakes_are_five_messages() {
    let problems = problems(
        r#"name = "web"
from = "debian:trixy"
arch = ["amd64", "sparc"]

[[layer]]
name = "web"
packagse = ["nginx"]

[image]
user = "web"
expose = [80]
"#,
    )
    .unwrap();
    assert_eq!(problems.problems.len(), 5);
    expect_file!["snapshots/five_mistakes_are_five_messages.txt"].assert_eq(&render(&problems, false));
    let colored = render(&problems, true);
    assert!(colored.contains("\u{1b}["));
    assert_eq!(problems.to_string().lines().count(), 5);
    assert!(problems.to_string().starts_with("recipes/x.toml:2:8: `debian:trixy` is not"));
}

#[test]
fn awkward_texts_are_shown() {
    // An escape sequence, a tab, wide characters, a string over several lines, a mistake at the very end.
    let text = "name = \"\\u001b[31mred\"\nfrom = \t\"\u{65e5}\u{672c}:\u{8a9e}\"\n[[layer]]\nname = \"\"\"\na\nb\"\"\"\nfiles = [";
    let problems = problems(text).unwrap();
    let shown = render(&problems, false);
    assert!(!shown.contains('\u{1b}'), "{shown}");
    expect_file!["snapshots/awkward_texts_are_shown.txt"].assert_eq(&shown);
}

#[test]
fn the_recipe_of_the_manual_is_understood() {
    let recipe = parse(PULSE).unwrap();
    let trixie = Distro::Debian(DebianRelease::Trixie);
    assert_eq!((recipe.name.as_str(), recipe.from), ("pulseaudio", Some(trixie)));
    assert_eq!(recipe.archs(), [Arch::Amd64, Arch::Arm32v6, Arch::Arm64, Arch::S390x]);
    assert!(recipe.skeleton && !recipe.strict && recipe.pockets.is_none());

    let [daemon, settings] = &recipe.layers[..] else { panic!("{:?}", recipe.layers) };
    assert_eq!((daemon.name.as_str(), daemon.keep), ("pulseaudio", Keep::Needed));
    let packages: Vec<String> = daemon.packages.iter().map(ToString::to_string).collect();
    assert_eq!(packages, ["pulseaudio", "./dist/my_1.0_{arch}.deb", "alsa-utils>=1.2"]);
    let PackageSpec::Local(file) = &daemon.packages[1] else { panic!() };
    assert_eq!(file.expand("armel", "arm-linux-gnueabi"), "./dist/my_1.0_armel.deb");
    let PackageSpec::Archive { constraint: Some(constraint), .. } = &daemon.packages[2] else { panic!() };
    assert_eq!((constraint.operator, constraint.version.as_str()), (Operator::LaterEqual, "1.2"));
    let span = daemon.exclude[0].span();
    assert_eq!(&PULSE[span], "\"/usr/lib/**/module-x11-*.so\"");
    let include = daemon.include[0].expand("amd64", "x86_64-linux-gnu").unwrap();
    assert!(include.is_match("/usr/lib/x86_64-linux-gnu/pulse-17.0/modules/a.so"));

    let [asound, motd, run, link] = &settings.files[..] else { panic!("{:?}", settings.files) };
    assert!(matches!(&asound.source, FileSource::Host(path) if path.as_str() == "pulseaudio/asound.conf"));
    assert_eq!((&motd.source, motd.mode), (&FileSource::Content("hello\n".into()), Some(0o644)));
    assert_eq!((&run.source, run.mode), (&FileSource::Directory, Some(0o700)));
    let owner = run.owner.as_ref().unwrap();
    assert_eq!((owner.user.as_str(), owner.group.as_deref()), ("pulse", Some("pulse")));
    assert_eq!(run.path("amd64", "").unwrap().as_str(), "/run/pulse");
    assert!(matches!(&link.source, FileSource::Symlink(target) if target.as_str() == "pulseaudio"));

    assert_eq!(recipe.strip.locales, ["C.UTF-8", "en"]);
    let stripped = recipe.stripped(0);
    assert!(!stripped.contains(&StripClass::Man) && stripped.contains(&StripClass::Docs));
    assert_eq!((recipe.users[0].uid, recipe.users[0].groups.len()), (Some(100), 2));
    assert_eq!(recipe.groups[0].name, "pulse-access");
    let image = &recipe.image;
    assert_eq!(image.entrypoint.as_deref(), Some(&["/usr/bin/pulseaudio".to_owned(), "-v".to_owned()][..]));
    assert_eq!(image.cmd.as_deref(), Some(&[][..]));
    assert_eq!(image.expose[0].to_string(), "4713/tcp");
    assert_eq!(image.healthcheck.as_ref().unwrap().interval, Some(30_000_000_000));
    assert_eq!(image.labels["org.opencontainers.image.title"], "PulseAudio");
    assert_eq!(recipe.tests[0].stdout.as_deref(), Some("pulseaudio 17"));
    assert_eq!((recipe.tests[0].status, recipe.tests[0].run.len()), (0, 2));
    assert_eq!(recipe.repositories[0].location, Location::Url("https://apt.example.com/debian".into()));
    let components = vec!["main".to_owned()];
    let kind = RepositoryKind::Deb { suite: "stable".to_owned(), components, check_valid_until: true };
    assert_eq!(recipe.repositories[0].kind, kind);
    assert_eq!((recipe.format(), recipe.conventions()), (PackageFormat::Deb, trixie));
}

#[test]
fn the_rarer_keys() {
    let recipe = parse(
        r#"
name = "rare"
from = "debian:trixie"
suites = ["security", "release"]
keys = ["keys/example.asc"]
snapshot = "20261101T000000Z"
skeleton = false
strict = true
strip = false
layer = [{ name = "a", files = [{ path = "/usr/lib/{triplet}/x", source = "pulseaudio", owner = "1000" }] }]

[[user]]
name = "app"
uid = 1000
gid = 29
group = "audio"
shell = "/bin/sh"

[image]
user = "app:1000"
expose = ["53/udp", "443", "443/tcp"]
healthcheck = { test = ["CMD-SHELL", "true"], timeout = "1m30s", start-period = "1.5s", start-interval = "100ms", retries = 3 }

[[test]]
run = ["x"]
status = 3
stderr = "e"
stdin = "i"
env = { A = "b" }
timeout = "5s"

[[repository]]
type = "deb"
url = "repo"
suite = "stable"
keys = ["keys/example.asc"]
check-valid-until = false
"#,
    )
    .unwrap();
    assert_eq!(recipe.pockets, Some(vec![Pocket::Release, Pocket::Security]));
    assert_eq!(recipe.keys, [Path::new("keys/example.asc")]);
    assert_eq!(recipe.snapshot.as_deref(), Some("20261101T000000Z"));
    assert!(recipe.strict && !recipe.skeleton);
    assert_eq!(recipe.strip, Strip::nothing());
    assert_eq!(recipe.stripped(0), []);
    let path = recipe.layers[0].files[0].path("s390x", "s390x-linux-gnu").unwrap();
    assert_eq!(path.as_str(), "/usr/lib/s390x-linux-gnu/x");
    let ports: Vec<String> = recipe.image.expose.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["53/udp", "443/tcp"]);
    let check = recipe.image.healthcheck.unwrap();
    assert_eq!((check.timeout, check.start_period), (Some(90_000_000_000), Some(1_500_000_000)));
    assert_eq!((check.start_interval, check.retries), (Some(100_000_000), Some(3)));
    let test = &recipe.tests[0];
    assert_eq!((test.status, test.timeout, test.env["A"].as_str()), (3, Some(5_000_000_000), "b"));
    let repository = &recipe.repositories[0];
    assert_eq!(repository.location, Location::Directory("repo".into()));
    let components = vec!["main".to_owned()];
    let kind = RepositoryKind::Deb { suite: "stable".to_owned(), components, check_valid_until: false };
    assert_eq!(repository.kind, kind);
}

#[test]
fn a_strip_class_stays_where_what_reads_it_is_named() {
    let stripped = |packages: &str, more: &str| {
        let text = format!(
            "name = \"x\"\nfrom = \"debian:trixie\"\n[[layer]]\nname = \"l\"\npackages = [{packages}]\n{more}"
        );
        Recipe::parse(&text, Path::new("x.toml")).unwrap().stripped(0)
    };
    let stays = |packages: &str, more: &str| {
        let left: Vec<StripClass> = stripped(packages, more);
        StripClass::ALL
            .into_iter()
            .filter(|class| !left.contains(class))
            .map(StripClass::name)
            .collect::<Vec<_>>()
    };
    assert_eq!(stays("\"nginx\"", ""), [] as [&str; 0]);
    assert_eq!(stays("\"cron\", \"logrotate=1\"", ""), ["cron", "logrotate"]);
    assert_eq!(stays("\"gcc-14\"", ""), ["headers", "static"]);
    assert_eq!(stays("\"gcc-14-base\"", ""), [] as [&str; 0]);
    assert_eq!(stays("\"cron\"", "keep = \"listed\"\ninclude = [\"/x\"]\n"), [] as [&str; 0]);
    // What a layer names is nothing to those below.
    let upper = "[[layer]]\nname = \"upper\"\npackages = [\"gdb\"]\n";
    assert_eq!(stays("\"nginx\"", upper), [] as [&str; 0]);
    assert_eq!(stays("\"libssl-dev>=3\"", ""), ["headers", "static", "pkgconfig"]);
    assert_eq!(stays("\"golang-go\"", "[strip]\nheaders = true\ndocs = false\n"), ["docs", "static"]);
}

#[test]
fn a_recipe_of_alpine() {
    let text = r#"
name = "a"
from = "alpine:3.20"
keys = ["keys/example.asc"]
[[layer]]
name = "a"
packages = ["busybox", "curl@edge>8", "!ssl_client", "/bin/sh", "python3~3.12", "./my-{arch}.apk"]
[[repository]]
type = "apk"
url = "https://x.example/edge/main/"
tag = "edge"
[[repository]]
type = "apk"
url = "repo"
keys = ["keys/example.asc"]
[variant.debug]
[[variant.debug.layer]]
name = "debug"
packages = ["strace", "so:libz.so.1"]
"#;
    let recipe = parse(text).unwrap();
    let alpine = Distro::Alpine(AlpineRelease::Stable { minor: 20 });
    assert_eq!((recipe.from, recipe.conventions()), (Some(alpine), alpine));
    assert_eq!(recipe.format(), PackageFormat::Apk);
    assert_eq!(recipe.archs(), Arch::ALL);
    assert_eq!(recipe.keys, [Path::new("keys/example.asc")]);
    let spelled: Vec<String> = recipe.layers[0].packages.iter().map(ToString::to_string).collect();
    let words = ["busybox", "curl@edge>8", "!ssl_client", "/bin/sh", "python3~3.12", "./my-{arch}.apk"];
    assert_eq!(spelled, words);
    let PackageSpec::Apk { relation, span } = &recipe.layers[0].packages[1] else { panic!() };
    assert_eq!((relation.name.as_str(), relation.tag.as_deref()), ("curl", Some("edge")));
    assert_eq!(&text[span.clone()], "\"curl@edge>8\"");
    let PackageSpec::Local(file) = &recipe.layers[0].packages[5] else { panic!() };
    assert_eq!(file.expand("armhf", "armv6-alpine-linux-musleabihf"), "./my-armhf.apk");
    let [tagged, plain] = &recipe.repositories[..] else { panic!() };
    assert_eq!((tagged.tag(), plain.tag()), (Some("edge"), None));
    assert_eq!(tagged.location, Location::Url("https://x.example/edge/main".to_owned()));
    assert_eq!(plain.location, Location::Directory("repo".into()));
    assert_eq!((tagged.keys.len(), plain.keys.len()), (0, 1));
    assert_eq!(recipe.with_variant("debug").unwrap().layers.len(), 2);

    // Without `from`, the repositories say what it is; their release, nobody.
    let text = text.replace("from = \"alpine:3.20\"\nkeys = [\"keys/example.asc\"]\n", "");
    let text = text.replace("tag = \"edge\"\n", "tag = \"edge\"\nkeys = [\"keys/example.asc\"]\n");
    let recipe = parse(&text).unwrap();
    assert_eq!(recipe.conventions(), Distro::Alpine(AlpineRelease::Unknown));
    assert_eq!(recipe.archs(), Arch::ALL);
    let wolfi = parse("name = \"w\"\nfrom = \"wolfi\"\nkeys = [\"keys/example.asc\"]\n[[layer]]\nname = \"w\"\npackages = [\"busybox\"]\n").unwrap();
    assert_eq!((wolfi.conventions(), wolfi.archs()), (Distro::Wolfi, vec![Arch::Amd64, Arch::Arm64]));
}

#[test]
fn the_recipes_that_come_with_it_are_understood() {
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes")];
    let mut seen = Vec::new();
    while let Some(directory) = directories.pop() {
        for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                let recipe = Recipe::load(&path).unwrap_or_else(|error| panic!("{error}"));
                seen.push((recipe.name.clone(), recipe.archs().first().copied()));
            }
        }
    }
    seen.sort();
    let first = |name: &str, arch| (name.to_owned(), Some(arch));
    assert_eq!(
        seen,
        [
            first("aiosmtpd", Arch::Amd64),
            first("alpine", Arch::Amd64),
            first("bash", Arch::Amd64),
            first("beanstalkd", Arch::Amd64),
            first("busybox-alpine", Arch::Amd64),
            first("curl", Arch::Amd64),
            first("debian", Arch::Amd64),
            first("debian-services", Arch::Amd64),
            first("debian-slim", Arch::Amd64),
            first("go-static", Arch::Amd64),
            first("haproxy", Arch::Amd64),
            first("java", Arch::Amd64),
            first("lighttpd", Arch::Amd64),
            first("memcached", Arch::Amd64),
            first("mosquitto", Arch::Amd64),
            first("nginx", Arch::Amd64),
            first("node", Arch::Amd64),
            first("postgresql", Arch::Amd64),
            first("postgrey", Arch::Amd64),
            first("pulseaudio", Arch::Amd64),
            first("pulseaudio-alpine", Arch::Arm32v6),
            first("python3", Arch::Amd64),
            first("radicale", Arch::Amd64),
            first("redis", Arch::Amd64),
            first("starman", Arch::Amd64),
            first("stunnel", Arch::Amd64),
            first("unbound", Arch::Amd64),
            first("waitress", Arch::Amd64),
        ]
    );
}

#[test]
fn every_architecture_of_the_distro_unless_told() {
    let all = |from: &str| parse(&HEAD.replace("debian:trixie", from)).unwrap().archs();
    assert_eq!(all("debian:trixie"), Arch::ALL);
    assert!(!all("ubuntu:noble").contains(&Arch::I386));
}

#[test]
fn a_variant_adds_its_layers() {
    let recipe = parse(PULSE).unwrap();
    let debug = recipe.with_variant("debug").unwrap();
    let names: Vec<&str> = debug.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["pulseaudio", "settings", "debug"]);
    assert_eq!((recipe.reference().as_str(), debug.reference().as_str()), ("pulseaudio", "pulseaudio-debug"));
    let error = recipe.with_variant("debgu").unwrap_err();
    assert!(error.to_string().ends_with("has no variant `debgu`"), "{error}");
    assert_eq!(error.hints(), ["it has debug"]);
}

#[test]
fn files_that_cannot_be_read() {
    let dir = directory();
    let error = Recipe::load(&dir.path().join("gone.toml")).unwrap_err();
    assert!(matches!(error, RecipeError::Read { .. }) && !error.hints().is_empty());
    let latin = dir.path().join("latin.toml");
    std::fs::write(&latin, b"name = \"x\"\n# caf\xe9\n").unwrap();
    let error = Recipe::load(&latin).unwrap_err();
    assert!(error.to_string().ends_with("is not UTF-8: line 2, column 6"), "{error}");
    let sound = dir.path().join("sound.toml");
    std::fs::write(&sound, PULSE.replace('\n', "\r\n")).unwrap();
    assert_eq!(Recipe::load(&sound).unwrap().dir, dir.path());
}

#[test]
fn every_base_account_needs_no_definition() {
    for user in BASE_USERS {
        let text = format!("{HEAD}[image]\nuser = \"{}:nogroup\"\n", user.name);
        assert_eq!(described(&text), Vec::<String>::new());
    }
    // Each distro has its own.
    let head =
        "name = \"x\"\nfrom = \"alpine:3.20\"\n[[layer]]\nname = \"x\"\npackages = [\"curl\"]\n[image]\n";
    assert_eq!(described(&format!("{head}user = \"guest:wheel\"\n")), Vec::<String>::new());
    assert_eq!(
        undefined(&format!("{head}user = \"irc:sudo\"\n")),
        [
            "7:8 nobody defines the user `irc` | add `[[user]]` with `name = \"irc\"`",
            "7:8 nobody defines the group `sudo` | add `[[group]]` with `name = \"sudo\"`",
        ]
    );
}

#[test]
fn what_packages_may_define_is_judged_later() {
    let mentions = "[image]\nuser = \"app\"\n[[user]]\nname = \"x\"\ngroups = [\"extra\"]\n";
    let said = [
        "8:8 nobody defines the user `app` | add `[[user]]` with `name = \"app\"`",
        "11:11 nobody defines the group `extra` | add `[[group]]` with `name = \"extra\"`",
    ];
    let text = format!("{HEAD}{mentions}");
    assert_eq!(described(&text), Vec::<String>::new());
    assert_eq!(undefined(&text), said);
    let recipe = Recipe::parse(&text, Path::new("x.toml")).unwrap();
    assert!(recipe.undefined(|account| account.is_group == (account.name == "extra")).is_none());
    // Without packages nobody can.
    let files = "name = \"x\"\nfrom = \"debian:trixie\"\n\n[[layer]]\nname = \"x\"\nfiles = []\n";
    assert_eq!(described(&format!("{files}{mentions}")), said);
    // What looks like a slip is told at once.
    assert_eq!(described(&format!("{HEAD}[image]\nuser = \"rot\"\n")).len(), 1);
}

/// Reads and renders; neither may panic, and what is found lies within the text.
fn survives(text: &str) {
    if let Err(RecipeError::Invalid(problems)) = Recipe::parse(text, Path::new("x.toml")) {
        assert!(!problems.problems.is_empty());
        for problem in &problems.problems {
            assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len(), "{problem:?}");
        }
        render(&problems, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_is_survived(text in "\\PC*", lines in proptest::collection::vec("[a-z\\[\\]{}=\"'., \n0-9\\\\]{0,40}", 0..20)) {
        survives(&text);
        survives(&lines.join("\n"));
    }

    #[test]
    fn mutations_of_a_sound_recipe_are_survived(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[\\[\\]{}=\"'.,\n a-z0-9\u{e9}\u{0}/:]{0,3}"), 1..6)
    ) {
        let mut text: Vec<char> = PULSE.chars().collect();
        for (at, removed, inserted) in edits {
            let at = at.index(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, inserted.chars());
        }
        survives(&text.into_iter().collect::<String>());
    }

    #[test]
    fn cut_recipes_are_survived(at in any::<prop::sample::Index>()) {
        survives(&PULSE[..at.index(PULSE.len())]);
    }
}

#[test]
fn an_empty_list_of_keys_is_a_mistake() {
    let layer = "[[layer]]\nname = \"a\"\npackages = [\"a\"]\n";
    let of = |keys: &str| described(&format!("name = \"x\"\nfrom = \"alpine:3.20\"\n{keys}{layer}"));
    assert_eq!(of(""), [] as [&str; 0]);
    let told = of("keys = []\n");
    assert!(told.len() == 1 && told[0].contains("an empty list trusts nobody"), "{told:?}");
}
