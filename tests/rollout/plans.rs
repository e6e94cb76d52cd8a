//! Plans: defaults, forms, refusals with their places, and the JSON that is read back.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Value, json};
use tower_canary::rollout::{
    Form, GateName, InvalidPlan, Plan, Then, TimeWindow, WhenFailed, WhenInconclusive,
};

use crate::support::{at, name, plan, two_versions};

/// Reads `fields` beside the version.
fn with(fields: &Value) -> Result<Plan, InvalidPlan> {
    let mut whole = json!({"version": "v1.1"});
    for (field, value) in fields.as_object().unwrap() {
        whole[field] = value.clone();
    }
    Plan::try_from(&whole)
}

fn refused(fields: &Value) -> String {
    with(fields).map_or_else(|error| error.to_string(), |plan| panic!("{fields}: {plan:?}"))
}

fn weights(plan: &Plan) -> Vec<f64> {
    (1..=plan.stages()).map(|number| plan.stage(number).unwrap().weight.percent()).collect()
}

#[test]
fn a_version_is_a_whole_plan() {
    let plan = plan(r#"{"version": "v1.1"}"#);
    assert_eq!(plan, Plan::new(name("v1.1")));
    assert_eq!(weights(&plan), [5.0, 10.0, 25.0, 50.0, 95.0]);
    let first = plan.stage(1).unwrap();
    assert_eq!((first.hold, first.deadline), (Duration::from_mins(5), Duration::from_hours(1)));
    let bake = plan.stage(5).unwrap();
    assert_eq!(
        (bake.hold, bake.deadline, bake.is_bake),
        (Duration::from_mins(10), Duration::from_mins(100), true)
    );
    assert!(plan.stage(0).is_none() && plan.stage(6).is_none());
}

#[test]
fn the_example_of_the_docs_is_read() {
    let plan = plan(
        r#"{"version": "v1.1", "steps": [5, 10, {"weight": 25, "hold": "10m", "gates": ["approval"]}, 50], "hold": "5m",
            "bake": {"hold": "10m", "keep": 5}, "then": "promote", "startGates": [],
            "windows": ["mon-fri 08:00-16:00 +01:00"], "back": {"steps": [], "hold": "30s"}, "deadline": "2h",
            "guard": {"errors": {"worseBy": 0.1, "timesWorse": 1, "limit": null},
                      "latency": {"timesWorse": 1.3, "atLeast": "5ms", "limit": null}, "falseRollbacks": 0.001,
                      "leastRequests": 200, "leastWindows": 12, "calm": 5,
                      "whenFailed": "return", "whenInconclusive": "pause"}}"#,
    );
    let third = plan.stage(3).unwrap();
    assert_eq!((third.hold, third.deadline), (Duration::from_mins(10), Duration::from_hours(2)));
    assert!(third.gates.iter().all(GateName::is_approval) && third.gates.len() == 1);
    assert_eq!(*plan.guard(), *Plan::new(name("v1.1")).guard());
}

#[test]
fn blue_green_is_one_stage_at_100() {
    let plan = with(&json!({"form": "blue-green", "startGates": ["smoke"]})).unwrap();
    assert_eq!((plan.form(), weights(&plan), plan.start_gates().len()), (Form::BlueGreen, vec![100.0], 1));
    assert!(plan.stage(1).unwrap().is_alone());
    assert_eq!(
        refused(&json!({"form": "blue-green", "steps": [5]})),
        "/steps: blue-green has no steps: leave them out"
    );
    let keep = refused(&json!({"form": "blue-green", "bake": {"keep": 5}}));
    assert_eq!(keep, "/bake/keep: blue-green keeps 0: leave it out");
    assert!(refused(&json!({"form": "blue-green", "then": "stay"})).starts_with("/then: "));
    assert_eq!(with(&json!({"form": "blue-green", "then": "return"})).unwrap().stages(), 1);
}

