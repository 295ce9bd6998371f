//! How much the models of commands do for the scripts of one package, so that none keeps them at it for ever. It is
//! counted, not measured: what is understood must not depend on the machine.

use std::cell::Cell;
use std::rc::Rc;

/// What one command may take, in about nanoseconds.
const MOST_OF_COMMAND: u64 = 250_000_000;
/// What all commands may take.
const MOST: u64 = 2_000_000_000;

/// Said of a command that takes more.
pub(super) const TOO_MUCH: &str = "it takes too many steps";

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    all: u64,
    of_command: u64,
    is_refused: bool,
}

/// What has been done so far; all that are cloned from one count together.
#[derive(Clone, Debug, Default)]
pub(super) struct Effort(Rc<Cell<Spent>>);

impl Effort {
    /// What the model of a command does; none if that was too much. What it has done counts for the command that runs it,
    /// if one does.
    pub(super) fn of_command<T>(&self, model: impl FnOnce() -> T) -> Option<T> {
        let around = self.0.get();
        self.0.set(Spent { all: around.all, ..Spent::default() });
        let done = model();
        let Spent { all, of_command, is_refused } = self.0.get();
        self.0.set(Spent { all, of_command: around.of_command.saturating_add(of_command), ..around });
        (!is_refused).then_some(done)
    }

    /// Counts what is about to be done; false if that is too much, and then for all that the command still asks.
    pub(super) fn spend(&self, nanoseconds: usize) -> bool {
        let mut spent = self.0.get();
        let more = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
        let (all, of_command) = (spent.all.saturating_add(more), spent.of_command.saturating_add(more));
        if spent.is_refused || all > MOST || of_command > MOST_OF_COMMAND {
            spent.is_refused = true;
        } else {
            (spent.all, spent.of_command) = (all, of_command);
        }
        self.0.set(spent);
        !spent.is_refused
    }

    /// Whether the command asked for too much.
    pub(super) fn is_refused(&self) -> bool {
        self.0.get().is_refused
    }
}
