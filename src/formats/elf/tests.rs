use proptest::prelude::*;

use super::sample::Sample;
use super::*;
use crate::arch::Arch;

#[test]
fn every_class_and_byte_order() {
    for arch in Arch::ALL {
        let bytes = Sample {
            machine: arch.elf_machine(),
            object_type: 3,
            interp: Some("/lib/ld.so.1\0\0"),
            texts: vec![
                (1, "libb.so.2"),
                (1, "liba.so.1"),
                (14, "self"),
                (15, "/a::$ORIGIN/b:"),
                (29, ":/opt/lib"),
            ],
            flags_1: 0x0800_0800,
            constants: vec![],
        }
        .bytes();
        let facts = facts(&bytes).unwrap();
        assert_eq!(
            facts,
            ElfFacts {
                machine: arch.elf_machine(),
                kind: ElfKind::Executable,
                interp: Some("/lib/ld.so.1".into()),
                soname: Some("self".into()),
                needed: vec!["libb.so.2".into(), "liba.so.1".into()],
                rpath: vec!["/a".into(), "$ORIGIN/b".into()],
                runpath: vec!["/opt/lib".into()],
                dynamic: true,
                nodeflib: true,
                bind_now: false,
                symbols: PackedSymbols::default(),
                dlopen: vec![],
                mentions: vec![],
                runs: Runs::default(),
                commands: vec![],
            },
            "{arch}"
        );
    }
}

#[test]
fn kinds() {
    let kind = |object_type, flags_1| {
        let machine = Arch::S390x.elf_machine();
        let sample = Sample { machine, object_type, interp: None, texts: vec![], flags_1, constants: vec![] };
        facts(&sample.bytes()).unwrap().kind
    };
    assert_eq!(kind(2, 0), ElfKind::Executable);
    assert_eq!(kind(3, 0), ElfKind::SharedObject);
    assert_eq!(kind(1, 0), ElfKind::Other);
}

#[test]
fn damage_is_named() {
    let bytes = Sample::library(Arch::Amd64, "liba.so.1", &["libc.so.6"]).bytes();
    assert_eq!(facts(b"#!/bin/sh"), Err(ElfError::NotElf));
    assert!(matches!(facts(&bytes[..40]), Err(ElfError::Header(_))));
    assert_eq!(facts(&bytes[..70]), Err(ElfError::Outside("table of program headers")));
    assert_eq!(facts(&bytes[..bytes.len() - 1]), Err(ElfError::Outside("dynamic section")));
    let mut far = bytes.clone();
    let at = far.windows(8).rposition(|word| word == 1_u64.to_le_bytes()).unwrap() + 8;
    far[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(facts(&far), Err(ElfError::Outside("name of a needed library")));
}

/// Without its last bytes a file has all that the loader reads of it, and crashes as it runs.
#[test]
fn what_is_loaded_is_there() {
    let whole = Sample::library(Arch::Amd64, "liba.so.1", &["libc.so.6"]).bytes();
    let end = whole.len() as u64;
    // The first program header is the one that is loaded; its size in the file lies 32 bytes behind its start.
    let reaching = |end: u64| {
        let mut bytes = whole.clone();
        bytes[64 + 32..64 + 40].copy_from_slice(&end.to_le_bytes());
        facts(&bytes)
    };
    assert!(reaching(end).is_ok());
    assert_eq!(reaching(end + 1), Err(ElfError::Cut { end: end + 1, found: end }));
    assert_eq!(reaching(u64::MAX), Err(ElfError::Cut { end: u64::MAX, found: end }));
    let mut object = whole.clone();
    object[64 + 32..64 + 40].copy_from_slice(&(end + 1).to_le_bytes());
    object[16] = 4;
    assert!(facts(&object).is_ok(), "a core may be cut off");
}

/// Debugging information in a file of its own has segments, and not their bytes.
#[test]
fn separate_debug_files_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let compared = ["/usr/bin/true", "/usr/bin/bash", "/usr/bin/python3"].iter().filter(|program| {
        let debug = dir.path().join("debug");
        let mut objcopy = std::process::Command::new("objcopy");
        let made = objcopy.arg("--only-keep-debug").arg(program).arg(&debug).status();
        let is_made = made.is_ok_and(|status| status.success());
        if is_made {
            assert_eq!(facts(&std::fs::read(&debug).unwrap()).err(), None, "{program}");
        }
        is_made
    });
    if compared.count() == 0 {
        eprintln!("passed over: no objcopy");
    }
}

