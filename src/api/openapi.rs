//! The OpenAPI 3.1 document, made from the rows.
//!
//! A field stands in the path where the pattern names it, in the query where the method has no body
//! or the field is marked `x-in: query`, else in the body. Paths for old clients are listed as
//! deprecated. Where the contract has two patterns of one shape (`/locations/{id}` and
//! `/locations/{locationtype}`) both are listed, because both exist.

use super::{
    fields::ROOT,
    operation::{Operation, Who},
    serve::BASE,
};
use http::Method;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The error envelope.
#[derive(JsonSchema)]
#[schemars(rename = "Error")]
#[expect(dead_code, reason = "described, not made: ApiError writes it")]
struct ErrorEnvelope {
    /// HTTP status.
    code: u16,
    /// `Error: ` and one sentence, which begins with the name of the field at fault.
    error: String,
}

/// The document of these operations.
pub fn document(operations: &[Operation]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let error = generator.subschema_for::<ErrorEnvelope>();
    let mut paths = Map::new();
    for operation in operations {
        let fields = Fields::of(operation, &mut generator);
        for (path_index, pattern) in operation.paths.iter().enumerate() {
            let path = pattern.split('?').next().unwrap_or(pattern);
            for (method_index, method) in operation.methods.iter().enumerate() {
                let id = match (path_index, method_index) {
                    (0, 0) => operation.id.to_owned(),
                    (0, _) => format!("{}_{}", operation.id, method.as_str().to_lowercase()),
                    _ => format!("{}_{}_{path_index}", operation.id, method.as_str().to_lowercase()),
                };
                let item = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
                item[method.as_str().to_lowercase()] =
                    fields.operation(operation, &id, path, method, path_index > 0, error.as_value());
            }
        }
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Weir management API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Runs a filtering DNS resolver: providers, customers, policies, lists and locations.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": format!("/{BASE}") }],
        "security": [{ "bearer": [] }, { "oauth1": [] }],
        "tags": groups(operations),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "oauth1": {
                    "type": "http",
                    "scheme": "OAuth",
                    "description": "OAuth 1.0a (RFC 5849), HMAC-SHA1 or HMAC-SHA256, in the Authorization header, \
                                    the query or a form body.",
                },
            },
        },
    })
}

fn groups(operations: &[Operation]) -> Vec<Value> {
    let mut names: Vec<&str> = operations.iter().map(|operation| operation.group).collect();
    names.dedup();
    names.into_iter().map(|name| json!({ "name": name })).collect()
}

/// One field of an input.
struct Field {
    name: String,
    schema: Value,
    required: bool,
}

/// The types of an operation, sorted by where they can stand.
struct Fields {
    scope: Vec<Value>,
    scope_names: Vec<&'static str>,
    input: Vec<Field>,
    reply: Value,
}

impl Fields {
    fn of(operation: &Operation, generator: &mut SchemaGenerator) -> Self {
        let description = operation.handler.describe(generator);
        let mut input = Vec::new();
        for schema in &description.input {
            let required = schema.get("required").and_then(Value::as_array);
            for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let required = required.is_some_and(|names| names.iter().any(|known| known == name.as_str()));
                input.push(Field { name: name.clone(), schema: property.clone(), required });
            }
        }
        Fields {
            scope_names: description.scope.iter().map(|parameter| parameter.name).collect(),
            scope: description
                .scope
                .into_iter()
                .map(|parameter| {
                    json!({
                        "name": parameter.name,
                        "in": if parameter.in_path { "path" } else { "query" },
                        "required": parameter.in_path,
                        "description": parameter.description,
                        "schema": parameter.schema,
                    })
                })
                .collect(),
            input,
            reply: description.reply.to_value(),
        }
    }

    fn operation(
        &self,
        operation: &Operation,
        id: &str,
        path: &str,
        method: &Method,
        deprecated: bool,
        error: &Value,
    ) -> Value {
        let in_path = |name: &str| path.contains(&format!("{{{name}}}"));
        let mut parameters = self.scope.clone();
        let mut body = Vec::new();
        for field in self.input.iter().filter(|field| !self.scope_names.contains(&field.name.as_str())) {
            let mut schema = field.schema.clone();
            let marked =
                schema.as_object_mut().and_then(|schema| schema.remove("x-in")).is_some_and(|r#in| r#in == "query");
            let place = if in_path(&field.name) {
                "path"
            } else if marked || !matches!(*method, Method::POST | Method::PUT) {
                "query"
            } else {
                body.push((field, schema));
                continue;
            };
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let mut parameter = json!({
                "name": field.name,
                "in": place,
                "required": place == "path" || field.required,
                "schema": schema,
            });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            parameters.push(parameter);
        }
        let media_type = self.reply.get("contentMediaType").and_then(Value::as_str).unwrap_or("application/json");
        let (summary, rest) = operation.documentation.split_once('\n').unwrap_or((&operation.documentation, ""));
        let mut document = json!({
            "operationId": id,
            "tags": [operation.group],
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": { "description": "Done.", "content": { media_type: { "schema": self.reply } } },
                "default": { "description": "Not done.", "content": { "application/json": { "schema": error } } },
            },
            "x-roles": operation.who.iter().map(|who| who.name()).collect::<Vec<_>>(),
        });
        if !rest.trim().is_empty() {
            document["description"] = json!(rest.trim());
        }
        if deprecated {
            document["deprecated"] = json!(true);
        }
        if operation.who.contains(&Who::Anyone) {
            document["security"] = json!([]);
        }
        if !body.is_empty() {
            document["requestBody"] = request_body(body);
        }
        document
    }
}

fn request_body(fields: Vec<(&Field, Value)>) -> Value {
    let required: Vec<&str> =
        fields.iter().filter(|(field, _)| field.required).map(|(field, _)| field.name.as_str()).collect();
    let file = fields.iter().any(|(_, schema)| schema.get("contentMediaType").is_some());
    let root = fields.iter().find(|(field, _)| field.name == ROOT).map(|(_, schema)| schema.clone());
    let body_required = !required.is_empty();
    let properties: Map<String, Value> = fields
        .iter()
        .filter(|(field, _)| field.name != ROOT)
        .map(|(field, schema)| (field.name.clone(), schema.clone()))
        .collect();
    let object = json!({ "type": "object", "properties": properties, "required": required });
    let content = match (root, file) {
        (Some(root), false) if properties.is_empty() => json!({ "application/json": { "schema": root } }),
        (Some(root), _) => json!({
            "multipart/form-data": { "schema": object },
            "text/csv": { "schema": { "type": "string" } },
            "application/json": { "schema": root },
        }),
        (None, true) => json!({ "multipart/form-data": { "schema": object } }),
        (None, false) => json!({
            "application/json": { "schema": object },
            "application/x-www-form-urlencoded": { "schema": object },
        }),
    };
    json!({ "required": body_required, "content": content })
}
