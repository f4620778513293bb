//! Tables: pure functions of records, and the formats they are shown in.
//!
//! Building a table computes and knows no format; showing one knows no record and computes nothing. A kind of table is
//! a file, and so is a format.

mod contents;
mod csv;
mod export;
mod grid;
mod json;
pub mod kinds;
mod latex;
mod markdown;
mod measure;
mod sheet;
mod table;
mod terminal;
#[cfg(test)]
mod tests;

pub use contents::{Contents, Entry, MethodColumn, Place};
pub use csv::Csv;
pub use export::{EXPORTERS, Exporter, write_all};
pub use grid::{Grid, Outcomes, SUMMARY, Summary};
pub use json::Json;
pub use kinds::{Kind, List, TableKind, Variant};
pub use latex::Latex;
pub use markdown::Markdown;
pub(crate) use measure::Footnotes;
pub use measure::{BySeed, Outcome, average_by_seed};
pub use sheet::{Field, Format, Sheet, SheetColumn, SheetRow, render};
pub use table::{Axes, Column, Group, Heading, Measure, Measured, Row, Run, Table, Value};
pub use terminal::Terminal;
