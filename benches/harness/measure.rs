//! What a program takes: time on the clock and of the processor, and memory at most.

use std::io::Write as _;
use std::process::{Child, Command};
use std::str::FromStr;
use std::time::{Duration, Instant};

use memmap2::{Advice, MmapMut};

/// What one run took, or the medians of several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of all processors, of all processes.
    pub(crate) cpu: f64,
    /// Bytes that the first process held at most.
    pub(crate) peak: f64,
}

/// Runs a command, which must succeed.
pub(crate) fn run(command: &mut Command) -> Took {
    let cpu = of_children();
    let start = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let peak = peak(&mut child);
    let status = child.wait().unwrap();
    let wall = start.elapsed().as_secs_f64();
    assert!(status.success(), "{command:?}: {status}");
    Took { wall, cpu: of_children() - cpu, peak }
}

/// The medians of several runs; `before` each, unmeasured, what makes them alike.
pub(crate) fn medians(times: usize, before: impl Fn(), command: impl Fn() -> Command) -> Took {
    let [took] = medians_by_turns(times, before, [&command]);
    took
}

/// As [`medians`], of several commands by turns: what the machine does beside them does it to all.
pub(crate) fn medians_by_turns<const N: usize>(
    times: usize,
    before: impl Fn(),
    commands: [&dyn Fn() -> Command; N],
) -> [Took; N] {
    let mut runs = [(); N].map(|()| Vec::new());
    for _ in 0..times {
        for (command, runs) in commands.iter().zip(&mut runs) {
            before();
            settle();
            runs.push(run(&mut command()));
        }
    }
    runs.map(|runs| {
        let median = |of: fn(&Took) -> f64| median(runs.iter().map(of).collect());
        Took { wall: median(|took| took.wall), cpu: median(|took| took.cpu), peak: median(|took| took.peak) }
    })
}

/// What is touched so that the memory is at hand, in bytes: more than any of the programs takes, files and all.
const AT_HAND: u64 = 1 << 30;

/// Sees to it that what went before does not slow down what comes next: waits until all that was written is on the disk,
/// and takes memory once and gives it back. A virtual machine's memory that was free for a while may have gone back to
/// the host, and comes from there again page by page, ten times as slowly. It goes in pieces of some megabytes, and of
/// such are made the pages of large files; what is asked for by small pages is found between them, where it never went.
/// For some hundred megabytes of files that a program writes that is not enough: so as much is written into a file that
/// nobody sees, and forgotten before it is on the disk.
pub(crate) fn settle() {
    let available: Option<u64> = kilobytes("/proc/meminfo", "MemAvailable:");
    let bytes = AT_HAND.min(available.unwrap_or(0) * 1024 / 2);
    let mut file = tempfile::tempfile().unwrap();
    let piece = vec![1; 1 << 20];
    (0..bytes >> 20).for_each(|_| file.write_all(&piece).unwrap());
    drop(file);
    let done = Command::new("sync").status();
    assert!(done.is_ok_and(|status| status.success()), "sync fails");
    let mut memory = MmapMut::map_anon(usize::try_from(bytes).unwrap().max(1)).unwrap();
    // Where there are none it is by small pages.
    let _ = memory.advise(Advice::HugePage);
    memory.fill(1);
}

/// A figure of a file below `/proc` that tells kilobytes.
fn kilobytes<T: FromStr>(path: &str, name: &str) -> Option<T> {
    let text = std::fs::read_to_string(path).ok()?;
    let figure = text.lines().find_map(|line| line.strip_prefix(name))?;
    figure.trim().strip_suffix(" kB")?.parse().ok()
}

/// The middle one; the mean of two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

/// Watches a process until its end. The kernel keeps the maximum, so that only the last moments can be missed.
fn peak(child: &mut Child) -> f64 {
    let status = format!("/proc/{}/status", child.id());
    let (mut peak, mut pause) = (0.0, Duration::from_micros(500));
    loop {
        peak = kilobytes(&status, "VmHWM:").map_or(peak, |kilobytes: f64| kilobytes * 1024.0);
        if child.try_wait().unwrap().is_some() {
            return peak;
        }
        std::thread::sleep(pause);
        pause = (pause + pause / 8).min(Duration::from_millis(5));
    }
}

/// Seconds of the processor that ended children have used, and theirs.
fn of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // proc_pid_stat(5): cutime and cstime are the fields 16 and 17, in hundredths; the state, the third, comes first here.
    fields[13..15].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
