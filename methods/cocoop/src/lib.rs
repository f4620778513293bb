//! `CoCoOp`: a context that depends on the image (Zhou et al., "Conditional Prompt Learning for Vision-Language Models",
//! CVPR 2022; `trainers/cocoop.py` of CoOp's code).
//!
//! A small network makes one vector of an image's feature `x`, which is added to every context vector (equation 3 of the
//! paper). The text features of the class names behind them are compared with the image, all of length one, and the
//! loss is the cross-entropy:
//!
//! ```text
//! π(x)   = W₂ relu(W₁ x + b₁) + b₂           W₁ [embed_dim / 16, embed_dim],  W₂ [width, embed_dim / 16]
//! v_m(x) = v_m + π(x)
//! logits = scale · cos(x, text(v_1(x) … v_M(x), class name))
//! ```
//!
//! As in the authors' code, `x` is of length one, and `π` has biases. Its layers start as PyTorch's `nn.Linear` does.
//! All images of a batch are encoded at once, as copies of the prompts: start and class tokens are shared between them.
//!
//! Published with a batch size of 1, 10 epochs, and four context vectors that start from "a photo of a".
//!
//! With `norm_loss`, the norms of `v_1 … v_M` count, the vectors that are learned; PAN corrupts one of them, and every
//! image adds its own `π(x)`. The paper of Nemesis puts its losses on `CoCoOp`, but its code for that is not published:
//! this is our reading of it.

use nemesis_sdk::norm::NormLoss;
use nemesis_sdk::parameters::{Parameters, linear, normal};
use nemesis_sdk::prompt::{CONTEXT, CONTEXT_DEVIATION, cross_entropy, unit};
use nemesis_sdk::tch::{Tensor, no_grad};
use nemesis_sdk::{
    About, Batch, ClassPosition, Error, Host, Method, Needs, Optimisation, Parameter, Plugin, ProtocolPatch, Result,
    State, Task,
};

nemesis_sdk::with_norm_loss! {
    options;
    /// The options of `CoCoOp`, with the authors' defaults.
    pub struct Options {
        /// Number of context vectors; with `ctx_init`, the number of tokens in that text.
        pub n_ctx: usize = 4,
        /// Text whose token embeddings initialise the context; without it, the context is drawn from a normal
        /// distribution with standard deviation 0.02.
        pub ctx_init: String = "a photo of a".to_owned(),
    }
}

/// The names of the small network's parameters, as in the authors' checkpoints.
const META: [&str; 4] =
    ["meta_net.linear1.weight", "meta_net.linear1.bias", "meta_net.linear2.weight", "meta_net.linear2.bias"];

/// How many prompts are encoded at once in an evaluation, which needs no gradients: a few hundred megabytes.
const PROMPTS: i64 = 2048;

/// A context learned with a network that shifts it for each image.
#[derive(Debug)]
pub struct CoCoOp {
    parameters: Parameters,
    norm: Option<NormLoss>,
    logit_scale: f64,
    classes: i64,
}

impl Plugin for CoCoOp {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "cocoop",
        label: "CoCoOp",
        summary: "context vectors that a small network shifts for each image",
        paper: Some("Zhou et al., Conditional Prompt Learning for Vision-Language Models, CVPR 2022"),
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    /// As published (`configs/trainers/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1.yaml`).
    fn protocol() -> ProtocolPatch {
        ProtocolPatch { batch_size: Some(1), epochs: Some(10.into()), ..ProtocolPatch::default() }
    }

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let text = options.ctx_init.replace('_', " ");
        let context = if text.trim().is_empty() {
            normal(&[options.n_ctx as i64, task.width], CONTEXT_DEVIATION, host, "context", 0)
        } else {
            host.embed_text(text.trim())?
        };
        if context.numel() == 0 {
            return Err(Error::option("n_ctx", "there must be at least one context vector"));
        }
        let (from, width) = (task.embed_dim, task.width);
        // Toy models are narrower than 16.
        let hidden = (from / 16).max(1);
        let mut parameters = Parameters::new(&task);
        parameters.add(CONTEXT, &context);
        let shapes =
            [(vec![hidden, from], from), (vec![hidden], from), (vec![width, hidden], hidden), (vec![width], hidden)];
        for (index, (name, (shape, from))) in META.into_iter().zip(shapes).enumerate() {
            parameters.add(name, &linear(&shape, from, host, "meta_net", index as u64));
        }
        let norm = NormLoss::new(options.norm_loss(), context.size()[0] as usize, &task)?;
        Ok(Self { parameters, norm, logit_scale: task.logit_scale, classes: task.class_names.len() as i64 })
    }
}

impl CoCoOp {
    /// What is added to the context `[images, width]`, of features of length one.
    fn shift(&self, features: &Tensor) -> Result<Tensor> {
        let [w1, b1, w2, b2] = META.map(|name| self.parameters.get(name));
        let hidden = features.f_linear(w1?, Some(b1?))?.relu();
        Ok(hidden.f_linear(w2?, Some(b2?))?)
    }

    /// Logits `[copies, images, classes]` of contexts `[copies, vectors, width]`.
    fn logits_of(&self, contexts: &Tensor, features: &Tensor, host: &dyn Host) -> Result<Tensor> {
        let features = unit(features);
        let shifted = contexts.unsqueeze(1) + self.shift(&features)?.unsqueeze(0).unsqueeze(2);
        let (copies, images, vectors, width) = shifted.size4()?;
        let shifted = shifted.reshape([copies * images, 1, vectors, width]);
        let text = unit(&host.encode_contexts(&shifted, ClassPosition::End)?);
        let text = text.view([copies, images, self.classes, -1]);
        let cosines = text.f_matmul(&features.unsqueeze(0).unsqueeze(-1))?.squeeze_dim(-1);
        Ok(cosines * self.logit_scale)
    }

