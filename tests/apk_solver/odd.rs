//! Small indexes full of odd cases, drawn at random.

use std::path::Path;

use rootforge::apk::Checksum;

use crate::apk_solver::oracle::{Repository, write_index};
use crate::apk_solver::random::Random;

const NAMES: [&str; 9] = ["a", "b", "c", "d", "E", "f", "g-doc", "h", "i"];
const VIRTUAL: [&str; 5] = ["v", "w", "so:x.so.1", "cmd:y", "/bin/sh"];
const VERSIONS: [&str; 14] = [
    "1",
    "1-r1",
    "1.0",
    "1.1",
    "1.10",
    "1.2_rc1",
    "1.2",
    "1.2_p1",
    "1.2a",
    "2",
    "1.01",
    "2_git3-r4",
    "1~odd",
    "3.0b-r2",
];
const OPERATORS: [&str; 9] = ["=", "<", ">", "<=", ">=", "~", ">~", "<~", "<=>"];
const TAGS: [&str; 2] = ["edge", "testing"];

/// Repositories, each with its tag and the text of its index.
pub(crate) struct Universe {
    pub(crate) repositories: Vec<(Option<String>, String)>,
    checksums: Vec<(String, Checksum)>,
    /// Most universes are gentle: fewer constraints and conflicts, so that more requests have a solution.
    gentle: bool,
    names: usize,
}

impl Universe {
    pub(crate) fn new(random: &mut Random) -> Self {
        let mut universe = Universe {
            repositories: Vec::new(),
            checksums: Vec::new(),
            gentle: random.percent(70),
            names: 0,
        };
        let repositories = 1 + random.below(3);
        let names = 3 + random.below(NAMES.len() - 2);
        universe.names = names;
        let virtuals = 1 + random.below(VIRTUAL.len());
        let mut texts = vec![String::new(); repositories];
        for name in &NAMES[..names] {
            for copy in 0..=random.below(3) {
                let record = universe.record(random, name, names, virtuals, copy);
                let place = random.below(repositories);
                texts[place] += &record;
                if random.percent(15) {
                    texts[random.below(repositories)] += &record;
                }
            }
        }
        if universe.gentle {
            // Everything is provided by something, at a price.
            for (number, name) in VIRTUAL.iter().enumerate() {
                let checksum = Checksum::of(name.as_bytes());
                let place = random.below(repositories);
                texts[place] += &format!("C:{checksum}\nP:z{number}\nV:1\nS:1\nI:1\nk:1\np:{name}\n\n");
            }
        }
        for text in texts {
            let tag = random.percent(25).then(|| random.one(&TAGS).to_owned());
            universe.repositories.push((tag, text));
        }
        universe
    }

    fn record(
        &mut self,
        random: &mut Random,
        name: &str,
        names: usize,
        virtuals: usize,
        copy: usize,
    ) -> String {
        let checksum = Checksum::of(format!("{name} {copy} {}", random.below(1000)).as_bytes());
        let mut text = format!("C:{checksum}\nP:{name}\nV:{}\n", random.one(&VERSIONS));
        text += if random.percent(10) { "S:1\nI:0\n" } else { "S:1\nI:4096\n" };
        text += "T:odd\nU:none\nL:none\n";
        if random.percent(if self.gentle { 60 } else { 25 }) {
            text += &format!("k:{}\n", random.below(3) * 10);
        }
        let depends: Vec<String> = (0..random.below(if self.gentle { 3 } else { 4 }))
            .map(|_| self.relation(random, names, virtuals, 12))
            .collect();
        if !depends.is_empty() {
            text += &format!("D:{}\n", depends.join(" "));
        }
        let provides: Vec<String> =
            (0..random.below(3)).map(|_| self.provided(random, names, virtuals)).collect();
        if !provides.is_empty() {
            text += &format!("p:{}\n", provides.join(" "));
        }
        if random.percent(20) {
            let conditions: Vec<String> =
                (0..=random.below(2)).map(|_| self.relation(random, names, virtuals, 8)).collect();
            text += &format!("i:{}\n", conditions.join(" "));
        }
        self.checksums.push((name.to_owned(), checksum));
        text + "\n"
    }

