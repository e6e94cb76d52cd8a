//! The instances whose row of failures is full, on their way from requests to the duty that judges them.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

use crate::common::lock::lock;
use crate::traffic::RowObserver;

/// The queue of the instances whose row of failures is full. Each is queued once, so the length is bounded by the
/// number of instances, also where no duty takes them out. `F` is the type of the fleet.
#[derive(Debug)]
pub(super) struct FullRows<F> {
    queue: Mutex<VecDeque<Arc<Place<F>>>>,
    /// Notified for each instance that is queued.
    added: Notify,
}

/// The place of an instance in its fleet. The instance's row of failures notifies it when the row is full.
#[derive(Debug)]
pub(super) struct Place<F> {
    // Weak: a queue that no duty empties would otherwise keep itself alive.
    rows: Weak<FullRows<F>>,
    /// Whether the instance is in the queue.
    is_queued: AtomicBool,
    /// The fleet that has the instance now, and the position in it.
    fleet: Mutex<(Weak<F>, usize)>,
}

impl<F> Default for FullRows<F> {
    fn default() -> Self {
        Self { queue: Mutex::default(), added: Notify::new() }
    }
}

impl<F> FullRows<F> {
    /// Queues an instance, and wakes the duty.
    fn push(&self, place: Arc<Place<F>>) {
        lock(&self.queue).push_back(place);
        self.added.notify_one();
    }

    /// Takes out the instance that has waited longest, or returns `None` if the queue is empty.
    fn pop(&self) -> Option<Arc<Place<F>>> {
        let place = lock(&self.queue).pop_front()?;
        // Relaxed, like the swap: nothing else is read through the flag. A failure that still reads `true` here is
        // judged with those that the instance was queued for. A later one queues it again.
        place.is_queued.store(false, Ordering::Relaxed);
        Some(place)
    }

    /// Waits for an instance whose row is full, and takes it out. Returns its fleet and its position there. Instances
    /// that were removed since they were queued are skipped.
    ///
    /// Dropped before it is ready, the future has taken out none but skipped ones.
    pub(super) async fn next(&self) -> (Arc<F>, usize) {
        loop {
            while let Some(place) = self.pop() {
                if let Some(found) = place.find() {
                    return found;
                }
            }
            // A push between the last `pop` and this leaves a permit.
            self.added.notified().await;
        }
    }
}

impl<F> Place<F> {
    /// Creates the place of an instance that belongs to no fleet yet.
    pub(super) fn new(rows: &Arc<FullRows<F>>) -> Arc<Self> {
        let fleet = Mutex::new((Weak::new(), 0));
        Arc::new(Self { rows: Arc::downgrade(rows), is_queued: AtomicBool::new(false), fleet })
    }

    /// Records that the instance is number `i` of `fleet` from now on.
    pub(super) fn set(&self, fleet: &Arc<F>, i: usize) {
        *lock(&self.fleet) = (Arc::downgrade(fleet), i);
    }

    /// Returns the present fleet of the instance and the position there, which may differ from those when it was
    /// queued. `None` if the fleet is gone.
    fn find(&self) -> Option<(Arc<F>, usize)> {
        let (fleet, i) = &*lock(&self.fleet);
        Some((fleet.upgrade()?, *i))
    }
}

impl<F: Debug + Send + Sync> RowObserver for Place<F> {
    fn row_is_full(self: Arc<Self>) {
        let Some(rows) = self.rows.upgrade() else { return };
        // Relaxed: exactly one thread sees `false`, and the lock of the queue publishes the rest.
        if !self.is_queued.swap(true, Ordering::Relaxed) {
            rows.push(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn an_instance_is_queued_once() {
        let rows = Arc::new(FullRows::<()>::default());
        let place = Place::new(&rows);
        for _ in 0..3 {
            (0..5).for_each(|_| Arc::clone(&place).row_is_full());
            assert!(rows.pop().is_some() && rows.pop().is_none());
        }
    }

    #[test]
    fn removed_instances_are_skipped() {
        let rows = Arc::new(FullRows::<()>::default());
        Place::new(&rows).row_is_full();
        assert!(rows.next().now_or_never().is_none());
        assert!(lock(&rows.queue).is_empty());
    }

    // No duty takes it out, as in an application that does not run `Deployments::run`.
    #[test]
    fn queue_does_not_keep_itself() {
        let rows = Arc::new(FullRows::<()>::default());
        let place = Place::new(&rows);
        Arc::clone(&place).row_is_full();
        assert_eq!(Arc::strong_count(&place), 2);
        drop(rows);
        assert_eq!(Arc::strong_count(&place), 1);
        place.row_is_full();
    }
}
