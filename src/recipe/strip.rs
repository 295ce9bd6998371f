//! Which kinds of files are left out of an image, whatever the layers say, and which of them are kept.
//!
//! What paths belong to a class is decided where files are selected.

use std::collections::BTreeSet;

use super::problems::quoted;
use super::reader::{Table, Value};

/// A kind of files that an image does without unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StripClass {
    /// Documentation below `/usr/share/doc`; copyright files are a matter of their own.
    Docs,
    /// Manual pages.
    Man,
    /// Info pages.
    Info,
    /// Translations and locale data, but for the listed ones.
    Locales,
    /// C headers.
    Headers,
    /// Perl's documentation.
    Pod,
    /// Static libraries.
    Static,
    /// pkg-config's files.
    Pkgconfig,
    /// Completions of shells.
    Completions,
    /// Lintian's overrides.
    Lintian,
    /// Hooks of reportbug.
    Bug,
    /// Registrations of documentation.
    DocBase,
    /// GDB's scripts.
    Gdb,
    /// `AppStream` metadata.
    Metainfo,
    /// systemd's units and presets.
    Systemd,
    /// Init scripts.
    Init,
    /// Jobs of cron.
    Cron,
    /// Rules of logrotate.
    Logrotate,
    /// `AppArmor` profiles.
    Apparmor,
    /// Profiles of ufw.
    Ufw,
    /// Rules of udev.
    Udev,
    /// Hooks of initramfs-tools.
    Initramfs,
    /// Desktop entries and menus.
    Menus,
    /// Icons and pixmaps.
    Icons,
    /// LLVM bitcode.
    Bitcode,
    /// Separate debug files.
    Debug,
    /// Caches of package managers.
    Caches,
    /// Packages' copyright files, which stay unless told otherwise.
    Copyright,
}

impl StripClass {
    /// Every class that goes unless told otherwise.
    pub const ALL: [StripClass; 27] = [
        StripClass::Docs,
        StripClass::Man,
        StripClass::Info,
        StripClass::Locales,
        StripClass::Headers,
        StripClass::Pod,
        StripClass::Static,
        StripClass::Pkgconfig,
        StripClass::Completions,
        StripClass::Lintian,
        StripClass::Bug,
        StripClass::DocBase,
        StripClass::Gdb,
        StripClass::Metainfo,
        StripClass::Systemd,
        StripClass::Init,
        StripClass::Cron,
        StripClass::Logrotate,
        StripClass::Apparmor,
        StripClass::Ufw,
        StripClass::Udev,
        StripClass::Initramfs,
        StripClass::Menus,
        StripClass::Icons,
        StripClass::Bitcode,
        StripClass::Debug,
        StripClass::Caches,
    ];

    /// The key that recipes use.
    pub const fn name(self) -> &'static str {
        match self {
            StripClass::Docs => "docs",
            StripClass::Man => "man",
            StripClass::Info => "info",
            StripClass::Locales => "locales",
            StripClass::Headers => "headers",
            StripClass::Pod => "pod",
            StripClass::Static => "static",
            StripClass::Pkgconfig => "pkgconfig",
            StripClass::Completions => "completions",
            StripClass::Lintian => "lintian",
            StripClass::Bug => "bug",
            StripClass::DocBase => "doc-base",
            StripClass::Gdb => "gdb",
            StripClass::Metainfo => "metainfo",
            StripClass::Systemd => "systemd",
            StripClass::Init => "init",
            StripClass::Cron => "cron",
            StripClass::Logrotate => "logrotate",
            StripClass::Apparmor => "apparmor",
            StripClass::Ufw => "ufw",
            StripClass::Udev => "udev",
            StripClass::Initramfs => "initramfs",
            StripClass::Menus => "menus",
            StripClass::Icons => "icons",
            StripClass::Bitcode => "bitcode",
            StripClass::Debug => "debug",
            StripClass::Caches => "caches",
            StripClass::Copyright => "copyright",
        }
    }
}

/// What compiles and links.
const COMPILERS: &[&str] = &[
    "*-dev",
    "build-base",
    "clang",
    "clang-1*",
    "clang-2*",
    "cpp",
    "cpp-*",
    "fp-compiler*",
    "g++",
    "g++-*",
    "gcc",
    "gcc-*",
    "gdc*",
    "gfortran*",
    "ghc*",
    "gnat*",
    "go",
    "golang*",
    "ldc",
    "ocaml",
    "ocaml-nox",
    "rust",
    "rustc*",
    "tcc",
];

