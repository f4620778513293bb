//! Checks of unusual tasks, batches, parameters and hosts.

use super::stage::{Stage, without_labels};
use super::subject::{CLASSES, Finding, Step, Subject, ensure, failed, finite, skipped};
use super::towers::PanickingTowers;
use crate::method::towers::Towers;
use crate::method::{self, Batch, ClassPosition, Host, LogLevel, Method};
use crate::train::Recompute;
use serde_json::{Map, Value};
use tch::{Kind, Tensor, no_grad};

/// One step and one evaluation with finite numbers.
fn works(subject: &Subject, stage: &Stage, method: &mut dyn Method, batch: &Batch) -> Finding {
    let services = stage.services(1, Recompute::Never);
    let logits = method.logits(&without_labels(batch), &services)?;
    let wanted = [batch.items.len() as i64, stage.task().class_names.len() as i64];
    ensure(logits.size() == wanted, || format!("the logits have the shape {:?}, not {wanted:?}", logits.size()))?;
    ensure(finite(&logits)?, || "the logits are not finite".to_owned())?;
    if subject.learns_by_gradients().is_ok() {
        let step = Step::take(method, batch, &services)?;
        ensure(finite(&step.loss)?, || format!("the loss is {:?}", step.loss))?;
        for (parameter, gradient) in step.parameters.iter().zip(&step.gradients) {
            ensure(finite(gradient)?, || format!("the gradient of `{}` is not finite", parameter.name))?;
        }
    }
    Ok(())
}

pub(super) fn batch_of_one(subject: &Subject) -> Finding {
    let (stage, mut method, _) = subject.scene()?;
    works(subject, &stage, &mut method, &stage.batch(1, 0, subject.needs()?))
}

pub(super) fn one_class(subject: &Subject) -> Finding {
    let stage = Stage::new(1, Kind::Double);
    let mut method = subject.method(&stage, 1)?;
    let batch = stage.batch(4, 0, subject.needs()?);
    works(subject, &stage, &mut method, &batch)
}

pub(super) fn zero_contexts(subject: &Subject) -> Finding {
    let (stage, mut method, batch) = subject.scene()?;
    for mut parameter in method.parameters()? {
        let _ = no_grad(|| parameter.tensor.zero_());
    }
    works(subject, &stage, &mut method, &batch)
}

pub(super) fn class_specific(subject: &Subject) -> Finding {
    let plugin = subject.plugin()?;
    if !plugin.descriptor().options.iter().any(|option| option.name == "csc") {
        return skipped("the method has no option `csc`");
    }
    let stage = Stage::new(CLASSES, Kind::Double);
    let services = stage.services(1, Recompute::Never);
    let batch = stage.batch(8, 0, plugin.descriptor().needs);
    let mut method = subject.method_with(&stage, 1, &Map::from_iter([("csc".to_owned(), Value::Bool(true))]))?;
    let generic = subject.method(&stage, 1)?.parameters()?;
    let grown = method.parameters()?.into_iter().find(|parameter| {
        let size = parameter.tensor.size();
        size.first() == Some(&(CLASSES as i64)) && !generic.iter().any(|other| other.tensor.size() == size)
    });
    let Some(context) = grown else {
        return failed(format!("with `csc`, no parameter has a row for each of the {CLASSES} classes"));
    };
    works(subject, &stage, &mut method, &batch)?;
    let before = method.logits(&without_labels(&batch), &services)?;
    let _ = no_grad(|| context.tensor.get(0).fill_(0.3));
    let change = (method.logits(&without_labels(&batch), &services)? - before).abs();
    let of = |class: i64, count: i64| f64::try_from(change.narrow(1, class, count).max());
    ensure(of(0, 1)? > 0.0, || "a class's context does not change the logits of that class".to_owned())?;
    ensure(of(1, CLASSES as i64 - 1)? < 1e-12, || "a class's context changes the logits of other classes".to_owned())
}

