//! CLIP-Adapter: a bottleneck on the image features (Gao et al., "CLIP-Adapter: Better Vision-Language Models with
//! Feature Adapters", IJCV 2024; `clip_adapter.py` of its code).
//!
//! For image features `f` as they leave the tower, unit text features `w`, the backbone's factor `s` and `ratio` ρ:
//!
//! ```text
//! A(f)   = ReLU(ReLU(f W₁ᵀ) W₂ᵀ)
//! f'     = ρ A(f) + (1 − ρ) f
//! logits = s f'/‖f'‖ wᵀ
//! ```
//!
//! Paper and code differ: the paper has no `ReLU` after the second layer (`relu_after_both: false`), and chooses the ratio
//! for each data set; the code has one ratio for all. The repository of LP++ runs the method with `normalise: before` and
//! `ratio: 0.5`: it makes `f` a unit vector first, and leaves `f'` as long as it is. The text template is the data set's
//! own.

use nemesis_sdk::adapter::Bottleneck;
use nemesis_sdk::learned::load;
use nemesis_sdk::prompt::{cross_entropy, scaled_cosines, unit};
use nemesis_sdk::serde::{Deserialize, Serialize};
use nemesis_sdk::tch::Tensor;
use nemesis_sdk::templates::{Average, ClassTexts, Templates};
use nemesis_sdk::{
    About, Batch, Error, Host, Method, Needs, Optimisation, OptionValue, Parameter, Plugin, Result, State, Task,
};

nemesis_sdk::options! {
    /// The options of CLIP-Adapter, with the defaults of its authors' code.
    pub struct Options {
        /// How much of the mixed features comes from the adapter, from 0 to 1.
        pub ratio: f64 = 0.2,
        /// How many times narrower than the features the adapter is inside.
        pub reduction: u64 = 4,
        /// Whether a ReLU follows the second layer, too, as in the code; the paper has none there.
        pub relu_after_both: bool = true,
        /// Whether features become unit vectors `after` or `before` they are mixed; the repository of LP++ has `before`,
        /// with a ratio of 0.5.
        pub normalise: Normalise = Normalise::After,
        /// Templates of the text features; the authors use the data set's own.
        pub templates: Templates = Templates::Single,
    }
}

/// When image features become unit vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "nemesis_sdk::serde", rename_all = "lowercase")]
pub enum Normalise {
    /// After adapted and original features are mixed.
    After,
    /// Before the adapter, and not again.
    Before,
}

impl OptionValue for Normalise {
    fn kind() -> String {
        "`after` or `before`".to_owned()
    }
}

/// The adapter, and the classifier made of text that it feeds.
#[derive(Debug)]
pub struct ClipAdapter {
    adapter: Bottleneck,
    texts: ClassTexts,
    options: Options,
    logit_scale: f64,
}

/// The names of the weights in the authors' checkpoints.
const DOWN: &str = "adapter.fc.0.weight";
const UP: &str = "adapter.fc.2.weight";

impl Plugin for ClipAdapter {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "clip-adapter",
        label: "CLIP-Adapter",
        summary: "a bottleneck on the image features, mixed with the features themselves",
        paper: Some("Gao et al., CLIP-Adapter: Better Vision-Language Models with Feature Adapters, IJCV 2024"),
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        if !(0.0..=1.0).contains(&options.ratio) {
            return Err(Error::option("ratio", format_args!("{} is not a number from 0 to 1", options.ratio)));
        }
        let texts = ClassTexts::new(&task, &options.templates, Average::OfUnits);
        let adapter = Bottleneck::new(&task, options.reduction, host)?;
        Ok(Self { adapter, texts, options, logit_scale: task.logit_scale })
    }
}

impl ClipAdapter {
    fn logits_of(&self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let features = batch.features()?;
        let is_before = self.options.normalise == Normalise::Before;
        let features = if is_before { unit(features) } else { features.shallow_clone() };
        let adapted = self.adapter.forward(&features)?;
        let adapted = if self.options.relu_after_both { adapted.relu() } else { adapted };
        let mixed = adapted * self.options.ratio + features * (1.0 - self.options.ratio);
        let text = self.texts.features(host)?;
        if is_before {
            return Ok(mixed.f_matmul(&text.tr())? * self.logit_scale);
        }
        scaled_cosines(&mixed, text, self.logit_scale)
    }
}

