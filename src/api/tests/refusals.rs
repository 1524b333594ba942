//! Every operation, called by everybody who must not.

use super::{
    harness::{As, CALLERS, House, id},
    oauth,
    people::People,
};
use crate::{
    api::{Operation, groups, permissions::permission_of},
    auth::{ClientKeys, SignatureMethod, SignedRequest, sign},
    model::{Account, Admin, CustomerId, Policy, RoleId},
};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Operations with their methods and paths that are tried; there are never fewer.
const CALLS_MIN: usize = 283;
/// Refusals of them.
const REFUSALS_MIN: usize = 2231;
/// Refusals of an administrator without permissions.
const POWERLESS_MIN: usize = 460;

/// Ids of rows of customer `one` and its MSP.
struct Rows {
    customer: u32,
    msp: u32,
    policy: u32,
    entry: u32,
    msp_entry: u32,
    location: u32,
    address: u32,
    people: People,
    exception: u32,
    rule: u32,
    cloud_key: u32,
    recategorized: u32,
    list: u32,
    msp_list: u32,
    role: u32,
    schedule: u32,
    record: u32,
    zone: u32,
    report: String,
    uuid: String,
}

impl Rows {
    async fn make(house: &House) -> Rows {
        let one = house.one;
        let policy = json!({ "name": "p", "description": "" });
        let policy = id(&house.post(As::One, &format!("/users/{one}/policies"), policy).await.ok());
        let entries = format!("/users/{one}/policies/{policy}/domains/block");
        let entry = id(&house.post(As::One, &entries, json!({ "domain": "a.example" })).await.ok());
        let record = json!({ "name": "a.example", "type": "NODATA" });
        let record = id(&house.post(As::One, &format!("/policies/{policy}/records"), record).await.ok());
        let zone = json!({ "zone": "a.example", "servers": ["192.0.2.1"] });
        let zone = id(&house.post(As::One, &format!("/users/{one}/forwardzones"), zone).await.ok());
        let msp_entry = id(&house.post(As::Msp, "/domains/block", json!({ "domain": "a.example" })).await.ok());
        let location = json!({ "name": "l", "ip": "198.51.100.0/24" });
        let location = house.post(As::One, &format!("/users/{one}/locations/staticip"), location).await.ok();
        let address = id(&location["addresses"][0]);
        let role = json!({ "name": "r", "permissions": ["policy.lists.view"] });
        let role = id(&house.post(As::One, "/roles", role).await.ok());
        let exception = id(&house.post(As::One, "/deviceexceptions", json!({ "name": "e" })).await.ok());
        let rules = format!("/deviceexceptions/{exception}/rules");
        let rule = id(&house.post(As::One, &rules, json!({ "domain": "a.example" })).await.ok());
        let cloud_key = id(&house.post(As::One, &format!("/users/{one}/cloudkeys"), json!({})).await.ok());
        house.post(As::One, "/recategorize", json!({ "domain": "a.example", "category1": 1 })).await.ok();
        let recategorized = id(&house.get(As::One, "/recategorize").await.ok()["data"][0]);
        let list = id(&house.post(As::One, "/lists", json!({ "name": "l" })).await.ok());
        let msp_list = id(&house.post(As::Msp, "/lists", json!({ "name": "l" })).await.ok());
        let people = house.people().await;
        let schedule = json!({
            "report": "r_requests_user", "sender": "a@weir.test", "recipients": "b@weir.test", "subject": "s",
        });
        let schedule = house.post(As::One, &format!("/users/{one}/scheduledreports"), schedule).await.ok();
        let report = house.post(As::One, &format!("/users/{one}/reports"), json!({ "name": "r" })).await.ok();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let user = house.get(As::Msp, &format!("/users/{one}")).await.ok();
        Rows {
            customer: one,
            msp: house.msp,
            policy,
            entry,
            msp_entry,
            location: id(&location),
            address,
            role,
            people,
            exception,
            rule,
            cloud_key,
            recategorized,
            list,
            msp_list,
            schedule: id(&schedule),
            record,
            zone,
            report: text(&report["id"]),
            uuid: text(&user["uuid_str"]),
        }
    }

