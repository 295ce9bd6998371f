//! Files whose bytes were compared with their name once, and need not be again until somebody touches them.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::digest::Digest;

use super::Cache;

/// The kind of derived entry that has the stamp that a file had when its bytes were compared.
const SOUND: &str = "sound-2";

/// The longest time between two ticks of a file system's clock, in nanoseconds, with much to spare.
const TICK: i128 = 100_000_000;

/// What changes when a file does: device, inode, size, and the times of the last change of its bytes and of any kind,
/// which nobody can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds since the Unix epoch.
    changed: [(i64, i64); 2],
}

impl Stamp {
    /// That of the file at a path.
    pub fn at(path: &Path) -> io::Result<Self> {
        path.metadata().map(|metadata| Stamp::of(&metadata))
    }

    /// That of a file with this metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())],
        }
    }

    /// As it is kept.
    fn bytes(self) -> Vec<u8> {
        let Stamp { device, inode, size, changed: [(modified, modified_nanos), (changed, changed_nanos)] } =
            self;
        let times = [modified, modified_nanos, changed, changed_nanos];
        let numbers = [device, inode, size].into_iter().map(u64::to_le_bytes);
        numbers.chain(times.into_iter().map(i64::to_le_bytes)).flatten().collect()
    }

    /// The file's size in bytes.
    pub(super) fn size(self) -> u64 {
        self.size
    }

    /// Whether the file at a path is the same still.
    pub fn is_at(self, path: &Path) -> bool {
        Stamp::at(path).is_ok_and(|stamp| stamp == self)
    }

    /// Whether it is the file that it was but for times that are no times of writing.
    fn is_written_as(self, other: Stamp) -> bool {
        let written = |stamp: Stamp| (stamp.device, stamp.inode, stamp.size, stamp.changed[0]);
        written(self) == written(other)
    }

    /// Whether one more change would show: file systems' clocks tick some hundred times a second.
    fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let since = |(seconds, nanoseconds): (i64, i64)| {
            let then = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
            i128::try_from(now.as_nanos()).unwrap_or(0) - then
        };
        self.changed.into_iter().all(|change| since(change) > TICK)
    }
}

/// A file whose bytes were compared with its name, and what it was like then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundFile {
    path: PathBuf,
    stamp: Stamp,
}

impl SoundFile {
    /// The file at `path`, which had this stamp when its bytes were compared, and may have been moved there since.
    pub(super) fn moved(compared: Stamp, path: PathBuf) -> io::Result<Self> {
        let stamp = Some(Stamp::at(&path)?).filter(|stamp| stamp.is_written_as(compared));
        Ok(SoundFile { path, stamp: stamp.unwrap_or(compared) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its stamp, as long as nobody has touched it.
    pub fn untouched(&self) -> Option<Stamp> {
        Some(self.stamp).filter(|stamp| stamp.is_at(&self.path))
    }

    /// Its bytes; none where somebody has touched it.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let bytes = std::fs::read(&self.path).ok()?;
        self.untouched().map(|_| bytes)
    }

    /// Its bytes, as they are read; none where somebody has written to it.
    pub fn reader(&self) -> Option<SoundReader> {
        let file = File::open(&self.path).ok()?;
        let reader = SoundReader { file, stamp: self.stamp };
        reader.is_unwritten().then_some(reader)
    }
}

/// Reads a file whose bytes were compared with its name. If somebody writes to it meanwhile, its end is an error: until
/// then nothing counts. It may be deleted, or another be put in its place.
#[derive(Debug)]
pub struct SoundReader {
    file: File,
    stamp: Stamp,
}

impl SoundReader {
    fn is_unwritten(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| Stamp::of(&metadata).is_written_as(self.stamp))
    }
}

impl Read for SoundReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        if read == 0 && !buffer.is_empty() && !self.is_unwritten() {
            return Err(io::Error::other("it was changed as it was read"));
        }
        Ok(read)
    }
}

impl Cache {
    /// Whether the file at a path, in the cache or elsewhere, has the bytes of its name: as `judge` finds, unless it
    /// found them to be before and the file was not touched since.
    ///
    /// An error is that the file is not there or cannot be read. Without the time given to [`Cache::at`], `judge` is
    /// always asked.
    pub fn is_sound(
        &self,
        name: &Digest,
        path: &Path,
        judge: impl FnOnce() -> io::Result<bool>,
    ) -> io::Result<bool> {
        let before = Stamp::at(path)?;
        let Some(now) = self.now else { return judge() };
        if self.knows(name, path, before) {
            return Ok(true);
        }
        let is_sound = judge()?;
        if is_sound && before.is_settled(now) && before.is_at(path) {
            self.remember_sound(name, path, before);
        }
        Ok(is_sound)
    }