#[test]
fn experiments_have_no_bake() {
    for then in ["return", "stay"] {
        let plan = with(&json!({"steps": [10], "then": then})).unwrap();
        assert_eq!((weights(&plan), plan.bake()), (vec![10.0], None));
        assert!(refused(&json!({"then": then, "bake": {}})).starts_with("/bake: only a promotion"));
    }
    assert_eq!(with(&json!({"then": "return"})).unwrap().then(), Then::Return);
}

#[test]
fn the_others_keep_at_most_the_rest() {
    assert_eq!(weights(&with(&json!({"steps": [98]})).unwrap()), [98.0, 98.0]);
    assert_eq!(weights(&with(&json!({"steps": [50], "bake": {"keep": 50}})).unwrap()), [50.0, 50.0]);
    assert_eq!(weights(&with(&json!({"steps": [50], "bake": {"keep": 0}})).unwrap()), [50.0, 100.0]);
    let error = refused(&json!({"steps": [50], "bake": {"keep": 50.01}}));
    assert_eq!(error, "/bake/keep: give at most 50, what the last step leaves the others");
}

#[test]
fn refusals_name_the_place() {
    for (fields, place) in [
        (json!({"version": "V1"}), "/version"),
        (json!({"version": 1}), "/version"),
        (json!({"form": "red-black"}), "/form"),
        (json!({"stepz": []}), "/stepz"),
        (json!({"a/b~c": 1}), "/a~1b~0c"),
        (json!({"steps": []}), "/steps"),
        (json!({"steps": 5}), "/steps"),
        (json!({"steps": [5, 5]}), "/steps/1"),
        (json!({"steps": [5, "10"]}), "/steps/1"),
        (json!({"steps": [0, 5]}), "/steps/0"),
        (json!({"steps": [5, 100]}), "/steps/1"),
        (json!({"steps": [5.001]}), "/steps/0"),
        (json!({"steps": [{"hold": "5m"}]}), "/steps/0/weight"),
        (json!({"steps": [{"weight": 5, "mirror": 10}]}), "/steps/0"),
        (json!({"steps": [{"weight": 0, "mirror": 0}]}), "/steps/0/mirror"),
        (json!({"steps": [5, {"weight": 10, "gate": "approval"}]}), "/steps/1/gate"),
        (json!({"steps": [{"weight": 5, "gates": ["a", "a"]}]}), "/steps/0/gates"),
        (json!({"steps": [{"weight": 5, "gates": ["http://10.0.0.1"]}]}), "/steps/0/gates/0"),
        (json!({"steps": [{"weight": 5, "hold": "10m", "deadline": "9m"}]}), "/steps/0"),
        (json!({"deadline": "4m"}), "/steps/0"),
        (json!({"hold": "1m", "deadline": "4m"}), "/bake"),
        (json!({"hold": 300}), "/hold"),
        (json!({"hold": "91d"}), "/hold"),
        (json!({"windows": ["daily"]}), "/windows/0"),
        (json!({"back": {"steps": [10, 20]}}), "/back/steps/1"),
        (json!({"back": {"steps": [0]}}), "/back/steps/0"),
        (json!({"back": null}), "/back"),
        (json!({"guard": {"errors": {"worseBy": 0.04}}}), "/guard/errors/worseBy"),
        (json!({"guard": {"errors": {"timesWorse": 0.9}}}), "/guard/errors/timesWorse"),
        (json!({"guard": {"errors": {"limit": 0}}}), "/guard/errors/limit"),
        (json!({"guard": {"latency": {"timesWorse": 1}}}), "/guard/latency/timesWorse"),
        (json!({"guard": {"latency": {"limit": "0s"}}}), "/guard/latency/limit"),
        (json!({"guard": {"falseRollbacks": 0}}), "/guard/falseRollbacks"),
        (json!({"guard": {"falseRollbacks": 0.5}}), "/guard/falseRollbacks"),
        (json!({"guard": {"leastRequests": -1}}), "/guard/leastRequests"),
        (json!({"guard": {"leastWindows": 1.5}}), "/guard/leastWindows"),
        (json!({"guard": {"calm": 101}}), "/guard/calm"),
        (json!({"guard": {"whenFailed": "advance"}}), "/guard/whenFailed"),
        (json!({"guard": {"whenInconclusive": null}}), "/guard/whenInconclusive"),
    ] {
        let error = with(&fields).unwrap_err();
        assert_eq!(error.pointer(), place, "{fields}: {error}");
    }
    assert_eq!(Plan::try_from(&json!({})).unwrap_err().to_string(), "/version: name the canary");
    assert!("[1]".parse::<Plan>().is_err() && "{".parse::<Plan>().is_err());
    let many: Vec<u8> = (1..=21).collect();
    assert_eq!(refused(&json!({"steps": many})), "/steps: give at most 20, not 21");
}

