//! The two sides: how their programs are started, and what they print.

use super::BenchOptions;
use crate::failure::{Failure, Result};
use crate::workspace;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Both sides, and what all measurements have in common.
pub(super) struct Sides {
    python: PathBuf,
    /// What `--peer` names, for the work that is compared with it.
    reference: Option<PathBuf>,
    ours: PathBuf,
    pub(super) images: Option<PathBuf>,
    pub(super) runs: u32,
    pub(super) threads: usize,
    pub(super) limit: bool,
    /// What Linux says about the machine before anything is measured: its CPU, and how busy it is.
    pub(super) machine: String,
}

/// What one run of training steps measured.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    /// The median step.
    pub(super) step: f64,
    /// All steps; the reference does not give it.
    pub(super) all: Option<f64>,
    pub(super) memory: Option<f64>,
    pub(super) losses: Vec<f64>,
    /// How many losses may be compared before the random choices of the two sides diverge.
    pub(super) comparable: usize,
}

/// The machine's limit for one piece of work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) operations_per_second: f64,
    pub(super) seconds: f64,
}

/// The time and the result of decoding, resizing and cropping.
#[derive(Clone, Debug)]
pub(super) struct Images {
    pub(super) count: f64,
    pub(super) test: f64,
    pub(super) training: f64,
    pub(super) pixels: String,
}

impl Sides {
    pub(super) fn new(options: &BenchOptions) -> Result<Self> {
        Ok(Self {
            python: options.python.clone(),
            reference: options.peer.clone(),
            ours: workspace::program("nemesis-peer")?,
            images: options.images.clone(),
            runs: options.runs,
            threads: options.threads,
            limit: options.limit,
            machine: machine(),
        })
    }

    /// Steps of the reference. With `dump`, it leaves there what the other side needs to take the same steps.
    pub(super) fn theirs(&self, arguments: &[&str], dump: Option<&Path>) -> Result<Steps> {
        steps(&json_line(&mut self.reference(arguments, dump))?)
    }

    /// Has the reference write the weights and inputs of steps without taking any. It fails then, because it looks for
    /// the median of no steps, but only after it has written everything.
    pub(super) fn dump(&self, arguments: &[&str], folder: &Path) -> Result<()> {
        let mut command = self.reference(&[arguments, &["--steps", "0"]].concat(), Some(folder));
        let output = command.stdin(Stdio::null()).output();
        output.map_err(|error| workspace::cannot_start(&command, &error))?;
        let inputs = folder.join("inputs.json");
        if inputs.is_file() { Ok(()) } else { Err(Failure::new("the reference wrote no inputs")) }
    }

    fn reference(&self, arguments: &[&str], dump: Option<&Path>) -> Command {
        let mut command = Command::new(&self.python);
        command.args(&self.reference).args(["--threads", &self.threads.to_string()]).args(arguments);
        if let Some(folder) = dump {
            command.arg("--dump").arg(folder);
        }
        command
    }

    /// Our side of the steps whose inputs are in `folder`.
    pub(super) fn ours(&self, folder: &Path, arguments: &[&str]) -> Result<Steps> {
        let mut command = self.our("steps");
        steps(&json_line(command.arg(folder).args(["--threads", &self.threads.to_string()]).args(arguments))?)
    }

    /// Steps of a method in `towers.py`; with `dump` it leaves there what the other side needs to take them, too.
    pub(super) fn their_towers(&self, method: &str, dump: Option<&Path>) -> Result<Steps> {
        let mut command = Command::new(&self.python);
        command.arg(workspace::root().join("benchmarks/peer/towers.py"));
        command.args(["--threads", &self.threads.to_string(), "--method", method]);
        if let Some(folder) = dump {
            command.arg("--dump").arg(folder);
        }
        steps(&json_line(&mut command)?)
    }

    /// Our side of its steps.
    pub(super) fn our_towers(&self, folder: &Path) -> Result<Steps> {
        let mut command = self.our("towers");
        steps(&json_line(command.arg(folder).args(["--threads", &self.threads.to_string()]))?)
    }

    /// The limit for the steps whose inputs are in `folder`.
    pub(super) fn measure_limit(&self, folder: &Path) -> Result<Limit> {
        let mut command = self.our("limit");
        let line = json_line(command.arg(folder).args(["--threads", &self.threads.to_string()]))?;
        let operations_per_second = number(&line, "operations_per_second")?;
        Ok(Limit { operations_per_second, seconds: number(&line, "seconds")? })
    }

    /// Pillow's and torchvision's work on images.
    pub(super) fn their_images(&self, folder: &Path) -> Result<Images> {
        let mut command = Command::new(&self.python);
        command.arg(workspace::root().join("nemesis-core/benches/peer_images.py"));
        images(&json_line(command.arg(folder).arg(self.threads.to_string()))?)
    }

    /// Ours.
    pub(super) fn our_images(&self, folder: &Path) -> Result<Images> {
        let mut command = self.our("images");
        images(&json_line(command.arg(folder).args(["--threads", &self.threads.to_string()]))?)
    }

    /// Seconds of a call of a plugin.
    pub(super) fn crossing(&self) -> Result<f64> {
        number(&json_line(&mut self.our("crossing"))?, "seconds")
    }

    fn our(&self, work: &str) -> Command {
        let mut command = Command::new(&self.ours);
        command.arg(work);
        command
    }
}

/// A temporary folder, removed with the value.
pub(super) fn folder() -> Result<TempDir> {
    tempfile::tempdir().map_err(|error| Failure::new(format!("cannot create a temporary folder: {error}")))
}

fn steps(line: &Value) -> Result<Steps> {
    let losses: Vec<f64> = line["losses"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    Ok(Steps {
        step: number(line, "seconds_per_step")?,
        all: line["seconds"].as_f64(),
        memory: line["peak_rss_bytes"].as_f64(),
        comparable: line["comparable"].as_u64().map_or(losses.len(), |count| count as usize),
        losses,
    })
}

fn images(line: &Value) -> Result<Images> {
    let pixels = line["pixels"].as_str().unwrap_or_default().to_owned();
    let [count, test, training] = ["count", "test_seconds", "training_seconds"].map(|name| number(line, name));
    Ok(Images { count: count?, test: test?, training: training?, pixels })
}

fn number(line: &Value, name: &str) -> Result<f64> {
    line[name].as_f64().ok_or_else(|| Failure::new(format!("a measurement without `{name}`: {line}")))
}

/// Runs a program that prints one JSON line last; its messages go to the user.
fn json_line(command: &mut Command) -> Result<Value> {
    let shown = workspace::shown(command);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| workspace::cannot_start(command, &error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    line.filter(|_| output.status.success()).ok_or_else(|| {
        Failure::new(format!("`{shown}` failed ({})", output.status))
            .help("the reference's first lines say what to install for it; name such a Python with --python")
    })
}

fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let processor = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()))
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    format!("{cores} cores of {processor}; load average before the first run {load}")
}
