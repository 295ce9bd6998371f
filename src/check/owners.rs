//! Which package a file of an image is from, by the records that package managers and builders leave in it: dpkg's
//! lists (`/var/lib/dpkg/info/NAME.list`), the checksums beside `/var/lib/dpkg/status.d/NAME`, and apk's database
//! (`/lib/apk/db/installed`).

use std::collections::BTreeMap;

use crate::root_path::RootPath;

const STATUS: &str = "/var/lib/dpkg/status.d/";
const INFO: &str = "/var/lib/dpkg/info/";
const APK: [&str; 2] = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];

/// Whether a file says which package has which files.
pub(super) fn is_record(path: &RootPath) -> bool {
    of_dpkg(path.as_str()).is_some() || APK.contains(&path.as_str())
}

/// The package that a record of dpkg's is of.
fn of_dpkg(path: &str) -> Option<&str> {
    let list = path.strip_prefix(INFO).and_then(|name| name.strip_suffix(".list"));
    let name = list.or_else(|| path.strip_prefix(STATUS)?.strip_suffix(".md5sums"))?;
    name.split(':').next().filter(|name| !name.is_empty())
}

/// The paths that a record speaks of, as it spells them, each with its package.
pub(super) fn paths(record: &RootPath, text: &str) -> BTreeMap<RootPath, String> {
    let Some(package) = of_dpkg(record.as_str()) else { return of_apk(text) };
    let path = |line: &str| {
        // A list has paths alone; before those of checksums stand 32 digits and two blanks.
        let path = if line.starts_with('/') { line } else { line.split_once("  ")?.1 };
        RootPath::parse(path).ok()
    };
    text.lines().filter_map(path).map(|path| (path, package.to_owned())).collect()
}

/// apk's database: `P:` begins a package, `F:` a directory, `R:` is a file in it.
fn of_apk(text: &str) -> BTreeMap<RootPath, String> {
    let mut found = BTreeMap::new();
    let (mut package, mut directory) = ("", RootPath::root());
    for line in text.lines() {
        match line.split_once(':') {
            Some(("P", name)) => package = name,
            Some(("F", path)) => directory = RootPath::parse(path).unwrap_or_else(|_| RootPath::root()),
            Some(("R", name)) => {
                if let Ok(path) = directory.join(name) {
                    found.insert(path, package.to_owned());
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn read(record: &str, text: &str) -> String {
        let record = RootPath::parse(record).unwrap();
        assert!(is_record(&record), "{record}");
        let found = paths(&record, text);
        found.iter().map(|(path, package)| format!("{path}={package}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn records_of_three_kinds() {
        let list = "/.\n/usr\n/usr/bin\n/usr/bin/a b\n";
        assert_eq!(read("/var/lib/dpkg/info/x:amd64.list", list), "/=x /usr=x /usr/bin=x /usr/bin/a b=x");
        let sums = "d41d8cd98f00b204e9800998ecf8427e  usr/bin/a  b\nodd\n";
        assert_eq!(read("/var/lib/dpkg/status.d/y.md5sums", sums), "/usr/bin/a  b=y");
        let database = "P:one\nV:1\nF:\nF:bin\nR:a\nZ:x\n\nP:two\nF:usr/lib\nR:b.so\nR:../c\n";
        assert_eq!(read("/lib/apk/db/installed", database), "/bin/a=one /usr/lib/b.so=two");
        for path in
            ["/var/lib/dpkg/info/x.md5sums", "/var/lib/dpkg/status.d/x", "/lib/apk/db/world", "/x.list"]
        {
            assert!(!is_record(&RootPath::parse(path).unwrap()), "{path}");
        }
    }
}
