//! The OpenAPI document and the server agree on every parameter and every body.

use axum::body::Body;
use http::Method;
use serde_json::{Map, Value, json};
use tower_canary::admin;

use crate::support::{Answer, Api};

/// One operation of the document.
struct Operation {
    method: String,
    path: String,
    description: Value,
}

/// Every operation, with `auth` and `v1.1` in its path.
fn operations() -> Vec<Operation> {
    let document = admin::openapi_json();
    let paths = document["paths"].as_object().unwrap().clone().into_iter();
    let each = paths.flat_map(|(path, methods)| {
        let path =
            path.replace("{service}", "auth").replace("{version}", "v1.1").replace("{rollout}", "current");
        let methods = methods.as_object().unwrap().clone().into_iter();
        methods.map(move |(method, description)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            description,
        })
    });
    each.collect()
}

impl Operation {
    fn parameters(&self, place: &str) -> Vec<Value> {
        let all = self.description["parameters"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|parameter| parameter["in"] == place).collect()
    }

    /// The schema of the body, without a reference.
    fn body(&self) -> Option<Value> {
        let schema = self.description.pointer("/requestBody/content/application~1json/schema")?;
        Some(resolve(schema))
    }

    fn needs_body(&self) -> bool {
        self.description["requestBody"]["required"] == json!(true)
    }

    /// The smallest body that is declared, or nothing.
    fn least(&self) -> Body {
        match self.body() {
            Some(schema) if self.needs_body() => Body::from(sample(&schema, false).to_string()),
            _ => Body::empty(),
        }
    }

