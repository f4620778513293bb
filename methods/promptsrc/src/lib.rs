//! `PromptSRC`: prompts in the first layers of both towers, kept close to the frozen model (Khattak et al.,
//! "Self-regulating Prompts: Foundational Model Adaptation without Forgetting", ICCV 2023; `trainers/promptsrc.py` of its
//! code).
//!
//! Prompts of the two towers are independent of each other. With features of length one, `f` of images and `g` of
//! classes, the frozen model's `f*` and `g*`, and `q` and `q*` the softmax of the logits of both, the loss is
//!
//! ```text
//! cross-entropy + 25 · mean |g - g*| + 10 · mean |f - f*| + KL(q* ‖ q) / classes
//! ```
//!
//! (equations 3 to 6 of the paper, with `λ1 = 10` and `λ2 = 25`). The means are over rows and dimensions. The divergence is a
//! sum over the batch divided by images times classes, as the code has it. `f*` is of the same crop of the same image, and
//! `g*` is the mean over 60 templates, before it is made of length one.
//!
//! The average of the parameters over epochs, weighted by a Gaussian, is the training protocol's.
//!
//! As in the authors' code, words start the context if there are at most four vectors, and those that are not learned
//! stay. A depth beyond the last layer of a tower is lowered, with a warning; the code has no such layers, either.
//!
//! With `norm_loss`, the norms of the text prompts count, as for `MaPLe`: norms are summed over layers and divided by the
//! number of positions, and PAN corrupts a position in all layers together. No publication has this: it is our
//! composition.

mod templates;

use nemesis_sdk::deep::{self, IndependentPrompts};
use nemesis_sdk::norm::{NormLoss, at_least_zero};
use nemesis_sdk::prompt::{cross_entropy, unit};
use nemesis_sdk::tch::{Kind, Tensor, no_grad};
use nemesis_sdk::towers::{Changes, of};
use nemesis_sdk::{
    About, AverageKind, Batch, Error, Host, Method, Needs, Optimisation, Parameter, Plugin, ProtocolPatch, Result,
    State, Task,
};
use templates::TEMPLATES;

nemesis_sdk::with_norm_loss! {
    options;
    /// The options of `PromptSRC`, with the authors' defaults.
    pub struct Options {
        /// Number of context vectors, which is also that of prompt tokens in every layer of the text tower.
        pub n_ctx: usize = 4,
        /// Text whose first tokens initialise the context; the other tokens stay. With more than four context vectors,
        /// or without text, the context is drawn from a normal distribution with standard deviation 0.02.
        pub ctx_init: String = "a photo of a".to_owned(),
        /// Number of layers of the text tower with prompts; 1 means the input only.
        pub depth_text: usize = 9,
        /// Number of prompt tokens in every layer of the image tower.
        pub n_ctx_vision: usize = 4,
        /// Number of layers of the image tower with prompts; 1 means the input only.
        pub depth_vision: usize = 9,
        /// Weight of the distance of text features from the frozen ones (the paper's λ2).
        pub text_loss_weight: f64 = 25.0,
        /// Weight of the distance of image features from the frozen ones (the paper's λ1).
        pub image_loss_weight: f64 = 10.0,
    }
}

/// Independent prompts in both towers, regulated by the frozen model.
#[derive(Debug)]
pub struct PromptSrc {
    prompts: IndependentPrompts,
    /// Frozen text features `[classes, embed_dim]` of length one.
    known: Tensor,
    weights: [f64; 2],
    norm: Option<NormLoss>,
    logit_scale: f64,
}

impl Plugin for PromptSrc {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "promptsrc",
        label: "PromptSRC",
        summary: "prompts in the first layers of both towers, kept close to the frozen model",
        paper: Some(
            "Khattak et al., Self-regulating Prompts: Foundational Model Adaptation without Forgetting, ICCV 2023",
        ),
        needs: Needs::TOWERS,
        optimisation: Optimisation::Host,
    };

    /// As published (`configs/trainers/PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx.yaml`): SGD with a constant warm-up of an epoch at 1e-5,
    /// and a cosine by epochs.
    fn protocol() -> ProtocolPatch {
        ProtocolPatch {
            average: Some(AverageKind::Gaussian),
            average_mean: Some(15.0),
            average_deviation: Some(1.0),
            ..deep::protocol(0.0025, 20)
        }
    }

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let sizes = of(host)?.sizes();
        let depth_vision = deep::depth("depth_vision", options.depth_vision, sizes.image_layers, host)?;
        let depth_text = deep::depth("depth_text", options.depth_text, sizes.text_layers, host)?;
        if options.n_ctx_vision == 0 {
            return Err(Error::option("n_ctx_vision", "there must be at least one prompt token"));
        }
        let text = (options.n_ctx, depth_text);
        let images = (options.n_ctx_vision, depth_vision);
        let prompts = IndependentPrompts::new(&task, text, &options.ctx_init, images, host)?;
        let weights = [
            at_least_zero("text_loss_weight", options.text_loss_weight)?,
            at_least_zero("image_loss_weight", options.image_loss_weight)?,
        ];
        let known = no_grad(|| known_text(&task, host))?;
        let norm = NormLoss::new(options.norm_loss(), options.n_ctx, &task)?;
        Ok(Self { prompts, known, weights, norm, logit_scale: task.logit_scale })
    }
}

