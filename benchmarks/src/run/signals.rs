//! Signals that end a run.

use nemesis_core::{Error, Result, threads};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::time::{Duration, Instant};

/// Within this time, a second SIGTERM or SIGHUP is the same wish: queues signal a whole job, of which each part may pass it on.
const ECHO: Duration = Duration::from_secs(5);

/// Passes on the first signal to `tell`, which returns whether somebody listens. Whoever sends a second one does not want to
/// wait: this process then ends at once, and its workers with it. What may be an echo of the first one changes nothing.
pub(super) fn listen(mut tell: impl FnMut(i32) -> bool + Send + 'static) -> Result<()> {
    // `nohup` is there for runs that outlive their terminal.
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    let mut signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(hangup))
        .map_err(|e| Error::new(format!("cannot listen for the signals that end a run: {e}")))?;
    threads::spawn(move || {
        let mut passed_on: Option<Instant> = None;
        for signal in signals.forever() {
            // A person who presses Ctrl-C twice means it.
            let is_echo = signal != SIGINT && passed_on.is_some_and(|first| first.elapsed() < ECHO);
            if !is_echo && (passed_on.is_some() || !tell(signal)) {
                let _ = emulate_default_handler(signal);
            }
            passed_on.get_or_insert_with(Instant::now);
        }
    })
    .map(drop)
}

/// Whether this process was started so that it does not notice a signal; true where the system does not tell in a file.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    ignored.is_none_or(|set| set & (1 << (signal - 1)) != 0)
}
