//! `MaPLe`: prompts in the first layers of both towers, those of the image tower made from those of the text tower
//! (Khattak et al., "`MaPLe`: Multi-modal Prompt Learning", CVPR 2023; `trainers/maple.py` and `clip/model.py` of its
//! code).
//!
//! With `n` context vectors and depth `D`, the parameters are `P_0` (`ctx`) to `P_{D-1}` (`compound_prompts_text`), each
//! `[n, text width]`, and an affine map `F_i` for each (`proj`, `compound_prompt_projections`). Before layer `i < D`, the
//! `n` tokens behind the start token are `P_i` in the text tower (equation 4 of the paper), and the last `n` tokens are
//! `F_i(P_i)` in the image tower (equation 7). Logits are the backbone's factor times the cosine of both features, and
//! the loss is the cross-entropy (equation 2).
//!
//! As in the authors' code: with `n = 2` only the first two words of "a photo of a" are learned, and the other two
//! stay; with more than four vectors, words are ignored; the maps of later layers start equal, as PyTorch's `nn.Linear`
//! does; weight decay also applies to biases. The widths are the backbone's, where the code has 512 and 768.
//!
//! Two departures: a depth beyond the last layer of a tower is lowered, with a warning (the code keeps prompts that
//! nothing reads), and a text with fewer tokens than there are context vectors is refused (the code learns on the end
//! token and cuts off class names).
//!
//! With `norm_loss`, the norms of the text prompts `P_0` to `P_{D-1}` count. They are one context `[D, n, width]`: as for the
//! several prompts of PLOT, norms are summed over layers and divided by the number of positions, and PAN corrupts a
//! position in all layers together, for both towers, since the image tower's prompts are made from them. No publication
//! has this: it is our composition.

use nemesis_sdk::deep::{self, Context};
use nemesis_sdk::norm::NormLoss;
use nemesis_sdk::parameters::{Parameters, linear};
use nemesis_sdk::prompt::{cross_entropy, unit};
use nemesis_sdk::tch::{Tensor, no_grad};
use nemesis_sdk::towers::{Changes, of};
use nemesis_sdk::{
    About, Batch, Host, Method, Needs, Optimisation, Parameter, Plugin, ProtocolPatch, Result, State, Task,
};

nemesis_sdk::with_norm_loss! {
    options;
    /// The options of `MaPLe`, with the authors' defaults.
    pub struct Options {
        /// Number of context vectors, which is also that of prompt tokens in every layer.
        pub n_ctx: usize = 2,
        /// Text whose first tokens initialise the context; the other tokens stay. With more than four context vectors,
        /// or without text, the context is drawn from a normal distribution with standard deviation 0.02.
        pub ctx_init: String = "a photo of a".to_owned(),
        /// Number of layers with prompts, in both towers; 1 means the input only.
        pub depth: usize = 9,
    }
}

/// Prompts in both towers, learned with cross-entropy.
#[derive(Debug)]
pub struct Maple {
    parameters: Parameters,
    /// Embeddings `[tokens, width]` of the words between the context and the class name, which stay.
    rest: Tensor,
    depth: usize,
    norm: Option<NormLoss>,
    logit_scale: f64,
}

