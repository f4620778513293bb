//! Contexts in files that are not CoOp's own checkpoints: what is unambiguous is read and told, what is not is refused.

use nemesis_core::backbone::Checkpoint;
use nemesis_core::interchange::coop::Context;
use nemesis_core::record::to_safetensors;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/coop").join(name)
}

fn expected(name: &str) -> Tensor {
    Checkpoint::read(&fixture("expected.safetensors")).unwrap().tensors.remove(name).unwrap()
}

/// What is assumed about a file of PyTorch's that holds one of the two contexts.
fn assumed(file: &str, holds: &str) -> String {
    let context = Context::read(&fixture(file)).unwrap();
    assert_eq!(context.vectors, expected(holds), "{file}");
    context.assumed.join("\n")
}

#[test]
fn one_context_is_found_wherever_it_lies() {
    assert_eq!(assumed("model.pth.tar-50", "generic"), "", "CoOp's own form");
    assert_eq!(assumed("dictionary.pt", "generic"), "", "an optimiser beside it says nothing");
    insta::assert_snapshot!(assumed("tensor.pt", "generic"), @"the file's only tensor of shape [4, 6] is taken as the context [vectors, width]");
    insta::assert_snapshot!(assumed("parameter.pt", "specific"), @"the file's only tensor of shape [3, 2, 6] is taken as the context [classes, vectors, width]");
    insta::assert_snapshot!(assumed("model.pt", "generic"), @r"
    `prompt_learner.ctx` is taken as the context
    the CLIP weights saved with it (2 tensors, such as `image_encoder.conv1.weight`) are taken to be the backbone's, unchanged
    ");
    assert_eq!(Context::read(&fixture("model.pt")).unwrap().epoch, Some(3));
}

/// What is said of a safetensors file of these tensors: the assumption, or the refusal.
fn told(tensors: &[(&str, Tensor)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("context.safetensors");
    let tensors = tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.shallow_clone())).collect();
    std::fs::write(&file, to_safetensors(&tensors, &[]).unwrap()).unwrap();
    match Context::read(&file) {
        Ok(context) => context.assumed.join("\n"),
        Err(error) => error.to_string().replace(&*folder.path().to_string_lossy(), "FOLDER"),
    }
}

fn ones(shape: &[i64]) -> Tensor {
    Tensor::ones(shape, (Kind::Float, Device::Cpu))
}

#[test]
fn the_only_tensor_of_a_file_is_the_context_whatever_its_name() {
    insta::assert_snapshot!(told(&[("prompt", ones(&[4, 6]))]), @"the file's only tensor, `prompt`, of shape [4, 6] is taken as the context [vectors, width]");
    insta::assert_snapshot!(told(&[("prompt", ones(&[3, 4, 6]))]), @"the file's only tensor, `prompt`, of shape [3, 4, 6] is taken as the context [classes, vectors, width]");
    assert_eq!(told(&[("ctx", ones(&[4, 6]))]), "");
    insta::assert_snapshot!(told(&[("model.prompt_learner.ctx", ones(&[4, 6])), ("model.text_encoder.x", ones(&[1]))]), @r"
    `model.prompt_learner.ctx` is taken as the context
    the CLIP weights saved with it (1 tensors, such as `model.text_encoder.x`) are taken to be the backbone's, unchanged
    ");
}

#[test]
fn what_is_ambiguous_is_refused_with_what_was_found() {
    let refused = |file: &str| {
        let error = Context::read(&fixture(file)).unwrap_err().to_string();
        error.replace(&*fixture("").to_string_lossy(), "FIXTURES/")
    };
    insta::assert_snapshot!(refused("two.pt"), @r"
    the checkpoint holds 2 contexts: `one.ctx`, `two.ctx`
      --> FIXTURES/two.pt
      expected: a checkpoint of CoOp's prompt learner, whose state holds the tensor `ctx`, or a file with a single tensor: [vectors, width], or [classes, vectors, width] if each class has its own
      help: save only the one you mean: torch.save(tensor, FILE)
    ");
    let listed = refused("list.pt");
    assert!(listed.starts_with("the file holds a list or tuple of length 1, and no state dict"), "{listed}");
    assert!(listed.contains("torch.save(torch.load(FILE)[0], NEW)"), "{listed}");
    insta::assert_snapshot!(told(&[("prompt", ones(&[6]))]), @r"
    the context has the shape [6] and the type Float
      --> FOLDER/context.safetensors
      expected: floating-point numbers of shape [vectors, width], or [classes, vectors, width] if each class has its own
    ");
    insta::assert_snapshot!(told(&[("a", ones(&[4, 6])), ("b", ones(&[4, 6]))]), @r"
    the checkpoint holds no context
      --> FOLDER/context.safetensors
      expected: a checkpoint of CoOp's prompt learner, whose state holds the tensor `ctx`, or a file with a single tensor: [vectors, width], or [classes, vectors, width] if each class has its own
      help: it holds 2 tensors, such as `a` [4, 6], `b` [4, 6]; CoOp writes prompt_learner/model.pth.tar-EPOCH
    ");
    // MaPLe's prompt learner has a context too, and more.
    insta::assert_snapshot!(told(&[("prompt_learner.ctx", ones(&[4, 6])), ("prompt_learner.proj.weight", ones(&[6, 6]))]), @r"
    besides the context, the checkpoint holds `prompt_learner.proj.weight`, which CoOp does not have
      --> FOLDER/context.safetensors
      expected: a checkpoint of CoOp's prompt learner, whose state holds the tensor `ctx`, or a file with a single tensor: [vectors, width], or [classes, vectors, width] if each class has its own
    ");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ctx.npy");
    std::fs::write(&file, b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}").unwrap();
    let error = Context::read(&file).unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(&*folder.path().to_string_lossy(), "FOLDER"), @r"
    the file is an array of NumPy, and no checkpoint
      --> FOLDER/ctx.npy
      expected: a checkpoint of CoOp's prompt learner, whose state holds the tensor `ctx`, or a file with a single tensor: [vectors, width], or [classes, vectors, width] if each class has its own
    ");
}
