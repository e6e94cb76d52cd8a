//! The retired routes: a version is never reported as drained while a request has it.
//!
//! A request loads the route, counts itself at its version and then drops the route. An observer sums the references to the
//! retired routes and then reads the counter. Each request is therefore visible in one of the two, or in both.
//!
//! arc-swap does not run under loom. A mutex stands in for it and gives the contract that the counting relies on: when a
//! store has returned, each outstanding guard of the route before is a strong reference.

use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::sync::atomic::{AtomicUsize, fence};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// The only route that has the version under test. The later routes lack it.
const FIRST: usize = 0;

/// Where a run departs from the protocol.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The request drops the route before it counts itself.
    RouteDroppedBeforeCount,
    /// The observer reads the counter before the references.
    CounterReadBeforeReferences,
    /// The observer reads both in order, without the fence between them.
    NoFenceBetweenReads,
    /// The publisher reads the references and then the counter, without a fence between them.
    NoFenceBeforeForget,
}

struct Service {
    fault: Fault,
    /// The stand-in for arc-swap: the route that requests follow.
    live: Mutex<usize>,
    /// The strong count of each route, with the orderings of `std::sync::Arc`.
    references: [AtomicUsize; 3],
    retired: Mutex<RetiredRoutes>,
    /// The counter of the version: its requests in flight. They do not end here.
    in_flight: AtomicUsize,
}

#[derive(Default)]
struct RetiredRoutes {
    /// The routes that were replaced and may still be referenced by requests.
    routes: Vec<usize>,
    /// The removed version had no request left, so its counter is not read any more.
    is_forgotten: bool,
}

impl Service {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            live: Mutex::new(FIRST),
            references: std::array::from_fn(|_| AtomicUsize::new(1)),
            retired: Mutex::new(RetiredRoutes::default()),
            in_flight: AtomicUsize::new(0),
        }
    }

    fn load(&self) -> usize {
        let live = self.live.lock().unwrap();
        self.references[*live].fetch_add(1, Relaxed);
        *live
    }

    fn drop_reference(&self, route: usize) {
        self.references[route].fetch_sub(1, Release);
    }

    /// Returns whether the request has the version.
    fn request(&self) -> bool {
        let route = self.load();
        if self.fault == Fault::RouteDroppedBeforeCount {
            self.drop_reference(route);
        }
        if route == FIRST {
            self.in_flight.fetch_add(1, Relaxed);
        }
        if self.fault != Fault::RouteDroppedBeforeCount {
            self.drop_reference(route);
        }
        route == FIRST
    }

    fn publish(&self, next: usize) {
        let mut retired = self.retired.lock().unwrap();
        retired.routes.retain(|route| self.references[*route].load(Relaxed) > 0);
        let before = *self.live.lock().unwrap();
        if before != FIRST && retired.routes.is_empty() {
            if self.fault != Fault::NoFenceBeforeForget {
                // Pairs with the Release of the last reference to the routes that are not retained.
                fence(Acquire);
            }
            retired.is_forgotten = self.in_flight.load(Relaxed) == 0;
        }
        retired.routes.push(before);
        *self.live.lock().unwrap() = next;
        self.drop_reference(before);
    }

    fn is_drained(&self) -> bool {
        let is_reachable = *self.live.lock().unwrap() == FIRST;
        let retired = self.retired.lock().unwrap();
        let references =
            || retired.routes.iter().map(|route| self.references[*route].load(Relaxed)).sum::<usize>();
        let in_flight = || if retired.is_forgotten { 0 } else { self.in_flight.load(Relaxed) };
        let requests = match self.fault {
            Fault::CounterReadBeforeReferences => in_flight() + references(),
            Fault::NoFenceBetweenReads => references() + in_flight(),
            _ => {
                let references = references();
                fence(Acquire);
                references + in_flight()
            }
        };
        !is_reachable && requests == 0
    }
}

/// Runs one request beside `observe`, in every order. `observe` returns whether it saw the version drained.
fn explore(fault: Fault, observe: fn(&Arc<Service>) -> bool) {
    loom::model(move || {
        let service = Arc::new(Service::new(fault));
        let requesting = thread::spawn({
            let service = Arc::clone(&service);
            move || service.request()
        });
        let is_drained = observe(&service);
        let has_version = requesting.join().unwrap();
        assert!(!(is_drained && has_version), "drained while a request has the version");
    });
}

fn beside_a_publication(service: &Arc<Service>) -> bool {
    let publishing = thread::spawn({
        let service = Arc::clone(service);
        move || service.publish(1)
    });
    let is_drained = service.is_drained();
    publishing.join().unwrap();
    is_drained
}

fn after_two_publications(service: &Arc<Service>) -> bool {
    service.publish(1);
    service.publish(2);
    service.is_drained()
}

#[test]
fn a_request_is_never_invisible() {
    explore(Fault::None, beside_a_publication);
}

#[test]
fn a_request_of_a_removed_version_is_never_invisible() {
    explore(Fault::None, after_two_publications);
}

#[test]
#[should_panic(expected = "drained while a request has the version")]
fn a_request_that_drops_its_route_first_is_missed() {
    explore(Fault::RouteDroppedBeforeCount, beside_a_publication);
}

#[test]
#[should_panic(expected = "drained while a request has the version")]
fn an_observer_that_reads_the_counter_first_misses_a_request() {
    explore(Fault::CounterReadBeforeReferences, beside_a_publication);
}

#[test]
#[should_panic(expected = "drained while a request has the version")]
fn an_observer_without_a_fence_misses_a_request() {
    explore(Fault::NoFenceBetweenReads, beside_a_publication);
}

#[test]
#[should_panic(expected = "drained while a request has the version")]
fn a_publisher_without_a_fence_forgets_a_request() {
    explore(Fault::NoFenceBeforeForget, after_two_publications);
}
