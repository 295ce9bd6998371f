//! Graphviz's list of what its plug-ins can do, without which it draws nothing: what `dot -c` writes, and Debian's
//! `libgvc6-config-update` with it, under another heading.
//!
//! Each plug-in has a table in its data (`gvplugin.h`): `gvplugin_library_t` with its name and its kinds, each
//! `gvplugin_api_t` with a list of `gvplugin_installed_t`. What draws by the help of another's renderer that nobody
//! has stands in the list as a comment.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::elf::Loaded;

/// The directory below that of the loader's libraries.
pub(super) const DIRECTORY: &str = "graphviz";
/// How the plug-ins' names begin.
const PLUGIN: &str = "libgvplugin_";
/// How the symbols of their tables end.
const TABLE: &str = "_LTX_library";
/// The kinds in their order (`api_t` in `gvcext.h`).
const KINDS: [&str; 5] = ["render", "layout", "textlayout", "device", "loadimage"];
/// The kinds that draw by the help of the first.
const DEPENDENT: [&str; 2] = ["device", "loadimage"];
/// More entries no plug-in has.
const MOST: u64 = 1000;
/// Longer names no entry has, in bytes.
const LONGEST: usize = 256;

const HEAD: &str = "# What the plug-ins beside this file can do, and how well. `dot -c` lists them anew.\n\n";

/// What a plug-in says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Plugin {
    package: String,
    kinds: Vec<Kind>,
}

/// What it does in one way: `TYPE` or `TYPE:RENDERER`, and how well.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    name: &'static str,
    types: Vec<(String, i32)>,
}

/// The version of a plug-in's interface, by the file's name: `libgvplugin_core.so.6` is of 6, which has its list in
/// `config6a`.
pub(super) fn version(name: &str) -> Option<&str> {
    let version = name.strip_prefix(PLUGIN)?.split_once(".so.")?.1;
    version.bytes().all(|byte| byte.is_ascii_digit()).then_some(version)
}

/// Whether a file may be what such a name leads to.
pub(super) fn is_plugin(name: &str) -> bool {
    name.starts_with(PLUGIN) && name.contains(".so.")
}

/// The list of plug-ins, given by name and bytes in their order; what is none is left out.
pub(super) fn config<'p>(plugins: impl Iterator<Item = (&'p str, &'p [u8])>) -> String {
    let plugins: Vec<(&str, Plugin)> =
        plugins.filter_map(|(name, bytes)| Some((name, plugin(bytes)?))).collect();
    let kinds = plugins.iter().flat_map(|(_, plugin)| &plugin.kinds);
    let renderers: BTreeSet<&str> = kinds
        .filter(|kind| kind.name == KINDS[0])
        .flat_map(|kind| &kind.types)
        .map(|(name, _)| name.split(':').next().unwrap_or_default())
        .collect();
    let mut text = HEAD.to_owned();
    for (name, plugin) in &plugins {
        let _ = writeln!(text, "{name} {} {{", plugin.package);
        for kind in &plugin.kinds {
            let _ = writeln!(text, "\t{} {{", kind.name);
            for (one, quality) in &kind.types {
                let renderer = one.split_once(':').filter(|_| DEPENDENT.contains(&kind.name));
                let fails = renderer.is_some_and(|(_, renderer)| !renderers.contains(renderer));
                let _ = writeln!(text, "{}\t\t{one} {quality}", if fails { "#FAILS" } else { "" });
            }
            text.push_str("\t}\n");
        }
        text.push_str("}\n");
    }
    text
}

fn plugin(bytes: &[u8]) -> Option<Plugin> {
    let loaded = Loaded::read(bytes)?;
    let (_, table) = loaded.symbols().find(|(name, _)| name.ends_with(TABLE))?;
    let word = loaded.pointer_size();
    let package = name(&loaded, loaded.pointer(table)?)?;
    let apis = loaded.pointer(table.wrapping_add(word))?;
    let (mut kinds, mut left) = (Vec::new(), MOST);
    // Numbers are padded to a pointer's size.
    for api in (0..MOST).map(|number| apis.wrapping_add(number * 2 * word)) {
        let types = loaded.pointer(api.wrapping_add(word))?;
        if types == 0 {
            return Some(Plugin { package, kinds });
        }
        let name = *KINDS.get(usize::try_from(loaded.int(api)?).ok()?)?;
        let types = installed(&loaded, types, left)?;
        left = left.checked_sub(types.len() as u64 + 1)?;
        kinds.push(Kind { name, types });
    }
    None
}

fn name(loaded: &Loaded<'_>, at: u64) -> Option<String> {
    loaded.text(at).filter(|name| name.len() <= LONGEST).map(str::to_owned)
}

/// The entries up to the one without a name, so many at most: number, name, quality, and two pointers more.
fn installed(loaded: &Loaded<'_>, list: u64, most: u64) -> Option<Vec<(String, i32)>> {
    let word = loaded.pointer_size();
    let mut types = Vec::new();
    for entry in (0..most).map(|number| list.wrapping_add(number * 5 * word)) {
        let at = loaded.pointer(entry.wrapping_add(word))?;
        if at == 0 {
            return Some(types);
        }
        types.push((name(loaded, at)?, loaded.int(entry.wrapping_add(2 * word))?));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    // That real plug-ins come out as `dot -c` has them is shown with the real archive.
    #[test]
    fn plugins_are_known_by_their_names() {
        assert_eq!(version("libgvplugin_core.so.6"), Some("6"));
        for none in ["libgvplugin_core.so.6.0.0", "libgvplugin_core.so", "libgvc.so.6"] {
            assert_eq!(version(none), None, "{none}");
        }
        assert!(is_plugin("libgvplugin_core.so.6.0.0") && !is_plugin("libgvplugin_core.a"));
        assert_eq!(config([("libgvplugin_core.so.6", b"text".as_slice())].into_iter()), HEAD);
    }
}
