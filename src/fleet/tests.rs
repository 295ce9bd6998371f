//! Made-up fleets: what is to be shared, what is not, and how long it takes to find out.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

const MB: u64 = 1_000_000;

/// A package `NAME VERSION` with files of so many bytes.
fn package(name: &str, updates: u64, requires: &[&str], sizes: &[u64]) -> FleetPackage {
    let path = |at: usize| RootPath::parse(&format!("/usr/share/{name}/{at:03}")).unwrap();
    let files =
        sizes.iter().enumerate().map(|(at, bytes)| PackagedFile { path: path(at), bytes: *bytes, by: None });
    FleetPackage {
        name: name.split(' ').next().unwrap().to_owned(),
        source: name.replace(' ', "-"),
        updates,
        requires: requires.iter().map(|name| (*name).to_owned()).collect(),
        files: files.collect(),
    }
}

/// A fleet of images that need all files of the packages at these places.
fn fleet(packages: Vec<FleetPackage>, images: &[&[u32]]) -> Fleet {
    let files = |needs: &[u32]| {
        let mut files: Vec<FleetFile> = Vec::new();
        for package in needs {
            let count = u32::try_from(packages[*package as usize].files.len()).unwrap();
            files.extend((0..count).map(|file| FleetFile { package: *package, file }));
        }
        files.sort_unstable();
        files
    };
    let images = images.iter().enumerate().map(|(number, needs)| FleetImage {
        name: format!("image{number}"),
        family: 0,
        room: 7,
        files: files(needs),
    });
    let images = images.collect();
    Fleet { packages, images }
}

/// The plan as lines: each base with what it stands on, its layers' sources and its images.
fn told(fleet: &Fleet, plan: &FleetPlan) -> Vec<String> {
    plan.bases
        .iter()
        .map(|base| {
            let layers: Vec<String> = base
                .layers
                .iter()
                .map(|files| {
                    let mut sources = largest_sources(fleet, files);
                    sources.sort();
                    sources.join("+")
                })
                .collect();
            format!("{:?} [{}] {:?}", base.parent, layers.join(" | "), base.images)
        })
        .collect()
}

#[test]
fn what_all_need_is_one_base_and_what_some_need_is_upon_it() {
    let packages = vec![
        package("libc", 250, &[], &[MB]),
        package("python", 250, &["libc"], &[6 * MB, MB]),
        package("perl", 250, &["libc"], &[9 * MB]),
        package("own", 250, &["libc"], &[MB]),
    ];
    let fleet = fleet(packages, &[&[0, 1], &[0, 1, 3], &[0, 2], &[0, 2], &[0]]);
    let plan = plan(&fleet);
    assert_eq!(
        told(&fleet, &plan),
        ["None [libc] [0, 1, 2, 3, 4]", "Some(0) [perl] [2, 3]", "Some(0) [python] [0, 1]"]
    );
    assert_eq!(plan.base_of, [Some(2), Some(2), Some(1), Some(1), Some(0)]);
    assert!((0..5).all(|image| fleet.unused(&plan, image) == 0));
}

#[test]
fn what_most_need_is_in_the_base_unless_others_would_grow_by_a_tenth() {
    let packages = || {
        vec![
            package("libc", 250, &[], &[4 * MB]),
            package("small", 250, &["libc"], &[MB / 4]),
            package("large", 250, &["libc"], &[4 * MB]),
        ]
    };
    let needs: &[&[u32]] = &[&[0, 1], &[0, 1], &[0, 1], &[0, 1], &[0]];
    let small = fleet(packages(), needs);
    let planned = plan(&small);
    assert_eq!(told(&small, &planned), ["None [libc | small] [0, 1, 2, 3, 4]"]);
    assert_eq!(small.unused(&planned, 4), MB / 4);
    let needs: &[&[u32]] = &[&[0, 2], &[0, 2], &[0, 2], &[0, 2], &[0]];
    let large = fleet(packages(), needs);
    assert_eq!(told(&large, &plan(&large)), ["None [libc] [0, 1, 2, 3, 4]", "Some(0) [large] [0, 1, 2, 3]"]);
}

