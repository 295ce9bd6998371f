//! Scripts of small packages, and what they come to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::apk::archive::Marks;
use crate::cache::ContentId;
use crate::catalog::{CataloguedFile, Control, FileCatalog, Manifest, MergedUsr, PackageFiles};
use crate::digest::Digest;
use crate::shell::Node;
use crate::tarball::{Entry, EntryKind, Metadata};

mod text;

fn package(members: &[(&str, &str)]) -> PackageFiles {
    let text = "Package: sample\nVersion: 1.0\nArchitecture: amd64\n".to_owned();
    let members: BTreeMap<String, Vec<u8>> =
        members.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    PackageFiles {
        name: "sample".to_owned(),
        version: "1.0".to_owned(),
        content: ContentId::Sha256(Digest::of(b"sample")),
        archive: "/nonexistent".into(),
        cache: None,
        manifest: Arc::new(Manifest { files: Vec::new(), control: Control { text, members } }),
        kept: None,
        source: None,
        is_outline: false,
    }
}

fn effects(members: &[(&str, &str)]) -> PackageEffects {
    let catalog =
        FileCatalog::new(MergedUsr::new(&[("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib")]));
    effects_of(&package(members), &CatalogFiles::new(&catalog, "amd64", "x86_64-linux-gnu")).unwrap()
}

fn postinst(body: &str) -> PackageEffects {
    effects(&[("postinst", &format!("#!/bin/sh\nset -e\n{body}\n"))])
}

fn path(text: &str) -> RootPath {
    RootPath::parse(text).unwrap()
}

#[test]
fn commands_are_where_their_packages_have_them() {
    let found = postinst(
        "for one in sed sh which ldconfig adduser; do ln -s \"$(command -v $one)\" /etc/$one; done\n\
         if [ -x /usr/sbin/sed ] || [ -x /usr/bin/ldconfig ]; then mkdir /etc/both; fi",
    );
    let links: Vec<&str> = found
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::Symlink { target, .. } => target.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        links,
        ["/usr/bin/sed", "/usr/bin/sh", "/usr/bin/which", "/usr/sbin/ldconfig", "/usr/sbin/adduser"]
    );
}

#[test]
fn a_temporary_file_keeps_whose_it_is_where_it_goes() {
    let owner = |found: &PackageEffects, at: &str| {
        let of = |effect: &Effect| match effect {
            Effect::Owner { path, user, group, .. } if path.as_str() == at => {
                // What is not said stays as it is: root's.
                Some(Owner { user: user.clone().or(Some("root".into())), group: group.clone() })
            }
            Effect::Copy { to, owner, .. } if to.as_str() == at => owner.clone(),
            _ => None,
        };
        found.effects.iter().rev().find_map(of)
    };
    let mail = Some(Owner { user: Some("root".into()), group: Some("mail".into()) });
    let made =
        "new=$(mktemp)\necho 'a = b' > $new\nchown root:mail $new\nchmod 0640 $new\nsed -i s/a/c/ $new\n";
    for (finish, mode) in [("ucf $new /etc/x.conf", 0o640), ("mv $new /etc/x.conf", 0o640)] {
        let found = postinst(&format!("{made}{finish}"));
        assert_eq!(found.undone, [], "{finish}");
        assert_eq!(owner(&found, "/etc/x.conf"), mail, "{finish}");
        let is_file = |effect: &Effect| {
            matches!(effect, Effect::File { path, mode: Some(found), content }
            if path.as_str() == "/etc/x.conf" && *found == mode && content == b"c = b\n")
        };
        assert!(found.effects.iter().any(is_file), "{finish}: {found:?}");
    }
    // By a change of bits, over directories, from copy to copy, and made so.
    for (script, mode, of) in [
        ("t=$(mktemp); echo a >$t; chmod a+r $t; mv $t /etc/x.conf", None, None),
        ("t=$(mktemp); echo a >$t; chmod u=rw,g=r $t; cp -p $t /etc/x.conf", Some(0o640), None),
        (
            "d=$(mktemp -d); echo a >$d/x; chown -R root:mail $d; chmod -R g+w $d; mv $d/x /etc/x.conf",
            Some(0o664),
            mail.clone(),
        ),
        (
            "t=$(mktemp); echo a >$t; chown root:mail $t; cp -p $t $t.2; mv $t.2 /etc/x.conf",
            Some(0o600),
            mail.clone(),
        ),
        (
            "t=$(mktemp); echo a >$t.2; install -m 640 -o root -g mail $t.2 $t; mv $t /etc/x.conf",
            Some(0o640),
            mail.clone(),
        ),
        // What takes the place of something is not given to whom that was.
        (
            "t=$(mktemp); u=$(mktemp); echo a >$u; chown root:mail $t; mv $u $t; mv $t /etc/x.conf",
            Some(0o600),
            None,
        ),
        (
            "t=$(mktemp); echo a >$t; echo b >/etc/x.conf; chown root:mail /etc/x.conf; mv $t /etc/x.conf",
            Some(0o600),
            None,
        ),
    ] {
        let found = postinst(script);
        assert_eq!(found.undone, [], "{script}");
        assert_eq!(owner(&found, "/etc/x.conf"), mail.clone().filter(|_| of.is_some()), "{script}");
        let modes = found.effects.iter().filter_map(|effect| match effect {
            Effect::File { mode, .. } | Effect::Copy { mode, .. } => Some(*mode),
            _ => None,
        });
        assert_eq!(modes.collect::<Vec<_>>(), [mode], "{script}");
    }
    // On what nobody knows nothing is built, be it that it only passes.
    let script = "t=$(mktemp); if [ \"$(mystery)\" = y ]; then chown root:mail $t; fi; mv $t /etc/x.conf";
    assert!(postinst(script).undone.iter().any(|undone| undone.reason.contains("not known")));
    // What each machine makes of its own may have to be made, whichever way it goes.
    let found = postinst("x=$(mystery)\nif [ \"$x\" = y ]; then :; else ssh-keygen -A; fi");
    assert_eq!((found.undone.len(), found.at_run_time), (1, vec!["ssh-keygen".to_owned()]));
    // What mktemp makes is for one alone.
    let found = postinst("new=$(mktemp)\necho secret > \"$new\"\nmv \"$new\" /etc/x.conf");
    assert!(matches!(&found.effects[..], [Effect::File { mode: Some(0o600), .. }]), "{found:?}");
    // The group of a user's login.
    let found =
        postinst("useradd --system --user-group daemon2 && mkdir /var/lib/d && chown daemon2: /var/lib/d");
    let login = Owner { user: Some("daemon2".into()), group: Some("daemon2".into()) };
    assert_eq!(owner(&found, "/var/lib/d"), Some(login));
}

