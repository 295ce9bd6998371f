//! Command lines -> options and operands, as `getopt_long(3)` has them.

/// An option: its letter or `\0`, its long name or nothing, whether a value follows.
pub(super) type Flag = (char, &'static str, bool);

/// What a command line says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    /// Options by name: the letter, or the long name where there is none. In order.
    pub(crate) options: Vec<(String, String)>,
    /// All else.
    pub(crate) operands: Vec<String>,
}

impl Arguments {
    /// Reads a command line without the command; the text of an option that is not known otherwise.
    pub(super) fn read(words: &[String], known: &[Flag]) -> Result<Self, String> {
        let mut read = Arguments::default();
        let mut words = words.iter();
        let name = |flag: &Flag| if flag.0 == '\0' { flag.1.to_owned() } else { flag.0.to_string() };
        let unknown = |word: &str| format!("there is no model of its option `{word}`");
        while let Some(word) = words.next() {
            if word == "--" {
                read.operands.extend(words.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                let (text, given) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                let exact = known.iter().find(|flag| flag.1 == text && !flag.1.is_empty());
                let flag = exact
                    .or_else(|| known.iter().find(|flag| flag.1.starts_with(text)))
                    .ok_or_else(|| unknown(word))?;
                let value = match (given, flag.2) {
                    (Some(value), _) => value.to_owned(),
                    (None, true) => words.next().cloned().unwrap_or_default(),
                    (None, false) => String::new(),
                };
                read.options.push((name(flag), value));
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                for (at, letter) in letters.char_indices() {
                    let flag = known.iter().find(|flag| flag.0 == letter).ok_or_else(|| unknown(word))?;
                    if !flag.2 {
                        read.options.push((name(flag), String::new()));
                        continue;
                    }
                    let rest = &letters[at + letter.len_utf8()..];
                    let value = if rest.is_empty() {
                        words.next().cloned().unwrap_or_default()
                    } else {
                        rest.to_owned()
                    };
                    read.options.push((name(flag), value));
                    break;
                }
            } else {
                read.operands.push(word.clone());
            }
        }
        Ok(read)
    }

    /// Whether an option is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| option == name)
    }

    /// The last value of an option.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }
}
