//! Random recipes over made-up packages, and the recipes that come with rootforge: the tree is that of one layer,
//! however the layers are cut, and no path stands twice in any.

use std::path::Path;
use std::sync::Mutex;

use proptest::prelude::*;

use crate::alpine::apks;
use crate::real_archive::bench::{cache, mirror};
use crate::support::planned::{Chosen, Planner, assert_same_tree, tree};
use crate::support::{Archive, Rig};
use rootforge::arch::Arch;
use rootforge::recipe::{Layer, Layering, Recipe};

/// A package: bits say what it has.
#[derive(Clone, Debug)]
struct Piece {
    /// Which of the packages before it, by their bits, it depends on and links with.
    needs: u8,
    /// What it holds; see [`Piece::lines`].
    holds: u16,
    source: u8,
}

/// A layer of the recipe.
#[derive(Clone, Debug)]
struct Part {
    /// The packages that it names.
    names: u8,
    keep: u8,
    /// What it excludes of each package's configuration.
    excludes: u8,
}

#[derive(Clone, Debug)]
struct World {
    pieces: Vec<Piece>,
    parts: Vec<Part>,
    /// Whether all layers keep and exclude the same, so that they can be put together by hand.
    uniform: bool,
    has_files: bool,
    /// How many of the layers are a base's, and whether it and what stands on it group by themselves.
    cut: usize,
    auto: bool,
}

fn world() -> impl Strategy<Value = World> {
    let piece = (any::<u8>(), any::<u16>(), 0..6_u8);
    let piece = piece.prop_map(|(needs, holds, source)| Piece { needs, holds, source });
    let part = (any::<u8>(), 0..4_u8, any::<u8>());
    let part =
        part.prop_map(|(names, keep, excludes)| Part { names, keep, excludes: excludes & (excludes >> 4) });
    let (pieces, parts) = (prop::collection::vec(piece, 1..8), prop::collection::vec(part, 1..5));
    (pieces, parts, any::<[bool; 3]>(), 0..4_usize).prop_map(
        |(pieces, parts, [uniform, has_files, auto], cut)| {
            let mut parts = parts;
            if uniform {
                let Part { keep, excludes, .. } = parts[0];
                parts = parts.into_iter().map(|part| Part { keep, excludes, ..part }).collect();
            }
            let cut = cut.min(parts.len() - 1);
            World { pieces, parts, uniform, has_files, cut, auto }
        },
    )
}

impl Piece {
    fn needed(&self, own: usize) -> Vec<usize> {
        (0..own).filter(|other| self.needs & (1 << other) != 0).collect()
    }

    /// A paragraph of `support::package`, or of `alpine::apks`.
    fn text(&self, own: usize, is_deb: bool) -> String {
        let has = |bit: u16| self.holds & (1 << bit) != 0;
        let libraries: Vec<String> = self.needed(own).iter().map(|at| format!("lib{at}.so.1")).collect();
        let packages: Vec<String> = self.needed(own).iter().map(|at| format!("p{at}")).collect();
        let (libc, loader, directory) = if is_deb {
            ("libc.so.6", "/usr/lib/ld.so", "/usr/lib/{triplet}")
        } else {
            ("libc.musl-x86_64.so.1", "/lib/ld-musl-x86_64.so.1", "/usr/lib")
        };
        let needed = [libraries, vec![libc.to_owned()]].concat().join(",");
        let mut text = format!("Package: p{own}\n");
        if is_deb {
            text += &format!(
                "Source: s{}\nDepends: {}\n",
                self.source,
                [packages, vec!["libc6".into()]].concat().join(", ")
            );
        } else {
            text += &format!(
                "Origin: s{}\nDepend: {}\n",
                self.source,
                [packages, vec!["musl".into()]].concat().join(" ")
            );
        }
        text += &format!("{directory}/lib{own}.so.1.0 elf soname=lib{own}.so.1 needed={needed}\n");
        text += &format!("{directory}/lib{own}.so.1 -> lib{own}.so.1.0\n");
        let lines = [
            format!("/usr/bin/p{own} elf program needed={needed} interp={loader}"),
            format!("/usr/share/p{own}/data 0644 {}", "data ".repeat(own + 1)),
            format!("/usr/share/p{own}/again => /usr/share/p{own}/data"),
            format!("/etc/p{own}.conf 0600@0:33 settings"),
            format!("/var/lib/p{own}/ 0750@33:33"),
            "/var/lib/shared/ 1777".to_owned(),
            format!("/usr/lib/p{own}/code 0644 code"),
            format!("/usr/share/p{own}/setuid 4755 s"),
            format!(
                "/etc/near/{own} -> /usr/share/p{}/data",
                self.needed(own).first().copied().unwrap_or(own)
            ),
            format!(
                "/usr/lib/p{own}/large 0644 {}",
                if has(9) { "l".repeat(4_200_000) } else { String::new() }
            ),
            format!("/etc/near/a/{own} 0644 a"),
        ];
        // The hard link needs what it leads to, and large ones are rare.
        let wanted = |bit: usize| match bit {
            1 => has(1) || has(2),
            9 => has(9) && has(10) && has(11),
            _ => has(u16::try_from(bit).unwrap()),
        };
        for (_, line) in lines.iter().enumerate().filter(|(bit, _)| wanted(*bit)) {
            text += &format!("{line}\n");
        }
        if is_deb && has(12) && has(0) {
            text += &format!(
                "postinst #!/bin/sh\npostinst update-alternatives --install /usr/bin/any any /usr/bin/p{own} {own}\n"
            );
        }
        if is_deb && has(13) && has(4) {
            text += &format!(
                "postinst #!/bin/sh\npostinst adduser --system --group u{own}\npostinst chown u{own}:u{own} /var/lib/p{own}\n"
            );
        }
        text.replace("postinst #!/bin/sh\npostinst update", "postinst update")
    }
}

