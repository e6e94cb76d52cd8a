//! Queues of instances under load, with the real choice beside round robin.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::choose::{Load, choose};
use super::members::Members;
use super::turn::Turn;

const INSTANCES: usize = 8;
/// The requests that an instance serves at the same time. Others wait.
const PLACES: usize = 8;
const MEAN_MILLIS: f64 = 10.0;
const REQUESTS: usize = 60_000;
/// The share of the places that are busy if all instances are equal.
const LOAD: f64 = 0.7;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    RoundRobin,
    /// The real one, on so many threads, each of which knows its own requests only.
    TwoChoices {
        threads: usize,
    },
}

/// A request, by the time when it arrived in milliseconds.
#[derive(Clone, Copy)]
struct Sent {
    arrived: f64,
    thread: usize,
}

#[derive(Default)]
struct Instance {
    waiting: VecDeque<Sent>,
    busy: usize,
    /// The requests in flight of each thread.
    in_flight: [usize; 16],
}

/// A request that ends at a time in nanoseconds, which has an order unlike a float.
type End = Reverse<(u64, usize, usize, u64)>;

struct Simulation {
    random: StdRng,
    slowness: [f64; INSTANCES],
    instances: [Instance; INSTANCES],
    ends: BinaryHeap<End>,
    turns: [Turn; 16],
    next: usize,
    took: Vec<f64>,
}

impl Simulation {
    fn new(slowness: [f64; INSTANCES]) -> Self {
        let turn = |thread: usize| Turn::from_bits((thread as u64) << 60);
        Self {
            random: StdRng::seed_from_u64(7),
            slowness,
            instances: std::array::from_fn(|_| Instance::default()),
            ends: BinaryHeap::new(),
            turns: std::array::from_fn(turn),
            next: 0,
            took: Vec::with_capacity(REQUESTS),
        }
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.random.random::<f64>()).ln()
    }

    fn pick(&mut self, method: Method) -> (usize, usize) {
        let TwoChoices { threads } = method else {
            self.next = (self.next + 1) % INSTANCES;
            return (self.next, 0);
        };
        let thread = self.random.random_range(0..threads);
        self.turns[thread] = self.turns[thread].next();
        let load = |i: usize| Load { in_flight: self.instances[i].in_flight[thread], failures: 0 };
        let members = Members::new(INSTANCES);
        (choose(members, members.bits(), self.turns[thread], load).0, thread)
    }

    fn start(&mut self, i: usize, sent: Sent, now: f64) {
        self.instances[i].busy += 1;
        let end = now + self.exponential(MEAN_MILLIS * self.slowness[i]);
        self.ends.push(Reverse(((end * 1e6) as u64, i, sent.thread, sent.arrived.to_bits())));
    }

    /// Ends the requests that end before `now`, and starts those that waited for their places.
    fn end_until(&mut self, now: f64) {
        while self.ends.peek().is_some_and(|Reverse((end, ..))| *end as f64 / 1e6 <= now) {
            let Some(Reverse((end, i, thread, arrived))) = self.ends.pop() else { return };
            let end = end as f64 / 1e6;
            self.took.push(end - f64::from_bits(arrived));
            self.instances[i].in_flight[thread] -= 1;
            self.instances[i].busy -= 1;
            if let Some(sent) = self.instances[i].waiting.pop_front() {
                self.start(i, sent, end);
            }
        }
    }

    /// Returns the 99th percentile of the time until a request ends, in milliseconds.
    fn p99(mut self, method: Method) -> f64 {
        let mut now = 0.0;
        let between = MEAN_MILLIS / (LOAD * (INSTANCES * PLACES) as f64);
        for _ in 0..REQUESTS {
            now += self.exponential(between);
            self.end_until(now);
            let (i, thread) = self.pick(method);
            let sent = Sent { arrived: now, thread };
            self.instances[i].in_flight[thread] += 1;
            match self.instances[i].busy < PLACES {
                true => self.start(i, sent, now),
                false => self.instances[i].waiting.push_back(sent),
            }
        }
        self.end_until(f64::INFINITY);
        self.took.sort_by(f64::total_cmp);
        self.took[REQUESTS * 99 / 100]
    }
}

use Method::{RoundRobin, TwoChoices};

// Round robin sends the slow instance more than it can serve, for as long as the load lasts.
#[test]
#[cfg_attr(miri, ignore = "a simulation: it takes hours there, and has nothing to find")]
fn slow_instance_does_not_slow_the_others() {
    let equal = [1.0; INSTANCES];
    let mut one_slow = equal;
    one_slow[3] = 4.0;
    println!("p99 in ms of {INSTANCES} instances at load {LOAD}: all equal, one four times slower");
    let mut measured = Vec::new();
    for method in
        [RoundRobin, TwoChoices { threads: 1 }, TwoChoices { threads: 2 }, TwoChoices { threads: 4 }]
    {
        let [all_equal, with_slow] = [equal, one_slow].map(|slowness| Simulation::new(slowness).p99(method));
        println!("{:32} {all_equal:8.0} {with_slow:8.0}", format!("{method:?}"));
        measured.push((all_equal, with_slow));
    }
    let (_, round_robin) = measured[0];
    for (all_equal, with_slow) in &measured[1..] {
        assert!(*with_slow <= 2.0 * all_equal, "{with_slow} of {all_equal}");
        assert!(round_robin >= 50.0 * with_slow, "{round_robin} beside {with_slow}");
    }
}
