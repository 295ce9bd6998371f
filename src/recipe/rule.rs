//! `[[rule]]`: what selected programs look for when they run, fired by what they import or name.
//!
//! The crate's own table, [`runtime_rules`], has the same grammar and is read by the same code.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use toml::de::DeTable;

use super::findings::Findings;
use super::image::variable;
use super::pattern::Pattern;
use super::problems::{listed, quoted};
use super::reader::{Table, Text, Value};
use super::suggest::nearest;
use crate::distro::{Distro, RUNTIME_RULES};
use crate::root_path::RootPath;

/// What gets in once a selected file does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, for messages.
    pub name: String,
    /// The distros it is for, by `ID` of their os-release(5); empty for all.
    pub on: Vec<String>,
    /// What fires it.
    pub when: Trigger,
    /// Files that never fire it.
    pub except: Vec<Pattern>,
    /// Where `files` come from; without them, packages that are reached. Those that a distro does not have do not
    /// count.
    pub packages: Vec<String>,
    /// What gets in.
    pub files: Vec<Pattern>,
    /// What gets in of the package of each file that does what fires the rule.
    pub beside: Vec<Pattern>,
    /// Variables of the image's environment, unless the recipe sets them.
    pub env: BTreeMap<String, String>,
    /// Files of a given content, unless a package or the recipe has one there.
    pub make: Vec<MadeText>,
    /// What is made of the image as a whole.
    pub tools: Vec<RuleTool>,
}

/// What fires a rule: any one of these, done by a selected file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// It imports a symbol.
    pub imports: Vec<String>,
    /// It needs a library: globs of names.
    pub sonames: Vec<String>,
    /// It mentions a path or a library: globs.
    pub strings: Vec<String>,
    /// It is at a path.
    pub files: Vec<Pattern>,
    /// It is of a package that has no ELF file and depends on a library, and at a path.
    pub opens: Vec<Pattern>,
    /// The image's environment has a variable.
    pub env: Vec<String>,
}

/// A file whose content a rule gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeText {
    /// Its path.
    pub path: RootPath,
    /// Its content.
    pub content: String,
}

/// A whole-image file or set of files that is made once the selection is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RuleTool {
    /// The bundle of CA certificates, and links to each by its hash.
    CaCertificates,
    /// The cache of character set conversions, where the selected modules want one.
    Gconv,
    /// The list of image loaders.
    GdkPixbuf,
    /// The list of GIO's modules.
    Gio,
    /// Compiled settings schemas.
    GlibSchemas,
    /// Java's store of CA certificates.
    JavaCacerts,
    /// The configuration of the name service switch.
    Nsswitch,
    /// PAM's common configuration.
    Pam,
}

impl RuleTool {
    /// Every tool.
    pub const ALL: [RuleTool; 8] = [
        RuleTool::CaCertificates,
        RuleTool::Gconv,
        RuleTool::GdkPixbuf,
        RuleTool::Gio,
        RuleTool::GlibSchemas,
        RuleTool::JavaCacerts,
        RuleTool::Nsswitch,
        RuleTool::Pam,
    ];

    /// The name that rules use.
    pub const fn name(self) -> &'static str {
        match self {
            RuleTool::CaCertificates => "ca-certificates",
            RuleTool::Gconv => "gconv",
            RuleTool::GdkPixbuf => "gdk-pixbuf",
            RuleTool::Gio => "gio",
            RuleTool::GlibSchemas => "glib-schemas",
            RuleTool::JavaCacerts => "java-cacerts",
            RuleTool::Nsswitch => "nsswitch",
            RuleTool::Pam => "pam",
        }
    }

    fn read(text: &Text<'_>, findings: &Findings<'_>) -> Option<Self> {
        let found = RuleTool::ALL.into_iter().find(|tool| tool.name() == text.text);
        if found.is_none() {
            unknown(text, RuleTool::ALL.map(RuleTool::name), "tool", findings);
        }
        found
    }
}

fn unknown<const N: usize>(text: &Text<'_>, names: [&'static str; N], what: &str, findings: &Findings<'_>) {
    let hint = match nearest(text.text, names) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("it is one of {}", listed(names)),
    };
    findings.value(&text.span, format!("{} is no {what}", quoted(text.text)), hint);
}

/// The rules that hold for every image: the crate's table, in its order.
pub fn runtime_rules() -> &'static [Rule] {
    static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| parsed(RUNTIME_RULES).0);
    &RULES
}

/// The rules of a text, and whether all of it was understood.
fn parsed(text: &str) -> (Vec<Rule>, bool) {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let findings = Findings::new(text);
    findings.syntax(&errors);
    let mut table = Table::root(tree.get_ref(), &findings);
    let rules = table.take("rule").map(|value| read_all(&value)).unwrap_or_default();
    table.finish();
    (rules, findings.into_problems().is_empty())
}

/// Reads `[[rule]]`.
pub(super) fn read_all(value: &Value<'_>) -> Vec<Rule> {
    value.tables("rule").into_iter().map(read_one).collect()
}

