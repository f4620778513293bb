//! A question over the records of all saved plans: what fits is put together, and what different recipes computed stays
//! apart.

use crate::plan::{Asked, SavedCell, SavedPlan};
use crate::suite::{embedded_suite, load_suite};
use nemesis_core::error::{abridged, suggest};
use nemesis_core::shots::written;
use nemesis_core::{Error, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many numbers a message names.
const MOST_NAMED: usize = 10;

/// What a table should show. An empty list leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Data sets by name.
    pub datasets: Vec<String>,
    /// Methods by id, or by the label of their column.
    pub methods: Vec<String>,
    /// Training images per class.
    pub shots: Vec<u32>,
    /// Seeds.
    pub seeds: Vec<u64>,
}

/// What fits of saved plans whose evaluations may stand in one table.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The suite.
    pub suite: String,
    /// The names of the plans that it comes from.
    pub from: Vec<String>,
    /// All that fits of them.
    pub plan: SavedPlan,
    /// How its evaluations differ from those of the suite's first table; empty in that one.
    pub differs: BTreeSet<String>,
}

/// Labels of columns, and other names, that were separated at every comma: labels may have commas. The longest run of
/// parts that is a label is one.
pub(crate) fn with_commas(parts: &[String], plans: &[(String, SavedPlan)]) -> Vec<String> {
    let columns = || plans.iter().flat_map(|(_, plan)| &plan.columns).map(|column| column.label.as_str());
    let zero_shot = || plans.iter().flat_map(|(_, plan)| plan.zero_shot_labels());
    let is_label = |name: &String| {
        let is_it = |label: &str| label.eq_ignore_ascii_case(name.trim());
        columns().any(is_it) || zero_shot().any(is_it)
    };
    let mut names = Vec::new();
    let mut rest = parts;
    while !rest.is_empty() {
        let label =
            (1..=rest.len()).rev().map(|count| (count, rest[..count].join(","))).find(|(_, name)| is_label(name));
        let (count, name) = label.unwrap_or_else(|| (1, rest[0].clone()));
        names.push(name.trim().to_owned());
        rest = &rest[count..];
    }
    names
}

impl Filter {
    /// Whether nothing is filtered.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What fits of these plans, by suite and by recipe.
    ///
    /// # Errors
    ///
    /// When no plan has a data set or method that is asked for, or nothing fits.
    pub fn gather(&self, plans: &[(String, SavedPlan)]) -> Result<Vec<Gathered>> {
        self.refuse_unknown(plans)?;
        let mut gathered: Vec<Gathered> = Vec::new();
        for (name, plan) in plans {
            let Some(part) = self.part(plan) else { continue };
            let suite = plan.suite(name).to_owned();
            match gathered.iter_mut().find(|other| other.suite == suite && other.takes(&part, name)) {
                Some(other) => other.add(name, &part),
                None => {
                    gathered.push(Gathered { suite, from: vec![name.clone()], plan: part, differs: BTreeSet::new() });
                }
            }
        }
        if gathered.is_empty() {
            return Err(Error::new("no evaluation fits").help("`nemesis report --list` shows what there is"));
        }
        let firsts: HashMap<String, SavedPlan> =
            gathered.iter().rev().map(|one| (one.suite.clone(), one.plan.clone())).collect();
        for one in &mut gathered {
            one.differs = differences(&firsts[&one.suite], &one.plan).into_iter().collect();
            self.put_in_order(one);
        }
        Ok(gathered)
    }

