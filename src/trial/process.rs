//! A process with a time limit, what it reads given to it, and what it writes kept within bounds.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What is kept of each stream, in bytes; the rest is read and dropped.
const MAX_KEPT: u64 = 1 << 20;

/// What a process did.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// None where it was stopped because its time was over.
    pub(super) status: Option<ExitStatus>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// How a process is begun.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start {
    /// Users and groups of its user namespace are mapped from outside.
    pub(super) maps_ids: bool,
    /// User and group whose its output streams are, so that it may open `/dev/stderr`; only root can give them away.
    pub(super) owner: Option<(u32, u32)>,
}

/// Runs a command. With `maps_ids` it starts in a user namespace of its own, and waits for a line on its standard
/// input until all users and groups are mapped to themselves there; only root can do that.
pub(super) fn run(command: &mut Command, stdin: &[u8], limit: Duration, start: Start) -> io::Result<Ended> {
    let Start { maps_ids, owner } = start;
    let (output, stdout) = pipe(owner)?;
    let (errors, stderr) = pipe(owner)?;
    command.stdin(Stdio::piped()).stdout(stdout).stderr(stderr);
    let child = command.spawn();
    // The ends that the child writes to are its own from here on.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child?;
    let input = child.stdin.take();
    if maps_ids && let Err(error) = map_ids(&mut child) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that does not read its input is no mistake.
            if let Some(mut input) = input {
                let _ = if maps_ids { input.write_all(b"\n") } else { Ok(()) };
                let _ = input.write_all(stdin);
            }
        });
        let stdout = scope.spawn(move || kept(output));
        let stderr = scope.spawn(move || kept(errors));
        let status = wait(&mut child, limit)?;
        Ok(Ended {
            status,
            stdout: stdout.join().unwrap_or_default(),
            stderr: stderr.join().unwrap_or_default(),
        })
    })
}

/// A pipe, and whose it is.
fn pipe(owner: Option<(u32, u32)>) -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    if let Some((uid, gid)) = owner {
        std::os::unix::fs::fchown(&writer, Some(uid), Some(gid))?;
    }
    Ok((reader, writer))
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now().checked_add(limit);
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            // The sandbox dies with it, and everything in the sandbox.
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn kept(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.by_ref().take(MAX_KEPT).read_to_end(&mut bytes);
    let _ = io::copy(&mut stream, &mut io::sink());
    bytes
}

/// Maps every user and group to itself, once the process has its own user namespace.
fn map_ids(child: &mut Child) -> io::Result<()> {
    let of = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/user"));
    let (own, id) = (of("self")?, child.id().to_string());
    let end = Instant::now() + Duration::from_secs(10);
    while of(&id)? == own {
        if child.try_wait()?.is_some() || Instant::now() > end {
            return Err(io::Error::other("it got no user namespace of its own"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{id}/{map}"), identity(&std::fs::read(format!("/proc/self/{map}"))?))?;
    }
    Ok(())
}

/// The caller's own map (`user_namespaces(7)`) with what is inside on both sides.
fn identity(map: &[u8]) -> String {
    let text = String::from_utf8_lossy(map).into_owned();
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (inside, _, count) = (words.next()?, words.next()?, words.next()?);
        Some(format!("{inside} {inside} {count}\n"))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_limited_and_streams_are_kept() {
        let mut shell = Command::new("/bin/sh");
        let ended = run(
            shell.args(["-c", "cat; echo e >&2; exit 3"]),
            b"in",
            Duration::from_secs(20),
            Start::default(),
        )
        .unwrap();
        assert_eq!(
            (ended.status.unwrap().code(), &ended.stdout[..], &ended.stderr[..]),
            (Some(3), &b"in"[..], &b"e\n"[..])
        );
        let mut sleep = Command::new("/bin/sleep");
        let begun = Instant::now();
        let ended = run(sleep.arg("60"), b"", Duration::from_millis(100), Start::default()).unwrap();
        assert!(ended.status.is_none() && begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn maps_are_turned_to_identity() {
        assert_eq!(identity(b"         0     100000      65536\n"), "0 0 65536\n");
    }
}