impl World {
    fn packages(&self, is_deb: bool) -> String {
        let libc = if is_deb {
            "Package: libc6\nSource: glibc\n/usr/lib/ld.so elf soname=ld.so\n\
             /usr/lib/{triplet}/libc.so.6 elf soname=libc.so.6\n"
        } else {
            "Package: musl\n/lib/ld-musl-x86_64.so.1 elf soname=libc.musl-x86_64.so.1\n\
             /lib/libc.musl-x86_64.so.1 -> ld-musl-x86_64.so.1\n"
        };
        let pieces = self.pieces.iter().enumerate().map(|(own, piece)| piece.text(own, is_deb));
        pieces.chain([libc.to_owned()]).collect::<Vec<_>>().join("\n")
    }

    /// The `[[layer]]`s of a range.
    fn layers(&self, range: std::ops::Range<usize>) -> String {
        let count = self.pieces.len();
        let mut text = String::new();
        for at in range {
            let Part { names, keep, excludes } = &self.parts[at];
            let named = (0..count).filter(|piece| names & (1 << piece) != 0 || *piece == at % count);
            let named: Vec<String> = named.map(|piece| format!("p{piece}")).collect();
            let excluded = (0..count).filter(|piece| excludes & (1 << piece) != 0);
            let excluded: Vec<String> = excluded.map(|piece| format!("/etc/p{piece}.conf")).collect();
            let keep = if *keep == 0 { "all" } else { "needed" };
            text += &format!(
                "[[layer]]\nname = \"l{at}\"\npackages = {named:?}\nkeep = \"{keep}\"\nexclude = {excluded:?}\n"
            );
            if self.has_files && at + 1 == self.parts.len() {
                text += "files = [{ path = \"/etc/p0.conf\", content = \"own\" }, \
                         { path = \"/srv/own\", type = \"dir\", mode = \"0700\" }]\n";
            }
        }
        text
    }

    /// What holds of it: `above` writes a recipe with what it has before its layers and repositories after them.
    fn holds(&self, rig: &Rig, write: &dyn Fn(&str, &str, &str) -> Recipe) {
        let planner = Planner::of(rig);
        let all = self.parts.len();
        let chosen = planner.choose(write("r", "", &self.layers(0..all)));
        let with = |layering| planner.layers(&chosen, &Recipe { layering, ..chosen.recipe.clone() });
        let one = with(Layering::Auto { budget: 1 });
        assert_eq!(one.len(), 1);
        let one = tree(&one);
        assert_same_tree("as the recipe has them", &tree(&with(Layering::Explicit)), &one);
        for budget in [2, 3, 5, 8, 20] {
            assert_same_tree("grouped", &tree(&with(Layering::Auto { budget })), &one);
        }
        if self.uniform {
            let by_hand = planner.choose(by_hand(&chosen.recipe));
            assert_same_tree("put together by hand", &tree(&planner.layers(&by_hand, &by_hand.recipe)), &one);
        }
        if self.cut > 0 {
            let head = if self.auto { "layers = \"auto\"\n" } else { "" };
            let low = planner.choose(write("low", head, &self.layers(0..self.cut)));
            let low = planner.layers(&low, &low.recipe);
            let head = format!("base = \"low.toml\"\n{head}");
            let upper = planner.choose(write("upper", &head, &self.layers(self.cut..all)));
            let layers = planner.layers(&upper, &upper.recipe);
            assert_eq!(layers[..low.len()], low[..]);
            assert_same_tree("with a base", &tree(&layers), &one);
        }
    }
}

/// The same recipe with one layer for all of its own.
fn by_hand(recipe: &Recipe) -> Recipe {
    let mut layers = recipe.layers.iter();
    let mut together: Layer = layers.next().unwrap().clone();
    for layer in layers {
        together.packages.extend(layer.packages.iter().cloned());
        together.include.extend(layer.include.iter().cloned());
        together.exclude.extend(layer.exclude.iter().cloned());
        together.files.extend(layer.files.iter().cloned());
    }
    Recipe { layers: vec![together], ..recipe.clone() }
}

