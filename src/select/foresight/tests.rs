use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::catalog::{Control, Manifest};
use crate::digest::Digest;
use crate::distro::Distro;
use crate::elf::ElfKind;
use crate::tarball::{Entry, Metadata};

const DIRECTORY: &str = "/usr/lib/x86_64-linux-gnu";

/// A package: its name, what it depends on, and its files with the libraries that they need. Those in `/usr/sbin` are
/// scripts, and need their interpreter.
#[derive(Clone, Debug)]
struct Sample {
    name: String,
    source: String,
    depends: Vec<String>,
    files: Vec<(String, Vec<String>)>,
}

impl Sample {
    fn locked(&self) -> LockedPackage {
        LockedPackage {
            arch: Arch::Amd64,
            name: self.name.clone(),
            version: "1".to_owned(),
            architecture: "amd64".to_owned(),
            source: self.source.clone(),
            layer: None,
            on_demand: false,
            in_image: false,
            essential: false,
            multi_arch: None,
            repository: None,
            path: format!("{}.deb", self.name),
            size: 0,
            content: Digest::of(self.name.as_bytes()).into(),
            requires: self.depends.clone(),
            relations: BTreeMap::new(),
        }
    }

    fn files(&self, is_outline: bool) -> PackageFiles {
        let file = |(path, needed): &(String, Vec<String>)| CataloguedFile {
            entry: Entry {
                path: RootPath::parse(path).unwrap(),
                metadata: Metadata { mode: 0o755, ..Metadata::default() },
                kind: if path.ends_with(".so.2") {
                    EntryKind::Symlink { target: path.replace(".so.2", ".so.1") }
                } else {
                    EntryKind::File { size: 0 }
                },
            },
            index: 0,
            elf: (path.ends_with(".so.1") || path.contains("/x.so") || path.contains("/bin/"))
                .then(|| Arc::new(facts(needed))),
            shebang: needed.first().filter(|_| path.contains("/sbin/")).cloned(),
            damaged_elf: None,
            marks: crate::apk::archive::Marks::default(),
        };
        PackageFiles {
            name: self.name.clone(),
            version: "1".to_owned(),
            content: Digest::of(self.name.as_bytes()).into(),
            archive: "none".into(),
            manifest: Arc::new(Manifest {
                files: self.files.iter().map(file).collect(),
                control: Control::default(),
            }),
            kept: None,
            cache: None,
            source: None,
            is_outline,
        }
    }

    /// Whether its control files tell of its libraries.
    fn has_outline(&self) -> bool {
        self.files.iter().any(|(path, _)| path.starts_with(DIRECTORY))
    }

    /// It says more than there is, as control files that are wrong do: libraries of all names.
    fn outline(&self) -> PackageFiles {
        let mut files: Vec<(String, Vec<String>)> =
            self.files.iter().map(|(path, _)| (path.clone(), Vec::new())).collect();
        files.extend((0..7).map(|n| (format!("{DIRECTORY}/lib{n}.so.1"), Vec::new())));
        Sample { files, ..self.clone() }.files(true)
    }
}

fn facts(needed: &[String]) -> ElfFacts {
    let bare = ElfFacts::bare(Arch::Amd64.elf_machine(), ElfKind::SharedObject);
    ElfFacts { needed: needed.to_vec(), ..bare }
}

/// What is wanted in all where packages come as `order` says: the next is the one at that place of those on their way.
fn foreseen(samples: &[Sample], layers: &str, mut order: impl FnMut(usize) -> usize) -> Wants {
    let locked: Vec<LockedPackage> = samples.iter().map(Sample::locked).collect();
    let packages = locked.iter().map(|package| (package.name.as_str(), package)).collect();
    let text = format!("name = \"r\"\nfrom = \"debian:trixie\"\n{layers}");
    let recipe = Recipe::parse(&text, std::path::Path::new("r.toml")).unwrap();
    let distro: Distro = "debian:trixie".parse().unwrap();
    let links = MergedUsr::new(distro.directory_links(Arch::Amd64));
    let mut foresight = Foresight::new(&recipe, Arch::Amd64, &packages, &links, &OwnElfs::default()).unwrap();
    let (mut all, mut coming) = (Wants::default(), Vec::new());
    loop {
        let wants = foresight.wants();
        coming.extend(wants.outlines.iter().map(|name| (name.clone(), false)));
        coming.extend(wants.files.iter().map(|name| (name.clone(), true)));
        all.extend(wants);
        if coming.is_empty() {
            // Whether an outline was seen before all was asked for depends on who came first.
            all.outlines.retain(|name| !all.files.contains(name));
            return all;
        }
        let (name, is_whole) = coming.remove(order(coming.len()));
        let sample = samples.iter().find(|sample| sample.name == name).unwrap();
        let is_whole = is_whole || !sample.has_outline();
        foresight.see(&if is_whole { sample.files(false) } else { sample.outline() });
    }
}