    /// A path with these rows in it, and the same path with rows that do not exist. The second is
    /// `None` where the path names no row.
    fn fill(&self, pattern: &str) -> (String, Option<String>) {
        const NONE: &str = "2147483000";
        const NO_UUID: &str = "0130ae8f-3712-4dad-9e1b-f2ad5ebc136c";
        let path = pattern.split('?').next().unwrap_or(pattern);
        let own = if path.starts_with("/users") {
            self.customer
        } else if path.starts_with("/msps") {
            self.msp
        } else if path.starts_with("/locationaddresses") {
            self.address
        } else if path.starts_with("/devices/") {
            self.people.laptop
        } else if path.ends_with("/rules/{id}") {
            self.rule
        } else if path.starts_with("/deviceexceptions") {
            self.exception
        } else {
            self.location
        };
        let entry = if path.starts_with("/domains") { self.msp_entry } else { self.entry };
        let counts = path.contains("/stats/") || path.contains("/history/");
        let filled = path
            .replace("{action}", if counts { "blocked" } else { "block" })
            .replace("{locationtype}", "staticip")
            .replace("{categoryid}", "15")
            .replace("{date}", "2026-01-01")
            .replace("{days}", "7")
            .replace("{day}", "today")
            .replace("{filename}", "1100.wtc.json.gz");
        let rows = [
            ("{id}", own.to_string(), NONE),
            ("{policyid}", self.policy.to_string(), NONE),
            ("{domainid}", entry.to_string(), NONE),
            ("{locationid}", self.location.to_string(), NONE),
            ("{addressid}", self.address.to_string(), NONE),
            ("{deviceid}", self.people.laptop.to_string(), NONE),
            ("{groupid}", self.people.group.to_string(), NONE),
            ("{userid}", self.people.ann.to_string(), NONE),
            ("{exceptionid}", self.exception.to_string(), NONE),
            ("{cloudkeyid}", self.cloud_key.to_string(), NONE),
            ("{recategorizeid}", self.recategorized.to_string(), NONE),
            ("{listid}", (if path.starts_with("/msps") { self.msp_list } else { self.list }).to_string(), NONE),
            ("{roleid}", self.role.to_string(), NONE),
            ("{scheduledreportid}", self.schedule.to_string(), NONE),
            ("{recordid}", self.record.to_string(), NONE),
            ("{zoneid}", self.zone.to_string(), NONE),
            ("{reportid}", self.report.clone(), NO_UUID),
            ("{uuid}", self.uuid.clone(), NO_UUID),
            ("{name}", "names".to_owned(), "nothing"),
        ];
        let fill = |path: String, (name, row, _): &(&str, String, &str)| path.replace(name, row);
        let named = rows.iter().fold(filled.clone(), fill);
        let absent = rows.iter().fold(filled, |path, (name, _, none)| path.replace(name, none));
        assert!(!named.contains('{'), "{named}");
        (named.clone(), (absent != named).then_some(absent))
    }
}

/// A body that every operation can read.
fn body() -> Value {
    json!({
        "name": "n", "accountname": "n", "description": "d", "email": "n@weir.test", "license": "l", "password": "secret1",
        "domain": "n.example", "ip": "203.0.113.77", "allowed": true, "csv": "n.example\n", "locationtype": "staticip",
        "client": "203.0.113.77", "date": "2026-01-01", "category1": 1, "permissions": [], "report": "r_requests_user",
        "sender": "a@weir.test", "recipients": "b@weir.test", "subject": "s", "days": 7,
        "type": "A", "values": ["192.0.2.7"], "zone": "corp.example", "servers": ["192.0.2.53"],
    })
}

