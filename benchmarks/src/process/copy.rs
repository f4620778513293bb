//! A child that is a copy of this process, which has loaded libtorch: that takes longer than most of what a plugin is asked.

use nemesis_core::plugin::{Forked, fork, may_fork};
use nemesis_core::{Error, Result};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, setpgid};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

/// Runs a command line, and returns the exit code.
type CommandLine = fn(Vec<OsString>) -> u8;

/// How this program does that, if it is `nemesis`.
static COMMAND_LINE: OnceLock<CommandLine> = OnceLock::new();

/// Says that this program is `nemesis`, and how it runs a command line.
pub(crate) fn this_is_nemesis(run: CommandLine) {
    let _ = COMMAND_LINE.set(run);
}

/// Ends this process with an exit code, without libtorch's destructors, which take a quarter of a short command's time.
pub(crate) fn exit(code: u8) -> ! {
    let _ = io::stdout().flush();
    signal_hook::low_level::exit(i32::from(code))
}

/// The new process, where to write what it reads, and where to read what it writes.
pub(super) type Copied = (Pid, OwnedFd, OwnedFd);

/// Copies this process if that can be done: the copy leads a group, talks over pipes, and runs `nemesis` with these arguments.
///
/// # Errors
///
/// When the system refuses.
pub(super) fn copy(arguments: &[&str]) -> Result<Option<Copied>> {
    let Some(run) = COMMAND_LINE.get().filter(|_| may_fork().is_ok()) else { return Ok(None) };
    let failed = |e: io::Error| Error::new(format!("cannot start another process: {e}"));
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(e.into()));
    let ((read_there, write_here), (read_here, write_there)) = (pipe()?, pipe()?);
    // The copy has what is still to be printed as well, and would print it again.
    io::stdout().flush().map_err(failed)?;
    let child = match fork()? {
        Forked::Parent(child) => child,
        Forked::Child => {
            lead_a_group(0);
            // It ends when its input does, which nobody but the other process may hold open.
            drop((write_here, read_here));
            let streams =
                rustix::stdio::dup2_stdin(&read_there).and_then(|()| rustix::stdio::dup2_stdout(&write_there));
            drop((read_there, write_there));
            let line = std::iter::once("nemesis").chain(arguments.iter().copied()).map(OsString::from).collect();
            // What this process was about to do is the other one's, down to what it would clean up after a panic.
            let code = streams.ok().and_then(|()| catch_unwind(AssertUnwindSafe(|| run(line))).ok());
            exit(code.unwrap_or(2))
        }
    };
    lead_a_group(child);
    let child = i32::try_from(child).ok().and_then(Pid::from_raw);
    Ok(child.map(|child| (child, write_here, read_here)))
}

/// Makes a process, this one if it is 0, the leader of a group. Both sides do this, so that it is done before either goes on.
pub(super) fn lead_a_group(process: u32) {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    // It may have ended by now.
    let _ = setpgid(process, process);
}
