//! What can be wrong with an image, and whether it does harm.

use super::access::Barrier;
use crate::digest::Digest;
use crate::loader::Finding;
use crate::oci::MergeFault;
use crate::root_path::RootPath;

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A file or blob that something refers to does not exist.
    #[error("it is not there")]
    Missing,
    /// The file system refused.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// A blob's bytes are not those of its name.
    #[error("its bytes have the digest {0}")]
    Digest(Digest),
    /// A blob is shorter or longer than its descriptor says.
    #[error("it has {found} bytes, and its descriptor says {expected}")]
    Size {
        /// By the descriptor.
        expected: u64,
        /// Found.
        found: u64,
    },
    /// A document is no JSON.
    #[error("it is no JSON: {0}")]
    Json(String),
    /// A field of a document is missing or of another form.
    #[error("{0}")]
    Field(String),
    /// A media type that does not belong there.
    #[error("the media type `{0}` does not belong here")]
    MediaType(String),
    /// Manifest and config disagree.
    #[error("the manifest has {manifest} layers, the config {config} diff_ids")]
    LayerCount {
        /// Layers of the manifest.
        manifest: usize,
        /// `rootfs.diff_ids` of the config.
        config: usize,
    },
    /// The history's entries that are no empty layers are not as many as the layers.
    #[error("the history tells of {history} layers, there are {layers}")]
    HistoryCount {
        /// By the history.
        history: usize,
        /// By `rootfs.diff_ids`.
        layers: usize,
    },
    /// The uncompressed layer is not the one that the config names.
    #[error("its diff_id is {found}, and the config says {expected}")]
    DiffId {
        /// By the config.
        expected: String,
        /// Found.
        found: Digest,
    },
    /// Index and config name different platforms.
    #[error("the index says {index}, the config says {config}")]
    Platform {
        /// By the index.
        index: String,
        /// By the config.
        config: String,
    },
    /// The layer's gzip or zstd stream or its tar cannot be read.
    #[error("its archive is wrong: {0}")]
    Archive(String),
    /// A member of the layer is odd.
    #[error(transparent)]
    Member(#[from] MergeFault),
    /// There is nothing to run.
    #[error("the entrypoint `{0}` is not in the image")]
    Entrypoint(String),
    /// There is something, but it cannot be run.
    #[error("the entrypoint `{0}` is no executable file")]
    NotExecutable(String),
    /// The user of the image may not run what it starts, or not read what belongs to that.
    #[error("`{file}` cannot be {action} by user `{user}`: {}", barrier_text(.file, .barrier))]
    Barred {
        /// The program, its interpreter, or a library of theirs.
        file: RootPath,
        /// `executed` or `read`.
        action: &'static str,
        /// As the config has it.
        user: String,
        /// What stands in the way.
        barrier: Barrier,
    },
    /// Engines do not start a container there.
    #[error("the working directory `{path}` cannot be: `{found}` is no directory")]
    WorkingDirectory {
        /// By the config.
        path: RootPath,
        /// What is in its place, or above it.
        found: RootPath,
    },
    /// File systems refuse it.
    #[error("the path `{path}` has a component of {bytes} bytes, and file systems take 255")]
    LongName {
        /// The entry.
        path: RootPath,
        /// Of its longest component.
        bytes: usize,
    },
    /// Which image of an index is taken is left to chance. A warning.
    #[error("it has several images for {0}")]
    PlatformTwice(String),
    /// `user` names nobody.
    #[error("the user `{0}` is not in /etc/passwd")]
    User(String),
    /// `user` names no group.
    #[error("the group `{0}` is not in /etc/group")]
    Group(String),
    /// A library that the loader will not find.
    #[error("`{file}` needs `{soname}`, which the loader will not find{}", unfit_text(.unfit))]
    Library {
        /// The ELF file.
        file: RootPath,
        /// As its `DT_NEEDED` has it.
        soname: String,
        /// Files of that name that are for another machine, or damaged.
        unfit: Vec<RootPath>,
    },
    /// Libraries are there, and not what is needed of them. Whether it is a warning, it says itself.
    #[error("{0}")]
    Unproven(Finding),
    /// A plug-in, or another library that no executable leads to, lacks a library that is nowhere in the image. A
    /// warning: the image was built with it (see [`crate::select::Warning::PluginLacks`]).
    #[error("the plug-in {plugin} lacks `{needed}` and will not load")]
    Plugin {
        /// The ELF file.
        plugin: RootPath,
        /// As its `DT_NEEDED` has it.
        needed: String,
    },
    /// A file that begins like an ELF file and is not whole. A warning where no command is sought.
    #[error("`{file}` is a damaged ELF file: {reason}")]
    Damaged {
        /// The file.
        file: RootPath,
        /// What is wrong with it.
        reason: String,
        /// It is a program by its place and mode.
        is_program: bool,
    },
    /// A command that is a script names an interpreter that is not there. A warning where the image does not start it:
    /// the recipe may have left the interpreter out.
    #[error("the script `{file}` needs `{interpreter}`, which is not in the image")]
    Script {
        /// The script.
        file: RootPath,
        /// As its first line has it, or the command that it has `env` run.
        interpreter: String,
        /// It is what a container starts.
        is_started: bool,
    },
    /// The program loader that an executable asks for is not there.
    #[error("`{file}` needs the loader `{interp}`, which is not in the image")]
    Interpreter {
        /// The executable.
        file: RootPath,
        /// Its `PT_INTERP`.
        interp: String,
    },
}

impl Fault {
    /// The file of the image that it is about.
    pub(super) fn file(&self) -> Option<&RootPath> {
        match self {
            Fault::Library { file, .. }
            | Fault::Plugin { plugin: file, .. }
            | Fault::Interpreter { file, .. }
            | Fault::Damaged { file, .. }
            | Fault::Barred { file, .. }
            | Fault::Script { file, .. }
            | Fault::Unproven(Finding { file, .. }) => Some(file),
            _ => None,
        }
    }

    /// It may do no harm.
    pub fn is_warning(&self) -> bool {
        match self {
            Fault::Plugin { .. }
            | Fault::PlatformTwice(_)
            | Fault::Member(MergeFault::HardLinkDiffers { .. }) => true,
            Fault::Damaged { is_program, .. } => !is_program,
            Fault::Script { is_started, .. } => !is_started,
            Fault::Unproven(finding) => !finding.is_error,
            _ => false,
        }
    }
}

fn barrier_text(file: &RootPath, barrier: &Barrier) -> String {
    let Barrier { at, mode, uid, gid } = barrier;
    if at == file {
        return format!("its mode is {mode:04o} and it belongs to {uid}:{gid}");
    }
    format!("the directory `{at}` has the mode {mode:04o} and belongs to {uid}:{gid}")
}

fn unfit_text(unfit: &[RootPath]) -> String {
    unfit.first().map_or_else(String::new, |path| format!(": {path} is for another machine or damaged"))
}
