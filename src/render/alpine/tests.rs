//! Packages written as text, layer upon layer.

use std::path::Path;

use super::*;
use crate::apk::Checksum;
use crate::apk::installed::{InstalledFile, InstalledPackage};
use crate::arch::Arch;
use crate::effects::Effect;
use crate::recipe::Recipe;
use crate::render::Content;

/// A package: its name, the layer that names it, its entries, its scripts.
struct Source {
    name: &'static str,
    layer: usize,
    entries: Vec<(Entry, Marks)>,
    scripts: BTreeMap<&'static str, &'static [u8]>,
    pkginfo: String,
}

/// `path`, `path/`, `path -> target`, with an owner by name before it: `pulse:pulse /var/lib/pulse/`.
fn source(
    name: &'static str,
    layer: usize,
    files: &[&str],
    scripts: &[(&'static str, &'static str)],
) -> Source {
    let entries = files.iter().map(|line| {
        let (owner, path) = match line.split_once(' ') {
            Some((owner, path)) if owner.contains(':') => (owner.split_once(':'), path),
            _ => (None, *line),
        };
        let (path, kind, mode) = match path.split_once(" -> ") {
            Some((path, target)) => (path, EntryKind::Symlink { target: target.to_owned() }, 0o777),
            None if path.ends_with('/') => (path, EntryKind::Directory, 0o755),
            None => (path, EntryKind::File { size: 1 }, 0o644),
        };
        let metadata = Metadata { mode, ..Metadata::default() };
        let (user, group) = owner.map(|(user, group)| (user.to_owned(), group.to_owned())).unzip();
        let marks = Marks { checksum: Some(Checksum::of(path.as_bytes())), user, group };
        (Entry { path: RootPath::parse(path).unwrap(), metadata, kind }, marks)
    });
    Source {
        name,
        layer,
        entries: entries.collect(),
        scripts: scripts.iter().map(|(name, text)| (*name, text.as_bytes())).collect(),
        pkginfo: format!("pkgname = {name}\npkgver = 1-r0\n"),
    }
}

fn recipe(layers: usize, more: &str) -> Recipe {
    let layers: String = (0..layers)
        .map(|at| {
            format!("[[layer]]\nname = \"{at}\"\npackages = [\"p{at}\"]\nkeep = \"all\"\nexclude = [\"/bin/excluded\", \"/opt/**\"]\n")
        })
        .collect();
    let text = format!("name = \"x\"\nfrom = \"alpine:3.20\"\n{layers}{more}");
    Recipe::parse(&text, Path::new("x.toml")).unwrap()
}

fn image_of<'a>(recipe: &'a Recipe, sources: &'a [Source]) -> Image<'a> {
    let packages = sources.iter().map(|source| {
        let files = source.entries.iter().map(|(entry, marks)| InstalledFile { entry, marks, owner: [0, 0] });
        let record = InstalledPackage {
            pkginfo: &source.pkginfo,
            arch: Some("x86_64"),
            checksum: Checksum::of(source.name.as_bytes()),
            size: 1,
            files: files.collect(),
            scripts: source.scripts.clone(),
        };
        let (layer, requires) = (source.layer, Vec::new());
        Package { name: source.name, layer, named: true, whole: true, requires, record }
    });
    Image {
        recipe,
        distro: recipe.conventions(),
        arch: Arch::Amd64,
        repositories: vec!["https://example.org/main".to_owned()],
        world: recipe
            .layers
            .iter()
            .map(|layer| layer.packages.iter().map(ToString::to_string).collect())
            .collect(),
        packages: packages.collect(),
    }
}

/// What the scripts of packages do.
type Effects = BTreeMap<String, PackageEffects>;

fn no_effects() -> &'static Effects {
    static NONE: Effects = Effects::new();
    &NONE
}

