//! The serialized forms: each value is read back as it was, and an invalid one is refused with its own message.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_str, from_value, json, to_value};
use tower_canary::routing::{
    Change, HealthPath, Instances, LastChange, Reason, Registration, ServiceSettings, SlotMap, Split,
    SplitParts, Version, VersionId, VersionShare,
};
use tower_canary::{Backend, ServiceName, VersionName, Weight};

use crate::support::*;

/// Asserts that `value` is written as `form` and is read back from it.
pub(crate) fn has_form<T: Debug + PartialEq + Serialize + DeserializeOwned>(value: &T, form: Value) {
    assert_eq!(to_value(value).unwrap(), form);
    assert_eq!(&from_value::<T>(form).unwrap(), value);
}

pub(crate) fn refusal<T: Debug + DeserializeOwned>(form: Value) -> String {
    from_value::<T>(form).unwrap_err().to_string()
}

fn is_read_back<T: Debug + PartialEq + Serialize + DeserializeOwned>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&from_str::<T>(&text).unwrap(), value, "{text}");
}

proptest! {
    #[test]
    fn splits_and_changes_are_read_back(steps in steps()) {
        let split = run(steps, |before, change, outcome| {
            is_read_back(change);
            if let Ok(after) = outcome {
                is_read_back(after);
                is_read_back(&after.clone().into_parts());
                is_read_back(&after.shares());
                // A change that was read back does the same.
                let read: Change = from_value(to_value(change).unwrap()).unwrap();
                assert_eq!(before.apply(&read, at(9)), before.apply(change, at(9)));
            }
        });
        is_read_back(&split);
    }

    #[test]
    fn every_weight_is_read_back(hundredths in 0u16..=10_000) {
        let weight = Weight::from_hundredths(hundredths).unwrap();
        is_read_back(&weight);
        prop_assert_eq!(to_value(weight).unwrap().as_f64(), Some(weight.percent()));
    }

    #[test]
    fn salts_and_times_are_read_back(salt in any::<u64>(), millis in 0u64..=253_402_300_799_999) {
        let mut parts = split(&[60.0, 40.0]).into_parts();
        parts.salt = salt;
        parts.versions[0].updated_at = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        is_read_back(&parts);
    }

    #[test]
    fn whatever_is_read_is_a_valid_split(
        weights in prop::collection::vec((0u16..=10_000, any::<bool>()), 1..6),
        slots in prop::option::of(0u16..=10_000),
    ) {
        let mut form = to_value(whole_split(weights.len())).unwrap();
        for (version, (hundredths, active)) in form["versions"].as_array_mut().unwrap().iter_mut().zip(&weights) {
            version["weight"] = json!(f64::from(*hundredths) / 100.0);
            version["active"] = json!(active);
        }
        if let Some(slots) = slots {
            form["slots"] = json!(format!("v0:{slots},v9:{}", 10_000 - slots));
        }
        let parts: SplitParts = from_value(form.clone()).unwrap();
        let read: Split = from_value(form).unwrap();
        prop_assert_eq!(&read, &Split::from_parts(parts).0);
        prop_assert_eq!(Split::from_parts(read.clone().into_parts()), (read, false));
    }
}

#[test]
fn values_are_texts_and_numbers() {
    has_form(&"auth".parse::<ServiceName>().unwrap(), json!("auth"));
    has_form(&name(1), json!("v1"));
    has_form(&"http://a:1/b/".parse::<Backend>().unwrap(), json!("http://a:1/b/"));
    has_form(&"/healthz?a=1".parse::<HealthPath>().unwrap(), json!("/healthz?a=1"));
    has_form(&"v0:9000,v1:1000".parse::<SlotMap>().unwrap(), json!("v0:9000,v1:1000"));
    has_form(&SlotMap::default(), json!(""));
    has_form(&Reason::Key, json!("key"));
    has_form(&Weight::from_percent(10), json!(10));
    has_form(&weight(12.5), json!(12.5));
    has_form(&Weight::FULL, json!(100));
    let id = "67e55044-10b1-826f-9247-bb680e5fe0c8";
    has_form(&id.parse::<VersionId>().unwrap(), json!(id));
    let two = Instances::new(vec!["http://a".parse().unwrap(), "http://b".parse().unwrap()]).unwrap();
    has_form(&two, json!(["http://a", "http://b"]));
}

