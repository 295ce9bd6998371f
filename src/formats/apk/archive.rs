//! A package, format 2 of apk: checked and read as a stream, never unpacked to disk.
//!
//! Follows apk-tools 2.14. The file is a row of gzip members: signatures (any number of members), control
//! (one), data (any number). Control and data are tar streams each; data's may be cut anywhere between its
//! members. The checksum `C:` by which an index knows a package is the SHA-1 of the control member's compressed
//! bytes; `datahash` in `.PKGINFO` is the SHA-256 of all that follows it. Whatever reads the data checks that, so
//! bytes other than those that were vouched for never pass unnoticed.
//!
//! Where apk is lax and this is strict: control needs exactly one `.PKGINFO`, holds hidden files alone, and nothing
//! but zeros may follow the end of a tar stream; a name with a control character is refused, where apk
//! leaves the file out and calls the package broken. Where apk is strict and this is lax: `./usr` and `/usr` are
//! read as `usr`, and a file may stand in a directory that has no entry; apk leaves such files out, without a word,
//! with a warning, and with an error. Nor is a name that stands twice refused here.
//!
//! Left out: packages of format 1 (no `datahash`, the signature covers the data too; abuild has not made
//! them since 2011), except those that have no data at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::checksum::{Checksum, Summing};
use super::error::{ApkError, Part, Subject};
use super::members::Members;
use super::pkginfo::PackageInfo;
use super::signatures;
use crate::digest::Digest;
use crate::tarball::{self, Entry, EntryKind, Extensions, Limits, TarballError};
use crate::trust::{ApkKeyring, ApkSignature};

/// The most that a signature member or the control member takes, in bytes, packed or not.
const MAX_CONTROL: usize = 32 << 20;

/// The most entries of a control member. There are seven kinds of scripts.
const MAX_CONTROL_ENTRIES: u64 = 1000;

/// A reader's buffer, in bytes.
const BUFFER: usize = 1 << 16;

/// The pax record with the SHA-1 of a file's content or a symbolic link's target, in hexadecimal.
const CHECKSUM: &str = "APK-TOOLS.checksum.SHA1";

/// A package whose bytes are those that its checksum stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What an index has as `C:`.
    pub checksum: Checksum,
    /// The file's size in bytes, which an index has as `S:`.
    pub size: u64,
}

/// A file of the control member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlMember {
    /// Permission bits.
    pub mode: u32,
    /// Its content.
    pub content: Vec<u8>,
}

/// The control member in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlFiles {
    /// The text of `.PKGINFO`, which [`PackageInfo::parse`] has accepted; what is not UTF-8 in it is replaced.
    pub control: String,
    /// Every file in it by name, `.PKGINFO` included: `.pre-install`, `.post-install`, `.trigger` ...
    pub members: BTreeMap<String, ControlMember>,
    /// Of the control member's compressed bytes.
    pub checksum: Checksum,
}

impl ControlFiles {
    /// A member's text, with what is not UTF-8 replaced.
    pub fn text(&self, member: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.members.get(member).map(|member| String::from_utf8_lossy(&member.content))
    }
}

/// What a package says about a file besides its [`Entry`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// The SHA-1 of a file's content or a symbolic link's target, as stated. [`read`] compares it with what is
    /// there, but for a hard link's, which should be that of the file; apk takes the file's own there.
    pub checksum: Option<Checksum>,
    /// The owner's name. apk gives the file to the user of this name in the image if there is one, whatever the
    /// number, which is that of the machine that built the package.
    pub user: Option<String>,
    /// The group's name, of which the same is true.
    pub group: Option<String>,
}

/// Checks that a file is the package of this checksum, if one is expected, and that its data is what its control
/// member tells of. Signatures are not looked at: whoever knows the checksum has it from a signed index.
///
/// Only what leads up to the data is decompressed.
pub fn verify(path: &Path, expected: Option<Checksum>) -> Result<Verified, ApkError> {
    let package = Package::open(path)?;
    let found = package.control.checksum;
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(ApkError::Control { path: path.to_owned(), expected, found });
    }
    package.hash_data()
}

/// Checks the signatures of a package, which cover the control member, see [`ApkKeyring::verify`], and its data as
/// [`verify`] does. Gives the names of the trusted keys that made good signatures besides, sorted.
pub fn verify_signed(path: &Path, keyring: &ApkKeyring) -> Result<(Verified, Vec<String>), ApkError> {
    let package = Package::open(path)?;
    let signers = keyring
        .verify(&package.signatures, &package.packed_control)
        .map_err(|source| ApkError::Untrusted { subject: package.subject.clone(), source })?;
    Ok((package.hash_data()?, signers))
}

