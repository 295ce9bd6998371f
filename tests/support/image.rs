//! Images as text: what each layer holds, a path a line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use rootforge::digest::Digest;
use rootforge::oci::Compression;
use rootforge::tarball::{self, Entry, EntryKind, Limits, TarballError};
use serde_json::Value;

use super::package::Member;

/// An image read from a layout.
#[derive(Clone, Debug)]
pub struct Image {
    pub config: Value,
    /// The layers' names and members, in the order of their tar.
    pub layers: Vec<(String, Vec<Member>)>,
}

impl Image {
    /// The image of a tag, for the one architecture it has.
    pub fn read(layout: &Path, tag: &str) -> Image {
        let mut all = Self::read_all(layout, tag);
        assert_eq!(all.len(), 1, "{:?}", all.keys());
        all.pop_first().unwrap().1
    }

    /// The images of a tag, by architecture as OCI names it.
    pub fn read_all(layout: &Path, tag: &str) -> BTreeMap<String, Image> {
        let index: Value = json(&std::fs::read(layout.join("index.json")).unwrap());
        let named = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .find(|manifest| manifest["annotations"]["org.opencontainers.image.ref.name"] == tag);
        let top = json(&blob(layout, &named.unwrap_or_else(|| panic!("no {tag} in {index}"))["digest"]));
        let manifests: Vec<Value> = match top["manifests"].as_array() {
            Some(list) => list.iter().map(|one| json(&blob(layout, &one["digest"]))).collect(),
            None => vec![top],
        };
        manifests
            .into_iter()
            .map(|manifest| {
                let image = Self::of(layout, &manifest);
                (image.config["architecture"].as_str().unwrap().to_owned(), image)
            })
            .collect()
    }

    fn of(layout: &Path, manifest: &Value) -> Image {
        let config = json(&blob(layout, &manifest["config"]["digest"]));
        let names = config["history"].as_array().unwrap().iter().map(|entry| {
            entry["created_by"].as_str().unwrap().split('`').nth(1).unwrap_or_default().to_owned()
        });
        let layers = manifest["layers"].as_array().unwrap();
        let members = layers.iter().map(|layer| members(&blob(layout, &layer["digest"])));
        let layers: Vec<_> = names.zip(members).collect();
        Image { config, layers }
    }

    /// What holds of every image: no path twice in a layer, directories before what is in them, hard links
    /// after and in the layer of what they lead to, no time of zero.
    pub fn assert_sound(&self) {
        for (name, members) in &self.layers {
            let mut seen = BTreeSet::new();
            for (entry, _) in members {
                let path = &entry.path;
                assert!(entry.metadata.mtime > 0, "{name}: {path}");
                for above in path.ancestors().filter(|above| !above.is_root()) {
                    assert!(seen.contains(&above), "{name}: {path} comes before {above}");
                }
                if let EntryKind::HardLink { target } = &entry.kind {
                    assert!(seen.contains(target), "{name}: {path} comes before {target}");
                }
                assert!(seen.insert(path.clone()), "{name}: {path} is there twice");
            }
        }
    }

    /// What the image has at a path, the uppermost.
    pub fn get(&self, path: &str) -> Option<&Member> {
        let all = self.layers.iter().rev().flat_map(|(_, members)| members);
        all.into_iter().find(|(entry, _)| entry.path.as_str() == path)
    }

    /// The text of a file.
    #[track_caller]
    /// Every path, as the layers' members have it.
    pub fn paths(&self) -> BTreeSet<String> {
        let members = self.layers.iter().flat_map(|(_, members)| members);
        members.map(|(entry, _)| entry.path.to_string()).collect()
    }

    pub fn text(&self, path: &str) -> &str {
        let (_, content) = self.get(path).unwrap_or_else(|| panic!("no {path}"));
        std::str::from_utf8(content).unwrap()
    }

    /// All layers, each under its name unless there is but one; see [`lines`].
    pub fn tree(&self, shown: impl Fn(&Entry) -> bool, known: &dyn Fn(&Member) -> Option<String>) -> String {
        let mut text = String::new();
        for (name, members) in &self.layers {
            if self.layers.len() > 1 {
                writeln!(text, "-- {name}").unwrap();
            }
            text.push_str(&lines(members, &shown, known));
        }
        text
    }
}

/// Directories that say nothing, and dpkg's records, which most tests do not look at.
pub fn is_plain(entry: &Entry) -> bool {
    let metadata = &entry.metadata;
    let plain = (metadata.mode, metadata.uid, metadata.gid) == (0o755, 0, 0);
    entry.path.as_str().starts_with("/var/lib/dpkg/status.d/")
        || (entry.kind == EntryKind::Directory && plain)
}

/// A line a path, sorted: `/usr/bin/app: file 0755 of app`, `/etc/motd: file 0644 "hello\n"`,
/// `/usr/lib/x: symlink -> y`. `known` says where a binary's content is from; else its digest is shown.
fn lines(
    members: &[Member],
    shown: &dyn Fn(&Entry) -> bool,
    known: &dyn Fn(&Member) -> Option<String>,
) -> String {
    let mut lines: Vec<String> = Vec::new();
    for member in members.iter().filter(|(entry, _)| shown(entry)) {
        let (Entry { path, metadata, kind }, content) = member;
        let owner = match (metadata.uid, metadata.gid) {
            (0, 0) => String::new(),
            (uid, gid) => format!(" {uid}:{gid}"),
        };
        let capable = if metadata.xattrs.is_empty() { "" } else { " +cap" };
        let mode = format!("{:04o}{owner}{capable}", metadata.mode);
        lines.push(match kind {
            EntryKind::Directory => format!("{path}/: dir {mode}"),
            EntryKind::File { .. } => {
                format!("{path}: file {mode} {}", shown_content(member, content, known))
            }
            EntryKind::Symlink { target } => format!("{path}: symlink -> {target}{owner}"),
            EntryKind::HardLink { target } => format!("{path}: hard link -> {target}"),
            other => format!("{path}: {other:?} {mode}"),
        });
    }
    lines.sort();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn shown_content(member: &Member, content: &[u8], known: &dyn Fn(&Member) -> Option<String>) -> String {
    match std::str::from_utf8(content) {
        Ok(text) if !text.contains('\0') && text.len() < 100 => format!("{text:?}"),
        _ => known(member).unwrap_or_else(|| Digest::of(content).hex()[..8].to_owned()),
    }
}

fn blob(layout: &Path, digest: &Value) -> Vec<u8> {
    let digest = digest.as_str().unwrap();
    let bytes = std::fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
    assert_eq!(Digest::of(&bytes).to_string(), digest);
    bytes
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn members(blob: &[u8]) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    let stream = Compression::of_magic(blob).decompress(blob).unwrap();
    tarball::read(stream, &Limits::default(), |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(TarballError::Read)?;
        members.push((entry, bytes));
        Ok::<(), TarballError>(())
    })
    .unwrap();
    members
}
