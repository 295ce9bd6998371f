//! Layer plans become blobs: each package's files stream from its archive into the layer's tarball.
//!
//! Packages are read in parallel, a few at a time, and written in the plan's order, so that the bytes do not
//! depend on which was ready first. Large ones are read alone and never held as a whole.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use rayon::prelude::*;

use crate::catalog::{CatalogError, FileCatalog, read_contents};
use crate::hint::Hint;
use crate::layer::{LayerPlan, PackagePart};
use crate::progress::Progress;
use crate::render::{Content, MadeFile};
use crate::tarball::{Entry, EntryKind, Writer};

use super::{LayerBlob, Layout, OciError};

/// A package of more bytes is written as it is read; others are held in memory, a few at a time.
const LARGE: u64 = 8 << 20;

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
            PackError::Source { .. } => vec!["build again: a file changed while it was read".into()],
            PackError::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => vec![
                "free some space there; `--output oci:DIR` is another place for a layout, TMPDIR for what becomes \
                 another output"
                    .into(),
            ],
            PackError::Write { .. } => Vec::new(),
        }
    }
}

/// Writes one layer's blob into a layout.
pub fn pack(
    layout: &Layout,
    plan: &LayerPlan,
    catalog: &FileCatalog,
    progress: &dyn Progress,
) -> Result<LayerBlob, PackError> {
    let failed = |source| PackError::Write { layer: plan.name.clone(), source };
    let mut blob = layout.compressing_writer(plan.compression)?;
    append_all(&mut blob, &plan.directories).map_err(failed)?;
    for alike in plan.packages.chunk_by(|one, next| bytes_of(one).max(bytes_of(next)) <= LARGE) {
        if let [large] = alike
            && bytes_of(large) > LARGE
        {
            write_part(large, catalog, &mut blob)?;
            progress.advance(bytes_of(large));
            continue;
        }
        for parts in alike.chunks(2 * rayon::current_num_threads()) {
            let segments: Vec<Vec<u8>> =
                parts.par_iter().map(|part| segment(part, catalog)).collect::<Result<_, _>>()?;
            for segment in segments {
                blob.write_all(&segment).map_err(failed)?;
                progress.advance(segment.len() as u64);
            }
        }
    }
    let mut tar = Writer::new(&mut blob);
    for made in &plan.made {
        append_made(&mut tar, made, plan)?;
    }
    tar.finish().map_err(failed)?;
    Ok(blob.complete(created_by(plan))?)
}

/// What an image's history says of a layer.
pub fn created_by(plan: &LayerPlan) -> String {
    format!("rootforge: layer `{}`", plan.name)
}

/// The piece of a layer's tarball that comes from one package.
fn segment(part: &PackagePart, catalog: &FileCatalog) -> Result<Vec<u8>, PackError> {
    let mut bytes = Vec::new();
    write_part(part, catalog, &mut bytes)?;
    Ok(bytes)
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