/// Reads the control member. The data is not looked at.
pub fn read_control(path: &Path) -> Result<ControlFiles, ApkError> {
    Ok(Package::open(path)?.control)
}

/// Gives each entry of the data to `visit`, with its content, as [`tarball::read`] does. Like apk, passes over hidden
/// files of the root directory and `.keep_*` anywhere.
///
/// That the data has the digest that the control member tells of is known when this returns, and not before. The
/// files' own checksums are not compared.
pub fn read_data<E: From<ApkError>>(
    path: &Path,
    limits: &Limits,
    visit: impl FnMut(Entry, Marks, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    read(path, limits, visit).map(|_| ())
}

/// Reads the control member, then gives each entry of the data to `visit`; see [`read_data`]. Each file and symbolic
/// link must have the checksum that the package states for it, if it states one.
pub fn read<E: From<ApkError>>(
    path: &Path,
    limits: &Limits,
    mut visit: impl FnMut(Entry, Marks, &mut dyn Read) -> Result<(), E>,
) -> Result<ControlFiles, E> {
    let package = Package::open(path)?;
    package.visit_data(limits, |entry, marks, content| {
        let (file, stated) = (entry.path.clone(), marks.checksum);
        let found = match (&entry.kind, stated) {
            (EntryKind::File { .. }, Some(_)) => {
                let mut content = Summing::new(content);
                visit(entry, marks, &mut content)?;
                // Where the stream fails, whoever walks it says so.
                content.finish().ok()
            }
            (EntryKind::Symlink { target }, Some(_)) => {
                let found = Checksum::of(target.as_bytes());
                visit(entry, marks, content)?;
                Some(found)
            }
            _ => return visit(entry, marks, content),
        };
        match (stated, found) {
            (Some(expected), Some(found)) if expected != found => {
                Err(ApkError::FileContent { path: path.to_owned(), file, expected, found }.into())
            }
            _ => Ok(()),
        }
    })
}

/// A package read up to its data.
struct Package<'a> {
    path: &'a Path,
    subject: Subject,
    members: Members<BufReader<File>>,
    signatures: Vec<ApkSignature>,
    packed_control: Vec<u8>,
    control: ControlFiles,
    datahash: Option<Digest>,
}

impl<'a> Package<'a> {
    fn open(path: &'a Path) -> Result<Self, ApkError> {
        let io = |source| ApkError::Io { path: path.to_owned(), source };
        let subject = Subject::Package(path.to_owned());
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.is_dir() {
            return Err(io(io::ErrorKind::IsADirectory.into()));
        }
        let mut members = Members::new(BufReader::with_capacity(BUFFER, file), &subject)?;
        let mut signatures = Vec::new();
        let member = loop {
            if members.at_end().map_err(io)? {
                return Err(ApkError::Missing { subject, name: ".PKGINFO" });
            }
            let member =
                members.read_next(MAX_CONTROL).map_err(|cause| subject.damaged(Part::Lead, cause))?;
            let Some(member) = member else {
                return Err(ApkError::TooLarge { subject, part: Part::Lead, limit: MAX_CONTROL as u64 });
            };
            if !signatures::leads(&member.content) {
                break member;
            }
            signatures::collect(&member.content, &mut signatures, &subject)?;
        };
        let (control, info) = control_files(&subject, path, &member.content, Checksum::of(&member.packed))?;
        let (packed_control, datahash) = (member.packed, info.datahash);
        Ok(Package { path, subject, members, signatures, packed_control, control, datahash })
    }

    /// The digest that the data must have; none where there neither is nor should be any.
    fn expected_data(&mut self) -> Result<Option<Digest>, ApkError> {
        let none = self.members.at_end().map_err(|cause| self.subject.damaged(Part::Data, cause))?;
        match self.datahash {
            Some(expected) if none => Err(ApkError::NoData { path: self.path.to_owned(), expected }),
            None if !none => Err(ApkError::NoDataHash { path: self.path.to_owned() }),
            expected => Ok(expected),
        }
    }

    fn hash_data(mut self) -> Result<Verified, ApkError> {
        let expected = self.expected_data()?;
        let before = self.members.position();
        let hashed = self.members.hash_rest();
        let (found, size) = hashed.map_err(|cause| self.subject.damaged(Part::Data, cause))?;
        check_data(self.path, expected, found)?;
        Ok(Verified { checksum: self.control.checksum, size: before + size })
    }

