//! Devices by name, and libtorch's CUDA library, which is opened when a device needs it.
//!
//! One build serves machines with and without a GPU, because nothing links to `libtorch_cuda`. That library adds its
//! kernels to those of `libtorch_cpu` when it is opened. This must happen before libtorch is first asked about CUDA.

mod list;

pub use list::named;

use crate::plugin::{Symbols, open_for_good};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Cuda, Device};

/// Opens the device with this name, `cpu` or `cuda:N`.
///
/// # Errors
///
/// When the name is neither, when `libtorch_cuda` is missing or cannot be opened, or when there is no such device.
pub fn open(name: &str) -> Result<Device> {
    let no_name = || Error::new(format!("there is no device `{name}`")).expected("`cpu` or `cuda:N`");
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let index: usize = match name.strip_prefix("cuda") {
        Some("") => 0,
        Some(rest) => rest.strip_prefix(':').and_then(|index| index.parse().ok()).ok_or_else(no_name)?,
        None => return Err(no_name()),
    };
    open_cuda()?;
    match Cuda::device_count() {
        devices if (index as i64) < devices => Ok(Device::Cuda(index)),
        0 => Err(Error::new(format!("there is no device `{name}`: libtorch sees no GPU"))
            .help("`nvidia-smi` shows whether there is one and whether its driver works")),
        devices => Err(Error::new(format!("there is no device `{name}`"))
            .expected(format!("`cpu`, or `cuda:0` to `cuda:{}`", devices - 1))),
    }
}

/// Opens `libtorch_cuda`, which lies next to the `libtorch_cpu` of this process.
fn open_cuda() -> Result<()> {
    const NAME: &str = "libtorch_cuda.so";
    let failed = |what: &str| Error::new(format!("CUDA is not available: {what}"));
    let cpu = loaded_library("libtorch_cpu.so")
        .ok_or_else(|| failed("libtorch was not found in this process").expected("Linux"))?;
    let cuda = cpu.with_file_name(NAME);
    if !cuda.is_file() {
        return Err(failed("this libtorch is CPU only").at(&cuda).help(
            "run `cargo xtask setup --cuda` to download the CUDA libraries, or set LIBTORCH to a libtorch that has \
             them",
        ));
    }
    open_for_good(&cuda, Symbols::Shared).map_err(|refusal| failed(&refusal.words).at(&cuda))?;
    Ok(())
}

/// The file of a library that this process has loaded, as Linux reports it.
fn loaded_library(name: &str) -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let file = |line: &str| line.find('/').map(|start| PathBuf::from(&line[start..]));
    maps.lines().filter_map(file).find(|file| file.ends_with(name))
}

/// A device as recorded in provenance: `cpu`, or `cuda:0 (NVIDIA H100)` if all GPUs are of one model.
pub fn describe(device: Device) -> String {
    match device {
        Device::Cuda(index) => match gpu_model(Path::new("/proc/driver/nvidia/gpus")) {
            Some(model) => format!("cuda:{index} ({model})"),
            None => format!("cuda:{index}"),
        },
        _ => "cpu".to_owned(),
    }
}

/// The model of the GPUs, unless they differ: the driver's order need not match libtorch's.
fn gpu_model(folder: &Path) -> Option<String> {
    let information = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("information")).ok();
    let model = |text: String| Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_owned());
    let gpus = fs::read_dir(folder).ok()?.filter_map(std::result::Result::ok);
    let mut models: BTreeSet<String> = gpus.filter_map(information).filter_map(model).collect();
    models.pop_first().filter(|_| models.is_empty())
}

/// The CPU's name, or its architecture if the system does not report one.
pub fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_names_are_refused() {
        for name in ["gpu", "cuda:", "cuda:x", "cuda0", "CPU", ""] {
            let error = open(name).unwrap_err().to_string();
            assert_eq!(error, format!("there is no device `{name}`\n  expected: `cpu` or `cuda:N`"));
        }
    }

    #[test]
    fn a_library_of_this_process_is_found() {
        let file = loaded_library("libtorch_cpu.so").unwrap();
        assert!(file.is_file() && file.is_absolute());
        assert_eq!(loaded_library("libtorch_cpu"), None);
    }

    #[test]
    fn gpus_of_one_model_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(gpu_model(folder.path()), None);
        let add = |bus: &str, model: &str| {
            fs::create_dir(folder.path().join(bus)).unwrap();
            let text = format!("Model: \t\t {model}\nIRQ:   \t\t 51\n");
            fs::write(folder.path().join(bus).join("information"), text).unwrap();
        };
        add("0000:00:1e.0", "NVIDIA H100 80GB HBM3");
        add("0000:00:1f.0", "NVIDIA H100 80GB HBM3");
        assert_eq!(gpu_model(folder.path()).as_deref(), Some("NVIDIA H100 80GB HBM3"));
        add("0000:00:20.0", "NVIDIA L4");
        assert_eq!(gpu_model(folder.path()), None);
    }
}
