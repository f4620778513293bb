//! `TCP`: tokens made of each class's hand-written prompt, put into the text tower (Yao et al., "TCP: Textual-based
//! Class-aware Prompt tuning for Visual-Language Model", CVPR 2024; `trainers/tcp.py` and `trainers/clip_text/model.py`
//! of its code).
//!
//! A small network makes four tokens of the text feature `w*` of a class's hand-written prompt, of length one. Before
//! layer `l` of the text tower they take the place of the first four tokens behind the start token, which have been
//! context vectors until then. The distance from `w*` is added to the cross-entropy, as in `KgCoOp`:
//!
//! ```text
//! p    = W₂ gelu(W₁ w* + b₁) + b₂       gelu(x) = x · sigmoid(1.702 x),  W₁ [embed_dim / 4, embed_dim]
//! loss = cross-entropy + 8 · mean over classes (1 − cos(w, w*))
//! ```
//!
//! As in the authors' code:
//! * `l` is 8, counted from zero. The paper's weight of a mix of old and new tokens is fixed at 1 there (the configured
//!   one has no effect), so the tokens are replaced.
//! * What follows a class name is kept, and so are words between the context and the name: see `prompt`. The authors
//!   have "X X X X {}, a type of car" for StanfordCars, and "a photo of a person doing {}." for UCF101, of which the
//!   first four tokens are learned. What follows the name on other data sets is what the data set's own template has.
//! * Their hand-written prompts differ from the data sets' templates on FGVCAircraft ("a photo of an aircraft {}."), DTD
//!   ("a photo of a {}, a type of texture.") and Food101 ("a photo of a {}, a type of food."): see `template`.
//!
//! A trap: in a text tower with `l` layers or fewer, the tokens are never put in, and the network is not trained. The
//! authors' code says nothing then; here it is a warning.
//!
//! With `norm_loss`, the norms of the context vectors count; the tokens of classes are not learned themselves. No
//! publication has this: it is our composition.
//!
//! Published with Adam, whose `eps` is 1e-3 (the README asks for that, since half precision overflows), a batch size of
//! 32 and 50 epochs. The teacher is as precise as the run, where the code keeps it in half precision.

use nemesis_sdk::norm::{NormLoss, at_least_zero};
use nemesis_sdk::parameters::{Parameters, linear, normal};
use nemesis_sdk::prompt::{CONTEXT, CONTEXT_DEVIATION, cross_entropy, hand_written, unit};
use nemesis_sdk::tch::{Kind, Tensor};
use nemesis_sdk::towers::{Changes, LayerPrompt, of};
use nemesis_sdk::{
    About, Batch, ClassPosition, Error, Host, LogLevel, Method, Needs, Optimisation, OptimiserKind, Parameter, Plugin,
    ProtocolPatch, Result, State, Task,
};

nemesis_sdk::with_norm_loss! {
    options;
    /// The options of `TCP`, with the authors' defaults.
    pub struct Options {
        /// Number of context vectors; with `ctx_init`, the number of tokens in that text.
        pub n_ctx: usize = 4,
        /// Text whose token embeddings initialise the context, such as "a photo of a"; without it, the context is drawn
        /// from a normal distribution with standard deviation 0.02.
        pub ctx_init: String = String::new(),
        /// Template of the learned prompt, with `{}` for the class name, whose first tokens the context takes the place
        /// of: "a photo of a person doing {}."; empty for the context, the class name, and what follows it in the data
        /// set's template.
        pub prompt: String = String::new(),
        /// Hand-written prompt, with `{}` for the class name; empty for the data set's own.
        pub template: String = String::new(),
        /// Weight of the distance from the hand-written prompt.
        pub weight: f64 = 8.0,
        /// The layer of the text tower, counted from zero, before which the tokens of the classes are put in.
        pub layer: usize = 8,
    }
}

/// The names of the small network's parameters, as in the authors' checkpoints.
const META: [&str; 4] =
    ["meta_net.linear1.weight", "meta_net.linear1.bias", "meta_net.linear2.weight", "meta_net.linear2.bias"];

