//! Each service on both sides of the table.

use super::*;
use crate::method::ClassPosition;
use crate::method::border::GuestHost;
use crate::method::testing::ToyHost;
use crate::method::towers::{Changes, Dropout, LayerPrompt, LowRank, Replacement, of};
use tch::{Device, Kind};

/// Asks for every service.
const EVERYTHING: Needs = Needs { towers: true, ..Needs::FEATURES };

/// Calls a service on both sides of the table.
fn both<T>(host: &ToyHost, call: impl Fn(&dyn Host) -> T) -> (T, T) {
    // SAFETY: the guest ends before the table does.
    let there = with_table(host, EVERYTHING, |table| call(&unsafe { GuestHost::new(table) }.unwrap()));
    (call(host), there)
}

#[test]
fn every_service_does_the_same_on_the_other_side() {
    let host = ToyHost::new(3);
    let contexts = Tensor::ones([2, 1, 4, 6], (tch::Kind::Double, tch::Device::Cpu)).set_requires_grad(true);

    let (here, there) = both(&host, |host| host.encode_contexts(&contexts, ClassPosition::Front).unwrap());
    assert_eq!((here, there.requires_grad()), (there.shallow_clone(), true));
    let (here, there) = both(&host, |host| {
        let loss = host.encode_contexts(&contexts, ClassPosition::End).unwrap().sum(tch::Kind::Double);
        host.gradients(&loss, &[&contexts, &loss]).unwrap()
    });
    assert_eq!(here, there);
    let (here, there) = both(&host, |host| host.encode_strings(&["a".to_owned(), "ö".to_owned()]).unwrap());
    assert_eq!(here, there);
    let (here, there) = both(&host, |host| host.embed_text("a photo").unwrap());
    assert_eq!(here, there);
    let (here, there) = both(&host, |host| host.random("positions", 3, 5));
    assert_eq!(here, there);
    let (here, there) = both(&host, |host| host.cancelled());
    assert_eq!(here, there);
    both(&host, |host| host.log(LogLevel::Warn, "careful"));
    assert_eq!(host.logged(), ["careful", "careful"]);
    both(&host, |host| host.report("loss", &Tensor::from(2.0)));
    assert_eq!(host.take_reports().len(), 2);
    let (here, there) = both(&host, |host| {
        let mut contexts = contexts.copy().detach().set_requires_grad(true);
        contexts.zero_grad();
        let loss = host.encode_contexts(&contexts, ClassPosition::End).unwrap().sum(tch::Kind::Double);
        host.backward(&loss).unwrap();
        contexts.grad()
    });
    assert_eq!(here, there);
}

#[test]
fn errors_cross_as_they_are() {
    let contexts = Tensor::ones([4, 6], (tch::Kind::Double, tch::Device::Cpu));
    let (here, there) = both(&ToyHost::new(3), |host| host.encode_contexts(&contexts, ClassPosition::End));
    assert_eq!(here.unwrap_err(), there.unwrap_err());
}

/// Random numbers that a gradient is wanted for.
fn leaf(shape: &[i64]) -> Tensor {
    Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu)).sin().view(shape).set_requires_grad(true)
}

/// One change of each kind, with and without what is optional, and all their tensors.
fn changes(tower: &str, width: i64, prompts: Vec<LayerPrompt>) -> Changes {
    let dropout = |mask| Some(Dropout { probability: 0.25, index: 7, mask });
    let delta = |part: &str, dropout| LowRank {
        name: format!("{tower}.0.{part}"),
        down: leaf(&[2, width]),
        up: leaf(&[width, 2]),
        scale: 0.5,
        dropout,
    };
    Changes {
        prompts,
        low_rank: vec![delta("q", None), delta("v", dropout(None))],
        replaced: vec![Replacement { name: format!("{tower}.0.ln_1.weight"), tensor: leaf(&[width]) }],
        ending: None,
    }
}

/// Features, and the gradients of all that changed.
fn learnt(host: &dyn Host, features: &Tensor, changes: &Changes) -> Vec<Tensor> {
    let Changes { prompts, low_rank, replaced, ending: _ } = changes;
    let inputs: Vec<&Tensor> = (prompts.iter().map(|prompt| &prompt.tokens))
        .chain(low_rank.iter().flat_map(|delta| [&delta.down, &delta.up]))
        .chain(replaced.iter().map(|replaced| &replaced.tensor))
        .collect();
    let gradients = host.gradients(&features.square().sum(Kind::Double), &inputs).unwrap();
    assert!(gradients.iter().all(|gradient| f64::try_from(gradient.abs().max()).unwrap() > 0.0));
    gradients.into_iter().chain([features.detach()]).collect()
}

