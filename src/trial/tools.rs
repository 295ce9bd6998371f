//! The programs of this machine that tests are run with.

use std::path::{Path, PathBuf};

use crate::arch::Arch;

/// Where programs are looked for, and by whom they are run.
#[derive(Clone, Debug)]
pub struct Tools {
    directories: Vec<PathBuf>,
    /// Whether the caller is root.
    pub is_root: bool,
    /// The architecture of this machine.
    pub host: Option<Arch>,
}

impl Tools {
    /// Those in some directories, in order.
    pub fn new(directories: Vec<PathBuf>) -> Self {
        Tools { directories, is_root: is_root(), host: Arch::host() }
    }

    /// A program that is there.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        // Daemons' and system tools' directories are not on everybody's path.
        let more = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(Path::new);
        let directories = self.directories.iter().map(PathBuf::as_path).filter(|path| path.is_absolute());
        let mut places = directories.chain(more).map(|directory| directory.join(name));
        places.find(|path| is_program(path))
    }
}

/// Whether the caller is root: whose its own process is.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
