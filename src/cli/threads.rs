//! Threads that the system does not start: its limit of processes is reached.

use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use super::error::Failure;

/// What the standard library and rayon panic with then. Neither has another way to tell where threads are scoped or
/// rayon starts its own.
const WORDS: [&str; 2] = ["failed to spawn thread", "global thread pool has not been initialized"];

static TOLD: Once = Once::new();

/// From here on the program ends with an error that says so. What it was writing is swept like that of one that was
/// killed.
pub(super) fn tell_lack() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let words = words(panic);
        if !WORDS.iter().any(|lack| words.contains(lack)) {
            return usual(panic);
        }
        // Several may panic at once.
        TOLD.call_once(|| {
            lack().print();
            std::process::exit(1);
        });
    }));
}

fn lack() -> Failure {
    Failure::Work {
        message: "no other thread can be started: too many processes, or too little memory".to_owned(),
        hints: vec!["raise the limit of processes, `ulimit -u` or the container's".to_owned()],
    }
}

fn words<'p>(panic: &'p PanicHookInfo<'_>) -> &'p str {
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default()
}
