//! `nemesis report`: prints the tables of a folder of records again, or the statistics behind them.

use super::{Ending, print};
use crate::plan::SavedPlan;
use crate::report::{saved_plans, table, write_and_render};
use crate::results::Results;
use crate::statistics::{paired, statistics};
use crate::tables::{Csv, Exporter, Format, Json, Markdown, Sheet, Terminal, render};
use clap::Args;
use nemesis_core::record::Store;
use nemesis_core::{Error, Result};
use std::path::PathBuf;

/// Prints the tables of a folder of records, and writes their files again. Nothing is computed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Report {
    /// The folder of the records
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// Only the table of this suite
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// For each value its seeds, mean, sample and population deviation, Student's 95 % interval and range
    #[arg(long)]
    statistics: bool,
    /// Two methods compared on the same data sets, shots and seeds: labels of columns, or ids of methods
    #[arg(long, value_name = "FIRST,SECOND", value_delimiter = ',', conflicts_with = "statistics")]
    paired: Vec<String>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  nemesis report --out out
  nemesis report --suite few-shot --format markdown > table.md
  nemesis report --statistics --format csv > statistics.csv
  nemesis report --paired coop,nemesis-pen";

impl Report {
    pub(super) fn run(&self) -> Result<Ending> {
        let plans = saved_plans(&self.out, self.suite.as_deref())?;
        let store = Store::open(&self.out)?;
        let text = if self.statistics || !self.paired.is_empty() {
            render(&self.sheets(&plans, &store)?, self.format, Terminal::of_stdout())
        } else {
            let tables = plans.iter().map(|(suite, plan)| self.table(suite, plan, &store));
            tables.collect::<Result<Vec<_>>>()?.join("\n")
        };
        print(&text)?;
        let complete = plans.iter().flat_map(|(_, plan)| &plan.cells).all(|cell| store.contains(&cell.id));
        Ok(if complete { Ending::Done } else { Ending::WithFailures })
    }

    fn table(&self, suite: &str, plan: &SavedPlan, store: &Store) -> Result<String> {
        let on_terminal = write_and_render(suite, plan, store, &self.out)?;
        let export = |exporter: &dyn Exporter| Ok(exporter.export(&table(plan, store)?));
        match self.format {
            Format::Terminal => Ok(on_terminal),
            Format::Markdown => export(&Markdown),
            Format::Csv => export(&Csv),
            Format::Json => export(&Json),
        }
    }

    fn sheets(&self, plans: &[(String, SavedPlan)], store: &Store) -> Result<Vec<Sheet>> {
        let results: Vec<Results> =
            plans.iter().map(|(suite, plan)| Results::read(suite, plan, store)).collect::<Result<_>>()?;
        let results: Vec<Results> = results.into_iter().filter(|results| !results.runs.is_empty()).collect();
        if results.is_empty() {
            return Err(Error::new("no evaluation has a record yet")
                .at(&self.out)
                .help("`nemesis run` goes on where it was stopped"));
        }
        if self.statistics {
            return Ok(results.iter().map(statistics).collect());
        }
        let [first, second] = self.paired.as_slice() else {
            return Err(Error::new("`--paired` compares two methods").expected("FIRST,SECOND, as in coop,nemesis-pen"));
        };
        let sheets = results.iter().map(|results| paired(results, first, second)).collect::<Result<Vec<_>>>()?;
        let sheets: Vec<Sheet> = sheets.into_iter().flatten().collect();
        if sheets.is_empty() {
            return Err(Error::new(format!("`{first}` and `{second}` share no data set, number of shots and seed"))
                .at(&self.out)
                .help("what draws nothing, as zero-shot, has no seeds to be paired by"));
        }
        Ok(sheets)
    }
}
