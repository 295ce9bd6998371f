//! `test`, `[` and bash's `[[` (XCU test).

use brush_parser::ast::{BinaryPredicate, ExtendedTestExpr, UnaryPredicate};

use super::arithmetic::integer;
use super::glob::Match;
use super::state::{Shell, lookup};
use super::text::{is_empty, is_known, same};
use super::{Node, World};

/// A truth value; none if it depends on what is unknown.
type Truth = Option<bool>;

fn and(a: Truth, b: Truth) -> Truth {
    if a == Some(false) || b == Some(false) { Some(false) } else { Some(a? && b?) }
}

fn or(a: Truth, b: Truth) -> Truth {
    if a == Some(true) || b == Some(true) { Some(true) } else { Some(a? || b?) }
}

impl<W: World> Shell<W> {
    /// The status of `test`: 0 holds, 1 does not, 2 for no expression.
    pub(super) fn test(&mut self, words: &[String]) -> Option<i32> {
        let mut at = 0;
        match self.alternatives(words, &mut at, 0) {
            Some(truth) if at == words.len() => truth.map(|holds| i32::from(!holds)),
            _ => {
                self.tell(&format!("[ {} ]", words.join(" ")), "it is no expression");
                Some(2)
            }
        }
    }

    fn alternatives(&self, words: &[String], at: &mut usize, depth: usize) -> Option<Truth> {
        let mut truth = self.conjunction(words, at, depth)?;
        while words.get(*at).is_some_and(|word| word == "-o") {
            *at += 1;
            truth = or(truth, self.conjunction(words, at, depth)?);
        }
        Some(truth)
    }

    fn conjunction(&self, words: &[String], at: &mut usize, depth: usize) -> Option<Truth> {
        let mut truth = self.negation(words, at, depth)?;
        while words.get(*at).is_some_and(|word| word == "-a") {
            *at += 1;
            truth = and(truth, self.negation(words, at, depth)?);
        }
        Some(truth)
    }

    fn negation(&self, words: &[String], at: &mut usize, depth: usize) -> Option<Truth> {
        if depth > 50 {
            return None;
        }
        let rest = words.get(*at..)?;
        // By the number of words: a lone word is itself, whatever it looks like.
        let is_operator = |word: &String| binary(word);
        match rest {
            [] => return (words.is_empty()).then_some(Some(false)),
            [_] => {}
            [_, operator, _, ..] if is_operator(operator) => {}
            [not, ..] if not == "!" => {
                *at += 1;
                return Some(self.negation(words, at, depth + 1)?.map(|holds| !holds));
            }
            [open, ..] if open == "(" => {
                *at += 1;
                let truth = self.alternatives(words, at, depth + 1)?;
                if words.get(*at).is_none_or(|word| word != ")") {
                    return None;
                }
                *at += 1;
                return Some(truth);
            }
            _ => {}
        }
        self.primary(rest, at)
    }

    fn primary(&self, rest: &[String], at: &mut usize) -> Option<Truth> {
        match rest {
            [left, operator, right, ..] if binary(operator) => {
                *at += 3;
                Some(self.compared(left, operator, right, decimal))
            }
            [operator, operand, ..]
                if unary(operator) && !(matches!(operand.as_str(), "-a" | "-o") && rest.len() > 2) =>
            {
                *at += 2;
                Some(self.unary(operator, operand))
            }
            [word, ..] => {
                *at += 1;
                Some(is_empty(word).map(|empty| !empty))
            }
            [] => None,
        }
    }

    fn unary(&self, operator: &str, operand: &str) -> Truth {
        match operator {
            "-n" => return is_empty(operand).map(|empty| !empty),
            "-z" => return is_empty(operand),
            // No script of a package has a terminal.
            "-t" => return Some(false),
            "-o" => return Some(operand == "errexit" && self.own.options.contains(&'e')),
            "-v" => return Some(self.variable(operand).is_some()),
            _ => {}
        }
        if !is_known(operand) {
            return None;
        }
        self.file_test(operator, operand)
    }

