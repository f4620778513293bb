//! Putting a protocol together from several sources, part by part, and what its parts must be.

use super::Protocol;
use super::resolved::LENGTH;
use crate::method::{AverageKind, OptimiserKind, ProtocolPatch, ScheduleKind};
use crate::{Error, Result};
use serde::Serialize;
use serde_json::{Map, Value};

/// Parts that exclude each other: a source that gives one takes the place of the others.
const ALTERNATIVES: [&[&str]; 3] =
    [&["epochs", "steps", "steps_per_shot"], &["warmup_epochs", "warmup_steps"], &["step_size", "milestones"]];

/// Parts that mean something only together with the first.
const FAMILIES: [&[&str]; 3] = [
    &["optimiser", "momentum", "dampening", "nesterov", "betas", "eps", "amsgrad"],
    &["schedule", "schedule_unit", "minimum_learning_rate", "step_size", "milestones", "gamma"],
    &["average", "average_decay", "average_mean", "average_deviation"],
];

impl Protocol {
    /// The protocol with the parts of a patch in place of its own.
    ///
    /// # Errors
    ///
    /// When a part is not a finite number, two parts of the patch exclude each other, or one would have no effect;
    /// [`Error::option`] is the part.
    pub fn patched(&self, patch: &ProtocolPatch) -> Result<Self> {
        let mut parts = to_map(self);
        let given = to_map(patch);
        // JSON has no infinities.
        if let Some((key, _)) = given.iter().find(|(_, value)| value.is_null()) {
            return Err(Error::new(format!("`{key}` is not a finite number")).about(key));
        }
        for keys in ALTERNATIVES {
            let mut present = keys.iter().filter(|key| given.contains_key(**key));
            let Some(first) = present.next() else { continue };
            if let Some(second) = present.next() {
                return Err(Error::new(format!("`{first}` and `{second}` exclude each other"))
                    .about(*second)
                    .help("leave out one of the two"));
            }
            for key in keys {
                parts.remove(*key);
            }
            if LENGTH.contains(first) {
                parts.remove("epochs_by_dataset");
            }
        }
        let groups = parts.get("groups").and_then(Value::as_object).cloned();
        parts.extend(given.clone());
        if let (Some(Value::Object(new)), Some(mut all)) = (given.get("groups").cloned(), groups) {
            for (name, settings) in new {
                match (all.get_mut(&name), settings) {
                    (Some(Value::Object(known)), Value::Object(settings)) => known.extend(settings),
                    (_, settings) => drop(all.insert(name, settings)),
                }
            }
            parts.insert("groups".to_owned(), Value::Object(all));
        }
        let patched: Self = serde_json::from_value(Value::Object(parts))
            .map_err(|e| Error::new(format!("the protocol `{}` cannot be changed: {e}", self.name)))?;
        patched.refuse_idle(given.keys().map(String::as_str))?;
        patched.check()?;
        Ok(patched)
    }

