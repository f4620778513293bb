//! `cross_modal`: `train.py` and `engine/` of `linzhiqiu/cross_modal_adaptation`.

use super::compare::{Comparison, VALUES, first};
use super::features::{Scene, batch, logits, replace};
use super::file::{Case, File};
use super::replay::{Drawn, Replay};
use super::steps::{Step, Taken};
use super::subject::Subject;
use super::towers::Towers;
use crate::check::Check;
use crate::fixtures::{Fixtures, Tensors};
use crate::methods::Create;
use nemesis_core::backbone::class_words;
use nemesis_core::engine::clean_names;
use nemesis_core::method::{FeatureSet, Host, Method, ScheduleUnit, WarmupKind};
use nemesis_core::train::{Optimiser, ResolvedProtocol, Services, step};
use nemesis_core::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use tch::{Kind, Tensor};

/// A classifier of images and texts.
#[derive(Debug)]
pub(super) struct CrossModal;

/// What the file says besides its cases.
#[derive(Deserialize)]
struct Prompts {
    /// The templates of the texts.
    templates: Vec<String>,
}

impl Subject for CrossModal {
    fn files(&self) -> &'static [&'static str] {
        &["cross_modal"]
    }

    fn method(&self) -> &'static str {
        "cross-modal"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let mut options = case.options(&[("head", "head"), ("modality", "modality"), ("logit", "logit_scale_log")])?;
        let init = match case.text("init") {
            Some("zeroshot") => "zero-shot".into(),
            _ => case.setting("init")?.clone(),
        };
        options.insert("init".to_owned(), init);
        if let Ok(ratio) = case.number("residual_ratio") {
            options.insert("ratio".to_owned(), ratio.into());
        }
        Ok(options)
    }

    fn parameter(&self, name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    /// A warm-up and a cosine by steps; the case has but the first of them.
    fn protocol(&self, case: &Case) -> ResolvedProtocol {
        let number = |name: &str| {
            let schedule = case.setting("schedule").ok().and_then(|schedule| schedule[name].as_u64());
            schedule.unwrap_or_default()
        };
        ResolvedProtocol {
            warmup: WarmupKind::Linear,
            warmup_epochs: 0,
            warmup_steps: number("warmup_iters"),
            schedule_unit: ScheduleUnit::Step,
            steps: Some(number("cosine_iters")),
            ..case.protocol()
        }
    }

    /// What the method's own classifier starts from.
    fn compare(&self, case: &Case, comparison: &mut Comparison<'_>) {
        if case.text("init") != Some("zeroshot") {
            return;
        }
        let name = if case.text("head") == Some("adapter") { "init.head.1.weight" } else { "init.head.weight" };
        comparison.tensor(name, VALUES, |taken| {
            first(taken)?.reports.get(START).ok_or_else(|| Error::new("the method learns nothing"))
        });
    }

    fn checks(
        &self,
        name: &str,
        fixtures: &Fixtures,
        towers: &mut Towers<'_>,
        create: &mut Create<'_>,
    ) -> Result<Option<Vec<Check>>> {
        let (file, golden) = fixtures.pair::<File>(name)?;
        let Prompts { templates } = fixtures.json(&format!("{name}.json"))?;
        let towers = towers.of(&file.weights)?;
        let prompts = file.class_names.iter().map(|name| {
            let name = class_words(name);
            templates.iter().map(|template| template.replace("{}", &name)).collect::<Vec<_>>()
        });
        let prompts: Vec<String> = prompts.collect::<Vec<_>>().concat();
        let mut checks = Vec::new();
        for case in &file.cases {
            let scene = Scene::new(&towers, clean_names(&file.class_names), "{}", case.epochs())?;
            let services = scene.services();
            let mut options = self.options(case)?;
            options.insert("templates".to_owned(), templates.clone().into());
            let method = || scene.create(create, self.method(), &options.clone().into(), &services);
            let taken = self.take(case, method, &prompts, &services, &golden);
            let mut comparison = Comparison::new(name, case, &golden, &taken);
            comparison.all(self);
            self.compare(case, &mut comparison);
            checks.extend(comparison.finish());
        }
        Ok(Some(checks))
    }
}

/// The classifier that a method starts from.
const START: &str = "start";

impl CrossModal {
    fn take(
        &self,
        case: &Case,
        method: impl FnOnce() -> Result<Box<dyn Method>>,
        prompts: &[String],
        services: &Services<'_>,
        golden: &Tensors,
    ) -> Result<Taken> {
        let (images, labels) = (golden.get("image_features")?, golden.get("labels")?.to_kind(Kind::Int64));
        let texts = Vec::<Vec<i64>>::try_from(golden.get("text_batch_index")?.to_kind(Kind::Int64))?;
        let first = texts.first().cloned().unwrap_or_default();
        let texts = texts.into_iter().map(|own| own.into_iter().map(|text| text as usize).collect()).collect();
        let mut method = Replay { method: method()?, drawn: Drawn { texts, ..Drawn::default() } };
        method.prepare(&FeatureSet { features: images.get(0), labels: labels.get(0) }, None, services)?;
        let own_start = method.state()?.pop().map(|(_, classifier)| classifier.copy());
        let prefix = case.tensor("init.");
        let start: Vec<_> =
            golden.iter().filter_map(|(name, all)| Some((name.strip_prefix(&prefix)?, all.shallow_clone()))).collect();
        replace(&mut method, &start)?;

        let protocol = self.protocol(case);
        let mut optimiser = Optimiser::new(method.parameters()?, &protocol)?;
        let said = logits(&mut method, &images.get(0), services)?;
        let in_training = if case.text("modality") == Some("cross") {
            let texts = services.encode_strings(prompts)?.f_index_select(0, &Tensor::from_slice(&first))?;
            Some(logits(&mut method, &Tensor::f_cat(&[images.get(0), texts], 0)?, services)?)
        } else {
            None
        };
        let mut steps = Vec::with_capacity(case.trace.len());
        for number in 0..case.trace.len() as u64 {
            let index = number as i64;
            let batch = batch(images.get(index), &labels.get(index), number, 0, case.epochs());
            let rate = protocol.learning_rate(number, 1);
            let loss = step(&mut method, &mut optimiser, rate, &batch, services)?;
            let _ = services.end_step();
            let gradients = method.parameters()?.into_iter().map(|p| (p.name, p.tensor.grad().copy())).collect();
            let state = method.state()?.into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
            let reports = own_start.iter().map(|start| (START.to_owned(), start.shallow_clone())).collect();
            steps.push(Step { rate, loss, reports, gradients, state });
        }
        let learned = method.state()?.into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
        let after = logits(&mut method, &images.get(0), services)?;
        Ok(Taken { logits: said, in_training, steps, learned, after })
    }
}
