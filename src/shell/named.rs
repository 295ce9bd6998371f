//! A text and the names of commands -> those of them that it seems to run.
//!
//! Where a script runs another program, that program's name stands in it, in quotes and alone or with options after it;
//! in a script of a shell it is a command word as well; in a file of settings it is a whole path. So other texts than those of
//! shells are not parsed for this, and what is put together piece by piece is not found. Lines that begin as comments of
//! the text's language are passed over.

use std::collections::BTreeSet;

use super::words::words;

/// How a text names commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TextKind {
    /// A script or a module of one, whose comments begin so: in quotes, by name or path.
    Script(&'static [&'static str]),
    /// A script of a shell: as it calls them, or in quotes.
    Shell,
    /// Settings: by path.
    Settings,
}

/// The directories of commands.
const DIRECTORIES: [&str; 5] = ["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/games/"];

/// How comments begin in files of settings.
const COMMENTS: [&str; 3] = ["#", ";", "//"];

/// Words of HTTP before all (RFC 9110 section 9), and commands of libwww-perl after that.
const METHODS: [&str; 4] = ["DELETE", "GET", "HEAD", "POST"];

/// Which of some commands a text names.
pub fn named_commands<'c>(text: &str, kind: TextKind, commands: &BTreeSet<&'c str>) -> BTreeSet<&'c str> {
    let known = |word: &str| commands.get(word).copied();
    match kind {
        TextKind::Shell => {
            let words = words(text.as_bytes()).unwrap_or_default();
            let called = words.commands.iter().chain(&words.sought).filter_map(|word| name(word));
            // What a variable may stand for is text: `${TOOL='/usr/bin/tool'}`.
            called.chain(lines(text, &["#"]).flat_map(quoted)).filter_map(known).collect()
        }
        TextKind::Script(comments) => lines(text, comments).flat_map(quoted).filter_map(known).collect(),
        TextKind::Settings => lines(text, &COMMENTS).flat_map(paths).filter_map(known).collect(),
    }
}

fn lines<'t>(text: &'t str, comments: &'static [&'static str]) -> impl Iterator<Item = &'t str> {
    let is_comment =
        move |line: &&str| comments.iter().any(|comment| line.trim_start().starts_with(*comment));
    text.lines().filter(move |line| !is_comment(line))
}

/// The names of commands that may begin what stands in quotes.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    let openings = line.match_indices(['"', '\'', '`']).map(|(at, _)| &line[at + 1..]);
    openings.filter_map(|text| {
        let end = text.find(|c: char| !is_plain(c))?;
        let after = &text[end..];
        let alone = after.starts_with(['"', '\'', '`']);
        // Of a sentence, the second word is one too.
        let led =
            || after.starts_with(' ') && after[1..].starts_with(['-', '/', '$', '%', '{', '<', '>', '|']);
        let word = &text[..end];
        (!METHODS.contains(&word) && (alone || led())).then(|| name(word)).flatten()
    })
}

/// The names of commands that stand as paths.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !is_plain(c)).filter(|word| word.starts_with('/'));
    words.filter_map(name)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._+/".contains(c)
}

/// The command that a word stands for: a name, or a path in a directory of commands.
fn name(word: &str) -> Option<&str> {
    let name = DIRECTORIES.iter().find_map(|directory| word.strip_prefix(directory)).unwrap_or(word);
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_in_quotes_or_as_paths() {
        let commands = BTreeSet::from(["gpg", "ssh", "ssh-keygen", "erl", "rsync", "file", "make"]);
        let script = "self.call = \"gpg\"\nmy @ssh = ('ssh');\nopen($fh, \"ssh-keygen -l -f $x |\")\nERL_EXEC=\"erl\"\n\
                      # \"make\"\nhelp='file to read', \"rsync\\n\", \"a/make\"\n";
        let found = named_commands(script, TextKind::Script(&["#"]), &commands);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["erl", "gpg", "ssh", "ssh-keygen"]);
        let settings =
            "cmd_rsync\t/usr/bin/rsync\n#cmd_ssh /usr/bin/ssh\nGPG=/bin/gpg, make \"make\"\n/opt/file\n";
        let found = named_commands(settings, TextKind::Settings, &commands);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["gpg", "rsync"]);
        assert!(named_commands("\"\u{e9}gpg\" 'ssh", TextKind::Script(&[]), &commands).is_empty());
    }

    /// A private field of JavaScript begins as a comment of others does, as does Perl's `//`.
    #[test]
    fn comments_are_those_of_the_language() {
        let commands = BTreeSet::from(["R", "HEAD", "gpg", "ssh"]);
        let found = |text, comments| named_commands(text, TextKind::Script(comments), &commands);
        assert_eq!(found("  #cmd = \"gpg\";\n  // \"ssh\"\n", &["//"]), BTreeSet::from(["gpg"]));
        assert_eq!(found("$x\n    // \"gpg\";\n# \"ssh\"\n", &["#"]), BTreeSet::from(["gpg"]));
        assert_eq!(found("cmd = ('R', 'RHOME')\nmethod = 'HEAD'\n", &["#"]), BTreeSet::from(["R"]));
        assert_eq!(found("run('/usr/bin/HEAD')\n", &["#"]), BTreeSet::from(["HEAD"]));
    }

    #[test]
    fn scripts_of_shells_call_them() {
        let commands = BTreeSet::from(["gpg", "ssh", "ssh-keygen", "rsync", "m4"]);
        let script = "#!/bin/sh\n# 'ssh'\nM4=${M4-'/usr/bin/m4'}\nif [ -x /usr/bin/rsync ]; then exec gpg \"$@\"; fi\n/usr/bin/ssh-keygen -A\n";
        let found = named_commands(script, TextKind::Shell, &commands);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["gpg", "m4", "rsync", "ssh-keygen"]);
    }
}
