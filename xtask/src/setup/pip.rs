//! What Python is used for: finding its torch, loading a library, and downloading wheels with pip.

use super::wheels::Recipe;
use crate::failure::{Failure, Result};
use nemesis_build::LIBTORCH_VERSION;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Finds torch without importing it, which would take seconds.
const FIND_TORCH: &str = "import importlib.util as u; s = u.find_spec('torch'); \
                          print(s.submodule_search_locations[0] if s and s.submodule_search_locations else '')";

const LOAD_LIBRARY: &str = "import ctypes, sys; ctypes.CDLL(sys.argv[1])";

/// A Python interpreter.
pub(crate) struct Python<'a> {
    /// The program: a name to search for, or a path.
    pub(crate) program: &'a Path,
}

impl Python<'_> {
    /// The folder of the torch package that this Python would import.
    pub(crate) fn torch_folder(&self) -> Option<PathBuf> {
        let output = self.command().args(["-c", FIND_TORCH]).output().ok()?;
        let folder = String::from_utf8(output.stdout).ok()?;
        let folder = folder.trim();
        (output.status.success() && !folder.is_empty()).then(|| PathBuf::from(folder))
    }

    /// Loads a library as a program would, which shows whether everything that it links to is there too.
    ///
    /// # Errors
    ///
    /// The loader's message. Without Python the library is assumed to be good: the build will show.
    pub(crate) fn load(&self, library: &Path) -> Result<(), String> {
        let Ok(output) = self.command().args(["-c", LOAD_LIBRARY]).arg(library).output() else { return Ok(()) };
        let message = last_line(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(message.trim_start_matches("OSError: ").to_owned()) }
    }

    /// Downloads the wheels of a recipe into a folder.
    ///
    /// # Errors
    ///
    /// When there is no pip, no network, no such wheel, or not enough room.
    pub(crate) fn download_recipe(&self, recipe: &Recipe, folder: &Path) -> Result<()> {
        let mut arguments = vec!["--no-deps", "--python-version", "311", "--implementation", "cp", "--abi", "cp311"];
        for platform in &recipe.platforms {
            arguments.extend(["--platform", platform]);
        }
        arguments.extend(recipe.wheels.iter().map(|wheel| wheel.requirement.as_str()));
        self.download(&arguments, folder)
    }

    /// Downloads what these requirements name, with everything that it depends on, for this Python's own platform.
    pub(crate) fn download_requirements(&self, requirements: &[String], folder: &Path) -> Result<()> {
        self.download(&requirements.iter().map(String::as_str).collect::<Vec<_>>(), folder)
    }

    fn download(&self, arguments: &[&str], folder: &Path) -> Result<()> {
        let mut command = self.command();
        command.args(["-m", "pip", "download", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check"]);
        command.arg("--dest").arg(folder).args(arguments);
        // A user's configuration for installations must not prevent a download.
        command.env("PIP_REQUIRE_VIRTUALENV", "0");
        // The partial download goes where there must be room anyway, rather than to a small /tmp.
        command.env("TMPDIR", folder);
        if io::stdout().is_terminal() {
            command.stdout(Stdio::inherit());
        } else {
            command.arg("--quiet").stdout(Stdio::null());
        }
        let output = command.stderr(Stdio::piped()).spawn().and_then(std::process::Child::wait_with_output);
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(explain(self.program, &output)),
            Err(error) => Err(Failure::new(format!("cannot start {}: {error}", self.program.display()))
                .help(format!("install Python 3 with pip, or {OWN_LIBTORCH}"))),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.stdin(Stdio::null());
        command
    }
}

/// What to do about any failed download.
pub(super) const OWN_LIBTORCH: &str = "set LIBTORCH to a folder that holds libtorch's `include` and `lib`";

/// Turns pip's output into one message.
fn explain(python: &Path, output: &Output) -> Failure {
    let python = python.display();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("No module named pip") {
        return Failure::new(format!("{python} has no pip"))
            .help(format!("install it (Debian, Ubuntu: `apt-get install python3-pip`), or {OWN_LIBTORCH}"));
    }
    if said.contains("No space left on device") {
        return Failure::new(format!("no room on the disk to download libtorch {LIBTORCH_VERSION}"))
            .help("free 1.2 GB (with --cuda: 7 GB) and run the command again");
    }
    let error = said.lines().find(|line| line.starts_with("ERROR:")).map(|line| line.trim_start_matches("ERROR: "));
    let error = error.map_or_else(|| last_line(&output.stderr), str::to_owned);
    Failure::new(format!("pip could not download libtorch {LIBTORCH_VERSION}: {error}")).help(format!(
        "check the network and pip's index and proxy (`{python} -m pip config list`), then run the command again; or \
         {OWN_LIBTORCH}"
    ))
}

fn last_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().last().unwrap_or("it says nothing").to_owned()
}

/// The CUDA libraries that a torch wheel's metadata asks for, as requirements for pip.
pub(crate) fn cuda_requirements(metadata: &str) -> Vec<String> {
    metadata
        .lines()
        .filter_map(|line| line.strip_prefix("Requires-Dist: "))
        .filter(|requirement| requirement.starts_with("nvidia-") || requirement.starts_with("cuda-toolkit"))
        .map(str::to_owned)
        .collect()
}

/// What a torch wheel's metadata asks for besides CUDA's libraries and Triton, which compiles for GPUs, as requirements for
/// pip.
pub(crate) fn cpu_requirements(metadata: &str) -> Vec<String> {
    const LEFT_OUT: [&str; 3] = ["nvidia-", "cuda-", "triton"];
    let wanted = |requirement: &&str| {
        !requirement.contains("extra ==") && !LEFT_OUT.iter().any(|start| requirement.starts_with(start))
    };
    let requirements = metadata.lines().filter_map(|line| line.strip_prefix("Requires-Dist: "));
    requirements.filter(wanted).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuda_libraries_are_those_that_torch_asks_for() {
        let metadata = "Name: torch\nRequires-Dist: sympy>=1.13.3\n\
                        Requires-Dist: cuda-toolkit[cublas]==13.0.2; platform_system == \"Linux\"\n\
                        Requires-Dist: cuda-bindings<14; platform_system == \"Linux\"\n\
                        Requires-Dist: nvidia-cudnn-cu13==9.19.0.56; platform_system == \"Linux\"\n\
                        Requires-Dist: triton==3.6.0; platform_system == \"Linux\"\n\
                        Requires-Dist: pyyaml; extra == \"pyyaml\"\n";
        assert_eq!(
            cuda_requirements(metadata),
            [
                "cuda-toolkit[cublas]==13.0.2; platform_system == \"Linux\"",
                "nvidia-cudnn-cu13==9.19.0.56; platform_system == \"Linux\""
            ]
        );
        assert_eq!(cpu_requirements(metadata), ["sympy>=1.13.3"]);
    }
}
