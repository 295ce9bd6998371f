//! Packages written as text with their effects, layer upon layer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::apk::archive::Marks;
use crate::cache::ContentId;
use crate::catalog::{CataloguedFile, Control, Manifest, MergedUsr, PackageFiles};
use crate::digest::Digest;
use crate::effects::{ModeChange, Owner, Slave, Tool};
use crate::render::Content;
use crate::select::Selected;
use crate::tarball::{Entry, Metadata};

fn path(text: &str) -> RootPath {
    RootPath::parse(text).unwrap()
}

/// `path`, `path/`, `path -> target`, `mode path`.
fn package(name: &str, files: &[&str]) -> PackageFiles {
    let files = files.iter().zip(0..).map(|(line, index)| {
        let (mode, line) = match line.split_once(' ') {
            Some((mode, rest)) if mode.starts_with('0') => (u32::from_str_radix(mode, 8).ok(), rest),
            _ => (None, *line),
        };
        let (at, kind, default) = match line.split_once(" -> ") {
            Some((at, target)) => (at, EntryKind::Symlink { target: target.to_owned() }, 0o777),
            None if line.ends_with('/') => (line, EntryKind::Directory, 0o755),
            None => (line, EntryKind::File { size: 1 }, 0o644),
        };
        let metadata = Metadata { mode: mode.unwrap_or(default), ..Metadata::default() };
        CataloguedFile {
            entry: Entry { path: path(at), metadata, kind },
            index,
            elf: None,
            shebang: None,
            damaged_elf: None,
            marks: Marks::default(),
        }
    });
    PackageFiles {
        name: name.to_owned(),
        version: "1".to_owned(),
        content: ContentId::Sha256(Digest::of(name.as_bytes())),
        archive: PathBuf::from("none.deb"),
        cache: None,
        manifest: Arc::new(Manifest { files: files.collect(), control: Control::default() }),
        kept: None,
        source: None,
        is_outline: false,
    }
}

/// Packages by layer, their effects, and what content files have.
#[derive(Default)]
struct World {
    layers: Vec<Vec<PackageFiles>>,
    effects: BTreeMap<String, PackageEffects>,
    contents: BTreeMap<RootPath, Vec<u8>>,
    recipe: &'static str,
    /// Packages of which a rule took single files.
    partial: Vec<&'static str>,
    /// What a run-time rule makes of `/etc/nsswitch.conf`, in which layer.
    rule_makes: Option<(usize, &'static str)>,
}

impl World {
    fn effects(&mut self, package: &str, effects: &[Effect]) {
        let all = PackageEffects {
            package: package.into(),
            effects: effects.to_vec(),
            ..PackageEffects::default()
        };
        self.effects.insert(package.into(), all);
    }

    /// Each layer's files as lines, whole-image files aside; and what was left undone.
    fn lay(&self) -> (Vec<Vec<String>>, Vec<String>) {
        let layers: String = (0..self.layers.len())
            .map(|at| format!("[[layer]]\nname = \"{at}\"\npackages = [\"any\"]\nexclude = [\"/opt/**\"]\n"))
            .collect();
        let text = format!("name = \"x\"\nfrom = \"debian:trixie\"\n{layers}{}", self.recipe);
        let recipe = Recipe::parse(&text, Path::new("x.toml")).unwrap();
        let merged = MergedUsr::new(&directory_links(recipe.conventions(), Arch::Amd64));
        let mut catalog = FileCatalog::new(merged);
        for package in self.layers.iter().flatten() {
            catalog.insert(package.clone()).unwrap();
        }
        let selected: Vec<SelectedLayer> =
            self.layers.iter().map(|packages| self.selected(packages, &catalog)).collect();
        let accounts = Accounts::of(&recipe, |_| false).unwrap();
        let mut setup = Setup::new(&recipe, Arch::Amd64, &catalog, &self.effects, accounts);
        let mut shown = Vec::new();
        for (number, layer) in selected.iter().enumerate() {
            let wanted = setup.wants(layer);
            let given = self.contents.iter().filter(|(path, _)| wanted.contains(*path));
            let given = given.map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
            let made = self.rule_makes.filter(|(layer, _)| *layer == number).map(|(_, text)| {
                let conf = path("/etc/nsswitch.conf");
                (conf.clone(), MadeFile::file(conf, 0o644, text.as_bytes().to_vec()))
            });
            let laid = setup.layer(number, layer, &made.into_iter().collect(), given).unwrap();
            let mut lines = show(&laid.made);
            lines.extend(laid.changes.owners.iter().map(|(path, owner)| format!("chown {owner:?} {path}")));
            lines.extend(laid.changes.modes.iter().map(|(path, mode)| format!("chmod {mode:o} {path}")));
            lines.extend(laid.changes.moved.iter().map(|(path, to)| format!("mv {path} {to}")));
            lines.extend(laid.changes.removed.iter().map(|path| format!("rm {path}")));
            lines.extend(show(&setup.finish(&Made::new())));
            shown.push(lines);
        }
        (shown, setup.undone())
    }

