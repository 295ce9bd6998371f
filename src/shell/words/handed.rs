//! A script of Perl, Python or Ruby -> the command lines in it that it hands to a shell or runs.
//!
//! These languages are not parsed: where a string of theirs begins, only running them tells for certain. What is looked for
//! is what introduces a command line: backquotes, `system`, `exec`, `open` with a pipe, `subprocess.run` and their
//! like, followed by text in quotes on the same line. So lines may be found that are none, in documentation above
//! all, and lines that are put together piece by piece are not found.

/// Further lines that are looked at for the end of a statement.
const STATEMENT: usize = 5;
/// What may stand between a word that runs something and the text in quotes, in bytes: a handle, brackets.
const BETWEEN: usize = 60;

/// What a shell is needed for in a command line.
const FOR_SHELL: &[char] =
    &['$', '&', '*', '(', ')', '{', '}', '[', ']', '\'', '"', ';', '\\', '|', '?', '<', '>', '~', '`', '\n'];
/// What shells do themselves and is a program too.
const PROGRAMS: [&str; 7] = ["echo", "false", "kill", "printf", "pwd", "test", "true"];

/// A language whose scripts are looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Perl,
    Python,
    Ruby,
}

/// What a script hands on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Handed {
    /// Assignments of plain texts, as a shell has them.
    pub(super) assignments: Vec<String>,
    /// Command lines.
    pub(super) lines: Vec<String>,
    /// Programs that are run without a shell, which would do itself what they do.
    pub(super) direct: Vec<String>,
}

impl Language {
    /// The language of an interpreter, by its name or path.
    fn of(program: &str) -> Option<Self> {
        let name = program.rsplit('/').next()?;
        match name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
            "perl" => Some(Language::Perl),
            "python" => Some(Language::Python),
            "ruby" => Some(Language::Ruby),
            _ => None,
        }
    }

    /// The words that run the text in quotes after them.
    fn runners(self) -> &'static [&'static str] {
        match self {
            Language::Perl => &["system", "exec", "open2", "open3"],
            Language::Python => &[
                "system",
                "popen",
                "Popen",
                "execv",
                "execvp",
                "execl",
                "execlp",
                "run",
                "call",
                "check_call",
                "check_output",
                "getoutput",
                "getstatusoutput",
            ],
            Language::Ruby => &["system", "exec", "spawn", "popen", "capture2", "capture2e", "capture3"],
        }
    }
}

/// Whether command lines are looked for in the scripts of an interpreter.
pub(super) fn is_understood(program: &str) -> bool {
    Language::of(program).is_some()
}

/// The command lines of a script; none where it is of another language.
pub(super) fn handed(text: &str) -> Option<Handed> {
    let shebang = text.lines().next()?.strip_prefix("#!")?;
    let language = shebang.split_ascii_whitespace().find_map(Language::of)?;
    let lines = code(text, language);
    let mut handed = Handed::default();
    for (at, line) in lines.iter().enumerate() {
        if language != Language::Python {
            handed.lines.extend(line.split('`').skip(1).step_by(2).filter(|_| is_even(line)).map(plain));
        }
        for (word, rest) in words(line) {
            if language.runners().contains(&word) {
                handed.lines.extend(argument(rest).map(|(line, _)| line));
            } else if language == Language::Perl && word == "open" {
                let statement = lines[at..].iter().take(STATEMENT).copied().collect::<Vec<_>>();
                handed.lines.extend(opened(rest, &statement));
            } else if language == Language::Perl && word == "qx" {
                handed.lines.extend(delimited(rest).map(|(line, _)| line));
            }
        }
        handed.assignments.extend(assignment(line));
    }
    // Perl and Ruby ask a shell only where a line has something for it.
    if language != Language::Python {
        let plain = handed.lines.iter().filter(|line| !line.contains(FOR_SHELL));
        let programs = plain.filter_map(|line| line.split_ascii_whitespace().next());
        handed.direct = programs.filter(|name| PROGRAMS.contains(name)).map(str::to_owned).collect();
    }
    Some(handed)
}

