//! The programs of engines: what they print, and why they fail.

use nemesis_core::{Error, Result};
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a question may take. A controller that is busy answers within seconds, and one that is down may never.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a program of the engine prints. It takes the time that it needs: one that was ended midway may have done half.
pub(super) fn run(command: &mut Command, name: &str) -> Result<String> {
    let output = command.output().map_err(|e| cannot_start(name, &e))?;
    printed(&output, name)
}

/// What a program prints that only looks something up, and is not waited for if it hangs.
pub(super) fn ask(command: &mut Command, name: &str) -> Result<String> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output = within(child.map_err(|e| cannot_start(name, &e))?, PATIENCE);
    let output = output.map_err(|e| Error::new(format!("cannot wait for `{name}`: {e}")))?;
    let silent = || Error::new(format!("`{name}` has not answered for {} s", PATIENCE.as_secs()));
    printed(&output.ok_or_else(silent)?, name)
}

fn cannot_start(name: &str, error: &std::io::Error) -> Error {
    Error::new(format!("cannot start `{name}`: {error}")).help("do this on a machine of the cluster")
}

fn printed(output: &Output, name: &str) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = in_json(&output.stdout).unwrap_or_else(|| said.trim().to_owned());
    Err(Error::new(format!("`{name}` failed: {said}")))
}

/// What went wrong, as `HyperQueue` says it where JSON was asked for: not on standard error.
fn in_json(stdout: &[u8]) -> Option<String> {
    let said: serde_json::Value = serde_json::from_slice(stdout).ok()?;
    Some(said.get("error")?.as_str()?.trim().to_owned())
}

/// What a process prints; none if it takes longer, and is ended.
fn within(mut child: Child, patience: Duration) -> std::io::Result<Option<Output>> {
    // A process that waits until somebody reads would never end.
    let (stdout, stderr) = (reader(child.stdout.take())?, reader(child.stderr.take())?);
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() >= patience {
            // What it started itself may hold its pipes open, so nobody waits for the readers.
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(10));
    };
    let all = |reader: thread::JoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
    Ok(Some(Output { status, stdout: all(stdout), stderr: all(stderr) }))
}

/// Reads to the end in a thread of its own.
fn reader(from: Option<impl Read + Send + 'static>) -> std::io::Result<thread::JoinHandle<Vec<u8>>> {
    thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is what there is.
        let _ = from.map(|mut from| from.read_to_end(&mut bytes));
        bytes
    })
}

/// The number of a job, as `name` printed it: as the last line, since a wrapper may greet first. Behind a semicolon Slurm names
/// the cluster, where there are several.
pub(super) fn job_number(said: &str, name: &str) -> Result<(String, Option<String>)> {
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let (job, cluster) = last.split_once(';').unwrap_or((last, ""));
    if job.is_empty() || !job.chars().all(|c| c.is_ascii_digit()) {
        return Err(Error::new(format!("{name} says {said:?}"))
            .expected("the number of the job in the last line")
            .help("the runs may be in the queue, whose own list of jobs tells; `nemesis cancel` does not know them"));
    }
    let cluster = Some(cluster.to_owned()).filter(|cluster| !cluster.is_empty());
    Ok((job.to_owned(), cluster))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_job_is_found_behind_what_a_wrapper_says() {
        let read = [("4711\n", None), ("4711;west\n", Some("west")), ("*** 12 hours left ***\n4711\n\n", None)];
        for (said, cluster) in read {
            let expected = ("4711".to_owned(), cluster.map(str::to_owned));
            assert_eq!(job_number(said, "sbatch").unwrap(), expected);
        }
        for said in ["", "\n", "Submitted batch job\n", "4711\nbye\n"] {
            assert!(job_number(said, "sbatch").is_err(), "{said}");
        }
    }

    #[test]
    fn what_went_wrong_is_read_from_json_too() {
        let failed = |script: &str| {
            let output = Command::new("sh").args(["-c", script]).output().unwrap();
            printed(&output, "hq").unwrap_err().to_string()
        };
        assert_eq!(failed("echo '{\"error\": \"no server\"}'; exit 1"), "`hq` failed: no server");
        assert_eq!(failed("echo '[]'; echo no server >&2; exit 1"), "`hq` failed: no server");
    }

    #[test]
    fn what_hangs_is_ended_and_what_ends_is_read() {
        let start = |script: &str| {
            Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        // It would wait until its million bytes are read.
        let output = within(start("yes | head -c 1000000; echo no >&2"), Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!((output.stdout.len(), output.stderr.as_slice()), (1_000_000, &b"no\n"[..]));
        assert!(within(start("sleep 60 & sleep 60"), Duration::from_millis(100)).unwrap().is_none());
    }
}
