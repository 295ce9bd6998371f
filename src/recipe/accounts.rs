//! The users and groups a recipe defines, and whether every one it mentions exists.
//!
//! A name is defined by `[[user]]` or `[[group]]`, or is one of [`base_accounts`](super::base_accounts);
//! numbers need no definition. A user without `group` has a group of its own name.

use std::collections::BTreeMap;
use std::path::Path;

use super::Recipe;
use super::base_accounts::{base_groups, base_users};
use super::findings::Findings;
use super::problems::{Problem, Span, quoted};
use super::reader::{Table, Text, Value};
use super::suggest::nearest;
use crate::distro::PackageFormat;
use crate::root_path::RootPath;

/// A user that the recipe defines. What is left out is chosen when the image is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User number.
    pub uid: Option<u32>,
    /// Number of the primary group.
    pub gid: Option<u32>,
    /// Primary group, by name or number; without it one named as the user.
    pub group: Option<String>,
    /// Further groups, by name or number.
    pub groups: Vec<String>,
    /// Home directory.
    pub home: Option<RootPath>,
    /// Login shell.
    pub shell: Option<RootPath>,
}

/// A group that the recipe defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Group number.
    pub gid: Option<u32>,
}

/// Who owns a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User, by name or number.
    pub user: String,
    /// Group, by name or number; without it the user's primary group.
    pub group: Option<String>,
}

/// An account that the recipe speaks of and that neither it nor the distro defines, so that only a script of a
/// package can: [`Recipe::undefined`](super::Recipe::undefined) judges when packages are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitedAccount {
    /// Its name.
    pub name: String,
    /// It is a group, not a user.
    pub is_group: bool,
    /// What to say if nobody defines it.
    pub problem: Problem,
}

/// What accounts come to.
#[derive(Default)]
pub(super) struct ReadAccounts {
    pub(super) users: Vec<User>,
    pub(super) groups: Vec<Group>,
    pub(super) awaited: Vec<AwaitedAccount>,
}

/// The accounts that a recipe mentions, each with its place.
#[derive(Default)]
pub(super) struct Mentions {
    users: Vec<(String, Span)>,
    groups: Vec<(String, Span)>,
    /// Some definitions could not be read, so that what seems undefined may be defined.
    pub(super) unsure: bool,
    /// There are packages, whose scripts may define some.
    pub(super) has_packages: bool,
}

impl Mentions {
    /// `user` or `user:group`, as `chown` takes them. Nothing is mentioned where it is neither.
    pub(super) fn read(&mut self, text: &Text<'_>, findings: &Findings<'_>) -> Option<Owner> {
        let (user, group) = match text.text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text.text, None),
        };
        if !is_reference(user) || !group.is_none_or(is_reference) {
            let message = format!("{} is no `user` or `user:group`", quoted(text.text));
            findings.value(
                &text.span,
                message,
                "write names or numbers, such as \"root:root\" or \"1000:1000\"",
            );
            return None;
        }
        self.users.push((user.to_owned(), text.span.clone()));
        self.groups.extend(group.map(|group| (group.to_owned(), text.span.clone())));
        Some(Owner { user: user.to_owned(), group: group.map(str::to_owned) })
    }
}

impl Owner {
    pub(super) fn read(text: &Text<'_>, findings: &Findings<'_>, mentions: &mut Mentions) -> Option<Self> {
        mentions.read(text, findings)
    }
}

/// The highest number an account can have: the next one means "none" to chown(2).
const HIGHEST: i64 = 0xffff_fffe;

/// A name or number that an account could have.
fn is_reference(text: &str) -> bool {
    is_name(text)
        || text.parse::<u32>().is_ok_and(|number| i64::from(number) <= HIGHEST && !text.starts_with('+'))
}

/// useradd(8)'s rule for names, with the capitals and dots that Debian's packages use.
fn is_name(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

/// A definition with the places that later checks point to.
struct Declared<T> {
    item: T,
    name: Span,
    number: Span,
    group: Span,
}

/// What the recipes below define.
#[derive(Default)]
pub(super) struct Defined<'a> {
    users: Vec<&'a str>,
    groups: Vec<&'a str>,
    /// Those with a number that a recipe says, and where it does.
    uids: BTreeMap<&'a str, (u32, &'a Path)>,
    gids: BTreeMap<&'a str, (u32, &'a Path)>,
}

