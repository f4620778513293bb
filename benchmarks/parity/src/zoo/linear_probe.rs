//! `linear_probe`: `methods/linear_probe.py` of FereshteShakeri/FewShot-CLIP-Strong-Baseline.
//!
//! Only solutions that have converged are compared number by number: scikit-learn stops at a tolerance. What it leaves
//! there has to be no better than our minimum, by its objective.

use super::compare::VALUES;
use super::features::{Checks, Given, Scene, learned, logits, replace, right, set};
use super::file::Case;
use super::subject::Subject;
use super::towers::Towers;
use crate::check::Check;
use crate::fixtures::{Fixtures, Tensors};
use crate::methods::Create;
use nemesis_core::Result;
use nemesis_core::method::FeatureSet;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tch::{Kind, Tensor};

/// Logistic regression on the image features.
#[derive(Debug)]
pub(super) struct LinearProbe;

#[derive(Deserialize)]
struct OwnCase {
    #[serde(rename = "coarse_C")]
    coarse_c: Vec<f64>,
    coarse_val_accuracy: Vec<f64>,
}

/// The value of `C` whose solution is given without a tolerance.
const TIGHT: &str = "tight_C0.316";

impl Subject for LinearProbe {
    fn files(&self) -> &'static [&'static str] {
        &["linear_probe"]
    }

    fn method(&self) -> &'static str {
        "linear-probe"
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
        let scene = Scene::new(&towers.of(&file.weights)?, file.class_names, "a photo of a {}.", 1)?;
        let mut checks = Checks::new(name);
        tight(&scene, &golden, create, &mut checks)?;
        for case in &file.cases {
            coarse(case, &scene, &golden, create, &mut checks)?;
        }
        Ok(Some(checks.all))
    }
}

/// The solution that has converged.
fn tight(scene: &Scene, golden: &Tensors, create: &mut Create<'_>, checks: &mut Checks) -> Result<()> {
    let of = |what: &str| golden.get(&format!("{TIGHT}.{what}"));
    let services = scene.services();
    let options = json!({ "c": 0.316, "tol": 1e-12, "max_iter": 10_000 });
    let fitted = scene.create(create, "linear-probe", &options, &services).and_then(|mut method| {
        method.fit(&set(golden, "train_features_raw", "train_labels")?, &services)?;
        let said = logits(&mut *method, &golden.get("test_features_raw")?, &services)?;
        Ok([learned(&*method, "coef")?, learned(&*method, "intercept")?, said.log_softmax(-1, Kind::Double)])
    });
    for (at, what) in ["coef", "intercept", "test_log_proba"].into_iter().enumerate() {
        let ours = fitted.as_ref().map(|all| all[at].shallow_clone()).map_err(Clone::clone);
        checks.tensor(&format!("{TIGHT}, {what}"), VALUES, ours, &of(what)?);
    }
    Ok(())
}

/// Solutions at scikit-learn's tolerance, and what was chosen by them.
fn coarse(case: &OwnCase, scene: &Scene, golden: &Tensors, create: &mut Create<'_>, checks: &mut Checks) -> Result<()> {
    let services = scene.services();
    let (train, val) =
        (set(golden, "train_features_raw", "train_labels")?, set(golden, "val_features_raw", "val_labels")?);
    for (at, (c, accuracy)) in case.coarse_c.iter().zip(&case.coarse_val_accuracy).enumerate() {
        let theirs = [golden.get(&format!("coarse{at}.coef"))?, golden.get(&format!("coarse{at}.intercept"))?];
        let method = scene.create(create, "linear-probe", &json!({ "c": c }), &services);
        let loaded = method.and_then(|mut method| {
            replace(&mut *method, &[("coef", theirs[0].shallow_clone()), ("intercept", theirs[1].shallow_clone())])?;
            let said = logits(&mut *method, &val.features, &services)?;
            let converged = json!({ "c": c, "tol": 1e-9, "max_iter": 10_000 });
            let mut method = scene.create(create, "linear-probe", &converged, &services)?;
            method.fit(&train, &services)?;
            let ours = [learned(&*method, "coef")?, learned(&*method, "intercept")?];
            Ok(((right(&said, &val.labels)?, val.labels.size()[0]), ours))
        });
        let count = loaded.as_ref().map(|(count, _)| *count).map_err(Clone::clone);
        checks.accuracy(&format!("C {c:e}, validation accuracy of their solution"), count, accuracy * 100.0);
        let theirs = objective(&theirs, &train, *c);
        // Theirs stops early, and may be above the minimum by more than a tolerance, but never below it.
        let ours = loaded.map(|(_, ours)| vec![objective(&ours, &train, *c).max(theirs)]);
        checks.numbers(&format!("C {c:e}, objective not above theirs"), VALUES, ours, &[theirs]);
    }
    Ok(())
}

/// `0.5 |W|² + C Σ cross-entropy`, over the number of images and C.
fn objective([weight, bias]: &[Tensor; 2], train: &FeatureSet, c: f64) -> f64 {
    let features = train.features.to_kind(Kind::Double);
    let features = &features / features.norm_scalaropt_dim(2.0, [-1i64].as_slice(), true);
    let weight = weight.to_kind(Kind::Double);
    let logits = features.matmul(&weight.tr()) + bias;
    let loss = logits.cross_entropy_for_logits(&train.labels).double_value(&[]);
    let penalty = 0.5 * weight.square().sum(Kind::Double).double_value(&[]);
    loss + penalty / (c * train.labels.size()[0] as f64)
}
