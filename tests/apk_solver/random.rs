//! Requests drawn at random, the same for the same seed.

use rootforge::repository::ApkIndex;

/// Numbers by `SplitMix64`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut random =
            Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a limit.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What the names of an index are, and the versions they have.
pub(crate) struct Words {
    packages: Vec<(String, String)>,
    provided: Vec<(String, Option<String>)>,
}

impl Words {
    pub(crate) fn of(index: &ApkIndex) -> Self {
        let mut words = Words { packages: Vec::new(), provided: Vec::new() };
        for id in index.packages() {
            let record = index.record(id);
            words.packages.push((record.name.clone(), record.version.clone()));
            for provided in record.provides.split_whitespace() {
                let (name, version) =
                    provided.split_once('=').map_or((provided, None), |(n, v)| (n, Some(v)));
                words.provided.push((name.to_owned(), version.map(str::to_owned)));
            }
        }
        words
    }

    /// One to four names, none twice.
    pub(crate) fn request(&self, random: &mut Random) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut request = Vec::new();
        if random.percent(40) {
            names.push("busybox".to_owned());
            request.push("busybox".to_owned());
        }
        for _ in 0..=random.below(4) {
            let (name, version) = self.name(random);
            if names.contains(&name) {
                continue;
            }
            let conflict = if random.percent(8) { "!" } else { "" };
            let constraint = match version {
                Some(version) if random.percent(25) => {
                    let operator = random.one(&["=", "<", ">", "<=", ">=", "~", ">~", "<~"]);
                    format!("{operator}{}", near(random, &version))
                }
                _ => String::new(),
            };
            request.push(format!("{conflict}{name}{constraint}"));
            names.push(name);
        }
        request
    }

    fn name(&self, random: &mut Random) -> (String, Option<String>) {
        match random.below(100) {
            0 => ("no-such-package".to_owned(), None),
            1..=65 => {
                let (name, version) = &self.packages[random.below(self.packages.len())];
                (name.clone(), Some(version.clone()))
            }
            _ => self.provided[random.below(self.provided.len())].clone(),
        }
    }
}

/// A version, or one near it.
fn near(random: &mut Random, version: &str) -> String {
    let base = version.split("-r").next().unwrap();
    match random.below(5) {
        0 => base.split('.').take(2).collect::<Vec<_>>().join("."),
        1 => base.to_owned(),
        2 => format!("{base}-r9"),
        _ => version.to_owned(),
    }
}
