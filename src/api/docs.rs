//! The reference as a page, made from the OpenAPI document: it works without scripts and loads
//! nothing from anywhere.

use super::error::ApiError;
use askama::Template;
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::{Map, Value};

/// A group of operations.
struct Group<'a> {
    name: &'a str,
    title: String,
    operations: Vec<Shown<'a>>,
}

/// An operation.
struct Shown<'a> {
    id: &'a str,
    method: String,
    path: &'a str,
    summary: &'a str,
    description: &'a str,
    roles: String,
    permission: &'a str,
    deprecated: bool,
    parameters: Vec<Field<'a>>,
    body_types: String,
    body: Vec<Field<'a>>,
    body_example: String,
    answer: String,
    refusals: Vec<(&'a str, &'a str)>,
}

/// A parameter, or a field of a body.
struct Field<'a> {
    name: &'a str,
    place: &'a str,
    required: bool,
    constraints: String,
    description: String,
}

const STYLE: &str = "
:root { color-scheme: light dark; --ground: #fff; --side: #f3f6f8; --text: #15212b; --soft: #51616e; --line: #d4dce2; --blue: #0b5cad;
  --code: #eef2f5; --get: #0b6b3a; --post: #0b5cad; --put: #8a5a00; --delete: #a3161a; }
@media (prefers-color-scheme: dark) { :root { --ground: #10171d; --side: #19232c; --text: #e8eef3; --soft: #a9b7c2; --line: #33424e;
  --blue: #7ab8f5; --code: #202c36; --get: #6fd39b; --post: #7ab8f5; --put: #e9b75a; --delete: #ff9c97; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; display: grid; grid-template-columns: 17rem minmax(0, 1fr); background: var(--ground); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif; }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.5rem 1rem; background: var(--side); border-right: 1px solid var(--line); }
nav ul { margin: 0; padding: 0; list-style: none; }
nav summary { padding: .25rem .5rem; font-weight: 600; cursor: pointer; border-radius: .375rem; }
nav a { display: block; padding: .15rem .5rem .15rem 1.25rem; font-size: .875rem; color: var(--soft); text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { color: var(--blue); text-decoration: underline; }
main { padding: 2rem 2.5rem 6rem; max-width: 60rem; }
h1 { margin: 0 0 .5rem; }
h2 { margin: 3.5rem 0 1rem; padding-bottom: .5rem; border-bottom: 1px solid var(--line); }
h3 { margin: 0 0 .25rem; font-size: 1.0625rem; }
h4 { margin: 1.25rem 0 .25rem; font-size: .875rem; color: var(--soft); }
.lead { white-space: pre-line; color: var(--soft); }
article { margin: 0 0 2rem; padding: 1.25rem 1.5rem; border: 1px solid var(--line); border-radius: .75rem; }
article.old { opacity: .75; }
.call { margin: .25rem 0 .75rem; font: .9375rem ui-monospace, monospace; overflow-wrap: anywhere; }
.method { font-weight: 700; } .get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); } .delete { color: var(--delete); }
.tags { color: var(--soft); font-size: .875rem; }
table { width: 100%; border-collapse: collapse; font-size: .9375rem; }
th, td { padding: .4rem .75rem .4rem 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
th { font-weight: 600; font-size: .8125rem; color: var(--soft); border-top: 0; }
td:first-child { font-family: ui-monospace, monospace; font-size: .875rem; white-space: nowrap; }
code { font: .9em ui-monospace, monospace; padding: .05em .3em; background: var(--code); border-radius: .25rem; }
pre { margin: .25rem 0 0; padding: .75rem 1rem; overflow-x: auto; background: var(--code); border-radius: .5rem; font: .8125rem/1.5 ui-monospace, monospace; }
.must { color: var(--delete); font-size: .8125rem; }
a { color: var(--blue); }
:focus-visible { outline: 3px solid var(--blue); outline-offset: 2px; }
@media (max-width: 56rem) { body { display: block; } nav { position: static; height: auto; border: 0; } main { padding: 1.5rem 1rem; } td:first-child { white-space: normal; } }
";

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style|safe }}</style>
</head>
<body>
<nav aria-label="Operations">
{% for group in groups %}<details><summary>{{ group.title }}</summary><ul>
{% for operation in group.operations %}{% if !operation.deprecated %}<li><a href="#{{ operation.id }}">{{ operation.summary }}</a></li>
{% endif %}{% endfor %}</ul></details>
{% endfor %}</nav>
<main>
<h1>{{ title }}</h1>
<p>Version {{ version }} · <a href="openapi.json">OpenAPI 3.1 document</a> · {{ count }} operations</p>
<p class="lead">{% for (code, part) in spans(description) %}{% if code %}<code>{{ part }}</code>{% else %}{{ part }}{% endif %}{% endfor %}</p>
{% for group in groups %}<section id="group-{{ group.name }}">
<h2>{{ group.title }}</h2>
{% for operation in group.operations %}<article id="{{ operation.id }}"{% if operation.deprecated %} class="old"{% endif %}>
<h3>{{ operation.summary }}</h3>
<p class="call"><span class="method {{ operation.method|lower }}">{{ operation.method }}</span> /restapi{{ operation.path }}</p>
<p class="tags">{{ operation.id }} · for {{ operation.roles }}{% if !operation.permission.is_empty() %} · {{ operation.permission }}{% endif %}{% if operation.deprecated %} · for old clients{% endif %}</p>
{% if !operation.description.is_empty() %}<p>{% for (code, part) in spans(operation.description) %}{% if code %}<code>{{ part }}</code>{% else %}{{ part }}{% endif %}{% endfor %}</p>
{% endif %}{% if !operation.parameters.is_empty() %}<h4>Parameters</h4>
<table><thead><tr><th scope="col">Name</th><th scope="col">In</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead><tbody>
{% for field in operation.parameters %}<tr><td>{{ field.name }}</td><td>{{ field.place }}</td><td>{{ field.constraints }}</td><td>{{ field.description }}{% if field.required %} <span class="must">required</span>{% endif %}</td></tr>
{% endfor %}</tbody></table>
{% endif %}{% if !operation.body_types.is_empty() %}<h4>Body: {{ operation.body_types }}</h4>
{% if !operation.body.is_empty() %}<table><thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead><tbody>
{% for field in operation.body %}<tr><td>{{ field.name }}</td><td>{{ field.constraints }}</td><td>{{ field.description }}{% if field.required %} <span class="must">required</span>{% endif %}</td></tr>
{% endfor %}</tbody></table>
{% endif %}{% if !operation.body_example.is_empty() %}<pre>{{ operation.body_example }}</pre>
{% endif %}{% endif %}{% if !operation.answer.is_empty() %}<h4>Answer 200</h4>
<pre>{{ operation.answer }}</pre>
{% endif %}<details><summary class="tags">Refusals</summary><table><tbody>
{% for (status, when) in operation.refusals %}<tr><td>{{ status }}</td><td>{{ when }}</td></tr>
{% endfor %}</tbody></table></details>
</article>
{% endfor %}</section>
{% endfor %}</main>
</body>
</html>
"##
)]
struct Page<'a> {
    title: &'a str,
    version: &'a str,
    description: &'a str,
    style: &'a str,
    count: usize,
    groups: Vec<Group<'a>>,
}

