//! A Python that has imported what plugins need, and forks a process for each command that it is given: to import PyTorch
//! takes seconds, to fork takes milliseconds. The other side is `nemesis/_forks.py`.

use super::{Program, Subprocess, listen};
use nemesis_core::plugin::check::{ENVIRONMENT, Process, Start, kill_group};
use nemesis_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::Duration;

/// The Python that forks.
pub(crate) struct Forks(Rc<RefCell<Server>>);

struct Server {
    process: Subprocess,
    said: Receiver<Said>,
    /// How the processes ended that have, in the system's words.
    ended: BTreeMap<u32, i32>,
}

/// A command to run in a forked process.
#[derive(Serialize)]
struct Ask<'a> {
    arguments: &'a [&'a Path],
    out: &'a Path,
    err: &'a Path,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    Ready,
    Started(u32),
    Ended(u32, i32),
}

impl Forks {
    /// Starts it, and waits until it has imported everything.
    ///
    /// # Errors
    ///
    /// When this Python cannot run plugins.
    pub(crate) fn start() -> Result<Self> {
        let what = "the Python that runs checks";
        let mut command = Program::Python.command()?;
        // What it cannot do is asked for in another process, and those that it forks have files of their own.
        command.arg("fork").envs(ENVIRONMENT).stderr(Stdio::null());
        let (process, output) = Subprocess::spawn(what, Program::Python, command)?;
        let (sender, said) = mpsc::channel();
        listen(output, move |message| message.is_some_and(|message| sender.send(message).is_ok()));
        match said.recv() {
            Ok(Said::Ready) => Ok(Self(Rc::new(RefCell::new(Server { process, said, ended: BTreeMap::new() })))),
            _ => Err(Program::Python.refusal().unwrap_or_else(|| Error::new(format!("{what} ended at once")))),
        }
    }

    /// Forks a process for a check, which runs the command of `nemesis` with these arguments.
    ///
    /// # Errors
    ///
    /// When the Python has ended, or a path is not UTF-8.
    pub(crate) fn fork(&self, start: &Start<'_>, arguments: &[&Path]) -> Result<Box<dyn Process>> {
        let mut server = self.0.borrow_mut();
        server.process.send(&Ask { arguments, out: start.out, err: start.err })?;
        loop {
            match server.said.recv().map_err(|_| lost())? {
                Said::Started(id) => return Ok(Box::new(Forked { id, server: Rc::clone(&self.0) })),
                said => server.note(&said),
            }
        }
    }
}

impl Server {
    fn note(&mut self, said: &Said) {
        if let Said::Ended(id, status) = said {
            self.ended.insert(*id, *status);
        }
    }
}

fn lost() -> Error {
    Error::new("the Python that runs checks has ended")
}

/// A process that was forked.
struct Forked {
    id: u32,
    server: Rc<RefCell<Server>>,
}

impl Process for Forked {
    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let mut server = self.server.borrow_mut();
        let end = loop {
            match server.said.try_recv() {
                Ok(said) => server.note(&said),
                Err(end) => break end,
            }
        };
        match server.ended.get(&self.id) {
            Some(status) => Ok(Some(ExitStatus::from_raw(*status))),
            None if end == TryRecvError::Disconnected => Err(lost()),
            None => Ok(None),
        }
    }

    fn kill(&mut self) {
        kill_group(self.id);
        while matches!(self.ended(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
