//! `tip_adapter`: `main.py` and `utils.py` of gaopengcuhk/Tip-Adapter, without training and fine-tuned.

use super::compare::{STEPS, VALUES};
use super::features::{Checks, Given, Scene, batch, learned, logits, replace, right, set};
use super::file::{Case, Optimizer};
use super::subject::Subject;
use super::towers::Towers;
use crate::check::Check;
use crate::fixtures::{Fixtures, Tensors};
use crate::methods::Create;
use crate::schedule;
use nemesis_core::method::{FeatureSet, Method, ScheduleUnit};
use nemesis_core::train::{Optimiser, ResolvedProtocol, Services, step};
use nemesis_core::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tch::Tensor;

/// A cache of the few-shot images, and its fine-tuned form.
#[derive(Debug)]
pub(super) struct TipAdapter;

#[derive(Deserialize)]
#[serde(untagged)]
enum OwnCase {
    Free(Free),
    Tuned(Tuned),
}

/// The cache without training.
#[derive(Deserialize)]
struct Free {
    id: usize,
    templates: Vec<String>,
    beta_alpha: Vec<[f64; 2]>,
    search: Search,
    accuracies_percent: Accuracies,
}

#[derive(Deserialize)]
struct Search {
    scale: [f64; 2],
    steps: [u64; 2],
    best_beta: f64,
    best_alpha: f64,
}

#[derive(Deserialize)]
struct Accuracies {
    zero_shot_val: f64,
    tip_val: f64,
    zero_shot_test: f64,
    tip_test_searched: f64,
}

/// The cache with trained keys.
#[derive(Deserialize)]
struct Tuned {
    id: usize,
    beta: f64,
    alpha: f64,
    optimizer: Optimizer,
    trace: Vec<Traced>,
}

#[derive(Deserialize)]
struct Traced {
    lr: f64,
    loss: f64,
}

impl Subject for TipAdapter {
    fn files(&self) -> &'static [&'static str] {
        &["tip_adapter"]
    }

    fn method(&self) -> &'static str {
        "tip-adapter"
    }

    fn options(&self, _case: &Case) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }

    fn checks(
        &self,
        name: &str,
        fixtures: &Fixtures,
        towers: &mut Towers<'_>,
        create: &mut Create<'_>,
    ) -> Result<Option<Vec<Check>>> {
        let (file, golden) = fixtures.pair::<Given<OwnCase>>(name)?;
        let names = nemesis_core::engine::clean_names(&file.class_names);
        let scene = Scene::new(&towers.of(&file.weights)?, names, "a photo of a {}.", 1)?;
        // The fine-tuned form has the other's templates.
        let templates = file.cases.iter().find_map(|case| match case {
            OwnCase::Free(free) => Some(free.templates.clone()),
            OwnCase::Tuned(_) => None,
        });
        let templates = templates.ok_or_else(|| Error::new("no case says its `templates`"))?;
        let mut run = Run { scene: &scene, golden: &golden, templates, create };
        let mut all = Vec::new();
        for case in &file.cases {
            all.extend(match case {
                OwnCase::Free(case) => run.free(case, Checks::new(format!("{name}, case {}", case.id)))?,
                OwnCase::Tuned(case) => run.tuned(case, Checks::new(format!("{name}, case {}", case.id)))?,
            });
        }
        Ok(Some(all))
    }
}

struct Run<'a, 'b> {
    scene: &'a Scene,
    golden: &'a Tensors,
    templates: Vec<String>,
    create: &'a mut Create<'b>,
}

impl Run<'_, '_> {
    /// The few-shot images, one view after the other.
    fn train(&self) -> Result<FeatureSet> {
        let set = set(self.golden, "train_features_raw", "train_labels")?;
        let width = set.features.size().last().copied().unwrap_or_default();
        Ok(FeatureSet { features: set.features.f_reshape([-1, width])?, ..set })
    }

    /// A filled cache with these options beside the templates.
    fn filled(
        &mut self,
        id: &str,
        mut options: Value,
        val: Option<&FeatureSet>,
        services: &Services<'_>,
    ) -> Result<Box<dyn Method>> {
        options["templates"] = json!(self.templates);
        let mut method = self.scene.create(self.create, id, &options, services)?;
        let train = self.train()?;
        method.prepare(&train, val, services)?;
        if id == "tip-adapter" {
            method.fit(&train, services)?;
        }
        Ok(method)
    }

    fn free(&mut self, case: &Free, mut checks: Checks) -> Result<Vec<Check>> {
        let services = self.scene.services();
        let (val, test) =
            (set(self.golden, "val_features", "val_labels")?, set(self.golden, "test_features", "test_labels")?);
        let fixed = |beta: f64, alpha: f64| json!({ "init_beta": beta, "init_alpha": alpha, "search_hp": false });
        let plain = self.filled("tip-adapter", fixed(1.0, 1.0), None, &services);
        for name in ["cache_keys", "cache_values"] {
            // Ours has keys in rows, and values in columns.
            let ours = plain.as_ref().map_err(Clone::clone).and_then(|method| Ok(learned(&**method, name)?.tr()));
            checks.tensor(name, VALUES, ours, &self.golden.get(name)?);
        }
        for (at, [beta, alpha]) in case.beta_alpha.iter().enumerate() {
            let ours = self
                .filled("tip-adapter", fixed(*beta, *alpha), None, &services)
                .and_then(|mut method| logits(&mut *method, &test.features, &services));
            let name = format!("tip_logits.{at}");
            checks.tensor(&name, VALUES, ours, &self.golden.get(&name)?);
        }
        let options = json!({ "search_scale": case.search.scale, "search_step": case.search.steps });
        let mut searched = self.filled("tip-adapter", options, Some(&val), &services);
        let ours = searched
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|method| Ok(Vec::<f64>::try_from(learned(&**method, "beta_alpha")?)?));
        checks.numbers("best beta and alpha", 1e-9, ours, &[case.search.best_beta, case.search.best_alpha]);

