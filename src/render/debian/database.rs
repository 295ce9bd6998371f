//! What dpkg remembers of diversions and of owners and modes set by scripts: `/var/lib/dpkg/diversions` and
//! `statoverride` (dpkg-divert(1), dpkg-statoverride(1)), for an image in which dpkg itself works.

use crate::effects::Effect;

use super::{Made, MadeFile, fixed};

pub(super) const DIVERSIONS: &str = "/var/lib/dpkg/diversions";
pub(super) const OVERRIDES: &str = "/var/lib/dpkg/statoverride";

/// The files, of the effects of each package of the image.
pub(super) fn records<'a>(packages: impl Iterator<Item = (&'a str, &'a [Effect])>) -> Made {
    let (mut diversions, mut overrides) = (String::new(), Vec::new());
    for (package, effects) in packages {
        for effect in effects {
            match effect {
                Effect::Divert { path, to, .. } => {
                    diversions.push_str(&format!("{path}\n{to}\n{package}\n"));
                }
                Effect::StatOverride { path, user, group, mode } => {
                    overrides.push((path, format!("{user} {group} {mode:o} {path}\n")));
                }
                _ => {}
            }
        }
    }
    overrides.sort();
    overrides.dedup();
    let overrides: String = overrides.into_iter().map(|(_, line)| line).collect();
    let file = |path, text: String| (fixed(path), MadeFile::file(fixed(path), 0o644, text.into_bytes()));
    let files = [(DIVERSIONS, diversions), (OVERRIDES, overrides)];
    files.into_iter().filter(|(_, text)| !text.is_empty()).map(|(path, text)| file(path, text)).collect()
}