/// The lines that are neither comments nor documentation.
fn code(text: &str, language: Language) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut documents = false;
    for line in text.lines() {
        if language == Language::Perl {
            if line.starts_with("=cut") {
                documents = false;
                continue;
            }
            documents |= line
                .strip_prefix('=')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
        }
        if matches!(line.trim_end(), "__END__" | "__DATA__") {
            break;
        }
        if !documents && !line.trim_start().starts_with('#') {
            lines.push(line);
        }
    }
    lines
}

/// Whether backquotes close on their line.
fn is_even(line: &str) -> bool {
    line.matches('`').count().is_multiple_of(2)
}

/// The words of a line, each with what follows it.
fn words(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.find(is_of_word)?;
        let length = rest[start..].find(|c| !is_of_word(c)).unwrap_or(rest.len() - start);
        let sigil = rest[..start].chars().next_back().filter(|c| matches!(c, '$' | '@' | '%' | '-'));
        let word = &rest[start..start + length];
        rest = &rest[start + length..];
        // A variable of that name runs nothing.
        Some((if sigil.is_some() { "" } else { word }, rest))
    })
}

/// The first text in quotes after a word that runs something, or the variable that stands for it; and what follows.
fn argument(rest: &str) -> Option<(String, &str)> {
    let may_be_between = |c: char| c.is_ascii_alphanumeric() || "_$@,([\\ \t-".contains(c);
    let start = rest.find(|c| !may_be_between(c)).filter(|at| *at <= BETWEEN);
    // What a function of the script gets is no command line.
    let start = start.filter(|at| rest[..*at].matches('(').count() <= 1);
    match start.map(|at| rest.split_at(at)) {
        Some((_, quoted)) if quoted.starts_with(['"', '\'']) => delimited(quoted),
        _ => {
            let name = rest.trim_start_matches(['(', ' ', '[']).strip_prefix('$')?;
            let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
            (end > 0).then(|| (format!("${}", &name[..end]), &name[end..]))
        }
    }
}

/// The command line of Perl's `open`, with a pipe at its start or end or as its mode.
fn opened(rest: &str, statement: &[&str]) -> Option<String> {
    let (text, after) = argument(rest)?;
    if matches!(text.as_str(), "-|" | "|-") {
        return argument(after).map(|(line, _)| line);
    }
    if let Some(line) = text.strip_prefix('|').or_else(|| text.strip_suffix('|')) {
        return Some(line.to_owned());
    }
    // A text in several pieces: the pipe is at the end of the last.
    let ends = |line: &&str| line.contains(';');
    let end = statement.iter().position(ends).map_or(statement.len(), |at| at + 1);
    let is_pipe = statement[..end].iter().any(|line| line.contains("|\"") || line.contains("|'"));
    (is_pipe && !text.starts_with(['<', '>', '+'])).then_some(text)
}

/// What stands between a delimiter and the one that closes it, and what follows.
fn delimited(rest: &str) -> Option<(String, &str)> {
    let open =
        rest.trim_start().chars().next().filter(|c| !c.is_ascii_alphanumeric() && !c.is_whitespace())?;
    let close = match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        same => same,
    };
    let inner = &rest.trim_start()[open.len_utf8()..];
    let mut is_escaped = false;
    let end = inner.find(|c| {
        let ends = c == close && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })?;
    Some((plain(&inner[..end]), &inner[end + close.len_utf8()..]))
}

/// A text as a shell gets it.
fn plain(text: &str) -> String {
    text.replace("\\$", "$").replace("\\\"", "\"").replace("\\`", "`").replace("\\@", "@")
}

/// `$name = "text"` as a shell has it.
fn assignment(line: &str) -> Option<String> {
    let (name, rest) = line.split_once('=')?;
    let name =
        name.trim().trim_start_matches("my ").trim_start_matches("our ").trim().trim_start_matches('$');
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let rest = Some(rest.trim_start()).filter(|rest| rest.starts_with(['"', '\'']))?;
    let (text, _) = delimited(rest)?;
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._+- ".contains(c));
    (is_name && is_plain).then(|| format!("{name}='{text}'"))
}
