//! What packages' scripts come to, against the real busybox: one image is built of a package with scripts, another of
//! the same without them, in which its own shell then runs them as apk would. Both have to hold the same.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use rootforge::arch::Arch;

use crate::alpine::apks::{Repository, key};
use crate::alpine::corpus::{corpus, repository};
use crate::support::Rig;
use crate::support::rig::run;
use crate::tools::{have, is_root};

/// A package, its files, and what apk calls with what.
const APP: &str = r"Package: app
Version: 1.2-r3
Depend: /bin/sh
Triggers: /usr/share/plugins/* /usr/lib/none
/etc/app/app.conf.sample 0640 port=@PORT@\nuser=app\n
/etc/app/current -> v1
/etc/app/obsolete 0644 old\n
/etc/app/v1 0644 1\n
/etc/app/v2 0644 2\n
/usr/bin/app 0755 #!/bin/sh\nexit 0\n
/usr/share/plugins/one/x 0644 x\n
/usr/share/plugins/two/x 0644 x\n";
const SCRIPTS: [(&str, &[&str], &str); 3] = [
    (
        "pre-install",
        &["1.2-r3"],
        r"#!/bin/sh
addgroup -S app 2>/dev/null
adduser -S -D -H -h /var/lib/app -s /sbin/nologin -G app -g app app 2>/dev/null
addgroup app audio 2>/dev/null
exit 0",
    ),
    (
        "post-install",
        &["1.2-r3"],
        r#"#!/bin/sh
set -e
for dir in /var/lib/app /var/log/app; do
	[ -d "$dir" ] || mkdir -p "$dir"
	chown app:app "$dir"
	chmod 2750 "$dir"
done
if ! [ -e /etc/app/app.conf ]; then
	install -m 0600 -o app -g audio /etc/app/app.conf.sample /etc/app/app.conf
	sed -i -e 's/@PORT@/4713/' /etc/app/app.conf
fi
case "$(readlink /etc/app/current 2>/dev/null || true)" in
	v1) ln -sf v2 /etc/app/current;;
	*) ln -sf v1 /etc/app/current;;
esac
lines() { printf '%s\n' "$@"; }
lines one two three | sort -r > /etc/app/list
echo "version=${1%-r*}" >> /etc/app/version
id -u app >/dev/null && grep -q '^app:' /etc/group && echo known >> /etc/app/version
while [ -e /etc/app/obsolete ]; do rm -f /etc/app/obsolete; done
cat > /etc/app/here <<EOF
$(cut -d= -f2 /etc/app/version | head -n 1) and \$this
EOF
[ ! -x /usr/bin/nothing ] || touch /etc/app/never
mv /etc/app/v1 /etc/app/v0
exit 0"#,
    ),
    (
        "trigger",
        &["/usr/share/plugins/one", "/usr/share/plugins/two"],
        r#"#!/bin/sh
do_it=
for i in "$@"; do
	case "$i" in
		*/two) do_it=yes;;
		*) echo "${i##*/}" >> /etc/app/seen;;
	esac
done
if [ -n "$do_it" ]; then ls /usr/share/plugins > /etc/app/plugins; fi"#,
    ),
];

/// An image of the package upon Alpine's base, unpacked.
fn built(with_scripts: bool) -> Option<Rig> {
    let (_, key) = (corpus()?, key()?);
    let rig = Rig::new();
    rig.write(&key.name, key.public());
    let mut package = APP.to_owned();
    for (name, _, text) in SCRIPTS.iter().filter(|_| with_scripts) {
        let lines = text.lines().map(|line| format!("\n{name} {line}"));
        package.extend(lines);
    }
    Repository::of(&package, &[Arch::Amd64]).write(&rig.work("repo"), key);
    let own = crate::alpine::apks::repository("repo");
    let layer = "strict = true\n[[layer]]\nname = \"main\"\nkeep = \"all\"\npackages = [\"alpine-baselayout\", \"busybox\", \"app\"]\n";
    rig.write("r.toml", format!("name = \"r\"\n{layer}{}{own}", repository("v3.20")));
    rig.run(&["build", "r.toml", "--arch", "amd64", "--output", "dir:root"]).ok();
    Some(rig)
}

/// Every path outside of apk's records: kind, mode, owner by name, content or target.
fn described(root: &Path) -> BTreeMap<String, String> {
    let names = |file: &str| -> BTreeMap<u32, String> {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
        fields.map(|fields| (fields[2].parse().unwrap(), fields[0].to_owned())).collect()
    };
    let (users, groups) = (names("etc/passwd"), names("etc/group"));
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let name = format!("/{}", path.strip_prefix(root).unwrap().display());
            if name.starts_with("/lib/apk") || name.starts_with("/etc/apk") || name.ends_with('-') {
                continue;
            }
            let kind = if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                pending.push(path);
                "directory".to_owned()
            } else if ["/etc/passwd", "/etc/group", "/etc/shadow"].contains(&name.as_str()) {
                accounts(&fs::read_to_string(&path).unwrap())
            } else {
                String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
            };
            let mode = if metadata.is_symlink() { 0 } else { metadata.mode() & 0o7777 };
            let (user, group) = (&users[&metadata.uid()], &groups[&metadata.gid()]);
            found.insert(name, format!("{mode:04o} {user}:{group} {kind}"));
        }
    }
    found
}

/// A file of accounts without the numbers and days that are chosen otherwise.
fn accounts(text: &str) -> String {
    let words = text.lines().map(|line| {
        let fields = line.split(':').map(|field| match field.parse::<u32>() {
            Ok(number) if number >= 100 => "NUMBER",
            _ => field,
        });
        fields.collect::<Vec<_>>().join(":")
    });
    words.collect::<Vec<_>>().join("\n")
}

#[test]
fn scripts_come_to_what_the_real_shell_makes_of_them() {
    if !cfg!(target_arch = "x86_64") || !have(&["bwrap"]) || !is_root() {
        return;
    }
    let (Some(ours), Some(real)) = (built(true), built(false)) else { return };
    for (name, arguments, text) in SCRIPTS {
        fs::write(real.work("script"), text).unwrap();
        let mut command = Command::new("bwrap");
        command.arg("--bind").arg(real.work("root")).args(["/", "--proc", "/proc", "--dev", "/dev"]);
        command.arg("--ro-bind").arg(real.work("script")).arg("/tmp/script");
        command.args(["--unshare-net", "--unshare-pid", "--die-with-parent", "--clearenv"]);
        command.args(["--cap-add", "ALL", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin"]);
        let ran = run(command.args(["/bin/sh", "/tmp/script"]).args(arguments));
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
    }
    fs::remove_file(real.work("root/tmp/script")).unwrap();
    let (ours, theirs) = (described(&ours.work("root")), described(&real.work("root")));
    let paths = ours.keys().chain(theirs.keys());
    let differ: Vec<String> = paths
        .filter(|path| ours.get(*path) != theirs.get(*path))
        .map(|path| format!("{path}: {:?}, busybox: {:?}", ours.get(path), theirs.get(path)))
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
    assert!(ours.contains_key("/etc/app/plugins") && !ours.contains_key("/etc/app/obsolete"));
}
