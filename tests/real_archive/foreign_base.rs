//! An image that others made, by mmdebstrap and umoci, as the base of a program.

use std::process::Command;

use crate::real_archive::bench::{Bench, Ran, mirror};
use crate::real_archive::root::{can_run, link_all, sandbox};
use crate::tools::{have, is_root, run};

#[test]
fn real_mirror_jq_on_an_image_of_mmdebstrap() {
    if !can_run() || !have(&["mmdebstrap"]) || !is_root() {
        return;
    }
    let (Some(bench), Some(mirror)) = (Bench::new(), mirror()) else { return };
    let at = |name: &str| bench.path(name).display().to_string();
    let mut debootstrap = Command::new("mmdebstrap");
    debootstrap.args(["--variant=minbase", "--quiet", "--dpkgopt=path-exclude=/usr/share/doc/*"]);
    debootstrap.arg("--dpkgopt=path-include=/usr/share/doc/*/copyright");
    run(debootstrap.args(["trixie", &at("root.tar"), mirror]));
    let image = format!("{}:slim", at("low"));
    run(Command::new("umoci").args(["init", "--layout", &at("low")]));
    run(Command::new("umoci").args(["new", "--image", &image]));
    run(Command::new("umoci").args(["raw", "add-layer", "--image", &image, &at("root.tar")]));
    let recipe = "name = \"jq\"\nfrom = \"debian:trixie\"\nbase = \"oci:low:slim\"\narch = [\"amd64\"]\n\
                  [[layer]]\nname = \"jq\"\npackages = [\"jq\"]\n";
    std::fs::write(bench.path("jq.toml"), recipe).unwrap();
    bench.build(&["jq.toml", "--arch", "amd64"]);
    bench.run(&["check", "oci:images:jq"]).ended(0, &["nothing is wrong"]);
    let root = bench.unpack("jq");
    let (count, failures) = link_all(&root, "/lib64/ld-linux-x86-64.so.2");
    assert!(count > 100 && failures.is_empty(), "{count}: {failures:#?}");
    let script = "echo '{\"a\": 41}' | jq '.a + 1' && dpkg -l jq libjq1 libc6 && dpkg --audit";
    let ran = Ran::of(sandbox(&root).arg("--unshare-net").args(["sh", "-c", script])).ok();
    assert!(ran.out.starts_with("42\n"), "{}", ran.out);
    for package in ["jq ", "libjq1:amd64", "libc6:amd64"] {
        assert!(ran.out.contains(&format!("ii  {package}")), "{}", ran.out);
    }
}
