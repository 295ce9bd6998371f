//! What Alpine's packages can say, end to end: packages made here, and the image that comes of them.

use std::collections::BTreeMap;

use rootforge::arch::Arch;
use rootforge::tarball::EntryKind;

use crate::alpine::apks::{Repository, key, repository, rig};
use crate::support::{Image, Rig};

const BUILD: [&str; 4] = ["build", "r.toml", "--arch", "amd64"];

/// libc, as its package has it.
const MUSL: &str = "
     Package: musl
     Provides: so:libc.musl-x86_64.so.1=1
     /lib/ld-musl-x86_64.so.1 elf soname=libc.musl-x86_64.so.1
     /lib/libc.musl-x86_64.so.1 -> ld-musl-x86_64.so.1
";

/// A layer that keeps all of its packages.
fn all(packages: &str) -> String {
    format!("[[layer]]\nname = \"main\"\nkeep = \"all\"\npackages = [{packages}]\n")
}

/// The image of packages and the rest of a recipe; none where there is no openssl.
fn build(packages: &str, recipe: &str) -> Option<(Rig, Image)> {
    let rig = rig(packages, recipe)?;
    rig.run(&BUILD).ok();
    let image = Image::read(&rig.work("images"), "r");
    image.assert_sound();
    Some((rig, image))
}

/// The paragraph of a package in the image's database.
fn record<'a>(image: &'a Image, package: &str) -> Option<Vec<&'a str>> {
    let paragraphs = image.text("/lib/apk/db/installed").split("\n\n");
    let mut paragraphs = paragraphs.map(|text| text.lines().collect::<Vec<_>>());
    paragraphs.find(|lines| lines.contains(&format!("P:{package}").as_str()))
}

fn names(image: &Image) -> Vec<&str> {
    let lines = image.text("/lib/apk/db/installed").lines();
    lines.filter_map(|line| line.strip_prefix("P:")).collect()
}

#[track_caller]
fn owner(image: &Image, path: &str) -> [u32; 3] {
    let (entry, _) = image.get(path).unwrap_or_else(|| panic!("no {path}"));
    [entry.metadata.uid, entry.metadata.gid, entry.metadata.mode]
}

#[test]
fn users_of_scripts_own_files_by_name() {
    let packages = "
     Package: base
     /etc/passwd 0644 root:x:0:0:root:/root:/bin/ash\\n
     /etc/group 0644 root:x:0:root\\n

     Package: daemon
     Owned: /var/lib/app app:app
     Owned: /etc/app.conf root:app
     Owned: /var/spool/extra extra:app
     pre-install addgroup -S -g 123 app 2>/dev/null
     pre-install adduser -S -D -H -u 122 -h /var/lib/app -s /sbin/nologin -G app -g 'The app' app 2>/dev/null
     pre-install adduser -S -D -H -s /sbin/nologin -G app extra 2>/dev/null
     pre-install exit 0
     /var/lib/app/ 0750
     /var/spool/extra 0600 x
     /etc/app.conf 0640 secret
     /usr/bin/app 0755 #!/bin/sh\\n";
    let recipe = all("\"base\", \"daemon\"");
    let Some((_rig, image)) = build(packages, &recipe) else { return };
    let passwd = image.text("/etc/passwd");
    assert!(passwd.starts_with("root:x:0:0:root:/root:/bin/ash\n"), "{passwd}");
    assert!(passwd.contains("\napp:x:122:123:The app:/var/lib/app:/sbin/nologin\n"), "{passwd}");
    let extra = passwd.lines().find_map(|line| line.strip_prefix("extra:x:")).unwrap();
    let uid: u32 = extra.split(':').next().unwrap().parse().unwrap();
    assert!((100..=999).contains(&uid), "{passwd}");
    assert!(image.text("/etc/group").contains("\napp:x:123:"), "{}", image.text("/etc/group"));
    assert_eq!(owner(&image, "/var/lib/app"), [122, 123, 0o750]);
    assert_eq!(owner(&image, "/etc/app.conf"), [0, 123, 0o640]);
    assert_eq!(owner(&image, "/var/spool/extra"), [uid, 123, 0o600]);
    let record = record(&image, "daemon").unwrap();
    for line in ["F:var/lib/app", "M:122:123:750", "R:app.conf", "a:0:123:640"] {
        assert!(record.contains(&line), "{record:?}");
    }

    // The recipe's user of that name goes before.
    let more = "files = [{ path = \"/srv/app\", type = \"dir\", owner = \"app\" }]\n\
                [[user]]\nname = \"app\"\nuid = 500\n[image]\nuser = \"app\"\n";
    let (_rig, image) = build(packages, &(recipe.clone() + more)).unwrap();
    assert!(image.text("/etc/passwd").contains("\napp:x:500:"), "{}", image.text("/etc/passwd"));
    assert_eq!(owner(&image, "/var/lib/app")[0], 500);
    assert_eq!(owner(&image, "/srv/app")[0], 500);

    // Without one the recipe may speak of the script's all the same, but of nobody else.
    let more =
        "files = [{ path = \"/srv/app\", type = \"dir\", owner = \"app\" }]\n[image]\nuser = \"app\"\n";
    let (_rig, image) = build(packages, &(recipe.clone() + more)).unwrap();
    assert_eq!(owner(&image, "/srv/app")[..2], [122, 123]);
    assert_eq!(image.config["config"]["User"], "app");
    let rig = rig(packages, &(recipe + "[image]\nuser = \"nobody-else\"\n")).unwrap();
    rig.run(&BUILD).fails(2, &["nobody defines the user `nobody-else`", "r.toml:", "add `[[user]]`"]);
}