/// How many tokens a class has of its own.
const TOKENS: i64 = 4;

/// A context and a network that makes tokens of classes, learned with cross-entropy and a distance.
#[derive(Debug)]
pub struct Tcp {
    parameters: Parameters,
    prompts: Prompts,
    weight: f64,
    norm: Option<NormLoss>,
    logit_scale: f64,
}

/// What prompts are made of besides the parameters.
#[derive(Debug)]
struct Prompts {
    prompt: Prompt,
    /// Text features `[classes, embed_dim]` of the hand-written prompt, of length one.
    known: Tensor,
    layer: usize,
    /// Whether the text tower has that layer.
    reached: bool,
}

/// What stays of a prompt.
#[derive(Debug)]
struct Prompt {
    /// Embeddings `[tokens, width]` of the words between the context and the class name.
    between: Tensor,
    /// What follows the class name.
    ending: String,
}

impl Plugin for Tcp {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "tcp",
        label: "TCP",
        summary: "context vectors, and tokens of each class inside of the text tower",
        paper: Some("Yao et al., TCP: Textual-based Class-aware Prompt tuning for Visual-Language Model, CVPR 2024"),
        needs: Needs { towers: true, ..Needs::FEATURES },
        optimisation: Optimisation::Host,
    };

    /// As published (`configs/trainers/TCP/vit_b16_ep100_ctxv1.yaml`, and the README).
    fn protocol() -> ProtocolPatch {
        ProtocolPatch {
            optimiser: Some(OptimiserKind::Adam),
            eps: Some(1e-3),
            batch_size: Some(32),
            epochs: Some(50.into()),
            ..ProtocolPatch::default()
        }
    }

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let layers = of(host)?.sizes().text_layers;
        if options.layer == 0 {
            return Err(Error::option("layer", "tokens can be put in before layer 1 at the earliest"));
        }
        let reached = options.layer < layers;
        if !reached {
            let message = format!(
                "tcp: the text tower has {layers} layers, so no tokens are put in before layer {}, and their network is \
                 not trained",
                options.layer
            );
            host.log(LogLevel::Warn, &message);
        }
        let text = options.ctx_init.replace('_', " ");
        let context = if text.trim().is_empty() {
            normal(&[options.n_ctx as i64, task.width], CONTEXT_DEVIATION, host, "context", 0)
        } else {
            host.embed_text(text.trim())?
        };
        let vectors = context.size()[0];
        let prompt = Prompt::new(&task, &options.prompt, vectors, host)?;
        if vectors == 0 || reached && vectors + prompt.between.size()[0] < TOKENS {
            let why = format_args!("the tokens of a class take the place of {TOKENS}, so there must be as many");
            return Err(Error::option("n_ctx", why));
        }
        let (from, width) = (task.embed_dim, task.width);
        // Toy models are narrower than 4.
        let hidden = (from / 4).max(1);
        let mut parameters = Parameters::new(&task);
        parameters.add(CONTEXT, &context);
        let tokens = TOKENS * width;
        let shapes = [vec![hidden, from], vec![hidden], vec![tokens, hidden], vec![tokens]];
        for (index, (name, shape)) in META.into_iter().zip(shapes).enumerate() {
            let from = if index < 2 { from } else { hidden };
            parameters.add(name, &linear(&shape, from, host, "meta_net", index as u64));
        }
        Ok(Self {
            parameters,
            prompts: Prompts {
                prompt,
                known: hand_written(&task, &options.template, host)?,
                layer: options.layer,
                reached,
            },
            weight: at_least_zero("weight", options.weight)?,
            norm: NormLoss::new(options.norm_loss(), vectors as usize, &task)?,
            logit_scale: task.logit_scale,
        })
    }
}