#[test]
fn this_program() {
    let facts = facts(&std::fs::read(std::env::current_exe().unwrap()).unwrap()).unwrap();
    assert_eq!(facts.kind, ElfKind::Executable);
    if let Some(arch) = Arch::host() {
        assert_eq!(facts.machine, arch.elf_machine());
    }
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        assert!(facts.needed.iter().any(|name| name == "libc.so.6"), "{facts:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = facts(&bytes);
        if let Some(start) = bytes.get_mut(..4) {
            start.copy_from_slice(b"\x7fELF");
        }
        let _ = facts(&bytes);
    }

    #[test]
    fn damaged_samples(
        arch in prop::sample::select(Arch::ALL.to_vec()),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = Sample::library(arch, "liba.so.1", &["libb.so.2", "libc.so.6"]).bytes();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let length = if cut { length.index(bytes.len()) } else { bytes.len() };
        let _ = facts(&bytes[..length]);
        if let Some(loaded) = Loaded::read(&bytes[..length]) {
            for at in loaded.symbols().map(|(_, at)| at).chain(0..64).chain(0x1_0000..0x1_0100) {
                let _ = (loaded.pointer(at), loaded.int(at), loaded.text(at));
            }
        }
    }
}

#[test]
fn damaged_real_files() {
    use proptest::test_runner::{Config, TestRunner};
    // Each time all of its bytes are looked at: a small program does.
    let small = ["/usr/bin/true", "/bin/true"].iter().find_map(|program| std::fs::read(program).ok());
    let bytes = small.filter(|bytes| facts(bytes).is_ok());
    let bytes = bytes.unwrap_or_else(|| std::fs::read(std::env::current_exe().unwrap()).unwrap());
    let elf = Elf::lazy_parse(Elf::parse_header(&bytes).unwrap()).unwrap();
    let segments = segments(&bytes, &elf.header, Ctx::default()).unwrap();
    let dynamic = segments.iter().find(|segment| segment.p_type == 2).unwrap().file_range();
    let length = bytes.len();
    // Mutations go where they matter: the headers and the dynamic section.
    let at = prop_oneof![0..4096_usize, dynamic];
    let strategy = (proptest::collection::vec((at, any::<u8>()), 0..10), 64..=length);
    let bytes = std::cell::RefCell::new(bytes);
    TestRunner::new(Config { failure_persistence: None, cases: 2000, ..Config::default() })
        .run(&strategy, |(flips, length)| {
            let mut bytes = bytes.borrow_mut();
            let undo: Vec<_> = flips.iter().map(|(at, _)| (*at, bytes[*at])).collect();
            for (at, value) in flips {
                bytes[at] = value;
            }
            let _ = facts(&bytes);
            let _ = facts(&bytes[..length]);
            for (at, value) in undo.into_iter().rev() {
                bytes[at] = value;
            }
            prop_assert!(facts(&bytes).is_ok());
            Ok(())
        })
        .unwrap();
}

/// What binutils tell of a file's dynamic symbols: name, version (after one `@` or two), whether it is undefined.
fn by_readelf(path: &std::path::Path) -> Option<Vec<(String, bool)>> {
    let mut readelf = std::process::Command::new("readelf");
    let output = readelf.env("LC_ALL", "C").args(["--dyn-syms", "-W"]).arg(path).output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let mut symbols: Vec<(String, bool)> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() >= 8 && words[0].ends_with(':') && words[0] != "Num:")
        .filter(|words| {
            ["GLOBAL", "WEAK", "UNIQUE"].contains(&words[4]) && !["HIDDEN", "INTERNAL"].contains(&words[5])
        })
        .filter(|words| !(words[6] == "ABS" && words[1].trim_matches('0').is_empty()))
        .map(|words| {
            // A number in brackets that may follow is the index of the version.
            (words[7].to_owned(), words[6] == "UND")
        })
        .collect();
    symbols.sort();
    symbols.dedup();
    Some(symbols)
}

#[test]
fn symbols_as_binutils_read_them() {
    let dir = std::path::Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let mut compared = 0;
    for name in ["libc.so.6", "libstdc++.so.6", "libm.so.6", "libz.so.1", "libcrypto.so.3", "libtinfo.so.6"] {
        let path = dir.join(name);
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let Some(expected) = by_readelf(&path) else { return };
        let facts = facts(&bytes).unwrap();
        let symbols = facts.symbols.unpack();
        assert_eq!(symbols.pack().unpack(), symbols, "{name}");
        let imports = symbols.imports.iter().filter(|import| import.binding != Binding::Copy).map(|import| {
            let version = import.version.as_ref().map(|version| format!("@{}", version.name));
            (format!("{}{}", import.name, version.unwrap_or_default()), true)
        });
        let exports = symbols.exports.iter().map(|export| {
            let at = if export.default { "@@" } else { "@" };
            let version = export.version.as_ref().map(|version| format!("{at}{version}"));
            (format!("{}{}", export.name, version.unwrap_or_default()), false)
        });
        let mut found: Vec<(String, bool)> = imports.chain(exports).collect();
        found.sort();
        found.dedup();
        assert_eq!(found, expected, "{name}");
        assert!(found.iter().all(|(name, undefined)| !undefined || facts.symbols.imports(name.split('@').next().unwrap())));
        compared += 1;
    }
    assert!(compared > 0 || !dir.exists());
}
