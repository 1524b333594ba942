//! Examples for the documentation, made from the schemas: what a field's type says of itself first,
//! then what its name is known for.

use serde_json::{Map, Value, json};

/// How deep references are followed.
const DEPTH_MAX: usize = 8;

/// An example of a schema. `definitions` is where references lead.
pub fn of(name: &str, schema: &Value, definitions: &Map<String, Value>) -> Value {
    at_depth(name, schema, definitions, 0)
}

fn at_depth(name: &str, schema: &Value, definitions: &Map<String, Value>, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    let inner = |name: &str, schema: &Value| at_depth(name, schema, definitions, depth + 1);
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.rsplit('/').next().and_then(|key| definitions.get(key));
        return target.map_or(Value::Null, |target| inner(name, target));
    }
    let given = schema.get("const").or_else(|| schema["examples"].get(0)).or_else(|| schema["enum"].get(0));
    if let Some(given) = given {
        return given.clone();
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        let first = schema[choice].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null"));
        if let Some(first) = first {
            return inner(name, first);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties.map(|(name, schema)| (name.clone(), inner(name, schema))).collect::<Map<_, _>>().into()
        }
        Some("array") => json!([inner(name, &schema["items"])]),
        Some("boolean") => known(name).filter(Value::is_boolean).unwrap_or(json!(true)),
        Some("integer" | "number") => {
            let minimum = schema["minimum"].as_i64().unwrap_or(0);
            let fits = |value: &Value| value.as_i64().is_some_and(|number| number >= minimum);
            known(name).filter(fits).unwrap_or_else(|| json!(minimum.max(1)))
        }
        Some("string") => text(name, schema),
        _ => known(name).unwrap_or_else(|| json!("text")),
    }
}

fn text(name: &str, schema: &Value) -> Value {
    match schema["format"].as_str() {
        Some("uuid") => json!("6f1c0d5e-54b8-4a7e-9d0e-0c3c1c5a7b11"),
        Some("date") => json!("2026-01-31"),
        Some("email") => json!("admin@example.com"),
        Some("password") => json!("correct horse battery"),
        _ if schema["contentMediaType"].is_string() => json!("example.com\nexample.net\n"),
        _ => known(name).filter(Value::is_string).unwrap_or_else(|| {
            let short = schema["maxLength"].as_u64().is_some_and(|most| most < 4);
            json!(if short { "x" } else { "text" })
        }),
    }
}

/// What fields of these names hold.
fn known(name: &str) -> Option<Value> {
    Some(match name {
        "domain" | "hostname" | "url" => json!("example.com"),
        "name" | "accountname" => json!("Example School"),
        "description" | "comment" => json!("Main site"),
        "ip" | "client" | "address" | "internalip" => json!("192.0.2.1"),
        "dns1" | "dns2" | "dns3" => json!("192.0.2.53"),
        "emailnotifications" | "recipients" | "sender" => json!("admin@example.com"),
        "secret" => json!("JBSWY3DPEHPK3PXPJBSWY3DP"),
        "license" => json!("C-1001"),
        "timezone" => json!("Europe/London"),
        "created" | "updated" | "lastlogin" | "time" | "expires" => json!("2026-01-31 09:00:00"),
        "code" => json!(200),
        "count" | "total" => json!(1),
        "limit" => json!(100),
        "offset" => json!(0),
        "suspended" | "disabled" => json!(false),
        "permissions" => json!("policy.locations.view"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_follow_the_schema() {
        let definitions = json!({ "Part": { "type": "object", "properties": { "domain": { "type": "string" } } } });
        let schema = json!({ "type": "object", "properties": {
            "level": { "type": "string", "enum": ["L", "M"] },
            "weight": { "type": ["integer", "null"], "minimum": 5 },
            "parts": { "type": "array", "items": { "$ref": "#/components/schemas/Part" } },
            "either": { "anyOf": [{ "type": "null" }, { "type": "string", "format": "date" }] },
        } });
        let example = of("", &schema, definitions.as_object().expect("an object"));
        let expected = json!({
            "level": "L", "weight": 5, "parts": [{ "domain": "example.com" }], "either": "2026-01-31",
        });
        assert_eq!(example, expected);
    }
}
