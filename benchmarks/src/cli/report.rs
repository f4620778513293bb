//! `nemesis report`: prints the tables of a folder of records again, or the statistics behind them.

use super::only::{Only, Records};
use super::trainings::open_store;
use super::{Ending, print, tell_files, warn};
use crate::gather::{Filter, Gathered, with_commas};
use crate::numbers::{Numbers, brief, flat};
use crate::page::Shown;
use crate::plan::SavedPlan;
use crate::report::{keep_question, saved_plans, table};
use crate::results::Results;
use crate::settings::merged;
use crate::statistics::{Pair, not_independent, paired, statistics};
use crate::tables::Sheet;
use crate::tables::formats::{Format, Latex, format_parser, write_all};
use clap::Args;
use nemesis_core::error::abridged;
use nemesis_core::record::{CellId, Store};
use nemesis_core::{Error, Result};
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

/// Prints the tables of a folder of records, and writes their files again. Nothing is computed.
///
/// Every question that was run has a table of its own, which --list names. With --datasets, --methods, --shots or
/// --seeds all evaluations that fit are shown in one table, which is only printed. Evaluations computed by different
/// recipes are never put into one mean, but shown in separate tables.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Report {
    #[command(flatten)]
    records: Only<Records>,
    /// Only the tables of this suite
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// Only the table of this question, as --list names it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["suite", "datasets", "methods", "shots", "seeds"])]
    question: Option<String>,
    /// List the questions that have tables
    #[arg(
        long,
        conflicts_with_all = ["datasets", "methods", "shots", "seeds", "statistics", "paired", "format", "second"]
    )]
    list: bool,
    /// Only these data sets, over the records of all questions
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    datasets: Vec<String>,
    /// Only these methods: ids, or labels of columns. Zero-shot columns stay unless one of them is named
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    methods: Vec<String>,
    /// Only these numbers of training images per class, as in 1,2,4-8
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    shots: Vec<Numbers<u32>>,
    /// Only these seeds, as in 1-3
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    seeds: Vec<Numbers<u64>>,
    /// Show the seeds, mean, sample and population deviation, Student's 95 % interval and range of each value
    #[arg(long)]
    statistics: bool,
    /// Compare two methods on the same data sets, shots and seeds: labels of columns, or ids of methods. If a label has
    /// a comma, give them one at a time: --paired FIRST --paired SECOND
    #[arg(long, value_name = "FIRST,SECOND", conflicts_with = "statistics")]
    paired: Vec<String>,
    /// Write one page with every table, its figures and the cells behind it to this file; it needs no network
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "statistics", "paired", "format"])]
    html: Option<PathBuf>,
    /// Leave the cells out of the page: it then has tables, figures and failures
    #[arg(long, requires = "html")]
    without_cells: bool,
    /// The format to print in
    #[arg(long, value_parser = format_parser(), default_value = "terminal")]
    format: &'static dyn Format,
    /// Underline the second best values of a LaTeX table, beside the best in bold
    #[arg(long, conflicts_with_all = ["statistics", "paired"])]
    second: bool,
}

const EXAMPLES: &str = "\
Examples:
  nemesis report --out out
  nemesis report --list
  nemesis report --suite few-shot --format markdown > table.md
  nemesis report --datasets eurosat,dtd --methods coop,nemesis-pen --shots 1,16 --seeds 1-3
  nemesis report --format latex --second > table.tex
  nemesis report --html report.html
  nemesis report --statistics --format csv > statistics.csv
  nemesis report --paired coop,nemesis-pen
  nemesis report --paired 'Nemesis-PEN, alpha 0.1' --paired 'Nemesis-PEN, alpha 1.0'";

