//! What a call across the border to a plugin costs, besides what the plugin does.

use crate::{load, median};
use nemesis_core::Result;
use nemesis_core::method::testing::ToyHost;
use nemesis_core::plugin::Registry;
use serde::Serialize;
use serde_json::Map;
use std::hint::black_box;
use std::time::Instant;

/// How often the call is made for one measurement, and how many measurements there are.
const CALLS: u32 = 20_000;
const TIMES: usize = 9;

/// The time of one call there and back.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Crossing {
    seconds: f64,
}

/// Times a call that carries a batch and the host's services over, in which the plugin does nothing: CoOp leaves
/// gradients to the host.
///
/// # Errors
///
/// When CoOp's plugin is not beside the program.
pub(crate) fn measure(plugins: &Registry) -> Result<Crossing> {
    let host = ToyHost::new(5);
    let (task, batch) = (host.task(), host.batch(8, 0));
    let mut method = load(plugins, "coop")?.create(&task, &Map::new(), &host)?;
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let started = Instant::now();
        for _ in 0..CALLS {
            black_box(method.compute_gradients(black_box(&batch), &host)?);
        }
        times.push(started.elapsed().as_secs_f64() / f64::from(CALLS));
    }
    Ok(Crossing { seconds: median(times) })
}
