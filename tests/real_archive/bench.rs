//! A directory to run the program in, on the real mirror.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rootforge::distro::{Archive, PackageFormat};
use rootforge::repository::{MachineSources, MirrorInputs, MirrorOrigin, Mirrors};
use rootforge::transport::{Transport, TransportOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::tools::{is_ci, unpack};

/// The cache that all tests share: `ROOTFORGE_TEST_CACHE`, else it stays, as everything that a build leaves, in the
/// target directory.
pub(crate) fn cache() -> PathBuf {
    let usual = concat!(env!("CARGO_TARGET_TMPDIR"), "/real-archive/cache");
    std::env::var_os("ROOTFORGE_TEST_CACHE").map_or_else(|| PathBuf::from(usual), PathBuf::from)
}

/// A directory of recipes, locks and images that goes with its test.
pub(crate) struct Bench {
    directory: TempDir,
}

/// What the recipe of a package is called: images may not have all names that packages may.
pub(crate) fn called(package: &str) -> String {
    package.replace('+', "p").replace(' ', "-with-")
}

/// What the program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The newest release of which the mirror has libc6 for every architecture of the recipes here. A mirror that fetches
/// what it is asked for may have indexes of one day and packages of another, which is no fault of the program's.
pub(crate) fn whole_release() -> &'static str {
    static RELEASE: OnceLock<&str> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let whole = ["trixie", "bookworm"].into_iter().find(|release| {
            let bench = Bench::new().unwrap();
            bench.recipe(
                &format!("debian:{release}"),
                "libc6",
                "keep = \"listed\"\ninclude = [\"/usr/lib/{triplet}/libc.so.6\"]",
            );
            let archs = ["--arch", "amd64,arm32v6,arm64,s390x"];
            let ran =
                bench.run(&[&["build", "libc6.toml", "--without", "updates,security"], &archs[..]].concat());
            let lacks = ["is out of step", "is not on the mirror any more", "http://snapshot.debian.org/"];
            let excused = lacks.iter().any(|words| ran.err.contains(words));
            assert!(ran.code == Some(0) || excused, "{}", ran.err);
            if excused && ran.code != Some(0) {
                println!("the mirror has {release} for some architectures only: {}", ran.err);
            }
            ran.code == Some(0)
        });
        whole.expect("no release of which the mirror has all architectures")
    })
}

/// What is called otherwise in bookworm: packages, and their own words.
const OF_BOOKWORM: [(&str, &str); 7] = [
    ("\"apt 3.", "\"apt 2."),
    ("\"pulseaudio 17", "\"pulseaudio 16"),
    ("libssl3t64", "libssl3"),
    ("openjdk-21", "openjdk-17"),
    ("postgresql-17", "postgresql-15"),
    ("/postgresql/17/", "/postgresql/15/"),
    ("(PostgreSQL) 17", "(PostgreSQL) 15"),
];

/// The Debian mirror of this machine's apt sources, where it answers.
pub(crate) fn mirror() -> Option<&'static str> {
    static MIRROR: OnceLock<Result<String, String>> = OnceLock::new();
    let found = MIRROR.get_or_init(|| {
        let inputs = MirrorInputs { machine: MachineSources::read(), ..MirrorInputs::default() };
        let mirror = Mirrors::new(&inputs).unwrap().find(Archive::Debian);
        if mirror.origin != MirrorOrigin::Machine(PackageFormat::Deb) {
            return Err("this machine has no Debian sources".to_owned());
        }
        let transport = Transport::new(TransportOptions::default()).unwrap();
        let release = format!("{}/dists/trixie/InRelease", mirror.url);
        transport.read(&release, 1 << 24).map_err(|error| error.to_string())?;
        Ok(mirror.url)
    });
    match found {
        Ok(url) => Some(url),
        Err(why) => {
            assert!(!is_ci(), "{why}");
            eprintln!("passed over: {why}");
            None
        }
    }
}

impl Bench {
    /// None where there is no mirror.
    pub(crate) fn new() -> Option<Self> {
        mirror()?;
        Some(Bench { directory: tempfile::tempdir().unwrap() })
    }