impl Prompt {
    /// What stays of `template` when its first tokens are learned: as many as there are context vectors.
    fn new(task: &Task, template: &str, vectors: i64, host: &dyn Host) -> Result<Self> {
        if template.is_empty() {
            let ending = task.template.split_once("{}").map_or(".", |(_, ending)| ending).to_owned();
            return Ok(Self { between: Tensor::zeros([0, task.width], (task.kind, task.device)), ending });
        }
        let (words, ending) = template
            .split_once("{}")
            .ok_or_else(|| Error::option("prompt", format_args!("`{template}` has no `{{}}` for the class name")))?;
        let words = host.embed_text(words.trim())?.to_device(task.device).to_kind(task.kind);
        let count = words.size()[0];
        if count < vectors {
            let why = format_args!("`{template}` has {count} tokens before the class name, not {vectors} or more");
            return Err(Error::option("prompt", why));
        }
        Ok(Self { between: words.narrow(0, vectors, count - vectors).detach(), ending: ending.to_owned() })
    }
}

impl Prompts {
    /// The tokens of all classes `[1, classes, 4, width]`.
    fn class_tokens(&self, parameters: &Parameters) -> Result<Tensor> {
        let [w1, b1, w2, b2] = META.map(|name| parameters.get(name));
        let hidden = self.known.f_linear(w1?, Some(b1?))?;
        let hidden = &hidden * (&hidden * 1.702).sigmoid();
        let tokens = hidden.f_linear(w2?, Some(b2?))?;
        Ok(tokens.view([1, self.known.size()[0], TOKENS, -1]))
    }

    /// Text features `[classes, embed_dim]` of length one.
    fn text_features(&self, parameters: &Parameters, host: &dyn Host) -> Result<Tensor> {
        self.text_features_of(parameters.get(CONTEXT)?, parameters, host)
    }

    /// The same with another context `[vectors, width]`.
    fn text_features_of(&self, context: &Tensor, parameters: &Parameters, host: &dyn Host) -> Result<Tensor> {
        let context = Tensor::f_cat(&[context, &self.prompt.between], 0)?;
        let mut changes = Changes { ending: Some(self.prompt.ending.clone()), ..Changes::default() };
        if self.reached {
            changes.prompts.push(LayerPrompt { layer: self.layer, tokens: self.class_tokens(parameters)? });
        }
        let contexts = context.unsqueeze(0).unsqueeze(0);
        Ok(unit(&of(host)?.encode_contexts(&contexts, ClassPosition::End, &changes)?.squeeze_dim(0)))
    }
}

impl Tcp {
    fn compare(&self, features: &Tensor, text: &Tensor) -> Result<Tensor> {
        Ok(unit(features).f_matmul(&text.tr())? * self.logit_scale)
    }
}

impl Method for Tcp {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        let trained = |parameter: &Parameter| self.prompts.reached || parameter.name == CONTEXT;
        Ok(self.parameters.all().into_iter().filter(trained).collect())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let text = self.prompts.text_features(&self.parameters, host)?;
        let logits = self.compare(batch.features()?, &text)?;
        let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
        let cosines = (&text * &self.prompts.known).sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>);
        let distance = 1.0 - cosines.mean(None::<Kind>);
        host.report("distance", &distance);
        let loss = cross_entropy + distance * self.weight;
        let Some(norm) = &self.norm else { return Ok(loss) };
        let logits_of = |contexts: &[Tensor]| {
            let text = self.prompts.text_features_of(&contexts[0], &self.parameters, host)?;
            self.compare(batch.features()?, &text)
        };
        let context = [self.parameters.get(CONTEXT)?.shallow_clone()];
        Ok(loss + norm.loss_of_layers(&context, batch, &logits, host, &logits_of)?)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let text = self.parameters.remembered(|parameters| self.prompts.text_features(parameters, host))?;
        self.compare(batch.features()?, &text)
    }

    fn state(&self) -> Result<State> {
        Ok(self.parameters.state())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.parameters.load_state(state)
    }
}

nemesis_sdk::export_method!(Tcp);

#[cfg(test)]
mod tests;
