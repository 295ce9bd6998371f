//! The JSON documents of an image: config (`config.md`), manifest (`manifest.md`), image index
//! (`image-index.md`) and their descriptors (`descriptor.md`), image-spec v1.1.
//!
//! The types are oci-spec's; since some of them hold hash maps, every document passes through
//! [`serde_json::Value`], whose objects are sorted, before it becomes bytes.

use std::collections::BTreeMap;

use oci_spec::image::{
    self as spec, DescriptorBuilder, HistoryBuilder, ImageConfigurationBuilder, ImageIndexBuilder,
    ImageManifestBuilder, MediaType, PlatformBuilder, RootFsBuilder,
};
use serde_json::{Value, json};

use super::{Compression, ImageRef, ImageSpec, IndexRef, OciError};
use crate::arch::Arch;
use crate::digest::Digest;
use crate::recipe::{Healthcheck, ImageConfig};

/// Names an image in `index.json` (`annotations.md`).
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// An image index.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Why a document could not be made: oci-spec's builders check what is required.
#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentError {
    #[error(transparent)]
    Spec(#[from] oci_spec::OciSpecError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The bytes of a document: compact, keys sorted.
pub(super) fn bytes(document: &Value) -> Vec<u8> {
    let mut sorted = document.clone();
    sorted.sort_all_objects();
    sorted.to_string().into_bytes()
}

/// RFC 3339 of seconds since the epoch.
pub(super) fn rfc3339(seconds: u64) -> Result<String, OciError> {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map(|time| time.to_string())
        .ok_or(OciError::Time(seconds))
}

/// The image configuration. `created` is RFC 3339, and so are the layers' `dates`.
pub(super) fn config(image: &ImageSpec, created: &str, dates: &[String]) -> Result<Value, DocumentError> {
    let platform = image.arch.platform();
    let diff_ids: Vec<String> = image.layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    let history = image
        .layers
        .iter()
        .zip(dates)
        .map(|(layer, created)| {
            HistoryBuilder::default().created(created).created_by(layer.created_by.as_str()).build()
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut builder = ImageConfigurationBuilder::default()
        .created(created)
        .architecture(spec::Arch::from(platform.architecture))
        .os(spec::Os::Linux)
        .config(run_config(&image.config)?)
        .rootfs(RootFsBuilder::default().typ("layers").diff_ids(diff_ids).build()?)
        .history(history);
    if let Some(variant) = platform.variant {
        builder = builder.variant(variant);
    }
    let mut document = serde_json::to_value(builder.build()?)?;
    if let Some(given) = &image.given {
        prepend(&mut document["history"], given.history());
        prepend(&mut document["rootfs"]["diff_ids"], given.diff_ids());
    }
    if let Some(healthcheck) = &image.config.healthcheck {
        document["config"]["Healthcheck"] = healthcheck_value(healthcheck);
    }
    Ok(document)
}

/// `config.md`, "Properties", `config`.
fn run_config(config: &ImageConfig) -> Result<spec::Config, DocumentError> {
    fn texts(items: &[impl ToString]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }
    let mut builder = spec::ConfigBuilder::default();
    if let Some(entrypoint) = &config.entrypoint {
        builder = builder.entrypoint(entrypoint.clone());
    }
    if let Some(cmd) = config.cmd.as_ref().filter(|cmd| !cmd.is_empty()) {
        builder = builder.cmd(cmd.clone());
    }
    if let Some(user) = &config.user {
        builder = builder.user(user.as_str());
    }
    if let Some(workdir) = &config.workdir {
        builder = builder.working_dir(workdir.to_string());
    }
    if !config.env.is_empty() {
        builder = builder.env(environment(&config.env));
    }
    if !config.expose.is_empty() {
        builder = builder.exposed_ports(texts(&config.expose));
    }
    if !config.volumes.is_empty() {
        builder = builder.volumes(texts(&config.volumes));
    }
    if let Some(signal) = &config.stop_signal {
        builder = builder.stop_signal(signal.as_str());
    }
    if !config.labels.is_empty() {
        builder =
            builder.labels(config.labels.clone().into_iter().collect::<std::collections::HashMap<_, _>>());
    }
    Ok(builder.build()?)
}

/// `NAME=value`, `PATH` first, the others sorted.
fn environment(env: &BTreeMap<String, String>) -> Vec<String> {
    let path = env.get_key_value("PATH").into_iter();
    let others = env.iter().filter(|(name, _)| *name != "PATH");
    path.chain(others).map(|(name, value)| format!("{name}={value}")).collect()
}

/// Docker's `config.Healthcheck` (Docker Image Specification v1.2).
fn healthcheck_value(healthcheck: &Healthcheck) -> Value {
    let mut value = json!({ "Test": healthcheck.test });
    let times = [
        ("Interval", healthcheck.interval),
        ("Timeout", healthcheck.timeout),
        ("StartPeriod", healthcheck.start_period),
        ("StartInterval", healthcheck.start_interval),
        ("Retries", healthcheck.retries.map(u64::from)),
    ];
    for (key, time) in times {
        if let Some(time) = time {
            value[key] = json!(time);
        }
    }
    value
}

/// The image manifest.
pub(super) fn manifest(image: &ImageSpec, config: &Digest, config_size: u64) -> Result<Value, DocumentError> {
    let layers = image
        .layers
        .iter()
        .map(|layer| descriptor(media_type(layer.compression), &layer.digest, layer.size))
        .collect::<Result<Vec<_>, _>>()?;
    let mut builder = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(descriptor(MediaType::ImageConfig, config, config_size)?)
        .layers(layers);
    if !image.annotations.is_empty() {
        let annotations: std::collections::HashMap<_, _> = image.annotations.clone().into_iter().collect();
        builder = builder.annotations(annotations);
    }
    let mut document = serde_json::to_value(builder.build()?)?;
    if let Some(given) = &image.given {
        prepend(&mut document["layers"], given.descriptors());
    }
    Ok(document)
}

/// Puts what an image below has before a list's own.
fn prepend(list: &mut Value, given: &[Value]) {
    let own = list.as_array().cloned().unwrap_or_default();
    *list = given.iter().cloned().chain(own).collect();
}

/// What a layer is, by its compression (`layer.md`).
const fn media_type(compression: Compression) -> MediaType {
    match compression {
        Compression::None => MediaType::ImageLayer,
        Compression::Gzip => MediaType::ImageLayerGzip,
        Compression::Zstd => MediaType::ImageLayerZstd,
    }
}

/// The image index of several manifests, in the order of their architectures.
pub(super) fn index(images: &[ImageRef]) -> Result<Value, DocumentError> {
    let mut images = images.to_vec();
    images.sort_by_key(|image| (image.arch, image.digest));
    let manifests = images.iter().map(manifest_descriptor).collect::<Result<Vec<_>, _>>()?;
    let index = ImageIndexBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageIndex)
        .manifests(manifests)
        .build()?;
    Ok(serde_json::to_value(index)?)
}

/// A layout's `index.json` without an image.
pub(super) fn empty_index() -> Value {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] })
}

