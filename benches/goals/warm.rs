//! Builds when most is known already: nothing changed, a settings file, a package; locks, and the plan of a fleet.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::rootforge_bench::measure::{medians, run};
use crate::rootforge_bench::table::{Goal, Row, Table};
use crate::rootforge_bench::{Ground, Room, has};

/// How often each is run; the middle one counts.
const TIMES: usize = 11;

/// The recipes that are planned.
const FLEET: usize = 1000;

/// What a recipe of the fleet asks for: small programs, several of them in many.
const PACKAGES: &[&str] = &[
    "bash",
    "bc",
    "bzip2",
    "curl",
    "bind9-dnsutils",
    "file",
    "gawk",
    "git",
    "gnupg",
    "gzip",
    "jq",
    "less",
    "lsof",
    "make",
    "mawk",
    "nano",
    "netcat-openbsd",
    "openssh-client",
    "openssl",
    "patch",
    "perl",
    "procps",
    "psmisc",
    "python3",
    "rsync",
    "socat",
    "sqlite3",
    "strace",
    "sudo",
    "tar",
    "tmux",
    "tree",
    "unzip",
    "vim-tiny",
    "wget",
    "xz-utils",
    "zip",
    "zstd",
];

pub(crate) fn measure(ground: &Ground, table: &mut Table) {
    let row = |job: &str, goal, ours, peer| Row { job: job.to_owned(), goal, ours, peer };
    let job = Job::new(ground);
    let warm = job.again();
    let peer = has("buildah").then(|| buildah(ground)).flatten().map(|took| ("buildah".to_owned(), took));
    table.add(row("warm, nothing changed", Goal::Seconds(0.010), warm, None));
    table.add(row("warm, nothing changed, beside a peer", Goal::Times(0.2), warm, peer));
    table.add(row("one settings file changed", Goal::Seconds(0.030), job.settings(), None));
    table.add(row("one package updated, index cached", Goal::Seconds(0.300), job.package(), None));
    table.add(row("lock of 4 architectures, index cached", Goal::Seconds(0.150), job.lock(), None));
    table.add(row("lock of a desktop, index cached", Goal::Seconds(0.250), desktop(ground), None));
    table.add(row("plan of 1,000 recipes, manifests cached", Goal::Seconds(2.0), plan(ground), None));
}

/// The gallery's PulseAudio, built once.
struct Job<'g> {
    room: Room<'g>,
    /// What the cache knows of the base's layers.
    of_base: Vec<PathBuf>,
}

/// Where the cache has what layers came to.
const LAYERS: &str = "cache/derived/layer-1";

impl<'g> Job<'g> {
    fn new(ground: &'g Ground) -> Self {
        let room = ground.room();
        for name in ["pulseaudio.toml", "pulseaudio", "base/debian.toml"] {
            room.take(name);
        }
        run(&mut room.rootforge(&["build", "base/debian.toml", "--arch", "amd64"]));
        let of_base = below(&room.path(LAYERS));
        let job = Job { room, of_base };
        run(&mut job.build());
        job
    }

    fn build(&self) -> Command {
        self.room.rootforge(&["build", "pulseaudio.toml", "--arch", "amd64"])
    }

    /// A while after it was built: what was written within a moment is read once more, for its times do not tell yet
    /// whether somebody has written again.
    fn again(&self) -> f64 {
        std::thread::sleep(Duration::from_millis(500));
        run(&mut self.build());
        medians(TIMES, || (), || self.build()).wall
    }

    /// Another text each time, so that nothing of it is known.
    fn settings(&self) -> f64 {
        let number = std::cell::Cell::new(0);
        let change = || {
            number.set(number.get() + 1);
            self.room
                .write("pulseaudio/daemon.conf", format!("; change {}\nexit-idle-time = -1\n", number.get()));
        };
        medians(TIMES, change, || self.build()).wall
    }

    /// As if the lock had a new version of a package: it is not in the cache, nor are its list of files, what it gave to a
    /// layer and the layers above the base.
    fn package(&self) -> f64 {
        let lock = std::fs::read_to_string(self.room.path("work/pulseaudio.lock")).unwrap();
        let own = lock
            .split("[[package]]")
            .skip(1)
            .find(|part| part.contains("\nname = \"pulseaudio\"\n"))
            .unwrap();
        let digest = own.lines().find_map(|line| line.strip_prefix("content = \"sha256:")).unwrap();
        let place = digest.trim_end_matches('"');
        let piece = self.piece_of("usr/bin/pulseaudio");
        let forget = || {
            self.room.remove("cache/derived/image-1");
            std::fs::remove_file(&piece).unwrap();
            self.room.remove(&format!("cache/blobs/sha256/{place}"));
            for kind in below(&self.room.path("cache/derived")) {
                let name = kind.file_name().unwrap().to_string_lossy().into_owned();
                if name.starts_with("manifest-") {
                    self.room.remove(&format!("cache/derived/{name}/{place}"));
                }
            }
            for path in below(&self.room.path(LAYERS)).iter().filter(|path| !self.of_base.contains(path)) {
                std::fs::remove_file(path).unwrap();
            }
        };
        medians(TIMES, forget, || self.build()).wall
    }

