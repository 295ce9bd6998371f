//! Texts that the scripts of several packages make.

use std::collections::BTreeMap;

use crate::effects::{Effect, NSSWITCH_CONF, PackageEffects};
use crate::root_path::RootPath;

/// What was made last at each path, and whose scripts did.
#[derive(Debug, Default)]
pub(super) struct Texts(BTreeMap<RootPath, (String, Vec<u8>)>);

impl Texts {
    /// What is lost where a package's script makes a text anew that another's has made.
    pub(super) fn lost(&mut self, found: &PackageEffects) -> Option<String> {
        let PackageEffects { package, effects, after_files_of, .. } = found;
        let mut lost = None;
        for effect in effects {
            let Effect::File { path, content, .. } = effect else { continue };
            // Each adds to that by itself.
            if path.as_str() == NSSWITCH_CONF {
                continue;
            }
            let Some((other, before)) = self.0.insert(path.clone(), (package.clone(), content.clone()))
            else {
                continue;
            };
            let lines: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
            let has_all = || before.split(|byte| *byte == b'\n').all(|line| lines.contains(&line));
            if other != *package && !after_files_of.contains(&other) && !has_all() {
                lost.get_or_insert(format!(
                    "{package}: its script makes {path} without what {other}'s has made of it"
                ));
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_adds_to_anothers_text_is_not_lost() {
        let file = |package: &str, text: &str, after: &[&str]| {
            let path = RootPath::parse("/etc/list").unwrap();
            PackageEffects {
                package: package.to_owned(),
                effects: vec![Effect::File { path, content: text.as_bytes().to_vec(), mode: None }],
                after_files_of: after.iter().map(|name| (*name).to_owned()).collect(),
                ..PackageEffects::default()
            }
        };
        let mut texts = Texts::default();
        assert_eq!(texts.lost(&file("a", "a\n", &[])), None);
        assert_eq!(texts.lost(&file("b", "a\nb\n", &["a"])), None);
        let lost = texts.lost(&file("c", "a\nc\n", &["a"]));
        assert_eq!(lost.unwrap(), "c: its script makes /etc/list without what b's has made of it");
        assert_eq!(texts.lost(&file("d", "d\n", &["a", "c"])), None);
    }
}
