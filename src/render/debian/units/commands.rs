//! Commands that are called before a service starts -> what they leave behind (systemd.service(5), "Command lines").
//!
//! Only those count that make directories, or give them to somebody. Left out: variables, which depend on what a
//! machine's administrator sets, and whether a command fails.

use crate::effects::systemd::words::word;
use crate::effects::{Effect, ModeChange, Owner, command_lines};
use crate::root_path::RootPath;

use super::made;

/// A command as it is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The name of its program.
    program: String,
    /// What follows that.
    words: Vec<String>,
    /// It runs as root, whoever the service is.
    pub(super) is_roots: bool,
}

/// The commands of a line, up to what cannot be read. Those are passed over whose words follow from variables, or are
/// none to `specify`.
pub(super) fn commands(line: &str, specify: impl Fn(&str) -> Option<String>) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut rest = line;
    while let Some((words, after)) = first_command(rest).filter(|(words, _)| !words.is_empty()) {
        commands.extend(Command::of(&words, &specify));
        rest = after;
    }
    commands
}

/// The words up to a semicolon that stands by itself, and what follows that; none where a quote stays open.
fn first_command(line: &str) -> Option<(Vec<String>, &str)> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        if let Some(after) = alone(rest, ";") {
            return Some((words, after));
        }
        let (word, after) = match alone(rest, "\\;") {
            Some(after) => (";".to_owned(), after),
            None => word(rest)?,
        };
        words.push(word);
        rest = after.trim_start();
    }
    Some((words, rest))
}

/// What follows a mark that is a word of its own.
fn alone<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    text.strip_prefix(mark).filter(|after| after.is_empty() || after.starts_with(char::is_whitespace))
}

impl Command {
    fn of(words: &[String], specify: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let (first, words) = words.split_first()?;
        let path = first.trim_start_matches(['-', ':', '@', '+', '!', '|']);
        let prefix = &first[..first.len() - path.len()];
        // What follows `@` is the name that the program is told to have.
        let words = if prefix.contains('@') { words.get(1..)? } else { words };
        let word = |word: &String| match specify(word)? {
            word if prefix.contains(':') => Some(word),
            word => without_variables(&word),
        };
        Some(Command {
            program: specify(path)?.rsplit('/').next().unwrap_or_default().to_owned(),
            words: words.iter().map(word).collect::<Option<_>>()?,
            // Two marks ask for what kernels have long been able to do without root.
            is_roots: prefix.contains('+') || prefix.matches('!').count() == 1,
        })
    }
}

/// A word in which two dollar signs are one; none where one begins a variable.
fn without_variables(word: &str) -> Option<String> {
    let parts: Vec<&str> = word.split("$$").collect();
    parts.iter().all(|part| !part.contains('$')).then(|| parts.join("$"))
}

/// How a command is run.
pub(super) struct Run<'a> {
    /// As whom.
    pub(super) owner: Owner,
    pub(super) umask: u32,
    /// Where relative paths start.
    pub(super) directory: &'a str,
    /// Whether something is at a path by then.
    pub(super) exists: &'a dyn Fn(&RootPath) -> bool,
    /// The group of a user's login, by name or number.
    pub(super) login_group: &'a dyn Fn(&str) -> Option<String>,
}

