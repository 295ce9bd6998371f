//! Strip classes: the files of a package that a running program does not need.
//!
//! Which classes there are is [`StripClass`]; which paths belong to each is the table here. Paths are
//! canonical: behind the links of the merged `/usr`.

use std::sync::Arc;

use globset::GlobSet;

use crate::distro::{Distro, PackageFormat};
use crate::recipe::{Recipe, Strip, StripClass};
use crate::root_path::RootPath;

use super::glob_sets::{Over, glob_set};

/// What Perl's `diagnostics` reads when it runs.
const DIAGNOSTICS: &str = "perldiag.pod";

/// The patterns of a class on every distro. Locales and copyright files have rules of their own, in [`StripRules::class_of`].
const fn patterns(class: StripClass) -> &'static [&'static str] {
    match class {
        StripClass::Docs => &["/usr/share/doc/**", "/usr/share/gtk-doc/html/**", "/usr/share/help/**"],
        // What a tool has of its own beside what others put there for it (gdb's and lintian's data, zsh's functions)
        // is no such class.
        StripClass::Man => &[
            "/usr/share/man/**",
            "/usr/local/man/**",
            "/usr/local/share/man/**",
            "/usr/share/**/man/man[1-9]/**",
        ],
        StripClass::Info => &["/usr/share/info/**"],
        StripClass::Locales => &["/usr/share/locale/*/**", "/usr/lib/locale/*/**"],
        // Below /usr/share such a name may be anything's, the drivers' of CUPS for one.
        StripClass::Headers => &[
            "/usr/include/**",
            "/{opt,usr/lib,usr/libexec,usr/local,usr/src}/**/*.h",
            "/usr/share/**/include/**/*.h",
            "/usr/share/perl/**/*.h",
        ],
        StripClass::Pod => &["/**/*.pod"],
        StripClass::Static => &["/usr/lib/**/*.a"],
        StripClass::Pkgconfig => &["/usr/lib/**/pkgconfig/**", "/usr/share/pkgconfig/**"],
        StripClass::Completions => &[
            "/etc/bash_completion.d/**",
            "/usr/share/bash-completion/**",
            "/usr/share/fish/**/*completions*/**",
            "/usr/share/zsh/{site-functions,vendor-completions}/**",
        ],
        StripClass::Lintian => &["/usr/share/lintian/overrides/**"],
        StripClass::Bug => &["/usr/share/bug/**"],
        StripClass::DocBase => &["/usr/share/doc-base/**"],
        StripClass::Gdb => &["/usr/share/gcc*/python/**", "/usr/share/gdb/auto-load/**"],
        StripClass::Metainfo => &["/usr/share/appdata/**", "/usr/share/metainfo/**"],
        StripClass::Systemd => &[
            "/etc/systemd/**",
            "/usr/lib/systemd/system/**",
            "/usr/lib/systemd/system-preset/**",
            "/usr/lib/systemd/user/**",
            "/usr/lib/systemd/user-preset/**",
        ],
        StripClass::Init => &["/etc/init.d/**", "/etc/init/**", "/etc/rc?.d/**"],
        StripClass::Cron => &["/etc/cron.*/**"],
        StripClass::Logrotate => &["/etc/logrotate.d/**"],
        StripClass::Apparmor => &["/etc/apparmor.d/**", "/usr/share/apparmor*/**"],
        StripClass::Ufw => &["/etc/ufw/**"],
        StripClass::Udev => &["/etc/udev/**", "/usr/lib/udev/**"],
        StripClass::Initramfs => &[
            "/etc/initramfs-tools/**",
            "/etc/kernel/**",
            "/usr/lib/dracut/modules.d/**",
            "/usr/share/initramfs-tools/{hooks,scripts}/**",
        ],
        StripClass::Menus => &["/usr/share/applications/**", "/usr/share/menu/**"],
        StripClass::Icons => &["/usr/share/icons/**", "/usr/share/pixmaps/**"],
        // PostgreSQL's, for inlining; what a compiler at run time is made of has the same ending.
        StripClass::Bitcode => &["/**/bitcode/**/*.bc"],
        StripClass::Debug => &["/usr/lib/debug/**"],
        StripClass::Caches => &["/var/cache/apt/**", "/var/cache/debconf/**", "/var/lib/apt/**"],
        StripClass::Copyright => &[],
    }
}

/// What a class has beside those on distros of Alpine's kind, where `/lib` is a directory of its own and services
/// are those of `openrc`.
const fn patterns_of_alpine(class: StripClass) -> &'static [&'static str] {
    match class {
        StripClass::Static => &["/lib/**/*.a"],
        StripClass::Pkgconfig => &["/lib/**/pkgconfig/**"],
        StripClass::Systemd => &[
            "/lib/systemd/system/**",
            "/lib/systemd/system-preset/**",
            "/lib/systemd/user/**",
            "/lib/systemd/user-preset/**",
        ],
        StripClass::Init => &["/etc/conf.d/**", "/etc/runlevels/**", "/etc/user/init.d/**"],
        StripClass::Cron => &["/etc/crontabs/**", "/etc/periodic/**"],
        StripClass::Udev => &["/lib/udev/**", "/lib/mdev/**"],
        StripClass::Initramfs => &["/etc/mkinitfs/**", "/usr/share/mkinitfs/**"],
        StripClass::Caches => &["/etc/apk/cache/**", "/var/cache/apk/**"],
        _ => &[],
    }
}

/// The strip classes that a recipe leaves on, ready to be asked.
#[derive(Debug)]
pub struct StripRules {
    set: Arc<GlobSet>,
    classes: Vec<StripClass>,
    locales: Vec<String>,
    keep_copyright: bool,
}

