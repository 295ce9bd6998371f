//! What is worth a word about a selection, and fails nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::root_path::RootPath;

use super::Unproven;
use super::kinds::is_command;

/// Something worth knowing about a selection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Warning {
    /// A link whose target is in no package that was looked into.
    Dangling {
        /// The link.
        link: RootPath,
        /// Its target as written.
        target: String,
    },
    /// A plug-in that would not load, or a program that lacks a library also where all packages are installed.
    PluginLacks {
        /// The plug-in.
        plugin: RootPath,
        /// The library it lacks.
        needed: String,
        /// The pattern that excludes the library.
        excluded_by: Option<String>,
    },
    /// A script whose interpreter no locked package has.
    NoInterpreter {
        /// The script.
        script: RootPath,
        /// The interpreter.
        interpreter: String,
    },
    /// Scripts that may be run, though nothing is known to, by an interpreter that is not there.
    Unrun {
        /// The interpreter.
        interpreter: String,
        /// The scripts.
        scripts: Vec<RootPath>,
    },
    /// Two packages ship the same path and neither replaces the other's.
    Contested {
        /// The path.
        path: RootPath,
        /// The package whose file is taken.
        taken: String,
        /// The package whose file is not.
        dropped: String,
    },
    /// A package diverts another's file and has its own there; the other's, with its new name, is not made.
    Diverted {
        /// The path.
        path: RootPath,
        /// The package that diverts it.
        by: String,
        /// The package whose file has no place.
        of: String,
    },
    /// A program for glibc on a distro that has musl.
    ForeignLoader {
        /// The program.
        program: RootPath,
        /// The loader that it names.
        interp: String,
    },
    /// Something that may fail for want of a symbol, or a plug-in that will not load.
    Unproven(Unproven),
    /// A script that calls what the image lacks.
    NoCommands {
        /// The script.
        script: RootPath,
        /// The commands.
        commands: Vec<String>,
    },
    /// A run-time rule whose packages are not locked.
    RuleLacks {
        /// The rule's name.
        rule: String,
        /// What fired it; none where that is the image's environment.
        by: Option<RootPath>,
        /// The packages.
        packages: Vec<String>,
    },
    /// A library that an ELF file says it opens, and that the image lacks.
    OpensMissing {
        /// The ELF file.
        by: RootPath,
        /// The names that it tries.
        sonames: Vec<String>,
        /// What it is for.
        feature: Option<String>,
        /// Whether the file does not work without.
        required: bool,
    },
    /// Libraries that an ELF file opens if they are there, and that the image lacks.
    CanUse {
        /// The ELF file.
        by: RootPath,
        /// The first name that it tries of each.
        sonames: Vec<String>,
    },
    /// A library that an ELF file names and nobody selected.
    Unselected {
        /// The ELF file.
        by: RootPath,
        /// The name.
        soname: String,
        /// Where the library is.
        path: RootPath,
        /// The package that has it.
        package: String,
    },
    /// What the image starts is not in it.
    NoProgram {
        /// The program, as the recipe has it.
        program: String,
    },
    /// What the image starts is there, and nobody may execute it.
    NotExecutable {
        /// The program, as the recipe has it.
        program: String,
        /// Where it is.
        path: RootPath,
        /// Its mode.
        mode: u32,
    },
    /// A file that looks like ELF and is not whole.
    DamagedElf {
        /// The file.
        path: RootPath,
        /// What is wrong.
        reason: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::NoProgram { program } => {
                write!(f, "the image starts `{program}`, which is not in it")
            }
            Warning::NotExecutable { program, path, mode } => {
                write!(
                    f,
                    "the image starts `{program}`, and {path} cannot be executed: its mode is {mode:04o}; a file of the \
                     recipe takes `mode = \"0755\"`"
                )
            }
            Warning::Dangling { link, target } => write!(f, "{link} leads to {target}, which is not there"),
            Warning::PluginLacks { plugin, needed, excluded_by: None } if is_command(plugin) => {
                let anyway = "as it does not where its packages are installed";
                write!(f, "the program {plugin} lacks `{needed}` and will not start, {anyway}")
            }
            Warning::PluginLacks { plugin, needed, excluded_by: None } => {
                write!(f, "the plug-in {plugin} lacks `{needed}` and will not load")
            }
            Warning::PluginLacks { plugin, needed, excluded_by: Some(glob) } => {
                write!(
                    f,
                    "the plug-in {plugin} lacks `{needed}`, which the recipe excludes with `{glob}`, and will not load"
                )
            }
            Warning::NoInterpreter { script, interpreter } => {
                write!(f, "the script {script} is run by {interpreter}, which is not there")
            }
            Warning::Unrun { interpreter, scripts } => {
                let few: Vec<&str> = scripts.iter().take(3).map(RootPath::as_str).collect();
                let few = few.join(", ");
                let more = scripts.len().saturating_sub(3);
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                write!(f, "{interpreter} is not there, which would run {few}{more}")
            }
            Warning::Contested { path, taken, dropped } => {
                write!(
                    f,
                    "{path} is in {taken} and in {dropped}, and neither replaces the other; {taken}'s is taken"
                )
            }
            Warning::Diverted { path, by, of } => {
                write!(f, "{by} diverts {path} of {of}, and has its own there: that of {of} is left out")
            }
            Warning::ForeignLoader { program, interp } => {
                write!(
                    f,
                    "{program} is made for glibc's loader {interp}; its libraries are sought by musl's rules"
                )
            }
            Warning::Unproven(unproven) => unproven.fmt(f),
            Warning::NoCommands { script, commands } => {
                write!(f, "the script {script} calls `{}`, which the image lacks", commands.join("`, `"))
            }
            Warning::RuleLacks { rule, by, packages } => {
                let by = by.as_ref().map_or("the image's environment", RootPath::as_str);
                write!(
                    f,
                    "{by} fires the rule `{rule}`, whose packages are not locked: {}",
                    packages.join(", ")
                )
            }
            Warning::CanUse { by, sonames } => {
                write!(f, "{by} can use `{}`, which the image lacks", sonames.join("`, `"))
            }
            Warning::OpensMissing { by, sonames, feature, .. } => {
                let names = sonames.join("` or `");
                write!(f, "{by} does not work without `{names}`, which the image lacks")?;
                feature.as_ref().map_or(Ok(()), |feature| write!(f, " ({feature})"))
            }
            Warning::Unselected { by, soname, path, package } => {
                write!(
                    f,
                    "{by} names `{soname}`, which {package} has and nothing selected; if it is needed: \
                     include = [\"{path}\"]"
                )
            }
            Warning::DamagedElf { path, reason } => write!(f, "{path} is a damaged ELF file: {reason}"),
        }
    }
}
