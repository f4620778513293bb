//! Records of another build, and whether this one may use them: a sample is computed again and compared.

use crate::plan::{Plan, PlannedCell};
use crate::run::{Event, RunOptions, run};
use nemesis_core::method::{State, random};
use nemesis_core::record::{
    AnyRecord, Build, CellId, EvaluationCell, Proof, Provenance, Record, Recorded, Store, TrainingCell,
};
use nemesis_core::{Error, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tch::Kind;

/// A planned cell without a record, and the record that another build left of it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What this build would compute.
    pub planned: PlannedCell,
    /// The other build's record.
    pub old: CellId,
    /// The other build.
    build: Build,
}

/// What a comparison found different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The cell, in words.
    pub cell: String,
    /// What differs.
    pub what: String,
}

/// The planned cells without a record that a record of another build fits. Evaluations follow their trainings.
///
/// # Errors
///
/// When the store cannot be listed.
pub fn candidates(plan: &Plan, store: &Store) -> Result<Vec<Candidate>> {
    let complete = store.complete()?;
    let wanted: Vec<&PlannedCell> = plan.cells.iter().filter(|cell| !complete.contains(&cell.id)).collect();
    // A record that cannot be read is damaged or in another format, and cannot be adopted.
    let recipe_of = |id: CellId, record: Result<AnyRecord>| {
        let cell = record.ok()?.cell();
        Some((cell.recipe(), (id, Build::of(&cell))))
    };
    let by_recipe: HashMap<CellId, (CellId, Build)> = store.read_all(recipe_of)?.into_iter().collect();
    let found = |planned: &PlannedCell| {
        let (old, build) = by_recipe.get(&planned.cell().recipe())?.clone();
        Some(Candidate { planned: planned.clone(), old, build })
    };
    Ok(wanted.into_iter().filter_map(found).collect())
}

/// About `count` of the candidate evaluations, spread over builds, methods and data sets: at least one for each build
/// of a method, and the others chosen by the seed. Of a build that has left trainings alone, it is trainings.
pub fn sample(candidates: &[Candidate], count: usize, seed: u64) -> Vec<&Candidate> {
    let mut strata: BTreeMap<(&Build, &str), Vec<&Candidate>> = BTreeMap::new();
    let evaluations = candidates.iter().filter(|c| !c.planned.is_training());
    let evaluated: BTreeSet<&Build> = evaluations.map(|candidate| &candidate.build).collect();
    for candidate in candidates.iter().filter(|c| !c.planned.is_training() || !evaluated.contains(&c.build)) {
        strata.entry((&candidate.build, candidate.planned.home())).or_default().push(candidate);
    }
    let builds: BTreeSet<&Build> = strata.keys().map(|(build, _)| *build).collect();
    let members = (1..).zip(strata).map(|(stream, (stratum, members))| (stratum, shuffled(members, seed, stream)));
    let mut order = shuffled(members.collect(), seed, 0);
    // The first of each build comes first.
    let mut met = BTreeSet::new();
    order.sort_by_key(|((build, _), _)| !met.insert(*build));
    let most = order.iter().map(|(_, members)| members.len()).max().unwrap_or(0);
    let rounds = (0..most).flat_map(|round| order.iter().filter_map(move |(_, members)| members.get(round).copied()));
    rounds.take(count.max(builds.len())).collect()
}

/// The items in an order drawn from a random stream of their own.
fn shuffled<T>(items: Vec<T>, seed: u64, stream: u64) -> Vec<T> {
    let order = random::permutation(items.len(), |count| random::draws(seed, "adopt", stream, count));
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    order.into_iter().filter_map(|place| items[place].take()).collect()
}

/// The part of a plan that computes these cells again: the cells, and the trainings that they evaluate.
pub fn part(plan: &Plan, sample: &[&Candidate]) -> Plan {
    let mut ids: BTreeSet<CellId> = sample.iter().map(|candidate| candidate.planned.id).collect();
    ids.extend(sample.iter().filter_map(|candidate| candidate.planned.evaluates()));
    let mut part = plan.clone();
    part.cells.retain(|cell| ids.contains(&cell.id));
    part
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// How far numbers may differ, relative to the largest: 0 if both sides were computed on the same machine.
    pub tolerance: f64,
    /// What differs by more.
    pub differences: Vec<Difference>,
    /// The signal that ended it before everything was compared, if one did.
    pub stopped: Option<i32>,
}

/// How far learned vectors from different machines may differ, unless the user says otherwise.
const ELSEWHERE: f64 = 1e-3;

/// Computes a part of a plan into a store of its own and compares it with the candidates' records.
///
/// # Errors
///
/// When no worker can be started, or a record cannot be read.
pub fn compare(
    part: &Plan,
    candidates: &[Candidate],
    (old, new): (&Store, &Store),
    options: &RunOptions,
    tolerance: Option<f64>,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Comparison> {
    let stopped = run(part, new, options, None, on_event)?.stopped;
    let mut comparison = Comparison { tolerance: tolerance.unwrap_or(0.0), differences: Vec::new(), stopped };
    // What was not computed does not differ.
    if stopped.is_some() {
        return Ok(comparison);
    }
    for planned in &part.cells {
        let Some(candidate) = candidates.iter().find(|candidate| candidate.planned.id == planned.id) else { continue };
        let pair = Pair { sides: (old, new), ids: (candidate.old, planned.id), tolerance };
        let compared = if planned.is_training() {
            pair.of::<TrainingCell>(trainings)?
        } else {
            pair.of::<EvaluationCell>(evaluations)?
        };
        match compared {
            Some((used, difference)) => {
                comparison.tolerance = comparison.tolerance.max(used);
                let named = |what| Difference { cell: planned.title(), what };
                comparison.differences.extend(difference.map(named));
            }
            None => comparison.differences.push(Difference { cell: planned.title(), what: failed(new, planned)? }),
        }
    }
    Ok(comparison)
}

/// Two records of one recipe in two stores.
struct Pair<'a> {
    sides: (&'a Store, &'a Store),
    ids: (CellId, CellId),
    tolerance: Option<f64>,
}