/// Returns a split with one version, and its documented form.
fn one_version() -> (SplitParts, Value) {
    let mut parts = SplitParts::new("auth".parse().unwrap(), 255);
    let id = "67e55044-10b1-826f-9247-bb680e5fe0c8";
    let backend: Backend = "http://10.0.0.1:8080".parse().unwrap();
    let mut version = Version::new(id.parse().unwrap(), name(0), backend.into(), at(1));
    version.weight = Weight::FULL;
    version.active = true;
    version.updated_at = at(2);
    parts.versions.push(version);
    parts.slots = "v0:10000".parse().unwrap();
    parts.generation = 1;
    let form = json!({
        "service": "auth",
        "salt": "00000000000000ff",
        "generation": 1,
        "pinEpoch": 0,
        "healthPath": null,
        "versions": [{
            "id": id,
            "name": "v0",
            "instances": ["http://10.0.0.1:8080"],
            "weight": 100,
            "active": true,
            "createdAt": 1_000,
            "updatedAt": 2_000,
        }],
        "slots": "v0:10000",
    });
    (parts, form)
}

#[test]
fn a_split_has_the_documented_form() {
    let (parts, form) = one_version();
    let (split, _) = Split::from_parts(parts.clone());
    has_form(&parts, form.clone());
    has_form(&split, form.clone());
    let urls = json!(["http://10.0.0.1:8080"]);
    let share = json!({"version": "v0", "weight": 100, "active": true, "instances": urls});
    has_form(&split.shares()[0], share);
    let earlier = VersionShare::new(name(0), Weight::FULL, true);
    has_form(&earlier, json!({"version": "v0", "weight": 100, "active": true}));
    has_form(&split.settings(), json!({"healthPath": split.health_path(), "pinEpoch": split.pin_epoch()}));
    let mut later = form;
    later["addedLater"] = json!(true);
    assert_eq!(from_value::<Split>(later).unwrap(), split);
}

#[test]
fn a_removed_split_has_the_documented_form() {
    let (mut parts, mut form) = one_version();
    parts.removed = true;
    parts.versions = Vec::new();
    parts.slots = SlotMap::default();
    parts.last_change = Some(LastChange::new("alice", at(3)));
    form["versions"] = json!([]);
    form["slots"] = json!("");
    form["removed"] = json!(true);
    form["lastChange"] = json!({"actor": "alice", "at": 3_000});
    has_form(&parts, form);
}

#[test]
fn changes_have_the_documented_forms() {
    let url: Backend = "http://h".parse().unwrap();
    let options = registration(1).with_weight(weight(0.5)).with_active(false);
    let shares = vec![VersionShare::new(name(0), Weight::FULL, true)];
    let forms = [
        (
            Change::register(name(1), url.clone()),
            json!({"kind": "register", "version": "v1", "url": "http://h", "active": true}),
        ),
        (
            Change::Register(options.with_health_path("/h".parse().unwrap())),
            json!({"kind": "register", "version": "v1", "url": "http://10.0.0.1:8080", "weight": 0.5, "active": false, "healthPath": "/h"}),
        ),
        (
            Change::set_weight(name(1), weight(10.0)),
            json!({"kind": "set-weight", "version": "v1", "weight": 10}),
        ),
        (set_weights(&[70.0, 30.0]), json!({"kind": "set-weights", "weights": {"v0": 70, "v1": 30}})),
        (Change::switch(name(1)), json!({"kind": "switch", "version": "v1"})),
        (Change::activate(name(1)), json!({"kind": "activate", "version": "v1"})),
        (Change::deactivate(name(1)), json!({"kind": "deactivate", "version": "v1", "force": false})),
        (Change::force_deactivate(name(1)), json!({"kind": "deactivate", "version": "v1", "force": true})),
        (
            Change::set_url(name(1), url.clone()),
            json!({"kind": "set-urls", "version": "v1", "urls": ["http://h"]}),
        ),
        (
            Change::update(name(1), url, true),
            json!({"kind": "update", "version": "v1", "url": "http://h", "active": true, "force": false}),
        ),
        (Change::remove(name(1)), json!({"kind": "remove", "version": "v1"})),
        (Change::restore(41), json!({"kind": "restore", "generation": 41, "shares": []})),
        (
            Change::restore_shares(41, shares),
            json!({"kind": "restore", "generation": 41, "shares": [{"version": "v0", "weight": 100, "active": true}]}),
        ),
        (Change::Redraw, json!({"kind": "redraw"})),
    ];
    for (change, form) in forms {
        assert_eq!(form["kind"], change.kind());
        has_form(&change, form);
    }
}

#[test]
fn service_changes_have_the_documented_forms() {
    let forms = [
        (
            Change::restore_recorded(41, Vec::new(), Some(ServiceSettings::default()), Some(at(2))),
            json!({
                "kind": "restore", "generation": 41, "shares": [],
                "settings": {"healthPath": null, "pinEpoch": 0}, "recordedAt": 2_000
            }),
        ),
        (
            Change::set_health_path(Some("/up".parse().unwrap())),
            json!({"kind": "set-health-path", "healthPath": "/up"}),
        ),
        (Change::set_health_path(None), json!({"kind": "set-health-path", "healthPath": null})),
        (Change::remove_service(), json!({"kind": "remove-service", "force": false})),
        (Change::force_remove_service(), json!({"kind": "remove-service", "force": true})),
    ];
    for (change, form) in forms {
        assert_eq!(form["kind"], change.kind());
        has_form(&change, form);
    }
}

