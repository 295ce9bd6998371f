//! What `s` puts in the place of a match, and its changes of case.

use super::super::regular::{Places, numbered};
use super::script::Failure;

/// A part of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// What a group matched; 0 is the whole.
    Group(usize),
    /// `\U`, `\L` or, where there is none, `\E`.
    All(Option<Case>),
    /// `\u` or `\l`.
    First(Case),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
}

/// Reads a replacement; none if it has no model.
pub(super) fn parts(text: &str) -> Option<Vec<Part>> {
    let chars: Vec<char> = text.chars().collect();
    let mut parts: Vec<Part> = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        at += 1;
        let part = match c {
            '&' => Part::Group(0),
            '\\' => {
                let letter = *chars.get(at)?;
                at += 1;
                let (part, read) = escape(letter, &chars[at..])?;
                at += read;
                part
            }
            c => Part::Text(c.to_string()),
        };
        // What is to be the first character's case is given up by some of these, and kept by others.
        if matches!((parts.last(), &part), (Some(Part::First(_)), Part::All(_) | Part::First(_))) {
            return None;
        }
        match (parts.last_mut(), part) {
            (Some(Part::Text(last)), Part::Text(more)) => last.push_str(&more),
            (_, part) => parts.push(part),
        }
    }
    Some(parts)
}

/// What a backslash and a letter stand for, and how many characters behind them belong to it.
fn escape(letter: char, rest: &[char]) -> Option<(Part, usize)> {
    let part = match letter {
        'U' => Part::All(Some(Case::Upper)),
        'L' => Part::All(Some(Case::Lower)),
        'E' => Part::All(None),
        'u' => Part::First(Case::Upper),
        'l' => Part::First(Case::Lower),
        '0'..='9' => Part::Group(usize::try_from(letter.to_digit(10)?).ok()?),
        letter => match numbered(letter, rest) {
            // Whether it has a meaning then depends on sed's version.
            Some(('&' | '\\', _)) => return None,
            Some((c, read)) => return Some((Part::Text(c.to_string()), read)),
            None if "cdox".contains(letter) => return None,
            None => Part::Text(letter.to_string()),
        },
    };
    Some((part, 0))
}

/// The groups that a replacement has.
pub(super) fn groups(parts: &[Part]) -> Vec<usize> {
    parts.iter().filter_map(|part| if let Part::Group(group) = part { Some(*group) } else { None }).collect()
}

/// Adds what comes in the place of a match in a text.
pub(super) fn replace(
    parts: &[Part],
    text: &str,
    places: &Places,
    result: &mut String,
) -> Result<(), Failure> {
    let (mut all, mut first) = (None, None);
    for part in parts {
        let more = match part {
            Part::Text(text) => text.as_str(),
            Part::Group(group) => places.get(*group).cloned().flatten().map_or("", |range| &text[range]),
            Part::All(case) => {
                all = *case;
                continue;
            }
            Part::First(case) => {
                first = Some(*case);
                continue;
            }
        };
        let is_plain = more.is_ascii() && !more.is_empty();
        if first.is_some() && !is_plain || all.is_some() && !more.is_ascii() {
            return Err("there is no model of its change of case".to_owned());
        }
        let mut more = match all {
            Some(Case::Upper) => more.to_ascii_uppercase(),
            Some(Case::Lower) => more.to_ascii_lowercase(),
            None => more.to_owned(),
        };
        match first.take() {
            Some(Case::Upper) => more[..1].make_ascii_uppercase(),
            Some(Case::Lower) => more[..1].make_ascii_lowercase(),
            None => {}
        }
        result.push_str(&more);
    }
    Ok(())
}
