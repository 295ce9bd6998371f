//! A recipe's `[image]`, completed by what its distro brings.

use crate::distro::Distro;
use crate::recipe::ImageConfig;

/// The configuration that a recipe asks for; `PATH` is the distro's unless it is set.
pub fn image_config(image: &ImageConfig, distro: Distro) -> ImageConfig {
    let mut config = image.clone();
    config.env.entry("PATH".into()).or_insert_with(|| distro.default_path().into());
    config
}
