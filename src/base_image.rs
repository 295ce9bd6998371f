//! An image that others made, or we did, as packages with files: what a recipe can stand on.
//!
//! Its layers are laid over each other ([`MergedTree`]), its package databases are read (dpkg's `status` and `status.d`,
//! apk's `installed`), and what is found has the shape of what comes from packages, so that later stages see no
//! difference: one package of all files, under a name that no package has, and beside it each installed package with
//! those that its database lists. Nothing is unpacked; content is read from the layers when it is asked for.
//!
//! Reading a layer's files is dear and is done once: what is found is kept by the digest of the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::cache::{Cache, ContentId};
use crate::catalog::{
    CataloguedFile, Control, LayerSource, Manifest, MergedUsr, PackageFiles, catalogue_layer, in_image,
};
use crate::digest::Digest;
use crate::distro::{Distro, PackageFormat};
use crate::hint::Hint;
use crate::oci::{GivenImage, GivenLayers, Layout, MergedTree, OciError};
use crate::recipe::ImageConfig;
use crate::root_path::RootPath;
use crate::tarball::Entry;

mod apk;
mod config;
mod contents;
mod dpkg;
mod fits;
mod lock;

pub use lock::base_lock;

use contents::Blobs;
use fits::{check_distro, check_merged};

/// The kind of derived entry. Another form of [`Scanned`] needs another name.
const IMAGES: &str = "base-image-2";

/// Where dpkg keeps its own database.
pub const DPKG_STATUS: &str = "/var/lib/dpkg/status";
/// Where apk keeps its own.
const APK_INSTALLED: &str = "/lib/apk/db/installed";

/// An installed package, as the image's database has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The distro's architecture field.
    pub architecture: String,
    /// The source package's name.
    pub source: String,
    /// `Essential: yes`.
    pub essential: bool,
    /// `Multi-Arch`, where given.
    pub multi_arch: Option<String>,
    /// What says which bytes its archive had; of Debian's, where no database tells, that of its paragraph.
    pub content: ContentId,
    /// The size of its archive, where that is told.
    pub size: u64,
    /// The relation fields as a lock has them.
    pub relations: BTreeMap<String, String>,
    /// What it says of itself, as its archive does.
    pub control: Control,
    /// The paths that its database lists, as written there.
    pub listed: BTreeSet<RootPath>,
    /// What an apk's database says of each path.
    pub marks: BTreeMap<RootPath, crate::apk::archive::Marks>,
    /// Whether the list is that of all its files; else what is not listed may be lacking too.
    pub is_whole: bool,
}

/// What is kept of an image.
#[derive(Debug, Serialize, Deserialize)]
struct Scanned {
    /// The files of the merged tree, numbered in the order of paths.
    files: Vec<CataloguedFile>,
    /// Where the content of each lies, by number: layer, and position in it.
    positions: Vec<Option<(u32, u32)>>,
    /// The texts from which packages and accounts are told, by path.
    texts: BTreeMap<RootPath, Vec<u8>>,
}

/// An image of one architecture that is a base.
#[derive(Debug)]
pub struct BaseImage {
    /// What it is called.
    pub name: String,
    /// Its layers and history, which stay as they are.
    pub layers: GivenLayers,
    /// Bytes of the layers as they are stored.
    pub size: u64,
    /// How its containers run.
    pub config: ImageConfig,
    /// All its files, as those of one package.
    pub files: PackageFiles,
    /// The packages that it has, by name.
    pub installed: BTreeMap<String, InstalledPackage>,
    /// Every path of it, links of the merged `/usr` too.
    pub paths: BTreeSet<RootPath>,
    /// Which package each path is of, by the databases; paths as in `files`.
    pub owners: BTreeMap<RootPath, String>,
    /// Texts of the image: databases, accounts, os-release.
    pub texts: BTreeMap<RootPath, Vec<u8>>,
}