#[test]
fn options_of_a_change_may_be_left_out() {
    for (form, change) in [
        (
            json!({"kind": "register", "version": "v1", "url": "http://10.0.0.1:8080"}),
            Change::Register(registration(1)),
        ),
        (json!({"kind": "deactivate", "version": "v1"}), Change::deactivate(name(1))),
        (json!({"version": "v1", "kind": "switch"}), Change::switch(name(1))),
        (json!({"kind": "restore", "generation": 4}), Change::restore(4)),
        (json!({"kind": "remove-service"}), Change::remove_service()),
    ] {
        assert_eq!(from_value::<Change>(form).unwrap(), change);
    }
}

// Only a text has the flag on an activation.
#[test]
fn force_is_described_for_deactivations() {
    for (active, words) in [(true, "active"), (false, "inactive, even the last")] {
        let form =
            json!({"kind": "update", "version": "v1", "url": "http://h", "active": active, "force": true});
        let change: Change = from_value(form).unwrap();
        assert_eq!(change.to_string(), format!("update v1 to http://h, {words}"));
    }
}

#[test]
fn invalid_values_are_refused_in_their_own_words() {
    let percentage = "a percentage from 0 to 100 with at most two decimals";
    for (form, words) in [
        (json!(100.01), "100.01 is not a weight"),
        (json!(101), "101 is not a weight"),
        (json!(-1), "-1 is not a weight"),
        (json!(0.001), "0.001 is not a weight"),
        (json!(u64::MAX), "is not a weight"),
        (json!("10"), percentage),
        (json!(null), percentage),
    ] {
        let refused = refusal::<Weight>(form);
        assert!(refused.contains(words), "{refused}");
    }
    assert!(refusal::<VersionName>(json!("V1")).contains("is not a version name"));
    assert!(refusal::<Backend>(json!("ftp://a")).contains("only http and https"));
    assert!(refusal::<HealthPath>(json!("a")).contains("not a health path"));
    assert!(refusal::<SlotMap>(json!("v0:1")).contains("not a slot map"));
    assert!(refusal::<VersionId>(json!("1")).contains("not a version id"));
    assert!(refusal::<Reason>(json!("luck")).contains("not a reason"));
    assert!(refusal::<Instances>(json!([])).contains("name at least one"));
    assert!(refusal::<Instances>(json!(["http://a", "http://a/"])).contains("named twice"));
}

#[test]
fn invalid_splits_and_changes_are_refused() {
    fn with(field: &str, value: Value) -> String {
        let mut form = to_value(split(&[60.0, 40.0])).unwrap();
        form[field] = value;
        refusal::<Split>(form)
    }

    for salt in ["", "ff", "+00000000000000f", "00000000000000000", "000000000000000g"] {
        assert!(with("salt", json!(salt)).contains("16 hexadecimal digits"), "{salt}");
    }
    assert!(with("slots", json!("v0:1")).contains("not a slot map"));
    assert!(with("generation", json!(-1)).contains("expected u64"));

    for (form, words) in [
        (json!({"kind": "swap", "version": "v1"}), "unknown variant `swap`"),
        (json!({"version": "v1"}), "missing field `kind`"),
        (json!({"kind": "switch"}), "missing field `version`"),
        (json!({"kind": "switch", "version": "v1", "force": true}), "unknown field `force`"),
        (json!({"kind": "redraw", "version": "v1"}), "unknown field `version`"),
        (json!({"kind": "set-weight", "version": "v1", "weight": 101}), "101 is not a weight"),
        (
            json!({"kind": "register", "version": "v1", "url": "http://a", "wieght": 1}),
            "unknown field `wieght`",
        ),
    ] {
        let refused = refusal::<Change>(form);
        assert!(refused.contains(words), "{refused}");
    }
    let twice = r#"{"kind": "set-weights", "weights": {"v1": 40, "v1": 60}}"#;
    let refused = from_str::<Change>(twice).unwrap_err().to_string();
    assert!(refused.contains("version v1 is named twice"), "{refused}");
    assert!(refusal::<Registration>(json!({"version": "v1"})).contains("missing field `url`"));
}

#[test]
fn times_have_milliseconds() {
    let mut version = split(&[100.0]).versions()[0].clone();
    version.created_at = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_234_999_999);
    version.updated_at = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let form = to_value(&version).unwrap();
    assert_eq!((&form["createdAt"], &form["updatedAt"]), (&json!(1_234), &json!(0)));
}