#[test]
fn a_file_is_that_of_the_package_that_replaces_the_other() {
    let packages = "
     Package: a-old
     /etc/conf 0644 old
     /etc/old 0644 old

     Package: b-new
     Replaces: a-old
     /etc/conf 0644 new

     Package: c-clash
     /etc/conf 0644 clash";
    for order in ["\"a-old\", \"b-new\"", "\"b-new\", \"a-old\""] {
        let Some((_rig, image)) = build(packages, &all(order)) else { return };
        assert_eq!(image.text("/etc/conf"), "new");
        assert_eq!(image.text("/etc/old"), "old");
        assert!(record(&image, "b-new").unwrap().contains(&"R:conf"));
        let old = record(&image, "a-old").unwrap();
        assert!(!old.contains(&"R:conf") && old.contains(&"R:old"), "{old:?}");
    }
    let rig = rig(packages, &all("\"b-new\", \"c-clash\"")).unwrap();
    rig.run(&BUILD).ok().says(&["/etc/conf is in b-new and in c-clash, and neither replaces the other"]);
}

#[test]
fn what_install_if_brings_in_comes() {
    let packages = "
     Package: a
     Depend: lib
     /usr/share/a 0644 a

     Package: lib
     /usr/share/lib 0644 lib

     Package: docs
     /usr/share/docs 0644 docs

     Package: a-docs
     Install-If: docs a=1.0-r0
     /usr/share/a-docs 0644 a

     Package: a-never
     Install-If: docs a>1.0-r0
     /usr/share/a-never 0644 a";
    let Some((_rig, image)) = build(packages, &all("\"a\"")) else { return };
    assert_eq!(names(&image), ["a", "lib"]);
    let (_rig, image) = build(packages, &all("\"a\", \"docs\"")).unwrap();
    assert_eq!(names(&image), ["a", "a-docs", "docs", "lib"]);
    assert_eq!(image.text("/usr/share/a-docs"), "a");
    // Nobody asked for it, so it is not in the world.
    assert_eq!(image.text("/etc/apk/world"), "a\ndocs\n");

    // It lies where the last of what it is for lies, whichever that is.
    for order in [["a", "docs"], ["docs", "a"]] {
        let layer =
            |name: &str| format!("[[layer]]\nname = \"{name}\"\nkeep = \"all\"\npackages = [\"{name}\"]\n");
        let (_rig, image) = build(packages, &order.map(layer).concat()).unwrap();
        let has = |path: &str| -> Vec<bool> {
            let layers = image.layers.iter();
            layers.map(|(_, members)| members.iter().any(|(entry, _)| entry.path.as_str() == path)).collect()
        };
        assert_eq!(has("/usr/share/a-docs"), [false, true], "{order:?}");
        assert_eq!(has("/usr/share/lib"), [order[0] == "a", order[0] != "a"], "{order:?}");
    }
}

