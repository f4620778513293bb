//! Checkpoints in all formats, against what PyTorch makes of them (`fixtures/checkpoints`), and damaged ones.

use nemesis_core::backbone::Checkpoint;
use nemesis_core::backbone::clip::{Clip, ImageTower, TextTower, Weights};
use nemesis_core::backbone::{Assumption, Backbone};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)
}

fn read(name: &str) -> BTreeMap<String, Tensor> {
    Checkpoint::read(&fixture(name)).unwrap().tensors
}

/// Equal in type, shape and every value.
fn equal(left: &Tensor, right: &Tensor) -> bool {
    left.kind() == right.kind() && left.size() == right.size() && left.equal(right)
}

#[test]
fn tensors_of_every_type_and_layout_are_read() {
    let expected = read("expected.safetensors");
    // The format of today, and the one before PyTorch 1.6, by protocols 2 and 4 of pickle.
    for file in ["state_dict.pt", "legacy.pt", "legacy4.pt"] {
        let found = read(file);
        assert!(found.keys().eq(expected.keys()), "{:?}", found.keys());
        for (name, tensor) in &expected {
            assert!(equal(&found[name], tensor), "{name} in {file}: {:?}", found[name]);
        }
    }
}

#[test]
fn a_state_dict_is_taken_out_of_a_training_checkpoint() {
    let (found, expected) = (read("nested.pt"), read("expected.safetensors"));
    assert_eq!(found.len(), expected.len() - 1);
    assert!(found.iter().all(|(name, tensor)| equal(tensor, &expected[name])));
}

