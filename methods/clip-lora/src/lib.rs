//! CLIP-LoRA: low-rank deltas on the attention of both towers (Zanella and Ben Ayed, "Low-Rank Few-Shot Adaptation of
//! Vision-Language Models", CVPR Workshops 2024; `lora.py` and `loralib/` of its code).
//!
//! A linear map `W x + b` becomes `W x + b + γ B A dropout(x)`, with `A` `[r, width]` and `B` `[width, r]` (equation 3
//! of the paper). `A` starts as PyTorch's `nn.Linear` does and `B` at zero, so that training starts from zero-shot CLIP.
//! Each map has a dropout mask of its own. Classes are described by "a photo of a NAME." on every data set. Logits are
//! 100 times the cosine of both features (`logit_scale = 100` in `main.py`), and the loss is the cross-entropy.
//!
//! The factor is that of the code, `γ = α / √r`, where the paper says `α / r`. Without dropout, the code's gradients are
//! wrong: it adds the deltas to the weights for the forward pass, and takes them off again before the backward pass
//! (`PlainMultiheadAttentionLoRA.forward`). Here they are those of the loss, with dropout and without.
//!
//! Parameters have the names that the authors' model gives them, such as
//! `visual.transformer.resblocks.0.attn.q_proj.w_lora_A`.

mod choices;

pub use choices::{Encoder, Position};
use nemesis_sdk::norm::at_least_zero;
use nemesis_sdk::parameters::{Parameters, linear};
use nemesis_sdk::prompt::{cross_entropy, unit};
use nemesis_sdk::tch::{Device, Kind, Tensor, no_grad};
use nemesis_sdk::towers::{Changes, Dropout, LowRank, of};
use nemesis_sdk::{
    About, Batch, ClassPosition, Error, Host, Method, Needs, Optimisation, OptimiserKind, Parameter, Plugin,
    ProtocolPatch, Result, ScheduleKind, ScheduleUnit, State, Task,
};

nemesis_sdk::options! {
    /// The options of CLIP-LoRA, with the authors' defaults.
    pub struct Options {
        /// Towers with deltas.
        pub encoder: Encoder = Encoder::Both,
        /// Layers with deltas.
        pub position: Position = Position::All,
        /// Linear maps of the attention with deltas: some of q, k, v and o.
        pub params: String = "q,k,v".to_owned(),
        /// Rank of the deltas.
        pub r: usize = 2,
        /// The deltas are multiplied by alpha over the root of the rank.
        pub alpha: f64 = 1.0,
        /// Probability with which an input of a delta is dropped in training.
        pub dropout_rate: f64 = 0.25,
    }
}

/// The words before the class name, on every data set.
const WORDS: &str = "a photo of a";

/// The factor on cosines.
const LOGIT_SCALE: f64 = 100.0;

/// A linear map with a delta.
#[derive(Debug)]
struct Delta {
    /// The name of the map among the host's weights.
    map: String,
    /// The names of the two parameters.
    parameters: [String; 2],
}

/// Low-rank deltas, learned with cross-entropy.
#[derive(Debug)]
pub struct ClipLora {
    parameters: Parameters,
    image: Vec<Delta>,
    text: Vec<Delta>,
    /// Embeddings `[1, 1, tokens, width]` of the words before the class name.
    words: Tensor,
    scale: f64,
    dropout: f64,
}

