//! Checks of saving and loading.

use super::stage::without_labels;
use super::subject::{Finding, Step, Subject, close, ensure, skipped};
use crate::method::{Method, State};
use crate::train::Recompute;
use std::collections::BTreeSet;
use tch::{Kind, Tensor, no_grad};

pub(super) fn round_trip(subject: &Subject) -> Finding {
    let (stage, mut one, batch) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    // Away from the start, as after training.
    for parameter in one.parameters()? {
        let mut tensor = parameter.tensor;
        let moved = &tensor * 1.5 + 0.05;
        no_grad(|| tensor.copy_(&moved));
    }
    if subject.learns_by_gradients().is_ok() {
        Step::take(&mut one, &batch, &services)?;
    }
    let batch = without_labels(&batch);
    let expected = one.logits(&batch, &services)?;
    let state: State = one.state()?.into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
    let names: BTreeSet<_> = state.iter().map(|(name, _)| name).collect();
    ensure(names.len() == state.len(), || "two tensors of the state have the same name".to_owned())?;
    let mut two = subject.method(&stage, 2)?;
    two.load_state(&state)?;
    let found = two.logits(&batch, &services)?;
    ensure(close(&found, &expected, 1e-12), || "they differ in the instance the state was loaded into".to_owned())?;
    let again = two.state()?;
    ensure(again == state, || "saving again gives a different state".to_owned())
}

pub(super) fn checked(subject: &Subject) -> Finding {
    let (_stage, mut method, _) = subject.scene()?;
    let state = method.state()?;
    if state.is_empty() {
        return skipped("the method has no state");
    }
    ensure(method.load_state(&Vec::new()).is_err(), || "an empty state is accepted".to_owned())?;
    for (at, (name, tensor)) in state.iter().enumerate() {
        let wider = Tensor::zeros([&tensor.size()[..], &[2]].concat(), (Kind::Double, tensor.device()));
        let mut other: State = state.iter().map(|(name, tensor)| (name.clone(), tensor.copy())).collect();
        other[at].1 = wider;
        ensure(method.load_state(&other).is_err(), || format!("a `{name}` of a different shape is accepted"))?;
    }
    Ok(())
}
