//! A pool that a run is using is not pruned under it, and a run that died does not hold on to it.

use nemesis_core::pool::{PartKey, Pool, View};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};
use tch::{Device, Kind, Tensor};

const NO_LIMIT: u64 = u64::MAX;
const FOLDER: &str = "NEMESIS_TEST_LEASED_POOL";

fn key(epoch: u64) -> PartKey {
    PartKey {
        images: "images".to_owned(),
        weights: "weights".to_owned(),
        assumed: None,
        preprocess: "preprocess".to_owned(),
        precision: "Float".to_owned(),
        code: "code".to_owned(),
        view: View::Train { seed: 1, epoch },
    }
}

/// Asks for a part and says whether it was computed.
fn ask(pool: &Pool, epoch: u64) -> bool {
    let mut computed = false;
    let features = || {
        computed = true;
        Ok(Tensor::zeros([4, 3], (Kind::Float, Device::Cpu)))
    };
    let _ = pool.get_or_compute(&key(epoch), features).unwrap();
    computed
}

fn leases(folder: &Path) -> usize {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "lease")).count()
}

#[test]
fn a_pool_in_use_is_pruned_by_force_alone() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::open(folder.path(), NO_LIMIT).unwrap();
    ask(&pool, 0);
    let lease = pool.lease(Path::new("/tmp/out of a run")).unwrap().expect("the folder can be written");
    let holders = pool.holders().unwrap();
    assert_eq!((holders.len(), holders[0].process, holders[0].is_here()), (1, std::process::id(), true));
    let error = pool.prune(0, false).unwrap_err().to_string();
    let named = [format!("process {} on ", std::process::id()), "/tmp/out of a run".to_owned(), "--force".to_owned()];
    assert!(named.iter().all(|part| error.contains(part)), "{error}");
    assert!(!ask(&pool, 0), "nothing was removed");

    assert_eq!(pool.prune(0, true).unwrap().parts, 1);
    assert_eq!(pool.holders().unwrap().len(), 1, "a lease that is held outlives even that");
    drop(lease);
    assert_eq!((pool.holders().unwrap().len(), leases(folder.path())), (0, 0));
    assert_eq!(pool.prune(0, false).unwrap().parts, 0);
}

/// What a child process does: hold a lease until it is killed.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let _lease = Pool::open(&folder, NO_LIMIT).unwrap().lease(&folder).unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

fn spawn_child(folder: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child"]).env(FOLDER, folder).stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn what_a_killed_run_held_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::open(folder.path(), NO_LIMIT).unwrap();
    ask(&pool, 0);
    let mut child = spawn_child(folder.path());
    while pool.holders().unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(pool.prune(0, false).is_err());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(leases(folder.path()), 1, "a kill leaves the file");
    assert_eq!(pool.prune(0, false).unwrap().parts, 1);
    assert_eq!(leases(folder.path()), 0);
}

/// Whether a process of another machine lives cannot be seen by its lock, so it counts as living for some hours.
#[test]
fn a_run_of_another_machine_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::open(folder.path(), NO_LIMIT).unwrap();
    fs::write(folder.path().join("x.lease"), r#"{"process":17,"host":"elsewhere","folder":"/out"}"#).unwrap();
    let error = pool.prune(0, false).unwrap_err().to_string();
    assert!(error.contains("process 17 on elsewhere") && error.contains("cannot be seen from here"), "{error}");
    assert!(pool.prune(0, true).is_ok());
    assert_eq!(leases(folder.path()), 0);
    // A holder touches its lease every few minutes. One that has not for hours is gone.
    let path = folder.path().join("x.lease");
    fs::write(&path, r#"{"process":17,"host":"elsewhere","folder":"/out"}"#).unwrap();
    let hours_ago = SystemTime::now() - Duration::from_secs(3 * 3600);
    fs::File::options().append(true).open(&path).unwrap().set_modified(hours_ago).unwrap();
    assert!(pool.prune(0, false).is_ok());
    assert_eq!(leases(folder.path()), 0);
    // One that says nothing of itself is no claim.
    fs::write(folder.path().join("x.lease"), "damaged").unwrap();
    assert!(pool.prune(0, false).is_ok());
}

#[test]
fn another_run_makes_no_room_at_the_cost_of_one_that_is_going_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = Pool::open(folder.path(), NO_LIMIT).unwrap();
    ask(&first, 0);
    let bytes = first.list().unwrap()[0].bytes;
    std::thread::sleep(Duration::from_millis(20));
    let lease = first.lease(folder.path()).unwrap();
    ask(&first, 1);
    std::thread::sleep(Duration::from_millis(20));

    // With room for two: 0 goes, which nobody has used since the first run began, and 1 stays.
    let second = Pool::open(folder.path(), 2 * bytes).unwrap();
    assert!(ask(&second, 2));
    assert!(ask(&second, 3), "there is no room for it");
    assert!(!ask(&first, 1), "the first run still finds what it used");
    drop(lease);
    let third = Pool::open(folder.path(), bytes).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert!(ask(&third, 4) && !ask(&third, 4), "without a lease, room is made as ever");
}
