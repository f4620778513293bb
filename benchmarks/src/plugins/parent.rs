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

/// At most one process for all plugins that a program runs, started with the first question, or before.
#[derive(Debug)]
pub(super) struct Examiner {
    patience: Duration,
    trials: BTreeMap<Program, Trial>,
}

#[derive(Debug)]
struct Trial {
    process: Subprocess,
    answers: Receiver<Value>,
    /// Whether it has said that it can be asked.
    ready: bool,
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

    /// Starts the process for the plugins of a program, which takes a while, and does not wait for it. If it cannot be
    /// started, the first question fails.
    pub(super) fn begin(&mut self, program: Program) {
        if !self.trials.contains_key(&program) {
            self.trials.extend(Trial::start(program).ok().map(|trial| (program, trial)));
        }
    }

    /// Hands over the process for the plugins of a program, if there is one.
    pub(super) fn hand_over(&mut self, program: Program) -> Option<Standby> {
        let Trial { process, answers, ready, .. } = self.trials.remove(&program)?;
        ready.then_some(Standby { process, answers })
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
        trial.wait_until_ready(program)?;
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
        let (process, output) =
            Subprocess::copy_or_start("the process that tries plugins", program, &["plugin", "try-here"])?;
        let (sender, answers) = mpsc::channel();
        listen(output, move |answer| answer.is_some_and(|answer: Value| sender.send(answer).is_ok()))?;
        Ok(Self { process, answers, ready: false, loaded: BTreeSet::new() })
    }

    /// Waits as long as it takes to start the process, which is not a plugin's fault.
    fn wait_until_ready(&mut self, program: Program) -> Result<()> {
        self.ready = self.ready || self.answers.recv().is_ok_and(|first| first == READY);
        if self.ready {
            return Ok(());
        }
        Err(program
            .refusal()
            .unwrap_or_else(|| Error::new("the process that tries plugins ended at once").help("its message is above")))
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

/// A process that has answered questions about plugins, and can be a worker next.
#[derive(Debug)]
pub(crate) struct Standby {
    process: Subprocess,
    answers: Receiver<Value>,
}

impl Standby {
    /// Makes it a worker, and returns it with what it says from then on; none if it has ended.
    pub(crate) fn into_worker(mut self) -> Option<(Subprocess, Receiver<Value>)> {
        if self.process.has_ended() {
            return None;
        }
        self.process.send(&Question::Work).ok()?;
        Some((self.process, self.answers))
    }
}
