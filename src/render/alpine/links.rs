//! The links that busybox and its like make to themselves when they are installed.

use std::collections::BTreeMap;

use crate::apk::applets::{AppletsError, applets, bbsuid_paths, listed};
use crate::root_path::RootPath;

use super::super::RenderError;

/// A program that installs links to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linker {
    /// `busybox --install -s`: never in the place of anything.
    Busybox,
    /// `bbsuid --install`: in the place of links too.
    Bbsuid,
}

/// The programs, in the order in which they are called: path, and what a script says that calls one.
const LINKERS: [(&str, &str, Linker); 6] = [
    ("/bin/busybox", "/busybox --install", Linker::Busybox),
    ("/usr/bin/busybox", "/busybox --install", Linker::Busybox),
    ("/bin/busybox-extras", "/busybox-extras --install", Linker::Busybox),
    ("/usr/bin/busybox-extras", "/busybox-extras --install", Linker::Busybox),
    ("/bin/bbsuid", "/bbsuid --install", Linker::Bbsuid),
    ("/usr/bin/bbsuid", "/bbsuid --install", Linker::Bbsuid),
];

/// The directory of the lists of links that packages have beside their programs.
const LISTS: &str = "/etc/busybox-paths.d";

/// Every program, with what a script says that has it make its links.
pub(super) fn linkers() -> impl Iterator<Item = (RootPath, &'static str, Linker)> {
    LINKERS.into_iter().filter_map(|(path, call, linker)| Some((RootPath::parse(path).ok()?, call, linker)))
}

/// Where the list of a program's links would be.
pub(super) fn list_of(program: &RootPath) -> Option<RootPath> {
    RootPath::parse(&format!("{LISTS}/{}", program.file_name())).ok()
}

/// The paths a program links to itself. The program's own data count; its package's list only where those
/// cannot be read.
pub(super) fn links(
    linker: Linker,
    program: &[u8],
    list: Option<&[u8]>,
) -> Result<Vec<RootPath>, AppletsError> {
    let found = match linker {
        Linker::Busybox => {
            applets(program).map(|applets| applets.into_iter().map(|applet| applet.path).collect())
        }
        Linker::Bbsuid => bbsuid_paths(program),
    };
    found.or_else(|error| {
        let listed = listed(&String::from_utf8_lossy(list.unwrap_or_default()));
        if listed.is_empty() {
            Err(error)
        } else {
            Ok(listed.into_iter().map(|applet| applet.path).collect())
        }
    })
}

/// The files whose content [`command_links`] wants: programs, and their packages' lists.
pub fn command_programs() -> Vec<RootPath> {
    linkers().flat_map(|(program, ..)| [list_of(&program), Some(program)]).flatten().collect()
}

/// The links that programs with these contents would make: path, and what it says.
pub fn command_links(
    contents: &BTreeMap<RootPath, Vec<u8>>,
) -> Result<BTreeMap<RootPath, String>, RenderError> {
    let mut made = BTreeMap::new();
    for (program, _, linker) in linkers() {
        let Some(content) = contents.get(&program) else { continue };
        let list = list_of(&program).and_then(|path| contents.get(&path));
        let paths = links(linker, content, list.map(Vec::as_slice))
            .map_err(|source| RenderError::Applets { path: program.clone(), source })?;
        made.extend(paths.into_iter().map(|path| (path, program.as_str().to_owned())));
    }
    Ok(made)
}