impl Report {
    pub(super) fn run(&self) -> Result<Ending> {
        if self.second && self.format.name() != "latex" {
            return Err(Error::new("only tables in LaTeX underline the second best values")
                .help("add `--format latex`, or leave `--second` out"));
        }
        let out = &self.records.settings()?.out();
        let mut plans = saved_plans(out, self.suite.as_deref())?;
        let store = &open_store(out)?;
        if let Some(name) = &self.question {
            keep_question(&mut plans, name, out)?;
        }
        if self.list {
            let complete = store.complete()?;
            print(&plans.iter().map(|(name, plan)| listed(name, plan, &complete)).collect::<String>())?;
            return Ok(Ending::Done);
        }
        let (filter, repeated) = self.filter(&plans);
        repeated.iter().for_each(warn);
        if !filter.is_empty() {
            plans = apart(&filter.gather(&plans).map_err(|e| e.at(out))?);
        }
        let is_of_tables = !self.statistics && self.paired.is_empty() && self.html.is_none();
        if self.format.holds_one() && plans.len() > 1 && is_of_tables {
            let (count, format) = (plans.len(), self.format.name().to_uppercase());
            return Err(Error::new(format!("{count} tables fit, which one file of {format} cannot tell apart"))
                .at(out)
                .help("show one with --question NAME, which --list names, or take --statistics"));
        }
        if let Some(file) = &self.html {
            let shown = if self.without_cells { Shown::Tables } else { Shown::All };
            crate::page::write(&plans, store, shown, file)?;
            tell_files(std::slice::from_ref(file));
            return ending(&plans, store);
        }
        if self.statistics || !self.paired.is_empty() {
            print(&self.format.sheets(&self.sheets(&plans, store)?))?;
            return ending(&plans, store);
        }
        let tables = plans.iter().map(|(_, plan)| table(plan, store)).collect::<Result<Vec<_>>>()?;
        let format: &dyn Format = if self.second { &Latex { second: true } } else { self.format };
        // First, since it may not be allowed to write there.
        print(&format.tables(&tables))?;
        for ((name, plan), table) in plans.iter().zip(&tables) {
            if !plan.gathered {
                tell_files(&write_all(table, store.folder(), name)?);
            }
        }
        ending(&plans, store)
    }

    /// What is asked for, and warnings of what is asked for more than once.
    fn filter(&self, plans: &[(String, SavedPlan)]) -> (Filter, Vec<Error>) {
        let mut filter = Filter {
            datasets: self.datasets.clone(),
            methods: with_commas(&self.methods, plans),
            shots: flat(self.shots.clone()),
            seeds: flat(self.seeds.clone()),
        };
        let repeated = [
            merged("--datasets", &mut filter.datasets),
            merged("--methods", &mut filter.methods),
            merged("--shots", &mut filter.shots),
            merged("--seeds", &mut filter.seeds),
        ];
        (filter, repeated.into_iter().flatten().collect())
    }

    fn sheets(&self, plans: &[(String, SavedPlan)], store: &Store) -> Result<Vec<Sheet>> {
        let results: Vec<Results> =
            plans.iter().map(|(name, plan)| Results::read(name, plan, store)).collect::<Result<_>>()?;
        let results: Vec<Results> = results.into_iter().filter(|results| !results.runs.is_empty()).collect();
        if results.is_empty() {
            return Err(Error::new("no evaluation has a record yet")
                .at(store.folder())
                .help("`nemesis run` resumes where it stopped"));
        }
        if self.statistics {
            return Ok(results.iter().map(statistics).collect());
        }
        let Pair { first, second } = Pair::parse("--paired", &self.paired, &results)?;
        let has_both = |results: &&Results| results.column(&first).is_ok() && results.column(&second).is_ok();
        let (crossed, both): (Vec<&Results>, Vec<&Results>) =
            results.iter().filter(has_both).partition(|results| results.is_crossed());
        if let (Some(crossed), true) = (crossed.first(), both.is_empty()) {
            return Err(not_independent(crossed).at(store.folder()));
        }
        crossed.into_iter().map(not_independent).for_each(|error| warn(&error));
        if both.is_empty() {
            // The error of one table says what there is.
            let missing = |results: &Results| results.column(&first).err().or_else(|| results.column(&second).err());
            return Err(missing(&results[0]).unwrap_or_else(|| {
                Error::new(format!("no table has both `{first}` and `{second}`")).help("`--list` names the tables")
            }));
        }
        let sheets = both.iter().map(|results| paired(results, &first, &second)).collect::<Result<Vec<_>>>()?;
        let sheets: Vec<Sheet> = sheets.into_iter().flatten().collect();
        if sheets.is_empty() {
            return Err(Error::new(format!("`{first}` and `{second}` share no data set, number of shots and seed"))
                .at(store.folder())
                .help("`nemesis run` computes what is lacking; zero-shot draws nothing, so it has no seeds to be paired by"));
        }
        Ok(sheets)
    }
}

