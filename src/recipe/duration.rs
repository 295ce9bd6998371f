//! Durations as Go's `time.ParseDuration` writes them: `30s`, `1m30s`, `1.5h`.

/// Units, longest spelling first where one begins with another, and their nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The nanoseconds of a duration that is not negative and fits Go's; none for anything else.
pub(super) fn nanoseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(scale)?)?;
        total = total.checked_add(part(fraction, scale))?;
        rest = next;
    }
    (i64::try_from(total).is_ok()).then_some(total)
}

/// The part of `scale` that the digits after a decimal point make, rounded down.
fn part(fraction: &str, scale: u64) -> u64 {
    let mut digits: u128 = 0;
    let mut weight: u128 = 1;
    // More digits than this are below a nanosecond of any unit.
    for digit in fraction.bytes().take(18) {
        digits = digits * 10 + u128::from(digit - b'0');
        weight *= 10;
    }
    u64::try_from(digits * u128::from(scale) / weight).unwrap_or(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_reads_them() {
        assert_eq!(nanoseconds("30s"), Some(30_000_000_000));
        assert_eq!(nanoseconds("1m30s"), Some(90_000_000_000));
        assert_eq!(nanoseconds("1.5h"), Some(5_400_000_000_000));
        assert_eq!(nanoseconds("100ms"), Some(100_000_000));
        assert_eq!(nanoseconds(".5s"), Some(500_000_000));
        assert_eq!(nanoseconds("1\u{b5}s"), Some(1_000));
        assert_eq!(nanoseconds("2562047h"), Some(9_223_369_200_000_000_000));
        for wrong in ["", "30", "s", "-1s", "1 s", "1d", "1..5s", ".s", "9999999h", "1s ", "1e3s"] {
            assert_eq!(nanoseconds(wrong), None, "{wrong}");
        }
    }
}
