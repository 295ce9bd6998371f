//! Debian version numbers: their form and order (Debian Policy 5.6.12).

use std::cmp::Ordering;

/// A version split at its epoch and its revision.
struct Parts<'a> {
    epoch: &'a str,
    upstream: &'a str,
    revision: &'a str,
}

fn split(version: &str) -> Parts<'_> {
    let (epoch, rest) = version.split_once(':').unwrap_or(("", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    Parts { epoch, upstream, revision }
}

/// Which of two versions is newer. `1.0`, `0:1.0` and `1.0-0` are equal. Every text has a place in the
/// order, so that an index with an odd version can still be sorted; [`is_valid`] tells which are well formed.
pub fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let (a, b) = (split(a), split(b));
    compare_part(a.epoch, b.epoch)
        .then_with(|| compare_part(a.upstream, b.upstream))
        .then_with(|| compare_part(a.revision, b.revision))
}

/// Alternately a stretch without digits, by [`weight`], and a number, by value.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (left, right) = (weight(a), weight(b));
            if left != right {
                return left.cmp(&right);
            }
            if left == 0 {
                break;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
        let (left, right) = (number(&mut a), number(&mut b));
        let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// The place of the first byte within a stretch: `~` before the end, the end before letters, letters
/// before all else. A digit ends the stretch.
fn weight(rest: &[u8]) -> i32 {
    match rest.first() {
        None | Some(b'0'..=b'9') => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

/// Takes the digits at the front and returns them without leading zeros, so that longer means larger.
fn number<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    let zeros = digits.iter().position(|byte| *byte != b'0').unwrap_or(digits.len());
    &digits[zeros..]
}

/// Whether the text has the form that Policy asks of a version: a numeric epoch, an upstream part that
/// starts with a digit, and none but the permitted characters.
pub fn is_valid(version: &str) -> bool {
    let Parts { epoch, upstream, revision } = split(version);
    let has_epoch = version.contains(':');
    let has_revision = version.contains('-');
    let permitted = |text: &str, extra: &[u8]| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".+~".contains(&byte) || extra.contains(&byte))
    };
    let epoch_ok = !has_epoch || (!epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()));
    let upstream_extra: &[u8] = if has_epoch { b"-:" } else { b"-" };
    epoch_ok
        && upstream.starts_with(|first: char| first.is_ascii_digit())
        && permitted(upstream, upstream_extra)
        && (!has_revision || (!revision.is_empty() && permitted(revision, b"")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_by_policy() {
        let ascending = [
            "0~~",
            "0~~a",
            "0~",
            "0",
            "0a",
            "0+",
            "1.0~rc1-1",
            "1.0",
            "1.0-1~bpo12+1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0-10",
            "1.0a-1",
            "1.0+dfsg-1",
            "1.1",
            "9",
            "10",
            "1:0.1",
        ];
        for (n, low) in ascending.iter().enumerate() {
            for (m, high) in ascending.iter().enumerate() {
                assert_eq!(compare(low, high), n.cmp(&m), "{low} against {high}");
            }
        }
    }

    #[test]
    fn equal_without_looking_equal() {
        for (a, b) in [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.001", "1.1"), ("00:1", "1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
        let long = format!("1{}", "0".repeat(60));
        assert_eq!(compare(&long, "9"), Ordering::Greater);
    }

    #[test]
    fn form() {
        for good in ["1", "1:2-3-4", "1:2:3-4", "0.1~rc+dfsg-1.1~deb12u1"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a1", ":1", "x:1", "1-", "1_0", "1 0", "-1", "1:", "1.0-é"] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn total_order_on_any_text(a in "[0-9a-c:~+ -]{0,6}", b in "[0-9a-c:~+ -]{0,6}", c in "[0-9a-c:~+ -]{0,6}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }
    }
}
