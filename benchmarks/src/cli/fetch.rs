//! `nemesis data fetch`: downloads data sets, and says what to do by hand if it may not.

use super::{Ending, complain, print};
use crate::bytes::ByteSize;
use crate::fetch::{Listener, News, Origin, Standing, fetch_part, standing};
use indicatif::{ProgressBar, ProgressStyle};
use nemesis_core::dataset::{Entry, Part, Registry, check};
use nemesis_core::{Error, Result};
use std::io::IsTerminal;
use std::path::Path;

/// What is fetched, and from where.
pub(super) struct Fetch<'a> {
    pub(super) names: &'a [String],
    pub(super) from: Option<&'a str>,
    pub(super) dry_run: bool,
}

impl Fetch<'_> {
    /// Fetches each missing part, in order. If one fails, the others are fetched anyway.
    pub(super) fn run(&self, root: &Path) -> Result<Ending> {
        let registry = if root.exists() { Registry::load(root)? } else { Registry::built_in()? };
        let origin = Origin::from_option(self.from)?;
        let entries = self.names.iter().map(|name| registry.get(name)).collect::<Result<Vec<_>>>()?;
        if let Some(entry) = entries.iter().find(|entry| entry.fetch.is_empty()) {
            return Err(
                Error::new(format!("it is not known where `{}` can be downloaded", entry.name)).help(entry.see_home())
            );
        }
        let mut done = true;
        for entry in entries {
            let about = [vec![entry.title.clone()], entry.terms()].concat().join("; ");
            print(&format!("{} ({about})\n", entry.name))?;
            let mut whole = true;
            for part in &entry.fetch {
                whole &= if self.dry_run { say(entry, part, root, &origin)? } else { get(entry, part, root, &origin)? };
            }
            if whole && !self.dry_run {
                whole = report(entry, root)?;
            }
            done &= whole || self.dry_run;
        }
        Ok(if done { Ending::Done } else { Ending::WithFailures })
    }
}

/// Says what would be done for a part.
fn say(entry: &Entry, part: &Part, root: &Path, origin: &Origin) -> Result<bool> {
    match standing(entry, part, root) {
        Standing::There => print(&format!("  {}: already there\n", names(part)))?,
        Standing::ByHand => print(&by_hand(entry, part, root))?,
        Standing::ToFetch => {
            let sources = part.from.iter().map(|source| {
                let bytes = source.bytes.map(|bytes| format!(" ({})", ByteSize(bytes))).unwrap_or_default();
                format!("    {}{bytes}\n", origin.describe(source))
            });
            let copy = part.copy.iter().map(|file| format!("    a copy of {}\n", root.join(file).display()));
            let all: String = copy.chain(sources).collect();
            print(&format!("  {}: from\n{all}", names(part)))?;
        }
    }
    Ok(true)
}

/// Fetches a part, and returns whether it is there now.
fn get(entry: &Entry, part: &Part, root: &Path, origin: &Origin) -> Result<bool> {
    match standing(entry, part, root) {
        Standing::There => print(&format!("  {}: already there\n", names(part)))?,
        Standing::ByHand => {
            print(&by_hand(entry, part, root))?;
            return Ok(false);
        }
        Standing::ToFetch => {
            if let Err(error) = metered(|listen| fetch_part(entry, part, root, origin, listen)) {
                complain(&error.context(format!("cannot fetch {} of {}", names(part), entry.name)));
                print(&by_hand(entry, part, root))?;
                return Ok(false);
            }
            print(&format!("  {}: fetched\n", names(part)))?;
        }
    }
    Ok(true)
}

/// How to get a part by hand.
fn by_hand(entry: &Entry, part: &Part, root: &Path) -> String {
    let places: Vec<String> = part.gives.iter().map(|path| entry.path(root).join(path).display().to_string()).collect();
    let how = match (&part.by_hand, &part.copy) {
        (Some(how), _) => how.clone(),
        (None, Some(file)) => format!("copy {}", root.join(file).display()),
        (None, None) => entry.see_home(),
    };
    format!("  {}: download it by hand\n    {how}\n    put it at {}\n", names(part), places.join(", "))
}

fn names(part: &Part) -> String {
    part.gives.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Says whether the data set is complete now.
fn report(entry: &Entry, root: &Path) -> Result<bool> {
    match check(entry, root, false) {
        Ok(report) => {
            print(&super::data::report_text(entry, &report))?;
            Ok(report.is_whole())
        }
        Err(error) => {
            complain(&error);
            Ok(false)
        }
    }
}

/// Shows how far a download is: a bar on a terminal, a line for each tenth elsewhere, both on standard error.
struct Meter {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    next_line: u64,
}

impl Meter {
    fn new() -> Self {
        Self { bar: std::io::stderr().is_terminal().then(ProgressBar::hidden), total: None, next_line: 0 }
    }

    fn on(&mut self, news: News) {
        match news {
            News::Begun { url, had, total } => self.begin(&url, had, total),
            News::Bytes(bytes) => self.show(bytes),
            News::Unpacking => {
                self.end();
                log!("    unpacking");
            }
            News::Unpublished(text) | News::Trouble(text) => {
                self.end();
                log!("    {text}");
            }
        }
    }

    /// Removes the bar.
    fn end(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Shows the size before the first byte arrives.
    fn begin(&mut self, url: &str, had: u64, total: Option<u64>) {
        self.end();
        let length = total.map_or("of unknown size".to_owned(), |total| ByteSize(total).to_string());
        let rest = if had > 0 { format!(", resuming after {}", ByteSize(had)) } else { String::new() };
        log!("    {url} ({length}{rest})");
        (self.total, self.next_line) = (total, 10);
        if self.bar.is_some() {
            let style = "    {bar:30.cyan/dim} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}";
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            if total.is_some() {
                bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
            }
            bar.reset_eta();
            self.bar = Some(bar);
        }
    }

    fn show(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        } else if let Some(total) = self.total.filter(|total| *total >= LONG) {
            let percent = 100 * bytes / total;
            if percent >= self.next_line {
                log!("    {percent:3} %  {}", ByteSize(bytes));
                self.next_line = percent / 10 * 10 + 10;
            }
        }
    }
}

/// Shorter downloads are over before a line about them is read.
const LONG: u64 = 10_000_000;

/// Runs a download that a meter follows.
pub(super) fn metered<T>(download: impl FnOnce(Listener<'_>) -> Result<T>) -> Result<T> {
    let mut meter = Meter::new();
    let result = download(&mut |news| meter.on(news));
    meter.end();
    result
}
