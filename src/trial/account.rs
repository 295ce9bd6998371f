//! Who runs a test: the image's user, by its own passwd and group (passwd(5), group(5)), as OCI's `User` says.

use std::fs;
use std::path::Path;

use super::TrialError;

/// A user in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The other groups it is in, sorted.
    pub(super) groups: Vec<u32>,
    pub(super) home: Option<String>,
}

/// `user`, `user:group`, by name or number; root where nothing is said.
pub(super) fn account(root: &Path, text: Option<&str>) -> Result<Account, TrialError> {
    let (user, group) = match text.unwrap_or("0").split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text.unwrap_or("0"), None),
    };
    let passwd = lines(root, "etc/passwd");
    let groups = lines(root, "etc/group");
    let named = |line: &&Vec<String>| line.first().is_some_and(|name| name == user);
    let number: Option<u32> = user.parse().ok();
    let of_number = |line: &&Vec<String>| number.is_some() && field(line, 2) == number;
    let line = passwd.iter().find(named).or_else(|| passwd.iter().find(of_number));
    let unknown = |what, name: &str| TrialError::Unknown { what, name: name.to_owned() };
    let uid = line.and_then(|line| field(line, 2)).or(number).ok_or_else(|| unknown("user", user))?;
    let own_name = line.and_then(|line| line.first()).map_or(user, String::as_str);
    let gid = match group {
        None => line.and_then(|line| field(line, 3)).unwrap_or(0),
        Some(group) => {
            let line = groups.iter().find(|line| line.first().is_some_and(|name| name == group));
            let found = line.and_then(|line| field(line, 2)).or_else(|| group.parse().ok());
            found.ok_or_else(|| unknown("group", group))?
        }
    };
    let member =
        |line: &&Vec<String>| line.get(3).is_some_and(|all| all.split(',').any(|one| one == own_name));
    let mut others: Vec<u32> = groups.iter().filter(member).filter_map(|line| field(line, 2)).collect();
    // A group that is given stands for all, as in every runtime.
    others.retain(|other| group.is_none() && *other != gid);
    others.sort_unstable();
    others.dedup();
    let home = line.and_then(|line| line.get(5)).filter(|home| home.starts_with('/')).cloned();
    Ok(Account { uid, gid, groups: others, home })
}

fn field(line: &[String], at: usize) -> Option<u32> {
    line.get(at)?.parse().ok()
}

/// The lines of a file of the image, in their fields; none where it is no plain file.
fn lines(root: &Path, path: &str) -> Vec<Vec<String>> {
    let path = root.join(path);
    let plain = |path: &Path| fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_symlink());
    if !path.parent().is_some_and(plain) || !plain(&path) {
        return Vec::new();
    }
    let text = fs::read(&path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_the_images_own() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\nred:x:100:101::/srv/red:/bin/sh\n";
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        fs::write(root.path().join("etc/group"), "root:x:0:\nred:x:101:\nssl:x:7:www,red\n").unwrap();
        let of = |text| account(root.path(), text);
        let red = Account { uid: 100, gid: 101, groups: vec![7], home: Some("/srv/red".into()) };
        assert_eq!(of(Some("red")).unwrap(), red);
        assert_eq!(of(Some("100")).unwrap(), red);
        assert_eq!(of(Some("red:ssl")).unwrap(), Account { gid: 7, groups: vec![], ..red });
        assert_eq!(of(None).unwrap().home.as_deref(), Some("/root"));
        assert_eq!(of(Some("12:13")).unwrap(), Account { uid: 12, gid: 13, groups: vec![], home: None });
        assert_eq!(of(Some("blue")).unwrap_err().to_string(), "the image has no user `blue`");
        assert_eq!(of(Some("red:blue")).unwrap_err().to_string(), "the image has no group `blue`");
    }
}
