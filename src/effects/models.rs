//! What commands would do: one table of names and models.

use super::effort::TOO_MUCH;
use super::machine::Machine;
use super::scripts::{interpreter, is_shell};
use crate::root_path::RootPath;
use crate::shell::text::{is_known, unknown};
use crate::shell::{Call, Ended, Node, Reply, Script, Source, World, evaluate};

/// How deep commands may call one another: `env nice xargs ...`.
const MOST_CALLED: usize = 20;
/// How deep scripts may call one another.
const MOST_NESTED: usize = 4;

mod accounts;
mod apache;
mod arguments;
mod awk;
mod capabilities;
mod columns;
pub(crate) mod command_lines;
mod copies;
mod debconf;
mod dpkg;
mod facts;
mod files;
mod filters;
mod find;
mod grep;
mod identity;
pub(super) mod known_accounts;
mod links;
mod listing;
mod permissions;
mod places;
mod programs;
mod regular;
mod sed;
mod shells;
mod sort;
mod tools;
mod transliteration;
mod xargs;

pub(super) use dpkg::tool_of_trigger;

/// What a command does to the machine, and what it says.
type Model = fn(&mut Machine<'_>, &Call) -> Reply;

/// Commands of the Essential packages and of those that scripts may count on: they are there when a package is
/// configured, whether or not they get into the image.
const ESSENTIAL: &[(&str, Model)] = &[
    ("addgroup", accounts::addgroup),
    ("adduser", accounts::adduser),
    ("awk", awk::awk),
    ("basename", places::basename),
    ("bash", shells::shell),
    ("busybox", tools::busybox),
    ("cat", filters::cat),
    ("chage", tools::skipped),
    ("chfn", tools::skipped),
    ("chgrp", permissions::chgrp),
    ("chmod", permissions::chmod),
    ("chown", permissions::chown),
    ("chpasswd", tools::skipped),
    ("chsh", accounts::chsh),
    ("clear", tools::skipped),
    ("cmp", facts::compare),
    ("cp", copies::cp),
    ("cut", columns::cut),
    ("dash", shells::shell),
    ("date", tools::vague),
    ("deb-systemd-helper", tools::skipped),
    ("deb-systemd-invoke", tools::skipped),
    ("debconf-communicate", debconf::communicate),
    ("debconf-show", tools::vague),
    ("delgroup", accounts::delgroup),
    ("deluser", accounts::deluser),
    ("df", tools::vague),
    ("diff", facts::compare),
    ("dirname", places::dirname),
    ("dot", tools::graphviz),
    ("dpkg", dpkg::dpkg),
    ("dpkg-divert", dpkg::divert),
    ("dpkg-maintscript-helper", tools::skipped),
    ("dpkg-realpath", places::realpath),
    ("dpkg-query", dpkg::query),
    ("dpkg-statoverride", dpkg::statoverride),
    ("dpkg-trigger", dpkg::trigger),
    ("du", tools::vague),
    ("echo", tools::echo),
    ("egrep", grep::egrep),
    ("env", tools::env),
    ("expr", facts::expr),
    ("false", tools::fails),
    ("fgrep", grep::fgrep),
    ("find", find::find),
    ("getconf", tools::vague),
    ("fold", filters::fold),
    ("getent", known_accounts::getent),
    ("gpasswd", accounts::gpasswd),
    ("grep", grep::grep),
    ("groupadd", accounts::groupadd),
    ("groupdel", accounts::delgroup),
    ("groupmod", tools::unmodelled),
    ("groups", known_accounts::groups),
    ("grpconv", tools::skipped),
    ("head", filters::head),
    ("hostname", tools::vague),
    ("id", known_accounts::id),
    ("install", copies::install),
    ("invoke-rc.d", tools::skipped),
    ("ldconfig", tools::ldconfig),
    ("libgvc6-config-update", tools::graphviz),
    ("ln", links::ln),
    ("logger", tools::skipped),
    ("ls", listing::ls),
    ("mawk", awk::awk),
    ("md5sum", facts::digest),
    ("mkdir", files::mkdir),
    ("mktemp", files::mktemp),
    ("mount", tools::unmodelled),
    ("mountpoint", tools::mountpoint),
    ("mv", copies::mv),
    ("nproc", tools::vague),
    ("openssl", programs::openssl),
    ("pam-auth-update", tools::pam_auth_update),
    ("passwd", tools::skipped),
    ("perl", tools::perl),
    ("pidof", tools::fails),
    ("printf", tools::printf),
    ("pwconv", tools::skipped),
    ("readlink", places::readlink),
    ("realpath", places::realpath),
    ("rm", files::rm),
    ("rmdir", files::rmdir),
    ("run-parts", tools::run_parts),
    ("runuser", identity::su),
    ("savelog", tools::unmodelled),
    ("sed", sed::sed),
    ("seq", facts::seq),
    ("sha1sum", facts::digest),
    ("sha256sum", facts::digest),
    ("sha512sum", facts::digest),
    ("sh", shells::shell),
    ("shadowconfig", tools::skipped),
    ("sleep", tools::skipped),
    ("setpriv", identity::setpriv),
    ("sort", sort::sort),
    ("start-stop-daemon", tools::skipped),
    ("stat", places::stat),
    ("su", identity::su),
    ("sync", tools::skipped),
    ("tac", filters::tac),
    ("tail", filters::tail),
    ("tempfile", files::mktemp),
    ("tee", filters::tee),
    ("touch", files::touch),
    ("tr", transliteration::tr),
    ("true", tools::skipped),
    ("tty", tools::fails),
    ("ucf", copies::ucf),
    ("ucfr", tools::skipped),
    ("uname", tools::uname),
    ("uniq", filters::uniq),
    ("unlink", files::rm),
    ("update-alternatives", dpkg::alternatives),
    ("update-passwd", tools::skipped),
    ("update-rc.d", tools::skipped),
    ("useradd", accounts::useradd),
    ("userdel", accounts::deluser),
    ("usermod", accounts::usermod),
    ("wc", filters::wc),
    ("whereis", tools::vague),
    ("which", tools::which),
    ("whoami", tools::whoami),
    ("xargs", xargs::xargs),
];

/// Other commands, which are there only where a package brings them; scripts that call them depend on it.
const OTHERS: &[(&str, Model)] = &[
    ("a2disconf", apache::switch),
    ("a2dismod", apache::switch),
    ("a2dissite", apache::switch),
    ("a2enconf", apache::switch),
    ("a2enmod", apache::switch),
    ("a2ensite", apache::switch),
    ("a2query", apache::query),
    ("aa-status", tools::fails),
    ("aa-enabled", tools::fails),
    ("add-shell", programs::add_shell),
    ("apparmor_parser", tools::skipped),
    ("aptitude-create-state-bundle", tools::skipped),
    ("aspell-autobuildhash", tools::left_out),
    ("catdoc", tools::vague),
    ("dbus-send", tools::skipped),
    ("dbus-uuidgen", tools::skipped),
    ("depmod", tools::skipped),
    ("deb-systemd-run", tools::skipped),
    ("dpkg-architecture", dpkg::architecture),
    ("dpkg-vendor", tools::fails),
    ("emacs-install", tools::skipped),
    ("emacs-package-install", tools::skipped),
    ("emacs-package-remove", tools::skipped),
    ("fc-cache", tools::left_out),
    ("gconf-schemas", tools::skipped),
    ("gdk-pixbuf-query-loaders", programs::query_modules),
    ("getcap", permissions::getcap),
    ("gio-querymodules", tools::left_out),
    ("glib-compile-schemas", programs::compile_schemas),
    ("gtk-query-immodules-3.0", programs::query_modules),
    ("gtk-update-icon-cache", tools::left_out),
    ("iconvconfig", tools::iconvconfig),
    ("initctl", tools::skipped),
    ("install-info", tools::skipped),
    ("install-sgmlcatalog", tools::left_out),
    ("ispell-autobuildhash", tools::left_out),
    ("ischroot", tools::skipped),
    ("journalctl", tools::skipped),
    ("kill", tools::skipped),
    ("killall", tools::skipped),
    ("java", programs::java),
    ("locale-gen", programs::locale_gen),
    ("localedef", tools::left_out),
    ("make-ssl-cert", tools::at_run_time),
    ("mandb", tools::skipped),
    ("mktexlsr", tools::left_out),
    ("pgrep", tools::fails),
    ("pkill", tools::fails),
    ("mungekey", tools::at_run_time),
    ("named-checkconf", tools::skipped),
    ("pam_getenv", programs::pam_getenv),
    ("pg_checksystem", tools::skipped),
    ("pg_createcluster", tools::at_run_time),
    ("pg_lsclusters", programs::pg_lsclusters),
    ("pg_updatedicts", programs::pg_updatedicts),
    ("postconf", programs::postconf),
    ("ps", tools::fails),
    ("py3clean", tools::skipped),
    ("py3compile", tools::skipped),
    ("pyclean", tools::skipped),
    ("pycompile", tools::skipped),
    ("pypy3clean", tools::skipped),
    ("pypy3compile", tools::skipped),
    ("remove-shell", tools::skipped),
    ("service", tools::skipped),
    ("rndc-confgen", programs::rndc_confgen),
    ("setcap", permissions::setcap),
    ("ssh-keygen", tools::at_run_time),
    ("squid", programs::squid),
    ("sshd", programs::sshd),
    ("systemctl", tools::skipped),
    ("systemd-detect-virt", tools::fails),
    ("systemd-hwdb", tools::left_out),
    ("systemd-machine-id-setup", tools::skipped),
    ("systemd-sysusers", tools::sysusers),
    ("systemd-tmpfiles", tools::tmpfiles),
    ("udevadm", tools::skipped),
    ("update-bootsystem-insserv", tools::skipped),
    ("update-ca-certificates", tools::ca_certificates),
    ("update-catalog", tools::left_out),
    ("update-default-aspell", tools::left_out),
    ("update-default-ispell", tools::left_out),
    ("update-default-wordlist", tools::left_out),
    ("update-desktop-database", tools::left_out),
    ("update-dictcommon-aspell", tools::left_out),
    ("update-dictcommon-hunspell", tools::left_out),
    ("update-fonts-alias", tools::left_out),
    ("update-fonts-dir", tools::left_out),
    ("update-fonts-scale", tools::left_out),
    ("update-grub", tools::skipped),
    ("update-icon-caches", tools::left_out),
    ("update-info-dir", tools::skipped),
    ("update-initramfs", tools::skipped),
    ("update-language", tools::left_out),
    ("update-locale", programs::update_locale),
    ("update-mime", tools::skipped),
    ("update-mime-database", tools::left_out),
    ("update-menus", tools::skipped),
    ("update-openrc", tools::skipped),
    ("update-pciids", tools::skipped),
    ("update-perl-sax-parsers", tools::left_out),
    ("update-shells", programs::update_shells),
    ("update-texmf", tools::left_out),
    ("update-xmlcatalog", tools::left_out),
    ("valgrind-listener", tools::skipped),
];

/// Those of the Essential commands that lie in `/usr/sbin`; the others lie in `/usr/bin`.
const OF_ADMINISTRATORS: [&str; 22] = [
    "addgroup",
    "adduser",
    "chpasswd",
    "delgroup",
    "deluser",
    "groupadd",
    "groupdel",
    "groupmod",
    "grpconv",
    "invoke-rc.d",
    "ldconfig",
    "libgvc6-config-update",
    "pam-auth-update",
    "pwconv",
    "runuser",
    "shadowconfig",
    "start-stop-daemon",
    "update-passwd",
    "update-rc.d",
    "useradd",
    "userdel",
    "usermod",
];

/// Whether a command is at a path before any package is configured that scripts do not name.
pub(super) fn is_essential(path: &RootPath, is_apk: bool) -> bool {
    let name = path.file_name();
    let directory = if OF_ADMINISTRATORS.contains(&name) { "/usr/sbin" } else { "/usr/bin" };
    !is_apk
        && path.parent().is_some_and(|parent| parent.as_str() == directory)
        && ESSENTIAL.iter().any(|(known, _)| *known == name)
}

/// What `.` does with a file that no package of the image has.
pub(super) fn sourced(path: &RootPath) -> Source {
    match path.as_str() {
        // Functions for init scripts: they only write to the screen.
        "/lib/lsb/init-functions" | "/usr/lib/lsb/init-functions" => Source::Modelled,
        _ => Source::Missing,
    }
}

/// Runs a command by its model.
pub(super) fn run(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let Some(name) = call.argv.first() else { return Reply::status(0) };
    let short = name.rsplit('/').next().unwrap_or(name);
    if let Some(reply) = debconf::run(machine, short, call) {
        return reply;
    }
    let found = ESSENTIAL.iter().chain(OTHERS).find(|(known, _)| *known == short);
    match found {
        // `env env env ...`
        Some(_) if machine.called >= MOST_CALLED => {
            Reply::Unknown("commands call one another too deeply".to_owned())
        }
        Some((_, model)) => {
            machine.called += 1;
            let reply = machine.effort.clone().of_command(|| model(machine, call));
            machine.called -= 1;
            reply.unwrap_or_else(|| Reply::Unknown(TOO_MUCH.to_owned()))
        }
        None if short.strip_prefix("python3").is_some_and(is_version) => tools::python(machine, call),
        None if short.starts_with("dh_") || short.starts_with("log_") => tools::skipped(machine, call),
        None => absent(machine, call, name),
    }
}

/// Whether this is all that follows `python3`: nothing, or `.13`.
fn is_version(text: &str) -> bool {
    text.chars().all(|c| c == '.' || c.is_ascii_digit())
}

/// A command without a model: a shell script of the image is evaluated in its turn.
fn absent(machine: &mut Machine<'_>, call: &Call, name: &str) -> Reply {
    // As the kernel starts it: by the path that it was found at.
    let found = || machine.command(name).flatten().map(|path| path.as_str().to_owned());
    let called = if name.contains('/') { Some(name.to_owned()) } else { found() }.unwrap_or_default();
    let path = machine.resolved(call, &called).filter(|_| !called.is_empty());
    let Some(path) = path.filter(|path| matches!(machine.node(path), Some(Node::File { .. }))) else {
        machine.tell(call);
        let reason = "there is no model of this command, and no package of the image has it";
        return Reply::Unknown(reason.to_owned());
    };
    let text = machine.read(&path).filter(|text| is_known(text));
    let text = text.filter(|text| interpreter(text).is_some_and(is_shell));
    let Some(text) = text.filter(|_| machine.nested < MOST_NESTED) else {
        machine.tell(call);
        return Reply::Unknown("there is no model of this command".to_owned());
    };
    let arguments: Vec<&str> = call.argv.iter().skip(1).map(String::as_str).collect();
    let environment = call.env.clone();
    let (directory, umask) = (call.directory.clone(), call.umask);
    let script = Script { name: &called, text: &text, arguments: &arguments, environment, directory, umask };
    followed(machine, &script)
}

/// Evaluates a script that another calls.
fn followed(machine: &mut Machine<'_>, script: &Script<'_>) -> Reply {
    machine.nested += 1;
    let ended = evaluate(script, machine);
    machine.nested -= 1;
    match ended {
        Ok(Ended { findings, status, stdout, .. }) => match findings.first() {
            None => Reply::Done { status, stdout, variables: Vec::new() },
            Some(first) => {
                Reply::Unknown(format!("in line {} `{}`: {}", first.line, first.command, first.reason))
            }
        },
        Err(error) => Reply::Unknown(error.to_string()),
    }
}

/// The reply where a word decides and is not known.
fn doubtful() -> Reply {
    Reply::Unknown("its arguments depend on what is not known".to_owned())
}

/// Whether all words of a call are known.
fn all_known(call: &Call) -> bool {
    call.argv.iter().all(|word| is_known(word))
}

/// Nothing is known of what it writes, nor whether it fails.
fn vague() -> Reply {
    Reply::Done { status: None, stdout: unknown(), variables: Vec::new() }
}
