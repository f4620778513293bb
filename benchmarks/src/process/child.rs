//! The child: what a started process does with its standard streams.

use nemesis_core::{Error, Result, threads};
use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, Write};
use std::sync::mpsc;

/// The messages that arrive on standard input.
#[derive(Debug)]
pub(crate) struct Messages(mpsc::Receiver<Value>);

impl Messages {
    /// The next one, or none if it is not of this type. This process ends with standard input.
    pub(crate) fn next<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(self.0.recv().ok()?).ok()
    }
}

/// Reads the lines of standard input in a thread of its own, so that this process ends as soon as the other one does,
/// whether that finished or was killed: nothing else holds the other end.
///
/// # Errors
///
/// When no thread can be started.
pub(crate) fn messages_from_stdin() -> Result<Messages> {
    let (sender, receiver) = mpsc::channel();
    threads::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let message = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            let Some(message) = message else { break };
            if sender.send(message).is_err() {
                break;
            }
        }
        // The current work is lost on purpose: nobody waits for it. Processes that a plugin has started are killed too,
        // and no destructor of libtorch or a plugin gets a chance to hang.
        if getpgrp() == getpid() {
            let _ = kill_current_process_group(Signal::KILL);
        }
        std::process::exit(0);
    })?;
    Ok(Messages(receiver))
}

/// The way back to the process that started this one.
#[derive(Debug)]
pub(crate) struct Reporter {
    to: File,
}

impl Reporter {
    /// Keeps the real standard output for reports and points file descriptor 1 at standard error: a plugin that prints
    /// would otherwise garble the conversation.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(crate) fn take_over_stdout() -> Result<Self> {
        let failed = |e: rustix::io::Errno| Error::new(format!("cannot redirect standard output: {e}"));
        // Processes that a plugin starts must not hold it open, since its end means that this process has ended.
        let to = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 0).map_err(failed)?;
        rustix::stdio::dup2_stdout(std::io::stderr()).map_err(failed)?;
        Ok(Self { to: File::from(to) })
    }

    /// Sends one message. A failure is ignored: the other process is gone then, and this one will be soon.
    pub(crate) fn send<T: Serialize>(&self, message: &T) {
        if let Ok(mut line) = serde_json::to_vec(message) {
            line.push(b'\n');
            let _ = (&self.to).write_all(&line);
        }
    }
}
