//! `lpplus`: `methods/linear_probe_p2.py` of FereshteShakeri/FewShot-CLIP-Strong-Baseline, with the gradient of the
//! blending factors that it never clears.

use super::compare::{STEPS, VALUES};
use super::features::{Checks, Given, GivenTexts, Scene, batch, learned, logits, replace, right, set};
use super::file::Case;
use super::subject::Subject;
use super::towers::Towers;
use crate::check::Check;
use crate::fixtures::{Fixtures, Tensors};
use crate::methods::Create;
use nemesis_core::method::{Host, Method};
use nemesis_core::train::Services;
use nemesis_core::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tch::{Kind, Tensor};

/// A linear probe with blended text scores.
#[derive(Debug)]
pub(super) struct LpPlusPlus;

#[derive(Deserialize)]
struct OwnCase {
    id: usize,
    epochs: u64,
    alpha_update_every: u64,
    test_accuracy_percent_at_best_val: f64,
    trace: Vec<Traced>,
}

#[derive(Deserialize)]
struct Traced {
    /// The blending factors before the step.
    alpha: Vec<f64>,
    loss: f64,
}

const LEARNED: [&str; 3] = ["weight", "bias", "alpha"];

impl Subject for LpPlusPlus {
    fn files(&self) -> &'static [&'static str] {
        &["lpplus"]
    }

    fn method(&self) -> &'static str {
        "lp-plus-plus"
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
        let towers = towers.of(&file.weights)?;
        let mut all = Vec::new();
        for case in &file.cases {
            let names = nemesis_core::engine::clean_names(&file.class_names);
            let scene = Scene::new(&towers, names, "a photo of a {}.", case.epochs)?;
            let mut run = Run { case, scene: &scene, golden: &golden, create };
            let mut checks = Checks::new(format!("{name}, case {}", case.id));
            run.start(&mut checks)?;
            run.course(&mut checks)?;
            run.choice(&mut checks)?;
            all.extend(checks.all);
        }
        Ok(Some(all))
    }
}

struct Run<'a, 'b> {
    case: &'a OwnCase,
    scene: &'a Scene,
    golden: &'a Tensors,
    create: &'a mut Create<'b>,
}

impl Run<'_, '_> {
    /// The host that has the golden text features: the file does not say which prompts they are of.
    fn host<'a>(&self, services: &'a Services<'a>) -> Result<GivenTexts<'a>> {
        Ok(GivenTexts { services, texts: self.golden.get("text_weights")?.tr() })
    }

    /// The method after so many epochs, from the golden start; with `chooses` the best of them.
    fn after(&mut self, epochs: u64, chooses: bool, host: &GivenTexts<'_>) -> Result<Box<dyn Method>> {
        let options = json!({
            "train_epoch": epochs,
            "alpha_every": self.case.alpha_update_every,
            "never_clear_alpha_gradient": true,
            "choose_epoch": chooses,
        });
        let mut method = self.scene.create(self.create, "lp-plus-plus", &options, host)?;
        let train = set(self.golden, "train_features_raw", "train_labels")?;
        let val = set(self.golden, "val_features_raw", "val_labels")?;
        method.prepare(&train, Some(&val), host)?;
        let bias = self.golden.get("init.bias")?;
        replace(&mut *method, &[("bias", bias)])?;
        method.fit(&train, host)?;
        Ok(method)
    }

    /// Where training starts: parameters, logits and gradients.
    fn start(&mut self, checks: &mut Checks) -> Result<()> {
        let services = self.scene.services();
        let host = self.host(&services)?;
        let train = set(self.golden, "train_features_raw", "train_labels")?;
        let started = self.after(0, false, &host).and_then(|mut method| {
            let mut all: Vec<Tensor> =
                LEARNED.into_iter().map(|name| learned(&*method, name)).collect::<Result<_>>()?;
            all.push(logits(&mut *method, &train.features, &host)?);
            let batch = batch(train.features.shallow_clone(), &train.labels, 0, 0, 1);
            let loss = method.loss(&batch, &host)?;
            host.backward(&loss)?;
            all.extend(method.parameters()?.into_iter().map(|parameter| parameter.tensor.grad()));
            Ok(all)
        });
        let names = ["init.weight", "init.bias", "init.alpha", "logits0", "grad0.weight", "grad0.bias", "grad0.alpha"];
        for (at, name) in names.into_iter().enumerate() {
            let ours = started.as_ref().map(|all| all[at].shallow_clone()).map_err(Clone::clone);
            checks.tensor(name, if at < 4 { VALUES } else { STEPS }, ours, &self.golden.get(name)?);
        }
        Ok(())
    }

    /// The losses of all epochs, and the parameters after some.
    fn course(&mut self, checks: &mut Checks) -> Result<()> {
        let services = self.scene.services();
        let host = self.host(&services)?;
        let losses: Vec<f64> = self.case.trace.iter().map(|traced| traced.loss).collect();
        let ours = self.after(self.case.epochs, false, &host).and_then(|_| {
            let reported = services.end_step().remove("cross_entropy").unwrap_or_default();
            reported.iter().map(|loss| Ok(f64::try_from(loss.to_kind(Kind::Double))?)).collect()
        });
        checks.numbers("losses", VALUES, ours, &losses);
        let is_known = |epoch: &u64| self.golden.get(&format!("step{epoch}.weight")).is_ok();
        let known: Vec<u64> = (1..=self.case.epochs).filter(is_known).collect();
        if known.is_empty() {
            return Err(Error::new("the case has no parameters after a step"));
        }
        for epoch in known {
            // The factors are known before each epoch's step, and after the last.
            let alpha = match self.case.trace.get(epoch as usize) {
                Some(next) => Tensor::from_slice(&next.alpha).unsqueeze(0),
                None => self.golden.get("final.alpha")?,
            };
            let of = |name: &str| self.golden.get(&format!("step{epoch}.{name}"));
            let golden = [of("weight")?, of("bias")?, alpha];
            let method = self.after(epoch, false, &host);
            for (name, golden) in LEARNED.into_iter().zip(&golden) {
                let ours = method.as_ref().map_err(Clone::clone).and_then(|method| learned(&**method, name));
                checks.tensor(&format!("{name} after step {epoch}"), STEPS, ours, golden);
            }
        }
        Ok(())
    }

    /// The accuracy of the epoch that is the best on validation images.
    fn choice(&mut self, checks: &mut Checks) -> Result<()> {
        let services = self.scene.services();
        let host = self.host(&services)?;
        let test = set(self.golden, "test_features_raw", "test_labels")?;
        let count = self.after(self.case.epochs, true, &host).and_then(|mut method| {
            let said = logits(&mut *method, &test.features, &host)?;
            Ok((right(&said, &test.labels)?, test.labels.size()[0]))
        });
        checks.accuracy("test accuracy of the best epoch", count, self.case.test_accuracy_percent_at_best_val);
        Ok(())
    }
}