impl Plugin for ClipLora {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "clip-lora",
        label: "CLIP-LoRA",
        summary: "low-rank deltas on the attention of both towers",
        paper: Some("Zanella and Ben Ayed, Low-Rank Few-Shot Adaptation of Vision-Language Models, CVPRW 2024"),
        needs: Needs::TOWERS,
        optimisation: Optimisation::Host,
    };

    /// As published (`lora.py` and `run_utils.py`): `AdamW` for 500 steps a shot, and a cosine by steps down to 1e-6.
    fn protocol() -> ProtocolPatch {
        ProtocolPatch {
            optimiser: Some(OptimiserKind::AdamW),
            learning_rate: Some(2e-4),
            betas: Some([0.9, 0.999]),
            weight_decay: Some(1e-2),
            schedule: Some(ScheduleKind::Cosine),
            schedule_unit: Some(ScheduleUnit::Step),
            minimum_learning_rate: Some(1e-6),
            warmup_epochs: Some(0),
            batch_size: Some(32),
            steps_per_shot: Some(500),
            ..ProtocolPatch::default()
        }
    }

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let sizes = of(host)?.sizes();
        let Options { encoder, position, r, dropout_rate, .. } = options;
        let maps = choices::maps(&options.params)?;
        if r == 0 {
            return Err(Error::option("r", "the rank must be at least 1"));
        }
        if !(0.0..1.0).contains(&dropout_rate) {
            return Err(Error::option("dropout_rate", format_args!("{dropout_rate} is not between 0 and 1")));
        }
        let scale = at_least_zero("alpha", options.alpha)? / (r as f64).sqrt();
        let mut parameters = Parameters::new(&task);
        let mut add = |tower: &str, authors: &str, layers, width| -> Result<Vec<Delta>> {
            let mut deltas = Vec::new();
            for layer in position.layers(layers)? {
                for (map, module) in &maps {
                    let name = format!("{authors}transformer.resblocks.{layer}.attn.{module}.w_lora_");
                    let names = ["A", "B"].map(|part| format!("{name}{part}"));
                    parameters.add(&names[0], &linear(&[r as i64, width], width, host, &names[0], 0));
                    parameters.add(&names[1], &Tensor::zeros([width, r as i64], (Kind::Double, Device::Cpu)));
                    deltas.push(Delta { map: format!("{tower}.{layer}.{map}"), parameters: names });
                }
            }
            Ok(deltas)
        };
        let image = if encoder == Encoder::Text {
            Vec::new()
        } else if sizes.image_layers == 0 {
            return Err(Error::new(
                "the image tower is a residual network, which takes no deltas; use a ViT, or `encoder` = `text`",
            ));
        } else {
            add("image", "visual.", sizes.image_layers, sizes.image_width)?
        };
        let text = match encoder {
            Encoder::Vision => Vec::new(),
            Encoder::Text | Encoder::Both => add("text", "", sizes.text_layers, sizes.text_width)?,
        };
        let words = host.embed_text(WORDS)?.detach().to_device(task.device).to_kind(task.kind);
        let words = words.unsqueeze(0).unsqueeze(0);
        Ok(Self { parameters, image, text, words, scale, dropout: dropout_rate })
    }
}

/// The deltas as changes of a tower, with dropout drawn by this index.
fn changes(parameters: &Parameters, deltas: &[Delta], scale: f64, dropout: Option<(f64, u64)>) -> Result<Changes> {
    let dropout = dropout.filter(|(probability, _)| *probability > 0.0);
    let low_rank = deltas.iter().map(|delta| {
        let [down, up] = delta.parameters.each_ref().map(|name| parameters.get(name));
        Ok(LowRank {
            name: delta.map.clone(),
            down: down?.shallow_clone(),
            up: up?.shallow_clone(),
            scale,
            dropout: dropout.map(|(probability, index)| Dropout { probability, index, mask: None }),
        })
    });
    Ok(Changes { low_rank: low_rank.collect::<Result<_>>()?, ..Changes::default() })
}

/// Text features `[classes, embed_dim]` of length one.
fn text_features(words: &Tensor, changes: &Changes, host: &dyn Host) -> Result<Tensor> {
    Ok(unit(&of(host)?.encode_contexts(words, ClassPosition::End, changes)?.squeeze_dim(0)))
}

impl ClipLora {
    /// Image features `[images, embed_dim]` of length one.
    fn image_features(&self, pixels: &Tensor, dropout: Option<(f64, u64)>, host: &dyn Host) -> Result<Tensor> {
        let changes = changes(&self.parameters, &self.image, self.scale, dropout)?;
        let features = || of(host)?.encode_images(pixels, &changes, false);
        let features = if self.image.is_empty() { no_grad(features) } else { features() };
        Ok(unit(&features?.global))
    }

    /// The text features without dropout, encoded again only when a parameter has changed.
    fn evaluated_text(&mut self, host: &dyn Host) -> Result<Tensor> {
        let (text, words, scale) = (&self.text, &self.words, self.scale);
        self.parameters.remembered(|parameters| text_features(words, &changes(parameters, text, scale, None)?, host))
    }
}

fn compare(images: &Tensor, text: &Tensor) -> Result<Tensor> {
    Ok(images.f_matmul(&text.tr())? * LOGIT_SCALE)
}

impl Method for ClipLora {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(self.parameters.all())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let dropout = Some((self.dropout, batch.step));
        let changes = changes(&self.parameters, &self.text, self.scale, dropout)?;
        let text = text_features(&self.words, &changes, host)?;
        let logits = compare(&self.image_features(batch.pixels()?, dropout, host)?, &text)?;
        cross_entropy(&logits, &batch.labels, host)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let text = self.evaluated_text(host)?;
        no_grad(|| compare(&self.image_features(batch.pixels()?, None, host)?, &text))
    }

    fn state(&self) -> Result<State> {
        Ok(self.parameters.state())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.parameters.load_state(state)
    }
}

nemesis_sdk::export_method!(ClipLora);

#[cfg(test)]
mod tests;
