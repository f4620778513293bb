//! A process that has loaded libtorch, or imported PyTorch, and forks one for each command that it is given: to load takes
//! up to seconds, to fork takes milliseconds. The other side is [`serve`], or `nemesis/_forks.py`.

mod serve;

pub(crate) use serve::serve;

use super::{Program, Subprocess, listen};
use nemesis_core::plugin::check::{ENVIRONMENT, Process, Start, kill_group};
use nemesis_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::Duration;

/// The process that forks.
pub(crate) struct Forks(Rc<RefCell<Server>>);

struct Server {
    process: Subprocess,
    said: Receiver<Said>,
    /// How the processes ended that have, in the system's words.
    ended: BTreeMap<u32, i32>,
}

/// A command to run in a forked process.
#[derive(Serialize, Deserialize)]
struct Ask {
    arguments: Vec<PathBuf>,
    out: PathBuf,
    err: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    Ready,
    Started(u32),
    Ended(u32, i32),
}

impl Forks {
    /// Starts it, and waits until it has loaded everything; none where this program cannot be forked.
    ///
    /// # Errors
    ///
    /// When this Python cannot run plugins.
    pub(crate) fn start(program: Program) -> Result<Option<Self>> {
        let mut command = program.command()?;
        // What it cannot do is asked for in another process, and those that it forks have files of their own.
        command.arg("fork").envs(ENVIRONMENT).stderr(Stdio::null());
        let (process, output) = Subprocess::spawn("the process that runs checks", program, command)?;
        let (sender, said) = mpsc::channel();
        listen(output, move |message| message.is_some_and(|message| sender.send(message).is_ok()))?;
        match said.recv() {
            Ok(Said::Ready) => Ok(Some(Self(Rc::new(RefCell::new(Server { process, said, ended: BTreeMap::new() }))))),
            _ => program.refusal().map_or(Ok(None), Err),
        }
    }

    /// Forks a process for a check, which runs the command of `nemesis` with these arguments.
    ///
    /// # Errors
    ///
    /// When the process that forks has ended, or a path is not UTF-8.
    pub(crate) fn fork(&self, start: &Start<'_>, arguments: &[&Path]) -> Result<Box<dyn Process>> {
        let mut server = self.0.borrow_mut();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        server.process.send(&Ask { arguments, out: start.out.to_owned(), err: start.err.to_owned() })?;
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
    Error::new("the process that runs checks has ended")
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
