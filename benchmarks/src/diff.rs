//! Two folders of records cell by cell: what is equal, what lies within noise, and why cells differ.

mod reasons;

use crate::plan::{SavedCell, SavedPlan};
use crate::tables::{BySeed, Field, Footnotes, Sheet, SheetColumn, SheetRow, Spread, is_crossed};
use nemesis_core::Result;
use nemesis_core::record::statistics::Summary;
use nemesis_core::record::{CellId, EvaluationCell, EvaluationRecord, Store};
use nemesis_core::seeds::Seeds;
use nemesis_core::shots::written;
use reasons::Reasons;
use std::collections::{BTreeMap, BTreeSet};

/// One of the two folders: its store and its saved plans.
#[derive(Debug)]
pub struct Side<'a> {
    /// The records.
    pub store: &'a Store,
    /// The plans, by the names of their tables.
    pub plans: &'a [(String, SavedPlan)],
}

/// How two folders differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The rows that are not equal, or all.
    pub sheet: Sheet,
    /// Cells with the same predictions.
    pub equal: usize,
    /// Cells that differ within noise.
    pub within: usize,
    /// Cells that differ beyond it.
    pub beyond: usize,
    /// Cells that only one side has a record of.
    pub unpaired: usize,
}

/// What cells of one row share: suite, data set with what is special, column, shots.
type Row = (String, String, String, Option<u32>);

/// What both sides have at one place.
#[derive(Debug, Default)]
struct Found {
    first: BTreeSet<CellId>,
    second: BTreeSet<CellId>,
}

/// A cell on both sides.
struct Both {
    seed: Option<Seeds>,
    first: EvaluationRecord,
    second: EvaluationRecord,
    /// Images with another prediction; none if the test images are not the same.
    changed: Option<usize>,
}

impl Both {
    fn is_equal(&self) -> bool {
        self.changed == Some(0)
    }

    fn difference(&self) -> f64 {
        self.second.outcome.accuracy - self.first.outcome.accuracy
    }

    /// The variance of the difference, as a share of the images, if neither side is better: by the images whose prediction
    /// changed, each of which may have gone either way; for other test images, both binomial ones.
    fn variance(&self) -> f64 {
        match self.changed {
            Some(changed) => changed as f64 / f64::from(self.first.outcome.total).powi(2),
            None => [&self.first, &self.second]
                .map(|record| {
                    let share = record.outcome.accuracy / 100.0;
                    share * (1.0 - share) / f64::from(record.outcome.total)
                })
                .iter()
                .sum(),
        }
    }
}

const COLUMNS: [SheetColumn; 10] = [
    SheetColumn { key: "data_set", heading: "Data set" },
    SheetColumn { key: "shots", heading: "Shots" },
    SheetColumn { key: "method", heading: "Method" },
    SheetColumn { key: "seeds", heading: "Seeds" },
    SheetColumn { key: "first", heading: "First" },
    SheetColumn { key: "second", heading: "Second" },
    SheetColumn { key: "difference", heading: "Difference" },
    SheetColumn { key: "noise", heading: "Noise" },
    SheetColumn { key: "images_changed", heading: "Images changed" },
    SheetColumn { key: "verdict", heading: "Verdict" },
];

/// Compares two folders. Rows of equal cells are only kept with `all`.
///
/// # Errors
///
/// When a record is damaged.
pub fn diff(first: &Side<'_>, second: &Side<'_>, all: bool) -> Result<Difference> {
    let mut rows: BTreeMap<Row, BTreeMap<Option<Seeds>, Found>> = BTreeMap::new();
    gather(first, &mut rows, |found| &mut found.first);
    gather(second, &mut rows, |found| &mut found.second);
    pair_elsewhere(&mut rows);
    let mut footnotes = Footnotes::default();
    let mut counts = Difference {
        sheet: Sheet {
            name: "diff".to_owned(),
            title: "Two folders of records".to_owned(),
            columns: COLUMNS.to_vec(),
            rows: Vec::new(),
            remarks: Vec::new(),
            footnotes: Vec::new(),
        },
        equal: 0,
        within: 0,
        beyond: 0,
        unpaired: 0,
    };
    for (row, places) in &rows {
        let compared = Compared::of(places, first.store, second.store)?;
        counts.add(row, &compared, all, &mut footnotes);
    }
    counts.sheet.remarks = remarks(&counts);
    counts.sheet.footnotes = footnotes.into_texts();
    Ok(counts)
}

/// The cells of a row, as far as there are two of them.
struct Compared {
    both: Vec<Both>,
    /// Cells that only the first, and only the second has.
    lonely: [usize; 2],
    /// Cells where a folder has several that the other lacks, and the other has some as well.
    ambiguous: usize,
    /// Whether there are pairs of several recipes.
    mixed: bool,
}

