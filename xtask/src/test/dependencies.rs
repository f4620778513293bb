//! What other people's packages are held to: licences, sources, duplicates, and known vulnerabilities.

use super::Outcome;
use crate::failure::Result;
use crate::workspace;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the database of advisories may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

const INSTALL: &str = "install cargo-deny, for instance with `cargo install cargo-deny --locked`";

/// Checks licences, duplicates and sources by `deny.toml`.
pub(super) fn policy() -> Result<Outcome> {
    if !is_installed() {
        return Ok(Outcome::Skipped(INSTALL.to_owned()));
    }
    let mut command = workspace::cargo("deny");
    command.args(["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]);
    passed(&mut command)
}

/// Looks for known vulnerabilities. Without the database nothing is known, and nothing is claimed.
pub(super) fn advisories() -> Result<Outcome> {
    if !is_installed() {
        return Ok(Outcome::Skipped(INSTALL.to_owned()));
    }
    if !fetch()? {
        let why = "the database of advisories (RustSec) cannot be reached, so that no vulnerability was looked for";
        return Ok(Outcome::Skipped(why.to_owned()));
    }
    let mut command = workspace::cargo("deny");
    command.args(["check", "--disable-fetch", "advisories"]);
    passed(&mut command)
}

fn passed(command: &mut Command) -> Result<Outcome> {
    Ok(if workspace::run(command)?.success() { Outcome::Passed } else { Outcome::Failed })
}

fn is_installed() -> bool {
    let mut command = workspace::cargo("deny");
    let status = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Brings the database up to date; `false` if it does not come.
fn fetch() -> Result<bool> {
    let mut command = workspace::cargo("deny");
    command.args(["fetch", "db"]).stdout(Stdio::null()).stderr(Stdio::null());
    eprintln!("$ {}", workspace::shown(&command));
    let mut child = command.spawn().map_err(|error| workspace::cannot_start(&command, &error))?;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Ok(Some(status)) = child.try_wait() {
            return Ok(status.success());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    let _ = child.wait();
    Ok(false)
}