    /// A relation to a name, a conflict so many times in a hundred.
    fn relation(&self, random: &mut Random, names: usize, virtuals: usize, conflicts: usize) -> String {
        let odd = if self.gentle { 4 } else { 1 };
        if random.percent(3 / odd) && !self.checksums.is_empty() {
            let (name, checksum) = &self.checksums[random.below(self.checksums.len())];
            return format!("{name}><{checksum}");
        }
        if random.percent(1) && !self.gentle {
            return random.one(&["a>=", "b=1.x", "unknown", "!unknown"]).to_owned();
        }
        let name =
            if random.percent(40) { VIRTUAL[random.below(virtuals)] } else { NAMES[random.below(names)] };
        let conflict = if random.percent(conflicts / odd) { "!" } else { "" };
        let constraint = if random.percent(28 / odd) { constraint(random) } else { String::new() };
        format!("{conflict}{name}{constraint}")
    }

    fn provided(&self, random: &mut Random, names: usize, virtuals: usize) -> String {
        let own = if self.gentle { 5 } else { 15 };
        let name =
            if random.percent(own) { NAMES[random.below(names)] } else { VIRTUAL[random.below(virtuals)] };
        if random.percent(50) {
            name.to_owned()
        } else {
            format!("{name}={}", random.one(&["1", "1.2", "2-r1"]))
        }
    }

    /// One to four relations for the world, none of a name twice.
    pub(crate) fn request(&self, random: &mut Random) -> Vec<String> {
        let mut request: Vec<(String, String)> = Vec::new();
        for _ in 0..=random.below(4) {
            let relation = self.relation(random, self.names, VIRTUAL.len(), 8);
            let Ok(parsed) = relation.parse::<rootforge::apk::Relation>() else { continue };
            if request.iter().any(|(name, _)| *name == parsed.name) {
                continue;
            }
            let there = self.repositories[random.below(self.repositories.len())].0.clone();
            let tag = if random.percent(2) {
                Some("other".to_owned())
            } else {
                there.filter(|_| random.percent(60))
            };
            let world = rootforge::apk::Relation { tag, ..parsed.clone() };
            request.push((parsed.name, world.to_string()));
        }
        if request.is_empty() {
            request.push(("a".to_owned(), "a".to_owned()));
        }
        request.into_iter().map(|(_, relation)| relation).collect()
    }

    /// Writes the repositories below a directory.
    pub(crate) fn write(&self, directory: &Path) -> Vec<Repository> {
        let write = |(number, (tag, text)): (usize, &(Option<String>, String))| {
            let path = directory.join(number.to_string());
            write_index(&path.join("x86_64/APKINDEX.tar.gz"), text);
            Repository { tag: tag.clone(), path }
        };
        self.repositories.iter().enumerate().map(write).collect()
    }
}

fn constraint(random: &mut Random) -> String {
    let valid: Vec<&str> = VERSIONS.into_iter().filter(|version| !version.contains('~')).collect();
    format!("{}{}", random.one(&OPERATORS), random.one(&valid))
}

/// A version, or something like one.
pub(crate) fn version(random: &mut Random) -> String {
    let number = |random: &mut Random| random.one(&["0", "1", "2", "10", "01", "002", "100", "20240101"]);
    let mut version = number(random).to_owned();
    for _ in 0..random.below(4) {
        version += ".";
        version += number(random);
    }
    if random.percent(25) {
        version += random.one(&["a", "b", "z"]);
    }
    while random.percent(35) {
        version +=
            random.one(&["_alpha", "_beta", "_pre", "_rc", "_cvs", "_svn", "_git", "_hg", "_p", "_odd", "_"]);
        if random.percent(60) {
            version += number(random);
        }
    }
    if random.percent(50) {
        version += "-r";
        version += number(random);
    }
    if random.percent(8) {
        version += random.one(&["~1", "A", "-", ".", "+1", "-r", "a", "0"]);
    }
    version
}

/// A version with a part more, less or another.
pub(crate) fn changed(random: &mut Random, version: &str) -> String {
    let at = random.below(version.len() + 1);
    let (start, end) = version.split_at(at);
    match random.below(3) {
        0 => format!("{start}{}{end}", random.one(&["0", "1", ".1", ".0", "_p1", "_rc", "a", "-r1"])),
        1 => start.to_owned() + end.get(1..).unwrap_or_default(),
        _ if at > 0 => start.to_owned(),
        _ => format!("{version}.1"),
    }
}
