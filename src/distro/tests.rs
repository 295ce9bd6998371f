use super::*;

fn alpine(minor: u8) -> Distro {
    Distro::Alpine(AlpineRelease::Stable { minor })
}

#[test]
fn every_preset_reads_back() {
    for distro in Distro::ALL {
        assert_eq!(distro.to_string().parse(), Ok(distro));
    }
    // Releases that came out since.
    assert_eq!("alpine:3.99".parse(), Ok(alpine(99)));
    for wrong in [
        "alpine",
        "alpine:",
        "alpine:3",
        "alpine:3.17",
        "alpine:3.8",
        "alpine:3.020",
        "alpine:3.+20",
        "alpine:3.20.3",
        "alpine:v3.20",
        "alpine:3.256",
        "alpine:4.0",
        "wolfi:edge",
    ] {
        assert_eq!(wrong.parse::<Distro>(), Err(UnknownDistro(wrong.to_owned())), "{wrong}");
    }
    assert_eq!(Distro::names()[5..], ["alpine:3.18", "alpine:edge", "wolfi"]);
}

#[test]
fn arm32v6_is_hard_float_on_alpine_alone() {
    for distro in Distro::ALL {
        let is_alpine = matches!(distro, Distro::Alpine(_));
        assert_eq!(distro.arch_name(Arch::Arm32v6) == Some("armhf"), is_alpine, "{distro}");
        for arch in Arch::ALL {
            assert_eq!(distro.arch_name(arch).is_some(), distro.triplet(arch).is_some(), "{distro} {arch}");
        }
    }
    assert_eq!(alpine(20).arch_name(Arch::Arm32v7), Some("armv7"));
    assert_eq!(alpine(20).arch_name(Arch::I386), Some("x86"));
}

#[test]
fn alpine_has_riscv_since_3_20() {
    assert_eq!(alpine(19).arch_name(Arch::Riscv64), None);
    for distro in [alpine(20), Distro::Alpine(AlpineRelease::Edge), Distro::Alpine(AlpineRelease::Unknown)] {
        assert!(Arch::ALL.into_iter().all(|arch| distro.arch_name(arch).is_some()));
    }
    assert_eq!(Distro::Wolfi.arch_name(Arch::Arm64), Some("aarch64"));
    assert_eq!(Distro::Wolfi.arch_name(Arch::S390x), None);
}

#[test]
fn debian_has_riscv_since_trixie() {
    let has = |release| Distro::Debian(release).has_port(Arch::Riscv64);
    assert!(!has(DebianRelease::Bookworm) && has(DebianRelease::Trixie));
}

#[test]
fn ports_live_elsewhere() {
    let noble = Distro::Ubuntu(UbuntuRelease::Noble);
    assert!(noble.suites(Arch::S390x).iter().all(|suite| suite.archive == Archive::UbuntuPorts));
    assert!(noble.suites(Arch::Amd64).iter().all(|suite| suite.archive == Archive::Ubuntu));
    assert_eq!(noble.archives(Arch::Amd64), [Archive::Ubuntu]);
}

#[test]
fn a_distro_has_suites_or_repositories() {
    for distro in Distro::ALL {
        let suites = !distro.suites(Arch::Amd64).is_empty();
        assert_eq!(suites, distro.format() == PackageFormat::Deb, "{distro}");
        assert_eq!(suites, distro.repositories().is_empty(), "{distro}");
        for archive in distro.archives(Arch::Amd64) {
            assert_eq!(archive.format(), distro.format());
        }
    }
    let paths: Vec<_> = alpine(20).repositories().into_iter().map(|repository| repository.path).collect();
    assert_eq!(paths, ["v3.20/main", "v3.20/community"]);
    assert_eq!(Distro::Wolfi.repositories()[0].path, "");
    assert_eq!(Distro::Wolfi.archives(Arch::Amd64), [Archive::Wolfi]);
}

#[test]
fn who_they_are() {
    assert_eq!(
        alpine(20).os_release(),
        "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20\nPRETTY_NAME=\"Alpine Linux v3.20\"\n\
         HOME_URL=\"https://alpinelinux.org/\"\n\
         BUG_REPORT_URL=\"https://gitlab.alpinelinux.org/alpine/aports/-/issues\"\n"
    );
    let edge = Distro::Alpine(AlpineRelease::Edge).os_release();
    assert!(edge.contains("PRETTY_NAME=\"Alpine Linux edge\"\n") && !edge.contains("VERSION_ID"), "{edge}");
    assert!(Distro::Alpine(AlpineRelease::Unknown).os_release().contains("PRETTY_NAME=\"Alpine Linux\"\n"));
    assert_eq!(
        Distro::Debian(DebianRelease::Trixie).os_release(),
        "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nNAME=\"Debian GNU/Linux\"\nID=debian\n\
         VERSION_CODENAME=trixie\nVERSION_ID=\"13\"\n"
    );
    assert!(Distro::Ubuntu(UbuntuRelease::Noble).os_release().ends_with("ID_LIKE=debian\n"));
}
