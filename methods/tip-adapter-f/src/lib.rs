//! Tip-Adapter-F: Tip-Adapter whose keys are trained (Zhang et al., "Tip-Adapter: Training-free Adaption of CLIP for
//! Few-shot Classification", ECCV 2022; `run_tip_adapter_F` in `main.py` of its code).
//!
//! The logits are those of Tip-Adapter:
//!
//! ```text
//! logits = 100 f wᵀ + α exp(−β (1 − f kᵀ)) v
//! ```
//!
//! The keys `k` start as Tip-Adapter's, and cross-entropy moves them. They are not normalised again; the values stay.
//! While they are trained, β and α are `init_beta` and `init_alpha`. Afterwards β and α are searched on validation
//! images for the trained keys.
//!
//! The authors measure the accuracy on the test images after every epoch, keep the keys of the best epoch, and report
//! the larger of that accuracy and the one with the β and α that were searched. That is not reproduced: a method never
//! sees a label of a test image. The keys of the last epoch are used, with the β and α that were searched. What else
//! differs is said of Tip-Adapter.

use nemesis_sdk::cache::{Balance, Cache};
use nemesis_sdk::learned::leaf;
use nemesis_sdk::prompt::cross_entropy;
use nemesis_sdk::tch::{Device, Kind, Tensor, no_grad};
use nemesis_sdk::{
    About, Batch, FeatureSet, Host, Method, Needs, Optimisation, OptimiserKind, Parameter, Plugin, ProtocolPatch,
    Result, ScheduleUnit, State, Task,
};
use std::cell::RefCell;
use std::collections::BTreeMap;

nemesis_sdk::cache_options! {
    /// The options of Tip-Adapter-F, with the authors' defaults.
    pub struct Options {}
}

/// A cache with trained keys.
#[derive(Debug)]
pub struct TipAdapterF {
    cache: Cache,
    /// Keys `[images, embed_dim]`, a leaf; none before there are images.
    keys: Tensor,
    task: Task,
    /// β and α, and the keys that they were searched for; `None` for those of a stored state.
    balance: RefCell<(Option<Tensor>, Balance)>,
}

/// The keys' name in the authors' checkpoints: they are the weight of a linear layer.
const KEYS: &str = "weight";

impl Plugin for TipAdapterF {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "tip-adapter-f",
        label: "Tip-Adapter-F",
        summary: "a cache of the few-shot images beside the text classifier, with trained keys",
        paper: Some("Zhang et al., Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification, ECCV 2022"),
        needs: Needs { validation: true, views: 10, ..Needs::FEATURES },
        optimisation: Optimisation::Host,
    };

    /// `run_tip_adapter_F` and the configurations beside it. EuroSAT has more epochs.
    fn protocol() -> ProtocolPatch {
        ProtocolPatch {
            optimiser: Some(OptimiserKind::AdamW),
            learning_rate: Some(0.001),
            eps: Some(1e-4),
            weight_decay: Some(0.01),
            schedule_unit: Some(ScheduleUnit::Step),
            warmup_epochs: Some(0),
            batch_size: Some(256),
            drop_last: Some(false),
            epochs: Some(20.into()),
            epochs_by_dataset: Some(BTreeMap::from([("eurosat".to_owned(), 100)])),
            ..ProtocolPatch::default()
        }
    }

    fn create(task: Task, options: Options, _host: &dyn Host) -> Result<Self> {
        let cache = Cache::new(&task, &options.cache())?;
        let balance = RefCell::new((None, cache.initial()));
        let keys = leaf(&Tensor::zeros([0, task.embed_dim], (Kind::Float, Device::Cpu)), &task);
        Ok(Self { cache, keys, task, balance })
    }
}

impl TipAdapterF {
    /// β and α for the keys as they are now. There is no call when training ends, so they are searched when they are
    /// needed, once for the same keys.
    fn balance(&self) -> Result<Balance> {
        let (searched_for, balance) = &mut *self.balance.borrow_mut();
        if let Some(keys) = searched_for.as_mut().filter(|keys| **keys != self.keys) {
            *balance = self.cache.balance(&self.keys)?;
            *keys = self.keys.detach().copy();
        }
        Ok(*balance)
    }
}

impl Method for TipAdapterF {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(vec![Parameter::new(KEYS, self.keys.shallow_clone())])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let logits = self.cache.logits(batch.features()?, &self.keys, self.cache.initial(), host)?;
        cross_entropy(&logits, &batch.labels, host)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        no_grad(|| self.cache.logits(batch.features()?, &self.keys, self.balance()?, host))
    }

    fn state(&self) -> Result<State> {
        Ok(self.cache.state(KEYS, &self.keys, self.balance()?))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        let (keys, balance) = self.cache.load(state, KEYS, self.task.embed_dim)?;
        self.keys = leaf(&keys, &self.task);
        self.balance = RefCell::new((None, balance));
        Ok(())
    }

    fn prepare(&mut self, train: &FeatureSet, val: Option<&FeatureSet>, host: &dyn Host) -> Result<()> {
        self.keys = leaf(&self.cache.fill(train, val, host)?, &self.task);
        self.balance = RefCell::new((Some(self.keys.detach().copy()), self.cache.balance(&self.keys)?));
        Ok(())
    }
}

nemesis_sdk::export_method!(TipAdapterF);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::testing::ToyHost;

    fn sample(host: &ToyHost, images: usize, step: u64) -> FeatureSet {
        let Batch { features, labels, .. } = host.batch(images, step);
        FeatureSet { features: features.unwrap(), labels }
    }

    fn method(val: Option<&FeatureSet>, host: &ToyHost) -> TipAdapterF {
        let options = Options { logit_scale: 1.0, ..Options::default() };
        let mut method = TipAdapterF::create(host.task(), options, host).unwrap();
        method.prepare(&sample(host, 12, 0), val, host).unwrap();
        method
    }

    #[test]
    fn training_uses_the_initial_values_and_the_search_follows_the_trained_keys() {
        let host = ToyHost::new(4);
        let (val, batch) = (sample(&host, 40, 3), host.batch(8, 1));
        let mut searched = method(Some(&val), &host);
        let mut initial = method(None, &host);
        assert_eq!(searched.loss(&batch, &host).unwrap(), initial.loss(&batch, &host).unwrap());
        let before = searched.balance().unwrap();
        assert_ne!(before, initial.balance().unwrap());

        // In place, as an optimiser moves them.
        let elsewhere = sample(&host, 12, 5).features;
        let () = no_grad(|| searched.keys.copy_(&elsewhere));
        let after = searched.balance().unwrap();
        assert_eq!(after, searched.cache.balance(&elsewhere).unwrap());
        assert_ne!(before, after);

        let mut stored =
            TipAdapterF::create(host.task(), Options { logit_scale: 1.0, ..Options::default() }, &host).unwrap();
        stored.load_state(&searched.state().unwrap()).unwrap();
        assert_eq!(stored.logits(&batch, &host).unwrap(), searched.logits(&batch, &host).unwrap());
    }

    #[test]
    fn a_step_against_the_gradient_lowers_the_loss() {
        let host = ToyHost::new(4);
        let batch = host.batch(8, 1);
        let mut method = method(None, &host);
        let before = method.loss(&batch, &host).unwrap();
        host.backward(&before).unwrap();
        let _ = method.keys.data().subtract_(&(method.keys.grad() * 1e-2));
        let after = method.loss(&batch, &host).unwrap();
        assert!(f64::try_from(after).unwrap() < f64::try_from(before).unwrap());
    }
}
