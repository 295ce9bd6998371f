//! A typed walk over a spanned TOML tree that collects what is wrong instead of stopping at the first.
//!
//! A [`Table`] is asked for the keys it may have; what nobody asked for is reported by [`Table::finish`]. A
//! [`Value`] is asked for what it ought to be; if it is something else, that is reported and the answer is
//! empty, so that reading goes on.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::findings::Findings;
use super::problems::{Span, listed, quoted};
use super::suggest::nearest;

/// Keys of the recipe itself. TOML gives a key to the last header above it, so these often land in a table.
const TOP_LEVEL: &[&str] = &[
    "name",
    "from",
    "arch",
    "base",
    "suites",
    "keys",
    "snapshot",
    "skeleton",
    "strict",
    "layers",
    "compression",
];

/// A string with its place.
#[derive(Clone, Debug)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    pub(super) span: Span,
}

/// A value that is still to be understood.
pub(super) struct Value<'t> {
    /// What messages call it: the key it stands under, or the key of the array it is in.
    pub(super) key: String,
    /// Where the key is; for an element of an array, where the element is.
    pub(super) key_span: Span,
    /// Where the value is.
    pub(super) span: Span,
    element: bool,
    node: &'t DeValue<'t>,
    findings: &'t Findings<'t>,
}