/// The new file has a mode of its own, be it the usual one.
#[test]
fn what_is_moved_onto_a_packages_file_is_another_file() {
    let script = "#!/bin/sh\nt=$(mktemp); echo a >$t; chmod 644 $t; mv $t /etc/p.conf\n";
    let mut shipping = package(&[("postinst", script)]);
    let metadata = Metadata { mode: 0o640, ..Metadata::default() };
    let entry = Entry { path: path("/etc/p.conf"), kind: EntryKind::File { size: 1 }, metadata };
    let file = CataloguedFile {
        entry,
        index: 0,
        elf: None,
        shebang: None,
        damaged_elf: None,
        marks: Marks::default(),
    };
    let control = shipping.manifest.control.clone();
    shipping.manifest = Arc::new(Manifest { files: vec![file], control });
    let mut catalog = FileCatalog::new(MergedUsr::new(&[]));
    catalog.insert(shipping.clone()).unwrap();
    let found = effects_of(&shipping, &CatalogFiles::new(&catalog, "amd64", "x86_64-linux-gnu")).unwrap();
    assert!(matches!(&found.effects[..], [Effect::File { mode: Some(0o644), .. }]), "{found:?}");
}

#[test]
fn an_account_that_nobody_defines_owns_nothing() {
    let found = postinst(
        "mkdir /var/lib/d\nchgrp bees /var/lib/d 2>/dev/null || addgroup --system bees\nchown bees /var/lib/d || useradd -r -g bees bees\n\
         chown bees:bees /var/lib/d",
    );
    assert_eq!(found.undone, []);
    let of = |effect: &Effect| match effect {
        Effect::Group { name, .. } => Some(format!("group {name}")),
        Effect::User { name, .. } => Some(format!("user {name}")),
        Effect::Owner { user, group, .. } => Some(format!("{user:?} {group:?}")),
        _ => None,
    };
    let told: Vec<String> = found.effects.iter().filter_map(of).collect();
    assert_eq!(told, ["group bees", "user bees", "Some(\"bees\") Some(\"bees\")"]);
}

#[test]
fn grep_looks_below_directories() {
    let found = postinst(
        "mkdir -p /etc/d/e\necho a=1 >/etc/d/e/f\ngrep -rq a=1 /etc/d && grep -r a= /etc/d >/etc/one\n\
         grep -qr b=1 /etc/d /etc/none || grep -rl a=1 /etc/d >/etc/two",
    );
    assert_eq!(found.undone, []);
    let content = |at: &str| {
        found.effects.iter().find_map(|effect| match effect {
            Effect::File { path, content, .. } if path.as_str() == at => {
                String::from_utf8(content.clone()).ok()
            }
            _ => None,
        })
    };
    assert_eq!(content("/etc/one").as_deref(), Some("/etc/d/e/f:a=1\n"));
    assert_eq!(content("/etc/two").as_deref(), Some("/etc/d/e/f\n"));
}

#[test]
fn grep_counts_and_names_files() {
    let found = postinst(
        "printf 'a1\\nb\\na2\\n' >/etc/x\nprintf 'b\\n' >/etc/y\ncd /etc\n\
         { grep -c a x y; grep -c a x; grep -ch a x y; grep -H b y; grep -hv a x y; grep -om1 a x; } >/etc/out",
    );
    let out = found.effects.iter().find_map(|effect| match effect {
        Effect::File { path, content, .. } if path.as_str() == "/etc/out" => Some(content.clone()),
        _ => None,
    });
    assert_eq!(found.undone, []);
    let out = String::from_utf8(out.unwrap()).unwrap();
    assert_eq!(out, "x:2\ny:0\n2\n2\n0\ny:b\nb\nb\na\n");
}

#[test]
fn xargs_makes_command_lines() {
    let found = postinst(
        "{ printf 'a b\\nc\\n' | xargs -n 2 echo; printf 'a b\\nc d\\ne\\n' | xargs -L2 echo x; printf 'a b,c' | xargs -d, -n1 echo\n\
         printf \"'a b' c\\\\\\\\ d\\n\" | xargs -n1 echo; printf '  a b\\nc\\n' | xargs -I@ echo [@]; printf 'a\\0b' | xargs -0r echo\n\
         printf '' | xargs -r echo no; printf '' | xargs echo yes; printf 'a b' | xargs -P 4 -- echo -n; printf 'c\\nd' | xargs -d'\\n' -n1 echo; } >/etc/out\n\
         echo \"it's\" | xargs echo",
    );
    let out = found.effects.iter().find_map(|effect| match effect {
        Effect::File { path, content, .. } if path.as_str() == "/etc/out" => Some(content.clone()),
        _ => None,
    });
    assert_eq!(found.undone.len(), 1, "{:?}", found.undone);
    let expected = "a b\nc\nx a b c d\nx e\na b\nc\na b\nc d\n[a b]\n[c]\na b\nyes\na bc\nd\n";
    assert_eq!(String::from_utf8(out.unwrap()).unwrap(), expected);
}

#[test]
fn env_starts_what_shells_have_themselves() {
    let found = postinst(
        "printf '#!/bin/sh\\necho \"$A-$B-$C\"\\n' >/usr/local/bin/tell; chmod 755 /usr/local/bin/tell; export A=1 B=2\n\
         { env -u PATH echo hi; env printf '%s-' a b; env -u A B=3 C=4 /usr/local/bin/tell; env -i C=5 /usr/local/bin/tell\n\
         find /usr/local/bin/tell -exec echo {} \\;; } >/etc/out",
    );
    let out = found.effects.iter().find_map(|effect| match effect {
        Effect::File { path, content, .. } if path.as_str() == "/etc/out" => Some(content.clone()),
        _ => None,
    });
    assert_eq!(found.undone, []);
    assert_eq!(String::from_utf8(out.unwrap()).unwrap(), "hi\na-b--3-4\n--5\n/usr/local/bin/tell\n");
}