    async fn send(&self, query: &str, body: Body) -> Answer {
        let api = Api::with_two_versions().await;
        api.send(api.request(&self.method, &format!("{}?{query}", self.path), body)).await
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

fn resolve(schema: &Value) -> Value {
    match schema["$ref"].as_str() {
        Some(place) => admin::openapi_json().pointer(place.trim_start_matches('#')).unwrap().clone(),
        None => schema.clone(),
    }
}

/// A value that the schema allows: with all fields, or only with those that are needed.
fn sample(schema: &Value, whole: bool) -> Value {
    let schema = resolve(schema);
    if let Some(value) = schema.get("example").or_else(|| schema.pointer("/enum/0")) {
        return value.clone();
    }
    if let Some(options) = schema.get("oneOf").and_then(Value::as_array) {
        return sample(options.iter().find(|option| option["type"] != "null").unwrap(), whole);
    }
    let kind = schema["type"].as_array().map_or(&schema["type"], |kinds| &kinds[0]);
    match kind.as_str() {
        Some("object") => Value::Object(fields(&schema, whole)),
        Some("boolean") => json!(false),
        Some("number" | "integer") => json!(schema["minimum"].as_u64().unwrap_or(1)),
        Some("array") => json!([]),
        _ if schema["pattern"].as_str().is_some_and(|pattern| pattern.contains("https?")) => {
            json!("http://h")
        }
        _ if schema["pattern"].as_str().is_some_and(|pattern| pattern.contains("ms|")) => json!("1s"),
        _ => json!("x"),
    }
}

fn fields(schema: &Value, whole: bool) -> Map<String, Value> {
    let mut required = schema["required"].as_array().cloned().unwrap_or_default();
    // Of the fields that must not all be missing, one.
    let alternatives = schema.pointer("/not/anyOf/0/properties").and_then(Value::as_object);
    required.extend(alternatives.and_then(|fields| fields.keys().next()).map(|name| json!(name)));
    let properties = schema["properties"].as_object().cloned().unwrap_or_default().into_iter();
    let chosen = properties.filter(|(name, _)| whole || required.contains(&json!(name)));
    let mut chosen: Map<_, _> = chosen.map(|(name, schema)| (name, sample(&schema, whole))).collect();
    // Of the fields that must not be there together, the first.
    for form in refused_forms(schema) {
        if matches(&form, &chosen)
            && let Some(second) = form.pointer("/required/1").and_then(Value::as_str)
        {
            chosen.remove(second);
        }
    }
    chosen
}

/// The forms that a body must not have.
fn refused_forms(schema: &Value) -> Vec<Value> {
    schema.pointer("/not/anyOf").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Whether `body` has a form: the fields that it requires, and each field null or not as it says.
fn matches(form: &Value, body: &Map<String, Value>) -> bool {
    let mut required = form["required"].as_array().into_iter().flatten();
    let properties = form["properties"].as_object().unwrap();
    required.all(|name| body.contains_key(name.as_str().unwrap()))
        && properties.iter().all(|(name, schema)| match (body.get(name), schema) {
            (None, _) => true,
            (Some(value), schema) if *schema == json!({"type": "null"}) => value.is_null(),
            (Some(value), schema) if *schema == json!({"not": {"type": "null"}}) => !value.is_null(),
            (Some(_), schema) => panic!("cannot evaluate {schema}"),
        })
}

fn is_allowed(schema: &Value, body: &Value) -> bool {
    !refused_forms(schema).iter().any(|form| matches(form, body.as_object().unwrap()))
}

/// The answer is no refusal of the form of the request. A conflict with the state is not one.
#[track_caller]
fn is_understood(answer: &Answer, name: &str) {
    assert!(!matches!(answer.status.as_u16(), 400 | 413 | 415 | 422 | 500..), "{name}: {}", answer.text);
}

#[tokio::test]
async fn unknown_parameters_are_refused() {
    for operation in operations() {
        let answer = operation.send("key=alice&nonsense=1", operation.least()).await;
        answer.is_problem(400, "malformed-query");
        let answer = operation.send("nonsense", operation.least()).await;
        answer.is_problem(400, "malformed-query");
        assert!(answer.json["detail"].as_str().unwrap().contains("'nonsense'"), "{}", answer.text);
    }
}

#[tokio::test]
async fn declared_parameters_are_accepted() {
    let mut count = 0;
    for operation in operations() {
        let required = operation.parameters("query").into_iter().filter(|p| p["required"] == json!(true));
        let required: String = required.map(|p| format!("{}=x&", p["name"].as_str().unwrap())).collect();
        for parameter in operation.parameters("query").into_iter().filter(|p| p["required"] != json!(true)) {
            let name = parameter["name"].as_str().unwrap();
            let value = match (name, sample(&parameter["schema"], true)) {
                ("weights", _) => json!("v1.0:70,v1.1:30"),
                ("version", _) => json!("v1.1"),
                (_, value) => value,
            };
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            // The document cannot state that a URL and a wait for a drained version need the version.
            let beside = match (name, operation.path.ends_with("/traffic")) {
                ("timeout" | "url", true) => "version=v1.1&",
                ("wait", true) => "version=v1.1&timeout=0s&",
                _ => "",
            };
            let answer =
                operation.send(&format!("{required}{beside}{name}={value}"), operation.least()).await;
            is_understood(&answer, &format!("{} with {name}={value}", operation.name()));
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

#[tokio::test]
async fn values_beyond_a_limit_are_refused() {
    for operation in operations() {
        for parameter in operation.parameters("query") {
            let name = parameter["name"].as_str().unwrap();
            let schema = &parameter["schema"];
            let below = schema["minimum"].as_i64().map(|least| (least - 1).to_string());
            let above = schema["maximum"].as_u64().map(|most| (u128::from(most) + 1).to_string());
            let other = schema.get("enum").or_else(|| schema.get("pattern")).map(|_| "%20".to_owned());
            let empty = schema["minLength"].as_u64().map(|_| String::new());
            for value in [below, above, other, empty].into_iter().flatten() {
                let answer = operation.send(&format!("{name}={value}"), operation.least()).await;
                let is_refused = matches!(answer.status.as_u16(), 400 | 422);
                assert!(is_refused, "{} with {name}={value}: {}", operation.name(), answer.text);
            }
        }
    }
}

#[tokio::test]
async fn declared_bodies_are_accepted() {
    let mut count = 0;
    for operation in operations() {
        let Some(schema) = operation.body() else { continue };
        let mut bodies = vec![sample(&schema, false), sample(&schema, true)];
        for (name, property) in schema["properties"].as_object().unwrap() {
            let mut body = sample(&schema, false);
            body[name] = sample(property, true);
            bodies.push(body.clone());
            let allows_null =
                resolve(property)["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("null")))
                    || property["oneOf"].as_array().is_some_and(|all| all.contains(&json!({"type": "null"})));
            if allows_null {
                body[name] = Value::Null;
                bodies.push(body);
            }
        }
        let allowed = bodies.iter().filter(|body| is_allowed(&schema, body)).map(Value::to_string);
        let mut bodies: Vec<String> = allowed.collect();
        if !operation.needs_body() {
            bodies.extend([String::new(), "{}".to_owned()]);
        }
        let previews = operation.parameters("query").iter().any(|parameter| parameter["name"] == "dryRun");
        let query = if previews { "dryRun=true" } else { "" };
        for body in bodies {
            let answer = operation.send(query, Body::from(body.clone())).await;
            is_understood(&answer, &format!("{} with {body}", operation.name()));
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

#[tokio::test]
async fn other_bodies_are_refused() {
    for operation in operations() {
        let Some(schema) = operation.body() else { continue };
        assert_eq!(schema["additionalProperties"], json!(false), "{}", operation.name());
        let mut unknown = sample(&schema, true);
        unknown["nonsense"] = json!(1);
        let mut bodies = vec![unknown.to_string(), "null".into(), "[]".into(), "\"x\"".into(), "{".into()];
        if operation.needs_body() {
            bodies.extend([String::new(), "{}".to_owned()]);
        }
        for body in bodies {
            let answer = operation.send("", Body::from(body.clone())).await;
            let is_plan =
                operation.path.ends_with("/rollouts") && !["null", "[]", "\"x\"", "{"].contains(&&*body);
            let kind = if is_plan { "invalid-plan" } else { "malformed-body" };
            assert_eq!(answer.json["type"], json!(kind), "{} with {body}", operation.name());
        }
    }
}

// A version has its base URLs in one form, and a change changes something.
#[tokio::test]
async fn refused_forms_of_a_body_are_declared() {
    let mut count = 0;
    for operation in operations() {
        let Some(schema) = operation.body() else { continue };
        for form in refused_forms(&schema) {
            let mut body = sample(&schema, false);
            for (name, value) in form["properties"].as_object().unwrap() {
                body[name] = if value["type"] == "null" {
                    Value::Null
                } else {
                    sample(&schema["properties"][name], true)
                };
            }
            assert!(!is_allowed(&schema, &body), "{body}");
            let answer = operation.send("", Body::from(body.to_string())).await;
            let is_refused = matches!(answer.status.as_u16(), 400 | 422);
            assert!(is_refused, "{} with {body}: {}", operation.name(), answer.text);
            count += 1;
        }
    }
    assert_eq!(count, 2 + 7, "a registration and an update");
}

#[tokio::test]
async fn whole_number_may_have_a_point() {
    let api = Api::with_two_versions().await;
    let restore = "/deployment/services/auth/restore";
    api.post(restore, json!({"generation": 1.0})).await.is_ok();
    for other in ["1.5", "-1.0", "1e300", "18446744073709551616"] {
        let body = Body::from(format!("{{\"generation\": {other}}}"));
        api.send(api.request("POST", restore, body)).await.is_problem(400, "malformed-body");
    }
}

// A generated client may send an empty object where a body is optional, and none where there is no body.
#[tokio::test]
async fn operations_without_body_ignore_none() {
    let without = operations().into_iter().filter(|operation| operation.body().is_none());
    for operation in without.filter(|operation| operation.method != Method::GET.as_str()) {
        is_understood(&operation.send("", Body::empty()).await, &operation.name());
    }
}

// The health of a version and the other gateways of a drain: they stand beside other fields.
#[test]
fn parts_that_may_be_left_out_have_optional_fields() {
    let document = admin::openapi_json();
    for (name, field) in [
        ("VersionView", "noneUsable"),
        ("VersionTrafficView", "drainedEverywhere"),
        ("InstanceTrafficView", "drainedEverywhere"),
    ] {
        let parts = document["components"]["schemas"][name]["allOf"].as_array().unwrap();
        let part = parts.iter().find(|part| part["properties"][field].is_object()).expect(name);
        assert_eq!(part.get("required"), None, "{name}");
        assert!(parts.iter().all(|part| part.get("oneOf").is_none()), "{name}");
    }
}

// For numbers: a JSON Schema takes 2.0 for an integer.
#[tokio::test]
async fn examples_have_the_declared_type() {
    let document = admin::openapi_json();
    let mut count = 0;
    for_each_schema(&document, &mut |schema| {
        let Some(example) = schema.get("example") else { return };
        let kinds = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        let kind = match example {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::Null => "null",
        };
        let fits =
            kinds.iter().any(|declared| declared == kind || (kind == "integer" && declared == "number"));
        assert!(fits || schema.get("allOf").is_some(), "{schema}");
        count += 1;
    });
    assert!(count > 30, "{count}");
    let whole = Api::with_two_versions().await.get("/deployment/services/auth/history?limit=2").await;
    whole.is_ok();
}

fn for_each_schema(value: &Value, check: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("example") {
                check(value);
            }
            fields
                .iter()
                .filter(|(name, _)| *name != "example")
                .for_each(|(_, value)| for_each_schema(value, check));
        }
        Value::Array(values) => values.iter().for_each(|value| for_each_schema(value, check)),
        _ => {}
    }
}
