//! What was submitted for a folder of records: `submissions/NAME.json`, which `status`, `cancel` and `clean` read.

use super::{hq, slurm};
use nemesis_core::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
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
    /// The runs in its queue at `place`, of whatever job of the user.
    fn queue(self, place: Option<&str>) -> Result<Vec<QueuedRun>> {
        match self {
            Self::Slurm => slurm::queue(place),
            Self::Hq => hq::queue(place),
        }
    }
}

/// A run that waits in a queue or is at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedRun {
    /// The number of its job.
    pub job: String,
    /// The name of its job.
    pub name: String,
    /// The engine's name of it.
    pub id: String,
    /// How it is, in the engine's words.
    pub state: String,
}

/// A job that was submitted. What earlier versions did not note may be missing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Who got it.
    pub engine: Engine,
    /// Its number there.
    pub job: String,
    /// How many runs it has.
    pub tasks: u32,
    /// Its name, which tells it from other jobs that have the same number on another server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where its queue is: Slurm's cluster, if there are several, or the folder of the `HyperQueue` server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The file beside its note that Slurm was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Who submitted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
}

/// A user of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Their number.
    pub id: u32,
    /// Their name, as far as it is known.
    pub name: Option<String>,
}

impl User {
    /// Who runs this process.
    pub fn of_this_process() -> Self {
        // The number decides. The name is for people, and a cluster's list of names may be far away.
        let variable = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { id: number(), name: ["USER", "LOGNAME"].iter().find_map(variable) }
    }
}

fn number() -> u32 {
    rustix::process::getuid().as_raw()
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "user {}", self.id),
        }
    }
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
        // Each server counts from one.
        let place = self.place.as_ref().map(|place| format!("-{}", &blake3::hash(place.as_bytes()).to_hex()[..8]));
        folder(out).join(format!("{engine}-{}{}.json", self.job, place.unwrap_or_default()))
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

    fn read(path: &Path) -> Result<Self> {
        let damaged = |what: String| {
            Error::new(format!("the note of a submission is damaged: {what}"))
                .at(path)
                .help("delete it; nothing but `nemesis status`, `nemesis cancel` and `nemesis clean` reads it")
        };
        let read: Self = serde_json::from_slice(&files::read(path)?).map_err(|e| damaged(e.to_string()))?;
        // It becomes an argument of the engine's programs.
        if read.job.is_empty() || !read.job.chars().all(|c| c.is_ascii_digit()) {
            return Err(damaged(format!("{:?} is no number of a job", read.job)));
        }
        Ok(read)
    }

    /// Those of the records in `out`, sorted by name.
    ///
    /// # Errors
    ///
    /// When one is damaged.
    pub fn all(out: &Path) -> Result<Vec<Self>> {
        with_ending(out, "json").iter().map(|path| Self::read(path)).collect()
    }

    /// Cancels it.
    ///
    /// # Errors
    ///
    /// When the engine refuses or cannot be reached from here.
    pub fn cancel(&self) -> Result<()> {
        match self.engine {
            Engine::Slurm => slurm::cancel(&self.job, self.place.as_deref()),
            Engine::Hq => hq::cancel(&self.job, self.place.as_deref()),
        }
    }

    /// Whether this job is what a run says that it was started by (`Activity::started_by`).
    pub fn has_started(&self, by: &str) -> bool {
        let (engine, separator) = match self.engine {
            Engine::Slurm => ("Slurm ", '_'),
            Engine::Hq => ("HyperQueue ", '.'),
        };
        by.strip_prefix(engine).is_some_and(|run| run.split(separator).next() == Some(self.job.as_str()))
    }

    /// Whether a run in its queue is one of its own. The number alone does not tell: a server that starts anew counts from one.
    fn has(&self, run: &QueuedRun) -> bool {
        run.job == self.job
            && match &self.name {
                Some(name) => run.name == *name,
                // Every job of ours begins so.
                None => run.name.starts_with("nemesis-"),
            }
    }

    /// Whether it is what `nemesis submit` made this script for.
    fn is_of(&self, script: &Path) -> bool {
        self.script.as_ref().is_some_and(|name| script.file_name().is_some_and(|file| file == name.as_str()))
    }
}