#[test]
fn squid_tells_its_settings() {
    let found = postinst(
        "mkdir /etc/squid\nprintf '# x\\ncache_dir ufs /var/spool/s 100\\n\\nhttp_port 1\\n' > /etc/squid/squid.conf\n\
         dir=$(squid -k parse 2>&1 | grep Processing: | sed -n 's/.*: cache_dir [^ ]* \\([^ ]*\\).*/\\1/p')\nmkdir -p $dir",
    );
    assert_eq!(found.undone, []);
    let is_made =
        |effect: &Effect| matches!(effect, Effect::Directory { path, .. } if path.as_str() == "/var/spool/s");
    assert!(found.effects.iter().any(is_made), "{:?}", found.effects);
}

#[test]
fn shells_that_are_called_run_what_they_are_given() {
    let found = postinst(
        "export A=1; cd /srv; printf 'echo \"$0 $1 $A $PWD\"; false; echo on\\n' >/etc/s\n\
         { sh -c 'echo \"$0:$1:$A\"' name x; sh /etc/s y; sh -e /etc/s z || echo ended\n\
         echo 'echo read' | bash; bash -c 'echo $0'; /bin/sh -ec 'umask'; } >/etc/out",
    );
    let out = found.effects.iter().find_map(|effect| match effect {
        Effect::File { path, content, .. } if path.as_str() == "/etc/out" => Some(content.clone()),
        _ => None,
    });
    assert_eq!(found.undone, []);
    let expected = "name:x:1\n/etc/s y 1 /srv\non\n/etc/s z 1 /srv\nended\nread\nbash\n0022\n";
    assert_eq!(String::from_utf8(out.unwrap()).unwrap(), expected);
    assert_eq!(postinst("sh -o pipefail /etc/s").undone.len(), 1);
}

#[test]
fn what_is_a_machines_own_is_told_and_not_made() {
    let found =
        postinst("/usr/bin/ssh-keygen -q -f /etc/ssh/key && chmod 600 /etc/ssh/key; ssh-keygen -A; true");
    assert_eq!(found.at_run_time, ["ssh-keygen"]);
    assert_eq!(postinst("systemctl daemon-reload").at_run_time, Vec::<String>::new());
    let found = postinst(
        "openssl rand -base64 -out /etc/cookie 42\nchmod 400 /etc/cookie\nx=$(openssl rand -hex 8)\n[ -f /etc/cookie ] && mkdir /srv/d",
    );
    assert_eq!((found.undone.len(), found.at_run_time), (0, vec!["openssl".to_owned()]));
    assert!(!found.effects.iter().any(|effect| matches!(effect, Effect::File { .. })), "{:?}", found.effects);
    assert_eq!(postinst("openssl x509 -in /etc/a").undone.len(), 1);
    let found = postinst(
        "openssl req -x509 -key /etc/nothing -out /etc/a && mkdir /srv/a\n\
         openssl rand -out /dev/null 1 && mkdir /srv/c",
    );
    let made: Vec<&str> = found
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::Directory { path, .. } => path.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((made, found.undone), (vec!["/srv/c"], vec![]));
}

#[test]
fn a_daemon_gets_its_user_and_its_directory() {
    let found = postinst(
        "if [ \"$1\" = configure ]; then\n\
         getent passwd pulse >/dev/null || adduser --system --group --home /run/pulse --no-create-home --gecos 'A, B' pulse\n\
         adduser pulse audio\n\
         install -d -m 0750 -o pulse -g pulse /var/lib/pulse\n\
         fi",
    );
    assert_eq!(found.undone, []);
    let Effect::Group { name, system: true, gid: None } = &found.effects[0] else { panic!("{found:?}") };
    assert_eq!(name, "pulse");
    assert!(matches!(&found.effects[1], Effect::User { name, group, home, create_home: false, .. }
        if name == "pulse" && group.as_deref() == Some("pulse") && home.as_deref() == Some("/run/pulse")));
    assert_eq!(found.effects[2], Effect::Member { user: "pulse".into(), group: "audio".into() });
    let owner = Owner { user: Some("pulse".into()), group: Some("pulse".into()) };
    let directory = Effect::Directory { path: path("/var/lib/pulse"), mode: Some(0o750), owner: Some(owner) };
    assert_eq!(found.effects[3..], [directory]);
}

#[test]
fn a_users_number_is_taken_once() {
    let found = postinst(
        "useradd -u 700 -g users a && mkdir /srv/a; useradd -u 700 -g users b || mkdir /srv/$?\n\
         adduser --system --uid 700 c || mkdir /srv/c; adduser --system --uid 0 d || mkdir /srv/d\n\
         useradd -o -u 700 -g users e && mkdir /srv/e",
    );
    let made = found.effects.iter().map(|effect| match effect {
        Effect::Directory { path, .. } => path.as_str(),
        Effect::User { name, .. } => name,
        other => panic!("{other:?}"),
    });
    assert_eq!(made.collect::<Vec<_>>(), ["a", "/srv/a", "/srv/4", "/srv/c", "/srv/d", "e", "/srv/e"]);
    assert_eq!(found.undone, []);
}

