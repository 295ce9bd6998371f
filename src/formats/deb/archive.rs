//! A `.deb` file (deb(5), ar(5)), read as a stream and never unpacked to disk.
//!
//! A look over the ar headers comes first: it settles which members there are, that all of them lie within
//! the file, and how they are compressed. The members themselves are then read through `debpkg`, except
//! those it refuses or would end early, for which there are decoders in the room behind.
//!
//! Left out: the ancient format 0.93, signatures within packages (`_gpg*`; they prove nothing here), and
//! the split packages of dpkg-split.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::hint::Hint;
use crate::tarball::{self, Entry, EntryKind, Limits, TarballError};

mod members;

use members::{Members, Part};

/// Bounds on a control tarball: dpkg's own scripts and lists take far less.
const CONTROL_LIMITS: Limits = Limits { max_total: 128 << 20, max_entries: 10_000 };

/// A file of the control tarball.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlMember {
    /// Permission bits.
    pub mode: u32,
    /// Its content.
    pub content: Vec<u8>,
}

/// The control tarball in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlFiles {
    /// The text of `control`; where it is not UTF-8, read as ISO-8859-1.
    pub control: String,
    /// Every file in it by name, `control` included: `md5sums`, `conffiles`, `postinst`, `triggers` ...
    pub members: BTreeMap<String, ControlMember>,
}

impl ControlFiles {
    /// A member's text, with what is not UTF-8 replaced.
    pub fn text(&self, member: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.members.get(member).map(|member| String::from_utf8_lossy(&member.content))
    }
}

/// Why a `.deb` cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The file cannot be opened or read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is something else.
    #[error("`{}` is not a Debian package{}", path.display(), if *html { ": it looks like HTML" } else { "" })]
    NotADeb {
        /// The file.
        path: PathBuf,
        /// It looks like a web page.
        html: bool,
    },
    /// A format version that is not 2.x.
    #[error("`{}` has the format version `{found}`, not 2.x", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What `debian-binary` says, printable.
        found: String,
    },
    /// A damaged ar header.
    #[error("`{}` has a damaged member header at byte {offset}", path.display())]
    MemberHeader {
        /// The file.
        path: PathBuf,
        /// Where the header is, in bytes from the start.
        offset: u64,
    },
    /// A member that deb(5) does not have there, or of an unknown compression.
    #[error("`{}` has the unknown member `{member}`", path.display())]
    UnknownMember {
        /// The file.
        path: PathBuf,
        /// The member, printable.
        member: String,
    },
    /// A member that must be there.
    #[error("`{}` has no member `{member}`", path.display())]
    MissingMember {
        /// The file.
        path: PathBuf,
        /// The member.
        member: &'static str,
    },
    /// The file ends within a member.
    #[error("`{}` is cut off within `{member}`", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
    },
    /// A member cannot be decompressed.
    #[error("`{}`: member `{member}` is damaged", path.display())]
    Compression {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
        /// What the decoder says.
        #[source]
        cause: io::Error,
    },
    /// A member's tar stream is refused.
    #[error("`{}`: member `{member}` is refused", path.display())]
    Tar {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
        /// Why.
        source: TarballError,
    },
    /// The control tarball has no `control`.
    #[error("`{}` has no control file", path.display())]
    MissingControl {
        /// The file.
        path: PathBuf,
    },
}

impl Hint for DebError {
    fn hints(&self) -> Vec<String> {
        match self {
            DebError::NotADeb { html: true, .. } => {
                vec!["a proxy or a login page may have answered instead of the mirror".to_owned()]
            }
            DebError::Truncated { .. } | DebError::Compression { .. } | DebError::MemberHeader { .. } => {
                vec!["the file may be damaged: fetch it again".to_owned()]
            }
            DebError::Version { .. } => vec!["packages from before 1995 are not supported".to_owned()],
            DebError::Tar { source, .. } => source.hints(),
            DebError::UnknownMember { .. }
            | DebError::MissingMember { .. }
            | DebError::MissingControl { .. } => {
                vec!["dpkg would not install it either: have it built anew, by dpkg-deb".to_owned()]
            }
            DebError::Io { .. } | DebError::NotADeb { .. } => Vec::new(),
        }
    }
}

/// Reads the control tarball.
pub fn read_control(path: &Path) -> Result<ControlFiles, DebError> {
    control_of(&Members::look_over(path)?)
}

/// Gives each entry of the data tarball to `visit`, with its content; see [`tarball::read`].
pub fn read_data<E: From<DebError>>(
    path: &Path,
    limits: &Limits,
    visit: impl FnMut(Entry, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    entries(&Members::look_over(path)?, Part::Data, limits, visit)
}

/// Reads the control tarball, then gives each entry of the data tarball to `visit`.
pub fn read<E: From<DebError>>(
    path: &Path,
    limits: &Limits,
    visit: impl FnMut(Entry, &mut dyn Read) -> Result<(), E>,
) -> Result<ControlFiles, E> {
    let members = Members::look_over(path)?;
    let control = control_of(&members)?;
    entries(&members, Part::Data, limits, visit)?;
    Ok(control)
}

fn control_of(members: &Members<'_>) -> Result<ControlFiles, DebError> {
    let mut files = BTreeMap::new();
    entries(members, Part::Control, &CONTROL_LIMITS, |entry, content| {
        if let EntryKind::File { .. } = entry.kind {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(|cause| members.damaged(Part::Control, cause))?;
            let member = ControlMember { mode: entry.metadata.mode, content: bytes };
            files.insert(entry.path.relative().to_owned(), member);
        }
        Ok::<_, DebError>(())
    })?;
    let control = files
        .get("control")
        .map(|member| text(&member.content))
        .ok_or_else(|| DebError::MissingControl { path: members.path.to_owned() })?;
    Ok(ControlFiles { control, members: files })
}

/// UTF-8, or ISO-8859-1 as packages of the nineties had it.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), ToOwned::to_owned)
}

/// What ends a walk over a tarball: the tarball, or its visitor.
enum Ended<E> {
    Tar(TarballError),
    Visitor(E),
}

impl<E> From<TarballError> for Ended<E> {
    fn from(error: TarballError) -> Self {
        Ended::Tar(error)
    }
}

fn entries<E: From<DebError>>(
    members: &Members<'_>,
    part: Part,
    limits: &Limits,
    mut visit: impl FnMut(Entry, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    members.open(part, |tar| {
        tarball::read(tar, limits, |entry, content| visit(entry, content).map_err(Ended::Visitor)).map_err(
            |ended| match ended {
                Ended::Tar(TarballError::Read(cause)) => members.damaged(part, cause).into(),
                Ended::Tar(source) => members.refused(part, source).into(),
                Ended::Visitor(error) => error,
            },
        )
    })
}
