//! Tables: pure functions of records, and the formats they are shown in.
//!
//! Building a table computes and knows no format; showing one knows no record and computes nothing.

mod csv;
mod export;
mod few_shot;
mod grid;
mod json;
mod latex;
mod markdown;
mod measure;
mod sheet;
mod table;
mod terminal;
#[cfg(test)]
mod tests;

pub use csv::Csv;
pub use export::{EXPORTERS, Exporter, write_all};
pub use few_shot::{Entry, FewShot, Place};
pub use grid::{Grid, Outcomes, SUMMARY};
pub use json::Json;
pub use latex::Latex;
pub use markdown::Markdown;
pub use measure::Outcome;
pub(crate) use measure::{Footnotes, collapse};
pub use sheet::{Field, Format, Sheet, SheetColumn, SheetRow, render};
pub use table::{Axes, Column, Group, Heading, Measure, Row, Run, Table, Value};
pub use terminal::Terminal;