impl Plugin for Maple {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "maple",
        label: "MaPLe",
        summary: "prompts in the first layers of both towers, coupled by linear maps",
        paper: Some("Khattak et al., MaPLe: Multi-modal Prompt Learning, CVPR 2023"),
        needs: Needs::TOWERS,
        optimisation: Optimisation::Host,
    };

    /// As published (`configs/trainers/MaPLe/vit_b16_c2_ep5_batch4_2ctx.yaml`): SGD with a constant warm-up of an epoch at 1e-5,
    /// and a cosine by epochs.
    fn protocol() -> ProtocolPatch {
        deep::protocol(0.0035, 5)
    }

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let sizes = of(host)?.sizes();
        let depth = deep::depth("depth", options.depth, sizes.image_layers.min(sizes.text_layers), host)?;
        let Context { learned, rest } = deep::context(&task, options.n_ctx, &options.ctx_init, host)?;
        let (from, to) = (sizes.text_width, sizes.image_width);
        let mut parameters = Parameters::new(&task);
        parameters.add("ctx", &learned);
        parameters.add("proj.weight", &linear(&[to, from], from, host, "proj.weight", 0));
        parameters.add("proj.bias", &linear(&[to], from, host, "proj.bias", 0));
        for layer in 1..depth {
            let random = deep::random_prompt(options.n_ctx, from, host, "compound_prompts_text", layer);
            parameters.add(prompt(layer), &random);
        }
        // Copies of one layer (`_get_clones`).
        let weight = linear(&[to, from], from, host, "compound_prompt_projections.weight", 0);
        let bias = linear(&[to], from, host, "compound_prompt_projections.bias", 0);
        for layer in 1..depth {
            parameters.add(format!("{}.weight", map(layer)), &weight);
            parameters.add(format!("{}.bias", map(layer)), &bias);
        }
        let norm = NormLoss::new(options.norm_loss(), options.n_ctx, &task)?;
        Ok(Self { parameters, rest, depth, norm, logit_scale: task.logit_scale })
    }
}

/// The name of a layer's prompt.
fn prompt(layer: usize) -> String {
    layer.checked_sub(1).map_or("ctx".to_owned(), |at| format!("compound_prompts_text.{at}"))
}

/// The name of the map from a layer's prompt to that of the image tower, before `.weight` and `.bias`.
fn map(layer: usize) -> String {
    layer.checked_sub(1).map_or("proj".to_owned(), |at| format!("compound_prompt_projections.{at}"))
}

/// The learned prompts of the text tower by layer, each `[n, text width]`.
fn prompts(parameters: &Parameters, depth: usize) -> Result<Vec<Tensor>> {
    (0..depth).map(|layer| Ok(parameters.get(&prompt(layer))?.shallow_clone())).collect()
}

impl Maple {
    /// Image features `[images, embed_dim]` of length one.
    fn image_features(&self, prompts: &[Tensor], pixels: &Tensor, host: &dyn Host) -> Result<Tensor> {
        let prompts = prompts.iter().enumerate().map(|(layer, prompt)| {
            let [weight, bias] = ["weight", "bias"].map(|part| self.parameters.get(&format!("{}.{part}", map(layer))));
            Ok(deep::for_images(layer, &(prompt.f_matmul(&weight?.tr())? + bias?)))
        });
        let changes = Changes { prompts: prompts.collect::<Result<_>>()?, ..Changes::default() };
        Ok(unit(&of(host)?.encode_images(pixels, &changes, false)?.global))
    }

    /// Logits `[images, classes]` with these prompts.
    fn logits_of(&self, prompts: &[Tensor], pixels: &Tensor, host: &dyn Host) -> Result<Tensor> {
        let text = deep::text_features(prompts, &self.rest, host)?;
        self.compare(&self.image_features(prompts, pixels, host)?, &text)
    }

    fn compare(&self, images: &Tensor, text: &Tensor) -> Result<Tensor> {
        Ok(images.f_matmul(&text.tr())? * self.logit_scale)
    }
}

impl Method for Maple {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(self.parameters.all())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let (prompts, pixels) = (prompts(&self.parameters, self.depth)?, batch.pixels()?);
        let logits = self.logits_of(&prompts, pixels, host)?;
        let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
        let Some(norm) = &self.norm else { return Ok(cross_entropy) };
        let logits_of = |prompts: &[Tensor]| self.logits_of(prompts, pixels, host);
        Ok(cross_entropy + norm.loss_of_layers(&prompts, batch, &logits, host, &logits_of)?)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let (rest, depth) = (&self.rest, self.depth);
        let encode = |parameters: &Parameters| deep::text_features(&prompts(parameters, depth)?, rest, host);
        let text = self.parameters.remembered(encode)?;
        let prompts = prompts(&self.parameters, depth)?;
        no_grad(|| self.compare(&self.image_features(&prompts, batch.pixels()?, host)?, &text))
    }

    fn state(&self) -> Result<State> {
        Ok(self.parameters.state())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.parameters.load_state(state)
    }
}

nemesis_sdk::export_method!(Maple);

#[cfg(test)]
mod tests;
