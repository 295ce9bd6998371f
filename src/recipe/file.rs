//! Files that a recipe brings itself: copied from beside it, written in it, directories and links.

use std::collections::BTreeMap;
use std::path::Path;

use super::accounts::{Mentions, Owner};
use super::findings::Findings;
use super::problems::{Span, quoted};
use super::reader::{Table, Text, Value};
use super::template::Template;
use crate::root_path::{RootPath, RootPathError};

/// What begins the name of a whiteout (image-spec, `layer.md`).
pub(crate) const WHITEOUT: &str = ".wh.";

/// An entry of `files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    path: Template,
    /// What is there.
    pub source: FileSource,
    /// Permission bits; without it 0755 where the source may be executed, else 0644.
    pub mode: Option<u32>,
    /// Who owns it; without it `root:root`.
    pub owner: Option<Owner>,
}

/// Where the content of a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// A file or a whole directory, relative to the recipe's directory.
    Host(Template),
    /// A file with this text, to the byte.
    Content(String),
    /// A directory.
    Directory,
    /// A symbolic link with this target.
    Symlink(Template),
}

/// The longest path and the longest name in it that Linux opens, in bytes.
const MAX_PATH: usize = 4095;
const MAX_NAME: usize = 255;

impl FileSpec {
    /// Where it is in an image for an architecture.
    pub fn path(&self, arch: &str, triplet: &str) -> Result<RootPath, RootPathError> {
        RootPath::parse(&self.path.expand(arch, triplet))
    }

    /// The path as the recipe has it.
    pub fn path_template(&self) -> &Template {
        &self.path
    }

    /// Reads the entries of `files`.
    pub(super) fn read_all(value: &Value<'_>, dir: &Path, mentions: &mut Mentions) -> Vec<Self> {
        let mut files: Vec<FileSpec> = Vec::new();
        let mut seen: BTreeMap<RootPath, Span> = BTreeMap::new();
        for table in value.inline_tables("`files`") {
            let findings = table.findings;
            let Some(file) = read_one(table, dir, mentions) else { continue };
            // Placeholders stay in: two entries that differ in them may be told apart when built.
            if let Ok(path) = RootPath::parse(file.path.as_str())
                && seen.insert(path, file.path.span()).is_some()
            {
                let message = format!("{} is given twice in this layer", quoted(file.path.as_str()));
                findings.value(&file.path.span(), message, "leave one of them out");
            }
            files.push(file);
        }
        files
    }
}

fn read_one(mut table: Table<'_>, dir: &Path, mentions: &mut Mentions) -> Option<FileSpec> {
    let findings = table.findings;
    let span = table.span.clone();
    let path = table.required("path", "\"/...\"");
    let source = table.take("source");
    let content = table.take("content");
    let kind = table.take("type");
    let target = table.take("target");
    let mode = table.take("mode");
    let owner = table.text("owner");
    let misspells = ["source", "content", "type", "target"].iter().any(|key| table.misspells(key));
    table.finish();

    let path = path.and_then(|value| value.text()).and_then(|text| read_path(&text, findings));
    let read_mode = mode.as_ref().and_then(read_mode);
    let owner = owner.and_then(|text| Owner::read(&text, findings, mentions));
    let given = [&source, &content, &kind].into_iter().flatten().count();
    if given == 0 && misspells {
        return None;
    }
    if given != 1 {
        let message = if given == 0 {
            "a file needs one of `source`, `content` and `type`"
        } else {
            "a file has only one of `source`, `content` and `type`"
        };
        let hint = "`source` copies, `content` is the text itself, `type` is \"dir\" or \"symlink\"";
        let hint = if target.is_some() && given == 0 { "add `type = \"symlink\"`" } else { hint };
        findings.context(&span, message, hint);
        return None;
    }
    let source = match (source, content, kind) {
        (Some(source), _, _) => read_source(&source.text()?, dir, findings),
        (_, Some(content), _) => FileSource::Content(content.text()?.text.to_owned()),
        (_, _, kind) => read_type(&kind?.text()?, target.as_ref(), mode.as_ref(), &span, findings)?,
    };
    if let Some(target) = &target
        && !matches!(source, FileSource::Symlink(_))
    {
        findings.context(
            &target.key_span,
            "only a symlink has a `target`",
            "write `type = \"symlink\"`, or leave it out",
        );
    }
    let path = path?;
    if path.as_str().trim_matches('/').is_empty()
        && !matches!(source, FileSource::Directory | FileSource::Host(_))
    {
        findings.value(&path.span(), "`/` can only be a directory", "name a file below it");
    }
    Some(FileSpec { path, source, mode: read_mode, owner })
}

