//! What a built image is handed out as. Names are those of skopeo's transports (containers-transports(5)),
//! plus `tar:` for a plain root file system.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::archive::{self, Checked, LayoutArchive};
use super::descriptor::Descriptor;
use super::layout::{self, Arrived, Layout};
use super::merge::{MergeFault, MergedTree, RootSink};
use super::regular::open_regular;
use super::root_dir::RootDir;
use super::{Compression, ImageRef, OciError, partial, place};
use crate::atomic_file::{directory_of, partial_prefix};
use crate::digest::Digest;
use crate::recipe::LayerCompression;
use crate::tarball::{self, Entry, Limits, TarballError, Writer};

/// A place for an image, and its form there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// `oci:DIR[:TAG]`: an image layout, added to if it exists.
    Oci {
        /// The layout's directory.
        directory: PathBuf,
        /// The name in it.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]`: an image layout in a tar.
    OciArchive {
        /// The tar.
        file: PathBuf,
        /// The name in it.
        tag: Option<String>,
    },
    /// `docker-archive:FILE[:TAG]`: what `docker load` reads; one architecture.
    DockerArchive {
        /// The tar.
        file: PathBuf,
        /// Docker's `NAME[:TAG]`.
        tag: Option<String>,
    },
    /// `dir:PATH`: the files; one architecture.
    Dir(PathBuf),
    /// `tar:FILE`: the files in one tar; one architecture.
    Tar(PathBuf),
}

/// What there is to say of an output that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Of the manifest, or of the index where there are several architectures.
    pub digest: Digest,
    /// What could not be written as the image has it, for want of privilege.
    pub notes: Vec<String>,
    /// Engines that are too old for how its layers are compressed, if it is an archive, which engines load.
    pub unread_by: Option<&'static str>,
}

