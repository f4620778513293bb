//! PyTorch without CUDA's libraries.
//!
//! PyTorch's wheels for Linux are built for CUDA. To be imported they need 2 GB of NVIDIA's libraries, of which nothing is
//! called without a GPU. Here one small library of our own takes the place of them all: it has their functions by name, and
//! each ends the process with a message that says what to do. Setup leaves the same libraries out of `.libtorch`.

use super::environment::pip;
use crate::failure::{Failure, Result};
use crate::setup::{Recipe, cpu_requirements};
use crate::workspace;
use object::read::elf::{Dyn, ElfFile64};
use object::{Endianness, Object, ReadCache, elf};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library that takes their place.
const STAND_IN: &str = "libnemesis_without_cuda.so";

/// The file that hides GPUs, which this PyTorch cannot use, from it.
const HIDES: &str = "nemesis-without-cuda.pth";

/// How the functions of the libraries that are left out begin. Those of CUDA's runtime are not among them: it is small, and
/// installed.
const FUNCTIONS: [&str; 9] =
    ["cublas", "cudnn", "cufft", "cuFile", "curand", "cusolver", "cusparse", "nccl", "nvshmem"];

/// How the names of NVIDIA's libraries begin.
const LIBRARIES: [&str; 3] = ["libcu", "libnccl", "libnv"];

/// Installs torch into an environment whose packages are in this folder, with the two small libraries that it needs on
/// the CPU too.
pub(super) fn install(python: &Path, packages: &Path, recipe: &Recipe) -> Result<()> {
    undo(packages)?;
    let wheels = recipe.wheels.iter().map(|wheel| wheel.requirement.as_str());
    pip(python, &["--no-deps"].into_iter().chain(wheels).collect::<Vec<_>>())?;
    let metadata = metadata(packages)?;
    let requirements = cpu_requirements(&metadata);
    pip(python, &requirements.iter().map(String::as_str).collect::<Vec<_>>())?;
    stand_in(packages)?;
    let hides = packages.join(HIDES);
    fs::write(&hides, "import os; os.environ['CUDA_VISIBLE_DEVICES'] = ''\n")
        .map_err(|e| Failure::io("write", &hides, &e))
}

/// Removes what [`install`] has put in the place of CUDA's libraries.
pub(super) fn undo(packages: &Path) -> Result<()> {
    let library = packages.join("torch/lib");
    let ours = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name == STAND_IN)
            || fs::read_link(path).is_ok_and(|target| target == Path::new(STAND_IN))
    };
    let links = fs::read_dir(&library).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).filter(ours);
    for file in links.chain(Some(packages.join(HIDES)).filter(|file| file.exists())) {
        fs::remove_file(&file).map_err(|e| Failure::io("remove", &file, &e))?;
    }
    Ok(())
}

fn metadata(packages: &Path) -> Result<String> {
    let file = packages.join(format!("torch-{}.dist-info/METADATA", nemesis_build::LIBTORCH_VERSION));
    fs::read_to_string(&file).map_err(|e| Failure::io("read", &file, &e))
}

/// Makes the library that takes the place of those that torch needs and that are not there, and a link to it for each.
fn stand_in(packages: &Path) -> Result<()> {
    let folder = packages.join("torch/lib");
    let Missing { libraries, functions } = Missing::of(packages)?;
    compile(&functions, &folder.join(STAND_IN))?;
    for library in libraries {
        let link = folder.join(library);
        symlink(STAND_IN, &link).map_err(|e| Failure::io("create the link", &link, &e))?;
    }
    Ok(())
}

/// What torch needs and is not there.
#[derive(Default)]
struct Missing {
    libraries: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Missing {
    /// Follows what `libtorch_python.so` needs through torch's own libraries.
    fn of(packages: &Path) -> Result<Self> {
        let folder = packages.join("torch/lib");
        let installed = nvidia_libraries(packages);
        let mut missing = Self::default();
        let (mut todo, mut seen) = (vec!["libtorch_python.so".to_owned()], BTreeSet::new());
        while let Some(name) = todo.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let file = folder.join(&name);
            let (needed, imported) = linked(&file)
                .map_err(|why| Failure::new(format!("{} is not a library of PyTorch: {why}", file.display())))?;
            for library in needed {
                if folder.join(&library).is_file() {
                    todo.push(library);
                } else if LIBRARIES.iter().any(|start| library.starts_with(start)) && !installed.contains(&library) {
                    missing.libraries.insert(library);
                }
            }
            let left_out = |name: &String| FUNCTIONS.iter().any(|start| name.starts_with(start));
            missing.functions.extend(imported.into_iter().filter(left_out));
        }
        Ok(missing)
    }
}

/// The names of NVIDIA's libraries that are installed.
fn nvidia_libraries(packages: &Path) -> BTreeSet<String> {
    let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().filter_map(std::io::Result::ok);
    let files = entries(packages.join("nvidia")).flat_map(|package| entries(package.path().join("lib")));
    files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
}