/// What is made for each layer, records apart, and the accounts that cannot be made.
fn lay<'a>(
    recipe: &'a Recipe,
    sources: &'a [Source],
    effects: &'a Effects,
    contents: &[(&str, &[u8])],
    keep: impl Fn(&str) -> bool,
) -> (Vec<(LayerSetup<'a>, Made)>, Vec<String>) {
    let mut setup = Setup::new(image_of(recipe, sources), effects);
    let layers = (0..recipe.layers.len()).map(|number| {
        let of_layer = sources.iter().filter(|source| source.layer == number);
        let files = of_layer.flat_map(|source| {
            source
                .entries
                .iter()
                .map(|(entry, marks)| (&entry.path, ShippedFile { package: source.name, entry, marks }))
        });
        let files = files.filter(|(path, _)| keep(path.as_str())).collect();
        let exclude = image::exclusions(&setup.image, number);
        let layer = LayerFiles { number, files, exclude };
        let wanted = setup.wants(&layer);
        let given = contents.iter().map(|(path, bytes)| (RootPath::parse(path).unwrap(), bytes.to_vec()));
        let given = given.filter(|(path, _)| wanted.contains(path)).collect();
        let laid = setup.layer(&layer, &given).unwrap();
        (laid, setup.records(&Made::new()))
    });
    let layers = layers.collect();
    (layers, setup.failures().to_vec())
}

fn text(made: &Made, path: &str) -> String {
    match made.get(&fixed(path)).map(|file| &file.content) {
        Some(Content::Bytes(bytes)) => String::from_utf8(bytes.clone()).unwrap(),
        _ => panic!("{path} is not made"),
    }
}

fn paths(made: &Made) -> Vec<String> {
    let shown = made.iter().map(|(path, file)| match &file.entry.kind {
        EntryKind::Symlink { target } => format!("{path} -> {target}"),
        EntryKind::Directory => format!("{path}/"),
        _ => path.to_string(),
    });
    shown.collect()
}

fn listed(made: &Made) -> Vec<String> {
    let text = text(made, "/lib/apk/db/installed");
    text.lines().filter_map(|line| line.strip_prefix("P:")).map(str::to_owned).collect()
}

const ALL: fn(&str) -> bool = |_| true;

#[test]
fn accounts_of_scripts_are_made_where_their_package_is_and_own_its_files() {
    let recipe = recipe(2, "[[user]]\nname = \"own\"\nuid = 700\n");
    let user = |name: &str, group: &str, home: Option<&str>| Effect::User {
        name: name.to_owned(),
        uid: None,
        group: Some(group.to_owned()),
        groups: Vec::new(),
        home: home.map(str::to_owned),
        shell: None,
        gecos: Some(name.to_owned()),
        create_home: home.is_some(),
        system: true,
    };
    let of = |package: &str, effects: Vec<Effect>| {
        (
            package.to_owned(),
            PackageEffects { package: package.to_owned(), effects, ..PackageEffects::default() },
        )
    };
    let effects = Effects::from([
        of("left-out", vec![user("other", "nogroup", None)]),
        of(
            "pulse",
            vec![
                Effect::Group { name: "pulse".to_owned(), gid: None, system: true },
                user("pulse", "pulse", Some("/var/lib/home")),
                Effect::Member { user: "pulse".to_owned(), group: "audio".to_owned() },
                user("z", "nosuch", None),
                user("bad:name", "pulse", None),
            ],
        ),
    ]);
    let sources = [
        source("data", 0, &["/etc/passwd", "/etc/group", "/etc/shadow"], &[]),
        source("left-out", 0, &["/usr/left"], &[]),
        source(
            "pulse",
            1,
            &[
                "/usr/bin/pulse",
                "pulse:pulse /var/lib/pulse/",
                "pulse:nobody-knows /var/lib/pulse/x",
                "root:audio /dev/y",
            ],
            &[],
        ),
    ];
    let passwd = b"root:x:0:0:root:/root:/bin/sh\n";
    let group = b"root:x:0:\naudio:x:18:\nnogroup:x:65533:\n";
    let contents: [(&str, &[u8]); 3] =
        [("/etc/passwd", passwd), ("/etc/group", group), ("/etc/shadow", b"root:*::0:::::\n")];
    let (layers, failures) = lay(&recipe, &sources, &effects, &contents, |path| path != "/usr/left");
    let (lower, upper) = (&layers[0].0, &layers[1].0);
    assert_eq!(paths(&lower.made), ["/etc/group", "/etc/passwd", "/etc/shadow"]);
    let own = "own:x:700:700::/nonexistent:/sbin/nologin\n";
    assert_eq!(text(&lower.made, "/etc/passwd"), String::from_utf8_lossy(passwd).into_owned() + own);
    assert_eq!(listed(&layers[0].1), ["data"]);

    assert_eq!(paths(&upper.made), ["/etc/group", "/etc/passwd", "/etc/shadow", "/var/lib/home/"]);
    let (uid, gid) = (upper.accounts.user_id("pulse").unwrap(), upper.accounts.group_id("pulse").unwrap());
    let pulse = format!("pulse:x:{uid}:{gid}:pulse:/var/lib/home:/sbin/nologin\n");
    assert_eq!(text(&upper.made, "/etc/passwd"), text(&lower.made, "/etc/passwd") + &pulse);
    assert!(text(&upper.made, "/etc/group").contains("audio:x:18:pulse\n"));
    let home = &upper.made[&fixed("/var/lib/home")].entry.metadata;
    assert_eq!((home.mode, home.uid, home.gid), (0o2755, uid, gid));
    let owners: Vec<(&str, [u32; 2])> =
        upper.owners.iter().map(|(path, owner)| (path.as_str(), *owner)).collect();
    assert_eq!(owners, [("/dev/y", [0, 18]), ("/var/lib/pulse", [uid, gid]), ("/var/lib/pulse/x", [uid, 0])]);
    let database = text(&layers[1].1, "/lib/apk/db/installed");
    assert!(
        database.contains(&format!("F:var/lib/pulse\nM:{uid}:{gid}:755\nR:x\na:{uid}:0:644\n")),
        "{database}"
    );
    assert_eq!(listed(&layers[1].1), ["data", "pulse"]);
    assert_eq!((lower.installed.as_slice(), upper.installed.as_slice()), (&["data"][..], &["pulse"][..]));
    let told = ["z", "bad:name"].map(|name| format!("pulse: the account `{name}` cannot be made"));
    assert_eq!(failures, told);
}

/// A program with these applets, whose places are `/bin` but for `[`.
fn busybox() -> Vec<u8> {
    b"\x7fELF \xff\x13\x11\x11\x01\xff\0[\0cat\0cp\0excluded\0ls\0mount\0sh\0\0".to_vec()
}

#[test]
fn links_are_made_where_nothing_is_and_belong_to_the_layer_of_their_program() {
    let recipe = recipe(2, "");
    let call = &[("post-install", "#!/bin/busybox sh\n/bin/busybox --install -s || exit 1\n")][..];
    let sources = [
        source("busybox", 0, &["/bin/busybox", "/bin/sh -> busybox"], call),
        source("coreutils", 0, &["/bin/ls"], &[]),
        source("suid", 1, &["/bin/bbsuid", "/bin/cat"], &[("post-install", "exec /bin/bbsuid --install")]),
    ];
    let bbsuid = b"\x7fELF\0/bin/bbsuid\0/bin/mount\0/bin/cat\0/usr/bin/su\0".to_vec();
    let contents: [(&str, &[u8]); 2] = [("/bin/busybox", &busybox()), ("/bin/bbsuid", &bbsuid)];
    let (layers, _) = lay(&recipe, &sources, no_effects(), &contents, ALL);
    let links = |number: usize| {
        let all = paths(&layers[number].0.made);
        all.into_iter().filter(|path| path.contains(" -> ")).collect::<Vec<_>>()
    };
    assert_eq!(
        links(0),
        [
            "/bin/cat -> /bin/busybox",
            "/bin/cp -> /bin/busybox",
            "/bin/mount -> /bin/busybox",
            "/usr/bin/[ -> /bin/busybox"
        ]
    );
    assert_eq!(links(1), ["/bin/mount -> /bin/bbsuid", "/usr/bin/su -> /bin/bbsuid"]);
    // A busybox that nobody installs, and one whose applets cannot be told.
    let silent = [source("busybox", 0, &["/bin/busybox"], &[])];
    let (layers, _) = lay(&recipe, &silent, no_effects(), &contents, ALL);
    assert!(!paths(&layers[0].0.made).iter().any(|path| path.contains(" -> ")));
    let sources = [source("busybox", 0, &["/bin/busybox"], call)];
    let mut setup = Setup::new(image_of(&recipe, &sources), no_effects());
    let (entry, marks) = &sources[0].entries[0];
    let files = [(&entry.path, ShippedFile { package: "busybox", entry, marks })].into();
    let layer = LayerFiles { number: 0, files, exclude: Vec::new() };
    let error = setup.layer(&layer, &[(fixed("/bin/busybox"), b"\x7fELF".to_vec())].into()).unwrap_err();
    assert_eq!(error.to_string(), "cannot tell the commands of /bin/busybox");
}

#[test]
fn a_merged_root_has_its_links_and_records_behind_the_packages_links() {
    let recipe = recipe(1, "");
    let call = &[("trigger", "/usr/bin/busybox --install -s")][..];
    let sources = [source(
        "busybox",
        0,
        &["/bin -> usr/bin", "/lib -> usr/lib", "/usr/bin/", "/usr/bin/busybox"],
        call,
    )];
    let (layers, _) = lay(&recipe, &sources, no_effects(), &[("/usr/bin/busybox", &busybox())], ALL);
    assert!(paths(&layers[0].0.made).contains(&"/usr/bin/cat -> /usr/bin/busybox".to_owned()));
    let records = paths(&layers[0].1);
    assert!(records.contains(&"/usr/lib/apk/db/installed".to_owned()), "{records:?}");
}

#[test]
fn what_the_recipe_puts_in_a_package_s_place_is_none_of_the_package_s() {
    let recipe = recipe(1, "");
    let sources = [
        source("a", 0, &["/etc/", "/etc/a", "/etc/b"], &[]),
        source("c", 0, &["/etc/c"], &[]),
        source("none", 0, &[], &[]),
    ];
    let mut setup = Setup::new(image_of(&recipe, &sources), no_effects());
    let files = sources.iter().flat_map(|source| {
        let files = source.entries.iter();
        files.map(|(entry, marks)| (&entry.path, ShippedFile { package: source.name, entry, marks }))
    });
    let layer = LayerFiles { number: 0, files: files.collect(), exclude: Vec::new() };
    setup.layer(&layer, &BTreeMap::new()).unwrap();
    let replaced =
        ["/etc/b", "/etc/c"].map(|path| (fixed(path), MadeFile::file(fixed(path), 0o644, Vec::new())));
    let made = setup.records(&replaced.into());
    // One without files is there as it is.
    assert_eq!(listed(&made), ["a", "none"]);
    let database = text(&made, "/lib/apk/db/installed");
    assert!(database.contains("R:a\n") && !database.contains("R:b\n"));
    assert_eq!(text(&made, "/etc/apk/repositories"), "https://example.org/main\n");
    assert_eq!(text(&made, "/etc/apk/arch"), "x86_64\n");
    assert!(!made.contains_key(&fixed("/lib/apk/db/lock")));
    // Once more, nothing is new.
    assert_eq!(setup.records(&Made::new()), Made::new());
}
