//! Progress on the screen: bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rootforge::progress::Progress;

use super::print_talk;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Loudness {
    /// Errors only.
    Quiet,
    /// Stages and notes.
    Usual,
    /// Everything.
    Verbose,
}

pub(super) struct Reporter {
    loudness: Loudness,
    /// A bar where the terminal can show one.
    bar: Option<ProgressBar>,
    /// Notes already made: each is made once.
    notes: Mutex<Vec<String>>,
}

impl Reporter {
    pub(super) fn new(loudness: Loudness) -> Self {
        let bar = (loudness > Loudness::Quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) =
                ProgressStyle::with_template("{msg:50} {bytes:>10} of {total_bytes:10} {wide_bar}")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Reporter { loudness, bar, notes: Mutex::new(Vec::new()) }
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.loudness == Loudness::Verbose
    }

    /// Talk between stages, such as a summary.
    pub(super) fn say(&self, words: &str) {
        if self.loudness > Loudness::Quiet {
            match &self.bar {
                Some(bar) => bar.suspend(|| print_talk(words)),
                None => print_talk(words),
            }
        }
    }

    /// Takes the bar off the screen.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Reporter {
    fn stage(&self, words: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(0);
                bar.set_position(0);
                bar.set_message(words.to_owned());
            }
            None => self.say(words),
        }
    }

    fn note(&self, words: &str) {
        let is_new = match self.notes.lock() {
            Ok(mut notes) => {
                let is_new = !notes.iter().any(|note| note == words);
                if is_new {
                    notes.push(words.to_owned());
                }
                is_new
            }
            Err(_) => true,
        };
        if is_new {
            self.say(&format!("note: {words}"));
        }
    }

    fn expect(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc_length(bytes);
        }
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }
}
