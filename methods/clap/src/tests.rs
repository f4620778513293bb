use super::*;
use nemesis_sdk::prompt::{scaled_cosines, unit};
use nemesis_sdk::testing::ToyHost;

fn sample(host: &ToyHost, images: usize, step: u64) -> FeatureSet {
    let Batch { features, labels, .. } = host.batch(images, step);
    FeatureSet { features: features.unwrap(), labels }
}

fn options(init: Init, constraint: Constraint) -> Options {
    Options { init, constraint, ..Options::default() }
}

fn method(options: Options, host: &ToyHost) -> Clap {
    let mut method = Clap::create(host.task(), options, host).unwrap();
    method.prepare(&sample(host, 12, 0), None, host).unwrap();
    method
}

#[test]
fn all_but_the_random_start_are_zero_shot_clip_at_first() {
    let host = ToyHost::new(4);
    let batch = host.batch(8, 1);
    let zero_shot = |method: &Clap| {
        let text = unit(method.texts.features(&host).unwrap());
        scaled_cosines(batch.features().unwrap(), &text, 10.0).unwrap()
    };
    for init in [Init::Zs, Init::Tr, Init::Random] {
        let mut method = method(options(init, Constraint::None), &host);
        let logits = no_grad(|| method.logits(&batch, &host).unwrap());
        let same = logits.allclose(&zero_shot(&method), 1e-9, 1e-9, false);
        assert_eq!(same, init != Init::Random, "{init:?}");
    }
}

#[test]
fn the_constraint_costs_nothing_at_the_start_and_the_multiplier_times_the_distance_later() {
    let host = ToyHost::new(4);
    let batch = host.batch(8, 1);
    let loss = |method: &mut Clap| f64::try_from(method.loss(&batch, &host).unwrap()).unwrap();
    let mut held = method(options(Init::Zs, Constraint::L2), &host);
    let mut free = method(options(Init::Zs, Constraint::None), &host);
    assert!((loss(&mut held) - loss(&mut free)).abs() < 1e-12);
    for method in [&mut held, &mut free] {
        for parameter in method.parameters().unwrap() {
            let _ = parameter.tensor.data().g_add_scalar_(0.1);
        }
    }
    // Five numbers moved by 0.1 each are 0.05 away.
    let mean = f64::try_from(held.multipliers.lambda.mean(Kind::Double)).unwrap();
    assert!((loss(&mut held) - loss(&mut free) - 0.05 * mean).abs() < 1e-12);
}

#[test]
fn multipliers_are_averaged_over_views() {
    let host = ToyHost::new(4);
    let (one, two) = (sample(&host, 12, 0), sample(&host, 12, 5));
    let of = |features: Tensor| {
        let mut method = Clap::create(host.task(), Options::default(), &host).unwrap();
        let labels = one.labels.shallow_clone();
        method.prepare(&FeatureSet { features, labels }, None, &host).unwrap();
        method.multipliers.lambda
    };
    let both = of(Tensor::cat(&[&one.features, &two.features], 0));
    let mean = (of(one.features.shallow_clone()) + of(two.features.shallow_clone())) / 2.0;
    assert!(both.allclose(&mean, 1e-12, 1e-12, false));
}

#[test]
fn adaptative_multipliers_change_when_an_epoch_has_ended() {
    let host = ToyHost::new(4);
    let mut method = method(options(Init::Zs, Constraint::L2Adaptative), &host);
    let start = method.multipliers.lambda.copy();
    let mut losses = |epoch: u64| {
        let batch = Batch { epoch, ..host.batch(8, 1) };
        let _loss = method.loss(&batch, &host).unwrap();
        for parameter in method.parameters().unwrap() {
            let _ = parameter.tensor.data().g_add_scalar_(0.1);
        }
        method.multipliers.lambda.copy()
    };
    assert_eq!(losses(0), start);
    assert_eq!(losses(0), start);
    // The penalty was zero until the first epoch's end, when the distance was 5 · 0.2².
    assert_eq!(losses(1), start);
    let third = losses(2);
    let expected = start + 5.0 * 0.2 * 0.2 * 5.0 * 0.3 * 0.3;
    assert!(third.allclose(&expected, 1e-12, 1e-12, false));
}

#[test]
fn a_constraint_needs_prototypes() {
    let host = ToyHost::new(4);
    let error = Clap::create(host.task(), options(Init::ClipA, Constraint::L2), &host).unwrap_err();
    assert_eq!(
        error.to_string(),
        "option `constraint`: with `init: clip-a` there are no prototypes to hold, so it must be `none`"
    );
}

#[test]
fn every_start_learns_and_is_stored() {
    let host = ToyHost::new(4);
    let batch = host.batch(8, 1);
    for init in [Init::Zs, Init::Random, Init::Tr, Init::ClipA, Init::TipAF] {
        let mut one = method(options(init, Constraint::None), &host);
        let before = one.loss(&batch, &host).unwrap();
        host.backward(&before).unwrap();
        for parameter in one.parameters().unwrap() {
            let _ = parameter.tensor.data().subtract_(&(parameter.tensor.grad() * 1e-3));
        }
        let after = one.loss(&batch, &host).unwrap();
        assert!(f64::try_from(&after).unwrap() < f64::try_from(&before).unwrap(), "{init:?}");
        let mut two = Clap::create(host.task(), options(init, Constraint::None), &host).unwrap();
        two.load_state(&one.state().unwrap()).unwrap();
        assert_eq!(one.logits(&batch, &host).unwrap(), two.logits(&batch, &host).unwrap(), "{init:?}");
    }
}

#[test]
fn every_step_reports_the_multiplier() {
    let host = ToyHost::new(4);
    let mut method = method(options(Init::Zs, Constraint::L2), &host);
    let _ = host.take_reports();
    let mean = method.multipliers.lambda.mean(Kind::Double);
    for step in 0..2 {
        let _loss = method.loss(&host.batch(8, step), &host).unwrap();
        let reports = host.take_reports();
        let (_, reported) = reports.iter().find(|(name, _)| name == "multiplier").unwrap();
        assert_eq!(reported, &mean);
    }
}
