use super::*;

fn path(text: &str) -> RootPath {
    RootPath::parse(text).unwrap()
}

/// `d /usr`, `f /usr/a`, `l /lib -> usr/lib`, `h /b -> /usr/a`, one a line.
fn layer(text: &str) -> Vec<Entry> {
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let kind = match words[0] {
                "d" => EntryKind::Directory,
                "f" => EntryKind::File { size: 1 },
                "l" => EntryKind::Symlink { target: words[3].to_owned() },
                "h" => EntryKind::HardLink { target: path(words[3]) },
                other => panic!("{other}"),
            };
            let metadata = Metadata { mode: 0o755, uid: 0, gid: 0, mtime: 1, xattrs: BTreeMap::new() };
            Entry { path: path(words[1]), metadata, kind }
        })
        .collect()
}

fn faults(layers: &[&str]) -> (Vec<String>, String) {
    let mut tree = MergedTree::new();
    let mut faults = Vec::new();
    for text in layers {
        faults = tree.apply(&layer(text)).iter().map(ToString::to_string).collect();
    }
    let paths: Vec<&str> = tree.iter().map(|(path, _)| path.as_str()).collect();
    (faults, paths.join(" "))
}

#[test]
fn whiteouts_concern_lower_layers_only() {
    let lower = "d /a\nf /a/x\nd /a/d\nf /a/d/y\nf /b";
    let cases = [
        ("f /a/.wh.d", "/a /a/x /b"),
        ("f /a/.wh..wh..opq\nf /a/new", "/a /a/new /b"),
        ("f /a/new\nf /a/.wh..wh..opq", "/a /a/new /b"),
        ("f /.wh.a\nd /a", "/a /b"),
    ];
    for (upper, expected) in cases {
        assert_eq!(faults(&[lower, upper]), (Vec::new(), expected.to_owned()), "{upper}");
    }
}

#[test]
fn oddities_are_told() {
    let base = "d /usr\nd /usr/lib\nf /usr/lib/libc\nl /lib -> usr/lib\nl /gone -> nowhere";
    let cases = [
        (
            &[base, "d /lib\nf /lib/x"][..],
            "the directory `/lib` hides a lower layer's link to the directory `/usr/lib`",
        ),
        (&[base, "f /lib/x"], "the directory `/lib` hides a lower layer's link to the directory `/usr/lib`"),
        (&[base, "d /gone"], ""),
        (
            &[base, "f /usr/lib"],
            "`/usr/lib` is no directory and hides a lower layer's directory with 1 entries",
        ),
        (&[base, "f /x\nf /x"], "the path `/x` stands twice in the layer"),
        (&[base, "d /usr\nd /usr"], "the path `/usr` stands twice in the layer"),
        (&[base, "f /o/x"], "`/o/x` lies in `/o`, which no layer has"),
        (&["f /o/x\nd /o"], ""),
        (&["l /l -> usr\nf /l/x"], "`/l/x` lies below `/l`, which is no directory in the same layer"),
        (&["h /h -> /f\nf /f"], "the hard link `/h` points at `/f`, which is not there"),
        (&["f /f\nh /h -> /f"], ""),
        (&["f /f", "h /h -> /f"], "the hard link `/h` points at `/f` of a lower layer"),
    ];
    for (layers, expected) in cases {
        assert_eq!(faults(layers).0.join("; "), expected, "{layers:?}");
    }
}

#[test]
fn hard_links_keep_the_bytes_of_a_replaced_target() {
    let mut tree = MergedTree::new();
    tree.apply(&layer("f /f\nh /h -> /f"));
    tree.apply(&layer("f /f"));
    assert_eq!(tree.get(&path("/h")).unwrap().content, Some(ContentId { layer: 0, entry: 0 }));
    assert_eq!(tree.get(&path("/f")).unwrap().content, Some(ContentId { layer: 1, entry: 0 }));
}