/// A store and a record in it.
type Side<'a, C> = (&'a Store, &'a Record<C>);

impl Pair<'_> {
    /// The tolerance that applies to the two, and what differs by more. None if one is missing.
    fn of<C: Recorded>(
        &self,
        differ: impl Fn(Side<'_, C>, Side<'_, C>, f64) -> Result<Option<String>>,
    ) -> Result<Option<(f64, Option<String>)>> {
        let (old, new) = self.sides;
        let (Some(theirs), Some(ours)) = (old.get::<C>(&self.ids.0)?, new.get::<C>(&self.ids.1)?) else {
            return Ok(None);
        };
        let by_default = if same_machine(&theirs.provenance, &ours.provenance) { 0.0 } else { ELSEWHERE };
        let tolerance = self.tolerance.unwrap_or(by_default);
        Ok(Some((tolerance, differ((old, &theirs), (new, &ours), tolerance)?)))
    }
}

fn failed(store: &Store, planned: &PlannedCell) -> Result<String> {
    let reason = store
        .failure(&planned.id)?
        .map_or_else(|| "it left no record".to_owned(), |failure| failure.reason.to_string());
    Ok(format!("this build fails on it: {reason}"))
}

/// What differs between two learned states.
fn trainings(
    (old, theirs): Side<'_, TrainingCell>,
    (new, ours): Side<'_, TrainingCell>,
    tolerance: f64,
) -> Result<Option<String>> {
    if theirs.outcome.state == ours.outcome.state && theirs.outcome.kept == ours.outcome.kept {
        return Ok(None);
    }
    let mut epochs: Vec<Option<u64>> = theirs.outcome.kept.keys().map(|epoch| Some(*epoch)).collect();
    epochs.push(None);
    for epoch in epochs {
        let distance = distance(&old.learned(theirs, epoch)?, &new.learned(ours, epoch)?)?;
        if distance.is_none_or(|distance| distance > tolerance) {
            let after = epoch.map_or_else(String::new, |epoch| format!(" after epoch {epoch}"));
            return Ok(Some(match distance {
                Some(distance) => format!("the learned state{after} differs by {distance:.1e} of its largest number"),
                None => format!("the learned state{after} has other tensors"),
            }));
        }
    }
    Ok(None)
}

/// The largest difference between two states, relative to the largest number. None if their tensors have different
/// names or shapes.
fn distance(one: &State, other: &State) -> Result<Option<f64>> {
    if one.len() != other.len() {
        return Ok(None);
    }
    let mut largest: f64 = 0.0;
    for ((name, a), (other_name, b)) in one.iter().zip(other) {
        if name != other_name || a.size() != b.size() || a.kind() != b.kind() {
            return Ok(None);
        }
        if a.numel() == 0 || a.equal(b) {
            continue;
        }
        let (a, b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
        let scale = f64::try_from(a.abs().max())?.max(f64::MIN_POSITIVE);
        largest = largest.max(f64::try_from((a - b).abs().max())? / scale);
    }
    Ok(Some(largest))
}

/// What differs between two evaluations.
fn evaluations(
    (old, theirs): Side<'_, EvaluationCell>,
    (new, ours): Side<'_, EvaluationCell>,
    tolerance: f64,
) -> Result<Option<String>> {
    if theirs.outcome.predictions == ours.outcome.predictions {
        return Ok(None);
    }
    let (theirs, ours) = (old.predictions(theirs)?, new.predictions(ours)?);
    let differing = theirs.iter().zip(&ours).filter(|(a, b)| a != b).count() + theirs.len().abs_diff(ours.len());
    // A prediction flips when two logits are nearly equal. A tolerance above zero allows for a few of these.
    let allowed = if tolerance > 0.0 { theirs.len() / 1000 } else { 0 };
    Ok((differing > allowed).then(|| format!("{differing} of {} predictions differ", theirs.len())))
}

/// Whether everything that affects the last digits is the same on both sides.
fn same_machine(one: &Provenance, other: &Provenance) -> bool {
    let of = |provenance: &Provenance| {
        let Provenance { libtorch, processor, device, threads, .. } = provenance.clone();
        (libtorch, processor, device, threads)
    };
    of(one) == of(other)
}

/// The proof that the candidates may be used, once the part of the plan has been compared.
///
/// # Errors
///
/// When nothing was compared.
pub fn proof(part: &Plan, candidates: &[Candidate], tolerance: f64) -> Result<Proof> {
    let mut build = Build::default();
    for candidate in candidates {
        let Build { engine, methods } = Build::of(&candidate.planned.cell());
        build.engine = engine;
        build.methods.extend(methods);
    }
    let is_compared = |candidate: &&Candidate| part.cells.iter().any(|cell| cell.id == candidate.planned.id);
    let compared: Vec<CellId> = candidates.iter().filter(is_compared).map(|candidate| candidate.old).collect();
    if compared.is_empty() {
        return Err(Error::new("no cell was compared"));
    }
    let how = if tolerance > 0.0 { format!("equal within {tolerance:e}") } else { "equal bit for bit".to_owned() };
    Ok(Proof {
        build,
        tolerance,
        statement: format!("{} cells were recomputed and came out {how}", compared.len()),
        compared,
        records: candidates.iter().map(|candidate| candidate.old).collect(),
    })
}
