//! How much one script may do, so that none goes on for ever. It is counted, not measured: what is understood must not
//! depend on the machine.

use super::World;
use super::state::Shell;

/// What is done for one script, in bytes copied: at most 100,000 commands, and fewer where their texts are long.
const MOST_WORK: u64 = 100_000 * COMMAND;
/// What each command counts.
const COMMAND: u64 = 64 << 10;
/// How deep commands may stand in one another, calls of functions counted.
const DEEPEST: usize = 60;

impl<W: World> Shell<W> {
    /// Counts a command; none if there were too many or they stand too deep.
    pub(super) fn step<T>(&mut self, what: &str, body: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let before = self.work.get();
        let work = before + COMMAND;
        self.work.set(work);
        let too_much = if work > MOST_WORK {
            "it takes too many steps"
        } else if self.depth >= DEEPEST {
            "it is nested too deeply"
        } else {
            self.depth += 1;
            let result = body(self);
            self.depth -= 1;
            return Some(result);
        };
        if before <= MOST_WORK {
            self.tell(what, too_much);
        }
        self.status = None;
        None
    }

    /// Counts what a command does with long texts.
    pub(super) fn charge(&self, bytes: usize) {
        let more = u64::try_from(bytes).unwrap_or(u64::MAX);
        let work = self.work.get();
        // The next command is told as the one too many.
        self.work.set(work.saturating_add(more).min(MOST_WORK).max(work));
    }

    /// How long the values of all variables are.
    pub(super) fn length_of_variables(&self) -> usize {
        self.own.variables.values().filter_map(|variable| variable.value.as_ref()).map(String::len).sum()
    }
}
