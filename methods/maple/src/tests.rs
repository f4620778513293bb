use super::*;
use nemesis_sdk::norm::NormLossOptions;
use nemesis_sdk::testing::{ToyHost, check_gradients, check_norm_loss};

fn create(options: Options, host: &ToyHost) -> Result<Maple> {
    Maple::create(host.task(), options, host)
}

fn names(maple: &Maple) -> Vec<String> {
    maple.parameters().unwrap().into_iter().map(|parameter| parameter.name).collect()
}

/// With the text tower's two layers and the image tower's three.
#[test]
fn parameters_have_the_authors_names_and_initial_values() {
    let host = ToyHost::new(4);
    let maple = create(Options { depth: 2, ..Options::default() }, &host).unwrap();
    assert_eq!(
        names(&maple),
        [
            "ctx",
            "proj.weight",
            "proj.bias",
            "compound_prompts_text.0",
            "compound_prompt_projections.0.weight",
            "compound_prompt_projections.0.bias",
        ]
    );
    let words = host.embed_text("a photo of a").unwrap();
    assert_eq!(maple.parameters.get("ctx").unwrap(), &words.narrow(0, 0, 2));
    assert_eq!(maple.rest, words.narrow(0, 2, 2));
    assert_eq!(maple.parameters.get("proj.weight").unwrap().size(), [8, 6]);
    assert!(host.logged().is_empty());
}

#[test]
fn a_depth_beyond_the_last_layer_is_lowered_with_a_warning() {
    let host = ToyHost::new(4);
    let maple = create(Options::default(), &host).unwrap();
    assert_eq!(maple.depth, 2);
    assert_eq!(host.logged(), ["`depth` is lowered from 9 to 2, the number of layers"]);
}

#[test]
fn more_than_four_vectors_ignore_words() {
    let host = ToyHost::new(4);
    let maple = create(Options { n_ctx: 5, depth: 1, ..Options::default() }, &host).unwrap();
    assert_eq!((maple.parameters.get("ctx").unwrap().size(), maple.rest.size()), (vec![5, 6], vec![0, 6]));
    assert!(f64::try_from(maple.parameters.get("ctx").unwrap().abs().max()).unwrap() < 0.1);
}

/// Norms of the text prompts alone, though their corruption reaches both towers.
#[test]
fn the_norm_loss_is_of_all_layers_text_prompts() {
    let host = ToyHost::new(4);
    let with = |norm: NormLossOptions| {
        let NormLossOptions { kind: norm_loss, alpha, beta, positions, omega, .. } = norm;
        create(Options { depth: 2, norm_loss, alpha, beta, positions, omega, ..Options::default() }, &host)
    };
    let context = |maple: &Maple| Tensor::stack(&prompts(&maple.parameters, 2).unwrap(), 0);
    check_norm_loss(&with, &context, &host.batch(3, 0), &host).unwrap();
}

/// Every parameter, in both towers.
#[test]
fn gradients_are_those_of_the_loss() {
    let host = ToyHost::new(4);
    let batch = host.batch(3, 0);
    for n_ctx in [2, 5] {
        let mut maple = create(Options { n_ctx, depth: 2, ..Options::default() }, &host).unwrap();
        check_gradients(&mut maple, &batch, &host).unwrap();
    }
}

/// The vision prompts are functions of the text prompts: without their maps, those of the text tower are all there is.
#[test]
fn the_towers_are_coupled() {
    let host = ToyHost::new(4);
    let batch = host.batch(3, 0);
    let mut maple = create(Options { depth: 2, ..Options::default() }, &host).unwrap();
    let pixels = batch.pixels().unwrap();
    let features = |maple: &Maple| {
        no_grad(|| maple.image_features(&prompts(&maple.parameters, 2).unwrap(), pixels, &host)).unwrap()
    };
    let before = features(&maple);
    let logits = maple.logits(&batch, &host).unwrap();
    let _ = maple.parameters.get("compound_prompts_text.0").unwrap().data().g_mul_scalar_(5.0);
    let after = features(&maple);
    assert!(!before.allclose(&after, 1e-6, 1e-6, false));
    assert_ne!(logits, maple.logits(&batch, &host).unwrap());
}

#[test]
fn a_few_steps_lower_the_loss() {
    let host = ToyHost::new(4);
    let batch = host.batch(8, 0);
    let mut maple = create(Options { depth: 2, ..Options::default() }, &host).unwrap();
    let mut losses = Vec::new();
    for _ in 0..5 {
        let loss = maple.loss(&batch, &host).unwrap();
        host.backward(&loss).unwrap();
        for mut parameter in maple.parameters().unwrap() {
            let step = parameter.tensor.grad() * 1e-3;
            let _ = parameter.tensor.data().subtract_(&step);
            parameter.tensor.zero_grad();
        }
        losses.push(f64::try_from(loss).unwrap());
    }
    assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{losses:?}");
}