/// Why an image cannot be a base.
#[derive(Debug, thiserror::Error)]
pub enum BaseImageError {
    /// It cannot be read.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// It is of another distro or release.
    #[error("the base image `{image}` is of {found}, and the recipe is from {wanted}")]
    OtherDistro {
        /// The image.
        image: String,
        /// What its os-release says.
        found: String,
        /// The recipe's.
        wanted: Distro,
    },
    /// The directories of the merged `/usr` are no links there, as the distro's packages expect.
    #[error(
        "the base image `{image}` has {path} as a directory of its own, where {distro} has a link to {target}"
    )]
    NotMerged {
        /// The image.
        image: String,
        /// The directory.
        path: RootPath,
        /// The distro.
        distro: Distro,
        /// Where the link leads.
        target: String,
    },
    /// A database of packages cannot be understood.
    #[error("the base image `{image}`: {path} cannot be understood: {reason}")]
    Database {
        /// The image.
        image: String,
        /// The database.
        path: RootPath,
        /// What is wrong.
        reason: String,
    },
}

impl Hint for BaseImageError {
    fn hints(&self) -> Vec<String> {
        match self {
            BaseImageError::Oci(error) => error.hints(),
            BaseImageError::OtherDistro { .. } => {
                vec!["correct `from`, or choose an image of that distro and release as the base".to_owned()]
            }
            BaseImageError::NotMerged { .. } => {
                vec![
                    "take a newer image as the base: packages of this release would hide its files"
                        .to_owned(),
                ]
            }
            BaseImageError::Database { .. } => {
                vec!["run `rootforge check` on the image to see what is wrong with it".to_owned()]
            }
        }
    }
}

impl BaseImage {
    /// Opens an image of one architecture by its manifest or an index that names it.
    pub fn open(
        name: &str,
        layout: &Layout,
        digest: &Digest,
        arch: Arch,
        distro: Distro,
        cache: &Cache,
    ) -> Result<Self, BaseImageError> {
        let given = GivenImage::open(layout, digest, name, arch)?;
        let scanned = scan(&given, cache)?;
        let Scanned { mut files, positions, texts } = scanned;
        check_distro(name, &texts, distro)?;
        let mut merged_usr = MergedUsr::new(&crate::render::directory_links(distro, arch));
        if distro.format() == PackageFormat::Apk {
            merged_usr = merged_usr.keeping_own();
        }
        check_merged(name, &files, &merged_usr, distro)?;
        for (number, file) in files.iter_mut().enumerate() {
            file.index = in_image(number);
        }
        let paths = files.iter().map(|file| file.entry.path.clone()).collect();
        let is_ours = given.layers.is_made_here();
        let installed = match distro.format() {
            PackageFormat::Deb => {
                dpkg::installed(&texts, distro.arch_name(arch).unwrap_or_default(), is_ours)
            }
            PackageFormat::Apk => apk::installed(name, &texts, is_ours)?,
        };
        let source: Arc<dyn LayerSource> = Arc::new(Blobs::new(&given, positions));
        let package = |package: &str, version: &str, content, files, control| {
            let mut manifest = Manifest { files, control };
            merged_usr.apply(&mut manifest);
            PackageFiles {
                name: package.to_owned(),
                version: version.to_owned(),
                content,
                archive: PathBuf::from(name),
                manifest: Arc::new(manifest),
                kept: None,
                cache: None,
                source: Some(Arc::clone(&source)),
                is_outline: false,
            }
        };
        let content = ContentId::from(given.digest);
        let short: String = given.digest.hex().chars().take(12).collect();
        // Before every package's name, so that of what the image has the image's counts.
        let files = package(&format!("({name})"), &short, content, files, Control::default());
        let owners = owners(&files, &installed, &merged_usr);
        Ok(BaseImage {
            name: name.to_owned(),
            size: given.layers.size(),
            config: config::read(&given.config),
            layers: given.layers,
            files,
            installed,
            paths,
            owners,
            texts,
        })
    }

    /// An installed package with the files of it that the image has.
    pub fn package(&self, installed: &InstalledPackage, merged_usr: &MergedUsr) -> PackageFiles {
        let listed: BTreeMap<RootPath, &RootPath> =
            installed.listed.iter().map(|path| (place(path, merged_usr), path)).collect();
        let files = self.files.manifest.files.iter().filter_map(|file| {
            let written = listed.get(&file.entry.path)?;
            let marks = installed.marks.get(*written).cloned().unwrap_or_default();
            Some(CataloguedFile { marks, ..file.clone() })
        });
        let manifest = Manifest { files: files.collect(), control: installed.control.clone() };
        PackageFiles {
            name: installed.name.clone(),
            version: installed.version.clone(),
            content: installed.content,
            manifest: Arc::new(manifest),
            ..self.files.clone()
        }
    }