/// Fails unless the result is an error with a message.
fn is_error<T>(what: &str, result: method::Result<T>) -> Finding {
    match result {
        Ok(_) => failed(format!("{what} does not return an error")),
        Err(error) => {
            ensure(!error.to_string().trim().is_empty(), || format!("{what} returns an error without a message"))
        }
    }
}

pub(super) fn errors_inside(subject: &Subject) -> Finding {
    let (stage, _, batch) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    let learns = subject.learns_by_gradients().is_ok();
    let attempt = |what: &str, batch: &Batch, host: &dyn Host| -> Finding {
        // After an error, a method may only be destroyed.
        is_error(
            &format!("an evaluation with {what}"),
            subject.method(&stage, 1)?.logits(&without_labels(batch), host),
        )?;
        if learns {
            let mut method = subject.method(&stage, 1)?;
            let result = match method.compute_gradients(batch, host) {
                Ok(None) => method.loss(batch, host).map(Some),
                other => other,
            };
            is_error(&format!("a step with {what}"), result)?;
        }
        Ok(())
    };
    let widen = |tensor: &Option<Tensor>| tensor.as_ref().map(|tensor| Tensor::cat(&[tensor, tensor], -1));
    let copy = without_labels(&batch);
    let labels = batch.labels.shallow_clone();
    let wide = Batch {
        features: widen(&batch.features),
        dense: widen(&batch.dense),
        pixels: widen(&batch.pixels),
        labels,
        ..copy
    };
    attempt("inputs twice as wide", &wide, &services)?;
    let labels = batch.labels.shallow_clone();
    let bare = Batch { features: None, dense: None, pixels: None, labels, ..without_labels(&batch) };
    attempt("none of the inputs it asks for", &bare, &services)?;
    if learns {
        let mut method = subject.method(&stage, 1)?;
        let labels = &batch.labels;
        let long = Batch { labels: Tensor::cat(&[labels, labels], 0), ..without_labels(&batch) };
        let result = match method.compute_gradients(&long, &services) {
            Ok(None) => method.loss(&long, &services).map(Some),
            other => other,
        };
        is_error("a step with twice as many labels as images", result)?;
    }
    Ok(())
}

/// A host whose services panic.
struct PanickingHost;

impl Host for PanickingHost {
    fn encode_strings(&self, _: &[String]) -> method::Result<Tensor> {
        panic!("the host's `encode_strings` panics");
    }

    fn encode_contexts(&self, _: &Tensor, _: ClassPosition) -> method::Result<Tensor> {
        panic!("the host's `encode_contexts` panics");
    }

    fn embed_text(&self, _: &str) -> method::Result<Tensor> {
        panic!("the host's `embed_text` panics");
    }

    fn backward(&self, _: &Tensor) -> method::Result<()> {
        panic!("the host's `backward` panics");
    }

    fn gradients(&self, _: &Tensor, _: &[&Tensor]) -> method::Result<Vec<Tensor>> {
        panic!("the host's `gradients` panics");
    }

    fn random(&self, _: &str, _: u64, _: usize) -> Vec<u64> {
        panic!("the host's `random` panics");
    }

    fn report(&self, _: &str, _: &Tensor) {
        panic!("the host's `report` panics");
    }

    fn cancelled(&self) -> bool {
        panic!("the host's `cancelled` panics");
    }

    fn log(&self, _: LogLevel, _: &str) {
        panic!("the host's `log` panics");
    }

    fn towers(&self) -> Option<&dyn Towers> {
        Some(&PanickingTowers)
    }
}

pub(super) fn panics_inside(subject: &Subject) -> Finding {
    let (stage, mut method, batch) = subject.scene()?;
    // What matters is that the process survives. A method that uses no service may succeed.
    let results = [
        subject.plugin()?.create_method(&stage.task(), &subject.options, &PanickingHost).err(),
        method.logits(&without_labels(&batch), &PanickingHost).err(),
        subject.learns_by_gradients().ok().and_then(|()| method.loss(&batch, &PanickingHost).err()),
    ];
    for error in results.into_iter().flatten() {
        ensure(!error.to_string().trim().is_empty(), || "an error has no message".to_owned())?;
    }
    Ok(())
}
