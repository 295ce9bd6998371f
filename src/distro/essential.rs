//! The commands of Essential packages, which scripts call and no package depends on.
//!
//! Taken from trixie; a short cut that spares looking into all of these packages. What it does not know, nobody
//! finds there.

use super::{Distro, PackageFormat};

/// Debian's and Ubuntu's Essential packages and what those need at once, sorted, with their commands, sorted.
const OF_DEBIAN: &[(&str, &str)] = &[
    ("base-passwd", "update-passwd"),
    ("bash", "bash bashbug clear_console rbash"),
    ("bsdutils", "logger renice script scriptlive scriptreplay wall"),
    (
        "coreutils",
        "[ arch b2sum base32 base64 basename basenc cat chcon chgrp chmod chown chroot cksum comm cp \
         csplit cut date dd df dir dircolors dirname du echo env expand expr factor false fmt fold groups \
         head hostid id install join link ln logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl nohup \
         nproc numfmt od paste pathchk pinky pr printenv printf ptx pwd readlink realpath rm rmdir runcon \
         seq sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat stdbuf stty \
         sum sync tac tail tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink \
         users vdir wc who whoami yes",
    ),
    ("dash", "dash sh"),
    (
        "debianutils",
        "add-shell installkernel ischroot remove-shell run-parts savelog tempfile update-shells which",
    ),
    ("diffutils", "cmp diff diff3 sdiff"),
    (
        "dpkg",
        "dpkg dpkg-deb dpkg-divert dpkg-maintscript-helper dpkg-query dpkg-realpath dpkg-split \
         dpkg-statoverride dpkg-trigger start-stop-daemon update-alternatives",
    ),
    ("findutils", "find xargs"),
    ("grep", "egrep fgrep grep rgrep"),
    ("gzip", "gunzip gzexe gzip uncompress zcat zcmp zdiff zegrep zfgrep zforce zgrep zless zmore znew"),
    ("hostname", "dnsdomainname domainname hostname nisdomainname ypdomainname"),
    ("init-system-helpers", "deb-systemd-helper deb-systemd-invoke invoke-rc.d service update-rc.d"),
    (
        "libc-bin",
        "getconf getent iconv iconvconfig ld.so ldconfig ldd locale localedef pldd tzselect zdump zic",
    ),
    ("mawk", "awk mawk"),
    ("ncurses-bin", "captoinfo clear infocmp infotocap reset tabs tic toe tput tset"),
    ("perl-base", "perl"),
    ("sed", "sed"),
    ("sysvinit-utils", "fstab-decode killall5 pidof"),
    ("tar", "rmt-tar tar tarcat"),
    (
        "util-linux",
        "agetty blkdiscard blkid blkzone blockdev chcpu chmem choom chrt dmesg fallocate findfs findmnt \
         flock fsck fsfreeze fstrim getopt getty hardlink ionice ipcmk ipcrm ipcs isosize ldattach lsblk \
         lscpu lsipc lslocks lslogins lsmem lsns mcookie mkfs mkswap more mountpoint namei nsenter partx \
         pivot_root prlimit readprofile rev rtcwake runuser setarch setpriv setsid setterm su sulogin \
         swaplabel switch_root taskset uclampset unshare wdctl whereis wipefs zramctl",
    ),
];

/// The package, of those that every system has, that has a command.
pub fn essential_package_with(distro: Distro, command: &str) -> Option<&'static str> {
    match distro.format() {
        PackageFormat::Deb => {
            let has = |(_, commands): &&(&str, &str)| commands.split(' ').any(|one| one == command);
            OF_DEBIAN.iter().find(has).map(|(package, _)| *package)
        }
        // Its commands are links that are made: which there are, only the program can say.
        PackageFormat::Apk => Some("busybox"),
    }
}

/// The packages that [`essential_package_with`] may name.
pub fn essential_packages(distro: Distro) -> Vec<&'static str> {
    match distro.format() {
        PackageFormat::Deb => OF_DEBIAN.iter().map(|(package, _)| *package).collect(),
        PackageFormat::Apk => vec!["busybox"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_their_packages() {
        let trixie: Distro = "debian:trixie".parse().unwrap();
        for (command, package) in [
            ("sed", Some("sed")),
            ("awk", Some("mawk")),
            ("which", Some("debianutils")),
            ("[", Some("coreutils")),
            ("find", Some("findutils")),
            ("systemctl", None),
            ("", None),
        ] {
            assert_eq!(essential_package_with(trixie, command), package, "{command}");
        }
        assert!(OF_DEBIAN.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
