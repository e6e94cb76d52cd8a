//! The shards that threads own: no count is lost, and no more requests have ended than were picked.
//!
//! A thread takes a shard that nobody owns, and gives it back at its end. The owner counts by a load and a store. A thread
//! without a shard counts by locked instructions on the shared one. A request that ends on a thread that does not own the
//! shard where it began is counted beside the counts of the owner, by a locked instruction.

use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// Where a run departs from the protocol.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The owner gives its shard back by a Relaxed store.
    GivenBackRelaxed,
    /// A thread without a shard counts as an owner does.
    UnownedStore,
    /// A request that ends elsewhere is counted as by the owner.
    ForeignStore,
    /// The outcome is stored Relaxed.
    OutcomeRelaxed,
    /// The reader takes the picks first.
    PicksReadFirst,
}

/// The counts of one shard.
struct Counts {
    picks: AtomicUsize,
    outcomes: AtomicUsize,
    /// The ends on threads that do not own the shard.
    outcomes_elsewhere: AtomicUsize,
}

struct Instance {
    fault: Fault,
    is_taken: AtomicBool,
    owned: Counts,
    shared: Counts,
    /// The requests that are passed from one thread to another. They began on the owned shard.
    passed: Mutex<usize>,
}

impl Counts {
    fn new() -> Self {
        Self {
            picks: AtomicUsize::new(0),
            outcomes: AtomicUsize::new(0),
            outcomes_elsewhere: AtomicUsize::new(0),
        }
    }
}

fn add_as_owner(count: &AtomicUsize, order: Ordering) {
    let before = count.load(Relaxed);
    count.store(before + 1, order);
}

impl Instance {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            is_taken: AtomicBool::new(false),
            owned: Counts::new(),
            shared: Counts::new(),
            passed: Mutex::new(0),
        }
    }

    fn release(&self) -> Ordering {
        if self.fault == Fault::OutcomeRelaxed { Relaxed } else { Release }
    }

    /// A thread: it takes a shard if there is one, runs one request, and ends.
    fn run(&self, passes_on: bool) {
        let is_owner = self.is_taken.compare_exchange(false, true, Acquire, Relaxed).is_ok();
        let counts = if is_owner { &self.owned } else { &self.shared };
        if is_owner || self.fault == Fault::UnownedStore {
            add_as_owner(&counts.picks, Relaxed);
        } else {
            counts.picks.fetch_add(1, Relaxed);
        }
        match is_owner {
            true if passes_on => *self.passed.lock().unwrap() += 1,
            true => add_as_owner(&counts.outcomes, self.release()),
            false => _ = counts.outcomes_elsewhere.fetch_add(1, self.release()),
        }
        if is_owner {
            let order = if self.fault == Fault::GivenBackRelaxed { Relaxed } else { Release };
            self.is_taken.store(false, order);
        }
    }

    /// Ends the requests that were passed on, on a thread that owns no shard.
    fn end_passed(&self) {
        for _ in 0..std::mem::take(&mut *self.passed.lock().unwrap()) {
            match self.fault {
                Fault::ForeignStore => add_as_owner(&self.owned.outcomes, Release),
                _ => _ = self.owned.outcomes_elsewhere.fetch_add(1, self.release()),
            }
        }
    }

    /// Returns the picks and the outcomes.
    fn read(&self) -> (usize, usize) {
        if self.fault == Fault::PicksReadFirst {
            let picks = self.picks();
            return (picks, self.outcomes());
        }
        let outcomes = self.outcomes();
        (self.picks(), outcomes)
    }

    fn picks(&self) -> usize {
        [&self.owned, &self.shared].map(|counts| counts.picks.load(Relaxed)).iter().sum()
    }

    fn outcomes(&self) -> usize {
        let shards = [&self.owned, &self.shared];
        shards
            .map(|counts| counts.outcomes.load(Acquire) + counts.outcomes_elsewhere.load(Acquire))
            .iter()
            .sum()
    }
}

/// Runs two threads that may own the shard one after the other, in every order.
fn explore_owners(fault: Fault) {
    explore_threads(fault, false);
}

/// Runs two threads that own no shard, while a third owns it.
fn explore_shared(fault: Fault) {
    explore_threads(fault, true);
}

fn explore_threads(fault: Fault, is_taken: bool) {
    loom::model(move || {
        let instance = Arc::new(Instance::new(fault));
        instance.is_taken.store(is_taken, Relaxed);
        let threads = [(); 2].map(|()| {
            let instance = Arc::clone(&instance);
            thread::spawn(move || instance.run(false))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(instance.read(), (2, 2), "a count was lost");
    });
}

/// Reads beside an owner whose first request ends on this thread.
fn explore_reader(fault: Fault) {
    loom::model(move || {
        let instance = Arc::new(Instance::new(fault));
        let owner = thread::spawn({
            let instance = Arc::clone(&instance);
            move || {
                instance.run(true);
                instance.run(false);
            }
        });
        let ending = thread::spawn({
            let instance = Arc::clone(&instance);
            move || instance.end_passed()
        });
        let (picks, outcomes) = instance.read();
        assert!(outcomes <= picks, "{outcomes} of {picks} have ended");
        owner.join().unwrap();
        ending.join().unwrap();
        instance.end_passed();
        assert_eq!(instance.read(), (2, 2), "a count was lost");
    });
}

#[test]
fn no_count_is_lost_between_owners() {
    explore_owners(Fault::None);
}

#[test]
#[should_panic(expected = "a count was lost")]
fn a_shard_given_back_relaxed_loses_a_count() {
    explore_owners(Fault::GivenBackRelaxed);
}

#[test]
fn no_count_of_the_shared_shard_is_lost() {
    explore_shared(Fault::None);
}

#[test]
#[should_panic(expected = "a count was lost")]
fn stores_on_the_shared_shard_lose_a_count() {
    explore_shared(Fault::UnownedStore);
}

#[test]
fn no_more_requests_end_than_were_picked() {
    explore_reader(Fault::None);
}

#[test]
#[should_panic(expected = "a count was lost")]
fn a_store_by_another_thread_loses_a_count() {
    explore_reader(Fault::ForeignStore);
}

#[test]
#[should_panic(expected = "have ended")]
fn a_relaxed_outcome_precedes_its_pick() {
    explore_reader(Fault::OutcomeRelaxed);
}

#[test]
#[should_panic(expected = "have ended")]
fn a_reader_that_takes_the_picks_first_misses_one() {
    explore_reader(Fault::PicksReadFirst);
}
