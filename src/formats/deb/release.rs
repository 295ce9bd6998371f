//! Release files: what a suite says of itself, and the digests of its indexes.
//!
//! Follows the Debian wiki's `DebianRepository/Format`, "Release files". Only the SHA-256 sums are read; a
//! file that has none is of no use. The fields of a Release file are taken from verified text alone.

use std::collections::BTreeMap;

use jiff::fmt::rfc2822::DateTimeParser;

use crate::digest::Digest;
use crate::trust::Verified;

/// A suite's Release file. Dates are in seconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// Who publishes it.
    pub origin: Option<String>,
    /// A text that apt shows and pins by.
    pub label: Option<String>,
    /// `stable`, `oldstable-updates` and the like.
    pub suite: Option<String>,
    /// `trixie`, `bookworm-security` and the like.
    pub codename: Option<String>,
    /// `13.1` and the like.
    pub version: Option<String>,
    /// When it was made.
    pub date: Option<u64>,
    /// When it ceases to be valid.
    pub valid_until: Option<u64>,
    /// The architectures it says to have, `all` possibly among them.
    pub architectures: Vec<String>,
    /// The components as it names them; those of Debian's security archive differ from its paths.
    pub components: Vec<String>,
    /// Whether indexes can also be had by their digest (`Acquire-By-Hash`).
    pub by_hash: bool,
    /// Whether each architecture's Packages index holds the packages for all architectures too
    /// (`No-Support-for-Architecture-all: Packages`).
    pub all_within: bool,
    /// Indexes by their path below the suite's directory.
    pub files: BTreeMap<String, ReleaseFile>,
}

/// An index as its Release file vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseFile {
    /// Its SHA-256 digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// A Release file that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// A line that belongs to no field.
    #[error("line {line} of the Release file is no field: `{text}`")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Its text.
        text: String,
    },
    /// A field occurs twice.
    #[error("the Release file has the field `{0}` twice")]
    Twice(String),
    /// A date in another format.
    #[error("the Release file has a date that cannot be read: `{field}: {value}`")]
    Date {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// A line of the digest list in another format.
    #[error("the Release file's list of SHA-256 sums has a line that cannot be read: `{0}`")]
    Sum(String),
    /// It has no SHA-256 sums.
    #[error("the Release file has no SHA-256 sums")]
    NoSums,
}

impl Release {
    /// Reads the signed text of an InRelease file.
    pub fn parse(verified: &Verified) -> Result<Self, ReleaseError> {
        Self::read(verified.text())
    }

    fn read(text: &str) -> Result<Self, ReleaseError> {
        let fields = fields(text)?;
        let value = |name: &str| fields.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let owned = |name| value(name).map(str::to_owned);
        let words = |name| value(name).map(|words| words.split_whitespace().map(str::to_owned).collect());
        let date = |name: &str, field| value(name).map(|value| parse_date(field, value)).transpose();
        let files = value("sha256").ok_or(ReleaseError::NoSums)?;
        Ok(Release {
            origin: owned("origin"),
            label: owned("label"),
            suite: owned("suite"),
            codename: owned("codename"),
            version: owned("version"),
            date: date("date", "Date")?,
            valid_until: date("valid-until", "Valid-Until")?,
            architectures: words("architectures").unwrap_or_default(),
            components: words("components").unwrap_or_default(),
            by_hash: value("acquire-by-hash") == Some("yes"),
            all_within: value("no-support-for-architecture-all")
                .is_some_and(|kinds| kinds.split_whitespace().any(|kind| kind == "Packages")),
            files: files.lines().map(parse_sum).collect::<Result<_, _>>()?,
        })
    }
}

/// The fields of the one paragraph, by lower-case name; continuation lines are kept, each after a newline.
fn fields(text: &str) -> Result<BTreeMap<String, String>, ReleaseError> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut last: Option<String> = None;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let stray = || ReleaseError::Line { line: number + 1, text: line.chars().take(80).collect() };
        if line.starts_with([' ', '\t']) {
            let value = last.as_ref().and_then(|name| fields.get_mut(name)).ok_or_else(stray)?;
            value.push('\n');
            value.push_str(line);
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(stray)?;
        let name = name.to_ascii_lowercase();
        if fields.insert(name.clone(), value.to_owned()).is_some() {
            return Err(ReleaseError::Twice(name));
        }
        last = Some(name);
    }
    Ok(fields)
}

