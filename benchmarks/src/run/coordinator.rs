//! The coordinator: starts workers, hands out jobs, replaces workers that die, and reports progress.

use super::devices::Devices;
use super::division::{Division, Elsewhere, Job};
use super::memory;
use super::message::{Assignment, FromWorker, ToWorker};
use super::queue::{Queue, queues};
use super::signals;
use crate::bytes::ByteSize;
use crate::plan::{Keeper, Plan, PlannedCell};
use crate::plugins::Standby;
use crate::process::{Program, Subprocess, listen, pass_on};
use nemesis_core::engine::Setup;
use nemesis_core::leases::Lease;
use nemesis_core::pool::Pool;
use nemesis_core::record::{CellId, Store};
use nemesis_core::{Error, Result};
use rustix::process::Signal;
use std::collections::{BTreeMap, HashSet};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How a plan is run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Worker processes at a time.
    pub jobs: usize,
    /// Threads of each worker.
    pub threads: usize,
    /// `cpu`, or one or several `cuda:N`, which workers share.
    pub devices: Vec<String>,
    /// The folder of the feature pool, and the most bytes in it.
    pub pool: Option<(PathBuf, u64)>,
    /// The file that remembers what images hold.
    pub contents: PathBuf,
    /// The bytes that a worker may take, approximately; at most twice that.
    pub memory: Option<u64>,
    /// How long a cell may take.
    pub cell_timeout: Option<Duration>,
    /// For how long another run may be silent before its jobs are taken over.
    pub lease_timeout: Duration,
    /// How often a training is saved between two epochs.
    pub checkpoint_every: Duration,
    /// How long trainings may take to be saved when the run is told to end.
    pub stop_within: Duration,
    /// Whether to wait for the jobs that other runs hold.
    pub wait: bool,
}

