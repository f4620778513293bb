//! `PLOT` on a toy host.

use super::*;
use nemesis_sdk::norm::{NormLossKind, Positions};
use nemesis_sdk::tch::{Device, no_grad};
use nemesis_sdk::testing::ToyHost;

const EXACT: Sinkhorn = Sinkhorn { epsilon: 0.1, rounds: 1000, threshold: 0.0 };

fn method(options: Options, host: &ToyHost) -> Plot {
    Plot::create(host.task(), options, host).unwrap()
}

fn small() -> Options {
    Options { n_ctx: 3, prompts: 2, ..Options::default() }
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    f64::try_from((a - b).abs().max()).unwrap()
}

fn value(tensor: &Tensor) -> f64 {
    f64::try_from(tensor).unwrap()
}

#[test]
fn a_plan_moves_equal_weights_and_prefers_high_cosines() {
    let cosines = Tensor::rand([2, 3, 5, 4], (Kind::Double, Device::Cpu)) * 2.0 - 1.0;
    let plan = EXACT.plan(&cosines).unwrap();
    let over = |dim: i64| plan.sum_dim_intlist([dim].as_slice(), false, None::<Kind>);
    assert!(difference(&over(-1), &Tensor::full([2, 3, 5], 0.2, (Kind::Double, Device::Cpu))) < 1e-9);
    assert!(difference(&over(-2), &Tensor::full([2, 3, 4], 0.25, (Kind::Double, Device::Cpu))) < 1e-9);
    let uniform = cosines.mean_dim([-2i64, -1].as_slice(), false, None::<Kind>);
    assert!(bool::try_from(EXACT.similarity(&cosines).unwrap().gt_tensor(&uniform).all()).unwrap());
}

#[test]
fn the_rounds_end_together_for_a_whole_batch() {
    let cosines = Tensor::from_slice(&[0.9, 0.1, 0.2, 0.8, 0.5, 0.5, 0.5, 0.5]).view([2, 1, 2, 2]);
    let rough = Sinkhorn { rounds: 100, threshold: 0.01, ..EXACT };
    let (together, alone) = (rough.plan(&cosines).unwrap(), rough.plan(&cosines.narrow(0, 0, 1)).unwrap());
    // The second image is done at once, which lowers the average.
    let same = Sinkhorn { threshold: 0.0, ..rough };
    assert!(
        difference(&same.plan(&cosines).unwrap().get(0), &same.plan(&cosines.narrow(0, 0, 1)).unwrap().get(0)) < 1e-12
    );
    assert!(difference(&together.get(0), &alone.get(0)) < 0.1);
}

#[test]
fn a_plan_that_cannot_be_computed_is_an_error() {
    let cosines = Tensor::from_slice(&[-1.0, -1.0]).view([1, 1, 1, 2]);
    let error = Sinkhorn { epsilon: 1e-4, ..EXACT }.plan(&cosines).unwrap_err();
    assert!(error.to_string().starts_with("a transport plan is not finite"), "{error}");
}

#[test]
fn one_prompt_and_one_place_are_a_cosine() {
    let host = ToyHost::new(3);
    let mut method = method(Options { prompts: 1, n_ctx: 3, ..Options::default() }, &host);
    let mut batch = host.batch(4, 0);
    batch.dense = Some(batch.features().unwrap().unsqueeze(1));
    let text = host.encode_contexts(&method.context().unwrap().unsqueeze(1), ClassPosition::End).unwrap().get(0);
    let wanted = no_grad(|| unit(batch.features().unwrap()).matmul(&unit(&text).tr()) * 10.0);
    assert!(difference(&method.logits(&batch, &host).unwrap(), &wanted) < 1e-9);
    // The global part doubles it then.
    let mut with_global = self::method(Options { prompts: 1, n_ctx: 3, global: true, ..Options::default() }, &host);
    assert!(difference(&with_global.logits(&batch, &host).unwrap(), &(wanted * 2.0)) < 1e-9);
}

#[test]
fn the_variants_differ_in_the_global_feature() {
    let host = ToyHost::new(3);
    let batch = host.batch(4, 0);
    let mut plot = method(small(), &host);
    let mut nemesis = method(Options { variant: Variant::Nemesis, ..small() }, &host);
    let logits = nemesis.logits(&batch, &host).unwrap();
    assert!(difference(&plot.logits(&batch, &host).unwrap(), &logits) > 1e-3);
    let all = Tensor::cat(&[batch.features().unwrap().unsqueeze(1), batch.dense().unwrap().shallow_clone()], 1);
    let batch = Batch { dense: Some(all), ..batch };
    assert!(difference(&plot.logits(&batch, &host).unwrap(), &logits) < 1e-12);
}

#[test]
fn class_specific_contexts_that_are_all_the_same_are_like_shared_ones() {
    let host = ToyHost::new(3);
    let batch = host.batch(4, 0);
    let mut shared = method(Options { variant: Variant::Nemesis, ..small() }, &host);
    let mut own = method(Options { variant: Variant::Nemesis, csc: true, ..small() }, &host);
    let context = shared.context().unwrap().unsqueeze(0).repeat([3, 1, 1, 1]);
    own.load_state(&vec![(CONTEXT.to_owned(), context)]).unwrap();
    assert!(difference(&own.logits(&batch, &host).unwrap(), &shared.logits(&batch, &host).unwrap()) < 1e-12);
    let loss = own.loss(&batch, &host).unwrap();
    host.backward(&loss).unwrap();
    assert_eq!(own.context().unwrap().grad().size(), [3, 2, 3, 6]);
}

#[test]
fn evaluation_follows_the_context() {
    let host = ToyHost::new(3);
    let batch = host.batch(4, 0);
    let mut method = method(small(), &host);
    let before = method.logits(&batch, &host).unwrap();
    assert_eq!(method.logits(&batch, &host).unwrap(), before);
    let _ = method.context().unwrap().data().g_mul_scalar_(30.0);
    assert!(difference(&method.logits(&batch, &host).unwrap(), &before) > 1e-6);
}

#[test]
fn norm_losses_grow_with_the_number_of_prompts() {
    let host = ToyHost::new(3);
    let batch = host.batch(4, 0);
    let loss = |options: Options| value(&method(options, &host).loss(&batch, &host).unwrap());
    let plain = loss(small());
    let normed = Options { norm_loss: NormLossKind::Pen, omega: nemesis_sdk::omega::Omega::None, ..small() };
    let norms = method(small(), &host).context().unwrap().norm_scalaropt_dim(2.0, [-1i64].as_slice(), false);
    let mean = value(&norms.mean(Kind::Double));
    assert!((loss(normed.clone()) - plain - 2.0 * mean).abs() < 1e-9);
    let aware = Options { norm_loss: NormLossKind::Pan, positions: Positions::Random(3), ..normed };
    assert!((loss(aware) - plain - 2.0 * mean).abs() < 1e-9);
}

#[test]
fn what_neither_code_can_run_is_refused() {
    let host = ToyHost::new(3);
    let message = |options| Plot::create(host.task(), options, &host).unwrap_err().to_string();
    assert!(message(Options { ctx_init: "a photo".to_owned(), ..small() }).starts_with("option `ctx_init`: prompts"));
    assert!(message(Options { prompts: 0, ..small() }).starts_with("option `prompts`"));
    assert!(message(Options { rounds: 0, ..small() }).starts_with("option `rounds`"));
    assert!(message(Options { global: true, variant: Variant::Nemesis, ..small() }).starts_with("option `global`"));
    assert!(message(Options { epsilon: 0.0, ..small() }).starts_with("option `epsilon`"));
}
