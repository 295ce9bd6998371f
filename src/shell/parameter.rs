//! Parameter expansion (XCU 2.6.2), with bash's substrings, replacements and changes of case.

use brush_parser::word::{Parameter, ParameterExpr, ParameterTestType, SpecialParameter, SubstringMatchKind};

use super::World;
use super::expand::Fields;
use super::glob::{Match, Pattern};
use super::state::Shell;
use super::text::{encode, is_empty, is_known, unknown};

/// The longest value in which a pattern is sought, in bytes.
const LONGEST_SEARCHED: usize = 16 << 10;

/// What a byte that is compared with a pattern counts, in bytes copied.
const TRIED: usize = 32;

/// Which end of a value goes.
#[derive(Clone, Copy)]
enum Cut {
    Prefix { longest: bool },
    Suffix { longest: bool },
}

impl<W: World> Shell<W> {
    pub(super) fn parameter(
        &mut self,
        expression: &ParameterExpr,
        quoted: bool,
        split: bool,
        fields: &mut Fields,
    ) -> Option<()> {
        let text = match expression {
            ParameterExpr::Parameter { parameter, indirect } => {
                if let Parameter::Special(SpecialParameter::AllPositionalParameters { concatenate }) =
                    parameter
                {
                    self.all_positional(*concatenate, quoted, split, fields);
                    return Some(());
                }
                self.plain(parameter, *indirect)
            }
            ParameterExpr::UseDefaultValues { parameter, indirect, test_type, default_value } => {
                let value = self.value(parameter, *indirect);
                match is_there(value.as_deref(), test_type) {
                    Some(true) => value.unwrap_or_default(),
                    Some(false) => {
                        let word = default_value.as_deref().unwrap_or_default();
                        return self.instead(word, quoted, split, fields);
                    }
                    None => unknown(),
                }
            }
            ParameterExpr::UseAlternativeValue { parameter, indirect, test_type, alternative_value } => {
                let value = self.value(parameter, *indirect);
                match is_there(value.as_deref(), test_type) {
                    Some(true) => {
                        let word = alternative_value.as_deref().unwrap_or_default();
                        return self.instead(word, quoted, split, fields);
                    }
                    Some(false) => String::new(),
                    None => unknown(),
                }
            }
            ParameterExpr::AssignDefaultValues { parameter, indirect, test_type, default_value } => {
                let value = self.value(parameter, *indirect);
                if is_there(value.as_deref(), test_type) == Some(false) {
                    let word = default_value.as_deref().unwrap_or_default();
                    let value = if quoted { self.quoted(word)? } else { self.single(word)? };
                    if let Parameter::Named(name) = parameter {
                        self.assign(name, value.clone());
                    }
                    value
                } else {
                    value.unwrap_or_default()
                }
            }
            ParameterExpr::IndicateErrorIfNullOrUnset { parameter, indirect, test_type, .. } => {
                let value = self.value(parameter, *indirect);
                if is_there(value.as_deref(), test_type) == Some(false) {
                    self.tell(&format!("${{{parameter}?}}"), "it is not set");
                    self.status = Some(2);
                    return None;
                }
                value.unwrap_or_default()
            }
            ParameterExpr::ParameterLength { parameter, indirect } => {
                if let Parameter::Special(SpecialParameter::AllPositionalParameters { .. }) = parameter {
                    self.own.positional.len().to_string()
                } else {
                    let value = self.plain(parameter, *indirect);
                    // In the C locale each byte is a character.
                    encode(&value).map_or_else(unknown, |bytes| bytes.len().to_string())
                }
            }
            other => self.changed(other)?,
        };
        self.expansion(&text, quoted, split, fields);
        Some(())
    }

    /// The word that stands in for a parameter; within quotes it is a field even if it is empty, and where fields are
    /// split, its own text is split as well.
    fn instead(&mut self, word: &str, quoted: bool, split: bool, fields: &mut Fields) -> Option<()> {
        if quoted {
            fields.text("", true);
        }
        let around = std::mem::replace(&mut fields.splits_text, split && !quoted);
        let done = self.word(word, quoted, split, fields);
        fields.splits_text = around;
        done
    }

