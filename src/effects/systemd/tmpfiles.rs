//! tmpfiles.d(5) -> what `systemd-tmpfiles --create --boot` would make.
//!
//! Lines whose argument is a credential (`^`) come to nothing, as nobody passes any to an installation; so do files
//! that only tell of a boot (`f!`, `F!`), and copies of what is nowhere; a copy of what the kernel has is for others to
//! tell. Left out: what is removed or cleaned, access lists and attributes, quotas, devices and pipes, sockets.

use crate::effects::{Effect, ModeChange, Owner};
use crate::root_path::RootPath;

use super::words::{fields, specify};

/// What a file's lines make in an image where `exists` tells what is there, and `has` what its packages have as well.
/// What cannot be read is passed over.
pub(crate) fn effects(
    text: &str,
    exists: impl Fn(&RootPath) -> bool,
    has: impl Fn(&RootPath) -> bool,
) -> Vec<Effect> {
    let mut effects: Vec<Effect> = Vec::new();
    for fields in text.lines().filter_map(|line| fields(line, 7)) {
        // A line may adjust what one above makes.
        let is_made = |path: &RootPath| effects.iter().any(|effect| made(effect) == Some(path));
        let new = of_line(&fields, &|path| exists(path) || is_made(path), &has);
        effects.extend(new);
    }
    effects
}

/// The path at which an effect makes something.
fn made(effect: &Effect) -> Option<&RootPath> {
    match effect {
        Effect::Directory { path, .. }
        | Effect::File { path, .. }
        | Effect::Symlink { path, .. }
        | Effect::Copy { to: path, .. } => Some(path),
        _ => None,
    }
}

fn of_line(
    fields: &[String],
    exists: &impl Fn(&RootPath) -> bool,
    has: &impl Fn(&RootPath) -> bool,
) -> Vec<Effect> {
    let field =
        |at: usize| fields.get(at).map(String::as_str).filter(|text| *text != "-" && !text.is_empty());
    let Some(path) = field(1).and_then(specify).filter(|path| path.starts_with('/')) else {
        return Vec::new();
    };
    let Ok(path) = RootPath::parse(&path) else { return Vec::new() };
    let mode = field(2).and_then(|text| u32::from_str_radix(text.trim_start_matches(['~', ':']), 8).ok());
    let name = |at: usize| field(at).map(|text| text.trim_start_matches(':')).and_then(specify);
    let owner = Owner { user: name(3), group: name(4) };
    let argument = field(6).and_then(specify);
    let marks = fields[0].get(1..).unwrap_or_default();
    if marks.contains('^') || (fields[0].starts_with(['f', 'F']) && marks.contains('!')) {
        return Vec::new();
    }
    let kind = fields[0].trim_end_matches(['!', '=', '-', '~', '^', '$', '?']);
    let (letter, again) = (kind.trim_end_matches('+'), kind.ends_with('+'));
    let is_new = again || !exists(&path);
    match letter {
        "d" | "D" | "v" | "q" | "Q" => vec![Effect::Directory {
            path,
            mode: Some(mode.unwrap_or(0o755)),
            owner: Some(Owner {
                user: owner.user.or_else(|| Some("root".to_owned())),
                group: owner.group.or_else(|| Some("root".to_owned())),
            }),
        }],
        "f" | "F" if letter == "F" || is_new => {
            let content = argument.unwrap_or_default().into_bytes();
            let mut made =
                vec![Effect::File { path: path.clone(), content, mode: Some(mode.unwrap_or(0o644)) }];
            made.extend(adjust(&path, None, owner, false));
            made
        }
        "L" if is_new => {
            let target = argument.unwrap_or_else(|| format!("/usr/share/factory{path}"));
            vec![Effect::Symlink { path, target }]
        }
        "C" if is_new => {
            let from = argument.unwrap_or_else(|| format!("/usr/share/factory{path}"));
            let from = RootPath::parse(&from).ok().filter(|from| is_kernels(from) || has(from));
            let Some(from) = from else { return Vec::new() };
            let owner = Some(owner).filter(|owner| *owner != Owner::default());
            vec![Effect::Copy { from, to: path, mode, owner }]
        }
        "e" | "z" if exists(&path) => adjust(&path, mode, owner, false),
        "Z" if exists(&path) => adjust(&path, mode, owner, true),
        _ => Vec::new(),
    }
}

/// Whether the kernel makes a file anew each time: what it says is for the machine that runs the image.
pub(crate) fn is_kernels(path: &RootPath) -> bool {
    ["/proc/", "/sys/"].iter().any(|top| path.as_str().starts_with(top))
}

fn adjust(path: &RootPath, mode: Option<u32>, owner: Owner, recursive: bool) -> Vec<Effect> {
    let Owner { user, group } = owner;
    let mut effects = Vec::new();
    if user.is_some() || group.is_some() {
        effects.push(Effect::Owner { path: path.clone(), user, group, recursive });
    }
    if let Some(mode) = mode {
        effects.push(Effect::Mode { path: path.clone(), mode: ModeChange::Bits(mode), recursive });
    }
    effects
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RootPath {
        RootPath::parse(text).unwrap()
    }

    #[test]
    fn directories_links_and_files() {
        let text = "d %t/sshd 0755 root root -\nD! /run/pg 2775 postgres postgres\nL /etc/mtab - - - - ../proc/self/mounts\nL+ /there - - - - /x\nL /there - - - - /y\nf /run/motd - - - - hello\nf! /run/nologin - - - - booting\nf^ /etc/hosts - - - - network.hosts\nC /etc/none\nC /etc/id - - - - /proc/id\nr! /tmp/x\nz /there 0600 - adm\nd /%m/x\n";
        let made = effects(text, |path| path.as_str() == "/there", |_| false);
        let owner = |user: &str| Some(Owner { user: Some(user.into()), group: Some(user.into()) });
        assert_eq!(
            made,
            [
                Effect::Directory { path: path("/run/sshd"), mode: Some(0o755), owner: owner("root") },
                Effect::Directory { path: path("/run/pg"), mode: Some(0o2775), owner: owner("postgres") },
                Effect::Symlink { path: path("/etc/mtab"), target: "../proc/self/mounts".into() },
                Effect::Symlink { path: path("/there"), target: "/x".into() },
                Effect::File { path: path("/run/motd"), content: b"hello".to_vec(), mode: Some(0o644) },
                Effect::Copy { from: path("/proc/id"), to: path("/etc/id"), mode: None, owner: None },
                Effect::Owner {
                    path: path("/there"),
                    user: None,
                    group: Some("adm".into()),
                    recursive: false
                },
                Effect::Mode { path: path("/there"), mode: ModeChange::Bits(0o600), recursive: false },
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read(text in "[dfLCzZ+!]{1,2} [/a%t.-]{0,6} [0-9~:-]{0,4} [a:-]{0,3} [a:-]{0,3} - [a/%\\n]{0,6}") {
            let _ = effects(&text, |_| true, |_| true);
        }
    }
}