/// The packages, by their names' beginning or end, that a class of files is for: where one of them is named, it is to
/// find what it reads.
const fn readers(class: StripClass) -> &'static [&'static str] {
    match class {
        StripClass::Man => &["man-db", "mandoc"],
        StripClass::Info => &["info", "pinfo", "texinfo"],
        StripClass::Pod => &["perl-doc"],
        StripClass::Headers | StripClass::Static => COMPILERS,
        StripClass::Pkgconfig => &["*-dev", "build-base", "pkg-config", "pkgconf"],
        StripClass::Completions => &["bash-completion", "fish", "zsh"],
        StripClass::Lintian => &["lintian"],
        StripClass::Bug => &["reportbug"],
        StripClass::DocBase => &["doc-base"],
        StripClass::Gdb => &["gdb", "gdb-*"],
        StripClass::Debug => &["*-dbg", "*-dbgsym", "gdb", "valgrind"],
        StripClass::Metainfo => &["appstream"],
        StripClass::Systemd => &["systemd"],
        StripClass::Init => &["openrc", "runit", "sysvinit-core"],
        StripClass::Cron => &["anacron", "bcron", "cron", "cronie", "systemd-cron"],
        StripClass::Logrotate => &["logrotate"],
        StripClass::Apparmor => &["apparmor"],
        StripClass::Ufw => &["ufw"],
        StripClass::Udev => &["eudev", "udev"],
        StripClass::Initramfs => &["dracut*", "initramfs-tools*", "mkinitfs"],
        StripClass::Docs
        | StripClass::Locales
        | StripClass::Menus
        | StripClass::Icons
        | StripClass::Bitcode
        | StripClass::Caches
        | StripClass::Copyright => &[],
    }
}

/// Whether a package is one of those that a class is for.
fn reads(class: StripClass, package: &str) -> bool {
    const NO_PROGRAMS: [&str; 4] = ["-base", "-common", "-data", "-doc"];
    let is_program = || !NO_PROGRAMS.iter().any(|ending| package.ends_with(ending));
    readers(class).iter().any(|reader| match reader.split_once('*') {
        Some((start, end)) => package.starts_with(start) && package.ends_with(end) && is_program(),
        None => package == *reader,
    })
}

/// The locale that always stays: without it Java cannot name files.
const ALWAYS: &str = "C.UTF-8";

/// What is stripped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strip {
    /// The classes that stay in the image.
    pub kept: BTreeSet<StripClass>,
    /// The classes that go, whatever packages the recipe names.
    pub stripped: BTreeSet<StripClass>,
    /// The locales that stay although their class goes, sorted; `C.UTF-8` is always among them.
    pub locales: Vec<String>,
    /// Whether copyright files stay, be it that documentation goes or stays.
    pub copyright: bool,
}

impl Default for Strip {
    fn default() -> Self {
        Strip {
            kept: BTreeSet::new(),
            stripped: BTreeSet::new(),
            locales: vec![ALWAYS.to_owned()],
            copyright: true,
        }
    }
}

impl Strip {
    /// Nothing is stripped.
    pub fn nothing() -> Self {
        Strip { kept: StripClass::ALL.into(), ..Strip::default() }
    }

    /// The classes that are left out of an image with these packages named: those that none of them is for, unless the
    /// recipe says otherwise.
    pub fn classes(&self, named: &BTreeSet<&str>) -> Vec<StripClass> {
        let goes = |class: &StripClass| {
            let is_read = || named.iter().any(|package| reads(*class, package));
            !self.kept.contains(class) && (self.stripped.contains(class) || !is_read())
        };
        StripClass::ALL.into_iter().filter(goes).collect()
    }

    /// Reads `strip = false` or `[strip]`.
    pub(super) fn read(value: &Value<'_>) -> Self {
        if value.is_boolean() {
            return if value.boolean() == Some(false) { Strip::nothing() } else { Strip::default() };
        }
        let mut strip = Strip::default();
        let Some(mut table) = value.table("`[strip]`") else { return strip };
        strip.copyright = table.boolean("copyright", true);
        for class in StripClass::ALL {
            let goes = match class {
                StripClass::Locales => Some(strip.read_locales(&mut table)),
                _ => table.take(class.name()).and_then(|value| value.boolean()),
            };
            match goes {
                Some(true) => strip.stripped.insert(class),
                Some(false) => strip.kept.insert(class),
                None => false,
            };
        }
        table.finish();
        strip
    }

    /// `locales = [...]` are those that stay; `true` strips all but one, `false` none. Gives whether any go.
    fn read_locales(&mut self, table: &mut Table<'_>) -> bool {
        let findings = table.findings;
        let Some(value) = table.take(StripClass::Locales.name()) else { return true };
        if value.is_boolean() {
            return value.boolean().unwrap_or(true);
        }
        for locale in value.texts() {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
            if locale.text.is_empty() || !locale.text.chars().all(allowed) {
                let message = format!("{} is no locale", quoted(locale.text));
                findings.value(
                    &locale.span,
                    message,
                    "write a language or a locale, such as \"de\" or \"de_AT.UTF-8\"",
                );
            } else {
                self.locales.push(locale.text.to_owned());
            }
        }
        self.locales.sort_unstable();
        self.locales.dedup();
        true
    }
}