#[test]
fn a_small_base_gives_way_to_a_larger_one_across_it() {
    let packages = vec![
        package("libc", 250, &[], &[2 * MB]),
        package("python", 250, &["libc"], &[9 * MB]),
        package("openssl", 250, &["libc"], &[4 * MB]),
        package("systemd", 250, &["libc"], &[MB]),
    ];
    let fleet = fleet(packages, &[&[0, 1, 2], &[0, 1, 2], &[0, 2, 3], &[0, 3]]);
    assert_eq!(
        told(&fleet, &plan(&fleet)),
        ["None [libc] [0, 1, 2, 3]", "Some(0) [openssl] [0, 1, 2]", "Some(1) [python] [0, 1]"]
    );
}

#[test]
fn little_is_not_worth_a_base_nor_is_what_one_image_has() {
    let packages = vec![package("little", 250, &[], &[50_000]), package("own", 250, &[], &[50 * MB])];
    let fleet = fleet(packages, &[&[0, 1], &[0]]);
    assert_eq!(plan(&fleet), FleetPlan { bases: Vec::new(), base_of: vec![None, None] });
}

#[test]
fn images_have_no_more_layers_than_they_may_and_families_stay_apart() {
    let packages = vec![package("libc", 250, &[], &[MB]), package("perl", 250, &["libc"], &[9 * MB])];
    let mut some = fleet(packages, &[&[0, 1], &[0, 1], &[0], &[0]]);
    for image in &mut some.images {
        image.room = 1;
    }
    assert_eq!(told(&some, &plan(&some)), ["None [libc+perl] [0, 1]", "None [libc] [2, 3]"]);
    for image in &mut some.images {
        image.room = 0;
    }
    assert_eq!(plan(&some).bases, []);
    for (number, image) in some.images.iter_mut().enumerate() {
        (image.room, image.family) = (7, u32::try_from(number % 2).unwrap());
    }
    assert_eq!(told(&some, &plan(&some)), ["None [libc] [0, 2]", "None [libc] [1, 3]"]);
}

#[test]
fn what_changes_often_has_a_layer_of_its_own_above_what_it_depends_on() {
    let packages = vec![
        package("steady", 250, &[], &[9 * MB]),
        package("often", 6000, &["steady"], &[MB]),
        package("data", 250, &["often"], &[9 * MB]),
    ];
    let mut fleet = fleet(packages, &[&[0, 1, 2], &[0, 1, 2]]);
    let layers = "None [steady | often | data] [0, 1]";
    assert_eq!(told(&fleet, &plan(&fleet)), [layers]);
    for image in &mut fleet.images {
        image.room = 2;
    }
    assert_eq!(told(&fleet, &plan(&fleet)).len(), 1);
    assert_eq!(plan(&fleet).bases[0].layers.len(), 2);
}

#[test]
fn a_base_has_one_version_of_a_package() {
    let packages = vec![
        package("libc", 250, &[], &[9 * MB]),
        package("lib 1", 250, &["libc"], &[MB]),
        package("lib 2", 250, &["libc"], &[2 * MB]),
    ];
    let fleet = fleet(packages, &[&[0, 1], &[0, 1], &[0, 2], &[0, 2]]);
    let plan = plan(&fleet);
    for base in &plan.bases {
        let mut names = BTreeSet::new();
        let packages: BTreeSet<u32> = base.files.iter().map(|file| file.package).collect();
        assert!(packages.iter().all(|package| names.insert(&fleet.packages[*package as usize].name)));
    }
}

#[test]
fn updates_are_read_off_versions() {
    for (version, expected) in [
        ("2.41-12", 250),
        ("2.41-12+deb13u1", 1250),
        ("3.5.4-1~deb13u2", 2250),
        ("5.40.1-6+deb13u12", 12250),
        ("1.2-1ubuntu3", 250),
        ("1.2-1ubuntu3.4", 4250),
        ("1:2.0~debian-3", 250),
        ("9+deb13u99999999999999999999", 20250),
        ("", 250),
    ] {
        assert_eq!(updates_of(PackageFormat::Deb, version), expected, "{version}");
    }
    assert_eq!(updates_of(PackageFormat::Apk, "1.2.5-r3"), 3250);
    assert_eq!(updates_of(PackageFormat::Apk, "1.2.5"), 250);
}

