//! The stored form of a slot map.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_canary::routing::SlotMap;

fuzz_target!(|text: &str| {
    let Ok(map) = text.parse::<SlotMap>() else { return };
    assert_eq!(map.to_string().parse::<SlotMap>().as_ref(), Ok(&map));
    let total: u32 = map.runs().map(|(_, slots)| u32::from(slots)).sum();
    assert_eq!(total, if text.is_empty() { 0 } else { 10_000 });
    assert_eq!(map.version_at(9_999).is_some(), total > 0);
    assert_eq!(map.version_at(10_000), None);
    assert_eq!(map.moved(&map), 0);
});
