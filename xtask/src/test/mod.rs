//! `cargo xtask test`: everything that has to pass before a change lands.

mod dependencies;

use crate::failure::{Failure, Result};
use crate::skipped::Skipped;
use crate::{setup, workspace};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One thing to pass.
struct Step {
    name: &'static str,
    /// The Cargo command and its arguments.
    cargo: &'static [&'static str],
    /// The toolchain component that the command needs, if it may be missing.
    component: Option<&'static str>,
}

/// Tests come last: they load the method plugins that the build makes.
const STEPS: &[Step] = &[
    Step { name: "formatting", cargo: &["fmt", "--all", "--check"], component: Some("rustfmt") },
    Step { name: "build", cargo: &["build", "--workspace"], component: None },
    Step {
        name: "clippy",
        cargo: &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"],
        component: Some("clippy"),
    },
    Step { name: "documentation", cargo: &["doc", "--workspace", "--no-deps"], component: None },
    Step { name: "tests", cargo: &["test", "--workspace", "--no-fail-fast"], component: None },
];

type Look = fn() -> Result<Outcome>;

/// What other people's packages have to pass. Both are skipped where nobody has installed cargo-deny, which our own tests
/// do not depend on.
const DEPENDENCIES: [(&str, Look); 2] = [("licences", dependencies::policy), ("advisories", dependencies::advisories)];

enum Outcome {
    Passed,
    Failed,
    Skipped(String),
}

/// Runs every step, even after a failure, and sums up; returns the exit code.
pub(crate) fn run() -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    let skips = Skipped::new()?;
    let mut summary = Vec::new();
    for step in STEPS {
        let start = Instant::now();
        let outcome = step.run(&libtorch, &skips)?;
        let failed = matches!(outcome, Outcome::Failed);
        summary.push((step.name, outcome, start.elapsed()));
        if failed && step.name == "build" {
            // Every later step would fail for the same reason, at greater length.
            break;
        }
    }
    for (name, check) in DEPENDENCIES {
        let start = Instant::now();
        summary.push((name, check()?, start.elapsed()));
    }
    print(&summary);
    skips.print()?;
    Ok(u8::from(summary.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed))))
}

impl Step {
    fn run(&self, libtorch: &Path, skips: &Skipped) -> Result<Outcome> {
        let (name, arguments) = self.cargo.split_first().ok_or_else(|| Failure::new("a step without a command"))?;
        if let Some(component) = self.component.filter(|_| !is_installed(name)) {
            let message = format!("install it with `rustup component add {component}`");
            if in_ci() {
                return Err(Failure::new(format!("{component} is missing")).help(message));
            }
            return Ok(Outcome::Skipped(message));
        }
        let mut command = workspace::cargo(name);
        command.args(arguments).env("LIBTORCH", libtorch).env("RUSTDOCFLAGS", "--deny warnings");
        skips.collect_from(&mut command);
        // Tests share the cores: a thread of libtorch that has nothing to do had better not spin.
        command.env("OMP_WAIT_POLICY", "passive");
        Ok(if workspace::run(&mut command)?.success() { Outcome::Passed } else { Outcome::Failed })
    }
}

/// Whether Cargo has this subcommand.
fn is_installed(name: &str) -> bool {
    let mut command: Command = workspace::cargo(name);
    let status = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Whether nobody is there to install something.
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !["", "0", "false"].contains(&value.as_str()))
}

fn print(summary: &[(&str, Outcome, Duration)]) {
    println!();
    for (name, outcome, time) in summary {
        let outcome = match outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::Skipped(reason) => &format!("skipped: {reason}"),
        };
        println!("{name:<14}{:>5} s  {outcome}", time.as_secs());
    }
}