#[test]
fn what_is_expected_to_be_pulled_again() {
    assert_eq!(expected_changes([]), 0);
    // Twelve times a year in twelve builds is every time; a thousand times is no more.
    assert_eq!(expected_changes([12_000, 250]), 12_000_000);
    assert_eq!(expected_changes([1_000_000]), 12_000_000);
    assert_eq!(expected_changes([1000]), 1_000_008);
    // Together a little less than one by one: some builds have two updates.
    let together = expected_changes([1000, 1000]);
    assert!(together > 1_900_000 && together < 2_000_000, "{together}");
    let layer = |key: &str, bytes, again| PulledLayer {
        key: crate::digest::Digest::of(key.as_bytes()),
        bytes,
        again,
    };
    let layers = [layer("a", 10, 2_000_000), layer("a", 10, 2_000_000), layer("b", 5, 0)];
    assert_eq!(Pulls::of(&layers), Pulls { first: 15, updates: 20 });
}

#[test]
fn a_base_lists_what_brings_the_rest() {
    let path = |text: &str| RootPath::parse(text).unwrap();
    let file = |text: &str, bytes, by: Option<u32>| PackagedFile {
        path: path(text),
        bytes,
        by: by.map(|file| FleetFile { package: 0, file }),
    };
    let files = vec![
        file("/usr/bin/[", MB, None),
        file("/usr/lib/x86_64-linux-gnu/libx.so.1", 1, Some(0)),
        file("/usr/lib/x86_64-linux-gnu/libx.so.1.2", MB, Some(1)),
        file("/usr/share/doc/x/README", 0, None),
        file("/usr/share/doc/x/copyright", 1000, None),
        file("/usr/share/x/a", 1000, None),
        file("/usr/share/x/deep/b", 1000, None),
    ];
    let whole =
        FleetPackage { name: "x".into(), source: "x+y".into(), updates: 250, requires: Vec::new(), files };
    let mut fleet = fleet(vec![whole], &[&[0], &[0]]);
    for image in &mut fleet.images {
        image.files.retain(|file| file.file != 3);
    }
    let plan = plan(&fleet);
    let contents = content_of(&fleet, &Holders::of(&fleet), &plan, 0);
    let text = BaseText {
        comment: "A base.".into(),
        name: "base".into(),
        keys: vec![("arch", "[\"amd64\"]".into())],
        prefix: "base".into(),
        triplet: "x86_64-linux-gnu".into(),
    };
    assert_eq!(
        text.recipe(&contents, Some("low\"er.toml")),
        "# A base.\nname = \"base\"\narch = [\"amd64\"]\nbase = \"low\\\"er.toml\"\n\n[[layer]]\nname = \"base.x-y\"\n\
         packages = [\n  \"x\",\n]\nkeep = \"listed\"\ninclude = [\n  \"/usr/bin/\\\\[\",\n  \
         \"/usr/share/doc/x/copyright\",\n  \"/usr/share/x\",\n]\n"
    );
    // Names of the architecture's own become such as hold for all.
    let layer = BaseContent {
        source: "c".into(),
        packages: vec!["libc6".into()],
        include: [
            "/etc/ld.so.conf.d/x86_64-linux-gnu.conf",
            "/usr/lib/python3.13/_sysconfigdata__x86_64-linux-gnu.py",
            "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/usr/lib64/ld-linux-x86-64.so.2",
            "/lib/ld-musl-x86_64.so.1",
        ]
        .map(path)
        .into(),
    };
    let shown = text.recipe(&[layer], None);
    let (_, include) = shown.split_once("include = [\n").unwrap();
    assert_eq!(
        include.lines().map(str::trim).collect::<Vec<_>>(),
        [
            "\"/etc/ld.so.conf.d/{triplet}.conf\",",
            "\"/usr/lib/python3.13/_sysconfigdata__{triplet}.py\",",
            "\"/usr/lib/{triplet}/ld*.so.*\",",
            "\"/usr/lib/{triplet}/libc.so.6\",",
            "\"/usr/{lib,lib64}/ld*.so.*\",",
            "\"/{lib,lib64}/ld-musl-*.so.*\",",
            "]",
        ]
    );
    // Libraries that nothing in the base is linked with are listed themselves.
    for image in &mut fleet.images {
        image.files.retain(|file| file.file != 0 && file.file != 3);
    }
    let plan = super::plan(&fleet);
    let listed = &content_of(&fleet, &Holders::of(&fleet), &plan, 0)[0].include;
    assert!(listed.contains(&path("/usr/lib/x86_64-linux-gnu/libx.so.1")), "{listed:?}");
}

