//! Scripts of small packages, and what they come to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::cache::ContentId;
use crate::catalog::{Control, FileCatalog, Manifest, MergedUsr, PackageFiles};
use crate::digest::Digest;

fn package(members: &[(&str, &str)]) -> PackageFiles {
    let text = "Package: sample\nVersion: 1.0\nArchitecture: amd64\n".to_owned();
    let members: BTreeMap<String, Vec<u8>> =
        members.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    PackageFiles {
        name: "sample".to_owned(),
        version: "1.0".to_owned(),
        content: ContentId::Sha256(Digest::of(b"sample")),
        archive: "/nonexistent".into(),
        manifest: Arc::new(Manifest { files: Vec::new(), control: Control { text, members } }),
    }
}

fn effects(members: &[(&str, &str)]) -> PackageEffects {
    let catalog =
        FileCatalog::new(MergedUsr::new(&[("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib")]));
    effects_of(&package(members), &CatalogFiles::new(&catalog, "amd64", "x86_64-linux-gnu"))
}

fn postinst(body: &str) -> PackageEffects {
    effects(&[("postinst", &format!("#!/bin/sh\nset -e\n{body}\n"))])
}

fn path(text: &str) -> RootPath {
    RootPath::parse(text).unwrap()
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
    assert_eq!(links("-name d -printf '/y/%f/%P\\n'"), ["/y/d/c/d"]);
    assert_eq!(postinst("find /etc \\( -name a").undone.len(), 1);
}
