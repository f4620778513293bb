//! Dense features and pixels: what towers make of places of an image, and what batches show of their images.

use nemesis_core::backbone::Checkpoint;
use nemesis_core::backbone::clip::Clip;
use nemesis_core::backbone::{Assumption, Backbone};
use nemesis_core::contents::Contents;
use nemesis_core::dataset::Sample;
use nemesis_core::image::read;
use nemesis_core::method::{self, Batch, FeatureSet, Host, Method, Needs, Optimisation, Parameter, State};
use nemesis_core::train::{
    Features, Pictures, Recompute, ResolvedProtocol, Seen, Services, TestInputs, TrainingInputs, evaluate, train,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use tch::{Device, Kind, Tensor, no_grad};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn load(name: &str) -> Clip {
    Clip::load_assuming(
        &fixture(&format!("parity/{name}.safetensors")),
        Some(Assumption::OpenAi),
        Device::Cpu,
        Kind::Double,
    )
    .unwrap()
}

/// Tensors in double precision.
fn tensors(name: &str) -> BTreeMap<String, Tensor> {
    let tensors = Checkpoint::read(&fixture(&format!("parity/{name}.safetensors"))).unwrap().tensors;
    tensors.into_iter().map(|(name, tensor)| (name, tensor.to_kind(Kind::Double))).collect()
}

/// The weights of an image tower, and layers over them as plain as can be.
struct Plain(BTreeMap<String, Tensor>);

impl Plain {
    fn get(&self, name: &str) -> &Tensor {
        &self.0[&format!("visual.{name}")]
    }

    fn linear(&self, x: &Tensor, weight: &str, bias: &str) -> Tensor {
        x.matmul(&self.get(weight).tr()) + self.get(bias)
    }

    fn layer_norm(&self, x: &Tensor, name: &str) -> Tensor {
        let mean = x.mean_dim(-1, true, None);
        let variance = (x - &mean).square().mean_dim(-1, true, None);
        (x - mean) / (variance + 1e-5).sqrt() * self.get(&format!("{name}.weight")) + self.get(&format!("{name}.bias"))
    }

    /// Attention of `queries` over `keys` and `values`, all `[images, tokens, width]`, in heads of 64.
    fn attention([queries, keys, values]: [&Tensor; 3]) -> Tensor {
        let heads = queries.size()[2] / 64;
        let attended = (0..heads).map(|head| {
            let [q, k, v] = [queries, keys, values].map(|x| x.narrow(2, 64 * head, 64));
            (q.matmul(&k.transpose(1, 2)) / 8.0).softmax(-1, Kind::Double).matmul(&v)
        });
        Tensor::cat(&attended.collect::<Vec<_>>(), 2)
    }

    /// All tokens of the vision transformer `[images, 1 + patches, embed_dim]`.
    fn transformer(&self, pixels: &Tensor) -> Tensor {
        let kernel = self.get("conv1.weight");
        let patches = pixels.conv2d(kernel, None::<&Tensor>, kernel.size()[2], 0, 1, 1).flatten(2, 3).transpose(1, 2);
        let class = self.get("class_embedding").view([1, 1, -1]).repeat([pixels.size()[0], 1, 1]);
        let mut x = self.layer_norm(&(Tensor::cat(&[class, patches], 1) + self.get("positional_embedding")), "ln_pre");
        for block in 0..3 {
            let name = |part: &str| format!("transformer.resblocks.{block}.{part}");
            let normed = self.layer_norm(&x, &name("ln_1"));
            let qkv = self.linear(&normed, &name("attn.in_proj_weight"), &name("attn.in_proj_bias"));
            let parts = qkv.chunk(3, 2);
            let attended = Self::attention([&parts[0], &parts[1], &parts[2]]);
            x += self.linear(&attended, &name("attn.out_proj.weight"), &name("attn.out_proj.bias"));
            let normed = self.layer_norm(&x, &name("ln_2"));
            let hidden = self.linear(&normed, &name("mlp.c_fc.weight"), &name("mlp.c_fc.bias"));
            let hidden = &hidden * (&hidden * 1.702).sigmoid();
            x += self.linear(&hidden, &name("mlp.c_proj.weight"), &name("mlp.c_proj.bias"));
        }
        self.layer_norm(&x, "ln_post").matmul(self.get("proj"))
    }

    fn convolve(&self, x: &Tensor, convolution: &str, norm: &str, stride: i64) -> Tensor {
        let kernel = self.get(&format!("{convolution}.weight"));
        let [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
            .map(|part| self.get(&format!("{norm}.{part}")).view([1, -1, 1, 1]));
        let x = x.conv2d(kernel, None::<&Tensor>, stride, kernel.size()[2] / 2, 1, 1);
        (x - mean) / (variance + 1e-5).sqrt() * weight + bias
    }

    /// What the mean and all pixels of the residual network's last layer pool, `[images, 1 + pixels, embed_dim]`.
    fn residual(&self, pixels: &Tensor) -> Tensor {
        let pool = |x: &Tensor, side| x.avg_pool2d([side, side], [side, side], [0, 0], false, true, None);
        let mut x = pixels.shallow_clone();
        for number in 1..4 {
            let stride = if number == 1 { 2 } else { 1 };
            x = self.convolve(&x, &format!("conv{number}"), &format!("bn{number}"), stride).relu();
        }
        x = pool(&x, 2);
        for (layer, block) in [(1, 0), (1, 1), (2, 0), (3, 0), (4, 0)] {
            let name = |part: &str| format!("layer{layer}.{block}.{part}");
            let side = if layer > 1 { 2 } else { 1 };
            let inner = self.convolve(&x, &name("conv1"), &name("bn1"), 1).relu();
            let inner = pool(&self.convolve(&inner, &name("conv2"), &name("bn2"), 1).relu(), side);
            let inner = self.convolve(&inner, &name("conv3"), &name("bn3"), 1);
            let shortcut = if block == 0 {
                self.convolve(&pool(&x, side), &name("downsample.0"), &name("downsample.1"), 1)
            } else {
                x
            };
            x = (inner + shortcut).relu();
        }
        let x = x.flatten(2, 3).transpose(1, 2);
        let x = Tensor::cat(&[x.mean_dim(1, true, None), x], 1) + self.get("attnpool.positional_embedding");
        let [q, k, v] = ["q", "k", "v"].map(|part| {
            self.linear(&x, &format!("attnpool.{part}_proj.weight"), &format!("attnpool.{part}_proj.bias"))
        });
        self.linear(&Self::attention([&q, &k, &v]), "attnpool.c_proj.weight", "attnpool.c_proj.bias")
    }
}

#[test]
fn places_are_those_of_the_plain_tower_and_global_features_stay() {
    type Tower = fn(&Plain, &Tensor) -> Tensor;
    for (name, tower, places) in [("clip_vit", Plain::transformer as Tower, 16), ("clip_rn", Plain::residual, 4)] {
        let (clip, plain) = (load(name), Plain(tensors(name)));
        let images = tensors(&format!("{name}_io")).remove("images").unwrap();
        for count in [1, 2, 5] {
            let pixels = images.narrow(0, 0, count);
            let (features, dense) = clip.encode_places(&pixels).unwrap();
            assert_eq!(dense.size(), [count, places, clip.spec().embed_dim]);
            assert!(features.equal(&clip.encode_images(&pixels).unwrap()), "{name}: the global features are others");
            let expected = no_grad(|| tower(&plain, &pixels));
            for (found, expected) in [(&features, expected.select(1, 0)), (&dense, expected.narrow(1, 1, places))] {
                let error = (found - &expected).norm() / expected.norm();
                assert!(error.double_value(&[]) < 1e-12, "{name}: {error:?}");
            }
        }
        assert!(clip.encode_places(&images.narrow(2, 0, 16)).is_err());
    }
}

#[test]
fn global_features_stay_in_every_precision() {
    for (name, kind) in ["clip_vit", "clip_rn"].into_iter().flat_map(|n| [Kind::Float, Kind::Half].map(|k| (n, k))) {
        let clip = Clip::load_assuming(
            &fixture(&format!("parity/{name}.safetensors")),
            Some(Assumption::OpenAi),
            Device::Cpu,
            kind,
        )
        .unwrap();
        let images = tensors(&format!("{name}_io")).remove("images").unwrap();
        let (features, dense) = clip.encode_places(&images).unwrap();
        assert!(features.equal(&clip.encode_images(&images).unwrap()), "{name} in {kind:?}");
        assert_eq!(dense.kind(), features.kind());
    }
}

/// A method whose batches must hold pixels and nothing else.
struct PixelsAlone(Tensor);

impl Method for PixelsAlone {
    fn parameters(&self) -> method::Result<Vec<Parameter>> {
        Ok(vec![Parameter::new("factor", self.0.shallow_clone())])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> method::Result<Tensor> {
        Ok(self.logits(batch, host)?.mean(None::<Kind>))
    }

    fn logits(&mut self, batch: &Batch, _: &dyn Host) -> method::Result<Tensor> {
        assert!(batch.features().is_err() && batch.dense().is_err());
        Ok(batch.pixels()?.mean_dim([1_i64, 2, 3].as_slice(), false, None).unsqueeze(1) * &self.0)
    }

    fn state(&self) -> method::Result<State> {
        Ok(State::new())
    }

    fn load_state(&mut self, _: &State) -> method::Result<()> {
        Ok(())
    }

    fn prepare(&mut self, _: &FeatureSet, _: Option<&FeatureSet>, _: &dyn Host) -> method::Result<()> {
        panic!("there are no features to look at")
    }
}

#[test]
fn features_are_not_computed_where_nobody_asks_for_them() {
    let (clip, samples) = (load("clip_vit"), samples());
    let needs = Needs { pixels: true, ..Needs::default() };
    let prompts = clip.class_prompts(&["one".to_owned()], 0).unwrap();
    let cancelled = AtomicBool::new(false);
    let services = Services::new(&clip, &prompts, 1, Recompute::Never, &cancelled);
    let pictures = Pictures::of_files(&clip, samples.iter().map(|sample| sample.path.clone()).collect());
    let protocol =
        ResolvedProtocol { learning_rate: 0.1, batch_size: 2, epochs: 2, views: 2, ..ResolvedProtocol::default() };
    let shown = RefCell::new(Vec::new());
    let seen = |epoch: u64, places: &[usize]| {
        shown.borrow_mut().push((epoch, places.to_vec()));
        pictures.see(&clip, needs, epoch, places)
    };
    let mut inputs = TrainingInputs {
        needs,
        features: &mut |_| panic!("nobody asks for features"),
        seen: &seen,
        labels: &[0; 5],
        validation: None,
        seed: 1,
        device: Device::Cpu,
        resume: None,
    };
    let mut method = PixelsAlone(Tensor::ones([1], (Kind::Double, Device::Cpu)).set_requires_grad(true));
    train(&mut method, Optimisation::Host, &protocol, &mut inputs, &services, &mut |_, _, _| Ok(())).unwrap();
    for epoch in 0..2 {
        let shown = shown.borrow();
        let of_epoch = shown.iter().filter(|(of, _)| *of == epoch).flat_map(|(_, places)| places);
        assert_eq!(of_epoch.collect::<BTreeSet<_>>().len(), 4, "two batches of two, the rest is left out");
    }
    let seen = |places: &[usize]| pictures.see(&clip, needs, 0, places);
    let inputs = TestInputs::new(5, needs, None, &seen, 32);
    assert_eq!(evaluate(&mut method, &inputs, &[0; 5], 1, &services).unwrap().correct(), 5);
}

/// A few image files as samples.
fn samples() -> Vec<Sample> {
    let files = std::fs::read_dir(fixture("images/good")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "png")).take(5).collect();
    files.sort();
    assert_eq!(files.len(), 5);
    files.into_iter().zip(0..).map(|(path, label)| Sample { path, label }).collect()
}

#[test]
fn batches_show_what_features_are_made_of() {
    let (clip, samples, folder) = (load("clip_vit"), samples(), Path::new("/"));
    let all = Needs { pixels: true, dense: true, ..Needs::FEATURES };
    let remembered = tempfile::tempdir().unwrap();
    let mut features = Features::new(clip.spec(), None, 1 << 20, Contents::open(remembered.path().join("contents")));
    let pictures = features.pictures(folder, &samples, 7, true);
    let places = [3, 0, 4];
    let rows = Tensor::from_slice(&places.map(|place| place as i64));
    let close = |one: &Tensor, two: &Tensor| one.size() == two.size() && one.allclose(two, 1e-12, 1e-12, false);
    let mut views = Vec::new();
    for view in 0..2 {
        let seen = pictures.see(&clip, all, view, &places).unwrap();
        let (pixels, dense) = (seen.pixels.unwrap(), seen.dense.unwrap());
        let (again, expected) = clip.encode_places(&pixels).unwrap();
        assert!(dense.equal(&expected) && seen.features.as_ref().unwrap().equal(&again));
        let of_all = features.training(&clip, folder, &samples, 7, Some(view)).unwrap();
        assert!(close(&again, &of_all.index_select(0, &rows)), "view {view} shows other images");
        views.push(pixels);
    }
    assert!(!close(&views[0], &views[1]), "each view is another crop");

    let test = Pictures::of_files(&clip, samples.iter().map(|sample| sample.path.clone()).collect());
    let pixels = test.see(&clip, all, 0, &places).unwrap().pixels.unwrap();
    let preprocess = clip.spec().preprocess.clone();
    let images = places.map(|place| preprocess.eval(&read(&samples[place].path).unwrap()));
    assert!(pixels.equal(&preprocess.tensor(&images, Kind::Double).unwrap()));
}

#[test]
fn batches_show_what_is_asked_for_and_nothing_else() {
    let (clip, samples) = (load("clip_vit"), samples());
    let mut paths: Vec<PathBuf> = samples.into_iter().map(|sample| sample.path).collect();
    paths.push("no such file".into());
    let pictures = Pictures::of_files(&clip, paths);
    for bits in 0..8 {
        let needs = Needs {
            pixels: bits & 1 > 0,
            features: bits & 2 > 0,
            dense: bits & 4 > 0,
            validation: false,
            towers: false,
            views: 1,
        };
        let seen = pictures.see(&clip, needs, 0, &[1, 2]).unwrap();
        assert_eq!((seen.pixels.is_some(), seen.dense.is_some()), (needs.pixels, needs.dense));
        assert_eq!(seen.features.is_some(), needs.features && needs.dense);
        // Nothing is read where nothing is asked for; what cannot be read is named.
        match pictures.see(&clip, needs, 0, &[5]) {
            Ok(_) => assert!(!needs.images()),
            Err(error) => assert_eq!(error.file(), Some(Path::new("no such file"))),
        }
    }
}

#[test]
fn pixels_made_ahead_are_those_made_on_demand() {
    let (clip, samples) = (load("clip_vit"), samples());
    let mut paths: Vec<PathBuf> = samples.into_iter().map(|sample| sample.path).collect();
    paths.push("no such file".into());
    let pictures = Pictures::of_files(&clip, paths);
    let needs = Needs { pixels: true, ..Needs::default() };
    let order = [vec![1, 2], vec![0], vec![5], vec![3]];
    let pixels = |seen: Seen| seen.pixels.unwrap();
    let see = |places: &[usize]| pictures.see(&clip, needs, 0, places);
    let batches = || order.clone().into_iter().map(|places| (0, places));
    pictures.ahead(Kind::Double, batches(), |ahead| {
        for places in &order {
            // An error is told where its batch is asked for, and what follows can still be seen.
            match (ahead.see(&clip, needs, 0, places), see(places)) {
                (Ok(found), Ok(expected)) => assert!(pixels(found).equal(&pixels(expected))),
                (Err(found), Err(expected)) => assert_eq!(found.to_string(), expected.to_string()),
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            }
        }
    });
    // Another order, and an end before all batches are taken.
    pictures.ahead(Kind::Double, batches(), |ahead| {
        for places in [&order[0], &order[3], &order[1]] {
            assert!(pixels(ahead.see(&clip, needs, 0, places).unwrap()).equal(&pixels(see(places).unwrap())));
        }
    });
    pictures.ahead(Kind::Double, std::iter::repeat_with(|| (0, vec![0])), |_| ());
}
