//! The same recipe and lock give the same digest, whatever the machine is like.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::support::archive::DATE;
use crate::support::rig::run;
use crate::support::server::Server;
use crate::support::{Archive, Image, Rig};
use rootforge::arch::Arch;

const PACKAGES: &str = "Package: app
     Depends: libx1, data
     /usr/bin/app elf program needed=libx.so.1
     /usr/bin/again => /usr/bin/app
     /etc/app.conf 0640@0:42 conf
     /var/lib/app/ 0700@33:33
     md5sums 11111111111111111111111111111111  usr/bin/app

     Package: libx1
     /lib/{triplet}/libx.so.1 -> libx.so.1.2
     /lib/{triplet}/libx.so.1.2 elf soname=libx.so.1

     Package: data
     Architecture: all
     /usr/share/data/a 0644 a
     /usr/share/data/b 0644 b

     Package: tool
     /usr/bin/tool 4755 #!/bin/sh
     /usr/share/tool 0644+cap tool

     Package: dash
     Essential: yes
     /bin/dash elf program
     /bin/sh -> dash";

fn archive() -> Archive {
    Archive::new(PACKAGES).for_archs(&[Arch::Amd64, Arch::S390x])
}

fn text(packages: &str) -> String {
    format!(
        "[[layer]]
         name = \"main\"
         packages = [{packages}]
         [[layer]]
         name = \"files\"
         files = [
           {{ path = \"/etc/motd\", content = \"hello\" }},
           {{ path = \"/opt/site\", source = \"site\" }},
           {{ path = \"/usr/bin/run\", source = \"run.sh\" }},
         ]
         [[user]]
         name = \"somebody\"
         [image]
         user = \"somebody\"
         env = {{ A = \"1\", B = \"2\" }}
         labels = {{ x = \"y\", a = \"b\" }}
        "
    )
}

/// A rig with the recipe and the files it brings.
fn prepare(archive: &Archive) -> Rig {
    let rig = Rig::with(archive);
    rig.recipe(&text(r#""app", "tool""#));
    for name in ["z", "a", "m/n"] {
        rig.write(&format!("site/{name}"), name);
    }
    let script = rig.write("run.sh", "#!/bin/sh\n");
    std::fs::set_permissions(script, PermissionsExt::from_mode(0o755)).unwrap();
    rig
}

const BUILD: [&str; 4] = ["build", "r.toml", "--arch", "amd64,s390x"];

#[test]
fn nothing_of_the_machine_gets_in() {
    let rig = prepare(&archive());
    let digest = rig.run(&BUILD).ok().digest();
    for image in Image::read_all(&rig.work("images"), "r").values() {
        image.assert_sound();
    }
    let in_environment = |name: &str, value: &str| {
        let rig = prepare(&archive());
        run(rig.command(&BUILD).env(name, value)).ok().digest()
    };
    for (name, value) in [
        ("TZ", "Pacific/Kiritimati"),
        ("LANG", "tr_TR.UTF-8"),
        ("LC_ALL", "C"),
        ("RAYON_NUM_THREADS", "1"),
        ("RAYON_NUM_THREADS", "7"),
        ("HOSTNAME", "elsewhere"),
        ("USER", "somebody"),
    ] {
        assert_eq!(in_environment(name, value), digest, "{name}={value}");
    }
    // Warm, and without the lock.
    assert_eq!(rig.run(&BUILD).ok().digest(), digest);
    std::fs::remove_file(rig.work("r.lock")).unwrap();
    assert_eq!(rig.run(&BUILD).ok().digest(), digest);
    // Derived entries gone.
    let derived = rig.cache().join("derived");
    std::fs::remove_dir_all(&derived).unwrap();
    assert_eq!(rig.run(&BUILD).ok().digest(), digest);
    // One kind of them alone: packages that an earlier run has listed are read again, others when they are listed.
    let kinds: BTreeSet<OsString> =
        std::fs::read_dir(&derived).unwrap().map(|kind| kind.unwrap().file_name()).collect();
    for kept in &kinds {
        let others = kinds.iter().filter(|other| *other != kept).map(|other| derived.join(other));
        for other in others.filter(|other| other.exists()) {
            std::fs::remove_dir_all(other).unwrap();
        }
        std::fs::remove_dir_all(rig.work("images")).unwrap();
        assert_eq!(rig.run(&BUILD).ok().digest(), digest, "{}", kept.display());
    }
}

/// The layers in a layout, each with the number of its file.
fn layer_files(rig: &Rig, layout: &str) -> BTreeMap<String, u64> {
    let blobs = std::fs::read_dir(rig.work(&format!("{layout}/blobs/sha256"))).unwrap().flatten();
    let layers = blobs.filter(|blob| std::fs::read(blob.path()).unwrap().starts_with(&[0x1f, 0x8b]));
    layers.map(|blob| (blob.file_name().into_string().unwrap(), blob.metadata().unwrap().ino())).collect()
}

#[test]
fn a_layer_is_packed_once_and_damage_to_it_is_noticed() {
    let rig = prepare(&archive());
    let to = |layout: &str| [&BUILD[..], &["--output", &format!("oci:{layout}:r")]].concat().join(" ");
    let build = |layout: &str| {
        let call = to(layout);
        rig.run(&call.split(' ').collect::<Vec<_>>()).ok().digest()
    };
    let digest = build("one");
    let first = layer_files(&rig, "one");
    // Another layout gets the same files, by further links.
    assert_eq!(build("two"), digest);
    assert_eq!(layer_files(&rig, "two"), first);
    // One byte changed in each: they are made anew, wherever they are.
    for hex in first.keys() {
        let path = rig.work(&format!("one/blobs/sha256/{hex}"));
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    for layout in ["one", "three", "two"] {
        assert_eq!(build(layout), digest, "{layout}");
        for image in Image::read_all(&rig.work(layout), "r").values() {
            image.assert_sound();
        }
    }
    assert_eq!(layer_files(&rig, "three"), layer_files(&rig, "two"));
    // A file of the recipe with other content of the same length: its layer alone is another.
    rig.write("site/a", "b");
    assert_ne!(build("four"), digest);
    let (before, after) = (layer_files(&rig, "two"), layer_files(&rig, "four"));
    let kept = before.iter().filter(|(hex, file)| after.get(*hex) == Some(*file)).count();
    assert_eq!((before.len(), after.len(), kept), (3, 3, 2));
}

#[test]
fn nor_the_umask_nor_the_place_nor_times_of_files() {
    let rig = prepare(&archive());
    let digest = rig.run(&BUILD).ok().digest();
    for umask in ["000", "077"] {
        let rig = prepare(&archive());
        for name in ["site/z", "site", "site/m"] {
            let mode = if umask == "077" { 0o700 } else { 0o775 };
            let mode = if name == "site/z" { mode & 0o664 } else { mode };
            std::fs::set_permissions(rig.work(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        let inner = rig.command(&BUILD);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
        command.arg(inner.get_program()).args(inner.get_args());
        command.current_dir(rig.path("work")).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        assert_eq!(run(&mut command).ok().digest(), digest, "umask {umask}");
    }
    // From another directory, with the recipe elsewhere, another home, and old files.
    let rig = prepare(&archive());
    std::fs::rename(rig.path("work"), rig.path("other")).unwrap();
    std::fs::create_dir(rig.path("work")).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(12345);
    std::fs::File::open(rig.path("other/site/a")).unwrap().set_modified(old).unwrap();
    let place = format!("oci:{}", rig.path("images elsewhere").display());
    let mut command = rig.command(&["build", "../other/r.toml", "--arch", "amd64,s390x", "--output", &place]);
    command.env("HOME", rig.path("another home")).env("XDG_CACHE_HOME", rig.path("cache"));
    let ran = run(&mut command).ok();
    assert_eq!(ran.digest(), digest);
    assert!(rig.path("cache/rootforge").exists());
}

#[test]
fn nor_the_order_in_which_things_are_named_nor_the_mirror() {
    let rig = prepare(&archive());
    let digest = rig.run(&BUILD).ok().digest();
    // Another order in the recipe.
    rig.recipe(&text(r#""tool", "app""#));
    assert_eq!(rig.run(&["build", "r.toml", "--arch", "s390x,amd64"]).ok().digest(), digest);
    // In the index, other compressions, another mirror.
    let mut turned = archive();
    turned.lists.values_mut().for_each(|list| list.reverse());
    turned.endings = vec![".gz"];
    let other = prepare(&turned);
    assert_eq!(other.run(&BUILD).ok().digest(), digest);
    let server = Server::of(turned.files());
    let fresh = prepare(&archive());
    assert_eq!(fresh.run_at(&server.root(), &BUILD).ok().digest(), digest);
    let file = format!("file://{}", rig.path("archive").display());
    let fresh = prepare(&archive());
    assert_eq!(fresh.run_at(&file, &BUILD).ok().digest(), digest);
}

#[test]
fn one_architecture_is_the_same_image_alone_and_among_others() {
    let rig = prepare(&archive());
    rig.run(&BUILD).ok();
    let all = Image::read_all(&rig.work("images"), "r");
    assert_eq!(all.keys().collect::<Vec<_>>(), ["amd64", "s390x"]);
    let index: serde_json::Value = serde_json::from_str(&rig.read("images/index.json")).unwrap();
    assert_eq!(index["manifests"][0]["mediaType"], "application/vnd.oci.image.index.v1+json");
    let digest = rig.run(&["build", "r.toml", "--arch", "s390x", "--tag", "one"]).ok().digest();
    let top = index["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
    assert!(rig.read(&format!("images/blobs/{top}")).contains(&digest));
    let one = Image::read(&rig.work("images"), "one");
    assert_eq!(one.layers, all["s390x"].layers);
    assert_eq!(one.config, all["s390x"].config);
    // Both tags are there, and all of it is sound.
    rig.run(&["check", "images"]).ok();
}

#[test]
fn architectures_share_what_is_fetched_and_verified() {
    let archive = archive();
    let rig = prepare(&archive);
    let server = Server::of(archive.files());
    rig.run_at(&server.root(), &BUILD).ok();
    let mut paths = server.paths();
    paths.retain(|path| !path.contains("security") && !path.contains("updates"));
    let count = |name: &str| paths.iter().filter(|path| path.ends_with(name)).count();
    assert_eq!(count("/InRelease"), 1, "{paths:?}");
    let all = paths.len();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), all, "nothing is fetched twice: {paths:?}");
}

#[test]
fn the_source_date_epoch_is_the_newest_time() {
    let rig = prepare(&archive());
    let plain = rig.run(&BUILD).ok().digest();
    let at = |epoch: &str| run(rig.command(&BUILD).env("SOURCE_DATE_EPOCH", epoch)).ok().digest();
    assert_eq!(at(&(DATE + 1).to_string()), plain);
    let early = at("100000000");
    assert_ne!(early, plain);
    assert_eq!(at("100000000"), early);
    for image in Image::read_all(&rig.work("images"), "r").values() {
        assert_eq!(image.config["created"], "1973-03-03T09:46:40Z");
        for (_, members) in &image.layers {
            assert!(members.iter().all(|(entry, _)| entry.metadata.mtime == 100_000_000));
        }
    }
    let middle = at("1500000000");
    assert!(middle != early && middle != plain);
    let images = Image::read_all(&rig.work("images"), "r");
    assert_eq!(images["amd64"].config["created"], "2017-07-14T02:40:00Z");
    assert_eq!(images["amd64"].get("/usr/bin/app").unwrap().0.metadata.mtime, 1_000_000_000);
    // Some programs take zero for "no time".
    at("0");
    for image in Image::read_all(&rig.work("images"), "r").values() {
        image.assert_sound();
    }
}

#[test]
fn a_locked_build_needs_no_mirror() {
    let rig = prepare(&archive());
    let server = Server::of(archive().files());
    let digest = rig.run_at(&server.root(), &BUILD).ok().digest();
    let asked = server.paths().len();
    std::fs::remove_dir_all(rig.path("archive")).unwrap();
    for _ in 0..2 {
        std::fs::remove_dir_all(rig.work("images")).unwrap();
        let args = [&BUILD[..], &["--locked", "--offline"]].concat();
        assert_eq!(rig.run_at(&server.root(), &args).ok().digest(), digest);
    }
    assert_eq!(server.paths().len(), asked);
    rig.run(&["check", "oci:images:r"]).ok();
    // Without the cache it says what to do.
    std::fs::remove_dir_all(rig.path("home")).unwrap();
    let args = [&BUILD[..], &["--locked", "--offline"]].concat();
    rig.run_at(&server.root(), &args).fails(
        1,
        &[
            "app 1.0: it is not in the cache, and the build is offline",
            "hint: build once without `--offline`",
        ],
    );
}

#[test]
fn a_host_file_counts_by_its_content() {
    let rig = prepare(&archive());
    let digest = rig.run(&BUILD).ok().digest();
    rig.write("site/z", "changed");
    assert_ne!(rig.run(&BUILD).ok().digest(), digest);
    rig.write("site/z", "z");
    assert_eq!(rig.run(&BUILD).ok().digest(), digest);
}
