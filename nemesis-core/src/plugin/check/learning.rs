//! Checks of parameters, losses and whole trainings.

use super::gradients::{direction, first_step};
use super::stage::Stage;
use super::subject::{CLASSES, Finding, Step, Subject, close, ensure, finite, skipped};
use crate::method::{Batch, FeatureSet, Method};
use crate::train::{Recompute, ResolvedProtocol, Seen, TrainingInputs, train};
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor, no_grad};

pub(super) fn parameters(subject: &Subject) -> Finding {
    let (stage, method, _) = subject.scene()?;
    let (first, again) = (method.parameters()?, method.parameters()?);
    if subject.learns_by_gradients().is_ok() {
        ensure(!first.is_empty(), || "the method has none".to_owned())?;
    }
    let mut names = BTreeSet::new();
    let task = stage.task();
    for parameter in &first {
        let (name, tensor) = (&parameter.name, &parameter.tensor);
        ensure(!name.is_empty() && names.insert(name), || format!("the name `{name}` is empty or appears twice"))?;
        ensure(tensor.is_leaf() && tensor.requires_grad(), || {
            format!("`{name}` is not a leaf that requires a gradient")
        })?;
        let (kind, device) = (tensor.kind(), tensor.device());
        ensure(kind == task.kind && device == task.device, || {
            format!("`{name}` is {kind:?} on {device:?}, but the task is {:?} on {:?}", task.kind, task.device)
        })?;
    }
    let same = first.len() == again.len()
        && first.iter().zip(&again).all(|(one, two)| {
            one.name == two.name
                && one.tensor.data_ptr() == two.tensor.data_ptr()
                && one.tensor.size() == two.tensor.size()
        });
    ensure(same, || "a second call returns different ones".to_owned())
}

pub(super) fn same_seed(subject: &Subject) -> Finding {
    let stage = Stage::new(CLASSES, Kind::Double);
    let batch = stage.batch(8, 0, subject.needs()?);
    let services = stage.services(3, Recompute::Never);
    let (mut one, mut two) = (subject.method(&stage, 3)?, subject.method(&stage, 3)?);
    for (a, b) in one.parameters()?.iter().zip(two.parameters()?) {
        ensure(a.tensor == b.tensor, || format!("the parameter `{}` starts with different values", a.name))?;
    }
    subject.learns_by_gradients()?;
    let (a, b) = (Step::take(&mut one, &batch, &services)?, Step::take(&mut two, &batch, &services)?);
    ensure(a.loss == b.loss, || format!("the loss is {:?} once and {:?} the other time", a.loss, b.loss))?;
    ensure(a.gradients == b.gradients, || "the gradients differ".to_owned())
}

pub(super) fn instances(subject: &Subject) -> Finding {
    subject.learns_by_gradients()?;
    let (stage, mut alone, batch) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    let expected = Step::take(&mut alone, &batch, &services)?;
    let mut one = subject.method(&stage, 1)?;
    let mut two = subject.method(&stage, 2)?;
    for mut parameter in two.parameters()? {
        let elsewhere = direction(&parameter.tensor, 0) + 0.25;
        no_grad(|| parameter.tensor.copy_(&elsewhere));
    }
    Step::take(&mut two, &stage.batch(8, 1, subject.needs()?), &services)?;
    let found = Step::take(&mut one, &batch, &services)?;
    ensure(close(&expected.loss, &found.loss, 1e-12), || {
        format!("with a second instance in the process the loss is {:?}, without it {:?}", found.loss, expected.loss)
    })
}

pub(super) fn single_precision(subject: &Subject) -> Finding {
    let stage = Stage::new(CLASSES, Kind::Float);
    let batch = stage.batch(8, 0, subject.needs()?);
    let services = stage.services(1, Recompute::Never);
    let mut method = subject.method(&stage, 1)?;
    for parameter in method.parameters()? {
        let kind = parameter.tensor.kind();
        ensure(kind == Kind::Float, || format!("the parameter `{}` is {kind:?}", parameter.name))?;
    }
    let logits = method.logits(&batch, &services)?;
    ensure(finite(&logits)?, || "the logits are not finite".to_owned())?;
    if subject.learns_by_gradients().is_ok() {
        let step = Step::take(&mut method, &batch, &services)?;
        ensure(finite(&step.loss)?, || format!("the loss is {:?}", step.loss))?;
    }
    Ok(())
}

