//! Our numbers next to published ones: the difference, and whether it lies within the spread.

mod lines;

pub use lines::published_lines;

use crate::numbers::counted;
use crate::published::{AVERAGE, Block, Known, Protocol, Published};
use crate::results::{ELEVEN, Evaluation, Results};
use crate::tables::{BySeed, Field, Footnotes, Sheet, SheetColumn, SheetRow, average_by_seed};
use nemesis_core::Result;
use nemesis_core::dataset::Registry;
use nemesis_core::record::statistics::{Summary, harmonic_mean};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// Ours next to one published table.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Ours, theirs, the difference, and whether it lies within the spread.
    pub sheet: Sheet,
    /// How many values were compared.
    pub compared: usize,
    /// How many of those that count differ by more than the tolerance.
    pub beyond: usize,
}

/// What comes of comparing a published table with our results.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Rows that both have, or that only ours has and that stay blank.
    Compared(Comparison),
    /// Nothing is comparable, for this reason.
    Nothing(String),
}

/// The columns of a comparison.
const COLUMNS: [SheetColumn; 11] = [
    SheetColumn { key: "method", heading: "Method" },
    SheetColumn { key: "data_set", heading: "Data set" },
    SheetColumn { key: "group", heading: "Shots" },
    SheetColumn { key: "ours", heading: "Ours" },
    SheetColumn { key: "half_interval_95", heading: "±" },
    SheetColumn { key: "seeds", heading: "Seeds" },
    SheetColumn { key: "published", heading: "Published" },
    SheetColumn { key: "published_uncertainty", heading: "±" },
    SheetColumn { key: "difference", heading: "Difference" },
    SheetColumn { key: "in_spread", heading: "In spread" },
    SheetColumn { key: "beyond", heading: "Beyond" },
];

/// The group of the harmonic means of base and new classes.
const HARMONIC: &str = "h";

const RULE: &str = "In spread: the difference is at most the sum of both ±. Ours is half of Student's 95 % interval over \
                    our seeds (0 where nothing is drawn, unknown for a single seed); theirs is the reading error of the \
                    figure or half a unit of the last digit, and half of the interval where single runs or a deviation \
                    are published.";

/// Compares our results with a published table. `said` is the backbone that ours is according to the user.
///
/// Names of checkpoints and data sets prove nothing. A checkpoint has to be known by its hash or vouched for, a data
/// set by the fingerprint of its split, if that of the published one is known.
///
/// # Errors
///
/// When the built-in registry cannot be read, which its tests rule out.
pub fn compare(published: &Published, results: &Results, said: Option<&str>, tolerance: f64) -> Result<Verdict> {
    if let Some(reason) = is_mini(results) {
        return Ok(Verdict::Nothing(reason.to_owned()));
    }
    if results.is_crossed() {
        return Ok(Verdict::Nothing(
            "ours crosses few-shot samples with initialisations (`--split-seeds`), so that its runs are not independent; \
             compare a run without it"
                .to_owned(),
        ));
    }
    let backbone = match (results.published_backbone(), said) {
        (Some(known), Some(said)) if normalised(known) != normalised(said) => {
            return Ok(Verdict::Nothing(format!("`--as {said}` is wrong: the checkpoint is OpenAI's {known}")));
        }
        (Some(known), _) => known,
        (None, Some(said)) => said,
        (None, None) => {
            return Ok(Verdict::Nothing(format!(
                "the checkpoint that ours calls `{}` is not known to be a published one; `--as NAME` says which it is",
                results.backbone
            )));
        }
    };
    if normalised(backbone) != normalised(&published.backbone) {
        return Ok(Verdict::Nothing(format!("it is of the backbone {}, ours of {backbone}", published.backbone)));
    }
    let side = SideBySide { published, results, said, splits: Splits::of(results)?, tolerance };
    Ok(side.comparison().map_or_else(|| Verdict::Nothing(side.why_nothing()), Verdict::Compared))
}

/// Why results cannot be compared, if they are of the mini suite's data or weights.
fn is_mini(results: &Results) -> Option<&'static str> {
    let (data, weights) = match &results.asked {
        Some(asked) => (asked.mini_data, asked.checkpoint.is_mini()),
        None => (results.backbone == "mini", results.backbone == "mini"),
    };
    match (data, weights) {
        (true, true) => Some("ours is the mini suite with a small CLIP of its own: it compares with nothing"),
        (false, true) => Some("ours is the mini suite's small CLIP on other data: it compares with nothing"),
        (true, false) => Some("ours is on the mini suite's small procedural data sets: it compares with nothing"),
        (false, false) => None,
    }
}

