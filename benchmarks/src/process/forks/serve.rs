//! The other side: forks this process for each command that standard input asks for, as `nemesis/_forks.py` does.

use super::{Ask, Said};
use crate::process::copy::lead_a_group;
use nemesis_core::plugin::check::kill_group;
use nemesis_core::plugin::{Forked, fork, may_fork};
use nemesis_core::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitOptions, waitpid};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// How often to see whether a process has ended.
const OFTEN: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Forks until standard input ends, and returns nothing then. In each forked process it returns that one's command.
///
/// # Errors
///
/// When this process cannot fork, or the other one says what is no request.
pub(crate) fn serve() -> Result<Option<Vec<OsString>>> {
    let mut children: Vec<u32> = Vec::new();
    let mut requests = Requests::default();
    // If it may not, the other side starts each process by itself, and must know before it asks.
    may_fork()?;
    say(&Said::Ready)?;
    loop {
        if !requests.wait(!children.is_empty())? {
            children.into_iter().for_each(kill_group);
            return Ok(None);
        }
        while let Some(request) = requests.next()? {
            match fork()? {
                Forked::Child => return enter(&request).map(Some),
                Forked::Parent(child) => {
                    lead_a_group(child);
                    children.push(child);
                    say(&Said::Started(child))?;
                }
            }
        }
        for child in std::mem::take(&mut children) {
            match ended(child)? {
                Some(status) => say(&Said::Ended(child, status))?,
                None => children.push(child),
            }
        }
    }
}

/// What standard input says. It is read past the standard library, whose buffer forked processes would share.
#[derive(Default)]
struct Requests(Vec<u8>);

impl Requests {
    /// Waits until there is more to read, or for a moment only. Returns whether more can come.
    fn wait(&mut self, briefly: bool) -> Result<bool> {
        let stdin = std::io::stdin();
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, briefly.then_some(&OFTEN)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(true),
            Ok(_) => {}
            Err(error) => return Err(failed(&error)),
        }
        let mut bytes = [0; 1 << 14];
        let count = rustix::io::read(&stdin, &mut bytes).map_err(|e| failed(&e))?;
        self.0.extend_from_slice(&bytes[..count]);
        Ok(count > 0)
    }

    fn next(&mut self) -> Result<Option<Ask>> {
        let Some(end) = self.0.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        let line: Vec<u8> = self.0.drain(..=end).collect();
        serde_json::from_slice(&line).map(Some).map_err(|e| failed(&e))
    }
}

/// Gives the forked process its own group and streams.
fn enter(request: &Ask) -> Result<Vec<OsString>> {
    lead_a_group(0);
    let create = |file: &Path| File::create(file).map_err(|e| Error::io_write("create the file", file, &e));
    let nothing = File::open("/dev/null").map_err(|e| failed(&e))?;
    rustix::stdio::dup2_stdin(nothing).map_err(|e| failed(&e))?;
    rustix::stdio::dup2_stdout(create(&request.out)?).map_err(|e| failed(&e))?;
    rustix::stdio::dup2_stderr(create(&request.err)?).map_err(|e| failed(&e))?;
    Ok(request.arguments.iter().map(|argument| argument.clone().into_os_string()).collect())
}

/// How a child ended, in the system's words, if it has.
fn ended(child: u32) -> Result<Option<i32>> {
    let child = i32::try_from(child).ok().and_then(Pid::from_raw);
    let found = waitpid(child, WaitOptions::NOHANG).map_err(|e| failed(&e))?;
    Ok(found.map(|(_, status)| status.as_raw()))
}

/// A whole line is written at once, so that no forked process has a part of it in its buffer.
fn say(said: &Said) -> Result<()> {
    let line = serde_json::to_string(said).map_err(|e| failed(&e))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|e| failed(&e))
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::new(format!("cannot fork processes for checks: {error}"))
}
