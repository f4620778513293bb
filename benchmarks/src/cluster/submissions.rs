//! What was submitted for a folder of records: `submissions/NAME.json`, which `status` and `cancel` read.

use super::{hq, slurm};
use nemesis_core::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The engines that have a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Slurm.
    Slurm,
    /// `HyperQueue`.
    Hq,
}

impl Engine {
    /// The runs in its queue, of whatever job of the user.
    ///
    /// # Errors
    ///
    /// When the engine cannot be asked from here.
    pub fn queue(self) -> Result<Vec<QueuedRun>> {
        match self {
            Self::Slurm => slurm::queue(),
            Self::Hq => hq::queue(),
        }
    }
}

/// A run that waits in a queue or is at work.
#[derive(Clone, Debug)]
pub struct QueuedRun {
    /// The number of its job.
    pub job: String,
    /// The engine's name of it.
    pub id: String,
    /// How it is, in the engine's words.
    pub state: String,
}

impl QueuedRun {
    pub(super) fn new(job: &str, id: &str, state: &str) -> Self {
        Self { job: job.to_owned(), id: id.to_owned(), state: state.to_owned() }
    }
}

/// A job that was submitted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Who got it.
    pub engine: Engine,
    /// Its number there.
    pub job: String,
    /// How many runs it has.
    pub tasks: u32,
}

/// Where the scripts and numbers of submissions lie.
pub fn folder(out: &Path) -> PathBuf {
    out.join("submissions")
}

/// Where the logs of submitted runs lie.
pub fn logs(out: &Path) -> PathBuf {
    out.join("logs")
}

impl Submission {
    fn path(&self, out: &Path) -> PathBuf {
        let engine = match self.engine {
            Engine::Slurm => "slurm",
            Engine::Hq => "hq",
        };
        folder(out).join(format!("{engine}-{}.json", self.job))
    }

    /// Notes that it was submitted.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save(&self, out: &Path) -> Result<()> {
        let path = self.path(out);
        let text = serde_json::to_vec_pretty(self).map_err(|e| Error::new(e.to_string()).at(&path))?;
        files::write_atomic(&path, &text)
    }

    /// Forgets it.
    ///
    /// # Errors
    ///
    /// When the file cannot be removed.
    pub fn forget(&self, out: &Path) -> Result<()> {
        let path = self.path(out);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io_write("remove the file", &path, &e)),
            _ => Ok(()),
        }
    }

    /// Those of the records in `out`, sorted by name.
    ///
    /// # Errors
    ///
    /// When one is damaged.
    pub fn all(out: &Path) -> Result<Vec<Self>> {
        let paths = with_ending(out, "json");
        let read = |path: &PathBuf| {
            serde_json::from_slice(&files::read(path)?).map_err(|e| {
                Error::new(format!("the note of a submission is damaged: {e}"))
                    .at(path)
                    .help("delete it; nothing but `nemesis status` and `nemesis cancel` reads it")
            })
        };
        paths.iter().map(read).collect()
    }

    /// Cancels it.
    ///
    /// # Errors
    ///
    /// When the engine refuses or cannot be reached from here.
    pub fn cancel(&self) -> Result<()> {
        match self.engine {
            Engine::Slurm => slurm::cancel(&self.job),
            Engine::Hq => hq::cancel(&self.job),
        }
    }
}

/// The scripts in `out` once nothing that was submitted is left: those that the queue refused, and those of jobs that were
/// cancelled.
pub fn outlived_scripts(out: &Path) -> Vec<PathBuf> {
    if with_ending(out, "json").is_empty() { with_ending(out, "sh") } else { Vec::new() }
}

/// The files of submissions that end so, sorted by name.
fn with_ending(out: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(out)).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    paths.sort();
    paths
}