    fn selected(&self, packages: &[PackageFiles], catalog: &FileCatalog) -> SelectedLayer {
        let files = packages.iter().flat_map(|package| {
            let partial = self.partial.contains(&package.name.as_str());
            let reason = if partial { Reason::Link { by: path("/x") } } else { Reason::Named };
            catalog.files_of(&package.name).map(move |file| {
                (catalog.get(file).1.entry.path.clone(), Selected { file, reason: reason.clone() })
            })
        });
        SelectedLayer {
            name: "l".into(),
            files: files.collect(),
            links: BTreeMap::new(),
            made: BTreeMap::new(),
            tools: BTreeMap::new(),
            whole: BTreeSet::new(),
        }
    }
}

fn show(made: &Made) -> Vec<String> {
    let accounts = ["/etc/passwd", "/etc/group"];
    let shown = made.iter().filter(|(path, _)| !accounts.contains(&path.as_str())).map(|(path, file)| {
        let Metadata { mode, uid, gid, .. } = file.entry.metadata;
        match (&file.entry.kind, &file.content) {
            (EntryKind::Symlink { target }, _) => format!("{path} -> {target}"),
            (EntryKind::Directory, _) => format!("{path}/ {mode:o} {uid}:{gid}"),
            (_, Content::Bytes(bytes)) => {
                format!("{path} {mode:o} {uid}:{gid} {}", String::from_utf8_lossy(bytes).trim_end())
            }
            (_, Content::Host(_)) => path.to_string(),
        }
    });
    shown.collect()
}

fn alternative(name: &str, link: &str, to: &str, priority: i64, slaves: &[Slave]) -> Effect {
    Effect::Alternative {
        name: name.into(),
        link: path(link),
        path: path(to),
        priority,
        slaves: slaves.to_vec(),
    }
}

fn user(name: &str, uid: u32, group: &str) -> Effect {
    Effect::User {
        name: name.into(),
        uid: Some(uid),
        group: Some(group.into()),
        groups: Vec::new(),
        home: None,
        shell: None,
        gecos: None,
        create_home: false,
        system: true,
    }
}

fn chown(at: &str, user: &str, group: &str, recursive: bool) -> Effect {
    let name = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
    Effect::Owner { path: path(at), user: name(user), group: name(group), recursive }
}

#[test]
fn a_daemon_has_its_directories_owners_and_links() {
    let mut world = World {
        layers: vec![vec![package(
            "p",
            &[
                "/usr/sbin/daemon",
                "0755 /usr/bin/agent",
                "/var/log/daemon/",
                "/var/log/daemon/empty",
                "/etc/daemon.conf",
                "/usr/lib/tmpfiles.d/p.conf",
            ],
        )]],
        ..World::default()
    };
    world.contents.insert(path("/usr/lib/tmpfiles.d/p.conf"), b"d /run/daemon 0750 man adm -\n".to_vec());
    world.contents.insert(path("/etc/daemon.conf"), b"conf\n".to_vec());
    world.effects(
        "p",
        &[
            Effect::Directory { path: path("/var/lib/daemon/sub"), mode: None, owner: None },
            chown("/var/lib/daemon", "man", "man", true),
            chown("/var/log/daemon", "man", "adm", true),
            chown("/usr/bin/agent", "root", "tty", false),
            Effect::Mode {
                path: path("/usr/bin/agent"),
                mode: ModeChange::Symbolic("g+s".into()),
                recursive: false,
            },
            Effect::Symlink { path: path("/bin/dm"), target: "../sbin/daemon".into() },
            Effect::Symlink { path: path("/var/run/x"), target: "/proc/self".into() },
            Effect::Symlink { path: path("/opt/excluded"), target: "/proc/self".into() },
            Effect::Copy {
                from: path("/etc/daemon.conf"),
                to: path("/etc/copy.conf"),
                mode: Some(0o600),
                owner: Some(Owner { user: Some("man".into()), group: None }),
            },
            Effect::File { path: path("/etc/daemon.conf"), content: b"new\n".to_vec(), mode: None },
            Effect::Directory { path: path("/dev/x"), mode: None, owner: None },
            chown("/nowhere", "man", "", false),
            chown("/usr/sbin/daemon", "unheard", "", false),
            Effect::Tool(Tool::Ldconfig),
        ],
    );
    let (layers, undone) = world.lay();
    assert_eq!(
        layers[0],
        [
            "/etc/copy.conf 600 6:0 conf",
            "/etc/daemon.conf 644 0:0 new",
            "/run/daemon/ 750 6:4",
            "/run/x -> /proc/self",
            "/usr/bin/dm -> ../sbin/daemon",
            "/var/lib/daemon/ 755 6:12",
            "/var/lib/daemon/sub/ 755 6:12",
            "/var/log/daemon/ 755 6:4",
            "chown [0, 5] /usr/bin/agent",
            "chown [6, 4] /var/log/daemon/empty",
            "chmod 2755 /usr/bin/agent",
        ]
    );
    assert_eq!(undone, ["p: nobody defines `unheard`, to whom /usr/sbin/daemon is to belong"]);
}

#[test]
fn accounts_of_scripts_and_sysusers_go_up_the_layers() {
    let mut world = World {
        layers: vec![
            vec![package("a", &["/usr/bin/a", "/usr/lib/sysusers.d/a.conf"])],
            vec![package("b", &["/usr/bin/b"])],
            vec![package("c", &["/usr/bin/c"])],
        ],
        recipe: "[[user]]\nname = \"bee\"\nuid = 777\n",
        ..World::default()
    };
    world.contents.insert(path("/usr/lib/sysusers.d/a.conf"), b"u ant 300 - /var/lib/ant\n".to_vec());
    let user = Effect::User {
        name: "bee".into(),
        uid: None,
        group: None,
        groups: vec!["adm".into()],
        home: Some("/var/lib/bee".into()),
        shell: None,
        gecos: None,
        create_home: true,
        system: true,
    };
    world.effects("b", &[user]);
    let (layers, _) = world.lay();
    assert_eq!(layers[1], ["/var/lib/bee/ 755 777:777"]);
    let setup_lines = world.lay().0;
    assert_eq!(setup_lines, layers);
    assert!(layers[2].is_empty(), "{:?}", layers[2]);
}

#[test]
fn a_home_that_is_made_leaves_what_is_in_it() {
    let files = ["/var/lib/bee/keys/", "/var/lib/bee/data/seed"];
    let mut world = World { layers: vec![vec![package("b", &files)]], ..World::default() };
    let user = Effect::User {
        name: "bee".into(),
        uid: Some(300),
        group: None,
        groups: vec![],
        home: Some("/var/lib/bee".into()),
        shell: None,
        gecos: None,
        create_home: true,
        system: true,
    };
    let keys =
        Effect::Mode { path: path("/var/lib/bee/keys"), mode: ModeChange::Bits(0o700), recursive: false };
    world.effects("b", &[user, chown("/var/lib/bee/data", "bee", "", true), keys]);
    assert_eq!(
        world.lay().0[0],
        [
            "/var/lib/bee/ 755 300:300",
            "/var/lib/bee/data/ 755 300:0",
            "/var/lib/bee/keys/ 700 0:0",
            "chown [300, 0] /var/lib/bee/data/seed",
        ]
    );
    // Where the package has it, it is not the user's.
    world.layers = vec![vec![package("b", &["/usr/bin/b", "/var/lib/bee/", "/var/lib/bee/keys/"])]];
    assert_eq!(world.lay().0[0], ["/var/lib/bee/keys/ 700 0:0"]);
}

#[test]
fn name_services_are_added_to_the_file_of_any_layer() {
    let adds = |what: &str| Effect::File {
        path: path("/etc/nsswitch.conf"),
        content: crate::effects::NSSWITCH.replace("passwd:         files", what).into_bytes(),
        mode: None,
    };
    let one = |name: &str| package(name, &[&format!("/usr/lib/{name}")]);
    let mut world = World { layers: vec![vec![one("a"), one("b")], vec![one("c")]], ..World::default() };
    world.effects("a", &[adds("passwd: files one")]);
    world.effects("c", &[adds("passwd: two files")]);
    assert_eq!(world.lay().0, [Vec::<String>::new(), vec![]]);
    // As a run-time rule makes it, in the lower layer or in the upper.
    world.rule_makes = Some((0, "passwd: files\n"));
    let conf = "/etc/nsswitch.conf 644 0:0 passwd:         ";
    let lines = |layer: &[String]| -> Vec<String> {
        layer.iter().filter(|line| line.contains("nsswitch")).map(|line| line.trim_end().to_owned()).collect()
    };
    let (layers, _) = world.lay();
    assert_eq!(lines(&layers[0]), [format!("{conf}files one")]);
    assert_eq!(lines(&layers[1]), [format!("{conf}two files one")]);
    world.rule_makes = Some((1, "passwd: files\n"));
    let (layers, _) = world.lay();
    assert_eq!(lines(&layers[0]), [] as [&str; 0]);
    assert_eq!(lines(&layers[1]), [format!("{conf}two files one")]);
}

#[test]
fn what_a_layer_below_has_made_stays_and_is_told() {
    let mut world = World {
        layers: vec![
            vec![package("a", &["/usr/bin/a", "/usr/share/a"])],
            vec![package("b", &["/usr/bin/b"])],
        ],
        ..World::default()
    };
    let link = path("/etc/enabled/a");
    world.effects("a", &[Effect::Symlink { path: link, target: "/usr/bin/a".into() }]);
    let gone = ["/etc/enabled/a", "/etc/enabled/none", "/usr/share/a"];
    let gone = gone.map(|at| Effect::Remove { path: path(at), recursive: false });
    world.effects("b", &gone);
    let stays = ["/etc/enabled/a", "/usr/share/a"]
        .map(|at| format!("b: {at} stays, which it removes: a layer below has it"));
    assert_eq!(world.lay().1, stays);
    world.layers = vec![world.layers.concat()];
    let removed = vec!["rm /etc/enabled/a".to_owned(), "rm /usr/share/a".to_owned()];
    assert_eq!(world.lay(), (vec![removed], vec![]));
}

#[test]
fn whiteouts_of_scripts_are_told_and_not_made() {
    let mut world =
        World { layers: vec![vec![package("a", &["/usr/bin/a", "/usr/share/a"])]], ..World::default() };
    world.effects(
        "a",
        &[
            Effect::File { path: path("/usr/share/.wh.x"), content: Vec::new(), mode: None },
            Effect::Symlink { path: path("/etc/.wh.passwd"), target: "x".into() },
            Effect::Directory { path: path("/srv/.wh..wh..opq"), mode: None, owner: None },
            Effect::Rename { from: path("/usr/share/a"), to: path("/usr/share/.wh.a") },
            Effect::Alternative {
                name: "wh".into(),
                link: path("/usr/bin/.wh.sh"),
                path: path("/usr/bin/a"),
                priority: 1,
                slaves: Vec::new(),
            },
        ],
    );
    let (layers, told) = world.lay();
    assert_eq!(layers, [[] as [&str; 0]]);
    let words =
        |at: &str| format!("a: {at} would be a whiteout, which deletes what is below, and is not made");
    let at =
        ["/usr/share/.wh.x", "/etc/.wh.passwd", "/srv/.wh..wh..opq", "/usr/share/.wh.a", "/usr/bin/.wh.sh"];
    assert_eq!(told, at.map(words));
}

#[test]
fn a_package_that_is_named_need_have_no_files() {
    let mut world =
        World { layers: vec![vec![package("p", &["/usr/share/doc/p/copyright"])]], ..World::default() };
    world.effects("p", &[Effect::Directory { path: path("/var/lib/p"), mode: Some(0o750), owner: None }]);
    assert_eq!(world.lay().0[0], ["/var/lib/p/ 750 0:0"]);
    world.partial.push("p");
    assert_eq!(world.lay().0[0], Vec::<String>::new());
}

#[test]
fn what_services_are_started_with_is_made() {
    let files = ["/usr/bin/a", "/usr/lib/systemd/system/a.service", "/usr/lib/systemd/system/a.conf"];
    let mut world = World { layers: vec![vec![package("a", &files)]], ..World::default() };
    let mut unit = |name: &str, text: &str| {
        world.contents.insert(path(&format!("/usr/lib/systemd/system/{name}")), text.as_bytes().to_vec());
    };
    unit("a.service", "[Service]\nRuntimeDirectory=ant\nRuntimeDirectoryMode=0750\n");
    unit("a.conf", "[Service]\nRuntimeDirectory=bee\n");
    assert_eq!(world.lay().0, [["/run/ant/ 750 0:0"]]);
}

#[test]
fn services_get_their_directories_though_their_group_is_another() {
    let units = "/usr/lib/systemd/system";
    let files = ["a.service", "b.service", "c.service", "n.service"].map(|name| format!("{units}/{name}"));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let mut world = World { layers: vec![vec![package("a", &files)]], ..World::default() };
    for (name, user) in [("a", "ant"), ("b", "nobody"), ("c", "stranger"), ("n", "300")] {
        let text = format!("[Service]\nUser={user}\nRuntimeDirectory=%N\n");
        world.contents.insert(path(&format!("{units}/{name}.service")), text.into_bytes());
    }
    world.effects("a", &[user("ant", 300, "nogroup")]);
    let (layers, undone) = world.lay();
    let directories: Vec<&String> = layers[0].iter().filter(|line| line.starts_with("/run/")).collect();
    assert_eq!(
        directories,
        ["/run/a/ 755 300:65534", "/run/b/ 755 65534:65534", "/run/c/ 755 0:0", "/run/n/ 755 300:65534"]
    );
    assert_eq!(undone, ["a: nobody defines `stranger`, to whom /run/c is to belong"]);
}

#[test]
fn directories_that_a_package_has_are_given_to_its_service() {
    let unit = "/usr/lib/systemd/system/a.service";
    let files = [unit, "/etc/a/", "/var/lib/a/", "/var/lib/a/x"];
    let mut world = World { layers: vec![vec![package("a", &files)]], ..World::default() };
    let text =
        "[Service]\nUser=nobody\nStateDirectory=a\nStateDirectoryMode=0750\nConfigurationDirectory=a\n";
    world.contents.insert(path(unit), text.as_bytes().to_vec());
    assert_eq!(world.lay().0, [["/var/lib/a/ 750 65534:65534"]]);
}

/// Be they packages' or made: without `User=` a service takes nothing away from anybody.
#[test]
fn directories_of_others_stay_theirs() {
    let unit = "/usr/lib/systemd/system/a.service";
    let files = [unit, "/var/lib/a/", "/var/lib/a/x"];
    let mut world = World { layers: vec![vec![package("a", &files)]], ..World::default() };
    world.contents.insert(path(unit), b"[Service]\nStateDirectory=a\nRuntimeDirectory=a\n".to_vec());
    world.effects("a", &[user("ant", 300, "nogroup"), chown("/var/lib/a", "ant", "nogroup", false)]);
    let directories = world.lay().0;
    assert_eq!(directories[0].last().map(String::as_str), Some("/var/lib/a/ 755 300:65534"));
}

#[test]
fn what_is_known_of_an_owner_counts() {
    let mut world = World { layers: vec![vec![package("a", &["/srv/a"])]], ..World::default() };
    world.effects("a", &[user("ant", 300, "nogroup"), chown("/srv/a", "ant", "strangers", false)]);
    let (layers, undone) = world.lay();
    assert_eq!(layers[0], ["chown [300, 0] /srv/a"]);
    assert_eq!(undone, ["a: nobody defines `strangers`, to whom /srv/a is to belong"]);
}

#[test]
fn drop_ins_of_any_package_add_to_units() {
    let units = "/usr/lib/systemd/system";
    let of = |names: &[&str]| names.iter().map(|name| format!("{units}/{name}")).collect::<Vec<_>>();
    let own = of(&["a-b.service", "a-b.service.d/50-x.conf", "a-b.service.d/20-own.conf"]);
    let others = of(&["a-.service.d/50-x.conf", "service.d/70-all.conf", "other.service.d/90-no.conf"]);
    let package_of =
        |name, files: &[String]| package(name, &files.iter().map(String::as_str).collect::<Vec<_>>());
    let mut world =
        World { layers: vec![vec![package_of("a", &own), package_of("b", &others)]], ..World::default() };
    for (name, text) in [
        ("a-b.service", "RuntimeDirectory=ant\nStateDirectory=ant"),
        ("a-b.service.d/20-own.conf", "RuntimeDirectory=\nRuntimeDirectory=bee"),
        ("a-b.service.d/50-x.conf", "RuntimeDirectoryMode=0700"),
        ("a-.service.d/50-x.conf", "RuntimeDirectory=never"),
        ("service.d/70-all.conf", "RuntimeDirectory=cat"),
        ("other.service.d/90-no.conf", "RuntimeDirectory=never"),
    ] {
        let text = format!("[Service]\n{text}\n");
        world.contents.insert(path(&format!("{units}/{name}")), text.into_bytes());
    }
    assert_eq!(world.lay().0[0], ["/run/bee/ 700 0:0", "/run/cat/ 700 0:0", "/var/lib/ant/ 755 0:0"]);
    // What the package's scripts write for the administrator counts, too, and is not in the image.
    let written = |name: &str, text: &str| Effect::File {
        path: path(&format!("/etc/systemd/system/{name}")),
        content: format!("[Service]\n{text}\n").into_bytes(),
        mode: None,
    };
    world.effects(
        "a",
        &[
            written("a-b.service.d/60-dog.conf", "ExecStartPre=-/bin/mkdir -p /run/dog"),
            written("a-b.service.d/50-x.conf", "RuntimeDirectoryMode=0750"),
            written("other.service.d/no.conf", "RuntimeDirectory=never"),
        ],
    );
    assert_eq!(
        world.lay().0[0],
        ["/run/bee/ 750 0:0", "/run/cat/ 750 0:0", "/run/dog/ 755 0:0", "/var/lib/ant/ 755 0:0"]
    );
}

#[test]
fn alternatives_are_chosen_among_what_is_there_and_again_in_upper_layers() {
    let slave = Slave {
        link: path("/usr/share/man/man1/vi.1.gz"),
        name: "vi.1.gz".into(),
        path: path("/usr/share/man/man1/nvi.1.gz"),
    };
    let mut world = World {
        layers: vec![
            vec![package("nvi", &["/usr/bin/nvi"]), package("other", &["/usr/bin/other", "/usr/bin/ex"])],
            vec![package("vim", &["/usr/bin/vim"])],
        ],
        partial: vec!["nvi"],
        ..World::default()
    };
    world.effects(
        "nvi",
        &[
            alternative("vi", "/bin/vi", "/usr/bin/nvi", 10, &[slave]),
            alternative("gone", "/usr/bin/gone", "/usr/bin/not-kept", 10, &[]),
        ],
    );
    world.effects("other", &[alternative("ex", "/usr/bin/ex", "/usr/bin/other", 1, &[])]);
    world.effects("vim", &[alternative("vi", "/usr/bin/vi", "/usr/bin/vim", 50, &[])]);
    let (layers, _) = world.lay();
    assert_eq!(
        layers[0],
        [
            "/etc/alternatives/ex -> /usr/bin/other",
            "/etc/alternatives/vi -> /usr/bin/nvi",
            "/usr/bin/vi -> /etc/alternatives/vi"
        ]
    );
    assert_eq!(layers[1], ["/etc/alternatives/vi -> /usr/bin/vim"]);
}

#[test]
fn files_that_are_diverted_moved_and_removed() {
    let mut world = World {
        layers: vec![vec![
            package("owner", &["/usr/bin/tool", "/usr/bin/other"]),
            package("diverter", &["/usr/bin/diverter", "/usr/share/old"]),
        ]],
        ..World::default()
    };
    world.effects(
        "diverter",
        &[
            Effect::Divert { path: path("/usr/bin/tool"), to: path("/usr/bin/tool.real"), rename: true },
            Effect::Symlink { path: path("/usr/bin/tool"), target: "diverter".into() },
            Effect::Rename { from: path("/usr/bin/other"), to: path("/usr/libexec/other") },
            Effect::Remove { path: path("/usr/share/old"), recursive: false },
            Effect::StatOverride {
                path: path("/usr/bin/tool.real"),
                user: "root".into(),
                group: "staff".into(),
                mode: 0o4750,
            },
        ],
    );
    let (layers, undone) = world.lay();
    assert_eq!(
        layers[0],
        [
            "/usr/bin/tool -> diverter",
            "chown [0, 50] /usr/bin/tool",
            "chmod 4750 /usr/bin/tool",
            "mv /usr/bin/other /usr/libexec/other",
            "mv /usr/bin/tool /usr/bin/tool.real",
            "rm /usr/share/old",
        ]
    );
    assert_eq!(undone, Vec::<String>::new());
}

#[test]
fn of_a_package_of_which_a_rule_took_a_file_only_that_file_changes() {
    let mut world =
        World { layers: vec![vec![package("p", &["/usr/bin/p"])]], partial: vec!["p"], ..World::default() };
    world.effects(
        "p",
        &[
            Effect::Directory { path: path("/var/lib/p"), mode: None, owner: None },
            chown("/usr/bin/p", "man", "", false),
        ],
    );
    world.effects.get_mut("p").unwrap().undone.push(Undone {
        package: "p".into(),
        script: "postinst".into(),
        line: 3,
        command: "frob".into(),
        reason: "no model".into(),
    });
    assert_eq!(world.lay(), (vec![vec!["chown [6, 0] /usr/bin/p".to_owned()]], vec![]));
    // What is taken away only to be made anew stays, for nothing is made; what is taken away for good is.
    let removed = |at: &str| Effect::Remove { path: path(at), recursive: false };
    world.layers[0].push(package("q", &["/usr/bin/q", "/usr/bin/old"]));
    world.partial.push("q");
    let link = Effect::Symlink { path: path("/usr/bin/q"), target: "other".into() };
    world.effects("q", &[removed("/usr/bin/q"), link, removed("/usr/bin/old")]);
    assert_eq!(world.lay().0, [["chown [6, 0] /usr/bin/p", "rm /usr/bin/old"]]);
    world.layers[0].pop();
    world.partial.clear();
    assert_eq!(world.lay().1, ["p postinst:3: `frob`: no model"]);
}

#[test]
fn certificates_are_in_one_bundle() {
    let mut world = World {
        layers: vec![vec![
            package("libc6", &["/usr/lib/x86_64-linux-gnu/libc.so.6"]),
            package("ca-certificates", &["/usr/share/ca-certificates/mozilla/A.crt"]),
        ]],
        ..World::default()
    };
    world.contents.insert(path("/usr/share/ca-certificates/mozilla/A.crt"), b"A\n".to_vec());
    let (layers, _) = world.lay();
    assert_eq!(
        layers[0],
        [
            "/etc/ssl/certs/A.pem -> /usr/share/ca-certificates/mozilla/A.crt",
            "/etc/ssl/certs/ca-certificates.crt 644 0:0 A",
        ]
    );
}
