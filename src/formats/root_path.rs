//! A normalised path inside an image.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An absolute path below the image root, with no `.`, `..`, doubled or trailing slash.
///
/// The root itself is `/`. The text is UTF-8, as Debian Policy 10.10 asks of packages. Ordering is that of
/// the components, so that a directory's descendants follow it without a gap.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootPath(Box<str>);

/// Why a text is no path inside an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootPathError {
    /// It climbs out of its directory.
    #[error("the path `{0}` contains `..`")]
    Parent(String),
    /// It holds a byte that no path may hold.
    #[error("the path `{0}` contains a NUL byte")]
    Nul(String),
    /// It is not UTF-8.
    #[error("the path `{0}` is not UTF-8")]
    Encoding(String),
}

impl RootPath {
    /// The root directory.
    pub fn root() -> Self {
        RootPath("/".into())
    }

    /// Normalises `./usr/bin/`, `/usr//bin` and `usr/bin` alike to `/usr/bin`; refuses `..`.
    pub fn parse(text: &str) -> Result<Self, RootPathError> {
        if text.contains('\0') {
            return Err(RootPathError::Nul(text.escape_default().to_string()));
        }
        let mut path = String::with_capacity(text.len() + 1);
        for component in text.split('/') {
            match component {
                "" | "." => {}
                ".." => return Err(RootPathError::Parent(text.to_owned())),
                component => {
                    path.push('/');
                    path.push_str(component);
                }
            }
        }
        Ok(if path.is_empty() { Self::root() } else { RootPath(path.into()) })
    }

    /// As [`RootPath::parse`], from the bytes of an archive member's name.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RootPathError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| RootPathError::Encoding(bytes.escape_ascii().to_string()))?;
        Self::parse(text)
    }

    /// The absolute path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without its leading slash, as tarballs name members; empty for the root.
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The directory that holds it; none for the root.
    pub fn parent(&self) -> Option<RootPath> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.rfind('/').unwrap_or(0);
        Some(if cut == 0 { Self::root() } else { RootPath(self.0[..cut].into()) })
    }

    /// The last component; empty for the root.
    pub fn file_name(&self) -> &str {
        &self.0[self.0.rfind('/').unwrap_or(0) + 1..]
    }

    /// Every directory above it, the root excluded, outermost first.
    pub fn ancestors(&self) -> impl Iterator<Item = RootPath> + '_ {
        self.0.match_indices('/').skip(1).map(|(at, _)| RootPath(self.0[..at].into()))
    }

    /// The components in order.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// Whether it is `directory` or lies below it.
    pub fn is_within(&self, directory: &RootPath) -> bool {
        directory.is_root()
            || self.0.strip_prefix(&*directory.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Appends relative components; refuses `..`.
    pub fn join(&self, relative: &str) -> Result<RootPath, RootPathError> {
        // One name more is what most ask for.
        if !matches!(relative, "" | "." | "..") && !relative.contains(['/', '\0']) {
            let above = if self.is_root() { "" } else { &self.0 };
            return Ok(RootPath([above, relative].join("/").into()));
        }
        Self::parse(&format!("{}/{relative}", self.0))
    }

    /// Where a symbolic link at this path with this target points, read lexically: relative targets start
    /// at the link's directory, and `..` stops at the root as the kernel's does.
    #[must_use]
    pub fn link_target(&self, target: &str) -> RootPath {
        let mut components: Vec<&str> = Vec::new();
        if !target.starts_with('/') {
            components.extend(self.components());
            components.pop();
        }
        for component in target.split('/') {
            match component {
                "" | "." => {}
                ".." => {
                    components.pop();
                }
                component => components.push(component),
            }
        }
        RootPath(format!("/{}", components.join("/")).into())
    }
}

impl PartialOrd for RootPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RootPath {
    /// Component by component, so that a directory stands right before what is in it.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (one, two) = (self.0.as_bytes(), other.0.as_bytes());
        // The end of a component comes before any byte that a component may have.
        let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
        let shorter = one.len().min(two.len());
        // What many paths have in common is passed over eight bytes at a time. Plain loops: this is asked most of all.
        let (eights_of_one, eights_of_two) = (one.as_chunks::<8>().0, two.as_chunks::<8>().0);
        let mut eights = 0;
        while eights < shorter / 8 && eights_of_one[eights] == eights_of_two[eights] {
            eights += 1;
        }
        let mut same = 8 * eights;
        while same < shorter && one[same] == two[same] {
            same += 1;
        }
        if same < shorter { rank(one[same]).cmp(&rank(two[same])) } else { one.len().cmp(&two.len()) }
    }
}

impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for RootPath {
    type Err = RootPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for RootPath {
    type Error = RootPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<RootPath> for String {
    fn from(path: RootPath) -> Self {
        path.0.into()
    }
}

impl AsRef<str> for RootPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RootPath {
        RootPath::parse(text).unwrap()
    }

    #[test]
    fn spellings_of_one_path_are_equal() {
        for text in ["./usr/bin/", "/usr/bin", "usr//bin", "/./usr/bin/."] {
            assert_eq!(path(text).as_str(), "/usr/bin");
        }
        assert_eq!(path("./"), RootPath::root());
    }

    #[test]
    fn nothing_climbs_out() {
        assert_eq!(RootPath::parse("usr/../../etc"), Err(RootPathError::Parent("usr/../../etc".into())));
        assert!(RootPath::parse("a\0b").is_err());
        assert!(RootPath::from_bytes(b"\xff").is_err());
        assert_eq!(path("/usr/lib/x").link_target("../../../../etc").as_str(), "/etc");
        assert_eq!(path("/usr/lib/libz.so").link_target("libz.so.1").as_str(), "/usr/lib/libz.so.1");
        assert_eq!(path("/bin").link_target("/usr/bin").as_str(), "/usr/bin");
    }

    proptest::proptest! {
        #[test]
        fn the_order_is_that_of_components(one in "(/[!-.0a-]{1,2}){0,3}", two in "(/[!-.0a-]{1,2}){0,3}") {
            let (one, two) = (RootPath::parse(&one), RootPath::parse(&two));
            if let (Ok(one), Ok(two)) = (one, two) {
                proptest::prop_assert_eq!(one.cmp(&two), one.components().cmp(two.components()));
            }
        }
    }

    #[test]
    fn parts() {
        let long = path("/usr/lib/libz.so");
        assert_eq!(long.file_name(), "libz.so");
        assert_eq!(long.parent(), Some(path("/usr/lib")));
        assert_eq!(long.ancestors().collect::<Vec<_>>(), [path("/usr"), path("/usr/lib")]);
        assert!(long.is_within(&path("/usr")) && !path("/usrx").is_within(&path("/usr")));
        assert_eq!(RootPath::root().parent(), None);
    }

    #[test]
    fn descendants_follow_their_directory() {
        let mut paths = [path("/a-b"), path("/a/c"), path("/a")];
        paths.sort();
        assert_eq!(paths, [path("/a"), path("/a/c"), path("/a-b")]);
    }
}
