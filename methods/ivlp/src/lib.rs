//! IVLP, independent vision-language prompting: prompts in the first layers of both towers, learned with cross-entropy
//! (`trainers/independentVL.py` and `clip/model.py` of `MaPLe`'s code). It is the baseline of `MaPLe`, whose prompts are
//! coupled, and of `PromptSRC`, which holds them near the frozen model.
//!
//! Before layer `i`, the tokens behind the start token are the prompt `P_i` in the text tower, and the last tokens are the
//! prompt `Q_i` in the image tower. Logits are the backbone's factor times the cosine of both features, and the loss is
//! the cross-entropy. With `depth_vision` 0 only the text tower has prompts (the code's "deep language prompting").
//!
//! The defaults are those of `MaPLe`'s repository: two tokens in each of twelve layers, five epochs. `PromptSRC`'s has four
//! tokens in nine layers, twenty epochs and a learning rate of 0.0025.
//!
//! As in the code, words start the context if there are at most four vectors, and those that are not learned stay. A depth
//! beyond the last layer of a tower is lowered, with a warning; the code has no such layers, either.
//!
//! With `norm_loss`, the norms of the text prompts count, as for `MaPLe`: norms are summed over layers and divided by the
//! number of positions, and PAN corrupts a position in all layers together. No publication has this: it is our
//! composition.

use nemesis_sdk::deep::{self, IndependentPrompts};
use nemesis_sdk::norm::NormLoss;
use nemesis_sdk::prompt::cross_entropy;
use nemesis_sdk::tch::{Tensor, no_grad};
use nemesis_sdk::towers::of;
use nemesis_sdk::{
    About, Batch, Error, Host, Method, Needs, Optimisation, Parameter, Plugin, ProtocolPatch, Result, State, Task,
};

nemesis_sdk::with_norm_loss! {
    options;
    /// The options of IVLP, with the authors' defaults.
    pub struct Options {
        /// Number of context vectors, which is also that of prompt tokens in every layer of the text tower.
        pub n_ctx: usize = 2,
        /// Text whose first tokens initialise the context; the other tokens stay. With more than four context vectors,
        /// or without text, the context is drawn from a normal distribution with standard deviation 0.02.
        pub ctx_init: String = "a photo of a".to_owned(),
        /// Number of layers of the text tower with prompts; 1 means the input only.
        pub depth_text: usize = 12,
        /// Number of prompt tokens in every layer of the image tower.
        pub n_ctx_vision: usize = 2,
        /// Number of layers of the image tower with prompts; 1 means the input only, 0 none at all.
        pub depth_vision: usize = 12,
    }
}

/// Independent prompts in both towers, learned with cross-entropy.
#[derive(Debug)]
pub struct Ivlp {
    prompts: IndependentPrompts,
    norm: Option<NormLoss>,
    logit_scale: f64,
}

impl Plugin for Ivlp {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "ivlp",
        label: "IVLP",
        summary: "prompts in the first layers of both towers, independent of each other",
        paper: Some("Khattak et al., MaPLe: Multi-modal Prompt Learning, CVPR 2023, which has it as a baseline"),
        needs: Needs::TOWERS,
        optimisation: Optimisation::Host,
    };

    /// As published (`configs/trainers/IVLP/vit_b16_c2_ep5_batch4_2+2ctx.yaml`): SGD with a constant warm-up of an epoch at
    /// 1e-5, and a cosine by epochs.
    fn protocol() -> ProtocolPatch {
        deep::protocol(0.0035, 5)
    }

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let sizes = of(host)?.sizes();
        let depth_vision = match options.depth_vision {
            0 => 0,
            depth => deep::depth("depth_vision", depth, sizes.image_layers, host)?,
        };
        let depth_text = deep::depth("depth_text", options.depth_text, sizes.text_layers, host)?;
        if options.n_ctx_vision == 0 && depth_vision > 0 {
            let why = "there must be at least one prompt token; `depth_vision: 0` leaves the image tower alone";
            return Err(Error::option("n_ctx_vision", why));
        }
        let text = (options.n_ctx, depth_text);
        let images = (options.n_ctx_vision, depth_vision);
        let prompts = IndependentPrompts::new(&task, text, &options.ctx_init, images, host)?;
        let norm = NormLoss::new(options.norm_loss(), options.n_ctx, &task)?;
        Ok(Self { prompts, norm, logit_scale: task.logit_scale })
    }
}

impl Ivlp {
    /// Logits `[images, classes]` of features of length one.
    fn compare(&self, images: &Tensor, text: &Tensor) -> Result<Tensor> {
        Ok(images.f_matmul(&text.tr())? * self.logit_scale)
    }
}

impl Method for Ivlp {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(self.prompts.parameters.all())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let text = self.prompts.text_features(host)?;
        let images = self.prompts.image_features(batch.pixels()?, host)?;
        let logits = self.compare(&images, &text)?;
        let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
        let norm = self.norm.as_ref();
        self.prompts.with_norm_loss(cross_entropy, norm, batch, &logits, host, &|text| self.compare(&images, text))
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let text = self.prompts.remembered_text_features(host)?;
        no_grad(|| self.compare(&self.prompts.image_features(batch.pixels()?, host)?, &text))
    }

    fn state(&self) -> Result<State> {
        Ok(self.prompts.parameters.state())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.prompts.parameters.load_state(state)
    }
}

nemesis_sdk::export_method!(Ivlp);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::norm::NormLossOptions;
    use nemesis_sdk::testing::{ToyHost, check_gradients, check_norm_loss};

    /// With as many layers of the text tower as it has.
    fn create(depth_vision: usize, host: &ToyHost) -> Ivlp {
        let options = Options { depth_text: 2, depth_vision, ..Options::default() };
        Ivlp::create(host.task(), options, host).unwrap()
    }

    #[test]
    fn parameters_have_the_authors_names() {
        let host = ToyHost::new(4);
        let names = |ivlp: Ivlp| ivlp.parameters().unwrap().into_iter().map(|parameter| parameter.name);
        let text = ["ctx", "text_encoder.transformer.resblocks.1.VPT_shallow"];
        let images = ["image_encoder.VPT", "image_encoder.transformer.resblocks.1.VPT_shallow"];
        assert!(names(create(2, &host)).eq([text, images].concat()));
        assert!(names(create(0, &host)).eq(text));
        assert!(host.logged().is_empty());
    }

    #[test]
    fn gradients_are_those_of_the_loss() {
        let host = ToyHost::new(4);
        let batch = host.batch(3, 0);
        for depth_vision in [0, 3] {
            check_gradients(&mut create(depth_vision, &host), &batch, &host).unwrap();
        }
    }

    #[test]
    fn the_norm_loss_is_of_all_layers_text_prompts() {
        let host = ToyHost::new(4);
        let create = |norm: NormLossOptions| {
            let NormLossOptions { kind: norm_loss, alpha, beta, positions, omega, .. } = norm;
            let own = Options { depth_text: 2, depth_vision: 1, ..Options::default() };
            Ivlp::create(host.task(), Options { norm_loss, alpha, beta, positions, omega, ..own }, &host)
        };
        let context = |ivlp: &Ivlp| Tensor::stack(&ivlp.prompts.text_prompts().unwrap(), 0);
        check_norm_loss(&create, &context, &host.batch(3, 0), &host).unwrap();
    }
}
