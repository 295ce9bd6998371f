//! `getopts`.

use super::World;
use super::state::Shell;

impl<W: World> Shell<W> {
    pub(super) fn getopts(&mut self, arguments: &[String]) {
        let [options, name, rest @ ..] = arguments else {
            self.status = Some(2);
            return;
        };
        let words = if rest.is_empty() { self.own.positional.clone() } else { rest.to_vec() };
        let mut index =
            self.variable("OPTIND").and_then(|text| text.parse::<usize>().ok()).unwrap_or(1).max(1);
        let letters: Vec<char> = words.get(index - 1).map(|word| word.chars().collect()).unwrap_or_default();
        if letters.len() < 2 || letters[0] != '-' || letters == ['-', '-'] {
            if letters == ['-', '-'] {
                self.assign("OPTIND", (index + 1).to_string());
            }
            self.assign(name, "?".to_owned());
            self.status = Some(1);
            return;
        }
        let at = self.own.option_letter.max(1);
        let letter = letters.get(at).copied().unwrap_or('?');
        let place = options.find(letter).filter(|_| letter != ':');
        let takes = place.is_some_and(|place| options[place + letter.len_utf8()..].starts_with(':'));
        let mut next = at + 1;
        let mut result = if place.is_some() { letter.to_string() } else { "?".to_owned() };
        let mut value = None;
        if takes {
            let rest: String = letters.get(next..).unwrap_or_default().iter().collect();
            value = if rest.is_empty() {
                index += 1;
                words.get(index - 1).cloned()
            } else {
                Some(rest)
            };
            next = letters.len();
            if value.is_none() {
                (if options.starts_with(':') { ":" } else { "?" }).clone_into(&mut result);
            }
        }
        if next >= letters.len() {
            index += 1;
            next = 0;
        }
        self.assign("OPTIND", index.to_string());
        self.own.option_letter = next;
        match value {
            Some(value) => self.assign("OPTARG", value),
            None if result == "?" && options.starts_with(':') => self.assign("OPTARG", letter.to_string()),
            None => {
                self.own.variables.remove("OPTARG");
            }
        }
        self.assign(name, result);
        self.status = Some(0);
    }
}