/// The frozen model's text features `[classes, embed_dim]` of length one.
fn known_text(task: &Task, host: &dyn Host) -> Result<Tensor> {
    let features = TEMPLATES.iter().map(|template| {
        let prompts: Vec<_> = task.class_names.iter().map(|name| template.replace("{}", name)).collect();
        host.encode_strings(&prompts)
    });
    let features = Tensor::f_stack(&features.collect::<Result<Vec<_>>>()?, 0)?;
    Ok(unit(&features.mean_dim([0i64].as_slice(), false, None::<Kind>)))
}

impl PromptSrc {
    fn compare(&self, images: &Tensor, text: &Tensor) -> Result<Tensor> {
        Ok(images.f_matmul(&text.tr())? * self.logit_scale)
    }
}

/// The mean absolute difference (`F.l1_loss`).
fn distance(one: &Tensor, two: &Tensor) -> Tensor {
    (one - two).abs().mean(None::<Kind>)
}

impl Method for PromptSrc {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(self.prompts.parameters.all())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let pixels = batch.pixels()?;
        let text = self.prompts.text_features(host)?;
        let images = self.prompts.image_features(pixels, host)?;
        let logits = self.compare(&images, &text)?;
        let known_images = no_grad(|| of(host)?.encode_images(pixels, &Changes::default(), false));
        let known_images = unit(&known_images?.global);
        let known_logits = no_grad(|| self.compare(&known_images, &self.known))?;
        let [text_weight, image_weight] = self.weights;
        let scl_text = distance(&text, &self.known) * text_weight;
        let scl_image = distance(&images, &known_images) * image_weight;
        let (ours, theirs) = (logits.log_softmax(1, None::<Kind>), known_logits.log_softmax(1, None::<Kind>));
        let divergence = (theirs.exp() * (&theirs - ours)).mean(None::<Kind>);
        for (name, value) in [("scl_text", &scl_text), ("scl_image", &scl_image), ("scl_logits", &divergence)] {
            host.report(name, value);
        }
        let loss = cross_entropy(&logits, &batch.labels, host)? + divergence + scl_text + scl_image;
        let norm = self.norm.as_ref();
        self.prompts.with_norm_loss(loss, norm, batch, &logits, host, &|text| self.compare(&images, text))
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

nemesis_sdk::export_method!(PromptSrc);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::norm::NormLossOptions;
    use nemesis_sdk::testing::{ToyHost, check_gradients, check_norm_loss};

    /// With as many layers as the towers have.
    fn create(host: &ToyHost) -> PromptSrc {
        let options = Options { depth_text: 2, depth_vision: 3, n_ctx: 2, ..Options::default() };
        PromptSrc::create(host.task(), options, host).unwrap()
    }

    #[test]
    fn parameters_have_the_authors_names() {
        let host = ToyHost::new(4);
        let names: Vec<_> = create(&host).parameters().unwrap().into_iter().map(|parameter| parameter.name).collect();
        assert_eq!(
            names,
            [
                "ctx",
                "text_encoder.transformer.resblocks.1.VPT_shallow",
                "image_encoder.VPT",
                "image_encoder.transformer.resblocks.1.VPT_shallow",
                "image_encoder.transformer.resblocks.2.VPT_shallow",
            ]
        );
        assert!(host.logged().is_empty());
    }

    #[test]
    fn the_parts_add_up_and_count_by_their_weights() {
        let host = ToyHost::new(4);
        let batch = host.batch(3, 0);
        let part = |reports: &[(String, Tensor)], name: &str| {
            let found = reports.iter().find(|(known, _)| known == name).unwrap();
            f64::try_from(&found.1).unwrap()
        };
        let mut method = create(&host);
        let loss = f64::try_from(method.loss(&batch, &host).unwrap()).unwrap();
        let reports = host.take_reports();
        let names = ["cross_entropy", "scl_text", "scl_image", "scl_logits"];
        assert!((names.map(|name| part(&reports, name)).iter().sum::<f64>() - loss).abs() < 1e-12);
        assert!(names.iter().all(|name| part(&reports, name) > 0.0));
        method.weights = [5.0, 1.0];
        let _ = method.loss(&batch, &host).unwrap();
        let fewer = host.take_reports();
        assert!((part(&fewer, "scl_text") * 5.0 - part(&reports, "scl_text")).abs() < 1e-12);
        assert!((part(&fewer, "scl_image") * 10.0 - part(&reports, "scl_image")).abs() < 1e-12);
    }

    #[test]
    fn the_norm_loss_is_of_all_layers_text_prompts() {
        let host = ToyHost::new(4);
        let create = |norm: NormLossOptions| {
            let NormLossOptions { kind: norm_loss, alpha, beta, positions, omega, .. } = norm;
            let own = Options { depth_text: 2, depth_vision: 1, n_ctx: 2, ..Options::default() };
            PromptSrc::create(host.task(), Options { norm_loss, alpha, beta, positions, omega, ..own }, &host)
        };
        let context = |method: &PromptSrc| Tensor::stack(&method.prompts.text_prompts().unwrap(), 0);
        check_norm_loss(&create, &context, &host.batch(3, 0), &host).unwrap();
    }

    #[test]
    fn gradients_are_those_of_the_loss() {
        let host = ToyHost::new(4);
        let batch = host.batch(3, 0);
        let mut method = create(&host);
        check_gradients(&mut method, &batch, &host).unwrap();
    }
}
