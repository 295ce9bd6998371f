//! What scripts were found to do, kept by all that they asked of the image: where another image answers the same, they
//! do the same.
//!
//! What a script asks next follows from the answers so far. So what is known of a package's scripts is a tree: at each
//! step a question, and a branch for each answer that an image has given.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::files::ImageFiles;
use super::{Effect, PackageEffects};
use crate::cache::ContentId;
use crate::catalog::PackageFiles;
use crate::digest::Digest;
use crate::root_path::RootPath;
use crate::shell::Node;

/// What was found of the scripts of packages. Its clones share it.
#[derive(Clone, Debug, Default)]
pub struct EffectsMemo(Arc<Mutex<BTreeMap<Key, Arc<RwLock<Steps>>>>>);

/// A package's name and content, the image's architecture, and what others have made before.
type Key = (String, ContentId, String, Digest);

/// How far the scripts of a package have been followed: steps by number, the first one first. Numbers, since a tree of
/// this depth is not to be walked on a stack.
#[derive(Debug, Default)]
struct Steps(Vec<Step>);

#[derive(Debug)]
enum Step {
    /// They ask something; which step comes next, by the answers.
    Asks(Question, Vec<(Answer, usize)>),
    /// They end.
    Ends(PackageEffects),
}

impl Steps {
    /// What scripts do, if it is known for an image that answers so.
    fn find(&self, image: &dyn ImageFiles) -> Option<Found> {
        let mut step = self.0.first()?;
        let mut looked_at = BTreeSet::new();
        loop {
            match step {
                Step::Ends(effects) => return Some(Found { effects: effects.clone(), looked_at }),
                Step::Asks(question, next) => {
                    looked_at.extend(question.path());
                    let answer = question.ask(image);
                    step = &self.0[next.iter().find(|(known, _)| *known == answer)?.1];
                }
            }
        }
    }

    fn learn(&mut self, asked: Vec<(Question, Answer)>, effects: PackageEffects) {
        let mut at = 0;
        for (question, answer) in asked {
            let new = self.0.len();
            if at == new {
                // Where the step comes from knows its number already.
                self.0.push(Step::Asks(question, vec![(answer, new + 1)]));
                at = new + 1;
                continue;
            }
            // The question is the same: it follows from what was answered before.
            let Step::Asks(_, next) = &mut self.0[at] else { return };
            at = if let Some((_, known)) = next.iter().find(|(known, _)| *known == answer) {
                *known
            } else {
                next.push((answer, new));
                new
            };
        }
        if at == self.0.len() {
            self.0.push(Step::Ends(effects));
        }
    }
}

/// Something that can be asked of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Question {
    Node(RootPath),
    Metadata(RootPath),
    List(RootPath),
    Read(RootPath),
    Version(String),
    PathsOf(String),
    DirectoriesLike(Vec<String>),
    OthersActivate(String, String),
    OthersHaveBelow(String, RootPath),
    Control(String, String),
}

/// What an image says to a question. Contents are told by what names them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Node(Option<Node>),
    Metadata(Option<(u32, [u32; 2])>),
    Names(Vec<String>),
    Content(Option<(ContentId, u32)>),
    Version(Option<String>),
    Paths(Vec<RootPath>),
    Whether(bool),
    Control(Option<Digest>),
}

/// What stands for the names in a directory among paths: none of a script's, which are not globs.
pub(super) fn in_directory(directory: &RootPath) -> RootPath {
    directory.join("*").unwrap_or_else(|_| directory.clone())
}

impl Question {
    /// The file that it is about, or the [names](in_directory) of a directory.
    fn path(&self) -> Option<RootPath> {
        match self {
            Question::Node(path) | Question::Read(path) | Question::Metadata(path) => Some(path.clone()),
            Question::List(path) => Some(in_directory(path)),
            _ => None,
        }
    }

    fn ask(&self, image: &dyn ImageFiles) -> Answer {
        match self {
            Question::Node(path) => Answer::Node(image.node(path)),
            Question::Metadata(path) => Answer::Metadata(image.metadata(path)),
            Question::List(path) => Answer::Names(image.list(path)),
            Question::Read(path) => Answer::Content(image.content_of(path)),
            Question::Version(package) => Answer::Version(image.version(package)),
            Question::PathsOf(package) => Answer::Paths(image.paths_of(package)),
            Question::DirectoriesLike(globs) => Answer::Names(image.directories_like(globs)),
            Question::OthersActivate(package, trigger) => {
                Answer::Whether(image.others_activate(package, trigger))
            }
            Question::OthersHaveBelow(package, path) => {
                Answer::Whether(image.others_have_below(package, path))
            }
            Question::Control(package, member) => Answer::Control(digest(image.control(package, member))),
        }
    }
}

