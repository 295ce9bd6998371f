//! PAM's common configuration: profiles of packages and templates -> `/etc/pam.d/common-*`, as
//! pam-auth-update(8) makes them on a fresh installation.
//!
//! Only profiles whose modules are all in the image count: another would lock everybody out. Left out: what an
//! administrator enables or changes afterwards, and the record of that in `/var/lib/pam`.

use std::collections::{BTreeMap, BTreeSet};

use crate::root_path::RootPath;

use super::{Made, MadeFile, fixed};

const PROFILES: &str = "/usr/share/pam-configs";
const TEMPLATES: &str = "/usr/share/pam";
const CONFIG: &str = "/etc/pam.d";

/// The files, and how the lines in them begin.
const KINDS: [(&str, &str); 5] = [
    ("auth", "auth"),
    ("account", "account"),
    ("password", "password"),
    ("session", "session"),
    ("session-noninteractive", "session"),
];

/// Comments of the templates between which lines are put.
const PRIMARY: &str = "# here are the per-package modules (the \"Primary\" block)";
const FALLBACK: &str = "# here's the fallback if no module succeeds";
const ADDITIONAL: &str = "# and here are more per-package modules (the \"Additional\" block)";
const END: &str = "# end of pam-auth-update config";

/// Profiles and templates, whether they are in the image or only in its packages.
pub(super) fn is_source(path: &RootPath) -> bool {
    path.parent().is_some_and(|parent| {
        parent.as_str() == PROFILES
            || parent.as_str() == TEMPLATES
                && path.file_name().starts_with("common-")
                && !path.file_name().ends_with(".md5sums")
    })
}

/// A package's profile.
#[derive(Debug, Default)]
struct Profile {
    name: String,
    fields: BTreeMap<String, String>,
}

impl Profile {
    fn parse(name: &str, text: &str) -> Self {
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines() {
            let header = line.split_once(':').filter(|(name, rest)| {
                !name.is_empty()
                    && !name.contains(char::is_whitespace)
                    && rest.starts_with(char::is_whitespace)
            });
            let bare = line.strip_suffix(':').filter(|name| !name.contains(char::is_whitespace));
            if let Some((field, value)) = header.or(bare.map(|name| (name, ""))) {
                field.strip_suffix("-Final").unwrap_or(field).clone_into(&mut current);
                fields.insert(current.clone(), value.trim().to_owned());
            } else if !line.trim().is_empty() {
                let value = fields.entry(current.clone()).or_default();
                if !value.is_empty() {
                    value.push('\n');
                }
                value.push_str(line.trim());
            }
        }
        if !fields.contains_key("Session-Interactive-Only") {
            for part in ["-Type", "", "-Initial"] {
                if let Some(value) = fields.get(&format!("Session{part}")).cloned() {
                    fields.insert(format!("Session-noninteractive{part}"), value);
                }
            }
        }
        Profile { name: name.to_owned(), fields }
    }

    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn priority(&self) -> i64 {
        self.field("Priority").parse().unwrap_or(0)
    }

    /// The lines for a file; those of the first profile may differ.
    fn lines(&self, kind: &str, first: bool) -> Vec<&str> {
        let initial = self.field(&format!("{kind}-Initial"));
        let text = if first && !initial.is_empty() { initial } else { self.field(kind) };
        text.lines().collect()
    }

    fn modules(&self) -> BTreeSet<&str> {
        let words = self.fields.values().flat_map(|value| value.split_whitespace());
        words.filter(|word| word.starts_with("pam_") && word.strip_suffix(".so").is_some()).collect()
    }
}

/// The files, from the content of profiles and templates. `has_module` tells which modules the image has.
pub(super) fn files(contents: &BTreeMap<RootPath, Vec<u8>>, has_module: impl Fn(&str) -> bool) -> Made {
    let texts = |directory: &str| {
        let directory = directory.to_owned();
        contents
            .iter()
            .filter(move |(path, _)| path.parent().is_some_and(|parent| parent.as_str() == directory))
    };
    let mut profiles: Vec<Profile> = texts(PROFILES)
        .filter(|(path, _)| !path.file_name().ends_with('~'))
        .map(|(path, bytes)| Profile::parse(path.file_name(), &String::from_utf8_lossy(bytes)))
        .filter(|profile| profile.field("Default") == "yes" && profile.modules().into_iter().all(&has_module))
        .collect();
    profiles.sort_by(|a, b| b.priority().cmp(&a.priority()).then_with(|| b.name.cmp(&a.name)));
    // Of two in conflict the one of the lower priority goes.
    let mut enabled: Vec<Profile> = Vec::new();
    for profile in profiles {
        let conflicts =
            |a: &Profile, b: &Profile| a.field("Conflicts").split(", ").any(|name| name == b.name);
        if !enabled.iter().any(|other| conflicts(other, &profile) || conflicts(&profile, other)) {
            enabled.push(profile);
        }
    }
    let mut made = Made::new();
    for (path, bytes) in texts(TEMPLATES) {
        let Some((kind, line)) =
            KINDS.into_iter().find(|(kind, _)| path.file_name() == format!("common-{kind}"))
        else {
            continue;
        };
        let Ok(target) = fixed(CONFIG).join(path.file_name()) else { continue };
        if let Some(text) = fill(&String::from_utf8_lossy(bytes), kind, line, &enabled) {
            made.insert(target.clone(), MadeFile::file(target, 0o644, text.into_bytes()));
        }
    }
    made
}

