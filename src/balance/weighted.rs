//! A choice by weight among versions.

use crate::routing::{Point, SLOTS};

/// Picks one of `weights`, in proportion to them, and returns its position. `point` is scaled to their sum. `None`:
/// there is no weight above 0.
///
/// The weights are in hundredths of a percent and total at most 100 percent. They are read twice: if some depend on
/// health, they may fall in between.
pub(crate) fn pick_by_weight(weights: impl Iterator<Item = u32> + Clone, point: Point) -> Option<usize> {
    let total: u32 = weights.clone().sum();
    let mut offset = u32::from(point.get()) * total / u32::from(SLOTS);
    let mut last = None;
    for (position, weight) in weights.enumerate() {
        if offset < weight {
            return Some(position);
        }
        offset -= weight;
        if weight > 0 {
            last = Some(position);
        }
    }
    // Weights that fell since they were summed leave the greatest points without a position.
    last
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn weight_that_falls_meanwhile_leaves_the_others() {
        let reads = Cell::new(0);
        let weights = [3_000, 7_000].into_iter().map(|weight| {
            reads.set(reads.get() + 1);
            if weight == 7_000 && reads.get() > 2 { 0 } else { weight }
        });
        assert_eq!(pick_by_weight(weights, Point::new(9_999).unwrap()), Some(0));
    }

    #[test]
    fn points_are_shared_by_weight() {
        let weights = [3_000, 0, 1_000, 0];
        let mut chosen = [0; 4];
        for point in 0..SLOTS {
            let position = pick_by_weight(weights.into_iter(), Point::new(point).unwrap()).unwrap();
            chosen[position] += 1;
        }
        assert_eq!(chosen, [7_500, 0, 2_500, 0]);
        assert_eq!(pick_by_weight([0, 0].into_iter(), Point::new(0).unwrap()), None);
        assert_eq!(pick_by_weight([].into_iter(), Point::new(0).unwrap()), None);
    }
}
