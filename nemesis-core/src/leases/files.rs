//! The files behind leases: where they lie, and how one is created that nobody else has created.

use super::cannot_write;
use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folder of leases beside the records.
pub const LEASES: &str = "leases";

/// Where the files of one folder of records lie.
#[derive(Clone, Debug)]
pub struct Places {
    runs: PathBuf,
    jobs: PathBuf,
}

/// A lease as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct JobFile {
    /// The run that holds it.
    pub(super) run: String,
    /// The jobs that share something beyond the job: those of one data set.
    pub(super) group: String,
    /// The job in words.
    pub(super) what: String,
}

impl Places {
    /// Those of the records in `folder`.
    pub fn of(folder: &Path) -> Self {
        let leases = folder.join(LEASES);
        Self { runs: leases.join("runs"), jobs: leases.join("jobs") }
    }

    pub(super) fn create(&self) -> Result<()> {
        for folder in [&self.runs, &self.jobs] {
            fs::create_dir_all(folder).map_err(|e| Error::io_write("create the folder", folder, &e))?;
        }
        Ok(())
    }

    /// The file that a run replaces at each heartbeat.
    pub fn run(&self, run: &str) -> PathBuf {
        self.runs.join(format!("{run}.json"))
    }

    /// The file that is locked while a run's process lives.
    pub fn alive(&self, run: &str) -> PathBuf {
        self.runs.join(format!("{run}.alive"))
    }

    /// The folder of the runs' files.
    pub fn runs(&self) -> &Path {
        &self.runs
    }

    /// The folder of the leases.
    pub fn jobs_folder(&self) -> &Path {
        &self.jobs
    }

    /// Removes what a run left. What cannot be removed does no harm.
    pub fn remove_run(&self, run: &str) {
        let _ = fs::remove_file(self.run(run));
        let _ = fs::remove_file(self.alive(run));
    }

    fn job(&self, key: &str, number: u64) -> PathBuf {
        self.jobs.join(format!("{key}-{number}.json"))
    }

    /// All leases: key, number and file.
    pub(super) fn jobs(&self) -> Result<Vec<(String, u64, PathBuf)>> {
        let parse = |path: PathBuf| {
            let (key, number) = path.file_name()?.to_str()?.strip_suffix(".json")?.rsplit_once('-')?;
            Some((key.to_owned(), number.parse().ok()?, path.clone()))
        };
        Ok(files::list(&self.jobs)?.into_iter().filter_map(parse).collect())
    }

    /// Creates a lease; `false` if it exists.
    pub(super) fn create_job(&self, key: &str, number: u64, job: &JobFile) -> Result<bool> {
        let path = self.job(key, number);
        let text = serde_json::to_vec(job).map_err(|e| Error::new(e.to_string()).at(&path))?;
        create_new(&path, &text).map_err(|e| cannot_write(&path, &e))
    }

    /// The content of a lease, as [`read_job`] has it.
    pub(super) fn read_job(&self, key: &str, number: u64) -> Option<JobFile> {
        read_job(&self.job(key, number))
    }

    pub(super) fn remove_job(&self, key: &str, number: u64) {
        let _ = fs::remove_file(self.job(key, number));
    }
}

/// The content of a lease; `None` if it cannot be read or is damaged.
pub(super) fn read_job(path: &Path) -> Option<JobFile> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Creates a file with this content unless there is one; says whether it did. One of any number of callers succeeds, on
/// NFS too.
///
/// A reply of the server may be lost, and its repetition fails because the name exists by then. The number of links
/// shows who made it.
fn create_new(path: &Path, content: &[u8]) -> std::io::Result<bool> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut temporary = files::temporary_in(folder, ".tmp-", "")?;
    temporary.write_all(content)?;
    temporary.flush()?;
    match fs::hard_link(temporary.path(), path) {
        Ok(()) => Ok(true),
        Err(_) if fs::metadata(temporary.path()).is_ok_and(|made| made.nlink() == 2) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        // Some file systems have no links. Creating a file is exclusive there, too; its content follows a moment later,
        // and until then its owner is unknown, which makes others wait.
        Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => {
            match File::options().write(true).create_new(true).open(path) {
                Ok(mut file) => {
                    // An empty lease of a full disk would keep the job from everyone.
                    file.write_all(content).inspect_err(|_| drop(fs::remove_file(path)))?;
                    Ok(true)
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(e) => Err(e),
            }
        }
        Err(e) => Err(e),
    }
}
