//! What commands say, and why they may say something else.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// Of what a command says no more counts.
const MOST_SAID: usize = 1 << 16;
/// How long a command may take, in seconds.
pub(super) const PATIENCE: &str = "60";

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) code: Option<i32>,
    pub(super) said: String,
    /// Whether it does the same every time.
    pub(super) steady: bool,
}

impl Answer {
    /// Runs a command of a root directory that cannot be written to, without a network or a terminal. What Python
    /// compiles is kept for the root's other commands, beside it.
    pub(super) fn of(root: &Path, env: &[(String, String)], program: &str, argument: &str) -> Self {
        let compiled = root.with_extension("compiled");
        fs::create_dir_all(&compiled).unwrap();
        let mut command = Command::new("timeout");
        command.args(["-k", "1", PATIENCE, "bwrap", "--ro-bind"]).arg(root).arg("/");
        for mount in [["--proc", "/proc"], ["--dev", "/dev"], ["--tmpfs", "/tmp"], ["--tmpfs", "/run"]] {
            command.args(mount);
        }
        command.args([
            "--tmpfs",
            "/root",
            "--unshare-all",
            "--die-with-parent",
            "--clearenv",
            "--chdir",
            "/",
        ]);
        command.arg("--bind").arg(compiled).arg("/tmp/compiled");
        command.args(["--setenv", "HOME", "/root", "--setenv", "PYTHONPYCACHEPREFIX", "/tmp/compiled"]);
        for (name, value) in env {
            command.args(["--setenv", name, value]);
        }
        let output = command.args([program, argument]).stdin(Stdio::null()).output().unwrap();
        let cut = |bytes: Vec<u8>| bytes.into_iter().take(MOST_SAID).collect::<Vec<u8>>();
        let said = [cut(output.stdout), cut(output.stderr)].concat();
        Answer { code: output.status.code(), said: String::from_utf8_lossy(&said).into_owned(), steady: true }
    }

    /// Whether another is the same, as far as that can be told.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.code == other.code && (!self.steady || !other.steady || self.said == other.said)
    }

    /// In one line.
    pub(super) fn shown(&self) -> String {
        let said = self.said.trim().replace('\n', " / ");
        let count = said.chars().count();
        let (start, end): (String, String) = (
            said.chars().take(160).collect(),
            said.chars().skip(count.saturating_sub(100).max(160)).collect(),
        );
        let gap = if count > 260 { " ... " } else { "" };
        let code = self.code.map_or_else(|| "killed".to_owned(), |code| code.to_string());
        format!("{code}: {start}{gap}{end}")
    }
}

/// Why two answers differ, as a class, from what is said.
pub(super) fn cause(ours: &Answer, theirs: &Answer) -> &'static str {
    const SIGNS: [(&str, &[&str]); 6] = [
        ("missing library", &["error while loading shared libraries", "cannot open shared object file"]),
        (
            "missing module",
            &[
                "ModuleNotFoundError",
                "ImportError",
                "Can't locate",
                "cannot load such file",
                "can't find package",
            ],
        ),
        ("missing command", &["command not found", ": not found", "exec: "]),
        (
            "missing file",
            &["No such file or directory", "cannot open", "Cannot open", "does not exist", "execvp"],
        ),
        ("warns of what it compiles", &["SyntaxWarning", "DeprecationWarning"]),
        ("needs a terminal or /proc", &["tty", "terminal", "/proc", "TERM"]),
    ];
    let plain =
        |answer: &Answer| -> String { answer.said.chars().filter(|char| !char.is_ascii_digit()).collect() };
    if ours.code == theirs.code && plain(ours) == plain(theirs) {
        return "prints a number, a time or a size";
    }
    let has = |answer: &Answer, words: &[&str]| words.iter().any(|word| answer.said.contains(word));
    let found = SIGNS.iter().find(|(_, words)| has(ours, words) && !has(theirs, words));
    let found = found.map(|(class, _)| *class);
    found.unwrap_or(if ours.code == theirs.code { "says something else" } else { "ends otherwise" })
}