impl Page<'_> {
    /// Text between backticks is code.
    fn spans<'t>(&self, text: &'t str) -> Vec<(bool, &'t str)> {
        text.split('`').enumerate().map(|(index, part)| (index % 2 == 1, part)).collect()
    }
}

/// The page of an OpenAPI document.
pub fn page(document: &Value) -> Result<Bytes, ApiError> {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let groups = groups(document);
    let page = Page {
        title: text("/info/title"),
        version: text("/info/version"),
        description: text("/info/description"),
        style: STYLE,
        count: groups.iter().map(|group| group.operations.len()).sum(),
        groups,
    };
    Ok(Bytes::from(page.render().map_err(ApiError::internal)?))
}

/// The page as an answer.
pub fn response(page: Bytes) -> Response<Bytes> {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    let mut response = Response::new(page);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.extend(HeaderValue::try_from(policy).map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn groups(document: &Value) -> Vec<Group<'_>> {
    let tags = document["tags"].as_array().into_iter().flatten().filter_map(|tag| tag["name"].as_str());
    tags.map(|name| {
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if operation["tags"][0] == name {
                    operations.push(shown(document, method, path, operation));
                }
            }
        }
        Group { name, title: title(name), operations }
    })
    .collect()
}

/// `customer_devices` as a heading.
fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn shown<'a>(document: &'a Value, method: &str, path: &'a str, operation: &'a Value) -> Shown<'a> {
    let text = |name: &str| operation[name].as_str().unwrap_or_default();
    let parameters = operation["parameters"].as_array().into_iter().flatten().map(|parameter| Field {
        name: parameter["name"].as_str().unwrap_or_default(),
        place: parameter["in"].as_str().unwrap_or_default(),
        required: parameter["required"] == true,
        constraints: constraints(&parameter["schema"]),
        description: described(parameter),
    });
    let contents = operation.pointer("/requestBody/content").and_then(Value::as_object);
    let (schema, example) = contents
        .and_then(|all| all.values().next())
        .map_or((&Value::Null, &Value::Null), |content| (&content["schema"], &content["example"]));
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let body = schema["properties"].as_object().into_iter().flatten().map(|(name, field)| Field {
        name,
        place: "body",
        required: required.contains(&name.as_str()),
        constraints: constraints(field),
        description: described(field),
    });
    let refusals = operation["responses"].as_object().into_iter().flatten().filter_map(|(status, response)| {
        let target = response["$ref"].as_str()?.rsplit('/').next()?;
        Some((status.as_str(), document["components"]["responses"][target]["description"].as_str()?))
    });
    Shown {
        id: text("operationId"),
        method: method.to_uppercase(),
        path,
        summary: text("summary"),
        description: text("description"),
        roles: operation["x-roles"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(", "),
        permission: text("x-permission"),
        deprecated: operation["deprecated"] == true,
        parameters: parameters.collect(),
        body_types: contents.map(|all| all.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default(),
        body: body.collect(),
        body_example: pretty(example),
        answer: operation.pointer("/responses/200/content/application~1json/example").map(pretty).unwrap_or_default(),
        refusals: refusals.collect(),
    }
}

fn pretty(example: &Value) -> String {
    match example {
        Value::Null => String::new(),
        example => serde_json::to_string_pretty(example).unwrap_or_default(),
    }
}

fn described(field: &Value) -> String {
    field["description"].as_str().unwrap_or_default().to_owned()
}

/// Type and bounds in a few words.
fn constraints(schema: &Value) -> String {
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        Value::String(kind) => kind.clone(),
        _ => match schema.as_object().map(Map::keys) {
            Some(_) if schema["anyOf"].is_array() => {
                let choices = schema["anyOf"].as_array().into_iter().flatten().map(constraints);
                return choices.collect::<Vec<_>>().join(" or ");
            }
            Some(_) => schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or("any").to_owned(),
            None => "any".to_owned(),
        },
    };
    let mut words = vec![kind];
    if let Some(choices) = schema["enum"].as_array() {
        words.push(
            choices
                .iter()
                .map(|choice| choice.as_str().map_or_else(|| choice.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(" | "),
        );
    }
    words.extend(schema["format"].as_str().map(str::to_owned));
    for (key, word) in [("minimum", "from"), ("maximum", "to"), ("minLength", "at least"), ("maxLength", "at most")] {
        if let Some(bound) = schema[key].as_i64() {
            let unit = if key.ends_with("Length") { " characters" } else { "" };
            words.push(format!("{word} {bound}{unit}"));
        }
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_document_says_is_shown_and_escaped() {
        let document = json!({
            "info": { "title": "T", "version": "1", "description": "About `<things>`" },
            "tags": [{ "name": "some_group" }],
            "paths": { "/x/{id}": { "post": {
                "operationId": "make_x", "tags": ["some_group"], "summary": "Makes <x>.", "x-roles": ["system"],
                "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "integer", "minimum": 1 } }],
                "requestBody": { "content": { "application/json": { "schema": {
                    "properties": { "level": { "type": "string", "enum": ["L", "M"], "description": "Which." } }, "required": ["level"],
                }, "example": { "level": "L" } } } },
                "responses": { "200": {}, "400": { "$ref": "#/components/responses/Bad" } },
            } } },
            "components": { "responses": { "Bad": { "description": "Not good." } } },
        });
        let page = String::from_utf8(page(&document).expect("a page").to_vec()).expect("text");
        for part in [
            "<code>&#60;things&#62;</code>",
            "Some group",
            "Makes &#60;x&#62;.",
            "POST",
            "/restapi/x/{id}",
            "integer, from 1",
            "string, L | M",
            "Not good.",
            "required",
            "1 operations",
        ] {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
        assert!(!page.contains("<things>") && !page.contains("<script"));
    }
}
