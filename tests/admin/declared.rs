//! Whether the OpenAPI document declares an answer: its status, its media type, and each field of its body.
//!
//! Every answer that these tests get is compared with the document. A schema that uses a keyword which is not known here fails
//! the test, so nothing is taken for checked that is not.

#[cfg(feature = "rollout")]
use std::collections::BTreeSet;
use std::sync::LazyLock;

use http::header::CONTENT_TYPE;
use regex::Regex;
use serde_json::{Map, Value, json};
use tower_canary::admin;

use crate::support::{Answer, MOUNT};

static DOCUMENT: LazyLock<Value> = LazyLock::new(admin::openapi_json);

/// Keywords that say nothing about a value, and formats, which the server writes by its types.
const NOTES: [&str; 5] = ["description", "example", "default", "format", "title"];

/// Keywords that say nothing about values of other types.
const OF_ONE_TYPE: [&str; 12] = [
    "multipleOf",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
];

/// Asserts that the document declares the answer to a request. A path or a method that the document does not have is left out.
#[track_caller]
pub(crate) fn assert_declared(method: &str, path: &str, answer: &Answer) {
    let Some(operation) = operation(method, path) else { return };
    let status = answer.status.as_str();
    let at = format!("{method} {path}: {status} {}", answer.text);
    let response = resolve(&operation["responses"][status]);
    assert!(response.is_object(), "the status is not declared: {at}");
    let Some(kind) = answer.headers.get(CONTENT_TYPE) else {
        assert!(answer.text.is_empty(), "a body without a media type: {at}");
        return;
    };
    let kind = kind.to_str().unwrap().split(';').next().unwrap();
    let content = &response["content"][kind];
    assert!(content.is_object(), "the media type {kind} is not declared: {at}");
    if kind.ends_with("json") {
        let errors = errors(&content["schema"], &answer.json, "");
        assert!(errors.is_empty(), "{errors:?}: {at}");
    }
}

/// Asserts that the document declares the body of a request.
#[cfg(feature = "rollout")]
#[track_caller]
pub(crate) fn assert_body(method: &str, path: &str, body: &Value) {
    let operation = operation(method, &format!("{MOUNT}{path}")).expect("the operation is declared");
    let errors = errors(&operation["requestBody"]["content"]["application/json"]["schema"], body, "");
    assert!(errors.is_empty(), "{errors:?}: {method} {path} {body}");
}

/// Returns the statuses that the document declares for an operation.
#[cfg(feature = "rollout")]
pub(crate) fn declared_statuses(method: &str, path: &str) -> BTreeSet<u16> {
    let operation = operation(method, &format!("{MOUNT}{path}")).expect("the operation is declared");
    operation["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap()).collect()
}

/// Returns the operation of a path below the mount. One with fewer parameters comes first.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let path = path.strip_prefix(MOUNT)?.split('?').next()?;
    let paths = DOCUMENT["paths"].as_object()?.iter();
    let found = paths.filter(|(template, _)| fits(template, path));
    let (_, methods) = found.min_by_key(|(template, _)| template.matches('{').count())?;
    methods.get(method.to_lowercase())
}

fn fits(template: &str, path: &str) -> bool {
    let (templates, parts): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let mut pairs = templates.iter().zip(&parts);
    templates.len() == parts.len()
        && pairs.all(|(template, part)| template == part || template.starts_with('{') && !part.is_empty())
}

fn resolve(schema: &Value) -> &Value {
    let place = schema["$ref"].as_str().map(|place| place.trim_start_matches('#'));
    place.map_or(schema, |place| DOCUMENT.pointer(place).expect(place))
}

/// Returns what is wrong with the value at `at`.
fn errors(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let schema = resolve(schema);
    let mut all = Vec::new();
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match (keyword.as_str(), value) {
            ("allOf", _) => all.extend(each(rule).flat_map(|part| errors(part, value, at))),
            ("oneOf" | "anyOf", _) => all.extend(choice_errors(keyword, rule, value, at)),
            ("not", _) if errors(rule, value, at).is_empty() => {
                all.push(format!("{at}: {value} fits {rule}"))
            }
            ("properties" | "required" | "additionalProperties" | "propertyNames", Value::Object(fields)) => {
                all.extend(field_errors(keyword, schema, fields, at));
            }
            ("items", Value::Array(items)) => {
                let items = items.iter().enumerate();
                all.extend(items.flat_map(|(i, item)| errors(rule, item, &format!("{at}/{i}"))));
            }
            (
                "$ref"
                | "not"
                | "properties"
                | "required"
                | "additionalProperties"
                | "propertyNames"
                | "items",
                _,
            ) => {}
            (note, _) if NOTES.contains(&note) => {}
            _ if is_met(keyword, rule, value) => {}
            _ => all.push(format!("{at}: {value} is against {keyword} {rule}")),
        }
    }
    all
}

