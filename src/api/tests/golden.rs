//! The outside surface as files that a change of it must change too (`UPDATE_GOLDEN=1` accepts).

use super::harness::House;
use crate::api::groups;
use serde_json::Value;
use std::{env, fs, path::Path};

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("has a folder")).expect("can be made");
        fs::write(&path, text).expect("can be written");
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    assert!(known == text, "{} is not what it was; UPDATE_GOLDEN=1 accepts the change", path.display());
}

#[test]
fn the_operations_are_those_of_the_golden_list() {
    let mut text = String::new();
    for operation in groups::operations() {
        let methods: Vec<&str> = operation.methods.iter().map(http::Method::as_str).collect();
        let who: Vec<&str> = operation.who.iter().map(|who| who.name()).collect();
        let paths: Vec<&str> = operation.paths.iter().map(|path| path.split('?').next().unwrap_or(path)).collect();
        text += &format!(
            "{} {} {} {} [{}]\n",
            operation.group,
            operation.id,
            methods.join("|"),
            paths.join(" "),
            who.join(" ")
        );
    }
    compare("operations.txt", &text);
}

#[test]
fn every_call_that_scripts_of_this_api_make_has_a_row() {
    let shape = |path: &str| {
        let path = path.split('?').next().unwrap_or(path);
        let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    let operations = groups::operations();
    let calls = operations.iter().flat_map(|operation| {
        operation.paths.iter().flat_map(|path| operation.methods.iter().map(|method| (method.to_string(), shape(path))))
    });
    let calls: Vec<(String, String)> = calls.collect();
    // A literal in a script's path may be a parameter's value here: `/locations/staticip` of `/locations/{locationtype}`.
    let fits = |pattern: &str, path: &str| {
        let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
        pattern.len() == path.len() && pattern.iter().zip(&path).all(|(known, asked)| *known == "{}" || known == asked)
    };
    let contract = include_str!("../../../tests/fixtures/contract.txt");
    let mut count = 0;
    for line in contract.lines().filter(|line| !line.starts_with('#')) {
        let (method, path) = line.split_once(' ').expect("method and path");
        let path = shape(path);
        assert!(calls.iter().any(|(known, pattern)| known == method && fits(pattern, &path)), "{line}");
        count += 1;
    }
    assert!(count >= 208, "{count}");
}

#[test]
fn operation_names_and_paths_are_unique() {
    let operations = groups::operations();
    let mut names: Vec<&str> = operations.iter().map(|operation| operation.id).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), operations.len());
    assert!(operations.iter().all(|operation| !operation.documentation.is_empty() && !operation.who.is_empty()));
}

#[tokio::test]
async fn the_openapi_document_is_the_golden_one_and_hangs_together() {
    let house = House::new().await;
    let document: Value = serde_json::from_slice(&house.api.openapi()).expect("is JSON");
    compare("openapi.txt", &lines(&document));
    assert_eq!(document["openapi"], "3.1.0");
    let mut references = 0;
    check_references(&document, &document, &mut references);
    assert!(references > 100, "{references}");
    let mut ids: Vec<&str> = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for operation in item.as_object().expect("operations").values() {
            ids.push(operation["operationId"].as_str().expect("a name"));
            let parameters = operation["parameters"].as_array().expect("parameters");
            let in_path = |name: &str| parameters.iter().any(|p| p["name"] == name && p["in"] == "path");
            for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                assert!(in_path(name), "{path} says nothing of {name}");
            }
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids are unique");
}

/// The document with one operation, schema or other member a line.
fn lines(document: &Value) -> String {
    let mut text = String::new();
    for (name, member) in document.as_object().expect("an object") {
        match member {
            Value::Object(members) if name == "paths" || name == "components" => {
                for (outer, member) in members {
                    for (inner, member) in member.as_object().expect("an object") {
                        text += &format!("{name} {outer} {inner} {member}\n");
                    }
                }
            }
            member => text += &format!("{name} {member}\n"),
        }
    }
    text
}

fn check_references(document: &Value, value: &Value, count: &mut usize) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').expect("within the document");
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                *count += 1;
            }
            fields.values().for_each(|value| check_references(document, value, count));
        }
        Value::Array(values) => values.iter().for_each(|value| check_references(document, value, count)),
        _ => {}
    }
}
