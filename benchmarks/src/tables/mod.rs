//! Tables: pure functions of records, and the formats they are shown in.
//!
//! Building a table computes and knows no format; showing one knows no record and computes nothing. A kind of table is
//! a file, and so is a format.

mod ablation;
mod base_to_new;
mod contents;
mod csv;
mod export;
mod few_shot;
mod grid;
mod json;
mod latex;
mod low_norm_effect;
mod markdown;
mod measure;
mod norm_curve;
mod sheet;
mod table;
mod terminal;
#[cfg(test)]
mod tests;

pub use ablation::ablation;
pub use base_to_new::base_to_new;
pub use contents::{Contents, Entry, MethodColumn, Place};
pub use csv::Csv;
pub use export::{EXPORTERS, Exporter, write_all};
pub use few_shot::{domain_generalization, few_shot};
pub use grid::{Grid, Outcomes, SUMMARY, Summary};
pub use json::Json;
pub use latex::Latex;
pub use low_norm_effect::low_norm_effect;
pub use markdown::Markdown;
pub use measure::Outcome;
pub(crate) use measure::{Footnotes, collapse};
pub use norm_curve::norm_curve;
pub use sheet::{Field, Format, Sheet, SheetColumn, SheetRow, render};
pub use table::{Axes, Column, Group, Heading, Measure, Measured, Row, Run, Table, Value};
pub use terminal::Terminal;
