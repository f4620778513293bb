//! The parent: asks another process about plugins, so that none runs its code in this one. If that process is lost, a
//! successor answers the questions that follow.

use super::message::{Created, Question, READY};
use crate::process::{Program, Subprocess, listen};
use nemesis_core::method::Descriptor;
use nemesis_core::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long a plugin may take to answer, unless the user says otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// At most one process for all plugins that a program runs, started with the first question.
#[derive(Debug)]
pub(super) struct Examiner {
    patience: Duration,
    trials: BTreeMap<Program, Trial>,
}

#[derive(Debug)]
struct Trial {
    process: Subprocess,
    answers: Receiver<Value>,
    /// The files whose plugins it has been asked about.
    loaded: BTreeSet<PathBuf>,
}

/// What came of a question.
#[derive(Debug)]
pub(super) enum Heard<T> {
    /// An answer.
    Answer(Result<T>),
    /// The process ended instead, in the way given.
    End(String),
    /// Nothing within the time given.
    Silence(Duration),
}

impl Examiner {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, trials: BTreeMap::new() }
    }

    /// What the plugin in a file says about itself.
    ///
    /// # Errors
    ///
    /// When no process can be started.
    pub(super) fn describe(&mut self, file: &Path) -> Result<Heard<Descriptor>> {
        self.ask(file, &Question::Describe(file.to_owned()))
    }

    /// Whether the plugin in a file creates a method with these options, and what it says of itself then.
    ///
    /// # Errors
    ///
    /// When no process can be started.
    pub(super) fn create(&mut self, file: &Path, options: &Map<String, Value>) -> Result<Heard<Created>> {
        self.ask(file, &Question::Create(file.to_owned(), options.clone()))
    }

    fn ask<T: DeserializeOwned>(&mut self, file: &Path, question: &Question) -> Result<Heard<T>> {
        let program = Program::of_plugin(file);
        let mut trial = match self.trials.remove(&program) {
            Some(trial) => trial,
            None => Trial::start(program)?,
        };
        trial.loaded.insert(file.to_owned());
        trial.process.send(question)?;
        match trial.hear(self.patience)? {
            // Another plugin may have ended that process, for which this one must not be blamed.
            Heard::End(_) if trial.loaded.len() > 1 => self.ask(file, question),
            lost @ (Heard::End(_) | Heard::Silence(_)) => Ok(lost),
            answer @ Heard::Answer(_) => {
                self.trials.insert(program, trial);
                Ok(answer)
            }
        }
    }
}

impl Trial {
    fn start(program: Program) -> Result<Self> {
        let (process, output) = Subprocess::start("the process that tries plugins", program, ["plugin", "try-here"])?;
        let (sender, answers) = mpsc::channel();
        listen(output, move |answer| answer.is_some_and(|answer: Value| sender.send(answer).is_ok()));
        // Starting the process takes a while, which is not a plugin's fault.
        match answers.recv() {
            Ok(ready) if ready == READY => Ok(Self { process, answers, loaded: BTreeSet::new() }),
            _ => Err(program.refusal().unwrap_or_else(|| {
                Error::new("the process that tries plugins ended at once").help("its message is above")
            })),
        }
    }

    fn hear<T: DeserializeOwned>(&mut self, patience: Duration) -> Result<Heard<T>> {
        let start = Instant::now();
        loop {
            match self.answers.recv_timeout(Duration::from_millis(100)) {
                Ok(answer) => {
                    let answer = serde_json::from_value::<Result<T>>(answer);
                    return answer.map(Heard::Answer).map_err(|e| Error::new(format!("an answer cannot be read: {e}")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.process.end(patience.saturating_sub(start.elapsed()));
                    return Ok(Heard::End(status.map_or_else(|e| e.to_string(), |status| status.to_string())));
                }
                // A process that it left behind may hold its output open.
                Err(RecvTimeoutError::Timeout) if self.process.has_ended() => self.process.kill(),
                Err(RecvTimeoutError::Timeout) if start.elapsed() > patience => return Ok(Heard::Silence(patience)),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}
