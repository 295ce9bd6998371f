//! The files of a unit -> what its section `[Service]` says (systemd.syntax(7), systemd.unit(5)).
//!
//! Left out: what a template of several services makes of the name of one (`%i`, `%n`).

use crate::effects::systemd::words::specify_with;

/// A service as its file and its drop-ins have it.
pub(in super::super) struct Unit<'a> {
    /// Its name without `.service`.
    stem: &'a str,
    /// The settings and their values, in order.
    settings: Vec<(String, String)>,
}

impl<'a> Unit<'a> {
    /// Of a name that ends in `.service`, and the texts of its file and its drop-ins in the order in which they count.
    pub(in super::super) fn new(name: &'a str, texts: &[impl AsRef<str>]) -> Self {
        let stem = name.strip_suffix(".service").unwrap_or(name);
        Unit { stem, settings: texts.iter().flat_map(|text| settings(text.as_ref())).collect() }
    }

    /// What is said of a setting, in order; an empty value takes back what stands before it.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for (_, value) in self.settings.iter().filter(|(key, _)| key == name) {
            match value.as_str() {
                "" => values.clear(),
                value => values.push(value),
            }
        }
        values
    }

    /// What was said last of a setting.
    pub(super) fn last(&self, name: &str) -> Option<&str> {
        self.values(name).pop()
    }

    /// Whether a setting is yes.
    pub(super) fn is_set(&self, name: &str) -> bool {
        let is_yes =
            |value: &str| matches!(value.to_lowercase().as_str(), "1" | "yes" | "y" | "true" | "t" | "on");
        self.last(name).is_some_and(is_yes)
    }

    /// The permission bits that were last said of a setting; what is no number is passed over.
    pub(super) fn mode(&self, name: &str) -> Option<u32> {
        let octal = |text: &&str| u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
        self.values(name).iter().rev().find_map(octal)
    }

    /// A text with its specifiers replaced; none where one says something of the machine, or of a service of which this
    /// is but the template.
    pub(super) fn specify(&self, text: &str) -> Option<String> {
        let (prefix, instance) = self.stem.split_once('@').unwrap_or((self.stem, ""));
        let alone = (prefix == self.stem).then_some(self.stem);
        specify_with(text, |letter| match letter {
            'E' => Some("/etc".to_owned()),
            'n' => alone.map(|stem| format!("{stem}.service")),
            'N' => alone.map(ToOwned::to_owned),
            'p' => Some(prefix.to_owned()),
            'j' => prefix.rsplit('-').next().map(ToOwned::to_owned),
            'i' | 'I' => alone.map(|_| instance.to_owned()),
            _ => None,
        })
    }
}

/// The directories of drop-ins that count for a service, those of the most services first.
pub(in super::super) fn drop_in_directories(name: &str) -> Vec<String> {
    let stem = name.strip_suffix(".service").unwrap_or(name);
    let prefixes = stem.match_indices('-').map(|(at, _)| format!("{}.service.d", &stem[..=at]));
    let all = std::iter::once("service.d".to_owned()).chain(prefixes);
    all.chain([format!("{name}.d")]).collect()
}

/// What the section of the service says in a file.
fn settings(text: &str) -> Vec<(String, String)> {
    let mut is_service = false;
    let mut settings = Vec::new();
    for line in joined(text) {
        let line = line.trim();
        if line.starts_with('[') {
            is_service = line == "[Service]";
        } else if is_service && let Some((key, value)) = line.split_once('=') {
            settings.push((key.trim_end().to_owned(), value.trim_start().to_owned()));
        }
    }
    settings
}

/// The lines without comments; one that ends in a backslash, which is not itself escaped, goes on in the next.
fn joined(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let text = text.trim_start_matches('\u{feff}');
    for part in text.lines().filter(|part| !part.trim_start().starts_with(['#', ';'])) {
        line.push_str(part);
        let backslashes = line.len() - line.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            line.pop();
            line.push(' ');
        } else {
            lines.push(std::mem::take(&mut line));
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, name: &str) -> Vec<String> {
        Unit::new("a.service", &[text]).values(name).into_iter().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn comments_are_left_out_before_lines_are_joined() {
        for (text, is) in [
            ("# old: \\\nA=one\n", "one"),
            ("; old \\\nA=one\n", "one"),
            ("A=one \\\n# comment\n  ; another \\\n two\n", "one   two"),
            ("B=x\\\\\nA=one\n", "one"),
            ("B=x\\\\\\\nA=no\nA=one\n", "one"),
            ("A=one\\\n\nA=two\n", "one two"),
            ("A = one\\", "one"),
            ("A=one # no comment\r\n", "one # no comment"),
            ("A=one \\\r\n two\r\n", "one   two"),
        ] {
            assert_eq!(values(&format!("[Service]\n{text}"), "A").join(" "), is, "{text:?}");
        }
        assert_eq!(values("\u{feff}[Service]\nA=one\n[Install]\nA=two\n", "A"), ["one"]);
    }

    #[test]
    fn empty_values_take_back_and_wrong_ones_are_passed_over() {
        let unit =
            Unit::new("a.service", &["[Service]\nA=1\nB=0700\nC=Yes\n", "A=no\n[Service]\nA=\nA=2\nB=9\n"]);
        assert_eq!((unit.values("A"), unit.mode("B"), unit.is_set("C")), (vec!["2"], Some(0o700), true));
        assert_eq!((unit.last("D"), unit.mode("D"), unit.is_set("A")), (None, None, false));
    }

    #[test]
    fn names_are_specifiers() {
        let specified = |name: &str, text: &str| Unit::new(name, &[""]).specify(text);
        let all = "%n %N %p %j %i[%I] %E%t";
        assert_eq!(specified("a-b.service", all).as_deref(), Some("a-b.service a-b a-b b [] /etc/run"));
        assert_eq!(specified("a-b@.service", "%p %j").as_deref(), Some("a-b b"));
        for of_one in ["%i", "%I", "%n", "%N", "%H"] {
            assert_eq!(specified("a@.service", of_one), None, "{of_one}");
        }
        assert_eq!(
            drop_in_directories("a-b-c.service"),
            ["service.d", "a-.service.d", "a-b-.service.d", "a-b-c.service.d"]
        );
    }
}