impl Compared {
    fn of(places: &BTreeMap<Option<Seeds>, Found>, first: &Store, second: &Store) -> Result<Self> {
        let mut compared = Self { both: Vec::new(), lonely: [0, 0], ambiguous: 0, mixed: false };
        for (seed, found) in places {
            let (pairs, lonely) = matched(found);
            compared.mixed |= pairs.len() > 1;
            for (one, two) in pairs {
                match (first.get::<EvaluationCell>(&one)?, second.get::<EvaluationCell>(&two)?) {
                    (Some(one), Some(two)) => {
                        let changed = changed(&one, &two, first, second)?;
                        compared.both.push(Both { seed: *seed, first: one, second: two, changed });
                    }
                    (Some(_), None) => compared.lonely[0] += 1,
                    (None, Some(_)) => compared.lonely[1] += 1,
                    (None, None) => {}
                }
            }
            match lonely {
                [0, count] | [count, 0] => compared.lonely[usize::from(lonely[0] == 0)] += count,
                [one, two] => compared.ambiguous += one + two,
            }
        }
        Ok(compared)
    }

    /// Footnotes on cells that have no counterpart.
    fn marks(&self, footnotes: &mut Footnotes) -> Vec<usize> {
        let lonely = self.lonely.into_iter().zip(["first", "second"]).filter(|(count, _)| *count > 0);
        let mut marks: Vec<usize> =
            lonely.map(|(count, side)| footnotes.mark(format!("{count} of these cells only in the {side}"))).collect();
        if self.ambiguous > 0 {
            let what = "a folder has several recipes for this place, and nothing says which of them to compare";
            marks.push(footnotes.mark(what.to_owned()));
        }
        if self.mixed {
            let what = "cells of several recipes, each compared with the same one, and counted as seeds of one row";
            marks.push(footnotes.mark(what.to_owned()));
        }
        marks
    }
}

impl Difference {
    /// Counts the cells of a row, and adds the row if there is something to see.
    fn add(&mut self, row: &Row, compared: &Compared, all: bool, footnotes: &mut Footnotes) {
        let (_, dataset, column, shots) = row;
        let Compared { both, lonely, ambiguous, .. } = compared;
        self.unpaired += lonely[0] + lonely[1] + ambiguous;
        let mut marks = compared.marks(footnotes);
        let head = |count: usize| {
            let shots = shots.map_or(Field::Nothing, |shots| Field::Text(written(shots)));
            vec![Field::Text(dataset.clone()), shots, Field::Text(column.clone()), Field::Count(count)]
        };
        if both.is_empty() {
            if !marks.is_empty() {
                let nothing = [(); 5].map(|()| Field::Nothing);
                let fields =
                    head(0).into_iter().chain(nothing).chain([Field::Text("only in one".to_owned())]).collect();
                self.sheet.rows.push(SheetRow { fields, footnotes: marks, alarm: true, apart: false });
            }
            return;
        }
        let noise = noise(both);
        let mean = mean_of(both, Both::difference);
        let differing = both.iter().filter(|cell| !cell.is_equal()).count();
        self.equal += both.len() - differing;
        let is_beyond = differing > 0 && mean.abs() > noise;
        *(if is_beyond { &mut self.beyond } else { &mut self.within }) += differing;
        if differing == 0 && marks.is_empty() && !all {
            return;
        }
        let mut reasons = Reasons::default();
        for cell in both {
            reasons.add(&cell.first, &cell.second, cell.is_equal());
        }
        marks.extend(reasons.lines().into_iter().map(|line| footnotes.mark(line)));
        let changed: Option<usize> = both.iter().map(|cell| cell.changed).sum();
        let verdict = match (differing, is_beyond) {
            (0, _) => "equal",
            (_, false) => "within noise",
            (_, true) => "beyond noise",
        };
        let fields = head(both.len()).into_iter().chain([
            Field::Number(mean_of(both, |cell| cell.first.outcome.accuracy), 2),
            Field::Number(mean_of(both, |cell| cell.second.outcome.accuracy), 2),
            Field::Signed(mean, 2),
            Field::Number(noise, 2),
            changed.map_or(Field::Nothing, Field::Count),
            Field::Text(verdict.to_owned()),
        ]);
        self.sheet.rows.push(SheetRow { fields: fields.collect(), footnotes: marks, alarm: is_beyond, apart: false });
    }
}

fn mean_of(both: &[Both], of: impl Fn(&Both) -> f64) -> f64 {
    Summary::of(&both.iter().map(of).collect::<Vec<_>>()).map_or(0.0, |summary| summary.mean)
}

fn remarks(counts: &Difference) -> Vec<String> {
    let Difference { equal, within, beyond, unpaired, .. } = counts;
    vec![
        format!(
            "Cells: {equal} equal (every prediction), {within} within noise, {beyond} beyond noise, {unpaired} only in one \
             folder or not to be paired."
        ),
        "Difference: second minus first in points, the mean over seeds. Noise: half of Student's 95 % interval of that mean \
         over the seeds that both have, but no less than what the images with another prediction could do by chance (1.96 \
         times the root of their number)."
            .to_owned(),
    ]
}