fn type_name(node: &DeValue<'_>) -> &'static str {
    match node {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

impl<'t> Value<'t> {
    /// Reports that it is of another type than wanted.
    pub(super) fn mistyped(&self, wanted: &str, hint: impl Into<String>) {
        let (key, found) = (quoted(&self.key), type_name(self.node));
        let message = if self.element {
            format!("an element of {key} must be {wanted}, not {found}")
        } else {
            format!("{key} must be {wanted}, not {found}")
        };
        self.findings.value(&self.span, message, hint);
    }

    /// Reports a wrong value at its place.
    pub(super) fn wrong(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.value(&self.span, message, hint);
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.node, DeValue::String(_))
    }

    /// A string.
    pub(super) fn text(&self) -> Option<Text<'t>> {
        if let DeValue::String(text) = self.node {
            return Some(Text { text, span: self.span.clone() });
        }
        let hint = match self.node {
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
                format!("put it in quotes: \"{}\"", self.source())
            }
            DeValue::Array(_) if !self.element => format!("write `{} = \"...\"`", self.key),
            _ => String::new(),
        };
        self.mistyped("a string", hint);
        None
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        if let DeValue::Boolean(value) = self.node {
            return Some(*value);
        }
        let hint = match self.node {
            DeValue::String(text) if matches!(text.as_ref(), "true" | "false") => {
                format!("leave out the quotes: `{} = {text}`", self.key)
            }
            _ => format!("write `{0} = true` or `{0} = false`", self.key),
        };
        self.mistyped("true or false", hint);
        None
    }

    /// An integer within bounds.
    pub(super) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let DeValue::Integer(number) = self.node else {
            let hint = match self.node {
                DeValue::String(text) if text.parse::<i64>().is_ok() => "leave out the quotes",
                _ => "",
            };
            self.mistyped("an integer", hint);
            return None;
        };
        let read =
            i64::from_str_radix(number.as_str(), number.radix()).ok().filter(|value| range.contains(value));
        if read.is_none() {
            let message = format!("{} must be from {} to {}", quoted(&self.key), range.start(), range.end());
            self.wrong(message, "");
        }
        read
    }

    /// The key as if it were a string, where keys are names of the user's.
    pub(super) fn key_text(&self) -> Text<'_> {
        Text { text: &self.key, span: self.key_span.clone() }
    }

    /// Whether it is a boolean, where several types may stand.
    pub(super) fn is_boolean(&self) -> bool {
        matches!(self.node, DeValue::Boolean(_))
    }

    /// Whether it is an integer, where a string is wanted that people write as one.
    pub(super) fn is_integer(&self) -> bool {
        matches!(self.node, DeValue::Integer(_))
    }

    /// Whether it is a table, where a string may stand too.
    pub(super) fn is_table(&self) -> bool {
        matches!(self.node, DeValue::Table(_))
    }

    /// Whether it is an array that holds nothing.
    pub(super) fn is_empty_array(&self) -> bool {
        matches!(self.node, DeValue::Array(array) if array.is_empty())
    }

    /// The value as the recipe has it.
    pub(super) fn source(&self) -> &'t str {
        self.findings.source(&self.span)
    }

    /// The elements of an array of `wanted`.
    fn items(&self, wanted: &str) -> Option<Vec<Value<'t>>> {
        let DeValue::Array(array) = self.node else {
            let hint = match self.node {
                DeValue::String(_) => format!("write `{} = [{}]`", self.key, shortened(self.source())),
                DeValue::Table(_) => format!("write `{} = [{{ ... }}]`", self.key),
                _ => String::new(),
            };
            self.mistyped(&format!("an array of {wanted}"), hint);
            return None;
        };
        let element = |item: &'t Spanned<DeValue<'t>>| Value {
            key: self.key.clone(),
            key_span: item.span(),
            span: item.span(),
            element: true,
            node: item.get_ref(),
            findings: self.findings,
        };
        Some(array.iter().map(element).collect())
    }

    /// What `read` makes of each element of an array of `wanted`.
    pub(super) fn each<T>(
        &self,
        wanted: &str,
        read: impl Fn(&Value<'t>, &'t Findings<'t>) -> Option<T>,
    ) -> Vec<T> {
        self.items(wanted).unwrap_or_default().iter().filter_map(|item| read(item, self.findings)).collect()
    }

    /// The elements of an array of strings.
    pub(super) fn texts(&self) -> Vec<Text<'t>> {
        self.items("strings").unwrap_or_default().iter().filter_map(Value::text).collect()
    }

    /// Whether it is an array without elements.
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(self.node, DeValue::Array(items) if items.is_empty())
    }

    /// As [`Value::texts`], owned and without their places; none where it is no array.
    pub(super) fn strings(&self) -> Option<Vec<String>> {
        let items = self.items("strings")?;
        Some(items.iter().filter_map(Value::text).map(|text| text.text.to_owned()).collect())
    }

    /// A table, which messages call `what`.
    pub(super) fn table(&self, what: impl Into<String>) -> Option<Table<'t>> {
        if let DeValue::Table(table) = self.node {
            return Some(Table::new(what.into(), self.key_span.clone(), table, self.findings));
        }
        let hint = match self.node {
            DeValue::Array(_) => format!("write `[{}]`, with one bracket", self.key),
            _ if self.element => "write `{ key = value, ... }`".to_owned(),
            _ => format!("write `[{}]` on a line by itself, and its keys below", self.key),
        };
        self.mistyped("a table", hint);
        None
    }

    /// The elements of an array of inline tables.
    pub(super) fn inline_tables(&self, what: &str) -> Vec<Table<'t>> {
        let items = self.items("tables").unwrap_or_default();
        items.iter().filter_map(|item| item.table(what)).collect()
    }

    /// The tables headed `[[key]]`, where `header` is that key in full. A single table is reported, and
    /// read as if it were right.
    pub(super) fn tables(&self, header: &str) -> Vec<Table<'t>> {
        let what = format!("`[[{header}]]`");
        match self.node {
            DeValue::Table(table) => {
                let message =
                    format!("there may be several {}, so it must be an array of tables", quoted(header));
                self.findings.value(&self.key_span, message, format!("write {what}, with two brackets"));
                vec![Table::new(what, self.key_span.clone(), table, self.findings)]
            }
            DeValue::Array(_) => self.inline_tables(&what),
            _ => {
                self.mistyped(
                    "an array of tables",
                    format!("write {what} on a line by itself, and its keys below"),
                );
                Vec::new()
            }
        }
    }

    /// A table from strings to strings, with the places of the keys.
    pub(super) fn pairs(&self) -> BTreeMap<String, (Span, String)> {
        let DeValue::Table(table) = self.node else {
            self.mistyped("a table", format!("write `{} = {{ NAME = \"value\" }}`", self.key));
            return BTreeMap::new();
        };
        let entries = entries(table, self.findings);
        entries
            .into_iter()
            .filter_map(|(key, value)| Some((key, (value.key_span.clone(), value.text()?.text.to_owned()))))
            .collect()
    }
}

fn shortened(source: &str) -> &str {
    if source.len() > 60 || source.contains('\n') { "\"...\"" } else { source }
}

