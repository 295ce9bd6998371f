use super::*;

fn cache() -> (tempfile::TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path().join("a/b")).unwrap();
    (directory, cache)
}

/// All files that the cache has by kind, whole or not.
fn usage(cache: &Cache) -> Usage {
    let kinds = cache.kinds().unwrap();
    let (files, bytes) = (kinds.values().map(|kind| kind.files), kinds.values().map(|kind| kind.bytes));
    Usage { files: files.sum(), bytes: bytes.sum() }
}

#[test]
fn blobs_are_named_by_their_digest() {
    let (_directory, cache) = cache();
    let (digest, path) = cache.insert(b"hello").unwrap();
    let hex = digest.hex();
    assert_eq!(path, cache.root().join("blobs/sha256").join(hex));
    assert_eq!(cache.blob(digest), Some(path.clone()));
    assert_eq!(cache.verified_blob(digest).unwrap(), Lookup::Found(path.clone()));
    assert_eq!(cache.read_blob(&digest).unwrap().unwrap(), b"hello");
    assert_eq!(cache.insert_from(&b"hello"[..]).unwrap(), (digest, 5, path));
    assert_eq!(usage(&cache), Usage { files: 1, bytes: 5 });
    cache.clear().unwrap();
    assert_eq!(cache.verified_blob(digest).unwrap(), Lookup::Missing);
    assert_eq!(cache.read_blob(&digest).unwrap(), None);
}

#[test]
fn damage_is_found_and_removed() {
    let (_directory, cache) = cache();
    for read in [
        |cache: &Cache, digest: &Digest| assert_eq!(cache.verified_blob(digest).unwrap(), Lookup::Corrupt),
        |cache: &Cache, digest: &Digest| assert_eq!(cache.read_blob(digest).unwrap(), None),
    ] {
        let (digest, path) = cache.insert(b"hello").unwrap();
        fs::write(&path, b"hellp").unwrap();
        read(&cache, &digest);
        assert!(!path.exists());
    }
}

#[test]
fn derived_entries_are_checked() {
    let (_directory, cache) = cache();
    let (key, other) = (Digest::of(b"key"), Digest::of(b"other"));
    cache.put_derived("manifest-1", &key, b"content").unwrap();
    cache.put_derived("manifest-1", &key, b"newer").unwrap();
    assert_eq!(cache.derived("manifest-1", &key).unwrap(), b"newer");
    assert_eq!(cache.derived("manifest-2", &key), None);
    assert_eq!(cache.derived("manifest-1", &other), None);
    // In another place it does not count.
    let path = cache.derived_path("manifest-1", &key);
    let elsewhere = cache.derived_path("manifest-1", &other);
    fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    fs::copy(&path, &elsewhere).unwrap();
    assert_eq!(cache.derived("manifest-1", &other), None);
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(cache.derived("manifest-1", &key), None, "byte {at}");
        fs::write(&path, &good[..at]).unwrap();
        assert_eq!(cache.derived("manifest-1", &key), None, "cut at {at}");
    }
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let (_directory, cache) = cache();
    let cache = cache.at(SystemTime::now());
    let long_ago = SystemTime::now() - std::time::Duration::from_secs(48 * 3600);
    let age = |path: &Path, hours: u64| {
        let time = long_ago - std::time::Duration::from_secs(hours * 3600);
        let times = fs::FileTimes::new().set_accessed(time).set_modified(time);
        File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    };
    let blobs: Vec<Digest> = (0..10_u8)
        .map(|number| {
            let (digest, path) = cache.insert(&[number; 1000]).unwrap();
            age(&path, 10 - u64::from(number));
            digest
        })
        .collect();
    cache.put_derived("x-1", &blobs[0], &[0; 992]).unwrap();
    age(&cache.derived_path("x-1", &blobs[0]), 100);
    let kinds = cache.kinds().unwrap();
    assert_eq!(kinds["blobs/sha256"], Usage { files: 10, bytes: 10_000 });
    assert_eq!(kinds["derived/x-1"], Usage { files: 1, bytes: 1000 });
    // Reading is use.
    assert!(cache.read_blob(&blobs[0]).unwrap().is_some());
    let pruned = cache.prune(7_500).unwrap();
    assert_eq!((pruned.removed.files, pruned.left.bytes), (4, 7000));
    let left: Vec<bool> = blobs.iter().map(|digest| cache.blob(*digest).is_some()).collect();
    assert_eq!(left, [true, false, false, false, true, true, true, true, true, true]);
    assert!(cache.derived("x-1", &blobs[0]).is_none());
    assert_eq!(cache.prune(7_500).unwrap().removed, Usage::default());

    // Another uses it: what is new stays.
    let other = Cache::open(cache.root()).unwrap();
    let pruned = cache.prune(0).unwrap();
    assert!(pruned.in_use && pruned.left.bytes == 1000, "{pruned:?}");
    assert!(cache.blob(blobs[0]).is_some());
    drop(other);
    assert_eq!(cache.prune(0).unwrap().left, Usage::default());
}

