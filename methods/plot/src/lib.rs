//! `PLOT`: several contexts, compared with an image's local features by optimal transport (Chen et al., "PLOT: Prompt
//! Learning with Optimal Transport for Vision-Language Models", ICLR 2023; `plot-coop/trainers/plot.py` of its code, and
//! `trainers/plot.py` and `trainers/plot_nemesis.py` of Nemesis's).
//!
//! A class has `N` prompts with text features `g_n`, and an image `M` local features `f_m`, all of length one. The
//! similarity of image and class is what the best transport plan between both sets, each with equal weights, leaves of
//! the cosines (equations 3 to 7 of the paper):
//!
//! ```text
//! K = exp(−(1 − f·g) / ε)
//! r ← (1/M) / (K c),   c ← (1/N) / (Kᵀ r)        from c = 1, until r hardly changes
//! T = diag(r) K diag(c)
//! logits = scale · Σ_mn T_mn f_m·g_n
//! ```
//!
//! The plan is computed without gradient, and the loss is the cross-entropy.
//!
//! Two `variant`s:
//! * `plot`, PLOT's own code: the local features only. On ImageNet it adds the cosine of the global image feature and
//!   the mean of the unnormalised text features; `global` does that.
//! * `nemesis`, Nemesis's code: the global feature is one more of the `M`, and contexts may be class-specific.
//!
//! As in both codes, the rounds end when the change of `r` is below 0.01 on average over the whole batch and all
//! classes, so the logits of an image depend slightly on its batch. In an evaluation, batches have 32 images here.
//!
//! Local features are those of each pixel of a residual network's last layer (`RN50` is what was published), or of each
//! patch of a vision transformer.
//!
//! Traps and departures:
//! * PLOT's class-specific contexts cannot run as published (their first dimension is read as `N`); here they are those of
//!   Nemesis's code in both variants.
//! * Since the plan has no gradient, that of the loss is not the derivative of the loss.
//! * Class names in the middle or in front work for any `N` here; both codes build them for the first prompt only.
//! * Without a finite plan, the codes return nothing and crash in the loss; here it is an error that says so.
//!
//! The norm loss sums over all `N` prompts, and over classes if contexts are class-specific, yet is divided by the
//! number of positions (`normalize` in `trainers/plot_nemesis.py`), so it grows with `N`. PAN corrupts a position in all
//! prompts together, and every copy has a plan of its own.

mod transport;

use nemesis_sdk::norm::{NormLoss, at_least_zero, report_context_norm};
use nemesis_sdk::parameters::{Parameters, normal};
use nemesis_sdk::prompt::{CONTEXT, CONTEXT_DEVIATION, cross_entropy, unit};
use nemesis_sdk::serde::{Deserialize, Serialize};
use nemesis_sdk::tch::{Kind, Tensor};
use nemesis_sdk::{
    About, Batch, ClassPosition, Error, Host, Method, Needs, Optimisation, OptionValue, Parameter, Plugin, Result,
    State, Task,
};
use transport::Sinkhorn;

/// Whose code is followed where the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "nemesis_sdk::serde", rename_all = "lowercase")]
pub enum Variant {
    /// That of PLOT's authors.
    Plot,
    /// That of Nemesis's authors.
    Nemesis,
}

impl OptionValue for Variant {
    fn kind() -> String {
        "`plot` or `nemesis`".to_owned()
    }
}

nemesis_sdk::with_norm_loss! {
    prompt_options;
    /// The options of `PLOT`, with the authors' defaults.
    pub struct Options {
        /// Number of prompts of each class (N).
        pub prompts: usize = 4,
        /// Which code to follow: `plot` uses local features only, `nemesis` also the global one.
        pub variant: Variant = Variant::Plot,
        /// Whether to add the cosine of the global features, as PLOT's authors do on ImageNet; only with the variant
        /// `plot`.
        pub global: bool = false,
        /// Entropic regularisation of the transport plan (ε).
        pub epsilon: f64 = 0.1,
        /// The largest number of rounds for a plan.
        pub rounds: usize = 100,
        /// Mean absolute change below which the rounds end.
        pub threshold: f64 = 0.01,
    }
}

/// Several contexts learned with cross-entropy.
#[derive(Debug)]
pub struct Plot {
    parameters: Parameters,
    norm: Option<NormLoss>,
    class_position: ClassPosition,
    variant: Variant,
    global: bool,
    sinkhorn: Sinkhorn,
    logit_scale: f64,
}

impl Plugin for Plot {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "plot",
        label: "PLOT",
        summary: "several contexts, compared with local image features by optimal transport",
        paper: Some("Chen et al., PLOT: Prompt Learning with Optimal Transport for Vision-Language Models, ICLR 2023"),
        needs: Needs { dense: true, ..Needs::FEATURES },
        optimisation: Optimisation::Host,
    };

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        if options.prompts == 0 {
            return Err(Error::option("prompts", "there must be at least one prompt"));
        }
        if options.rounds == 0 {
            return Err(Error::option("rounds", "there must be at least one round, or there is no plan"));
        }
        if options.global && options.variant == Variant::Nemesis {
            return Err(Error::option("global", "only the variant `plot` adds the cosine of the global features"));
        }
        if options.epsilon <= 0.0 || !options.epsilon.is_finite() {
            return Err(Error::option("epsilon", format_args!("{} is not a number above 0", options.epsilon)));
        }
        let context = initial(&task, &options, host)?;
        let mut parameters = Parameters::new(&task);
        parameters.add(CONTEXT, &context);
        let vectors = context.size()[context.dim() - 2] as usize;
        Ok(Self {
            parameters,
            norm: NormLoss::new(options.norm_loss(), vectors, &task)?,
            class_position: options.class_position,
            variant: options.variant,
            global: options.global,
            sinkhorn: Sinkhorn {
                epsilon: options.epsilon,
                rounds: options.rounds,
                threshold: at_least_zero("threshold", options.threshold)?,
            },
            logit_scale: task.logit_scale,
        })
    }
}

