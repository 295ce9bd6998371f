//! apk's version order: `digits{.digits}{letter}{_suffix{digits}}{-rN}`, as apk-tools 2.14 compares it.
//!
//! A version is read part by part. Two versions are compared as long as they have parts of the same kind with
//! the same value; then the value decides, or else the kind of the part that comes next: a pre-release suffix
//! (`_alpha`, `_beta`, `_pre`, `_rc`) is less than nothing at all, every other part is more. A number after a
//! dot that begins with zeros is compared as a fraction is: `1.02` is less than `1.1`.
//!
//! What is no version compares equal to it up to the first part that cannot be read, as in apk, which
//! installs such packages all the same; so this is no total order on any text. `~hash` suffixes came with
//! apk-tools 3 and are invalid here.

use std::cmp::Ordering;

/// The suffixes that make a version less than the one without; in ascending order.
const BEFORE: [&str; 4] = ["alpha", "beta", "pre", "rc"];
/// The suffixes that make a version more than the one without; in ascending order.
const AFTER: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];
/// Numbers with as many digits or more are not read.
const DIGITS: usize = 18;

/// The kind of a part; a later kind is less significant, and its presence makes a version less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Invalid,
    /// A number after a dot, which may begin with zeros that count.
    Fraction,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Revision,
    End,
}

/// A version from some part on.
#[derive(Clone, Copy)]
struct Parts<'a> {
    /// The kind of the next part.
    next: Kind,
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    fn new(version: &'a str) -> Self {
        Parts { next: Kind::Number, rest: version.as_bytes() }
    }

    fn is_over(self) -> bool {
        matches!(self.next, Kind::End | Kind::Invalid)
    }

    /// The value of the next part, which is passed.
    fn take(&mut self) -> i64 {
        if self.rest.is_empty() {
            self.next = Kind::End;
            return 0;
        }
        let (length, value) = match self.next {
            Kind::Fraction if self.rest[0] == b'0' => return self.take_zeros(),
            Kind::Fraction | Kind::Number | Kind::SuffixNumber | Kind::Revision => {
                let length = self.count(u8::is_ascii_digit);
                if length >= DIGITS {
                    return self.fail();
                }
                let digits = self.rest[..length].iter();
                (length, digits.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
            }
            Kind::Letter => (1, i64::from(self.rest[0])),
            Kind::Suffix => match suffix(self.rest) {
                Some(found) => found,
                None => return self.fail(),
            },
            Kind::Invalid | Kind::End => return self.fail(),
        };
        self.rest = &self.rest[length..];
        if self.rest.is_empty() {
            self.next = Kind::End;
        } else {
            self.find_next();
        }
        value
    }

    /// Passes all but the last of leading zeros: the more there are, the less the number is.
    fn take_zeros(&mut self) -> i64 {
        let passed = self.count(|byte| *byte == b'0') - 1;
        self.rest = &self.rest[passed..];
        self.next = Kind::Number;
        -i64::try_from(passed).unwrap_or(i64::MAX)
    }

    fn count(&self, is_part: impl Fn(&u8) -> bool) -> usize {
        self.rest.iter().take_while(|byte| is_part(byte)).count()
    }

    fn fail(&mut self) -> i64 {
        self.next = Kind::Invalid;
        -1
    }

    /// Sees what kind of part comes after one of the kind `next`, and passes what introduces it.
    fn find_next(&mut self) {
        let before = self.next;
        let first = self.rest[0];
        let (kind, passed) = match (before, first) {
            (_, 0) => (Kind::End, 0),
            (Kind::Number | Kind::Fraction, b'a'..=b'z') => (Kind::Letter, 0),
            (Kind::Letter, b'0'..=b'9') => (Kind::Number, 0),
            (Kind::Suffix, b'0'..=b'9') => (Kind::SuffixNumber, 0),
            (_, b'.') => (Kind::Fraction, 1),
            (_, b'_') => (Kind::Suffix, 1),
            (_, b'-') if self.rest.get(1) == Some(&b'r') => (Kind::Revision, 2),
            _ => (Kind::Invalid, 1),
        };
        self.rest = &self.rest[passed..];
        // Kinds only come in this order, but for these three that may begin again.
        let again = matches!(
            (before, kind),
            (Kind::Number, Kind::Fraction)
                | (Kind::SuffixNumber, Kind::Suffix)
                | (Kind::Letter, Kind::Number)
        );
        self.next = if kind >= before || again { kind } else { Kind::Invalid };
    }
}

/// The length and value of the suffix that a text begins with; less than zero where it is a pre-release.
fn suffix(text: &[u8]) -> Option<(usize, i64)> {
    let values = (-4..).zip(BEFORE).chain((0..).zip(AFTER));
    let mut known = values.filter(|(_, name)| text.starts_with(name.as_bytes()));
    known.next().map(|(value, name)| (name.len(), value))
}

