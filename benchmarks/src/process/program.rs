//! Which program does the work of a process: this one, or a Python for plugins that are written in it.

use nemesis_core::error::Kind;
use nemesis_core::plugin::python;
use nemesis_core::{Error, FINGERPRINT, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A program that has the commands of `nemesis`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Program {
    /// This one, again.
    #[default]
    This,
    /// A Python with the package `nemesis`, which has the same engine.
    Python,
}

/// The Python that the user chose, or the one that this process is.
static PYTHON: OnceLock<PathBuf> = OnceLock::new();

/// The variable that names a Python, as [`Layer::python`](crate::settings::Layer::python) and `--python` do.
const VARIABLE: &str = "NEMESIS_PYTHON";

/// `python -m nemesis.worker`, but for the working directory, in which `-m` would look for modules first.
const WORKER: &str = "import sys; sys.path[:] = [p for p in sys.path if p]; from nemesis.worker import main; \
                      sys.exit(main())";

/// Chooses the Python that runs plugins written in it. Only the first call counts.
pub fn choose_python(python: &Path) {
    let _ = PYTHON.set(python.to_owned());
}

/// The Python that runs plugins written in it.
pub(crate) fn chosen_python() -> PathBuf {
    let named = || std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
    PYTHON.get().cloned().or_else(named).unwrap_or_else(|| PathBuf::from("python3"))
}

/// The words that start this program again. What Python runs as `python -m nemesis` is started in the same way.
///
/// # Errors
///
/// When the system does not say what this program is.
pub(crate) fn again() -> Result<Vec<PathBuf>> {
    if python::interpreter().is_some() {
        return Ok(vec![chosen_python(), "-m".into(), "nemesis".into()]);
    }
    let program = std::env::current_exe();
    Ok(vec![program.map_err(|e| Error::new(format!("cannot find this program: {e}")))?])
}

impl Program {
    /// The program for a plugin's file.
    pub(crate) fn of_plugin(file: &Path) -> Self {
        if python::is_python(file) { Self::Python } else { Self::This }
    }

    /// Whether the program is what this process is. One that Python started is a Python, and so are its workers.
    pub(super) fn is_this_process(self) -> bool {
        self == Self::This && python::interpreter().is_none()
    }

    /// A command of the program, to which its arguments are to be added.
    ///
    /// # Errors
    ///
    /// When the system does not say what this program is.
    pub(crate) fn command(self) -> Result<Command> {
        if self.is_this_process() {
            let program = std::env::current_exe();
            return Ok(Command::new(program.map_err(|e| Error::new(format!("cannot find this program: {e}")))?));
        }
        let mut command = Command::new(chosen_python());
        command.args(["-c", WORKER, FINGERPRINT]);
        Ok(command)
    }

    /// Why a process of this program ended before it said anything, as far as that can be found out.
    pub(crate) fn refusal(self) -> Option<Error> {
        let python = chosen_python();
        let shown = python.display();
        let help = "install the package with `cargo xtask python`, or choose a Python that has it with `--python` or \
                    NEMESIS_PYTHON";
        if self.is_this_process() {
            return None;
        }
        let cannot = |why: String| {
            let what = format!("`{shown}` cannot run plugins written in Python: {why}");
            Error::new(what).of_kind(Kind::Incompatible).help(help)
        };
        let mut command = Command::new(&python);
        command.args(["-c", WORKER, FINGERPRINT, "--version"]).stdin(Stdio::null());
        match command.output() {
            Err(error) => Some(cannot(error.to_string())),
            Ok(output) if output.status.success() => None,
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
                Some(cannot(last.trim_start_matches("ImportError: ").to_owned()))
            }
        }
    }

    /// Why a process could not be started.
    pub(crate) fn spawn_failed(self, what: &str, error: &std::io::Error) -> Error {
        match self {
            Self::Python => self.refusal().unwrap_or_else(|| Error::new(format!("cannot start {what}: {error}"))),
            Self::This => Error::new(format!("cannot start {what}: {error}")),
        }
    }
}
