//! The same features and the same table on a GPU. Where there is none, these tests say so and pass.

use crate::command::{nemesis, told};
use crate::skipped::skipped;
use nemesis_core::backbone::Checkpoint;
use std::path::Path;
use tch::{Kind, Tensor};

const DEVICE: &str = "cuda:0";

/// The standard output of a command on the GPU; nothing where there is no GPU, for want of which `test` is skipped.
fn on_gpu(test: &str, folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = nemesis(folder, &[arguments, &["--device", DEVICE]].concat()).output().unwrap();
    let told = told(&output);
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).unwrap());
    }
    let reason = ["CUDA is not available: ", "there is no device `cuda:0`: "].iter().find_map(|s| told.split_once(s));
    let (_, reason) = reason.unwrap_or_else(|| panic!("{told}"));
    assert!(told.starts_with("exit code 2\n") && told.contains("  help: "), "{told}");
    skipped(test, &format!("needs a GPU: {}", reason.lines().next().unwrap_or_default()));
    None
}

fn on_cpu(folder: &Path, arguments: &[&str]) -> String {
    let output = nemesis(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn features(file: &Path) -> Vec<Tensor> {
    let mut tensors: Vec<_> = Checkpoint::read(file).unwrap().tensors.into_iter().collect();
    tensors.sort_by(|one, two| one.0.cmp(&two.0));
    tensors.into_iter().filter(|(_, tensor)| tensor.is_floating_point()).map(|(_, tensor)| tensor).collect()
}

#[test]
fn features_are_those_of_the_processor() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("texts"), "a photo of a cat.\na satellite photo of a river.\n").unwrap();
    for (precision, tolerance) in [("fp64", 1e-9), ("fp32", 1e-4)] {
        let encode = ["encode", "--texts", "texts", "--weights", "mini", "--precision", precision];
        let test = "cuda::features_are_those_of_the_processor";
        if on_gpu(test, folder.path(), &[&encode[..], &["-o", "gpu.safetensors"]].concat()).is_none() {
            return;
        }
        on_cpu(folder.path(), &[&encode[..], &["-o", "cpu.safetensors"]].concat());
        let [found, expected] = ["gpu.safetensors", "cpu.safetensors"].map(|name| features(&folder.path().join(name)));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let error = (found - expected).abs().max().to_kind(Kind::Double) / expected.abs().max();
            assert!(error.double_value(&[]) < tolerance, "{precision}: {error}");
        }
    }
}

#[test]
fn the_table_of_three_plugins_is_that_of_the_processor() {
    let folder = tempfile::tempdir().unwrap();
    let run = ["run", "--datasets", "eurosat", "--shots", "2", "--seeds", "1", "--out"];
    let test = "cuda::the_table_of_three_plugins_is_that_of_the_processor";
    let Some(found) = on_gpu(test, folder.path(), &[&run[..], &["gpu"]].concat()) else { return };
    // In double precision, the mini suite's, rounding does not show in the table.
    assert_eq!(found, on_cpu(folder.path(), &[&run[..], &["cpu"]].concat()));
}
