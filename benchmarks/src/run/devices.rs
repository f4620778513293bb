//! Which device each worker gets.

use std::process::Command;

/// The workers on each device. A worker that is replaced leaves its place to its successor, or to one for another device
/// that has fewer.
#[derive(Clone, Debug)]
pub(super) struct Devices {
    /// The names of the devices, and how many workers each has.
    loads: Vec<(String, usize)>,
}

impl Devices {
    /// No workers yet.
    pub(super) fn new(names: &[String]) -> Self {
        Self { loads: names.iter().map(|name| (name.clone(), 0)).collect() }
    }

    /// The device with the fewest workers, the first of several, which has one more from now on.
    pub(super) fn take(&mut self) -> String {
        let least = self.loads.iter_mut().min_by_key(|(_, workers)| *workers);
        least.map_or_else(
            || "cpu".to_owned(),
            |(name, workers)| {
                *workers += 1;
                name.clone()
            },
        )
    }

    /// Notes that a worker on a device has ended.
    pub(super) fn give_back(&mut self, device: &str) {
        if let Some((_, workers)) = self.loads.iter_mut().find(|(name, _)| name == device) {
            *workers = workers.saturating_sub(1);
        }
    }
}

/// How many workers GPUs get, unless `--jobs` says so: one each, or as many as fit the memory of the smallest, if it is
/// known what a worker takes.
pub fn workers_on_gpus(gpus: usize, memory: Option<u64>, smallest: Option<u64>) -> usize {
    let each = memory.zip(smallest).map_or(1, |(worker, gpu)| gpu / worker.max(1));
    gpus.saturating_mul(usize::try_from(each).unwrap_or(usize::MAX).clamp(1, MOST_ON_A_GPU))
}

/// More than these take turns rather than compute at the same time.
const MOST_ON_A_GPU: usize = 16;

/// The memory of the smallest GPU of this machine in bytes, as the driver's program says. The driver's order need not be
/// libtorch's, so nothing is said of single ones.
pub fn smallest_gpu() -> Option<u64> {
    let output =
        Command::new("nvidia-smi").args(["--query-gpu=memory.total", "--format=csv,noheader,nounits"]).output();
    smallest(&String::from_utf8_lossy(&output.ok().filter(|output| output.status.success())?.stdout))
}

/// The least of the megabytes that stand in lines.
fn smallest(said: &str) -> Option<u64> {
    let megabytes = said.lines().map(|line| line.trim().parse::<u64>().ok()).collect::<Option<Vec<_>>>()?;
    megabytes.into_iter().min().map(|megabytes| megabytes << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn workers_are_as_many_as_fit() {
        const GB: u64 = 1 << 30;
        assert_eq!(workers_on_gpus(3, None, Some(80 * GB)), 3);
        assert_eq!(workers_on_gpus(3, Some(4 * GB), None), 3);
        assert_eq!(workers_on_gpus(2, Some(30 * GB), Some(80 * GB)), 4);
        assert_eq!(workers_on_gpus(2, Some(100 * GB), Some(80 * GB)), 2, "one is tried all the same");
        assert_eq!(workers_on_gpus(1, Some(1), Some(80 * GB)), MOST_ON_A_GPU);
        assert_eq!(workers_on_gpus(1, Some(0), Some(80 * GB)), MOST_ON_A_GPU);
    }

    #[test]
    fn what_the_driver_says_is_read() {
        assert_eq!(smallest("81559\n24576\n"), Some(24576 << 20));
        assert_eq!(smallest(""), None);
        assert_eq!(smallest("[N/A]\n81559\n"), None);
    }

    proptest! {
        #[test]
        fn every_worker_goes_where_the_fewest_are(
            devices in 1_usize..6, steps in prop::collection::vec(prop::option::of(0_usize..16), 0..60),
        ) {
            let names: Vec<String> = (0..devices).map(|gpu| format!("cuda:{gpu}")).collect();
            let mut loads = Devices::new(&names);
            let mut at_work: Vec<String> = Vec::new();
            for step in steps {
                let on = |name: &String| at_work.iter().filter(|other| *other == name).count();
                match step {
                    None => {
                        let least = names.iter().map(on).min();
                        let device = loads.take();
                        prop_assert_eq!(Some(on(&device)), least);
                        at_work.push(device);
                    }
                    Some(ended) if ended < at_work.len() => loads.give_back(&at_work.swap_remove(ended)),
                    Some(_) => {}
                }
                for (name, load) in &loads.loads {
                    prop_assert_eq!(*load, at_work.iter().filter(|other| *other == name).count());
                }
            }
        }
    }
}
