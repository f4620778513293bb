//! Cuts in the graph, and gradients through them.

use super::encoding::{Encoding, Setting};
use super::{Recompute, Services, grad_enabled};
use crate::method;
use std::ops::Range;
use tch::{Kind, Tensor, no_grad, with_grad};

/// How many cuts that a method is done with are remembered.
const NOTICED: usize = 16;

/// A cut in the graph: features whose graph is rebuilt, part by part, in the backward pass.
pub(super) struct Cut {
    /// What was encoded, its tensors with whatever graph they have; none once the method is done with it.
    encoding: Option<Encoding>,
    /// How many classes, prompts or images are encoded at once.
    chunk: usize,
    /// The features that went out: leaves, which collect their gradient.
    features: Vec<Tensor>,
    /// How many cuts had been made before it.
    number: u64,
    /// How many cuts there had been when a gradient last went through it or, as long as none has, when the first one was
    /// taken after it was made.
    seen: Option<u64>,
}

impl Services<'_> {
    /// Encodes, with a cut if the graph would take too much memory.
    pub(super) fn encode(&self, encoding: Encoding) -> method::Result<Vec<Tensor>> {
        let needs_graph = grad_enabled() && encoding.tensors().iter().any(Tensor::requires_grad);
        let setting = self.setting(needs_graph);
        let count = encoding.count(setting);
        let Some(chunk) = self.chunk(&encoding, count, needs_graph) else {
            return encoding.encode(setting, 0..count).map_err(method::Error::from);
        };
        let parts = chunks(count, chunk)
            .map(|part| no_grad(|| encoding.encode(setting, part)))
            .collect::<crate::Result<Vec<_>>>()?;
        let outputs = parts.first().map_or(0, Vec::len);
        let features = (0..outputs)
            .map(|output| {
                let parts: Vec<&Tensor> = parts.iter().map(|part| &part[output]).collect();
                Ok(Tensor::f_cat(&parts, encoding.dim())?.set_requires_grad(needs_graph))
            })
            .collect::<method::Result<Vec<_>>>()?;
        if needs_graph {
            let features = features.iter().map(Tensor::shallow_clone).collect();
            let number = self.cuts_made.replace(self.cuts_made.get() + 1);
            self.cuts.borrow_mut().push(Cut { encoding: Some(encoding), chunk, features, number, seen: None });
        }
        Ok(features)
    }

    fn setting(&self, needs_graph: bool) -> Setting<'_> {
        Setting { backbone: self.tower(needs_graph), classes: self.classes, seed: self.seed }
    }

    /// How many classes, prompts or images are encoded at once, unless all of them are in one graph.
    fn chunk(&self, encoding: &Encoding, count: usize, needs_graph: bool) -> Option<usize> {
        let is_frozen = matches!(encoding, Encoding::Frozen { .. });
        // Without a gradient, towers with changes keep nothing.
        if !is_frozen && !needs_graph {
            return None;
        }
        match self.recompute {
            Recompute::Never => None,
            Recompute::Chunks(chunk) => Some(chunk),
            Recompute::Within(budget) => {
                let needed = encoding.bytes(self.setting(false));
                // What other graphs of this step have taken is gone, but a chunk must not become tiny for it.
                let budget = budget.saturating_sub(self.held.get()).max(budget / 8);
                let fit = count as f64 * (budget as f64 / needed.max(1) as f64);
                if needed > budget {
                    return Some((fit as usize).max(1));
                }
                if !is_frozen {
                    self.held.set(self.held.get() + needed);
                }
                None
            }
        }
    }

    /// The gradients of `loss` in `inputs` through all cuts, the latest first: what entered a cut may depend on the
    /// features of an earlier one. The graphs are kept, because loss and inputs may share parts. An input that the loss
    /// does not depend on gets an undefined tensor.
    pub(super) fn gradients_through_cuts(&self, loss: &Tensor, inputs: &[&Tensor]) -> method::Result<Vec<Tensor>> {
        let (gradients, _) = self.through_cuts(loss, inputs)?;
        Ok(gradients)
    }

    /// Adds the gradients of `loss` to the `grad` of all leaves that it depends on, through all cuts. As without cuts, the graph
    /// of the loss is gone afterwards.
    pub(super) fn backward_through_cuts(&self, loss: &Tensor) -> method::Result<()> {
        if loss.numel() != 1 || !loss.requires_grad() {
            return Err(method::Error::new("gradients are taken of a scalar with a graph, which this tensor is not"));
        }
        let (_, continued) = self.through_cuts(loss, &[])?;
        // One pass for all, since their graphs may meet.
        let all = with_grad(|| continued.into_iter().fold(loss.shallow_clone(), |sum, part| sum + part));
        Ok(all.f_backward()?)
    }

    /// The gradients of `loss` by the inputs, and for each cut that they go through, a scalar whose gradients are those that the
    /// loss has through it. The graphs are kept.
    fn through_cuts(&self, loss: &Tensor, inputs: &[&Tensor]) -> method::Result<(Vec<Tensor>, Vec<Tensor>)> {
        let cuts = self.cuts.borrow();
        let mut reached = vec![false; cuts.len()];
        let mut all_continued = Vec::new();
        // All that a backward pass may reach: the inputs first, then the features at each cut.
        let features = cuts.iter().flat_map(|cut| &cut.features);
        let targets: Vec<&Tensor> = inputs.iter().copied().chain(features).collect();
        let mut gradients = Tensor::f_run_backward(&[loss], &targets, true, false)?;
        let mut end = targets.len();
        for (cut, reached) in cuts.iter().zip(&mut reached).rev() {
            let start = end - cut.features.len();
            let of_features = &gradients[start..end];
            *reached = of_features.iter().any(Tensor::defined);
            let continued = continued(&self.backward_of_encoding(cut, of_features)?);
            end = start;
            let Some(continued) = continued else { continue };
            if start > 0 {
                let further = Tensor::f_run_backward(&[&continued], &targets[..start], true, false)?;
                for (sum, part) in gradients.iter_mut().zip(further) {
                    if part.defined() {
                        *sum = if sum.defined() { &*sum + part } else { part };
                    }
                }
            }
            all_continued.push(continued);
        }
        gradients.truncate(inputs.len());
        drop(cuts);
        self.forget_spent(&reached);
        Ok((gradients, all_continued))
    }

    /// Outside of steps, forgets what the method is done with, which would pile up until the end of its `fit`: cuts that no
    /// gradient went through this time, when one went through a cut that was made after their turn. `reached` says of each
    /// cut whether one did.
    fn forget_spent(&self, reached: &[bool]) {
        if self.in_step.get() {
            return;
        }
        // The graphs of this loss are gone, or soon will be.
        self.held.set(0);
        let mut cuts = self.cuts.borrow_mut();
        let numbers = cuts.iter().zip(reached).filter_map(|(cut, reached)| reached.then_some(cut.number));
        let newest = numbers.max();
        let made = self.cuts_made.get();
        for (cut, reached) in cuts.iter_mut().zip(reached) {
            if *reached {
                cut.seen = Some(made);
                continue;
            }
            if cut.seen.zip(newest).is_some_and(|(seen, newest)| newest >= seen) {
                cut.encoding = None;
            }
            cut.seen = cut.seen.or(Some(made));
        }
        // The features of some stay, to notice a gradient that would end there.
        let mut surplus = cuts.iter().filter(|cut| cut.encoding.is_none()).count().saturating_sub(NOTICED);
        cuts.retain(|cut| {
            let goes = surplus > 0 && cut.encoding.is_none();
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// What entered a cut, each tensor with the gradient of features whose own gradients are known, a part at a time.
    fn backward_of_encoding(&self, cut: &Cut, gradients: &[Tensor]) -> method::Result<Vec<(Tensor, Tensor)>> {
        if !gradients.iter().any(Tensor::defined) {
            return Ok(Vec::new());
        }
        let Some(encoding) = &cut.encoding else {
            return Err(method::Error::new(
                "a gradient goes through features that were encoded before others, whose gradient was taken since: encode \
                 them again",
            ));
        };
        let mut entered = Vec::new();
        let encoding = encoding.map(&mut |tensor| {
            if !tensor.requires_grad() {
                return tensor.shallow_clone();
            }
            let leaf = tensor.detach().set_requires_grad(true);
            entered.push((tensor.shallow_clone(), leaf.shallow_clone()));
            leaf
        });
        let setting = self.setting(true);
        for part in chunks(encoding.count(setting), cut.chunk) {
            with_grad(|| -> method::Result<()> {
                let (start, length) = (part.start as i64, part.len() as i64);
                let features = encoding.encode(setting, part).map_err(method::Error::from)?;
                let with_gradient = features.iter().zip(gradients).filter(|(_, gradient)| gradient.defined());
                let products = with_gradient.map(|(features, gradient)| {
                    (features * gradient.narrow(encoding.dim(), start, length)).sum(None::<Kind>)
                });
                let sum = products.reduce(|sum, product| sum + product).expect("one of the gradients is defined");
                Ok(sum.f_backward()?)
            })?;
        }
        let with_gradient = entered.into_iter().map(|(tensor, leaf)| (tensor, leaf.grad()));
        Ok(with_gradient.filter(|(_, gradient)| gradient.defined()).collect())
    }
}

/// A scalar whose gradients are those that a loss has through a cut, given what entered it, each tensor with its gradient;
/// none if nothing has entered.
fn continued(entered: &[(Tensor, Tensor)]) -> Option<Tensor> {
    with_grad(|| {
        let products = entered.iter().map(|(tensor, gradient)| (tensor * gradient).sum(None::<Kind>));
        products.reduce(|sum, product| sum + product)
    })
}

fn chunks(count: usize, chunk: usize) -> impl Iterator<Item = Range<usize>> {
    let chunk = chunk.max(1);
    (0..count).step_by(chunk).map(move |start| start..count.min(start + chunk))
}