impl Output {
    /// Reads `TRANSPORT:PATH[:TAG]`. A path cannot hold a colon where a tag may follow.
    pub fn parse(text: &str) -> Result<Self, OciError> {
        let (transport, rest) =
            text.split_once(':').ok_or_else(|| OciError::UnknownOutput(text.to_owned()))?;
        let (path, tag) = match (transport, rest.split_once(':')) {
            ("oci" | "oci-archive" | "docker-archive", Some((path, tag))) => (path, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let output = match transport {
            "oci" => Output::Oci { directory: path.into(), tag },
            "oci-archive" => Output::OciArchive { file: path.into(), tag },
            "docker-archive" => Output::DockerArchive { file: path.into(), tag },
            "dir" => Output::Dir(path.into()),
            "tar" => Output::Tar(path.into()),
            "docker" => return Err(OciError::Registry(text.to_owned())),
            _ => return Err(OciError::UnknownOutput(text.to_owned())),
        };
        if path.is_empty() {
            return Err(OciError::NoPath(text.to_owned()));
        }
        if path == "-" && output.is_file() {
            return Err(OciError::Stream(text.to_owned()));
        }
        match &output {
            Output::Oci { tag: Some(tag), .. } | Output::OciArchive { tag: Some(tag), .. } => {
                layout::check_ref_name(tag)?;
            }
            Output::DockerArchive { tag: Some(tag), .. } => {
                archive::docker_reference(tag)?;
            }
            _ => {}
        }
        Ok(output)
    }

    /// The transport's name, as in the text.
    pub const fn transport(&self) -> &'static str {
        match self {
            Output::Oci { .. } => "oci",
            Output::OciArchive { .. } => "oci-archive",
            Output::DockerArchive { .. } => "docker-archive",
            Output::Dir(_) => "dir",
            Output::Tar(_) => "tar",
        }
    }

    /// What was written, as tools that take the same transports name it.
    pub fn place(&self, name: &str) -> String {
        let transport = self.transport();
        match self {
            Output::Oci { directory: path, tag } | Output::OciArchive { file: path, tag } => {
                format!("{transport}:{}:{}", path.display(), tag.as_deref().unwrap_or(name))
            }
            Output::DockerArchive { file: path, .. } | Output::Dir(path) | Output::Tar(path) => {
                format!("{transport}:{}", path.display())
            }
        }
    }

    /// Whether it can take so many architectures; worth asking before they are built.
    pub fn accepts(&self, arches: usize) -> Result<(), OciError> {
        let many = matches!(self, Output::Oci { .. } | Output::OciArchive { .. });
        if arches == 1 || many && arches > 1 {
            return Ok(());
        }
        Err(OciError::OneArch { output: self.transport(), count: arches })
    }

    /// Whether the image can be called so in it, where it has no tag of its own; worth asking early, too.
    pub fn accepts_name(&self, name: &str) -> Result<(), OciError> {
        match self {
            Output::Oci { tag, .. } | Output::OciArchive { tag, .. } => {
                layout::check_ref_name(tag.as_deref().unwrap_or(name))
            }
            Output::DockerArchive { tag, .. } => {
                archive::docker_reference(tag.as_deref().unwrap_or(name)).map(drop)
            }
            Output::Dir(_) | Output::Tar(_) => Ok(()),
        }
    }

    /// Whether its place can be written to, as far as can be told beforehand; worth asking before anything is
    /// fetched.
    pub fn accepts_place(&self) -> Result<(), OciError> {
        match self {
            Output::Oci { directory, .. } => Layout::check_place(directory),
            Output::Dir(path) => RootDir::check_place(path),
            Output::OciArchive { file, .. } | Output::DockerArchive { file, .. } | Output::Tar(file) => {
                place::check_file(file)
            }
        }
    }

    const fn is_file(&self) -> bool {
        matches!(self, Output::OciArchive { .. } | Output::DockerArchive { .. } | Output::Tar(_))
    }

    /// Whether it says itself what the image is called.
    pub const fn has_tag(&self) -> bool {
        matches!(
            self,
            Output::Oci { tag: Some(_), .. }
                | Output::OciArchive { tag: Some(_), .. }
                | Output::DockerArchive { tag: Some(_), .. }
        )
    }

    /// Hands out images of a layout, one for each architecture. `name` is used where the output has no tag.
    pub fn write(&self, layout: &Layout, images: &[ImageRef], name: &str) -> Result<Written, OciError> {
        self.accepts(images.len())?;
        let target = match images {
            [] => return Err(OciError::OneArch { output: self.transport(), count: 0 }),
            [one] => layout.describe(*one)?,
            several => layout.describe(layout.write_index(several)?)?,
        };
        self.write_target(layout, &target, name)
    }

    /// Hands out an image or an index as it is; an output of one architecture takes the only image of an index.
    pub fn write_target(
        &self,
        layout: &Layout,
        target: &Descriptor,
        name: &str,
    ) -> Result<Written, OciError> {
        let mut written = Written { digest: target.digest(), notes: Vec::new(), unread_by: None };
        if matches!(self, Output::OciArchive { .. } | Output::DockerArchive { .. })
            && archive::has_zstd(layout, target)?
        {
            written.unread_by = LayerCompression::Zstd.too_old();
        }
        let name = |tag: &Option<String>| tag.clone().unwrap_or_else(|| name.to_owned());
        let image = || {
            let only = archive::only_image(layout, target)?;
            only.map_err(|count| OciError::OneArch { output: self.transport(), count })
        };
        match self {
            Output::Oci { directory, tag } => copy_layout(layout, target, directory, &name(tag))?,
            Output::OciArchive { file, tag } => {
                let archive = LayoutArchive::oci(layout, target, &name(tag))?;
                write_file(file, |out| archive.write(layout, out, file))?;
            }
            Output::DockerArchive { file, tag } => {
                let reference = archive::docker_reference(&name(tag))?;
                let archive = LayoutArchive::docker(layout, &image()?, &reference)?;
                write_file(file, |out| archive.write(layout, out, file))?;
            }
            Output::Dir(path) => {
                let layers = Layers::of(layout, &image()?)?;
                let mut root = RootDir::create(path)?;
                layers.write(&mut root)?;
                written.notes = root.complete()?;
            }
            Output::Tar(file) => {
                let layers = Layers::of(layout, &image()?)?;
                write_file(file, |out| {
                    let mut tar = RootTar { tar: Writer::new(out), file };
                    layers.write(&mut tar)?;
                    tar.tar.finish().map_err(OciError::io("write", file))
                })?;
            }
        }
        Ok(written)
    }
}

/// Writes a file beside its place, which is behind links, and renames it when it is whole. What a killed process has left
/// of the same file goes.
fn write_file(
    file: &Path,
    write: impl FnOnce(BufWriter<File>) -> Result<BufWriter<File>, OciError>,
) -> Result<(), OciError> {
    let file = &place::file_behind(file)?;
    let (directory, prefix) = (directory_of(file), partial_prefix(file));
    partial::sweep(directory, &prefix);
    let temporary = partial::file_in(directory, &prefix)?;
    let out = temporary.as_file().try_clone().map_err(OciError::io("open", temporary.path()))?;
    let mut out = write(BufWriter::with_capacity(1 << 18, out))?;
    out.flush().map_err(OciError::io("write", file))?;
    layout::persist(temporary, file)
}

/// Copies what belongs to a target into another layout, and names it there.
fn copy_layout(layout: &Layout, target: &Descriptor, directory: &Path, name: &str) -> Result<(), OciError> {
    layout::check_ref_name(name)?;
    let blobs = archive::reachable(layout, target)?;
    Layout::with(directory, Arrived::Go, |other| {
        layout.sync()?;
        for (digest, size) in &blobs {
            if other.blob_size(digest) == Some(*size) && layout.vouches(other, digest)
                || other.holds(digest, *size)
            {
                continue;
            }
            let mut content = Checked::new(layout.open_blob(digest)?.take(*size));
            let mut file = other.temporary()?;
            io::copy(&mut content, &mut file).map_err(OciError::io("copy", &layout.blob_path(digest)))?;
            content.agrees(layout, digest)?;
            other.adopt(file, digest)?;
        }
        other.name(name, target)
    })
}

/// The layers of an image in a layout, from the lowest.
struct Layers<'a> {
    layout: &'a Layout,
    blobs: Vec<(Digest, Compression)>,
}

