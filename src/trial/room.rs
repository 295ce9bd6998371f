//! An unpacked image, ready for tests.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::arch::Arch;
use crate::recipe::{ImageConfig, Test};
use crate::root_path::RootPath;

use super::account::account;
use super::copies::{copy_tree, is_directory, remove_tree, writable};
use super::emulator::{Emulator, emulator_for};
use super::judge::{Outcome, judge};
use super::launch::{EMULATOR, Launch, Line};
use super::process::{self, Ended};
use super::trace::missing;
use super::{Tools, TrialError};

/// How long a test may take unless it says so itself.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What a container's names are looked up in: itself.
const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// An image's files in a directory, and how to run them.
pub struct Room<'a> {
    tools: &'a Tools,
    config: &'a ImageConfig,
    scratch: PathBuf,
    root: PathBuf,
    emulator: Option<Emulator>,
    /// Whether the kernel can be told of the emulator for a sandbox alone.
    is_told: bool,
}

impl<'a> Room<'a> {
    /// For the image unpacked at `root`, which lies in `scratch`, a directory for this alone. `config` is the
    /// image's, with its `PATH`.
    pub fn new(
        tools: &'a Tools,
        arch: Arch,
        config: &'a ImageConfig,
        scratch: &Path,
        root: &Path,
    ) -> Result<Self, TrialError> {
        let emulator = emulator_for(arch, tools)?;
        let mut room = Room {
            tools,
            config,
            scratch: scratch.to_owned(),
            root: root.to_owned(),
            emulator,
            is_told: false,
        };
        room.furnish()?;
        room.is_told = room.emulator.is_some() && room.can_tell();
        if let Some(emulator) = room.emulator.as_ref().filter(|_| !room.is_told) {
            let place = room.root.join(EMULATOR.trim_start_matches('/'));
            place_program(&emulator.program, &place)
                .map_err(TrialError::machine("copy the emulator to", &place))?;
        }
        Ok(room)
    }

    /// Whether what a test's program starts is emulated too. Where not, only the program itself is.
    pub fn emulates_children(&self) -> bool {
        self.emulator.is_none() || self.is_told
    }

    /// What every runtime makes in an image's root: places for mounts, and the working directory.
    fn furnish(&self) -> Result<(), TrialError> {
        for directory in ["proc", "dev", "sys"] {
            let _ = fs::create_dir(self.root.join(directory));
        }
        fs::create_dir_all(self.scratch.join("binfmt"))
            .and_then(|()| fs::set_permissions(&self.scratch, fs::Permissions::from_mode(0o711)))
            .map_err(TrialError::machine("prepare", &self.scratch))?;
        if let Some(workdir) = &self.config.workdir {
            self.make_directory(workdir)?;
        }
        for (name, text) in [("hosts", HOSTS), ("resolv.conf", "")] {
            let path = self.scratch.join(name);
            fs::write(&path, text).map_err(TrialError::machine("write", &path))?;
        }
        Ok(())
    }

    /// Makes a directory of the image that it lacks; what is a link or lies behind one stays as it is.
    fn make_directory(&self, path: &RootPath) -> Result<(), TrialError> {
        let place = self.root.join(path.relative());
        let passes_link = path.ancestors().chain([path.clone()]).any(|path| {
            fs::symlink_metadata(self.root.join(path.relative())).is_ok_and(|metadata| !metadata.is_dir())
        });
        if passes_link {
            return Ok(());
        }
        fs::create_dir_all(&place).map_err(TrialError::machine("make the directory", &place))
    }

    /// Whether a program that does nothing can be started with the emulator's rule in place.
    fn can_tell(&self) -> bool {
        let Some(emulator) = &self.emulator else { return false };
        let (Some(unshare), Some(program)) = (self.tools.find("unshare"), self.tools.find("true")) else {
            return false;
        };
        let misc = self.scratch.join("binfmt");
        let script =
            "mount -t binfmt_misc binfmt_misc \"$1\" && printf %s \"$2\" >\"$1/register\" && exec \"$3\"";
        let mut command = std::process::Command::new(unshare);
        command.args(["--user", "--map-root-user", "--mount", "--", "/bin/sh", "-c", script, "sh"]);
        command
            .arg(misc)
            .arg(&emulator.rule)
            .arg(program)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        process::run(&mut command, b"", TIMEOUT, process::Start::default())
            .is_ok_and(|ended| ended.status.is_some_and(|status| status.success()))
    }

    /// Runs a test. Where it fails, it is run again to see which files it looks for.
    pub fn run(&self, test: &Test) -> Result<Outcome, TrialError> {
        let ended = self.run_once(test, None)?;
        let mut outcome = judge(test, &ended);
        if !outcome.faults.is_empty() && self.tools.find("strace").is_some() {
            let traces = self.scratch.join("trace");
            fs::create_dir_all(&traces).map_err(TrialError::machine("make the directory", &traces))?;
            let traced = self.run_once(test, Some(&traces.join("of")));
            if traced.is_ok() {
                let workdir = self.config.workdir.clone().unwrap_or_else(RootPath::root);
                outcome.missing = missing(&traces, &test.run, EMULATOR, &workdir, &self.root);
            }
            remove_tree(&traces);
        }
        Ok(outcome)
    }

