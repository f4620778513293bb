//! Tables: pure functions of records, and the formats they are shown in.
//!
//! What builds a table knows no format. What shows one knows no record and computes nothing. Each kind of table is a
//! file, and so is each format.

mod contents;
mod figures;
pub mod formats;
mod grid;
pub mod kinds;
mod measure;
mod sheet;
mod spread;
mod table;
#[cfg(test)]
mod tests;

pub use contents::{Contents, Entry, MethodColumn, Place, PublishedLine, ZERO_SHOT};
pub use figures::{Figure, KINDS as FIGURES};
pub use grid::{Grid, Outcomes, SUMMARY, Summary};
pub use kinds::{Kind, List, TableKind, Variant};
pub(crate) use measure::Footnotes;
pub use measure::{BySeed, Outcome, average_by_seed};
pub use sheet::{Field, Sheet, SheetColumn, SheetRow};
pub(crate) use spread::{Spread, crossed, is_crossed};
pub use table::{Axes, Column, Group, Heading, Measure, Measured, Row, SeedRun, Table, Value};