    /// With PulseAudio's recipe and what it takes from beside it, but no lock.
    pub(crate) fn with_pulseaudio() -> Option<Self> {
        let bench = Self::new()?;
        let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        for directory in ["pulseaudio", "base"] {
            fs::create_dir(bench.path(directory)).unwrap();
        }
        for recipe in ["pulseaudio.toml", "base/debian.toml"] {
            fs::copy(recipes.join(recipe), bench.path(recipe)).unwrap();
        }
        for entry in fs::read_dir(recipes.join("pulseaudio")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), bench.path("pulseaudio").join(entry.file_name())).unwrap();
        }
        Some(bench)
    }

    /// Puts the recipes here on a base of another release.
    pub(crate) fn on_release(self, release: &str) -> Self {
        if release == "trixie" {
            return self;
        }
        for recipe in
            ["base/debian", "base/debian-services", "debian-slim", "java", "postgresql", "pulseaudio"]
        {
            let path = self.path(&format!("{recipe}.toml"));
            let Ok(mut text) = fs::read_to_string(&path) else { continue };
            text = text.replace("debian:trixie", &format!("debian:{release}"));
            for (trixie, bookworm) in OF_BOOKWORM {
                text = text.replace(trixie, bookworm);
            }
            fs::write(path, text).unwrap();
        }
        self
    }

    /// The same, with locks for amd64, made once for all tests.
    pub(crate) fn with_locked_pulseaudio() -> Option<Self> {
        static LOCKS: OnceLock<[String; 2]> = OnceLock::new();
        let bench = Self::with_pulseaudio()?;
        let files = ["base/debian.lock", "pulseaudio.lock"].map(|name| bench.path(name));
        let locks = LOCKS.get_or_init(|| {
            bench.run(&["lock", "--arch", "amd64", "pulseaudio.toml"]).ok();
            files.each_ref().map(|file| fs::read_to_string(file).unwrap())
        });
        for (file, lock) in files.iter().zip(locks) {
            fs::write(file, lock).unwrap();
        }
        Some(bench)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a recipe of one layer with a package, or several with spaces between; `more` is said of the layer.
    pub(crate) fn recipe(&self, from: &str, package: &str, more: &str) -> String {
        let name = called(package);
        let packages = package.replace(' ', "\", \"");
        let file = format!("{name}.toml");
        let text = format!(
            "name = \"{name}\"\nfrom = \"{from}\"\n\n\
             [[layer]]\nname = \"{name}\"\npackages = [\"{packages}\"]\n{more}\n"
        );
        fs::write(self.path(&file), text).unwrap();
        file
    }

    /// The program, with the cache of all tests, and a home and temporary files of its own.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rootforge"));
        command.arg("--cache-dir").arg(cache()).args(arguments).current_dir(self.directory.path());
        command.env("HOME", self.path("home")).env("TMPDIR", self.directory.path());
        for name in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "SOURCE_DATE_EPOCH"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// What a build that works says as JSON.
    #[track_caller]
    pub(crate) fn build(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[&["--json", "build"], arguments].concat()).ok();
        serde_json::from_str(&ran.out).unwrap()
    }

    /// Unpacks an image of the layout `images`: its root directory.
    #[track_caller]
    pub(crate) fn unpack(&self, name: &str) -> PathBuf {
        unpack(&self.path("images"), name, &self.path(&format!("{name}.bundle")))
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ended(0, &[])
    }

    /// Ended with this code, and said all of this.
    #[track_caller]
    pub(crate) fn ended(self, code: i32, said: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        for words in said {
            assert!(self.err.contains(words), "{words:?} is not in: {}", self.err);
        }
        self
    }
}

/// Prints what an image takes, for people who watch sizes.
pub(crate) fn tell_sizes(built: &Value) {
    for image in built["images"].as_array().unwrap() {
        let sizes = image["sizes"].as_array().unwrap().iter().take(5);
        let largest: Vec<String> = sizes
            .map(|size| format!("{} {}", size["package"].as_str().unwrap(), megabytes(&size["bytes"])))
            .collect();
        eprintln!(
            "{} {}: {} unpacked, {} packed; {}",
            built["name"].as_str().unwrap(),
            image["arch"].as_str().unwrap(),
            megabytes(&image["unpacked"]),
            megabytes(&image["compressed"]),
            largest.join(", "),
        );
    }
}

fn megabytes(bytes: &Value) -> String {
    let tenths = bytes.as_u64().unwrap() / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// The bytes of one architecture's files.
pub(crate) fn unpacked(built: &Value) -> u64 {
    built["images"][0]["unpacked"].as_u64().unwrap()
}

/// A port of loopback that nobody listens on.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
