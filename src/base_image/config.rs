//! The `config` of an image's configuration (image-spec v1.1, `config.md`) in a recipe's words.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::recipe::{ExposedPort, Healthcheck, ImageConfig};
use crate::root_path::RootPath;

/// Reads the configuration document. What a recipe cannot say (`OnBuild`, `Shell`) is left out.
pub(super) fn read(document: &Value) -> ImageConfig {
    let config = &document["config"];
    let text = |key: &str| config[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let keys = |key: &str| config[key].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let pairs = |value: &Value| -> BTreeMap<String, String> {
        let entries = value.as_object().into_iter().flatten();
        entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    };
    let env = texts(&config["Env"]).unwrap_or_default();
    let env = env.iter().filter_map(|line| line.split_once('='));
    let mut expose: Vec<ExposedPort> = keys("ExposedPorts").filter_map(|port| exposed(&port)).collect();
    expose.sort();
    let mut volumes: Vec<RootPath> = keys("Volumes").filter_map(|path| RootPath::parse(&path).ok()).collect();
    volumes.sort();
    ImageConfig {
        entrypoint: texts(&config["Entrypoint"]),
        cmd: texts(&config["Cmd"]),
        user: text("User"),
        workdir: text("WorkingDir").and_then(|path| RootPath::parse(&path).ok()),
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        expose,
        volumes,
        stop_signal: text("StopSignal"),
        labels: pairs(&config["Labels"]),
        healthcheck: healthcheck(&config["Healthcheck"]),
    }
}

/// A list of texts; none where there is none or it is empty.
fn texts(value: &Value) -> Option<Vec<String>> {
    let texts: Vec<String> =
        value.as_array()?.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect();
    (!texts.is_empty()).then_some(texts)
}

fn exposed(text: &str) -> Option<ExposedPort> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = ["tcp", "udp", "sctp"].into_iter().find(|known| *known == protocol)?;
    Some(ExposedPort { port: port.parse().ok().filter(|port| *port != 0)?, protocol })
}

fn healthcheck(value: &Value) -> Option<Healthcheck> {
    let time = |key: &str| value[key].as_u64().filter(|time| *time > 0);
    Some(Healthcheck {
        test: texts(&value["Test"])?,
        interval: time("Interval"),
        timeout: time("Timeout"),
        start_period: time("StartPeriod"),
        start_interval: time("StartInterval"),
        retries: time("Retries").and_then(|retries| u32::try_from(retries).ok()),
    })
}
