//! The parent: starts a process, talks to it, and reaps it.

use super::{Program, copy};
use nemesis_core::{Error, Result, threads};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group, waitid, waitpid,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// A child process of this program. It leads a process group, so that whatever a plugin has started ends with it.
#[derive(Debug)]
pub(crate) struct Subprocess {
    /// Nobody else waits for it, so until that is done here its id, which is also that of the group, is not reused.
    pid: Pid,
    /// How it ended, once that is known.
    ended: Option<ExitStatus>,
    input: File,
}

impl Subprocess {
    /// Starts `nemesis` with these arguments as a process of this program, and returns it with its standard output. Errors call
    /// it `what`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub(crate) fn start<A: AsRef<OsStr>>(
        what: &str,
        program: Program,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<(Self, File)> {
        let mut command = program.command()?;
        command.args(arguments);
        Self::spawn(what, program, command)
    }

    /// The same as a copy of this process, if it can be copied: not for what computes on a GPU, whose driver may not live on in
    /// a copy.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub(crate) fn copy_or_start(what: &str, program: Program, arguments: &[&str]) -> Result<(Self, File)> {
        if program.is_this_process()
            && let Some((pid, input, output)) = copy::copy(arguments)?
        {
            return Ok((Self::new(pid, input), File::from(output)));
        }
        Self::start(what, program, arguments)
    }

    /// The same with a command of the program.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub(crate) fn spawn(what: &str, program: Program, mut command: Command) -> Result<(Self, File)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|e| program.spawn_failed(what, &e))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (Some(pid), Some(input), Some(output)) = (pid, child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for as pipes, and a process has an id");
        };
        Ok((Self::new(pid, input.into()), OwnedFd::from(output).into()))
    }

    fn new(pid: Pid, input: OwnedFd) -> Self {
        Self { pid, ended: None, input: input.into() }
    }

    /// Sends one message. If the process is gone, the end of its output shows that.
    ///
    /// # Errors
    ///
    /// When the message cannot be written as JSON, for example because a path is not UTF-8.
    pub(crate) fn send<T: Serialize>(&mut self, message: &T) -> Result<()> {
        let line = serde_json::to_vec(message);
        let mut line = line.map_err(|e| Error::new(format!("cannot send a message to another process: {e}")))?;
        line.push(b'\n');
        let _ = self.input.write_all(&line);
        Ok(())
    }

    /// Asks the process to end soon, as far as it listens to SIGTERM. What plugins have started in it is not asked.
    pub(crate) fn ask_to_end(&self) {
        if self.ended.is_none() {
            let _ = kill_process(self.pid, Signal::TERM);
        }
    }

    /// Kills the process with everything that plugins have started in it.
    pub(crate) fn kill(&self) {
        if self.ended.is_none() {
            // It may have ended by itself in the meantime.
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }

    /// Whether the process has ended.
    pub(crate) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.ended.is_some() || !matches!(waitid(WaitId::Pid(self.pid), options), Ok(None))
    }

    /// Waits until the process has ended, kills it if that takes too long, and kills what it left behind.
    ///
    /// # Errors
    ///
    /// When the system does not say how it ended.
    pub(crate) fn end(&mut self, patience: Duration) -> std::io::Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < patience && !self.has_ended() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        loop {
            if let Some(status) = self.ended {
                return Ok(status);
            }
            match waitpid(Some(self.pid), WaitOptions::empty()) {
                Ok(found) => self.ended = found.map(|(_, status)| ExitStatus::from_raw(status.as_raw())),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whatever ends this process, even an error, the child does not outlive it.
impl Drop for Subprocess {
    fn drop(&mut self) {
        let _ = self.end(Duration::ZERO);
    }
}

/// Passes on a process's messages from a thread of its own, and then that there are no more. A line that is not a
/// message counts as the end. `tell` returns whether somebody still listens.
///
/// # Errors
///
/// When no thread can be started.
pub(crate) fn listen<T: DeserializeOwned>(
    output: impl Read + Send + 'static,
    mut tell: impl FnMut(Option<T>) -> bool + Send + 'static,
) -> Result<()> {
    threads::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Some(message) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { break };
            if !tell(Some(message)) {
                return;
            }
        }
        tell(None);
    })
    .map(drop)
}

/// Passes on messages that [`listen`] has received as plain values, as it does: from a thread of its own, and then that
/// there are no more.
///
/// # Errors
///
/// When no thread can be started.
pub(crate) fn pass_on<T: DeserializeOwned>(
    values: Receiver<Value>,
    mut tell: impl FnMut(Option<T>) -> bool + Send + 'static,
) -> Result<()> {
    threads::spawn(move || {
        for value in values {
            let Ok(message) = serde_json::from_value(value) else { break };
            if !tell(Some(message)) {
                return;
            }
        }
        tell(None);
    })
    .map(drop)
}
