//! What a distro calls its architectures, and where it puts things on each.

use super::{AlpineRelease, DebianRelease, Distro};
use crate::arch::Arch;

impl Distro {
    /// What the distro calls an architecture; none where it has no such port. Debian's `armhf` is `ARMv7`
    /// and faults on an `ARMv6` board, so `arm32v6` is `armel`; Alpine's `armhf` is `ARMv6`.
    pub const fn arch_name(self, arch: Arch) -> Option<&'static str> {
        match self {
            Distro::Debian(_) => Some(match arch {
                Arch::Amd64 => "amd64",
                Arch::Arm32v6 => "armel",
                Arch::Arm32v7 => "armhf",
                Arch::Arm64 => "arm64",
                Arch::I386 => "i386",
                Arch::Ppc64le => "ppc64el",
                Arch::Riscv64 => "riscv64",
                Arch::S390x => "s390x",
            }),
            Distro::Ubuntu(_) => match arch {
                Arch::Amd64 => Some("amd64"),
                Arch::Arm32v7 => Some("armhf"),
                Arch::Arm64 => Some("arm64"),
                Arch::Ppc64le => Some("ppc64el"),
                Arch::Riscv64 => Some("riscv64"),
                Arch::S390x => Some("s390x"),
                Arch::Arm32v6 | Arch::I386 => None,
            },
            Distro::Alpine(release) => match arch {
                Arch::Amd64 => Some("x86_64"),
                Arch::Arm32v6 => Some("armhf"),
                Arch::Arm32v7 => Some("armv7"),
                Arch::Arm64 => Some("aarch64"),
                Arch::I386 => Some("x86"),
                Arch::Ppc64le => Some("ppc64le"),
                Arch::Riscv64 => match release {
                    AlpineRelease::Stable { minor } if minor < 20 => None,
                    _ => Some("riscv64"),
                },
                Arch::S390x => Some("s390x"),
            },
            Distro::Wolfi => match arch {
                Arch::Amd64 => Some("x86_64"),
                Arch::Arm64 => Some("aarch64"),
                _ => None,
            },
        }
    }

    /// Whether the release has packages for an architecture, as far as that is known without its indexes: Debian has
    /// riscv64 since trixie.
    pub const fn has_port(self, arch: Arch) -> bool {
        let is_later = matches!((self, arch), (Distro::Debian(DebianRelease::Bookworm), Arch::Riscv64));
        self.arch_name(arch).is_some() && !is_later
    }

    /// The distro's triplet of an architecture, which on Debian is the directory of libraries below `/usr/lib`;
    /// none where there is no such port. Alpine and Wolfi have their libraries in `/lib` and `/usr/lib`, and
    /// the compiler's triplet is in a few other paths.
    pub const fn triplet(self, arch: Arch) -> Option<&'static str> {
        if self.arch_name(arch).is_none() {
            return None;
        }
        Some(match self {
            Distro::Debian(_) | Distro::Ubuntu(_) => match arch {
                Arch::Amd64 => "x86_64-linux-gnu",
                Arch::Arm32v6 => "arm-linux-gnueabi",
                Arch::Arm32v7 => "arm-linux-gnueabihf",
                Arch::Arm64 => "aarch64-linux-gnu",
                Arch::I386 => "i386-linux-gnu",
                Arch::Ppc64le => "powerpc64le-linux-gnu",
                Arch::Riscv64 => "riscv64-linux-gnu",
                Arch::S390x => "s390x-linux-gnu",
            },
            Distro::Alpine(_) => match arch {
                Arch::Amd64 => "x86_64-alpine-linux-musl",
                Arch::Arm32v6 => "armv6-alpine-linux-musleabihf",
                Arch::Arm32v7 => "armv7-alpine-linux-musleabihf",
                Arch::Arm64 => "aarch64-alpine-linux-musl",
                Arch::I386 => "i586-alpine-linux-musl",
                Arch::Ppc64le => "powerpc64le-alpine-linux-musl",
                Arch::Riscv64 => "riscv64-alpine-linux-musl",
                Arch::S390x => "s390x-alpine-linux-musl",
            },
            Distro::Wolfi => match arch {
                Arch::Arm64 => "aarch64-unknown-linux-gnu",
                _ => "x86_64-pc-linux-gnu",
            },
        })
    }

    /// The links of the merged `/usr`: name below `/`, and relative target; a package's path through one of
    /// them is the path behind the link. All of Debian's and Ubuntu's releases with a preset are merged. Of
    /// Alpine's none has to be: 3.23 put its merge off, and until the releases that will demand it (3.26 or
    /// 3.27) packages have their files where a machine without the links looks for them. Wolfi has merged
    /// `/sbin` into `/usr/bin` too.
    pub const fn directory_links(self, arch: Arch) -> &'static [(&'static str, &'static str)] {
        match (self, arch) {
            (Distro::Debian(_) | Distro::Ubuntu(_), Arch::Amd64 | Arch::Ppc64le) => {
                &[("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("sbin", "usr/sbin")]
            }
            (Distro::Debian(_) | Distro::Ubuntu(_), _) => {
                &[("bin", "usr/bin"), ("lib", "usr/lib"), ("sbin", "usr/sbin")]
            }
            (Distro::Alpine(_), _) => &[],
            (Distro::Wolfi, _) => {
                &[("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib"), ("sbin", "usr/bin")]
            }
        }
    }
}
