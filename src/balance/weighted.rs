//! A choice by weight among versions.

use crate::routing::{Point, SLOTS};

/// Returns the position of the weight at `point`, scaled to the sum of all `weights`. `None`: all are 0.
///
/// The weights are in hundredths of a percent and total at most 100 percent.
pub(crate) fn by_weight(weights: impl Iterator<Item = u32> + Clone, point: Point) -> Option<usize> {
    let total: u32 = weights.clone().sum();
    let mut offset = u32::from(point.get()) * total / u32::from(SLOTS);
    for (position, weight) in weights.enumerate() {
        if offset < weight {
            return Some(position);
        }
        offset -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_shared_by_weight() {
        let weights = [3_000, 0, 1_000, 0];
        let mut chosen = [0; 4];
        for point in 0..SLOTS {
            let position = by_weight(weights.into_iter(), Point::new(point).unwrap()).unwrap();
            chosen[position] += 1;
        }
        assert_eq!(chosen, [7_500, 0, 2_500, 0]);
        assert_eq!(by_weight([0, 0].into_iter(), Point::new(0).unwrap()), None);
        assert_eq!(by_weight([].into_iter(), Point::new(0).unwrap()), None);
    }
}