impl<'a> Layers<'a> {
    fn of(layout: &'a Layout, image: &Descriptor) -> Result<Self, OciError> {
        let manifest = layout.read_document(&image.digest())?;
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let blobs = layers.map(|layer| {
            let (digest, size) = archive::blob(layout, &image.digest(), layer)?;
            layout.expect(&digest, size)?;
            let media_type = layer["mediaType"].as_str().and_then(Compression::of_media_type);
            let compression = media_type.ok_or_else(|| {
                let reason =
                    format!("{} is no layer's media type", layer.get("mediaType").unwrap_or(&Value::Null));
                layout.wrong(&image.digest().to_string(), reason)
            })?;
            Ok((digest, compression))
        });
        Ok(Layers { layout, blobs: blobs.collect::<Result<_, OciError>>()? })
    }

    fn open(&self, layer: usize) -> Result<Box<dyn Read + 'a>, OciError> {
        let (digest, compression) = self.blobs[layer];
        let path = self.layout.blob_path(&digest);
        open_regular(&path).and_then(|file| compression.decompress(file)).map_err(OciError::io("read", &path))
    }

    /// What is in a layer, whose blob is compared with its digest: to the end, and before anything else is said of it.
    fn entries(&self, layer: usize) -> Result<Vec<Entry>, OciError> {
        let (digest, compression) = self.blobs[layer];
        let path = self.layout.blob_path(&digest);
        let mut content = Checked::new(self.layout.open_blob(&digest)?);
        let mut entries = Vec::new();
        let tar = compression.decompress(&mut content).map_err(TarballError::Read);
        let read = tar.and_then(|tar| {
            tarball::read(tar, &Limits::default(), |entry, _| -> Result<(), TarballError> {
                entries.push(entry);
                Ok(())
            })
        });
        io::copy(&mut content, &mut io::sink()).map_err(OciError::io("read", &path))?;
        content.agrees(self.layout, &digest)?;
        read.map_err(|source| OciError::Layer { layer, source })?;
        Ok(entries)
    }

    fn write(&self, sink: &mut dyn RootSink) -> Result<(), OciError> {
        let mut tree = MergedTree::new();
        for layer in 0..self.blobs.len() {
            for fault in tree.apply(&self.entries(layer)?) {
                if let MergeFault::HardLink { path, target } = fault {
                    return Err(OciError::HardLink { layer, path, target });
                }
            }
        }
        tree.write(|layer| self.open(layer), sink)
    }
}

/// `tar:`.
struct RootTar<'a> {
    tar: Writer<BufWriter<File>>,
    file: &'a Path,
}

impl RootSink for RootTar<'_> {
    fn append(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), OciError> {
        if entry.path.is_root() {
            return Ok(());
        }
        self.tar.append(entry, content).map_err(OciError::io("write", self.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_read_like_skopeo() {
        let oci = |directory: &str, tag: Option<&str>| Output::Oci {
            directory: directory.into(),
            tag: tag.map(str::to_owned),
        };
        assert_eq!(Output::parse("oci:images").unwrap(), oci("images", None));
        assert_eq!(Output::parse("oci:/a/b:x:1").unwrap(), oci("/a/b", Some("x:1")));
        assert_eq!(Output::parse("tar:a:b").unwrap(), Output::Tar("a:b".into()));
        for (text, usage) in [
            ("images", "`images` is not an output"),
            ("docker://localhost/x", "`docker://localhost/x` is in a registry"),
            ("zip:x", "`zip:x` is not an output"),
            ("dir:", "the output `dir:` lacks a path"),
            ("oci::tag", "the output `oci::tag` lacks a path"),
            ("oci:dir:", "cannot name an image"),
            ("docker-archive:x.tar:Upper", "cannot name an image"),
            ("tar:-", "`tar:-` names no file"),
            ("oci-archive:-:x", "`oci-archive:-:x` names no file"),
            ("docker-archive:-", "`docker-archive:-` names no file"),
        ] {
            let error = Output::parse(text).unwrap_err();
            assert!(error.to_string().contains(usage), "{error}");
            assert!(error.is_usage());
        }
    }

    #[test]
    fn root_file_systems_are_of_one_architecture() {
        for text in ["docker-archive:x", "dir:x", "tar:x"] {
            let error = Output::parse(text).unwrap().accepts(2).unwrap_err();
            assert!(error.to_string().contains("exactly one architecture, not 2"), "{error}");
        }
        assert!(Output::parse("oci:x").unwrap().accepts(2).is_ok());
        assert!(Output::parse("oci:x").unwrap().accepts(0).is_err());
    }
}