    fn run_once(&self, test: &Test, trace: Option<&Path>) -> Result<Ended, TrialError> {
        let user = test.user.as_deref().or(self.config.user.as_deref());
        let account = account(&self.root, user)?;
        let mut env: BTreeMap<String, String> = self.config.env.clone();
        env.extend(test.env.clone());
        if let Some(home) = &account.home {
            env.entry("HOME".into()).or_insert_with(|| home.clone());
        }
        let mut direct = Vec::new();
        if let Some(emulator) = &self.emulator {
            // It reads this itself, however it is started.
            env.extend(emulator.cpu.map(|cpu| ("QEMU_CPU".to_owned(), cpu.to_owned())));
            if !self.is_told {
                direct = vec![EMULATOR.to_owned()];
            }
        }
        let mut program = test.run.clone();
        if !direct.is_empty() {
            program[0] = self.find_program(&program[0], env.get("PATH").map_or("", String::as_str));
        }
        let copies = self.scratch.join("copies");
        let binds = self.binds(test, &copies, (account.uid, account.gid))?;
        let workdir = self.config.workdir.clone().unwrap_or_else(RootPath::root);
        let launch = Launch {
            tools: self.tools,
            scratch: &self.scratch,
            root: &self.root,
            binds: &binds,
            account: &account,
            env: &env,
            workdir: &workdir,
            network: test.network,
            rule: self.emulator.as_ref().filter(|_| self.is_told).map(|emulator| emulator.rule.as_str()),
            direct: &direct,
            trace,
            program: &program,
        };
        let line: Line = launch.line()?;
        let limit = test.timeout.map_or(TIMEOUT, Duration::from_nanos);
        // Tracing makes everything slower.
        let limit = if trace.is_some() { limit * 2 } else { limit };
        let stdin = test.stdin.as_deref().unwrap_or_default().as_bytes();
        let mut command = line.command();
        let ended = process::run(&mut command, stdin, limit, line.start)
            .map_err(TrialError::machine("run", command.get_program()));
        remove_tree(&copies);
        ended
    }

    /// The directories that may be written to, and the files that every runtime brings.
    fn binds(
        &self,
        test: &Test,
        copies: &Path,
        owner: (u32, u32),
    ) -> Result<Vec<(RootPath, PathBuf, bool)>, TrialError> {
        remove_tree(copies);
        fs::create_dir(copies)
            .and_then(|()| fs::set_permissions(copies, fs::Permissions::from_mode(0o711)))
            .map_err(TrialError::machine("make the directory", copies))?;
        let mut binds = Vec::new();
        for (number, path) in
            writable(&self.root, &self.config.volumes, &test.writable).into_iter().enumerate()
        {
            let from = self.root.join(path.relative());
            let to = copies.join(number.to_string());
            if is_directory(&self.root, &path) {
                copy_tree(&from, &to).map_err(TrialError::machine("copy", &from))?;
            } else {
                self.make_directory(&path)?;
                fs::create_dir(&to).map_err(TrialError::machine("make the directory", &to))?;
                // Without privilege it is the caller's, who is that user in the sandbox.
                let _ = std::os::unix::fs::chown(&to, Some(owner.0), Some(owner.1));
            }
            binds.push((path, to, true));
        }
        if let Ok(etc) = RootPath::parse("/etc")
            && is_directory(&self.root, &etc)
        {
            for name in ["hosts", "resolv.conf"] {
                let own = self.root.join("etc").join(name);
                let is_link = fs::symlink_metadata(&own).is_ok_and(|metadata| metadata.is_symlink());
                let Ok(path) = etc.join(name) else { continue };
                if is_link || (!own.exists() && fs::write(&own, "").is_err()) {
                    continue;
                }
                let of_machine = Path::new("/etc").join(name);
                let source =
                    if test.network && of_machine.is_file() { of_machine } else { self.scratch.join(name) };
                binds.push((path, source, false));
            }
        }
        Ok(binds)
    }

    /// Where a program without a path is, as execvp(3) would find it in the image; itself where it is not.
    fn find_program(&self, name: &str, path: &str) -> String {
        if name.contains('/') {
            return name.to_owned();
        }
        let places = path.split(':').filter(|directory| directory.starts_with('/'));
        let mut places = places.map(|directory| format!("{directory}/{name}"));
        let found =
            places.find(|place| fs::symlink_metadata(self.root.join(place.trim_start_matches('/'))).is_ok());
        found.unwrap_or_else(|| name.to_owned())
    }
}

/// Copies a program into an image; a link there by its name leads nowhere.
fn place_program(program: &Path, place: &Path) -> io::Result<()> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(place)?;
    io::copy(&mut File::open(program)?, &mut file).map(drop)
}
