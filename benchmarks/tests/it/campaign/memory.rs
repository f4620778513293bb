//! Runs that do not get the memory that they need.

use super::{Undisturbed, faults, is_left_to_the_campaign, lend_pictures, report, within};
use crate::command::told;
use crate::skipped::skipped;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GROUPS: &str = "/sys/fs/cgroup";

/// A group of processes with a limit for their memory together, beyond which the system kills one of them.
struct Group(PathBuf);

impl Group {
    /// With the first version of control groups, each resource has a tree of its own; with the second, there is one tree,
    /// in which a folder says what its folders may limit.
    fn new(megabytes: usize) -> std::io::Result<Self> {
        let groups = Path::new(GROUPS);
        let is_second = groups.join("cgroup.controllers").is_file();
        let parent = if is_second { groups.to_owned() } else { groups.join("memory") };
        if is_second {
            fs::write(parent.join("cgroup.subtree_control"), "+memory")?;
        }
        let group = Self(parent.join(format!("nemesis-campaign-{}", std::process::id())));
        fs::create_dir_all(&group.0)?;
        let limit = if is_second { "memory.max" } else { "memory.limit_in_bytes" };
        fs::write(group.0.join(limit), format!("{megabytes}M"))?;
        // What is swapped out would not count. Kernels without swap have no such file.
        if is_second && group.0.join("memory.swap.max").exists() {
            fs::write(group.0.join("memory.swap.max"), "0")?;
        }
        Ok(group)
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
    shell.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// What the command hides from the program is hidden behind the shell, too: a setting in the environment would end every
/// run before it needs any memory.
#[test]
fn a_shell_passes_on_what_a_command_sets_and_removes() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo ${CARGO_MANIFEST_DIR-removed} $OF_TEST"]).current_dir("/");
    command.env_remove("CARGO_MANIFEST_DIR").env("OF_TEST", "set");
    let output = after("true", &command).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "removed set\n");
}

/// How runs with a limit ended.
#[derive(Default)]
struct Ends(BTreeMap<Option<i32>, usize>);

impl Ends {
    fn add(&mut self, output: &Output, limit: &str) {
        println!("{limit}: {:?}", output.status);
        let told = told(output);
        assert!(!told.contains("is not a setting"), "it was no lack of memory: {told}");
        // What the standard library says of a panic.
        assert!(!told.contains("\nthread '"), "{told}");
        *self.0.entry(output.status.code()).or_default() += 1;
    }

    /// How many the limit has hit: an undisturbed run succeeds.
    fn hit(&self) -> usize {
        self.0.iter().filter(|(code, _)| **code != Some(0)).map(|(_, times)| times).sum()
    }
}

#[test]
fn too_little_memory_costs_a_run_and_no_result() {
    if is_left_to_the_campaign("memory::too_little_memory_costs_a_run_and_no_result") {
        return;
    }
    let undisturbed = Undisturbed::small();
    let points = faults(4).min(20);
    let [mut killed, mut refused] = [Ends::default(), Ends::default()];
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
        killed.add(&output, &format!("{megabytes} MB together"));
        table = undisturbed.assert_in(folder.path(), &["--lease-timeout", "3"]);
        drop(group);

        // Memory that is refused, rather than a process that is killed.
        let folder = tempfile::tempdir().unwrap();
        lend_pictures(folder.path());
        let limit = format!("ulimit -d {}", 1024 * megabytes);
        let limited = after(&limit, &undisturbed.run(folder.path(), &["--lease-timeout", "3"]));
        let output = within(120, &mut { limited });
        refused.add(&output, &format!("{megabytes} MB each"));
        undisturbed.assert_in(folder.path(), &["--lease-timeout", "3"]);
    }
    // The first limit is far below what it takes to load libtorch.
    assert!(killed.hit() > 0 && refused.hit() > 0, "no run ran out of memory: {:?}, {:?}", killed.0, refused.0);
    let hit = killed.hit() + refused.hit();
    let details = format!("of {} limits; exit codes {:?} and {:?}", 2 * points, killed.0, refused.0);
    report("not enough memory", hit, &table, &details);
}