/// How a job is.
#[derive(Clone, Debug)]
pub enum Standing {
    /// These of its runs wait or are at work.
    InQueue(Vec<QueuedRun>),
    /// It is over, or its queue has forgotten it.
    Over,
    /// Another user submitted it, whose jobs nobody else sees.
    OfAnother(User),
    /// Its queue cannot be asked.
    Unknown(Error),
}

/// The queues of engines. Each is asked once, however many jobs it has: one that does not answer is waited for.
#[derive(Debug, Default)]
pub struct Queues(HashMap<(Engine, Option<String>), Result<Vec<QueuedRun>>>);

impl Queues {
    /// How a job is.
    pub fn look(&mut self, submission: &Submission) -> Standing {
        let Submission { engine, job, name, place, user, .. } = submission;
        if let Some(user) = user.as_ref().filter(|user| user.id != number()) {
            return Standing::OfAnother(user.clone());
        }
        if *engine == Engine::Hq && name.is_none() {
            // Another server's job of this number may be anybody's.
            let what = format!("an earlier version has submitted job {job}, and did not note to which server");
            return Standing::Unknown(Error::new(what).help("`hq job list` shows it, and `hq job cancel` cancels it"));
        }
        match self.0.entry((*engine, place.clone())).or_insert_with(|| engine.queue(place.as_deref())) {
            Ok(queue) => {
                let runs: Vec<QueuedRun> = queue.iter().filter(|run| submission.has(run)).cloned().collect();
                if runs.is_empty() { Standing::Over } else { Standing::InQueue(runs) }
            }
            Err(error) => Standing::Unknown(error.clone()),
        }
    }
}

/// The notes of jobs that are over, with the scripts that no other note names, sorted. Where an engine cannot be asked, its
/// jobs may not be over, and those of other users are not ours to judge.
pub fn over(out: &Path) -> Vec<PathBuf> {
    over_in(out, &mut Queues::default())
}

fn over_in(out: &Path, queues: &mut Queues) -> Vec<PathBuf> {
    let (mut over, mut left) = (Vec::new(), Vec::new());
    let mut paths = Vec::new();
    for path in with_ending(out, "json") {
        let Ok(submission) = Submission::read(&path) else { continue };
        if matches!(queues.look(&submission), Standing::Over) {
            over.push(submission);
            paths.push(path);
        } else {
            left.push(submission);
        }
    }
    let mut scripts = with_ending(out, "sh");
    scripts.retain(|script| over.iter().any(|note| note.is_of(script)) && !left.iter().any(|note| note.is_of(script)));
    paths.extend(scripts);
    paths
}

/// The scripts in `out` that belong to nothing that was submitted: those that the queue refused, and those of jobs that were
/// cancelled.
pub fn outlived_scripts(out: &Path) -> Vec<PathBuf> {
    let Ok(notes) = Submission::all(out) else { return Vec::new() };
    // Earlier versions did not note which script is whose.
    if notes.iter().any(|note| note.engine == Engine::Slurm && note.script.is_none()) {
        return Vec::new();
    }
    let mut scripts = with_ending(out, "sh");
    scripts.retain(|script| !notes.iter().any(|note| note.is_of(script)));
    scripts
}