fn fill(template: &str, kind: &str, start: &str, profiles: &[Profile]) -> Option<String> {
    let upper: String =
        kind.chars().take(1).flat_map(char::to_uppercase).chain(kind.chars().skip(1)).collect();
    let mut out = String::new();
    let mut until: Option<&str> = None;
    let mut blocks = 0;
    for line in template.lines() {
        if until.is_some_and(|end| !line.starts_with(end)) {
            continue;
        }
        until = None;
        out.push_str(line);
        out.push('\n');
        let block = [(PRIMARY, "Primary", FALLBACK), (ADDITIONAL, "Additional", END)];
        if let Some((_, name, end)) = block.into_iter().find(|(comment, ..)| line.starts_with(comment)) {
            out.push_str(&block_of(profiles, &upper, name, start));
            until = Some(end);
            blocks += 1;
        }
    }
    (blocks == 2 && until.is_none()).then_some(out)
}

fn block_of(profiles: &[Profile], kind: &str, block: &str, start: &str) -> String {
    let of_block = profiles.iter().filter(|profile| profile.field(&format!("{kind}-Type")) == block);
    let lines: Vec<&str> =
        of_block.enumerate().flat_map(|(at, profile)| profile.lines(kind, at == 0)).collect();
    if lines.is_empty() && block == "Primary" {
        return format!("{start}\t[default=1]\t\t\tpam_permit.so\n");
    }
    let last = usize::from(block == "Additional");
    let jumps = (0..lines.len()).map(|at| (lines.len() - at).saturating_sub(last));
    lines.iter().zip(jumps).map(|(line, jump)| format!("{start}\t{}\n", jumping(line, jump))).collect()
}

/// A line with `end` in its control replaced by how many modules to skip, and single blanks between options.
fn jumping(line: &str, jump: usize) -> String {
    let control = if line.starts_with('[') {
        line.find(']').map(|end| end + 1)
    } else {
        line.find(char::is_whitespace)
    };
    let (control, rest) = line.split_at(control.unwrap_or(line.len()));
    let module = rest.trim_start();
    let blanks = &rest[..rest.len() - module.len()];
    let (module, options) = module.split_once(char::is_whitespace).unwrap_or((module, ""));
    let options: Vec<&str> = options.split_whitespace().collect();
    format!("{}{blanks}{module} {}", control.replace("end", &jump.to_string()), options.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Content;

    #[test]
    fn this_machines_configuration_is_what_its_profiles_make() {
        let mut contents = BTreeMap::new();
        for dir in [PROFILES, TEMPLATES] {
            for entry in std::fs::read_dir(dir).expect("libpam-runtime is needed") {
                let path = RootPath::parse(entry.unwrap().path().to_str().unwrap()).unwrap();
                if is_source(&path) {
                    contents.insert(path.clone(), std::fs::read(path.as_str()).unwrap());
                }
            }
        }
        let made = files(&contents, |_| true);
        assert_eq!(made.len(), 5);
        for (path, file) in made {
            let Content::Bytes(ours) = &file.content else { panic!() };
            assert_eq!(
                String::from_utf8_lossy(ours),
                std::fs::read_to_string(path.as_str()).unwrap(),
                "{path}"
            );
        }
    }

    #[test]
    fn a_profile_without_its_module_does_not_count() {
        let template = format!("{PRIMARY}\n$auth\n{FALLBACK}\n{ADDITIONAL}\n$more\n{END}\n");
        let mut contents: BTreeMap<RootPath, Vec<u8>> = BTreeMap::new();
        contents.insert(fixed("/usr/share/pam/common-auth"), template.clone().into_bytes());
        let unix = "Name: u\nDefault: yes\nPriority: 256\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_unix.so  a  b\nAuth-Initial:\n\t[success=end default=ignore]\tpam_unix.so\n";
        let other = "Name: o\nDefault: yes\nPriority: 300\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_other.so\n";
        contents.insert(fixed("/usr/share/pam-configs/unix"), unix.as_bytes().to_vec());
        contents.insert(fixed("/usr/share/pam-configs/other"), other.as_bytes().to_vec());
        let text = |has: &dyn Fn(&str) -> bool| {
            let made = files(&contents, has);
            let Content::Bytes(bytes) = made[&fixed("/etc/pam.d/common-auth")].content.clone() else {
                panic!()
            };
            String::from_utf8(bytes).unwrap()
        };
        let both = text(&|_| true);
        assert!(both.contains("auth\t[success=2 default=ignore]\tpam_other.so \nauth\t[success=1 default=ignore]\tpam_unix.so a b\n"), "{both}");
        let one = text(&|module| module == "pam_unix.so");
        assert!(
            one.contains(&format!("{PRIMARY}\nauth\t[success=1 default=ignore]\tpam_unix.so \n{FALLBACK}")),
            "{one}"
        );
        assert!(text(&|_| false).contains("auth\t[default=1]\t\t\tpam_permit.so\n"));
        assert_eq!(fill("no markers\n", "auth", "auth", &[]), None);
    }
}
