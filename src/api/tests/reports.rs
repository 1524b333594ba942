//! Reports and schedules. What they send is told by `jobs`.

use super::harness::{As, House, id};
use crate::model::{Account, CustomerId, Report, ScheduledReport, ScheduledReportRun};
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_report_goes_by_its_uuid() {
    let house = House::new().await;
    let path = format!("/users/{}/reports", house.one);
    let body =
        json!({ "name": "Look", "scheduled_frequency": "weekly", "scheduled_run_now": "1", "scheduled_times": "5" });
    let made = house.post(As::One, &path, body).await.ok();
    let uuid = made["id"].as_str().expect("text").to_owned();
    let expected = json!({
        "object": "report", "code": 200, "id": uuid, "name": "Look", "scheduled_frequency": "weekly",
        "scheduled_run_now": true, "scheduled_run_once": true, "scheduled_times": 5,
        "last_run": null, "last_error": "",
    });
    assert_eq!(made, expected);
    let plain = house.post(As::Msp, &path, Value::Null).await.ok();
    assert_eq!(
        (plain["scheduled_frequency"].clone(), plain["scheduled_run_now"].clone()),
        (json!("daily"), json!(false))
    );
    let list = house.get(As::Sales, &format!("{path}?limit=1")).await.ok();
    assert_eq!((list["data"].clone(), list["total"].clone()), (json!([uuid]), json!(2)));
    let one = format!("{path}/{uuid}");
    let shown = house.get(As::One, &one).await;
    let tag = shown.headers["etag"].clone();
    assert_eq!(shown.ok(), expected);
    let changed = house.call(As::One, Method::PUT, &one, json!({ "name": "Glance" })).await.ok();
    assert_eq!((changed["name"].clone(), changed["scheduled_times"].clone()), (json!("Glance"), json!(5)));
    let stale = http::Request::delete(format!("/restapi{one}")).header("host", "weir.test").header("if-match", tag);
    let stale = stale.header("authorization", format!("Bearer {}", house.token(As::One)));
    house.send(stale.body(Default::default()).expect("a request")).await.refused(412);
    for (body, message) in [
        (json!({ "scheduled_frequency": "hourly" }), "scheduled_frequency: must be one of: daily weekly monthly"),
        (json!({ "scheduled_run_now": "soon" }), "scheduled_run_now: must be true or false"),
        (json!({ "scheduled_times": -1 }), "scheduled_times: must be a whole number from 0 to 100000"),
        (json!({ "name": "" }), "name: must not be empty"),
    ] {
        assert_eq!(house.post(As::One, &one, body.clone()).await.refused(400), message);
        assert_eq!(house.post(As::One, &path, body).await.refused(400), message);
    }
    let theirs = house.get(As::Other, &format!("/users/{}/reports/{uuid}", house.other)).await.refused(404);
    assert_eq!(theirs, "There is no such report");
    assert_eq!(house.get(As::One, &format!("{path}/7")).await.refused(400), "reportid: must be a UUID");
    assert_eq!(house.delete(As::One, &one).await.ok(), json!({ "code": 200, "deleted": true, "id": uuid }));
    house.get(As::One, &one).await.refused(404);
}

fn schedule() -> Value {
    json!({
        "report": "r_requests_category", "recipients": "user@example.com, second@example.com",
        "sender": "sender@example.com", "subject": "Requests by category",
    })
}

