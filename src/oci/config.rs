//! A recipe's `[image]` as the configuration of an OCI image.

use crate::distro::Distro;
use crate::recipe::ImageConfig;

use super::{Config, Healthcheck};

/// The configuration that a recipe asks for; `PATH` is the distro's unless it is set.
pub fn image_config(image: &ImageConfig, distro: Distro) -> Config {
    let mut env = image.env.clone();
    env.entry("PATH".into()).or_insert_with(|| distro.default_path().into());
    Config {
        entrypoint: image.entrypoint.clone(),
        cmd: image.cmd.clone().unwrap_or_default(),
        user: image.user.clone(),
        workdir: image.workdir.as_ref().map(ToString::to_string),
        env,
        expose: image.expose.iter().map(ToString::to_string).collect(),
        volumes: image.volumes.iter().map(ToString::to_string).collect(),
        stop_signal: image.stop_signal.clone(),
        labels: image.labels.clone(),
        healthcheck: image.healthcheck.as_ref().map(|check| Healthcheck {
            test: check.test.clone(),
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            start_interval: check.start_interval,
            retries: check.retries,
        }),
    }
}
