//! What scripts were found to do, kept with all that they asked of the image: where another image answers the same,
//! they do the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::files::ImageFiles;
use super::{Effect, PackageEffects};
use crate::cache::ContentId;
use crate::catalog::PackageFiles;
use crate::digest::Digest;
use crate::root_path::RootPath;
use crate::shell::Node;

/// What was found of the scripts of packages. Its clones share it.
#[derive(Clone, Debug, Default)]
pub struct EffectsMemo(Arc<Mutex<BTreeMap<Key, Vec<Arc<Found>>>>>);

/// A package's name and content, the image's architecture, and the accounts that others have made before.
type Key = (String, ContentId, String, String);

/// What scripts do where the image answers so.
#[derive(Debug)]
struct Found {
    asked: Vec<(Question, Answer)>,
    effects: PackageEffects,
}

/// Something that can be asked of an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Node(RootPath),
    Metadata(RootPath),
    List(RootPath),
    Read(RootPath),
    Version(String),
    Packages,
    PathsOf(String),
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

impl Question {
    fn ask(&self, image: &dyn ImageFiles) -> Answer {
        match self {
            Question::Node(path) => Answer::Node(image.node(path)),
            Question::Metadata(path) => Answer::Metadata(image.metadata(path)),
            Question::List(path) => Answer::Names(image.list(path)),
            Question::Read(path) => Answer::Content(image.content_of(path)),
            Question::Version(package) => Answer::Version(image.version(package)),
            Question::Packages => Answer::Names(image.packages()),
            Question::PathsOf(package) => Answer::Paths(image.paths_of(package)),
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

impl EffectsMemo {
    /// What a package's scripts do, found now or before. `before` are accounts that others' scripts have made.
    pub(super) fn effects(
        &self,
        package: &PackageFiles,
        image: &dyn ImageFiles,
        before: &[&Effect],
        find: impl FnOnce(&dyn ImageFiles) -> PackageEffects,
    ) -> PackageEffects {
        let (name, architecture) = (package.name.clone(), image.architecture().to_owned());
        let key = (name, package.content, architecture, format!("{before:?}"));
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let holds =
            |found: &&Arc<Found>| found.asked.iter().all(|(question, answer)| question.ask(image) == *answer);
        if let Some(found) = known.unwrap_or_default().iter().find(holds) {
            return found.effects.clone();
        }
        let asked = Asked { image, answers: Mutex::default() };
        let effects = find(&asked);
        let asked = asked.answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        let found = Found { asked: asked.into_iter().collect(), effects: effects.clone() };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(key).or_default().push(Arc::new(found));
        effects
    }
}

/// An image that writes down what it is asked.
struct Asked<'a> {
    image: &'a dyn ImageFiles,
    answers: Mutex<BTreeMap<Question, Answer>>,
}

impl Asked<'_> {
    fn note(&self, question: Question, answer: impl FnOnce() -> Answer) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.entry(question).or_insert_with(answer);
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
        self.note(Question::Read(path.clone()), || Answer::Content(self.image.content_of(path)));
        self.image.read(path)
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

    fn packages(&self) -> Vec<String> {
        let packages = self.image.packages();
        self.note(Question::Packages, || Answer::Names(packages.clone()));
        packages
    }

    fn paths_of(&self, package: &str) -> Vec<RootPath> {
        let paths = self.image.paths_of(package);
        self.note(Question::PathsOf(package.to_owned()), || Answer::Paths(paths.clone()));
        paths
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
