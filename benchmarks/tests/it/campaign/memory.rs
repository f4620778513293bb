//! Runs that do not get the memory that they need.

use super::{Undisturbed, faults, is_left_to_the_campaign, lend_pictures, report, within};
use crate::command::told;
use crate::skipped::skipped;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const GROUPS: &str = "/sys/fs/cgroup/memory";

/// A group of processes with a limit for their memory together, beyond which the system kills one of them.
struct Group(PathBuf);

impl Group {
    fn new(megabytes: usize) -> std::io::Result<Self> {
        let group = Path::new(GROUPS).join(format!("nemesis-campaign-{}", std::process::id()));
        fs::create_dir_all(&group)?;
        fs::write(group.join("memory.limit_in_bytes"), format!("{megabytes}M"))?;
        Ok(Self(group))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// The command, started by a shell that first does something else.
fn after(first: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{first} && exec \"$0\" \"$@\"")).arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap()).envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
    shell
}

#[test]
fn too_little_memory_costs_a_run_and_no_result() {
    if is_left_to_the_campaign("memory::too_little_memory_costs_a_run_and_no_result") {
        return;
    }
    let undisturbed = Undisturbed::small();
    let points = faults(4).min(20);
    let mut codes = BTreeMap::<Option<i32>, usize>::new();
    let mut table = Vec::new();
    for point in 0..points {
        let megabytes = 30 + 600 * point / points;
        let folder = tempfile::tempdir().unwrap();
        lend_pictures(folder.path());
        let group = match Group::new(megabytes) {
            Ok(group) => group,
            Err(error) => {
                let test = "campaign::memory::too_little_memory_costs_a_run_and_no_result";
                return skipped(test, &format!("needs to limit the memory of processes in {GROUPS}: {error}"));
            }
        };
        let join = format!("echo $$ > {}/cgroup.procs", group.0.display());
        let limited = after(&join, &undisturbed.run(folder.path(), &["--lease-timeout", "3"]));
        let output = within(120, &mut { limited });
        println!("{megabytes} MB together: {:?}", output.status);
        *codes.entry(output.status.code()).or_default() += 1;
        let told = told(&output);
        assert!(!told.contains("panicked"), "{told}");
        table = undisturbed.assert_in(folder.path(), &["--lease-timeout", "3"]);
        drop(group);

        // Memory that is refused, rather than a process that is killed.
        let folder = tempfile::tempdir().unwrap();
        lend_pictures(folder.path());
        let limit = format!("ulimit -d {}", 1024 * megabytes);
        let limited = after(&limit, &undisturbed.run(folder.path(), &["--lease-timeout", "3"]));
        let output = within(120, &mut { limited });
        println!("{megabytes} MB each: {:?}", output.status);
        *codes.entry(output.status.code()).or_default() += 1;
        undisturbed.assert_in(folder.path(), &["--lease-timeout", "3"]);
    }
    report("not enough memory", 2 * points, &table, &format!("exit codes {codes:?}"));
}
