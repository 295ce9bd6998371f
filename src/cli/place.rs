//! Images where they lie and where they go, by skopeo's names for places; and the way between two.

use std::path::PathBuf;

use rootforge::arch::Arch;
use rootforge::digest::Digest;
use rootforge::hint::Hint;
use rootforge::oci::{
    Arrived, Descriptor, Layout, OciError, Output, Platforms, Pulled, Pushed, Remote, ScratchLayout, Tally,
    pull, push, relay, unpack,
};
use rootforge::registry::Reference;
use serde_json::{Value, json};

use super::Session;
use super::error::Failure;

/// Where an image lies.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Layout { directory: PathBuf, name: Option<String> },
    Archive { file: PathBuf, name: Option<String> },
    Registry(Reference),
}

/// Where an image goes.
#[derive(Clone, Debug)]
pub(super) enum Destination {
    Output(Output),
    Registry(Reference),
}

/// What was done.
pub(super) struct Moved {
    /// The destination, with the name.
    pub(super) place: String,
    /// Of the manifest or index.
    pub(super) digest: Digest,
    /// Worth a word.
    pub(super) notes: Vec<String>,
    /// Engines that are too old for an archive's layers.
    pub(super) unread_by: Option<&'static str>,
    /// What became of the blobs, in the words for it.
    pub(super) tallies: Vec<(&'static str, Tally)>,
    /// Bytes of blobs that went to a registry.
    pub(super) uploaded: Option<u64>,
}

/// Which images of several the call asks for.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    All,
    /// The host's, unless there is no choice.
    Preferred(Vec<Arch>),
    Exactly(Vec<Arch>),
}

impl Source {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        if text.starts_with("docker:") {
            return reference(text).map(Source::Registry);
        }
        Ok(match Output::parse(text).map_err(|error| usage(&error))? {
            Output::Oci { directory, tag } => Source::Layout { directory, name: tag },
            Output::OciArchive { file, tag } | Output::DockerArchive { file, tag } => {
                Source::Archive { file, name: tag }
            }
            Output::Dir(_) | Output::Tar(_) => {
                return Err(Failure::usage(
                    format!("`{text}` is a root file system, not an image"),
                    "images are oci:DIR[:NAME], oci-archive:FILE, docker-archive:FILE, docker://HOST/REPO[:TAG]",
                ));
            }
        })
    }

    fn check_online(&self, session: &Session) -> Result<(), Failure> {
        if let Source::Registry(reference) = self { session.check_online(reference) } else { Ok(()) }
    }
}

impl Destination {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        if text.starts_with("docker:") {
            let reference = reference(text)?;
            if !text.trim_start_matches("docker://").contains('/') {
                let version = reference.version();
                let name = reference.repository().trim_start_matches("library/");
                return Err(Failure::usage(
                    format!("`{text}` is an official image of Docker Hub, which takes none from others"),
                    format!(
                        "write `docker://HOST:PORT/REPOSITORY:TAG`, or `docker://USER/{name}:{version}` for Docker Hub"
                    ),
                ));
            }
            return Ok(Destination::Registry(reference));
        }
        Output::parse(text).map(Destination::Output).map_err(|error| usage(&error))
    }

    /// Whether it can be reached at all as the call has it.
    pub(super) fn check_online(&self, session: &Session) -> Result<(), Failure> {
        if let Destination::Registry(reference) = self { session.check_online(reference) } else { Ok(()) }
    }

    /// Whether it says itself what the image is called.
    pub(super) fn has_tag(&self) -> bool {
        match self {
            Destination::Output(output) => output.has_tag(),
            Destination::Registry(reference) => reference.tag().is_some() || reference.digest().is_some(),
        }
    }

    /// Whether it takes so many architectures under a name, as far as can be told beforehand.
    pub(super) fn accepts(&self, arches: usize, name: &str) -> Result<(), Failure> {
        let Destination::Output(output) = self else { return Ok(()) };
        output.accepts(arches).and_then(|()| output.accepts_name(name)).map_err(|error| usage(&error))?;
        output.accepts_place().map_err(|error| Failure::work(&error))
    }
}

