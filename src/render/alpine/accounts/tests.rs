//! The commands and what they come to are those of busybox 1.36.1 in a root of Alpine 3.20, but for ids that a
//! command leaves open, and for the day in `shadow`.

use std::path::Path;

use std::sync::Arc;

use super::super::run::command;
use super::*;
use crate::apk::Checksum;
use crate::cache::ContentId;
use crate::catalog::{Control, FileCatalog, Manifest, MergedUsr, PackageFiles};
use crate::effects::{CatalogFiles, effects_of};

fn recipe(accounts: &str) -> Recipe {
    let text = format!(
        "name = \"x\"\nfrom = \"alpine:3.20\"\n[[layer]]\nname = \"x\"\npackages = [\"x\"]\n{accounts}"
    );
    Recipe::parse(&text, Path::new("x.toml")).unwrap()
}

/// Accounts, and the script that made them.
struct Shell<'a> {
    state: AccountState<'a>,
    script: String,
    /// The effects of the script so far.
    known: usize,
}

/// A state upon the base accounts, with a `shadow` of a package.
fn shell(recipe: &Recipe) -> Shell<'_> {
    let mut state = AccountState::new(recipe, true).unwrap();
    state.rebase(None, None, Some(table(b"root:*::0:::::\n"))).unwrap();
    Shell { state, script: "#!/bin/sh\n".to_owned(), known: 0 }
}

impl Shell<'_> {
    /// Goes on with a script by one line. Nothing comes of what the command itself refuses.
    fn run(&mut self, line: &str) -> Option<Outcome> {
        let words: Vec<String> =
            line.split(' ').map(|word| format!("'{}'", word.replace('_', " "))).collect();
        self.script += &format!("{}\n", words.join(" "));
        let text = "pkgname = p\npkgver = 1-r0\narch = x86_64\n".to_owned();
        let members = [(".pre-install".to_owned(), self.script.clone().into_bytes())].into();
        let package = PackageFiles {
            name: "p".to_owned(),
            version: "1-r0".to_owned(),
            content: ContentId::Apk(Checksum::of(b"p")),
            archive: "/nonexistent".into(),
            cache: None,
            manifest: Arc::new(Manifest { files: Vec::new(), control: Control { text, members } }),
            kept: None,
            source: None,
            is_outline: false,
        };
        let catalog = FileCatalog::new(MergedUsr::new(&[]));
        let found = effects_of(&package, &CatalogFiles::new(&catalog, "x86_64", "")).unwrap().effects;
        let new = found[self.known..].iter().filter_map(command).map(|(_, command)| command);
        self.known = found.len();
        new.map(|command| self.state.run(command)).last()
    }
}

fn line(table: &Table, name: &str) -> String {
    find(table, name).map_or_else(|| "nothing".to_owned(), |line| line.join(":"))
}

fn uid(shell: &Shell<'_>, name: &str) -> u32 {
    shell.state.accounts().user_id(name).unwrap()
}

#[test]
fn a_system_user_with_a_group_of_its_own() {
    let recipe = recipe("");
    let mut shell = shell(&recipe);
    assert_eq!(shell.run("addgroup -S pulse"), Some(Outcome::Done(None)));
    let adduser = "adduser -S -D -H -h /var/run/pulse -s /sbin/nologin -G pulse -g pulse pulse";
    assert_eq!(shell.run(adduser), Some(Outcome::Done(None)));
    let (uid, gid) = (uid(&shell, "pulse"), shell.state.accounts().group_id("pulse").unwrap());
    assert!(DERIVED_IDS.contains(&uid) && DERIVED_IDS.contains(&gid));
    let files = shell.state.files().clone();
    assert_eq!(
        line(&files.passwd, "pulse"),
        format!("pulse:x:{uid}:{gid}:pulse:/var/run/pulse:/sbin/nologin")
    );
    assert_eq!(line(&files.group, "pulse"), format!("pulse:x:{gid}:pulse"));
    assert_eq!(line(files.shadow.as_ref().unwrap(), "pulse"), "pulse:!:3653:0:99999:7:::");
    // Once more, all is there.
    assert_eq!(shell.run("addgroup -S pulse"), None);
    assert_eq!(shell.run(adduser), None);
    assert_eq!(*shell.state.files(), files);
}

