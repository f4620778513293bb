use super::*;
use nemesis_sdk::tch::no_grad;
use nemesis_sdk::testing::{ToyHost, check_gradients};

fn started(options: Options, host: &ToyHost) -> CrossModal {
    let mut method = CrossModal::create(host.task(), options, host).unwrap();
    let Batch { features, labels, .. } = host.batch(4, 0);
    method.prepare(&FeatureSet { features: features.unwrap(), labels }, None, host).unwrap();
    method
}

fn two() -> Options {
    let templates = vec!["a photo of a {}.".to_owned(), "a bad photo of a {}.".to_owned()];
    Options { templates: Templates::Own(templates), ..Options::default() }
}

/// Unit text features `[texts, embed_dim]`, class by class.
fn texts(host: &ToyHost, classes: usize) -> Tensor {
    let prompts: Vec<_> = (0..classes)
        .flat_map(|i| [format!("a photo of a class {i}."), format!("a bad photo of a class {i}.")])
        .collect();
    host.encode_strings(&prompts).unwrap()
}

#[test]
fn it_starts_from_the_mean_of_a_class_s_texts() {
    let host = ToyHost::new(4);
    let all = texts(&host, 4).view([4, 2, -1]);
    let mean = unit(&all.mean_dim([1i64].as_slice(), false, Kind::Double));
    assert!(started(two(), &host).weight.allclose(&mean, 1e-12, 1e-12, false));
    let random = started(Options { init: Init::Random, ..two() }, &host).weight;
    assert!(!random.allclose(&mean, 1e-2, 1e-2, false));
    assert!(f64::try_from(random.abs().max()).unwrap() <= 1.0 / 5f64.sqrt());
}

/// Eight texts and batches of three: two batches, and a new order for the third.
#[test]
fn every_text_is_seen_once_before_the_order_is_drawn_again() {
    let host = ToyHost::new(4);
    let method = started(two(), &host);
    let all = texts(&host, 4);
    let rows = |step| {
        let batch = method.texts.batch(step, 3, &host).unwrap();
        let row = |features: Tensor, label: i64| {
            let row = (0..8).find(|row| all.get(*row) == features).unwrap();
            assert_eq!(row / 2, label);
            row
        };
        let labels = Vec::<i64>::try_from(&batch.labels).unwrap();
        batch.features.unbind(0).into_iter().zip(labels).map(|(own, label)| row(own, label)).collect::<Vec<_>>()
    };
    let mut seen = [rows(0), rows(1)].concat();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 6);
    assert_ne!(rows(0), rows(2));
    assert_eq!(rows(1), rows(1));
    // More images than texts.
    assert_eq!(method.texts.batch(5, 20, &host).unwrap().labels.size(), [8]);
}

#[test]
fn the_loss_is_the_mean_over_images_and_texts() {
    let host = ToyHost::new(4);
    let batch = host.batch(3, 1);
    for head in [Head::Linear, Head::Adapter] {
        let mut method = started(Options { head, ..two() }, &host);
        let own = method.texts.batch(1, 3, &host).unwrap();
        let loss = |features: &Tensor, labels: &Tensor| {
            let logits = method.logits_of(features).unwrap();
            f64::try_from(cross_entropy(&logits, labels, &host).unwrap()).unwrap()
        };
        let images = loss(batch.features().unwrap(), &batch.labels);
        let wanted = f64::midpoint(images, loss(&own.features, &own.labels));
        let found = f64::try_from(method.loss(&batch, &host).unwrap()).unwrap();
        assert!((found - wanted).abs() < 1e-12, "{head:?}");
        method.options.modality = Modality::Image;
        let found = f64::try_from(method.loss(&batch, &host).unwrap()).unwrap();
        assert!((found - images).abs() < 1e-12, "{head:?}");
    }
}

#[test]
fn the_formula_of_the_adapter_holds() {
    let host = ToyHost::new(4);
    let options = Options { head: Head::Adapter, reduction: 2, ratio: 0.4, logit: 2.0, ..two() };
    let mut method = started(options, &host);
    let batch = host.batch(3, 1);
    let y = unit(batch.features().unwrap());
    let adapter = method.adapter.as_ref().unwrap();
    let mixed = y.matmul(&adapter.down.tr()).relu().matmul(&adapter.up.tr()).relu() * 0.4 + &y * 0.6;
    let wanted = mixed.matmul(&method.weight.tr()) * 2f64.exp();
    assert!(no_grad(|| method.logits(&batch, &host)).unwrap().allclose(&wanted, 1e-12, 1e-12, false));
}

#[test]
fn gradients_are_those_of_the_loss_and_what_was_learned_is_stored() {
    let host = ToyHost::new(4);
    let batch = host.batch(4, 1);
    for (head, names) in [(Head::Linear, vec!["head.weight"]), (Head::Adapter, vec![DOWN, UP, "head.1.weight"])] {
        // A small factor, so that differences are not lost in a steep loss.
        let options = Options { head, logit: 1.0, ..two() };
        let mut method = started(options.clone(), &host);
        check_gradients(&mut method, &batch, &host).unwrap();
        let state = method.state().unwrap();
        assert!(state.iter().map(|(name, _)| name.as_str()).eq(names));
        let mut other = CrossModal::create(host.task(), options, &host).unwrap();
        other.load_state(&state).unwrap();
        assert_eq!(other.logits(&batch, &host).unwrap(), method.logits(&batch, &host).unwrap());
    }
}

#[test]
fn options_that_do_not_fit_are_named() {
    let host = ToyHost::new(4);
    let message = |options| CrossModal::create(host.task(), options, &host).unwrap_err().to_string();
    let error = message(Options { ratio: 1.5, ..Options::default() });
    assert_eq!(error, "option `ratio`: 1.5 is not a number from 0 to 1");
    let error = message(Options { logit: f64::INFINITY, ..Options::default() });
    assert_eq!(error, "option `logit`: inf is not the logarithm of a factor");
}
