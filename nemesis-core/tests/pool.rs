//! The feature pool under threads, processes, kills and damaged files.

use nemesis_core::Error;
use nemesis_core::pool::{PartKey, Pool, View};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tch::{Device, Kind, Tensor};

const NO_LIMIT: u64 = u64::MAX;

fn key(epoch: u64) -> PartKey {
    PartKey {
        images: "images".to_owned(),
        weights: "weights".to_owned(),
        assumed: None,
        preprocess: "preprocess".to_owned(),
        precision: "fp32".to_owned(),
        code: "code".to_owned(),
        view: View::Train { seed: 1, epoch },
    }
}

fn features(value: f64) -> Tensor {
    Tensor::arange(12, (Kind::Float, Device::Cpu)).view([4, 3]) + value
}

/// Asks for a part and says whether it was computed.
fn ask(pool: &Pool, key: &PartKey, value: f64) -> (Tensor, bool) {
    let computed = Cell::new(false);
    let features = pool.get_or_compute(key, || {
        computed.set(true);
        Ok(features(value))
    });
    (features.unwrap(), computed.get())
}

fn part_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_part_is_computed_once_and_read_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [Kind::Float, Kind::Double, Kind::Half, Kind::BFloat16] {
        let key = PartKey { precision: format!("{kind:?}"), ..key(0) };
        let original = features(0.5).to_kind(kind).transpose(0, 1).set_requires_grad(true);
        let pool = Pool::open(&folder.path().join("pool"), NO_LIMIT).unwrap();
        let first = pool.get_or_compute(&key, || Ok(original.shallow_clone())).unwrap();
        let second = Pool::open(&folder.path().join("pool"), NO_LIMIT).unwrap();
        let second = second.get_or_compute(&key, || panic!("it is stored")).unwrap();
        for tensor in [first, second] {
            assert!(tensor.equal(&original.detach()) && !tensor.requires_grad());
            assert_eq!((tensor.kind(), tensor.size()), (kind, vec![3, 4]));
        }
    }
    assert_eq!(part_files(&folder.path().join("pool")).len(), 4, "no lock and no temporary file stays");
}

#[cfg(unix)]
#[test]
fn parts_have_the_mode_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::open(&folder.path().join("pool"), NO_LIMIT).unwrap();
    assert!(ask(&pool, &key(0), 0.5).1);
    fs::write(folder.path().join("plain"), b"").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    let [part] = &part_files(&folder.path().join("pool"))[..] else { panic!("one part is stored") };
    assert_eq!(mode(part), mode(&folder.path().join("plain")));
    // Colleagues who share the pool have to read who is using it.
    let _lease = pool.lease(folder.path()).unwrap();
    let is_lease = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "lease");
    let mut files = fs::read_dir(folder.path().join("pool")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(mode(&files.find(is_lease).unwrap()), mode(&folder.path().join("plain")));
}

#[test]
fn everything_in_the_key_tells_parts_apart() {
    let base = key(0);
    let others = [
        PartKey { images: "x".to_owned(), ..base.clone() },
        PartKey { weights: "x".to_owned(), ..base.clone() },
        PartKey { assumed: Some("x".to_owned()), ..base.clone() },
        PartKey { preprocess: "x".to_owned(), ..base.clone() },
        PartKey { precision: "x".to_owned(), ..base.clone() },
        PartKey { code: "x".to_owned(), ..base.clone() },
        PartKey { view: View::Test, ..base.clone() },
        PartKey { view: View::Train { seed: 2, epoch: 0 }, ..base.clone() },
        key(1),
    ];
    for other in &others {
        assert_ne!(base.id(), other.id());
    }
    // Pools outlive versions of this program.
    assert_eq!(base.id(), "f6c2ad474e0cb26d2e1ae380f01e4b19c1da41476d0665abc43696980efda65e");
}

#[test]
fn a_failure_is_passed_on_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::open(folder.path(), NO_LIMIT).unwrap();
    let error = pool.get_or_compute(&key(0), || Err(Error::new("a corrupt image"))).unwrap_err();
    assert_eq!(error.what(), "a corrupt image");
    assert!(part_files(folder.path()).is_empty());
    assert!(ask(&pool, &key(0), 0.0).1);
}

