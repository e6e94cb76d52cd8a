//! The saved snapshot that an application starts from without the store.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_canary::store::LastGood;

fuzz_target!(|text: &str| {
    let Ok(last_good) = LastGood::from_json(text) else { return };
    let written = last_good.to_json();
    let again = LastGood::from_json(&written).expect("what was written can be read");
    assert_eq!(again.to_json(), written);
    for split in &last_good.snapshot.splits {
        let total: u32 = split.versions().iter().map(|version| u32::from(version.weight.hundredths())).sum();
        assert!(total == 0 || total == 10_000, "the weights total {total}");
    }
});