impl<'a> Defined<'a> {
    /// By a base, and by those that it stands on.
    pub(super) fn below(base: Option<&'a Recipe>) -> Self {
        let mut defined = Defined::default();
        for recipe in base.into_iter().flat_map(Recipe::stack) {
            for user in &recipe.users {
                defined.users.push(&user.name);
                defined.groups.extend(user.group.is_none().then_some(user.name.as_str()));
                defined.uids.extend(user.uid.map(|uid| (user.name.as_str(), (uid, recipe.path.as_path()))));
            }
            let gids = recipe.groups.iter().filter_map(|group| Some((group.name.as_str(), group.gid?)));
            defined.gids.extend(gids.map(|(name, gid)| (name, (gid, recipe.path.as_path()))));
            defined.groups.extend(recipe.groups.iter().map(|group| group.name.as_str()));
        }
        defined
    }
}

/// Reads `[[user]]` and `[[group]]` and checks them against each other and all that is mentioned.
pub(super) fn read(
    users: Option<&Value<'_>>,
    groups: Option<&Value<'_>>,
    mut mentions: Mentions,
    below: &Defined<'_>,
    format: PackageFormat,
    findings: &Findings<'_>,
) -> ReadAccounts {
    let users = users.map(|value| value.tables("user")).unwrap_or_default();
    let users: Vec<Declared<User>> =
        users.into_iter().filter_map(|table| read_user(table, &mut mentions)).collect();
    let groups = groups.map(|value| value.tables("group")).unwrap_or_default();
    let found = groups.len();
    let groups: Vec<Declared<Group>> = groups.into_iter().filter_map(read_group).collect();
    mentions.unsure |= groups.len() < found;

    let user_names = users.iter().map(|user| (user.item.name.as_str(), &user.name));
    let uids = users.iter().filter_map(|user| Some((user.item.name.as_str(), user.item.uid?, &user.number)));
    check_unique("user", user_names, findings);
    check_numbers("uid", uids, base_users(format).iter().map(|user| (user.name, user.uid)), findings);
    let group_names = groups.iter().map(|group| (group.item.name.as_str(), &group.name));
    let gids =
        groups.iter().filter_map(|group| Some((group.item.name.as_str(), group.item.gid?, &group.number)));
    check_unique("group", group_names, findings);
    check_numbers("gid", gids, base_groups(format).iter().map(|group| (group.name, group.gid)), findings);
    check_primary(&users, &groups, format, findings);
    let uids = users.iter().filter_map(|user| Some((user.item.name.as_str(), user.item.uid?, &user.number)));
    check_below(["user", "uid"], uids, &below.uids, findings);
    let gids =
        groups.iter().filter_map(|group| Some((group.item.name.as_str(), group.item.gid?, &group.number)));
    check_below(["group", "gid"], gids, &below.gids, findings);
    let mut awaited = Vec::new();
    if !mentions.unsure {
        for undefined in undefined(&mentions, &users, &groups, below, format) {
            let Undefined { is_group, name, span, near } = undefined;
            let what = if is_group { "group" } else { "user" };
            let message = format!("nobody defines the {what} {}", quoted(name));
            let hint = define(what, name, near);
            if near.is_some() || !mentions.has_packages {
                findings.context(span, message, hint);
            } else {
                let problem = Problem { span: span.clone(), message, hint: Some(hint) };
                awaited.push(AwaitedAccount { name: name.to_owned(), is_group, problem });
            }
        }
    }
    ReadAccounts {
        users: users.into_iter().map(|user| user.item).collect(),
        groups: groups.into_iter().map(|group| group.item).collect(),
        awaited,
    }
}

