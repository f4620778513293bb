//! Which wheels hold libtorch for a platform, their hashes, and what is taken from them.

use nemesis_build::LIBTORCH_VERSION;
use std::path::{Path, PathBuf};

/// A wheel that pip downloads.
#[derive(Clone, Debug)]
pub(crate) struct Wheel {
    /// What pip is asked for: `torch==2.11.0`.
    pub(crate) requirement: String,
    /// The SHA-256 of the file, in lower-case hexadecimal digits.
    pub(crate) sha256: String,
}

/// Everything that is downloaded for a platform.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// The platform tags that pip is asked for.
    pub(crate) platforms: Vec<String>,
    /// torch itself and, on Linux, the two small CUDA libraries that even `libtorch_cpu.so` links to.
    pub(crate) wheels: Vec<Wheel>,
}

impl Recipe {
    /// The recipe for an operating system and a CPU architecture, as Rust calls them; `None` if there is no wheel.
    pub(crate) fn of_platform(os: &str, processor: &str) -> Option<Self> {
        let wheel = |requirement: &str, sha256: &str| Wheel {
            requirement: requirement.replace("{version}", LIBTORCH_VERSION),
            sha256: sha256.to_owned(),
        };
        let linux = |processor: &str, [torch, runtime, cupti]: [&str; 3]| Self {
            platforms: ["manylinux2014", "manylinux_2_17", "manylinux_2_25", "manylinux_2_28"]
                .map(|tag| format!("{tag}_{processor}"))
                .to_vec(),
            wheels: vec![
                wheel("torch=={version}", torch),
                wheel("nvidia-cuda-runtime==13.0.96", runtime),
                wheel("nvidia-cuda-cupti==13.0.85", cupti),
            ],
        };
        match (os, processor) {
            ("linux", "x86_64") => Some(linux(
                "x86_64",
                [
                    "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
                    "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
                    "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
                ],
            )),
            ("linux", "aarch64") => Some(linux(
                "aarch64",
                [
                    "d91aac77f24082809d2c5a93f52a5f085032740a1ebc9252a7b052ef5a4fddc6",
                    "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
                    "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
                ],
            )),
            ("macos", "aarch64") => Some(Self {
                platforms: vec!["macosx_11_0_arm64".to_owned()],
                wheels: vec![wheel(
                    "torch=={version}",
                    "7b6a60d48062809f58595509c524b88e6ddec3ebe25833d6462eeab81e5f2ce4",
                )],
            }),
            _ => None,
        }
    }
}

/// Where a file of a wheel belongs in the libtorch folder, or `None` if it is not needed.
///
/// torch's headers and libraries keep their places. NVIDIA's libraries, which come in folders of their own, go next to
/// torch's, where the loader looks last. Without `cuda`, only what the CPU needs is taken.
pub(crate) fn place(entry: &Path, cuda: bool) -> Option<PathBuf> {
    if let Ok(header) = entry.strip_prefix("torch/include") {
        return Some(Path::new("include").join(header));
    }
    let name = entry.file_name()?.to_str()?;
    let folder = entry.parent()?;
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let wanted = if folder == Path::new("torch/lib") {
        // The library without a suffix of its own only names the others. On Linux it links to CUDA, so a link to the
        // CPU's library replaces it if CUDA is left out.
        let umbrella = name == "libtorch.so";
        !has(&["python"]) && (cuda || !(umbrella || has(&["cuda", "nvshmem", "nvrtc"])))
    } else {
        folder.starts_with("nvidia") && folder.ends_with("lib") && (cuda || has(&["libcudart.so.", "libcupti.so."]))
    };
    (wanted && has(&[".so", ".dylib"])).then(|| Path::new("lib").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_needs_headers_and_few_libraries() {
        let taken = |entry: &str, cuda| place(Path::new(entry), cuda).map(|place| place.display().to_string());
        assert_eq!(taken("torch/include/ATen/ATen.h", false).as_deref(), Some("include/ATen/ATen.h"));
        assert_eq!(taken("torch/lib/libtorch_cpu.so", false).as_deref(), Some("lib/libtorch_cpu.so"));
        assert_eq!(taken("torch/lib/libgomp.so.1", false).as_deref(), Some("lib/libgomp.so.1"));
        assert_eq!(taken("torch/lib/libtorch_cpu.dylib", false).as_deref(), Some("lib/libtorch_cpu.dylib"));
        assert_eq!(taken("nvidia/cu13/lib/libcudart.so.13", false).as_deref(), Some("lib/libcudart.so.13"));
        for left_out in [
            "torch/lib/libtorch.so",
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libtorch_nvshmem.so",
            "torch/lib/libtorch_python.so",
            "torch/_C.cpython-311-x86_64-linux-gnu.so",
            "torch/version.py",
            "nvidia/cu13/lib/libnvperf_host.so",
            "nvidia/cu13/include/cupti.h",
        ] {
            assert_eq!(taken(left_out, false), None, "{left_out}");
        }
        assert_eq!(taken("torch/lib/libtorch_cuda.so", true).as_deref(), Some("lib/libtorch_cuda.so"));
        assert_eq!(taken("torch/lib/libtorch.so", true).as_deref(), Some("lib/libtorch.so"));
        assert_eq!(taken("nvidia/cudnn/lib/libcudnn.so.9", true).as_deref(), Some("lib/libcudnn.so.9"));
        assert_eq!(taken("torch/lib/libtorch_python.so", true), None);
    }
}