    fn refuse_unknown(&self, plans: &[(String, SavedPlan)]) -> Result<()> {
        let datasets: BTreeSet<&str> =
            plans.iter().flat_map(|(_, plan)| &plan.datasets).map(|(name, _)| name.as_str()).collect();
        let columns = || plans.iter().flat_map(|(_, plan)| &plan.columns);
        let labels = columns().map(|column| column.label.as_str());
        let ids = columns().filter_map(|column| Some(column.method.as_ref()?.id.as_str()));
        let mut methods: BTreeSet<&str> = labels.chain(ids).collect();
        for label in plans.iter().flat_map(|(_, plan)| plan.zero_shot_labels()) {
            methods.insert(label);
        }
        let unknown = |what: &str, name: &str, known: &BTreeSet<&str>| {
            Error::new(format!("no table here has the {what} `{name}`")).help(suggest(name, known.iter().copied()))
        };
        if let Some(name) = self.datasets.iter().find(|name| !datasets.contains(name.as_str())) {
            return Err(unknown("data set", name, &datasets));
        }
        // Of several, some may be of other tables; those that are lacking are left blank.
        let shots: BTreeSet<u32> = plans.iter().flat_map(|(_, plan)| plan.shots.iter().copied()).collect();
        let seeds = |plan: &SavedPlan| [&plan.seeds[..], &plan.initialisations].concat();
        let seeds: BTreeSet<u64> = plans.iter().flat_map(|(_, plan)| seeds(plan)).collect();
        let none = |what: &str, known: String| {
            Err(Error::new(format!("no table here has the {what} that `--{what}` asks for"))
                .expected(format!("some of {known}")))
        };
        if !self.shots.is_empty() && !self.shots.iter().any(|asked| shots.contains(asked)) {
            return none("shots", abridged(shots.into_iter().map(written), MOST_NAMED));
        }
        if !self.seeds.is_empty() && !self.seeds.iter().any(|asked| seeds.contains(asked)) {
            return none("seeds", abridged(seeds, MOST_NAMED));
        }
        match self.methods.iter().find(|name| !methods.iter().any(|known| known.eq_ignore_ascii_case(name))) {
            Some(name) => Err(unknown("method", name, &methods)),
            None => Ok(()),
        }
    }

    /// What fits of a plan, if anything does.
    fn part(&self, plan: &SavedPlan) -> Option<SavedPlan> {
        let fits_label = |label: &str| {
            let id = plan.columns.iter().find(|column| column.label == label).and_then(|column| column.method.as_ref());
            let is_meant = |name: &String| {
                name.eq_ignore_ascii_case(label) || id.is_some_and(|method| name.eq_ignore_ascii_case(&method.id))
            };
            self.methods.is_empty() || self.methods.iter().any(is_meant)
        };
        let is_named = |label: &str| self.methods.iter().any(|name| name.eq_ignore_ascii_case(label));
        // What others are compared with stays, unless some of it is asked for by name.
        let names_zero_shot = plan.zero_shot_labels().any(is_named);
        let fits_column = |cell: &SavedCell| match cell.sample {
            None => !names_zero_shot || is_named(cell.label()),
            Some(_) => cell.column.as_ref().is_none_or(|label| fits_label(label)),
        };
        let fits = |cell: &&SavedCell| {
            is_in(&self.datasets, &cell.dataset)
                && fits_column(cell)
                && cell.sample.is_none_or(|(shots, seeds)| {
                    let both = [seeds.sample, seeds.initialisation];
                    is_in(&self.shots, &shots) && both.iter().all(|seed| is_in(&self.seeds, seed))
                })
        };
        let cells: Vec<SavedCell> = plan.cells.iter().filter(fits).cloned().collect();
        if cells.is_empty() {
            return None;
        }
        let has = |fits: &dyn Fn(&SavedCell) -> bool| cells.iter().any(fits);
        let mut part = SavedPlan { gathered: true, ..plan.clone() };
        part.datasets.retain(|(name, _)| has(&|cell| cell.dataset == *name));
        part.columns.retain(|column| has(&|cell| cell.column.as_ref() == Some(&column.label)));
        part.shots.retain(|shots| has(&|cell| cell.sample.is_some_and(|(known, _)| known == *shots)));
        part.seeds.retain(|seed| has(&|cell| cell.sample.is_some_and(|(_, known)| known.sample == *seed)));
        part.initialisations
            .retain(|seed| has(&|cell| cell.sample.is_some_and(|(_, known)| known.initialisation == *seed)));
        part.zero_shot
            .0
            .retain(|prompts| has(&|cell| cell.sample.is_none() && cell.column.as_deref() == prompts.label()));
        part.cells = cells;
        // What was set for a method that is not shown says nothing about the numbers that are.
        if let Some(asked) = &mut part.asked {
            let shown: Vec<&str> =
                part.columns.iter().filter_map(|column| Some(column.method.as_ref()?.id.as_str())).collect();
            asked.set.retain(|option, _| option.split_once('.').is_some_and(|(method, _)| shown.contains(&method)));
        }
        Some(part)
    }

