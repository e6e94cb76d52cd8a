//! Keys: their slots are a documented format, users are spread evenly, and a change moves the fewest.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tower_canary::routing::{Point, Reason, Route, Split};

use crate::support::*;

const KEYS: u32 = 100_000;

#[test]
fn slots_match_the_published_vectors() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../vectors/slots.json")).unwrap();
    let vectors = vectors.as_array().unwrap();
    assert_eq!(vectors.len(), 100);
    for vector in vectors {
        let salt = u64::from_str_radix(vector["salt"].as_str().unwrap(), 16).unwrap();
        let hex = vector["key"].as_str().unwrap();
        let key: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        assert_eq!(
            u64::from(Point::from_key(salt, &key).get()),
            vector["slot"].as_u64().unwrap(),
            "{vector}"
        );
    }
}

/// Returns the position of the version that each of the keys gets.
fn holders(split: &Split) -> Vec<usize> {
    let route = Route::compile(split.clone());
    (0..KEYS)
        .map(|i: u32| {
            let key = format!("user-{i}");
            let explained = route.explain(key.as_bytes());
            assert_eq!((explained.reason, explained.slot), (Reason::Key, Point::from_key(7, key.as_bytes())));
            let name = &explained.version.unwrap().name;
            split.versions().iter().position(|version| version.name == *name).unwrap()
        })
        .collect()
}

fn share(of: usize) -> f64 {
    of as f64 * 100.0 / f64::from(KEYS)
}

// No user leaves a version that grows.
#[test]
fn fewest_of_100_000_users_move() {
    for (before, after, minimum) in [
        (&[90.0, 10.0][..], &[80.0, 20.0][..], 10.0),
        (&[90.0, 10.0], &[70.0, 30.0], 20.0),
        (&[90.0, 5.0, 5.0], &[70.0, 15.0, 15.0], 20.0),
        (&[90.0, 5.0, 5.0], &[70.0, 10.0, 20.0], 20.0),
        (&[50.0, 40.0, 10.0], &[50.0, 20.0, 30.0], 20.0),
    ] {
        let old = split(before);
        let new = old.apply(&set_weights(after), at(3)).unwrap();
        let was = holders(&old);
        let is = holders(&new);
        let moved: Vec<_> = was.iter().zip(&is).filter(|(from, to)| from != to).collect();
        let thrown = moved.iter().filter(|(from, _)| after[**from] >= before[**from]).count();
        println!("{before:?} to {after:?}: {:.2} % moved, {thrown} users thrown out", share(moved.len()));
        assert!((share(moved.len()) - minimum).abs() < 0.5, "{}", share(moved.len()));
        assert_eq!(thrown, 0);
        for (i, percent) in after.iter().enumerate() {
            let users = is.iter().filter(|version| **version == i).count();
            assert!((share(users) - percent).abs() < 0.5, "v{i} has {}", share(users));
        }
    }
}

// 1,000 sequences of up to 6 versions. No user leaves a version that does not shrink.
#[test]
fn random_weight_changes_move_the_fewest() {
    let mut chance = Chance(11);
    let mut re_weights = 0;
    let mut most_runs = 0;
    for sequence in 0..1_000_u64 {
        let versions = 2 + usize::try_from(sequence % 5).unwrap();
        let mut before = whole_split(versions);
        for _ in 0..20 {
            let parts = chance.weights(versions);
            let after = before.apply(&set_weights(&parts), at(3)).unwrap();
            let weight = |split: &Split, i: usize| split.versions()[i].weight.hundredths();
            let shrunk: u16 =
                (0..versions).map(|i| weight(&before, i).saturating_sub(weight(&after, i))).sum();
            let moves = before.moves(&after);
            assert_eq!(moves.iter().map(|m| m.slots).sum::<u16>(), shrunk, "the minimum");
            for m in &moves {
                let i = (0..versions).find(|i| Some(name(*i)) == m.from).unwrap();
                assert!(
                    weight(&after, i) < weight(&before, i),
                    "thrown out of a version that does not shrink"
                );
            }
            most_runs = most_runs.max(after.slots().runs().count());
            re_weights += 1;
            before = after;
        }
    }
    println!("{re_weights} re-weights, at most {most_runs} runs");
}

#[test]
fn canary_users_differ_by_service() {
    fn canary(salt: u64) -> impl Iterator<Item = u32> {
        (0..KEYS).filter(move |i| Point::from_key(salt, format!("user-{i}").as_bytes()).get() < 1_000)
    }

    let one: Vec<_> = canary(1).collect();
    let other: BTreeSet<_> = canary(2).collect();
    let both = one.iter().filter(|user| other.contains(user)).count();
    assert!((share(both) - 1.0).abs() < 0.2, "{} of 1 % expected by chance", share(both));
}

#[test]
fn numbered_keys_spread_evenly() {
    let mut counts = vec![0.0_f64; 100];
    for i in 0..KEYS {
        counts[usize::from(Point::from_key(7, i.to_string().as_bytes()).get()) / 100] += 1.0;
    }
    let expected = f64::from(KEYS) / 100.0;
    let chi_square: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
    // Chi-square with 99 degrees of freedom: 0.1 % of all cases are above 148.2, and 0.1 % below 60.
    assert!((60.0..148.2).contains(&chi_square), "{chi_square}");
}

#[test]
fn preview_counts_moved_users() {
    let before = split(&[90.0, 10.0, 0.0]);
    let preview = before.preview(&set_weights(&[70.0, 10.0, 20.0]), at(3)).unwrap();
    assert_eq!(percents(&preview.after), [70.0, 10.0, 20.0]);
    let shown: Vec<_> = preview.moves.iter().map(|m| (m.from.clone(), m.to.clone(), m.slots)).collect();
    assert_eq!(shown, [(Some(name(0)), Some(name(2)), 2_000)]);
    let first = Split::new("auth".parse().unwrap(), 7);
    let preview = first.preview(&tower_canary::routing::Change::Register(registration(0)), at(1)).unwrap();
    let shown: Vec<_> = preview.moves.iter().map(|m| (m.from.clone(), m.to.clone(), m.slots)).collect();
    assert_eq!(shown, [(None, Some(name(0)), 10_000)]);
}

proptest! {
    #[test]
    fn preview_matches_the_change(steps in steps()) {
        let _ = run(steps, |before, change, after| {
            let Ok(after) = after else { return };
            let preview = before.preview(change, at(9)).unwrap();
            assert_eq!(percents(&preview.after), percents(after));
            let mut expected = BTreeMap::<_, u16>::new();
            for slot in 0..10_000 {
                let from = before.slots().version_at(slot);
                let to = after.slots().version_at(slot);
                if from != to {
                    *expected.entry((from.cloned(), to.cloned())).or_default() += 1;
                }
            }
            let moves = preview.moves.iter().map(|m| ((m.from.clone(), m.to.clone()), m.slots));
            assert_eq!(moves.collect::<BTreeMap<_, _>>(), expected);
        });
    }
}
