//! Units as text, and what is made of them.

use super::*;
use crate::effects::ModeChange;

/// What a service's section comes to, in an image that has `/run`, `/etc/there` and `/var/log/there`, where `moth` logs in with the
/// group 65534 and others with the group of their name.
fn effects_of(name: &str, text: &str) -> Vec<Effect> {
    let login_group = |user: &str| match user {
        "moth" => Some("65534".to_owned()),
        "stranger" => None,
        user => Some(user.to_owned()),
    };
    let exists = |path: &RootPath| ["/run", "/etc/there", "/var/log/there"].contains(&path.as_str());
    let around = Around { exists: &exists, is_made: &|_| false, login_group: &login_group };
    effects(&Unit::new(name, &[format!("[Service]\n{text}")]), &around)
}

fn made(text: &str) -> Vec<String> {
    let owned = |user: Option<String>, group: Option<String>| Owner { user, group };
    let shown = effects_of("a-b.service", text).into_iter().map(|effect| match effect {
        Effect::Directory { path, mode: Some(mode), owner } => {
            // Nobody's is root's where it is new.
            format!("{path} {mode:o} {}", owner.unwrap_or_else(root))
        }
        Effect::Symlink { path, target } => format!("{path} -> {target}"),
        Effect::Owner { path, user, group, recursive } => {
            format!("chown {}{} {path}", if recursive { "-R " } else { "" }, owned(user, group))
        }
        Effect::Mode { path, mode: ModeChange::Bits(bits), recursive: false } => {
            format!("chmod {bits:o} {path}")
        }
        other => panic!("{other:?}"),
    });
    shown.collect()
}

/// A table of units and what is made of them.
fn check(table: &[(&str, &[&str])]) {
    for (text, is) in table {
        assert_eq!(made(text), *is, "{text}");
    }
}

#[test]
fn directories_of_a_service() {
    check(&[
        (
            "User=redis\nRuntimeDirectory=redis redis/sub\nRuntimeDirectoryMode=2755\nLogsDirectory=there\nStateDirectory=a%%b",
            &[
                "/run/redis 2755 redis:redis",
                "/run/redis/sub 2755 redis:redis",
                "/var/lib/a%b 755 redis:redis",
                "/var/log/there 755 redis:redis",
            ],
        ),
        ("RuntimeDirectory=sshd\nGroup=adm", &["/run/sshd 755 root:adm"]),
        ("DynamicUser=yes\nRuntimeDirectory=x", &[]),
        ("RuntimeDirectory=x-%i %N", &["/run/x- 755 root:root", "/run/a-b 755 root:root"]),
        ("RuntimeDirectory=../etc a/../b /c ./d //e . %I", &["/run/d 755 root:root"]),
        (
            "User=no\nUser=\nStateDirectory=no\nStateDirectory=\nStateDirectory=a",
            &["/var/lib/a 755 root:root"],
        ),
        (
            r#"StateDirectory="zq w" zp\x20z "no"#,
            &["/var/lib/zq w 755 root:root", "/var/lib/zp z 755 root:root"],
        ),
        (
            "User=redis\nConfigurationDirectory=a there\nCacheDirectory=b\nConfigurationDirectoryMode=0750",
            &["/var/cache/b 755 redis:redis", "/etc/a 750 root:root"],
        ),
        (
            "RuntimeDirectory=a:b there:c/d\nLogsDirectory=a:there",
            &[
                "/run/a 755 root:root",
                "/run/b -> /run/a",
                "/run/there 755 root:root",
                "/run/c/d -> /run/there",
                "/var/log/a 755 root:root",
            ],
        ),
    ]);
    let template = |text: &str| effects_of("a@.service", text).len();
    assert_eq!((template("RuntimeDirectory=%i %p"), template("User=%i\nRuntimeDirectory=a")), (1, 0));
    assert_eq!(made("User=%i\nRuntimeDirectory=a"), Vec::<String>::new());
}

#[test]
fn the_group_is_that_of_the_users_login() {
    check(&[
        ("User=moth\nRuntimeDirectory=a", &["/run/a 755 moth:65534"]),
        ("User=moth\nGroup=adm\nRuntimeDirectory=a", &["/run/a 755 moth:adm"]),
        ("User=stranger\nRuntimeDirectory=a", &["/run/a 755 stranger:"]),
        ("User=moth\nExecStartPre=mkdir /run/a", &["/run/a 755 moth:65534"]),
        ("ExecStartPre=chown moth: /run/a", &["chown moth:65534 /run/a"]),
        ("ExecStartPre=chown -R moth.adm -- /run/a", &["chown -R moth:adm /run/a"]),
        ("ExecStartPre=chown :adm /run/a ; chgrp bee /run/b", &["chown :adm /run/a", "chown :bee /run/b"]),
        ("ExecStartPre=chown --reference=/etc /run/a", &[]),
    ]);
}