fn calls(operation: &Operation) -> impl Iterator<Item = (Method, &'static str)> + '_ {
    operation.paths.iter().flat_map(|path| operation.methods.iter().map(|method| (method.clone(), *path)))
}

/// Credentials of a customer of the first MSP that worked until they were taken away.
struct Revoked {
    /// A token that was revoked, and the access token of a session that was ended.
    tokens: [String; 2],
    /// Keys that newer ones took the place of.
    keys: ClientKeys,
}

impl Revoked {
    async fn make(house: &House) -> Revoked {
        let user = json!({ "accountname": "gone", "email": "gone@weir.test", "license": "x", "password": "secret1" });
        let user = house.post(As::Msp, "/users", user).await.ok();
        let text = |name: &str| oauth::text(&user, name);
        let keys = ClientKeys {
            consumer_key: text("consumer_key"),
            consumer_secret: text("consumer_secret"),
            access_token: text("access_token"),
            access_token_secret: text("access_token_secret"),
        };
        let session = oauth::text(&house.sign_in("gone@weir.test", "secret1", None).await.ok(), "access_token");
        let body = json!({ "name": "t", "scope": "all" });
        let token = house.bearing(&session, Method::POST, "/tokens", body).await.ok();
        let revoked = Revoked { tokens: [oauth::text(&token, "token"), session], keys };
        assert_eq!(revoked.calls(house, &Method::GET, "/users").await, [200; 3]);
        let path = format!("/tokens/{}", id(&token));
        house.bearing(&revoked.tokens[1], Method::DELETE, &path, Value::Null).await.ok();
        house.bearing(&revoked.tokens[1], Method::POST, "/auth/logout", Value::Null).await.ok();
        for _ in 0..5 {
            house.post(As::Msp, "/auth/adminregister", json!({ "id": user["id"] })).await.ok();
        }
        revoked
    }

    /// What each of them is answered.
    async fn calls(&self, house: &House, method: &Method, path: &str) -> [u16; 3] {
        let [token, session] = &self.tokens;
        [
            house.bearing(token, method.clone(), path, body()).await.status,
            house.bearing(session, method.clone(), path, body()).await.status,
            signed_with(house, &self.keys, method, path).await,
        ]
    }
}

#[tokio::test]
async fn every_operation_refuses_every_wrong_caller() {
    let house = House::new().await;
    let rows = Rows::make(&house).await;
    let revoked = Revoked::make(&house).await;
    let (mut called, mut refused) = (0, 0);
    for operation in groups::operations().iter().filter(|operation| !operation.is_public()) {
        for (method, pattern) in calls(operation) {
            let (path, absent) = rows.fill(pattern);
            let place = format!("{} {method} {path}", operation.id);
            called += 1;
            let answer = house.call(As::Nobody, method.clone(), &path, body()).await;
            assert_eq!(answer.status, 401, "{place} without credentials");
            assert!(answer.headers.contains_key("www-authenticate"));
            let answer = bad_signature(&house, &method, &path).await;
            assert_eq!(answer, 401, "{place} with a bad signature");
            let answers = revoked.calls(&house, &method, &path).await;
            assert_eq!(answers, [401; 3], "{place} with a revoked token, of an ended session, with old keys");
            refused += 5;
            for caller in CALLERS {
                let role = caller.role().expect("a caller has a role");
                if caller == As::Suspended {
                    let message = house.call(caller, method.clone(), &path, body()).await.refused(403);
                    assert_eq!(message, "The account is suspended", "{place}");
                } else if !operation.admits(role) {
                    let message = house.call(caller, method.clone(), &path, body()).await.refused(403);
                    assert_eq!(message, "Your role does not allow this operation", "{place} as {caller:?}");
                } else if matches!(caller, As::OtherMsp | As::Other)
                    && let Some(absent) = &absent
                    && names_a_row(pattern)
                {
                    let theirs = house.call(caller, method.clone(), &path, body()).await;
                    let nothing = house.call(caller, method.clone(), absent, body()).await;
                    assert_eq!(theirs.status, 404, "{place} as {caller:?}: {}", theirs.json);
                    assert_eq!(theirs.json, nothing.json, "{place}: what is out of reach looks like nothing");
                } else {
                    continue;
                }
                refused += 1;
            }
        }
    }
    eprintln!("{refused} refusals of {called} calls, none missing");
    assert!(called >= CALLS_MIN && refused >= REFUSALS_MIN, "{refused} refusals of {called} calls");
    // Nothing of it had an effect.
    let policies = house.store.rows::<Policy>(Account::Customer(CustomerId(house.one))).count();
    assert_eq!(policies, 2);
}

#[tokio::test]
async fn an_administrator_without_permissions_may_do_nothing_that_asks_for_one() {
    let house = House::new().await;
    let rows = Rows::make(&house).await;
    let mut refused = 0;
    for (caller, account) in [(As::One, format!("user_id={}", house.one)), (As::Msp, format!("msp_id={}", house.msp))] {
        let role = json!({ "name": "nothing", "permissions": [] });
        let role = id(&house.post(As::System, &format!("/roles?{account}"), role).await.ok());
        let admin = house.admin_id(caller);
        house.change::<Admin>(admin, |admin| admin.custom_role = Some(RoleId(role))).await;
        let role = caller.role().expect("a caller has a role");
        for operation in groups::operations().iter().filter(|row| !row.is_public() && row.admits(role)) {
            let Some(permission) = permission_of(operation) else { continue };
            for (method, pattern) in calls(operation) {
                let (path, _) = rows.fill(pattern);
                let message = house.call(caller, method.clone(), &path, body()).await.refused(403);
                assert!(message.ends_with(&permission.to_string()), "{method} {path} as {caller:?}: {message}");
                refused += 1;
            }
        }
    }
    eprintln!("{refused} refusals for lack of a permission, none missing");
    assert!(refused >= POWERLESS_MIN, "{refused} refusals");
}

/// Whether a segment of a path looks like what a segment of a pattern stands for.
fn takes(pattern: &str, segment: &str) -> bool {
    let number = segment.bytes().all(|octet| octet.is_ascii_digit());
    match pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        None => pattern == segment,
        Some("reportid" | "days") => true,
        Some("uuid") => segment.len() == 36,
        Some(name) if name.ends_with("id") => number,
        Some(_) => !number,
    }
}