#[test]
fn a_run_that_adds_holds_to_the_limit() {
    let (_directory, cache) = cache();
    cache.insert(&[1; 4000]).unwrap();
    cache.settle(10_000).unwrap();
    cache.insert(&[2; 4000]).unwrap();
    cache.settle(10_000).unwrap();
    assert_eq!(cache.kinds().unwrap()["blobs/sha256"].bytes, 8000);
    cache.settle(10).unwrap();
    assert_eq!(cache.kinds().unwrap()["blobs/sha256"].bytes, 8000, "nothing was added");
    cache.insert(&[3; 4000]).unwrap();
    cache.settle(10_000).unwrap();
    assert_eq!(cache.kinds().unwrap()["blobs/sha256"].bytes, 8000);
}

#[test]
fn how_much_a_cache_has_that_was_begun_anew_is_known_without_counting() {
    let directory = tempfile::tempdir().unwrap();
    let begun = |name: &str| Cache::open(directory.path().join(name)).unwrap().at(SystemTime::now());
    let cache = begun("new");
    let (digest, path) = cache.insert(&[1; 4000]).unwrap();
    fs::write(path, [1; 9000]).unwrap();
    cache.settle(5000).unwrap();
    assert!(cache.blob(digest).is_some());
    // It is known for a while from when it was counted, however much is added.
    let size = cache.root().join("size");
    let counted = SystemTime::now() - std::time::Duration::from_secs(300);
    File::options().write(true).open(&size).unwrap().set_modified(counted).unwrap();
    cache.insert(&[2; 100]).unwrap();
    cache.settle(5000).unwrap();
    assert!(cache.blob(digest).is_some());
    assert_eq!(fs::metadata(&size).unwrap().modified().unwrap(), counted);
    let counted = counted - std::time::Duration::from_secs(301);
    File::options().write(true).open(&size).unwrap().set_modified(counted).unwrap();
    cache.insert(&[3; 100]).unwrap();
    cache.settle(5000).unwrap();
    assert!(cache.blob(digest).is_none());
    // Where something is there already it is counted.
    fs::create_dir_all(directory.path().join("old/blobs/sha256")).unwrap();
    let stranger = directory.path().join("old/blobs/sha256").join(Digest::of(b"").hex());
    fs::write(&stranger, [1; 9000]).unwrap();
    let cache = begun("old");
    cache.insert(&[1; 100]).unwrap();
    cache.settle(5000).unwrap();
    assert!(!stranger.exists());
}

#[test]
fn a_cache_of_another_form_is_emptied() {
    let (_directory, cache) = cache();
    let (digest, _) = cache.insert(b"hello").unwrap();
    let tag = cache.root().join(TAG_FILE);
    let reopened = |text: &str| {
        fs::write(&tag, text).unwrap();
        Cache::open(cache.root()).unwrap().blob(digest).is_some()
    };
    assert!(reopened(TAG) && reopened(""));
    for other in [&TAG.replace("# Form 2", "# Form 1"), TAG.rsplit_once("# ").unwrap().0] {
        assert!(!reopened(other));
        cache.insert(b"hello").unwrap();
    }
    assert_eq!(fs::read_to_string(&tag).unwrap(), TAG);
}