    /// Rows and columns as asked for, else as the suite has them. Shots and seeds that were asked for and are in no
    /// plan are holes.
    fn put_in_order(&self, gathered: &mut Gathered) {
        let plan = &mut gathered.plan;
        let suite = embedded_suite(&gathered.suite).and_then(|_| load_suite(&gathered.suite).ok()).map(|s| s.value);
        let rank = |names: &[String], name: &str| names.iter().position(|known| known == name).unwrap_or(usize::MAX);
        let rows: Vec<String> = match &suite {
            _ if !self.datasets.is_empty() => self.datasets.clone(),
            Some(suite) => [&suite.datasets, suite.table.kind().targets()].concat(),
            None => Vec::new(),
        };
        plan.datasets.sort_by_key(|(name, _)| rank(&rows, name));
        let methods: Vec<String> = match &suite {
            _ if !self.methods.is_empty() => self.methods.clone(),
            Some(suite) => suite.methods.iter().map(|entry| entry.method.clone()).collect(),
            None => Vec::new(),
        };
        plan.columns.sort_by_key(|column| {
            let id = column.method.as_ref().map_or("", |method| &method.id);
            rank(&methods, &column.label).min(rank(&methods, id))
        });
        if plan.columns.is_empty() {
            return;
        }
        if self.shots.is_empty() {
            plan.shots.sort_unstable();
        } else {
            plan.shots.clone_from(&self.shots);
        }
        if self.seeds.is_empty() {
            plan.seeds.sort_unstable();
            plan.initialisations.sort_unstable();
        } else {
            // Crossed seeds have two lists, which need not be alike: what is in one of them is no hole in the other.
            let asked = || self.seeds.iter().copied();
            let initialisations: Vec<u64> = asked().filter(|seed| plan.initialisations.contains(seed)).collect();
            plan.seeds = asked().filter(|seed| plan.seeds.contains(seed) || !initialisations.contains(seed)).collect();
            plan.initialisations = initialisations;
        }
    }
}

impl Gathered {
    /// Whether the evaluations of a plan may share a mean with those that are already here.
    fn takes(&self, part: &SavedPlan, name: &str) -> bool {
        let known = |plan: &SavedPlan| plan.asked.is_some();
        if !known(&self.plan) || !known(part) {
            // Plans of earlier versions do not say how they came about.
            return self.from.iter().any(|from| from == name);
        }
        let places: BTreeMap<String, &SavedCell> = self.plan.cells.iter().map(|cell| (place(cell), cell)).collect();
        let agrees = |cell: &SavedCell| places.get(&place(cell)).is_none_or(|known| known.id == cell.id);
        differences(&self.plan, part).is_empty() && part.cells.iter().all(agrees)
    }

