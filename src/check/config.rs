//! Whether a config has the form that engines read it in (image-spec v1.1, `config.md`): Go's structs of image-spec, into
//! which a text does not go where a list belongs. What is null is left out, as Go has it.
//!
//! Left out: what Docker has beside the specification (`Healthcheck`, `OnBuild` ...).

use serde_json::Value;

use crate::digest::Digest;

/// What is wrong with a config's fields, a sentence each.
pub(super) fn faults(config: &Value) -> Vec<String> {
    let mut faults = Faults::default();
    faults.time(&config["created"], "created");
    for key in ["author", "variant", "os.version"] {
        faults.text(&config[key], key);
    }
    let run = &config["config"];
    if !run.is_null() && !run.is_object() {
        faults.add("config", run, "is no object");
    }
    for key in ["User", "WorkingDir", "StopSignal"] {
        faults.text(&run[key], &format!("config.{key}"));
    }
    for key in ["Entrypoint", "Cmd", "Env"] {
        faults.texts(&run[key], &format!("config.{key}"));
    }
    faults.variables(&run["Env"]);
    faults.directory(&run["WorkingDir"]);
    for key in ["ExposedPorts", "Volumes"] {
        faults.object(&run[key], &format!("config.{key}"), "an object", Value::is_object);
    }
    faults.object(&run["Labels"], "config.Labels", "a text", Value::is_string);
    faults.root_fs(&config["rootfs"]);
    faults.history(&config["history"]);
    faults.0
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, name: &str, value: &Value, what: &str) {
        self.0.push(format!("`{name}` {what}: {value}"));
    }

    fn text(&mut self, value: &Value, name: &str) {
        if !value.is_null() && !value.is_string() {
            self.add(name, value, "is no text");
        }
    }

    fn texts(&mut self, value: &Value, name: &str) {
        let Some(list) = value.as_array() else {
            if !value.is_null() {
                self.add(name, value, "is no list of texts");
            }
            return;
        };
        if let Some(odd) = list.iter().find(|item| !item.is_string()) {
            self.add(name, odd, "holds what is no text");
        }
    }

    fn variables(&mut self, value: &Value) {
        let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        // The name may not be empty; what stands behind the first `=` may.
        let is_odd = |text: &str| text.find('=').is_none_or(|at| at == 0);
        for odd in texts.filter(|text| is_odd(text)) {
            self.0.push(format!("`config.Env` holds what is no `NAME=value`: `{odd}`"));
        }
    }

    fn directory(&mut self, value: &Value) {
        if let Some(path) = value.as_str().filter(|path| !path.is_empty() && !path.starts_with('/')) {
            self.0.push(format!("`config.WorkingDir` is no absolute path, which runc asks for: `{path}`"));
        }
    }

    /// An object whose values are of one kind.
    fn object(&mut self, value: &Value, name: &str, kind: &str, is_kind: fn(&Value) -> bool) {
        match value.as_object() {
            None if value.is_null() => {}
            None => self.add(name, value, "is no object"),
            Some(object) => {
                let odd = object.iter().find(|(_, value)| !value.is_null() && !is_kind(value));
                if let Some((key, value)) = odd {
                    self.0.push(format!("`{name}` has for `{key}` what is not {kind}: {value}"));
                }
            }
        }
    }

    /// Whether `diff_ids` are there and how many is asked elsewhere.
    fn root_fs(&mut self, value: &Value) {
        if value["type"] != "layers" {
            self.add("rootfs.type", &value["type"], "is not \"layers\"");
        }
        let is_digest = |value: &Value| {
            value.as_str().is_some_and(|text| text.starts_with("sha256:") && Digest::parse(text).is_ok())
        };
        let diff_ids = value["diff_ids"].as_array().into_iter().flatten();
        for odd in diff_ids.filter(|value| !is_digest(value)) {
            self.add("rootfs.diff_ids", odd, "holds what is no digest of SHA-256");
        }
    }

    fn history(&mut self, value: &Value) {
        let Some(entries) = value.as_array() else {
            if !value.is_null() {
                self.add("history", value, "is no list");
            }
            return;
        };
        for (number, entry) in entries.iter().enumerate() {
            let name = |key: &str| format!("history[{number}].{key}");
            if !entry.is_object() && !entry.is_null() {
                self.add(&format!("history[{number}]"), entry, "is no object");
                continue;
            }
            self.time(&entry["created"], &name("created"));
            for key in ["created_by", "author", "comment"] {
                self.text(&entry[key], &name(key));
            }
            if !entry["empty_layer"].is_null() && !entry["empty_layer"].is_boolean() {
                self.add(&name("empty_layer"), &entry["empty_layer"], "is neither true nor false");
            }
        }
    }

    fn time(&mut self, value: &Value, name: &str) {
        if !value.is_null() && !value.as_str().is_some_and(is_rfc3339) {
            self.add(name, value, "is no time as RFC 3339 has it");
        }
    }
}

/// `2025-01-31T23:59:59.5+01:00`: section 5.6, in the form that Go reads: capital letters, and no leap second.
fn is_rfc3339(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let Some((start, rest)) = text.as_bytes().split_at_checked(FORM.len()) else { return false };
    let has_form = |text: &[u8], form: &[u8]| {
        let fits =
            |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
        text.len() == form.len() && text.iter().zip(form).all(fits)
    };
    let digits =
        rest.strip_prefix(b".").map_or(0, |rest| rest.iter().take_while(|at| at.is_ascii_digit()).count());
    let zone = &rest[if digits > 0 { digits + 1 } else { 0 }..];
    has_form(start, FORM)
        && !start.ends_with(b"60")
        && (zone == b"Z" || has_form(zone, b"+00:00") || has_form(zone, b"-00:00"))
        && text.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for good in [
            "2023-11-14T22:13:20Z",
            "0001-01-01T00:00:00Z",
            "2023-11-14T22:13:20.123456789Z",
            "2024-02-29T00:00:00.5-11:30",
        ] {
            assert!(is_rfc3339(good), "{good}");
        }
        for bad in [
            "",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-11-14 22:13:20Z",
            "2023-11-14t22:13:20z",
            "2023-02-29T00:00:00Z",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:13:60Z",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20+0100",
            "1700000000",
        ] {
            assert!(!is_rfc3339(bad), "{bad}");
        }
    }
}
