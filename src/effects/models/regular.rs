//! Basic and extended regular expressions (XBD 9), as GNU's tools and mawk have them: the longest of the leftmost matches.
//!
//! The `regex` crate finds where the leftmost match begins. Where the first way to go on need not be the longest, a
//! second engine follows all ways from there. What groups match is told where it does not depend on which of several
//! ways a tool takes; references back to a group have no counterpart.

use std::cell::RefCell;
use std::ops::Range;

use regex::{Regex, RegexBuilder};
use regex_automata::nfa::thompson;
use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

use super::super::effort::{Effort, TOO_MUCH};

mod reading;

use reading::Node;
pub(super) use reading::{control, numbered};

/// No compiled expression takes more bytes.
const MOST: usize = 1 << 20;

/// Whose expressions they are: tools differ in escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `\t`, `\n` and their like are characters, in brackets too.
    Sed,
    /// grep's and expr's: a backslash before a letter that has no meaning is nothing.
    Grep,
    /// Backslashes count in brackets; intervals and GNU's escapes depend on which awk it is.
    Awk,
}

/// The language of an expression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syntax {
    pub(super) dialect: Dialect,
    pub(super) extended: bool,
}

/// What is asked of a match apart from the expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Around {
    /// It may be anywhere.
    #[default]
    Anything,
    /// No part of a word is beside it.
    Word,
    /// It is the whole line.
    Line,
}

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Regular {
    regex: Regex,
    /// What finds the end of the longest match, unless the first is the longest.
    longest: Option<Longest>,
    /// What groups match in repetitions is not the same everywhere.
    has_vague_groups: bool,
    /// Matches have no one length: more of a text may be looked at than matches.
    looks_ahead: bool,
}

/// Where a match may be, by group.
pub(super) type Places = Vec<Option<Range<usize>>>;

impl Regular {
    /// Compiles an expression; why it cannot be.
    pub(super) fn compile(expression: &str, syntax: Syntax, any_case: bool) -> Result<Self, String> {
        Self::compile_around(expression, syntax, any_case, Around::Anything)
    }

    /// Compiles an expression of which not every match counts.
    pub(super) fn compile_around(
        expression: &str,
        syntax: Syntax,
        any_case: bool,
        around: Around,
    ) -> Result<Self, String> {
        reading::node(expression, syntax)
            .and_then(|node| Self::new(&node, any_case, around))
            .ok_or_else(|| format!("there is no model of the expression `{expression}`"))
    }

    /// Looks for a text as it is.
    pub(super) fn literal(text: &str, any_case: bool, around: Around) -> Result<Self, String> {
        Self::new(&reading::literal(text), any_case, around).ok_or_else(|| "its text is too long".to_owned())
    }

    /// An expression of Perl's where the `regex` crate has the same.
    pub(super) fn perl(expression: &str, any_case: bool) -> Result<Self, String> {
        // These mean something else there, or nothing.
        const OTHERS: [&str; 12] =
            ["&&", "--", "~~", "\\<", "\\>", "\\b{", "{,", "[[", "\\x", "\\p", "(?", "\\u"];
        let plain = expression.replace("[[:", "").replace("(?:", "(");
        let regex = Some(expression).filter(|_| OTHERS.iter().all(|other| !plain.contains(other)));
        let regex = regex.and_then(|expression| {
            RegexBuilder::new(expression).case_insensitive(any_case).size_limit(MOST).build().ok()
        });
        let regex = regex.ok_or_else(|| format!("there is no model of the expression `{expression}`"))?;
        Ok(Regular { regex, longest: None, has_vague_groups: false, looks_ahead: true })
    }

    fn new(node: &Node, any_case: bool, around: Around) -> Option<Self> {
        let written = |reversed: bool| {
            let inner = node.written(reversed);
            match around {
                Around::Anything => inner,
                Around::Word => format!("\\b{{start-half}}(?:{inner})\\b{{end-half}}"),
                Around::Line => format!("^(?:{inner})$"),
            }
        };
        let first = written(false);
        let regex = RegexBuilder::new(&first)
            .case_insensitive(any_case)
            .dot_matches_new_line(true)
            .size_limit(MOST)
            .build()
            .ok()?;
        let longest = if node.may_go_on() {
            Some(Longest { first: Ways::new(&first, any_case)?, last: Ways::new(&written(true), any_case)? })
        } else {
            None
        };
        let looks_ahead = node.length().is_none();
        Some(Regular { regex, longest, has_vague_groups: node.has_vague_groups(), looks_ahead })
    }