    fn changed(&mut self, expression: &ParameterExpr) -> Option<String> {
        let (parameter, indirect, pattern, cut) = match expression {
            ParameterExpr::RemoveSmallestSuffixPattern { parameter, indirect, pattern } => {
                (parameter, indirect, pattern, Cut::Suffix { longest: false })
            }
            ParameterExpr::RemoveLargestSuffixPattern { parameter, indirect, pattern } => {
                (parameter, indirect, pattern, Cut::Suffix { longest: true })
            }
            ParameterExpr::RemoveSmallestPrefixPattern { parameter, indirect, pattern } => {
                (parameter, indirect, pattern, Cut::Prefix { longest: false })
            }
            ParameterExpr::RemoveLargestPrefixPattern { parameter, indirect, pattern } => {
                (parameter, indirect, pattern, Cut::Prefix { longest: true })
            }
            other => return self.of_bash(other),
        };
        let value = self.plain(parameter, *indirect);
        let pattern = self.pattern(pattern.as_deref().unwrap_or_default())?;
        let (left, tried) = removed(&value, &pattern, cut);
        self.charge(tried.saturating_mul(TRIED));
        Some(left)
    }

    fn of_bash(&mut self, expression: &ParameterExpr) -> Option<String> {
        match expression {
            ParameterExpr::Substring { parameter, indirect, offset, length } => {
                let value = self.plain(parameter, *indirect);
                let offset = self.expression(&offset.value);
                let length = match length {
                    Some(length) => self.expression(&length.value).map(Some),
                    None => Some(None),
                };
                Some(match (is_known(&value), offset, length) {
                    (true, Some(offset), Some(length)) => substring(&value, offset, length),
                    _ => unknown(),
                })
            }
            ParameterExpr::ReplaceSubstring { parameter, indirect, pattern, replacement, match_kind } => {
                let value = self.plain(parameter, *indirect);
                let pattern = self.pattern(pattern)?;
                let replacement = self.single(replacement.as_deref().unwrap_or_default())?;
                let (changed, tried) = replaced(&value, &pattern, &replacement, match_kind);
                self.charge(tried.saturating_mul(TRIED));
                Some(changed)
            }
            ParameterExpr::UppercasePattern { parameter, indirect, pattern: None } => {
                Some(self.plain(parameter, *indirect).to_uppercase())
            }
            ParameterExpr::LowercasePattern { parameter, indirect, pattern: None } => {
                Some(self.plain(parameter, *indirect).to_lowercase())
            }
            _ => {
                self.tell("${...}", "this expansion is not followed");
                Some(unknown())
            }
        }
    }

    fn all_positional(&mut self, concatenate: bool, quoted: bool, split: bool, fields: &mut Fields) {
        let all = self.own.positional.clone();
        if !split || concatenate && quoted {
            let separator = self.variable("IFS").unwrap_or(" ").chars().next();
            let separator = separator.map(String::from).unwrap_or_default();
            fields.text(&all.join(&separator), quoted);
            return;
        }
        for (number, one) in all.iter().enumerate() {
            if number > 0 {
                fields.end();
            }
            self.expansion(one, quoted, split, fields);
        }
    }

    /// A parameter's value; where it is not set, empty, or told with `set -u`.
    fn plain(&mut self, parameter: &Parameter, indirect: bool) -> String {
        match self.value(parameter, indirect) {
            Some(value) => value,
            None if self.own.options.contains(&'u') => {
                self.tell(&parameter.to_string(), "it is not set");
                unknown()
            }
            None => String::new(),
        }
    }

    /// A parameter's value, if it is set.
    fn value(&mut self, parameter: &Parameter, indirect: bool) -> Option<String> {
        let value = match parameter {
            Parameter::Positional(0) => Some(self.name.clone()),
            Parameter::Positional(number) => {
                let index = usize::try_from(*number).unwrap_or(usize::MAX) - 1;
                self.own.positional.get(index).cloned()
            }
            Parameter::Named(name) => self.variable(name).map(ToOwned::to_owned),
            Parameter::Special(special) => Some(match special {
                SpecialParameter::AllPositionalParameters { .. } => self.own.positional.join(" "),
                SpecialParameter::PositionalParameterCount => self.own.positional.len().to_string(),
                SpecialParameter::LastExitStatus => {
                    self.status.map_or_else(unknown, |status| status.to_string())
                }
                SpecialParameter::CurrentOptionFlags => self.own.options.iter().collect(),
                SpecialParameter::ProcessId | SpecialParameter::LastBackgroundProcessId => unknown(),
                SpecialParameter::ShellName => self.name.clone(),
            }),
            Parameter::NamedWithIndex { .. } | Parameter::NamedWithAllIndices { .. } => {
                self.tell(&parameter.to_string(), "arrays are not followed");
                Some(unknown())
            }
        };
        if !indirect {
            return value;
        }
        let name = value?;
        if is_known(&name) { self.variable(&name).map(ToOwned::to_owned) } else { Some(unknown()) }
    }
}

