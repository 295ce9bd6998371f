//! The `base` and `layers` lines of a recipe, put into its text; all else of the text stays as it is.

use toml::de::{DeTable, DeValue};

use crate::hint::Hint;

use super::quoted;

/// Why a recipe's text cannot be given a base.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It has one.
    #[error("it has a base: `{base}`")]
    HasBase {
        /// The base.
        base: String,
    },
    /// It says how its files are spread over layers.
    #[error("it has a `layers` line")]
    HasLayers,
    /// There is no place for it.
    #[error("it has neither `from` nor `name` at its beginning")]
    NoPlace,
}

impl Hint for EditError {
    fn hints(&self) -> Vec<String> {
        match self {
            EditError::HasBase { .. } => {
                vec!["remove the `base` line to have the recipe planned anew".into()]
            }
            EditError::HasLayers | EditError::NoPlace => Vec::new(),
        }
    }
}

/// A recipe's text with a base: the line follows that of `from`, else that of `name`.
pub fn with_base(text: &str, base: &str) -> Result<String, EditError> {
    let table = DeTable::parse(text).map_err(|_| EditError::NoPlace)?;
    let table = table.get_ref();
    if let Some(value) = table.get("base") {
        let base = match value.get_ref() {
            DeValue::String(base) => base.to_string(),
            _ => String::new(),
        };
        return Err(EditError::HasBase { base });
    }
    with_line(text, &["from", "name"], table, &format!("base = {}", quoted(base)))
}

/// A recipe's text with its files spread over at most so many layers: the line follows that of `base`.
///
/// # Errors
///
/// [`EditError::HasLayers`] where the text says already how they are spread.
pub fn with_layers(text: &str, budget: usize) -> Result<String, EditError> {
    let table = DeTable::parse(text).map_err(|_| EditError::NoPlace)?;
    let table = table.get_ref();
    if table.contains_key("layers") {
        return Err(EditError::HasLayers);
    }
    let line = format!("layers = {{ policy = \"auto\", budget = {budget} }}");
    with_line(text, &["base", "from", "name"], table, &line)
}

/// A line more, after that of the first of some keys that there is.
fn with_line(text: &str, after: &[&str], table: &DeTable<'_>, line: &str) -> Result<String, EditError> {
    let end = after.iter().find_map(|key| Some(table.get(*key)?.span().end));
    let end = end.ok_or(EditError::NoPlace)?;
    let break_at = text.get(end..).and_then(|rest| rest.find('\n'));
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    Ok(match break_at {
        Some(at) => {
            let (head, tail) = text.split_at(end + at + 1);
            format!("{head}{line}{newline}{tail}")
        }
        None => format!("{text}{newline}{line}{newline}"),
    })
}
