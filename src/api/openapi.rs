//! The OpenAPI 3.1 document, made from the rows.
//!
//! A field stands in the path where the pattern names it, in the query where the method has no body
//! or the field is marked `x-in: query`, else in the body. Paths for old clients are listed as
//! deprecated. Where the contract has two patterns of one shape (`/locations/{id}` and
//! `/locations/{locationtype}`) both are listed, because both exist.

use super::{
    examples,
    fields::ROOT,
    operation::{Operation, Who},
    permissions::permission_of,
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
    /// The object as it is now, where somebody else was faster and it may be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<Map<String, Value>>,
}

/// What holds for all operations.
const DESCRIPTION: &str = "\
Runs a filtering DNS resolver: providers, customers, policies, lists and locations.

Bodies are JSON or forms, everywhere; a POST or PUT on an object changes the fields it names and leaves the others. Lists take \
`offset` and `limit` (100 where it is absent). `code` in an answer is the HTTP status, always.

Request headers that every operation knows:

* `If-Match`: the `ETag` of an object; an object that has changed since is left alone (412, with the object as it is now in `current`).
* `Idempotency-Key` on POST: sent again with the same key within a day, a request is answered again and not done again.
* `Prefer: handling=strict`: an unknown field in the body is refused instead of ignored.
* `X-Request-Id`: stands in the answer and in the server's log.";

/// Operations that show people pages.
const PAGES: &[&str] = &["oauth_authorize", "oauth_sign_in", "oauth_callback", "password_reset_page", "password_reset"];

/// Refusals: status, name of the component, when.
const FAILURES: &[(u16, &str, &str)] = &[
    (400, "BadRequest", "A field is missing or unusable, or the request cannot be read; the message names the field."),
    (401, "Unauthorized", "No credentials, or none that are valid."),
    (403, "Forbidden", "The role or a permission does not allow this, or the account is suspended."),
    (404, "NotFound", "There is no such thing within the caller's reach."),
    (409, "Conflict", "Taken or in use, or changed by somebody else in the meantime; `current` may show the object."),
    (412, "PreconditionFailed", "The object is no longer the one of `If-Match`; `current` shows it."),
    (413, "TooLarge", "The body or the change is larger than is taken."),
    (415, "UnsupportedMediaType", "The body is of a type that is not read."),
    (422, "Unprocessable", "The `Idempotency-Key` was used with another request."),
    (429, "TooManyRequests", "Too many requests; `Retry-After` says when to try again."),
    (503, "Unavailable", "Not at the moment; `Retry-After` says when to try again."),
];

fn failures(error: &Value) -> Value {
    let response = |(status, name, when): &(u16, &str, &str)| {
        let example = json!({ "code": status, "error": format!("Error: {when}") });
        let content = json!({ "application/json": { "schema": error, "example": example } });
        let mut response = json!({ "description": when, "content": content });
        if matches!(status, 429 | 503) {
            response["headers"] =
                json!({ "Retry-After": { "description": "Seconds.", "schema": { "type": "integer" } } });
        }
        ((*name).to_owned(), response)
    };
    Value::Object(FAILURES.iter().map(response).collect())
}

/// Gives every body and every answer an example.
fn add_examples(paths: &mut Map<String, Value>, schemas: &Map<String, Value>) {
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(|item| item.values_mut());
    for operation in operations {
        let places = ["/requestBody/content", "/responses/200/content"];
        for place in places {
            let Some(contents) = operation.pointer_mut(place).and_then(Value::as_object_mut) else { continue };
            for (media_type, content) in contents {
                if media_type.contains("json") && content.get("example").is_none() {
                    content["example"] = examples::of("", &content["schema"], schemas);
                }
            }
        }
    }
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
            let (path, fixed) = pattern.split_once('?').unwrap_or((pattern, ""));
            for (method_index, method) in operation.methods.iter().enumerate() {
                let id = match (path_index, method_index) {
                    (0, 0) => operation.id.to_owned(),
                    (0, _) => format!("{}_{}", operation.id, method.as_str().to_lowercase()),
                    _ => format!("{}_{}_{path_index}", operation.id, method.as_str().to_lowercase()),
                };
                let item = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
                item[method.as_str().to_lowercase()] =
                    fields.operation(operation, &id, (path, fixed), method, path_index > 0, error.as_value());
            }
        }
    }
    let mut schemas = generator.take_definitions(true);
    add_examples(&mut paths, &schemas);
    schemas.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Weir management API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": format!("/{BASE}") }],
        "security": [{ "oauth2": [] }, { "bearer": [] }, { "oauth1": [] }],
        "tags": groups(operations),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": failures(error.as_value()),
            "securitySchemes": {
                "oauth2": {
                    "type": "oauth2",
                    "description": "Authorization code with PKCE (S256), client `2`.",
                    "flows": { "authorizationCode": {
                        "authorizationUrl": format!("/{BASE}/oauth/authorize"),
                        "tokenUrl": format!("/{BASE}/oauth/token"),
                        "refreshUrl": format!("/{BASE}/token/refresh"),
                        "scopes": {},
                    } },
                },
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

/// Names of the fields each operation reads, wherever they stand.
pub fn field_names(operations: &[Operation]) -> Vec<Vec<String>> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    operations
        .iter()
        .map(|operation| {
            let fields = Fields::of(operation, &mut generator);
            let scope = fields.scope_names.iter().map(|name| (*name).to_owned());
            let names = fields.input.into_iter().flat_map(|field| {
                let also = field.schema["x-also"].as_str().map(str::to_owned);
                std::iter::once(field.name).chain(also)
            });
            scope.chain(names).collect()
        })
        .collect()
}

