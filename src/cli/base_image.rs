//! A base that is an image, brought to where it can be read: in place, or into the cache.

use rootforge::arch::Arch;
use rootforge::digest::Digest;
use rootforge::lock::Lock;
use rootforge::oci::{GivenImage, Layout, pull_base, unpack};
use rootforge::recipe::{BaseImage, Recipe};

use super::Session;
use super::error::Failure;
use super::place::failed;

/// The lock of the recipe that stands for an image: what the image has.
pub(super) fn image_lock(
    session: &Session,
    recipe: &Recipe,
    image: &BaseImage,
    archs: &[Arch],
) -> Result<Lock, Failure> {
    let (layout, digest) = bring(session, recipe, image, archs)?;
    let forge = session.forge(Vec::new(), false)?;
    forge.lock_of_image(recipe, &layout, digest, archs).map_err(|error| Failure::work(&error))
}

/// The layout that the image lies in, and its digest there.
fn bring(
    session: &Session,
    recipe: &Recipe,
    image: &BaseImage,
    archs: &[Arch],
) -> Result<(Layout, Digest), Failure> {
    match image {
        BaseImage::Layout { directory, name } => {
            let directory = recipe.host_path(directory);
            if !directory.join("index.json").is_file() {
                return Err(Failure::Work {
                    message: format!(
                        "there is no image layout in `{}`, where the base `{}` is to be",
                        directory.display(),
                        recipe.name
                    ),
                    hints: vec![
                        "build or pull the base there first; the path is relative to the recipe".into(),
                    ],
                });
            }
            let layout = Layout::open(directory).map_err(failed)?;
            let target = layout.find(name.as_deref()).map_err(failed)?;
            Ok((layout, target.digest()))
        }
        BaseImage::Archive { file, name } => {
            let layout = session.base_images()?;
            let file = recipe.host_path(file);
            let (target, _) = unpack(&file, name.as_deref(), &layout).map_err(failed)?;
            session.cache_and_limit()?.0.count(std::fs::metadata(&file).map_or(0, |file| file.len()));
            Ok((layout, target.digest()))
        }
        BaseImage::Registry(reference) => {
            let layout = session.base_images()?;
            let Some(digest) = reference.digest() else {
                return Err(Failure::usage(
                    format!("the base `{}` names no digest", recipe.name),
                    "write `docker://HOST/REPOSITORY@sha256:...`",
                ));
            };
            let given = |arch: &Arch| GivenImage::open(&layout, &digest, &recipe.name, *arch);
            if !archs.iter().all(|arch| given(arch).is_ok_and(|image| image.layers.are_there())) {
                pull_base(&session.remote(reference)?, archs, &layout, &session.reporter).map_err(failed)?;
                let images: Vec<GivenImage> = archs.iter().filter_map(|arch| given(arch).ok()).collect();
                let blobs = images.iter().flat_map(|image| image.layers.blobs());
                session.cache_and_limit()?.0.count(blobs.map(|(_, size)| size).sum());
            }
            let images: Vec<GivenImage> = archs.iter().filter_map(|arch| given(arch).ok()).collect();
            let blobs = images.iter().flat_map(|image| image.layers.blobs()).map(|(digest, _)| digest);
            let documents = images.iter().map(|image| &image.digest).chain([&digest]);
            session.cache_and_limit()?.0.note(blobs.chain(documents).map(|digest| layout.blob_path(digest)));
            Ok((layout, digest))
        }
    }
}
