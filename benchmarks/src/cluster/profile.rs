//! What each run of a submission gets from the cluster: from options, or from a file with the same keys.

use clap::Args;
use nemesis_core::{Error, Result, files, yaml};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a run gets. Each of these can be an option, or a key of a profile.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// How many runs divide the jobs [default: 4]
    #[arg(long, value_name = "N")]
    pub tasks: Option<u32>,
    /// The partition, in Slurm's words
    #[arg(long, value_name = "NAME")]
    pub partition: Option<String>,
    /// The account that is charged
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// The quality of service
    #[arg(long, value_name = "NAME")]
    pub qos: Option<String>,
    /// The time that each run may take, as in 4:00:00 or 1-12:00:00
    #[arg(long, value_name = "TIME")]
    pub time: Option<String>,
    /// Cores of each run
    #[arg(long, value_name = "N")]
    pub cpus: Option<u32>,
    /// GPUs of each run
    #[arg(long, value_name = "N")]
    pub gpus: Option<u32>,
    /// Memory of each run, as in 16G
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// How many seconds before its time is up a run stops where it can resume [default: 120]
    #[arg(long, value_name = "SECONDS")]
    pub grace: Option<u32>,
    /// Further options for the engine, as in --engine-option=--constraint=a100
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub engine_option: Vec<String>,
    /// A shell command before the run, as in 'module load cuda'
    #[arg(long, value_name = "COMMAND")]
    pub setup: Vec<String>,
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    ///
    /// When the file is missing or has other keys; the message names the line.
    pub fn read(file: &Path) -> Result<Self> {
        let profile: Self = yaml::parse(&files::read_text(file)?, file)?;
        profile.check().map_err(|e| e.at(file))?;
        Ok(profile)
    }

    /// These settings, and those of `base` where these say nothing.
    #[must_use]
    pub fn over(self, base: Self) -> Self {
        let list = |own: Vec<String>, base: Vec<String>| if own.is_empty() { base } else { own };
        Self {
            tasks: self.tasks.or(base.tasks),
            partition: self.partition.or(base.partition),
            account: self.account.or(base.account),
            qos: self.qos.or(base.qos),
            time: self.time.or(base.time),
            cpus: self.cpus.or(base.cpus),
            gpus: self.gpus.or(base.gpus),
            memory: self.memory.or(base.memory),
            grace: self.grace.or(base.grace),
            engine_option: list(self.engine_option, base.engine_option),
            setup: list(self.setup, base.setup),
        }
    }

    /// Checks what would otherwise become a line of its own in a script.
    ///
    /// # Errors
    ///
    /// When a value holds a line break or a quote, there are no runs, a run has no time to stop, or a time or the memory
    /// is none.
    pub fn check(&self) -> Result<()> {
        let named = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("qos", &self.qos),
            ("time", &self.time),
            ("memory", &self.memory),
        ];
        let values = named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        if let Some((name, value)) = values.clone().find(|(_, value)| value.contains('"')) {
            return Err(Error::new(format!("`{name}` is {value:?}")).expected("a text without quotes").about(name));
        }
        let options = self.engine_option.iter().map(|option| ("engine_option", option));
        let setup = self.setup.iter().map(|line| ("setup", line));
        for (name, value) in values.chain(options).chain(setup) {
            if value.is_empty() || value.chars().any(char::is_control) {
                return Err(Error::new(format!("`{name}` is {value:?}")).expected("one line of text").about(name));
            }
        }
        for (name, number) in [("tasks", self.tasks), ("cpus", self.cpus)] {
            if number == Some(0) {
                let what = format!("`{name}` is 0, so nothing would be computed");
                return Err(Error::new(what).expected("1 or more").about(name));
            }
        }
        if self.grace == Some(0) {
            return Err(Error::new("`grace` is 0, so a run would be killed before it could save its trainings")
                .expected("the seconds that it needs to stop")
                .about("grace"));
        }
        self.seconds()?;
        self.megabytes().map(|_| ())
    }

    /// The megabytes of memory that each run asks for.
    ///
    /// # Errors
    ///
    /// When it is no amount.
    pub fn megabytes(&self) -> Result<Option<u64>> {
        let Some(text) = &self.memory else { return Ok(None) };
        let wrong = || {
            Error::new(format!("`memory` is {text:?}"))
                .expected("a whole number and K, M, G or T, as in 16G")
                .about("memory")
        };
        megabytes(text).map(Some).ok_or_else(wrong)
    }

    /// The seconds that each run may take; none if there is no limit.
    ///
    /// # Errors
    ///
    /// When it is no time.
    pub fn seconds(&self) -> Result<Option<u64>> {
        let Some(time) = &self.time else { return Ok(None) };
        let expected = "minutes, or as in 4:00:00 or 1-12:00:00";
        let seconds = seconds(time)
            .ok_or_else(|| Error::new(format!("`time` is {time:?}")).expected(expected).about("--time"))?;
        Ok(Some(seconds).filter(|seconds| *seconds < u64::MAX))
    }

    /// Refuses what only a queue can give, where there is none.
    ///
    /// # Errors
    ///
    /// When the profile asks for it.
    pub fn refuse_what_needs_a_queue(&self) -> Result<()> {
        let asked = [
            ("partition", self.partition.is_some()),
            ("account", self.account.is_some()),
            ("qos", self.qos.is_some()),
            ("time", self.time.is_some()),
            ("cpus", self.cpus.is_some()),
            ("gpus", self.gpus.is_some_and(|gpus| gpus > 0)),
            ("memory", self.memory.is_some()),
            ("grace", self.grace.is_some()),
        ];
        match asked.into_iter().find(|(_, is_asked)| *is_asked) {
            Some((name, _)) => Err(Error::new(format!("`{name}` is asked for, and no queue is there to give it"))
                .about(format!("--{name}"))
                .help(
                    "`nemesis submit slurm` asks a queue; of `nemesis run`, `--device`, `--jobs` and `--memory` divide a \
                     machine",
                )),
            None => Ok(()),
        }
    }

    /// The number of runs.
    pub fn tasks(&self) -> u32 {
        self.tasks.unwrap_or(4)
    }

    /// How many seconds before its end a run is told to stop.
    pub fn grace(&self) -> u32 {
        self.grace.unwrap_or(120)
    }
}