#[test]
fn every_damage_is_noticed_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::open(folder.path(), NO_LIMIT).unwrap();
    drop(ask(&pool, &key(0), 0.0));
    let [path] = part_files(folder.path()).try_into().unwrap();
    let good = fs::read(&path).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..good.len()).step_by(5).map(|end| good[..end].to_vec()).collect();
    damaged.extend((0..good.len()).step_by(7).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    }));
    damaged.push([&good[..], b"more"].concat());
    for bytes in damaged {
        // A new file, since maps of the old one may still be there.
        fs::remove_file(&path).unwrap();
        fs::write(&path, &bytes).unwrap();
        let (tensor, computed) = ask(&pool, &key(0), 0.0);
        assert!(tensor.equal(&features(0.0)));
        assert!(computed, "{}", String::from_utf8_lossy(&bytes));
        assert!(!ask(&pool, &key(0), 9.0).1);
    }
}

#[test]
fn a_part_under_another_name_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::open(folder.path(), NO_LIMIT).unwrap();
    drop(ask(&pool, &key(0), 0.0));
    let [path] = part_files(folder.path()).try_into().unwrap();
    fs::rename(path, folder.path().join(format!("{}.safetensors", key(1).id()))).unwrap();
    assert!(ask(&pool, &key(1), 1.0).1);
}

#[test]
fn threads_that_want_the_same_part_compute_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let pool = Pool::open(folder.path(), NO_LIMIT).unwrap();
                for epoch in 0..5 {
                    let tensor = pool.get_or_compute(&key(epoch), || {
                        count.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(5));
                        Ok(features(epoch as f64))
                    });
                    assert!(tensor.unwrap().equal(&features(epoch as f64)));
                }
            });
        }
    });
    assert_eq!(count.load(Ordering::Relaxed), 5);
    assert_eq!(part_files(folder.path()).len(), 5);
}

const FOLDER: &str = "NEMESIS_TEST_POOL";
const CHILDREN: &str = "NEMESIS_TEST_POOL_CHILDREN";

/// What a child process does: ask for one part, and leave a file for having computed it, which takes until so many
/// children ask.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let children: usize = std::env::var(CHILDREN).unwrap().parse().unwrap();
    let pool = Pool::open(&folder.join("pool"), NO_LIMIT).unwrap();
    let leave = |what: &str| fs::write(folder.join(format!("{what}-{}", std::process::id())), "").unwrap();
    leave("asking");
    let tensor = pool.get_or_compute(&key(0), || {
        leave("computing");
        wait_for(|| count(&folder, "asking") >= children);
        Ok(features(7.0))
    });
    assert!(tensor.unwrap().equal(&features(7.0)));
}

/// Waits for what has to come, not for ever.
fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(120), "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A child whose computation ends when so many `children` ask.
fn spawn_child(folder: &Path, children: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child"])
        .env(FOLDER, folder)
        .env(CHILDREN, children.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// How many children have left word of this.
fn count(folder: &Path, what: &str) -> usize {
    let has_left = |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(what));
    part_files(folder).iter().filter(has_left).count()
}

#[test]
fn processes_that_want_the_same_part_compute_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<Child> = (0..4).map(|_| spawn_child(folder.path(), 4)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(count(folder.path(), "computing"), 1);
}

#[test]
fn a_killed_process_releases_its_part() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = spawn_child(folder.path(), usize::MAX);
    wait_for(|| count(folder.path(), "computing") == 1);
    let waiting = std::thread::spawn({
        let folder = folder.path().join("pool");
        move || ask(&Pool::open(&folder, NO_LIMIT).unwrap(), &key(0), 7.0).1
    });
    std::thread::sleep(Duration::from_millis(50));
    assert!(!waiting.is_finished(), "the child holds the part");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(waiting.join().unwrap());
    assert_eq!(part_files(&folder.path().join("pool")).len(), 1);
}

