//! Builds with nothing in the cache: no lock, no index, no package.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::rootforge_bench::measure::{Took, medians, medians_by_turns, run, settle};
use crate::rootforge_bench::table::{Goal, Row, Table};
use crate::rootforge_bench::{Ground, Room, has};

/// How often each is run; the middle one counts.
const TIMES: usize = 5;

/// Recipes on one base.
const RECIPES: usize = 100;

pub(crate) fn measure(ground: &Ground, table: &mut Table) {
    let needed = Job::pulseaudio(ground, "needed");
    let all = Job::pulseaudio(ground, "all");
    let bash = Job::bash(ground);
    let [one, four] = needed.cold(["amd64", "all"]);
    let [whole] = all.cold(["amd64"]);
    let [shell] = bash.cold(["amd64"]);

    let peers = has("mmdebstrap").then(|| {
        let peer = Peer { ground, room: ground.room() };
        (peer.extract("pulseaudio"), peer.extract("bash"), has("umoci").then(|| peer.image("pulseaudio")))
    });
    let by = |name: &str, took: Option<Took>| took.map(|took| (name.to_owned(), took.wall));
    let extract = peers.map(|(extract, _, _)| extract);
    let row = |job: &str, goal, ours, peer| Row { job: job.to_owned(), goal, ours, peer };
    table.add(row("cold, `needed`", Goal::Times(0.15), one.wall, by("mmdebstrap", extract)));
    let image = peers.and_then(|(_, _, image)| image);
    table.add(row("cold, `all` less docs, to gzip", Goal::Times(0.40), whole.wall, by("and umoci", image)));
    let small = peers.map(|(_, bash, _)| bash);
    table.add(row("cold, `bash` (`listed`)", Goal::Times(0.25), shell.wall, by("mmdebstrap", small)));
    let single = Some(("one".to_owned(), one.wall));
    table.add(row("cold, four architectures in one call", Goal::Times(3.0), four.wall, single.clone()));
    table.add(row("peak memory, cold, `needed`", Goal::Bytes(200e6), one.peak, None));
    table.add(row("peak memory, cold, `all`", Goal::Bytes(300e6), whole.peak, None));
    table.add(row("peak memory, cold, four architectures", Goal::Bytes(200e6), four.peak, None));
    let fleet = Fleet::new(ground, RECIPES);
    settle();
    let hundred = (0..RECIPES).map(|number| run(&mut fleet.build(number)).wall).sum();
    table.add(row("100 recipes on one base, cold", Goal::Times(10.0), hundred, single));
}

/// A recipe that is built from nothing.
pub(crate) struct Job<'g> {
    room: Room<'g>,
    recipe: &'static str,
}

impl<'g> Job<'g> {
    /// The gallery's PulseAudio on bookworm. Of `all`, every file of its whole closure, less the strip classes.
    pub(crate) fn pulseaudio(ground: &'g Ground, keep: &str) -> Self {
        let room = ground.room();
        take_gallery(&room);
        if keep == "all" {
            room.write(
                "pulseaudio.toml",
                "name = \"pulseaudio\"\nfrom = \"debian:bookworm\"\n\n[[layer]]\nname = \"pulseaudio\"\n\
                 packages = [\"pulseaudio\"]\nkeep = \"all\"\n",
            );
        }
        Job { room, recipe: "pulseaudio.toml" }
    }

    fn bash(ground: &'g Ground) -> Self {
        let room = ground.room();
        take_gallery(&room);
        Job { room, recipe: "bash.toml" }
    }

    pub(crate) fn forget(&self) {
        for name in
            ["cache", "work/images", "work/pulseaudio.lock", "work/bash.lock", "work/base/debian.lock"]
        {
            self.room.remove(name);
        }
    }

    pub(crate) fn build(&self, archs: &str) -> Command {
        self.room.rootforge(&["build", self.recipe, "--arch", archs])
    }

    /// What it takes from nothing, for each of some sets of architectures. A first run, unmeasured, fills the mirror.
    fn cold<const N: usize>(&self, archs: [&str; N]) -> [Took; N] {
        for archs in archs {
            self.forget();
            run(&mut self.build(archs));
        }
        let builds = archs.map(|archs| move || self.build(archs));
        medians_by_turns(
            TIMES,
            || self.forget(),
            builds.each_ref().map(|build| build as &dyn Fn() -> Command),
        )
    }
}

/// Recipes of the gallery that are measured, on bookworm.
fn take_gallery(room: &Room<'_>) {
    for name in ["bash.toml", "pulseaudio.toml", "pulseaudio", "base/debian.toml"] {
        room.take(name);
    }
    let base = std::fs::read_to_string(room.path("work/base/debian.toml")).unwrap();
    room.write("base/debian.toml", base.replace("debian:trixie", "debian:bookworm"));
}

/// Images that share PulseAudio's layers and differ in a file.
pub(crate) struct Fleet<'g> {
    room: Room<'g>,
}

impl<'g> Fleet<'g> {
    /// So many recipes, of which nothing was built.
    pub(crate) fn new(ground: &'g Ground, count: usize) -> Self {
        let room = ground.room();
        take_gallery(&room);
        for number in 0..count {
            room.write(
                &format!("r{number}.toml"),
                format!(
                    "name = \"r{number}\"\nbase = \"pulseaudio.toml\"\n\n[[layer]]\nname = \"own\"\n\
                     files = [{{ path = \"/etc/number\", content = \"{number}\" }}]\n"
                ),
            );
        }
        Fleet { room }
    }

    pub(crate) fn build(&self, number: usize) -> Command {
        self.room.rootforge(&["build", &format!("r{number}.toml"), "--arch", "amd64"])
    }
}

/// mmdebstrap and umoci, on the same mirror.
struct Peer<'g> {
    ground: &'g Ground,
    room: Room<'g>,
}

impl Peer<'_> {
    fn debootstrap(&self, package: &str) -> Command {
        let suites = ["bookworm", "bookworm-updates"].map(|suite| (self.ground.mirror.url("debian"), suite));
        let security = (self.ground.mirror.url("debian-security"), "bookworm-security");
        let mut command = Command::new("mmdebstrap");
        command.args([
            "--quiet",
            "--variant=extract",
            "--architectures=amd64",
            "--include",
            package,
            "bookworm",
        ]);
        command.arg(self.room.path("root.tar"));
        for (url, suite) in suites.into_iter().chain([security]) {
            command.arg(format!("deb {url} {suite} main"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Every package of the closure, unpacked and put into a tarball.
    fn extract(&self, package: &str) -> Took {
        run(&mut self.debootstrap(package));
        medians(TIMES, || self.room.remove("root.tar"), || self.debootstrap(package))
    }

    /// The same, and from the tarball an image.
    fn image(&self, package: &str) -> Took {
        let script = "\"$@\" && umoci init --layout image && umoci new --image image:latest \
                      && umoci raw add-layer --image image:latest root.tar";
        let command = || {
            let inner = self.debootstrap(package);
            let mut command = Command::new("sh");
            command.args(["-c", script, "sh"]).arg(inner.get_program()).args(inner.get_args());
            command.current_dir(Path::new(&self.room.path(""))).stdout(Stdio::null());
            command
        };
        let forget = || ["root.tar", "image"].iter().for_each(|name| self.room.remove(name));
        medians(TIMES, forget, command)
    }
}