        let initial = case.beta_alpha.first().copied().unwrap_or([1.0, 1.0]);
        let accuracies = &case.accuracies_percent;
        for (what, [beta, alpha], of, golden) in [
            ("zero-shot accuracy, validation", [1.0, 0.0], &val, accuracies.zero_shot_val),
            ("zero-shot accuracy, test", [1.0, 0.0], &test, accuracies.zero_shot_test),
            ("accuracy, validation", initial, &val, accuracies.tip_val),
        ] {
            let method = self.filled("tip-adapter", fixed(beta, alpha), None, &services);
            checks.accuracy(what, method.and_then(|mut method| count(&mut *method, of, &services)), golden);
        }
        let count = searched.as_mut().map_err(|e| e.clone()).and_then(|method| count(&mut **method, &test, &services));
        checks.accuracy("accuracy with the best beta and alpha, test", count, accuracies.tip_test_searched);
        Ok(checks.all)
    }

    fn tuned(&mut self, case: &Tuned, mut checks: Checks) -> Result<Vec<Check>> {
        let taken = self.steps(case);
        let of = |pick: &dyn Fn(&Path) -> Option<Tensor>| {
            let missing = || Error::new("the case has fewer steps");
            taken.as_ref().map_err(Error::clone).and_then(|path| pick(path).ok_or_else(missing))
        };
        checks.tensor("f.init.weight", VALUES, of(&|path| Some(path.start.copy())), &self.golden.get("f.init.weight")?);
        checks.tensor("f.logits0", VALUES, of(&|path| Some(path.logits.copy())), &self.golden.get("f.logits0")?);
        let numbers = |pick: &dyn Fn(&Path) -> Vec<f64>| taken.as_ref().map(pick).map_err(Error::clone);
        let losses: Vec<f64> = case.trace.iter().map(|traced| traced.loss).collect();
        checks.numbers("loss", VALUES, numbers(&|path| path.losses.clone()), &losses);
        let rates: Vec<f64> = case.trace.iter().map(|traced| traced.lr).collect();
        checks.numbers("learning rates", schedule::TOLERANCE, numbers(&|path| path.rates.clone()), &rates);
        checks.tensor("gradient", STEPS, of(&|path| Some(path.gradient.copy())), &self.golden.get("f.grad0.weight")?);
        for number in 1..=case.trace.len() {
            let golden = self.golden.get(&format!("f.step{number}.weight"))?;
            let ours = of(&|path| path.keys.get(number - 1).map(Tensor::copy));
            checks.tensor(&format!("parameters after step {number}"), STEPS, ours, &golden);
        }
        let after = self.golden.get("f.test_logits_after")?;
        checks.tensor("f.test_logits_after", STEPS, of(&|path| Some(path.after.copy())), &after);
        Ok(checks.all)
    }

    /// The steps of the fine-tuned form, from the golden keys.
    fn steps(&mut self, case: &Tuned) -> Result<Path> {
        let services = self.scene.services();
        let options = json!({ "init_beta": case.beta, "init_alpha": case.alpha, "search_hp": false });
        let mut method = self.filled("tip-adapter-f", options, None, &services)?;
        let start = learned(&*method, "weight")?;
        replace(&mut *method, &[("weight", self.golden.get("f.init.weight")?)])?;
        let (features, labels) = (self.golden.get("f.image_features_raw")?, self.golden.get("f.labels")?);
        let logits_before = logits(&mut *method, &features.get(0), &services)?;
        let steps = case.trace.len() as u64;
        let protocol = ResolvedProtocol {
            learning_rate: case.trace.first().map_or(0.0, |traced| traced.lr),
            schedule_unit: ScheduleUnit::Step,
            epochs: steps,
            ..case.optimizer.protocol()
        };
        let mut optimiser = Optimiser::new(method.parameters()?, &protocol)?;
        let mut path = Path {
            start,
            logits: logits_before,
            losses: Vec::new(),
            rates: Vec::new(),
            gradient: Tensor::new(),
            keys: Vec::new(),
            after: Tensor::new(),
        };
        for number in 0..steps {
            let row = number as i64;
            let batch = batch(features.get(row), &labels.get(row), number, number, steps);
            let rate = protocol.learning_rate(number, 1);
            path.losses.push(step(&mut *method, &mut optimiser, rate, &batch, &services)?);
            path.rates.push(rate);
            if number == 0 {
                path.gradient = method.parameters()?.remove(0).tensor.grad().copy();
            }
            path.keys.push(learned(&*method, "weight")?);
        }
        path.after = logits(&mut *method, &self.golden.get("test_features")?, &services)?;
        Ok(path)
    }
}

/// What the fine-tuned form makes of a case.
struct Path {
    start: Tensor,
    logits: Tensor,
    losses: Vec<f64>,
    rates: Vec<f64>,
    gradient: Tensor,
    keys: Vec<Tensor>,
    after: Tensor,
}

/// How many images of a set are classified right, of how many.
fn count(method: &mut dyn Method, set: &FeatureSet, services: &Services<'_>) -> Result<(i64, i64)> {
    let said = logits(method, &set.features, services)?;
    Ok((right(&said, &set.labels)?, set.labels.size()[0]))
}