    fn file_test(&self, operator: &str, path: &str) -> Truth {
        let follow = !matches!(operator, "-L" | "-h");
        let Some((place, node)) = lookup(&self.world, &self.own.directory, path, follow) else {
            return Some(false);
        };
        let mode = match &node {
            Node::File { mode, .. } => *mode,
            // Root may look into any.
            Node::Directory => self.world.bits(&place) | 0o111,
            Node::Symlink(_) | Node::Other => 0o666,
        };
        Some(match operator {
            "-f" => matches!(node, Node::File { .. }),
            "-d" => node == Node::Directory,
            "-L" | "-h" => matches!(node, Node::Symlink(_)),
            "-x" => mode & 0o111 != 0,
            "-u" => mode & 0o4000 != 0,
            "-g" => mode & 0o2000 != 0,
            "-k" => mode & 0o1000 != 0,
            "-s" => match node {
                Node::File { size: Some(size), .. } => size > 0,
                Node::File { size: None, .. } => return None,
                _ => true,
            },
            // Which of them it is, a package's device does not tell here.
            "-b" | "-c" | "-p" | "-S" => {
                if node == Node::Other {
                    return None;
                }
                false
            }
            "-O" | "-G" => return self.world.owns(&place, operator == "-G"),
            "-N" => return None,
            // `-e`, and root may read and write all.
            _ => true,
        })
    }

    /// A comparison of texts, files, or what `number` makes of the texts.
    fn compared(&self, left: &str, operator: &str, right: &str, number: fn(&str) -> Option<i64>) -> Truth {
        match operator {
            "=" | "==" => return same(left, right),
            "!=" => return same(left, right).map(|same| !same),
            _ => {}
        }
        if !is_known(left) || !is_known(right) {
            return None;
        }
        match operator {
            "<" => Some(left < right),
            ">" => Some(left > right),
            "-nt" | "-ot" | "-ef" => {
                let place =
                    |path| lookup(&self.world, &self.own.directory, path, true).map(|(place, _)| place);
                match (operator, place(left), place(right)) {
                    ("-ef", Some(left), Some(right)) => Some(left == right),
                    ("-nt", Some(_), None) | ("-ot", None, Some(_)) => Some(true),
                    ("-ef", ..) | (_, None, None) | ("-nt", None, _) | ("-ot", _, None) => Some(false),
                    _ => None,
                }
            }
            _ => {
                let (left, right) = (number(left.trim())?, number(right.trim())?);
                Some(match operator {
                    "-eq" => left == right,
                    "-ne" => left != right,
                    "-lt" => left < right,
                    "-le" => left <= right,
                    "-gt" => left > right,
                    _ => left >= right,
                })
            }
        }
    }

    /// `[[ ... ]]`.
    pub(super) fn extended_test(&mut self, expression: &ExtendedTestExpr) -> Truth {
        match expression {
            ExtendedTestExpr::And(left, right) => match self.extended_test(left) {
                Some(false) => Some(false),
                left => and(left, self.extended_test(right)),
            },
            ExtendedTestExpr::Or(left, right) => match self.extended_test(left) {
                Some(true) => Some(true),
                left => or(left, self.extended_test(right)),
            },
            ExtendedTestExpr::Not(inner) => self.extended_test(inner).map(|holds| !holds),
            ExtendedTestExpr::Parenthesized(inner) => self.extended_test(inner),
            ExtendedTestExpr::UnaryTest(predicate, word) => {
                let operand = self.single(&word.value)?;
                let operator = predicate_operator(predicate);
                self.unary(operator, &operand)
            }
            ExtendedTestExpr::BinaryTest(predicate, left, right) => {
                let left = self.single(&left.value)?;
                let operator = match predicate {
                    BinaryPredicate::StringExactlyMatchesPattern => {
                        return holds(self.pattern(&right.value)?.matches(&left));
                    }
                    BinaryPredicate::StringDoesNotExactlyMatchPattern => {
                        return holds(self.pattern(&right.value)?.matches(&left)).map(|holds| !holds);
                    }
                    BinaryPredicate::StringContainsSubstring | BinaryPredicate::StringMatchesRegex => {
                        let right = self.single(&right.value)?;
                        return self.regular(&left, &right);
                    }
                    BinaryPredicate::FilesReferToSameDeviceAndInodeNumbers => "-ef",
                    BinaryPredicate::LeftFileIsNewerOrExistsWhenRightDoesNot => "-nt",
                    BinaryPredicate::LeftFileIsOlderOrDoesNotExistWhenRightDoes => "-ot",
                    BinaryPredicate::StringExactlyMatchesString => "=",
                    BinaryPredicate::StringDoesNotExactlyMatchString => "!=",
                    BinaryPredicate::LeftSortsBeforeRight => "<",
                    BinaryPredicate::LeftSortsAfterRight => ">",
                    BinaryPredicate::ArithmeticEqualTo => "-eq",
                    BinaryPredicate::ArithmeticNotEqualTo => "-ne",
                    BinaryPredicate::ArithmeticLessThan => "-lt",
                    BinaryPredicate::ArithmeticLessThanOrEqualTo => "-le",
                    BinaryPredicate::ArithmeticGreaterThan => "-gt",
                    BinaryPredicate::ArithmeticGreaterThanOrEqualTo => "-ge",
                };
                let right = self.single(&right.value)?;
                self.compared(&left, operator, &right, integer)
            }
        }
    }