/// The first context `[prompts, vectors, width]`, or `[classes, prompts, vectors, width]` if it is class-specific. From
/// words, all prompts start equal, which leaves them equal: the codes cannot run that, so it is refused.
fn initial(task: &Task, options: &Options, host: &dyn Host) -> Result<Tensor> {
    if options.n_ctx == 0 {
        return Err(Error::option("n_ctx", "there must be at least one context vector"));
    }
    if !options.ctx_init.trim().is_empty() && options.prompts > 1 {
        let why = "prompts that start from the same words stay the same; leave it empty, or set `prompts` to 1";
        return Err(Error::option("ctx_init", why));
    }
    let (classes, prompts) = (task.class_names.len() as i64, options.prompts as i64);
    if options.ctx_init.trim().is_empty() {
        let shape = [prompts, options.n_ctx as i64, task.width];
        let shape = if options.csc { [&[classes], &shape[..]].concat() } else { shape.to_vec() };
        return Ok(normal(&shape, CONTEXT_DEVIATION, host, "context", 0));
    }
    let words = host.embed_text(options.ctx_init.replace('_', " ").trim())?.unsqueeze(0);
    Ok(if options.csc { words.unsqueeze(0).repeat([classes, 1, 1, 1]) } else { words })
}

/// What is compared with prompts.
struct Image {
    /// Local features `[images, places, embed_dim]`, of length one.
    places: Tensor,
    /// Global features `[images, embed_dim]`, of length one.
    whole: Tensor,
}

/// Text features `[copies, prompts, classes, embed_dim]`, not normalised, of contexts `[copies, …, prompts, vectors,
/// width]`.
fn text_features(contexts: &Tensor, position: ClassPosition, host: &dyn Host) -> Result<Tensor> {
    // `[copies, prompts, 1 or classes, vectors, width]`
    let contexts = if contexts.dim() == 5 { contexts.transpose(1, 2) } else { contexts.unsqueeze(2) };
    let size = contexts.size();
    let flat = contexts.reshape([size[0] * size[1], size[2], size[3], size[4]]);
    let features = host.encode_contexts(&flat, position)?;
    Ok(features.view([size[0], size[1], features.size()[1], features.size()[2]]))
}

impl Plot {
    fn context(&self) -> Result<&Tensor> {
        self.parameters.get(CONTEXT)
    }

    fn image(&self, batch: &Batch) -> Result<Image> {
        let (features, dense) = (batch.features()?, batch.dense()?);
        let places = match self.variant {
            Variant::Plot => unit(dense),
            Variant::Nemesis => unit(&Tensor::f_cat(&[features.unsqueeze(1), dense.shallow_clone()], 1)?),
        };
        Ok(Image { places, whole: unit(features) })
    }

    /// Logits `[images, classes]` of text features `[prompts, classes, embed_dim]`, not normalised.
    fn compare(&self, image: &Image, text: &Tensor) -> Result<Tensor> {
        // `[images, 1, places, embed_dim]` with `[classes, embed_dim, prompts]`
        let cosines = image.places.unsqueeze(1).f_matmul(&unit(text).permute([1, 2, 0]))?;
        let similarity = self.sinkhorn.similarity(&cosines)?;
        if !self.global {
            return Ok(similarity * self.logit_scale);
        }
        let text = unit(&text.mean_dim([0i64].as_slice(), false, None::<Kind>));
        Ok((similarity + image.whole.f_matmul(&text.tr())?) * self.logit_scale)
    }

    /// Logits `[copies, images, classes]` of contexts `[copies, …, prompts, vectors, width]`.
    fn logits_of(&self, contexts: &Tensor, image: &Image, host: &dyn Host) -> Result<Tensor> {
        let text = text_features(contexts, self.class_position, host)?;
        let copies = (0..text.size()[0]).map(|copy| self.compare(image, &text.get(copy)));
        Ok(Tensor::f_stack(&copies.collect::<Result<Vec<_>>>()?, 0)?)
    }
}

impl Method for Plot {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(self.parameters.all())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let (image, context) = (self.image(batch)?, self.context()?);
        let logits = self.logits_of(&context.unsqueeze(0), &image, host)?.squeeze_dim(0);
        let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
        let Some(norm) = &self.norm else {
            report_context_norm(context, host);
            return Ok(cross_entropy);
        };
        let logits_of = |contexts: &Tensor| self.logits_of(contexts, &image, host);
        Ok(cross_entropy + norm.loss(context, batch, &logits, host, &logits_of)?)
    }

    /// The plan is held fixed, so the gradient is not the derivative of the loss: the method fills it in itself.
    fn compute_gradients(&mut self, batch: &Batch, host: &dyn Host) -> Result<Option<Tensor>> {
        let loss = self.loss(batch, host)?;
        host.backward(&loss)?;
        Ok(Some(loss))
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let image = self.image(batch)?;
        let position = self.class_position;
        let text = self.parameters.remembered(|own| text_features(&own.get(CONTEXT)?.unsqueeze(0), position, host))?;
        self.compare(&image, &text.squeeze_dim(0))
    }

    fn state(&self) -> Result<State> {
        Ok(self.parameters.state())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.parameters.load_state(state)
    }
}

nemesis_sdk::export_method!(Plot);

#[cfg(test)]
mod tests;