impl Run<'_> {
    /// What a command leaves behind; none where it does something else, or has options without a model.
    pub(super) fn effects(&self, command: &Command) -> Option<Vec<Effect>> {
        let words = &command.words;
        match command.program.as_str() {
            "mkdir" => self.mkdir(words),
            "install" => self.install(words),
            "chown" => self.chown(words, false),
            "chgrp" => self.chown(words, true),
            "chmod" => self.chmod(words),
            _ => None,
        }
    }

    fn mkdir(&self, words: &[String]) -> Option<Vec<Effect>> {
        let told = command_lines::mkdir(words).ok()?;
        let usual = 0o777 & !self.umask;
        let mode = told.value("m").map_or(Some(usual), |mode| command_lines::made_with(mode, 0o777))?;
        let mut effects = Vec::new();
        for path in self.paths(&told.operands).filter(|path| !(self.exists)(path)) {
            if told.has("p") {
                self.make_parents(&path, usual | 0o300, &mut effects);
            }
            effects.push(directory(path, mode, self.owner.clone()));
        }
        Some(effects)
    }

    fn install(&self, words: &[String]) -> Option<Vec<Effect>> {
        let told = command_lines::install(words).ok().filter(|told| told.has("d"))?;
        let mode = told.value("m").map_or(Some(0o755), |mode| command_lines::made_with(mode, 0))?;
        let mut effects = Vec::new();
        for path in self.paths(&told.operands) {
            // What is there keeps its owner unless another is named; its mode it does not.
            let own = if (self.exists)(&path) { Owner::default() } else { self.owner.clone() };
            let given = |name: &str, own| told.value(name).map(ToOwned::to_owned).or(own);
            let owner = Owner { user: given("o", own.user), group: given("g", own.group) };
            self.make_parents(&path, 0o755, &mut effects);
            effects.push(directory(path, mode, owner));
        }
        Some(effects)
    }

    fn chown(&self, words: &[String], is_group: bool) -> Option<Vec<Effect>> {
        let told = command_lines::chown(words).ok().filter(|told| !told.has("reference"))?;
        let (who, paths) = told.operands.split_first()?;
        let Owner { user, group } = if is_group {
            Owner { user: None, group: Some(who.clone()) }
        } else {
            command_lines::owner_of(who, self.login_group)
        };
        let recursive = told.has("R");
        let of = |path| Effect::Owner { path, user: user.clone(), group: group.clone(), recursive };
        Some(self.paths(paths).map(of).collect())
    }

    fn chmod(&self, words: &[String]) -> Option<Vec<Effect>> {
        let told = command_lines::chmod(words).ok().filter(|told| !told.has("reference"))?;
        let (mode, paths) = told.operands.split_first()?;
        let of = |path| Effect::Mode { path, mode: ModeChange::of(mode), recursive: told.has("R") };
        Some(self.paths(paths).map(of).collect())
    }

    fn paths(&self, operands: &[String]) -> impl Iterator<Item = RootPath> {
        let absolute = |path: &String| {
            let above = if path.starts_with('/') { "" } else { self.directory };
            RootPath::parse(&format!("{above}/{path}")).ok()
        };
        operands.iter().filter_map(absolute)
    }

    /// Makes the directories above a path that are missing below those that are there, after what the command has made.
    fn make_parents(&self, path: &RootPath, mode: u32, effects: &mut Vec<Effect>) {
        let is_there = |above: &RootPath| {
            (self.exists)(above) || effects.iter().any(|effect| made(effect) == Some(above))
        };
        let missing: Vec<RootPath> =
            path.ancestors().skip_while(|above| !is_there(above)).filter(|above| !is_there(above)).collect();
        effects.extend(missing.into_iter().map(|above| directory(above, mode, self.owner.clone())));
    }
}

fn directory(path: RootPath, mode: u32, owner: Owner) -> Effect {
    Effect::Directory { path, mode: Some(mode), owner: Some(owner) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `program[word|word]`, and `root:` before those that are root's.
    fn shown(line: &str) -> Vec<String> {
        let specify = |text: &str| (!text.contains('%')).then(|| text.to_owned());
        let show = |Command { program, words, is_roots }: Command| {
            format!("{}{program}[{}]", if is_roots { "root:" } else { "" }, words.join("|"))
        };
        commands(line, specify).into_iter().map(show).collect()
    }

    #[test]
    fn commands_are_what_stands_between_lone_semicolons() {
        for (line, are) in [
            (
                "/bin/mkdir -p /a ; -+/bin/chown b /a ; touch /c",
                &["mkdir[-p|/a]", "root:chown[b|/a]", "touch[/c]"][..],
            ),
            (r#"mkdir "/a ; b" \; ";" ';' /c;d /e; "#, &["mkdir[/a ; b|;|;|;|/c;d|/e;]"]),
            (r#""+/bin/mkdir" '/a\x20b' c\ "d"e"#, &[r"root:mkdir[/a b|c\ de]"]),
            ("mkdir /a ; mkdir '/b", &["mkdir[/a]"]),
            (
                "mkdir /%i ; mkdir $A ; mkdir /${B} ; mkdir /a$$b ; :mkdir /$$ $A",
                &["mkdir[/a$b]", "mkdir[/$$|$A]"],
            ),
            ("", &[]),
            ("-", &["[]"]),
        ] {
            assert_eq!(shown(line), are, "{line}");
        }
    }

    #[test]
    fn marks_before_a_command_are_its_own() {
        for (line, is) in [
            ("+mkdir", "root:mkdir[]"),
            ("-!mkdir", "root:mkdir[]"),
            ("!!mkdir", "mkdir[]"),
            ("!-!mkdir", "mkdir[]"),
            ("@/bin/mkdir mkdir -p /a", "mkdir[-p|/a]"),
            ("+@:/bin/mkdir - $a", "root:mkdir[$a]"),
        ] {
            assert_eq!(shown(line), [is], "{line}");
        }
        assert_eq!(shown("@/bin/mkdir"), Vec::<String>::new());
    }
}
