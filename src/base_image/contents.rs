//! The content of an image's files, read from its layers.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::catalog::LayerSource;
use crate::oci::{GivenImage, GivenLayers};
use crate::tarball::{self, Limits, TarballError};

/// The blobs of an image's layers, and where in them each file's content is.
#[derive(Debug)]
pub(super) struct Blobs {
    layers: GivenLayers,
    /// By the file's number: layer, and position in it.
    positions: Vec<Option<(u32, u32)>>,
}

impl Blobs {
    pub(super) fn new(given: &GivenImage, positions: Vec<Option<(u32, u32)>>) -> Self {
        Blobs { layers: given.layers.clone(), positions }
    }
}

impl LayerSource for Blobs {
    fn read(
        &self,
        wanted: &[usize],
        visit: &mut dyn FnMut(usize, &mut dyn Read) -> io::Result<()>,
    ) -> io::Result<()> {
        // By layer, the numbers of the files at each position: hard links share it.
        let mut places: BTreeMap<u32, BTreeMap<u32, Vec<usize>>> = BTreeMap::new();
        for number in wanted {
            let Some((layer, position)) = self.positions.get(*number).copied().flatten() else {
                return Err(io::Error::other("it is no file"));
            };
            places.entry(layer).or_default().entry(position).or_default().push(*number);
        }
        for (layer, mut positions) in places {
            let read = self.layers.read(layer as usize, |tar| {
                let mut at = 0;
                tarball::read(tar, &Limits::default(), |_, content| -> Result<(), TarballError> {
                    let numbers = positions.remove(&at).unwrap_or_default();
                    at += 1;
                    if let [one] = numbers[..] {
                        return visit(one, content).map_err(TarballError::Read);
                    }
                    if !numbers.is_empty() {
                        let mut bytes = Vec::new();
                        content.read_to_end(&mut bytes).map_err(TarballError::Read)?;
                        for number in numbers {
                            visit(number, &mut &bytes[..]).map_err(TarballError::Read)?;
                        }
                    }
                    Ok(())
                })
            });
            read.map_err(io::Error::other)?;
        }
        Ok(())
    }
}