/// Whether a value counts as there; none if that depends on what is unknown.
fn is_there(value: Option<&str>, test: &ParameterTestType) -> Option<bool> {
    match (value, test) {
        (None, _) => Some(false),
        (Some(_), ParameterTestType::Unset) => Some(true),
        (Some(value), ParameterTestType::UnsetOrNull) => is_empty(value).map(|empty| !empty),
    }
}

fn boundaries(text: &str) -> impl DoubleEndedIterator<Item = usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect::<Vec<_>>().into_iter()
}

/// What is left of a value, and how many bytes were compared with the pattern for that.
fn removed(value: &str, pattern: &Pattern, cut: Cut) -> (String, usize) {
    if !is_known(value) || value.len() > LONGEST_SEARCHED {
        return (unknown(), 0);
    }
    let mut tried = 0;
    let mut fits = |part: &str| {
        tried += part.len();
        pattern.matches(part) == Match::Yes
    };
    let places: Vec<usize> = match (pattern.width(), cut) {
        (None, _) => boundaries(value).collect(),
        (Some(width), Cut::Prefix { .. }) => boundaries(value).nth(width).into_iter().collect(),
        (Some(width), Cut::Suffix { .. }) => boundaries(value).rev().nth(width).into_iter().collect(),
    };
    let mut places = places.into_iter();
    let left = match cut {
        Cut::Prefix { longest: false } => places.find(|at| fits(&value[..*at])).map(|at| &value[at..]),
        Cut::Prefix { longest: true } => places.rev().find(|at| fits(&value[..*at])).map(|at| &value[at..]),
        Cut::Suffix { longest: false } => places.rev().find(|at| fits(&value[*at..])).map(|at| &value[..at]),
        Cut::Suffix { longest: true } => places.find(|at| fits(&value[*at..])).map(|at| &value[..at]),
    };
    let left = left.unwrap_or(value).to_owned();
    (left, tried)
}

fn substring(value: &str, offset: i64, length: Option<i64>) -> String {
    let chars: Vec<char> = value.chars().collect();
    let count = i64::try_from(chars.len()).unwrap_or(i64::MAX);
    let place = |at: i64| usize::try_from(at.clamp(0, count)).unwrap_or(0);
    let start = if offset < 0 { count.saturating_add(offset) } else { offset };
    let end = match length {
        None => count,
        Some(length) if length < 0 => count.saturating_add(length),
        Some(length) => start.saturating_add(length),
    };
    let (start, end) = (place(start), place(end));
    chars.get(start..end.max(start)).unwrap_or_default().iter().collect()
}

/// A value with what matches replaced, and how many bytes were compared with the pattern for that.
fn replaced(value: &str, pattern: &Pattern, replacement: &str, kind: &SubstringMatchKind) -> (String, usize) {
    if !is_known(value) || value.len() > LONGEST_SEARCHED / 16 {
        return (unknown(), 0);
    }
    let mut result = String::new();
    let (mut at, mut tried) = (0, 0);
    let mut done = false;
    while at < value.len() {
        let stop = done && !matches!(kind, SubstringMatchKind::Anywhere)
            || at > 0 && matches!(kind, SubstringMatchKind::Prefix);
        if stop {
            result.push_str(&value[at..]);
            break;
        }
        // The longest match that starts here.
        let rest = &value[at..];
        let ends: Vec<usize> = match pattern.width() {
            None => boundaries(rest).rev().collect(),
            Some(width) => {
                rest.char_indices().map(|(end, _)| end).chain([rest.len()]).nth(width).into_iter().collect()
            }
        };
        let end = ends.into_iter().find(|end| {
            let whole = *end == rest.len() || !matches!(kind, SubstringMatchKind::Suffix);
            tried += *end;
            *end > 0 && whole && pattern.matches(&rest[..*end]) == Match::Yes
        });
        if let Some(end) = end {
            result.push_str(replacement);
            at += end;
            done = true;
        } else {
            let width = rest.chars().next().map_or(1, char::len_utf8);
            result.push_str(&rest[..width]);
            at += width;
        }
    }
    (result, tried)
}
