//! What the user of an image may run and read.

use serde_json::json;

use super::{assert_only, rewrite};
use crate::image::{Member, directory, dynamic_object, file, sample, symlink, write_image};

/// A member with another mode and owner.
fn owned(mut member: Member, mode: u32, uid: u32, gid: u32) -> Member {
    (member.0.metadata.mode, member.0.metadata.uid, member.0.metadata.gid) = (mode, uid, gid);
    member
}

/// Checks the sample with more members, as a user that starts a program.
#[track_caller]
fn assert_barred(more: Vec<Member>, user: &str, program: &str, expected: &[&str]) {
    let mut layers = sample();
    layers[1].extend(more);
    let temporary = tempfile::tempdir().unwrap();
    let (layout, image) = write_image(temporary.path(), &layers);
    rewrite(&layout, image, |_, config| {
        config["config"]["Entrypoint"] = json!([program]);
        config["config"]["User"] = json!(user);
        config["config"]["Env"] = json!(["PATH=/bin:/usr/bin"]);
    });
    assert_only(temporary.path(), expected);
}

/// `pulse` is 100:60, and `players` is 60.
#[test]
fn programs_of_others() {
    let program = || file("/opt/run", 0o755, &sample()[0][1].1);
    let refused = |user: &str, mode: &str, owner: &str| {
        format!(
            "`/opt/run` cannot be executed by user `{user}`: its mode is {mode} and it belongs to {owner}"
        )
    };
    for (mode, uid, gid, user, is_refused) in [
        (0o700, 0, 0, "pulse", true),
        (0o700, 0, 0, "", false),
        (0o700, 100, 0, "", false),
        (0o700, 100, 0, "pulse", false),
        (0o700, 100, 0, "100:0", false),
        (0o710, 0, 60, "pulse", false),
        (0o710, 0, 60, "pulse:root", true),
        (0o710, 0, 60, "200:players", false),
        (0o710, 0, 60, "200", true),
        (0o710, 0, 0, "200", false),
        // The owner's bits count for the owner, whatever the others' say.
        (0o077, 100, 60, "pulse", true),
        (0o705, 0, 60, "pulse", true),
        (0o701, 0, 0, "pulse", false),
    ] {
        let expected = refused(user, &format!("{mode:04o}"), &format!("{uid}:{gid}"));
        let expected = if is_refused { vec![expected.as_str()] } else { vec![] };
        assert_barred(vec![owned(program(), mode, uid, gid)], user, "/opt/run", &expected);
    }
    // Groups that have the user as a member.
    let group = file("/etc/group", 0o644, b"root:x:0:\nplayers:x:60:\nmore:x:61:other,pulse\n");
    let members = |gid| vec![directory("/etc"), group.clone(), owned(program(), 0o710, 0, gid)];
    assert_barred(members(61), "pulse", "/opt/run", &[]);
    assert_barred(members(61), "pulse:players", "/opt/run", &[&refused("pulse:players", "0710", "0:61")]);
}

#[test]
fn directories_on_the_way() {
    let inside = |mode| {
        let program = file("/srv/in/run", 0o755, &sample()[0][1].1);
        vec![
            directory("/srv"),
            owned(directory("/srv/in"), mode, 0, 0),
            program,
            symlink("/opt/run", "../srv/in/run"),
        ]
    };
    let refused = "`/srv/in/run` cannot be executed by user `pulse`: the directory `/srv/in` has the mode 0700 and belongs \
                   to 0:0";
    for program in ["/srv/in/run", "/opt/run"] {
        assert_barred(inside(0o700), "pulse", program, &[refused]);
        assert_barred(inside(0o711), "pulse", program, &[]);
        assert_barred(inside(0o000), "", program, &[]);
    }
    let root = owned(directory("/"), 0o750, 0, 0);
    assert_barred(
        vec![root],
        "pulse",
        "/bin/hello",
        &["the directory `/` has the mode 0750 and belongs to 0:0"],
    );
}

/// What one may not run is passed over where `PATH` has another.
#[test]
fn programs_by_name() {
    let all = |mode, other_mode| {
        vec![
            directory("/bin"),
            owned(file("/bin/run", 0o755, b"#!/bin/hello\n"), mode, 0, 0),
            directory("/usr/bin"),
            owned(file("/usr/bin/run", 0o755, b"#!/bin/hello\n"), other_mode, 0, 0),
        ]
    };
    assert_barred(all(0o700, 0o750), "pulse", "run", &["`/bin/run` cannot be executed by user `pulse`"]);
    assert_barred(all(0o700, 0o755), "pulse", "run", &[]);
}

/// A script must be readable, for its interpreter.
#[test]
fn scripts_and_their_interpreters() {
    let script = |mode| owned(file("/opt/run", 0o755, b"#!/opt/sh -e\n"), mode, 0, 0);
    let shell = |mode| owned(file("/opt/sh", 0o755, &sample()[0][1].1), mode, 0, 0);
    assert_barred(vec![script(0o755), shell(0o755)], "pulse", "/opt/run", &[]);
    assert_barred(vec![script(0o711), shell(0o755)], "", "/opt/run", &[]);
    assert_barred(
        vec![script(0o711), shell(0o754)],
        "pulse",
        "/opt/run",
        &[
            "`/opt/run` cannot be read by user `pulse`: its mode is 0711",
            "`/opt/sh` cannot be executed by user `pulse`: its mode is 0754",
        ],
    );
    let shell_of_none = "the script `/opt/run` needs `/opt/sh`, which is not in the image";
    assert_barred(vec![script(0o755)], "pulse", "/opt/run", &[shell_of_none]);
}

#[test]
fn libraries_and_the_loader() {
    let interp = "/lib64/ld-linux-x86-64.so.2";
    let program = dynamic_object(None, &["libone.so.1"], Some(interp));
    let library = dynamic_object(Some("libone.so.1"), &[], None);
    let loader = dynamic_object(Some("ld-linux-x86-64.so.2"), &[], None);
    let all = |loader_mode, library_mode| {
        vec![
            file("/opt/run", 0o711, &program),
            directory("/lib64"),
            owned(file(interp, 0o755, &loader), loader_mode, 0, 0),
            directory("/usr/lib/x86_64-linux-gnu"),
            owned(file("/usr/lib/x86_64-linux-gnu/libone.so.1", 0o644, &library), library_mode, 0, 0),
        ]
    };
    assert_barred(all(0o755, 0o644), "pulse", "/opt/run", &[]);
    assert_barred(
        all(0o644, 0o640),
        "pulse",
        "/opt/run",
        &[
            "`/lib64/ld-linux-x86-64.so.2` cannot be executed by user `pulse`: its mode is 0644",
            "`/usr/lib/x86_64-linux-gnu/libone.so.1` cannot be read by user `pulse`: its mode is 0640",
        ],
    );
    assert_barred(
        all(0o644, 0o640),
        "",
        "/opt/run",
        &["cannot be executed by user `root`: its mode is 0644"],
    );
}