#[test]
fn a_base_line_goes_into_a_text_that_stays_as_it_is() {
    for (text, expected) in [
        (
            "# one\nname = \"a\"\nfrom = \"debian:trixie\"  # two\n\n[[layer]]\nfrom = 1\n",
            Ok(
                "# one\nname = \"a\"\nfrom = \"debian:trixie\"  # two\nbase = \"b/c.toml\"\n\n[[layer]]\nfrom = 1\n",
            ),
        ),
        ("name = \"a\"", Ok("name = \"a\"\nbase = \"b/c.toml\"\n")),
        ("name = \"a\"\r\narch = []\r\n", Ok("name = \"a\"\r\nbase = \"b/c.toml\"\r\narch = []\r\n")),
        ("base = \"x\"\nname = \"a\"\n", Err(EditError::HasBase { base: "x".into() })),
        ("arch = []\n", Err(EditError::NoPlace)),
        ("name = ", Err(EditError::NoPlace)),
    ] {
        assert_eq!(with_base(text, "b/c.toml"), expected.map(str::to_owned), "{text}");
    }
}

#[test]
fn a_layers_line_follows_the_base() {
    let text = "name = \"a\"\nfrom = \"debian:trixie\"\nbase = \"b.toml\"\n\n[[layer]]\n";
    let expected = "name = \"a\"\nfrom = \"debian:trixie\"\nbase = \"b.toml\"\n\
        layers = { policy = \"auto\", budget = 5 }\n\n[[layer]]\n";
    assert_eq!(with_layers(text, 5), Ok(expected.to_owned()));
    assert_eq!(with_layers("name = \"a\"\nlayers = \"explicit\"\n", 5), Err(EditError::HasLayers));
}

/// A fleet as a company may have it: run-times, libraries that come with them, and programs of their own.
fn made_up(count: u32) -> Fleet {
    let (runtimes, libraries) = (12_u32, 400_u32);
    let mut state = 1_u32;
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let sizes = |random: &mut dyn FnMut(u32) -> u32, files: u32, most: u32| -> Vec<u64> {
        (0..files).map(|_| u64::from(random(most)) + 100).collect()
    };
    let mut packages = vec![package("libc", 1250, &[], &[1_200_000, 300_000, 40_000])];
    for number in 0..runtimes {
        let sizes = sizes(&mut random, 300, 60_000);
        packages.push(package(&format!("runtime{number}"), u64::from(random(4)) * 1000, &["libc"], &sizes));
    }
    for number in 0..libraries {
        let sizes = sizes(&mut random, 4, 400_000);
        packages.push(package(&format!("library{number}"), u64::from(random(4)) * 1000, &["libc"], &sizes));
    }
    let mut images: Vec<Vec<u32>> = Vec::new();
    for number in 0..count {
        let sizes = sizes(&mut random, 20, 200_000);
        packages.push(package(&format!("program{number}"), 250, &["libc"], &sizes));
        let runtime = random(runtimes);
        let mut needs = vec![0, 1 + runtime];
        // Programs of one run-time are likely to need the same libraries, the first ones more than the last.
        needs.extend((0..30).map(|_| {
            let most = random(libraries / runtimes) + 1;
            1 + runtimes + runtime * (libraries / runtimes) + random(most)
        }));
        needs.extend((0..6).map(|_| 1 + runtimes + random(libraries)));
        needs.push(1 + runtimes + libraries + number);
        needs.sort_unstable();
        needs.dedup();
        images.push(needs);
    }
    let images: Vec<&[u32]> = images.iter().map(Vec::as_slice).collect();
    fleet(packages, &images)
}

/// What a node pulls at first that runs all images, and what all images need, each by itself.
fn pulled(fleet: &Fleet, plan: &FleetPlan) -> (u64, u64) {
    let size = |files: &[FleetFile]| files.iter().map(|file| fleet.file(*file).bytes).sum::<u64>();
    let mut pulled: u64 = plan.bases.iter().map(|base| size(&base.files)).sum();
    let mut all = 0;
    for (number, image) in fleet.images.iter().enumerate() {
        let mut below: BTreeSet<FleetFile> = BTreeSet::new();
        let mut at = plan.base_of[number];
        while let Some(base) = at {
            below.extend(&plan.bases[base].files);
            at = plan.bases[base].parent;
        }
        let own: Vec<FleetFile> = image.files.iter().filter(|file| !below.contains(file)).copied().collect();
        pulled += size(&own);
        all += size(&image.files);
    }
    (pulled, all)
}

