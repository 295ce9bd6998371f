//! `fetch` against servers on loopback.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rootforge::cache::{Cache, ContentId};
use rootforge::digest::Digest;
use rootforge::fetch::{Connections, Note, Obtained, Orders, Progress, Wanted, fetch, fetch_ordered};
use rootforge::hint::Hint as _;
use rootforge::transport::Transport;

use crate::network::{offline, online};
use crate::support::server::{Answer, Server};

fn content(number: usize) -> Vec<u8> {
    format!("package {number}").repeat(1000).into_bytes()
}

fn wanted(number: usize, urls: Vec<String>) -> Wanted {
    let bytes = content(number);
    Wanted {
        name: format!("p{number}"),
        version: "1.0".to_owned(),
        urls,
        size: bytes.len() as u64,
        content: ContentId::from(&Digest::of(&bytes)),
    }
}

fn pool() -> BTreeMap<String, Vec<u8>> {
    (0..30).map(|number| (format!("p{number}.deb"), content(number))).collect()
}

fn cache() -> (tempfile::TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path().join("cache")).unwrap();
    (directory, cache)
}

#[derive(Default)]
struct Seen {
    begun: Mutex<(usize, u64)>,
    present: Mutex<BTreeMap<String, u64>>,
    ended: AtomicUsize,
}

impl Progress for Seen {
    fn begin(&self, package: &Wanted) {
        let mut begun = self.begun.lock().unwrap();
        *begun = (begun.0 + 1, begun.1 + package.size);
    }
    fn present(&self, package: &Wanted, bytes: u64) {
        self.present.lock().unwrap().insert(package.name.clone(), bytes);
    }
    fn end(&self, _: &Wanted) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn packages_arrive_in_order_and_once() {
    let server = Server::of(pool());
    let (_directory, cache) = cache();
    let mut list: Vec<_> = (0..30).rev().map(|n| wanted(n, vec![server.url(&format!("p{n}.deb"))])).collect();
    list.push(list[3].clone());
    let seen = Seen::default();
    let fetched = fetch(&list, &online(), &cache, &Connections::default(), &seen).unwrap();
    assert_eq!((fetched.paths.len(), fetched.downloaded, fetched.notes.len()), (31, 30, 0));
    for (package, path) in list.iter().zip(&fetched.paths) {
        assert_eq!(ContentId::from(&Digest::of(&std::fs::read(path).unwrap())), package.content);
    }
    let bytes: u64 = list[..30].iter().map(|package| package.size).sum();
    assert_eq!(*seen.begun.lock().unwrap(), (30, bytes));
    assert_eq!(seen.present.lock().unwrap().values().sum::<u64>(), bytes);
    assert_eq!(seen.ended.load(Ordering::SeqCst), 30);

    let again = fetch(&list, &offline(), &cache, &Connections::default(), &()).unwrap();
    assert_eq!((again.paths, again.downloaded), (fetched.paths, 0));
    assert_eq!(server.paths().len(), 30);
}

#[test]
fn what_was_compared_as_it_came_says_so_until_it_is_touched() {
    let server = Server::of(pool());
    let (_directory, cache) = cache();
    let arrival = |transport: &Transport| {
        let orders = Orders::default();
        orders.ask(wanted(1, vec![server.url("p1.deb")]));
        orders.close();
        let arrived = Mutex::new(Vec::new());
        fetch_ordered(&orders, transport, &cache, &Connections::default(), &(), &|arrival| {
            arrived.lock().unwrap().push(arrival.outcome.unwrap());
        });
        let [obtained] = <[_; 1]>::try_from(arrived.into_inner().unwrap()).unwrap();
        obtained
    };
    let downloaded = arrival(&online());
    assert!(matches!(downloaded, Obtained::Downloaded(_)) && downloaded.compared().is_some());
    // What was there before was compared some time ago: who needs to know compares it.
    let cached = arrival(&offline());
    assert!(matches!(cached, Obtained::Cached(_)));
    std::fs::File::open(downloaded.path()).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert!(downloaded.compared().is_none());
}

#[test]
fn connections_are_limited() {
    let pool = pool();
    let server = |delay| {
        let pool = pool.clone();
        Server::new(move |request| Answer {
            delay: Duration::from_millis(delay),
            ..Answer::body(&pool[request.path.trim_start_matches('/')][..])
        })
    };
    let (quick, slow) = (server(30), server(30));
    let connections = Connections { slow: vec![slow.root()], ..Connections::default() };
    let list: Vec<_> = (0..30)
        .map(|n| wanted(n, vec![if n % 3 == 0 { &slow } else { &quick }.url(&format!("p{n}.deb"))]))
        .collect();
    let (_directory, cache) = cache();
    fetch(&list, &online(), &cache, &connections, &()).unwrap();
    assert!((2..=8).contains(&quick.most()), "{} at once", quick.most());
    assert!((1..=2).contains(&slow.most()), "{} at once", slow.most());
}

#[test]
fn what_left_the_mirror_is_sought_elsewhere() {
    let (mirror, snapshot) = (Server::of(BTreeMap::new()), Server::of(pool()));
    let (_directory, cache) = cache();
    let package = wanted(1, vec![mirror.url("p1.deb"), snapshot.url("p1.deb")]);
    let fetched = fetch(&[package], &online(), &cache, &Connections::default(), &()).unwrap();
    assert_eq!(fetched.notes, [Note::Elsewhere { package: "p1 1.0".into(), url: snapshot.url("p1.deb") }]);

    let list: Vec<_> = (0..30).map(|n| wanted(n, vec![mirror.url("a"), mirror.url("b")])).collect();
    let error = fetch(&list, &online(), &cache, &Connections::default(), &()).unwrap_err();
    assert_eq!((error.failures.len(), error.more), (10, 19), "p1 is in the cache");
    let text = error.to_string();
    assert!(
        text.starts_with("cannot fetch 29 packages\n  p0 1.0: it is not on the mirror any more: `"),
        "{text}"
    );
    assert!(text.ends_with("\n  and 19 more"), "{text}");
    assert_eq!(error.hints()[0], "run `rootforge lock --update` to take the present versions");
    assert_eq!(error.hints().len(), 2, "not one for each of them");

    let error = fetch(&list[4..5], &online(), &cache, &Connections::default(), &()).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot fetch p4 1.0: it is not on the mirror any more: `"),
        "{error}"
    );
    assert_eq!(error.hints(), ["run `rootforge lock --update p4` to take the present version"]);

    // Nor is it told only that nobody answers where it is sought last.
    let package = wanted(5, vec![mirror.url("p5.deb"), "http://127.0.0.1:9/p5.deb".to_owned()]);
    let error = fetch(&[package], &online(), &cache, &Connections::default(), &()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("does not exist: 404") && text.contains("`http://127.0.0.1:9/p5.deb` cannot"),
        "{text}"
    );
    assert_eq!(error.hints(), ["run `rootforge lock --update p5` to take the present version"]);
}

