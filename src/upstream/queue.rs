//! The requests that wait for a connection.

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// Requests that wait, in the order they came, each with where it gets its claim `C`.
pub(super) struct Queue<C>(VecDeque<oneshot::Sender<C>>);

impl<C> Queue<C> {
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Adds a request. It gives up by dropping the receiver.
    pub(super) fn wait(&mut self) -> oneshot::Receiver<C> {
        if self.0.len() == self.0.capacity() {
            // While all connections hang, nothing else removes the requests that gave up. Room for as many again keeps this
            // rare.
            self.forget_cancelled();
            self.0.reserve(self.0.len().max(1));
        }
        let (sender, receiver) = oneshot::channel();
        self.0.push_back(sender);
        receiver
    }

    /// Gives `claim` to the first request that still waits. Returns it if no request waits.
    pub(super) fn hand_over(&mut self, mut claim: C) -> Option<C> {
        while let Some(waiting) = self.0.pop_front() {
            match waiting.send(claim) {
                Ok(()) => return None,
                Err(unclaimed) => claim = unclaimed,
            }
        }
        Some(claim)
    }

    /// Returns whether a request waits.
    pub(super) fn has_waiting(&mut self) -> bool {
        while self.0.front().is_some_and(oneshot::Sender::is_closed) {
            self.0.pop_front();
        }
        !self.0.is_empty()
    }

    /// Removes the requests whose futures were dropped.
    pub(super) fn forget_cancelled(&mut self) {
        self.0.retain(|waiting| !waiting.is_closed());
    }

    /// Returns the number of requests, with those that gave up and were not removed yet.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes all requests. Each of them looks again.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn cancelled_requests_are_forgotten() {
        let mut queue = Queue::<u8>::new();
        let mut first = queue.wait();
        for _ in 0..100_000 {
            drop(queue.wait());
        }
        assert!(queue.len() < 100, "{}", queue.len());
        let mut last = queue.wait();
        assert_eq!((queue.hand_over(1), queue.hand_over(2), queue.hand_over(3)), (None, None, Some(3)));
        assert_eq!((first.try_recv(), last.try_recv()), (Ok(1), Ok(2)));
        drop(queue.wait());
        assert!(!queue.has_waiting());
    }
}