#[test]
fn a_thousand_recipes_take_seconds() {
    let fleet = made_up(1000);
    let start = Instant::now();
    let planned = plan(&fleet);
    let taken = start.elapsed();
    let (pulled, all) = pulled(&fleet, &planned);
    println!("{taken:?}: {} bases, {} of {} MB", planned.bases.len(), pulled / MB, all / MB);
    assert!(planned.bases.len() > 10 && pulled * 2 < all);
    // Without optimisation, on a machine that does other things too.
    assert!(taken < Duration::from_secs(60), "{taken:?}");
}

/// Packages with their sizes, and what each image needs of them.
fn any_fleet() -> impl Strategy<Value = Fleet> {
    let packages = proptest::collection::vec((1_u64..3_000_000, 0_u64..5000, 1_usize..4), 1..12);
    let images = proptest::collection::vec(
        (proptest::collection::btree_set(0_u32..12, 0..10), 0_usize..5, 0_u32..2),
        1..9,
    );
    (packages, images).prop_map(|(packages, images)| {
        let count = u32::try_from(packages.len()).unwrap();
        let packages: Vec<FleetPackage> = packages
            .into_iter()
            .enumerate()
            .map(|(number, (bytes, updates, files))| {
                let before = format!("p{}", number.saturating_sub(1));
                package(&format!("p{number}"), updates, &[&before], &vec![bytes; files])
            })
            .collect();
        let needs: Vec<Vec<u32>> = images
            .iter()
            .map(|(needs, _, _)| needs.iter().copied().filter(|one| *one < count).collect())
            .collect();
        let needs: Vec<&[u32]> = needs.iter().map(Vec::as_slice).collect();
        let mut fleet = fleet(packages, &needs);
        for (image, (_, room, family)) in fleet.images.iter_mut().zip(images) {
            (image.room, image.family) = (room, family);
        }
        fleet
    })
}

proptest! {
    #[test]
    fn a_plan_is_sound_and_never_costs_more_than_none(fleet in any_fleet()) {
        let planned = plan(&fleet);
        prop_assert_eq!(&plan(&fleet), &planned);
        let nothing = FleetPlan { bases: Vec::new(), base_of: vec![None; fleet.images.len()] };
        let weigh = |plan: &FleetPlan| pulled(&Fleet {
            packages: fleet.packages.iter().map(|package| FleetPackage {
                files: package.files.iter().map(|file| PackagedFile {
                    bytes: file.bytes * (1000 + package.updates) / 1000,
                    ..file.clone()
                }).collect(),
                ..package.clone()
            }).collect(),
            images: fleet.images.clone(),
        }, plan).0;
        prop_assert!(weigh(&planned) <= weigh(&nothing));
        for (number, base) in planned.bases.iter().enumerate() {
            prop_assert!(base.parent.is_none_or(|parent| parent < number));
            let mut of_layers: Vec<FleetFile> = base.layers.concat();
            of_layers.sort_unstable();
            prop_assert_eq!(&of_layers, &base.files);
            prop_assert!(base.images.len() > 1 && base.layers.iter().all(|layer| !layer.is_empty()));
            let family = fleet.images[base.images[0]].family;
            prop_assert!(base.images.iter().all(|image| fleet.images[*image].family == family));
        }
        for (number, image) in fleet.images.iter().enumerate() {
            let (mut at, mut layers, mut below) = (planned.base_of[number], 0, BTreeSet::new());
            while let Some(base) = at {
                let base = &planned.bases[base];
                prop_assert!(base.images.contains(&number));
                layers += base.layers.len();
                prop_assert!(base.files.iter().all(|file| below.insert(*file)));
                at = base.parent;
            }
            prop_assert!(layers <= image.room);
            let needed: u64 = image.files.iter().map(|file| fleet.weight(*file)).sum();
            prop_assert!(fleet.unused(&planned, number) <= needed / 10);
        }
    }
}