const SHELLS: &str = "
     Package: dash
     Provides: cmd:dash=1.0-r0 /bin/sh
     /bin/dash 0755 dash

     Package: box
     Provides: cmd:box=1.0-r0
     /bin/box 0755 box

     Package: box-sh
     Depend: box=1.0-r0
     Provides: /bin/sh cmd:sh=1.0-r0
     Provider-Priority: 100
     /bin/sh -> /bin/box

     Package: other-sh
     Provides: /bin/sh cmd:sh=1.0-r0
     Provider-Priority: 10
     /bin/sh 0755 other

     Package: app
     Depend: /bin/sh
     /usr/bin/app 0755 app

     Package: purist
     Depend: !box-sh
     /usr/bin/purist 0755 purist";

#[test]
fn packages_are_asked_for_by_what_they_provide() {
    let cases: [(&str, &[&str]); 5] = [
        ("\"cmd:dash\"", &["dash"]),
        ("\"/bin/sh\"", &["box", "box-sh"]),
        ("\"cmd:sh=1.0-r0\", \"app\"", &["app", "box", "box-sh"]),
        // What must not be there, by the recipe or by a package.
        ("\"app\", \"!box-sh\"", &["app", "other-sh"]),
        ("\"app\", \"purist\"", &["app", "other-sh", "purist"]),
    ];
    for (packages, expected) in cases {
        let Some((_rig, image)) = build(SHELLS, &all(packages)) else { return };
        assert_eq!(names(&image), expected, "{packages}");
    }
    let (_rig, image) = build(SHELLS, &all("\"!box-sh\", \"cmd:dash\", \"/bin/sh\"")).unwrap();
    assert_eq!(image.text("/etc/apk/world"), "/bin/sh\n!box-sh\ncmd:dash\n");
    let rig = rig(SHELLS, &all("\"purist\", \"box-sh\"")).unwrap();
    rig.run(&BUILD).fails(1, &["box-sh", "purist"]);
    assert!(!rig.work("r.lock").exists());
}

/// Two layers: the second brings another package, and one below it that the first has already.
#[test]
fn an_upper_layer_adds_and_changes_nothing_below() {
    let packages = "
     Package: base
     Triggers: /usr/share
     trigger : nothing
     /etc/passwd 0644 root:x:0:0:root:/root:/bin/ash\\n
     /usr/share/base 0644 base

     Package: upper
     Depend: base
     post-install : nothing
     /usr/share/upper 0644 upper";
    let lower = all("\"base\"");
    let upper = |text: &str| {
        format!(
            "{lower}[[layer]]\nname = \"top\"\nkeep = \"all\"\npackages = [\"upper\"]\n\
             files = [{{ path = \"/etc/motd\", content = \"{text}\" }}]\n"
        )
    };
    let Some((alone, image)) = build(packages, &lower) else { return };
    let (two, stacked) = build(packages, &upper("one")).unwrap();
    let (other, changed) = build(packages, &upper("two")).unwrap();
    let layers = |rig: &Rig| -> Vec<String> { layers(rig).into_iter().map(|(digest, _)| digest).collect() };
    assert_eq!(layers(&alone).len(), 1);
    assert_eq!(layers(&two)[0], layers(&alone)[0]);
    assert_eq!(layers(&other)[0], layers(&alone)[0]);
    assert_ne!(layers(&two)[1], layers(&other)[1]);
    assert_eq!(image.layers[0], stacked.layers[0]);
    assert_eq!(changed.text("/etc/motd"), "two");

    // The database of both, in the upper one alone; what did not change is not there again.
    assert_eq!(names(&image), ["base"]);
    assert_eq!(names(&stacked), ["base", "upper"]);
    assert_eq!(image.text("/etc/apk/world"), "base\n");
    assert_eq!(stacked.text("/etc/apk/world"), "base\nupper\n");
    let mut in_upper: Vec<&str> = stacked.layers[1]
        .1
        .iter()
        .filter(|(entry, _)| entry.kind != EntryKind::Directory)
        .map(|(entry, _)| entry.path.as_str())
        .collect();
    in_upper.sort_unstable();
    assert_eq!(
        in_upper,
        [
            "/etc/apk/world",
            "/etc/motd",
            "/lib/apk/db/installed",
            "/lib/apk/db/scripts.tar",
            "/usr/share/upper",
        ]
    );
}

