//! `TCP` on a toy host, whose text tower has two layers.

use super::*;
use nemesis_sdk::norm::NormLossOptions;
use nemesis_sdk::tch::{Tensor, no_grad};
use nemesis_sdk::testing::{ToyHost, check_norm_loss};

fn method(options: Options, host: &ToyHost) -> Result<Tcp> {
    Tcp::create(host.task(), options, host)
}

fn in_layer_1() -> Options {
    Options { layer: 1, ..Options::default() }
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    f64::try_from((a - b).abs().max()).unwrap()
}

fn text_features(method: &Tcp, host: &ToyHost) -> Tensor {
    no_grad(|| method.prompts.text_features(&method.parameters, host)).unwrap()
}

#[test]
fn tokens_are_made_of_the_hand_written_prompt_and_put_into_the_tower() {
    let host = ToyHost::new(3);
    let method = method(in_layer_1(), &host).unwrap();
    let [w1, b1, w2, b2] = META.map(|name| method.parameters.get(name).unwrap());
    let hidden = method.prompts.known.matmul(&w1.tr()) + b1;
    let tokens = (&hidden * (&hidden * 1.702).sigmoid()).matmul(&w2.tr()) + b2;
    let tokens = LayerPrompt { layer: 1, tokens: tokens.view([1, 3, 4, 6]) };
    let changes = Changes { prompts: vec![tokens], ending: Some(".".to_owned()), ..Changes::default() };
    let contexts = method.parameters.get(CONTEXT).unwrap().unsqueeze(0).unsqueeze(0);
    let wanted = of(&host).unwrap().encode_contexts(&contexts, ClassPosition::End, &changes).unwrap();
    assert!(difference(&text_features(&method, &host), &unit(&wanted.squeeze_dim(0))) < 1e-12);
}

#[test]
fn the_distance_counts_by_its_weight_and_every_parameter_is_reached() {
    let host = ToyHost::new(3);
    let batch = host.batch(6, 0);
    let loss = |weight| {
        let mut method = method(Options { weight, ..in_layer_1() }, &host).unwrap();
        let loss = method.loss(&batch, &host).unwrap();
        host.backward(&loss).unwrap();
        let parameters = method.parameters().unwrap();
        assert_eq!(parameters.len(), 5);
        for parameter in parameters {
            assert!(f64::try_from(parameter.tensor.grad().abs().max()).unwrap() > 0.0, "{}", parameter.name);
        }
        f64::try_from(loss).unwrap()
    };
    let distance = loss(1.0) - loss(0.0);
    assert!(distance > 0.0 && distance < 2.0, "{distance}");
    assert!((loss(8.0) - loss(0.0) - 8.0 * distance).abs() < 1e-9);
}

#[test]
fn the_norm_loss_is_that_of_the_context() {
    let host = ToyHost::new(3);
    for own in [in_layer_1(), Options::default()] {
        let create = |norm: NormLossOptions| {
            let NormLossOptions { kind: norm_loss, alpha, beta, positions, omega, .. } = norm;
            method(Options { norm_loss, alpha, beta, positions, omega, ..own.clone() }, &host)
        };
        let context = |method: &Tcp| method.parameters.get(CONTEXT).unwrap().shallow_clone();
        check_norm_loss(&create, &context, &host.batch(6, 0), &host).unwrap();
    }
}

#[test]
fn a_tower_without_the_layer_trains_the_context_only_and_says_so() {
    let host = ToyHost::new(3);
    let mut method = method(Options::default(), &host).unwrap();
    assert!(host.logged()[0].contains("the text tower has 2 layers"), "{:?}", host.logged());
    let names: Vec<String> = method.parameters().unwrap().into_iter().map(|parameter| parameter.name).collect();
    assert_eq!(names, [CONTEXT]);
    assert_eq!(method.state().unwrap().len(), 5);
    let loss = method.loss(&host.batch(6, 0), &host).unwrap();
    host.backward(&loss).unwrap();
    assert!(!method.parameters.get(META[0]).unwrap().grad().defined());
}

#[test]
fn what_surrounds_a_class_name_stays() {
    let host = ToyHost::new(3);
    let prompt = |template: &str| {
        let prompt = "a photo of a person doing {}, a kind of toy.".to_owned();
        let task = Task { template: template.to_owned(), ..host.task() };
        [String::new(), prompt]
            .map(|prompt| Tcp::create(task.clone(), Options { prompt, ..in_layer_1() }, &host).unwrap())
    };
    let [from_template, from_prompt] = prompt("a photo of a {}, a type of pet.");
    assert_eq!(from_template.prompts.prompt.ending, ", a type of pet.");
    assert_eq!(from_template.prompts.prompt.between.size(), [0, 6]);
    assert_eq!(from_prompt.prompts.prompt.ending, ", a kind of toy.");
    assert_eq!(from_prompt.prompts.prompt.between, host.embed_text("person doing").unwrap());
    let error = method(Options { prompt: "a {}.".to_owned(), ..in_layer_1() }, &host).unwrap_err().to_string();
    assert_eq!(error, "option `prompt`: `a {}.` has 1 tokens before the class name, not 4 or more");
}

#[test]
fn evaluation_follows_every_parameter() {
    let host = ToyHost::new(3);
    let batch = host.batch(6, 0);
    let mut method = method(in_layer_1(), &host).unwrap();
    let before = method.logits(&batch, &host).unwrap();
    assert_eq!(method.logits(&batch, &host).unwrap(), before);
    // The same number everywhere would leave the tower's normalisations as they are.
    let mut bias = method.parameters.get(META[3]).unwrap().data();
    let slope = Tensor::arange(bias.numel() as i64, (bias.kind(), bias.device())).view_as(&bias);
    bias.copy_(&slope);
    assert!(difference(&method.logits(&batch, &host).unwrap(), &before) > 1e-6);
}

#[test]
fn too_few_tokens_are_refused() {
    let host = ToyHost::new(3);
    let error = method(Options { n_ctx: 3, ..in_layer_1() }, &host).unwrap_err().to_string();
    assert!(error.starts_with("option `n_ctx`: the tokens of a class take the place of 4"), "{error}");
    let error = method(Options { layer: 0, ..Options::default() }, &host).unwrap_err().to_string();
    assert!(error.starts_with("option `layer`"), "{error}");
}