#[tokio::test]
async fn a_schedule_is_kept_and_queued() {
    let house = House::new().await;
    let path = format!("/users/{}/scheduledreports", house.one);
    let made = house.post(As::One, &path, schedule()).await.ok();
    let expected = json!({
        "object": "scheduledreport", "code": 200, "id": id(&made), "report": "r_requests_category",
        "recipients": "user@example.com,second@example.com", "sender": "sender@example.com",
        "subject": "Requests by category", "description": "", "format": "pdf", "frequency": "daily", "records": 20,
        "range": "yesterday", "has_filter": false, "last_run": null, "last_error": "",
    });
    assert_eq!(made, expected);
    let second = house.post(As::Msp, &path, schedule()).await.ok();
    let ids = |list: &Value| list["data"].as_array().expect("rows").iter().map(id).collect::<Vec<_>>();
    let list = house.get(As::One, &path).await.ok();
    assert_eq!((ids(&list), list["total"].clone()), (vec![id(&second), id(&made)], json!(2)));
    assert_eq!(ids(&house.get(As::One, &format!("{path}?order_dir=asc&limit=1")).await.ok()), [id(&made)]);
    let one = format!("{path}/{}", id(&made));
    let change =
        json!({ "range": "lastmonth", "format": "csv", "frequency": "monthly", "records": "50", "description": "d" });
    let changed = house.post(As::One, &one, change).await.ok();
    for (field, value) in [("range", json!("lastmonth")), ("format", json!("csv")), ("records", json!(50))] {
        assert_eq!(changed[field], value);
    }
    assert_eq!(changed["subject"], "Requests by category", "what is not named stays");
    let queued = house.post(As::One, &format!("{one}/queue"), Value::Null).await.ok();
    assert_eq!(queued, json!({ "code": 200, "queued": true, "id": id(&made) }));
    let run = house.store.find::<ScheduledReportRun>(id(&made)).expect("is there").value;
    assert!(run.queued.is_some() && run.last_run.is_none());
    assert_eq!(house.get(As::One, &one).await.ok(), changed);
    house.get(As::Other, &format!("/users/{}/scheduledreports/{}", house.other, id(&made))).await.refused(404);
    house.delete(As::One, &one).await.ok();
    assert!(house.store.find::<ScheduledReportRun>(id(&made)).is_none(), "the run goes with it");
    house.post(As::One, &format!("{one}/queue"), Value::Null).await.refused(404);
}

#[tokio::test]
async fn a_bad_schedule_names_its_field_and_changes_nothing() {
    let house = House::new().await;
    let path = format!("/users/{}/scheduledreports", house.one);
    let one = format!("{path}/{}", id(&house.post(As::One, &path, schedule()).await.ok()));
    let before = house.get(As::One, &one).await.ok();
    for (field, value, message) in [
        ("sender", json!("nobody"), "sender: must be an e-mail address"),
        ("recipients", json!("a@b, c"), "recipients: must be e-mail addresses between commas"),
        ("recipients", json!(""), "recipients: must be e-mail addresses between commas"),
        ("subject", json!("a\r\nBcc: x@y"), "subject: must not contain control characters"),
        ("format", json!("doc"), "format: must be one of: pdf csv"),
        ("frequency", json!("yearly"), "frequency: must be one of: daily weekly monthly"),
        ("records", json!(0), "records: must be a whole number from 1 to 1000"),
        (
            "range",
            json!(true),
            "range: must be one of: today yesterday last7days last14days last30days thisweek lastweek thismonth lastmonth",
        ),
    ] {
        let mut body = schedule();
        body[field] = value;
        assert_eq!(house.post(As::One, &path, body.clone()).await.refused(400), message);
        assert_eq!(house.post(As::One, &one, body).await.refused(400), message);
    }
    let mut body = schedule();
    body["report"] = json!("r_everything");
    let message = house.post(As::One, &path, body).await.refused(400);
    assert!(message.starts_with("report: must be one of: r_requests_user "), "{message}");
    for field in ["report", "sender", "recipients", "subject"] {
        let mut body = schedule();
        body.as_object_mut().expect("an object").remove(field);
        assert_eq!(house.post(As::One, &path, body).await.refused(400), format!("{field}: is required"));
    }
    assert_eq!(house.get(As::One, &one).await.ok(), before);
    assert_eq!(house.store.count_rows::<ScheduledReport>(Account::Customer(CustomerId(house.one))), 1);
}

#[tokio::test]
async fn reports_go_with_their_customer() {
    let house = House::new().await;
    let customer = house.make_customer("short", Some(house.msp)).await;
    let path = format!("/users/{customer}");
    house.post(As::Msp, &format!("{path}/reports"), json!({ "name": "r" })).await.ok();
    house.post(As::Msp, &format!("{path}/scheduledreports"), schedule()).await.ok();
    house.delete(As::Msp, &path).await.ok();
    let left = house.store.count_all::<Report>() + house.store.count_all::<ScheduledReport>();
    assert_eq!(left + house.store.count_all::<ScheduledReportRun>(), 0);
}
