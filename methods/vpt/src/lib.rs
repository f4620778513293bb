//! VPT: prompt tokens in the first layers of the image tower (Jia et al., "Visual Prompt Tuning", ECCV 2022), as the code
//! of `MaPLe` applies it to CLIP (`trainers/vpt.py` and `clip/model.py` there). With depth 1 it is VPT-shallow.
//!
//! Before layer `i`, the last `n` tokens of an image are the prompt `P_i` `[n, width]`: `VPT` at layer 0, and
//! `VPT_shallow` of the layer's block later, all drawn with standard deviation 0.02. The text is "a photo of a NAME."
//! on every data set, encoded once. Logits are the backbone's factor times the cosine of both features, and the loss is
//! the cross-entropy.
//!
//! A depth beyond the tower's last layer is lowered, with a warning; the code has no such layers, either.
//!
//! With `norm_loss`, the norms of the prompt tokens count. The prompts of all layers are one context `[depth, n, width]`: as
//! for the several prompts of PLOT, norms are summed over layers and divided by the number of positions, and PAN corrupts
//! a position in all layers together. Nemesis's README says that it was tried with VPT; neither its code nor its numbers
//! are published, so this is our composition.

use nemesis_sdk::deep;
use nemesis_sdk::norm::NormLoss;
use nemesis_sdk::parameters::Parameters;
use nemesis_sdk::prompt::{cross_entropy, unit};
use nemesis_sdk::tch::{Tensor, no_grad};
use nemesis_sdk::towers::{Changes, of};
use nemesis_sdk::{
    About, Batch, ClassPosition, Error, Host, Method, Needs, Optimisation, Parameter, Plugin, ProtocolPatch, Result,
    State, Task,
};

nemesis_sdk::with_norm_loss! {
    options;
    /// The options of VPT, with the authors' defaults.
    pub struct Options {
        /// Number of prompt tokens in every layer.
        pub n_ctx: usize = 8,
        /// Number of layers with prompts; 1 means the input only (VPT-shallow).
        pub depth: usize = 12,
    }
}

/// Prompts in the image tower, learned with cross-entropy.
#[derive(Debug)]
pub struct Vpt {
    parameters: Parameters,
    depth: usize,
    norm: Option<NormLoss>,
    /// Text features `[classes, embed_dim]` of length one.
    text: Tensor,
    logit_scale: f64,
}

/// The name of a layer's prompt.
fn name(layer: usize) -> String {
    let transformer = "image_encoder.transformer.resblocks";
    if layer == 0 { "image_encoder.VPT".to_owned() } else { format!("{transformer}.{layer}.VPT_shallow") }
}

impl Plugin for Vpt {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "vpt",
        label: "VPT",
        summary: "prompts in the first layers of the image tower",
        paper: Some("Jia et al., Visual Prompt Tuning, ECCV 2022"),
        needs: Needs::TOWERS,
        optimisation: Optimisation::Host,
    };

    /// As published (`configs/trainers/VPT/vit_b16_c2_ep5_batch4_4.yaml`): SGD with a constant warm-up of an epoch at 1e-5,
    /// and a cosine by epochs.
    fn protocol() -> ProtocolPatch {
        deep::protocol(0.0025, 5)
    }

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let sizes = of(host)?.sizes();
        let depth = deep::depth("depth", options.depth, sizes.image_layers, host)?;
        if options.n_ctx == 0 {
            return Err(Error::option("n_ctx", "there must be at least one prompt token"));
        }
        let mut parameters = Parameters::new(&task);
        for layer in 0..depth {
            parameters.add(name(layer), &deep::random_prompt(options.n_ctx, sizes.image_width, host, "VPT", layer));
        }
        let words = host.embed_text("a photo of a")?.unsqueeze(0).unsqueeze(0);
        let text = no_grad(|| host.encode_contexts(&words, ClassPosition::End))?;
        let norm = NormLoss::new(options.norm_loss(), options.n_ctx, &task)?;
        Ok(Self { parameters, depth, norm, text: unit(&text.squeeze_dim(0)), logit_scale: task.logit_scale })
    }
}

