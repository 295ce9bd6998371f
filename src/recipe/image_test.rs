//! `[[test]]`: a command to run in the finished image, and what it must say.

use std::collections::BTreeMap;

use super::image::{absolute, duration, variable};
use super::reader::{Table, Value};
use crate::root_path::RootPath;

/// A command and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// The program and its arguments, in place of entry point and command.
    pub run: Vec<String>,
    /// What it reads from its standard input; without it, nothing.
    pub stdin: Option<String>,
    /// Environment variables beside the image's.
    pub env: BTreeMap<String, String>,
    /// A part of what it must write to its standard output.
    pub stdout: Option<String>,
    /// A part of what it must write to its standard error.
    pub stderr: Option<String>,
    /// The status it must exit with.
    pub status: u8,
    /// Nanoseconds after which it has failed.
    pub timeout: Option<u64>,
    /// Whether it may use the network.
    pub network: bool,
    /// Who runs it, as the image's `user`; without it, that user.
    pub user: Option<String>,
    /// Directories that it may write to, beside the usual ones.
    pub writable: Vec<RootPath>,
}

impl Test {
    /// Reads the tables headed `[[header]]`.
    pub(super) fn read_all(value: &Value<'_>, header: &str) -> Vec<Self> {
        value.tables(header).into_iter().filter_map(read_one).collect()
    }
}

fn read_one(mut table: Table<'_>) -> Option<Test> {
    let findings = table.findings;
    let run = table.required("run", "[\"program\", \"--version\"]");
    let stdin = table.text("stdin");
    let env = table.take("env").map(|value| value.pairs()).unwrap_or_default();
    let stdout = table.text("stdout");
    let stderr = table.text("stderr");
    let status = table.take("status").and_then(|value| value.integer(0..=255));
    let timeout = table.text("timeout").and_then(|text| duration(&text, findings));
    let network = table.boolean("network", false);
    let user = table.text("user");
    let writable = table.take("writable").map(|value| value.texts()).unwrap_or_default();
    table.finish();
    let run = run?;
    let words = run.strings()?;
    if words.first().is_none_or(String::is_empty) {
        run.wrong("`run` names no program", "the first element is the program");
        return None;
    }
    Some(Test {
        run: words,
        stdin: stdin.map(|text| text.text.to_owned()),
        env: env
            .into_iter()
            .filter_map(|(name, (span, value))| variable(name, &span, value, findings))
            .collect(),
        stdout: stdout.map(|text| text.text.to_owned()),
        stderr: stderr.map(|text| text.text.to_owned()),
        status: status.and_then(|status| u8::try_from(status).ok()).unwrap_or(0),
        timeout,
        network,
        user: user.map(|text| text.text.to_owned()),
        writable: writable.iter().filter_map(|text| absolute(text, findings)).collect(),
    })
}