    /// Notes that a file of the cache is of use, which touches it: it is known to be sound all the same if it was.
    pub(super) fn note_use_of(&self, name: &Digest, path: &Path) {
        let (Ok(before), Ok(file)) = (Stamp::at(path), File::open(path)) else { return };
        self.note_use(&file);
        if let Ok(after) = Stamp::at(path)
            && after != before
            && after.is_written_as(before)
            && self.knows(name, path, before)
        {
            self.remember_sound(name, path, after);
        }
    }

    /// Whether a file was found sound as it is.
    fn knows(&self, name: &Digest, path: &Path, stamp: Stamp) -> bool {
        self.derived(SOUND, &sound_key(name, path)).is_some_and(|known| known == stamp.bytes())
    }

    /// What cannot be kept is compared again.
    fn remember_sound(&self, name: &Digest, path: &Path, stamp: Stamp) {
        let _ = self.put_derived(SOUND, &sound_key(name, path), &stamp.bytes());
    }
}

/// The same bytes lie in the cache and in layouts.
fn sound_key(name: &Digest, path: &Path) -> Digest {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Digest::of(&[name.as_bytes(), path.as_os_str().as_encoded_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// How often the bytes were read.
    fn asked(cache: &Cache, name: &Digest, path: &Path) -> (bool, usize) {
        let times = Cell::new(0);
        let judge = || {
            times.set(times.get() + 1);
            fs::read(path).map(|bytes| Digest::of(&bytes) == *name)
        };
        (cache.is_sound(name, path, judge).unwrap(), times.get())
    }

    #[test]
    fn bytes_are_compared_once_until_the_file_is_touched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "hello").unwrap();
        let name = Digest::of(b"hello");
        let cache = Cache::open(directory.path().join("cache")).unwrap();
        let written = path.metadata().unwrap().modified().unwrap();
        for _ in 0..2 {
            assert_eq!(asked(&cache, &name, &path), (true, 1), "no time is given");
        }
        let soon = cache.clone().at(written + Duration::from_millis(1));
        for _ in 0..2 {
            assert_eq!(asked(&soon, &name, &path), (true, 1), "somebody may be writing still");
        }
        let later = cache.at(written + Duration::from_secs(5));
        assert_eq!(asked(&later, &name, &path), (true, 1));
        assert_eq!(asked(&later, &name, &path), (true, 0));
        assert_eq!(
            asked(&later, &Digest::of(b"other"), &path),
            (false, 1),
            "it is not known by another name"
        );
        // That it is of use is noted, which changes its times.
        let much_later = later.clone().at(written + Duration::from_secs(3600));
        much_later.note_use_of(&name, &path);
        assert!(path.metadata().unwrap().accessed().unwrap() > written + Duration::from_secs(3000));
        assert_eq!(asked(&much_later, &name, &path), (true, 0));
        // Of the same size, and with the time of before.
        fs::write(&path, "hellp").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        for _ in 0..2 {
            assert_eq!(asked(&later, &name, &path), (false, 1));
        }
        fs::remove_file(&path).unwrap();
        assert!(later.is_sound(&name, &path, || unreachable!()).is_err());
    }

    #[test]
    fn what_is_written_to_as_it_is_read_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let sound = || {
            let _ = fs::remove_file(&path);
            fs::write(&path, "hello").unwrap();
            SoundFile::moved(Stamp::at(&path).unwrap(), path.clone()).unwrap()
        };
        let read_on = |mut reader: SoundReader| {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        };
        assert_eq!(sound().bytes().unwrap(), b"hello");

        let written = sound();
        let mut reader = written.reader().unwrap();
        reader.read_exact(&mut [0; 2]).unwrap();
        fs::write(&path, "hello!").unwrap();
        assert!(read_on(reader).is_err());
        assert!(written.reader().is_none() && written.bytes().is_none());

        // That another takes its place, that it is deleted or noted to be of use, does not change what is read.
        let replaced = sound();
        let reader = replaced.reader().unwrap();
        fs::write(directory.path().join("other"), "other, and longer").unwrap();
        fs::rename(directory.path().join("other"), &path).unwrap();
        assert_eq!(read_on(reader).unwrap(), "hello");
        assert!(replaced.reader().is_none());
        let reader = sound().reader().unwrap();
        File::open(&path)
            .unwrap()
            .set_times(fs::FileTimes::new().set_accessed(SystemTime::UNIX_EPOCH))
            .unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(read_on(reader).unwrap(), "hello");
    }
}
