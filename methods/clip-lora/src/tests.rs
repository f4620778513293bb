use super::*;
use nemesis_sdk::testing::{ToyHost, check_gradients};

fn create(options: Options, host: &ToyHost) -> Result<ClipLora> {
    ClipLora::create(host.task(), options, host)
}

fn names(lora: &ClipLora) -> Vec<String> {
    lora.parameters().unwrap().into_iter().map(|parameter| parameter.name).collect()
}

/// Moves every `B` away from zero, where the gradient of its `A` is zero.
fn moved(lora: ClipLora) -> ClipLora {
    for parameter in lora.parameters().unwrap() {
        let tensor = parameter.tensor.detach();
        let by = (tensor.ones_like().cumsum(0, Kind::Double) * 2.3).cos() * 0.2;
        let _ = tensor.data().f_add_(&by).unwrap();
    }
    lora
}

#[test]
fn parameters_have_the_authors_names_and_shapes() {
    let host = ToyHost::new(4);
    let lora = create(Options { params: "v o".to_owned(), r: 3, ..Options::default() }, &host).unwrap();
    let names = names(&lora);
    assert_eq!(names.len(), (3 + 2) * 2 * 2);
    assert_eq!(names[0], "visual.transformer.resblocks.0.attn.v_proj.w_lora_A");
    assert_eq!(names[3], "visual.transformer.resblocks.0.attn.proj.w_lora_B");
    assert_eq!(names[12], "transformer.resblocks.0.attn.v_proj.w_lora_A");
    let shapes: Vec<_> = lora.parameters().unwrap().iter().map(|parameter| parameter.tensor.size()).collect();
    assert_eq!((&shapes[0], &shapes[1], &shapes[12]), (&vec![3, 8], &vec![8, 3], &vec![3, 6]));
    assert!((lora.scale - 1.0 / 3f64.sqrt()).abs() < 1e-15);
    for encoder in [Encoder::Vision, Encoder::Text] {
        let lora = create(Options { encoder, ..Options::default() }, &host).unwrap();
        assert!(self::names(&lora).iter().all(|name| name.starts_with("visual.") == (encoder == Encoder::Vision)));
    }
}

#[test]
fn it_starts_from_the_frozen_towers() {
    let host = ToyHost::new(4);
    let batch = host.batch(5, 0);
    let mut lora = create(Options::default(), &host).unwrap();
    let towers = of(&host).unwrap();
    let text = unit(&towers.encode_contexts(&lora.words, ClassPosition::End, &Changes::default()).unwrap());
    let images = towers.encode_images(batch.pixels().unwrap(), &Changes::default(), false).unwrap().global;
    let expected = compare(&unit(&images), &text.squeeze_dim(0)).unwrap();
    assert!(lora.logits(&batch, &host).unwrap().allclose(&expected, 1e-12, 1e-12, false));
    assert_ne!(moved(lora).logits(&batch, &host).unwrap(), expected);
}

/// With dropout and without, for each choice of towers.
#[test]
fn gradients_are_those_of_the_loss() {
    let host = ToyHost::new(4);
    let batch = host.batch(3, 2);
    for encoder in [Encoder::Both, Encoder::Vision, Encoder::Text] {
        for dropout_rate in [0.0, 0.25] {
            let options = Options { encoder, dropout_rate, params: "q,k,v,o".to_owned(), ..Options::default() };
            let mut lora = moved(create(options, &host).unwrap());
            check_gradients(&mut lora, &batch, &host).unwrap();
        }
    }
}

#[test]
fn dropout_follows_seed_and_step_and_ends_with_training() {
    let host = ToyHost::new(4);
    let mut lora = moved(create(Options::default(), &host).unwrap());
    let mut loss = |host: &ToyHost, step| {
        let batch = Batch { step, ..host.batch(4, 0) };
        f64::try_from(lora.loss(&batch, host).unwrap()).unwrap().to_bits()
    };
    let first = loss(&host, 0);
    assert_eq!(first, loss(&host, 0));
    assert_ne!(first, loss(&host, 1));
    assert_ne!(first, loss(&ToyHost::new(4).seeded(2), 0));
    let batch = host.batch(4, 0);
    assert_eq!(lora.logits(&batch, &host).unwrap(), lora.logits(&batch, &host).unwrap());
}

#[test]
fn options_that_do_not_fit_are_named() {
    let host = ToyHost::new(4);
    let message = |options| create(options, &host).unwrap_err().to_string();
    let default = Options::default;
    assert_eq!(message(Options { r: 0, ..default() }), "option `r`: the rank must be at least 1");
    assert_eq!(message(Options { dropout_rate: 1.0, ..default() }), "option `dropout_rate`: 1 is not between 0 and 1");
    assert_eq!(
        message(Options { position: Position::Up, ..default() }),
        "option `position`: a tower of 3 layers has none of these layers"
    );
    assert_eq!(message(Options { alpha: -1.0, ..default() }), "option `alpha`: -1 is not a number of at least 0");
}
