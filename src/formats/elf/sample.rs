//! Small ELF files for tests: headers, an interpreter, a dynamic section; no code.

use super::{Arch, ElfMachine};

/// What to put into a file.
#[derive(Clone, Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) machine: ElfMachine,
    /// `e_type`.
    pub(crate) object_type: u16,
    /// Its bytes, without the final NUL.
    pub(crate) interp: Option<&'a str>,
    /// Tags with texts: `DT_NEEDED` 1, `DT_SONAME` 14, `DT_RPATH` 15, `DT_RUNPATH` 29.
    pub(crate) texts: Vec<(u64, &'a str)>,
    /// `DT_FLAGS_1`.
    pub(crate) flags_1: u64,
    /// Texts among its constants.
    pub(crate) constants: Vec<&'a str>,
}

impl Sample<'_> {
    /// A library with a soname and what it needs.
    pub(crate) fn library<'a>(arch: Arch, soname: &'a str, needed: &[&'a str]) -> Sample<'a> {
        let mut texts = vec![(14, soname)];
        texts.extend(needed.iter().map(|name| (1, *name)));
        Sample {
            machine: arch.elf_machine(),
            object_type: 3,
            interp: None,
            texts,
            flags_1: 0,
            constants: Vec::new(),
        }
    }

    /// The file's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (header_size, segment_size) = if self.machine.is_64 { (64_u16, 56_u16) } else { (52, 32) };
        let mut strings = vec![0];
        let mut dynamic = Vec::new();
        for (tag, text) in &self.texts {
            dynamic.push((*tag, strings.len() as u64));
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
        }
        let interp = self.interp.map(|name| format!("{name}\0").into_bytes()).unwrap_or_default();
        let interp_at = usize::from(header_size + 3 * segment_size);
        let constants: String = self.constants.iter().map(|text| format!("\0{text}\0")).collect();
        let strings_at = interp_at + interp.len() + constants.len();
        let dynamic_at = (strings_at + strings.len()).next_multiple_of(8);
        // Addresses differ from offsets, as they do in real files.
        let base = 0x1_0000_u64;
        dynamic.extend([(5, base + strings_at as u64), (10, strings.len() as u64)]);
        dynamic.extend([(0x6fff_fffb, self.flags_1), (0, 0)]);
        let word = if self.machine.is_64 { 8 } else { 4 };
        let end = dynamic_at + dynamic.len() * 2 * word;

        let mut out = Out { machine: self.machine, bytes: b"\x7fELF".to_vec() };
        out.bytes.extend([1 + u8::from(self.machine.is_64), 2 - u8::from(self.machine.little_endian), 1]);
        out.bytes.resize(16, 0);
        out.half(self.object_type);
        out.half(self.machine.machine);
        out.number(1, 4);
        for word in [0, u64::from(header_size), 0] {
            out.word(word);
        }
        out.number(0, 4);
        for half in [header_size, segment_size, 3, 0, 0, 0] {
            out.half(half);
        }
        let interp_kind = if self.interp.is_some() { 3 } else { 0 };
        out.segment(1, 0, end as u64, base);
        out.segment(interp_kind, interp_at as u64, interp.len() as u64, base);
        out.segment(2, dynamic_at as u64, (end - dynamic_at) as u64, base);
        out.bytes.extend(interp);
        out.bytes.extend(constants.bytes());
        out.bytes.extend(strings);
        out.bytes.resize(dynamic_at, 0);
        for (tag, value) in dynamic {
            out.word(tag);
            out.word(value);
        }
        out.bytes
    }
}

struct Out {
    machine: ElfMachine,
    bytes: Vec<u8>,
}

impl Out {
    fn number(&mut self, number: u64, size: usize) {
        if self.machine.little_endian {
            self.bytes.extend(&number.to_le_bytes()[..size]);
        } else {
            self.bytes.extend(&number.to_be_bytes()[8 - size..]);
        }
    }

    fn half(&mut self, number: u16) {
        self.number(number.into(), 2);
    }

    fn word(&mut self, number: u64) {
        self.number(number, if self.machine.is_64 { 8 } else { 4 });
    }

    fn segment(&mut self, kind: u64, offset: u64, size: u64, base: u64) {
        self.number(kind, 4);
        if self.machine.is_64 {
            self.number(4, 4);
        }
        for number in [offset, base + offset, base + offset, size, size] {
            self.word(number);
        }
        if !self.machine.is_64 {
            self.number(4, 4);
        }
        self.word(8);
    }
}
