//! Data sets that a plan cannot run on, methods that nothing here can run, and methods that cannot stand in its table.
//! Their rows and columns stay empty or are not there; all else is computed.

use super::{Column, Plan};
use crate::suite::MethodEntry;
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

/// A method that is left out: its plugin was made for another libtorch, or no Python here can run it.
#[derive(Clone, Debug)]
pub struct LeftOutMethod {
    /// Its id.
    pub method: String,
    /// Why.
    pub reason: Error,
}

/// The columns of all methods that were asked for, taken apart.
pub(super) struct Columns {
    /// The entries whose cells are planned.
    pub(super) entries: Vec<MethodEntry>,
    /// Their columns.
    pub(super) usable: Vec<Column>,
    /// The columns that stay empty, with their places among all.
    pub(super) empty: Vec<(usize, Column)>,
    /// The methods of these.
    pub(super) left_out: Vec<LeftOutMethod>,
}

impl Columns {
    /// Takes apart what can be run and what cannot.
    ///
    /// # Errors
    ///
    /// When methods were asked for and none is left; the message is about the first.
    pub(super) fn new(asked: &[MethodEntry], columns: Vec<(Column, Option<Error>)>) -> Result<Self> {
        let mut all = Self { entries: Vec::new(), usable: Vec::new(), empty: Vec::new(), left_out: Vec::new() };
        for (at, (entry, (column, unusable))) in asked.iter().zip(columns).enumerate() {
            let Some(reason) = unusable else {
                all.entries.push(entry.clone());
                all.usable.push(column);
                continue;
            };
            if !all.left_out.iter().any(|other| other.method == column.method) {
                all.left_out.push(LeftOutMethod { method: column.method.clone(), reason });
            }
            all.empty.push((at, column));
        }
        if all.usable.is_empty() && !all.left_out.is_empty() {
            return Err(all.left_out.remove(0).reason);
        }
        Ok(all)
    }
}

impl Plan {
    /// Whether nothing was left out.
    pub fn is_whole(&self) -> bool {
        self.left_out.is_empty() && self.left_out_methods.is_empty()
    }

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

    /// What to say of what is left out: a warning for each method, one for all data sets that are not in the data root,
    /// and one for each of the others.
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
        let methods = self.left_out_methods.iter();
        let methods = methods.map(|LeftOutMethod { method, reason }| {
            reason.clone().context(format!("the method `{method}` is left out"))
        });
        methods.chain(summary).chain(told).collect()
    }

    /// The same as sentences for under the table, whose rows and columns are empty.
    pub(super) fn left_out_notes(&self) -> Vec<String> {
        let note = |LeftOut { dataset, reason, .. }: &LeftOut| format!("`{dataset}` was left out: {}", reason.what());
        let of_method = |LeftOutMethod { method, reason }: &LeftOutMethod| {
            format!("the method `{method}` was left out: {}", reason.what())
        };
        let methods = self.left_out_methods.iter().map(of_method);
        methods.chain(self.left_out.iter().map(note)).chain(self.unfit_notes()).collect()
    }

    /// Warns of the methods that cannot stand in the table.
    ///
    /// # Errors
    ///
    /// When no method is left.
    pub(super) fn warn_of_unfit_methods(&mut self) -> Result<()> {
        let notes: Vec<String> = self.unfit_notes().collect();
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

    fn unfit_notes(&self) -> impl Iterator<Item = String> {
        self.unfit.iter().map(|(label, tensor)| {
            format!(
                "{label} is left out: what it learns holds something for each class (`{tensor}`), and classes are tested \
                 that it was not trained on"
            )
        })
    }
}
