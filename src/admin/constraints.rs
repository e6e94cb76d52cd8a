//! The limits of bodies in the OpenAPI document, from the constants that the parsers use, and corrections of what utoipa
//! declares.
//!
//! They are added to the JSON of the document, beside the descriptions that come from the wire types. Responses have no
//! such limits: names in them are plain text, so that a client reads a later server with other rules for names.

use serde_json::{Map, Value, json};

use super::rollout_parameters;
use crate::routing::{Backend, HealthPath, Instances, SLOTS, VersionName, Weight};
use crate::store::MAX_REASON;

/// A text without control characters.
const NO_CONTROLS: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// Adds the limits of bodies, and declares optional bodies and parts of responses as they are.
pub(super) fn constrain(document: &mut Value) {
    declare_optional_parts(document);
    for (place, limits) in limits().into_iter().chain(rollout_parameters::limits()) {
        if let Some(schema) = document.pointer_mut(&format!("/components/schemas/{place}")) {
            merge(schema, limits);
        }
    }
    let Some(paths) = document.pointer_mut("/paths").and_then(Value::as_object_mut) else { return };
    for (_method, operation) in paths.values_mut().filter_map(Value::as_object_mut).flatten() {
        declare_optional_body(operation);
    }
}

/// Returns the limits by the place below the schemas.
fn limits() -> Vec<(&'static str, Value)> {
    let name = json!({"maxLength": VersionName::MAX_LEN, "pattern": VersionName::PATTERN});
    let url = json!({"maxLength": Backend::MAX_LEN, "pattern": Backend::PATTERN});
    let health_path = json!({"maxLength": HealthPath::MAX_LEN, "pattern": HealthPath::PATTERN});
    let largest = Weight::FULL.percent();
    let weight = json!({"minimum": 0, "maximum": largest, "multipleOf": largest / f64::from(SLOTS)});
    let share = json!({"minimum": 0.01, "maximum": largest, "multipleOf": 0.01});
    let weights = json!({"minProperties": 1, "propertyNames": name, "additionalProperties": weight});
    let urls = json!({"minItems": 1, "maxItems": Instances::MAX, "uniqueItems": true, "items": url});
    vec![
        ("RegisterVersion/properties/version", name.clone()),
        ("SetMirror/properties/version", name),
        ("SetMirror/properties/percent", share),
        ("RegisterVersion", one_form(&[], &["url", "urls"])),
        ("RegisterVersion/properties/url", url.clone()),
        ("RegisterVersion/properties/urls", urls.clone()),
        ("RegisterVersion/properties/weight", weight.clone()),
        ("RegisterVersion/properties/healthPath", health_path.clone()),
        ("UpdateVersion", one_form(&["active"], &["url", "urls", "addUrls", "removeUrls"])),
        ("UpdateVersion/properties/url", url),
        ("UpdateVersion/properties/urls", urls.clone()),
        ("UpdateVersion/properties/addUrls", urls.clone()),
        ("UpdateVersion/properties/removeUrls", urls),
        ("UpdateService/properties/healthPath", health_path),
        ("SetWeight/properties/weight", weight.clone()),
        ("SetWeights/properties/weights", weights),
        ("Percent", weight),
        ("RestoreGeneration/properties/generation", json!({"maximum": u64::MAX})),
        ("ChangeReason", json!({"maxLength": MAX_REASON, "pattern": NO_CONTROLS})),
    ]
}

/// Returns the limit of a body that has at least one field of `others` and `forms`, and at most one of `forms`.
///
/// The limit names the refused forms, within `not`. From `oneOf` and `anyOf`, code generators make several types.
fn one_form(others: &[&str], forms: &[&str]) -> Value {
    let given = json!({"not": {"type": "null"}});
    let all = others.iter().chain(forms);
    let none: Map<String, Value> = all.map(|name| (name.to_string(), json!({"type": "null"}))).collect();
    let mut refused = vec![json!({"properties": none})];
    for (i, first) in forms.iter().enumerate() {
        for second in &forms[i + 1..] {
            refused.push(json!({"required": [first, second], "properties": {*first: given, *second: given}}));
        }
    }
    json!({"not": {"anyOf": refused}})
}

/// Adds the fields of `more` to `schema`, also within objects that both have.
fn merge(schema: &mut Value, more: Value) {
    match (schema, more) {
        (Value::Object(schema), Value::Object(more)) => {
            for (name, value) in more {
                merge(schema.entry(name).or_insert(Value::Null), value);
            }
        }
        (schema, more) => *schema = more,
    }
}

/// Declares the fields of a part that may be left out, and that stands beside the other fields of an object, as optional
/// ones. utoipa declares `null` as an alternative to the whole part, which no object is.
fn declare_optional_parts(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else {
        return;
    };
    let declared = schemas.clone();
    let parts = schemas.values_mut().filter_map(|schema| schema.get_mut("allOf")?.as_array_mut()).flatten();
    for part in parts {
        if let Some(schema) = optional_part(part).and_then(|name| declared.get(name)) {
            *part = schema.clone();
            part.as_object_mut().map(|part| part.remove("required"));
        }
    }
}

/// Returns the name of the schema that `part` declares beside `null`.
fn optional_part(part: &Value) -> Option<&str> {
    let alternatives = part.get("oneOf")?.as_array()?;
    let has_null = alternatives.iter().any(|alternative| alternative["type"] == "null");
    let named = alternatives.iter().find_map(|alternative| alternative.get("$ref")?.as_str());
    named.filter(|_| has_null)?.strip_prefix("#/components/schemas/")
}

/// Declares a body that may be left out as its type. utoipa adds `null` as an alternative, but an absent body is no
/// JSON, and `null` is not a body of this API.
fn declare_optional_body(operation: &mut Value) {
    let Some(schema) = operation.pointer_mut("/requestBody/content/application~1json/schema") else { return };
    let Some(alternatives) = schema.get_mut("oneOf").and_then(Value::as_array_mut) else { return };
    alternatives.retain(|alternative| alternative["type"] != "null");
    if let [only] = alternatives.as_mut_slice() {
        *schema = only.take();
    }
}

#[cfg(test)]
mod tests {
    use super::{limits, rollout_parameters};
    use crate::admin::openapi_json;

    #[test]
    fn each_limit_has_its_field() {
        let document = openapi_json();
        for (place, limits) in limits().into_iter().chain(rollout_parameters::limits()) {
            let schema = document.pointer(&format!("/components/schemas/{place}")).expect(place);
            for (name, limit) in limits.as_object().expect("an object") {
                // An object may have more than the limit: what utoipa declares in it.
                let is_there = schema[name] == *limit || schema[name].is_object();
                assert!(is_there, "{place} lacks {name}");
            }
        }
    }
}