fn digest(bytes: Option<Vec<u8>>) -> Option<Digest> {
    bytes.map(|bytes| Digest::of(&bytes))
}

/// What a package's scripts do, and the files that they look at or change.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) effects: PackageEffects,
    pub(super) looked_at: BTreeSet<RootPath>,
}

impl EffectsMemo {
    /// What a package's scripts do, found now or before. `before` are accounts and files that others' scripts have made.
    pub(super) fn effects(
        &self,
        package: &PackageFiles,
        image: &dyn ImageFiles,
        before: &[Effect],
        find: impl FnOnce(&dyn ImageFiles) -> PackageEffects,
    ) -> Found {
        let (name, architecture) = (package.name.clone(), image.architecture().to_owned());
        let before = Digest::of(format!("{before:?}").as_bytes());
        let key = (name, package.content, architecture, before);
        let known = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        if let Some(found) = known.read().unwrap_or_else(PoisonError::into_inner).find(image) {
            return found;
        }
        let asked = Asked { image, asked: Mutex::default() };
        let effects = find(&asked);
        let Log { in_order, is_unread, .. } =
            asked.asked.into_inner().unwrap_or_else(PoisonError::into_inner);
        let looked_at = in_order.iter().filter_map(|(question, _)| question.path()).collect();
        if !is_unread {
            known.write().unwrap_or_else(PoisonError::into_inner).learn(in_order, effects.clone());
        }
        Found { effects, looked_at }
    }
}

/// An image that writes down what it is asked, each question once.
struct Asked<'a> {
    image: &'a dyn ImageFiles,
    asked: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    all: HashSet<Question>,
    in_order: Vec<(Question, Answer)>,
    /// Something that is there could not be read, which may be otherwise next time.
    is_unread: bool,
}

impl Asked<'_> {
    fn note(&self, question: Question, answer: impl FnOnce() -> Answer) {
        let mut log = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if log.all.insert(question.clone()) {
            log.in_order.push((question, answer()));
        }
    }
}

impl ImageFiles for Asked<'_> {
    fn node(&self, path: &RootPath) -> Option<Node> {
        let node = self.image.node(path);
        self.note(Question::Node(path.clone()), || Answer::Node(node.clone()));
        node
    }

    fn metadata(&self, path: &RootPath) -> Option<(u32, [u32; 2])> {
        let metadata = self.image.metadata(path);
        self.note(Question::Metadata(path.clone()), || Answer::Metadata(metadata));
        metadata
    }

    fn list(&self, directory: &RootPath) -> Vec<String> {
        let names = self.image.list(directory);
        self.note(Question::List(directory.clone()), || Answer::Names(names.clone()));
        names
    }

    fn read(&self, path: &RootPath) -> Option<Vec<u8>> {
        let content = self.image.content_of(path);
        self.note(Question::Read(path.clone()), || Answer::Content(content));
        let read = self.image.read(path);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).is_unread |=
            content.is_some() && read.is_none();
        read
    }

    fn content_of(&self, path: &RootPath) -> Option<(ContentId, u32)> {
        let content = self.image.content_of(path);
        self.note(Question::Read(path.clone()), || Answer::Content(content));
        content
    }

    fn version(&self, package: &str) -> Option<String> {
        let version = self.image.version(package);
        self.note(Question::Version(package.to_owned()), || Answer::Version(version.clone()));
        version
    }

    fn paths_of(&self, package: &str) -> Vec<RootPath> {
        let paths = self.image.paths_of(package);
        self.note(Question::PathsOf(package.to_owned()), || Answer::Paths(paths.clone()));
        paths
    }

    fn directories_like(&self, globs: &[String]) -> Vec<String> {
        let names = self.image.directories_like(globs);
        self.note(Question::DirectoriesLike(globs.to_vec()), || Answer::Names(names.clone()));
        names
    }

    fn others_activate(&self, package: &str, trigger: &str) -> bool {
        let whether = self.image.others_activate(package, trigger);
        let question = Question::OthersActivate(package.to_owned(), trigger.to_owned());
        self.note(question, || Answer::Whether(whether));
        whether
    }

    fn others_have_below(&self, package: &str, path: &RootPath) -> bool {
        let whether = self.image.others_have_below(package, path);
        let question = Question::OthersHaveBelow(package.to_owned(), path.clone());
        self.note(question, || Answer::Whether(whether));
        whether
    }

    fn control(&self, package: &str, member: &str) -> Option<Vec<u8>> {
        let control = self.image.control(package, member);
        let question = Question::Control(package.to_owned(), member.to_owned());
        self.note(question, || Answer::Control(digest(control.clone())));
        control
    }

    // These two are part of what it is kept under.
    fn architecture(&self) -> &str {
        self.image.architecture()
    }

    fn triplet(&self) -> &str {
        self.image.triplet()
    }
}
