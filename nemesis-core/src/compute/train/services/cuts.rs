//! Cuts in the graph, and gradients through them.

use super::encoding::{Encoding, Setting};
use super::{Recompute, Services, grad_enabled};
use crate::method;
use std::ops::Range;
use tch::{Kind, Tensor, no_grad, with_grad};

/// A cut in the graph: features whose graph is rebuilt, part by part, in the backward pass.
pub(super) struct Cut {
    /// What was encoded, its tensors with whatever graph they have.
    encoding: Encoding,
    /// How many classes, prompts or images are encoded at once.
    chunk: usize,
    /// The features that went out: leaves, which collect their gradient.
    features: Vec<Tensor>,
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
            self.cuts.borrow_mut().push(Cut { encoding, chunk, features });
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
        let cuts = self.cuts.borrow();
        // All that a backward pass may reach: the inputs first, then the features at each cut.
        let features = cuts.iter().flat_map(|cut| &cut.features);
        let targets: Vec<&Tensor> = inputs.iter().copied().chain(features).collect();
        let mut gradients = Tensor::f_run_backward(&[loss], &targets, true, false)?;
        let mut end = targets.len();
        for cut in cuts.iter().rev() {
            let start = end - cut.features.len();
            let entered = self.backward_of_encoding(cut, &gradients[start..end])?;
            end = start;
            if entered.is_empty() {
                continue;
            }
            let continued = with_grad(|| {
                let products = entered.iter().map(|(tensor, gradient)| (tensor * gradient).sum(None::<Kind>));
                products.reduce(|sum, product| sum + product).expect("something has entered")
            });
            let further = Tensor::f_run_backward(&[continued], &targets[..start], true, false)?;
            for (sum, part) in gradients.iter_mut().zip(further) {
                if part.defined() {
                    *sum = if sum.defined() { &*sum + part } else { part };
                }
            }
        }
        gradients.truncate(inputs.len());
        Ok(gradients)
    }

    /// What entered a cut, each tensor with the gradient of features whose own gradients are known, a part at a time.
    fn backward_of_encoding(&self, cut: &Cut, gradients: &[Tensor]) -> method::Result<Vec<(Tensor, Tensor)>> {
        if !gradients.iter().any(Tensor::defined) {
            return Ok(Vec::new());
        }
        let mut entered = Vec::new();
        let encoding = cut.encoding.map(&mut |tensor| {
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

fn chunks(count: usize, chunk: usize) -> impl Iterator<Item = Range<usize>> {
    let chunk = chunk.max(1);
    (0..count).step_by(chunk).map(move |start| start..count.min(start + chunk))
}