    /// The paths that a package's database lists and the image lacks, canonical.
    pub fn lacking(&self, installed: &InstalledPackage, merged_usr: &MergedUsr) -> BTreeSet<RootPath> {
        let there: BTreeSet<&RootPath> =
            self.files.manifest.files.iter().map(|file| &file.entry.path).collect();
        let listed = installed.listed.iter().filter(|path| merged_usr.link(path).is_none());
        listed.map(|path| merged_usr.canonical(path)).filter(|path| !there.contains(path)).collect()
    }

    /// A text of the image.
    pub fn text(&self, path: &str) -> Option<std::borrow::Cow<'_, str>> {
        let bytes = self.texts.get(&RootPath::parse(path).ok()?)?;
        Some(String::from_utf8_lossy(bytes))
    }
}

/// Which package each path of an image is of, by what the databases list; the first by name.
fn owners(
    files: &PackageFiles,
    installed: &BTreeMap<String, InstalledPackage>,
    merged_usr: &MergedUsr,
) -> BTreeMap<RootPath, String> {
    let there: BTreeSet<&RootPath> = files.manifest.files.iter().map(|file| &file.entry.path).collect();
    let mut owners = BTreeMap::new();
    for one in installed.values() {
        let listed = one.listed.iter().map(|path| place(path, merged_usr));
        for path in listed.filter(|path| there.contains(path)) {
            owners.entry(path).or_insert_with(|| one.name.clone());
        }
    }
    owners
}

/// Where a file that a database lists is: behind the distro's links, which may be listed themselves.
fn place(path: &RootPath, merged_usr: &MergedUsr) -> RootPath {
    if merged_usr.link(path).is_some() { path.clone() } else { merged_usr.canonical(path) }
}

/// The files of an image, as they were found before, or now.
fn scan(given: &GivenImage, cache: &Cache) -> Result<Scanned, BaseImageError> {
    let kept = cache.derived(IMAGES, &given.digest).and_then(|bytes| postcard::from_bytes(&bytes).ok());
    if let Some(scanned) = kept {
        return Ok(scanned);
    }
    let mut merged = MergedTree::new();
    let mut layers: Vec<Vec<CataloguedFile>> = Vec::new();
    let mut texts = BTreeMap::new();
    for number in 0..given.layers.len() {
        let mut of_layer = BTreeMap::new();
        let files = given.layers.read(number, |tar| {
            catalogue_layer(
                tar,
                |entry: &Entry| is_text(&entry.path),
                |position, bytes| {
                    of_layer.insert(position, bytes);
                },
            )
        })?;
        let entries: Vec<Entry> = files.iter().map(|file| file.entry.clone()).collect();
        merged.apply(&entries);
        texts.insert(number, of_layer);
        layers.push(files);
    }
    let mut scanned = Scanned { files: Vec::new(), positions: Vec::new(), texts: BTreeMap::new() };
    for (path, node) in merged.iter() {
        let entry = Entry { path: path.clone(), metadata: node.metadata.clone(), kind: node.kind.clone() };
        let plain = CataloguedFile {
            entry: entry.clone(),
            index: 0,
            elf: None,
            shebang: None,
            damaged_elf: None,
            marks: crate::apk::archive::Marks::default(),
        };
        let content = node.content;
        let file = content.and_then(|id| layers.get(id.layer)?.get(id.entry)).cloned().unwrap_or(plain);
        scanned.files.push(CataloguedFile { entry, ..file });
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        scanned.positions.push(content.map(|id| (number(id.layer), number(id.entry))));
        if let Some(id) = content
            && is_text(path)
            && let Some(bytes) = texts.get(&id.layer).and_then(|layer| layer.get(&id.entry))
        {
            scanned.texts.insert(path.clone(), bytes.clone());
        }
    }
    if let Ok(bytes) = postcard::to_stdvec(&scanned) {
        // What cannot be kept is read again.
        let _ = cache.put_derived(IMAGES, &given.digest, &bytes);
    }
    Ok(scanned)
}

/// Whether packages, accounts or the distro are told by a file.
fn is_text(path: &RootPath) -> bool {
    const FILES: [&str; 7] = [
        "/etc/passwd",
        "/etc/group",
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/os-release",
        "/usr/lib/os-release",
        "/etc/apk/world",
    ];
    FILES.contains(&path.as_str()) || dpkg::is_database(path) || apk::is_database(path)
}