impl StripRules {
    /// Compiles the classes that a recipe leaves out of a layer ([`Recipe::stripped`]).
    pub fn new(recipe: &Recipe, layer: usize) -> Result<Self, globset::Error> {
        StripRules::of(&recipe.strip, &recipe.stripped(layer), recipe.conventions())
    }

    fn of(strip: &Strip, left_out: &[StripClass], distro: Distro) -> Result<Self, globset::Error> {
        let mut globs = Vec::new();
        let mut classes = Vec::new();
        for class in left_out.iter().copied() {
            let more = match distro.format() {
                PackageFormat::Deb => &[][..],
                PackageFormat::Apk => patterns_of_alpine(class),
            };
            for pattern in patterns(class).iter().chain(more) {
                globs.push((*pattern).to_owned());
                classes.push(class);
            }
        }
        Ok(StripRules {
            set: glob_set(Over::Paths, globs)?,
            classes,
            locales: strip.locales.clone(),
            keep_copyright: strip.copyright,
        })
    }

    /// Rules by which nothing is stripped.
    pub(super) fn none() -> Self {
        StripRules { set: Arc::default(), classes: Vec::new(), locales: Vec::new(), keep_copyright: true }
    }

    /// The class that strips a path; none where the path stays.
    pub fn class_of(&self, path: &RootPath) -> Option<StripClass> {
        if is_copyright(path) {
            return (!self.keep_copyright).then_some(StripClass::Copyright);
        }
        if path.file_name() == DIAGNOSTICS {
            return None;
        }
        self.set
            .matches(path.as_str())
            .into_iter()
            .map(|index| self.classes[index])
            .find(|class| *class != StripClass::Locales || !self.keeps_locale(path))
    }

    /// Whether the recipe keeps the locale that a path below a locale directory belongs to: `de` keeps
    /// `de`, `de_AT` and `de@x`; `C.UTF-8`, however it is spelled, is always kept.
    fn keeps_locale(&self, path: &RootPath) -> bool {
        let Some(locale) = path.components().nth(3) else { return true };
        is_c_utf8(locale)
            || locale == "locale.alias"
            || self.locales.iter().any(|kept| {
                locale == kept
                    || locale
                        .strip_prefix(kept.as_str())
                        .is_some_and(|rest| rest.starts_with(['_', '@', '.']))
            })
    }
}

/// Whether a path is a package's copyright file.
pub(super) fn is_copyright(path: &RootPath) -> bool {
    path.file_name() == "copyright" && path.as_str().starts_with("/usr/share/doc/")
}

/// Whether a path tells of a package and does nothing: what an otherwise empty package still holds.
pub(super) fn is_about_package(path: &RootPath) -> bool {
    ["/usr/share/doc", "/usr/share/lintian", "/usr/share/bug"]
        .iter()
        .any(|directory| path.as_str().strip_prefix(directory).is_some_and(|rest| rest.starts_with('/')))
}

fn is_c_utf8(locale: &str) -> bool {
    locale.eq_ignore_ascii_case("C.utf8") || locale.eq_ignore_ascii_case("C.UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_on(distro: &str, path: &str) -> Option<StripClass> {
        let strip = Strip { locales: vec!["en".into()], ..Strip::default() };
        let rules = StripRules::of(&strip, &StripClass::ALL, distro.parse().unwrap()).unwrap();
        rules.class_of(&RootPath::parse(path).unwrap())
    }

    #[test]
    fn each_path_has_its_class() {
        for (path, class) in [
            ("/usr/share/doc/bash/README", Some(StripClass::Docs)),
            ("/usr/share/doc/bash/copyright", None),
            ("/usr/share/man/man1/bash.1.gz", Some(StripClass::Man)),
            ("/usr/share/postgresql/17/man/man1/psql.1.gz", Some(StripClass::Man)),
            ("/usr/share/game/man/mandolin", None),
            ("/usr/share/locale/de/LC_MESSAGES/bash.mo", Some(StripClass::Locales)),
            ("/usr/share/locale/en_GB/LC_MESSAGES/bash.mo", None),
            ("/usr/share/locale/locale.alias", None),
            ("/usr/share/locale/eno/LC_MESSAGES/bash.mo", Some(StripClass::Locales)),
            ("/usr/lib/locale/C.utf8/LC_CTYPE", None),
            ("/usr/lib/python3/site.h", Some(StripClass::Headers)),
            ("/usr/share/R/include/R.h", Some(StripClass::Headers)),
            ("/usr/share/cups/ppdc/hp.h", None),
            ("/usr/share/perl/5.40.1/pod/perldiag.pod", None),
            ("/usr/share/perl/5.40.1/perlfaq.pod", Some(StripClass::Pod)),
            ("/usr/lib/x86_64-linux-gnu/libz.a", Some(StripClass::Static)),
            ("/usr/lib/x86_64-linux-gnu/libz.so.1", None),
            ("/usr/bin/bash", None),
        ] {
            assert_eq!(class_on("debian:trixie", path), class, "{path}");
            assert_eq!(class_on("alpine:3.20", path), class, "{path}");
        }
        for (path, class) in [
            ("/lib/libz.a", StripClass::Static),
            ("/lib/udev/rules.d/60.rules", StripClass::Udev),
            ("/etc/conf.d/nginx", StripClass::Init),
            ("/etc/periodic/daily/x", StripClass::Cron),
            ("/var/cache/apk/APKINDEX.1.tar.gz", StripClass::Caches),
        ] {
            assert_eq!(class_on("alpine:edge", path), Some(class), "{path}");
            assert_eq!(class_on("debian:trixie", path), None, "{path}");
        }
        assert_eq!(class_on("alpine:3.20", "/lib/libz.so.1"), None);
    }
}
