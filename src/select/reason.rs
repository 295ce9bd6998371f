//! Why a path is in an image.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::root_path::RootPath;

/// Why a path is in the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// A base image has it.
    Given,
    /// Its package is named by the recipe, or counts as named.
    Named,
    /// Its package is in the closure of a layer that keeps all.
    All,
    /// A glob of the recipe includes it.
    Included(String),
    /// It is data or a plug-in of a package that is needed.
    Reached,
    /// A file lists it as `DT_NEEDED`.
    Library {
        /// The file that needs it.
        by: RootPath,
        /// The name it asks for.
        needed: String,
    },
    /// A program names it as its dynamic loader (`PT_INTERP`).
    Loader {
        /// The program.
        by: RootPath,
    },
    /// A symbolic link leads to or through it.
    Link {
        /// The link.
        by: RootPath,
    },
    /// A script names it as its interpreter.
    Interpreter {
        /// The script.
        by: RootPath,
    },
    /// A script calls or sources it.
    Word {
        /// The script.
        by: RootPath,
        /// The command or file, as the script has it.
        word: String,
    },
    /// An ELF file holds its path.
    Mention {
        /// The ELF file.
        by: RootPath,
    },
    /// An ELF file says that it opens it by name.
    Opened {
        /// The ELF file.
        by: RootPath,
        /// The name.
        soname: String,
    },
    /// The image starts it.
    Started,
    /// A run-time rule asks for it.
    Rule {
        /// The rule's name.
        rule: String,
        /// What fired the rule; none where that is the image's environment.
        by: Option<RootPath>,
    },
}

impl Reason {
    /// The file that asks for it, if one does.
    pub fn by(&self) -> Option<&RootPath> {
        match self {
            Reason::Given
            | Reason::Named
            | Reason::All
            | Reason::Included(_)
            | Reason::Reached
            | Reason::Started => None,
            Reason::Library { by, .. }
            | Reason::Loader { by }
            | Reason::Link { by }
            | Reason::Interpreter { by }
            | Reason::Word { by, .. }
            | Reason::Mention { by }
            | Reason::Opened { by, .. } => Some(by),
            Reason::Rule { by, .. } => by.as_ref(),
        }
    }

    /// The rule in one word.
    pub fn rule(&self) -> &'static str {
        match self {
            Reason::Given => "given",
            Reason::Named => "named",
            Reason::All => "all",
            Reason::Included(_) => "included",
            Reason::Reached => "reached",
            Reason::Library { .. } => "library",
            Reason::Loader { .. } => "loader",
            Reason::Link { .. } => "link",
            Reason::Interpreter { .. } => "interpreter",
            Reason::Word { .. } => "word",
            Reason::Mention { .. } => "mention",
            Reason::Opened { .. } => "opened",
            Reason::Started => "started",
            Reason::Rule { .. } => "rule",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Given => f.write_str("the base image has it"),
            Reason::Named => f.write_str("of a named package"),
            Reason::All => f.write_str("of a layer that keeps all"),
            Reason::Included(glob) => write!(f, "included by `{glob}`"),
            Reason::Reached => f.write_str("of a package that is needed"),
            Reason::Library { by, needed } => write!(f, "`{needed}` is needed by {by}"),
            Reason::Loader { by } => write!(f, "the loader of {by}"),
            Reason::Link { by } => write!(f, "where {by} leads"),
            Reason::Interpreter { by } => write!(f, "the interpreter of {by}"),
            Reason::Word { by, word } => write!(f, "`{word}` is called by {by}"),
            Reason::Mention { by } => write!(f, "mentioned by {by}"),
            Reason::Opened { by, soname } => write!(f, "`{soname}` is opened by {by}"),
            Reason::Started => f.write_str("the image starts it"),
            Reason::Rule { rule, by: Some(by) } => write!(f, "by the rule `{rule}`, because of {by}"),
            Reason::Rule { rule, by: None } => {
                write!(f, "by the rule `{rule}`, because of the image's environment")
            }
        }
    }
}