/// `ViT-B/16`, `vit_b16` and `ViT-B-16` are one backbone.
fn normalised(backbone: &str) -> String {
    backbone.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a run is of the method and options that published numbers belong to.
fn is_of(run: &Evaluation, block: &Block) -> bool {
    // `1` and `1.0` are the same value.
    let equal = |ours: &Json, theirs: &Json| ours == theirs || (ours.is_number() && ours.as_f64() == theirs.as_f64());
    let options = run.record.cell.subject.method().map(|method| &method.options);
    let same = |(key, theirs): (&String, &Json)| {
        options.and_then(|options| options.get(key)).is_some_and(|ours| equal(ours, theirs))
    };
    run.method() == block.method && block.options.iter().all(same)
}

struct SideBySide<'a> {
    published: &'a Published,
    results: &'a Results,
    said: Option<&'a str>,
    splits: Splits,
    tolerance: f64,
}

impl SideBySide<'_> {
    /// None when there is no row to show.
    fn comparison(&self) -> Option<Comparison> {
        let mut footnotes = Footnotes::default();
        let mut rows: Vec<SheetRow> = Vec::new();
        let (mut compared, mut counting, mut beyond) = (0, 0, 0);
        for column in &self.results.columns {
            let start = rows.len();
            let runs = || self.usable().filter(|run| run.column == *column);
            for block in &self.published.methods {
                let ours = self.values(runs().filter(|run| is_of(run, block)));
                for (row, group) in self.places(&ours) {
                    let Some(theirs) = self.published.get(block, row, group) else { continue };
                    let by_seed = &ours[&(row.to_owned(), group.to_owned())];
                    let side = self.row(column, row, group, by_seed, Some((block, theirs)), &mut footnotes);
                    compared += 1;
                    counting += usize::from(block.not_counted.is_none());
                    beyond += usize::from(side.alarm);
                    rows.push(side);
                }
            }
            let blank = runs().find_map(|run| self.published.blank_for(run.method()));
            if let Some(because) = blank {
                let ours = self.values(runs());
                let is_published = |row: &str| self.published.methods.iter().any(|block| block.rows.contains_key(row));
                for (row, group) in self.places(&ours).into_iter().filter(|(row, _)| is_published(row)) {
                    let by_seed = &ours[&(row.to_owned(), group.to_owned())];
                    let mut blank = self.row(column, row, group, by_seed, None, &mut footnotes);
                    blank.footnotes.push(footnotes.mark(because.to_owned()));
                    rows.push(blank);
                }
            }
            if let Some(first) = rows.get_mut(start) {
                first.apart = true;
            }
        }
        if rows.is_empty() {
            return None;
        }
        let mut columns = COLUMNS.to_vec();
        if self.published.table == Protocol::BaseToNew {
            columns[2].heading = "Classes";
        }
        let sheet = Sheet {
            name: self.published.name.clone(),
            title: format!("{}: ours beside `{}`", self.published.title, self.published.name),
            columns,
            rows,
            remarks: self.remarks(counting, beyond),
            footnotes: footnotes.into_texts(),
        };
        Some(Comparison { sheet, compared, beyond })
    }

    /// Runs over whole test sets of the published splits, within the protocol of the published table.
    fn usable(&self) -> impl Iterator<Item = &Evaluation> {
        self.in_protocol().filter(|run| self.splits.foreign_in(run).is_none())
    }

    fn in_protocol(&self) -> impl Iterator<Item = &Evaluation> {
        let protocol = self.published.table;
        self.results.runs.iter().filter(move |run| run.record.cell.limit.is_none() && run.place(protocol).is_some())
    }

    /// The data sets whose runs are left out because their splits are not the published ones.
    fn foreign(&self) -> BTreeSet<&str> {
        self.in_protocol().filter_map(|run| self.splits.foreign_in(run)).collect()
    }

    /// Accuracies by data set and group, with averages and harmonic means if nothing is missing from them.
    fn values<'a>(&self, runs: impl Iterator<Item = &'a Evaluation>) -> BTreeMap<(String, String), BySeed> {
        let mut values: BTreeMap<(String, String), BySeed> = BTreeMap::new();
        for run in runs {
            if let Some((row, group)) = run.place(self.published.table) {
                values.entry((row.to_owned(), group)).or_default().insert(run.seed(), run.accuracy());
            }
        }
        let groups: BTreeSet<String> = values.keys().map(|(_, group)| group.clone()).collect();
        for group in groups {
            let all: Vec<&BySeed> =
                ELEVEN.iter().filter_map(|row| values.get(&((*row).to_owned(), group.clone()))).collect();
            let average = average_by_seed(all.iter().copied());
            // The test sets of one training are not eleven trainings, and published averages of them are over different
            // ones.
            let of_many = self.published.table != Protocol::DomainGeneralization;
            if of_many && all.len() == ELEVEN.len() && !average.is_empty() {
                values.insert((AVERAGE.to_owned(), group), average);
            }
        }
        if self.published.table == Protocol::BaseToNew {
            let rows: BTreeSet<String> = values.keys().map(|(row, _)| row.clone()).collect();
            for row in rows {
                let of = |group: &str| values.get(&(row.clone(), group.to_owned()));
                let (Some(base), Some(new)) = (of("base"), of("new")) else { continue };
                let both = base.iter().filter_map(|(seed, base)| Some((*seed, harmonic_mean(*base, *new.get(seed)?))));
                let both: BySeed = both.collect();
                // Without a training that has both, there is none.
                if !both.is_empty() {
                    values.insert((row, HARMONIC.to_owned()), both);
                }
            }
        }
        values
    }

    /// The rows and groups that there are values for and published groups, in the order of tables.
    fn places<'a>(&'a self, values: &'a BTreeMap<(String, String), BySeed>) -> Vec<(&'a str, &'a str)> {
        let mut rows: Vec<&str> = values.keys().map(|(row, _)| row.as_str()).collect();
        rows.sort_by_key(|row| (*row == AVERAGE, self.results.rank(row)));
        rows.dedup();
        let groups = self.published.groups.iter().map(String::as_str);
        let is_there = |row: &str, group: &str| values.contains_key(&(row.to_owned(), group.to_owned()));
        groups
            .flat_map(|group| rows.iter().map(move |row| (*row, group)))
            .filter(|(row, group)| is_there(row, group))
            .collect()
    }

    fn row(
        &self,
        column: &str,
        row: &str,
        group: &str,
        by_seed: &BySeed,
        theirs: Option<(&Block, Known)>,
        footnotes: &mut Footnotes,
    ) -> SheetRow {
        let not_counted = theirs.and_then(|(block, _)| block.not_counted.as_ref());
        let theirs = theirs.map(|(_, known)| known);
        let accuracies: Vec<f64> = by_seed.values().copied().collect();
        let summary = Summary::of(&accuracies).expect("a place has at least one value");
        let drawn = by_seed.keys().any(Option::is_some);
        let half = if drawn { summary.half_interval(0.95) } else { Some(0.0) };
        // Neither an average nor a harmonic mean is a run: the rows that they come from say which runs collapsed.
        let is_derived = row == AVERAGE || group == HARMONIC;
        let mut marks = if is_derived { Vec::new() } else { footnotes.collapses(by_seed) };
        if let Some(seeds) = self.published.seeds.filter(|seeds| theirs.is_some() && drawn && accuracies.len() < *seeds)
        {
            marks.push(
                footnotes.mark(format!("{} of ours, {seeds} published", counted(accuracies.len() as u64, "seed"))),
            );
        }
        marks.extend(not_counted.map(|reason| footnotes.mark(format!("does not count: {reason}"))));
        let difference = theirs.map(|theirs| summary.mean - theirs.value);
        let slack = theirs.map_or(0.0, |theirs| theirs.reading_error);
        let in_spread = match (difference, half, theirs) {
            (Some(difference), Some(half), Some(theirs)) => {
                let within = difference.abs() <= half + theirs.reading_error + theirs.half_interval;
                if within { "yes" } else { "no" }
            }
            (Some(_), None, _) => "?",
            _ => "–",
        };
        let is_beyond = difference.is_some_and(|difference| difference.abs() - slack > self.tolerance);
        let beyond = match (difference, not_counted) {
            (None, _) => "–",
            (_, Some(_)) => "not counted",
            _ if is_beyond => "yes",
            _ => "no",
        };
        let decimals = self.published.decimals.max(1) as usize;
        let title = if row == AVERAGE { "Average" } else { self.results.title(row) };
        SheetRow {
            fields: vec![
                Field::Text(column.to_owned()),
                Field::Text(title.to_owned()),
                group.parse().map_or_else(|_| Field::Text(group.to_owned()), Field::Count),
                Field::Number(summary.mean, decimals),
                Field::number(half, decimals),
                if drawn { Field::Count(accuracies.len()) } else { Field::Nothing },
                Field::number(theirs.map(|theirs| theirs.value), self.published.decimals as usize),
                Field::number(theirs.map(|theirs| theirs.reading_error + theirs.half_interval), decimals + 1),
                difference.map_or(Field::Nothing, |difference| Field::Signed(difference, decimals)),
                Field::Text(in_spread.to_owned()),
                Field::Text(beyond.to_owned()),
            ],
            footnotes: marks,
            alarm: is_beyond && not_counted.is_none(),
            apart: false,
        }
    }

    fn remarks(&self, counting: usize, beyond: usize) -> Vec<String> {
        let Published { source, notes, protocol, arithmetic, seeds, figure, backbone, .. } = self.published;
        let mut remarks = vec![format!(
            "Differences beyond the tolerance of ±{} points: {beyond} of {counting}. A published number's reading error is \
             taken off first.",
            self.tolerance
        )];
        remarks.push(RULE.to_owned());
        let seeds = seeds.map_or_else(|| "seeds not stated".to_owned(), |seeds| counted(seeds as u64, "seed"));
        let arithmetic = arithmetic.as_deref().unwrap_or("precision not stated");
        remarks.push(format!("Published: {}.", source.trim().trim_end_matches('.')));
        remarks.push(format!("Published with: {backbone}; {protocol}; {arithmetic}; {seeds}."));
        if let Some(figure) = figure {
            remarks.push(if figure.reading_error > 0.0 {
                format!("Read off a figure, to {} points: {}.", figure.reading_error, figure.how)
            } else {
                format!("Read off a figure: {}.", figure.how)
            });
        }
        remarks.extend(notes.iter().cloned());
        let names = |of: &dyn Fn(&Evaluation) -> String| self.usable().map(of).collect::<BTreeSet<_>>();
        let protocols = names(&|run| match run.record.cell.protocol.get("name") {
            Some(Json::String(name)) => name.clone(),
            _ => "without a name".to_owned(),
        });
        let precisions = names(&|run| run.record.cell.precision.clone());
        let joined = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" and ");
        let backbone = match (self.results.published_backbone(), self.said) {
            (Some(known), _) => format!("OpenAI's {known}"),
            (None, Some(said)) => format!("`{}`, taken for {said} since `--as` says so", self.results.backbone),
            (None, None) => format!("`{}`", self.results.backbone),
        };
        remarks.push(format!(
            "Ours with: {backbone}; table `{}`, protocol {}, {}.",
            self.results.suite,
            joined(&protocols),
            joined(&precisions)
        ));
        if protocols.iter().any(|name| name != "paper") {
            remarks.push("Not like with like: ours are not by the protocol `paper`.".to_owned());
        }
        let listed = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
        remarks.extend(self.departures());
        let changed = self.fitting().filter(|run| self.results.changes_protocol(run));
        let changed: BTreeSet<&str> = changed.map(|run| run.column.as_str()).collect();
        if !changed.is_empty() {
            remarks
                .push(format!("Not like with like: the suite or `--set` changes the protocol of {}.", listed(changed)));
        }
        let (foreign, unknown) =
            (self.foreign(), self.usable().filter_map(|run| self.splits.unknown_in(run)).collect());
        if !foreign.is_empty() {
            remarks.push(format!("Left out, since ours is not the published split: {}.", listed(foreign)));
        }
        if !BTreeSet::is_empty(&unknown) {
            remarks.push(format!("Whether ours is the published split is not known: {}.", listed(unknown)));
        }
        let strange = self.strange_rows();
        if !strange.is_empty() {
            remarks.push(format!("Published for data sets of no such name here: {}.", listed(strange)));
        }
        remarks.extend(self.results.incomplete());
        remarks
    }

    /// The runs that there are published numbers of.
    fn fitting(&self) -> impl Iterator<Item = &Evaluation> {
        self.usable().filter(|run| self.published.methods.iter().any(|block| is_of(run, block)))
    }

    /// How the methods that are compared are trained, where that is not by the protocol.
    fn departures(&self) -> Vec<String> {
        let columns: BTreeSet<&str> = self.fitting().map(|run| run.column.as_str()).collect();
        let departures = self.results.departures.iter().filter(|(column, _)| columns.contains(column.as_str()));
        departures.map(|(_, what)| format!("{what}.")).collect()
    }

    /// The rows of published numbers that no data set is called like: a slip of the pen compares with nothing.
    fn strange_rows(&self) -> BTreeSet<&str> {
        let ours: BTreeSet<&str> = self.results.runs.iter().flat_map(datasets_of).collect();
        let is_known = |row: &str| row == AVERAGE || self.splits.registered.contains(row) || ours.contains(row);
        let rows = self.published.methods.iter().flat_map(|block| block.rows.keys());
        rows.map(String::as_str).filter(|row| !is_known(row)).collect()
    }

    /// Why there is no row.
    fn why_nothing(&self) -> String {
        let methods: BTreeSet<&str> = self.published.methods.iter().map(|block| block.method.as_str()).collect();
        if let Some(blank) = self.published.blank.as_ref().filter(|blank| blank.methods.is_none()) {
            return blank.because.clone();
        }
        if self.usable().next().is_none() {
            let foreign: Vec<&str> = self.foreign().into_iter().collect();
            if self.results.asked.is_none() {
                return "an earlier version of nemesis ran it and did not keep what data it was on; the same `nemesis run` \
                        keeps it, and computes again only what has changed"
                    .to_owned();
            }
            if !foreign.is_empty() {
                return format!("ours is not the published split of {}", foreign.join(", "));
            }
            let limited = self.results.runs.iter().find_map(|run| run.record.cell.limit);
            return match limited {
                Some(limit) => format!("ours count only the first {limit} test images of each class"),
                None => "ours hold no evaluation by its protocol".to_owned(),
            };
        }
        if !self.usable().any(|run| methods.contains(run.method())) {
            let methods: Vec<&str> = methods.into_iter().collect();
            return format!("it is of other methods: {}", methods.join(", "));
        }
        if self.fitting().next().is_none() {
            return "its methods were run with other options".to_owned();
        }
        let is_average = self.published.methods.iter().all(|block| block.rows.keys().all(|row| row == AVERAGE));
        let ours: BTreeSet<&str> = self.usable().map(|run| run.record.cell.dataset.as_str()).collect();
        let lacking: Vec<&str> = ELEVEN.into_iter().filter(|dataset| !ours.contains(dataset)).collect();
        match lacking.as_slice() {
            [_, ..] if is_average => {
                format!("it holds averages over eleven data sets, and ours lack {}", lacking.join(", "))
            }
            _ => "no data set, number of shots and seed is whole on both sides".to_owned(),
        }
    }
}