/// Adds the cells of a side by their places.
fn gather(
    side: &Side<'_>,
    rows: &mut BTreeMap<Row, BTreeMap<Option<Seeds>, Found>>,
    of_side: impl Fn(&mut Found) -> &mut BTreeSet<CellId>,
) {
    for (name, plan) in side.plans {
        for cell in plan.cells.iter().filter(|cell| side.store.contains(&cell.id)) {
            let (shots, seed) = cell.sample.unzip();
            let column = cell.label().to_owned();
            let row = (plan.suite(name).to_owned(), place(cell, plan), column, shots);
            of_side(rows.entry(row).or_default().entry(seed).or_default()).insert(cell.id);
        }
    }
}

/// Puts the cells that both sides have, but in different rows, into the rows of the first: a suite, a label or a title may
/// have another name in the second.
fn pair_elsewhere(rows: &mut BTreeMap<Row, BTreeMap<Option<Seeds>, Found>>) {
    let ids = |of_side: fn(&Found) -> &BTreeSet<CellId>| -> BTreeSet<CellId> {
        rows.values().flat_map(BTreeMap::values).flat_map(of_side).copied().collect()
    };
    let (first, second) = (ids(|found| &found.first), ids(|found| &found.second));
    for found in rows.values_mut().flat_map(BTreeMap::values_mut) {
        found.second.retain(|id| found.first.contains(id) || !first.contains(id));
        found.second.extend(found.first.intersection(&second));
    }
}

/// The data set, with what is special about the evaluation.
fn place(cell: &SavedCell, plan: &SavedPlan) -> String {
    let title = plan.datasets.iter().find(|(name, _)| *name == cell.dataset).map_or(&cell.dataset, |(_, title)| title);
    let classes = cell.classes.to_string();
    let corruption = cell
        .corruption
        .as_ref()
        .map(|corruption| format!("{} v{}: {}", corruption.kind, corruption.position + 1, corruption.value));
    let epoch = cell.epoch.map(|epoch| format!("epoch {epoch}"));
    let special: Vec<String> =
        [(classes != "all").then_some(classes), corruption, epoch].into_iter().flatten().collect();
    if special.is_empty() { title.clone() } else { format!("{title} ({})", special.join(", ")) }
}

/// The cells to compare: those that are the same on both sides, and of what is left the only one of each. Also how many that
/// leaves on each side.
fn matched(found: &Found) -> (Vec<(CellId, CellId)>, [usize; 2]) {
    let mut pairs: Vec<(CellId, CellId)> = found.first.intersection(&found.second).map(|id| (*id, *id)).collect();
    let first: Vec<CellId> = found.first.difference(&found.second).copied().collect();
    let second: Vec<CellId> = found.second.difference(&found.first).copied().collect();
    if let ([one], [two]) = (&first[..], &second[..]) {
        pairs.push((*one, *two));
        return (pairs, [0, 0]);
    }
    (pairs, [first.len(), second.len()])
}

/// How many images have another prediction, if both were tested on the same images.
fn changed(one: &EvaluationRecord, two: &EvaluationRecord, first: &Store, second: &Store) -> Result<Option<usize>> {
    if one.outcome.predictions == two.outcome.predictions && one.outcome.correct == two.outcome.correct {
        return Ok(Some(0));
    }
    if one.cell.images != two.cell.images || one.cell.classes != two.cell.classes {
        return Ok(None);
    }
    let (one, two) = (first.predictions(one)?, second.predictions(two)?);
    Ok((one.len() == two.len()).then(|| one.iter().zip(&two).filter(|(one, two)| one != two).count()))
}

/// What the mean difference could be by chance, in points. A few seeds may agree by chance as well, so it is never less
/// than what the images say.
fn noise(both: &[Both]) -> f64 {
    let of_images = 196.0 * both.iter().map(Both::variance).sum::<f64>().sqrt() / both.len().max(1) as f64;
    let seeded = || both.iter().filter(|cell| cell.seed.is_some());
    let of_seeds = if is_crossed(both.iter().map(|cell| &cell.seed)) {
        let by_seed: BySeed = seeded().map(|cell| (cell.seed, cell.difference())).collect();
        Spread::of(&by_seed).and_then(|spread| spread.half_interval)
    } else {
        // Not by seed: in a row of several recipes, each has the same ones.
        let differences: Vec<f64> = seeded().map(Both::difference).collect();
        Summary::of(&differences).and_then(|summary| summary.half_interval(0.95))
    };
    of_seeds.map_or(of_images, |of_seeds| of_seeds.max(of_images))
}