/// The layers of the only image, digest and size.
fn layers(rig: &Rig) -> Vec<(String, u64)> {
    let json = |path: &str| -> serde_json::Value { serde_json::from_str(&rig.read(path)).unwrap() };
    let index = json("images/index.json");
    let digest = index["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
    let manifest = json(&format!("images/blobs/{digest}"));
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers
        .map(|layer| (layer["digest"].as_str().unwrap().to_owned(), layer["size"].as_u64().unwrap()))
        .collect()
}

/// The links to busybox belong to the layer that has it, and are not made again above.
#[test]
fn links_to_busybox_are_not_repeated() {
    let Some(_) = crate::alpine::corpus::corpus() else { return };
    let rig = Rig::new();
    let layers = all("\"alpine-baselayout\", \"busybox\"")
        + "[[layer]]\nname = \"top\"\nkeep = \"all\"\npackages = [\"zlib\"]\n";
    rig.write("r.toml", format!("name = \"r\"\n{}{layers}", crate::alpine::corpus::repository("v3.20")));
    rig.run(&BUILD).ok();
    let image = Image::read(&rig.work("images"), "r");
    let links = |number: usize| {
        let members = image.layers[number].1.iter();
        members
            .filter(|(entry, _)| entry.kind == EntryKind::Symlink { target: "/bin/busybox".into() })
            .count()
    };
    assert!(links(0) > 290, "{}", links(0));
    assert_eq!(links(1), 0);
    assert!(names(&image).contains(&"zlib") && names(&image).contains(&"busybox"));
}

#[test]
fn a_tag_names_the_repository() {
    let main = "Package: app\nVersion: 1.0-r0\nDepend: lib\n/usr/bin/app 0755 main\n\nPackage: lib\n/usr/share/lib 0644 main";
    let edge = main
        .replace("1.0-r0", "2.0-r0")
        .replace("main", "edge")
        .replace("Package: lib\n", "Package: lib\nVersion: 2.0-r0\n");
    let edge_repository = repository("edge") + "tag = \"edge\"\n";
    let recipe = |package: &str| edge_repository.clone() + &all(package);
    for (package, app) in [("\"app\"", "main"), ("\"app@edge\"", "edge")] {
        let Some(rig) = rig(main, &recipe(package)) else { return };
        Repository::of(&edge, &[Arch::Amd64]).write(&rig.work("edge"), key().unwrap());
        rig.run(&BUILD).ok();
        let image = Image::read(&rig.work("images"), "r");
        assert_eq!(image.text("/usr/bin/app"), app);
        // apk prefers what is not tagged for what was not asked for by the tag.
        assert_eq!(image.text("/usr/share/lib"), "main");
        assert_eq!(image.text("/etc/apk/world"), package.replace('"', "") + "\n");
    }
}

#[test]
fn the_recipe_has_the_last_word_on_files() {
    let packages = "
     Package: app
     /etc/app.conf 0644 package
     /usr/share/app/a 0644 a
     /usr/share/app/deep/b 0644 b
     /usr/share/kept 0644 kept";
    let recipe = all("\"app\"")
        + "exclude = [\"/usr/share/app/**\"]\nfiles = [{ path = \"/etc/app.conf\", content = \"recipe\" }]\n";
    let Some((_rig, image)) = build(packages, &recipe) else { return };
    assert_eq!(image.text("/etc/app.conf"), "recipe");
    assert!(image.get("/usr/share/app/a").is_none());
    let record = record(&image, "app").unwrap();
    let files: Vec<&&str> = record.iter().filter(|line| line.starts_with("R:")).collect();
    assert_eq!(files, [&"R:kept"], "{record:?}");
    assert!(!record.contains(&"F:usr/share/app/deep"), "{record:?}");
}

#[test]
fn needed_follows_the_libraries_of_musl() {
    let packages = format!(
        "{MUSL}
     Package: app
     Depend: so:libx.so.1 so:libc.musl-x86_64.so.1
     /usr/bin/app elf program interp=/lib/ld-musl-x86_64.so.1 needed=libx.so.1,libc.musl-x86_64.so.1

     Package: libx
     Provides: so:libx.so.1=1.2
     Depend: so:liby.so.2
     /usr/lib/libx.so.1 -> libx.so.1.2
     /usr/lib/libx.so.1.2 elf soname=libx.so.1 needed=liby.so.2
     /usr/lib/libx-unused.so.1 elf soname=libx-unused.so.1
     /usr/bin/x-tool elf program

     Package: liby
     Provides: so:liby.so.2=2
     /usr/lib/liby.so.2 elf soname=liby.so.2 needed=libc.musl-x86_64.so.1"
    );
    let recipe = "[[layer]]\nname = \"main\"\npackages = [\"app\"]\n";
    let Some((rig, image)) = build(&packages, recipe) else { return };
    for path in ["/usr/bin/app", "/usr/lib/libx.so.1", "/usr/lib/libx.so.1.2", "/usr/lib/liby.so.2"] {
        assert!(image.get(path).is_some(), "{path}");
    }
    assert!(image.get("/lib/ld-musl-x86_64.so.1").is_some());
    for path in ["/usr/lib/libx-unused.so.1", "/usr/bin/x-tool"] {
        assert!(image.get(path).is_none(), "{path}");
    }
    assert_eq!(names(&image), ["app", "libx", "liby", "musl"]);
    let record = record(&image, "libx").unwrap();
    assert!(record.contains(&"R:libx.so.1.2") && !record.contains(&"R:x-tool"), "{record:?}");
    rig.run(&["check", "oci:images:r"]).ok();

    // One that nobody has, and one that its package says and lacks.
    let unknown = packages.replace("needed=liby.so.2", "needed=libgone.so.3");
    let rig = self::rig(&unknown, recipe).unwrap();
    rig.run(&BUILD).fails(1, &["libgone.so.3", "/usr/lib/libx.so.1"]);
    let lacking = packages.replace("/usr/lib/liby.so.2 elf", "/usr/lib/another.so.2 elf");
    let rig = self::rig(&lacking, recipe).unwrap();
    rig.run(&BUILD).fails(1, &["liby.so.2", "/usr/lib/libx.so.1"]);
    assert!(!rig.work("images/index.json").exists());
    // No package provides what another depends on: found before anything is fetched.
    let unsolvable = packages.replace("Provides: so:liby.so.2=2", "Provides: so:liby.so.3=2");
    let rig = self::rig(&unsolvable, recipe).unwrap();
    rig.run(&BUILD).fails(1, &["so:liby.so.2", "libx"]);
    assert!(!rig.work("r.lock").exists());
}

#[test]
fn hard_links_attributes_and_modes_survive() {
    let packages = "
     Package: app
     /usr/bin/app 4755 app
     /usr/bin/again => /usr/bin/app
     /usr/bin/ping 0755+cap ping
     /var/games 2775@0:35 x
     /var/tmp/ 1777";
    let Some((_rig, image)) = build(packages, &all("\"app\"")) else { return };
    assert_eq!(owner(&image, "/usr/bin/app"), [0, 0, 0o4755]);
    let links: BTreeMap<&str, &EntryKind> =
        image.layers[0].1.iter().map(|(entry, _)| (entry.path.as_str(), &entry.kind)).collect();
    let pair = [links["/usr/bin/app"], links["/usr/bin/again"]];
    assert_eq!(pair.iter().filter(|kind| matches!(kind, EntryKind::HardLink { .. })).count(), 1, "{pair:?}");
    assert!(image.get("/usr/bin/ping").unwrap().0.metadata.xattrs.contains_key("security.capability"));
    assert_eq!(owner(&image, "/var/games"), [0, 35, 0o2775]);
    assert_eq!(owner(&image, "/var/tmp"), [0, 0, 0o1777]);
}