/// The files of submissions that end so, sorted by name.
fn with_ending(out: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(out)).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission(engine: Engine, job: &str, place: Option<&str>) -> Submission {
        Submission {
            engine,
            job: job.to_owned(),
            tasks: 4,
            name: Some("nemesis-few-shot-0a1b2c3d".to_owned()),
            place: place.map(str::to_owned),
            script: None,
            user: Some(User::of_this_process()),
        }
    }

    fn in_queue(job: &str, name: &str) -> QueuedRun {
        QueuedRun { job: job.to_owned(), name: name.to_owned(), id: format!("{job}_0"), state: "RUNNING n1".to_owned() }
    }

    #[test]
    fn a_job_is_known_by_number_and_name() {
        let own = submission(Engine::Slurm, "4711", None);
        assert!(own.has(&in_queue("4711", "nemesis-few-shot-0a1b2c3d")));
        assert!(!own.has(&in_queue("471", "nemesis-few-shot-0a1b2c3d")));
        assert!(!own.has(&in_queue("4711", "nemesis-few-shot-ffffffff")), "of another folder");
        let old: Submission = serde_json::from_str(r#"{"engine": "slurm", "job": "4711", "tasks": 4}"#).unwrap();
        assert!(old.has(&in_queue("4711", "nemesis-few-shot")));
        assert!(!old.has(&in_queue("4711", "interactive")));
    }

    #[test]
    fn a_run_is_of_the_job_that_started_it() {
        let slurm = submission(Engine::Slurm, "47", None);
        for (by, expected) in [
            ("Slurm 47_0", true),
            ("Slurm 47", true),
            ("Slurm 470", false),
            ("Slurm 470_0", false),
            ("HyperQueue 47.1", false),
        ] {
            assert_eq!(slurm.has_started(by), expected, "{by}");
        }
        assert!(submission(Engine::Hq, "47", None).has_started("HyperQueue 47.1"));
    }

    #[test]
    fn servers_that_count_alike_have_notes_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        for place in [None, Some("/home/me/first"), Some("/home/me/second")] {
            submission(Engine::Hq, "1", place).save(folder.path()).unwrap();
        }
        let all = Submission::all(folder.path()).unwrap();
        assert_eq!(all.len(), 3);
        all[0].forget(folder.path()).unwrap();
        assert_eq!(Submission::all(folder.path()).unwrap().len(), 2);
    }

    #[test]
    fn a_note_that_names_no_job_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        for job in ["", "--user=me", "../4711"] {
            let note = Submission { job: job.to_owned(), ..submission(Engine::Slurm, "1", None) };
            let path = super::folder(folder.path()).join("slurm-1.json");
            files::write_atomic(&path, &serde_json::to_vec(&note).unwrap()).unwrap();
            assert!(Submission::all(folder.path()).is_err(), "{job}");
        }
    }

    #[test]
    fn what_is_over_is_told_by_the_queue() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let script = |name: &str| Some(format!("slurm-{name}.sh"));
        let me = User::of_this_process();
        let another = Some(User { id: me.id.wrapping_add(1), name: Some("anna".to_owned()) });
        for note in [
            Submission { script: script("over"), ..submission(Engine::Slurm, "1", None) },
            Submission { script: script("both"), ..submission(Engine::Slurm, "2", None) },
            Submission { script: script("both"), ..submission(Engine::Slurm, "3", None) },
            Submission { user: another, script: script("annas"), ..submission(Engine::Slurm, "4", None) },
            submission(Engine::Hq, "5", Some("silent")),
            Submission { name: None, ..submission(Engine::Hq, "6", None) },
        ] {
            note.save(out).unwrap();
        }
        for name in ["over", "both", "annas", "refused"] {
            fs::write(super::folder(out).join(format!("slurm-{name}.sh")), "").unwrap();
        }
        let running = in_queue("3", "nemesis-few-shot-0a1b2c3d");
        let mut queues = Queues(HashMap::from([
            ((Engine::Slurm, None), Ok(vec![running.clone()])),
            ((Engine::Hq, Some("silent".to_owned())), Err(Error::new("no server"))),
            // Asked with a name, job 6 would be over here.
            ((Engine::Hq, None), Ok(Vec::new())),
        ]));
        let names = |paths: Vec<PathBuf>| -> Vec<String> {
            paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(over_in(out, &mut queues)), ["slurm-1.json", "slurm-2.json", "slurm-over.sh"]);
        assert_eq!(names(outlived_scripts(out)), ["slurm-refused.sh"]);
        let standing = queues.look(&submission(Engine::Slurm, "3", None));
        assert!(matches!(standing, Standing::InQueue(runs) if runs == std::slice::from_ref(&running)));
    }
}