fn each(schemas: &Value) -> impl Iterator<Item = &Value> {
    schemas.as_array().expect("a list of schemas").iter()
}

fn choice_errors(keyword: &str, options: &Value, value: &Value, at: &str) -> Option<String> {
    let fitting = each(options).filter(|option| errors(option, value, at).is_empty()).count();
    let is_met = if keyword == "oneOf" { fitting == 1 } else { fitting > 0 };
    (!is_met).then(|| format!("{at}: {fitting} of {keyword} {options} fit {value}"))
}

fn field_errors(keyword: &str, schema: &Value, fields: &Map<String, Value>, at: &str) -> Vec<String> {
    let (rule, declared) = (&schema[keyword], &schema["properties"]);
    match keyword {
        "required" => {
            let missing = each(rule).filter(|name| !fields.contains_key(name.as_str().unwrap()));
            missing.map(|name| format!("{at}: {name} is missing")).collect()
        }
        "propertyNames" => fields.keys().flat_map(|name| errors(rule, &json!(name), at)).collect(),
        "properties" => {
            let known = fields.iter().filter(|(name, _)| declared.get(name).is_some());
            known.flat_map(|(name, value)| errors(&declared[name], value, &format!("{at}/{name}"))).collect()
        }
        _ => {
            let other = fields.iter().filter(|(name, _)| declared.get(name).is_none());
            other.flat_map(|(name, value)| additional_errors(rule, name, value, at)).collect()
        }
    }
}

/// Returns what is wrong with a field that the schema does not name.
fn additional_errors(rule: &Value, name: &str, value: &Value, at: &str) -> Vec<String> {
    match rule {
        Value::Bool(true) => Vec::new(),
        Value::Bool(false) => vec![format!("{at}: {name} is not declared")],
        schema => errors(schema, value, &format!("{at}/{name}")),
    }
}

/// Returns whether a single value keeps a rule.
fn is_met(keyword: &str, rule: &Value, value: &Value) -> bool {
    // Rules that are no numbers do not use it.
    let limit = rule.as_f64().unwrap_or(f64::NAN);
    match (keyword, value) {
        ("type", _) => match rule {
            Value::Array(kinds) => kinds.iter().any(|kind| is_of(kind, value)),
            kind => is_of(kind, value),
        },
        ("enum", _) => each(rule).any(|allowed| allowed == value),
        ("multipleOf", Value::Number(number)) => is_multiple(number.as_f64().unwrap(), limit),
        ("exclusiveMinimum", Value::Number(number)) => number.as_f64().unwrap() > limit,
        ("exclusiveMaximum", Value::Number(number)) => number.as_f64().unwrap() < limit,
        ("minimum", Value::Number(number)) => number.as_f64().unwrap() >= limit,
        ("maximum", Value::Number(number)) => number.as_f64().unwrap() <= limit,
        ("minLength", Value::String(text)) => text.chars().count() as f64 >= limit,
        ("maxLength", Value::String(text)) => text.chars().count() as f64 <= limit,
        ("pattern", Value::String(text)) => Regex::new(rule.as_str().unwrap()).unwrap().is_match(text),
        ("minItems", Value::Array(items)) => items.len() as f64 >= limit,
        ("maxItems", Value::Array(items)) => items.len() as f64 <= limit,
        ("uniqueItems", Value::Array(items)) => {
            items.iter().enumerate().all(|(i, item)| !items.iter().skip(i + 1).any(|other| other == item))
        }
        ("minProperties", Value::Object(fields)) => fields.len() as f64 >= limit,
        _ if OF_ONE_TYPE.contains(&keyword) => true,
        _ => panic!("the keyword {keyword} is not known here: {rule}"),
    }
}

/// Returns whether a number is a multiple of a step, as far as both have a binary form.
fn is_multiple(number: f64, step: f64) -> bool {
    let steps = number / step;
    (steps - steps.round()).abs() < 1e-6
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("{other} is no type"),
    }
}

// A check that finds nothing would let everything pass.
#[test]
fn wrong_values_are_found() {
    let problem = json!({"$ref": "#/components/schemas/Problem"});
    let good = json!({"type": "stale-step", "title": "t", "status": 409, "detail": "d"});
    assert_eq!(errors(&problem, &good, ""), [""; 0]);
    for (field, wrong) in [("status", json!("409")), ("detail", json!(null)), ("title", json!(7))] {
        let mut bad = good.clone();
        bad[field] = wrong;
        assert_eq!(errors(&problem, &bad, "").len(), 1, "{bad}");
    }
    assert_eq!(errors(&problem, &json!({}), "").len(), 4);
    assert_eq!(errors(&json!({"oneOf": [{"type": "null"}, {"type": "string"}]}), &json!(1), "").len(), 1);
    assert_eq!(
        errors(&json!({"properties": {}, "additionalProperties": false}), &json!({"a": 1}), "").len(),
        1
    );
}
