//! How many bytes a layer will have as it is pulled, found without writing it.
//!
//! Each package's piece of the tarball is compressed by itself, in blocks as [`LayerWriter`](super::LayerWriter) has
//! them, and its size is kept under what the piece follows from: a fleet of images asks for the same pieces again and
//! again.

use std::io::{self, Write};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::catalog::FileCatalog;
use crate::digest::{Digest, Hasher};
use crate::layer::{LayerPlan, PackagePart};
use crate::recipe::LayerCompression;
use crate::tarball::Writer;

use super::PackError;
use super::blob::{block_size, compress, layer_form};
use super::pack::{append_all, append_made, write_part};
use super::pieces::piece_key;

/// The kind of derived entry that sizes of pieces are. Another form of their keys needs another name.
const SIZES: &str = "piece-1";

/// What a layer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Equal for layers that will have the same bytes, whatever they are called.
    pub key: Digest,
    /// Compressed bytes.
    pub bytes: u64,
    /// The compressed bytes of each package's piece and what it is known by, in the plan's order.
    pub pieces: Vec<Piece>,
}

/// What a package's files come to in a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The package's name.
    pub package: String,
    /// Equal for pieces with the same bytes.
    pub key: Digest,
    /// Compressed bytes.
    pub bytes: u64,
}

/// Measures a layer. Packages whose pieces were measured before are not read.
pub fn measure(plan: &LayerPlan, catalog: &FileCatalog, cache: &Cache) -> Result<Measured, PackError> {
    let pieces: Vec<Piece> = plan
        .packages
        .par_iter()
        .map(|part| piece(part, plan.compression, catalog, cache))
        .collect::<Result<_, _>>()?;
    let failed = |source| PackError::Write { layer: plan.name.clone(), source };
    let mut rest = Hasher::new(Gauge::new(plan.compression));
    append_all(&mut rest, &plan.directories).map_err(failed)?;
    rest.get_mut().weigh().map_err(failed)?;
    let mut tar = Writer::new(&mut rest);
    for made in &plan.made {
        append_made(&mut tar, made, plan)?;
    }
    tar.finish().map_err(failed)?;
    let (gauge, digest, _) = rest.finish();
    let keys: Vec<Digest> = pieces.iter().map(|piece| piece.key).collect();
    let bytes = pieces.iter().map(|piece| piece.bytes).sum::<u64>() + gauge.finish().map_err(failed)?;
    Ok(Measured { key: key_of(&(layer_form(plan.compression), keys, digest)), bytes, pieces })
}

fn piece(
    part: &PackagePart,
    compression: LayerCompression,
    catalog: &FileCatalog,
    cache: &Cache,
) -> Result<Piece, PackError> {
    let failed = |source| PackError::Write { layer: part.package.clone(), source };
    let key = piece_key(part, compression, catalog);
    let package = part.package.clone();
    let known = cache.derived(SIZES, &key).and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
    if let Some(bytes) = known {
        return Ok(Piece { package, key, bytes });
    }
    let mut gauge = Gauge::new(compression);
    write_part(part, catalog, &mut gauge)?;
    let bytes = gauge.finish().map_err(failed)?;
    // A size that cannot be kept is found again next time.
    let _ = cache.put_derived(SIZES, &key, &bytes.to_le_bytes());
    Ok(Piece { package, key, bytes })
}

/// A digest of anything that is written out.
fn key_of(value: &impl Serialize) -> Digest {
    // Nothing of it can fail to be written into memory.
    Digest::of(&postcard::to_stdvec(value).unwrap_or_default())
}

/// Takes a tar and counts what it comes to compressed. Holds one block.
#[derive(Debug)]
struct Gauge {
    compression: LayerCompression,
    block: Vec<u8>,
    bytes: u64,
}

impl Gauge {
    fn new(compression: LayerCompression) -> Self {
        Gauge { compression, block: Vec::new(), bytes: 0 }
    }

    fn finish(mut self) -> io::Result<u64> {
        self.weigh()?;
        Ok(self.bytes)
    }

    fn weigh(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            self.bytes += compress(self.compression, &self.block)?.len() as u64;
            self.block.clear();
        }
        Ok(())
    }
}

impl Write for Gauge {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = block_size(self.compression);
        let taken = bytes.len().min(size - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == size {
            self.weigh()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