/// Name, dependencies, and files with what they need.
type Written<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a [&'a str])]);

fn named(samples: &[Written<'_>]) -> Vec<Sample> {
    let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let sample = |(name, depends, files): &Written<'_>| Sample {
        name: (*name).to_owned(),
        source: (*name).to_owned(),
        depends: owned(depends),
        files: files.iter().map(|(path, needed)| (path.replace("LIB", DIRECTORY), owned(needed))).collect(),
    };
    samples.iter().map(sample).collect()
}

#[test]
fn libraries_are_looked_into_once_something_needs_them() {
    let samples = named(&[
        (
            "app",
            &["liba1", "libb1", "app-data"],
            &[("/usr/bin/app", &["liba.so.1"]), ("/usr/lib/app/x.so", &["libb.so.1"])],
        ),
        ("liba1", &["libc1"], &[("LIB/liba.so.1", &["libc.so.1"])]),
        ("libb1", &["libd1"], &[("LIB/libb.so.1", &[])]),
        ("libc1", &[], &[("LIB/libc.so.1", &[])]),
        ("libd1", &[], &[("LIB/libd.so.1", &[])]),
        ("app-data", &["app-more"], &[("/usr/share/app", &[])]),
        ("app-more", &[], &[("/usr/share/more", &[])]),
        ("stray", &[], &[("LIB/libe.so.1", &[])]),
    ]);
    let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let layer = "[[layer]]\nname = \"l\"\npackages = [\"app\"]\n";
    let excluded = format!("{layer}exclude = [\"/usr/lib/app/**\"]\n");
    let wants = foreseen(&samples, &excluded, |_| 0);
    assert_eq!(wants.files, names("app app-data app-more liba1 libc1"));
    assert_eq!(wants.outlines, names("libb1"));
    let wants = foreseen(&samples, layer, |_| 0);
    assert_eq!(wants.files, names("app app-data app-more liba1 libb1 libc1"));
    assert_eq!(wants.outlines, names("libd1"));
    let all = format!("{layer}keep = \"all\"\n");
    assert_eq!(foreseen(&samples, &all, |_| 0).files.len(), samples.len() - 1);
}

#[test]
fn interpreters_are_looked_into_with_what_they_lead_to() {
    let samples = named(&[
        (
            "app",
            &["perl"],
            &[("/usr/sbin/app", &["/bin/bash -e"]), ("/usr/sbin/b", &["/usr/bin/env perl -w"])],
        ),
        ("bash", &["base-files", "libtinfo6"], &[("/usr/bin/bash", &["libtinfo.so.6"])]),
        ("libtinfo6", &[], &[("LIB/libtinfo.so.6.so.1", &[])]),
        ("coreutils", &[], &[("/usr/bin/env", &[])]),
        ("perl", &["perl-base"], &[("/usr/share/perl", &[])]),
        ("perl-base", &[], &[("/usr/bin/perl", &[])]),
        ("base-files", &[], &[("/etc/issue", &[])]),
        ("python3-minimal", &[], &[("/usr/bin/python3", &[])]),
    ]);
    let samples: Vec<Sample> = samples
        .into_iter()
        .map(|sample| Sample { source: sample.name.replace("-base", ""), ..sample })
        .collect();
    for keep in ["needed", "all"] {
        let layer = format!("[[layer]]\nname = \"l\"\npackages = [\"app\"]\nkeep = \"{keep}\"\n");
        let wants = foreseen(&samples, &layer, |_| 0);
        let names = ["app", "bash", "coreutils", "perl", "perl-base"].map(str::to_owned);
        assert_eq!(wants.files, BTreeSet::from(names), "{keep}");
        assert_eq!(wants.outlines, BTreeSet::from(["libtinfo6".to_owned()]), "{keep}");
    }
}

fn sample(name: usize) -> impl Strategy<Value = Sample> {
    let library = (0..7_usize, 1..3).prop_map(|(n, version)| format!("lib{n}.so.{version}"));
    let libraries = || prop::collection::vec(library.clone(), 0..3);
    let path = prop_oneof![
        Just(format!("{DIRECTORY}/lib{name}.so.1")),
        Just(format!("/usr/lib/p{name}/x.so")),
        Just(format!("/usr/bin/p{name}")),
        Just(format!("/usr/sbin/p{name}")),
        Just(format!("/usr/share/p{name}")),
        (0..7_usize).prop_map(|n| format!("{DIRECTORY}/lib{n}.so.1")),
        (0..7_usize).prop_map(|n| format!("{DIRECTORY}/lib{n}.so.2")),
        Just(format!("/usr/lib/python3/dist-packages/p{name}.py")),
    ];
    let depends = prop::collection::vec((0..7_usize).prop_map(|n| format!("lib{n}")), 0..4);
    let files = prop::collection::vec((path, libraries()), 0..4);
    (0..2_usize, depends, files).prop_map(move |(source, depends, files)| Sample {
        // Called as the package of a library is, which is looked into for that.
        name: format!("lib{name}"),
        source: format!("s{source}"),
        depends,
        files,
    })
}

proptest! {
    #[test]
    fn what_is_wanted_does_not_depend_on_who_comes_first(
        samples in (0..7_usize).map(sample).collect::<Vec<_>>(),
        orders in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 40), 3),
        exclude in any::<bool>(),
    ) {
        let exclude = if exclude { "exclude = [\"/usr/lib/p1/**\", \"/usr/lib/*/lib2.so.1\"]\n" } else { "" };
        let layers = format!(
            "[[layer]]\nname = \"l\"\npackages = [\"lib0\"]\n{exclude}\
             [[layer]]\nname = \"m\"\npackages = [\"lib1\"]\n\
             [[layer]]\nname = \"n\"\npackages = [\"lib2\"]\nkeep = \"listed\"\ninclude = [\"/usr/bin/*\"]\n"
        );
        let first = foreseen(&samples, &layers, |_| 0);
        for order in orders {
            let mut order = order.into_iter();
            let next = |count| order.next().map_or(count - 1, |index| index.index(count));
            prop_assert_eq!(&foreseen(&samples, &layers, next), &first);
        }
    }
}