    /// Where the cache has the place of the piece of a layer that a file is in: the blob's digest as text, then numbers of
    /// seven bits a byte, first the place in the blob, the checksum and the size of the tar.
    fn piece_of(&self, file: &str) -> PathBuf {
        let number = |bytes: &mut dyn Iterator<Item = u8>| {
            let mut number = 0_u64;
            for (place, byte) in bytes.enumerate() {
                number |= u64::from(byte & 0x7f) << (7 * place);
                if byte < 0x80 {
                    break;
                }
            }
            number
        };
        let has = |place: &PathBuf| {
            let place = std::fs::read(place).unwrap();
            let (text, numbers) = place[1..].split_at(usize::from(place[0]));
            let digest = std::str::from_utf8(text).unwrap().trim_start_matches("sha256:");
            let mut numbers = numbers.iter().copied();
            let [start, _, size] = [(); 3].map(|()| number(&mut numbers));
            let mut blob = File::open(self.room.path(&format!("cache/blobs/sha256/{digest}"))).unwrap();
            blob.seek(SeekFrom::Start(start)).unwrap();
            let piece = flate2::read::MultiGzDecoder::new(blob).take(size);
            // Programs have the names of others in them: what counts is an entry.
            let mut piece = tar::Archive::new(piece);
            piece.entries().unwrap().any(|entry| entry.unwrap().path().unwrap() == Path::new(file))
        };
        below(&self.room.path("cache/derived/piece-place-2")).into_iter().find(has).unwrap()
    }

    fn lock(&self) -> f64 {
        let forget = || {
            self.room.remove("work/pulseaudio.lock");
            self.room.remove("work/base/debian.lock");
        };
        let lock = |more: &[&str]| {
            self.room.rootforge(&[&["lock", "pulseaudio.toml", "--arch", "all"], more].concat())
        };
        forget();
        // A mirror that is being updated may lack an index of the security archive.
        let whole = lock(&[]).status().is_ok_and(|status| status.success());
        let more: &[&str] = if whole { &[] } else { &["--without", "security"] };
        println!("locked {}", if whole { "with all suites" } else { "without security" });
        forget();
        run(&mut lock(more));
        medians(TIMES, forget, || lock(more)).wall
    }
}

fn below(path: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The lock of a desktop, some 1,100 packages.
fn desktop(ground: &Ground) -> f64 {
    let room = ground.room();
    room.write(
        "desktop.toml",
        "name = \"desktop\"\nfrom = \"debian:trixie\"\n\n[[layer]]\nname = \"desktop\"\npackages = [\"gnome\"]\n",
    );
    let lock = || room.rootforge(&["lock", "desktop.toml", "--arch", "amd64"]);
    run(&mut lock());
    medians(TIMES, || room.remove("work/desktop.lock"), lock).wall
}

/// The plan of many recipes that ask for what others ask for too.
fn plan(ground: &Ground) -> f64 {
    let room = ground.room();
    let mut arguments = vec!["plan".to_owned(), "--arch".to_owned(), "amd64".to_owned()];
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for number in 0..FLEET {
        let mut packages: Vec<&str> = (0..=next(4)).map(|_| PACKAGES[next(PACKAGES.len())]).collect();
        packages.sort_unstable();
        packages.dedup();
        let name = format!("fleet/f{number}.toml");
        room.write(
            &name,
            format!(
                "name = \"f{number}\"\nfrom = \"debian:trixie\"\n\n[[layer]]\nname = \"own\"\npackages = {packages:?}\n"
            ),
        );
        arguments.push(name);
    }
    let plan = || room.rootforge(&arguments);
    run(&mut plan());
    medians(3, || (), plan).wall
}

/// `buildah bud --layers` of a Containerfile whose layers are all known.
fn buildah(ground: &Ground) -> Option<f64> {
    let room = ground.room();
    room.write("Containerfile", "FROM scratch\nCOPY file /file\nLABEL a=b\n");
    room.write("file", "content\n");
    let build = || {
        let mut command = Command::new("buildah");
        for (flag, place) in [("--root", "storage"), ("--runroot", "run")] {
            command.arg(flag).arg(room.path(place));
        }
        command.args(["--storage-driver", "vfs", "bud", "--layers", "--quiet", "--tag", "x", "."]);
        command
            .current_dir(room.path("work"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    if !build().status().is_ok_and(|status| status.success()) {
        println!("passed over: buildah cannot build here");
        return None;
    }
    Some(medians(TIMES, || (), build).wall)
}