#[test]
fn a_mirror_is_a_first_step_at_0() {
    let plan = with(&json!({"steps": [{"weight": 0, "mirror": 10, "hold": "1m"}, 5]})).unwrap();
    assert_eq!(plan.stage(1).unwrap().mirror.percent(), 10.0);
    assert!(plan.stage(2).unwrap().mirror.is_zero());
    assert!(with(&json!({"steps": [5, {"weight": 0, "mirror": 10}]})).is_err());
}

#[test]
fn gates_are_listed_with_their_places() {
    let plan = with(&json!({
        "startGates": ["approval"], "steps": [5, {"weight": 10, "gates": ["smoke", "load"]}], "bake": {"gates": ["approval"]}
    }));
    let plan = plan.unwrap();
    let gates: Vec<String> = plan.gates().map(|(place, gate)| format!("{place}={gate}")).collect();
    assert_eq!(
        gates,
        [
            "/startGates/0=approval",
            "/steps/1/gates/0=smoke",
            "/steps/1/gates/1=load",
            "/bake/gates/0=approval",
        ]
    );
}

#[test]
fn preview_shows_each_stage() {
    let stages = with(&json!({"steps": [5, 50]})).unwrap().preview(&two_versions()).unwrap();
    let moved: Vec<u16> = stages.iter().map(|stage| stage.preview.moves[0].slots).collect();
    assert_eq!(moved, [500, 4_500, 4_500, 500]);
    assert_eq!(stages[3].preview.after.version("v1.1").unwrap().weight.percent(), 100.0);
}

#[test]
fn windows_know_days_times_and_offsets() {
    fn hours(day: u64, hour: u64) -> SystemTime {
        at((day * 24 + hour) * 3_600)
    }

    // The Unix epoch was a Thursday at midnight.
    for (text, inside, outside) in [
        (
            "mon-fri 08:00-16:00 Z",
            vec![hours(0, 8), hours(1, 15), hours(4, 12)],
            vec![hours(0, 7), hours(0, 16), hours(2, 12)],
        ),
        ("thu 08:00-16:00 +01:00", vec![hours(0, 7), hours(7, 14)], vec![hours(0, 15), hours(1, 8)]),
        ("thu 00:00-02:00 -05:30", vec![hours(0, 6)], vec![hours(0, 5), hours(0, 8)]),
        ("thu 22:00-02:00 Z", vec![hours(0, 22), hours(1, 1)], vec![hours(0, 1), hours(1, 2)]),
        (
            "sat-mon 00:00-24:00 Z",
            vec![hours(2, 0), hours(3, 23), hours(4, 12)],
            vec![hours(1, 23), hours(5, 0)],
        ),
        ("tue,thu 12:00-13:00 Z", vec![hours(0, 12), hours(5, 12)], vec![hours(6, 12)]),
        ("sun 20:00-04:00 Z", vec![hours(3, 20), hours(4, 3)], vec![hours(4, 4)]),
    ] {
        let window: TimeWindow = text.parse().unwrap();
        assert_eq!(window.to_string(), text);
        assert!(inside.iter().all(|at| window.contains(*at)), "{text}");
        assert!(!outside.iter().any(|at| window.contains(*at)), "{text}");
    }
    for text in [
        "",
        "mon",
        "mon 08:00-16:00",
        "Mon 08:00-16:00 Z",
        "mon 8:00-16:00 Z",
        "mon 08:00-25:00 Z",
        "mon 24:00-01:00 Z",
        "mon 08:60-16:00 Z",
        "mon 08:00-16:00 +15:00",
        "mon 08:00-16:00 Europe/Berlin",
        "mon  08:00-16:00 Z",
        "mon-xyz 08:00-16:00 Z",
        "mon 08:00-16:00 \u{663}",
        "mon 0\u{663}:00-16:00 Z",
    ] {
        assert!(text.parse::<TimeWindow>().is_err(), "{text}");
    }
}