#[test]
fn apaches_switches_make_links() {
    let before = "d=/etc/apache2/mods-available; mkdir -p $d /etc/apache2/mods-enabled /etc/apache2/sites-available\n\
                  echo '# Depends: setenvif mime' > $d/deflate.load; echo x > $d/deflate.conf\n\
                  echo '# Depends: deflate' > $d/mime.load; echo LoadModule > $d/setenvif.load\n\
                  echo '# Conflicts: mime' > $d/other.load; echo x > $d/cgi.load; echo x > $d/cgid.load\n\
                  echo '# Depends: other' > /etc/apache2/sites-available/needy.conf\n\
                  echo x > /etc/apache2/sites-available/000-default.conf\n\
                  echo x > $d/mpm_event.load\n";
    let links = |calls: &str| -> Vec<String> {
        let found = postinst(&format!("{before}{calls}"));
        assert_eq!(found.undone, [], "{calls}");
        let links = found.effects.iter().filter_map(|effect| match effect {
            Effect::Symlink { path, target } => Some(format!("{path} -> {target}")),
            Effect::File { path, content, .. } if path.as_str().starts_with("/var/lib") => {
                assert!(content.is_empty());
                Some(path.to_string())
            }
            _ => None,
        });
        links.map(|text| text.replace("/etc/apache2/", "").replace("/var/lib/apache2/", "")).collect()
    };
    // What it depends on comes first, circles are walked once, and settings come along.
    assert_eq!(
        links("a2enmod -m -q deflate"),
        [
            "mods-enabled/setenvif.load -> ../mods-available/setenvif.load",
            "module/enabled_by_maint/setenvif",
            "mods-enabled/mime.load -> ../mods-available/mime.load",
            "module/enabled_by_maint/mime",
            "mods-enabled/deflate.load -> ../mods-available/deflate.load",
            "mods-enabled/deflate.conf -> ../mods-available/deflate.conf",
            "module/enabled_by_maint/deflate",
        ]
    );
    assert_eq!(
        links("a2ensite 000-default.conf"),
        [
            "sites-enabled/000-default.conf -> ../sites-available/000-default.conf",
            "site/enabled_by_admin/000-default"
        ]
    );
    // With a threaded server another module does its work.
    let threaded = links("a2enmod -q mpm_event cgi");
    assert!(threaded.iter().any(|link| link.contains("cgid.load")), "{threaded:?}");
    assert!(links("a2enmod cgi").iter().any(|link| link.contains("/cgi.load")));
    // What is refused fails, and makes nothing.
    for refused in ["a2enmod nosuch", "a2ensite needy", "a2enmod -q setenvif mime; a2enmod other"] {
        let made = links(&format!("{refused} && echo x > /var/lib/apache2/done || true"));
        assert!(
            !made.iter().any(|path| path == "done" || path.contains("other") || path.contains("needy")),
            "{made:?}"
        );
    }
    let off = links("a2enmod setenvif; a2dismod -m setenvif");
    assert_eq!(off, ["module/disabled_by_maint/setenvif"]);
    // What Apache's own script has enabled counts, until another takes its place.
    let switched = links(
        "echo x > $d/mpm_prefork.load\n\
         a2query -m mime || a2query -q -m mpm_event && a2dismod -m -q mpm_$(a2query -M) && a2enmod -m -q mpm_prefork\n\
         a2query -m | grep -q '^mpm_prefork (enabled' && echo -n > /var/lib/apache2/$(a2query -M)",
    );
    let made = [
        "module/disabled_by_maint/mpm_event",
        "mods-enabled/mpm_prefork.load -> ../mods-available/mpm_prefork.load",
        "module/enabled_by_maint/mpm_prefork",
        "prefork",
    ];
    assert_eq!(switched, made);
}

#[test]
fn alternatives_of_a_loop_are_expanded() {
    let found = postinst(
        "for v in a b; do update-alternatives --install /usr/bin/tool tool /usr/bin/tool-$v 10 \\\n\
         --slave /usr/share/man/man1/tool.1.gz tool.1.gz /usr/share/man/man1/tool-$v.1.gz; done",
    );
    assert_eq!(found.undone, []);
    assert_eq!(found.effects.len(), 2);
    assert!(matches!(&found.effects[1], Effect::Alternative { path, priority: 10, slaves, .. }
        if path.as_str() == "/usr/bin/tool-b" && slaves.len() == 1));
}

#[test]
fn files_made_by_way_of_temporary_ones_have_their_content() {
    let found = postinst(
        "t=$(mktemp)\necho 'port = @PORT@' > $t\nsed -i 's/@PORT@/80/' $t\nchmod 640 $t\nmv $t /etc/sample.conf\n\
         chown root:adm /etc/sample.conf; echo x > /tmp/gone; rm /tmp/gone",
    );
    assert_eq!(found.undone, []);
    let content = b"port = 80\n".to_vec();
    assert_eq!(found.effects[0], Effect::File { path: path("/etc/sample.conf"), content, mode: Some(0o640) });
    assert_eq!(found.effects.len(), 2);
}

#[test]
fn defaults_of_templates_answer_questions() {
    let found = effects(&[
        ("templates", "Template: sample/port\nType: string\nDefault: 4711\nDescription: x\n"),
        (
            "postinst",
            "#!/bin/sh -e\n. /usr/share/debconf/confmodule\ndb_get sample/port\necho \"$RET\" > /etc/port\n",
        ),
    ]);
    assert_eq!(found.undone, []);
    let content = b"4711\n".to_vec();
    assert_eq!(found.effects, [Effect::File { path: path("/etc/port"), content, mode: None }]);
}

#[test]
fn what_is_not_understood_says_where() {
    let found = postinst("frobnicate --all\nid=$(date +%s)\necho $id > /etc/stamp");
    let shown: Vec<String> = found.undone.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown[0].starts_with("sample postinst:3: `frobnicate --all`: there is no model"), "{shown:?}");
    assert!(shown[1].contains("postinst:5"), "{shown:?}");
    assert_eq!(found.effects, []);
    let perl = effects(&[("postinst", "#!/usr/bin/perl\nprint 1;\n")]);
    assert_eq!(perl.undone.len(), 1);
}

#[test]
fn owners_are_asked_for_and_those_of_another_user_are_theirs() {
    let found = postinst(
        "adduser --system --group --no-create-home --home /var/lib/app app\n\
         install -d -o app -g adm -m 0750 /var/lib/app\n\
         su -s /bin/sh app -c 'test -O /var/lib/app && ! test -G /var/lib/app' || exit 3\n\
         su app -c 'mkdir /var/lib/app/data'\n\
         chgrp $(stat -L -c %G /var/lib/app) /etc\n\
         [ \"$(stat -c %a:%U:%g /usr)\" = 755:root:0 ] || exit 4\n\
         ls -ld /var/lib/app | awk '{print $1, $3}' > /etc/listed",
    );
    assert_eq!(found.undone, []);
    let owner = Some(Owner { user: Some("app".into()), group: Some("app".into()) });
    let theirs = Effect::Directory { path: path("/var/lib/app/data"), mode: None, owner };
    assert!(found.effects.contains(&theirs), "{found:?}");
    let given = Effect::Owner { path: path("/etc"), user: None, group: Some("adm".into()), recursive: false };
    assert!(found.effects.contains(&given), "{found:?}");
    let content = b"drwxr-x--- app\n".to_vec();
    assert_eq!(found.effects.last(), Some(&Effect::File { path: path("/etc/listed"), content, mode: None }));
}