    fn visit_data<E: From<ApkError>>(
        mut self,
        limits: &Limits,
        mut visit: impl FnMut(Entry, Marks, &mut dyn Read) -> Result<(), E>,
    ) -> Result<ControlFiles, E> {
        let expected = self.expected_data()?;
        let mut data = self.members.join_rest();
        tarball::read_all(&mut data, limits, |entry, extensions, content| {
            if is_passed_over(&entry) {
                return Ok(());
            }
            let marks = marks(self.path, &entry, extensions).map_err(Ended::Package)?;
            visit(entry, marks, content).map_err(Ended::Visitor)
        })
        .map_err(|ended| match ended {
            Ended::Tar(source) => self.subject.refused(Part::Data, source).into(),
            Ended::Package(error) => error.into(),
            Ended::Visitor(error) => error,
        })?;
        let found = data.finish().unwrap_or_else(|| Digest::of(b""));
        check_data(self.path, expected, found)?;
        Ok(self.control)
    }
}

fn check_data(path: &Path, expected: Option<Digest>, found: Digest) -> Result<(), ApkError> {
    match expected {
        Some(expected) if expected != found => {
            Err(ApkError::DataHash { path: path.to_owned(), expected, found })
        }
        _ => Ok(()),
    }
}

/// What ends a walk over a tarball: the tarball, something apk's about it, or its visitor.
enum Ended<E> {
    Tar(TarballError),
    Package(ApkError),
    Visitor(E),
}

impl<E> From<TarballError> for Ended<E> {
    fn from(error: TarballError) -> Self {
        Ended::Tar(error)
    }
}

/// The files of a control member's content, and what its `.PKGINFO` says.
fn control_files(
    subject: &Subject,
    path: &Path,
    content: &[u8],
    checksum: Checksum,
) -> Result<(ControlFiles, PackageInfo), ApkError> {
    let limits = Limits { max_total: MAX_CONTROL as u64, max_entries: MAX_CONTROL_ENTRIES };
    let mut members = BTreeMap::new();
    let read = tarball::read_all(content, &limits, |entry, _, content| {
        let name = entry.path.relative();
        if entry.path.is_root() {
            return Ok(());
        }
        if !name.starts_with('.') || name.contains('/') {
            let name = name.escape_debug().to_string();
            return Err(Ended::Visitor(ApkError::Misplaced { path: path.to_owned(), name }));
        }
        if let EntryKind::File { .. } = entry.kind {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(TarballError::Read)?;
            let member = ControlMember { mode: entry.metadata.mode, content: bytes };
            if members.insert(name.to_owned(), member).is_some() {
                let name = name.escape_debug().to_string();
                return Err(Ended::Visitor(ApkError::Twice { subject: subject.clone(), name }));
            }
        }
        Ok(())
    });
    read.map_err(|ended| match ended {
        Ended::Tar(source) => subject.refused(Part::Control, source),
        Ended::Package(error) | Ended::Visitor(error) => error,
    })?;
    let Some(info) = members.get(".PKGINFO") else {
        return Err(ApkError::Missing { subject: subject.clone(), name: ".PKGINFO" });
    };
    let control = String::from_utf8_lossy(&info.content).into_owned();
    let info =
        PackageInfo::parse(&control).map_err(|source| ApkError::Info { path: path.to_owned(), source })?;
    Ok((ControlFiles { control, members, checksum }, info))
}

/// Whether apk does not install an entry: what is hidden in the root directory is not data, and `.keep_*` is how
/// abuild's packagers keep a directory that is empty.
fn is_passed_over(entry: &Entry) -> bool {
    let is_directory = entry.kind == EntryKind::Directory;
    let is_keeper = entry.path.file_name().strip_prefix(".keep_").is_some_and(|rest| !rest.is_empty());
    entry.path.is_root() || entry.path.relative().starts_with('.') || (is_keeper && !is_directory)
}

/// What a package says about a file.
fn marks(path: &Path, entry: &Entry, extensions: &Extensions<'_>) -> Result<Marks, ApkError> {
    let name = entry.path.relative();
    if name.contains(|c: char| c.is_ascii_control()) {
        let name = name.escape_debug().to_string();
        return Err(ApkError::FileName { path: path.to_owned(), name });
    }
    let checksum = extensions.record(CHECKSUM).map(|digits| {
        checksum(digits)
            .ok_or_else(|| ApkError::FileChecksum { path: path.to_owned(), file: entry.path.to_string() })
    });
    Ok(Marks {
        checksum: checksum.transpose()?,
        user: extensions.user().map(ToOwned::to_owned),
        group: extensions.group().map(ToOwned::to_owned),
    })
}

/// Forty hexadecimal digits as a checksum.
fn checksum(digits: &[u8]) -> Option<Checksum> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; 20];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(Checksum::from_bytes(bytes))
}