/// What is known about data sets, and about the splits that results are on.
struct Splits {
    standings: BTreeMap<String, Standing>,
    /// The names of the data sets that come with the project.
    registered: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Published,
    /// The fingerprint of the published one is not known.
    Unknown,
}

impl Splits {
    fn of(results: &Results) -> Result<Self> {
        let registry = Registry::built_in()?;
        let mut standings = BTreeMap::new();
        for (name, split) in results.asked.iter().flat_map(|asked| &asked.splits) {
            let published = registry.entries().iter().find(|entry| entry.name == *name).map(|entry| &entry.published);
            match published {
                Some(Some(published)) if *published == split.fingerprint => {
                    standings.insert(name.clone(), Standing::Published);
                }
                Some(Some(_)) => {}
                Some(None) | None => {
                    standings.insert(name.clone(), Standing::Unknown);
                }
            }
        }
        let registered = registry.entries().iter().map(|entry| entry.name.clone()).collect();
        Ok(Self { standings, registered })
    }

    /// The data set of a run, trained or tested on, whose split is not the published one.
    fn foreign_in<'a>(&self, run: &'a Evaluation) -> Option<&'a str> {
        datasets_of(run).find(|dataset| !self.standings.contains_key(*dataset))
    }

    /// The one of which that is not known.
    fn unknown_in<'a>(&self, run: &'a Evaluation) -> Option<&'a str> {
        datasets_of(run).find(|dataset| self.standings.get(*dataset) == Some(&Standing::Unknown))
    }
}

fn datasets_of(run: &Evaluation) -> impl Iterator<Item = &str> {
    let cell = &run.record.cell;
    let trained_on = cell.subject.training().map(|training| training.dataset.as_str());
    std::iter::once(cell.dataset.as_str()).chain(trained_on)
}
