//! What chmod(1) is told: numbers and symbolic modes.

/// What `chmod` is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModeChange {
    /// A number: all permission bits.
    Bits(u32),
    /// Clauses such as `u+rwX,go-w`.
    Symbolic(String),
}

impl ModeChange {
    /// What a text says: a number of permission bits, or clauses, which may turn out to be none when they are applied.
    pub fn of(text: &str) -> Self {
        // `+111` is a clause.
        let is_number = text.bytes().all(|digit| digit.is_ascii_digit());
        let bits = u32::from_str_radix(text, 8).ok().filter(|bits| is_number && *bits <= 0o7777);
        bits.map_or_else(|| ModeChange::Symbolic(text.to_owned()), ModeChange::Bits)
    }

    /// Whether the umask counts for it: a clause names no class.
    pub(super) fn heeds_umask(&self) -> bool {
        match self {
            ModeChange::Bits(_) => false,
            ModeChange::Symbolic(text) => text.split(',').any(|clause| clause.starts_with(['+', '-', '='])),
        }
    }

    /// The permission bits that it makes of others; none if it is no mode.
    ///
    /// A directory keeps the set-id bits that a number of four digits or less does not name, as in GNU's chmod; the
    /// umask counts as 022 where no class is named.
    pub fn applied(&self, mode: u32, is_directory: bool) -> Option<u32> {
        match self {
            ModeChange::Bits(bits) if is_directory => Some((bits | mode & 0o6000) & 0o7777),
            ModeChange::Bits(bits) => Some(*bits & 0o7777),
            ModeChange::Symbolic(text) => {
                text.split(',').try_fold(mode, |mode, clause| clause_changed(mode, clause, is_directory))
            }
        }
    }
}

/// The permission bits of a file once it was given to somebody, be that who has it (chown(2)): it runs as its owner no
/// more, nor as its group where that may execute it.
pub fn given_away(mode: u32) -> u32 {
    if mode & 0o010 != 0 { mode & !0o6000 } else { mode & !0o4000 }
}

fn clause_changed(mut mode: u32, clause: &str, is_directory: bool) -> Option<u32> {
    let split = clause.find(['+', '-', '='])?;
    let (who, mut actions) = clause.split_at(split);
    let mut classes = 0;
    for class in who.chars() {
        classes |= match class {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let (classes, masked) = if who.is_empty() { (0o7777, 0o022) } else { (classes, 0) };
    while let Some(operator) = actions.chars().next() {
        let rest = &actions[1..];
        let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        let mut bits = 0;
        for letter in rest[..end].chars() {
            bits |= match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if is_directory || mode & 0o111 != 0 => 0o111,
                'X' => 0,
                's' => 0o6000,
                't' => 0o1000,
                'u' => spread(mode >> 6 & 7),
                'g' => spread(mode >> 3 & 7),
                'o' => spread(mode & 7),
                _ => return None,
            };
        }
        // The sticky bit belongs to no class of its own.
        let classes = if bits & 0o1000 != 0 { classes | 0o1000 } else { classes };
        let bits = bits & classes & !masked;
        mode = match operator {
            '+' => mode | bits,
            '-' => mode & !bits,
            '=' => {
                let kept = if is_directory { 0o6000 } else { 0 };
                mode & !(classes & !kept & !masked) | bits
            }
            _ => return None,
        };
        actions = &rest[end..];
    }
    Some(mode)
}

fn spread(bits: u32) -> u32 {
    bits << 6 | bits << 3 | bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_chmod_does() {
        for (before, change, is_directory, after) in [
            (0o644, "u+x", false, 0o744),
            (0o755, "u+s", false, 0o4755),
            (0o755, "g+s,o=", true, 0o2750),
            (0o644, "a+X", false, 0o644),
            (0o644, "a+X", true, 0o755),
            (0o777, "go-w", false, 0o755),
            (0o600, "g=u", false, 0o660),
            (0o777, "+t", true, 0o1777),
            (0o644, "+w", false, 0o644),
            (0o640, "o=g-w", false, 0o644),
            (0o2755, "u=rwx,g=rx,o=", true, 0o2750),
        ] {
            let changed = ModeChange::Symbolic(change.into()).applied(before, is_directory);
            assert_eq!(changed.map(|mode| format!("{mode:o}")), Some(format!("{after:o}")), "{change}");
        }
        assert_eq!(ModeChange::Bits(0o750).applied(0o2755, true), Some(0o2750));
        assert_eq!(ModeChange::Bits(0o4750).applied(0o2755, true), Some(0o6750));
        assert_eq!(ModeChange::Bits(0o750).applied(0o2755, false), Some(0o750));
        for wrong in ["", "z+x", "u", "u+q"] {
            assert_eq!(ModeChange::Symbolic(wrong.into()).applied(0o644, false), None, "{wrong}");
        }
    }
}
