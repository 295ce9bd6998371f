use std::path::Path;

use super::*;
use crate::effects::Effect;

fn recipe(text: &str) -> Recipe {
    let text = format!(
        "name = \"x\"\nfrom = \"debian:trixie\"\n[[layer]]\nname = \"l\"\npackages = [\"any\"]\n{text}"
    );
    Recipe::parse(&text, Path::new("x.toml")).unwrap()
}

fn user(name: &str, uid: Option<u32>, group: Option<&str>) -> Effect {
    Effect::User {
        name: name.into(),
        uid,
        group: group.map(str::to_owned),
        groups: Vec::new(),
        home: Some(format!("/var/lib/{name}")),
        shell: Some("/bin/false".into()),
        gecos: Some("a comment".into()),
        create_home: true,
        system: true,
    }
}

fn group(name: &str, gid: Option<u32>) -> Effect {
    Effect::Group { name: name.into(), gid, system: true }
}

fn lines(accounts: &Accounts, path: &str) -> Vec<String> {
    let files = accounts.files();
    let super::super::Content::Bytes(bytes) = &files[&fixed(path)].content else { panic!() };
    String::from_utf8(bytes.clone()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn numbers_depend_on_names_alone() {
    let effects = [
        group("ssl-cert", None),
        user("postgres", None, None),
        user("redis", None, None),
        Effect::Member { user: "postgres".into(), group: "ssl-cert".into() },
        Effect::Member { user: "nobody-knows".into(), group: "ssl-cert".into() },
    ];
    let recipe = recipe("");
    let mut one = Accounts::of(&recipe, |_| true).unwrap();
    one.apply(&effects).unwrap();
    let mut other = Accounts::of(&recipe, |_| true).unwrap();
    other.apply(effects.iter().rev()).unwrap();
    assert_eq!(one.files(), other.files());
    let uid = one.user_id("postgres").unwrap();
    assert!(DERIVED_IDS.contains(&uid));
    assert_eq!(one.group_id("postgres"), Some(uid));
    let members = lines(&one, "/etc/group").into_iter().find(|line| line.starts_with("ssl-cert:")).unwrap();
    assert!(members.ends_with(":postgres"), "{members}");
    // What comes later takes no number away.
    one.apply(&[user("another", Some(uid), None)]).unwrap();
    assert_eq!(one.user_id("postgres"), Some(uid));
    assert_ne!(one.user_id("another"), Some(uid));
}

#[test]
fn numbers_that_are_given_come_before_derived_ones() {
    let recipe = recipe("");
    let mut free = Accounts::of(&recipe, |_| true).unwrap();
    free.apply(&[user("redis", None, None)]).unwrap();
    let derived = free.user_id("redis").unwrap();
    let mut taken = Accounts::of(&recipe, |_| true).unwrap();
    taken.apply(&[user("redis", None, None), user("zeta", Some(derived), Some("nogroup"))]).unwrap();
    assert_eq!(taken.user_id("zeta"), Some(derived));
    assert_ne!(taken.user_id("redis"), Some(derived));
    assert_eq!(taken.primary_gid("zeta"), Some(65534));
}

#[test]
fn the_recipes_users_win_and_scripts_say_what_they_leave_open() {
    let recipe = recipe("[[user]]\nname = \"redis\"\nuid = 200\nshell = \"/bin/sh\"\n");
    let mut accounts = Accounts::of(&recipe, |_| true).unwrap();
    let homes = accounts.apply(&[user("redis", Some(150), None)]).unwrap();
    assert_eq!(
        lines(&accounts, "/etc/passwd").into_iter().find(|line| line.starts_with("redis")).unwrap(),
        "redis:x:200:200:a comment:/var/lib/redis:/bin/sh"
    );
    assert_eq!(homes, [Home { path: "/var/lib/redis".into(), owner: [200, 200], mode: 0o755 }].into());
}

#[test]
fn nobody_has_a_password() {
    let accounts = Accounts::of(&recipe(""), |_| true).unwrap();
    let [(_, shadow), (_, gshadow)] = &accounts.shadow()[..] else { panic!("two files") };
    assert_eq!(shadow.lines().next(), Some("root:*:3653:0:99999:7:::"));
    assert_eq!(gshadow.lines().next(), Some("root:*::"));
    assert_eq!(shadow.lines().count(), lines(&accounts, "/etc/passwd").len());
}
