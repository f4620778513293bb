//! Data sets that a plan cannot run on, whose rows stay empty, and methods that cannot stand in its table. All else is
//! computed.

use super::Plan;
use nemesis_core::{Error, Result};

/// A data set that is left out.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// Its name.
    pub dataset: String,
    /// Whether its folder is not in the data root at all.
    pub absent: bool,
    /// Why.
    pub reason: Error,
}

impl Plan {
    /// Drops the cells that need an image that is missing, and all others of its data set: a row is whole or empty.
    ///
    /// # Errors
    ///
    /// When no cell is left; the message is about the first data set.
    pub fn leave_out_missing(&mut self) -> Result<()> {
        for (dataset, reason) in std::mem::take(&mut self.refusals) {
            self.cells.retain(|cell| cell.dataset() != dataset && cell.home() != dataset);
            self.left_out.push(LeftOut { dataset, absent: false, reason });
        }
        self.refuse_nothing()
    }

    /// Refuses a plan in which everything was left out.
    pub(super) fn refuse_nothing(&mut self) -> Result<()> {
        if self.cells.is_empty() && !self.left_out.is_empty() { Err(self.left_out.remove(0).reason) } else { Ok(()) }
    }

    /// What to say of the data sets that are left out: one warning for those that are not in the data root, and one
    /// for each of the others.
    pub fn left_out_warnings(&self) -> Vec<Error> {
        let absent: Vec<&str> = self.left_out.iter().filter(|l| l.absent).map(|l| l.dataset.as_str()).collect();
        let told = self.left_out.iter().filter(|l| !l.absent);
        let told =
            told.map(|LeftOut { dataset, reason, .. }| reason.clone().context(format!("`{dataset}` is left out")));
        let summary = (!absent.is_empty()).then(|| {
            let (what, names) = (if absent.len() == 1 { "a data set is" } else { "data sets are" }, absent.join(", "));
            Error::new(format!("{what} not in the data root and left out: {names}")).at(&self.data).help(format!(
                "`nemesis data fetch {}` gets them; `--datasets` runs on the others alone",
                absent.join(" ")
            ))
        });
        summary.into_iter().chain(told).collect()
    }

    /// The same as sentences for under the table, whose rows are empty.
    pub(super) fn left_out_notes(&self) -> Vec<String> {
        let note = |LeftOut { dataset, reason, .. }: &LeftOut| format!("`{dataset}` was left out: {}", reason.what());
        self.left_out.iter().map(note).chain(self.methods_left_out_notes()).collect()
    }

    /// Warns of the methods that are left out.
    ///
    /// # Errors
    ///
    /// When no method is left.
    pub(super) fn warn_of_methods_left_out(&mut self) -> Result<()> {
        let notes: Vec<String> = self.methods_left_out_notes().collect();
        let mut warnings = notes.into_iter().map(|note| {
            Error::new(note)
                .help("a table that tests the classes that were trained on, such as `few-shot`, can have it")
        });
        if self.methods.is_empty() {
            return warnings.next().map_or(Ok(()), Err);
        }
        self.warnings.extend(warnings);
        Ok(())
    }

    fn methods_left_out_notes(&self) -> impl Iterator<Item = String> {
        self.methods_left_out.iter().map(|(label, tensor)| {
            format!(
                "{label} is left out: what it learns holds something for each class (`{tensor}`), and classes are tested \
                 that it was not trained on"
            )
        })
    }
}
