//! ld.so.conf(5) -> the directories that it names, in their order.
//!
//! As ldconfig(8) reads it: a directory a line, `#` begins a comment, `include` takes patterns whose files are read
//! in the order of their names where the line stands; `hwcap` lines and `=TYPE` behind a directory mean nothing any
//! more. The loader itself reads none of this but the cache that is made by it.

use std::collections::BTreeMap;

use globset::GlobBuilder;

use crate::root_path::RootPath;

/// What ldconfig reads first.
const FILE: &str = "/etc/ld.so.conf";
/// What stands in that file where a package brings it (Debian's libc-bin).
const USUAL: &str = "include /etc/ld.so.conf.d/*.conf\n";
/// Files that include each other are read no deeper.
const MAX_DEPTH: usize = 16;

/// The directories that configuration files name, given all files that may be among them by their paths. Where
/// there is no `/etc/ld.so.conf`, it is taken to include the files of `/etc/ld.so.conf.d`.
pub fn configured_dirs(files: &BTreeMap<RootPath, &str>) -> Vec<RootPath> {
    let mut dirs = Vec::new();
    if let Ok(file) = RootPath::parse(FILE) {
        let text = files.get(&file).copied().unwrap_or(USUAL);
        read(&file, text, files, MAX_DEPTH, &mut dirs);
    }
    let mut seen = std::collections::BTreeSet::new();
    dirs.retain(|dir| seen.insert(dir.clone()));
    dirs
}

/// Whether a file may be one of those that [`configured_dirs`] wants to see.
pub fn configures_dirs(path: &RootPath) -> bool {
    let path = path.as_str();
    path == FILE
        || path.strip_prefix("/etc/ld.so.conf.d/").and_then(|name| name.strip_suffix(".conf")).is_some()
}

fn read(
    file: &RootPath,
    text: &str,
    files: &BTreeMap<RootPath, &str>,
    depth: usize,
    dirs: &mut Vec<RootPath>,
) {
    let Some(depth) = depth.checked_sub(1) else { return };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("include") => {
                for pattern in words {
                    let absolute = match file.parent() {
                        Some(dir) if !pattern.starts_with('/') => format!("{dir}/{pattern}"),
                        _ => pattern.to_owned(),
                    };
                    let glob = GlobBuilder::new(&absolute).literal_separator(true).build();
                    let Ok(glob) = glob.map(|glob| glob.compile_matcher()) else { continue };
                    for (path, text) in files.iter().filter(|(path, _)| glob.is_match(path.as_str())) {
                        read(path, text, files, depth, dirs);
                    }
                }
            }
            Some("hwcap") | None => {}
            Some(_) => {
                let dir = line.split('=').next().unwrap_or_default().trim_end();
                dirs.extend(RootPath::parse(dir).ok().filter(|_| dir.starts_with('/')));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(path, text)| (RootPath::parse(path).unwrap(), *text)).collect();
        configured_dirs(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_comments_and_includes() {
        let b = (
            "/etc/ld.so.conf.d/b.conf",
            "# a comment\n/b # another\n\t/b2/\nrelative\n/old=libc5\nhwcap 1 x\n",
        );
        let a = ("/etc/ld.so.conf.d/a.conf", "/a\n/b\n");
        let other = ("/etc/ld.so.conf.d/other", "/other\n");
        assert_eq!(dirs(&[b, a, other]), ["/a", "/b", "/b2", "/old"]);
        let main =
            ("/etc/ld.so.conf", "/first\ninclude ld.so.conf.d/b*.conf /etc/ld.so.conf.d/other\n/last\n");
        assert_eq!(dirs(&[main, b, a, other]), ["/first", "/b", "/b2", "/old", "/other", "/last"]);
        let itself = ("/etc/ld.so.conf", "include /etc/ld.so.conf\n/x\n");
        assert_eq!(dirs(&[itself]), ["/x"]);
        assert_eq!(dirs(&[]), [""; 0]);
    }
}
