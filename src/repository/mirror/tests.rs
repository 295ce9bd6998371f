use super::*;

const DEBIAN: &str = "PRETTY_NAME=\"Debian\"\nID=debian\nVERSION_CODENAME=bookworm\n";

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, url)| ((*name).to_owned(), (*url).to_owned())).collect()
}

fn machine(os_release: &str, lists: &[(&str, &str)]) -> MirrorInputs {
    let lists = lists.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    MirrorInputs {
        machine: MachineSources { os_release: os_release.to_owned(), lists, ..MachineSources::default() },
        ..MirrorInputs::default()
    }
}

fn found(inputs: &MirrorInputs, archive: Archive) -> String {
    let mirror = Mirrors::new(inputs).unwrap().find(archive);
    format!("{} ({})", mirror.url, mirror.origin)
}

#[test]
fn the_nearest_counts() {
    let mut inputs = machine(DEBIAN, &[("sources.list", "deb http://apt.example/debian bookworm main")]);
    let mut seen = vec![found(&inputs, Archive::Debian)];
    inputs.configured = map(&[("debian", "http://conf.example/debian/")]);
    seen.push(found(&inputs, Archive::Debian));
    inputs.environment = map(&[("ROOTFORGE_MIRROR_DEBIAN", "http://env.example/debian"), ("HOME", "/")]);
    seen.push(found(&inputs, Archive::Debian));
    inputs.given = map(&[("debian", "/srv/debian/")]);
    seen.push(found(&inputs, Archive::Debian));
    inputs = MirrorInputs::default();
    seen.push(found(&inputs, Archive::Debian));
    assert_eq!(
        seen,
        [
            "http://apt.example/debian (this machine's apt sources)",
            "http://conf.example/debian (the configuration file)",
            "http://env.example/debian (ROOTFORGE_MIRROR_DEBIAN)",
            "/srv/debian (--mirror)",
            "http://ftp.debian.org/debian (well-known host)",
        ]
    );
}

#[test]
fn security_is_beside_the_archive() {
    let given = |pairs| MirrorInputs { given: map(pairs), ..MirrorInputs::default() };
    let security = |inputs: &MirrorInputs| found(inputs, Archive::DebianSecurity);
    assert_eq!(
        security(&given(&[("debian", "http://a.example/pub/debian")])),
        "http://a.example/pub/debian-security (beside the mirror from --mirror)"
    );
    assert_eq!(
        security(&given(&[("debian", "http://a.example/debian"), ("debian-security", "http://b.example/s")])),
        "http://b.example/s (--mirror)"
    );
    assert_eq!(security(&MirrorInputs::default()), "http://ftp.debian.org/debian-security (well-known host)");
    // No path to be beside.
    assert_eq!(
        security(&given(&[("debian", "http://a.example")])),
        "http://ftp.debian.org/debian-security (well-known host)"
    );
    let mirror =
        Mirrors::new(&given(&[("debian", "http://a.example/debian")])).unwrap().find(Archive::DebianSecurity);
    assert_eq!(mirror.fallbacks, ["http://ftp.debian.org/debian-security"]);
}

#[test]
fn this_machines_sources() {
    let deb822 = "\
# http://old.example/debian
Types: deb deb-src
URIs: http://apt.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://sec.example/debian-security
Suites: bookworm-security
Components: main";
    let inputs = machine(DEBIAN, &[("debian.sources", deb822)]);
    assert_eq!(found(&inputs, Archive::Debian), "http://apt.example/debian (this machine's apt sources)");
    assert_eq!(
        found(&inputs, Archive::DebianSecurity),
        "http://sec.example/debian-security (this machine's apt sources)"
    );
    assert_eq!(found(&inputs, Archive::Ubuntu), "http://mirrors.kernel.org/ubuntu (well-known host)");

    // Another publisher has a suite of the same name: the likelier first, the others after it.
    let lists = "\
deb [arch=amd64] http://docker.example/linux/debian bookworm stable
deb http://tools.example/apt bookworm main
deb http://mirror.example/debian bookworm main # the archive
deb http://pg.example/debian bookworm-pgdg main
deb-src http://source.example/debian bookworm main";
    let mirror = Mirrors::new(&machine(DEBIAN, &[("sources.list", lists)])).unwrap().find(Archive::Debian);
    assert_eq!(mirror.url, "http://mirror.example/debian");
    assert_eq!(mirror.fallbacks, ["http://tools.example/apt"]);
    // Without a security mirror of its own, beside the one found.
    let inputs = machine(DEBIAN, &[("sources.list", "deb https://m.example/debian stable main contrib")]);
    assert_eq!(
        found(&inputs, Archive::DebianSecurity),
        "https://m.example/debian-security (beside the mirror from this machine's apt sources)"
    );
}