    /// Refuses a protocol that cannot be trained with, or has parts without effect, as it stands in a file.
    ///
    /// # Errors
    ///
    /// When it is one; [`Error::option`] is the part.
    pub fn check_file(&self) -> Result<()> {
        if let Some(key) = self.overrides.iter().find(|key| !ProtocolPatch::KEYS.contains(&key.as_str())) {
            return Err(Error::new(format!("`overrides` names `{key}`, which is not a part of a protocol"))
                .about("overrides")
                .help(crate::error::suggest(key, ProtocolPatch::KEYS.iter().copied())));
        }
        for keys in ALTERNATIVES {
            let parts = to_map(self);
            let mut present = keys.iter().filter(|key| parts.contains_key(**key));
            if let (Some(first), Some(second)) = (present.next(), present.next()) {
                return Err(Error::new(format!("`{first}` and `{second}` exclude each other")).about(*second));
            }
        }
        let parts = to_map(self);
        self.refuse_idle(parts.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.as_str()))?;
        self.check()
    }

    /// What a published patch may change: all but what [`Self::overrides`] names.
    pub fn changeable(&self, published: &ProtocolPatch) -> ProtocolPatch {
        let mut fixed: Vec<&str> = self.overrides.iter().map(String::as_str).collect();
        let alternatives = ALTERNATIVES.into_iter().chain([&LENGTH[..]]);
        let together: Vec<&[&str]> = alternatives
            .filter(|keys| keys.iter().any(|key| fixed.contains(key)))
            .chain(FAMILIES.into_iter().filter(|keys| fixed.contains(&keys[0])))
            .collect();
        fixed.extend(together.into_iter().flatten());
        if !self.warms_up() && fixed.contains(&"warmup_epochs") {
            fixed.extend(["warmup", "warmup_learning_rate"]);
        }
        published.clone().without(&fixed)
    }

    /// Whether the learning rate starts lower.
    fn warms_up(&self) -> bool {
        self.warmup_epochs.is_some_and(|n| n > 0) || self.warmup_steps.is_some_and(|n| n > 0)
    }

    /// Refuses parts that have no effect beside the optimiser, schedule, warm-up or average that there is.
    fn refuse_idle<'a>(&self, given: impl Iterator<Item = &'a str>) -> Result<()> {
        let sgd = self.optimiser == OptimiserKind::Sgd;
        let schedule = self.schedule.unwrap_or_default();
        let average = self.average.unwrap_or_default();
        for key in given {
            let needed = match key {
                "momentum" | "dampening" | "nesterov" => (!sgd).then_some("`optimiser: sgd`"),
                "betas" | "eps" | "amsgrad" => sgd.then_some("`optimiser: adam` or `adamw`"),
                "minimum_learning_rate" => (schedule != ScheduleKind::Cosine).then_some("`schedule: cosine`"),
                "step_size" | "milestones" | "gamma" => (schedule != ScheduleKind::Step).then_some("`schedule: step`"),
                "warmup" | "warmup_learning_rate" => {
                    (!self.warms_up()).then_some("`warmup_epochs` or `warmup_steps` above 0")
                }
                "average_decay" => (average != AverageKind::Moving).then_some("`average: moving`"),
                "average_mean" | "average_deviation" => {
                    (average != AverageKind::Gaussian).then_some("`average: gaussian`")
                }
                _ => None,
            };
            if let Some(needed) = needed {
                return Err(Error::new(format!("`{key}` has no effect without {needed}"))
                    .about(key)
                    .help(format!("leave out `{key}`, or add {needed}")));
            }
        }
        Ok(())
    }

    /// Refuses what cannot be trained with.
    pub(super) fn check(&self) -> Result<()> {
        let refused = |key: &str, expected: &str| {
            let value = to_map(self).get(key).cloned().unwrap_or(Value::Null);
            let what = match value {
                Value::Null => format!("the protocol `{}` needs `{key}`", self.name),
                value => format!("`{key}` is {value}"),
            };
            Err(Error::new(what).about(key).expected(expected))
        };
        let at_least_0 = |value: f64| value.is_finite() && value >= 0.0;
        let above_0 = |value: f64| value.is_finite() && value > 0.0;
        let fraction = |value: f64| (0.0..1.0).contains(&value);
        if !above_0(self.learning_rate) {
            return refused("learning_rate", "a number above 0");
        }
        if !at_least_0(self.weight_decay) {
            return refused("weight_decay", "0 or more");
        }
        if self.batch_size == 0 {
            return refused("batch_size", "1 or more");
        }
        match self.optimiser {
            OptimiserKind::Sgd => {
                if !self.momentum.is_some_and(at_least_0) {
                    return refused("momentum", "a number from 0 on");
                }
                if !self.dampening.is_none_or(f64::is_finite) {
                    return refused("dampening", "a finite number");
                }
                if self.nesterov == Some(true) && (self.momentum == Some(0.0) || self.dampening.unwrap_or(0.0) != 0.0) {
                    return refused("nesterov", "a momentum above 0 and no dampening with Nesterov's rule");
                }
            }
            OptimiserKind::Adam | OptimiserKind::AdamW => {
                if !self.betas.is_none_or(|betas| betas.into_iter().all(fraction)) {
                    return refused("betas", "two numbers from 0 on and below 1");
                }
                if !self.eps.is_none_or(at_least_0) {
                    return refused("eps", "0 or more");
                }
            }
        }
        if !self.clip_norm.is_none_or(above_0) {
            return refused("clip_norm", "a number above 0");
        }
        if !self.minimum_learning_rate.is_none_or(at_least_0) {
            return refused("minimum_learning_rate", "0 or more");
        }
        if self.schedule == Some(ScheduleKind::Step) {
            if !self.gamma.is_some_and(above_0) {
                return refused("gamma", "the factor of a reduction, above 0");
            }
            if self.step_size.is_none_or(|size| size == 0) && self.milestones.is_none() {
                return refused("step_size", "1 or more, or a list of `milestones`");
            }
        }
        if !self.warmup_learning_rate.map_or(!self.warms_up(), at_least_0) {
            return refused("warmup_learning_rate", "0 or more");
        }
        for (key, length) in [("steps", self.steps), ("steps_per_shot", self.steps_per_shot)] {
            if length == Some(0) {
                return refused(key, "1 or more");
            }
        }
        if self.epochs.0.values().chain(self.epochs_by_dataset.values()).any(|epochs| *epochs == 0) {
            return refused("epochs", "1 or more");
        }
        if self.views == Some(0) {
            return refused("views", "1 or more");
        }
        match self.average.unwrap_or_default() {
            AverageKind::Moving if !self.average_decay.is_some_and(fraction) => {
                refused("average_decay", "a number from 0 on and below 1")
            }
            AverageKind::Gaussian if !self.average_mean.is_some_and(f64::is_finite) => {
                refused("average_mean", "an epoch, counted from 1")
            }
            AverageKind::Gaussian if !self.average_deviation.is_some_and(above_0) => {
                refused("average_deviation", "a number of epochs above 0")
            }
            _ => self.check_groups(),
        }
    }

    fn check_groups(&self) -> Result<()> {
        for (name, group) in &self.groups {
            let refused = |key: &str, expected: &str| {
                let what = format!("`{key}` of the group `{name}` in the protocol `{}`", self.name);
                Err(Error::new(what).about("groups").expected(expected))
            };
            for (key, value) in [
                ("lr_scale", group.lr_scale),
                ("weight_decay", group.weight_decay),
                ("momentum", group.momentum),
                ("eps", group.eps),
            ] {
                if value.is_some_and(|value| !value.is_finite() || value < 0.0) {
                    return refused(key, "0 or more");
                }
            }
            if group.betas.is_some_and(|betas| betas.iter().any(|beta| !(0.0..1.0).contains(beta))) {
                return refused("betas", "two numbers from 0 on and below 1");
            }
            let sgd = group.optimiser.unwrap_or(self.optimiser) == OptimiserKind::Sgd;
            if sgd && (group.betas.is_some() || group.eps.is_some()) {
                return refused("betas or eps", "them only with `optimiser: adam` or `adamw`");
            }
            if !sgd && group.momentum.is_some() {
                return refused("momentum", "it only with `optimiser: sgd`");
            }
        }
        Ok(())
    }
}

fn to_map<T: Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        other => unreachable!("a protocol is a struct with string keys, not {other:?}"),
    }
}