impl Method for ClipAdapter {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        let Bottleneck { down, up } = &self.adapter;
        Ok(vec![Parameter::new(DOWN, down.shallow_clone()), Parameter::new(UP, up.shallow_clone())])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        cross_entropy(&self.logits_of(batch, host)?, &batch.labels, host)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.logits_of(batch, host)
    }

    fn state(&self) -> Result<State> {
        let Bottleneck { down, up } = &self.adapter;
        Ok(vec![(DOWN.to_owned(), down.detach()), (UP.to_owned(), up.detach())])
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        load(state, DOWN, &self.adapter.down)?;
        load(state, UP, &self.adapter.up)
    }
}

nemesis_sdk::export_method!(ClipAdapter);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::tch::no_grad;
    use nemesis_sdk::testing::ToyHost;

    fn logits(options: Options) -> Tensor {
        let host = ToyHost::new(4);
        let mut method = ClipAdapter::create(host.task(), options, &host).unwrap();
        no_grad(|| method.logits(&host.batch(8, 0), &host).unwrap())
    }

    /// What zero-shot CLIP says of the same batch.
    fn zero_shot() -> Tensor {
        let host = ToyHost::new(4);
        let texts = ClassTexts::new(&host.task(), &Templates::Single, Average::OfUnits);
        scaled_cosines(&host.batch(8, 0).features.unwrap(), texts.features(&host).unwrap(), 10.0).unwrap()
    }

    #[test]
    fn without_a_share_of_the_adapter_it_is_zero_shot_clip() {
        for normalise in [Normalise::After, Normalise::Before] {
            let found = logits(Options { ratio: 0.0, normalise, ..Options::default() });
            assert!(found.allclose(&zero_shot(), 1e-12, 1e-12, false), "{normalise:?}");
        }
        assert!(!logits(Options::default()).allclose(&zero_shot(), 1e-3, 1e-3, false));
    }

    #[test]
    fn the_last_relu_and_the_place_of_the_norm_make_a_difference() {
        let published = logits(Options::default());
        let others = [
            Options { relu_after_both: false, ..Options::default() },
            Options { normalise: Normalise::Before, ..Options::default() },
            Options { templates: Templates::Seven, ..Options::default() },
        ];
        for other in others {
            assert!(!logits(other).allclose(&published, 1e-6, 1e-6, false));
        }
    }

    #[test]
    fn the_formula_holds_for_a_row() {
        let host = ToyHost::new(4);
        let options = Options { reduction: 2, ..Options::default() };
        let mut method = ClipAdapter::create(host.task(), options, &host).unwrap();
        let batch = host.batch(1, 0);
        let features: Vec<f64> = batch.features().unwrap().get(0).try_into().unwrap();
        let rows = |weight: &Tensor| Vec::<Vec<f64>>::try_from(weight.detach()).unwrap();
        let layer = |weight: &Tensor, x: &[f64]| -> Vec<f64> {
            let dot = |row: &Vec<f64>| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>().max(0.0);
            rows(weight).iter().map(dot).collect()
        };
        let adapted = layer(&method.adapter.up, &layer(&method.adapter.down, &features));
        let mixed: Vec<f64> = adapted.iter().zip(&features).map(|(a, f)| 0.2 * a + 0.8 * f).collect();
        let norm = mixed.iter().map(|x| x * x).sum::<f64>().sqrt();
        let text = rows(method.texts.features(&host).unwrap());
        let logit = |row: &Vec<f64>| 10.0 * row.iter().zip(&mixed).map(|(t, x)| t * x / norm).sum::<f64>();
        let expected: Vec<f64> = text.iter().map(logit).collect();
        let found = Vec::<f64>::try_from(no_grad(|| method.logits(&batch, &host)).unwrap().get(0)).unwrap();
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
    }

    #[test]
    fn a_ratio_beyond_one_is_refused() {
        let host = ToyHost::new(4);
        let error = ClipAdapter::create(host.task(), Options { ratio: 1.5, ..Options::default() }, &host).unwrap_err();
        assert_eq!(error.to_string(), "option `ratio`: 1.5 is not a number from 0 to 1");
    }
}