#[tokio::test]
async fn every_path_refuses_the_methods_it_does_not_have_and_names_those_it_has() {
    let house = House::new().await;
    let rows = Rows::make(&house).await;
    let operations = groups::operations();
    let split = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let patterns: Vec<(Vec<String>, Method)> = operations
        .iter()
        .flat_map(calls)
        .map(|(method, pattern)| (split(pattern.split('?').next().unwrap_or(pattern)), method))
        .collect();
    let paths: BTreeSet<String> = operations
        .iter()
        .flat_map(|operation| operation.paths.iter())
        .map(|pattern| rows.fill(&pattern.replace("{key}", "none").replace("{token}", "none")).0)
        .collect();
    let mut refused = 0;
    for path in &paths {
        let segments = split(path);
        let fits = |pattern: &[String]| {
            pattern.len() == segments.len() && pattern.iter().zip(&segments).all(|(one, other)| takes(one, other))
        };
        let mut allowed: BTreeSet<&str> =
            patterns.iter().filter(|(pattern, _)| fits(pattern)).map(|(_, method)| method.as_str()).collect();
        assert!(!allowed.is_empty(), "{path}");
        if allowed.contains("GET") {
            allowed.insert("HEAD");
        }
        allowed.insert("OPTIONS");
        for method in
            ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get"]
        {
            let known = Method::from_bytes(method.as_bytes()).expect("a method");
            let answer = house.call(As::Nobody, known, path, Value::Null).await;
            let named = answer.headers.get("allow").map(|value| value.to_str().expect("text").split(", ").collect());
            // Taken, and not told of: `default` is the id of a policy, too.
            let unsaid = path.ends_with("/policies/default") && method == "DELETE";
            if method != "OPTIONS" && (allowed.contains(method) || unsaid) {
                assert_ne!(answer.status, 405, "{method} {path}");
                continue;
            }
            assert_eq!(named.as_ref(), Some(&allowed), "{method} {path}");
            assert_eq!(answer.status, if method == "OPTIONS" { 204 } else { 405 }, "{method} {path}");
            refused += 1;
        }
    }
    eprintln!("{refused} answers that name the methods of {} paths", paths.len());
}