/// Whether every evaluation has a record.
fn ending(plans: &[(String, SavedPlan)], store: &Store) -> Result<Ending> {
    let complete = store.complete()?;
    let there = |plan: &SavedPlan| plan.cells.iter().filter(|cell| complete.contains(&cell.id)).count();
    let all = plans.iter().all(|(_, plan)| there(plan) == plan.expected());
    Ok(if all { Ending::Done } else { Ending::WithFailures })
}

/// What was gathered, as plans with names. If a suite's evaluations are of several recipes, a warning says so, and the
/// titles differ.
fn apart(gathered: &[Gathered]) -> Vec<(String, SavedPlan)> {
    let mut plans = Vec::new();
    for one in gathered {
        let of_suite: Vec<&Gathered> = gathered.iter().filter(|other| other.suite == one.suite).collect();
        let mut plan = one.plan.clone();
        if of_suite.len() > 1 {
            plan.title = format!("{} (from {})", plan.title, one.from.join(", "));
        }
        if of_suite.len() > 1 && std::ptr::eq(of_suite[0], one) {
            let differs: BTreeSet<&str> = of_suite.iter().flat_map(|one| &one.differs).map(String::as_str).collect();
            let what = format!("evaluations of `{}` that fit were computed by {} recipes", one.suite, of_suite.len());
            warn(
                &Error::new(format!("{what}, which no mean may mix; they are shown apart"))
                    .expected(format!(
                        "one recipe; they differ in {}",
                        differs.into_iter().collect::<Vec<_>>().join(", ")
                    ))
                    .help("`--question NAME` shows the table of one question, and `--list` names them"),
            );
        }
        let name = if of_suite.len() > 1 { one.from.join(", ") } else { one.suite.clone() };
        plans.push((name, plan));
    }
    plans
}

/// How many data sets or columns of a question are named.
const MAX_NAMED: usize = 6;

/// A question in three lines: its name, its axes, and how it is computed.
fn listed(name: &str, plan: &SavedPlan, complete: &HashSet<CellId>) -> String {
    let there = plan.cells.iter().filter(|cell| complete.contains(&cell.id)).count();
    let datasets = abridged(plan.datasets.iter().map(|(name, _)| name), MAX_NAMED);
    let columns = abridged(plan.columns.iter().map(|column| &column.label), MAX_NAMED);
    let (shots, mut seeds) = (brief(&plan.shots, ", "), brief(&plan.seeds, ", "));
    if !plan.initialisations.is_empty() {
        seeds = format!("{seeds} × {}", brief(&plan.initialisations, ", "));
    }
    let how = plan.asked.as_ref().map_or_else(String::new, |asked| format!(", {}", asked.precision));
    let data = match plan.asked.as_ref() {
        Some(asked) if asked.mini_data => ", mini data".to_owned(),
        Some(asked) => asked.data.as_ref().map_or_else(String::new, |root| format!(", {}", root.display())),
        None => String::new(),
    };
    format!(
        "{name}\n  {datasets}; {columns}; shots {shots}; seeds {seeds}\n  backbone {}, protocol {}{how}{data}; {there} of {} \
         evaluations\n",
        plan.backbone,
        plan.protocol,
        plan.cells.len()
    )
}