    /// How many groups it has.
    pub(super) fn groups(&self) -> usize {
        self.regex.captures_len() - 1
    }

    /// Whether there is a match; none is found any more by a command that has looked at too much.
    pub(super) fn is_match(&self, text: &str, effort: &Effort) -> bool {
        effort.spend(20 + text.len()) && self.regex.is_match(text)
    }

    /// The longest of the leftmost matches from a place on, likewise.
    pub(super) fn find_at(&self, text: &str, start: usize, effort: &Effort) -> Option<Range<usize>> {
        let found = self.regex.find_at(text, start).map(|found| found.range());
        let rest = text.len().saturating_sub(start);
        let found = match (found, &self.longest) {
            (None, _) => {
                effort.spend(50 + rest);
                return None;
            }
            (Some(found), None) => found,
            (Some(found), Some(longest)) => {
                if !effort.spend(longest.effort(rest)) {
                    return None;
                }
                longest.first.places(text, found.start)?.into_iter().next()??
            }
        };
        let ahead = if self.looks_ahead { rest / 8 } else { 0 };
        effort.spend(50 + 2 * (found.end - start) + ahead).then_some(found)
    }

    /// The first matches, as `s///g` and `grep -o` have them: an empty one does not follow another at once.
    pub(super) fn find_some(&self, text: &str, most: usize, effort: &Effort) -> Vec<Range<usize>> {
        let (mut found, mut at): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
        while let Some(range) = Some(at)
            .filter(|at| *at <= text.len() && found.len() < most)
            .and_then(|at| self.find_at(text, at, effort))
        {
            at = range.end;
            if range.is_empty() {
                at += text[range.end..].chars().next().map_or(1, char::len_utf8);
            }
            if !range.is_empty() || found.last().is_none_or(|last| last.end != range.start) {
                found.push(range);
            }
        }
        found
    }

    /// What the groups match of the match that begins at a place, the whole at 0; why that cannot be told of those
    /// that are wanted.
    pub(super) fn places(
        &self,
        text: &str,
        start: usize,
        wanted: &[usize],
        effort: &Effort,
    ) -> Result<Places, String> {
        let vague = || "which part its groups match is not certain".to_owned();
        let Some(longest) = &self.longest else {
            let captures = self.regex.captures_at(text, start).ok_or_else(vague)?;
            return Ok(captures.iter().map(|group| group.map(|group| group.range())).collect());
        };
        if !effort.spend(longest.effort(text.len().saturating_sub(start))) {
            return Err(TOO_MUCH.to_owned());
        }
        let places = longest.first.places(text, start).ok_or_else(vague)?;
        if wanted.iter().any(|group| *group > 0) {
            let others = longest.last.places(text, start).ok_or_else(vague)?;
            if self.has_vague_groups || wanted.iter().any(|group| places.get(*group) != others.get(*group)) {
                return Err(vague());
            }
        }
        Ok(places)
    }
}

/// The longest match by the first way that is taken where there are several, and by the last.
#[derive(Debug)]
struct Longest {
    first: Ways,
    last: Ways,
}

impl Longest {
    /// What it takes to follow all ways through so many bytes: few are open at once, and most end soon.
    fn effort(&self, length: usize) -> usize {
        self.first.engine.get_nfa().states().len() * length / 2
    }
}

/// All ways at once.
#[derive(Debug)]
struct Ways {
    engine: PikeVM,
    cache: RefCell<Cache>,
}

impl Ways {
    fn new(expression: &str, any_case: bool) -> Option<Self> {
        let syntax = syntax::Config::new().case_insensitive(any_case).dot_matches_new_line(true);
        let engine = PikeVM::builder()
            .configure(PikeVM::config().match_kind(MatchKind::All))
            .syntax(syntax)
            .thompson(thompson::Config::new().nfa_size_limit(Some(MOST)))
            .build(expression)
            .ok()?;
        let cache = RefCell::new(engine.create_cache());
        Some(Ways { engine, cache })
    }

    /// The longest match that begins here, and what its groups match.
    fn places(&self, text: &str, start: usize) -> Option<Places> {
        let mut captures = self.engine.create_captures();
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        self.engine.search(&mut self.cache.borrow_mut(), &input, &mut captures);
        captures.is_match().then(|| {
            let groups = 0..captures.group_len();
            groups.map(|group| captures.get_group(group).map(|span| span.range())).collect()
        })
    }
}
