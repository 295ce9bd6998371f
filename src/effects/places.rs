//! Where effects change an image.

use super::Effect;
use crate::root_path::RootPath;

impl Effect {
    /// The paths, as the script writes them, at which it changes what an image has.
    pub fn places(&self) -> Vec<RootPath> {
        match self {
            Effect::File { path, .. }
            | Effect::Directory { path, .. }
            | Effect::Symlink { path, .. }
            | Effect::Remove { path, .. }
            | Effect::Owner { path, .. }
            | Effect::Mode { path, .. }
            | Effect::StatOverride { path, .. }
            | Effect::Copy { to: path, .. } => vec![path.clone()],
            Effect::Rename { from, to } | Effect::Divert { path: from, to, rename: true } => {
                vec![from.clone(), to.clone()]
            }
            Effect::User { home: Some(home), create_home: true, .. } => {
                RootPath::parse(home).into_iter().collect()
            }
            Effect::Alternative { name, link, slaves, .. } => {
                let slaves = slaves.iter().map(|slave| (&slave.link, &slave.name));
                let links = slaves.chain([(link, name)]);
                links
                    .flat_map(|(link, name)| chosen_alternative(name).into_iter().chain([link.clone()]))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The link below `/etc/alternatives` that says what was chosen.
pub(super) fn chosen_alternative(name: &str) -> Option<RootPath> {
    RootPath::parse(&format!("/etc/alternatives/{name}")).ok()
}
