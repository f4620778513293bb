//! The prompt learner of CoOp: context vectors before, around or after each class name (Zhou et al., "Learning to
//! Prompt for Vision-Language Models", IJCV 2022; `trainers/coop.py` of its code).

use crate::norm::{NormLoss, report_context_norm};
use crate::random::normals;
use crate::{Batch, ClassPosition, Error, Host, Parameter, Result, State, Task};
use tch::{Kind, Reduction, Tensor, no_grad};

/// The initial value and the shape of a prompt learner's context.
#[derive(Clone, Debug)]
pub struct PromptOptions {
    /// The number of context vectors, unless `ctx_init` determines it.
    pub n_ctx: usize,
    /// The text that the context starts from; empty for random vectors.
    pub ctx_init: String,
    /// Whether each class has its own context.
    pub csc: bool,
    /// Where the class name goes.
    pub class_position: ClassPosition,
}

/// [Options](crate::options) that begin with those of a prompt learner: `n_ctx`, `ctx_init`, `csc`, `class_position`.
///
/// The struct has a function `prompt` that returns them as [`PromptOptions`]. Contexts are those of `CoOp` unless the
/// declaration begins with what they start from: `from n_ctx 4, ctx_init "a photo of a";`.
#[macro_export]
macro_rules! prompt_options {
    ($(#[$attribute:meta])* $visibility:vis struct $Options:ident { $($fields:tt)* }) => {
        $crate::prompt_options! {
            from n_ctx 16, ctx_init "";
            $(#[$attribute])* $visibility struct $Options { $($fields)* }
        }
    };
    (
        from n_ctx $n_ctx:literal, ctx_init $ctx_init:literal;
        $(#[$attribute:meta])* $visibility:vis struct $Options:ident { $($fields:tt)* }
    ) => {
        $crate::options! {
            $(#[$attribute])*
            $visibility struct $Options {
                /// Number of context vectors; with `ctx_init`, the number of tokens in that text.
                pub n_ctx: usize = $n_ctx,
                /// Text whose token embeddings initialise the context, such as "a photo of a": all of its tokens are
                /// learned, more than there are words if a word has several. Without it, the context is drawn from a
                /// normal distribution with standard deviation 0.02.
                pub ctx_init: String = ::std::string::ToString::to_string($ctx_init),
                /// Whether each class has its own context.
                pub csc: bool = false,
                /// Where the class name goes among the context vectors.
                pub class_position: $crate::ClassPosition = $crate::ClassPosition::End,
                $($fields)*
            }
        }

        impl $Options {
            /// The options of the prompt learner.
            $visibility fn prompt(&self) -> $crate::prompt::PromptOptions {
                $crate::prompt::PromptOptions {
                    n_ctx: self.n_ctx,
                    ctx_init: self.ctx_init.clone(),
                    csc: self.csc,
                    class_position: self.class_position,
                }
            }
        }
    };
}

/// The context vectors, and what follows from them: text features and logits.
#[derive(Debug)]
pub struct PromptLearner {
    context: Tensor,
    /// Vectors `[vectors, width]` between the context and the class name that are not learned.
    fixed: Option<Tensor>,
    class_position: ClassPosition,
    logit_scale: f64,
    /// The context of the last evaluation and its text features, reused until the context changes.
    evaluated: Option<(Tensor, Tensor)>,
}

/// The name of the context among parameters and in the state, as in CoOp's checkpoints.
pub const CONTEXT: &str = "ctx";

/// The standard deviation of random context vectors (`nn.init.normal_(ctx_vectors, std=0.02)`).
pub const CONTEXT_DEVIATION: f64 = 0.02;

impl PromptLearner {
    /// Creates a context: random, or the token embeddings of a text, in which case class-specific contexts all start
    /// equal.
    ///
    /// # Errors
    ///
    /// When there would be no context vectors, or the text is too long.
    pub fn new(task: &Task, options: &PromptOptions, host: &dyn Host) -> Result<Self> {
        let text = options.ctx_init.replace('_', " ");
        let classes = task.class_names.len() as i64;
        let context = if text.trim().is_empty() {
            let (vectors, width) = (options.n_ctx as i64, task.width);
            let shape = if options.csc { vec![classes, vectors, width] } else { vec![vectors, width] };
            random_context(&shape, host)
        } else {
            let embedded = host.embed_text(text.trim())?;
            if options.csc { embedded.unsqueeze(0).repeat([classes, 1, 1]) } else { embedded }
        };
        Self::starting_from(task, &context, options.class_position)
    }

    /// A context that starts from given vectors, `[vectors, width]` or `[classes, vectors, width]`.
    ///
    /// # Errors
    ///
    /// When there are no vectors.
    pub fn starting_from(task: &Task, context: &Tensor, class_position: ClassPosition) -> Result<Self> {
        if context.numel() == 0 {
            return Err(Error::option("n_ctx", "there must be at least one context vector"));
        }
        Ok(Self {
            context: crate::learned::leaf(context, task),
            fixed: None,
            class_position,
            logit_scale: task.logit_scale,
            evaluated: None,
        })
    }

    /// The same context with vectors `[vectors, width]` behind it that are not learned: words that stay before the class
    /// name, which must come last.
    #[must_use]
    pub fn followed_by(self, fixed: &Tensor) -> Self {
        let fixed = fixed.detach().to_device(self.context.device()).to_kind(self.context.kind());
        Self { fixed: (fixed.numel() > 0).then_some(fixed), ..self }
    }

    /// The context, a leaf: `[vectors, width]`, or `[classes, vectors, width]` if it is class-specific.
    pub fn context(&self) -> &Tensor {
        &self.context
    }

    /// The number of context vectors.
    pub fn vectors(&self) -> usize {
        let size = self.context.size();
        size[size.len() - 2] as usize
    }

    /// The context as a parameter that the protocol's optimiser trains.
    pub fn parameter(&self) -> Parameter {
        Parameter::new(CONTEXT, self.context.shallow_clone())
    }

    /// The loss of `CoOp`: the cross-entropy of a batch, plus the norm loss if there is one. Also reports
    /// `context_norm`.
    ///
    /// # Errors
    ///
    /// As [`Self::logits`].
    pub fn loss(&self, norm: Option<&NormLoss>, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let features = batch.features()?;
        let logits = self.logits(features, host)?;
        let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
        if norm.is_none() {
            report_context_norm(&self.context, host);
        }
        self.with_norm_loss(cross_entropy, norm, batch, &logits, host)
    }

    /// A method's own loss, plus the norm loss if there is one. `logits` are those of the step.
    ///
    /// # Errors
    ///
    /// As [`Self::logits`].
    pub fn with_norm_loss(
        &self,
        loss: Tensor,
        norm: Option<&NormLoss>,
        batch: &Batch,
        logits: &Tensor,
        host: &dyn Host,
    ) -> Result<Tensor> {
        let Some(norm) = norm else { return Ok(loss) };
        let features = batch.features()?;
        let logits_of = |contexts: &Tensor| self.logits_of(contexts, features, host);
        Ok(loss + norm.loss(&self.context, batch, logits, host, &logits_of)?)
    }

    /// Logits `[images, classes]` of image features `[images, embed_dim]`, differentiable in the context: the
    /// backbone's factor times the cosine of image and text.
    ///
    /// # Errors
    ///
    /// When the host cannot encode the context, or the features have a different width.
    pub fn logits(&self, features: &Tensor, host: &dyn Host) -> Result<Tensor> {
        self.compare(features, &self.text_features(host)?)
    }

    /// Logits `[copies, images, classes]` of several contexts `[copies, vectors, width]` or `[copies, classes, vectors,
    /// width]` at once.
    ///
    /// # Errors
    ///
    /// As [`Self::logits`].
    pub fn logits_of(&self, contexts: &Tensor, features: &Tensor, host: &dyn Host) -> Result<Tensor> {
        self.compare(features, &self.text_features_of(contexts, host)?)
    }

    /// Logits `[images, classes]` without gradient, for evaluation. Text features are reused while the context stays
    /// the same.
    ///
    /// # Errors
    ///
    /// As [`Self::logits`].
    pub fn evaluate(&mut self, features: &Tensor, host: &dyn Host) -> Result<Tensor> {
        no_grad(|| {
            // Compared by value, so that any change to the context is noticed, whoever made it.
            let kept = self.evaluated.take().filter(|(context, _)| *context == self.context);
            let (context, text) = match kept {
                Some(kept) => kept,
                None => (self.context.copy(), self.text_features(host)?),
            };
            let logits = self.compare(features, &text)?;
            self.evaluated = Some((context, text));
            Ok(logits)
        })
    }

    /// What was learned.
    pub fn state(&self) -> State {
        vec![(CONTEXT.to_owned(), self.context.detach())]
    }

    /// Replaces the context by a stored one.
    ///
    /// # Errors
    ///
    /// When the state holds none, or one of a different shape.
    pub fn load_state(&mut self, state: &State) -> Result<()> {
        crate::learned::load(state, CONTEXT, &self.context)
    }

    /// Text features `[classes, embed_dim]` of length one, differentiable in the context: for methods whose loss also
    /// uses them.
    ///
    /// # Errors
    ///
    /// When the host cannot encode the context.
    pub fn text_features(&self, host: &dyn Host) -> Result<Tensor> {
        Ok(self.text_features_of(&self.context.unsqueeze(0), host)?.squeeze_dim(0))
    }

    /// Logits `[…, images, classes]` of image features `[images, embed_dim]` and text features `[…, classes,
    /// embed_dim]` of length one.
    ///
    /// # Errors
    ///
    /// When the features differ in width.
    pub fn compare(&self, features: &Tensor, text: &Tensor) -> Result<Tensor> {
        scaled_cosines(features, text, self.logit_scale)
    }

    /// Text features `[copies, classes, embed_dim]` of length one.
    fn text_features_of(&self, contexts: &Tensor, host: &dyn Host) -> Result<Tensor> {
        let contexts = if contexts.dim() == 3 { contexts.unsqueeze(1) } else { contexts.shallow_clone() };
        let contexts = match (&self.fixed, &contexts.size()[..]) {
            (Some(fixed), [copies, sets, _, width]) => {
                let fixed = fixed.expand([*copies, *sets, fixed.size()[0], *width], false);
                Tensor::f_cat(&[contexts, fixed], 2)?
            }
            _ => contexts,
        };
        Ok(unit(&host.encode_contexts(&contexts, self.class_position)?))
    }
}

/// The cross-entropy of logits `[images, classes]`, averaged over images and reported as `cross_entropy`.
///
/// # Errors
///
/// When the numbers of labels and images differ, or a label is not a class.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, host: &dyn Host) -> Result<Tensor> {
    let loss = logits.f_cross_entropy_loss::<Tensor>(labels, None, Reduction::Mean, -100, 0.0)?;
    host.report("cross_entropy", &loss);
    Ok(loss)
}

/// Logits `[…, images, classes]`: the cosines of image features `[images, embed_dim]` of any length and text features
/// `[…, classes, embed_dim]` of length one, times `scale`.
///
/// # Errors
///
/// When the features differ in width.
pub fn scaled_cosines(features: &Tensor, text: &Tensor, scale: f64) -> Result<Tensor> {
    Ok(unit(features).f_matmul(&text.transpose(-2, -1))? * scale)
}

/// Unit features `[classes, embed_dim]` of hand-written prompts, without gradient: those of a frozen teacher. An empty
/// `template` stands for the data set's own.
///
/// # Errors
///
/// When the template lacks `{}`; the message names the option `template`. When a prompt is too long.
pub fn hand_written(task: &Task, template: &str, host: &dyn Host) -> Result<Tensor> {
    let template = if template.is_empty() { &task.template } else { template };
    if !template.contains("{}") {
        return Err(Error::option("template", format_args!("`{template}` has no `{{}}` for the class name")));
    }
    let prompts: Vec<_> = task.class_names.iter().map(|name| template.replace("{}", name)).collect();
    Ok(no_grad(|| host.encode_strings(&prompts).map(|features| unit(&features)))?.detach())
}

/// Vectors divided by their 2-norm.
pub fn unit(vectors: &Tensor) -> Tensor {
    vectors / vectors.norm_scalaropt_dim(2.0, [-1i64].as_slice(), true)
}

fn random_context(shape: &[i64], host: &dyn Host) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let draws = normals(count, |bits| host.random("context", 0, bits));
    (Tensor::from_slice(&draws) * CONTEXT_DEVIATION).view(shape).to_kind(Kind::Double)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ToyHost;

    fn options(class_specific: bool) -> PromptOptions {
        PromptOptions { n_ctx: 3, ctx_init: String::new(), csc: class_specific, class_position: ClassPosition::Middle }
    }

    fn learner(host: &ToyHost, class_specific: bool) -> PromptLearner {
        PromptLearner::new(&host.task(), &options(class_specific), host).unwrap()
    }

    #[test]
    fn a_random_context_has_the_published_deviation_and_follows_the_seed() {
        let long = PromptOptions { n_ctx: 70, ..options(true) };
        let learner = |host: ToyHost| PromptLearner::new(&host.task(), &long, &host).unwrap();
        let (one, two) = (learner(ToyHost::new(8)), learner(ToyHost::new(8).seeded(2)));
        assert_eq!(one.context().size(), [8, 70, 6]);
        assert!((f64::try_from(one.context().std(false)).unwrap() - 0.02).abs() < 0.001);
        assert_eq!(one.context(), learner(ToyHost::new(8)).context());
        assert_ne!(one.context(), two.context());
    }

    #[test]
    fn a_text_decides_the_number_of_vectors() {
        let host = ToyHost::new(2);
        let from_text = |class_specific| {
            let options = PromptOptions { ctx_init: "a_photo of a".to_owned(), ..options(class_specific) };
            PromptLearner::new(&host.task(), &options, &host).unwrap()
        };
        assert_eq!(from_text(false).context(), &host.embed_text("a photo of a").unwrap());
        assert_eq!((from_text(true).context().size(), from_text(true).vectors()), (vec![2, 4, 6], 4));
    }

    #[test]
    fn no_context_vector_is_an_error_that_names_the_option() {
        let host = ToyHost::new(2);
        let error = PromptLearner::new(&host.task(), &PromptOptions { n_ctx: 0, ..options(false) }, &host).unwrap_err();
        assert_eq!(error.to_string(), "option `n_ctx`: there must be at least one context vector");
    }

    #[test]
    fn logits_are_scaled_cosines_and_reach_the_context() {
        let host = ToyHost::new(4);
        let batch = host.batch(3, 0);
        for class_specific in [false, true] {
            let learner = learner(&host, class_specific);
            let logits = learner.logits(batch.features().unwrap(), &host).unwrap();
            assert_eq!(logits.size(), [3, 4]);
            assert!(f64::try_from(logits.abs().max()).unwrap() <= 10.0);
            logits.sum(Kind::Double).backward();
            assert!(f64::try_from(learner.context().grad().abs().min()).unwrap() > 0.0);
        }
    }

    #[test]
    fn evaluation_notices_every_change_of_the_context() {
        let host = ToyHost::new(4);
        let batch = host.batch(3, 0);
        let features = batch.features().unwrap();
        let mut learner = learner(&host, false);
        for _ in 0..2 {
            for _ in 0..2 {
                let fresh = no_grad(|| learner.logits(features, &host).unwrap());
                assert_eq!(learner.evaluate(features, &host).unwrap(), fresh);
            }
            // In place, as an optimiser does, so that autograd does not count it as a change.
            let mut data = learner.context().data();
            let _ = data.g_mul_scalar_(3.0);
        }
    }

    #[test]
    fn fixed_vectors_count_like_learned_ones_that_stay() {
        let host = ToyHost::new(4);
        let options = PromptOptions { class_position: ClassPosition::End, ..options(false) };
        let whole = PromptLearner::new(&host.task(), &options, &host).unwrap();
        let (learned, fixed) = (whole.context().narrow(0, 0, 2), whole.context().narrow(0, 2, 1));
        let learner = PromptLearner::starting_from(&host.task(), &learned, ClassPosition::End).unwrap();
        let learner = learner.followed_by(&fixed);
        assert_eq!(learner.text_features(&host).unwrap(), whole.text_features(&host).unwrap());
        assert_eq!(learner.state()[0].1.size(), [2, 6]);
    }

    #[test]
    fn a_hand_written_prompt_needs_a_place_for_the_class_name() {
        let host = ToyHost::new(3);
        let features = |template| hand_written(&host.task(), template, &host);
        assert_eq!(features("").unwrap(), features("a photo of a {}.").unwrap());
        assert_eq!(features("").unwrap().size(), [3, 5]);
        let error = features("a photo").unwrap_err();
        assert_eq!(error.to_string(), "option `template`: `a photo` has no `{}` for the class name");
    }

    #[test]
    fn a_state_of_another_shape_is_refused() {
        let host = ToyHost::new(4);
        let state = learner(&host, true).state();
        let mut generic = learner(&host, false);
        let error = generic.load_state(&state).unwrap_err();
        assert_eq!(error.to_string(), "the stored `ctx` has the shape [4, 3, 6], but the method's has [3, 6]");
        let error = generic.load_state(&Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "the state lacks the tensor `ctx`");
    }
}