/// A manifest's descriptor with its platform.
fn manifest_descriptor(image: &ImageRef) -> Result<spec::Descriptor, DocumentError> {
    let mut descriptor = descriptor(MediaType::ImageManifest, &image.digest, image.size)?;
    descriptor.set_platform(Some(platform(image.arch)?));
    Ok(descriptor)
}

/// A manifest's descriptor, as JSON.
pub(super) fn image_value(image: &ImageRef) -> Result<Value, DocumentError> {
    Ok(serde_json::to_value(manifest_descriptor(image)?)?)
}

/// An image index's descriptor, as JSON.
pub(super) fn index_value(index: &IndexRef) -> Result<Value, DocumentError> {
    Ok(serde_json::to_value(descriptor(MediaType::ImageIndex, &index.digest, index.size)?)?)
}

fn platform(arch: Arch) -> Result<spec::Platform, DocumentError> {
    let platform = arch.platform();
    let mut builder =
        PlatformBuilder::default().architecture(spec::Arch::from(platform.architecture)).os(spec::Os::Linux);
    if let Some(variant) = platform.variant {
        builder = builder.variant(variant);
    }
    Ok(builder.build()?)
}

fn descriptor(media_type: MediaType, digest: &Digest, size: u64) -> Result<spec::Descriptor, DocumentError> {
    let digest: spec::Digest = digest.to_string().parse()?;
    Ok(DescriptorBuilder::default().media_type(media_type).digest(digest).size(size).build()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::ExposedPort;

    fn image() -> ImageSpec {
        ImageSpec {
            arch: Arch::Arm32v6,
            config: ImageConfig {
                env: BTreeMap::from([
                    ("HOME".into(), "/".into()),
                    ("PATH".into(), "/bin".into()),
                    ("A".into(), "1".into()),
                ]),
                expose: [80, 443].map(|port| ExposedPort { port, protocol: "tcp" }).to_vec(),
                labels: ('a'..='z').map(|key| (key.to_string(), String::new())).collect(),
                healthcheck: Some(Healthcheck {
                    test: vec!["CMD".into(), "true".into()],
                    interval: Some(30_000_000_000),
                    timeout: None,
                    start_period: None,
                    start_interval: None,
                    retries: None,
                }),
                ..ImageConfig::default()
            },
            created: 1_700_000_000,
            given: None,
            layers: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }

    #[test]
    fn config_is_the_same_every_time() {
        let first = bytes(&config(&image(), &rfc3339(1_700_000_000).unwrap(), &[]).unwrap());
        for _ in 0..8 {
            assert_eq!(first, bytes(&config(&image(), "2023-11-14T22:13:20Z", &[]).unwrap()));
        }
        let labels: Vec<String> = ('a'..='z').map(|key| format!("\"{key}\":\"\"")).collect();
        let expected = format!(
            concat!(
                r#"{{"architecture":"arm","config":{{"Env":["PATH=/bin","A=1","HOME=/"],"#,
                r#""ExposedPorts":{{"443/tcp":{{}},"80/tcp":{{}}}},"#,
                r#""Healthcheck":{{"Interval":30000000000,"Test":["CMD","true"]}},"Labels":{{{}}}}},"#,
                r#""created":"2023-11-14T22:13:20Z","history":[],"os":"linux","#,
                r#""rootfs":{{"diff_ids":[],"type":"layers"}},"variant":"v6"}}"#
            ),
            labels.join(",")
        );
        assert_eq!(String::from_utf8(first).unwrap(), expected);
    }

    #[test]
    fn no_date_beyond_the_calendar() {
        assert_eq!(rfc3339(0).unwrap(), "1970-01-01T00:00:00Z");
        assert!(matches!(rfc3339(u64::MAX), Err(OciError::Time(u64::MAX))));
    }

    #[test]
    fn index_names_platforms_in_order() {
        let image = |arch| ImageRef { digest: Digest::of(b"x"), size: 1, arch };
        let index = index(&[image(Arch::S390x), image(Arch::Amd64), image(Arch::Arm32v6)]).unwrap();
        let platforms: Vec<String> = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|manifest| manifest["platform"].to_string())
            .collect();
        assert_eq!(
            platforms,
            [
                r#"{"architecture":"amd64","os":"linux"}"#,
                r#"{"architecture":"arm","os":"linux","variant":"v6"}"#,
                r#"{"architecture":"s390x","os":"linux"}"#,
            ]
        );
    }
}