fn entries<'t>(table: &'t DeTable<'t>, findings: &'t Findings<'t>) -> BTreeMap<String, Value<'t>> {
    let entry = |(key, value): (&'t Spanned<_>, &'t Spanned<DeValue<'t>>)| {
        let key: &'t Spanned<std::borrow::Cow<'t, str>> = key;
        let value = Value {
            key: key.get_ref().clone().into_owned(),
            key_span: key.span(),
            span: value.span(),
            element: false,
            node: value.get_ref(),
            findings,
        };
        (value.key.clone(), value)
    };
    table.iter().map(entry).collect()
}

/// A table whose keys are being taken one by one.
pub(super) struct Table<'t> {
    /// What messages call it; empty for the recipe itself.
    what: String,
    /// Its header, its key, or itself.
    pub(super) span: Span,
    pub(super) findings: &'t Findings<'t>,
    rest: BTreeMap<String, Value<'t>>,
    known: Vec<&'static str>,
    /// Keys that must be there and are not, each with what to do about it.
    missing: Vec<(&'static str, String)>,
}

impl<'t> Table<'t> {
    fn new(what: String, span: Span, table: &'t DeTable<'t>, findings: &'t Findings<'t>) -> Self {
        Table { what, span, findings, rest: entries(table, findings), known: Vec::new(), missing: Vec::new() }
    }

    /// The recipe itself.
    pub(super) fn root(table: &'t DeTable<'t>, findings: &'t Findings<'t>) -> Self {
        Table::new(String::new(), 0..0, table, findings)
    }

    /// The value of a key that may be there.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'t>> {
        self.known.push(key);
        self.rest.remove(key)
    }

    /// Whether an array stands under a key.
    pub(super) fn is_array(&self, key: &str) -> bool {
        self.rest.get(key).is_some_and(|value| matches!(value.node, DeValue::Array(_)))
    }

    /// The value of a key that must be there.
    pub(super) fn required(&mut self, key: &'static str, example: &str) -> Option<Value<'t>> {
        self.take_or(key, || format!("add `{key} = {example}`"))
    }

    /// The tables headed `[[header]]`, of which there must be one.
    pub(super) fn required_tables(&mut self, key: &'static str, header: &str) -> Option<Value<'t>> {
        let hint = || format!("add `[[{header}]]` and its keys below");
        let value = self.take_or(key, hint);
        if let Some(value) = value.as_ref().filter(|value| value.is_empty_array()) {
            value.wrong(format!("{} is empty", quoted(key)), hint());
        }
        value
    }

    fn take_or(&mut self, key: &'static str, hint: impl Fn() -> String) -> Option<Value<'t>> {
        let value = self.take(key);
        if value.is_none() {
            self.missing.push((key, hint()));
        }
        value
    }

    /// Whether one of the keys that nobody has asked for may have been meant to be `key`, so that its
    /// absence is no mistake of its own.
    pub(super) fn misspells(&self, key: &str) -> bool {
        self.rest.keys().any(|unknown| nearest(unknown, [key]).is_some())
    }

    /// The value of a string key.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Text<'t>> {
        self.take(key).and_then(|value| value.text())
    }

    /// The value of a boolean key, or what holds without it.
    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.take(key).and_then(|value| value.boolean()).unwrap_or(default)
    }

    /// Every entry left, for tables whose keys are names of the user's.
    pub(super) fn remaining(&mut self) -> Vec<Value<'t>> {
        std::mem::take(&mut self.rest).into_values().collect()
    }

    /// Reports the keys that nobody asked for, and those that are missing.
    pub(super) fn finish(self) {
        for (key, hint) in &self.missing {
            if !self.misspells(key) {
                let what = if self.what.is_empty() { "the recipe" } else { &self.what };
                self.findings.context(&self.span, format!("{what} has no `{key}`"), hint.as_str());
            }
        }
        for (key, value) in &self.rest {
            let place = if self.what.is_empty() { String::new() } else { format!(" in {}", self.what) };
            let hint = if let Some(near) = nearest(key, self.known.iter().copied()) {
                format!("did you mean `{near}`?")
            } else if !self.what.is_empty() && TOP_LEVEL.contains(&key.as_str()) {
                format!("`{key}` belongs to the recipe itself: move it above the first `[...]`")
            } else {
                let mut known = self.known.clone();
                known.sort_unstable();
                format!("known keys are {}", listed(known))
            };
            let message = format!("unknown key {}{place}", quoted(key));
            self.findings.unknown(&value.key_span, message, hint);
        }
    }
}
