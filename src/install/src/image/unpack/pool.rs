//! Work done on all cores, whose results come in the order in which it was given out.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Fault;

type Job = Box<dyn FnOnce() + Send>;

/// Gives out work.
pub(super) struct Pool<T> {
    jobs: Sender<Job>,
    results: SyncSender<Receiver<T>>,
}

impl<T: Send + 'static> Pool<T> {
    /// Has this done by the next thread that is free; waits while as many results as threads, and one, are not taken.
    pub(super) fn give(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<(), Fault> {
        let (done, result) = channel();
        self.results.send(result).map_err(|_| Fault::Stopped)?;
        let job = Box::new(move || {
            // Nobody waits for it once something has failed.
            let _ = done.send(work());
        });
        self.jobs.send(job).map_err(|_| Fault::Stopped)
    }

    /// Passes on results, one after the other, where they are due.
    pub(super) fn stream(&self) -> Result<SyncSender<T>, Fault> {
        let (sender, result) = sync_channel(2);
        self.results.send(result).map_err(|_| Fault::Stopped)?;
        Ok(sender)
    }
}

/// Runs `give` in a thread of its own, what it gives out in `threads` others, and `take` in this one.
///
/// A fault of `take` comes first: it is about what was given out before.
pub(super) fn in_order<T: Send + 'static>(
    threads: usize,
    give: impl FnOnce(&Pool<T>) -> Result<(), Fault> + Send,
    take: impl FnOnce(&mut dyn Iterator<Item = T>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (jobs, for_workers) = channel::<Job>();
    let (results, ordered) = sync_channel(threads + 1);
    let for_workers = Arc::new(Mutex::new(for_workers));
    let pool = Pool { jobs, results };
    thread::scope(|scope| {
        for _ in 0..threads {
            let jobs = Arc::clone(&for_workers);
            scope.spawn(move || {
                loop {
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match job {
                        Ok(job) => job(),
                        Err(_) => return,
                    }
                }
            });
        }
        let giving = scope.spawn(move || give(&pool));
        let taken = {
            // Dropped before the giver is waited for: it may wait for room in the queue.
            let ordered = ordered;
            take(&mut ordered.iter().flatten())
        };
        let given = giving.join().unwrap_or(Err(Fault::Stopped));
        match taken {
            Err(Fault::Damaged(what)) => Err(Fault::Damaged(what)),
            Err(Fault::Stopped) => Err(given.err().unwrap_or(Fault::Stopped)),
            Ok(()) => given,
        }
    })
}
