//! Hostile plans: each is refused with the place of the mistake, and nothing is stored.

use axum::body::Body;
use serde_json::{Value, json};

use crate::rollout_support::{ROLLOUTS, plan};
use crate::support::{Answer, Api};

async fn send(api: &Api, body: impl Into<String>) -> Answer {
    api.send(api.request("POST", ROLLOUTS, Body::from(body.into()))).await
}

/// The fields beside the version, and the place of the mistake.
const PLANS: [(&str, &str); 58] = [
    // Unknown names.
    (r#""nonsense": 1"#, "/nonsense"),
    (r#""a/b~c": 1"#, "/a~1b~0c"),
    (r#""guard": {"errors": {"worse": 1}}"#, "/guard/errors/worse"),
    (r#""guard": {"whenfailed": "tell"}"#, "/guard/whenfailed"),
    (r#""steps": [5, {"weight": 25, "holds": "5m"}]"#, "/steps/1/holds"),
    (r#""bake": {"steps": [5]}"#, "/bake/steps"),
    (r#""back": {"weights": [5]}"#, "/back/weights"),
    // Values of another kind.
    (r#""version": 7"#, "/version"),
    (r#""version": null"#, "/version"),
    (r#""steps": 5"#, "/steps"),
    (r#""steps": {}"#, "/steps"),
    (r#""steps": "5,25""#, "/steps"),
    (r#""steps": [5, "25"]"#, "/steps/1"),
    (r#""steps": [5, null]"#, "/steps/1"),
    (r#""steps": [[5]]"#, "/steps/0"),
    (r#""steps": [{"weight": "5"}]"#, "/steps/0/weight"),
    (r#""steps": [{"hold": "5m"}]"#, "/steps/0/weight"),
    (r#""hold": 300"#, "/hold"),
    (r#""hold": null"#, "/hold"),
    (r#""hold": "5 m""#, "/hold"),
    (r#""hold": "-5m""#, "/hold"),
    (r#""hold": "1h30m""#, "/hold"),
    (r#""hold": "\u0000""#, "/hold"),
    (r#""form": "red-black""#, "/form"),
    (r#""then": true"#, "/then"),
    (r#""windows": "always""#, "/windows"),
    (r#""windows": ["monday"]"#, "/windows/0"),
    (r#""startGates": [1]"#, "/startGates/0"),
    (r#""startGates": ["http://10.0.0.1/hook"]"#, "/startGates/0"),
    (r#""startGates": ["approval", "approval"]"#, "/startGates"),
    (r#""guard": []"#, "/guard"),
    (r#""guard": {"errors": 5}"#, "/guard/errors"),
    (r#""guard": {"leastRequests": 1.5}"#, "/guard/leastRequests"),
    (r#""guard": {"leastRequests": -1}"#, "/guard/leastRequests"),
    (r#""reason": 7"#, "/reason"),
    (r#""reason": "two\nlines""#, "/reason"),
    (r#""reason": ["a"]"#, "/reason"),
    // Giant numbers, and numbers beyond their limits.
    (r#""steps": [1e300]"#, "/steps/0"),
    (r#""steps": [-1e300]"#, "/steps/0"),
    (r#""steps": [0.001]"#, "/steps/0"),
    (r#""steps": [100]"#, "/steps/0"),
    (r#""steps": [18446744073709551615]"#, "/steps/0"),
    (r#""steps": [99999999999999999999999]"#, "/steps/0"),
    (r#""hold": "99999999999999999999s""#, "/hold"),
    (r#""hold": "91d""#, "/hold"),
    (r#""guard": {"leastRequests": 1000000001}"#, "/guard/leastRequests"),
    (r#""guard": {"leastWindows": 18446744073709551615}"#, "/guard/leastWindows"),
    (r#""guard": {"falseRollbacks": 0}"#, "/guard/falseRollbacks"),
    (r#""guard": {"falseRollbacks": 1e-300}"#, "/guard/falseRollbacks"),
    (r#""guard": {"errors": {"worseBy": 0.01}}"#, "/guard/errors/worseBy"),
    (r#""guard": {"errors": {"limit": 1e308}}"#, "/guard/errors/limit"),
    (r#""guard": {"latency": {"limit": "0s"}}"#, "/guard/latency/limit"),
    (r#""guard": {"calm": 100.01}"#, "/guard/calm"),
    // Plans that nobody could follow.
    (r#""steps": []"#, "/steps"),
    (r#""steps": [5, 50, 25]"#, "/steps/2"),
    (r#""steps": [{"weight": 5, "mirror": 10}]"#, "/steps/0"),
    (r#""form": "blue-green", "steps": [5]"#, "/steps"),
    (r#""hold": "2h", "deadline": "1h""#, "/steps/0"),
];

#[tokio::test]
async fn place_of_each_mistake_is_named() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    for (fields, pointer) in PLANS {
        let is_versioned = fields.starts_with("\"version\"");
        let body = if is_versioned {
            format!("{{{fields}}}")
        } else {
            format!("{{\"version\": \"v1.1\", {fields}}}")
        };
        let answer = send(&api, body).await;
        answer.is_problem(422, "invalid-plan");
        assert_eq!(answer.json["pointer"], json!(pointer), "{fields}: {}", answer.text);
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.starts_with(pointer) && detail.len() > pointer.len() + 5, "{fields}: {detail}");
    }
    assert_eq!(api.stored().await, before);
    assert_eq!(api.get(ROLLOUTS).await.json["rollouts"], json!([]));
}

#[tokio::test]
async fn missing_version_is_named() {
    let api = Api::with_two_versions().await;
    for body in ["", "{}", r#"{"steps": [5]}"#] {
        let answer = send(&api, body).await;
        answer.is_problem(422, "invalid-plan");
        assert_eq!(answer.json["pointer"], "/version");
    }
}

#[tokio::test]
async fn plan_that_copies_requests_is_refused() {
    let api = Api::with_two_versions().await;
    let answer = send(&api, r#"{"version": "v1.1", "steps": [{"weight": 0, "mirror": 10}, 5]}"#).await;
    answer.is_problem(422, "invalid-plan");
    assert_eq!(answer.json["pointer"], "/steps/0/mirror");
}

#[tokio::test]
async fn broken_json_is_400() {
    let api = Api::with_two_versions().await;
    let deep = format!("{{\"version\": {}{}}}", "[".repeat(2_000), "]".repeat(2_000));
    for body in [
        r#"{"version": "v1.1", "steps": [NaN]}"#,
        r#"{"version": "v1.1", "steps": [Infinity]}"#,
        r#"{"version": "v1.1", "steps": [1e999]}"#,
        r#"{"version": "v1.1", "version": "v1.1"}"#,
        r#"{"version": "v1.1", "guard": {"calm": 5, "calm": 6}}"#,
        r#"{"version": "v1.1""#,
        r#""v1.1""#,
        "[]",
        "null",
        "{\"version\": \"\u{fffe}\" x}",
        &deep,
    ] {
        send(&api, body).await.is_problem(400, "malformed-body");
    }
}

#[tokio::test]
async fn large_plans_are_refused() {
    let api = Api::with_two_versions().await;
    let padding = " ".repeat(1 << 20);
    send(&api, format!("{{\"version\": \"v1.1\"{padding}}}")).await.is_problem(413, "payload-too-large");
    let many: Vec<f64> = (1..=21).map(f64::from).collect();
    let many = send(&api, json!({"version": "v1.1", "steps": many}).to_string()).await;
    assert_eq!(many.json["pointer"], "/steps");
    let gates: Vec<String> = (0..11).map(|i| format!("gate-{i}")).collect();
    let gates = send(&api, json!({"version": "v1.1", "startGates": gates}).to_string()).await;
    assert_eq!(gates.json["pointer"], "/startGates");
    // The name of a field is repeated in the pointer, and the detail is short.
    let long = send(&api, format!("{{\"version\": \"v1.1\", \"{}\": 1}}", "x\\u001b".repeat(2_000))).await;
    long.is_problem(422, "invalid-plan");
    let detail = long.json["detail"].as_str().unwrap();
    assert!(detail.chars().count() <= 300 && !detail.contains('\u{1b}'), "{detail}");
}

/// The fields of a plan.
const FIELDS: [&str; 11] = [
    "version",
    "form",
    "steps",
    "hold",
    "bake",
    "then",
    "startGates",
    "windows",
    "back",
    "deadline",
    "guard",
];

/// Values of every kind, as JSON.
const VALUES: &str = r#"[null, true, 0, -1, 1e300, 5, "", "5m", "approval", [], [5], [[]], {}, {"weight": 5}, {"hold": "1m"}, "\u0000"]"#;

#[tokio::test]
async fn each_field_takes_any_value_without_a_fault() {
    let api = Api::with_two_versions().await;
    let dry = format!("{ROLLOUTS}?dryRun=true");
    let values: Vec<Value> = serde_json::from_str(VALUES).unwrap();
    let mut refused = 0;
    for field in FIELDS {
        for value in &values {
            let mut body = plan();
            body[field] = value.clone();
            let answer = api.post(&dry, body.clone()).await;
            assert!(matches!(answer.status.as_u16(), 200 | 404 | 409 | 422), "{body}: {}", answer.text);
            refused += usize::from(answer.status == 422);
            assert_eq!(answer.json["pointer"].is_string(), answer.status == 422, "{body}: {}", answer.text);
        }
    }
    assert!(refused > 120, "{refused}");
}