    fn regular(&mut self, text: &str, expression: &str) -> Truth {
        if !is_known(text) || !is_known(expression) {
            return None;
        }
        self.charge(500 * expression.len() + 8 * text.len());
        if let Ok(regex) = regex::Regex::new(expression) {
            Some(regex.is_match(text))
        } else {
            self.tell(&format!("[[ {text} =~ {expression} ]]"), "the expression is not followed");
            None
        }
    }
}

/// A number of `test`, which is decimal whatever it begins with.
fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    text.parse().ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit()))
}

fn holds(fits: Match) -> Truth {
    match fits {
        Match::Yes => Some(true),
        Match::No => Some(false),
        Match::Unknown => None,
    }
}

fn binary(word: &str) -> bool {
    const OPERATORS: [&str; 14] =
        ["=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"];
    OPERATORS.contains(&word)
}

fn unary(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next() == Some('-')
        && chars.next().is_some_and(|letter| "bcdefghkLnoprsStuvwxzOGN".contains(letter))
        && chars.next().is_none()
}

fn predicate_operator(predicate: &UnaryPredicate) -> &'static str {
    match predicate {
        UnaryPredicate::FileExists => "-e",
        UnaryPredicate::FileExistsAndIsBlockSpecialFile => "-b",
        UnaryPredicate::FileExistsAndIsCharSpecialFile => "-c",
        UnaryPredicate::FileExistsAndIsDir => "-d",
        UnaryPredicate::FileExistsAndIsRegularFile => "-f",
        UnaryPredicate::FileExistsAndIsSetgid => "-g",
        UnaryPredicate::FileExistsAndIsSymlink => "-L",
        UnaryPredicate::FileExistsAndHasStickyBit => "-k",
        UnaryPredicate::FileExistsAndIsFifo => "-p",
        UnaryPredicate::FileExistsAndIsReadable => "-r",
        UnaryPredicate::FileExistsAndIsNotZeroLength => "-s",
        UnaryPredicate::FdIsOpenTerminal => "-t",
        UnaryPredicate::FileExistsAndIsSetuid => "-u",
        UnaryPredicate::FileExistsAndIsWritable => "-w",
        UnaryPredicate::FileExistsAndIsExecutable => "-x",
        UnaryPredicate::FileExistsAndOwnedByEffectiveGroupId => "-G",
        UnaryPredicate::FileExistsAndModifiedSinceLastRead => "-N",
        UnaryPredicate::FileExistsAndOwnedByEffectiveUserId => "-O",
        UnaryPredicate::FileExistsAndIsSocket => "-S",
        UnaryPredicate::ShellOptionEnabled => "-o",
        UnaryPredicate::ShellVariableIsSetAndAssigned => "-v",
        UnaryPredicate::ShellVariableIsSetAndNameRef => "-R",
        UnaryPredicate::StringHasZeroLength => "-z",
        UnaryPredicate::StringHasNonZeroLength => "-n",
    }
}
