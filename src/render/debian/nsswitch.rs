//! `/etc/nsswitch.conf` (nsswitch.conf(5)), to which packages of name services add themselves when they are installed.
//!
//! A package's script sees the file as it is on a system with nothing added ([`NSSWITCH`]).
//! What it adds to that is added to what the image has, so that several packages do not undo each other's work.

use crate::effects::{Effect, NSSWITCH, NSSWITCH_CONF};

use super::{Made, MadeFile, Setup, effects_in, fixed};

impl Setup<'_> {
    /// Adds what the packages of this layer and of those below add, where the image has the file and no recipe gives it.
    pub(super) fn add_name_services(&mut self, made: &mut Made) {
        let path = fixed(NSSWITCH_CONF);
        let names = (self.distro.arch_name(self.arch), self.distro.triplet(self.arch));
        let (arch, triplet) = (names.0.unwrap_or_default(), names.1.unwrap_or_default());
        let mut files = self.begun.iter().flat_map(|recipe| &recipe.layers).flat_map(|layer| &layer.files);
        if files.any(|file| file.path(arch, triplet).is_ok_and(|given| given == path)) {
            return;
        }
        // Scripts see the file of a base image, if that has one.
        let given = self.given.get(&path).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let there = self.tree.made_content(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let Some(image) = there.or_else(|| given.clone()) else { return };
        let base = given.as_deref().unwrap_or(NSSWITCH);
        let wholly = self.done.iter().filter(|(_, whole)| **whole).map(|(name, _)| *name);
        let changed =
            wholly.flat_map(|name| effects_in(self.effects, name)).filter_map(|effect| match effect {
                Effect::File { path: own, content, .. } if *own == path => {
                    Some(String::from_utf8_lossy(content))
                }
                _ => None,
            });
        let whole = changed.fold(image.clone(), |image, changed| with_services(&image, base, &changed));
        if whole != image {
            let file = MadeFile::file(path.clone(), 0o644, whole.into_bytes());
            self.tree.make(self.layer, &file);
            made.insert(path, file);
        }
    }
}

/// The image's file with what a package adds: `changed` is what its script makes of `base`. Lines of the image keep
/// their form; a service stands behind the one that it stood behind in the script's file, if that is there.
fn with_services(image: &str, base: &str, changed: &str) -> String {
    let mut lines: Vec<String> = image.lines().map(ToOwned::to_owned).collect();
    for (database, services) in changed.lines().filter_map(database) {
        let known: Vec<&str> = base
            .lines()
            .filter_map(self::database)
            .filter(|(name, _)| *name == database)
            .flat_map(|(_, all)| all)
            .collect();
        let own =
            lines.iter().position(|line| self::database(line).is_some_and(|(name, _)| name == database));
        let mut here: Vec<String> = own
            .and_then(|at| self::database(&lines[at]))
            .map(|(_, services)| services.into_iter().map(ToOwned::to_owned).collect())
            .unwrap_or_default();
        let before = here.len();
        for (place, service) in services.iter().enumerate() {
            if is_action(service) || known.contains(service) || here.iter().any(|there| there == service) {
                continue;
            }
            let mut neighbours = services[..place].iter().rev().filter(|service| !is_action(service));
            let at = neighbours.find_map(|one| here.iter().position(|there| there == one));
            let at = at.map_or(0, |at| at + 1);
            // What is to happen after a service (`[NOTFOUND=return]`) stays with it.
            let at = at + here[at..].iter().take_while(|word| is_action(word)).count();
            here.insert(at, (*service).to_owned());
            let actions = services[place + 1..].iter().take_while(|word| is_action(word));
            for (offset, action) in actions.enumerate() {
                here.insert(at + 1 + offset, (*action).to_owned());
            }
        }
        if here.len() > before {
            let comment = own.and_then(|at| lines[at].split_once('#')).map(|(_, text)| format!(" #{text}"));
            let line = format!("{:<15} {}", format!("{database}:"), here.join(" "));
            let line = line + &comment.unwrap_or_default();
            match own {
                Some(at) => lines[at] = line,
                None => lines.push(line),
            }
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// A database and its services, with what is to happen after each; none for other lines.
fn database(line: &str) -> Option<(&str, Vec<&str>)> {
    let line = line.split('#').next().unwrap_or_default();
    let (name, services) = line.split_once(':')?;
    Some((name.trim(), services.split_whitespace().collect()))
}

fn is_action(word: &str) -> bool {
    word.starts_with('[')
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str =
        "passwd:         files\nhosts:          files dns\nservices: db files\nnetgroup: nis\n";

    #[test]
    fn services_are_added_beside_each_other() {
        let image = "# who\npasswd: files # own\n\nhosts: files dns\nservices:       files\n";
        let sss = "passwd: files sss\nhosts: files dns\nservices: db files sss\nnetgroup: nis sss\nautomount: sss\n";
        let mdns = "passwd: files\nhosts: files mdns4_minimal [NOTFOUND=return] dns\nservices: db files\nnetgroup: nis\n";
        let with_one = with_services(image, BASE, sss);
        assert_eq!(
            with_one,
            "# who\npasswd:         files sss # own\n\nhosts: files dns\nservices:       files sss\n\
             netgroup:       sss\nautomount:      sss\n"
        );
        let with_both = with_services(&with_one, BASE, mdns);
        assert!(
            with_both.contains("\nhosts:          files mdns4_minimal [NOTFOUND=return] dns\n"),
            "{with_both}"
        );
        assert_eq!(with_services(&with_both, BASE, mdns), with_both);
        let first = with_services(image, BASE, "passwd: sss files\n");
        assert!(first.contains("passwd:         sss files # own\n"), "{first}");
        let after = with_services(&with_both, BASE, "hosts: files mymachines dns\n");
        assert!(after.contains("files mymachines mdns4_minimal [NOTFOUND=return] dns"), "{after}");
    }
}
