//! A Debian mirror on loopback: real signed indexes, and of the packages those that something has asked for.
//!
//! What is not there is fetched by its name from this machine's own mirror the first time, and served from the disk
//! from then on. So the first, unmeasured, run of a job fills it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rootforge::distro::{Archive, PackageFormat};
use rootforge::repository::{MachineSources, MirrorInputs, MirrorOrigin, Mirrors};
use rootforge::transport::{Transport, TransportError, TransportOptions};

/// An `InRelease` that is older is fetched anew.
const FRESH: Duration = Duration::from_secs(12 * 60 * 60);

/// The largest file that is passed on, in bytes.
const MOST: u64 = 1 << 30;

/// A server that ends with the program.
pub(crate) struct Mirror {
    address: String,
}

/// What its threads share.
struct Shelf {
    root: PathBuf,
    /// The roots above, by archive.
    above: Vec<(&'static str, String)>,
    transport: Transport,
    /// What is not there either.
    missing: Mutex<BTreeSet<String>>,
}

impl Mirror {
    /// Serves from a directory. The error says why it cannot.
    pub(crate) fn start(root: &Path) -> Result<Self, String> {
        let inputs = MirrorInputs { machine: MachineSources::read(), ..MirrorInputs::default() };
        let mirrors = Mirrors::new(&inputs).map_err(|error| error.to_string())?;
        let debian = mirrors.find(Archive::Debian);
        if debian.origin != MirrorOrigin::Machine(PackageFormat::Deb) {
            return Err("this machine has no apt sources of Debian to take packages from".to_owned());
        }
        let security = mirrors.find(Archive::DebianSecurity);
        let shelf = Arc::new(Shelf {
            root: root.to_owned(),
            above: vec![("debian", debian.url), ("debian-security", security.url)],
            transport: Transport::new(TransportOptions::default()).map_err(|error| error.to_string())?,
            missing: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?.to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shelf = shelf.clone();
                // A client that goes away is no matter.
                std::thread::spawn(move || serve(&stream, &shelf).ok());
            }
        });
        Ok(Mirror { address })
    }

    /// The root of an archive.
    pub(crate) fn url(&self, archive: &str) -> String {
        format!("http://{}/{archive}", self.address)
    }
}

fn serve(stream: &TcpStream, shelf: &Shelf) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        let mut range = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(from) = header.strip_prefix("range: bytes=") {
                range = from.trim_end_matches('-').parse().unwrap_or(0);
            }
        }
        answer(stream, &path, range, shelf)?;
    }
}

fn answer(mut stream: &TcpStream, path: &str, from: u64, shelf: &Shelf) -> io::Result<()> {
    let Some(file) = shelf.get(path) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    };
    let mut file = file?;
    let size = file.metadata()?.len();
    if from == 0 {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")?;
    } else {
        let (left, last) = (size.saturating_sub(from), size.saturating_sub(1));
        let range = format!("Content-Range: bytes {from}-{last}/{size}");
        write!(stream, "HTTP/1.1 206 Partial Content\r\nContent-Length: {left}\r\n{range}\r\n\r\n")?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(from))?;
    }
    // On Linux this is one call of the kernel: the server takes no time from what is measured.
    io::copy(&mut file, &mut stream).map(|_| ())
}

impl Shelf {
    fn get(&self, path: &str) -> Option<io::Result<File>> {
        let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let (archive, name) = path.split_once('/').filter(|_| plain)?;
        let place = self.root.join(path);
        let stale = name.ends_with("/InRelease")
            && fs::metadata(&place)
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > FRESH));
        if !stale && place.is_file() {
            return Some(File::open(place));
        }
        if self.missing.lock().unwrap().contains(path) {
            return None;
        }
        let (_, above) = self.above.iter().find(|(one, _)| *one == archive)?;
        match self.transport.read(&format!("{above}/{name}"), MOST) {
            Ok(bytes) => Some(put(&place, &bytes).and_then(|()| File::open(place))),
            Err(TransportError::Missing { .. }) => {
                self.missing.lock().unwrap().insert(path.to_owned());
                None
            }
            Err(error) => Some(Err(io::Error::other(error))),
        }
    }
}

/// Gives a file its content at once.
fn put(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = place.parent().unwrap();
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.persist(place)?;
    Ok(())
}
