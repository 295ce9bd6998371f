//! The packages of a base image as a lock, which is no file: the image is what it is made from each time.

use super::{APK_INSTALLED, BaseImage, BaseImageError, DPKG_STATUS, InstalledPackage};
use crate::arch::Arch;
use crate::cache::{Cache, ContentId};
use crate::digest::Digest;
use crate::lock::{Lock, LockedImage, LockedPackage, Request};
use crate::oci::Layout;
use crate::recipe::Recipe;

/// The lock of the recipe that stands for an image ([`Recipe::base_image`]), which lies in a layout under a digest, be
/// that of an index or of a manifest.
pub fn base_lock(
    recipe: &Recipe,
    layout: &Layout,
    digest: Digest,
    archs: &[Arch],
    cache: &Cache,
) -> Result<Lock, BaseImageError> {
    let mut lock = Lock::new(Request::of(recipe, None, &[]));
    lock.image = Some(LockedImage { layout: layout.directory().to_owned(), digest });
    for arch in archs {
        let image = BaseImage::open(&recipe.name, layout, &digest, *arch, recipe.conventions(), cache)?;
        let packages = image.installed.values().map(|package| locked(package, *arch, recipe));
        lock.replace_arch(*arch, Vec::new(), packages.collect());
    }
    Ok(lock)
}

fn locked(package: &InstalledPackage, arch: Arch, recipe: &Recipe) -> LockedPackage {
    let database = match package.content {
        ContentId::Sha256(_) => DPKG_STATUS,
        ContentId::Apk(_) => APK_INSTALLED,
    };
    LockedPackage {
        arch,
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        source: package.source.clone(),
        layer: recipe.layers.first().map(|layer| layer.name.clone()),
        on_demand: false,
        in_image: true,
        essential: package.essential,
        multi_arch: package.multi_arch.clone(),
        repository: None,
        path: database.trim_start_matches('/').to_owned(),
        size: package.size,
        content: package.content,
        relations: package.relations.clone(),
        requires: Vec::new(),
    }
}