/// The seconds of a time in Slurm's words: `30` and `30:00` are minutes, `4:00:00` hours, and `1-12`, `1-12:00` and
/// `1-12:00:00` days.
fn seconds(time: &str) -> Option<u64> {
    if ["infinite", "unlimited"].iter().any(|word| time.eq_ignore_ascii_case(word)) {
        return Some(u64::MAX);
    }
    let (days, rest) = time.split_once('-').map_or((None, time), |(days, rest)| (Some(days), rest));
    let parts: Vec<u64> = rest.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = match (days, &parts[..]) {
        (_, [hours, minutes, seconds]) => [*hours, *minutes, *seconds],
        (Some(_), [hours, minutes]) => [*hours, *minutes, 0],
        (Some(_), [hours]) => [*hours, 0, 0],
        (None, [minutes, seconds]) => [0, *minutes, *seconds],
        (None, [minutes]) => [0, *minutes, 0],
        _ => return None,
    };
    let hours = days.map_or(Some(0), |days| days.parse::<u64>().ok())?.checked_mul(24)?.checked_add(hours)?;
    hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)
}

/// The megabytes of an amount in Slurm's words: `16G`, `500M`, `500`.
fn megabytes(memory: &str) -> Option<u64> {
    let (number, unit) = memory.split_at(memory.find(|c: char| !c.is_ascii_digit()).unwrap_or(memory.len()));
    let number: u64 = number.parse().ok()?;
    match unit.to_ascii_uppercase().trim_end_matches('B') {
        "K" => Some(number.div_ceil(1024)),
        "M" | "" => Some(number),
        "G" => number.checked_mul(1024),
        "T" => number.checked_mul(1024 * 1024),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_memory_are_read() {
        for (text, expected) in
            [("16G", 16_384), ("500M", 500), ("500", 500), ("1t", 1_048_576), ("1K", 1), ("2GB", 2048)]
        {
            assert_eq!(megabytes(text), Some(expected), "{text}");
        }
        for wrong in ["", "G", "1.5G", "1X", "-1G"] {
            assert_eq!(megabytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_read_as_slurm_reads_them() {
        let read = [
            ("30", 1800),
            ("1:00", 60),
            ("4:00:00", 14_400),
            ("1-12", 129_600),
            ("1-12:30", 131_400),
            ("1-12:00:05", 129_605),
            ("UNLIMITED", u64::MAX),
        ];
        for (text, expected) in read {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for wrong in ["", "4h", "1-", "a-1:00:00", "1:2:3:4", "99999999999999999999:00:00"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