fn read_one(mut table: Table<'_>) -> Rule {
    let findings = table.findings;
    let header = table.span.clone();
    let name = table.required("name", "\"...\"").and_then(|value| value.text());
    let on = table.take("on").map(|value| value.texts()).unwrap_or_default();
    let when = table.required("when", "{ imports = [\"...\"] }").and_then(|value| value.table("`when`"));
    let when = when.map(read_trigger).unwrap_or_default();
    let except = patterns(table.take("except"), findings);
    let packages = texts(table.take("packages"));
    let files = patterns(table.take("files"), findings);
    let beside = patterns(table.take("beside"), findings);
    let env = table.take("env").map(|value| value.pairs()).unwrap_or_default();
    let make = table.take("make").map(|value| value.inline_tables("`make`")).unwrap_or_default();
    let tools = table.take("tools").map(|value| value.texts()).unwrap_or_default();
    let has_files = !(packages.is_empty() && files.is_empty() && beside.is_empty());
    let gives = has_files || !(env.is_empty() && make.is_empty() && tools.is_empty());
    let misspells =
        ["packages", "files", "beside", "env", "make", "tools"].iter().any(|key| table.misspells(key));
    table.finish();
    if !gives && !misspells {
        let hint = "give it `packages`, `files`, `beside`, `env`, `make` or `tools`, or leave it out";
        findings.context(&header, "this rule gives nothing", hint);
    }
    Rule {
        name: name.map(|name| name.text.to_owned()).unwrap_or_default(),
        on: on.iter().filter_map(|text| read_distro(text, findings)).collect(),
        when,
        except,
        packages,
        files,
        beside,
        env: env
            .into_iter()
            .filter_map(|(name, (span, value))| variable(name, &span, value, findings))
            .collect(),
        make: make.into_iter().filter_map(read_made).collect(),
        tools: tools.iter().filter_map(|text| RuleTool::read(text, findings)).collect(),
    }
}

fn read_distro(text: &Text<'_>, findings: &Findings<'_>) -> Option<String> {
    if Distro::ALL.iter().any(|distro| distro.id() == text.text) {
        return Some(text.text.to_owned());
    }
    unknown(text, ["alpine", "debian", "ubuntu", "wolfi"], "distro", findings);
    None
}

fn read_trigger(mut table: Table<'_>) -> Trigger {
    let findings = table.findings;
    let header = table.span.clone();
    let trigger = Trigger {
        imports: texts(table.take("imports")),
        sonames: globs(table.take("sonames"), findings),
        strings: globs(table.take("strings"), findings),
        files: patterns(table.take("files"), findings),
        opens: patterns(table.take("opens"), findings),
        env: texts(table.take("env")),
    };
    let misspells =
        ["imports", "sonames", "strings", "files", "opens"].iter().any(|key| table.misspells(key));
    table.finish();
    if trigger == Trigger::default() && !misspells {
        let hint = "give `when` a list of `imports`, `sonames`, `strings`, `files`, `opens` or `env`";
        findings.context(&header, "nothing fires this rule", hint);
    }
    trigger
}

fn read_made(mut table: Table<'_>) -> Option<MadeText> {
    let findings = table.findings;
    let path = table.required("path", "\"/etc/...\"").and_then(|value| value.text());
    let content = table.required("content", "\"...\"").and_then(|value| value.text());
    table.finish();
    let (path, content) = (path?, content?);
    match RootPath::parse(path.text) {
        Ok(parsed) => Some(MadeText { path: parsed, content: content.text.to_owned() }),
        Err(error) => {
            findings.value(&path.span, format!("{} is no path of an image: {error}", quoted(path.text)), "");
            None
        }
    }
}

fn texts(value: Option<Value<'_>>) -> Vec<String> {
    value.and_then(|value| value.strings()).unwrap_or_default()
}

fn patterns(value: Option<Value<'_>>, findings: &Findings<'_>) -> Vec<Pattern> {
    let texts = value.map(|value| value.texts()).unwrap_or_default();
    texts.iter().filter_map(|text| Pattern::read(text, findings)).collect()
}

/// Globs over names or paths, with the mistakes in them reported.
fn globs(value: Option<Value<'_>>, findings: &Findings<'_>) -> Vec<String> {
    let texts = value.map(|value| value.texts()).unwrap_or_default();
    let sound = |text: &&Text<'_>| {
        let error = globset::Glob::new(text.text).err();
        if let Some(error) = &error {
            findings.value(&text.span, format!("{} is no glob: {}", quoted(text.text), error.kind()), "");
        }
        error.is_none()
    };
    texts.iter().filter(sound).map(|text| text.text.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_understood() {
        let (rules, sound) = parsed(RUNTIME_RULES);
        assert!(sound && rules.len() > 15);
        assert_eq!(rules, runtime_rules());
        for rule in &rules {
            assert!(!rule.name.is_empty());
            let sorted = |list: &[String]| list.windows(2).all(|pair| pair[0] < pair[1]);
            assert!(sorted(&rule.when.imports), "{}: imports are sorted", rule.name);
        }
    }

    #[test]
    fn mistakes_are_told() {
        for text in [
            "[[rule]]\nname = \"x\"\nwhen = { imports = [\"a\"] }\n",
            "[[rule]]\nname = \"x\"\nwhen = {}\nenv = { A = \"b\" }\n",
            "[[rule]]\nname = \"x\"\nwhen = { strings = [\"[\"] }\nenv = { A = \"b\" }\n",
            "[[rule]]\nname = \"x\"\nwhen = { imports = [\"a\"] }\nfiles = [\"usr\"]\n",
            "[[rule]]\nname = \"x\"\nwhen = { imports = [\"a\"] }\ntools = [\"nothing\"]\n",
            "[[rule]]\nname = \"x\"\non = [\"debain\"]\nwhen = { imports = [\"a\"] }\ntools = [\"pam\"]\n",
            "[[rule]]\nwhen = { imports = [\"a\"] }\ntools = [\"pam\"]\n",
            "[[rule]]\nname = \"x\"\nwhen = { imports = [\"a\"] }\nmake = [{ path = \"/a/../b\" }]\n",
        ] {
            assert!(!parsed(text).1, "{text}");
        }
    }
}
