//! Contexts of CoOp's code: files that PyTorch wrote are read, and what is written PyTorch reads.

#[path = "common/skipped.rs"]
mod skipped;

use nemesis_core::backbone::Checkpoint;
use nemesis_core::interchange::coop::{self, Context};
use proptest::prelude::*;
use skipped::skipped;
use std::path::{Path, PathBuf};
use std::process::Command;
use tch::{Device, Kind, Tensor};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Equal in type, shape and every bit.
fn identical(left: &Tensor, right: &Tensor) -> bool {
    let bytes = |tensor: &Tensor| {
        let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
        tensor.contiguous().copy_data_u8(&mut bytes, tensor.numel());
        bytes
    };
    left.kind() == right.kind() && left.size() == right.size() && bytes(left) == bytes(right)
}

#[test]
fn checkpoints_that_pytorch_wrote_are_read_in_both_its_formats() {
    let expected = Checkpoint::read(&fixture("coop/expected.safetensors")).unwrap().tensors;
    let generic = Context::read(&fixture("coop/model.pth.tar-50")).unwrap();
    assert!(identical(&generic.vectors, &expected["generic"]));
    assert_eq!((generic.count(), generic.classes(), generic.width(), generic.epoch), (4, None, 6, Some(50)));

    let specific = Context::read(&fixture("coop/legacy-model.pth.tar-200")).unwrap();
    assert!(identical(&specific.vectors, &expected["specific"]));
    assert_eq!((specific.count(), specific.classes(), specific.width(), specific.epoch), (2, Some(3), 6, Some(200)));
}

fn tensor(shape: &[i64], kind: Kind, seed: i64) -> Tensor {
    tch::manual_seed(seed);
    Tensor::randn(shape, (Kind::Double, Device::Cpu)).to_kind(kind)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_is_imported_bit_by_bit(
        shape in prop::collection::vec(1_i64..9, 2..=3),
        kind in prop::sample::select(&[Kind::Half, Kind::BFloat16, Kind::Float, Kind::Double][..]),
        epoch in prop::sample::select(&[0_u64, 1, 50, 200, 1 << 33][..]),
        seed: i64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let vectors = tensor(&shape, kind, seed);
        let file = coop::write(folder.path(), &vec![("ctx".to_owned(), vectors.shallow_clone())], epoch, &[]).unwrap();
        let name = format!("prompt_learner/model.pth.tar-{epoch}");
        prop_assert!(file.ends_with(name));
        let read = Context::read(&file).unwrap();
        prop_assert!(identical(&read.vectors, &vectors));
        prop_assert_eq!(read.epoch, Some(epoch));
    }
}