#[tokio::test]
async fn a_batch_gives_nobody_more_rights() {
    let house = House::new().await;
    let rows = Rows::make(&house).await;
    let mut refused = 0;
    for caller in [As::OtherMsp, As::Other] {
        let role = caller.role().expect("a caller has a role");
        let mut requests = Vec::new();
        for operation in groups::operations().iter().filter(|operation| !operation.is_public()) {
            for (method, pattern) in calls(operation) {
                let (path, absent) = rows.fill(pattern);
                let status = match operation.admits(role) {
                    false => 403,
                    true if absent.is_some() && names_a_row(pattern) => 404,
                    true => continue,
                };
                requests.push((json!({ "method": method.as_str(), "path": path, "parameters": body() }), status));
            }
        }
        for chunk in requests.chunks(50) {
            let batch: serde_json::Map<String, Value> =
                chunk.iter().enumerate().map(|(index, (request, _))| (index.to_string(), request.clone())).collect();
            let answers = house.post(caller, "/batch", Value::Object(batch)).await.json;
            for (index, (request, status)) in chunk.iter().enumerate() {
                let answer = &answers[index.to_string()];
                assert_eq!(answer["code"], *status, "{request} as {caller:?}: {answer}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused} refusals");
}

/// Whether a path names rows of a tenant at all.
fn names_a_row(pattern: &str) -> bool {
    let id = |name: &str| matches!(name, "id" | "uuid") || name.ends_with("id") && name != "categoryid";
    pattern.split('{').skip(1).filter_map(|rest| rest.split('}').next()).any(id)
}

async fn bad_signature(house: &House, method: &Method, path: &str) -> u16 {
    let keys = ClientKeys { access_token_secret: "0".repeat(32), ..house.keys.clone() };
    signed_with(house, &keys, method, path).await
}

async fn signed_with(house: &House, keys: &ClientKeys, method: &Method, path: &str) -> u16 {
    let path = format!("/restapi{path}");
    let signed = SignedRequest {
        method: method.as_str(),
        scheme: "https",
        authority: "weir.test",
        path: &path,
        query: None,
        form: None,
        authorization: None,
    };
    let now = crate::api::system_clock().0;
    let nonce = uuid::Uuid::new_v4().to_string();
    let header = sign(&signed, keys, SignatureMethod::HmacSha1, now, &nonce).expect("signs");
    let request = http::Request::builder().method(method).uri(&path).header("host", "weir.test");
    let request = request.header("authorization", header).body(Default::default()).expect("a request");
    house.send(request).await.status
}

#[tokio::test]
async fn an_account_named_in_the_query_must_be_in_reach() {
    let house = House::new().await;
    let document: Value = serde_json::from_slice(&house.api.openapi()).expect("is JSON");
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let takes_account = |operation: &Value| {
            operation["parameters"]
                .as_array()
                .is_some_and(|all| all.iter().any(|parameter| parameter["name"] == "user_id"))
        };
        if !item.get("get").is_some_and(takes_account) {
            continue;
        }
        let path = path
            .replace("{policyid}", "default")
            .replace("{action}", "block")
            .replace("{locationtype}", "all")
            .replace("{categoryid}", "15");
        // Administrators of an MSP's customer may be named by both.
        if path.contains('{') || path == "/admins" {
            continue;
        }
        asked += 1;
        for (query, caller, status) in [
            (format!("user_id={}", house.one), As::Msp, 200),
            (format!("user_id={}", house.one), As::OtherMsp, 404),
            (format!("user_id={}", house.one), As::Other, 404),
            (format!("user_id={}", 2_147_483_000), As::OtherMsp, 404),
            (format!("msp_id={}", house.msp), As::OtherMsp, 404),
            (format!("msp_id={}", house.msp), As::One, 404),
            (format!("msp_id={}&user_id={}", house.msp, house.one), As::Msp, 400),
            ("user_id=x".to_owned(), As::System, 400),
        ] {
            let answer = house.get(caller, &format!("{path}?{query}")).await;
            assert_eq!(answer.status, status, "{path}?{query} as {caller:?}: {}", answer.json);
        }
    }
    assert!(asked >= 4, "{asked}");
}
