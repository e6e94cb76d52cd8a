//! The instances of a version that were removed: none is forgotten while a request has it.
//!
//! A route holds the counters of its instances. A request loads the route, counts itself at its instance and then drops the
//! route; the thread that drops the last reference to a route drops its references to the counters. The publisher forgets an
//! instance if nobody else refers to its counters and it has no request in flight.
//!
//! As in `retired`, a mutex stands in for arc-swap.

use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::sync::atomic::{AtomicUsize, fence};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// Where a run departs from the protocol.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The request drops the route before it counts itself.
    RouteDroppedBeforeCount,
    /// The publisher reads the requests before the references to the counters.
    RequestsReadBeforeReferences,
    /// The publisher reads both in order, without the fence between them.
    NoFenceBetweenReads,
}

struct Version {
    fault: Fault,
    /// The stand-in for arc-swap: whether requests follow the route that has the instance.
    has_instance: Mutex<bool>,
    /// The strong count of this route, with the orderings of `std::sync::Arc`.
    route: AtomicUsize,
    /// The strong count of the counters of the instance: the version's and the route's.
    counters: AtomicUsize,
    /// The requests in flight at the instance. They do not end here.
    in_flight: AtomicUsize,
}

impl Version {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            has_instance: Mutex::new(true),
            route: AtomicUsize::new(1),
            counters: AtomicUsize::new(2),
            in_flight: AtomicUsize::new(0),
        }
    }

    fn load(&self) -> bool {
        let has_instance = self.has_instance.lock().unwrap();
        if *has_instance {
            self.route.fetch_add(1, Relaxed);
        }
        *has_instance
    }

    fn drop_route(&self) {
        if self.route.fetch_sub(1, Release) == 1 {
            fence(Acquire);
            self.counters.fetch_sub(1, Release);
        }
    }

    /// Returns whether the request has the instance.
    fn request(&self) -> bool {
        if !self.load() {
            return false;
        }
        if self.fault == Fault::RouteDroppedBeforeCount {
            self.drop_route();
        }
        self.in_flight.fetch_add(1, Relaxed);
        if self.fault != Fault::RouteDroppedBeforeCount {
            self.drop_route();
        }
        true
    }

    /// Publishes a route without the instance.
    fn remove_instance(&self) {
        *self.has_instance.lock().unwrap() = false;
        self.drop_route();
    }

    /// Returns whether the instance is forgotten.
    fn forgets(&self) -> bool {
        match self.fault {
            Fault::RequestsReadBeforeReferences => self.is_idle() && self.is_alone(),
            Fault::NoFenceBetweenReads => self.is_alone() && self.is_idle(),
            _ => {
                if !self.is_alone() {
                    return false;
                }
                fence(Acquire);
                self.is_idle()
            }
        }
    }

    fn is_alone(&self) -> bool {
        self.counters.load(Relaxed) == 1
    }

    fn is_idle(&self) -> bool {
        self.in_flight.load(Relaxed) == 0
    }
}

/// Runs one request beside the removal of its instance, in every order.
fn explore(fault: Fault) {
    loom::model(move || {
        let version = Arc::new(Version::new(fault));
        let requesting = thread::spawn({
            let version = Arc::clone(&version);
            move || version.request()
        });
        version.remove_instance();
        let is_forgotten = version.forgets();
        let has_instance = requesting.join().unwrap();
        assert!(!(is_forgotten && has_instance), "forgotten while a request has the instance");
    });
}

#[test]
fn an_instance_with_a_request_is_kept() {
    explore(Fault::None);
}

#[test]
#[should_panic(expected = "forgotten while a request has the instance")]
fn a_request_that_drops_its_route_first_is_missed() {
    explore(Fault::RouteDroppedBeforeCount);
}

#[test]
#[should_panic(expected = "forgotten while a request has the instance")]
fn a_publisher_that_reads_the_requests_first_misses_one() {
    explore(Fault::RequestsReadBeforeReferences);
}

#[test]
#[should_panic(expected = "forgotten while a request has the instance")]
fn a_publisher_without_a_fence_misses_a_request() {
    explore(Fault::NoFenceBetweenReads);
}