#[test]
fn sources_of_another_distro_do_not_count() {
    let list = &[("sources.list", "deb http://apt.example/debian bookworm main")];
    for os_release in ["", "ID=ubuntu\nVERSION_CODENAME=noble\n", "ID=\"raspbian\"\nID_LIKE=debian\n"] {
        let inputs = machine(os_release, list);
        assert_eq!(found(&inputs, Archive::Debian), "http://ftp.debian.org/debian (well-known host)");
    }
    let disabled =
        "Types: deb\nURIs: http://apt.example/debian\nSuites: bookworm\nComponents: main\nEnabled: no";
    let inputs = machine(DEBIAN, &[("debian.sources", disabled)]);
    assert_eq!(found(&inputs, Archive::Debian), "http://ftp.debian.org/debian (well-known host)");
}

#[test]
fn ubuntu_machines() {
    let os_release = "ID=ubuntu\nVERSION_CODENAME=noble\n";
    let main = "deb http://de.archive.example/ubuntu noble main universe\ndeb http://security.example/ubuntu noble-security main";
    let inputs = machine(os_release, &[("sources.list", main)]);
    assert_eq!(
        found(&inputs, Archive::Ubuntu),
        "http://de.archive.example/ubuntu (this machine's apt sources)"
    );
    assert_eq!(
        found(&inputs, Archive::UbuntuPorts),
        "http://ports.ubuntu.com/ubuntu-ports (well-known host)"
    );
    let inputs = machine(os_release, &[("sources.list", "deb http://p.example/ubuntu-ports noble main")]);
    assert_eq!(
        found(&inputs, Archive::UbuntuPorts),
        "http://p.example/ubuntu-ports (this machine's apt sources)"
    );
    assert_eq!(found(&inputs, Archive::Ubuntu), "http://mirrors.kernel.org/ubuntu (well-known host)");
}

fn alpine_machine(os_release: &str, lists: &[&str]) -> MirrorInputs {
    let apk_lists = lists.iter().map(ToString::to_string).collect();
    let machine =
        MachineSources { os_release: os_release.to_owned(), apk_lists, ..MachineSources::default() };
    MirrorInputs { machine, ..MirrorInputs::default() }
}

#[test]
fn alpine_machines() {
    let lists = &[
        "#http://old.example/alpine/v3.8/main\n/media/cdrom/apks\n@edge http://tagged.example/alpine/edge/main\n\
         http://own.example/packages/v3.20/main\nhttp://a.example/alpine/v3.20/main\n\
         http://a.example/alpine/v3.20/community\n",
        "/srv/alpine/v3.20/main\n",
    ];
    let inputs = alpine_machine("ID=alpine\nVERSION_ID=3.20.3\n", lists);
    let mirror = Mirrors::new(&inputs).unwrap().find(Archive::Alpine);
    assert_eq!(mirror.url, "http://a.example/alpine");
    assert_eq!(mirror.origin.to_string(), "this machine's apk repositories");
    assert_eq!(
        mirror.fallbacks,
        ["/srv/alpine", "http://tagged.example/alpine", "http://own.example/packages"]
    );
    assert_eq!(found(&inputs, Archive::Debian), "http://ftp.debian.org/debian (well-known host)");
    // Another distro may have a list too.
    for os_release in ["ID=debian\n", "ID=postmarketos\nID_LIKE=alpine\n", ""] {
        let url = found(&alpine_machine(os_release, lists), Archive::Alpine);
        assert_eq!(url, "http://dl-cdn.alpinelinux.org/alpine (well-known host)");
    }
    let given = map(&[("alpine", "file:///srv/alpine/"), ("wolfi", "/srv/wolfi")]);
    let inputs = MirrorInputs { given, ..inputs };
    assert_eq!(found(&inputs, Archive::Alpine), "file:///srv/alpine (--mirror)");
    assert_eq!(found(&inputs, Archive::Wolfi), "/srv/wolfi (--mirror)");
    let environment = map(&[("ROOTFORGE_MIRROR_ALPINE", "http://env.example/alpine")]);
    let inputs = MirrorInputs { environment, ..MirrorInputs::default() };
    assert_eq!(found(&inputs, Archive::Alpine), "http://env.example/alpine (ROOTFORGE_MIRROR_ALPINE)");
    assert_eq!(found(&inputs, Archive::Wolfi), "https://packages.wolfi.dev/os (well-known host)");
}

#[test]
fn wolfi_machines() {
    let lists = &["https://w.example/extras\nhttps://w.example/os\n"];
    let inputs = alpine_machine("ID=\"wolfi\"\n", lists);
    assert_eq!(found(&inputs, Archive::Wolfi), "https://w.example/os (this machine's apk repositories)");
    assert_eq!(found(&inputs, Archive::Alpine), "http://dl-cdn.alpinelinux.org/alpine (well-known host)");
}

