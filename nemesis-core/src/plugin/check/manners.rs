//! Checks of what a plugin does to its process.

use super::stage::{Stage, without_labels};
use super::subject::{CLASSES, Finding, Step, Subject, ensure, skipped};
use super::towers::Timed;
use crate::method::Method;
use crate::train::Recompute;
use libloading::os::unix::Library;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor, no_grad, with_grad};

/// Uses every function of a method once.
fn use_everything(subject: &Subject) -> Finding {
    let (stage, mut method, batch) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    let state = method.state()?;
    method.load_state(&state)?;
    let _logits = method.logits(&without_labels(&batch), &services)?;
    if subject.learns_by_gradients().is_ok() {
        Step::take(&mut method, &batch, &services)?;
    }
    Ok(())
}

/// The parent process inspects the standard output.
pub(super) fn no_output(subject: &Subject) -> Finding {
    use_everything(subject)
}

pub(super) fn random_state(subject: &Subject) -> Finding {
    let next = || Vec::<f64>::try_from(Tensor::rand([4], (Kind::Double, Device::Cpu)));
    tch::manual_seed(20_240_507);
    let expected = next()?;
    tch::manual_seed(20_240_507);
    use_everything(subject)?;
    ensure(expected == next()?, || {
        "the method changes libtorch's random state; draw from the host's `random` instead".to_owned()
    })
}

pub(super) fn grad_mode(subject: &Subject) -> Finding {
    let threads = tch::get_num_threads();
    let (stage, mut method, batch) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    // Called without the guard that normally protects the host.
    let after_logits = no_grad(|| {
        let result = method.call_logits(&without_labels(&batch), &services);
        result.map(|_| grad_enabled())
    })?;
    ensure(!after_logits, || "grad mode is on after an evaluation".to_owned())?;
    if subject.learns_by_gradients().is_ok() {
        let after_loss = with_grad(|| method.call_loss(&batch, &services).map(|_| grad_enabled()))?;
        ensure(after_loss, || "grad mode is off after a loss".to_owned())?;
    }
    let now = tch::get_num_threads();
    ensure(threads == now, || format!("libtorch had {threads} threads before and has {now} now"))
}

fn grad_enabled() -> bool {
    let probe = Tensor::from(0.0).set_requires_grad(true);
    (&probe + 1.0).requires_grad()
}

pub(super) fn step_overhead(subject: &Subject) -> Finding {
    const LIMIT: Duration = Duration::from_millis(10);
    const STEPS: u64 = 31;
    subject.learns_by_gradients()?;
    let (stage, mut method, _) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    let timed = Timed::new(&services);
    let needs = subject.needs()?;
    let mut times = Vec::new();
    for step in 0..STEPS {
        let batch = stage.batch(8, step, needs);
        timed.spent.set(Duration::ZERO);
        let start = Instant::now();
        let _loss = method.loss(&batch, &timed)?;
        times.push(start.elapsed().saturating_sub(timed.spent.get()));
        services.end_step();
    }
    // The fastest, because other processes may slow down any of the steps.
    let fastest = times.into_iter().min().unwrap_or_default();
    ensure(fastest < LIMIT, || format!("the fastest of {STEPS} steps took {:.1} ms", fastest.as_secs_f64() * 1e3))
}

pub(super) fn memory(subject: &Subject) -> Finding {
    /// What the allocator may keep in a thousand steps. Leaking one small tensor in each would take several times as much.
    const LIMIT: usize = 64 * 1024;
    let stage = Stage::new(CLASSES, Kind::Double);
    let services = stage.services(1, Recompute::Never);
    let mut method = subject.method(&stage, 1)?;
    let learns = subject.learns_by_gradients().is_ok();
    let batch = stage.batch(8, 0, subject.needs()?);
    let mut run = |steps: usize| -> Finding {
        for _ in 0..steps {
            if learns {
                Step::take(&mut method, &batch, &services)?;
            }
            let _logits = method.logits(&batch, &services)?;
            drop(method.state()?);
        }
        Ok(())
    };
    run(100)?;
    let Some(before) = bytes_in_use() else {
        return skipped("the C library does not report how much memory is in use");
    };
    // What grows as slowly in a quarter of the steps needs no more of them.
    run(250)?;
    let grown = || bytes_in_use().unwrap_or(before).saturating_sub(before);
    if grown() < LIMIT / 4 {
        return Ok(());
    }
    run(750)?;
    let grown = grown();
    ensure(grown < LIMIT, || format!("another 1,000 steps take {} KiB more", grown / 1024))
}

/// What glibc's `mallinfo2` returns.
#[repr(C)]
struct MallInfo {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

/// The bytes that the process has allocated and not freed, if the C library reports them. glibc does since version
/// 2.33.
fn bytes_in_use() -> Option<usize> {
    // SAFETY: if the symbol exists, it is this function, which reads the allocator's own counters under its locks.
    unsafe {
        let mallinfo = Library::this().get::<unsafe extern "C" fn() -> MallInfo>(b"mallinfo2").ok()?;
        let MallInfo { hblkhd, uordblks, .. } = mallinfo();
        Some(hblkhd + uordblks)
    }
}
