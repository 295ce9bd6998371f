//! A text and the names of commands -> those of them that it seems to run.
//!
//! Where a script of whatever language runs another program, that program's name stands in it, in quotes and alone or
//! with options after it; in a file of settings it is a whole path. So texts are not parsed for this, and what is put
//! together piece by piece is not found. Lines that begin as comments are passed over.

use std::collections::BTreeSet;

/// How a text names commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TextKind {
    /// A script or a module of one: in quotes, by name or path.
    Script,
    /// Settings: by path.
    Settings,
}

/// The directories of commands.
const DIRECTORIES: [&str; 5] = ["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/games/"];

/// Which of some commands a text names.
pub fn named_commands<'c>(text: &str, kind: TextKind, commands: &BTreeSet<&'c str>) -> BTreeSet<&'c str> {
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|line| !is_comment(line)) {
        let words: &mut dyn Iterator<Item = &str> = match kind {
            TextKind::Script => &mut quoted(line),
            TextKind::Settings => &mut paths(line),
        };
        found.extend(words.filter_map(|word| commands.get(word)));
    }
    found
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';']) || line.trim_start().starts_with("//")
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
        (alone || led()).then(|| name(&text[..end])).flatten()
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
        let found = named_commands(script, TextKind::Script, &commands);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["erl", "gpg", "ssh", "ssh-keygen"]);
        let settings =
            "cmd_rsync\t/usr/bin/rsync\n#cmd_ssh /usr/bin/ssh\nGPG=/bin/gpg, make \"make\"\n/opt/file\n";
        let found = named_commands(settings, TextKind::Settings, &commands);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["gpg", "rsync"]);
        assert!(named_commands("\"\u{e9}gpg\" 'ssh", TextKind::Script, &commands).is_empty());
    }
}
