//! Where an index first speaks of a package.
//!
//! apt numbers packages as it reads of them, in whatever role, and of providers that are equal in all else it
//! takes the one with the highest number. To choose as apt does, that number's order has to be known.

use memchr::memmem;

use super::PackageIndex;

/// The fields that make apt note a package, in the order it reads them.
pub(super) const FIELDS: [&str; 10] = [
    "Package",
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Recommends",
    "Suggests",
    "Replaces",
    "Enhances",
    "Provides",
];

/// The place of a mention; places compare as apt's reading goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mention {
    origin: usize,
    paragraph: usize,
    field: usize,
    offset: usize,
}

impl PackageIndex {
    /// The first mention of a package name. The text is searched, so ask only where it matters.
    pub(crate) fn first_mention(&self, name: &str) -> Option<Mention> {
        let finder = memmem::Finder::new(name);
        // Stable: of one kind in their order.
        let mut order: Vec<usize> = (0..self.parts.len()).collect();
        order.sort_by_key(|place| self.origins[*place].kind);
        order.into_iter().enumerate().find_map(|(origin, place)| {
            let text = self.parts[place].text();
            let mut mentions = finder.find_iter(text).filter_map(|at| mention(text, origin, at, name.len()));
            let first = mentions.next()?;
            // Of several in one paragraph, the field decides.
            let same = mentions.take_while(|other| other.paragraph == first.paragraph);
            Some(same.fold(first, Ord::min))
        })
    }
}

/// Looks whether the `len` bytes at `at` are a package name in one of the [`FIELDS`].
fn mention(bytes: &[u8], origin: usize, at: usize, len: usize) -> Option<Mention> {
    let starts = at.checked_sub(1).is_none_or(|before| b" \t\n,|:".contains(&bytes[before]));
    let ends = bytes.get(at + len).is_none_or(|after| b" \t\r\n,|(".contains(after));
    if !starts || !ends {
        return None;
    }
    let mut line = at;
    loop {
        line = memchr::memrchr(b'\n', &bytes[..line]).map_or(0, |newline| newline + 1);
        match bytes[line] {
            b' ' | b'\t' if line > 0 => line -= 1,
            _ => break,
        }
    }
    let before = &bytes[line..at];
    let name = before.split(|byte| *byte == b':').next()?;
    let field = FIELDS.iter().position(|field| field.as_bytes().eq_ignore_ascii_case(name))?;
    // Within the parentheses of a version there is no name.
    let open =
        memchr::memrchr(b'(', before).is_some_and(|open| memchr::memchr(b')', &before[open..]).is_none());
    let paragraph = memmem::rfind(&bytes[..line], b"\n\n").map_or(0, |gap| gap + 2);
    (!open).then_some(Mention { origin, paragraph, field, offset: at })
}
