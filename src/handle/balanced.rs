//! The instances of a version, among which requests are balanced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::fleet::Fleet;
use super::full_rows::Place;
use super::seat::Seat;
use crate::balance::{Turn, choose};
use crate::common::hash::{fnv1a, mix};
use crate::common::sharded::{Shard, Sharded};
use crate::routing::{Backend, Draw, VersionId, random_starts};
use crate::traffic::Counters;

/// The instances of a fleet as requests see them, in the order of the base URLs.
#[derive(Debug)]
pub(super) struct BalancedInstances {
    fleet: Arc<Fleet>,
    seats: Box<[Seat]>,
    /// The bits of the last turn of each shard.
    turns: Sharded<AtomicU64>,
}

impl BalancedInstances {
    /// Creates the instances of `fleet`. `kept` returns the instance that a base URL had before, if it had one.
    pub(super) fn new(
        fleet: &Arc<Fleet>,
        counters: &Counters,
        kept: impl Fn(&Backend) -> Option<Seat>,
    ) -> Self {
        let backends = fleet.instances().iter().enumerate();
        let seats: Box<[Seat]> =
            backends.map(|(i, backend)| seat(fleet, i, backend, counters, kept(backend))).collect();
        fleet.set_traffic(seats.iter().map(Seat::traffic));
        Self { fleet: Arc::clone(fleet), seats, turns: first_turns(fleet.draw(), fleet.id()) }
    }

    /// Returns the fleet, which has the health of these instances.
    pub(super) const fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    /// Returns the instance at `backend`, or `None` if it is no base URL of the version.
    pub(super) fn seat(&self, backend: &Backend) -> Option<&Seat> {
        self.seats.get(self.fleet.instances().position(backend)?)
    }

    /// Picks among the instances that may be chosen and are not in `avoided`. Returns the position of the picked one
    /// and itself, or `None` if there is none.
    #[inline]
    pub(super) fn pick(&self, shard: Shard, avoided: u64) -> Option<(usize, &Seat)> {
        self.pick_of(shard, self.fleet.words().usable() & !avoided)
    }

    /// Picks among all instances, usable or not. There is at least one.
    #[cold]
    pub(super) fn pick_any(&self, shard: Shard) -> Option<(usize, &Seat)> {
        self.pick_of(shard, self.fleet.members().bits())
    }

    /// Picks among the instances whose bits are set in `candidates`. One alone needs no draw.
    #[inline]
    fn pick_of(&self, shard: Shard, candidates: u64) -> Option<(usize, &Seat)> {
        let i = match candidates {
            0 => return None,
            one if one.is_power_of_two() => one.trailing_zeros() as usize,
            several => self.pick_between(shard, several),
        };
        Some((i, self.seats.get(i)?))
    }

    /// Draws two of `candidates`, which has at least two bits, and picks the one with less load. If that one starts
    /// slowly, it may pass the request on to the other.
    #[inline]
    fn pick_between(&self, shard: Shard, candidates: u64) -> usize {
        let turn = next_turn(self.turns.at(shard));
        let load = |i: usize| self.seats[i].load(shard);
        let (chosen, other) = choose(self.fleet.members(), candidates, turn, load);
        if self.fleet.words().passes_on(chosen, turn) { other } else { chosen }
    }
}

/// Returns the instance at position `i` of `fleet`: the one that was `kept`, if it counts its failures as the fleet
/// needs it.
fn seat(fleet: &Arc<Fleet>, i: usize, backend: &Backend, counters: &Counters, kept: Option<Seat>) -> Seat {
    let Some(judge) = fleet.judge() else {
        let kept = kept.filter(Seat::has_row);
        return kept.unwrap_or_else(|| Seat::balanced(backend, counters));
    };
    let kept = kept.and_then(|seat| Some((Arc::clone(seat.place()?), seat)));
    let (place, seat) = kept.unwrap_or_else(|| {
        let place = Place::new(&judge.rows);
        (Arc::clone(&place), Seat::judged(backend, counters, judge.settings.row(), place))
    });
    place.set(fleet, i);
    seat
}

/// Returns the turn before the first one of each shard. With a seeded draw it is the same for all shards and in each
/// run, so that the choices repeat on any thread.
fn first_turns(draw: Draw, id: VersionId) -> Sharded<AtomicU64> {
    if let Draw::Seeded(seed) = draw {
        let start = mix(seed ^ fnv1a(&id.to_string()));
        return Sharded::new(|_, _| AtomicU64::new(start));
    }
    random_starts()
}

/// Returns the next turn of a shard.
#[inline]
fn next_turn(state: &AtomicU64) -> Turn {
    // Relaxed, and no read-modify-write: two threads of the shared shard may take the same turn, which spreads the
    // requests of a moment less evenly and does nothing wrong.
    let turn = Turn::from_bits(state.load(Ordering::Relaxed)).next();
    state.store(turn.bits(), Ordering::Relaxed);
    turn
}