#[test]
fn the_towers_do_the_same_on_the_other_side() {
    let host = ToyHost::new(3);
    let (here, there) = both(&host, |host| of(host).unwrap().sizes());
    assert_eq!(here, there);
    let sizes = here;

    let pixels = host.batch(2, 0).pixels.unwrap();
    for patches in [false, true] {
        let (here, there) = both(&host, |host| {
            let tokens = [(0, 1), (2, 2)]
                .map(|(layer, images)| LayerPrompt { layer, tokens: leaf(&[images, 3, sizes.image_width]) });
            let changes = changes("image", sizes.image_width, tokens.into());
            let features = of(host).unwrap().encode_images(&pixels, &changes, patches).unwrap();
            assert_eq!(features.patches.is_some(), patches);
            let global = learnt(host, &features.global, &changes);
            global.into_iter().chain(features.patches.map(|patches| patches.detach())).collect::<Vec<_>>()
        });
        assert_eq!(here, there);
    }

    let contexts = leaf(&[2, 1, 3, sizes.text_width]);
    let (here, there) = both(&host, |host| {
        let prompt = LayerPrompt { layer: 1, tokens: leaf(&[2, 3, 2, sizes.text_width]) };
        let changes = changes("text", sizes.text_width, vec![prompt]);
        let features = of(host).unwrap().encode_contexts(&contexts, ClassPosition::Middle, &changes).unwrap();
        learnt(host, &features, &changes)
    });
    assert_eq!(here, there);

    let (here, there) = both(&host, |host| {
        let mut changes = changes("text", sizes.text_width, Vec::new());
        changes.low_rank[1].dropout.as_mut().unwrap().mask = Some(leaf(&[2, 77, sizes.text_width]).detach());
        let prompts = ["a b".to_owned(), "ö".to_owned()];
        learnt(host, &of(host).unwrap().encode_strings(&prompts, &changes).unwrap(), &changes)
    });
    assert_eq!(here, there);
}

#[test]
fn without_changes_the_towers_are_the_frozen_ones() {
    let host = ToyHost::new(3);
    let contexts = leaf(&[2, 1, 3, 6]);
    let (here, there) = both(&host, |host| {
        of(host).unwrap().encode_contexts(&contexts, ClassPosition::End, &Changes::default()).unwrap()
    });
    let frozen = host.encode_contexts(&contexts, ClassPosition::End).unwrap();
    assert_eq!((&here, &there), (&frozen, &frozen));
}

#[test]
fn errors_of_the_towers_cross_as_they_are() {
    let host = ToyHost::new(3);
    let pixels = host.batch(2, 0).pixels.unwrap();
    let unknown = Changes { low_rank: changes("text", 6, Vec::new()).low_rank, ..Changes::default() };
    let (here, there) = both(&host, |host| of(host).unwrap().encode_images(&pixels, &unknown, false).unwrap_err());
    assert_eq!(here, there);
    assert_eq!(here.to_string(), "the image tower has no linear map `text.0.q`");
}

#[test]
fn a_method_that_does_not_ask_for_the_towers_gets_none() {
    with_table(&ToyHost::new(3), Needs::FEATURES, |table| {
        // SAFETY: the guest ends before the table does.
        let guest = unsafe { GuestHost::new(table) }.unwrap();
        let error = of(&guest).err().unwrap();
        assert!(error.to_string().starts_with("the host offers no towers: the descriptor must ask"), "{error}");
    });
}

#[test]
fn what_follows_class_names_crosses_the_border() {
    let host = ToyHost::new(3);
    let contexts = leaf(&[1, 1, 2, 6]);
    let features = |ending: Option<&str>| {
        let (here, there) = both(&host, |host| {
            let changes = Changes { ending: ending.map(str::to_owned), ..Changes::default() };
            of(host).unwrap().encode_contexts(&contexts, ClassPosition::End, &changes).unwrap().detach()
        });
        assert_eq!(here, there);
        here
    };
    assert_eq!(features(None), features(Some("")));
    assert_ne!(features(None), features(Some(", a kind of toy.")));
}

/// What a plugin in another language may get wrong.
#[test]
fn broken_changes_are_errors() {
    let host = ToyHost::new(3);
    with_table(&host, EVERYTHING, |table| {
        // SAFETY: the table is the host's, and all structs outlive the calls.
        unsafe {
            let extension = |name: *const c_char| ((*table).get_extension.unwrap())((*table).context, name);
            assert!(extension(ptr::null()).is_null() && extension(c"nemesis.towers/2".as_ptr()).is_null());
            let towers = &*extension(abi::TOWERS.as_ptr()).cast::<abi::Towers>();
            let sound = abi::TowerChanges {
                struct_size: size_of::<abi::TowerChanges>(),
                prompts: ptr::null(),
                prompt_count: 0,
                low_rank: ptr::null(),
                low_rank_count: 0,
                replaced: ptr::null(),
                replaced_count: 0,
                ending: abi::Str { data: ptr::null(), len: 0 },
            };
            let prompt =
                abi::LayerPrompt { struct_size: size_of::<abi::LayerPrompt>(), layer: 0, tokens: ptr::null_mut() };
            let pixels = host.batch(2, 0).pixels.unwrap();
            let encode = |changes: *const abi::TowerChanges| {
                let mut out = ptr::null_mut();
                let pixels = crate::method::border::borrow(&pixels);
                let call = towers.encode_images.unwrap();
                let status = call((*table).context, pixels, changes, &raw mut out, ptr::null_mut());
                let done = crate::method::border::result(status);
                assert_eq!(done.is_ok(), crate::method::border::adopt(out).is_some());
                done.map_err(|error| error.to_string())
            };
            assert_eq!(encode(&raw const sound), Ok(()));
            assert_eq!(encode(ptr::null()), Ok(()), "no changes");
            let small = abi::TowerChanges { struct_size: 8, ..sound };
            assert!(encode(&raw const small).unwrap_err().starts_with("the changes of the other side has 8 bytes"));
            let pointers = [ptr::null(), &raw const prompt];
            for (at, message) in
                ["the layer prompt is a null pointer", "the tensor `tokens` is a null pointer"].into_iter().enumerate()
            {
                let broken = abi::TowerChanges { prompts: &raw const pointers[at], prompt_count: 1, ..sound };
                assert_eq!(encode(&raw const broken).unwrap_err(), message);
            }
        }
    });
}
