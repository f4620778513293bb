//! `ProGrad` on a toy host.

use super::*;
use nemesis_sdk::norm::{NormLossKind, NormLossOptions};
use nemesis_sdk::testing::{ToyHost, check_norm_loss};

fn method(options: Options, host: &ToyHost) -> Result<ProGrad> {
    ProGrad::create(host.task(), options, host)
}

/// A step's gradient, and both losses' own.
fn gradients_of(method: &mut ProGrad, host: &ToyHost, step: u64) -> [Tensor; 3] {
    let batch = host.batch(8, step);
    let Losses { cross_entropy, divergence, .. } = method.losses(&batch, host).unwrap();
    let context = [method.prompt.context()];
    let [own, known] = [cross_entropy, divergence].map(|loss| host.gradients(&loss, &context).unwrap().remove(0));
    let _ = host.take_reports();
    let _ = method.compute_gradients(&batch, host).unwrap().unwrap();
    [method.prompt.context().grad().copy(), own, known]
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    f64::try_from((a * b).sum(Kind::Double)).unwrap()
}

fn reported(host: &ToyHost, name: &str) -> f64 {
    let reports = host.take_reports();
    f64::try_from(&reports.iter().find(|(known, _)| known == name).unwrap().1).unwrap()
}

#[test]
fn a_gradient_loses_what_opposes_the_teacher_and_nothing_else() {
    let mut seen = [false; 2];
    for step in 0..12 {
        let host = ToyHost::new(4);
        let mut method = method(Options { words: false, ..Options::default() }, &host).unwrap();
        let [gradient, own, known] = gradients_of(&mut method, &host, step);
        let conflict = dot(&own, &known) < 0.0;
        assert_eq!(reported(&host, "projected") > 0.0, conflict);
        seen[usize::from(conflict)] = true;
        if conflict {
            assert!(dot(&gradient, &known).abs() < 1e-12 * dot(&known, &known).sqrt());
            let across = &own - &known * (dot(&own, &known) / dot(&known, &known));
            assert!(f64::try_from((gradient - across).abs().max()).unwrap() < 1e-12);
        } else {
            assert_eq!(gradient, own);
        }
    }
    assert_eq!(seen, [true; 2], "both cases must occur");
}

#[test]
fn lambda_says_how_much_is_taken_out() {
    let host = ToyHost::new(4);
    for step in 0..12 {
        let of = |lambda| {
            let options = Options { words: false, lambda, ..Options::default() };
            gradients_of(&mut method(options, &host).unwrap(), &host, step)
        };
        let [none, own, _] = of(0.0);
        assert!(f64::try_from((&none - &own).abs().max()).unwrap() < 1e-12);
        let ([half, ..], [whole, ..]) = (of(0.5), of(1.0));
        assert!(f64::try_from(((none + whole) / 2.0 - half).abs().max()).unwrap() < 1e-12);
    }
}

#[test]
fn the_norm_loss_is_added_and_its_gradient_is_not_projected() {
    let host = ToyHost::new(4);
    let create = |norm: NormLossOptions| {
        let NormLossOptions { kind: norm_loss, alpha, beta, positions, omega, .. } = norm;
        let own = Options { words: false, n_ctx: 4, ..Options::default() };
        method(Options { norm_loss, alpha, beta, positions, omega, ..own }, &host)
    };
    check_norm_loss(&create, &|method| method.prompt.context().shallow_clone(), &host.batch(8, 0), &host).unwrap();
    let pen = NormLossOptions { kind: NormLossKind::Pen, ..NormLossOptions::default() };
    for step in 0..4 {
        let mut normed = create(pen).unwrap();
        let [with, ..] = gradients_of(&mut normed, &host, step);
        let [without, ..] = gradients_of(&mut create(NormLossOptions::default()).unwrap(), &host, step);
        let norm = normed.losses(&host.batch(8, step), &host).unwrap().norm.unwrap();
        let norm = host.gradients(&norm, &[normed.prompt.context()]).unwrap().remove(0);
        assert!(f64::try_from((with - without - norm).abs().max()).unwrap() < 1e-12);
    }
}

#[test]
fn a_teacher_that_agrees_in_everything_projects_nothing() {
    let host = ToyHost::new(4);
    let mut method = method(Options { words: false, ..Options::default() }, &host).unwrap();
    method.known = no_grad(|| method.prompt.text_features(&host)).unwrap();
    let [gradient, own, known] = gradients_of(&mut method, &host, 0);
    assert!(dot(&known, &known) < 1e-20 && dot(&gradient, &own) > 0.0);
}

#[test]
fn kinds_come_first_as_in_the_authors_templates() {
    for (ours, theirs) in [
        ("a photo of a {}, a type of pet.", "a type of pet, a photo of a {}."),
        ("a photo of {}, a type of food.", "a type of food, a photo of {}."),
        ("{} texture.", "a texture of {}."),
        ("a centered satellite photo of {}.", "a centered satellite photo of {}."),
        ("a photo of a person doing {}.", "a photo of a person doing {}."),
    ] {
        assert_eq!(kind_first(ours), theirs);
    }
}

#[test]
fn words_stand_right_before_the_class_name_behind_zeros() {
    let host = ToyHost::new(2);
    let learner = |n_ctx| method(Options { n_ctx, ..Options::default() }, &host);
    let words = host.embed_text("a photo of a").unwrap();
    let context = learner(6).unwrap().prompt.context().detach();
    assert_eq!(context.narrow(0, 2, 4), words);
    assert!(f64::try_from(context.narrow(0, 0, 2).abs().max()).unwrap() == 0.0);
    assert_eq!(learner(4).unwrap().prompt.context().detach(), words);
    let error = learner(3).unwrap_err().to_string();
    assert_eq!(error, "option `n_ctx`: 3 context vectors cannot start from the 4 words of `a photo of a`");
    let template = "{} on a table.".to_owned();
    let error = method(Options { template, ..Options::default() }, &host).unwrap_err().to_string();
    assert!(error.contains("no words before the class name"), "{error}");
}
