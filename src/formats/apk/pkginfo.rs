//! `.PKGINFO`, what a package says about itself: lines of `key = value`.
//!
//! Follows apk-tools 2.14 and abuild: `#` begins a comment line, keys that are unknown and lines that are no such
//! pair are passed over, of a key with one value the last line counts, and the lists (`depend`, `provides`,
//! `install_if`, `replaces`) go on from line to line. Stricter than apk: a number must be one, and `datahash`,
//! which all the rest hangs on, may stand once only.

use crate::digest::Digest;

/// The fields of a `.PKGINFO`; a text that is not there is empty, a number zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageInfo {
    /// `pkgname`.
    pub name: String,
    /// `pkgver`, with the release: `1.2.5-r0`.
    pub version: String,
    /// `arch`, Alpine's name of it, or `noarch`.
    pub arch: String,
    /// `pkgdesc`.
    pub description: String,
    /// `url`.
    pub url: String,
    /// `license`.
    pub license: String,
    /// `origin`: the source package.
    pub origin: String,
    /// `maintainer`.
    pub maintainer: String,
    /// `packager`.
    pub packager: String,
    /// `commit`, of the repository of build recipes.
    pub commit: String,
    /// `size`: what it takes when installed, in bytes.
    pub installed_size: u64,
    /// `builddate`, in seconds since the epoch.
    pub build_time: u64,
    /// `provider_priority`.
    pub provider_priority: u32,
    /// `replaces_priority`.
    pub replaces_priority: u32,
    /// Each `depend`, conflicts (`!name`) included.
    pub depends: Vec<String>,
    /// Each of `provides`.
    pub provides: Vec<String>,
    /// Each of `install_if`.
    pub install_if: Vec<String>,
    /// Each of `replaces`.
    pub replaces: Vec<String>,
    /// The globs of `triggers`.
    pub triggers: Vec<String>,
    /// `datahash`: the SHA-256 of the compressed bytes of all data members.
    pub datahash: Option<Digest>,
}

/// Why a `.PKGINFO` cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageInfoError {
    /// A field that every package has.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// A name or version that would not do as part of a file name.
    #[error("its `{key}` is `{value}`, which cannot be one")]
    Name {
        /// The field.
        key: &'static str,
        /// What it says, printable.
        value: String,
    },
    /// A number that is none.
    #[error("its `{key}` is `{value}`, which is no number")]
    Number {
        /// The field.
        key: String,
        /// What it says, printable.
        value: String,
    },
    /// A `datahash` that is no SHA-256.
    #[error("its `datahash` is `{0}`, which is no SHA-256 digest")]
    DataHash(String),
    /// A second `datahash`.
    #[error("it has `datahash` twice")]
    Twice,
}

