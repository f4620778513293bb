//! The fault campaign: whatever happens to runs, tables end up as those of an undisturbed run.
//!
//! Every test run does a little of it. `cargo xtask campaign faults` does much more, and prints a report.

mod clocks;
mod disk;
mod memory;
mod moments;
mod network;
mod records;
mod versions;

use crate::command::{nemesis, records, share_mini_root, told, written};
use crate::processes::{left_behind, mark};
use crate::skipped::skipped;
use nemesis_disk::{Disk, Faults};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How many faults of each kind there are; `cargo xtask campaign faults` sets it.
const FAULTS: &str = "XTASK_FAULTS";

/// The file that gets a line for each kind of fault.
const REPORT: &str = "XTASK_FAULTS_REPORT";

/// How many faults are wanted, and `short` in an ordinary run of the tests.
fn faults(short: usize) -> usize {
    std::env::var(FAULTS).map_or(short, |faults| faults.parse().expect(FAULTS))
}

/// Whether a test takes too long for an ordinary run of the tests, which then reports it as skipped.
fn is_left_to_the_campaign(test: &str) -> bool {
    let is_left = std::env::var_os(FAULTS).is_none();
    if is_left {
        skipped(&format!("campaign::{test}"), "takes half a minute or more: `cargo xtask campaign faults`");
    }
    is_left
}

/// Numbers that look random and are the same every time.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// What a question leaves when nothing disturbs it.
struct Undisturbed {
    folder: tempfile::TempDir,
    question: Vec<String>,
    table: Vec<u8>,
    records: usize,
    files: BTreeSet<PathBuf>,
}

impl Undisturbed {
    fn of(question: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut undisturbed = Self {
            folder,
            question: question.iter().map(|&word| word.to_owned()).collect(),
            table: Vec::new(),
            records: 0,
            files: BTreeSet::new(),
        };
        let folder = undisturbed.folder.path();
        let output = undisturbed.run(folder, &[]).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        let (table, records) = (fs::read(written(folder, &output, ".json")).unwrap(), records(folder));
        let files = files_below(&folder.join("out"));
        (undisturbed.table, undisturbed.records, undisturbed.files) = (table, records, files);
        undisturbed
    }

    /// The smallest question: a training, its evaluation, and the column of zero-shot CLIP.
    fn small() -> Self {
        Self::of(&["--datasets", "eurosat", "--methods", "coop", "--shots", "1", "--seeds", "1"])
    }

    /// The same question in `folder`, whose processes bear the mark of that folder.
    fn run(&self, folder: &Path, more: &[&str]) -> Command {
        let mut run = nemesis(folder, &["run", "--jobs", "1"]);
        run.args(&self.question).args(more);
        mark(&mut run, folder);
        run
    }

    /// Asserts that one more run in `folder` ends with the same table, and that nothing else is left once it is cleaned.
    fn assert_in(&self, folder: &Path, more: &[&str]) -> Vec<u8> {
        let last = within(300, &mut self.run(folder, more));
        assert!(last.status.success(), "{}", told(&last));
        let table = fs::read(written(folder, &last, ".json")).unwrap();
        assert!(table == self.table, "the tables differ");
        assert_eq!(records(folder), self.records, "nothing is done under another name");
        assert_eq!(left_behind(folder), [""; 0]);
        let cleaned = within(60, &mut nemesis(folder, &["clean", "--remove"]));
        assert!(cleaned.status.success(), "{}", told(&cleaned));
        let files = files_below(&folder.join("out"));
        let more: Vec<&PathBuf> = files.difference(&self.files).collect();
        let less: Vec<&PathBuf> = self.files.difference(&files).collect();
        assert!(more.is_empty() && less.is_empty(), "left over: {more:?}\nmissing: {less:?}\n{}", told(&cleaned));
        table
    }
}

/// Lets runs in `folder` use the pictures that all tests share, before anything disturbs them.
fn lend_pictures(folder: &Path) {
    share_mini_root(&folder.join("out"));
    assert!(folder.join("out/mini").is_dir(), "the pictures are not lent");
}

/// A folder on a disk that can fail, or one that two machines share.
struct OnDisk {
    disks: Vec<Disk>,
    /// The folder behind the disk, as the file server has it.
    behind: PathBuf,
    /// The folder as the machines see it.
    at: Vec<PathBuf>,
    // The last to be dropped, when nothing is mounted in it any more.
    _folder: tempfile::TempDir,
}

impl OnDisk {
    /// So many machines that see changes of the others `lag` later. None if this machine lets us mount nothing, of which
    /// `test` is then skipped.
    fn mount(machines: usize, lag: Duration, test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let behind = folder.path().join("behind");
        fs::create_dir(&behind).unwrap();
        let mut disk = Self { disks: Vec::new(), behind, at: Vec::new(), _folder: folder };
        for machine in 0..machines {
            let at = disk.behind.with_file_name(format!("at-{machine}"));
            fs::create_dir(&at).unwrap();
            match Disk::mount(&disk.behind, &at, lag) {
                Ok(mounted) => disk.disks.push(mounted),
                Err(error) => {
                    skipped(&format!("campaign::{test}"), &format!("needs to mount a FUSE file system: {error}"));
                    return None;
                }
            }
            disk.at.push(at);
        }
        Some(disk)
    }

    fn faults(&self) -> &Faults {
        self.disks[0].faults()
    }
}

/// The files below a folder, but for the pictures, which are lent, and the hashes of files, of which only those are
/// remembered that are some seconds old.
fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("mini") || path.ends_with("pool/contents") {
            } else if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found
}

/// Runs a command to its end, which must come within so many seconds.
fn within(seconds: u64, command: &mut Command) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let [out, err] = ["out", "err"].map(|name| folder.path().join(name));
    command.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(seconds) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not end: {command:?}\n{}", fs::read_to_string(&err).unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Output { status, stdout: fs::read(out).unwrap(), stderr: fs::read(err).unwrap() }
}

fn signal(process: &str, name: &str) {
    let _ = Command::new("kill").args(["-s", name, process]).stderr(Stdio::null()).status();
}

/// The files of a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|other| other == ending)).collect()
}

/// Says how a kind of fault went: how many there were, how many runs saw one, and which table came out each time.
fn report(kind: &str, injected: usize, table: &[u8], details: &str) {
    let hash = &blake3::hash(table).to_hex()[..16];
    let line = format!("{kind}\t{injected}\t{hash}\t{details}\n");
    print!("report: {line}");
    if let Some(file) = std::env::var_os(REPORT) {
        File::options().append(true).create(true).open(file).unwrap().write_all(line.as_bytes()).unwrap();
    }
}
