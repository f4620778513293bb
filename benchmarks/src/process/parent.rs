//! The parent: starts a process, talks to it, and reaps it.

use super::Program;
use nemesis_core::{Error, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A process of this program. It leads a group of its own, so that what a plugin has started in it ends with it.
#[derive(Debug)]
pub(crate) struct Subprocess {
    child: Child,
    input: ChildStdin,
}

impl Subprocess {
    /// Starts a process, and returns it with its standard output. `what` it is stands in the error.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub(crate) fn start<A: AsRef<OsStr>>(
        what: &str,
        program: Program,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<(Self, ChildStdout)> {
        let mut command = program.command()?;
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|e| program.spawn_failed(what, &e))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for as pipes");
        };
        Ok((Self { child, input }, output))
    }

    /// Sends one message. That the process is gone is noticed by the end of its output.
    ///
    /// # Errors
    ///
    /// When the message cannot be written as JSON, as a path that is no UTF-8.
    pub(crate) fn send<T: Serialize>(&mut self, message: &T) -> Result<()> {
        let line = serde_json::to_vec(message);
        let mut line = line.map_err(|e| Error::new(format!("another process cannot be told what to do: {e}")))?;
        line.push(b'\n');
        let _ = self.input.write_all(&line);
        Ok(())
    }

    /// Kills the process with all that plugins have started in it.
    pub(crate) fn kill(&self) {
        if let Some(group) = self.pid() {
            // It may have ended by itself in the meantime.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Whether the process has ended.
    ///
    /// As long as nobody takes its status its number, which is also that of the group, is not given to others.
    pub(crate) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.pid().is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
    }

    /// Waits until the process has ended, kills it if that takes too long, and kills what it leaves behind.
    ///
    /// # Errors
    ///
    /// When the system does not tell how it ended.
    pub(crate) fn end(&mut self, patience: Duration) -> std::io::Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < patience && !self.has_ended() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        self.child.wait()
    }

    /// None where the system gives numbers that are none.
    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }
}

/// Whatever ends this process, even an error, no other outlives it.
impl Drop for Subprocess {
    fn drop(&mut self) {
        let _ = self.end(Duration::ZERO);
    }
}

/// Passes on what a process says, from a thread of its own, and then that it says no more. What is no message ends it,
/// too. `tell` returns whether somebody still listens.
pub(crate) fn listen<T: DeserializeOwned>(
    output: impl Read + Send + 'static,
    mut tell: impl FnMut(Option<T>) -> bool + Send + 'static,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Some(message) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { break };
            if !tell(Some(message)) {
                return;
            }
        }
        tell(None);
    });
}
