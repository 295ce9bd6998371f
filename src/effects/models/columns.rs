//! `cut`: characters and fields of lines.

use super::super::machine::Machine;
use super::arguments::Arguments;
use super::filters::{filter, lines};
use crate::shell::text::UNKNOWN;
use crate::shell::{Call, Reply};

/// Numbers of a list such as `1,3-5,7-`.
fn ranges(list: &str) -> Option<Vec<(usize, usize)>> {
    list.split(',')
        .map(|range| match range.split_once('-') {
            None => range.parse().ok().map(|one| (one, one)),
            Some(("", "")) => None,
            Some((from, to)) => {
                let from = if from.is_empty() { 1 } else { from.parse().ok()? };
                let to = if to.is_empty() { usize::MAX } else { to.parse().ok()? };
                Some((from, to))
            }
        })
        .map(|range| range.filter(|(from, to)| *from > 0 && from <= to))
        .collect()
}

/// The list that an option gives: only one does, and some options are for fields alone.
fn list(arguments: &Arguments) -> Result<&str, String> {
    let lists: Vec<&str> = ["f", "c", "b"].iter().filter_map(|name| arguments.value(name)).collect();
    let for_fields = ["d", "s", "output-delimiter"].iter().any(|name| arguments.has(name));
    match lists[..] {
        [list] if arguments.has("f") || !for_fields => Ok(list),
        _ => Err("there is no model of its options".to_owned()),
    }
}

pub(super) fn cut(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('d', "delimiter", true),
        ('f', "fields", true),
        ('c', "characters", true),
        ('b', "bytes", true),
        ('s', "only-delimited", false),
        ('\0', "output-delimiter", true),
        ('\0', "complement", false),
    ];
    filter(machine, call, &flags, |arguments, text| {
        let fields = arguments.value("f");
        let list = list(arguments)?;
        let ranges = ranges(list).ok_or_else(|| format!("there is no model of the list `{list}`"))?;
        let is_rest = arguments.has("complement");
        let within =
            |number: usize| ranges.iter().any(|(from, to)| (*from..=*to).contains(&number)) != is_rest;
        let delimiter = arguments.value("d").unwrap_or("\t").to_owned();
        if delimiter.chars().count() != 1 || delimiter == "\n" {
            return Err("there is no model of its delimiter".to_owned());
        }
        let between = arguments.value("output-delimiter").unwrap_or(&delimiter);
        let mut output = String::new();
        for line in lines(text) {
            if fields.is_some() {
                // An unknown text within a line counts as one without delimiters.
                if !line.contains(delimiter.as_str()) {
                    if !arguments.has("s") {
                        output.push_str(line);
                        output.push('\n');
                    }
                    continue;
                }
                let parts = line.split(delimiter.as_str()).enumerate();
                let chosen: Vec<&str> =
                    parts.filter(|(at, _)| within(at + 1)).map(|(_, part)| part).collect();
                output.push_str(&chosen.join(between));
            } else if line.contains(UNKNOWN) {
                output.push(UNKNOWN);
            } else if !line.is_ascii() {
                return Err("there is no model of it for other characters than ASCII".to_owned());
            } else {
                output.extend(line.chars().enumerate().filter(|(at, _)| within(at + 1)).map(|(_, c)| c));
            }
            output.push('\n');
        }
        Ok(output)
    })
}
