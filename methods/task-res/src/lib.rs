//! Task residual tuning: the text features themselves are moved (Yu et al., "Task Residual for Tuning Vision-Language
//! Models", CVPR 2023; `trainers/taskres.py` of its code).
//!
//! For image features `f`, the backbone's factor `s`, and a residual `x` that starts from zero, one row a class:
//!
//! ```text
//! t      = mean of the class's text features over templates, as they leave the tower
//! t'     = t + residual_scale · x
//! logits = s f/‖f‖ (t'/‖t'‖)ᵀ
//! ```
//!
//! The authors use the data set's own template, and on ImageNet seven more (`templates: ensemble-8`); a `residual_scale`
//! of 0.5, and of 1 on Flowers102; a learning rate of 0.002, and of 0.0002 on ImageNet. Three things of their code are left out. Its class names keep their underscores, ours
//! have spaces. It appends the data set's template to a list that a second model of the same process finds longer. Its
//! "enhanced base" needs a text projection that they trained beforehand and offer for download.

use nemesis_sdk::learned::{leaf, load};
use nemesis_sdk::norm::at_least_zero;
use nemesis_sdk::prompt::{cross_entropy, scaled_cosines, unit};
use nemesis_sdk::tch::{Device, Kind, Tensor};
use nemesis_sdk::templates::{Average, ClassTexts, Templates};
use nemesis_sdk::{
    About, Batch, Epochs, Host, Method, Needs, Optimisation, OptimiserKind, Parameter, Plugin, ProtocolPatch, Result,
    State, Task,
};
use std::collections::BTreeMap;

nemesis_sdk::options! {
    /// The options of `TaskRes`, with the authors' defaults.
    pub struct Options {
        /// Factor on the residual (the paper's α); the authors use 1 for Flowers102.
        pub residual_scale: f64 = 0.5,
        /// Templates of the text features; the authors use `ensemble-8` for ImageNet.
        pub templates: Templates = Templates::Single,
    }
}

/// Text features with a learned residual.
#[derive(Debug)]
pub struct TaskRes {
    residual: Tensor,
    texts: ClassTexts,
    residual_scale: f64,
    logit_scale: f64,
}

/// The name of the residual in the authors' checkpoints.
const RESIDUAL: &str = "text_feature_residuals";

impl Plugin for TaskRes {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "task-res",
        label: "TaskRes",
        summary: "a learned residual on each class's text features",
        paper: Some("Yu et al., Task Residual for Tuning Vision-Language Models, CVPR 2023"),
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    /// `configs/trainers/TaskRes/adam_lr2e-3_B256_ep100.yaml` and `…_ep200.yaml`, with Dassl's weight decay.
    fn protocol() -> ProtocolPatch {
        ProtocolPatch {
            optimiser: Some(OptimiserKind::Adam),
            learning_rate: Some(0.002),
            weight_decay: Some(5e-4),
            warmup_epochs: Some(1),
            warmup_learning_rate: Some(1e-5),
            batch_size: Some(256),
            epochs: Some(Epochs(BTreeMap::from([(1, 100), (8, 200)]))),
            ..ProtocolPatch::default()
        }
    }

    fn create(task: Task, options: Options, _host: &dyn Host) -> Result<Self> {
        let shape = [task.class_names.len() as i64, task.embed_dim];
        Ok(Self {
            residual: leaf(&Tensor::zeros(shape, (Kind::Float, Device::Cpu)), &task),
            texts: ClassTexts::new(&task, &options.templates, Average::OfFeatures),
            residual_scale: at_least_zero("residual_scale", options.residual_scale)?,
            logit_scale: task.logit_scale,
        })
    }
}

impl TaskRes {
    fn logits_of(&self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let text = self.texts.features(host)? + &self.residual * self.residual_scale;
        scaled_cosines(batch.features()?, &unit(&text), self.logit_scale)
    }
}

impl Method for TaskRes {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(vec![Parameter::new(RESIDUAL, self.residual.shallow_clone())])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        cross_entropy(&self.logits_of(batch, host)?, &batch.labels, host)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.logits_of(batch, host)
    }

    fn state(&self) -> Result<State> {
        Ok(vec![(RESIDUAL.to_owned(), self.residual.detach())])
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        load(state, RESIDUAL, &self.residual)
    }
}

nemesis_sdk::export_method!(TaskRes);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::tch::no_grad;
    use nemesis_sdk::testing::ToyHost;

    fn method(options: Options, host: &ToyHost) -> TaskRes {
        TaskRes::create(host.task(), options, host).unwrap()
    }

    #[test]
    fn it_starts_as_zero_shot_clip_and_the_residual_counts_by_its_scale() {
        let host = ToyHost::new(4);
        let batch = host.batch(8, 0);
        let text =
            host.encode_strings(&(0..4).map(|i| format!("a photo of a class {i}.")).collect::<Vec<_>>()).unwrap();
        let move_by = host.batch(4, 3).features.unwrap();
        for scale in [0.5, 1.0] {
            let mut method = method(Options { residual_scale: scale, ..Options::default() }, &host);
            for factor in [0.0, 1.0] {
                let () = no_grad(|| method.residual.copy_(&(&move_by * factor)));
                let moved = unit(&(&text + &move_by * (factor * scale)));
                let expected = unit(batch.features().unwrap()).matmul(&moved.tr()) * 10.0;
                let found = no_grad(|| method.logits(&batch, &host).unwrap());
                assert!(found.allclose(&expected, 1e-12, 1e-12, false), "{scale} {factor}");
            }
        }
    }

    #[test]
    fn on_imagenet_eight_templates_are_averaged_before_the_norm_is_taken() {
        let host = ToyHost::new(3);
        let method = method(Options { templates: Templates::SevenAndSingle, ..Options::default() }, &host);
        let templates = Templates::SevenAndSingle.list("a photo of a {}.");
        let of = |template: &String| {
            let prompts: Vec<_> = (0..3).map(|i| template.replace("{}", &format!("class {i}"))).collect();
            host.encode_strings(&prompts).unwrap()
        };
        let all = Tensor::stack(&templates.iter().map(of).collect::<Vec<_>>(), 0);
        let mean = all.mean_dim(Some([0i64].as_slice()), false, Kind::Double);
        assert!(method.texts.features(&host).unwrap().allclose(&mean, 1e-12, 1e-12, false));
    }

    #[test]
    fn a_step_against_the_gradient_lowers_the_loss() {
        let host = ToyHost::new(4);
        let batch = host.batch(8, 0);
        let mut method = method(Options::default(), &host);
        let before = method.loss(&batch, &host).unwrap();
        host.backward(&before).unwrap();
        let _ = method.residual.data().subtract_(&(method.residual.grad() * 1e-3));
        let after = method.loss(&batch, &host).unwrap();
        assert!(f64::try_from(after).unwrap() < f64::try_from(before).unwrap());
    }
}
