//! `MaPLe`: prompts in the first layers of both towers, those of the image tower made from those of the text tower
//! (Khattak et al., "MaPLe: Multi-modal Prompt Learning", CVPR 2023; `trainers/maple.py` and `clip/model.py` of its
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

use nemesis_sdk::parameters::{Parameters, linear, normal};
use nemesis_sdk::prompt::{cross_entropy, unit};
use nemesis_sdk::tch::{Device, Kind, Tensor, no_grad};
use nemesis_sdk::towers::{Changes, LayerPrompt, of};
use nemesis_sdk::{
    About, Batch, ClassPosition, Error, Host, LogLevel, Method, Needs, Optimisation, Parameter, Plugin, Result, State,
    Task,
};

nemesis_sdk::options! {
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

/// The largest number of context vectors that words initialise.
const MOST_WORDS: usize = 4;

/// The standard deviation of random prompts (`nn.init.normal_(single_para, std=0.02)`).
const DEVIATION: f64 = 0.02;

/// Prompts in both towers, learned with cross-entropy.
#[derive(Debug)]
pub struct Maple {
    parameters: Parameters,
    /// Embeddings `[tokens, width]` of the words between the context and the class name, which stay.
    rest: Tensor,
    depth: usize,
    logit_scale: f64,
}

impl Plugin for Maple {
    type Options = Options;

    const ABOUT: About = About {
        id: "maple",
        label: "MaPLe",
        summary: "prompts in the first layers of both towers, coupled by linear maps",
        paper: Some("Khattak et al., MaPLe: Multi-modal Prompt Learning, CVPR 2023"),
        needs: Needs::TOWERS,
        optimisation: Optimisation::Host,
    };

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let sizes = of(host)?.sizes();
        if sizes.image_layers == 0 {
            return Err(Error::new("the image tower is a residual network, which takes no prompts; use a ViT"));
        }
        if options.n_ctx == 0 {
            return Err(Error::option("n_ctx", "there must be at least one context vector"));
        }
        if options.depth == 0 {
            return Err(Error::option("depth", "prompts must be in at least one layer"));
        }
        let layers = sizes.image_layers.min(sizes.text_layers);
        let depth = options.depth.min(layers);
        if depth < options.depth {
            let asked = options.depth;
            host.log(LogLevel::Warn, &format!("depth {asked} is lowered to {depth}, the layers of the smaller tower"));
        }
        let (context, rest) = initial_context(&task, &options, host)?;
        let (vectors, from, to) = (options.n_ctx as i64, sizes.text_width, sizes.image_width);
        let mut parameters = Parameters::new(&task);
        parameters.add("ctx", &context);
        parameters.add("proj.weight", &linear(&[to, from], from, host, "proj.weight", 0));
        parameters.add("proj.bias", &linear(&[to], from, host, "proj.bias", 0));
        let deep = (1..depth).map(|layer| layer - 1);
        for at in deep.clone() {
            let prompt = normal(&[vectors, from], DEVIATION, host, "compound_prompts_text", at as u64);
            parameters.add(format!("compound_prompts_text.{at}"), &prompt);
        }
        // Copies of one layer (`_get_clones`).
        let weight = linear(&[to, from], from, host, "compound_prompt_projections.weight", 0);
        let bias = linear(&[to], from, host, "compound_prompt_projections.bias", 0);
        for at in deep {
            parameters.add(format!("compound_prompt_projections.{at}.weight"), &weight);
            parameters.add(format!("compound_prompt_projections.{at}.bias"), &bias);
        }
        let rest = rest.detach().to_device(task.device).to_kind(task.kind);
        Ok(Self { parameters, rest, depth, logit_scale: task.logit_scale })
    }
}

/// The context `[vectors, width]`, and the embeddings of the words behind it that are not learned.
fn initial_context(task: &Task, options: &Options, host: &dyn Host) -> Result<(Tensor, Tensor)> {
    let (vectors, words) = (options.n_ctx as i64, options.ctx_init.replace('_', " "));
    let words = words.trim();
    if words.is_empty() || options.n_ctx > MOST_WORDS {
        let nothing = Tensor::zeros([0, task.width], (Kind::Double, Device::Cpu));
        return Ok((normal(&[vectors, task.width], DEVIATION, host, "context", 0), nothing));
    }
    let embedded = host.embed_text(words)?;
    let tokens = embedded.size()[0];
    if tokens < vectors {
        return Err(Error::option("ctx_init", format_args!("`{words}` has {tokens} tokens, but `n_ctx` is {vectors}")));
    }
    Ok((embedded.narrow(0, 0, vectors), embedded.narrow(0, vectors, tokens - vectors)))
}

/// Text features `[classes, embed_dim]` of length one.
fn text_features(parameters: &Parameters, rest: &Tensor, depth: usize, host: &dyn Host) -> Result<Tensor> {
    let context = Tensor::f_cat(&[parameters.get("ctx")?, rest], 0)?;
    let prompt = |layer: usize| {
        let tokens = parameters.get(&format!("compound_prompts_text.{}", layer - 1))?;
        Ok(LayerPrompt { layer, tokens: tokens.unsqueeze(0).unsqueeze(0) })
    };
    let changes = Changes { prompts: (1..depth).map(prompt).collect::<Result<_>>()?, ..Changes::default() };
    let contexts = context.unsqueeze(0).unsqueeze(0);
    let features = of(host)?.encode_contexts(&contexts, ClassPosition::End, &changes)?;
    Ok(unit(&features.squeeze_dim(0)))
}

impl Maple {
    /// Image features `[images, embed_dim]` of length one.
    fn image_features(&self, pixels: &Tensor, host: &dyn Host) -> Result<Tensor> {
        let projected = |prompt: &str, map: &str| -> Result<Tensor> {
            let [weight, bias] = ["weight", "bias"].map(|part| self.parameters.get(&format!("{map}.{part}")));
            Ok(self.parameters.get(prompt)?.f_matmul(&weight?.tr())? + bias?)
        };
        let prompt = |layer: usize| {
            let tokens = match layer.checked_sub(1) {
                None => projected("ctx", "proj"),
                Some(at) => {
                    projected(&format!("compound_prompts_text.{at}"), &format!("compound_prompt_projections.{at}"))
                }
            };
            Ok(LayerPrompt { layer, tokens: tokens?.unsqueeze(0) })
        };
        let changes = Changes { prompts: (0..self.depth).map(prompt).collect::<Result<_>>()?, ..Changes::default() };
        Ok(unit(&of(host)?.encode_images(pixels, &changes, false)?.global))
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
        let text = text_features(&self.parameters, &self.rest, self.depth, host)?;
        let logits = self.compare(&self.image_features(batch.pixels()?, host)?, &text)?;
        cross_entropy(&logits, &batch.labels, host)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let (rest, depth) = (&self.rest, self.depth);
        let text = self.parameters.remembered(|parameters| text_features(parameters, rest, depth, host))?;
        no_grad(|| self.compare(&self.image_features(batch.pixels()?, host)?, &text))
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
