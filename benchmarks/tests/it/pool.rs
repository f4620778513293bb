//! `nemesis pool` on a pool of known parts.

use crate::command::{nemesis, told};
use nemesis_core::pool::{PartKey, Pool, View};
use std::fs;
use std::path::Path;
use tch::{Device, Kind, Tensor};

fn fill(folder: &Path) {
    let pool = Pool::open(folder, u64::MAX).unwrap();
    let views = (0..3).map(|epoch| View::Train { seed: 1, epoch }).chain([View::Test]);
    for view in views {
        let key = PartKey {
            images: "0123456789abcdef".to_owned(),
            weights: "fedcba9876543210".to_owned(),
            assumed: None,
            preprocess: "none".to_owned(),
            precision: "Float".to_owned(),
            code: "code".to_owned(),
            view,
        };
        let features = || Ok(Tensor::zeros([10, 256], (Kind::Float, Device::Cpu)));
        let _ = pool.get_or_compute(&key, features).unwrap();
        if view != View::Test {
            pool.release(&key).unwrap();
        }
    }
    fs::write(folder.join("damaged.safetensors"), "no").unwrap();
}

fn command(folder: &Path, arguments: &[&str]) -> String {
    told(&nemesis(folder, arguments).output().unwrap())
}

#[test]
fn a_pool_is_listed_and_pruned_with_what_was_released_first() {
    let folder = tempfile::tempdir().unwrap();
    fill(&folder.path().join("out/pool"));
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d+ s ago", "[TIME] ago");
    settings.bind(|| {
        insta::assert_snapshot!(command(folder.path(), &["pool", "list"]), @r"
        exit code 0
        --- stdout
        images    weights   type   view              parts  size     last used
        01234567  fedcba98  Float  test              1      10.6 kB  [TIME] ago
        01234567  fedcba98  Float  training, seed 1  3      31.8 kB  released
        damaged: 1 part, 2 B
        5 parts in all, 42.4 kB
        --- stderr
        ");
        insta::assert_snapshot!(command(folder.path(), &["pool", "prune", "--budget", "12kB"]), @r"
        exit code 0
        --- stdout
        3 parts removed, 31.8 kB
        --- stderr
        ");
        insta::assert_snapshot!(command(folder.path(), &["pool", "list"]), @r"
        exit code 0
        --- stdout
        images    weights   type   view  parts  size     last used
        01234567  fedcba98  Float  test  1      10.6 kB  [TIME] ago
        damaged: 1 part, 2 B
        2 parts in all, 10.6 kB
        --- stderr
        ");
        insta::assert_snapshot!(command(folder.path(), &["pool", "prune", "--budget", "0B"]), @r"
        exit code 0
        --- stdout
        2 parts removed, 10.6 kB
        --- stderr
        ");
    });
}

#[test]
fn a_pool_that_is_not_there_and_sizes_that_are_none_are_told() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(command(folder.path(), &["pool", "list"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: there is no feature pool here
      --> out/pool
      help: name its folder with --pool; `nemesis run` creates one in its output folder
    ");
    insta::assert_snapshot!(command(folder.path(), &["pool", "prune", "--budget", "10"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: invalid value '10' for '--budget <SIZE>': `10` is not a size: expected a number and a unit, as in 3GB or 500MB

    For more information, try '--help'.
    ");
}