fn read_name(table: &mut Table<'_>, what: &str) -> Option<(String, Span)> {
    let text = table.required("name", "\"...\"")?.text()?;
    if !is_name(text.text) {
        let hint = "it has at most 32 of `a-z A-Z 0-9 _ - .` and starts with a letter or `_`";
        table.findings.value(
            &text.span,
            format!("{} cannot be the name of a {what}", quoted(text.text)),
            hint,
        );
    }
    Some((text.text.to_owned(), text.span))
}

fn read_number(value: Option<&Value<'_>>) -> Option<u32> {
    value?.integer(0..=HIGHEST).and_then(|number| u32::try_from(number).ok())
}

fn read_user(mut table: Table<'_>, mentions: &mut Mentions) -> Option<Declared<User>> {
    let findings = table.findings;
    let header = table.span.clone();
    let name = read_name(&mut table, "user");
    let uid = table.take("uid");
    let gid = table.take("gid");
    let group = table.text("group");
    let groups = table.take("groups").map(|value| value.texts()).unwrap_or_default();
    let home = table.text("home");
    let shell = table.text("shell");
    table.finish();

    for text in groups.iter().chain(&group) {
        if is_reference(text.text) {
            mentions.groups.push((text.text.to_owned(), text.span.clone()));
        } else {
            let message = format!("{} cannot be the name of a group", quoted(text.text));
            findings.value(&text.span, message, "write a name or a number");
        }
    }
    let span_of =
        |value: &Option<Value<'_>>| value.as_ref().map_or(header.clone(), |value| value.span.clone());
    let (number, gid_span) = (span_of(&uid), span_of(&gid));
    let (name, name_span) = name?;
    let item = User {
        name,
        uid: read_number(uid.as_ref()),
        gid: read_number(gid.as_ref()),
        group: group.map(|text| text.text.to_owned()),
        groups: groups.iter().map(|text| text.text.to_owned()).collect(),
        home: home.and_then(|text| passwd_path(&text, findings)),
        shell: shell.and_then(|text| passwd_path(&text, findings)),
    };
    Some(Declared { item, name: name_span, number, group: gid_span })
}

fn read_group(mut table: Table<'_>) -> Option<Declared<Group>> {
    let header = table.span.clone();
    let name = read_name(&mut table, "group");
    let gid = table.take("gid");
    table.finish();
    let number = gid.as_ref().map_or(header, |value| value.span.clone());
    let gid = read_number(gid.as_ref());
    let (name, span) = name?;
    Some(Declared { item: Group { name, gid }, name: span, group: number.clone(), number })
}

/// A path that a line of passwd(5) can hold.
fn passwd_path(text: &Text<'_>, findings: &Findings<'_>) -> Option<RootPath> {
    let path = RootPath::parse(text.text).ok();
    let fits = text.text.starts_with('/') && !text.text.contains(|c: char| c == ':' || c.is_control());
    if path.is_none() || !fits {
        let message = format!("{} is no absolute path that `passwd` can hold", quoted(text.text));
        findings.value(&text.span, message, "write a path from the root, without `..` and `:`");
        return None;
    }
    path
}

fn check_unique<'a>(what: &str, names: impl Iterator<Item = (&'a str, &'a Span)>, findings: &Findings<'_>) {
    let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
    for (name, span) in names {
        if let Some(first) = seen.get(name) {
            let hint = format!("the first is at line {}", findings.line(first.start));
            findings.context(span, format!("the {what} {} is defined twice", quoted(name)), hint);
        } else {
            seen.insert(name, span);
        }
    }
}

/// Numbers given twice, be it in the recipe or by a base account that the recipe does not redefine.
fn check_numbers<'a>(
    what: &str,
    numbers: impl Iterator<Item = (&'a str, u32, &'a Span)>,
    base: impl Iterator<Item = (&'static str, u32)>,
    findings: &Findings<'_>,
) {
    let base: BTreeMap<u32, &str> = base.map(|(name, number)| (number, name)).collect();
    let numbers: Vec<_> = numbers.collect();
    for (at, (name, number, span)) in numbers.iter().enumerate() {
        let in_recipe = numbers[..at].iter().find(|(other, taken, _)| taken == number && other != name);
        let in_base = base.get(number).filter(|other| numbers.iter().all(|(name, ..)| name != *other));
        if let Some((other, ..)) = in_recipe {
            findings.context(
                span,
                format!("the {what} {number} is that of {} too", quoted(other)),
                "take another",
            );
        } else if let Some(other) = in_base {
            let message = format!("the {what} {number} is that of {}, which every image has", quoted(other));
            findings.context(span, message, "take another, or use that account");
        }
    }
}

