//! `nemesis stats`: what the records show, and what they do not.

use super::only::{Only, Records};
use super::trainings::open_store;
use super::{Ending, print};
use crate::plan::SavedPlan;
use crate::report::{keep_question, saved_plans};
use crate::results::Results;
use crate::statistics::{Pair, averages, images, methods, ranks, variance};
use crate::tables::Sheet;
use crate::tables::formats::{Format, format_parser};
use crate::test_images::TestImages;
use clap::Args;
use nemesis_core::record::Store;
use nemesis_core::{Error, Result};

/// Shows which differences between methods are real: the average over data sets with a bootstrap interval, mean ranks, and
/// for each pair of methods the probability of improvement, Wilcoxon's test with Holm's correction, and how many seeds it
/// would take to tell them apart. Nothing is computed again.
///
/// Of a run with --split-seeds it shows how much of each method's spread comes from the sample of images, and how much from
/// the initialisation.
///
/// With --images two methods are compared on every test image (McNemar's test), from the predictions in the records. This
/// needs the data sets where the run had them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Stats {
    #[command(flatten)]
    records: Only<Records>,
    /// Only the tables of this suite
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// Only the table of this question, as `nemesis report --list` names it
    #[arg(long, value_name = "NAME", conflicts_with = "suite")]
    question: Option<String>,
    /// Compare two methods image by image: labels of columns, or ids of methods. If a label has a comma, give them one at
    /// a time: --images FIRST --images SECOND
    #[arg(long, value_name = "FIRST,SECOND")]
    images: Vec<String>,
    /// Only this kind of table
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "images")]
    only: Option<Kind>,
    /// The format to print in
    #[arg(long, value_parser = format_parser(), default_value = "terminal")]
    format: &'static dyn Format,
}

/// A kind of table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Averages over data sets, with their intervals
    Averages,
    /// Mean ranks of the methods
    Ranks,
    /// Each pair of methods
    Methods,
    /// Where the spread comes from, of runs with --split-seeds
    Variance,
}

const EXAMPLES: &str = "\
Examples:
  nemesis stats
  nemesis stats --suite few-shot --format json > statistics.json
  nemesis stats --only methods --format csv > methods.csv
  nemesis stats --images coop,nemesis-pen
  nemesis run --datasets eurosat --shots 16 --seeds 1-5 --split-seeds && nemesis stats

docs/statistics.md explains each number.";

impl Stats {
    pub(super) fn run(&self) -> Result<Ending> {
        let out = self.records.settings()?.out();
        let mut plans = saved_plans(&out, self.suite.as_deref())?;
        if let Some(name) = &self.question {
            keep_question(&mut plans, name, &out)?;
        }
        let store = open_store(&out)?;
        let sheets =
            if self.images.is_empty() { self.of_methods(&plans, &store)? } else { self.of_images(&plans, &store)? };
        if self.format.holds_one() && sheets.iter().any(|sheet| sheet.columns != sheets[0].columns) {
            return Err(Error::new("one file of CSV cannot tell tables with other columns apart")
                .expected("one kind of table")
                .help("choose it with `--only averages`, `ranks`, `methods` or `variance`, or take `--format json`"));
        }
        print(&self.format.sheets(&sheets))?;
        Ok(Ending::Done)
    }

    fn of_methods(&self, plans: &[(String, SavedPlan)], store: &Store) -> Result<Vec<Sheet>> {
        let (mut found, mut sheets) = (false, Vec::new());
        for (name, plan) in plans {
            let results = Results::read(name, plan, store)?;
            // What compares methods takes runs for independent, and those that share a sample or an initialisation are not.
            let of_question = if results.is_crossed() {
                vec![(Kind::Variance, variance(&results))]
            } else {
                vec![
                    (Kind::Averages, averages(&results)),
                    (Kind::Ranks, ranks(&results)),
                    (Kind::Methods, methods(&results)),
                ]
            };
            for (kind, sheet) in of_question {
                found |= sheet.is_some();
                sheets.extend(sheet.filter(|_| self.only.is_none_or(|only| only == kind)));
            }
        }
        match (found, sheets.is_empty()) {
            (_, false) => Ok(sheets),
            (true, true) => Err(Error::new("there is no table of this kind here").at(store.folder()).help(
                "comparisons need several methods and data sets with a seed for each run, and variance a run with \
                 --split-seeds",
            )),
            (false, true) => Err(Error::new("no training has been evaluated yet")
                .at(store.folder())
                .help("`nemesis run` resumes where it stopped")),
        }
    }

    fn of_images(&self, plans: &[(String, SavedPlan)], store: &Store) -> Result<Vec<Sheet>> {
        let mut read = Vec::new();
        for (name, plan) in plans {
            read.push((plan, Results::read(name, plan, store)?));
        }
        let all: Vec<Results> = read.iter().map(|(_, results)| results.clone()).collect();
        let Pair { first, second } = Pair::parse("--images", &self.images, &all)?;
        let mut sheets = Vec::new();
        let mut missing = None;
        for (plan, results) in &read {
            if let Some(error) = results.column(&first).err().or_else(|| results.column(&second).err()) {
                missing = missing.or(Some(error));
                continue;
            }
            sheets.extend(images(results, &first, &second, store, &mut TestImages::of(plan, store))?);
        }
        if sheets.is_empty() {
            return Err(missing.unwrap_or_else(|| {
                Error::new(format!("`{first}` and `{second}` share no data set, number of shots and seed"))
                    .at(store.folder())
            }));
        }
        Ok(sheets)
    }
}