#[test]
fn find_tells_who_has_no_number_yet_from_who_has() {
    let found = postinst(
        "adduser --system --group --no-create-home --home /var/lib/app app\n\
         mkdir -p /var/lib/app/data\n\
         find /var/lib/app ! -uid \"$(id -u app)\" -print0 | xargs -0 -r chown app\n\
         find /var/lib/app -gid \"$(id -g app)\" -exec rmdir {} +",
    );
    assert_eq!(found.undone, []);
    let owned = found.effects.iter().filter_map(|effect| match effect {
        Effect::Owner { path, user, .. } => Some((path.as_str(), user.as_deref())),
        _ => None,
    });
    let owned: Vec<_> = owned.collect();
    assert_eq!(owned, [("/var/lib/app", Some("app")), ("/var/lib/app/data", Some("app"))]);
    // Whether it is its own is not known.
    let found = postinst(
        "adduser --system app\nmkdir /var/lib/app\nchown app /var/lib/app\n\
         find /var/lib/app -uid $(id -u app) -exec rmdir {} +",
    );
    assert_eq!(found.undone.len(), 1, "{found:?}");
}

#[test]
fn what_a_command_without_a_model_may_have_made_fails_nobody() {
    let found = postinst(
        "keygen -o /etc/app.key 42\nchmod 0400 /etc/app.key\nchown root:adm /etc/app.key\nmkdir /var/lib/app",
    );
    assert_eq!(found.undone.len(), 1, "{:?}", found.undone);
    assert_eq!(found.effects.len(), 1, "{:?}", found.effects);
    let found = postinst("keygen -o /etc/app.key 42\nchmod 0400 /etc/other.key\nmkdir /var/lib/app");
    assert_eq!(found.undone.len(), 2, "{:?}", found.undone);
}

#[test]
fn the_mask_of_new_files_counts() {
    let found = postinst(
        "umask 066\ntouch /etc/secret\necho x > /etc/other\nmkdir /etc/dir\numask 022\n: > /etc/open",
    );
    assert_eq!(found.undone, []);
    let modes: Vec<Option<u32>> = found
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::File { mode, .. } | Effect::Directory { mode, .. } => *mode,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(modes, [Some(0o600), Some(0o600), Some(0o711), None]);
}

#[test]
fn capabilities_are_set_and_asked_for() {
    let found = postinst(
        "echo x > /usr/bin/tool\nsetcap cap_net_raw+ep /usr/bin/tool\n\
         getcap /usr/bin/tool | grep -q cap_net_raw || exit 3\nmktemp --tmpdir app.XXX | grep -q ^/tmp/app",
    );
    assert_eq!(found.undone, []);
    assert!(matches!(&found.effects[1], Effect::Capabilities { path, capabilities, .. }
        if path.as_str() == "/usr/bin/tool" && capabilities.len() == 20));
}

#[test]
fn find_reads_the_whole_of_its_grammar() {
    let found = postinst(
        "mkdir -p /etc/app/a /etc/app/b; touch /etc/app/a/x.conf /etc/app/b/y.bak /etc/app/b/z.conf\n\
         find /etc/app ! \\( -name '*.bak' -o -type d \\) -printf '%f\\n' > /etc/found\n\
         find /etc/app -name b -prune -o -type f -print >> /etc/found\n\
         find /etc/app -type f -name '*.conf' -exec chmod 600 {} +",
    );
    assert_eq!(found.undone, []);
    let content = b"x.conf\nz.conf\n/etc/app/a/x.conf\n".to_vec();
    assert!(
        found.effects.contains(&Effect::File { path: path("/etc/found"), content, mode: None }),
        "{found:?}"
    );
    let modes = found.effects.iter().filter(|effect| matches!(effect, Effect::Mode { .. })).count();
    assert_eq!(modes, 2);
}

#[test]
fn questions_speak_of_what_scripts_put_in() {
    let found = effects(&[
        ("templates", "Template: sample/which\nType: multiselect\nChoices: ${all}\nDescription: x\n"),
        ("config", "#!/bin/sh -e\n. /usr/share/debconf/confmodule\ndb_subst sample/which all \"a, b\"\n"),
        (
            "postinst",
            "#!/bin/sh -e\n. /usr/share/debconf/confmodule\ndb_metaget sample/which choices\necho \"$RET\" > /etc/which\n",
        ),
    ]);
    assert_eq!(found.undone, []);
    let content = b"a, b\n".to_vec();
    assert_eq!(found.effects, [Effect::File { path: path("/etc/which"), content, mode: None }]);
}

/// What the scripts of packages do among one another, each of control fields and of files of its control part.
fn among(packages: &[(&str, &[(&str, &str)])]) -> BTreeMap<String, PackageEffects> {
    among_as(packages, &EffectsMemo::default())
}

/// The same, with what is known already.
fn among_as(packages: &[(&str, &[(&str, &str)])], memo: &EffectsMemo) -> BTreeMap<String, PackageEffects> {
    let mut catalog = FileCatalog::new(MergedUsr::new(&[]));
    for (fields, members) in packages {
        let mut one = package(members);
        one.name = fields.lines().next().unwrap().strip_prefix("Package: ").unwrap().to_owned();
        let control = &one.manifest.control;
        let control = Control { text: format!("{fields}\n"), members: control.members.clone() };
        one.manifest = Arc::new(Manifest { files: Vec::new(), control });
        catalog.insert(one).unwrap();
    }
    let image = CatalogFiles::new(&catalog, "amd64", "x86_64-linux-gnu");
    effects_of_all(&catalog, &image, memo).unwrap()
}

/// What is known is of use only where an image answers as another did, however many have asked before.
#[test]
fn what_is_known_of_scripts_is_what_they_do() {
    let asks: &[(&str, &str)] = &[
        ("triggers", "interest-noawait called\n"),
        (
            "postinst",
            "#!/bin/sh\ncase $1 in\n  triggered) addgroup --system triggered;;\n  \
             *) dpkg-query -W one >/dev/null && addgroup --system has-one\n  \
             dpkg-query -W two >/dev/null && addgroup --system has-two;;\nesac\nexit 0\n",
        ),
    ];
    let calls: &[(&str, &str)] = &[("triggers", "activate called\n")];
    let asking = ("Package: asks", asks);
    let images = [
        vec![asking],
        vec![asking, ("Package: one\nStatus: install ok installed", calls)],
        vec![asking, ("Package: two\nStatus: install ok installed", &[])],
        vec![asking, ("Package: one\nStatus: install ok installed", &[]), ("Package: two", calls)],
    ];
    let memo = EffectsMemo::default();
    let alone: Vec<_> = images.iter().map(|image| among(image)).collect();
    for (image, alone) in images.iter().chain(images.iter().rev()).zip(alone.iter().chain(alone.iter().rev()))
    {
        assert_eq!(among_as(image, &memo), *alone);
    }
    let groups = |found: &BTreeMap<String, PackageEffects>| found["asks"].effects.len();
    assert_eq!(alone.iter().map(groups).collect::<Vec<_>>(), [0, 2, 1, 3]);
}