    fn add(&mut self, name: &str, part: &SavedPlan) {
        let plan = &mut self.plan;
        self.from.push(name.to_owned());
        let known: BTreeSet<String> = plan.cells.iter().map(place).collect();
        plan.cells.extend(part.cells.iter().filter(|cell| !known.contains(&place(cell))).cloned());
        extend(&mut plan.datasets, &part.datasets);
        extend(&mut plan.columns, &part.columns);
        extend(&mut plan.shots, &part.shots);
        extend(&mut plan.seeds, &part.seeds);
        extend(&mut plan.initialisations, &part.initialisations);
        extend(&mut plan.notes, &part.notes);
        extend(&mut plan.zero_shot.0, &part.zero_shot.0);
        if let (Some(asked), Some(other)) = (&mut plan.asked, &part.asked) {
            asked.splits.extend(other.splits.clone());
            asked.descriptions.extend(other.descriptions.clone());
            asked.set.extend(other.set.clone());
        }
    }
}

fn is_in<T: PartialEq>(wanted: &[T], item: &T) -> bool {
    wanted.is_empty() || wanted.contains(item)
}

fn extend<T: Clone + PartialEq>(all: &mut Vec<T>, more: &[T]) {
    for item in more {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
}

/// Where an evaluation belongs, regardless of its recipe.
fn place(cell: &SavedCell) -> String {
    let SavedCell { id: _, dataset, column, sample, classes, corruption, epoch } = cell;
    json!([dataset, column, sample, classes, corruption, epoch]).to_string()
}

/// How the recipes of two plans differ, in words. What only one of them has is not compared.
fn differences(one: &SavedPlan, other: &SavedPlan) -> Vec<String> {
    let (Some(a), Some(b)) = (&one.asked, &other.asked) else {
        let same = one.asked.is_none() && other.asked.is_none() && one.cells == other.cells;
        return if same { Vec::new() } else { vec!["what an earlier version did not keep".to_owned()] };
    };
    let fact = |what: &str, of: &dyn Fn(&Asked) -> Value| (of(a) != of(b)).then(|| what.to_owned());
    let facts = [
        fact("the protocol", &|asked| json!(asked.protocol)),
        fact("the precision", &|asked| json!(asked.precision)),
        fact("the backbone's weights", &|asked| json!(asked.checkpoint.hash)),
        fact("what is assumed of the backbone", &|asked| json!(asked.checkpoint.assumed)),
        fact("how many test images count", &|asked| json!(asked.limit)),
        fact("where few-shot samples come from", &|asked| json!(asked.few_shot_lists)),
        fact("the version of nemesis", &|asked| json!(asked.engine)),
        (one.table != other.table).then(|| "what is measured".to_owned()),
        // Runs that share samples or initialisations have no place in a mean over runs that do not.
        (one.initialisations.is_empty() != other.initialisations.is_empty())
            .then(|| "whether samples and initialisations are crossed (`--split-seeds`)".to_owned()),
    ];
    let columns = one.columns.iter().filter_map(|column| {
        let same = other.columns.iter().find(|known| known.label == column.label)?;
        (column.method != same.method).then(|| format!("the options or the version of {}", column.label))
    });
    let datasets = a.splits.iter().filter_map(|(name, split)| {
        let shown = |plan: &SavedPlan| plan.datasets.iter().any(|(known, _)| known == name);
        let same = b.splits.get(name).filter(|_| shown(one) && shown(other))?;
        (same.manifest != split.manifest).then(|| format!("the data set `{name}`"))
    });
    let described = a.descriptions.iter().filter_map(|(name, hash)| {
        let same = b.descriptions.get(name)?;
        (same != hash).then(|| format!("the descriptions of `{name}`"))
    });
    let mut all: Vec<String> = facts.into_iter().flatten().chain(columns).chain(datasets).chain(described).collect();
    if all.is_empty() {
        let places: BTreeMap<String, &SavedCell> = one.cells.iter().map(|cell| (place(cell), cell)).collect();
        let differs = |cell: &&SavedCell| places.get(&place(cell)).is_some_and(|known| known.id != cell.id);
        let datasets: BTreeSet<&str> = other.cells.iter().filter(differs).map(|cell| cell.dataset.as_str()).collect();
        all.extend(datasets.into_iter().map(|name| format!("the images of `{name}` or something else")));
    }
    all
}
