//! qemu's user mode emulators: which runs an architecture, and how the kernel is told of it.

use std::path::PathBuf;

use crate::arch::Arch;
use crate::elf;

use super::{Tools, TrialError};

/// An emulator of this machine.
#[derive(Clone, Debug)]
pub(super) struct Emulator {
    pub(super) program: PathBuf,
    /// The processor, where the usual one is more than the architecture promises.
    pub(super) cpu: Option<&'static str>,
    /// The line that tells the kernel's `binfmt_misc` of it.
    pub(super) rule: String,
}

/// The emulator for an architecture; none where this machine runs its programs by itself.
pub(super) fn emulator_for(arch: Arch, tools: &Tools) -> Result<Option<Emulator>, TrialError> {
    let native = tools.host == Some(arch) || (tools.host == Some(Arch::Amd64) && arch == Arch::I386);
    if native {
        return Ok(None);
    }
    let (name, cpu) = match arch {
        Arch::Amd64 => ("x86_64", None),
        // The first Raspberry Pi's.
        Arch::Arm32v6 => ("arm", Some("arm1176")),
        Arch::Arm32v7 => ("arm", None),
        Arch::Arm64 => ("aarch64", None),
        Arch::I386 => ("i386", None),
        Arch::Ppc64le => ("ppc64le", None),
        Arch::Riscv64 => ("riscv64", None),
        Arch::S390x => ("s390x", None),
    };
    let program = format!("qemu-{name}-static");
    let plain = || tools.find(&format!("qemu-{name}")).filter(|path| is_static(path));
    match tools.find(&program).or_else(plain) {
        Some(path) => Ok(Some(Emulator { program: path.clone(), cpu, rule: rule(arch, &path) })),
        None => Err(TrialError::NoEmulator { arch, program }),
    }
}

/// In an image, nothing but the program itself is there.
fn is_static(path: &std::path::Path) -> bool {
    let facts = std::fs::read(path).ok().and_then(|bytes| elf::facts(&bytes).ok());
    facts.is_some_and(|facts| facts.interp.is_none())
}

/// A line for `register` (the kernel's `admin-guide/binfmt-misc`): ELF files of the class, byte order and machine,
/// programs and shared objects. `F`: the emulator is opened now, not where it would be in the image; `P`: a
/// program is told the name that it was started by.
fn rule(arch: Arch, program: &std::path::Path) -> String {
    let machine = arch.elf_machine();
    let number = |value: u16| if machine.little_endian { value.to_le_bytes() } else { value.to_be_bytes() };
    let mut magic = vec![0x7f, b'E', b'L', b'F', 1 + u8::from(machine.is_64)];
    magic.push(if machine.little_endian { 1 } else { 2 });
    magic.push(1);
    // The system that it is for, and padding, say nothing.
    magic.resize(16, 0);
    let mut mask = vec![0xff; 7];
    mask.resize(16, 0);
    magic.extend(number(2));
    mask.extend(number(0xfffe));
    magic.extend(number(machine.machine));
    mask.extend([0xff, 0xff]);
    let text = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    format!(":rootforge:M::{}:{}:{}:FP", text(&magic), text(&mask), program.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_as_the_kernel_reads_them() {
        let path = std::path::Path::new("/q");
        assert_eq!(
            rule(Arch::Arm32v6, path),
            ":rootforge:M::\\x7f\\x45\\x4c\\x46\\x01\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x28\\x00\
             :\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xfe\\xff\\xff\\xff:/q:FP"
        );
        let big = rule(Arch::S390x, path);
        assert!(big.contains("\\x00\\x02\\x00\\x16:") && big.contains("\\xff\\xfe\\xff\\xff:"), "{big}");
    }

    #[test]
    fn the_host_needs_none() {
        let mut tools = Tools::new(vec![]);
        tools.host = Some(Arch::Amd64);
        assert!(emulator_for(Arch::Amd64, &tools).unwrap().is_none());
        assert!(emulator_for(Arch::I386, &tools).unwrap().is_none());
    }
}
