//! How time and memory grow: with packages, with recipes, with cores.

use std::fmt::Write as _;
use std::process::Command;

use crate::cold::{Fleet, Job};
use crate::rootforge_bench::measure::{Took, medians, run};
use crate::rootforge_bench::plot::{Line, draw};
use crate::rootforge_bench::{Ground, has};
use crate::support::Archive;
use crate::support::archive::key;

const PACKAGES: [usize; 5] = [10, 30, 100, 300, 1000];
const RECIPES: [usize; 4] = [1, 10, 100, 1000];

pub(crate) fn draw_all(ground: &Ground) {
    packages(ground);
    recipes(ground);
    cores(ground);
}

/// Cold builds of images with so many packages, made here: each has 64 KiB of text.
fn packages(ground: &Ground) {
    let (mut times, mut peaks) = (Vec::new(), Vec::new());
    for count in PACKAGES {
        let room = ground.room();
        let mut text = String::new();
        for number in 0..count {
            let _ = writeln!(text, "Package: p{number}\n/usr/share/p{number}/text 0644 {}\n", words(number));
        }
        Archive::new(&text).write(&room.path("archive"));
        room.write("key.asc", key().public());
        let names: Vec<String> = (0..count).map(|number| format!("\"p{number}\"")).collect();
        room.write(
            "many.toml",
            format!(
                "name = \"many\"\nfrom = \"debian:trixie\"\nkeys = [\"key.asc\"]\n\n\
                 [[layer]]\nname = \"all\"\nkeep = \"all\"\npackages = [{}]\n",
                names.join(", ")
            ),
        );
        let root = room.path("archive").display().to_string();
        let build = || room.rootforge_at(|_| root.clone(), &["build", "many.toml", "--arch", "amd64"]);
        let forget = || ["cache", "work/images", "work/many.lock"].iter().for_each(|name| room.remove(name));
        let took = medians(3, forget, build);
        println!("{count} packages: {:.2} s, {:.0} MB", took.wall, took.peak / 1e6);
        times.push((as_f64(count), took.wall));
        peaks.push((as_f64(count), took.peak / 1e6));
    }
    let line = |name: &str, points| [Line { name: name.to_owned(), points }];
    let title = "A cold build by the number of packages";
    draw(&ground.output("packages-time.svg"), title, "packages", "seconds", &line("time", times));
    draw(&ground.output("packages-memory.svg"), title, "packages", "MB at most", &line("memory", peaks));
}

/// Cold builds of so many recipes on one base, one after another.
fn recipes(ground: &Ground) {
    let most = RECIPES[RECIPES.len() - 1];
    let fleet = Fleet::new(ground, most);
    let (mut total, mut peak) = (0.0, 0.0_f64);
    let (mut times, mut peaks) = (Vec::new(), Vec::new());
    for number in 0..most {
        let took = run(&mut fleet.build(number));
        total += took.wall;
        peak = peak.max(took.peak);
        if RECIPES.contains(&(number + 1)) {
            println!("{} recipes: {total:.2} s, {:.0} MB", number + 1, peak / 1e6);
            times.push((as_f64(number + 1), total));
            peaks.push((as_f64(number + 1), peak / 1e6));
        }
    }
    let line = |name: &str, points| [Line { name: name.to_owned(), points }];
    let title = "Recipes on one base, built one after another, first with nothing in the cache";
    draw(&ground.output("recipes-time.svg"), title, "recipes", "seconds", &line("time", times));
    draw(&ground.output("recipes-memory.svg"), title, "recipes", "MB at most", &line("memory", peaks));
}

/// Cold builds on one core and on two.
fn cores(ground: &Ground) {
    if !has("taskset") {
        return;
    }
    let (mut times, mut peaks) = (Vec::new(), Vec::new());
    for keep in ["needed", "all"] {
        let job = Job::pulseaudio(ground, keep);
        let on = |cores: &str| {
            let command = || {
                let build = job.build("amd64");
                let mut command = Command::new("taskset");
                command.args(["-c", cores]).arg(build.get_program()).args(build.get_args());
                command.current_dir(build.get_current_dir().unwrap()).stdout(std::process::Stdio::null());
                command
            };
            medians(3, || job.forget(), command)
        };
        // The mirror is filled already.
        let took: [Took; 2] = [on("0"), on("0,1")];
        println!("`{keep}`: {:.2} s on one core, {:.2} s on two", took[0].wall, took[1].wall);
        let points = |of: fn(&Took) -> f64| vec![(1.0, of(&took[0])), (2.0, of(&took[1]))];
        times.push(Line { name: format!("`{keep}`"), points: points(|took| took.wall) });
        peaks.push(Line { name: format!("`{keep}`"), points: points(|took| took.peak / 1e6) });
    }
    let title = "A cold build of PulseAudio by the number of cores";
    draw(&ground.output("cores-time.svg"), title, "cores", "seconds", &times);
    draw(&ground.output("cores-memory.svg"), title, "cores", "MB at most", &peaks);
}

/// Text that is like no other package's, and that is compressed by half.
fn words(number: usize) -> String {
    let mut state = number as u64 + 1;
    let mut text = String::with_capacity(1 << 16);
    while text.len() < 1 << 16 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let _ = write!(text, "{:08x} ", state >> 32);
    }
    text
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}
