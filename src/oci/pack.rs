//! Layer plans become blobs: each package's files stream from its archive into the layer's tarball.
//!
//! Packages are read in parallel, a few at a time, and written in the plan's order, so that the bytes do not
//! depend on which was ready first. Large ones are read alone and never held as a whole. What was compressed before, for
//! this layer or another, is not read from its archive again.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;

use crate::cache::Cache;
use crate::catalog::{CatalogError, FileCatalog, read_contents};
use crate::digest::Digest;
use crate::hint::{Hint, of_reading};
use crate::layer::{LayerPlan, PackagePart};
use crate::progress::Progress;
use crate::recipe::LayerCompression;
use crate::render::{Content, MadeFile};
use crate::tarball::{Entry, EntryKind, Writer};

use super::blob::{compress_piece, wait};
use super::pieces::{KeptPiece, PiecePlace, piece_key};
use super::{LayerBlob, LayerWriter, Layout, OciError};

/// A package of more bytes is written as it is read; others are held in memory, a few at a time.
const LARGE: u64 = 8 << 20;

/// So many bytes of packages are held at a time, or a few packages of whatever size: small ones behind a larger one keep
/// all cores busy.
const AHEAD: u64 = 8 << 20;

/// Why a layer was not written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A package cannot be read.
    #[error(transparent)]
    Package(#[from] CatalogError),
    /// The layout refuses.
    #[error(transparent)]
    Layout(#[from] OciError),
    /// A file of the recipe changed or vanished.
    #[error("cannot read {path} into layer `{layer}`")]
    Source {
        /// The layer's name.
        layer: String,
        /// The host's path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The blob cannot be written.
    #[error("cannot write layer `{layer}`")]
    Write {
        /// The layer's name.
        layer: String,
        /// The cause.
        source: io::Error,
    },
}

impl Hint for PackError {
    fn hints(&self) -> Vec<String> {
        match self {
            PackError::Package(error) => error.hints(),
            PackError::Layout(error) => error.hints(),
            PackError::Source { source, .. } => {
                let changed = || "build again: a file changed while it was read".to_owned();
                vec![of_reading(source).unwrap_or_else(changed)]
            }
            PackError::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => vec![
                "free some space there; `--output oci:DIR` is another place for a layout, TMPDIR for what becomes \
                 another output"
                    .into(),
            ],
            PackError::Write { .. } => Vec::new(),
        }
    }
}

/// A layer that was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The blob, which is in the layout.
    pub blob: LayerBlob,
    /// Where the pieces lie that the cache did not have, by what each is known by.
    fresh: Vec<(Digest, PiecePlace)>,
}

impl Packed {
    /// Remembers where the layer's pieces lie, when the cache has its blob.
    pub fn keep_pieces(&self, cache: &Cache) {
        self.fresh.iter().for_each(|(key, place)| place.keep(key, cache));
    }
}

/// Writes one layer's blob into a layout. Pieces that `cache` has of other layers are taken as they are.
pub fn pack(
    layout: &Layout,
    plan: &LayerPlan,
    catalog: &FileCatalog,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<Packed, PackError> {
    let failed = |source| PackError::Write { layer: plan.name.clone(), source };
    let pieces: Vec<Piece<'_>> =
        plan.packages.iter().map(|part| Piece::of(part, plan.compression, catalog)).collect();
    let mut blob = layout.compressing_writer(plan.compression)?;
    append_all(&mut blob, &plan.directories).map_err(failed)?;
    blob.end_piece().map_err(failed)?;
    let mut fresh = Vec::new();
    for alike in pieces.chunk_by(|one, next| one.size.max(next.size) <= LARGE) {
        if let [large] = alike
            && large.size > LARGE
        {
            fresh.push(large.write(catalog, cache, &mut blob)?);
            blob.end_piece().map_err(failed)?;
            progress.advance(large.size);
            continue;
        }
        let read = |piece: &Piece<'_>| piece.segment(catalog, cache);
        read_ahead(
            alike,
            |piece| piece.size,
            read,
            |segment| {
                let Segment { tar, members, is_fresh } = segment.map_err(failed)??;
                fresh.push(is_fresh);
                members.into_iter().try_for_each(|member| blob.append(member)).map_err(failed)?;
                blob.count(&tar).and_then(|()| blob.end_piece()).map_err(failed)?;
                progress.advance(tar.len() as u64);
                Ok::<_, PackError>(())
            },
        )?;
    }
    let mut tar = Writer::new(&mut blob);
    for made in &plan.made {
        append_made(&mut tar, made, plan)?;
    }
    tar.finish().map_err(failed)?;
    let (blob, ends) = blob.complete_with_pieces(created_by(plan))?;
    let digest = blob.digest;
    let places = ends.windows(2).map(|ends| PiecePlace::between(digest, &ends[0], &ends[1]));
    let places = pieces.iter().map(|piece| piece.key).zip(places).zip(fresh);
    let fresh = places.filter_map(|(place, is_fresh)| is_fresh.then_some(place)).collect();
    Ok(Packed { blob, fresh })
}

/// What a package gives to a layer.
struct Piece<'a> {
    part: &'a PackagePart,
    key: Digest,
    compression: LayerCompression,
    /// What its files come to, in bytes.
    size: u64,
}

/// A piece that is held: of the tarball, and compressed.
struct Segment {
    tar: Vec<u8>,
    members: Vec<Vec<u8>>,
    /// Whether the cache did not have it.
    is_fresh: bool,
}

impl<'a> Piece<'a> {
    fn of(part: &'a PackagePart, compression: LayerCompression, catalog: &FileCatalog) -> Self {
        Piece { part, key: piece_key(part, compression, catalog), compression, size: bytes_of(part) }
    }

    fn segment(&self, catalog: &FileCatalog, cache: &Cache) -> Result<Segment, PackError> {
        let kept = KeptPiece::find(&self.key, self.compression, cache).and_then(|kept| kept.read());
        if let Some((members, tar)) = kept {
            return Ok(Segment { tar, members, is_fresh: false });
        }
        let mut tar = Vec::new();
        write_part(self.part, catalog, &mut tar)?;
        let failed = |source| PackError::Write { layer: self.part.package.clone(), source };
        let members = compress_piece(self.compression, &tar).map_err(failed)?;
        Ok(Segment { tar, members, is_fresh: true })
    }

    /// Writes it as it is read. Says whether the cache did not have it.
    fn write(&self, catalog: &FileCatalog, cache: &Cache, blob: &mut LayerWriter) -> Result<bool, PackError> {
        let kept = KeptPiece::find(&self.key, self.compression, cache).filter(KeptPiece::is_sound);
        if let Some(kept) = kept {
            let failed = |source| PackError::Write { layer: self.part.package.clone(), source };
            return kept.append_to(blob).map(|()| false).map_err(failed);
        }
        write_part(self.part, catalog, blob).map(|()| true)
    }
}

/// Reads things in parallel, some bytes ahead of the one that is taken, and takes them in their order. What is taken is
/// an error where reading it has come to nothing.
fn read_ahead<'a, I: Sync, T: Send, E>(
    items: &'a [I],
    bytes: impl Fn(&'a I) -> u64,
    read: impl Fn(&'a I) -> T + Sync,
    mut take: impl FnMut(io::Result<T>) -> Result<(), E>,
) -> Result<(), E> {
    let read = &read;
    rayon::in_place_scope(|scope| {
        let mut under_way = VecDeque::new();
        let mut held = 0;
        let mut rest = items.iter().peekable();
        loop {
            let few = 2 * rayon::current_num_threads();
            let next = |item: &&'a I| under_way.len() < few || held + bytes(item) <= AHEAD;
            if let Some(item) = rest.next_if(next) {
                let (sender, receiver) = sync_channel(1);
                scope.spawn(move |_| {
                    // After an error nobody wants it.
                    let _ = sender.send(read(item));
                });
                held += bytes(item);
                under_way.push_back((receiver, bytes(item)));
                continue;
            }
            let Some((oldest, size)) = under_way.pop_front() else { return Ok(()) };
            take(wait(&oldest))?;
            held -= size;
        }
    })
}

/// What an image's history says of a layer.
pub fn created_by(plan: &LayerPlan) -> String {
    format!("rootforge: layer `{}`", plan.name)
}

/// What a package's files come to, in bytes.
fn bytes_of(part: &PackagePart) -> u64 {
    let sizes = part.files.values().map(|entry| match entry.kind {
        EntryKind::File { size } => size,
        _ => 0,
    });
    sizes.sum()
}

pub(super) fn write_part(
    part: &PackagePart,
    catalog: &FileCatalog,
    out: &mut dyn Write,
) -> Result<(), PackError> {
    let mut tar = Writer::new(&mut *out);
    let failed = |source| PackError::Write { layer: part.package.clone(), source };
    if let Some(package) = catalog.package(&part.package)
        && !part.files.is_empty()
    {
        read_contents(package, &part.files, |_, entry, content| tar.append(entry, content).map_err(failed))?;
    }
    append_all(out, &part.others).map_err(failed)
}

/// Appends entries without content; the stream goes on after them.
pub(super) fn append_all(out: impl Write, entries: &[Entry]) -> io::Result<()> {
    let mut tar = Writer::new(out);
    entries.iter().try_for_each(|entry| tar.append(entry, &mut io::empty()))
}

pub(super) fn append_made<W: Write>(
    tar: &mut Writer<W>,
    made: &MadeFile,
    plan: &LayerPlan,
) -> Result<(), PackError> {
    let failed = |source| PackError::Write { layer: plan.name.clone(), source };
    match &made.content {
        Content::Bytes(bytes) => tar.append(&made.entry, &mut bytes.as_slice()).map_err(failed),
        Content::Host(path) => {
            let source = |source| PackError::Source { layer: plan.name.clone(), path: path.clone(), source };
            let mut content: Box<dyn Read> = Box::new(File::open(path).map_err(source)?);
            tar.append(&made.entry, &mut content).map_err(source)
        }
    }
}