fn debs_come_to_the_tree_of_one(world: &World) {
    let archive = Archive::of("debian:trixie", &["trixie"]).with("trixie", "main", &world.packages(true));
    let rig = Rig::with(&archive);
    world.holds(&rig, &|name, head, layers| {
        let origin = if head.contains("base = ") {
            ""
        } else {
            "from = \"debian:trixie\"\nsuites = [\"release\"]\nkeys = [\"key.asc\"]\n"
        };
        let path = rig.write(&format!("{name}.toml"), format!("name = \"{name}\"\n{origin}{head}{layers}"));
        Recipe::load(&path).unwrap()
    });
}

#[test]
fn a_directory_owned_by_a_scripts_account_comes_to_the_tree_of_one() {
    let pieces = [(0, 4032, 0), (0, 14272, 0), (6, 26614, 2), (113, 49335, 4)];
    let parts = [(120, 1, 0), (10, 1, 0), (150, 1, 0)];
    debs_come_to_the_tree_of_one(&World {
        pieces: pieces.map(|(needs, holds, source)| Piece { needs, holds, source }).into(),
        parts: parts.map(|(names, keep, excludes)| Part { names, keep, excludes }).into(),
        uniform: true,
        has_files: false,
        cut: 2,
        auto: true,
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layers_of_debs_come_to_the_tree_of_one(world in world()) {
        debs_come_to_the_tree_of_one(&world);
    }

    #[test]
    fn layers_of_apks_come_to_the_tree_of_one(world in world()) {
        let Some(key) = apks::key() else { return Ok(()) };
        let rig = Rig::new();
        rig.write(&key.name, key.public());
        apks::Repository::of(&world.packages(false), &[Arch::Amd64]).write(&rig.work("repo"), key);
        let repository = apks::repository("repo");
        world.holds(&rig, &|name, head, layers| {
            let origin = if head.contains("base = ") { "" } else { repository.as_str() };
            let path = rig.write(&format!("{name}.toml"), format!("name = \"{name}\"\n{head}{layers}{origin}"));
            Recipe::load(&path).unwrap()
        });
    }
}

/// The recipes in a directory of the project.
fn recipes(below: &str) -> Vec<Recipe> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| Recipe::load(path).unwrap()).collect()
}

/// The same recipe without bases, with their layers below its own.
fn without_bases(recipe: &Recipe) -> Recipe {
    let stack = recipe.stack();
    Recipe {
        layers: stack.iter().flat_map(|one| one.layers.clone()).collect(),
        users: stack.iter().flat_map(|one| one.users.clone()).collect(),
        groups: stack.iter().flat_map(|one| one.groups.clone()).collect(),
        base: None,
        ..recipe.clone()
    }
}

/// Whether an image has the same tree with its layers as they are, grouped, and as one.
fn comes_to_the_tree_of_one(planner: &Planner, recipe: Recipe) {
    let whole = planner.choose(without_bases(&recipe));
    let with = |chosen: &Chosen, budget| {
        let layering = Layering::Auto { budget };
        planner.layers(chosen, &Recipe { layering, ..chosen.recipe.clone() })
    };
    let one = with(&whole, 1);
    assert_eq!(one.len(), 1, "{}", recipe.name);
    let one = tree(&one);
    assert!(one.len() > 20, "{}", recipe.name);
    let chosen = if recipe.base.is_some() { planner.choose(recipe) } else { whole };
    let name = &chosen.recipe.name;
    assert_same_tree(name, &tree(&planner.layers(&chosen, &chosen.recipe)), &one);
    for budget in [1, 2, 3, 5, 8, 50] {
        let layers = with(&chosen, budget);
        assert!(layers.len() <= budget + chosen.recipe.layers_below());
        assert_same_tree(&format!("{name}, grouped into {budget}"), &tree(&layers), &one);
    }
}

/// Those that take longer than all others together.
const LARGE: [&str; 5] = ["debian-slim", "java", "node", "postgresql", "pulseaudio"];

/// The recipes for Debian that come with rootforge.
fn come_to_the_tree_of_one(wanted: impl Fn(&str) -> bool) {
    if mirror().is_none() {
        return;
    }
    let planner = Planner::of_machine(&cache());
    let mut all: Vec<Recipe> = recipes("recipes").into_iter().chain(recipes("recipes/base")).collect();
    all.retain(|recipe| {
        let is_debian = recipe.from.is_some_and(|from| from.id() == "debian");
        is_debian && recipe.archs().contains(&Arch::Amd64) && wanted(&recipe.name)
    });
    assert!(all.len() > 4);
    // Threads of their own: those of rayon are for what each of them does.
    let all = Mutex::new(all);
    let next = || all.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(recipe) = next() {
                    comes_to_the_tree_of_one(&planner, recipe);
                }
            });
        }
    });
}

#[test]
fn layers_of_the_recipes_here_come_to_the_tree_of_one() {
    come_to_the_tree_of_one(|name| !LARGE.contains(&name));
}

#[test]
#[ignore = "takes minutes: big packages"]
fn layers_of_the_large_ones_come_to_the_tree_of_one() {
    come_to_the_tree_of_one(|name| LARGE.contains(&name));
}
