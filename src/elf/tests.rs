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
            },
            "{arch}"
        );
    }
}

#[test]
fn kinds() {
    let kind = |object_type, flags_1| {
        let machine = Arch::S390x.elf_machine();
        let sample = Sample { machine, object_type, interp: None, texts: vec![], flags_1 };
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
    }
}

#[test]
fn damaged_real_files() {
    use proptest::test_runner::{Config, TestRunner};
    let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let elf = Elf::lazy_parse(Elf::parse_header(&bytes).unwrap()).unwrap();
    let segments = segments(&bytes, &elf.header, Ctx::default()).unwrap();
    let dynamic = segments.iter().find(|segment| segment.p_type == 2).unwrap().file_range();
    let length = bytes.len();
    // Mutations go where they matter: the headers and the dynamic section.
    let at = prop_oneof![0..1024_usize, dynamic];
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