/// Numbers of accounts that a recipe below gives others: its files belong to those.
fn check_below<'a>(
    [what, number]: [&str; 2],
    given: impl Iterator<Item = (&'a str, u32, &'a Span)>,
    below: &BTreeMap<&str, (u32, &Path)>,
    findings: &Findings<'_>,
) {
    for (name, wanted, span) in given {
        if let Some((is, base)) = below.get(name).filter(|(is, _)| *is != wanted) {
            let base = base.display();
            let message =
                format!("the {what} {} has the {number} {is} in the base {base}, not {wanted}", quoted(name));
            let hint =
                format!("leave out `{number}`, or take another name: files of the base belong to {is}");
            findings.context(span, message, hint);
        }
    }
}

/// `group` and `gid` of a user must agree where both are given and the group's number is known.
fn check_primary(
    users: &[Declared<User>],
    groups: &[Declared<Group>],
    format: PackageFormat,
    findings: &Findings<'_>,
) {
    let base_gid =
        |name: &str| base_groups(format).iter().find(|base| base.name == name).map(|base| base.gid);
    for user in users {
        let (Some(gid), Some(group)) = (user.item.gid, &user.item.group) else { continue };
        let declared = groups.iter().find(|declared| declared.item.name == *group);
        let known = match declared {
            Some(declared) => declared.item.gid,
            None => group.parse().ok().or_else(|| base_gid(group)),
        };
        if let Some(known) = known
            && known != gid
        {
            let message = format!("the group {} has the gid {known}, not {gid}", quoted(group));
            findings.context(&user.group, message, "leave out one of `group` and `gid`");
        }
    }
}

/// A name that is mentioned and defined nowhere.
struct Undefined<'a> {
    is_group: bool,
    name: &'a str,
    span: &'a Span,
    /// The defined name that may be meant.
    near: Option<&'a str>,
}

fn undefined<'a>(
    mentions: &'a Mentions,
    users: &'a [Declared<User>],
    groups: &'a [Declared<Group>],
    below: &Defined<'a>,
    format: PackageFormat,
) -> Vec<Undefined<'a>> {
    let own = users.iter().filter(|user| user.item.group.is_none()).map(|user| user.item.name.as_str());
    let user_names = users.iter().map(|user| user.item.name.as_str());
    let group_names = groups.iter().map(|group| group.item.name.as_str()).chain(own);
    let (user_names, group_names) =
        (user_names.chain(below.users.iter().copied()), group_names.chain(below.groups.iter().copied()));
    let users: Vec<&str> = user_names.chain(base_users(format).iter().map(|user| user.name)).collect();
    let groups: Vec<&str> = group_names.chain(base_groups(format).iter().map(|group| group.name)).collect();
    let among = |mentioned: &'a [(String, Span)], known: &[&'a str], is_group| {
        let is_number = |name: &str| name.starts_with(|c: char| c.is_ascii_digit());
        let undefined =
            mentioned.iter().filter(|(name, _)| !is_number(name) && !known.contains(&name.as_str()));
        let found = undefined.map(|(name, span)| {
            let near = nearest(name, known.iter().copied());
            Undefined { is_group, name, span, near }
        });
        found.collect::<Vec<_>>()
    };
    let mut all = among(&mentions.users, &users, false);
    all.extend(among(&mentions.groups, &groups, true));
    all
}

fn define(what: &str, name: &str, near: Option<&str>) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`? If not, add `[[{what}]]` with `name = \"{name}\"`"),
        None => format!("add `[[{what}]]` with `name = \"{name}\"`"),
    }
}
