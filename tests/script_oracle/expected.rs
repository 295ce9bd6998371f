//! What may differ between an installed system and an image, and why.

/// Who has what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Only the installed system.
    Installed,
    /// Only the image.
    Image,
    /// Both, as different things.
    Both,
    /// Both, with different content.
    Content,
    /// Any of these; in the table only.
    Any,
}

impl Side {
    /// Whether a rule for this covers a difference.
    pub(crate) fn covers(self, found: Side) -> bool {
        self == Side::Any || self == found
    }
}

/// Paths, who may have them, and the reason.
pub(crate) const EXPECTED: &[(&str, Side, &str)] = &[
    ("/etc/{passwd,group,shadow,gshadow}", Side::Content, "compared by name: numbers differ"),
    ("/etc/ld.so.cache", Side::Content, "compared as `ldconfig -p` reads it"),
];