fn read_source(text: &Text<'_>, dir: &Path, findings: &Findings<'_>) -> FileSource {
    let source = Template::read(text, findings);
    if source.as_str().is_empty() {
        findings.value(&source.span(), "`source` is empty", "name a file relative to the recipe's directory");
    }
    source.must_exist(dir, findings);
    FileSource::Host(source)
}

fn read_type(
    kind: &Text<'_>,
    target: Option<&Value<'_>>,
    mode: Option<&Value<'_>>,
    span: &Span,
    findings: &Findings<'_>,
) -> Option<FileSource> {
    match kind.text {
        "dir" => Some(FileSource::Directory),
        "symlink" => {
            if let Some(mode) = mode {
                findings.context(&mode.key_span, "a symlink has no `mode`", "leave it out");
            }
            let Some(target) = target else {
                findings.context(span, "a symlink needs a `target`", "add `target = \"...\"`");
                return None;
            };
            let target = Template::read(&target.text()?, findings);
            if target.as_str().is_empty() || target.as_str().contains('\0') {
                findings.value(&target.span(), "this is nothing a symlink can point to", "name a path");
            }
            Some(FileSource::Symlink(target))
        }
        other => {
            let hint = match other {
                "directory" => "write \"dir\"",
                "link" => "write \"symlink\"",
                "file" => "leave `type` out and give `source` or `content`",
                _ => "it is \"dir\" or \"symlink\"",
            };
            findings.value(&kind.span, format!("{} is no type of file", quoted(other)), hint);
            None
        }
    }
}

fn read_path(text: &Text<'_>, findings: &Findings<'_>) -> Option<Template> {
    if !text.text.starts_with('/') {
        let message = format!("the path {} does not start with `/`", quoted(text.text));
        let hint = format!("write \"/{}\"", text.text.trim_start_matches("./"));
        findings.value(&text.span, message, hint);
        return None;
    }
    let path = Template::read(text, findings);
    if let Err(error) = RootPath::parse(path.as_str()) {
        findings.value(&text.span, error.to_string(), "name a path inside the image");
        return None;
    }
    if path.as_str().split('/').any(|name| name.starts_with(WHITEOUT)) {
        let message = format!(
            "{} would be a whiteout: in a layer, a name that begins with `{WHITEOUT}` deletes what is below",
            quoted(path.as_str())
        );
        findings.value(
            &text.span,
            message,
            "take another name; to leave files of packages out, use `exclude` of the layer",
        );
        return None;
    }
    if path.as_str().len() > MAX_PATH || path.as_str().split('/').any(|name| name.len() > MAX_NAME) {
        let message = format!("the path is longer than {MAX_PATH} bytes, or a name in it than {MAX_NAME}");
        findings.value(&path.span(), message, "no system can open that");
    }
    Some(path)
}

fn read_mode(value: &Value<'_>) -> Option<u32> {
    if value.is_integer() {
        let digits = value.source().trim_start_matches("0o");
        let hint = match digits.parse::<u32>() {
            Ok(_) if digits.bytes().all(|digit| digit < b'8') => format!("write \"{digits:0>4}\""),
            Ok(number) => format!("write \"{number:04o}\""),
            Err(_) => "write it as in \"0644\"".to_owned(),
        };
        value.mistyped("a string of octal digits", hint);
        return None;
    }
    let text = value.text()?;
    let octal = (3..=5).contains(&text.text.len()) && text.text.chars().all(|c| ('0'..='7').contains(&c));
    let mode = u32::from_str_radix(text.text, 8).ok().filter(|mode| octal && *mode <= 0o7777);
    if mode.is_none() {
        value.wrong(
            format!("{} is no mode", quoted(text.text)),
            "write three or four octal digits, such as \"0644\"",
        );
    }
    mode
}
