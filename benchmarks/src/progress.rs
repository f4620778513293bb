//! Progress on standard error: a bar on a terminal, plain lines elsewhere.

use crate::plan::{Plan, PlannedCell};
use crate::run::Event;
use indicatif::{ProgressBar, ProgressStyle};
use nemesis_core::Result;
use nemesis_core::record::Store;
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Follows a run and shows how far it is.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    /// The work of all cells to compute, and of those done, in units of [`weight`].
    total: f64,
    done: f64,
    /// Parts done of the cells that are being computed.
    partly: HashMap<String, f64>,
    cells: u64,
    cells_done: u64,
    /// The next tenth at which to print a line.
    next_line: f64,
}

impl Progress {
    /// Progress of the cells of `plan` that have no record in `store`.
    ///
    /// # Errors
    ///
    /// When the store cannot be listed.
    pub fn new(plan: &Plan, store: &Store) -> Result<Self> {
        let complete = store.complete()?;
        let todo: Vec<&PlannedCell> = plan.distinct_cells().filter(|cell| !complete.contains(&cell.id)).collect();
        let style = ProgressStyle::with_template("{bar:30.cyan/dim} {pos}/{len} cells  {prefix}  {wide_msg:.dim}");
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(todo.len() as u64);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Ok(Self {
            bar,
            started: Instant::now(),
            total: todo.iter().map(|cell| weight(cell)).sum(),
            done: 0.0,
            partly: HashMap::new(),
            cells: todo.len() as u64,
            cells_done: 0,
            next_line: 0.1,
        })
    }

    /// Takes note of an event.
    pub fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Started(cell) => {
                if let Some(bar) = &self.bar {
                    bar.set_message(cell.title());
                }
            }
            Event::Progress(cell, part) => {
                self.partly.insert(cell.id.to_string(), part * weight(cell));
            }
            Event::Done(cell) | Event::Elsewhere(cell) => self.finish(cell),
            Event::Waiting(1) => self.say("waiting for a job that another run is computing"),
            Event::Waiting(jobs) => self.say(&format!("waiting for {jobs} jobs that other runs are computing")),
            Event::Failed(cell, reason) => {
                self.say(&format!("failed: {}\n  {}", cell.title(), reason.to_string().replace('\n', "\n  ")));
                self.finish(cell);
            }
            Event::Warning(text) => self.say(&format!("warning: {text}")),
        }
        self.show();
    }

    /// Removes the bar.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn finish(&mut self, cell: &PlannedCell) {
        self.partly.remove(&cell.id.to_string());
        self.done += weight(cell);
        self.cells_done += 1;
    }

    fn show(&mut self) {
        let part = (self.done + self.partly.values().sum::<f64>()) / self.total.max(1.0);
        if let Some(bar) = &self.bar {
            bar.set_position(self.cells_done);
            bar.set_prefix(self.estimate(part));
        } else if part >= self.next_line || self.cells_done == self.cells {
            log!("{:3.0} %  {} of {} cells  {}", 100.0 * part, self.cells_done, self.cells, self.estimate(part));
            self.next_line = (10.0 * part).floor() / 10.0 + 0.1;
        }
    }

    /// Elapsed time, and an estimate of the rest once there is enough to judge by.
    fn estimate(&self, part: f64) -> String {
        let elapsed = self.started.elapsed();
        if part < 0.03 {
            return duration(elapsed);
        }
        if self.cells_done == self.cells {
            return format!("done in {}", duration(elapsed));
        }
        let rest = elapsed.mul_f64((1.0 - part).max(0.0) / part);
        format!("{}, about {} left", duration(elapsed), duration(rest))
    }

    fn say(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.suspend(|| log!("{text}"));
        } else {
            log!("{text}");
        }
    }
}

/// The work of a cell, to weigh cells against each other: a step costs about as much as encoding eight images.
fn weight(cell: &PlannedCell) -> f64 {
    (cell.images + 8 * cell.steps) as f64
}

/// A duration as people say it: `45 s`, `3 min`, `2 h 10 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