pub(super) fn loss(subject: &Subject) -> Finding {
    subject.learns_by_gradients()?;
    let (stage, mut method, batch) = subject.scene()?;
    let loss = method.loss(&batch, &stage.services(1, Recompute::Never))?;
    ensure(loss.numel() == 1 && loss.dim() == 0, || format!("it has the shape {:?}", loss.size()))?;
    ensure(finite(&loss)?, || format!("it is {loss:?}"))?;
    ensure(loss.requires_grad(), || "it has no autograd graph".to_owned())
}

pub(super) fn training(subject: &Subject) -> Finding {
    // The trainer would refuse it, for a reason that another check reports.
    if subject.learns_by_gradients().is_ok() && first_step(subject).is_ok_and(|step| step.ensure_reached().is_err()) {
        return skipped("gradients do not reach the parameters: see `gradients-reach` and `gradients-filled`");
    }
    let stage = Stage::new(CLASSES, Kind::Double);
    let services = stage.services(1, Recompute::Never);
    let plugin = subject.plugin()?;
    let needs = plugin.descriptor().needs;
    let mut method = subject.method(&stage, 1)?;
    let protocol = ResolvedProtocol {
        name: "check".to_owned(),
        momentum: 0.9,
        weight_decay: 5e-4,
        warmup_epochs: 1,
        warmup_learning_rate: 1e-3,
        batch_size: 4,
        epochs: 3,
        views: 3,
        ..ResolvedProtocol::default()
    };
    let labels: Vec<u32> = (0..10).map(|image| image % CLASSES as u32).collect();
    let images = |epoch| stage.batch(labels.len(), epoch, needs);
    let validation = || {
        let Batch { features, labels, .. } = stage.batch(5, 9, needs);
        features.map(|features| FeatureSet { features, labels })
    };
    let mut inputs = TrainingInputs {
        needs,
        features: &mut |epoch| Ok(images(epoch).features()?.shallow_clone()),
        seen: &|epoch, places| {
            let places = Tensor::from_slice(&places.iter().map(|place| *place as i64).collect::<Vec<_>>());
            let Batch { features, dense, pixels, .. } = images(epoch);
            let [features, dense, pixels] =
                [features, dense, pixels].map(|all| all.map(|all| all.index_select(0, &places)));
            Ok(Seen { features, dense, pixels })
        },
        labels: &labels,
        validation: needs.validation.then(validation).flatten(),
        seed: 1,
        device: Device::Cpu,
        resume: None,
    };
    let optimisation = plugin.descriptor().optimisation;
    let mut after_first = None;
    let history = train(&mut method, optimisation, &protocol, &mut inputs, &services, &mut |done, _, standing| {
        after_first = (done == 1).then(standing).or(after_first.take());
        Ok(())
    })?;
    if plugin.descriptor().resumes && after_first.is_some() {
        let mut again = subject.method(&stage, 1)?;
        inputs.resume = after_first;
        inputs.validation = needs.validation.then(validation).flatten();
        let resumed = train(&mut again, optimisation, &protocol, &mut inputs, &services, &mut |_, _, _| Ok(()))?;
        let same = resumed == history && method.state()?.iter().zip(&again.state()?).all(|(one, two)| one == two);
        ensure(same, || "resumed after its first epoch, it ends differently, so `RESUMES` must be false".to_owned())?;
    }
    for record in &history {
        for (name, values) in &record.reported {
            ensure(values.len() <= 1024, || {
                format!("it reports {} numbers as `{name}`; at most 1024 are allowed", values.len())
            })?;
        }
    }
    Ok(())
}
