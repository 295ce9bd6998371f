//! `layers` and `compression`: how what a recipe selects is spread over layers, and how these are packed.
//!
//! `layers = "auto"`, or `layers = { policy = "auto", budget = 5 }`, groups the files anew; without it, or with
//! `"explicit"`, each `[[layer]]` is one layer.

use serde::{Deserialize, Serialize};

use super::findings::Findings;
use super::problems::{listed, quoted};
use super::reader::{Table, Text, Value};
use super::suggest::nearest;

/// Which files share a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layering {
    /// Those of each `[[layer]]`.
    #[default]
    Explicit,
    /// Those that change together; the layers of a variant stay as they are, on top.
    Auto {
        /// How many layers there may be: from 1 to [`Layering::MAX_BUDGET`].
        budget: usize,
    },
}

impl Layering {
    /// The budget where the recipe gives none.
    pub const DEFAULT_BUDGET: usize = 8;
    /// The largest budget. Docker stacks 125 layers, and those of bases and variants count as well.
    pub const MAX_BUDGET: usize = 100;

    const NAMES: [&str; 2] = ["auto", "explicit"];

    /// Takes `layers` of a recipe.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        // An array is `[[layer]]` misspelt.
        if table.is_array("layers") {
            return Layering::Explicit;
        }
        let Some(value) = table.take("layers") else { return Layering::Explicit };
        if value.is_table() { Self::read_table(&value) } else { Self::read_policy(&value, table.findings) }
    }

    fn read_policy(value: &Value<'_>, findings: &Findings<'_>) -> Self {
        if !value.is_text() {
            let hint = match value.source().parse() {
                Ok(1..=Self::MAX_BUDGET) => {
                    format!("write `layers = {{ policy = \"auto\", budget = {} }}`", value.source())
                }
                _ => "write `layers = \"auto\"`, or leave it out".to_owned(),
            };
            value.mistyped("a policy", hint);
            return Layering::Explicit;
        }
        let Some(text) = value.text() else { return Layering::Explicit };
        match one_of(&text, "layers", Self::NAMES, findings) {
            Some("auto") => Layering::Auto { budget: Self::DEFAULT_BUDGET },
            _ => Layering::Explicit,
        }
    }

    fn read_table(value: &Value<'_>) -> Self {
        let Some(mut table) = value.table("`layers`") else { return Layering::Explicit };
        let findings = table.findings;
        let policy = table.required("policy", "\"auto\"").and_then(|value| value.text());
        let is_auto =
            policy.and_then(|text| one_of(&text, "policy", Self::NAMES, findings)).map(|name| name == "auto");
        let budget = table.take("budget");
        let mut read = Self::DEFAULT_BUDGET;
        if let Some(budget) = &budget {
            if is_auto == Some(false) {
                let hint = "leave it out, or write `policy = \"auto\"`";
                findings.context(&budget.key_span, "explicit layers need no `budget`", hint);
            } else if let Some(number) = budget.integer(i64::MIN..=i64::MAX) {
                read = Self::judge_budget(number, budget).unwrap_or(read);
            }
        }
        table.finish();
        if is_auto == Some(true) { Layering::Auto { budget: read } } else { Layering::Explicit }
    }

    fn judge_budget(number: i64, value: &Value<'_>) -> Option<usize> {
        let most = Self::MAX_BUDGET;
        let budget = usize::try_from(number).unwrap_or(0);
        if budget == 0 {
            value.wrong(format!("{number} layers hold nothing"), "the least is 1, for all in one layer");
        } else if budget > most {
            value.wrong(
                format!("a budget of {number} layers is too large: the most is {most}"),
                "Docker stacks 125 layers, and those of bases and variants count as well",
            );
        }
        (1..=most).contains(&budget).then_some(budget)
    }
}

/// How the layers that a recipe makes are compressed. Those of its base stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LayerCompression {
    /// Every engine reads it.
    #[default]
    Gzip,
    /// Smaller, and unpacked three times as fast; engines from before 2019 to 2023 do not read it.
    Zstd,
}

impl LayerCompression {
    const NAMES: [&str; 2] = ["gzip", "zstd"];

    /// What is too old to read it.
    pub const fn too_old(self) -> Option<&'static str> {
        match self {
            LayerCompression::Gzip => None,
            LayerCompression::Zstd => {
                Some("Docker before 23.0, containerd before 1.5, podman before 1.6.2 and CRI-O before 1.17")
            }
        }
    }

    /// Takes `compression` of a recipe.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let findings = table.findings;
        let Some(text) = table.text("compression") else { return LayerCompression::Gzip };
        match one_of(&text, "compression", Self::NAMES, findings) {
            Some("zstd") => LayerCompression::Zstd,
            _ => LayerCompression::Gzip,
        }
    }
}

/// The word among those known that a key has; what else it says is reported.
fn one_of(
    text: &Text<'_>,
    key: &str,
    known: [&'static str; 2],
    findings: &Findings<'_>,
) -> Option<&'static str> {
    let found = known.into_iter().find(|name| *name == text.text);
    if found.is_none() {
        let hint = match nearest(text.text, known) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it is one of {}", listed(known)),
        };
        findings.value(&text.span, format!("{} is nothing that `{key}` can be", quoted(text.text)), hint);
    }
    found
}