impl Vpt {
    /// The prompts by layer, each `[n, width]`.
    fn prompts(&self) -> Result<Vec<Tensor>> {
        (0..self.depth).map(|layer| Ok(self.parameters.get(&name(layer))?.shallow_clone())).collect()
    }

    /// Logits `[images, classes]` with these prompts.
    fn logits_of(&self, prompts: &[Tensor], pixels: &Tensor, host: &dyn Host) -> Result<Tensor> {
        let prompts = prompts.iter().enumerate().map(|(layer, prompt)| deep::for_images(layer, prompt));
        let changes = Changes { prompts: prompts.collect(), ..Changes::default() };
        let features = unit(&of(host)?.encode_images(pixels, &changes, false)?.global);
        Ok(features.f_matmul(&self.text.tr())? * self.logit_scale)
    }
}

impl Method for Vpt {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(self.parameters.all())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let (prompts, pixels) = (self.prompts()?, batch.pixels()?);
        let logits = self.logits_of(&prompts, pixels, host)?;
        let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
        let Some(norm) = &self.norm else { return Ok(cross_entropy) };
        let logits_of = |prompts: &[Tensor]| self.logits_of(prompts, pixels, host);
        Ok(cross_entropy + norm.loss_of_layers(&prompts, batch, &logits, host, &logits_of)?)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let prompts = self.prompts()?;
        no_grad(|| self.logits_of(&prompts, batch.pixels()?, host))
    }

    fn state(&self) -> Result<State> {
        Ok(self.parameters.state())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.parameters.load_state(state)
    }
}

nemesis_sdk::export_method!(Vpt);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::norm::NormLossOptions;
    use nemesis_sdk::testing::{ToyHost, check_gradients, check_norm_loss};

    fn create(n_ctx: usize, depth: usize, host: &ToyHost) -> Result<Vpt> {
        Vpt::create(host.task(), Options { n_ctx, depth, ..Options::default() }, host)
    }

    #[test]
    fn parameters_have_the_authors_names() {
        let host = ToyHost::new(4);
        let names = |vpt: Vpt| vpt.parameters().unwrap().into_iter().map(|parameter| parameter.name);
        let deep: Vec<_> = names(create(8, 12, &host).unwrap()).collect();
        assert_eq!(
            deep,
            [
                "image_encoder.VPT",
                "image_encoder.transformer.resblocks.1.VPT_shallow",
                "image_encoder.transformer.resblocks.2.VPT_shallow"
            ]
        );
        assert_eq!(host.logged(), ["`depth` is lowered from 12 to 3, the number of layers"]);
        assert!(names(create(4, 1, &host).unwrap()).eq(["image_encoder.VPT"]));
    }

    #[test]
    fn gradients_are_those_of_the_loss() {
        let host = ToyHost::new(4);
        let batch = host.batch(3, 0);
        let mut vpt = create(2, 3, &host).unwrap();
        check_gradients(&mut vpt, &batch, &host).unwrap();
    }

    #[test]
    fn the_norm_loss_is_of_all_layers_prompts() {
        let host = ToyHost::new(4);
        let create = |norm: NormLossOptions| {
            let NormLossOptions { kind: norm_loss, alpha, beta, positions, omega, .. } = norm;
            let own = Options { n_ctx: 2, depth: 2, ..Options::default() };
            Vpt::create(host.task(), Options { norm_loss, alpha, beta, positions, omega, ..own }, &host)
        };
        let context = |vpt: &Vpt| Tensor::stack(&vpt.prompts().unwrap(), 0);
        check_norm_loss(&create, &context, &host.batch(3, 0), &host).unwrap();
    }

    #[test]
    fn options_that_do_not_fit_are_named() {
        let host = ToyHost::new(4);
        let error = create(0, 1, &host).unwrap_err();
        assert_eq!(error.to_string(), "option `n_ctx`: there must be at least one prompt token");
    }
}
