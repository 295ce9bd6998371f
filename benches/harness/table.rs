//! The table of jobs: what is wanted, what it took, what it took another program, whether that will do.

use std::fmt::Write as _;
use std::path::PathBuf;

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// At most so many seconds.
    Seconds(f64),
    /// At most so many bytes.
    Bytes(f64),
    /// At most so many times what the other took.
    Times(f64),
}

/// A job of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) job: String,
    pub(crate) goal: Goal,
    /// Seconds, or bytes where the goal is in bytes.
    pub(crate) ours: f64,
    /// Who did the same, and what it took; none where that is not there.
    pub(crate) peer: Option<(String, f64)>,
}

impl Row {
    fn is_met(&self) -> Option<bool> {
        match (self.goal, &self.peer) {
            (Goal::Seconds(most) | Goal::Bytes(most), _) => Some(self.ours <= most),
            (Goal::Times(most), Some((_, peer))) => Some(self.ours <= most * peer),
            (Goal::Times(_), None) => None,
        }
    }

    fn cells(&self) -> [String; 6] {
        let amount = |value: f64| match self.goal {
            Goal::Bytes(_) => format!("{:.0} MB", value / 1e6),
            _ if value < 1.0 => format!("{:.1} ms", value * 1e3),
            _ => format!("{value:.2} s"),
        };
        let goal = match self.goal {
            Goal::Seconds(most) | Goal::Bytes(most) => amount(most),
            Goal::Times(most) => format!("{most}x"),
        };
        let (peer, ratio) = match &self.peer {
            Some((name, peer)) => {
                (format!("{} ({name})", amount(*peer)), format!("{:.2}x", self.ours / peer))
            }
            None => ("-".to_owned(), "-".to_owned()),
        };
        let met = match self.is_met() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not compared",
        };
        [self.job.clone(), goal, amount(self.ours), peer, ratio, met.to_owned()]
    }
}

/// All jobs that were measured.
pub(crate) struct Table {
    file: PathBuf,
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(file: PathBuf) -> Self {
        Table { file, rows: Vec::new() }
    }

    /// Adds a job, and prints it at once.
    pub(crate) fn add(&mut self, row: Row) {
        println!("{}", row.cells().join(" | "));
        self.rows.push(row);
    }

    /// Prints it, and writes it down.
    pub(crate) fn print(&self) {
        let head = ["job", "goal", "rootforge", "peer", "ratio", "met"].map(str::to_owned);
        let rows: Vec<[String; 6]> = std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (number, row) in rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let _ = write!(text, "| {cell:<width$} ", width = width(column));
            }
            text.push_str("|\n");
            if number == 0 {
                for column in 0..row.len() {
                    let _ = write!(text, "|{}", "-".repeat(width(column) + 2));
                }
                text.push_str("|\n");
            }
        }
        print!("\n{text}");
        std::fs::write(&self.file, text).unwrap();
    }
}