#[test]
fn old_parts_make_room_and_parts_in_use_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::open(folder.path(), NO_LIMIT).unwrap();
    (0..4).for_each(|epoch| drop(ask(&pool, &key(epoch), 0.0)));
    let bytes = pool.list().unwrap()[0].bytes;
    let epochs = |pool: &Pool| {
        let mut keys: Vec<_> = pool.list().unwrap().iter().map(|part| part.key.clone().unwrap().view).collect();
        keys.sort_by_key(|view| format!("{view:?}"));
        keys.into_iter().map(|view| if let View::Train { epoch, .. } = view { epoch } else { 99 }).collect::<Vec<_>>()
    };

    // Reopened with room for four: 0 is used again, 1 is the longest unused of the others.
    let pool = Pool::open(folder.path(), 4 * bytes).unwrap();
    assert!(!ask(&pool, &key(0), 0.0).1);
    drop(ask(&pool, &key(4), 0.0));
    assert_eq!(epochs(&pool), [0, 2, 3, 4]);
    pool.release(&key(4)).unwrap();
    pool.release(&key(77)).unwrap();
    drop(ask(&pool, &key(5), 0.0));
    assert_eq!(epochs(&pool), [0, 2, 3, 5]);
    drop(ask(&pool, &key(6), 0.0));
    drop(ask(&pool, &key(7), 0.0));
    assert_eq!(epochs(&pool), [0, 5, 6, 7]);
    // All four were used since, so that the next one is computed and not kept.
    assert!(ask(&pool, &key(8), 0.0).1);
    assert_eq!(epochs(&pool), [0, 5, 6, 7]);
    // Where the longest unused would not be room enough, it stays.
    let pool = Pool::open(folder.path(), 2 * bytes).unwrap();
    (5..8).for_each(|epoch| drop(ask(&pool, &key(epoch), 0.0)));
    assert!(ask(&pool, &key(9), 0.0).1);
    assert_eq!(epochs(&pool), [0, 5, 6, 7]);
    let pool = Pool::open(&folder.path().join("small"), bytes - 1).unwrap();
    assert!(ask(&pool, &key(0), 0.0).1 && ask(&pool, &key(0), 0.0).1);
}

#[test]
fn what_kills_left_is_told_apart_from_what_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::open(folder.path(), NO_LIMIT).unwrap();
    let file = |name: &str| folder.path().join(name);
    for name in ["dead.lock", "held.lock", "old.lock", "old.tmp", "new.tmp", "mine.txt"] {
        fs::write(file(name), "").unwrap();
    }
    let held = fs::File::open(file("held.lock")).unwrap();
    held.lock().unwrap();
    let yesterday = SystemTime::now() - Duration::from_secs(86400);
    for name in ["old.lock", "old.tmp"] {
        fs::File::options().append(true).open(file(name)).unwrap().set_modified(yesterday).unwrap();
    }
    let left = |alone| {
        let mut files = pool.left_behind(alone).unwrap();
        files.sort();
        files
    };
    assert_eq!(left(true), ["dead.lock", "new.tmp", "old.lock", "old.tmp"].map(file));
    // Another machine may be at work on what is new, and its locks are not seen here.
    assert_eq!(left(false), ["old.lock", "old.tmp"].map(file));
}

#[test]
fn pruning_removes_the_longest_unused_and_what_kills_left() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::open(folder.path(), NO_LIMIT).unwrap();
    (0..3).for_each(|epoch| drop(ask(&pool, &key(epoch), 0.0)));
    drop(ask(&pool, &key(0), 0.0));
    let bytes = pool.list().unwrap()[0].bytes;
    let file = |name: &str| folder.path().join(name);
    for name in ["dead.lock", "old.tmp", "new.tmp", "mine.txt"] {
        fs::write(file(name), "").unwrap();
    }
    let yesterday = SystemTime::now() - Duration::from_secs(86400);
    fs::File::options().append(true).open(file("old.tmp")).unwrap().set_modified(yesterday).unwrap();
    fs::write(file("damaged.safetensors"), "no").unwrap();
    assert!(pool.list().unwrap().iter().any(|part| part.key.is_none()));
    fs::remove_file(file("damaged.safetensors")).unwrap();

    let pruned = pool.prune(bytes, false).unwrap();
    assert_eq!((pruned.parts, pruned.bytes), (2, 2 * bytes));
    assert_eq!(pool.list().unwrap()[0].key, Some(key(0)));
    let left = ["dead.lock", "old.tmp", "new.tmp", "mine.txt"].map(|name| file(name).exists());
    assert_eq!(left, [false, false, true, true]);
}
