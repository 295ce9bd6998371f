//! sysusers.d(5) -> the accounts that it asks for.
//!
//! Left out: ranges (`r`), and numbers taken from the owner of a file; those are chosen as all others are.

use crate::effects::Effect;

use super::words::{fields, specify};

/// The accounts of a file. Lines that are none are passed over, as systemd-sysusers(8) does.
pub(crate) fn effects(text: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for line in text.lines() {
        let Some(fields) = fields(line, 6) else { continue };
        let field = |at: usize| fields.get(at).filter(|text| *text != "-").and_then(|text| specify(text));
        let Some(name) = field(1) else { continue };
        match fields[0].trim_end_matches('!') {
            "u" => {
                let id = field(2);
                let (uid, group) = match id.as_deref().map(|id| id.split_once(':').unwrap_or((id, ""))) {
                    Some((uid, group)) => {
                        (uid.parse().ok(), Some(group.to_owned()).filter(|group| !group.is_empty()))
                    }
                    None => (None, None),
                };
                effects.push(Effect::User {
                    name,
                    uid,
                    group,
                    groups: Vec::new(),
                    home: Some(field(4).unwrap_or_else(|| "/".to_owned())),
                    shell: field(5),
                    gecos: field(3),
                    create_home: false,
                    system: true,
                });
            }
            "g" => {
                let gid = field(2).and_then(|gid| gid.parse().ok());
                effects.push(Effect::Group { name, gid, system: true });
            }
            "m" => effects.extend(field(2).map(|group| Effect::Member { user: name, group })),
            _ => {}
        }
    }
    effects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_groups_and_members() {
        let text = "# comment\nu! redis 110:nogroup \"Redis server\" /var/lib/redis /bin/sh\ng input -\nm redis input\nr - 500-900\nu www - \"Web\"\n";
        let Effect::User { name, uid, group, home, shell, gecos, .. } = &effects(text)[0] else { panic!() };
        assert_eq!((name.as_str(), *uid, group.as_deref()), ("redis", Some(110), Some("nogroup")));
        assert_eq!(
            [home, shell, gecos].map(|text| text.as_deref().unwrap()),
            ["/var/lib/redis", "/bin/sh", "Redis server"]
        );
        assert_eq!(effects(text)[1], Effect::Group { name: "input".into(), gid: None, system: true });
        assert_eq!(effects(text)[2], Effect::Member { user: "redis".into(), group: "input".into() });
        let Effect::User { uid: None, group: None, home: Some(home), shell: None, .. } = &effects(text)[3]
        else {
            panic!()
        };
        assert_eq!(home, "/");
    }
}