/// Whether a version has the form that apk asks for in constraints.
pub fn is_valid(version: &str) -> bool {
    let mut parts = Parts::new(version);
    while !parts.is_over() {
        parts.take();
    }
    parts.next == Kind::End
}

/// Which of two versions is the newer one.
pub fn compare(a: &str, b: &str) -> Ordering {
    ordering(a, b, false)
}

/// What `~` compares: two versions are equal if one ends, or has another kind of part, where both are equal
/// up to there.
pub fn compare_fuzzy(a: &str, b: &str) -> Ordering {
    ordering(a, b, true)
}

/// Whether `name~wanted` takes a version: `1.2` takes `1.2`, `1.2.3` and `1.2_rc1`, and also `1`.
pub fn matches_fuzzy(version: &str, wanted: &str) -> bool {
    compare_fuzzy(version, wanted).is_eq()
}

fn ordering(a: &str, b: &str, fuzzy: bool) -> Ordering {
    let (mut a, mut b) = (Parts::new(a), Parts::new(b));
    let mut by_value = Ordering::Equal;
    while a.next == b.next && !a.is_over() && by_value.is_eq() {
        by_value = a.take().cmp(&b.take());
    }
    if by_value.is_ne() || a.next == b.next || fuzzy {
        return by_value;
    }
    if is_before(a) {
        return Ordering::Less;
    }
    if is_before(b) {
        return Ordering::Greater;
    }
    b.next.cmp(&a.next)
}

/// Whether a pre-release suffix comes next, or one that cannot be read.
fn is_before(mut parts: Parts<'_>) -> bool {
    parts.next == Kind::Suffix && parts.take() < 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ascending() {
        let versions = [
            "0.9",
            "1.001",
            "1.0_alpha",
            "1.0_alpha2",
            "1.0_beta",
            "1.0_pre1",
            "1.0_rc1-r3",
            "1.0_rc2",
            "1.0",
            "1.0-r0",
            "1.0-r1",
            "1.0-r10",
            "1.0_cvs1",
            "1.0_svn1",
            "1.0_git20200101",
            "1.0_hg1",
            "1.0_p1",
            "1.0_p1_p2",
            "1.0_p2",
            "1.0a",
            "1.0b_rc1",
            "1.0b",
            "1.0.0",
            "1.01",
            "1.1",
            "1.1.1",
            "1.9",
            "1.10",
            "2",
            "20240101",
        ];
        for (n, low) in versions.iter().enumerate() {
            assert!(is_valid(low), "{low}");
            for (m, high) in versions.iter().enumerate() {
                assert_eq!(compare(low, high), n.cmp(&m), "{low} against {high}");
            }
        }
    }

    #[test]
    fn form() {
        for good in [
            "1",
            "1.2b_pre2_p1-r3",
            "1.",
            "1_",
            "1_rc",
            "a",
            "1a2",
            "0.00012",
            "1-r",
            "1-r1-r2",
            "1.2.3.4.5.6",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["1.0_foo", "1-1", "1.0-r1.2", "1.0~abc", "1 2", "1.0A", "1.0+1", "1.0ab"] {
            assert!(!is_valid(bad), "{bad}");
        }
        assert!(is_valid(&"9".repeat(DIGITS - 1)));
        assert!(!is_valid(&"9".repeat(DIGITS)));
    }

    #[test]
    fn fuzzy() {
        for (version, wanted) in [("1.2", "1.2"), ("1.2.3-r4", "1.2"), ("1.2_rc1", "1.2"), ("1", "1.2")] {
            assert!(matches_fuzzy(version, wanted), "{version} ~ {wanted}");
        }
        for (version, wanted) in [("1.3", "1.2"), ("1.20", "1.2"), ("2", "1.2"), ("1.2-r1", "1.2-r2")] {
            assert!(!matches_fuzzy(version, wanted), "{version} ~ {wanted}");
        }
    }

    proptest! {
        #[test]
        fn never_contradicts_itself(a in "[0-9a-c._r-]{0,9}", b in "\\PC{0,9}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            is_valid(&b);
        }

        #[test]
        fn orders_versions(versions in prop::collection::vec("[0-2]{1,2}(\\.[0-2]{1,3}){0,2}[a-b]?(_(rc|p|git)[0-2]?)?(-r[0-2])?", 3)) {
            let [a, b, c] = &versions[..] else { unreachable!() };
            if compare(a, b).is_le() && compare(b, c).is_le() {
                prop_assert!(compare(a, c).is_le(), "{} {} {}", a, b, c);
            }
        }
    }
}
