//! The shells that packages declare -> `/etc/shells` and the record of update-shells(8).
//!
//! A shell that is not in the image is not listed.

use std::collections::BTreeMap;

use crate::root_path::RootPath;

use super::{Made, MadeFile, fixed};

/// What the list begins with.
pub(super) const TEMPLATE: &str = "/usr/share/debianutils/shells";
/// Where packages declare theirs.
pub(super) const DECLARED: &str = "/usr/share/debianutils/shells.d";
const LIST: &str = "/etc/shells";
const STATE: &str = "/var/lib/shells.state";

/// Whether a package's file is one from which the list is made.
pub(super) fn is_source(path: &RootPath) -> bool {
    path.as_str() == TEMPLATE || path.parent().is_some_and(|parent| parent.as_str() == DECLARED)
}

/// The files, of the sources' content by path; none without the template. `added` are those that scripts name; `real`
/// leads a directory through links, and `exists` tells what is in the image.
pub(super) fn files<'a>(
    contents: &BTreeMap<RootPath, Vec<u8>>,
    added: impl IntoIterator<Item = &'a RootPath>,
    real: impl Fn(&RootPath) -> Option<RootPath>,
    exists: impl Fn(&RootPath) -> bool,
) -> Made {
    let template = fixed(TEMPLATE);
    let Some(text) = contents.get(&template) else { return Made::new() };
    let mut shells: Vec<RootPath> = Vec::new();
    let mut add = |shell: RootPath| {
        let directory = shell.parent().and_then(|parent| real(&parent));
        let resolved = directory.and_then(|directory| directory.join(shell.file_name()).ok());
        for shell in [Some(shell), resolved].into_iter().flatten() {
            if exists(&shell) && !shells.contains(&shell) {
                shells.push(shell);
            }
        }
    };
    let declared = contents.iter().filter(|(path, _)| **path != template).map(|(_, text)| text);
    for text in [text].into_iter().chain(declared) {
        let text = String::from_utf8_lossy(text);
        let lines = text.lines().filter_map(|line| line.split('#').next().map(str::trim));
        lines
            .filter(|line| line.starts_with('/'))
            .filter_map(|line| RootPath::parse(line).ok())
            .for_each(&mut add);
    }
    added.into_iter().cloned().for_each(&mut add);
    let text = String::from_utf8_lossy(text);
    let comments = text.lines().filter(|line| line.is_empty() || line.starts_with('#'));
    let lines = |one: &str| format!("{one}\n");
    let state: String = shells.iter().map(|shell| lines(shell.as_str())).collect();
    let list = comments.map(lines).collect::<String>() + &state;
    let file = |path, text: String| (fixed(path), MadeFile::file(fixed(path), 0o644, text.into_bytes()));
    [file(LIST, list), file(STATE, state)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_by_both_its_names() {
        let contents: BTreeMap<RootPath, Vec<u8>> = [
            (TEMPLATE, "# shells\n/bin/sh\n"),
            ("/usr/share/debianutils/shells.d/bash", "/bin/bash\n/usr/bin/bash # again\n"),
            ("/usr/share/debianutils/shells.d/gone", "/bin/gone\n"),
        ]
        .map(|(path, text)| (fixed(path), text.as_bytes().to_vec()))
        .into();
        let made = files(
            &contents,
            [&fixed("/usr/bin/tmux")],
            |path| Some(fixed(if path.as_str() == "/bin" { "/usr/bin" } else { path.as_str() })),
            |path| path.file_name() != "gone",
        );
        let text = |path| match &made[&fixed(path)].content {
            crate::render::Content::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            other @ crate::render::Content::Host(_) => panic!("{other:?}"),
        };
        let shells = "/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n/usr/bin/tmux\n";
        assert_eq!(text(STATE), shells);
        assert_eq!(text(LIST), format!("# shells\n{shells}"));
        assert!(files(&BTreeMap::new(), [], |_| None, |_| true).is_empty());
    }
}