#[test]
fn equal_contexts_have_equal_files() {
    let bytes = |seed| {
        let folder = tempfile::tempdir().unwrap();
        let state = vec![("ctx".to_owned(), tensor(&[2, 4], Kind::Float, seed))];
        std::fs::read(coop::write(folder.path(), &state, 5, &[]).unwrap()).unwrap()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

/// What is said of a checkpoint with these tensors.
fn complaint(tensors: &[(&str, Tensor)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let state = tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.shallow_clone())).collect();
    let file = coop::write(folder.path(), &state, 5, &[]).unwrap();
    let error = Context::read(&file).unwrap_err();
    assert_eq!(error.file(), Some(file.as_path()));
    error.to_string().replace(&*folder.path().to_string_lossy(), "FOLDER")
}

#[test]
fn what_is_no_context_is_refused() {
    let context = || tensor(&[2, 4], Kind::Float, 1);
    insta::assert_snapshot!(complaint(&[("ctx", context()), ("meta_net.linear1.weight", context())]), @r"
    besides the context, the checkpoint holds `meta_net.linear1.weight`, which CoOp does not have
      --> FOLDER/prompt_learner/model.pth.tar-5
      expected: a checkpoint of CoOp's prompt learner, whose state holds the tensor `ctx`, or a file with a single tensor: [vectors, width], or [classes, vectors, width] if each class has its own
    ");
    // These lie where CLIP's own weights would, and are learned.
    let deep = "text_encoder.transformer.resblocks.1.VPT_shallow";
    assert!(complaint(&[("ctx", context()), (deep, context())]).contains("which CoOp does not have"));
    insta::assert_snapshot!(complaint(&[("ctx", tensor(&[2, 3, 4, 5], Kind::Half, 1))]), @r"
    the context has the shape [2, 3, 4, 5] and the type Half
      --> FOLDER/prompt_learner/model.pth.tar-5
      expected: floating-point numbers of shape [vectors, width], or [classes, vectors, width] if each class has its own
    ");
    insta::assert_snapshot!(complaint(&[("ctx", Tensor::from_slice2(&[[1_i64, 2]]))]), @r"
    the context has the shape [1, 2] and the type Int64
      --> FOLDER/prompt_learner/model.pth.tar-5
      expected: floating-point numbers of shape [vectors, width], or [classes, vectors, width] if each class has its own
    ");
    insta::assert_snapshot!(complaint(&[("ctx", Tensor::from_slice2(&[[1_f32, f32::NAN]]))]), @r"
    the context contains values that are not finite
      --> FOLDER/prompt_learner/model.pth.tar-5
      help: it cannot be evaluated: use the checkpoint of an earlier epoch, or train again
    ");
    let error = Context::read(&fixture("checkpoints/resnet.pt")).unwrap_err().to_string();
    let error = error.replace(&*fixture("").to_string_lossy(), "FIXTURES/");
    insta::assert_snapshot!(error, @r"
    the checkpoint holds no context
      --> FIXTURES/checkpoints/resnet.pt
      expected: a checkpoint of CoOp's prompt learner, whose state holds the tensor `ctx`, or a file with a single tensor: [vectors, width], or [classes, vectors, width] if each class has its own
      help: it holds 125 tensors, such as `input_resolution` [], `logit_scale` [], `visual.attnpool.c_proj.bias` [8]; CoOp writes prompt_learner/model.pth.tar-EPOCH
    ");
    let folder = tempfile::tempdir().unwrap();
    let none = vec![("weights".to_owned(), context())];
    insta::assert_snapshot!(coop::write(folder.path(), &none, 5, &[]).unwrap_err(), @r"
    CoOp's prompt learner cannot load this method: it learns no tensor `ctx`
      expected: a method with CoOp's context, such as coop, nemesis-pen or nemesis-pan
    ");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
}

/// Loads the file as CoOp does (`load_model` of its `trainers/coop.py`), with the reader that executes nothing, and
/// prints type, shape, bytes and epoch.
const LOAD: &str = r#"
import sys, torch
checkpoint = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
state, epoch = checkpoint["state_dict"], checkpoint["epoch"]
learner = torch.nn.Module()
learner.ctx = torch.nn.Parameter(torch.zeros_like(state["ctx"]))
learner.register_buffer("token_prefix", torch.zeros(1))
if "token_prefix" in state: del state["token_prefix"]
if "token_suffix" in state: del state["token_suffix"]
problems = learner.load_state_dict(state, strict=False)
assert problems.missing_keys == ["token_prefix"] and not problems.unexpected_keys, problems
print(learner.ctx.dtype, tuple(learner.ctx.shape), learner.ctx.detach().numpy().tobytes().hex(), epoch)
"#;

fn python_with_torch() -> Option<&'static str> {
    ["python3", "python"].into_iter().find(|python| {
        let imports = Command::new(python).args(["-c", "import torch"]).output();
        imports.is_ok_and(|output| output.status.success())
    })
}

fn python_reads(python: &str, file: &Path, expected: &str) {
    let output = Command::new(python).args(["-c", LOAD]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected);
}

#[test]
fn pytorch_loads_what_is_exported() {
    let Some(python) = python_with_torch() else {
        return skipped("interchange::pytorch_loads_what_is_exported", "no Python with an importable torch was found");
    };
    let folder = tempfile::tempdir().unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let values = [1.5_f32, -0.25, 3.0e-8, 7.0, 0.0, -1.0];
    let generic = vec![("ctx".to_owned(), Tensor::from_slice(&values).view([2, 3]))];
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let expected = format!("torch.float32 (2, 3) {} 200", hex(&bytes));
    python_reads(python, &coop::write(folder.path(), &generic, 200, &[]).unwrap(), &expected);

    let values = [1.5_f64, -0.25];
    let specific = vec![("ctx".to_owned(), Tensor::from_slice(&values).view([2, 1, 1]))];
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let expected = format!("torch.float64 (2, 1, 1) {} 50", hex(&bytes));
    let classes = ["a cat", "Ä dog"].map(str::to_owned);
    let file = coop::write(folder.path(), &specific, 50, &classes).unwrap();
    python_reads(python, &file, &expected);
    assert_eq!(Context::read(&file).unwrap().classes.as_deref(), Some(&classes[..]));
}