#[test]
fn options_and_what_they_come_to() {
    let recipe = recipe("");
    let mut shell = shell(&recipe);
    let home = |path: &str, uid, gid| Some(Outcome::Done(Some(Home { path: path.to_owned(), uid, gid })));
    let done = Some(Outcome::Done(None));
    for (command, outcome, passwd) in [
        (
            "adduser -S -u 500 -D -h /srv/q quux",
            home("/srv/q", 500, 65533),
            "quux:x:500:65533:Linux User,,,:/srv/q:/sbin/nologin",
        ),
        (
            "adduser -S -u 501 foo",
            home("/home/foo", 501, 65533),
            "foo:x:501:65533:Linux User,,,:/home/foo:/sbin/nologin",
        ),
        ("adduser -S -u 500 -D taken", Some(Outcome::Taken), "nothing"),
        (
            "adduser -u 502 -S -D baz -G audio",
            home("/home/baz", 502, 18),
            "baz:x:502:18:Linux User,,,:/home/baz:/sbin/nologin",
        ),
        (
            "adduser -D -u 1000 bar",
            home("/home/bar", 1000, 1000),
            "bar:x:1000:1000:Linux User,,,:/home/bar:/bin/sh",
        ),
        ("adduser -DHu1002 -g Mr_X joe", done.clone(), "joe:x:1002:1002:Mr X:/home/joe:/bin/sh"),
        (
            "adduser -SDH -u 503 -h/dev/null -s /bin/false -Gaudio longo",
            done.clone(),
            "longo:x:503:18:Linux User,,,:/dev/null:/bin/false",
        ),
        (
            "adduser --system --no-create-home --gecos Long --ingroup audio --home=/x --shell /bin/false --disabled-password --uid 504 longopt",
            done.clone(),
            "longopt:x:504:18:Long:/x:/bin/false",
        ),
        (
            "adduser -S -D -H -u 82 -h /var/lib/www -G www-data -g www-data www-data",
            done.clone(),
            "www-data:x:82:82:www-data:/var/lib/www:/sbin/nologin",
        ),
        ("adduser -S -D -H -G nosuch z", Some(Outcome::Impossible), "nothing"),
        ("adduser -S -u many z", None, "nothing"),
        ("adduser -S -x z", None, "nothing"),
        ("adduser -S z:0:0", None, "nothing"),
        ("deluser z", None, "nothing"),
        ("adduser -D audio", Some(Outcome::Taken), "nothing"),
    ] {
        let name = passwd.split(':').next().unwrap();
        assert_eq!(shell.run(command), outcome, "{command}");
        assert_eq!(line(&shell.state.files().passwd, name), passwd, "{command}");
    }
    for (command, outcome, group) in [
        ("addgroup -g 500 -S gg", done.clone(), "gg:x:500:"),
        ("addgroup -g 500 -S gg2", Some(Outcome::Taken), "nothing"),
        ("addgroup -S -g 82 www-data", None, "www-data:x:82:www-data"),
        ("addgroup --system --gid 600 longg", done.clone(), "longg:x:600:"),
        ("addgroup quux audio", done.clone(), "audio:x:18:baz,longo,longopt,quux"),
        ("addgroup quux audio", None, "audio:x:18:baz,longo,longopt,quux"),
        ("adduser quux video", done.clone(), "video:x:27:root,quux"),
        ("addgroup -S quux wheel", done.clone(), "wheel:x:10:root,quux"),
        ("addgroup nosuch audio", None, "nothing"),
        ("addgroup quux nosuch", None, "nothing"),
    ] {
        assert_eq!(shell.run(command), outcome, "{command}");
        let name = group.split(':').next().unwrap();
        assert_eq!(line(&shell.state.files().group, name), group, "{command}");
    }
    assert_eq!(line(&shell.state.files().group, "nogroup"), "nogroup:x:65533:quux,foo");
    assert_eq!(line(&shell.state.files().group, "bar"), "bar:x:1000:");
}

#[test]
fn ids_follow_from_names_not_from_what_else_is_there() {
    let recipe = recipe("");
    let (mut one, mut other) = (shell(&recipe), shell(&recipe));
    one.run("adduser -S -H a");
    one.run("adduser -S -H b");
    other.run("adduser -S -H b");
    assert_eq!(uid(&one, "b"), uid(&other, "b"));
    // Where the number is taken, it is the next.
    let mut third = shell(&recipe);
    third.run(&format!("adduser -S -H -u {} c", uid(&one, "b")));
    third.run("adduser -S -H b");
    assert_eq!(uid(&third, "b"), (uid(&one, "b") - 100 + 1) % 900 + 100);
}

#[test]
fn the_recipe_wins_and_all_is_done_again_upon_other_files() {
    let recipe = recipe(
        "[[user]]\nname = \"pulse\"\nuid = 100\nhome = \"/run/pulse\"\ngroups = [\"audio\", \"extra\"]\n\
         [[group]]\nname = \"extra\"\n[[user]]\nname = \"nobody\"\nshell = \"/bin/sh\"\n",
    );
    let mut shell = shell(&recipe);
    shell.run("addgroup -S pulse");
    shell.run("adduser -S -D -H -h /other -G pulse pulse");
    shell.run("adduser -S -D -H -G extra more");
    let before = shell.state.files().clone();
    assert_eq!(
        line(&before.passwd, "pulse"),
        "pulse:x:100:".to_owned() + &line(&before.passwd, "pulse")[12..]
    );
    assert!(line(&before.passwd, "pulse").ends_with(":/run/pulse:/sbin/nologin"), "{before:?}");
    assert_eq!(line(&before.group, "audio"), "audio:x:18:pulse");
    assert_eq!(line(&before.passwd, "nobody"), "nobody:x:65534:65534:nobody:/:/bin/sh");
    let extra = shell.state.accounts().group_id("extra");
    assert_eq!(line(&before.group, "extra"), format!("extra:x:{}:pulse,more", extra.unwrap()));

    let passwd = b"root:x:0:0:root:/root:/bin/ash\n# a comment\nodd:line\n";
    shell.state.rebase(Some(table(passwd)), None, None).unwrap();
    let after = shell.state.files();
    assert!(text(&after.passwd).starts_with("root:x:0:0:root:/root:/bin/ash\n# a comment\nodd:line\n"));
    assert_eq!(line(&after.passwd, "pulse"), line(&before.passwd, "pulse"));
    assert_eq!(line(&after.passwd, "more"), line(&before.passwd, "more"));
    assert_eq!((&after.group, &after.shadow), (&before.group, &before.shadow));
}
