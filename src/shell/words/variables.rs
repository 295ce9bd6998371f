//! What variables of a script may hold, as far as its assignments and loops say.

use std::collections::{BTreeMap, BTreeSet};

use brush_parser::ast::{AssignmentName, AssignmentValue, CommandPrefixOrSuffixItem, SimpleCommand, Word};
use brush_parser::word::{Parameter, ParameterExpr, WordPiece, WordPieceWithSource};

use super::LONGEST_WORD;
use crate::shell::parse::pieces;

/// What a script assigns to its variables.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// None where that is more than one plain text.
    values: BTreeMap<String, Option<String>>,
    /// All plain texts that it may be: of several assignments, and those that a loop goes through.
    choices: BTreeMap<String, BTreeSet<String>>,
}

impl Variables {
    pub(super) fn note(&mut self, command: &SimpleCommand) {
        let is_plain = command.word_or_name.is_none();
        let name = command.word_or_name.as_ref().map(|word| word.value.as_str());
        let sets = matches!(name, None | Some("export" | "readonly" | "local" | "declare" | "typeset"));
        let prefix = command.prefix.iter().flat_map(|prefix| &prefix.0);
        let suffix = command.suffix.iter().flat_map(|suffix| &suffix.0);
        for item in prefix.filter(|_| is_plain).chain(suffix.filter(|_| sets)) {
            let CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) = item else { continue };
            let AssignmentName::VariableName(name) = &assignment.name else { continue };
            let value = match &assignment.value {
                AssignmentValue::Scalar(word) if !assignment.append => self.literal(&word.value),
                _ => None,
            };
            self.assign(name, value.as_deref());
        }
        if matches!(name, Some("read" | "getopts")) {
            command.suffix.iter().flat_map(|suffix| &suffix.0).for_each(|item| {
                if let CommandPrefixOrSuffixItem::Word(word) = item {
                    self.assign(&word.value, None);
                }
            });
        }
    }

    fn assign(&mut self, name: &str, value: Option<&str>) {
        let choices = self.choices.entry(name.to_owned()).or_default();
        choices.extend(value.map(str::to_owned));
        let known = self.values.entry(name.to_owned()).or_insert_with(|| value.map(str::to_owned));
        if known.as_deref() != value {
            *known = None;
        }
    }

    /// Notes what a loop goes through; its variable has no certain value.
    pub(super) fn note_loop(&mut self, name: &str, words: &[Word]) {
        let texts: BTreeSet<String> = words.iter().filter_map(|word| self.literal(&word.value)).collect();
        self.values.insert(name.to_owned(), None);
        self.choices.entry(name.to_owned()).or_default().extend(texts);
    }

    /// What a word may be that is one variable and nothing else, where that is not certain.
    pub(super) fn choices(&self, word: &str) -> Option<&BTreeSet<String>> {
        let name = word.trim_matches('"').strip_prefix('$')?;
        let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
        self.choices.get(name).filter(|_| self.values.get(name).is_none_or(Option::is_none))
    }

    /// The text that a word comes to, where that is certain.
    pub(super) fn literal(&self, word: &str) -> Option<String> {
        if word.len() > LONGEST_WORD {
            return None;
        }
        let pieces = pieces(word).ok()?;
        let text = self.joined(&pieces)?;
        (!text.contains(['*', '?']) && text.len() <= LONGEST_WORD).then_some(text)
    }

    /// The file name that a word ends in, where only the directory before it is not known.
    pub(super) fn file_name(&self, word: &str) -> Option<String> {
        if word.len() > LONGEST_WORD {
            return None;
        }
        let pieces = pieces(word).ok()?;
        let mut text = String::new();
        self.known_end(&pieces, &mut text);
        let (_, name) = text.rsplit_once('/')?;
        (!name.is_empty() && !name.contains(['*', '?'])).then(|| name.to_owned())
    }

    /// Puts before a text what the pieces surely come to, from the last backwards; whether that is all of them.
    fn known_end(&self, pieces: &[WordPieceWithSource], text: &mut String) -> bool {
        pieces.iter().rev().all(|piece| match (&piece.piece, self.joined(std::slice::from_ref(piece))) {
            (_, Some(known)) => {
                text.insert_str(0, &known);
                true
            }
            (WordPiece::DoubleQuotedSequence(inner), None) => self.known_end(inner, text),
            _ => false,
        })
    }

    fn joined(&self, pieces: &[WordPieceWithSource]) -> Option<String> {
        let mut text = String::new();
        for piece in pieces {
            match &piece.piece {
                WordPiece::Text(part) | WordPiece::SingleQuotedText(part) => text.push_str(part),
                WordPiece::EscapeSequence(part) => text.push_str(part.strip_prefix('\\').unwrap_or(part)),
                WordPiece::DoubleQuotedSequence(inner) => text.push_str(&self.joined(inner)?),
                WordPiece::ParameterExpansion(
                    ParameterExpr::Parameter { parameter: Parameter::Named(name), indirect: false }
                    | ParameterExpr::UseDefaultValues { parameter: Parameter::Named(name), .. },
                ) if self.values.get(name).is_some_and(Option::is_some) => {
                    text.push_str(self.values.get(name)?.as_deref()?);
                }
                WordPiece::ParameterExpansion(
                    ParameterExpr::UseDefaultValues {
                        parameter: Parameter::Named(name), default_value, ..
                    }
                    | ParameterExpr::AssignDefaultValues {
                        parameter: Parameter::Named(name),
                        default_value,
                        ..
                    },
                ) if !self.values.contains_key(name) => {
                    let default = default_value.as_deref().unwrap_or_default();
                    if default.contains(['$', '`', '"', '\'']) {
                        return None;
                    }
                    text.push_str(default);
                }
                _ => return None,
            }
        }
        Some(text)
    }
}
