//! `ProGrad`: CoOp that never learns against what CLIP already knows (Zhu et al., "Prompt-aligned Gradient for Prompt
//! Tuning", ICCV 2023; `trainers/prograd.py` of its code, and `prograd_backward_and_update` of its Dassl).
//!
//! Two losses of the same logits `z` are differentiated, with the logits `t` of a hand-written prompt as the teacher:
//!
//! ```text
//! L_ce = cross-entropy(z, label)
//! L_kl = mean over images, sum over classes of  −softmax(t / T) · log softmax(z / T) · T²
//! ```
//!
//! If their gradients disagree (`g_ce · g_kl < 0`), the part of `g_ce` that opposes `g_kl` is taken out (equation 4 of
//! the paper), with `b = g_kl / ‖g_kl‖`:
//!
//! ```text
//! g = g_ce − λ (g_ce · b) b      otherwise  g = g_ce
//! ```
//!
//! `g_kl` itself is never added. Gradients are those of the whole context, flattened.
//!
//! As in the authors' code:
//! * The paper's divergence has an entropy of the teacher that is constant; the reported `kl_loss` is without it.
//! * With `words`, the context starts from the words of the hand-written prompt, right before the class name, and from
//!   zeros before them. Words are counted at spaces, but a comma is a token of its own: of "a type of pet, a photo of a"
//!   the first eight tokens are learned, and the last "a" stays as it is.
//! * The kind of a class comes first: "a photo of a {}, a type of pet." is read as "a type of pet, a photo of a {}.",
//!   and "{} texture." as "a texture of {}." This gives the authors' templates from those of the data sets.
//!
//! A trap: with as many words as context vectors, student and teacher are the same at first, and `g_kl` is rounding
//! noise. The first projection then depends on it, here as there. If `g_kl` is exactly zero, nothing is projected.
//!
//! With `norm_loss`, the loss of Nemesis is added to the cross-entropy. Its gradient is added to `g`
//! without a projection, since the teacher has no say in how long a vector is. No publication has this: it is our composition.
//!
//! Departures: there are no class-specific contexts and no other class positions (the authors' code cannot run the
//! middle one, and ignores the former with words).

use nemesis_sdk::norm::{NormLoss, at_least_zero};
use nemesis_sdk::parameters::normal;
use nemesis_sdk::prompt::{CONTEXT_DEVIATION, PromptLearner, cross_entropy, hand_written};
use nemesis_sdk::tch::{Kind, Tensor, no_grad};
use nemesis_sdk::{
    About, Batch, ClassPosition, Error, Host, Method, Needs, Optimisation, Parameter, Plugin, Result, State, Task,
    gradients,
};

nemesis_sdk::with_norm_loss! {
    options;
    /// The options of `ProGrad`, with the authors' defaults.
    pub struct Options {
        /// Number of context vectors; at least as many as the hand-written prompt has words, if `words`.
        pub n_ctx: usize = 16,
        /// Whether the context starts from the words of the hand-written prompt, behind zeros; without them, it is drawn
        /// from a normal distribution with standard deviation 0.02.
        pub words: bool = true,
        /// Hand-written prompt of the teacher, with `{}` for the class name; empty for the data set's own, with the kind
        /// of the classes moved to the front.
        pub template: String = String::new(),
        /// How much of the conflicting part of the gradient is taken out (λ); the authors use 0.8 for 8 and 16 shots of
        /// Flowers102, DTD and EuroSAT.
        pub lambda: f64 = 1.0,
        /// Temperature of the teacher (T).
        pub temperature: f64 = 1.0,
    }
}

/// A context whose gradients don't oppose those towards a hand-written prompt.
#[derive(Debug)]
pub struct ProGrad {
    prompt: PromptLearner,
    /// Text features `[classes, embed_dim]` of the hand-written prompt, of length one.
    known: Tensor,
    lambda: f64,
    temperature: f64,
    norm: Option<NormLoss>,
}

/// The losses of a step.
struct Losses {
    cross_entropy: Tensor,
    /// The divergence from the teacher without its entropy.
    divergence: Tensor,
    norm: Option<Tensor>,
}

impl Losses {
    /// What is minimised.
    fn whole(&self) -> Tensor {
        match &self.norm {
            Some(norm) => &self.cross_entropy + norm,
            None => self.cross_entropy.shallow_clone(),
        }
    }
}

impl Plugin for ProGrad {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "prograd",
        label: "ProGrad",
        summary: "CoOp without the part of its gradient that opposes a hand-written prompt",
        paper: Some("Zhu et al., Prompt-aligned Gradient for Prompt Tuning, ICCV 2023"),
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let template = if options.template.is_empty() { kind_first(&task.template) } else { options.template.clone() };
        let known = hand_written(&task, &template, host)?;
        let prompt = if options.words {
            from_words(&task, &template, options.n_ctx, host)?
        } else {
            let context = normal(&[options.n_ctx as i64, task.width], CONTEXT_DEVIATION, host, "context", 0);
            PromptLearner::starting_from(&task, &context, ClassPosition::End)?
        };
        if options.temperature <= 0.0 || !options.temperature.is_finite() {
            let why = format_args!("{} is not a number above 0", options.temperature);
            return Err(Error::option("temperature", why));
        }
        let lambda = at_least_zero("lambda", options.lambda)?;
        let norm = NormLoss::new(options.norm_loss(), prompt.vectors(), &task)?;
        Ok(Self { prompt, known, lambda, temperature: options.temperature, norm })
    }
}

