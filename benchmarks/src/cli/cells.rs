//! `nemesis cells`: every cell of a folder as a row, for other programs.

use super::only::{Only, Records};
use super::trainings::open_store;
use super::{Ending, print, tell_files};
use crate::cells::{csv, json, json_schema, parquet, rows};
use clap::Args;
use nemesis_core::{Error, Result, files};
use std::path::PathBuf;

/// Writes every cell of a folder of records as one row: what was computed, what came out, and where. All formats have the
/// same columns, which --schema describes; docs/cells.md explains them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Cells {
    #[command(flatten)]
    records: Only<Records>,
    /// The format; by default what the name of the file says, else CSV
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The file to write to; without it, CSV and JSON go to standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Print the JSON Schema of the rows
    #[arg(long, conflicts_with_all = ["format", "to", "out"])]
    schema: bool,
}

const EXAMPLES: &str = "\
Examples:
  nemesis cells > cells.csv
  nemesis cells --to cells.parquet
  nemesis cells --format json | jq '.cells[] | select(.kind == \"evaluation\") | .accuracy'";

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Comma-separated values with a line of names
    Csv,
    /// An object with a list of cells
    Json,
    /// Apache Parquet
    Parquet,
}

impl Cells {
    pub(super) fn run(&self) -> Result<Ending> {
        if self.schema {
            print(&format!("{:#}\n", json_schema()))?;
            return Ok(Ending::Done);
        }
        let store = open_store(&self.records.settings()?.out())?;
        let rows = rows(&store)?;
        let bytes = match self.format() {
            Format::Csv => csv(&rows).into_bytes(),
            Format::Json => json(&rows).into_bytes(),
            Format::Parquet => parquet(&rows)?,
        };
        match (&self.to, self.format()) {
            (Some(file), _) => {
                files::write_output(file, &bytes)?;
                tell_files(std::slice::from_ref(file));
            }
            (None, Format::Parquet) => {
                return Err(Error::new("Parquet is not text").help("give a file with --to FILE"));
            }
            (None, Format::Csv | Format::Json) => print(&String::from_utf8_lossy(&bytes))?,
        }
        Ok(Ending::Done)
    }

    fn format(&self) -> Format {
        let of_name = self.to.as_ref().and_then(|file| match file.extension()?.to_str()? {
            "json" => Some(Format::Json),
            "parquet" => Some(Format::Parquet),
            _ => None,
        });
        self.format.or(of_name).unwrap_or(Format::Csv)
    }
}
