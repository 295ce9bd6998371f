//! The layers of a recipe: packages, how much of them is kept, and files of the recipe's own.

use std::collections::BTreeMap;

use super::accounts::Mentions;
use super::file::FileSpec;
use super::findings::Findings;
use super::package::{Grammar, PackageSpec};
use super::pattern::Pattern;
use super::problems::{Span, listed, quoted};
use super::reader::{Table, Text, Value};
use super::suggest::nearest;

/// One layer, as the recipe has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its name, unique within the recipe.
    pub name: String,
    /// The packages it asks for, in the recipe's order.
    pub packages: Vec<PackageSpec>,
    /// How much of them gets in.
    pub keep: Keep,
    /// Globs of what is always in, and roots of the ELF closure.
    pub include: Vec<Pattern>,
    /// Globs of what is never in, whatever other rules say.
    pub exclude: Vec<Pattern>,
    /// Files that the recipe brings itself.
    pub files: Vec<FileSpec>,
}

/// How much of a layer's packages gets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keep {
    /// What the named packages need to run.
    #[default]
    Needed,
    /// Every file of the packages and their dependencies, less what is stripped.
    All,
    /// What `include` names, and its ELF closure.
    Listed,
}

impl Keep {
    /// Every policy.
    pub const ALL: [Keep; 3] = [Keep::Needed, Keep::All, Keep::Listed];

    /// The name that recipes use.
    pub const fn name(self) -> &'static str {
        match self {
            Keep::Needed => "needed",
            Keep::All => "all",
            Keep::Listed => "listed",
        }
    }

    fn read(text: &Text<'_>, findings: &Findings<'_>) -> Self {
        let found = Keep::ALL.into_iter().find(|keep| keep.name() == text.text);
        if found.is_none() {
            let names = Keep::ALL.map(Keep::name);
            let hint = match nearest(text.text, names) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("it is one of {}", listed(names)),
            };
            findings.value(&text.span, format!("{} is nothing that `keep` can be", quoted(text.text)), hint);
        }
        found.unwrap_or_default()
    }
}

/// A layer and the place of its name.
pub(super) struct Declared {
    pub(super) layer: Layer,
    pub(super) span: Span,
}

/// Reads `[[layer]]` or `[[variant.NAME.layer]]`.
pub(super) fn read(
    value: &Value<'_>,
    header: &str,
    grammar: &Grammar<'_>,
    mentions: &mut Mentions,
) -> Vec<Declared> {
    value.tables(header).into_iter().map(|table| read_one(table, grammar, mentions)).collect()
}

fn read_one(mut table: Table<'_>, grammar: &Grammar<'_>, mentions: &mut Mentions) -> Declared {
    let findings = table.findings;
    let header = table.span.clone();
    let name = table.required("name", "\"...\"").and_then(|value| value.text());
    let span = name.as_ref().map_or(header.clone(), |name| name.span.clone());
    if let Some(name) = &name {
        check_name("layer", name, findings);
    }
    let given = table.take("packages");
    let names_packages = given.is_some();
    let packages = read_packages(&given.map(|value| value.texts()).unwrap_or_default(), grammar, findings);
    let keep = table.text("keep");
    let keep_span = keep.as_ref().map(|keep| keep.span.clone());
    let keep = keep.map(|keep| Keep::read(&keep, findings)).unwrap_or_default();
    let include = table.take("include").map(|value| value.texts()).unwrap_or_default();
    let includes = !include.is_empty();
    let include = patterns(&include, findings);
    let exclude = patterns(&table.take("exclude").map(|value| value.texts()).unwrap_or_default(), findings);
    let files = table.take("files");
    let brings_files = files.is_some();
    let files = files.map(|value| FileSpec::read_all(&value, grammar.dir, mentions)).unwrap_or_default();
    let misspells_include = table.misspells("include");
    let misspells = misspells_include || table.misspells("packages") || table.misspells("files");
    table.finish();

    if let Some(span) = keep_span
        && keep == Keep::Listed
        && !(includes || misspells_include)
        && names_packages
    {
        let hint = "list what is wanted in `include`, or leave `keep` out";
        findings.context(&span, "this layer keeps only what `include` lists, which is nothing", hint);
    }
    if !names_packages && !includes && !brings_files && !misspells {
        let hint = "give it `packages`, `include` or `files`, or leave it out";
        findings.context(&header, "this layer asks for nothing", hint);
    }
    let name = name.map(|name| name.text.to_owned()).unwrap_or_default();
    Declared { layer: Layer { name, packages, keep, include, exclude, files }, span }
}

fn read_packages(texts: &[Text<'_>], grammar: &Grammar<'_>, findings: &Findings<'_>) -> Vec<PackageSpec> {
    let mut packages: Vec<PackageSpec> = Vec::new();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for text in texts {
        let Some(package) = grammar.read(text, findings) else { continue };
        if seen.insert(package.to_string(), text.span.clone()).is_some() {
            findings.value(
                &text.span,
                format!("{} is named twice in this layer", quoted(text.text)),
                "leave one out",
            );
        } else {
            packages.push(package);
        }
    }
    packages
}

fn patterns(texts: &[Text<'_>], findings: &Findings<'_>) -> Vec<Pattern> {
    texts.iter().filter_map(|text| Pattern::read(text, findings)).collect()
}

/// Reports a name that could not be part of an image reference (distribution-spec, `<name>` and `<reference>`).
pub(super) fn check_name(what: &str, name: &Text<'_>, findings: &Findings<'_>) {
    const LONGEST: usize = 63;
    let text = name.text;
    let separator = |c: char| ".-_".contains(c);
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || separator(c);
    let parted = text.split(separator).all(|part| !part.is_empty());
    if text.chars().all(allowed) && parted && text.len() <= LONGEST {
        return;
    }
    let hint = if text.len() > LONGEST {
        format!("a name has at most {LONGEST} characters")
    } else if !text.is_empty() && text.to_ascii_lowercase().chars().all(allowed) && parted {
        format!("write \"{}\"", text.to_ascii_lowercase())
    } else {
        "a name has letters `a-z` and digits, with single `.`, `-` or `_` between them".to_owned()
    };
    findings.value(&name.span, format!("{} cannot be the name of a {what}", quoted(text)), hint);
}
