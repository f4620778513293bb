//! What a method is shown before the epochs, and which of its gradients and reports count.

use crate::model::{EMBED, NEVER, TEXT, clip, error, noise, prompts};
use nemesis_core::backbone::clip::TextPath;
use nemesis_core::method::{
    self, Batch, ClassPosition, FeatureSet, Host, Method, Needs, Optimisation, Parameter, State,
};
use nemesis_core::train::{EpochRecord, Recompute, ResolvedProtocol, Seen, Services, TrainingInputs, train};
use tch::{Device, Kind, Tensor, no_grad};

/// How `fit` comes by gradients.
#[derive(Clone, Copy)]
enum Way {
    Backward,
    Gradients,
    /// By going back to a graph after one that was made later.
    Return,
}

/// Learns a context, and a factor that is no parameter.
struct Learner {
    way: Way,
    context: Tensor,
    factor: Tensor,
    shown: Vec<Vec<i64>>,
    /// A tensor to add to the parameters when the first epoch is over.
    late: Option<Tensor>,
    steps: u64,
}

impl Learner {
    fn new(way: Way) -> Self {
        let leaf =
            |name: &str, shape: &[i64]| noise(name, shape, 0.3, 0.5).to_kind(Kind::Double).set_requires_grad(true);
        let (context, factor) = (leaf("context", &[1, 1, 3, TEXT]), leaf("factor", &[EMBED]));
        Self { way, context, factor, shown: Vec::new(), late: None, steps: 0 }
    }

    fn objective(&self, features: &Tensor, host: &dyn Host) -> method::Result<Tensor> {
        let text = host.encode_contexts(&self.context, ClassPosition::End)?.squeeze_dim(0).square();
        let of_images = features.matmul(&text.tr()).tanh().sum(Kind::Double);
        Ok(of_images + (text * &self.factor).tanh().sum(Kind::Double))
    }

    fn learned(&self) -> [Tensor; 2] {
        [self.context.detach().copy(), self.factor.detach().copy()]
    }
}

impl Method for Learner {
    fn parameters(&self) -> method::Result<Vec<Parameter>> {
        let late = self.late.as_ref().filter(|_| self.steps >= 2);
        let late = late.map(|tensor| Parameter::new("late", tensor.shallow_clone()));
        Ok([Parameter::new("context", self.context.shallow_clone())].into_iter().chain(late).collect())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> method::Result<Tensor> {
        self.steps += 1;
        host.report("of a step", &Tensor::from(2.0));
        self.objective(batch.features()?, host)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> method::Result<Tensor> {
        self.objective(batch.features()?, host)
    }

    fn state(&self) -> method::Result<State> {
        Ok(State::new())
    }

    fn load_state(&mut self, _: &State) -> method::Result<()> {
        Ok(())
    }

    fn prepare(&mut self, train: &FeatureSet, _: Option<&FeatureSet>, host: &dyn Host) -> method::Result<()> {
        self.shown.push(train.features.size());
        host.report("prepared", &Tensor::from(1.0));
        Ok(())
    }

    fn fit(&mut self, train: &FeatureSet, host: &dyn Host) -> method::Result<()> {
        let learned = [&self.context, &self.factor];
        if let Way::Return = self.way {
            let first = self.objective(&train.features, host)?;
            let second = host.gradients(&first, &learned).and_then(|_| self.objective(&train.features, host))?;
            host.gradients(&second, &learned)?;
            return host.gradients(&first, &learned).map(drop);
        }
        for _ in 0..3 {
            let loss = self.objective(&train.features, host)?;
            let gradients: Vec<Tensor> = match self.way {
                Way::Backward => {
                    host.backward(&loss)?;
                    learned.map(Tensor::grad).into()
                }
                _ => host.gradients(&loss, &learned)?,
            };
            no_grad(|| {
                for (tensor, gradient) in learned.iter().zip(gradients) {
                    let mut tensor = tensor.shallow_clone();
                    let moved = &tensor - gradient * 0.01;
                    tensor.copy_(&moved);
                    tensor.zero_grad();
                }
            });
        }
        Ok(())
    }
}

/// Trains on four images for two epochs of two steps.
fn trained(
    method: &mut Learner,
    optimisation: Optimisation,
    recompute: Recompute,
) -> nemesis_core::Result<Vec<EpochRecord>> {
    let clip = clip(Kind::Double, TextPath::Shared);
    let classes = prompts(&clip, &["tabby cat", "tabby dog", "school bus", "warplane"], 3);
    let services = Services::new(&clip, &classes, 7, recompute, &NEVER);
    let features = noise("features", &[4, EMBED], 1.0, 0.0).to_kind(Kind::Double);
    let protocol = ResolvedProtocol { learning_rate: 0.001, batch_size: 2, epochs: 2, ..ResolvedProtocol::default() };
    // As a method may when it is created.
    services.report("created", &Tensor::from(1.0));
    let mut inputs = TrainingInputs {
        needs: Needs::FEATURES,
        features: &mut |_| Ok(features.shallow_clone()),
        seen: &|_, _| Ok(Seen::default()),
        labels: &[0, 1, 2, 3],
        validation: None,
        seed: 1,
        device: Device::Cpu,
        resume: None,
    };
    train(method, optimisation, &protocol, &mut inputs, &services, &mut |_, _, _| Ok(()))
}

#[test]
fn a_method_without_gradients_is_shown_its_features_once() {
    let mut method = Learner::new(Way::Backward);
    let start = method.learned();
    assert!(trained(&mut method, Optimisation::None, Recompute::Never).unwrap().is_empty());
    assert_eq!(method.shown, [[4, EMBED]]);
    assert_eq!(method.learned(), start);
}

#[test]
fn what_is_reported_outside_of_steps_is_in_no_epoch() {
    let mut method = Learner::new(Way::Backward);
    let history = trained(&mut method, Optimisation::Host, Recompute::Never).unwrap();
    assert_eq!(history.len(), 2);
    for epoch in history {
        assert_eq!(epoch.reported.into_iter().collect::<Vec<_>>(), [("of a step".to_owned(), vec![2.0])]);
    }
}

#[test]
fn a_method_that_trains_itself_learns_the_same_from_a_graph_with_cuts() {
    for way in [Way::Backward, Way::Gradients] {
        let learned = |recompute| {
            let mut method = Learner::new(way);
            trained(&mut method, Optimisation::Fit, recompute).unwrap();
            method.learned()
        };
        let (start, expected, found) =
            (Learner::new(way).learned(), learned(Recompute::Never), learned(Recompute::Chunks(2)));
        for ((start, expected), found) in start.iter().zip(&expected).zip(&found) {
            assert!(error(expected, start) > 1e-5, "nothing was learned");
            assert!(error(found, expected) < 1e-10, "{}", error(found, expected));
        }
    }
}

/// The host forgets what a method seems to be done with, but a gradient that would be missing is an error.
#[test]
fn going_back_to_an_earlier_graph_is_an_error_if_it_was_cut() {
    let fit = |recompute| trained(&mut Learner::new(Way::Return), Optimisation::Fit, recompute);
    fit(Recompute::Never).unwrap();
    assert!(fit(Recompute::Chunks(2)).unwrap_err().to_string().contains("encode them again"));
}

#[test]
fn a_parameter_that_comes_later_is_refused() {
    let mut method = Learner::new(Way::Backward);
    method.late = Some(Tensor::ones([1], (Kind::Double, Device::Cpu)).set_requires_grad(true));
    let error = trained(&mut method, Optimisation::Host, Recompute::Never).unwrap_err();
    assert!(error.to_string().contains("the method has added the parameter `late`"), "{error}");
}