#[test]
fn numbers_outside_of_a_state_dict_are_noted_unless_a_training_left_them() {
    let checkpoint = Checkpoint::read(&fixture("beside.pt")).unwrap();
    insta::assert_debug_snapshot!(checkpoint.tensors.keys().collect::<Vec<_>>(), @r#"
    [
        "listed.0",
        "listed.1.deep",
        "plain",
    ]
    "#);
    insta::assert_debug_snapshot!(checkpoint.beside, @r#"
    [
        "array (numpy._core.multiarray._reconstruct)",
        "module (torch.nn.modules.linear.Linear)",
        "ema.plain",
        "adapter.0",
    ]
    "#);
}

#[test]
fn scripted_module_and_state_dict_give_the_features_of_clip() {
    let golden = read("scripted_io.safetensors");
    for name in ["scripted.pt", "resnet.pt"] {
        let clip = Clip::load_assuming(&fixture(name), Some(Assumption::OpenAi), Device::Cpu, Kind::Float).unwrap();
        let features = clip.encode_images(&golden["images"]).unwrap();
        let error = (&features - &golden["features"]).norm() / golden["features"].norm();
        assert!(error.double_value(&[]) < 1e-5, "{name}: {error:?}");
        assert!((clip.spec().logit_scale - 3.25_f64.exp()).abs() < 1e-9);
    }
}

#[test]
fn features_depend_on_the_running_statistics() {
    let golden = read("scripted_io.safetensors");
    let mut tensors = read("scripted.pt");
    let mean = tensors["visual.layer4.0.bn3.running_mean"].shallow_clone();
    assert!(mean.abs().max().double_value(&[]) > 0.01, "the fixture has trivial statistics");
    tensors.insert("visual.layer4.0.bn3.running_mean".to_owned(), mean + 1.0);
    let weights = Weights::new(tensors).to(Device::Cpu, Kind::Float);
    let tower = ImageTower::from_weights(&weights).unwrap();
    let features = tower.forward(&golden["images"].to_kind(Kind::Float));
    let error = (&features - &golden["features"]).norm() / golden["features"].norm();
    assert!(error.double_value(&[]) > 1e-2, "{error:?}");
}

#[test]
fn hash_is_that_of_the_file() {
    let checkpoint = Checkpoint::read(&fixture("resnet.pt")).unwrap();
    assert_eq!(checkpoint.hash, blake3::hash(&std::fs::read(fixture("resnet.pt")).unwrap()).to_hex().to_string());
}

/// What is said about a file of these bytes, without its path.
fn complaint(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.pt");
    std::fs::write(&path, bytes).unwrap();
    let error = Clip::load_assuming(&path, Some(Assumption::OpenAi), Device::Cpu, Kind::Float)
        .expect_err("the file is no checkpoint");
    assert_eq!(error.file(), Some(path.as_path()));
    error.to_string().replace(&*folder.path().to_string_lossy(), "FOLDER")
}

#[test]
fn tensors_in_other_forms_are_named() {
    let said = |name: &str| {
        let error = Checkpoint::read(&fixture(&format!("{name}.pt"))).expect_err("it is no plain tensor").to_string();
        let lines = error.lines().filter(|line| !line.starts_with("  -->"));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    };
    let forms = ["negated", "negated_legacy", "quantised", "sparse", "meta", "list"];
    insta::assert_snapshot!(forms.map(said).concat(), @r"
    weight `proj`: it is stored with `neg`, and not as plain numbers
      expected: a tensor without bits such as `neg` or `conj`, which change what its numbers mean
      help: store it as `tensor.resolve_neg().resolve_conj().clone()`, and save the file again
    weight `proj`: it is stored with `neg`, and not as plain numbers
      expected: a tensor without bits such as `neg` or `conj`, which change what its numbers mean
      help: store it as `tensor.resolve_neg().resolve_conj().clone()`, and save the file again
    weight `proj`: it is stored as a quantised tensor (`torch._utils._rebuild_qtensor`)
      help: give the model in 16 or 32 bits: `tensor.dequantize()` makes a tensor plain
    weight `proj`: it is stored as a sparse tensor (`torch._utils._rebuild_sparse_tensor`)
      help: store it as `tensor.to_dense()`
    weight `proj`: it is stored as a tensor on the device `meta`, which has a shape and no numbers (`torch._utils._rebuild_meta_tensor_no_storage`)
      help: save the model with its weights loaded
    the file holds a list or tuple of length 1, and no state dict
      expected: a dictionary of tensors by name
      help: save the element that is the model alone: torch.save(torch.load(FILE)[0], NEW), if it is the first
    ");
}

#[test]
fn other_files_are_refused_with_what_to_do() {
    insta::assert_snapshot!(complaint(b""), @r"
    the checkpoint is empty
      --> FOLDER/clip.pt
      help: download it again
    ");
    insta::assert_snapshot!(complaint(b"<html>Not found</html>"), @r"
    the file is a web page and no checkpoint
      --> FOLDER/clip.pt
      help: download it again: a server may have sent a message in its place
    ");
    insta::assert_snapshot!(complaint(&std::fs::read(fixture("state_dict.pt")).unwrap()), @r"
    the file holds no CLIP, but 11 tensors: `bfloat16`, `bool`, `column`, …
      --> FOLDER/clip.pt
      expected: a whole CLIP of OpenAI, open_clip or transformers
      help: give a checkpoint of CLIP
    ");
    let scripted = std::fs::read(fixture("scripted.pt")).unwrap();
    insta::assert_snapshot!(complaint(&scripted[..scripted.len() / 2]), @r"
    the checkpoint is damaged or cut short: invalid Zip archive: Could not find EOCD
      --> FOLDER/clip.pt
      help: download it again
    ");
}

#[test]
fn a_missing_file_is_named() {
    let error = Clip::load_assuming(Path::new("nowhere/clip.pt"), Some(Assumption::OpenAi), Device::Cpu, Kind::Float)
        .expect_err("there is no such file");
    insta::assert_snapshot!(error, @r"
    cannot read the file: No such file or directory (os error 2)
      --> nowhere/clip.pt
    ");
}

#[test]
fn weights_that_contradict_each_other_are_named() {
    let mut tensors = read("scripted.pt");
    tensors.insert("visual.bn1.running_var".to_owned(), Tensor::zeros([3], (Kind::Float, Device::Cpu)));
    let error = ImageTower::from_weights(&Weights::new(tensors)).unwrap_err();
    insta::assert_snapshot!(error, @r"
    the weight `visual.bn1.running_var` has the shape [3]
      expected: the shape [1], which follows from the other weights
      help: give a checkpoint of a CLIP model with OpenAI's weight names (RN50, ViT-B/16, …)
    ");
    insta::assert_snapshot!(TextTower::from_weights(&Weights::new(read("scripted.pt"))).unwrap_err(), @r"
    the weight `token_embedding.weight` is missing
      help: give a checkpoint of a CLIP model with OpenAI's weight names (RN50, ViT-B/16, …)
    ");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_errors_and_never_panics(
        name in prop::sample::select(&["state_dict.pt", "nested.pt", "expected.safetensors", "legacy.pt", "beside.pt"][..]),
        cut in 0.0..1.0,
        flips in prop::collection::vec((0.0..1.0, any::<u8>()), 0..4),
    ) {
        let mut bytes = std::fs::read(fixture(name)).unwrap();
        bytes.truncate(((bytes.len() as f64) * (1.0 - cut * cut)) as usize);
        let length = bytes.len() as f64;
        for (place, byte) in flips {
            if let Some(flipped) = bytes.get_mut((place * length) as usize) {
                *flipped ^= byte;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged");
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = Checkpoint::read(&path) {
            prop_assert_eq!(error.file(), Some(path.as_path()));
        }
    }
}
