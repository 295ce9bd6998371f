//! The goals for speed, and whether they are reached: each job with a peer beside it, on a mirror of loopback.
//!
//! `cargo bench --bench goals` prints the table and draws the plots; words after `--` choose jobs by their names
//! (`cold`, `warm`, `plots`). The results lie in `target/bench`, or in the directory that `ROOTFORGE_BENCH_OUTPUT`
//! names; `ROOTFORGE_BENCH_PROGRAM` measures another binary of rootforge, such as last week's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may fail")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints")]

use rootforge_bench::Ground;
use rootforge_bench::table::Table;

mod cold;
#[path = "../harness/mod.rs"]
mod rootforge_bench;
mod scale;
#[path = "../../tests/support/mod.rs"]
mod support;
mod warm;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    let Some(ground) = Ground::prepare() else { return };
    let mut table = Table::new(ground.output("table.md"));
    if wanted("cold") {
        cold::measure(&ground, &mut table);
    }
    if wanted("warm") {
        warm::measure(&ground, &mut table);
    }
    table.print();
    if wanted("plots") {
        scale::draw_all(&ground);
    }
}