#[test]
fn comments_and_continuations() {
    check(&[
        ("# old: \\\nRuntimeDirectory=a", &["/run/a 755 root:root"]),
        (
            "ExecStartPre=+/bin/mkdir -p \\\n# comment\n /run/a\n; x \\\nCacheDirectory=c",
            &["/var/cache/c 755 root:root", "/run/a 755 root:root"],
        ),
        ("Description=x\\\\\nRuntimeDirectory=a", &["/run/a 755 root:root"]),
    ]);
}

#[test]
fn directories_that_are_made_before_a_service_starts() {
    let unit = "User=bee\n\
        ExecStartPre=/bin/mkdir -m 740 -p /run/bee /var/log/there\n\
        ExecStartPre=-+/usr/bin/install -Z -m 02755 -o tor -g tor -d %t/tor\n\
        ExecStartPre=!mkdir -p '/run/a b'\nExecStartPre=-mkdir /run/a+b\n\
        ExecStartPre=mkdir --context=x /run/no\nExecStartPre=mkdir /run/%H\nExecStartPre=install -m 644 a /run/no\n\
        ExecStartPre=/usr/bin/tor --verify-config\nExecStartPre=sh -c 'mkdir /run/no'\nExecStartPre=mkdir /run/$NAME\n\
        ExecStartPre=mkdir -p /run/c ; /usr/bin/touch /run/no ; \\\n mkdir -m u=rwx,go= /run/d$$e /run/bee";
    let made_by_unit: &[&str] = &[
        "/run/bee 740 bee:bee",
        "/run/tor 2755 tor:tor",
        "/run/a b 755 root:root",
        "/run/a+b 755 bee:bee",
        "/run/c 755 bee:bee",
        "/run/d$e 700 bee:bee",
    ];
    let roots = "User=bee\nRuntimeDirectory=one\nRuntimeDirectoryMode=0700\nUMask=0027\nPermissionsStartOnly=true\n\
        ExecStartPre=mkdir /run/no\nExecStartPre=\nExecStartPre=mkdir -p /run/one /run/two";
    check(&[
        (unit, made_by_unit),
        (roots, &["/run/one 700 bee:bee", "/run/two 750 root:root"]),
        (
            "ExecStartPre=chown -R bee:adm /run/a\nExecStartPre=chmod 750 /run/a",
            &["chown -R bee:adm /run/a", "chmod 750 /run/a"],
        ),
        ("WorkingDirectory=-/srv\nExecStartPre=mkdir a /b", &["/srv/a 755 root:root", "/b 755 root:root"]),
    ]);
}

#[test]
fn marks_of_a_command_are_its_own() {
    check(&[
        (
            "User=bee\nExecStartPre=+/bin/mkdir -p /run/a ; /bin/mkdir -p /run/a/b",
            &["/run/a 755 root:root", "/run/a/b 755 bee:bee"],
        ),
        (
            "User=bee\nExecStartPre=!!mkdir /run/a\nExecStartPre=!mkdir /run/b",
            &["/run/a 755 bee:bee", "/run/b 755 root:root"],
        ),
        ("ExecStartPre=@/bin/mkdir mkdir -p /run/a", &["/run/a 755 root:root"]),
    ]);
}

#[test]
fn options_are_read_as_the_commands_read_them() {
    for (command, is) in [
        ("mkdir -pm0750 /run/a", "/run/a 750 root:root"),
        ("mkdir -p -m0750 /run/a", "/run/a 750 root:root"),
        ("mkdir --mode=0750 --parents -- /run/a", "/run/a 750 root:root"),
        ("mkdir -m u=rwx,g=rx /run/a", "/run/a 757 root:root"),
        ("install -dm0750 -obee /run/a", "/run/a 750 bee:root"),
        ("install --directory --owner=bee --group=adm /run/a", "/run/a 755 bee:adm"),
        ("install -d /run", "/run 755 :"),
    ] {
        assert_eq!(made(&format!("ExecStartPre={command}")), [is], "{command}");
    }
}

#[test]
fn directories_above_are_made_by_the_same_user() {
    check(&[
        (
            "User=bee\nRuntimeDirectory=a\nExecStartPre=mkdir -p -m 700 /run/a/b/c",
            &["/run/a 755 bee:bee", "/run/a/b 755 bee:bee", "/run/a/b/c 700 bee:bee"],
        ),
        (
            "UMask=0777\nExecStartPre=install -d -m 700 -o bee /run/a/b",
            &["/run/a 755 root:root", "/run/a/b 700 bee:root"],
        ),
        ("User=bee\nExecStartPre=mkdir -p /srv/a/b", &["/srv/a/b 755 bee:bee"]),
        (
            "ExecStartPre=mkdir -p -m 700 /run/a /run/a/b/c /run/a/b/d",
            &[
                "/run/a 700 root:root",
                "/run/a/b 755 root:root",
                "/run/a/b/c 700 root:root",
                "/run/a/b/d 700 root:root",
            ],
        ),
    ]);
}