impl Wanted {
    /// Of `--arch`; nothing is `default`.
    pub(super) fn parse(given: &[String], default: Wanted) -> Result<Self, Failure> {
        if given.iter().any(|name| name == "all") {
            return Ok(Wanted::All);
        }
        if given.is_empty() {
            return Ok(default);
        }
        let mut archs = given.iter().map(|name| super::session::arch(name)).collect::<Result<Vec<_>, _>>()?;
        archs.sort();
        archs.dedup();
        Ok(Wanted::Exactly(archs))
    }

    fn platforms(&self) -> Platforms<'_> {
        match self {
            Wanted::All => Platforms::All,
            Wanted::Preferred(archs) => Platforms::Preferred(archs),
            Wanted::Exactly(archs) => Platforms::Exactly(archs),
        }
    }
}

/// Brings an image from one place to another. `name` is what it is called there unless the place says it.
pub(super) fn transfer(
    session: &Session,
    source: &Source,
    wanted: &Wanted,
    destination: &Destination,
    name: Option<&str>,
) -> Result<Moved, Failure> {
    let platforms = wanted.platforms();
    let progress = &session.reporter;
    source.check_online(session)?;
    destination.check_online(session)?;
    if let Destination::Output(output) = destination {
        output.accepts_place().map_err(failed)?;
    }
    match (source, destination) {
        (Source::Registry(from), Destination::Registry(to)) => {
            let (from, to) = (session.remote(from)?, session.remote(to)?);
            let scratch = scratch()?;
            let pushed = relay(&from, platforms, &to, &open(&scratch)?, progress);
            pushed.map(|pushed| Moved::pushed(&pushed, &to)).map_err(failed)
        }
        (Source::Registry(from), Destination::Output(output)) => {
            let name = name.map_or_else(|| from.to_string(), str::to_owned);
            pulled_to(session, from, platforms, output, &name)
        }
        (local, destination) => {
            let Local { layout, target, name: own, _scratch } = open_local(local)?;
            let target = layout.narrow(&target, platforms).map_err(failed)?;
            match destination {
                Destination::Registry(to) => {
                    let to = session.remote(to)?;
                    let pushed = push(&layout, &target, &to, progress);
                    pushed.map(|pushed| Moved::pushed(&pushed, &to)).map_err(failed)
                }
                Destination::Output(output) => {
                    let name = name.map(str::to_owned).or(own).unwrap_or_else(|| "image".to_owned());
                    output.accepts_name(&name).map_err(|error| usage(&error))?;
                    let written = output.write_target(&layout, &target, &name).map_err(failed)?;
                    Ok(Moved {
                        place: output.place(&name),
                        digest: written.digest,
                        notes: written.notes,
                        unread_by: written.unread_by,
                        tallies: Vec::new(),
                        uploaded: None,
                    })
                }
            }
        }
    }
}

/// Takes an image out of a registry, straight into a layout where that is where it goes.
fn pulled_to(
    session: &Session,
    from: &Reference,
    platforms: Platforms<'_>,
    output: &Output,
    name: &str,
) -> Result<Moved, Failure> {
    let (remote, progress) = (session.remote(from)?, &session.reporter);
    output.accepts_name(name).map_err(|error| usage(&error))?;
    if let Output::Oci { directory, tag } = output {
        let pulled = Layout::with(directory, Arrived::Stay, |layout| {
            let pulled = pull(&remote, platforms, layout, progress)?;
            layout.name(tag.as_deref().unwrap_or(name), &pulled.target).map(|()| pulled)
        });
        return pulled.map(|pulled| Moved::pulled(&pulled, output.place(name))).map_err(failed);
    }
    let scratch = scratch()?;
    let layout = open(&scratch)?;
    let pulled = pull(&remote, platforms, &layout, progress).map_err(failed)?;
    let written = output.write_target(&layout, &pulled.target, name).map_err(failed)?;
    Ok(Moved {
        notes: written.notes,
        unread_by: written.unread_by,
        ..Moved::pulled(&pulled, output.place(name))
    })
}

/// An image on this machine.
struct Local {
    layout: Layout,
    target: Descriptor,
    name: Option<String>,
    /// The layout's directory, where it is one that goes.
    _scratch: Option<ScratchLayout>,
}