impl PackageInfo {
    /// Reads the text of a `.PKGINFO`.
    pub fn parse(text: &str) -> Result<Self, PackageInfoError> {
        let mut info = PackageInfo::default();
        for line in text.split('\n').filter(|line| !line.starts_with('#')) {
            if let Some((key, value)) = line.split_once(" = ") {
                info.set(key, value)?;
            }
        }
        for (key, value) in [("pkgname", &info.name), ("pkgver", &info.version)] {
            if value.is_empty() {
                return Err(PackageInfoError::Missing(key));
            }
            if value.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
                return Err(PackageInfoError::Name { key, value: value.escape_debug().to_string() });
            }
        }
        Ok(info)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), PackageInfoError> {
        let words = || value.split_ascii_whitespace().map(ToOwned::to_owned);
        match key {
            "pkgname" => value.clone_into(&mut self.name),
            "pkgver" => value.clone_into(&mut self.version),
            "arch" => value.clone_into(&mut self.arch),
            "pkgdesc" => value.clone_into(&mut self.description),
            "url" => value.clone_into(&mut self.url),
            "license" => value.clone_into(&mut self.license),
            "origin" => value.clone_into(&mut self.origin),
            "maintainer" => value.clone_into(&mut self.maintainer),
            "packager" => value.clone_into(&mut self.packager),
            "commit" => value.clone_into(&mut self.commit),
            "size" => self.installed_size = number(key, value)?,
            "builddate" => self.build_time = number(key, value)?,
            "provider_priority" => self.provider_priority = number(key, value)?,
            "replaces_priority" => self.replaces_priority = number(key, value)?,
            "depend" => self.depends.extend(words()),
            "provides" => self.provides.extend(words()),
            "install_if" => self.install_if.extend(words()),
            "replaces" => self.replaces.extend(words()),
            "triggers" => self.triggers = words().collect(),
            "datahash" => {
                let is_hex = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
                let digest = Digest::parse(value).ok().filter(|_| is_hex);
                let digest =
                    digest.ok_or_else(|| PackageInfoError::DataHash(value.escape_debug().to_string()))?;
                if self.datahash.replace(digest).is_some() {
                    return Err(PackageInfoError::Twice);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn number<N: std::str::FromStr>(key: &str, value: &str) -> Result<N, PackageInfoError> {
    let error = || PackageInfoError::Number { key: key.to_owned(), value: value.escape_debug().to_string() };
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error());
    }
    value.parse().map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn every_field() {
        let text = format!(
            "# Generated by abuild 3.13.0-r3\n# using fakeroot version 1.34\n# Sat Jul  6 15:32:52 UTC 2024\n\
             pkgname = busybox\npkgver = 1.36.1-r29\npkgdesc = Size optimized = good\nurl = https://busybox.net/\n\
             builddate = 1720280000\npackager = Buildozer <a@b>\nsize = 962560\narch = x86_64\norigin = busybox\n\
             commit = abc\nmaintainer = M <m@n>\nreplaces_priority = 4\nreplaces = busybox-initscripts other\n\
             replaces = third\nprovider_priority = 100\nlicense = GPL-2.0-only\ninstall_if = a=1 b\n\
             triggers = /bin /usr/bin /sbin\ndepend = so:libc.musl-x86_64.so.1\ndepend = !uclibc\n\
             provides = cmd:sh=1.36.1-r29\nprovides = /bin/sh\nnonsense\nunknown = 1\ndatahash = {HASH}\n"
        );
        let info = PackageInfo::parse(&text).unwrap();
        let list = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected = PackageInfo {
            name: "busybox".into(),
            version: "1.36.1-r29".into(),
            arch: "x86_64".into(),
            description: "Size optimized = good".into(),
            url: "https://busybox.net/".into(),
            license: "GPL-2.0-only".into(),
            origin: "busybox".into(),
            maintainer: "M <m@n>".into(),
            packager: "Buildozer <a@b>".into(),
            commit: "abc".into(),
            installed_size: 962_560,
            build_time: 1_720_280_000,
            provider_priority: 100,
            replaces_priority: 4,
            depends: list(&["so:libc.musl-x86_64.so.1", "!uclibc"]),
            provides: list(&["cmd:sh=1.36.1-r29", "/bin/sh"]),
            install_if: list(&["a=1", "b"]),
            replaces: list(&["busybox-initscripts", "other", "third"]),
            triggers: list(&["/bin", "/usr/bin", "/sbin"]),
            datahash: Some(HASH.parse().unwrap()),
        };
        assert_eq!(info, expected);
    }

    #[test]
    fn what_is_refused() {
        let parse = |text: &str| PackageInfo::parse(text).unwrap_err();
        let with = |line: &str| parse(&format!("pkgname = a\npkgver = 1\n{line}\n"));
        assert_eq!(parse(""), PackageInfoError::Missing("pkgname"));
        assert_eq!(parse("pkgname = a\n"), PackageInfoError::Missing("pkgver"));
        for name in ["../a", "a b", "a\u{7}"] {
            let error = parse(&format!("pkgname = {name}\npkgver = 1\n"));
            assert!(matches!(error, PackageInfoError::Name { key: "pkgname", .. }), "{error}");
        }
        for value in ["", "x", "-1", "+1", "1 ", "99999999999999999999"] {
            assert!(matches!(with(&format!("size = {value}")), PackageInfoError::Number { .. }), "{value}");
        }
        assert!(matches!(with("provider_priority = 4294967296"), PackageInfoError::Number { .. }));
        for hash in ["", "e3b0", &format!("sha256:{HASH}"), &format!("{HASH}0")] {
            assert!(matches!(with(&format!("datahash = {hash}")), PackageInfoError::DataHash(_)), "{hash}");
        }
        assert_eq!(with(&format!("datahash = {HASH}\ndatahash = {HASH}")), PackageInfoError::Twice);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,200}", lines in "((pkgname|size|datahash|depend) = [a-f0-9/ ]{0,65}\n){0,9}") {
            let _ = PackageInfo::parse(&text);
            let _ = PackageInfo::parse(&lines);
        }
    }
}