/// What happened, for the progress display.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A cell was begun.
    Started(&'a PlannedCell),
    /// A part, between 0 and 1, of a cell is done.
    Progress(&'a PlannedCell, f64),
    /// A cell is complete.
    Done(&'a PlannedCell),
    /// A cell failed, with the reason.
    Failed(&'a PlannedCell, &'a Error),
    /// Another run has computed a cell.
    Elsewhere(&'a PlannedCell),
    /// All jobs that are left, so many, are with other runs.
    Waiting(usize),
    /// Something worth knowing.
    Warning(&'a str),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Cells that already had records.
    pub reused: usize,
    /// Cells computed now.
    pub computed: usize,
    /// Cells that other runs have computed in the meantime.
    pub elsewhere: usize,
    /// Jobs that were left to other runs.
    pub left: usize,
    /// Cells that failed.
    pub failed: usize,
    /// The signal that ended the run early, if one did.
    pub stopped: Option<i32>,
}

/// Computes all cells of the plan that have no record yet, together with any other runs on the same folder. The Python that
/// was asked about plugins, if there is one, is the first worker for methods in Python.
///
/// # Errors
///
/// When no worker can be started. A cell that fails is counted, and the others continue.
///
/// SIGINT, SIGTERM and SIGHUP end it: trainings are saved after their epoch if that does not take too long, and workers are
/// killed. What they have recorded stays. A second signal, or one that arrives after the run, has its default effect.
pub(crate) fn run(
    plan: &Plan,
    store: &Store,
    options: &RunOptions,
    standby: Option<Standby>,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome> {
    let complete = store.complete()?;
    let (done, todo): (Vec<_>, Vec<_>) = plan.distinct_cells().partition(|cell| complete.contains(&cell.id));
    let mut lists = plan.images.keeper(store)?;
    // They are there, unless the records were copied without them.
    done.iter().try_for_each(|cell| lists.keep(cell))?;
    let (reused, todo): (_, Vec<PlannedCell>) = (done.len(), todo.into_iter().cloned().collect());
    if todo.is_empty() {
        return Ok(Outcome { reused, ..Outcome::default() });
    }
    let mut run = Coordinator {
        setup: setup(plan, store, options)?,
        division: Division::new(store, &plan.name, options.lease_timeout)?,
        store,
        lists,
        options,
        outcome: Outcome { reused, ..Outcome::default() },
        failed: HashSet::new(),
        queues: queues(plan, todo),
        workers: BTreeMap::new(),
        standby,
        devices: Devices::new(&options.devices),
        started: 0,
        stopping: None,
        looked: Instant::now(),
        look_again: LOOK,
        unsure: true,
        told_waiting: false,
    };
    // It lasts as long as this process, and covers what its workers use.
    let lease = run.setup.pool.as_ref().map(|(folder, budget)| Pool::open(folder, *budget)?.lease(store.folder()));
    let _lease = lease.transpose()?;
    let (sender, receiver) = mpsc::channel();
    let to_end = sender.clone();
    signals::listen(move |signal| to_end.send((0, Line::Signal(signal))).is_ok())?;
    run.fill(&sender)?;
    run.attend(&sender, &receiver, on_event)?;
    run.outcome.left = run.jobs_left();
    Ok(run.outcome)
}

fn setup(plan: &Plan, store: &Store, options: &RunOptions) -> Result<Setup> {
    // Workers may run in another folder, so they get absolute paths.
    let absolute = |path: &std::path::Path| path.canonicalize().map_err(|e| Error::io("find", path, &e));
    let made = |folder: &std::path::Path| {
        std::fs::create_dir_all(folder).map_err(|e| Error::io_write("create the folder", folder, &e))?;
        absolute(folder)
    };
    let plugins = plan.methods.iter().map(|column| Ok((column.method.clone(), absolute(&column.plugin)?)));
    Ok(Setup {
        data: absolute(&plan.data)?,
        weights: absolute(&plan.backbone.1)?,
        weights_config: plan.checkpoint.origin.assumed(),
        plugins: plugins.collect::<Result<_>>()?,
        store: absolute(store.folder())?,
        few_shot_lists: plan.few_shot_lists.as_deref().map(absolute).transpose()?,
        pool: options.pool.as_ref().map(|(folder, budget)| Ok::<_, Error>((made(folder)?, *budget))).transpose()?,
        contents: std::path::absolute(&options.contents).map_err(|e| Error::io("find", &options.contents, &e))?,
        memory: options.memory,
        // Each worker gets its own.
        device: String::new(),
        precision: plan.protocol.precision,
        threads: options.threads,
        checkpoint_every: options.checkpoint_every,
    })
}

/// The state of a run.
struct Coordinator<'a> {
    setup: Setup,
    division: Division<'a>,
    store: &'a Store,
    lists: Keeper<'a>,
    options: &'a RunOptions,
    outcome: Outcome,
    /// Failed trainings, whose evaluations need not be tried.
    failed: HashSet<CellId>,
    /// The jobs of each program, since only Python computes methods that are written in it.
    queues: BTreeMap<Program, Queue>,
    workers: BTreeMap<usize, Worker>,
    /// The Python that was asked about plugins, until it is a worker.
    standby: Option<Standby>,
    /// How many of them are on each device.
    devices: Devices,
    started: usize,
    /// Since when the run is ending.
    stopping: Option<Instant>,
    /// When this run last looked at what others do.
    looked: Instant,
    /// How long after that it looks again.
    look_again: Duration,
    /// Whether one of the others may have died without anybody knowing, as far as this run has no work left.
    unsure: bool,
    told_waiting: bool,
}

/// A worker process and its work.
struct Worker {
    process: Subprocess,
    program: Program,
    device: String,
    /// The data set of its last job.
    dataset: Option<String>,
    /// The lease on its job.
    lease: Option<Lease>,
    /// The unfinished cells of its job, the current one first.
    pending: Vec<PlannedCell>,
    current: Option<Instant>,
    /// Whether it has begun a cell, or answered questions before.
    worked: bool,
}

/// A line from a worker, the end of a worker, or a signal.
enum Line {
    Message(FromWorker),
    Ended,
    Signal(i32),
}

impl Coordinator<'_> {
    /// Starts a worker, and gives it a job, or what its predecessor left undone, if that died.
    fn start_worker(&mut self, sender: &Sender<(usize, Line)>, job: Job) -> Result<()> {
        let program = job.program;
        let number = self.started;
        self.started += 1;
        let sender = sender.clone();
        let hear = move |message: Option<FromWorker>| {
            sender.send((number, message.map_or(Line::Ended, Line::Message))).is_ok()
        };
        let standby = if program == Program::Python { self.standby.take() } else { None };
        // If one that has answered ends before its first cell, neither the cell is to blame for it nor the Python.
        let (process, worked) = if let Some((process, values)) = standby.and_then(Standby::into_worker) {
            pass_on(values, hear)?;
            (process, true)
        } else {
            let (process, output) = Subprocess::start("a worker", program, ["worker"])?;
            listen(output, hear)?;
            (process, false)
        };
        let device = self.devices.take();
        let setup = Setup { device: device.clone(), ..self.setup.clone() };
        let (dataset, lease, current) = (None, None, None);
        let mut worker = Worker { process, program, device, dataset, lease, pending: Vec::new(), current, worked };
        worker.process.send(&ToWorker::Setup(Box::new(setup)))?;
        self.workers.insert(number, worker);
        self.assign(number, job)
    }

    /// The next job for a worker of this program, else one of another, of which no other run holds the lease.
    fn next_job(&mut self, program: Program, last: Option<&str>) -> Result<Option<Job>> {
        let (held, mut busy) = self.division.look()?;
        for dataset in self.workers.values().filter_map(|worker| worker.dataset.as_ref()) {
            *busy.entry(dataset.clone()).or_default() += 1;
        }
        let others = self.queues.keys().copied().filter(|other| *other != program);
        let programs: Vec<Program> = std::iter::once(program).chain(others).collect();
        for of in programs {
            let (division, queue) = (&mut self.division, self.queues.get_mut(&of));
            let Some(queue) = queue else { continue };
            let last = last.filter(|_| of == program);
            if let Some(job) = queue.next(last, &busy, &mut |job| division.offer(&held, of, job))? {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    /// Starts workers for the jobs that are to be had, as many as there may be.
    fn fill(&mut self, sender: &Sender<(usize, Line)>) -> Result<()> {
        while self.workers.len() < self.options.jobs.max(1) {
            let Some(job) = self.next_job(Program::This, None)? else { break };
            self.start_worker(sender, job)?;
        }
        Ok(())
    }

    /// Takes a worker out, whose place on its device becomes free.
    fn remove_worker(&mut self, number: usize) -> Option<Worker> {
        let worker = self.workers.remove(&number)?;
        self.devices.give_back(&worker.device);
        Some(worker)
    }

    fn jobs_left(&self) -> usize {
        self.queues.values().map(Queue::len).sum()
    }

    /// Gives a worker its next job, lets it end, or replaces it by one that can do what is left.
    fn go_on(&mut self, number: usize, sender: &Sender<(usize, Line)>) -> Result<()> {
        let Some(worker) = self.workers.get_mut(&number) else { return Ok(()) };
        // Its job is done, so it goes back before another is taken.
        worker.lease = None;
        let (own, dataset) = (worker.program, worker.dataset.clone());
        self.division.tell_work(number, None);
        if self.stopping.is_some() {
            self.remove_worker(number);
            return Ok(());
        }
        match self.next_job(own, dataset.as_deref())? {
            Some(job) if job.program == own => self.assign(number, job),
            other => {
                // An idle worker has nothing to lose: dropping it ends it.
                self.remove_worker(number);
                other.map_or(Ok(()), |job| self.start_worker(sender, job))
            }
        }
    }

    /// Gives a worker a job.
    fn assign(&mut self, number: usize, job: Job) -> Result<()> {
        let Some(worker) = self.workers.get_mut(&number) else { return Ok(()) };
        // Before there is a record that names them.
        job.cells.iter().try_for_each(|cell| self.lists.keep(cell))?;
        worker.dataset = Some(job.cells[0].home().to_owned());
        let cells = job.cells.iter().map(|c| Assignment { id: c.id, cell: c.cell() }).collect();
        worker.process.send(&ToWorker::Job(cells))?;
        worker.pending = job.cells;
        worker.lease = Some(job.lease);
        worker.current = None;
        Ok(())
    }

    /// Follows the workers until all have ended.
    fn attend(
        &mut self,
        sender: &Sender<(usize, Line)>,
        receiver: &Receiver<(usize, Line)>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        while !self.workers.is_empty() || self.waits() {
            match receiver.recv_timeout(Duration::from_millis(200)) {
                Ok((number, Line::Message(FromWorker::Finished))) => self.go_on(number, sender)?,
                Ok((number, Line::Message(message))) => self.hear(number, message, on_event),
                Ok((number, Line::Ended)) => self.bury(number, sender, on_event)?,
                Ok((_, Line::Signal(signal))) => {
                    self.outcome.stopped = Some(signal);
                    self.stopping = Some(Instant::now());
                    self.workers.values().for_each(|worker| worker.process.ask_to_end());
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.end_what_is_left_behind(),
            }
            self.stop_the_overdue();
            if let Some(since) = self.stopping {
                if since.elapsed() >= self.options.stop_within {
                    // Dropping a worker kills it.
                    self.workers.clear();
                }
                continue;
            }
            if self.looked.elapsed() >= self.look_again {
                self.look_at_others(sender)?;
            }
            self.tell_of_others(on_event);
        }
        Ok(())
    }

    /// Whether there is something to wait for when no worker is at work: jobs of other runs. One that need not wait for them
    /// leaves a job to a run that is known to live, and to no other: that may be its own predecessor, which died on
    /// another machine.
    fn waits(&self) -> bool {
        self.stopping.is_none() && (self.options.wait || self.unsure) && self.jobs_left() > 0
    }

    /// Gives up what other runs have taken over, and takes what has become free.
    fn look_at_others(&mut self, sender: &Sender<(usize, Line)>) -> Result<()> {
        let (held, _) = self.division.look()?;
        self.unsure = !self.workers.is_empty() || !self.division.knows_all(&held);
        // Each look reads all leases, and every run looks.
        let many = LOOK_AT_EACH * u32::try_from(held.jobs()).unwrap_or(u32::MAX);
        self.look_again = LOOK.max(many).min(self.options.lease_timeout / 12);
        let lost = |worker: &Worker| worker.lease.as_ref().is_some_and(|lease| lease.is_lost(&held));
        let lost: Vec<usize> =
            self.workers.iter().filter(|(_, worker)| lost(worker)).map(|(number, _)| *number).collect();
        for number in lost {
            // This run was silent for so long, as a stopped process is, that another one took it for lost. Dropping the
            // worker kills it.
            let Some(mut worker) = self.remove_worker(number) else { continue };
            let pending = std::mem::take(&mut worker.pending);
            self.division.tell_work(number, None);
            if let Some(queue) = self.queues.get_mut(&worker.program).filter(|_| !pending.is_empty()) {
                queue.give_back(pending);
            }
        }
        if self.workers.len() < self.options.jobs.max(1) && self.jobs_left() > 0 {
            self.fill(sender)?;
        }
        self.looked = Instant::now();
        Ok(())
    }

    /// Counts and reports what other runs have done.
    fn tell_of_others(&mut self, on_event: &mut dyn FnMut(Event<'_>)) {
        for settled in self.division.take_settled() {
            match settled {
                Elsewhere::Done(cell) => {
                    self.outcome.elsewhere += 1;
                    on_event(Event::Elsewhere(&cell));
                }
                Elsewhere::Failed(cell, reason) => self.note_failure(&cell, &reason, on_event),
            }
        }
        let waiting = self.workers.is_empty() && self.options.wait && self.jobs_left() > 0;
        if waiting && !self.told_waiting {
            on_event(Event::Waiting(self.jobs_left()));
        }
        self.told_waiting |= waiting;
    }

    fn hear(&mut self, number: usize, message: FromWorker, on_event: &mut dyn FnMut(Event<'_>)) {
        let Some(worker) = self.workers.get_mut(&number) else { return };
        match message {
            FromWorker::Started(id) => {
                worker.current = Some(Instant::now());
                worker.worked = true;
                worker.pending.retain({
                    // What comes before it is finished, even if its report was lost.
                    let mut met = false;
                    move |cell| {
                        met |= cell.id == id;
                        met
                    }
                });
                if let Some(cell) = worker.pending.first() {
                    self.division.tell_work(number, Some(cell));
                    on_event(Event::Started(cell));
                }
            }
            FromWorker::Progress(part) => {
                if let Some(cell) = worker.pending.first() {
                    self.division.tell_part(number, part);
                    on_event(Event::Progress(cell, part));
                }
            }
            FromWorker::Done(_) => {
                if let Some(cell) = worker.finish() {
                    self.outcome.computed += 1;
                    self.division.tell_counts(self.outcome.computed, self.outcome.failed);
                    on_event(Event::Done(&cell));
                }
            }
            FromWorker::Elsewhere(_) => {
                if let Some(cell) = worker.finish() {
                    self.outcome.elsewhere += 1;
                    on_event(Event::Elsewhere(&cell));
                }
            }
            FromWorker::Failed(_, reason) => {
                if let Some(cell) = worker.finish() {
                    self.note_failure(&cell, &reason, on_event);
                }
            }
            FromWorker::Warning(text) => on_event(Event::Warning(&text)),
            FromWorker::Stopped => {
                worker.current = None;
                worker.worked = true;
            }
            FromWorker::Finished => {}
        }
    }

    fn note_failure(&mut self, cell: &PlannedCell, reason: &Error, on_event: &mut dyn FnMut(Event<'_>)) {
        self.outcome.failed += 1;
        self.failed.insert(cell.id);
        self.division.tell_counts(self.outcome.computed, self.outcome.failed);
        on_event(Event::Failed(cell, reason));
    }

    /// A worker ended without being asked to. Its current cell is lost, and the others go to a successor.
    fn bury(
        &mut self,
        number: usize,
        sender: &Sender<(usize, Line)>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        let Some(mut worker) = self.remove_worker(number) else { return Ok(()) };
        let (status, program) = (worker.process.end(PATIENCE), worker.program);
        if self.stopping.is_some() {
            return Ok(());
        }
        self.division.tell_work(number, None);
        let Some(lease) = worker.lease.take().filter(|_| !worker.pending.is_empty()) else { return Ok(()) };
        let Some(since) = worker.current else {
            // It ended between two cells or was told to end, which costs none. Queues signal every process of a job, this one
            // perhaps last, and a worker perhaps before it listens.
            if worker.worked || status.is_ok_and(|status| status.signal() == Some(Signal::TERM.as_raw())) {
                return self.start_worker(sender, Job { program, cells: worker.pending, lease });
            }
            self.give_up_on(program, worker.pending, on_event)?;
            drop(lease);
            let job = self.next_job(program, None)?;
            return job.map_or(Ok(()), |job| self.start_worker(sender, job));
        };
        let lost = worker.pending.remove(0);
        let reason = Error::new(match (self.options.cell_timeout, status) {
            (Some(limit), _) if since.elapsed() >= limit => {
                format!("it took longer than {} s and was stopped", limit.as_secs())
            }
            (_, Ok(status)) => format!("its worker process ended: {status}{}", self.options.memory_note(status)),
            (_, Err(e)) => format!("its worker process ended: {e}"),
        });
        self.store.put_failure(&lost.cell(), &reason)?;
        self.note_failure(&lost, &reason, on_event);
        // The evaluations of a lost training are lost too.
        let (hopeless, pending): (Vec<_>, Vec<_>) =
            std::mem::take(&mut worker.pending).into_iter().partition(|cell| self.needs_failed(cell));
        for cell in hopeless {
            let training = cell.evaluates().unwrap_or(cell.id);
            let reason = self.store.failure_of_training(&training);
            self.store.put_failure(&cell.cell(), &reason)?;
            self.note_failure(&cell, &reason, on_event);
        }
        let job = if pending.is_empty() {
            drop(lease);
            self.next_job(program, None)?
        } else {
            Some(Job { program, cells: pending, lease })
        };
        job.map_or(Ok(()), |job| self.start_worker(sender, job))
    }

    /// The workers of a program end before they start to work. If that is Python, its cells fail, and the others continue.
    fn give_up_on(
        &mut self,
        program: Program,
        pending: Vec<PlannedCell>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        let unknown = || Error::new("a worker ended before it started to work").help("its message is above");
        let reason = program.refusal().unwrap_or_else(unknown);
        if program == Program::This {
            return Err(reason);
        }
        let queued = self.queues.remove(&program).into_iter().flat_map(Queue::into_cells);
        for cell in pending.into_iter().chain(queued) {
            self.store.put_failure(&cell.cell(), &reason)?;
            self.note_failure(&cell, &reason, on_event);
        }
        Ok(())
    }

    fn needs_failed(&self, cell: &PlannedCell) -> bool {
        cell.evaluates().is_some_and(|training| self.failed.contains(&training))
    }

    fn stop_the_overdue(&mut self) {
        let Some(limit) = self.options.cell_timeout else { return };
        for worker in self.workers.values_mut() {
            if worker.current.is_some_and(|since| since.elapsed() > limit) {
                worker.process.kill();
            }
        }
    }

    /// A worker's end is only noticed when nothing holds its output open. A process that it has forked may.
    fn end_what_is_left_behind(&self) {
        self.workers.values().filter(|worker| worker.process.has_ended()).for_each(|worker| worker.process.kill());
    }
}

impl RunOptions {
    /// What a signal may have to do with memory: a process that is killed leaves no message of its own.
    fn memory_note(&self, status: ExitStatus) -> String {
        match (status.signal(), memory::limit_of(self.memory, self.devices.first().map_or("", String::as_str))) {
            (Some(_), Some(limit)) => {
                format!("; memory beyond {} is refused to it (twice `--memory`)", ByteSize(limit))
            }
            (Some(signal), None) if signal == Signal::KILL.as_raw() => {
                "; the system does this when memory runs out".to_owned()
            }
            _ => String::new(),
        }
    }
}

/// How often a run looks at what other runs do, at most.
const LOOK: Duration = Duration::from_secs(1);

/// The least time between two looks, for each lease that there is.
const LOOK_AT_EACH: Duration = Duration::from_millis(20);

/// How long a worker that no longer talks may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

impl Worker {
    fn finish(&mut self) -> Option<PlannedCell> {
        self.current = None;
        (!self.pending.is_empty()).then(|| self.pending.remove(0))
    }
}
