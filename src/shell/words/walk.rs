//! Every simple command of a script, wherever it stands: in functions, branches, loops and substitutions.

use brush_parser::ast::{
    AndOr, AndOrList, Command, CommandPrefixOrSuffixItem, CompoundCommand, CompoundList,
    IoFileRedirectTarget, IoRedirect, Program, SimpleCommand, Word,
};
use brush_parser::word::{ParameterExpr, WordPiece, WordPieceWithSource};

use super::{MAX_DEPTH, parse};
use crate::shell::here_documents::{Document, is_no_word};
use crate::shell::parse::{here_document, pieces};

/// A walk over every simple command of a script, those in substitutions included.
pub(super) struct Walk<'w> {
    pub(super) see: &'w mut dyn FnMut(&SimpleCommand),
    pub(super) functions: &'w mut dyn FnMut(&str),
    /// The variable of a loop, and the words it goes through.
    pub(super) loops: &'w mut dyn FnMut(&str, &[Word]),
    pub(super) depth: usize,
}

impl Walk<'_> {
    pub(super) fn program(&mut self, program: &Program) {
        program.complete_commands.iter().for_each(|list| self.list(list));
    }

    fn list(&mut self, list: &CompoundList) {
        list.0.iter().for_each(|item| self.and_or(&item.0));
    }

    fn and_or(&mut self, list: &AndOrList) {
        list.first.seq.iter().for_each(|command| self.command(command));
        for next in &list.additional {
            let (AndOr::And(pipeline) | AndOr::Or(pipeline)) = next;
            pipeline.seq.iter().for_each(|command| self.command(command));
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirects) => {
                self.compound(compound);
                redirects.iter().flat_map(|list| &list.0).for_each(|redirect| self.redirect(redirect));
            }
            Command::Function(function) => {
                (self.functions)(&function.fname.value);
                self.compound(&function.body.0);
            }
            Command::ExtendedTest(test, _) => self.text(&test.to_string()),
        }
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::Arithmetic(arithmetic) => self.text(&arithmetic.expr.value),
            CompoundCommand::ArithmeticForClause(clause) => self.list(&clause.body.list),
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(subshell) => self.list(&subshell.list),
            CompoundCommand::ForClause(clause) => {
                let values = clause
                    .values
                    .as_ref()
                    .filter(|values| values.iter().all(|word| !is_no_word(&word.value)));
                if let Some(values) = values {
                    (self.loops)(&clause.variable_name, values);
                    for word in values {
                        self.word(word);
                    }
                }
                self.list(&clause.body.list);
            }
            CompoundCommand::CaseClause(clause) => {
                self.word(&clause.value);
                clause.cases.iter().filter_map(|case| case.cmd.as_ref()).for_each(|list| self.list(list));
            }
            CompoundCommand::IfClause(clause) => {
                self.list(&clause.condition);
                self.list(&clause.then);
                for branch in clause.elses.iter().flatten() {
                    branch.condition.iter().for_each(|list| self.list(list));
                    self.list(&branch.body);
                }
            }
            CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
                self.list(&clause.0);
                self.list(&clause.1.list);
            }
            CompoundCommand::Coprocess(process) => self.command(&process.body),
        }
    }

    fn simple(&mut self, simple: &SimpleCommand) {
        (self.see)(simple);
        let prefix = simple.prefix.iter().flat_map(|prefix| &prefix.0);
        let suffix = simple.suffix.iter().flat_map(|suffix| &suffix.0);
        for item in prefix.chain(suffix) {
            match item {
                CommandPrefixOrSuffixItem::Word(word)
                | CommandPrefixOrSuffixItem::AssignmentWord(_, word) => {
                    self.word(word);
                }
                CommandPrefixOrSuffixItem::IoRedirect(redirect) => self.redirect(redirect),
                CommandPrefixOrSuffixItem::ProcessSubstitution(_, subshell) => self.list(&subshell.list),
            }
        }
        simple.word_or_name.iter().for_each(|word| self.word(word));
    }

    fn redirect(&mut self, redirect: &IoRedirect) {
        match redirect {
            IoRedirect::File(_, _, IoFileRedirectTarget::ProcessSubstitution(_, subshell)) => {
                self.list(&subshell.list);
            }
            IoRedirect::HereString(_, word) => match Document::of(&word.value) {
                Some(document) if document.is_expanded => self.document(&document.body),
                Some(_) => {}
                None => self.word(word),
            },
            IoRedirect::OutputAndError(word, _)
            | IoRedirect::File(_, _, IoFileRedirectTarget::Filename(word)) => self.word(word),
            _ => {}
        }
    }

    fn word(&mut self, word: &Word) {
        self.text(&word.value);
    }

    /// The substitutions of a text.
    fn text(&mut self, text: &str) {
        if text.contains("$(") || text.contains('`') {
            let pieces = pieces(text).unwrap_or_default();
            self.pieces(&pieces);
        }
    }

    fn document(&mut self, body: &str) {
        self.pieces(&here_document(body).unwrap_or_default());
    }

    fn pieces(&mut self, pieces: &[WordPieceWithSource]) {
        for piece in pieces {
            match &piece.piece {
                WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
                    self.pieces(inner);
                }
                WordPiece::CommandSubstitution(script) => self.nested(script),
                WordPiece::BackquotedCommandSubstitution(script) => self.nested(&script.replace("\\`", "`")),
                WordPiece::ParameterExpansion(
                    ParameterExpr::UseDefaultValues { default_value: Some(text), .. }
                    | ParameterExpr::AssignDefaultValues { default_value: Some(text), .. }
                    | ParameterExpr::UseAlternativeValue { alternative_value: Some(text), .. },
                ) => self.deeper(|walk| walk.text(text)),
                _ => {}
            }
        }
    }

    fn nested(&mut self, script: &str) {
        self.deeper(|walk| {
            if let Some(program) = parse(script) {
                walk.program(&program);
            }
        });
    }

    fn deeper(&mut self, go: impl FnOnce(&mut Self)) {
        if self.depth < MAX_DEPTH {
            self.depth += 1;
            go(self);
            self.depth -= 1;
        }
    }
}
