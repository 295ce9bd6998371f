//! The built-in commands that set variables, functions, aliases and options (XCU 2.14, `export` to `unset`).

use super::World;
use super::state::Shell;
use super::text::is_known;

impl<W: World> Shell<W> {
    pub(super) fn declare(&mut self, command: &str, arguments: &[String]) {
        if command != "export" && command != "readonly" && !self.own.locals.is_empty() {
            self.local(arguments);
            return;
        }
        let mut export = command == "export";
        for argument in arguments {
            match argument.as_str() {
                "-n" => export = false,
                "-x" => export = true,
                flag if flag.starts_with('-') => {}
                text => {
                    let (name, value) = match text.split_once('=') {
                        Some((name, value)) => (name, Some(value)),
                        None => (text, None),
                    };
                    if let Some(value) = value {
                        self.assign(name, value.to_owned());
                    }
                    let variable = self.own.variables.entry(name.to_owned()).or_default();
                    variable.exported |= export;
                    variable.readonly |= command == "readonly";
                }
            }
        }
        // `export x=$(false)` goes well.
        self.status = Some(0);
    }

    pub(super) fn local(&mut self, arguments: &[String]) {
        for argument in arguments.iter().filter(|argument| !argument.starts_with('-')) {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let before = self.own.variables.get(name).cloned();
            if let Some(locals) = self.own.locals.last_mut() {
                locals.entry(name.to_owned()).or_insert(before);
            }
            if let Some(value) = value {
                self.assign(name, value);
            }
        }
    }

    pub(super) fn unset(&mut self, arguments: &[String]) {
        let functions = arguments.first().is_some_and(|flag| flag == "-f");
        for name in arguments.iter().filter(|argument| !argument.starts_with('-')) {
            if functions {
                self.functions.remove(name);
            } else {
                self.own.variables.remove(name);
            }
        }
    }

    /// An alias is taken for a function that passes its arguments on.
    pub(super) fn alias(&mut self, arguments: &[String]) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        for argument in arguments {
            let Some((name, value)) = argument.split_once('=') else { continue };
            if name.is_empty() || !name.chars().all(is_plain) || !is_known(value) {
                self.tell(&format!("alias {argument}"), "this alias is not followed");
                continue;
            }
            // Within its own words it is the command.
            let command = if value.split_whitespace().next() == Some(name) { "command " } else { "" };
            self.text(&format!("{name}() {{ {command}{value} \"$@\"; }}"));
        }
    }

    pub(super) fn set(&mut self, arguments: &[String]) {
        let mut rest = arguments;
        while let Some((first, mut others)) = rest.split_first() {
            match first.as_str() {
                "--" => {
                    self.own.positional = others.to_vec();
                    return;
                }
                flags if flags.len() > 1 && flags.starts_with(['-', '+']) => {
                    let on = flags.starts_with('-');
                    for flag in flags.chars().skip(1) {
                        match others.split_first() {
                            Some((name, more)) if flag == 'o' => {
                                self.named_option(name, on);
                                others = more;
                            }
                            _ if flag == 'o' => {}
                            _ => self.option(Some(flag), on),
                        }
                    }
                }
                _ => {
                    self.own.positional = rest.to_vec();
                    return;
                }
            }
            rest = others;
        }
    }

    fn named_option(&mut self, name: &str, on: bool) {
        if name == "pipefail" {
            self.own.fails_in_pipes = on;
        }
        let flag = match name {
            "errexit" => Some('e'),
            "nounset" => Some('u'),
            "noglob" => Some('f'),
            "allexport" => Some('a'),
            "noclobber" => Some('C'),
            _ => None,
        };
        self.option(flag, on);
    }

    fn option(&mut self, flag: Option<char>, on: bool) {
        if let Some(flag) = flag {
            if on {
                self.own.options.insert(flag);
            } else {
                self.own.options.remove(&flag);
            }
        }
    }
}
