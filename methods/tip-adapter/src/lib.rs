//! Tip-Adapter: the few-shot images are the classifier (Zhang et al., "Tip-Adapter: Training-free Adaption of CLIP for
//! Few-shot Classification", ECCV 2022; `main.py` and `utils.py` of its code). Nothing is trained. Its fine-tuned form is
//! the method `tip-adapter-f`.
//!
//! For a unit image feature `f`, unit text features `w`, unit keys `k` (a few-shot image's features, averaged over ten
//! augmented views before they are normalised) and one-hot values `v`:
//!
//! ```text
//! logits = 100 f wᵀ + α exp(−β (1 − f kᵀ)) v
//! ```
//!
//! β and α are searched on validation images: β in the outer loop, the first of the best. What differs from the authors:
//!
//! - They search on all validation images of a data set (on ImageNet: on its test images), we on the few-shot
//!   validation sample, which has at most four of each class. Without validation images, `init_beta` and `init_alpha`
//!   stay. A method never sees a label of a test image.
//! - They choose `init_alpha` and the range of the search for each data set; the defaults are those of ImageNet and
//!   OxfordPets.
//! - Their crops cover at least half of an image. Ours are the protocol's, the same for every method.

use nemesis_sdk::cache::{Balance, Cache};
use nemesis_sdk::prompt::cross_entropy;
use nemesis_sdk::tch::Tensor;
use nemesis_sdk::{
    About, Batch, FeatureSet, Host, Method, Needs, Optimisation, Parameter, Plugin, Result, State, Task,
};

nemesis_sdk::cache_options! {
    /// The options of Tip-Adapter, with the authors' defaults.
    pub struct Options {}
}

/// A cache of the few-shot images.
#[derive(Debug)]
pub struct TipAdapter {
    cache: Cache,
    /// Unit keys `[images, embed_dim]`; none before there are images.
    keys: Tensor,
    balance: Balance,
}

/// The keys' name in a state; the authors store them as columns.
const KEYS: &str = "cache_keys";

impl Plugin for TipAdapter {
    type Options = Options;

    const ABOUT: About = About {
        id: "tip-adapter",
        label: "Tip-Adapter",
        summary: "a cache of the few-shot images beside the text classifier, without training",
        paper: Some("Zhang et al., Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification, ECCV 2022"),
        needs: Needs { validation: true, views: 10, ..Needs::FEATURES },
        optimisation: Optimisation::Fit,
    };

    fn create(task: Task, options: Options, _host: &dyn Host) -> Result<Self> {
        let cache = Cache::new(&task, &options.cache())?;
        let (keys, balance) = (Tensor::zeros([0, task.embed_dim], (task.kind, task.device)), cache.initial());
        Ok(Self { cache, keys, balance })
    }
}

impl Method for TipAdapter {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(Vec::new())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        cross_entropy(&self.logits(batch, host)?, &batch.labels, host)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.cache.logits(batch.features()?, &self.keys, self.balance, host)
    }

    fn state(&self) -> Result<State> {
        Ok(self.cache.state(KEYS, &self.keys, self.balance))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        (self.keys, self.balance) = self.cache.load(state, KEYS, self.keys.size()[1])?;
        Ok(())
    }

    fn prepare(&mut self, train: &FeatureSet, val: Option<&FeatureSet>, host: &dyn Host) -> Result<()> {
        self.keys = self.cache.fill(train, val, host)?;
        Ok(())
    }

    fn fit(&mut self, _train: &FeatureSet, _host: &dyn Host) -> Result<()> {
        self.balance = self.cache.balance(&self.keys)?;
        Ok(())
    }
}

nemesis_sdk::export_method!(TipAdapter);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::prompt::unit;
    use nemesis_sdk::tch::Kind;
    use nemesis_sdk::testing::ToyHost;

    fn sample(host: &ToyHost, images: usize, step: u64) -> FeatureSet {
        let Batch { features, labels, .. } = host.batch(images, step);
        FeatureSet { features: features.unwrap(), labels }
    }

    fn trained(options: Options, val: Option<&FeatureSet>, host: &ToyHost) -> TipAdapter {
        let mut method = TipAdapter::create(host.task(), options, host).unwrap();
        let train = sample(host, 12, 0);
        method.prepare(&train, val, host).unwrap();
        method.fit(&train, host).unwrap();
        method
    }

    #[test]
    fn without_validation_images_the_initial_values_stay_and_a_warning_says_so() {
        let host = ToyHost::new(4);
        let mut method = trained(Options::default(), None, &host);
        assert_eq!(host.logged(), ["there are no validation images, so beta stays 1 and alpha 1.17"]);
        let batch = host.batch(5, 1);
        let features = unit(batch.features().unwrap());
        let affinity = features.matmul(&unit(&sample(&host, 12, 0).features).tr());
        let values = sample(&host, 12, 0).labels.one_hot(4).to_kind(Kind::Double);
        let names: Vec<_> = (0..4).map(|class| format!("a photo of a class {class}.")).collect();
        let text = unit(&host.encode_strings(&names).unwrap());
        let expected = features.matmul(&text.tr()) * 100.0 + (affinity - 1.0).exp().matmul(&values) * 1.17;
        assert!(method.logits(&batch, &host).unwrap().allclose(&expected, 1e-12, 1e-12, false));
    }

    #[test]
    fn what_is_searched_is_never_worse_on_the_validation_images() {
        let host = ToyHost::new(4);
        let val = sample(&host, 40, 3);
        let right = |method: &mut TipAdapter| {
            let logits = method.logits(&host.batch(40, 3), &host).unwrap();
            i64::try_from(logits.argmax(-1, false).eq_tensor(&val.labels).sum(Kind::Int64)).unwrap()
        };
        let mut searched = trained(Options { logit_scale: 1.0, ..Options::default() }, Some(&val), &host);
        let mut initial = trained(Options { logit_scale: 1.0, search_hp: false, ..Options::default() }, None, &host);
        assert!(host.logged().is_empty());
        assert_ne!(searched.balance, initial.balance);
        assert!(right(&mut searched) > right(&mut initial));
    }

    #[test]
    fn a_state_brings_its_images_along_and_other_classes_are_refused() {
        let host = ToyHost::new(4);
        let val = sample(&host, 40, 3);
        let mut one = trained(Options::default(), Some(&val), &host);
        let mut two = TipAdapter::create(host.task(), Options::default(), &host).unwrap();
        two.load_state(&one.state().unwrap()).unwrap();
        let batch = host.batch(5, 1);
        assert_eq!(one.logits(&batch, &host).unwrap(), two.logits(&batch, &host).unwrap());
        let mut other = TipAdapter::create(ToyHost::new(5).task(), Options::default(), &host).unwrap();
        let error = other.load_state(&one.state().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the stored `cache_values` has the shape [4, 12], but the method's has [5, 12]");
    }

    #[test]
    fn ranges_are_checked() {
        let host = ToyHost::new(4);
        let error = |options| TipAdapter::create(host.task(), options, &host).unwrap_err().to_string();
        assert_eq!(
            error(Options { search_scale: [0.05, 3.0], ..Options::default() }),
            "option `search_scale`: 0.05 is not a number above 0.1"
        );
        assert_eq!(
            error(Options { search_step: [200, 0], ..Options::default() }),
            "option `search_step`: there must be at least one step"
        );
    }
}
