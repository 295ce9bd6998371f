//! Simple commands (XCU 2.9.1): assignments, functions, built-in commands, and the world's.

use brush_parser::ast::{
    Assignment, AssignmentName, AssignmentValue, CommandPrefixOrSuffixItem, FunctionDefinition, IoRedirect,
    SimpleCommand,
};

use super::state::{Flow, Shell, Variable};
use super::text::{is_known, unknown};
use super::{Call, Reply, World};

/// Commands whose words after the name are assignments, which are not split.
const DECLARATIONS: [&str; 5] = ["export", "readonly", "local", "declare", "typeset"];
/// Built-in commands for which assignments before them stay (XCU 2.14).
const SPECIAL: [&str; 14] = [
    ":", ".", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift",
    "trap", "unset",
];

impl<W: World> Shell<W> {
    pub(super) fn simple(&mut self, command: &SimpleCommand) -> Flow {
        if let Some(location) = command.word_or_name.as_ref().and_then(|word| word.loc.as_ref()) {
            self.line = self.lines_before + location.start.line;
        }
        let prefix = command.prefix.iter().flat_map(|prefix| &prefix.0);
        let suffix = command.suffix.iter().flat_map(|suffix| &suffix.0);
        let (mut assignments, mut redirects) = (Vec::new(), Vec::new());
        for item in prefix {
            match item {
                CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) => assignments.push(assignment),
                CommandPrefixOrSuffixItem::IoRedirect(redirect) => redirects.push(redirect),
                CommandPrefixOrSuffixItem::Word(_) | CommandPrefixOrSuffixItem::ProcessSubstitution(..) => {}
            }
        }
        self.substituted = Some(0);
        let mut argv = Vec::new();
        if let Some(word) = &command.word_or_name {
            let Some(fields) = self.fields(&word.value) else { return self.failed_expansion() };
            argv.extend(fields);
        }
        let declares = argv.first().is_some_and(|name| DECLARATIONS.contains(&name.as_str()));
        for item in suffix {
            let fields = match item {
                CommandPrefixOrSuffixItem::IoRedirect(redirect) => {
                    redirects.push(redirect);
                    continue;
                }
                CommandPrefixOrSuffixItem::AssignmentWord(_, word) if declares => {
                    self.single(&word.value).map(|field| vec![field])
                }
                CommandPrefixOrSuffixItem::Word(word)
                | CommandPrefixOrSuffixItem::AssignmentWord(_, word) => self.fields(&word.value),
                CommandPrefixOrSuffixItem::ProcessSubstitution(..) => {
                    self.tell(&command.to_string(), "process substitution is not followed");
                    Some(vec![unknown()])
                }
            };
            let Some(fields) = fields else { return self.failed_expansion() };
            argv.extend(fields);
        }
        self.prepared(&argv, &assignments, &redirects)
    }

    /// A word that cannot be expanded: it has been told.
    fn failed_expansion(&mut self) -> Flow {
        if self.status.is_some_and(|status| status != 0) { Flow::Exit } else { Flow::Next }
    }

    fn prepared(&mut self, argv: &[String], assignments: &[&Assignment], redirects: &[&IoRedirect]) -> Flow {
        let descriptors = self.own.descriptors.clone();
        let Some(name) = argv.first() else {
            for assignment in assignments {
                if self.assignment(assignment, false).is_none() {
                    return self.failed_expansion();
                }
            }
            if self.redirect(redirects) {
                self.status = self.substituted;
            }
            self.own.descriptors = descriptors;
            return Flow::Next;
        };
        if !self.redirect(redirects) {
            self.own.descriptors = descriptors;
            return Flow::Next;
        }
        let stays = SPECIAL.contains(&name.as_str());
        let names = assignments.iter().filter(|_| !stays).map(|assignment| match &assignment.name {
            AssignmentName::VariableName(name) | AssignmentName::ArrayElementName(name, _) => name.clone(),
        });
        let before: Vec<(String, Option<Variable>)> =
            names.map(|name| (name.clone(), self.own.variables.get(&name).cloned())).collect();
        for assignment in assignments {
            if self.assignment(assignment, !stays).is_none() {
                return self.failed_expansion();
            }
        }
        let flow = self.call(argv);
        // What stands before a command holds for it alone; what the command itself sets stays.
        for (name, variable) in before.into_iter().rev() {
            match variable {
                Some(variable) => self.own.variables.insert(name, variable),
                None => self.own.variables.remove(&name),
            };
        }
        let keeps = name == "exec" && argv.len() == 1;
        if !keeps {
            self.own.descriptors = descriptors;
        }
        flow
    }

    fn assignment(&mut self, assignment: &Assignment, export: bool) -> Option<()> {
        let (name, word) = match (&assignment.name, &assignment.value) {
            (AssignmentName::VariableName(name), AssignmentValue::Scalar(word)) => (name, word),
            (AssignmentName::VariableName(name) | AssignmentName::ArrayElementName(name, _), _) => {
                self.tell(&assignment.to_string(), "arrays are not followed");
                self.assign(&name.clone(), unknown());
                return Some(());
            }
        };
        let mut value = self.assigned(&word.value)?;
        if self.own.variables.get(name).is_some_and(|variable| variable.readonly) {
            // The shell ends.
            self.status = Some(2);
            return None;
        }
        if assignment.append {
            value.insert_str(0, self.variable(name).unwrap_or_default());
        }
        self.assign(name, value);
        if export && let Some(variable) = self.own.variables.get_mut(name) {
            variable.exported = true;
        }
        Some(())
    }

    /// Calls a function, a built-in or another command.
    pub(super) fn call(&mut self, argv: &[String]) -> Flow {
        let Some(name) = argv.first() else { return Flow::Next };
        if !is_known(name) {
            self.tell(&argv.join(" "), "the command's name is not known");
            self.status = None;
            self.write(1, &unknown());
            return Flow::Next;
        }
        if let Some(function) =
            self.functions.get(name).filter(|_| !SPECIAL.contains(&name.as_str())).cloned()
        {
            return self.function(&function, &argv[1..]);
        }
        match self.builtin(argv) {
            Some(flow) => flow,
            None => self.external(argv),
        }
    }

    fn function(&mut self, function: &FunctionDefinition, arguments: &[String]) -> Flow {
        let positional = std::mem::replace(&mut self.own.positional, arguments.to_vec());
        let loops = std::mem::take(&mut self.own.loops);
        self.own.locals.push(std::collections::BTreeMap::new());
        let line = self.line;
        let flow = self
            .step(&function.fname.value, |shell| shell.redirected(function.body.1.as_ref(), &function.body.0))
            .unwrap_or(Flow::Exit);
        self.line = line;
        for (name, before) in self.own.locals.pop().unwrap_or_default() {
            match before {
                Some(variable) => self.own.variables.insert(name, variable),
                None => self.own.variables.remove(&name),
            };
        }
        self.own.loops = loops;
        self.own.positional = positional;
        if flow == Flow::Return { Flow::Next } else { flow }
    }

    /// Calls a command of the world.
    pub(super) fn external(&mut self, argv: &[String]) -> Flow {
        let stdin = self.input();
        self.charge(stdin.len() + self.length_of_variables());
        let call = Call {
            argv: argv.to_vec(),
            env: self.exported(),
            stdin,
            directory: self.own.directory.clone(),
            umask: self.own.umask,
            line: self.line,
            may_fail: self.own.may_fail(),
        };
        match self.world.run(&call) {
            Reply::Done { status, stdout, variables } => {
                self.write(1, &stdout);
                for (name, value) in variables {
                    self.assign(&name, value);
                }
                self.status = status;
            }
            Reply::Unknown(reason) => {
                self.tell(&argv.join(" "), reason);
                self.write(1, &unknown());
                self.status = None;
            }
        }
        Flow::Next
    }
}