    /// Logits `[images, classes]` with the context as it is.
    fn own_logits(&self, features: &Tensor, host: &dyn Host) -> Result<Tensor> {
        Ok(self.logits_of(&self.parameters.get(CONTEXT)?.unsqueeze(0), features, host)?.squeeze_dim(0))
    }
}

impl Method for CoCoOp {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(self.parameters.all())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let features = batch.features()?;
        let logits = self.own_logits(features, host)?;
        let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
        let Some(norm) = &self.norm else { return Ok(cross_entropy) };
        let logits_of = |contexts: &Tensor| self.logits_of(contexts, features, host);
        Ok(cross_entropy + norm.loss(self.parameters.get(CONTEXT)?, batch, &logits, host, &logits_of)?)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let features = batch.features()?;
        let (images, at_once) = (features.size()[0], (PROMPTS / self.classes).max(1));
        no_grad(|| {
            let parts = (0..images).step_by(at_once as usize).map(|start| {
                let part = features.narrow(0, start, at_once.min(images - start));
                if host.cancelled() { Err(Error::new("the run was cancelled")) } else { self.own_logits(&part, host) }
            });
            let parts = parts.collect::<Result<Vec<_>>>()?;
            if parts.is_empty() {
                return Ok(Tensor::zeros([0, self.classes], (features.kind(), features.device())));
            }
            Ok(Tensor::f_cat(&parts, 0)?)
        })
    }

    fn state(&self) -> Result<State> {
        Ok(self.parameters.state())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.parameters.load_state(state)
    }
}

nemesis_sdk::export_method!(CoCoOp);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::norm::NormLossKind;
    use nemesis_sdk::tch::Kind;
    use nemesis_sdk::testing::ToyHost;

    fn method(options: Options, host: &ToyHost) -> CoCoOp {
        CoCoOp::create(host.task(), options, host).unwrap()
    }

    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        f64::try_from((a - b).abs().max()).unwrap()
    }

    #[test]
    fn every_image_has_prompts_of_its_own() {
        let host = ToyHost::new(4);
        let method = method(Options::default(), &host);
        let batch = host.batch(3, 0);
        let features = unit(batch.features().unwrap());
        let logits = no_grad(|| method.own_logits(batch.features().unwrap(), &host)).unwrap();
        let context = method.parameters.get(CONTEXT).unwrap();
        for image in 0..3 {
            let feature = features.narrow(0, image, 1);
            let [w1, b1, w2, b2] = META.map(|name| method.parameters.get(name).unwrap());
            let hidden = (feature.matmul(&w1.tr()) + b1).clamp_min(0.0);
            let shifted = context + hidden.matmul(&w2.tr()) + b2;
            let text = host.encode_contexts(&shifted.unsqueeze(0).unsqueeze(0), ClassPosition::End).unwrap().get(0);
            let wanted = feature.matmul(&unit(&text).tr()).squeeze_dim(0) * 10.0;
            assert!(difference(&logits.get(image), &wanted) < 1e-12);
        }
    }

    #[test]
    fn an_evaluation_in_parts_gives_what_one_at_once_gives() {
        let host = ToyHost::new(4);
        let mut method = method(Options::default(), &host);
        // So that 2048 prompts are two images.
        method.classes = 4;
        let batch = host.batch(1100, 0);
        let whole = no_grad(|| method.own_logits(batch.features().unwrap(), &host)).unwrap();
        assert!(difference(&method.logits(&batch, &host).unwrap(), &whole) < 1e-12);
    }

    #[test]
    fn a_step_reaches_the_context_and_the_network() {
        let host = ToyHost::new(4);
        let mut method = method(Options { ctx_init: String::new(), ..Options::default() }, &host);
        // The hidden layer is one unit wide here, and rectified: some image must pass it.
        let loss = method.loss(&host.batch(16, 0), &host).unwrap();
        host.backward(&loss).unwrap();
        for parameter in method.parameters().unwrap() {
            let gradient = parameter.tensor.grad();
            assert!(gradient.defined() && f64::try_from(gradient.abs().max()).unwrap() > 0.0, "{}", parameter.name);
        }
    }

    #[test]
    fn a_norm_loss_is_that_of_the_learned_vectors() {
        let host = ToyHost::new(4);
        let batch = host.batch(6, 0);
        let plain = method(Options::default(), &host).loss(&batch, &host).unwrap();
        let options = Options { norm_loss: NormLossKind::Pen, ..Options::default() };
        let mut normed = method(options, &host);
        let omega = 1.0 - 1.0 / (1.0 + (-0.2 * (0.0 - 2.0_f64)).exp());
        let norms = normed.parameters.get(CONTEXT).unwrap().norm_scalaropt_dim(2.0, [-1i64].as_slice(), false);
        let wanted = plain + norms.mean(Kind::Double) * omega;
        assert!(difference(&normed.loss(&batch, &host).unwrap(), &wanted) < 1e-12);
        let options = Options { norm_loss: NormLossKind::Pan, ..Options::default() };
        assert!(method(options, &host).loss(&batch, &host).unwrap().requires_grad());
    }
}