#[test]
fn snapshots() {
    let mirrors = Mirrors::new(&MirrorInputs::default()).unwrap();
    let time = "20261101T000000Z";
    let mirror = mirrors.snapshot(Archive::DebianSecurity, time).unwrap();
    assert_eq!(mirror.url, "http://snapshot.debian.org/archive/debian-security/20261101T000000Z");
    assert_eq!(mirrors.snapshot(Archive::Ubuntu, time), Err(MirrorError::NoSnapshots("ubuntu")));
    for time in ["2026-11-01", "20261101T000000", "20261101 000000Z", "../../1T000000Z", ""] {
        assert_eq!(mirrors.snapshot(Archive::Debian, time), Err(MirrorError::SnapshotTime(time.to_owned())));
    }
    let environment = map(&[("ROOTFORGE_MIRROR_SNAPSHOT", "http://s.example/a/")]);
    let mirrors = Mirrors::new(&MirrorInputs { environment, ..MirrorInputs::default() }).unwrap();
    assert_eq!(
        mirrors.snapshot(Archive::Debian, time).unwrap().url,
        format!("http://s.example/a/debian/{time}")
    );
    assert_eq!(mirrors.snapshot_root(), "http://s.example/a");
}

#[test]
fn names_that_are_none_are_errors() {
    let inputs = MirrorInputs { given: map(&[("debain", "http://x.example")]), ..MirrorInputs::default() };
    assert_eq!(
        Mirrors::new(&inputs).unwrap_err().to_string(),
        "--mirror names a mirror of `debain`, which is no archive; the archives are debian, debian-security, ubuntu, \
         ubuntu-ports, alpine, wolfi, snapshot"
    );
    let environment = map(&[("ROOTFORGE_MIRROR_DEBIAN_SECURTY", "http://x.example")]);
    let error = Mirrors::new(&MirrorInputs { environment, ..MirrorInputs::default() }).unwrap_err();
    assert!(
        error.to_string().starts_with("ROOTFORGE_MIRROR_DEBIAN_SECURTY names a mirror of `debian-securty`"),
        "{error}"
    );
    let given = map(&[("debian", " ")]);
    let error = Mirrors::new(&MirrorInputs { given, ..MirrorInputs::default() }).unwrap_err();
    assert_eq!(error.to_string(), "--mirror gives no URL for the mirror of `debian`");
    let configured = map(&[("debian", "ftp://x.example")]);
    let error = Mirrors::new(&MirrorInputs { configured, ..MirrorInputs::default() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration file names the mirror `ftp://x.example` of `debian`, which cannot be reached by its scheme"
    );
    for url in ["file:///srv/debian", "/srv/debian", "HTTPS://x.example"] {
        let given = map(&[("debian", url)]);
        assert!(Mirrors::new(&MirrorInputs { given, ..MirrorInputs::default() }).is_ok(), "{url}");
    }
    // A variable that is set to nothing is as good as none.
    let environment = map(&[("ROOTFORGE_MIRROR_DEBIAN", "")]);
    assert!(Mirrors::new(&MirrorInputs { environment, ..MirrorInputs::default() }).is_ok());
}

#[test]
fn files_of_a_machine() {
    let directory = tempfile::tempdir().unwrap();
    let lists = directory.path().join("etc/apt/sources.list.d");
    std::fs::create_dir_all(&lists).unwrap();
    std::fs::create_dir_all(directory.path().join("etc/apk/repositories.d")).unwrap();
    std::fs::create_dir_all(directory.path().join("usr/lib")).unwrap();
    for (path, text) in [
        ("usr/lib/os-release", "ID=debian\n"),
        ("etc/apt/sources.list.d/b.list", "b"),
        ("etc/apt/sources.list.d/a.sources", "a"),
        ("etc/apt/sources.list.d/c.list.save", "c"),
        ("etc/apt/sources.list", "main"),
        ("etc/apk/repositories", "one"),
        ("etc/apk/repositories.d/b.list", "three"),
        ("etc/apk/repositories.d/a.list", "two"),
        ("etc/apk/repositories.d/c.list.apk-new", "four"),
    ] {
        std::fs::write(directory.path().join(path), text).unwrap();
    }
    let machine = MachineSources::read_below(directory.path());
    assert_eq!(machine.os_release, "ID=debian\n");
    let lists: Vec<_> = machine.lists.iter().map(|(name, text)| (&name[..], &text[..])).collect();
    assert_eq!(lists, [("sources.list", "main"), ("a.sources", "a"), ("b.list", "b")]);
    assert_eq!(machine.apk_lists, ["one", "two", "three"]);
}