fn groups(operations: &[Operation]) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for operation in operations {
        if !names.contains(&operation.group) {
            names.push(operation.group);
        }
    }
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

    /// The content of the answer: files by their types, everything else JSON.
    fn content(&self) -> Value {
        match self.reply.get("x-content-types").and_then(Value::as_array) {
            Some(types) => types.iter().filter_map(Value::as_str).map(|kind| (kind.to_owned(), json!({}))).collect(),
            None => json!({ "application/json": { "schema": self.reply } }),
        }
    }

    fn operation(
        &self,
        operation: &Operation,
        id: &str,
        (path, fixed): (&str, &str),
        method: &Method,
        deprecated: bool,
        error: &Value,
    ) -> Value {
        let in_path = |name: &str| path.contains(&format!("{{{name}}}"));
        let mut parameters = self.scope.clone();
        let mut body = Vec::new();
        // What the path says itself nobody has to.
        let is_fixed = |name: &str| fixed.split('&').any(|pair| pair.split('=').next() == Some(name));
        let told = |name: &str| self.scope_names.contains(&name) || is_fixed(name);
        for field in self.input.iter().filter(|field| !told(&field.name)) {
            let mut schema = field.schema.clone();
            let marked =
                schema.as_object_mut().and_then(|schema| schema.remove("x-in")).is_some_and(|r#in| r#in == "query");
            let place = if in_path(&field.name) {
                "path"
            } else if marked || !matches!(*method, Method::POST | Method::PUT) {
                without_null(&mut schema);
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
        let (summary, rest) = operation.documentation.split_once('\n').unwrap_or((&operation.documentation, ""));
        let mut responses = json!({
            "200": { "description": "Done.", "content": self.content() },
            "default": { "description": "Not done.", "content": { "application/json": { "schema": error } } },
        });
        let page = PAGES.contains(&operation.id);
        if page {
            // Browsers get pages, and are sent on.
            for status in ["200", "default"] {
                responses[status]["content"]["text/html"] = json!({ "schema": { "type": "string" } });
            }
            for status in ["302", "303"] {
                let location = json!({ "description": "Where to.", "schema": { "type": "string", "format": "uri" } });
                responses[status] = json!({ "description": "Go on there.", "headers": { "Location": location } });
            }
        }
        for (status, name, ..) in FAILURES {
            let reads = !matches!(*method, Method::POST | Method::PUT | Method::DELETE);
            let possible = match *status {
                401 | 403 => !operation.is_public(),
                409 | 412 | 413 | 415 => !reads,
                422 => *method == Method::POST && !operation.is_public(),
                _ => true,
            };
            if possible && !page {
                responses[status.to_string()] = json!({ "$ref": format!("#/components/responses/{name}") });
            }
        }
        let mut document = json!({
            "operationId": id,
            "tags": [operation.group],
            "summary": summary,
            "parameters": parameters,
            "responses": responses,
            "x-roles": operation.who.iter().map(|who| who.name()).collect::<Vec<_>>(),
        });
        if let Some(permission) = permission_of(operation) {
            document["x-permission"] = json!(permission.to_string());
        }
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

/// Takes `null` out of a schema: a form or query leaves a field out instead.
fn without_null(schema: &mut Value) {
    if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            schema["type"] = kind.clone();
        }
    }
    if let Some(choices) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        choices.retain(|choice| choice["type"] != "null");
    }
    if let Some(choices) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        choices.retain(|choice| !choice.is_null());
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
    let mut form = object.clone();
    for (_, property) in form["properties"].as_object_mut().into_iter().flatten() {
        without_null(property);
    }
    let content = match (root, file) {
        (Some(root), false) if properties.is_empty() => json!({ "application/json": { "schema": root } }),
        (Some(root), _) => json!({
            "multipart/form-data": { "schema": form },
            "text/csv": { "schema": { "type": "string" } },
            "application/json": { "schema": root },
        }),
        (None, true) => json!({ "multipart/form-data": { "schema": form } }),
        (None, false) => json!({
            "application/json": { "schema": object },
            "application/x-www-form-urlencoded": { "schema": form },
        }),
    };
    json!({ "required": body_required, "content": content })
}
