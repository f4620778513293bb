//! Parameters by name, for methods that have many of them.

use crate::learned::fitting;
use crate::random::{normals, uniform};
use crate::{Error, Host, Parameter, Result, State, Task};
use tch::{Device, Kind, Tensor, no_grad};

/// Trained tensors by name, which are also the method's state.
#[derive(Debug)]
pub struct Parameters {
    named: Vec<(String, Tensor)>,
    kind: Kind,
    device: Device,
    /// The values for which something was computed last, and what.
    remembered: Option<(Vec<Tensor>, Tensor)>,
}

impl Parameters {
    /// No parameters yet. They will have the task's type and device.
    pub fn new(task: &Task) -> Self {
        Self { named: Vec::new(), kind: task.kind, device: task.device, remembered: None }
    }

    /// Adds a parameter with its initial value. Names must be unique.
    pub fn add(&mut self, name: impl Into<String>, initial: &Tensor) {
        let tensor = initial.detach().to_device(self.device).to_kind(self.kind).copy().set_requires_grad(true);
        self.named.push((name.into(), tensor));
    }

    /// A parameter, a leaf.
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        let found = self.named.iter().find(|(known, _)| known == name);
        found.map(|(_, tensor)| tensor).ok_or_else(|| Error::new(format!("there is no parameter `{name}`")))
    }

    /// All of them, for [`Method::parameters`](crate::Method::parameters).
    pub fn all(&self) -> Vec<Parameter> {
        self.named.iter().map(|(name, tensor)| Parameter::new(name, tensor.shallow_clone())).collect()
    }

    /// All of them, for [`Method::state`](crate::Method::state).
    pub fn state(&self) -> State {
        self.named.iter().map(|(name, tensor)| (name.clone(), tensor.detach())).collect()
    }

    /// Replaces all of them by stored ones. Nothing changes if one does not fit.
    ///
    /// # Errors
    ///
    /// When one is missing or has a different shape.
    pub fn load_state(&mut self, state: &State) -> Result<()> {
        let found = self.named.iter().map(|(name, own)| fitting(state, name, own)).collect::<Result<Vec<_>>>()?;
        for ((_, own), stored) in self.named.iter_mut().zip(found) {
            no_grad(|| own.copy_(stored));
        }
        Ok(())
    }

    /// What `compute` returns, without gradient: text features, for evaluation. It is computed again only when a
    /// parameter has changed since the last call, whoever changed it.
    ///
    /// # Errors
    ///
    /// Those of `compute`.
    pub fn remembered(&mut self, compute: impl FnOnce(&Self) -> Result<Tensor>) -> Result<Tensor> {
        let same = |known: &[Tensor]| known.iter().zip(&self.named).all(|(known, (_, tensor))| known == tensor);
        if let Some((_, computed)) = self.remembered.as_ref().filter(|(known, _)| same(known)) {
            return Ok(computed.shallow_clone());
        }
        let computed = no_grad(|| compute(self))?;
        let now = self.named.iter().map(|(_, tensor)| tensor.detach().copy()).collect();
        self.remembered = Some((now, computed.shallow_clone()));
        Ok(computed)
    }
}

/// Random numbers of a normal distribution around zero (`nn.init.normal_`). Each parameter needs its own `purpose` or
/// `index`.
pub fn normal(shape: &[i64], deviation: f64, host: &dyn Host, purpose: &str, index: u64) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let draws = normals(count, |bits| host.random(purpose, index, bits));
    (Tensor::from_slice(&draws) * deviation).view(shape)
}

/// Uniform random numbers between `-1/√from` and `1/√from`: what PyTorch's `nn.Linear` starts from, weights and biases,
/// if it leads from `from` numbers.
pub fn linear(shape: &[i64], from: i64, host: &dyn Host, purpose: &str, index: u64) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let bound = 1.0 / (from.max(1) as f64).sqrt();
    let draws = host.random(purpose, index, count).into_iter();
    let draws: Vec<_> = draws.map(|draw| (2.0 * uniform(draw) - 1.0) * bound).collect();
    Tensor::from_slice(&draws).view(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ToyHost;

    fn two() -> Parameters {
        let host = ToyHost::new(2);
        let mut parameters = Parameters::new(&host.task());
        parameters.add("weight", &normal(&[40, 50], 0.02, &host, "weight", 0));
        parameters.add("bias", &linear(&[2000], 4, &host, "bias", 0));
        parameters
    }

    #[test]
    fn initial_values_are_those_of_pytorch_s_layers() {
        let parameters = two();
        let [weight, bias] = ["weight", "bias"].map(|name| parameters.get(name).unwrap());
        assert!((f64::try_from(weight.std(false)).unwrap() - 0.02).abs() < 0.001);
        let (least, most) = (f64::try_from(bias.min()).unwrap(), f64::try_from(bias.max()).unwrap());
        assert!((-0.5..-0.49).contains(&least) && (0.49..0.5).contains(&most), "{least} {most}");
        assert_eq!((weight.kind(), weight.requires_grad()), (Kind::Double, true));
    }

    #[test]
    fn a_state_that_does_not_fit_changes_nothing() {
        let mut parameters = two();
        let before: State = parameters.state().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
        let mut other: State = before.iter().map(|(name, tensor)| (name.clone(), tensor + 1.0)).collect();
        let bias = std::mem::replace(&mut other[1].1, Tensor::zeros([3], (Kind::Double, Device::Cpu)));
        let error = parameters.load_state(&other).unwrap_err();
        assert_eq!(error.to_string(), "the stored `bias` has the shape [3], but the method's has [2000]");
        let missing = parameters.load_state(&other[..1].iter().map(|(n, t)| (n.clone(), t.copy())).collect());
        assert_eq!(missing.unwrap_err().to_string(), "the state lacks the tensor `bias`");
        assert_eq!(parameters.state(), before);
        other[1].1 = bias;
        parameters.load_state(&other).unwrap();
        assert_eq!(parameters.state(), other);
    }

    #[test]
    fn what_is_remembered_follows_every_change() {
        let mut parameters = two();
        let mut computed = 0;
        for round in 0..3 {
            for _ in 0..2 {
                let sum = parameters.remembered(|parameters| {
                    computed += 1;
                    Ok(parameters.get("bias")?.sum(Kind::Double))
                });
                assert_eq!(sum.unwrap(), no_grad(|| parameters.get("bias").unwrap().sum(Kind::Double)));
            }
            assert_eq!(computed, round + 1);
            // In place, as an optimiser does, so that autograd does not count it as a change.
            let _ = parameters.get("bias").unwrap().data().g_mul_scalar_(3.0);
        }
    }
}
