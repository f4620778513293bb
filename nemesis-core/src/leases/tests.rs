use super::*;
use std::fs;

const PATIENCE: Duration = Duration::from_millis(600);

fn open(folder: &Path) -> Leases {
    Leases::open(folder, PATIENCE, Activity::default()).unwrap()
}

fn claim(leases: &Leases, key: &str) -> Option<Lease> {
    match leases.claim(&leases.held().unwrap(), key, "eurosat", "eurosat, 1 shot, seed 1").unwrap() {
        Claim::Ours(lease) => Some(lease),
        Claim::Held => None,
    }
}

fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Stops the heart of a run that neither ends nor gives anything back, as `kill -STOP` does. Returns its name.
fn silence(mut leases: Leases) -> String {
    drop(leases.stop.take());
    leases.heart.take().unwrap().join().unwrap();
    let run = leases.shared.pulse.run().to_owned();
    std::mem::forget(leases);
    run
}

#[test]
fn one_of_many_gets_a_job() {
    let folder = tempfile::tempdir().unwrap();
    let runs: Vec<Leases> = (0..8).map(|_| open(folder.path())).collect();
    let barrier = std::sync::Barrier::new(runs.len());
    let leases: Vec<Lease> = std::thread::scope(|scope| {
        let ask = |run| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                claim(run, "job")
            })
        };
        let asking: Vec<_> = runs.iter().map(ask).collect();
        asking.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(leases.len(), 1);
    drop(leases);
    assert!(claim(&runs[3], "job").is_some(), "a job that was given back is free");
}

#[test]
fn a_silent_run_loses_its_job_and_notices() {
    let folder = tempfile::tempdir().unwrap();
    let (silent, other) = (open(folder.path()), open(folder.path()));
    let lease = claim(&silent, "job").unwrap();
    assert!(claim(&other, "job").is_none());
    silence(silent);
    let taken = wait_for(|| claim(&other, "job"));
    assert!(lease.is_lost(&other.held().unwrap()));
    assert!(!taken.is_lost(&other.held().unwrap()));
    // What the first gives back late is its own lease, not that of its successor.
    drop(lease);
    assert!(!taken.is_lost(&other.held().unwrap()));
}

/// The clocks of files do not matter: neither one that is years ahead nor one that is years behind.
#[test]
fn skewed_clocks_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let (owner, other) = (open(folder.path()), open(folder.path()));
    let lease = claim(&owner, "job").unwrap();
    let start = Instant::now();
    while start.elapsed() < 2 * PATIENCE {
        for path in crate::files::list(Places::of(folder.path()).runs()).unwrap() {
            let skewed = std::time::SystemTime::now() - Duration::from_secs(100_000_000);
            let _ = fs::File::options().append(true).open(path).and_then(|file| file.set_modified(skewed));
        }
        assert!(claim(&other, "job").is_none(), "its heart beats");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(lease);
}

#[test]
fn a_stale_listing_does_not_take_a_job_away() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, late) = (open(folder.path()), open(folder.path()), open(folder.path()));
    let lost = claim(&first, "job").unwrap();
    silence(first);
    // The late one sees the lost lease, but not that another run follows it.
    let stale = late.held().unwrap();
    wait_for(|| late.shared.is_lost(&stale.0["job"]).then_some(()));
    let taken = wait_for(|| claim(&second, "job"));
    assert!(matches!(late.claim(&stale, "job", "", "").unwrap(), Claim::Held), "the number is taken");
    assert!(!taken.is_lost(&second.held().unwrap()));
    // One that sees no lease at all creates the first number again, and finds the higher one when it looks.
    Places::of(folder.path()).remove_job("job", 1);
    assert!(matches!(late.claim(&Held::default(), "job", "", "").unwrap(), Claim::Held));
    assert!(!taken.is_lost(&second.held().unwrap()));
    drop(lost);
}

#[test]
fn a_number_that_is_used_again_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let (first, third) = (open(folder.path()), open(folder.path()));
    let asleep = claim(&first, "job").unwrap();
    // While it slept, another run took the job over, was done with it, and gave all leases back.
    Places::of(folder.path()).remove_job("job", 1);
    let taken = claim(&third, "job").unwrap();
    assert_eq!(taken.number, asleep.number);
    assert!(asleep.is_lost(&first.held().unwrap()));
    drop(asleep);
    assert!(!taken.is_lost(&third.held().unwrap()), "its lease stays");
}

#[test]
fn a_holder_is_known_once_it_beats_or_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let far = open(folder.path());
    let lease = claim(&far, "job").unwrap();
    let near = open(folder.path());
    assert!(near.knows_all(&near.held().unwrap()), "its lock shows that it lives");
    drop(near);
    let places = Places::of(folder.path());
    let run = silence(far);
    let state = RunState { boot: "of another machine".to_owned(), ..RunState::read(&places, &run).unwrap() };
    let mut beat = state.beat;
    let mut pulse = || {
        beat += 1;
        let state = RunState { beat, ..state.clone() };
        fs::write(places.run(&run), serde_json::to_vec(&state).unwrap()).unwrap();
    };
    pulse();
    let here = open(folder.path());
    assert!(!here.knows_all(&here.held().unwrap()), "it may have died on its machine");
    wait_for(|| {
        pulse();
        here.knows_all(&here.held().unwrap()).then_some(())
    });
    assert!(claim(&here, "job").is_none(), "it lives");
    // From here on it is silent.
    let taken = wait_for(|| claim(&here, "job"));
    drop((lease, taken));
}

#[test]
fn a_damaged_lease_holds_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let run = open(folder.path());
    fs::write(Places::of(folder.path()).jobs_folder().join("job-3.json"), "{\"run").unwrap();
    assert!(claim(&run, "job").is_none());
    let lease = wait_for(|| claim(&run, "job"));
    assert_eq!(lease.number, 4);
    drop(lease);
    assert!(leases(folder.path()).unwrap().is_empty());
}

#[test]
fn a_run_on_another_machine_is_lost_when_it_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let (far, here) = (open(folder.path()), open(folder.path()));
    let lease = claim(&far, "job").unwrap();
    let places = Places::of(folder.path());
    let run = silence(far);
    let mut state = RunState::read(&places, &run).unwrap();
    state.boot = "of another machine".to_owned();
    fs::write(places.run(&run), serde_json::to_vec(&state).unwrap()).unwrap();
    // Without the lock, nothing but silence can show it.
    fs::remove_file(places.alive(&run)).unwrap();
    let start = Instant::now();
    let taken = wait_for(|| claim(&here, "job"));
    assert!(start.elapsed() >= PATIENCE);
    drop((taken, lease));
}
