//! What a shell's script calls where the parser does not know all of its grammar: made into what it knows, or looked at
//! line by line.

use std::fmt::Write as _;

/// What stands before a command on its line.
const BEFORE: [&str; 9] = ["if", "elif", "while", "until", "then", "else", "do", "!", "{"];
/// What stands behind one.
const BEHIND: [&str; 9] = [";;", "then", "do", "{", "&&", "||", "|", ";", "\\"];
/// So many lines are looked at.
const MOST: usize = 30_000;
/// So many brackets a command may open.
const DEEPEST: usize = 8;
/// The operators of bash's conditions.
const OPERATORS: [&str; 7] = ["!", "&&", "(", ")", "<", ">", "||"];

/// A script with loops of bash's in the place of its menus (`select NAME in ...; do`), which the parser does not know.
pub(super) fn without_select(text: &str) -> Option<String> {
    let menu = |line: &str| line.trim_start().starts_with("select ") && line.contains(" in ");
    let loops = |line| if menu(line) { line.replacen("select", "for", 1) } else { line.to_owned() };
    text.lines().any(menu).then(|| text.split_inclusive('\n').map(loops).collect())
}

/// A script in which bash's conditions (`[[ ... ]]`) do nothing but expand their words: the parser knows no brackets within
/// brackets there.
pub(super) fn without_conditions(text: &str) -> Option<String> {
    let lines: Vec<_> = text.split_inclusive('\n').map(|line| (line, without_condition(line))).collect();
    let is_other = lines.iter().any(|(_, other)| other.is_some());
    is_other
        .then(|| lines.into_iter().map(|(line, other)| other.unwrap_or_else(|| line.to_owned())).collect())
}

fn without_condition(line: &str) -> Option<String> {
    let mut without = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("[[ ") {
        let Some((condition, behind)) = after.split_once(" ]]") else { break };
        without.push_str(before);
        without.push(':');
        for word in condition.split(' ').filter(|word| !OPERATORS.contains(word)) {
            let _ = write!(without, " {word}");
        }
        rest = behind;
    }
    let is_other = !without.is_empty();
    without.push_str(rest);
    is_other.then_some(without)
}

/// The start of a script up to the line in which the shell gives way to another interpreter, for which the rest is
/// written: `exec wish "$0" "$@"` in a script of Tcl's.
pub(super) fn before_exec(text: &str) -> Option<&str> {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        if line.starts_with("exec ") {
            return text.get(..end);
        }
    }
    None
}

/// The same, where nothing but comments stands before that line: what follows may look like a shell's.
pub(super) fn handed_on(text: &str) -> Option<&str> {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let program = line.strip_prefix("exec ")?.trim_start();
        return text.get(..end).filter(|_| program.starts_with(|c: char| c.is_alphabetic() || c == '/'));
    }
    None
}

/// What seem to be the simple commands of a script, a line each. The parser takes long for brackets that do not end.
pub(super) fn commands(text: &str) -> impl Iterator<Item = &str> {
    let opens = |line: &str| line.bytes().filter(|byte| matches!(byte, b'(' | b'{' | b'`' | b'[')).count();
    let all = text.lines().take(MOST).map(bare).filter(|line| !line.is_empty() && !line.starts_with('#'));
    all.filter(move |line| opens(line) <= DEEPEST)
}

/// The names of the functions that a script seems to define: `NAME() {` or `function NAME {`.
pub(super) fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let name = match line.strip_prefix("function ") {
            Some(rest) => rest.split(|c: char| c.is_whitespace() || c == '(').next()?,
            None => line.split_once("()")?.0.trim_end(),
        };
        let is_name = |c: char| c.is_alphanumeric() || "_-.:".contains(c);
        (!name.is_empty() && name.chars().all(is_name)).then_some(name)
    })
}

/// A line without the words of compound commands around what it calls.
fn bare(line: &str) -> &str {
    let mut line = line.trim();
    // A branch of `case`: its pattern is a word.
    if let Some((pattern, rest)) = line.split_once(')')
        && !pattern.contains(|c: char| c.is_whitespace() || "($`\"'".contains(c))
    {
        line = rest.trim_start();
    }
    while let Some((word, rest)) = line.split_once(' ')
        && BEFORE.contains(&word)
    {
        line = rest.trim_start();
    }
    while let Some(rest) = BEHIND.iter().find_map(|word| line.strip_suffix(word))
        && (rest.is_empty() || rest.ends_with([' ', ';']) || !line.ends_with(char::is_alphanumeric))
    {
        line = rest.trim_end();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_expand_their_words() {
        let text =
            "[[ ( ( -n $a ) ) ]] && stat x\nif [[ -n $(id) || ( $o =~ x && y ) ]]; then ls; fi\n[[ a\n";
        let without = ": -n $a && stat x\nif : -n $(id) $o =~ x y; then ls; fi\n[[ a\n";
        assert_eq!(without_conditions(text).unwrap(), without);
        assert_eq!(without_conditions("[ a ]\n"), None);
    }

    #[test]
    fn lines_are_freed_of_compound_commands() {
        for (line, expected) in [
            ("  if ! grep -q x y; then", "grep -q x y"),
            ("while read -r line; do", "read -r line"),
            ("-h|--help) usage --do ;;", "usage --do"),
            ("echo \"$(id)\" |", "echo \"$(id)\""),
            ("f() {", "f()"),
            ("sudo", "sudo"),
            ("{ ls", "ls"),
            ("then", ""),
        ] {
            assert_eq!(bare(line), expected, "{line}");
        }
        assert_eq!(commands("# a\n\nls\n((((((((((\n").collect::<Vec<_>>(), ["ls"]);
        let text = "find() {\nfunction look {\n  seek () (\necho a b()\n";
        assert_eq!(functions(text).collect::<Vec<_>>(), ["find", "look", "seek"]);
    }
}
