//! The programs of engines: what they print, and why they fail.

use nemesis_core::{Error, Result};
use std::process::Command;

/// What a program of the engine prints.
pub(super) fn run(command: &mut Command, name: &str) -> Result<String> {
    let output = command.output().map_err(|e| {
        Error::new(format!("cannot start `{name}`: {e}"))
            .help("submit from a machine of the cluster, or use --dry-run to see what would be submitted")
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(format!("`{name}` failed: {}", said.trim())))
}

/// The number of a job, as `name` printed it.
pub(super) fn job_number(said: &str, name: &str) -> Result<String> {
    let job = said.trim();
    if job.is_empty() || !job.chars().all(|c| c.is_ascii_digit()) {
        return Err(Error::new(format!("{name} says {said:?}")).expected("the number of the job"));
    }
    Ok(job.to_owned())
}