#[test]
fn a_damaged_file_is_fetched_again() {
    let server = Server::of(pool());
    let (_directory, cache) = cache();
    let list: Vec<_> = (0..3).map(|n| wanted(n, vec![server.url(&format!("p{n}.deb"))])).collect();
    let first = fetch(&list, &online(), &cache, &Connections::default(), &()).unwrap();
    let mut bytes = content(1);
    bytes[5] ^= 1;
    std::fs::write(&first.paths[1], &bytes).unwrap();
    let again = fetch(&list, &online(), &cache, &Connections::default(), &()).unwrap();
    assert_eq!(again.notes, [Note::Damaged { package: "p1 1.0".into() }]);
    assert_eq!((again.downloaded, std::fs::read(&again.paths[1]).unwrap()), (1, content(1)));

    std::fs::write(&first.paths[1], &bytes).unwrap();
    let error = fetch(&list, &offline(), &cache, &Connections::default(), &()).unwrap_err();
    assert_eq!(error.to_string(), "cannot fetch p1 1.0: it is not in the cache, and the build is offline");
}

#[test]
fn a_wrong_package_is_not_kept() {
    let server = Server::new(|_| Answer::body("x".repeat(content(1).len())));
    let (_directory, cache) = cache();
    let package = wanted(1, vec![server.url("p1.deb")]);
    let error =
        fetch(std::slice::from_ref(&package), &online(), &cache, &Connections::default(), &()).unwrap_err();
    assert!(error.to_string().contains("is not what it should be"), "{error}");
    assert_eq!(cache.blob(package.content), None);
}

#[test]
fn local_files_are_packages_too() {
    let (directory, cache) = cache();
    let path = directory.path().join("p1.deb");
    std::fs::write(&path, content(1)).unwrap();
    let package = wanted(1, vec![path.to_str().unwrap().to_owned()]);
    let fetched = fetch(&[package], &offline(), &cache, &Connections::default(), &()).unwrap();
    assert_eq!(std::fs::read(&fetched.paths[0]).unwrap(), content(1));
}