fn parse_sum(line: &str) -> Result<(String, ReleaseFile), ReleaseError> {
    let error = || ReleaseError::Sum(line.trim().chars().take(120).collect());
    let mut words = line.split_whitespace();
    let (Some(digest), Some(size), Some(path), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(error());
    };
    let digest = Digest::parse(digest).map_err(|_| error())?;
    let size = size.parse().map_err(|_| error())?;
    Ok((path.to_owned(), ReleaseFile { digest, size }))
}

/// Seconds since the epoch of an RFC 2822 date; archives write `UTC` where the RFC has `+0000`.
fn parse_date(field: &'static str, value: &str) -> Result<u64, ReleaseError> {
    let error = || ReleaseError::Date { field, value: value.to_owned() };
    let mut words: Vec<_> = value.split_whitespace().collect();
    // The parser takes any other word for a zone without an offset, as the RFC's section 4.3 asks.
    match words.last_mut() {
        Some(zone) if ["UTC", "GMT", "Z"].contains(zone) => *zone = "+0000",
        Some(zone) if zone.starts_with(['+', '-']) => {}
        _ => return Err(error()),
    }
    let text = words.join(" ");
    let time = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(&text).map_err(|_| error())?;
    u64::try_from(time.as_second()).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(head: &str) -> Result<Release, ReleaseError> {
        Release::read(&format!("{head}\nSHA256:\n {SUM}        0 main/binary-amd64/Packages\n"))
    }

    #[test]
    fn all_fields() {
        let release = read(
            "Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\nVersion: 13\nCodename: \
             trixie-security\nDate: Fri, 20 Nov 2026 00:12:42 UTC\nValid-Until: Fri, 27 Nov 2026 00:12:42 \
             UTC\nAcquire-By-Hash: yes\nNo-Support-for-Architecture-all: Packages\nArchitectures: amd64 \
             s390x\nComponents: updates/main updates/contrib\nDescription: x\nMD5Sum:\n 00 0 x",
        )
        .unwrap();
        assert_eq!(release.origin.as_deref(), Some("Debian"));
        assert_eq!(release.label.as_deref(), Some("Debian-Security"));
        assert_eq!(release.suite.as_deref(), Some("stable-security"));
        assert_eq!(release.codename.as_deref(), Some("trixie-security"));
        assert_eq!(release.version.as_deref(), Some("13"));
        assert_eq!(release.date, Some(1_795_133_562));
        assert_eq!(release.valid_until, Some(1_795_133_562 + 7 * 86_400));
        assert_eq!(release.architectures, ["amd64", "s390x"]);
        assert_eq!(release.components, ["updates/main", "updates/contrib"]);
        assert!(release.by_hash && release.all_within);
        let file = release.files["main/binary-amd64/Packages"];
        assert_eq!((file.digest, file.size), (Digest::of(b""), 0));
    }

    #[test]
    fn dates_in_use() {
        for text in [
            "Fri, 20 Nov 2026 00:12:42 UTC",
            "Fri, 20 Nov 2026 00:12:42 +0000",
            "Fri, 20 Nov 2026 02:12:42 +0200",
        ] {
            assert_eq!(read(&format!("Date: {text}")).unwrap().date, Some(1_795_133_562), "{text}");
        }
        assert_eq!(read("Date: Sun,  1 Nov 2026 00:00:00 UTC").unwrap().date, Some(1_793_491_200));
        for text in ["2026-11-20", "Fri, 20 Nov 2026 00:12:42 CEST", "Thu, 01 Jan 1960 00:00:00 UTC", "soon"]
        {
            let error = read(&format!("Valid-Until: {text}")).unwrap_err();
            assert_eq!(error, ReleaseError::Date { field: "Valid-Until", value: text.to_owned() });
        }
    }

    #[test]
    fn doubtful_files_are_refused() {
        assert_eq!(Release::read("Origin: x\nMD5Sum:\n 00 1 x\n"), Err(ReleaseError::NoSums));
        assert_eq!(read("Origin: x\norigin: y"), Err(ReleaseError::Twice("origin".into())));
        assert!(matches!(read("Origin"), Err(ReleaseError::Line { line: 1, .. })));
        assert!(matches!(read(" x"), Err(ReleaseError::Line { line: 1, .. })));
        for sum in
            [format!("{SUM} x main/a"), format!("{SUM} 1"), "00 1 main/a".into(), format!("{SUM} -1 a")]
        {
            assert!(
                matches!(Release::read(&format!("SHA256:\n {sum}\n")), Err(ReleaseError::Sum(_))),
                "{sum}"
            );
        }
    }
}