/// The template as the authors write it, with the kind of its classes before their names.
fn kind_first(template: &str) -> String {
    let Some((before, after)) = template.split_once("{}") else { return template.to_owned() };
    match after.trim_end_matches('.').split_once(' ') {
        Some((",", kind)) => format!("{kind}, {before}{{}}."),
        Some(("", kind)) if before.is_empty() => format!("a {kind} of {{}}."),
        _ => template.to_owned(),
    }
}

/// A context of zeros and then the words before the class name.
fn from_words(task: &Task, template: &str, n_ctx: usize, host: &dyn Host) -> Result<PromptLearner> {
    let words = template.split("{}").next().unwrap_or_default().trim();
    let count = if words.is_empty() { 0 } else { words.split(' ').count() };
    if count == 0 {
        let why = format_args!("`{template}` has no words before the class name to start a context from");
        return Err(Error::option("template", why));
    }
    if count > n_ctx {
        let why = format_args!("{n_ctx} context vectors cannot start from the {count} words of `{words}`");
        return Err(Error::option("n_ctx", why));
    }
    let tokens = host.embed_text(words)?.to_device(task.device).to_kind(task.kind);
    // A word may have more than one token, and the first tokens are learned.
    let learned = (count as i64).min(tokens.size()[0]);
    let zeros = Tensor::zeros([n_ctx as i64 - learned, task.width], (task.kind, task.device));
    let context = Tensor::f_cat(&[zeros, tokens.narrow(0, 0, learned)], 0)?;
    let rest = tokens.narrow(0, learned, tokens.size()[0] - learned);
    Ok(PromptLearner::starting_from(task, &context, ClassPosition::End)?.followed_by(&rest))
}

impl ProGrad {
    fn losses(&self, batch: &Batch, host: &dyn Host) -> Result<Losses> {
        let features = batch.features()?;
        let logits = self.prompt.logits(features, host)?;
        let teacher = no_grad(|| self.prompt.compare(features, &self.known))?;
        let [logits_at, teacher_at] = [&logits, &teacher].map(|logits| logits / self.temperature);
        let divergence = teacher_at.f_softmax(-1, None)? * logits_at.f_log_softmax(-1, None)?;
        let divergence = divergence.sum_dim_intlist([1i64].as_slice(), false, None::<Kind>).mean(None::<Kind>);
        let divergence = divergence * -(self.temperature * self.temperature);
        let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
        let norm = self.norm.as_ref().map(|norm| {
            let logits_of = |contexts: &Tensor| self.prompt.logits_of(contexts, features, host);
            norm.loss(self.prompt.context(), batch, &logits, host, &logits_of)
        });
        Ok(Losses { cross_entropy, divergence, norm: norm.transpose()? })
    }
}

impl Method for ProGrad {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(vec![self.prompt.parameter()])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        Ok(self.losses(batch, host)?.whole())
    }

    fn compute_gradients(&mut self, batch: &Batch, host: &dyn Host) -> Result<Option<Tensor>> {
        let losses = self.losses(batch, host)?;
        let context = [self.prompt.context()];
        let own = host.gradients(&losses.cross_entropy, &context)?.remove(0);
        let known = host.gradients(&losses.divergence, &context)?.remove(0);
        let norm = losses.norm.as_ref().map(|norm| host.gradients(norm, &context)).transpose()?;
        let gradient = no_grad(|| -> Result<Tensor> {
            let sum = |tensor: Tensor| tensor.sum(None::<Kind>);
            let (own_norm, norm) = (sum(own.square()).sqrt(), sum(known.square()).sqrt());
            let along = sum(&own * &known);
            let cosine = &along / (&own_norm * &norm).clamp_min(f64::MIN_POSITIVE);
            let conflict = f64::try_from(along.to_kind(Kind::Double))? < 0.0;
            host.report("kl_loss", &losses.divergence);
            host.report("cosine", &cosine);
            host.report("projected", &Tensor::from(f64::from(conflict)));
            if !conflict {
                return Ok(own.shallow_clone());
            }
            let direction = &known / &norm;
            Ok(&own - &direction * sum(&own * &direction) * self.lambda)
        })?;
        let gradient = norm.map_or_else(|| gradient.shallow_clone(), |norm| &gradient + &norm[0]);
        gradients::fill(&context, &[gradient])?;
        Ok(Some(losses.whole()))
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.prompt.evaluate(batch.features()?, host)
    }

    fn state(&self) -> Result<State> {
        Ok(self.prompt.state())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.prompt.load_state(state)
    }
}

nemesis_sdk::export_method!(ProGrad);

#[cfg(test)]
mod tests;