#[test]
fn scripts_find_the_accounts_of_what_they_depend_on() {
    let certificates = ("Package: keys", [("postinst", "#!/bin/sh\naddgroup --system keepers\n")]);
    let daemon = [(
        "postinst",
        "#!/bin/sh -e\nadduser --system --group daemon-user\n\
         if getent group keepers > /dev/null; then adduser daemon-user keepers; fi\n",
    )];
    let joins = |fields: &str| {
        let found = among(&[(certificates.0, &certificates.1), (fields, &daemon)]);
        let joins = Effect::Member { user: "daemon-user".into(), group: "keepers".into() };
        assert_eq!(found["daemon"].undone, []);
        found["daemon"].effects.contains(&joins)
    };
    assert!(joins("Package: daemon\nDepends: between | keys (>= 1)"));
    assert!(!joins("Package: daemon"));
}

#[test]
fn scripts_find_the_files_that_others_have_made() {
    // The last one by name, so that it is not the order of names that counts.
    let server = [("postinst", "#!/bin/sh\n[ -f /etc/maps ] || echo head >/etc/maps\n")];
    let adds = [("postinst", "#!/bin/sh\n[ -f /etc/maps ] && echo map >>/etc/maps\n")];
    let more = [("postinst", "#!/bin/sh\nsed -i s/head/top/ /etc/maps\necho more >>/etc/maps\n")];
    let found = among(&[
        ("Package: server", &server),
        ("Package: map\nDepends: server", &adds),
        ("Package: a\nDepends: map", &more),
    ]);
    let text = |name: &str| match &found[name].effects[..] {
        [Effect::File { content, .. }] => String::from_utf8(content.clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!([text("server"), text("map"), text("a")], ["head\n", "head\nmap\n", "top\nmap\nmore\n"]);
    assert_eq!(["server", "map", "a"].map(|name| found[name].after), [0, 1, 2]);
    assert!(found["a"].after_files_of.contains("server") && found["server"].after_files_of.is_empty());
    // Who does not depend on it comes about without.
    let found = among(&[("Package: server", &server), ("Package: map", &adds)]);
    assert_eq!((found["map"].effects.len(), found["map"].after), (0, 0));
    // Of two that depend on each other the second finds what the first has done.
    let found = among(&[("Package: b\nDepends: c", &server), ("Package: c\nDepends: b", &adds)]);
    let makes = |effect: &Effect| matches!(effect, Effect::File { content, .. } if content == b"head\nmap\n");
    assert!(found["b"].effects.len() == 1 && found["c"].effects.iter().all(makes), "{found:?}");
}

#[test]
fn scripts_find_what_others_have_done_to_files() {
    let script = |text: &'static str| [("postinst", text)];
    let first = script(
        "#!/bin/sh\nmkdir -p /etc/d /var/lib/d\necho secret >/etc/d/a.conf\nchmod 600 /etc/d/a.conf\n\
         chown root:mail /etc/d/a.conf\ncp /etc/d/a.conf /etc/d/b.conf\nln -s a.conf /etc/link\n",
    );
    let second = script("#!/bin/sh\n[ -L /etc/link ] && echo map >/etc/map\n");
    let third = script(
        "#!/bin/sh\nset -e\ncat /etc/map /etc/d/*.conf >/etc/all\nstat -c '%a %G' /etc/d/a.conf >/etc/stat\n\
         cp -p /etc/d/a.conf /etc/copy\nmv /etc/d/a.conf /etc/moved\nrm /etc/link /etc/d/b.conf\n\
         echo more >>/etc/map\nchown games /var/lib/d\n",
    );
    let found = among(&[
        ("Package: z\nProvides: first (= 1)", &first),
        ("Package: y\nDepends: first", &second),
        ("Package: x\nDepends: y, z", &third),
    ]);
    assert_eq!(found["x"].undone, []);
    let shown: Vec<String> = found["x"]
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::File { path, content, mode } => {
                format!("{path} {} {mode:?}", String::from_utf8_lossy(content).replace('\n', ";"))
            }
            Effect::Remove { path, .. } => format!("rm {path}"),
            Effect::Owner { path, user, group, .. } => format!("{path} {user:?} {group:?}"),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "/etc/all map;secret;secret; None",
        "/etc/stat 600 mail; None",
        "/etc/copy secret; Some(384)",
        "/etc/copy None Some(\"mail\")",
        "rm /etc/d/a.conf",
        "/etc/moved secret; Some(384)",
        "/etc/moved None Some(\"mail\")",
        "rm /etc/link",
        "rm /etc/d/b.conf",
        "/etc/map map;more; None",
        "/var/lib/d Some(\"games\") None",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn what_is_installed_over_anothers_file_has_the_mode_it_is_given() {
    let first = [("postinst", "#!/bin/sh -e\necho a >/etc/made\nchmod 666 /etc/made\n")];
    let second = [("postinst", "#!/bin/sh -e\nt=$(mktemp)\necho b >$t\ninstall -m 644 $t /etc/made\n")];
    let found = among(&[("Package: one", &first), ("Package: a\nDepends: one", &second)]);
    let made = Effect::File { path: path("/etc/made"), content: b"b\n".to_vec(), mode: Some(0o644) };
    assert!(found["a"].undone.is_empty() && found["a"].effects.contains(&made), "{:?}", found["a"]);
}

#[test]
fn scripts_find_what_comes_with_accounts_and_alternatives() {
    let first = [(
        "postinst",
        "#!/bin/sh -e\nadduser --system --home /srv/app --shell /bin/sh app\n\
         update-alternatives --install /usr/bin/e e /usr/bin/e.low 10 --slave /usr/bin/f f /usr/bin/f.low \\\n\
         --slave /usr/bin/g g /usr/bin/g.low\n\
         update-alternatives --install /usr/bin/e e /usr/bin/e.high 20 --slave /usr/bin/f f /usr/bin/f.high\n\
         update-alternatives --install /usr/bin/e e /usr/bin/e.middle 15\n\
         [ ! -L /usr/bin/e ] || readlink /usr/bin/e >/etc/own\n",
    )];
    let second = [(
        "postinst",
        "#!/bin/sh -e\n[ -d /srv/app ] || mkdir -m 700 /srv/app\nchmod 750 /srv/app\n\
         readlink /etc/alternatives/e >/etc/chosen\n[ ! -L /usr/bin/g ]\nreadlink /etc/alternatives/f >/etc/slave\n",
    )];
    let found = among(&[("Package: one", &first), ("Package: a\nDepends: one", &second)]);
    assert_eq!((&found["one"].undone, &found["a"].undone), (&vec![], &vec![]));
    let text = |of: &str, at: &str| {
        found[of].effects.iter().find_map(|effect| match effect {
            Effect::File { path, content, .. } if path.as_str() == at => {
                Some(String::from_utf8_lossy(content).into_owned())
            }
            _ => None,
        })
    };
    assert_eq!(text("one", "/etc/own").as_deref(), Some("/etc/alternatives/e\n"));
    assert_eq!(text("a", "/etc/chosen").as_deref(), Some("/usr/bin/e.high\n"));
    assert_eq!(text("a", "/etc/slave").as_deref(), Some("/usr/bin/f.high\n"));
    let mode = Effect::Mode { path: path("/srv/app"), mode: ModeChange::Bits(0o750), recursive: false };
    assert_eq!(found["a"].effects[0], mode);
}

#[test]
fn what_is_declared_for_systemd_is_found_once_its_tools_have_run() {
    let found = postinst(
        "mkdir -p /usr/lib/sysusers.d /usr/lib/tmpfiles.d\n\
         printf 'u zu 891:8 \"Z user\" /srv/z /bin/sh\\nm zu adm\\n' >/usr/lib/sysusers.d/a.conf\n\
         echo 'd /srv/z 0750 zu mail -' >/usr/lib/tmpfiles.d/a.conf\n\
         systemd-sysusers a.conf\nsystemd-tmpfiles --create a.conf\n\
         getent passwd zu >/etc/user\n! getent group zu\nid -Gn zu >/etc/groups\nmkdir /srv/z/below\n",
    );
    assert_eq!(found.undone, []);
    let text = |at: &str| {
        found.effects.iter().find_map(|effect| match effect {
            Effect::File { path, content, .. } if path.as_str() == at => {
                Some(String::from_utf8_lossy(content).into_owned())
            }
            _ => None,
        })
    };
    assert_eq!(text("/etc/user").as_deref(), Some("zu:x:891:8:Z user:/srv/z:/bin/sh\n"));
    assert!(text("/etc/groups").is_some_and(|groups| groups.contains("adm")));
    let below = Effect::Directory { path: path("/srv/z/below"), mode: None, owner: None };
    assert_eq!(found.effects.last(), Some(&below));
}

#[test]
fn users_are_changed_by_who_makes_them() {
    let makes = [("postinst", "#!/bin/sh -e\nuseradd -r -s /bin/sh app\nusermod -d /srv/app app\n")];
    let changes = [(
        "postinst",
        "#!/bin/sh -e\nusermod -s /bin/sh app\nusermod -s /bin/bash app\nchsh -s /bin/dash app\n",
    )];
    let found = among(&[("Package: one", &makes), ("Package: a\nDepends: one", &changes)]);
    let is_moved =
        |effect: &Effect| matches!(effect, Effect::User { home: Some(home), .. } if home == "/srv/app");
    assert!(found["one"].undone.is_empty() && found["one"].effects.iter().any(is_moved), "{found:?}");
    let lines: Vec<usize> = found["a"].undone.iter().map(|step| step.line).collect();
    assert_eq!(
        (lines, &found["a"].undone[0].reason[..]),
        (vec![3, 4], "another package makes the user `app`")
    );
}

#[test]
fn what_is_given_and_moved_keeps_its_bits_and_owner() {
    let last = |body: &str, at: &str| {
        let found = postinst(body);
        assert_eq!(found.undone, [], "{body}");
        let (mut mode, mut user, mut group) = (None, None, None);
        for effect in &found.effects {
            match effect {
                Effect::File { path, mode: made, .. } if path.as_str() == at => mode = *made,
                Effect::Mode { path, mode: ModeChange::Bits(bits), .. } if path.as_str() == at => {
                    mode = Some(*bits);
                }
                Effect::Owner { path, user: one, group: other, .. } if path.as_str() == at => {
                    (user, group) = (one.clone(), other.clone());
                    mode = mode.map(given_away);
                }
                _ => {}
            }
        }
        (mode.unwrap_or(0o644), user.unwrap_or_default(), group.unwrap_or_default())
    };
    let made = "t=$(mktemp); echo a >$t";
    let is = |mode: u32, user: &str, group: &str| (mode, user.to_owned(), group.to_owned());
    for (script, expected) in [
        ("chown mail $t; chmod 4755 $t; mv $t /usr/bin/e", is(0o4755, "mail", "")),
        ("chmod 4755 $t; chown mail $t; mv $t /usr/bin/e", is(0o755, "mail", "")),
        ("install -m 2755 -g mail $t /usr/bin/e", is(0o2755, "", "mail")),
        (
            "mkdir /usr/l; cp $t /usr/l/a; chown -R mail:mail /usr/l; mv /usr/l/a /usr/bin/e",
            is(0o600, "mail", "mail"),
        ),
        (
            "mkdir -p /usr/bin; cp $t /a; chown mail /a; chown -R mail /usr/bin; mv /a /usr/bin/e",
            is(0o600, "mail", ""),
        ),
    ] {
        assert_eq!(last(&format!("{made}; {script}"), "/usr/bin/e"), expected, "{script}");
    }
    // Where it would end the installation, the account is there: somebody makes it who is not seen.
    let found = postinst("mkdir /var/lib/d\nchown nobody-knows /var/lib/d\nmkdir /var/lib/e");
    assert_eq!((found.undone.len(), found.effects.len()), (0, 3));
}

#[test]
fn triggers_fire_when_others_activate_them() {
    let waits = [
        ("triggers", "interest-noawait collect\ninterest never\n"),
        ("postinst", "#!/bin/sh -e\nif [ \"$1\" = triggered ]; then echo \"$2\" > /etc/collected; fi\n"),
    ];
    let fired = |other: &[(&str, &str)]| {
        let found = among(&[("Package: waits", &waits), ("Package: other", other)]);
        found["waits"].effects.clone()
    };
    let collected =
        [Effect::File { path: path("/etc/collected"), content: b"collect\n".to_vec(), mode: None }];
    assert_eq!(fired(&[("triggers", "activate-noawait collect # now\n")]), collected);
    assert_eq!(fired(&[("postinst", "#!/bin/sh\ndpkg-trigger --no-await collect || true\n")]), collected);
    assert_eq!(fired(&[("postinst", "#!/bin/sh\necho collect\n")]), []);
}

#[test]
fn find_follows_its_grammar() {
    let links = |expression: &str| -> Vec<String> {
        let body = format!(
            "mkdir -p /etc/x/a /etc/x/b.bak /etc/x/c/d\nfor d in $(find /etc/x {expression}); do ln -s t $d/link; done"
        );
        let found = postinst(&body);
        assert_eq!(found.undone, [], "{expression}");
        let links = found.effects.iter().filter_map(|effect| match effect {
            Effect::Symlink { path, .. } => Some(path.as_str().trim_end_matches("/link").to_owned()),
            _ => None,
        });
        links.collect()
    };
    assert_eq!(links("-mindepth 1 -maxdepth 1 ! \\( -name '*.bak' -o -name c \\)"), ["/etc/x/a"]);
    assert_eq!(links("-mindepth 1 -name c -prune -o -name d -print"), [] as [&str; 0]);
    assert_eq!(links("-name a -o -name d"), ["/etc/x/a", "/etc/x/c/d"]);
    assert_eq!(links("-type f"), [] as [&str; 0]);
    assert_eq!(links("-name d -printf '/etc/x/c/%f\\n'"), ["/etc/x/c/d"]);
    assert_eq!(links("-name d -printf '/etc/x/%P\\n'"), ["/etc/x/c/d"]);
    assert_eq!(postinst("find /etc \\( -name a").undone.len(), 1);
    let follows = |more: &str| {
        let found = postinst(&format!(
            "mkdir -p /srv/a/b; {more}\nfind /srv/a -follow -type d -exec chmod 700 {{}} +"
        ));
        let modes = found.effects.iter().filter(|effect| matches!(effect, Effect::Mode { .. })).count();
        (modes, found.undone.len())
    };
    assert_eq!((follows(""), follows("ln -s b /srv/a/c")), ((2, 0), (0, 1)));
}

#[test]
fn accounts_are_found_in_their_files() {
    let found = postinst(
        "adduser --system --group app\n\
         grep -q '^app:' /etc/passwd && echo is > /etc/one\n\
         grep -q '^other:' /etc/passwd || echo not > /etc/two\n\
         grep -q ':x:0:' /etc/group && echo root > /etc/three\n\
         grep -q ':x:471:' /etc/group && echo perhaps > /etc/four\n\
         grep -qE '^zzz.*|:471:' /etc/group || echo perhaps > /etc/six\n\
         cut -d: -f1 /etc/passwd | grep -qx root && echo root > /etc/five\n\
         echo 'x:x:1:1:::' >> /etc/passwd",
    );
    let undone: Vec<&str> = found.undone.iter().map(|step| step.reason.as_str()).collect();
    assert_eq!(
        undone,
        [
            "its condition depends on what is not known",
            "its condition depends on what is not known",
            "accounts are made by commands for them"
        ]
    );
    let files: Vec<&str> = found
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::File { path, .. } => Some(path.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(files, ["/etc/one", "/etc/two", "/etc/three", "/etc/five"]);
}

#[test]
fn commands_that_call_one_another_without_end() {
    for word in ["env", "xargs", "busybox", "exec", "command"] {
        let found = postinst(&format!("echo a | {} echo b > /etc/x", format!("{word} ").repeat(5000)));
        assert!(found.effects.len() <= 1, "{word}");
    }
    let found = postinst("env A=1 xargs -r env B=2 busybox echo c > /etc/x");
    assert_eq!((found.undone.as_slice(), found.effects.len()), (&[][..], 1));
}

/// An image in which whoever asks for one path comes to no end.
struct Trap<'a>(CatalogFiles<'a>, bool);

impl ImageFiles for Trap<'_> {
    fn node(&self, path: &RootPath) -> Option<Node> {
        assert!(!self.1 || path.as_str() != "/etc/trap", "for a test");
        self.0.node(path)
    }
    fn metadata(&self, path: &RootPath) -> Option<(u32, [u32; 2])> {
        self.0.metadata(path)
    }
    fn list(&self, directory: &RootPath) -> Vec<String> {
        self.0.list(directory)
    }
    fn read(&self, path: &RootPath) -> Option<Vec<u8>> {
        self.0.read(path)
    }
    fn content_of(&self, path: &RootPath) -> Option<(ContentId, u32)> {
        self.0.content_of(path)
    }
    fn version(&self, package: &str) -> Option<String> {
        self.0.version(package)
    }
    fn paths_of(&self, package: &str) -> Vec<RootPath> {
        self.0.paths_of(package)
    }
    fn directories_like(&self, globs: &[String]) -> Vec<String> {
        self.0.directories_like(globs)
    }
    fn others_activate(&self, package: &str, trigger: &str) -> bool {
        self.0.others_activate(package, trigger)
    }
    fn others_have_below(&self, package: &str, path: &RootPath) -> bool {
        self.0.others_have_below(package, path)
    }
    fn control(&self, package: &str, member: &str) -> Option<Vec<u8>> {
        self.0.control(package, member)
    }
    fn architecture(&self) -> &str {
        self.0.architecture()
    }
    fn triplet(&self) -> &str {
        self.0.triplet()
    }
}

#[test]
fn a_script_that_leads_to_no_end_is_nothing_to_the_others() {
    let mut catalog = FileCatalog::new(MergedUsr::new(&[]));
    for number in 0..9 {
        let body = if number == 4 { "test -e /etc/trap || mkdir /srv/trap" } else { "mkdir /srv/sound" };
        let content = ContentId::Sha256(Digest::of(&[number]));
        let sample = package(&[("postinst", &format!("#!/bin/sh\nset -e\n{body}\n"))]);
        catalog.insert(PackageFiles { name: format!("p{number}"), content, ..sample }).unwrap();
    }
    let found = |memo: &EffectsMemo, is_set: bool| {
        let image = Trap(CatalogFiles::new(&catalog, "amd64", "x86_64-linux-gnu"), is_set);
        let found = effects_of_all(&catalog, &image, memo).unwrap();
        assert_eq!(found.len(), 9);
        found.into_values().filter(|found| found.undone.is_empty() && found.effects.len() == 1).count()
    };
    let memo = EffectsMemo::default();
    assert_eq!(found(&memo, true), 8);
    assert_eq!(found(&memo, false), 9);
    // Where it is known what it asks, that is asked again.
    assert_eq!(found(&memo, true), 8);
}