/// The libraries that a library names, and the functions that it expects of them.
fn linked(file: &Path) -> Result<(Vec<String>, Vec<String>), String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = |e: object::Error| e.to_string();
    // It is not read as a whole: there are libraries of half a gigabyte.
    let cache = ReadCache::new(File::open(file).map_err(|e| e.to_string())?);
    let library = ElfFile64::<Endianness, _>::parse(&cache).map_err(said)?;
    let (endian, sections) = (library.endian(), library.elf_section_table());
    let (entries, names) = sections.dynamic(endian, &cache).map_err(said)?.ok_or("it names no others")?;
    let names = sections.strings(endian, &cache, names).map_err(said)?;
    let mut needed = Vec::new();
    for entry in entries.iter().filter(|entry| entry.tag32(endian) == Some(elf::DT_NEEDED)) {
        let name = entry.val32(endian).and_then(|at| names.get(at).ok()).ok_or("its names cannot be read")?;
        needed.push(text(name));
    }
    let imported = library.imports().map_err(said)?;
    Ok((needed, imported.iter().map(|import| text(import.name())).collect()))
}

const SOURCE: &str = r#"
#include <stdio.h>
#include <stdlib.h>

static void end(const char *name) {
    fprintf(stderr, "%s was called, but this PyTorch was installed without CUDA's libraries; "
                    "`cargo xtask python --cuda` installs them\n", name);
    abort();
}

#define MISSING(name) void name(void) { end(#name); }
"#;

/// Compiles a library with these functions.
fn compile(functions: &BTreeSet<String>, library: &Path) -> Result<()> {
    let folder = tempfile::tempdir().map_err(|e| Failure::new(format!("cannot create a folder: {e}")))?;
    let file = folder.path().join("without_cuda.c");
    let source = functions.iter().fold(SOURCE.to_owned(), |mut source, function| {
        let _ = writeln!(source, "MISSING({function})");
        source
    });
    fs::write(&file, source).map_err(|e| Failure::io("write", &file, &e))?;
    // Rust links with it, so it is there.
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-o"]).arg(library).arg(&file);
    let output = command.output().map_err(|e| workspace::cannot_start(&command, &e))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(format!("the C compiler cannot make {}: {said}", library.display()))
        .help("`cargo xtask python --cuda` installs CUDA's libraries instead"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Compiles this source with further arguments.
    fn cc(source: &str, arguments: &[&str], to: &Path) {
        let file = to.with_extension("source.c");
        fs::write(&file, source).unwrap();
        let status = Command::new("cc").arg(&file).arg("-o").arg(to).args(arguments).status().unwrap();
        assert!(status.success());
    }

    /// A `libtorch_python.so` that needs torch's other libraries, one of NVIDIA's that is there and one that is not.
    fn packages(folder: &Path) {
        let (torch, nvidia) = (folder.join("torch/lib"), folder.join("nvidia/cu13/lib"));
        fs::create_dir_all(&torch).unwrap();
        fs::create_dir_all(&nvidia).unwrap();
        let [within, elsewhere] = [&torch, &nvidia].map(|folder| format!("-L{}", folder.display()));
        cc(
            "int cudaThere(void) { return 3; }",
            &["-shared", "-Wl,-soname,libcudart.so.13"],
            &nvidia.join("libcudart.so.13"),
        );
        let blas = torch.join("libcublas.so.13");
        cc("void cublasCreate_v2(void) {}", &["-shared", "-Wl,-soname,libcublas.so.13"], &blas);
        cc(
            "void cublasCreate_v2(void); void use_blas(void) { cublasCreate_v2(); }",
            &["-shared", &within, "-l:libcublas.so.13"],
            &torch.join("libtorch_cuda.so"),
        );
        cc(
            "int cudaThere(void); void use_blas(void); int four(int n) { if (n) use_blas(); return 1 + cudaThere(); }",
            &[
                "-shared",
                &within,
                "-l:libtorch_cuda.so",
                &elsewhere,
                "-l:libcudart.so.13",
                "-Wl,--allow-shlib-undefined",
            ],
            &torch.join("libtorch_python.so"),
        );
        fs::remove_file(blas).unwrap();
    }

    #[test]
    fn what_is_left_out_is_loaded_by_name_and_ends_the_process_when_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let packages_in = folder.path();
        packages(packages_in);
        let program = packages_in.join("program");
        let run = |arguments: &[&str]| {
            let libraries = ["torch/lib", "nvidia/cu13/lib"].map(|part| packages_in.join(part).display().to_string());
            Command::new(&program).args(arguments).env("LD_LIBRARY_PATH", libraries.join(":")).output().unwrap()
        };
        let links = ["torch/lib", "nvidia/cu13/lib"].map(|part| format!("-L{}", packages_in.join(part).display()));
        cc(
            "int four(int); int main(int n, char **a) { return four(n - 1); }",
            &[
                &links[0],
                &links[1],
                "-l:libtorch_python.so",
                "-Wl,--allow-shlib-undefined",
                "-Wl,--unresolved-symbols=ignore-all",
            ],
            &program,
        );
        assert_eq!(run(&[]).status.code(), Some(127), "the loader finds no libcublas");
        stand_in(packages_in).unwrap();
        assert_eq!(run(&[]).status.code(), Some(4));
        let called = run(&["once"]);
        assert!(!called.status.success());
        let said = String::from_utf8(called.stderr).unwrap();
        assert!(said.starts_with("cublasCreate_v2 was called, but this PyTorch was installed without CUDA"), "{said}");
        undo(packages_in).unwrap();
        assert_eq!(run(&[]).status.code(), Some(127));
    }
}
