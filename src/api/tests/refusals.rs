//! Every operation, called by everybody who must not.

use super::harness::{As, CALLERS, House, id};
use crate::{
    api::{Operation, groups},
    model::{Account, CustomerId, Policy},
};
use http::Method;
use serde_json::{Value, json};

/// Ids of rows of customer `one` and its MSP.
struct Rows {
    customer: u32,
    msp: u32,
    policy: u32,
    entry: u32,
    msp_entry: u32,
    location: u32,
    address: u32,
    schedule: u32,
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
        let msp_entry = id(&house.post(As::Msp, "/domains/block", json!({ "domain": "a.example" })).await.ok());
        let location = json!({ "name": "l", "ip": "198.51.100.0/24" });
        let location = house.post(As::One, &format!("/users/{one}/locations/staticip"), location).await.ok();
        let address = id(&location["addresses"][0]);
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
            schedule: id(&schedule),
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
            ("{scheduledreportid}", self.schedule.to_string(), NONE),
            ("{reportid}", self.report.clone(), NO_UUID),
            ("{uuid}", self.uuid.clone(), NO_UUID),
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
        "client": "203.0.113.77", "date": "2026-01-01", "report": "r_requests_user", "sender": "a@weir.test",
        "recipients": "b@weir.test", "subject": "s", "days": 7,
    })
}

fn calls(operation: &Operation) -> impl Iterator<Item = (Method, &'static str)> + '_ {
    operation.paths.iter().flat_map(|path| operation.methods.iter().map(|method| (method.clone(), *path)))
}

#[tokio::test]
async fn every_operation_refuses_every_wrong_caller() {
    let house = House::new().await;
    let rows = Rows::make(&house).await;
    let mut refused = 0;
    for operation in groups::operations().iter().filter(|operation| !operation.is_public()) {
        for (method, pattern) in calls(operation) {
            let (path, absent) = rows.fill(pattern);
            let place = format!("{} {method} {path}", operation.id);
            let answer = house.call(As::Nobody, method.clone(), &path, body()).await;
            assert_eq!(answer.status, 401, "{place} without credentials");
            assert!(answer.headers.contains_key("www-authenticate"));
            let answer = bad_signature(&house, &method, &path).await;
            assert_eq!(answer, 401, "{place} with a bad signature");
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
                {
                    // `/policies/default/...` of a foreign customer, and lists of one's own level, name no foreign row.
                    let theirs = house.call(caller, method.clone(), &path, body()).await;
                    if !names_a_row(pattern) {
                        continue;
                    }
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
    assert!(refused > 300, "{refused} refusals");
    // Nothing of it had an effect.
    let policies = house.store.rows::<Policy>(Account::Customer(CustomerId(house.one))).count();
    assert_eq!(policies, 2);
}

/// Whether a path names rows of a tenant at all.
fn names_a_row(pattern: &str) -> bool {
    ["{id}", "{policyid}", "{domainid}", "{locationid}", "{addressid}", "{uuid}"]
        .iter()
        .any(|name| pattern.contains(name))
}

async fn bad_signature(house: &House, method: &Method, path: &str) -> u16 {
    use crate::auth::{SignatureMethod, SignedRequest, sign};
    let keys = crate::auth::ClientKeys { access_token_secret: "0".repeat(32), ..house.keys.clone() };
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
    let header = sign(&signed, &keys, SignatureMethod::HmacSha1, now, "n").expect("signs");
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
        if path.contains('{') {
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
