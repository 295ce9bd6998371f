//! Lists, pipelines and compound commands (XCU 2.9.2 to 2.9.5).

use brush_parser::ast::{
    AndOr, AndOrList, CaseClauseCommand, CaseItemPostAction, Command, CompoundCommand, CompoundList,
    ForClauseCommand, FunctionDefinition, IfClauseCommand, Pipeline, RedirectList, SourceLocation,
};

use super::World;
use super::glob::Match;
use super::here_documents::is_no_word;
use super::state::{Descriptor, Flow, Shell};
use super::text::is_known;

/// Rounds of one loop.
const MOST_ROUNDS: usize = 10_000;

const UNKNOWN_CONDITION: &str = "its condition depends on what is not known";

/// Whether `set -e` looks at the status of a pipeline: compound commands have looked at theirs already.
fn counts(stages: &[Command]) -> bool {
    matches!(stages, [Command::Simple(_) | Command::Compound(CompoundCommand::Subshell(_), _)] | [_, _, ..])
}

impl<W: World> Shell<W> {
    pub(super) fn list(&mut self, list: &CompoundList) -> Flow {
        for item in &list.0 {
            let flow = self.and_or(&item.0);
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    fn and_or(&mut self, list: &AndOrList) -> Flow {
        self.chain(&list.first, &list.additional)
    }

    fn chain(&mut self, pipeline: &Pipeline, rest: &[AndOr]) -> Flow {
        let Some((next, after)) = rest.split_first() else { return self.pipeline(pipeline, false) };
        let flow = self.pipeline(pipeline, true);
        if flow != Flow::Next {
            return flow;
        }
        // What is passed over passes its place on to what comes after it.
        self.chained(next, after)
    }

    fn chained(&mut self, next: &AndOr, after: &[AndOr]) -> Flow {
        let (pipeline, wanted) = match next {
            AndOr::And(pipeline) => (pipeline, true),
            AndOr::Or(pipeline) => (pipeline, false),
        };
        match self.status {
            Some(status) if (status == 0) == wanted => self.chain(pipeline, after),
            Some(_) => match after.split_first() {
                Some((next, after)) => self.chained(next, after),
                None => Flow::Next,
            },
            None => {
                let text = next.to_string();
                let mut taken = |shell: &mut Self| {
                    shell.status = Some(i32::from(!wanted));
                    shell.chained(next, after)
                };
                let mut passed = |shell: &mut Self| {
                    shell.status = Some(i32::from(wanted));
                    shell.chained(next, after)
                };
                self.undecided(&text, UNKNOWN_CONDITION, &mut [&mut taken, &mut passed])
            }
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, forgiven: bool) -> Flow {
        let forgiven = forgiven || pipeline.bang;
        self.own.forgiving += usize::from(forgiven);
        let flow = match pipeline.seq.as_slice() {
            [one] => self.command(one),
            stages => self.stages(stages),
        };
        let flow =
            if flow == Flow::Next && !pipeline.bang && counts(&pipeline.seq) { self.checked() } else { flow };
        self.own.forgiving -= usize::from(forgiven);
        if flow == Flow::Next && pipeline.bang {
            self.status = self.status.map(|status| i32::from(status == 0));
        }
        flow
    }

    /// Applies `set -e` to a command that has just ended. One whose status nobody knows went well: an
    /// installation that fails is none.
    fn checked(&mut self) -> Flow {
        if self.own.may_fail() {
            return Flow::Next;
        }
        match self.status {
            Some(0) => Flow::Next,
            Some(_) => Flow::Exit,
            None => {
                self.status = Some(0);
                Flow::Next
            }
        }
    }

    /// Each stage in a subshell, the first first.
    fn stages(&mut self, stages: &[Command]) -> Flow {
        let mut input = self.own.descriptors.get(&0).cloned();
        let mut failed = Some(0);
        for (number, stage) in stages.iter().enumerate() {
            let last = number + 1 == stages.len();
            let output = if last { None } else { Some(Descriptor::Stream(self.new_stream(String::new()))) };
            self.subshell(|shell| {
                if let Some(input) = input.take() {
                    shell.own.descriptors.insert(0, input);
                }
                if let Some(output) = &output {
                    shell.own.descriptors.insert(1, output.clone());
                }
                shell.command(stage)
            });
            input = output;
            if self.status != Some(0) {
                failed = self.status;
            }
        }
        if self.own.fails_in_pipes {
            self.status = failed;
        }
        Flow::Next
    }

    pub(super) fn command(&mut self, command: &Command) -> Flow {
        if let Some(location) = command.location() {
            self.line = self.lines_before + location.start.line;
        }
        let stepped = self.step("the script", |shell| match command {
            Command::Simple(simple) => shell.simple(simple),
            Command::Compound(compound, redirects) => shell.redirected(redirects.as_ref(), compound),
            Command::Function(function) => shell.define(function),
            Command::ExtendedTest(test, _) => {
                shell.status = shell.extended_test(&test.expr).map(|holds| i32::from(!holds));
                shell.checked()
            }
        });
        stepped.unwrap_or(Flow::Exit)
    }

    fn define(&mut self, function: &FunctionDefinition) -> Flow {
        self.functions.insert(function.fname.value.clone(), std::rc::Rc::new(function.clone()));
        self.status = Some(0);
        Flow::Next
    }

    /// A compound command with its redirections.
    pub(super) fn redirected(&mut self, redirects: Option<&RedirectList>, body: &CompoundCommand) -> Flow {
        let Some(redirects) = redirects else { return self.compound(body) };
        let before = self.own.descriptors.clone();
        let all = redirects.0.iter().collect::<Vec<_>>();
        let flow = if self.redirect(&all) { self.compound(body) } else { self.checked() };
        self.own.descriptors = before;
        flow
    }

    fn compound(&mut self, command: &CompoundCommand) -> Flow {
        match command {
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(group) => {
                self.subshell(|shell| shell.list(&group.list));
                Flow::Next
            }
            CompoundCommand::IfClause(clause) => self.if_clause(clause),
            CompoundCommand::ForClause(clause) => self.for_clause(clause),
            CompoundCommand::CaseClause(clause) => self.case_clause(clause),
            CompoundCommand::WhileClause(clause) => self.while_clause(&clause.0, &clause.1.list, true),
            CompoundCommand::UntilClause(clause) => self.while_clause(&clause.0, &clause.1.list, false),
            CompoundCommand::Arithmetic(command) => {
                let value = self.expression(&command.expr.value);
                self.status = value.map(|value| i32::from(value == 0));
                self.checked()
            }
            CompoundCommand::ArithmeticForClause(_) | CompoundCommand::Coprocess(_) => {
                self.tell(&command.to_string(), "this command is not followed");
                self.status = None;
                Flow::Next
            }
        }
    }

    /// A condition's status; `Err` where it leaves what stands around it.
    fn condition(&mut self, condition: &CompoundList) -> Result<Option<bool>, Flow> {
        self.own.forgiving += 1;
        let flow = self.list(condition);
        self.own.forgiving -= 1;
        if flow == Flow::Next { Ok(self.status.map(|status| status == 0)) } else { Err(flow) }
    }

    fn if_clause(&mut self, clause: &IfClauseCommand) -> Flow {
        let elses: Vec<(Option<&CompoundList>, &CompoundList)> =
            clause.elses.iter().flatten().map(|one| (one.condition.as_ref(), &one.body)).collect();
        self.branches((Some(&clause.condition), &clause.then), &elses)
    }

    fn branches(
        &mut self,
        (condition, body): (Option<&CompoundList>, &CompoundList),
        rest: &[(Option<&CompoundList>, &CompoundList)],
    ) -> Flow {
        let Some(condition) = condition else { return self.list(body) };
        let line = self.line;
        let mut otherwise = |shell: &mut Self| {
            if let Some((next, rest)) = rest.split_first() {
                shell.branches(*next, rest)
            } else {
                shell.status = Some(0);
                Flow::Next
            }
        };
        match self.condition(condition) {
            Err(flow) => flow,
            Ok(Some(true)) => self.list(body),
            Ok(Some(false)) => otherwise(self),
            Ok(None) => {
                self.line = line;
                let text = format!("if {condition}");
                self.undecided(&text, UNKNOWN_CONDITION, &mut [&mut |shell| shell.list(body), &mut otherwise])
            }
        }
    }

    fn for_clause(&mut self, clause: &ForClauseCommand) -> Flow {
        let values = match &clause.values {
            None => self.own.positional.clone(),
            Some(words) => {
                let words = words.iter().filter(|word| !is_no_word(&word.value));
                match words.map(|word| self.fields(&word.value)).collect::<Option<Vec<_>>>() {
                    Some(fields) => fields.concat(),
                    None => return self.checked(),
                }
            }
        };
        self.status = Some(0);
        if values.iter().any(|value| !is_known(value)) {
            let name = clause.variable_name.clone();
            let value = values.iter().find(|value| !is_known(value)).cloned().unwrap_or_default();
            let text = format!("for {name} in {}", values.join(" "));
            let mut round = |shell: &mut Self| {
                shell.assign(&name, value.clone());
                shell.own.loops += 1;
                let flow = shell.list(&clause.body.list);
                shell.own.loops -= 1;
                if matches!(flow, Flow::Break(_) | Flow::Continue(_)) { Flow::Next } else { flow }
            };
            let reason = "what it goes over is not known";
            return self.undecided(&text, reason, &mut [&mut |_| Flow::Next, &mut round]);
        }
        for value in values {
            self.assign(&clause.variable_name, value);
            if let Some(flow) = self.round(&clause.body.list) {
                return flow;
            }
        }
        Flow::Next
    }

    /// One round of a loop; its flow if the loop ends with it.
    fn round(&mut self, body: &CompoundList) -> Option<Flow> {
        self.own.loops += 1;
        let flow = self.list(body);
        self.own.loops -= 1;
        match flow {
            Flow::Next | Flow::Continue(1) => None,
            Flow::Break(1) => Some(Flow::Next),
            Flow::Break(levels) => Some(Flow::Break(levels - 1)),
            Flow::Continue(levels) => Some(Flow::Continue(levels - 1)),
            flow => Some(flow),
        }
    }

    fn while_clause(&mut self, condition: &CompoundList, body: &CompoundList, wanted: bool) -> Flow {
        let line = self.line;
        let mut status = Some(0);
        for _ in 0..MOST_ROUNDS {
            match self.condition(condition) {
                Err(flow) => return flow,
                Ok(Some(holds)) if holds == wanted => {}
                Ok(Some(_)) => {
                    self.status = status;
                    return Flow::Next;
                }
                Ok(None) => {
                    self.line = line;
                    let text = format!("while {condition}");
                    let mut round = |shell: &mut Self| shell.round(body).unwrap_or(Flow::Next);
                    return self.undecided(&text, UNKNOWN_CONDITION, &mut [&mut |_| Flow::Next, &mut round]);
                }
            }
            if let Some(flow) = self.round(body) {
                return flow;
            }
            status = self.status;
        }
        self.line = line;
        self.tell(&format!("while {condition}"), "the loop does not end");
        self.status = None;
        Flow::Next
    }

    fn case_clause(&mut self, clause: &CaseClauseCommand) -> Flow {
        let Some(value) = self.single(&clause.value.value) else { return self.checked() };
        self.status = Some(0);
        self.case_items(clause, &value, 0, false)
    }

    /// The items from one on; `falls` if the one before leads into it.
    fn case_items(&mut self, clause: &CaseClauseCommand, value: &str, from: usize, falls: bool) -> Flow {
        let Some(item) = clause.cases.get(from) else { return Flow::Next };
        let mut fits = if falls { Match::Yes } else { Match::No };
        for word in &item.patterns {
            if fits == Match::Yes {
                break;
            }
            let Some(pattern) = self.pattern(&word.value) else { return self.checked() };
            self.charge(value.len().saturating_mul(4 * word.value.len()));
            fits = match pattern.matches(value) {
                Match::No => fits,
                other => other,
            };
        }
        let mut body = |shell: &mut Self| {
            let flow = item.cmd.as_ref().map_or(Flow::Next, |body| shell.list(body));
            match item.post_action {
                _ if flow != Flow::Next => flow,
                CaseItemPostAction::ExitCase => Flow::Next,
                CaseItemPostAction::UnconditionallyExecuteNextCaseItem => {
                    shell.case_items(clause, value, from + 1, true)
                }
                CaseItemPostAction::ContinueEvaluatingCases => {
                    shell.case_items(clause, value, from + 1, false)
                }
            }
        };
        match fits {
            Match::Yes => body(self),
            Match::No => self.case_items(clause, value, from + 1, false),
            Match::Unknown => {
                let text = format!("case {}", clause.value.value);
                let mut otherwise = |shell: &mut Self| shell.case_items(clause, value, from + 1, false);
                self.undecided(&text, UNKNOWN_CONDITION, &mut [&mut body, &mut otherwise])
            }
        }
    }
}
