//! Brace expansion, which bash does before all other expansions: `{a,b}`, `{1..3}`, `{a..c..2}`.

use brush_parser::word::{BraceExpressionMember, BraceExpressionOrText};

/// The words that a word with these parts stands for; none if they are more than `most`.
pub(super) fn words(parts: &[BraceExpressionOrText], most: usize) -> Option<Vec<String>> {
    let mut all = vec![String::new()];
    for part in parts {
        let next = match part {
            BraceExpressionOrText::Text(text) => vec![text.clone()],
            BraceExpressionOrText::Expr(members) => {
                let mut next = Vec::new();
                for member in members {
                    next.extend(of_member(member, most)?);
                }
                next
            }
        };
        if all.len().saturating_mul(next.len()) > most {
            return None;
        }
        all = all.iter().flat_map(|start| next.iter().map(move |end| format!("{start}{end}"))).collect();
    }
    Some(all)
}

fn of_member(member: &BraceExpressionMember, most: usize) -> Option<Vec<String>> {
    match member {
        BraceExpressionMember::Child(parts) => words(parts, most),
        BraceExpressionMember::NumberSequence { start, end, increment } => {
            let numbers = sequence(*start, *end, *increment, most)?;
            Some(numbers.iter().map(ToString::to_string).collect())
        }
        BraceExpressionMember::CharSequence { start, end, increment } => {
            let numbers =
                sequence(i64::from(u32::from(*start)), i64::from(u32::from(*end)), *increment, most)?;
            let chars = numbers.into_iter().filter_map(|number| char::from_u32(u32::try_from(number).ok()?));
            Some(chars.map(String::from).collect())
        }
    }
}

/// From a number to another, in steps of any sign.
fn sequence(start: i64, end: i64, increment: i64, most: usize) -> Option<Vec<i64>> {
    let step = i64::try_from(increment.unsigned_abs().max(1)).ok()?;
    let distance = start.checked_sub(end)?.checked_abs()?;
    let count = usize::try_from(distance / step).ok()?.checked_add(1).filter(|count| *count <= most)?;
    let step = if start <= end { step } else { -step };
    Some(std::iter::successors(Some(start), |at| at.checked_add(step)).take(count).collect())
}