#[test]
fn a_damaged_cache_is_one_all_the_same() {
    let (_directory, cache) = cache();
    let tag = cache.root().join(TAG_FILE);
    cache.insert(b"hello").unwrap();
    cache.put_derived("list-1", &Digest::of(b"a"), b"a").unwrap();
    for damaged in
        [TAG.replace("cache of", "cache og").into_bytes(), TAG.replace("is a", "is\u{ff}").into_bytes()]
    {
        fs::write(&tag, damaged).unwrap();
        assert!(Cache::may_be_at(cache.root()));
        Cache::open(cache.root()).unwrap();
        assert_eq!(fs::read_to_string(&tag).unwrap(), TAG);
    }
    // A file in the place of a directory goes, where it is known whose all is.
    for name in DIRECTORIES {
        let _ = fs::remove_dir_all(cache.root().join(name));
        fs::write(cache.root().join(name), "x").unwrap();
    }
    assert!(Cache::may_be_at(cache.root()));
    let cache = Cache::open(cache.root()).unwrap();
    cache.insert(b"hello").unwrap();
    cache.put_derived("list-1", &Digest::of(b"a"), b"a").unwrap();
}

#[test]
fn what_others_have_is_no_cache() {
    for (files, is_cache) in [
        (&["CACHEDIR.TAG", "blobs/sha256/a"][..], false),
        (&["CACHEDIR.TAG", "blobs/sha256/a", "derived/list-1/a"], true),
        (&["CACHEDIR.TAG", "blobs/sha256/a", "derived/list/a"], false),
        (&["CACHEDIR.TAG", "blobs/photos/a", "derived/list-1/a"], false),
        (&["CACHEDIR.TAG", "blobs/sha256/a", "derived/list-1/a", "mine"], false),
        (&["blobs"], false),
        (&["blobs/sha256/a"], true),
    ] {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "Signature: another's").unwrap();
        }
        assert_eq!(Cache::may_be_at(directory.path()), is_cache, "{files:?}");
    }
}

#[test]
fn what_another_process_makes_a_cache_of_is_one() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..300 {
        let root = directory.path().join(number.to_string());
        let begun = std::sync::Barrier::new(3);
        let begin = || {
            begun.wait();
            for _ in 0..4 {
                assert!(Cache::may_be_at(&root), "{:?}", fs::read_dir(&root).map(Iterator::count));
            }
            let cache = Cache::open(&root).unwrap();
            cache.insert(b"hello").unwrap();
            cache
        };
        std::thread::scope(|scope| {
            let others = [scope.spawn(begin), scope.spawn(begin)];
            let own = begin();
            let caches = others.map(|other| other.join().unwrap());
            assert!(caches.iter().all(|cache| cache.use_alone().is_none()), "{own:?} is in use");
        });
    }
}

#[test]
fn two_downloads_of_one_blob_do_not_meet() {
    let (_directory, cache) = cache();
    let digest = Digest::of(b"hello");
    let first = cache.partial(digest).unwrap();
    let second = cache.partial(digest).unwrap();
    assert_ne!(first.path(), second.path());
    fs::write(first.path(), b"hello").unwrap();
    fs::write(second.path(), b"hello").unwrap();
    let stored = second.commit().unwrap();
    assert_eq!(stored.bytes().as_deref(), Some(&b"hello"[..]));
    let again = first.commit().unwrap();
    assert_eq!(again.path(), stored.path());
    assert_eq!(again.bytes().as_deref(), Some(&b"hello"[..]));
    assert_eq!(stored.bytes(), None, "it is another file now");
    fs::write(again.path(), b"hello!").unwrap();
    assert_eq!(again.bytes(), None, "somebody has written to it");
    assert_eq!(fs::read_dir(cache.root().join("partial")).unwrap().count(), 0);
}

#[test]
fn an_unfinished_download_is_found_again() {
    let (_directory, cache) = cache();
    let digest = Digest::of(b"hello");
    let partial = cache.partial(digest).unwrap();
    fs::write(partial.path(), b"hel").unwrap();
    drop(partial);
    let partial = cache.partial(digest).unwrap();
    assert_eq!(fs::read(partial.path()).unwrap(), b"hel");
    let error = partial.commit().unwrap_err();
    assert!(matches!(error, CacheError::Content { expected, .. } if expected == digest.into()), "{error}");
    assert_eq!(cache.blob(digest), None);
}

