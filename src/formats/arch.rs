//! Processor architectures by Docker's names, with what OCI and ELF call them.
//!
//! What a distro calls an architecture is the distro's business, not that of this list. Names are never
//! mapped from one vocabulary to another by likeness: Debian's `armhf` is `ARMv7`, Alpine's is `ARMv6`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An architecture that images can be built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit x86.
    Amd64,
    /// 32-bit ARM, version 6 (Raspberry Pi 1 and Zero).
    Arm32v6,
    /// 32-bit ARM, version 7.
    Arm32v7,
    /// 64-bit ARM, version 8.
    Arm64,
    /// 32-bit x86.
    #[serde(rename = "386")]
    I386,
    /// 64-bit POWER, little-endian.
    Ppc64le,
    /// 64-bit RISC-V.
    Riscv64,
    /// IBM Z, big-endian.
    S390x,
}

/// What an ELF header must say to belong to an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ElfMachine {
    /// `EI_CLASS` is `ELFCLASS64`.
    pub is_64: bool,
    /// `EI_DATA` is `ELFDATA2LSB`.
    pub little_endian: bool,
    /// `e_machine`.
    pub machine: u16,
}

/// The platform fields of an OCI image index (image-spec, `image-index.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// `architecture`, a Go `GOARCH` value.
    pub architecture: &'static str,
    /// `variant`, where the architecture has them.
    pub variant: Option<&'static str>,
}

/// The text is no architecture's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an architecture")]
pub struct UnknownArch(pub String);

impl Arch {
    /// Every architecture, in the order of their names' first use: sorted.
    pub const ALL: [Arch; 8] = [
        Arch::Amd64,
        Arch::Arm32v6,
        Arch::Arm32v7,
        Arch::Arm64,
        Arch::I386,
        Arch::Ppc64le,
        Arch::Riscv64,
        Arch::S390x,
    ];

    /// Docker's name, as recipes and `--arch` use it.
    pub const fn name(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm32v6 => "arm32v6",
            Arch::Arm32v7 => "arm32v7",
            Arch::Arm64 => "arm64",
            Arch::I386 => "386",
            Arch::Ppc64le => "ppc64le",
            Arch::Riscv64 => "riscv64",
            Arch::S390x => "s390x",
        }
    }

    /// The architecture this program was compiled for, which is the one built by default.
    pub fn host() -> Option<Arch> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Arch::Amd64),
            "aarch64" => Some(Arch::Arm64),
            "arm" => Some(Arch::Arm32v7),
            "x86" => Some(Arch::I386),
            "powerpc64" if cfg!(target_endian = "little") => Some(Arch::Ppc64le),
            "riscv64" => Some(Arch::Riscv64),
            "s390x" => Some(Arch::S390x),
            _ => None,
        }
    }

    /// The platform fields of an image index.
    pub const fn platform(self) -> Platform {
        let (architecture, variant) = match self {
            Arch::Amd64 => ("amd64", None),
            Arch::Arm32v6 => ("arm", Some("v6")),
            Arch::Arm32v7 => ("arm", Some("v7")),
            Arch::Arm64 => ("arm64", Some("v8")),
            Arch::I386 => ("386", None),
            Arch::Ppc64le => ("ppc64le", None),
            Arch::Riscv64 => ("riscv64", None),
            Arch::S390x => ("s390x", None),
        };
        Platform { architecture, variant }
    }

    /// The ELF header fields of its native files (psABI supplements).
    pub const fn elf_machine(self) -> ElfMachine {
        let (is_64, little_endian, machine) = match self {
            Arch::Amd64 => (true, true, 62),
            Arch::Arm32v6 | Arch::Arm32v7 => (false, true, 40),
            Arch::Arm64 => (true, true, 183),
            Arch::I386 => (false, true, 3),
            Arch::Ppc64le => (true, true, 21),
            Arch::Riscv64 => (true, true, 243),
            Arch::S390x => (true, false, 22),
        };
        ElfMachine { is_64, little_endian, machine }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Arch::ALL.into_iter().find(|arch| arch.name() == text).ok_or_else(|| UnknownArch(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for arch in Arch::ALL {
            assert_eq!(arch.name().parse(), Ok(arch));
        }
        assert!(Arch::ALL.is_sorted());
        assert_eq!("x86_64".parse::<Arch>(), Err(UnknownArch("x86_64".into())));
    }
}
