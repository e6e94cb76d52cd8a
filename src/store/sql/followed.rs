//! The server that the store follows, and the connections that are trusted.
//!
//! # Fail-over
//!
//! When a standby becomes the primary, its address moves, and the old primary may live on: read-only, stopping, or cut
//! off. Connections that were made before still lead to it. Three rules keep its answers out:
//!
//! - *An answer that only a wrong server gives costs all connections.* [`Followed::distrust`] records the time. The pool
//!   closes older connections instead of using them, and the listener makes a new one. So the next attempt goes where the
//!   address leads now.
//! - *Routes are read from a server that accepts changes.* Each load asks for it on the connection that it reads from. A
//!   cluster has one such server at a time.
//! - *An answer that was begun before another server answered is older than that one.* See below.
//!
//! # Why no route of an earlier server follows one of a later server
//!
//! Each server has an identity, which each load and each commit reads with its data. The term counts how often the identity
//! changed. A call notes the term when it begins, and [`Followed::record_answer`] gives its result a term when it ends:
//!
//! - *No other server answered meanwhile, and the identity is the known one*: the current term.
//! - *No other server answered meanwhile, and the identity is another one*: a new term. The server accepted changes at some
//!   time during the call, and the known one had answered before the call began. So the other one is the later one.
//! - *Another server answered meanwhile*: the term at the beginning. Which server is the later one is not known, and the
//!   result is treated as the older one.
//!
//! The publisher refuses results of an earlier term than the last that it published, and loads all splits at each new
//! one. A result that was refused without need costs one more load.
//!
//! Clusters in which several servers accept changes answer in turns. A server that was left less than [`RETURN_AFTER`] ago
//! is one of those, and its answers begin no term. A fail-over to and fro takes longer.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::common::lock::lock;

/// Shortest time after which a server that was left counts as another one.
const RETURN_AFTER: Duration = Duration::from_secs(60);

/// The server that the store follows. Shared by all clones of a store.
#[derive(Debug, Default)]
pub(super) struct Followed {
    state: Mutex<State>,
    losses: watch::Sender<Losses>,
}

/// The facts about the servers behind the address.
#[derive(Debug, Default)]
struct State {
    /// The identity of the server. `None` before the first answer, and on SQLite.
    server: Option<String>,
    /// The servers before it, each with the time at which another one answered instead.
    former: Vec<(String, Instant)>,
    /// How often another server was followed.
    term: u64,
    /// Connections that were made earlier are not used. `None`: all are trusted.
    distrusted: Option<Instant>,
    /// Whether connections of a lent pool have to be closed by hand.
    sweep_due: bool,
}

/// How often connections were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// Connections that were made before the last of these lead to a wrong server.
    pub(super) connections: u64,
    /// After each of these, all splits have to be loaded.
    pub(super) signals: u64,
}

impl Followed {
    /// Returns the term in which a call begins.
    pub(super) fn term(&self) -> u64 {
        lock(&self.state).term
    }

    /// Records an answer of `server` to a call that began in the term `begun`, and returns the term of the answer.
    pub(super) fn record_answer(&self, begun: u64, server: &str) -> u64 {
        let (term, is_another) = lock(&self.state).record_answer(begun, server, Instant::now());
        if is_another {
            self.distrust(true);
        }
        term
    }

    /// Ends the use of all connections that there are. With `signal`, all splits are loaded next.
    pub(super) fn distrust(&self, signal: bool) {
        self.distrust_before(Instant::now(), signal);
    }

    /// Ends the use of all connections that were made before `at`. With `signal`, all splits are loaded next.
    pub(super) fn distrust_before(&self, at: Instant, signal: bool) {
        let mut state = lock(&self.state);
        state.distrusted = state.distrusted.max(Some(at));
        state.sweep_due = true;
        drop(state);
        self.losses.send_modify(|losses| {
            losses.connections += 1;
            losses.signals += u64::from(signal);
        });
    }

    /// Returns whether a connection of this age may be used.
    #[cfg(any(test, feature = "postgres", feature = "mysql"))]
    pub(super) fn is_trusted(&self, age: Duration) -> bool {
        lock(&self.state).distrusted.is_none_or(|at| at.elapsed() > age)
    }

    /// Returns whether connections were distrusted since the last call of this method.
    pub(super) fn take_sweep(&self) -> bool {
        std::mem::take(&mut lock(&self.state).sweep_due)
    }

    /// Returns how often the server was lost up to now.
    pub(super) fn losses(&self) -> Losses {
        *self.losses.borrow()
    }

    /// Waits until there are other losses than `seen`, and returns them.
    pub(super) async fn wait_for_loss(&self, seen: Losses) -> Losses {
        // The sender is a field of `self`, so waiting cannot fail.
        let _ = self.losses.subscribe().wait_for(|losses| *losses != seen).await.map(drop);
        self.losses()
    }
}

impl State {
    /// Records an answer of `server`, at the time `now`, to a call that began in the term `begun`. Returns the term of
    /// the answer, and whether it begins that term: it is the first of another server.
    fn record_answer(&mut self, begun: u64, server: &str, now: Instant) -> (u64, bool) {
        if begun != self.term {
            return (begun, false);
        }
        let Some(known) = self.server.replace(server.to_owned()) else { return (self.term, false) };
        if known == server {
            return (self.term, false);
        }
        self.former.retain(|(_, at)| now.saturating_duration_since(*at) < RETURN_AFTER);
        let was_left_recently = self.former.iter().any(|(former, _)| former == server);
        self.former.retain(|(former, _)| *former != known);
        self.former.push((known, now));
        if !was_left_recently {
            self.term += 1;
        }
        (self.term, !was_left_recently)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn another_server_begins_a_term() {
        let mut state = State::default();
        let now = Instant::now();
        assert_eq!(state.record_answer(0, "a", now), (0, false));
        assert_eq!(state.record_answer(0, "a", now), (0, false));
        assert_eq!(state.record_answer(0, "b", now), (1, true));
        assert_eq!(state.record_answer(1, "b", now), (1, false));
    }

    #[test]
    fn late_answer_keeps_its_term() {
        let mut state = State::default();
        let now = Instant::now();
        state.record_answer(0, "a", now);
        state.record_answer(0, "b", now);
        assert_eq!(state.record_answer(0, "a", now), (0, false));
        assert_eq!(state.record_answer(0, "b", now), (0, false));
        assert_eq!(state.server.as_deref(), Some("b"));
    }

    #[test]
    fn servers_in_turns_share_a_term() {
        let mut state = State::default();
        let now = Instant::now();
        state.record_answer(0, "a", now);
        state.record_answer(0, "b", now);
        state.record_answer(1, "c", now);
        for round in 1..5 {
            for server in ["a", "b", "c"] {
                assert_eq!(state.record_answer(2, server, now + round * SECOND), (2, false));
            }
        }
        assert_eq!(state.record_answer(2, "b", now + 90 * SECOND), (3, true));
    }

    #[test]
    fn older_connections_are_distrusted() {
        let followed = Followed::default();
        assert!(followed.is_trusted(SECOND));
        followed.distrust(true);
        assert!(!followed.is_trusted(SECOND));
        std::thread::sleep(Duration::from_millis(2));
        assert!(followed.is_trusted(Duration::ZERO));
        assert!(followed.take_sweep() && !followed.take_sweep());
        assert_eq!(followed.losses(), Losses { connections: 1, signals: 1 });
    }
}
