//! The same recipe and lock give the same digest, whatever the machine is like, and without the mirror.

use std::process::Command;

use crate::alpine::mirror::{BUILD, Served};
use crate::support::Image;
use crate::support::rig::run;
use crate::support::server::Server;

#[test]
fn nothing_of_the_machine_gets_in() {
    let Some(served) = Served::new() else { return };
    let server = Server::of(served.files.clone());
    let digest = served.run(&server.root(), &BUILD).ok().digest();
    for image in Image::read_all(&served.rig.work("images"), "r").values() {
        image.assert_sound();
        // Where packages were from is nobody's business but the mirror's.
        let lines = "https://dl-cdn.alpinelinux.org/alpine/v3.20/main\n\
                     https://dl-cdn.alpinelinux.org/alpine/v3.20/community\n";
        assert_eq!(image.text("/etc/apk/repositories"), lines);
    }
    // Warm, without the lock, and without what was derived.
    assert_eq!(served.run(&server.root(), &BUILD).ok().digest(), digest);
    std::fs::remove_file(served.rig.work("r.lock")).unwrap();
    assert_eq!(served.run(&server.root(), &BUILD).ok().digest(), digest);
    std::fs::remove_dir_all(served.rig.cache().join("derived")).unwrap();
    assert_eq!(served.run(&server.root(), &BUILD).ok().digest(), digest);

    // Cold, in other surroundings, from another mirror: a directory.
    let fresh = Served::new().unwrap();
    crate::alpine::apks::write_files(&fresh.files, &fresh.rig.path("mirror"));
    std::fs::rename(fresh.rig.path("work"), fresh.rig.path("other")).unwrap();
    std::fs::create_dir(fresh.rig.path("work")).unwrap();
    let place = format!("oci:{}", fresh.rig.path("images elsewhere").display());
    let root = fresh.rig.path("mirror");
    let arguments = ["build", "../other/r.toml", "--arch", "s390x,amd64", "--output", &place];
    let inner = fresh.command(root.to_str().unwrap(), &arguments);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(fresh.rig.path("work")).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("HOME", fresh.rig.path("another home")).env("RAYON_NUM_THREADS", "1");
    command.env("TZ", "Pacific/Kiritimati").env("LC_ALL", "tr_TR.UTF-8").env("USER", "somebody");
    assert_eq!(run(&mut command).ok().digest(), digest);
}

#[test]
fn nor_the_order_in_which_packages_are_named() {
    let Some(mut served) = Served::new() else { return };
    let digest = served.run_from_directory(&BUILD).ok().digest();
    let recipe = served.rig.read("r.toml");
    let turned = recipe.replace("\"alpine-release\", \"busybox\"", "\"busybox\", \"alpine-release\"");
    assert_ne!(turned, recipe);
    served.rig.write("r.toml", turned);
    assert_eq!(served.run_from_directory(&BUILD).ok().digest(), digest);
    // In the index.
    std::fs::remove_file(served.rig.work("r.lock")).unwrap();
    served.resign("x86_64", |records| records.reverse());
    assert_eq!(served.run_from_directory(&BUILD).ok().digest(), digest);
}

#[test]
fn a_locked_build_needs_no_mirror() {
    let Some(served) = Served::new() else { return };
    let server = Server::of(served.files.clone());
    let digest = served.run(&server.root(), &BUILD).ok().digest();
    let nowhere = server.root();
    drop(server);
    for more in [&["--locked"][..], &["--locked", "--offline"]] {
        std::fs::remove_dir_all(served.rig.work("images")).unwrap();
        assert_eq!(served.run(&nowhere, &[&BUILD[..], more].concat()).ok().digest(), digest, "{more:?}");
    }
    // Without the cache it says what to do.
    std::fs::remove_dir_all(served.rig.path("home")).unwrap();
    served.run(&nowhere, &[&BUILD[..], &["--locked", "--offline"]].concat()).fails(
        1,
        &[
            "busybox 1.36.1-r29: it is not in the cache, and the build is offline",
            "hint: build once without `--offline`",
        ],
    );
}

#[test]
fn the_epoch_clamps_every_time() {
    let Some(served) = Served::new() else { return };
    crate::alpine::apks::write_files(&served.files, &served.rig.path("mirror"));
    let root = served.rig.path("mirror").to_str().unwrap().to_owned();
    let at = |epoch: &str| run(served.command(&root, &BUILD).env("SOURCE_DATE_EPOCH", epoch)).ok().digest();
    let plain = served.run(&root, &BUILD).ok().digest();
    assert_eq!(at("2000000000"), plain);
    let early = at("100000000");
    assert_ne!(early, plain);
    assert_eq!(at("100000000"), early);
    for image in Image::read_all(&served.rig.work("images"), "r").values() {
        assert_eq!(image.config["created"], "1973-03-03T09:46:40Z");
        for (_, members) in &image.layers {
            assert!(members.iter().all(|(entry, _)| entry.metadata.mtime == 100_000_000));
        }
        // What is in apk's records has a date too.
        let (_, scripts) = image.get("/lib/apk/db/scripts.tar").unwrap();
        assert!(!scripts.is_empty());
    }
}