#[test]
fn it_can_be_deleted_at_any_moment() {
    let (_directory, cache) = cache();
    let partial = cache.partial(Digest::of(b"hello")).unwrap();
    fs::remove_dir_all(cache.root()).unwrap();
    assert!(partial.commit().unwrap_err().is_vanished());
    assert_eq!(usage(&cache), Usage::default());
    assert_eq!(cache.derived("x-1", &Digest::of(b"")), None);
    let (digest, _) = cache.insert(b"hello").unwrap();
    fs::remove_dir_all(cache.root()).unwrap();
    cache.remove(digest).unwrap();
    cache.clear().unwrap();
    cache.put_derived("x-1", &digest, b"content").unwrap();
    // While others write.
    std::thread::scope(|scope| {
        let deleting = scope.spawn(|| {
            for _ in 0..200 {
                let _ = fs::remove_dir_all(cache.root());
            }
        });
        for number in 0..200_u32 {
            match cache.insert(&number.to_le_bytes()) {
                Ok((digest, _)) => assert!(cache.read_blob(&digest).is_ok()),
                Err(error) => assert!(error.is_vanished(), "{error}"),
            }
        }
        deleting.join().unwrap();
    });
}

#[test]
fn processes_that_store_the_same_do_not_disturb_each_other() {
    let (_directory, cache) = cache();
    let bytes = vec![7; 100_000];
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let (digest, _) = cache.insert(&bytes).unwrap();
                    assert_eq!(cache.read_blob(&digest).unwrap().as_ref(), Some(&bytes));
                }
            });
        }
    });
    assert_eq!(usage(&cache).files, 1);
}

#[test]
fn errors_name_the_path_and_the_cause() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Cache::open(file.join("cache")).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot write to the cache, `{}/cache`: Not a directory", file.display())),
        "{text}"
    );
    assert_eq!(error.hints(), ["pass `--cache-dir` a directory that you can write to"]);

    let (_directory, cache) = cache();
    fs::write(cache.root().join("blobs"), b"").unwrap();
    assert!(matches!(cache.insert(b"hello"), Err(CacheError::Write { .. })));
    let names = |entries: fs::ReadDir| entries.map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names(fs::read_dir(cache.root()).unwrap()).collect();
    names.sort();
    assert_eq!(names, [TAG_FILE, "blobs", "size"], "nothing is left half-written");
}

/// On a file system of 64 KiB, which only root can mount; left out for others.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_named_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(directory.path())
        .stderr(std::process::Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        eprintln!("left out: a small file system cannot be mounted here");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let cache = Cache::open(directory.path().join("cache")).unwrap();
        let error = cache.insert(&vec![1; 1 << 20]).unwrap_err();
        assert!(error.to_string().contains("No space left on device"), "{error}");
        assert_eq!(error.hints(), ["free some space; the cache can be deleted at any time"]);
        assert!(cache.insert_from(io::repeat(1).take(1 << 20)).is_err());
        assert_eq!(usage(&cache), Usage::default());
        cache.insert(b"small").unwrap();
    });
    let unmounted = std::process::Command::new("umount").arg(directory.path()).status().unwrap();
    assert!(unmounted.success());
    result.unwrap();
}

#[test]
fn large_entries_are_read_where_they_lie() {
    let (_directory, cache) = cache();
    let (key, other) = (Digest::of(b"key"), Digest::of(b"other"));
    let write = |content: &[u8]| {
        let mut writer = cache.derived_writer("large-1", &key).unwrap();
        content.chunks(3).for_each(|chunk| writer.write_all(chunk).unwrap());
        writer
    };
    let first = write(b"first content").finish().unwrap();
    assert_eq!(&*first, b"first content");
    // It is an entry as others are.
    assert_eq!(cache.derived("large-1", &key).unwrap(), b"first content");
    drop(write(b"given up"));
    assert_eq!(usage(&cache).files, 1, "the entry");
    let second = write(b"second").finish().unwrap();
    assert_eq!(&*cache.derived_mapped("large-1", &key).unwrap(), b"second");
    assert!(cache.derived_mapped("large-1", &other).is_none());
    assert!(cache.derived_mapped("large-2", &key).is_none());
    let path = cache.derived_path("large-1", &key);
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        for bytes in [&bytes[..], &good[..at]] {
            // Into another file: what is mapped stays.
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
            assert!(cache.derived_mapped("large-1", &key).is_none(), "byte {at}");
        }
    }
    cache.clear().unwrap();
    assert_eq!((&*first, &*second), (&b"first content"[..], &b"second"[..]));
    // Deleted while it is written: there is no entry, and that is told.
    let writer = write(b"third");
    fs::remove_dir_all(cache.root()).unwrap();
    assert!(writer.finish().is_err_and(|error| error.is_vanished()));
}
