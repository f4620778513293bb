//! `KgCoOp`: CoOp kept close to what CLIP already knows (Yao et al., "Visual-Language Prompt Tuning with
//! Knowledge-guided Context Optimization", CVPR 2023; `trainers/kgcoop.py` of its code).
//!
//! The distance of the text features `w` of the learned prompts from those `w*` of a hand-written one, all of length
//! one, is added to the cross-entropy:
//!
//! ```text
//! loss = cross-entropy + λ · mean over classes (1 − cos(w, w*))
//! ```
//!
//! The paper has the squared distance (equation 3), which is twice this. The authors' code, and λ = 8, use the formula
//! above.
//!
//! As in the code, a context that starts from words starts from "a photo of a" on every data set, while the hand-written
//! prompt is that of the data set. The teacher is as precise as the run, where the code keeps it in half precision.
//!
//! With `norm_loss`, the loss of Nemesis is added, that of the context's norms. No publication has this: it is our
//! composition.
//!
//! Published with a batch size of 128 and 100 epochs.

use nemesis_sdk::norm::{NormLoss, at_least_zero};
use nemesis_sdk::prompt::{PromptLearner, cross_entropy, hand_written};
use nemesis_sdk::tch::{Kind, Tensor};
use nemesis_sdk::{
    About, Batch, Host, Method, Needs, Optimisation, Parameter, Plugin, ProtocolPatch, Result, State, Task,
};

// Options have a documentation line and a default; users set them with `--set kg-coop.weight=4` or in a suite.
nemesis_sdk::with_norm_loss! {
    prompt_options from n_ctx 4, ctx_init "a photo of a";
    /// The options of `KgCoOp`, between those of every prompt learner and those of the norm loss.
    pub struct Options {
        /// Weight of the distance from the hand-written prompt (the paper's λ).
        pub weight: f64 = 8.0,
        /// Hand-written prompt, with `{}` for the class name; empty for the data set's own.
        pub template: String = String::new(),
    }
}

/// A context learned with cross-entropy plus the distance from a hand-written prompt.
#[derive(Debug)]
pub struct KgCoop {
    prompt: PromptLearner,
    weight: f64,
    /// Text features `[classes, embed_dim]` of the hand-written prompt, of length one.
    known: Tensor,
    norm: Option<NormLoss>,
}

impl Plugin for KgCoop {
    type Options = Options;

    const ABOUT: About = About {
        id: "kg-coop",
        label: "KgCoOp",
        summary: "CoOp kept close to the features of a hand-written prompt",
        paper: Some("Yao et al., Visual-Language Prompt Tuning with Knowledge-guided Context Optimization, CVPR 2023"),
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    const RESUMES: bool = true;

    /// As published (`configs/trainers/KgCoOp/vit_b16_ep100_ctxv1.yaml`).
    fn protocol() -> ProtocolPatch {
        ProtocolPatch { batch_size: Some(128), epochs: Some(100.into()), ..ProtocolPatch::default() }
    }

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let prompt = PromptLearner::new(&task, &options.prompt(), host)?;
        let known = hand_written(&task, &options.template, host)?;
        let norm = NormLoss::new(options.norm_loss(), prompt.vectors(), &task)?;
        Ok(Self { prompt, weight: at_least_zero("weight", options.weight)?, known, norm })
    }
}

impl Method for KgCoop {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(vec![self.prompt.parameter()])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let text = self.prompt.text_features(host)?;
        let logits = self.prompt.compare(batch.features()?, &text)?;
        let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
        let cosines = (&text * &self.known).sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>);
        let distance = 1.0 - cosines.mean(None::<Kind>);
        // Reported values are stored in the training's record.
        host.report("distance", &distance);
        let loss = cross_entropy + distance * self.weight;
        self.prompt.with_norm_loss(loss, self.norm.as_ref(), batch, &logits, host)
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

nemesis_sdk::export_method!(KgCoop);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::norm::NormLossOptions;
    use nemesis_sdk::testing::{ToyHost, check_norm_loss};

    /// The untrained method, on a toy host with four classes.
    fn method(weight: f64, host: &ToyHost) -> Result<KgCoop> {
        KgCoop::create(host.task(), Options { weight, ..Options::default() }, host)
    }

    fn loss(weight: f64) -> f64 {
        let host = ToyHost::new(4);
        let loss = method(weight, &host).and_then(|mut method| method.loss(&host.batch(8, 0), &host)).unwrap();
        f64::try_from(loss).unwrap()
    }

    #[test]
    fn the_distance_counts_by_its_weight() {
        let distance = loss(1.0) - loss(0.0);
        assert!(distance > 0.0 && distance < 2.0, "{distance}");
        assert!((loss(3.0) - loss(0.0) - 3.0 * distance).abs() < 1e-12);
    }

    #[test]
    fn the_norm_loss_is_added() {
        let host = ToyHost::new(4);
        let create = |norm: NormLossOptions| {
            let NormLossOptions { kind: norm_loss, alpha, beta, positions, omega, .. } = norm;
            let options = Options { norm_loss, alpha, beta, positions, omega, ..Options::default() };
            KgCoop::create(host.task(), options, &host)
        };
        check_norm_loss(&create, &|method| method.prompt.context().shallow_clone(), &host.batch(8, 0), &host).unwrap();
    }

    #[test]
    fn a_context_that_changes_nothing_has_no_distance() {
        let host = ToyHost::new(4);
        let mut method = method(1.0, &host).unwrap();
        method.known = method.prompt.text_features(&host).unwrap().detach();
        let _ = method.loss(&host.batch(8, 0), &host).unwrap();
        let (name, distance) = host.take_reports().pop().unwrap();
        assert_eq!(name, "distance");
        assert!(f64::try_from(distance).unwrap().abs() < 1e-12);
    }

    #[test]
    fn a_step_against_the_gradient_lowers_the_loss() {
        let host = ToyHost::new(4);
        let batch = host.batch(8, 0);
        let mut method = method(1.0, &host).unwrap();
        let before = method.loss(&batch, &host).unwrap();
        host.backward(&before).unwrap();
        let context = method.prompt.context();
        let _ = context.data().subtract_(&(context.grad() * 1e-3));
        let after = method.loss(&batch, &host).unwrap();
        assert!(f64::try_from(after).unwrap() < f64::try_from(before).unwrap());
    }

    #[test]
    fn a_negative_weight_is_refused() {
        let error = method(-1.0, &ToyHost::new(4)).unwrap_err();
        assert_eq!(error.to_string(), "option `weight`: -1 is not a number of at least 0");
    }
}