fn open_local(source: &Source) -> Result<Local, Failure> {
    match source {
        Source::Layout { directory, name } => {
            if !directory.join("index.json").is_file() {
                return Err(Failure::usage(
                    format!("there is no image layout in `{}`", directory.display()),
                    "`rootforge build` makes one in `images`; or give another place, as `oci:DIR:NAME`",
                ));
            }
            let layout = Layout::open(directory).map_err(failed)?;
            let target = layout.find(name.as_deref()).map_err(failed)?;
            let name = target.ref_name().map(str::to_owned);
            Ok(Local { layout, target, name, _scratch: None })
        }
        Source::Archive { file, name } => {
            let scratch = scratch()?;
            let layout = open(&scratch)?;
            let (target, name) = unpack(file, name.as_deref(), &layout).map_err(failed)?;
            Ok(Local { layout, target, name, _scratch: Some(scratch) })
        }
        Source::Registry(reference) => {
            Err(Failure::usage(format!("`docker://{reference}` is not on this machine"), "pull it first"))
        }
    }
}

impl Moved {
    pub(super) fn pushed(pushed: &Pushed, to: &Remote) -> Self {
        Moved {
            place: to.place(),
            digest: pushed.digest,
            notes: Vec::new(),
            unread_by: None,
            tallies: vec![("sent", pushed.sent), ("mounted", pushed.mounted), ("present", pushed.present)],
            uploaded: Some(pushed.uploaded),
        }
    }

    fn pulled(pulled: &Pulled, place: String) -> Self {
        Moved {
            place,
            digest: pulled.target.digest(),
            notes: Vec::new(),
            unread_by: None,
            tallies: vec![("fetched", pulled.fetched), ("present", pulled.present)],
            uploaded: None,
        }
    }

    /// What became of the blobs, in one line; empty where there is nothing to say.
    pub(super) fn words(&self) -> String {
        let word = |(what, tally): &(&str, Tally)| {
            let what = match *what {
                "mounted" => "mounted from other repositories",
                "present" => "there already",
                other => other,
            };
            let blobs = if tally.blobs == 1 { "blob" } else { "blobs" };
            format!("{} {blobs} of {} bytes {what}", tally.blobs, tally.bytes)
        };
        self.tallies.iter().map(word).collect::<Vec<_>>().join(", ")
    }

    /// The same for machines.
    pub(super) fn as_json(&self) -> Value {
        let mut value = json!({ "destination": self.place, "digest": self.digest.to_string() });
        for (what, tally) in &self.tallies {
            value[what] = json!({ "blobs": tally.blobs, "bytes": tally.bytes });
        }
        if let Some(uploaded) = self.uploaded {
            value["uploaded"] = json!(uploaded);
        }
        value
    }

    /// Says and prints it.
    pub(super) fn tell(&self, session: &Session) {
        session.reporter.finish();
        for note in &self.notes {
            session.reporter.say(&format!("note: {note}"));
        }
        if let Some(old) = self.unread_by {
            session.reporter.say(&zstd_warning(old));
        }
        if !self.tallies.is_empty() {
            session.reporter.say(&self.words());
        }
        if session.json {
            super::print_json(&self.as_json());
        } else {
            super::print_data(&format!("{} {}\n", self.place, self.digest));
        }
    }
}

/// What is said of zstd to those who may have engines that are too old for it.
pub(super) fn zstd_warning(old: &str) -> String {
    format!("warning: layers are compressed with zstd, which {old} cannot read")
}

/// A layout that goes when it is dropped.
pub(super) fn scratch() -> Result<ScratchLayout, Failure> {
    ScratchLayout::create().map_err(|error| Failure::Work {
        message: error.to_string(),
        hints: vec!["set TMPDIR to a directory with room".into()],
    })
}

fn open(scratch: &ScratchLayout) -> Result<Layout, Failure> {
    scratch.open().map_err(failed)
}

fn reference(text: &str) -> Result<Reference, Failure> {
    if !text.starts_with("docker://") {
        return Err(Failure::usage(
            format!("`{text}` names no image in a registry"),
            "write `docker://HOST/REPOSITORY:TAG`",
        ));
    }
    Reference::parse(text).map_err(|error| usage(&error))
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn failed(error: OciError) -> Failure {
    if error.is_usage() { usage(&error) } else { Failure::work(&error) }
}

pub(super) fn usage(error: &(impl std::error::Error + Hint)) -> Failure {
    Failure::Usage { message: error.to_string(), hints: error.hints() }
}