fn any_step(weight: u16) -> impl Strategy<Value = Value> {
    let gates = prop::sample::subsequence(vec!["approval", "smoke", "load"], 0..=3);
    (prop::option::of(1u64..600), prop::option::of(600u64..9_000), gates).prop_map(
        move |(hold, deadline, gates)| {
            let percent = f64::from(weight) / 100.0;
            let mut step = json!({"weight": percent, "gates": gates});
            if let Some(hold) = hold {
                step["hold"] = json!(format!("{hold}s"));
            }
            if let Some(deadline) = deadline {
                step["deadline"] = json!(format!("{deadline}s"));
            }
            step
        },
    )
}

fn any_guard() -> impl Strategy<Value = Value> {
    let errors = prop::option::of((5u32..1_000, 1u32..5, prop::option::of(5u32..5_000)));
    let latency = prop::option::of((2u32..9, 0u64..500, prop::option::of(1u64..9_999)));
    let failed = prop::sample::select(WhenFailed::ALL);
    let inconclusive = prop::sample::select(WhenInconclusive::ALL);
    (errors, latency, 0u64..1_000, 0u64..100, failed, inconclusive).prop_map(
        |(errors, latency, requests, windows, failed, inconclusive)| {
            json!({
                "errors": errors.map(|(by, times, limit)| json!({
                    "worseBy": f64::from(by) / 100.0, "timesWorse": times,
                    "limit": limit.map(|limit| f64::from(limit) / 100.0),
                })),
                "latency": latency.map(|(times, least, limit)| json!({
                    "timesWorse": times, "atLeast": format!("{least}ms"), "limit": limit.map(|limit| format!("{limit}ms")),
                })),
                "leastRequests": requests, "leastWindows": windows,
                "whenFailed": failed.as_str(), "whenInconclusive": inconclusive.as_str(),
            })
        },
    )
}

proptest! {
    #[test]
    fn plans_are_read_back(
        steps in prop::collection::btree_set(1u16..9_500, 1..8).prop_flat_map(|weights| {
            weights.into_iter().map(any_step).collect::<Vec<_>>()
        }),
        guard in any_guard(),
        then in prop::sample::select(Then::ALL),
    ) {
        let plan = with(&json!({"steps": steps, "guard": guard, "then": then.as_str(), "hold": "10m"})).unwrap();
        let written = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(&written.parse::<Plan>().unwrap(), &plan, "{}", written);
        let stages: Vec<_> = (1..=plan.stages()).map(|number| plan.stage(number).unwrap()).collect();
        prop_assert!(stages.windows(2).all(|pair| pair[0].weight < pair[1].weight));
        prop_assert!(stages.iter().all(|stage| stage.hold <= stage.deadline));
        let (shortest, longest) = plan.durations();
        prop_assert!(shortest <= longest || plan.guard().least_windows > 0);
    }

    #[test]
    fn numbers_are_read_back_exactly(worse_by in 0.05f64..=100.0, times in 1.0f64..=100.0, chance in 1e-6f64..=0.1) {
        let guard = json!({"errors": {"worseBy": worse_by, "timesWorse": times}, "falseRollbacks": chance});
        let plan = with(&json!({"guard": guard})).unwrap();
        prop_assert_eq!(serde_json::to_string(&plan).unwrap().parse::<Plan>().unwrap(), plan);
    }

    #[test]
    fn no_text_makes_reading_panic(text in r#"[{}\[\]",:a-z0-9. -]{0,60}"#, weight in any::<f64>(), hold in ".{0,12}") {
        let _ = text.parse::<Plan>();
        let _ = text.parse::<TimeWindow>();
        let _ = with(&json!({"steps": [weight], "hold": hold, "windows": [hold], "startGates": [hold]}));
    }
}
