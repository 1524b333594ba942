//! Sums, history and files of a log that its own writer wrote.

use super::harness::{As, House, id};
use crate::{
    identify::{Client, Evidence, Origin, Transport},
    model::*,
    policy::{Cause, Decision, Verdict},
    querylog::{Ended, QueryEvent},
    telemetry::QueryVerdict,
};
use jiff::{Timestamp as Time, ToSpan, Zoned, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use std::{io::Read, net::IpAddr, time::Duration};

/// A query of a customer at this time of day.
struct Asked {
    at: Zoned,
    customer: u32,
    location: Option<u32>,
    policy: u32,
    name: &'static str,
    blocked_by: Option<u8>,
}

fn event(asked: Asked) -> QueryEvent {
    let address: IpAddr = "198.51.100.3".parse().expect("an address");
    let local = "127.0.0.1:53".parse().expect("an address");
    let origin = Origin { client: address, client_port: 4000, local, transport: Transport::Udp };
    let client = Client {
        customer: CustomerId(asked.customer),
        location: asked.location.map(LocationId),
        device: None,
        user: None,
        policy: None,
        evidence: Evidence::SourceAddress { address, range: address.into() },
    };
    let all: CategorySet = asked.blocked_by.and_then(CategoryId::new).into_iter().collect();
    let (verdict, cause, ended) = match asked.blocked_by {
        Some(_) => (Verdict::Block, Cause::Category { blocked: all, all }, QueryVerdict::Blocked),
        None => (Verdict::Allow, Cause::Default { all }, QueryVerdict::Allowed),
    };
    let decision = Decision::new(PolicyId(asked.policy), verdict, cause);
    let name = DomainName::from_text(asked.name).expect("a name");
    let ended = Ended { verdict: ended, rcode: 0, took: Duration::from_micros(40) };
    let time = asked.at.timestamp().as_millisecond();
    QueryEvent::new(&origin, &client, name.as_name(), 1, ended, &decision).at(time)
}

/// A house with a log of the last days; customer `one` is in New Zealand, 12 or 13 hours ahead of UTC.
struct Logged {
    house: House,
    location: u32,
    zone: TimeZone,
    yesterday: Date,
}

impl Logged {
    async fn open() -> Logged {
        let house = House::new().await;
        let zone = TimeZone::get("Pacific/Auckland").expect("a zone");
        let one = format!("/users/{}", house.one);
        house.post(As::Msp, &one, json!({ "timezone": "Pacific/Auckland" })).await.ok();
        let location = json!({ "name": "Main", "ip": "198.51.100.0/24" });
        let location = id(&house.post(As::One, &format!("{one}/locations/staticip"), location).await.ok());
        let policy = id(&house.get(As::One, &format!("{one}/policies/default")).await.ok());
        let today = Time::now().to_zoned(zone.clone()).date();
        let yesterday = today.saturating_sub(1.day());
        let malware = crate::category::Catalogue::get().threats().first().expect("there is one").number();
        let at = |date: Date, hour| date.at(hour, 15, 0, 0).to_zoned(zone.clone()).expect("a time");
        let one = |date, hour, name, blocked_by| {
            let (customer, location) = (house.one, Some(location));
            event(Asked { at: at(date, hour), customer, location, policy, name, blocked_by })
        };
        let day_before = yesterday.saturating_sub(1.day());
        let other = Asked {
            at: at(yesterday, 13),
            customer: house.other,
            location: None,
            policy,
            name: "other.example",
            blocked_by: None,
        };
        house.log([
            one(day_before, 23, "old.example", None),
            one(yesterday, 0, "a.example", None),
            one(yesterday, 9, "bad.example", Some(malware)),
            one(yesterday, 9, "a.example", None),
            event(other),
            one(yesterday, 23, "b.example", None),
        ]);
        Logged { house, location, zone, yesterday }
    }
}

fn rows(list: &Value) -> Vec<(String, u64)> {
    let rows = list["data"].as_array().expect("rows").iter();
    rows.map(|row| (row["name"].as_str().expect("text").to_owned(), row["count"].as_u64().expect("a number"))).collect()
}

#[tokio::test]
async fn a_customers_day_is_counted_by_its_own_clock() {
    let Logged { house, location, yesterday, .. } = Logged::open().await;
    let stats = format!("/users/{}/stats", house.one);
    let totals = house.get(As::One, &format!("{stats}?date={yesterday}")).await.ok();
    let expected = json!({
        "object": "stats", "code": 200, "date": yesterday.to_string(), "requests": 4, "allowed": 3, "blocked": 1,
        "safe_search": 0, "unique_domains": 3, "users": 1, "top_user": "198.51.100.3",
    });
    assert_eq!(totals, expected);
    for caller in [As::System, As::Sales, As::Msp] {
        assert_eq!(house.get(caller, &format!("{stats}?date={yesterday}")).await.ok(), expected, "{caller:?}");
    }
    let range = format!("start={}&end={yesterday}", yesterday.saturating_sub(6.days()));
    let totals = house.get(As::One, &format!("{stats}?{range}")).await.ok();
    assert_eq!((totals["requests"].clone(), totals["end"].clone()), (json!(5), json!(yesterday.to_string())));
    let top = house.get(As::One, &format!("{stats}/domains/allowed?date={yesterday}")).await.ok();
    assert_eq!(rows(&top), [("a.example".to_owned(), 2), ("b.example".to_owned(), 1)]);
    let about = |field: &str| top[field].clone();
    assert_eq!((about("order_by"), about("order_dir"), about("limit")), (json!("count"), json!("desc"), json!(10)));
    let top = house.get(As::One, &format!("{stats}/domains/allowed?limit=1&{range}")).await.ok();
    assert_eq!(rows(&top), [("a.example".to_owned(), 2)]);
    let top = house.get(As::One, &format!("{stats}/categories/blocked?date={yesterday}")).await.ok();
    assert_eq!((rows(&top).len(), rows(&top)[0].1), (1, 1));
    let top = house.get(As::One, &format!("{stats}/users/blocked?date={yesterday}")).await.ok();
    assert_eq!(rows(&top), [("198.51.100.3".to_owned(), 1)]);
    assert!(rows(&house.get(As::One, &format!("{stats}/users/bypassed?date={yesterday}")).await.ok()).is_empty());
    let here = format!("/users/{}/locations/{location}/stats", house.one);
    let totals = house.get(As::One, &format!("{here}?date={yesterday}")).await.ok();
    let expected = json!({
        "object": "stats", "code": 200, "date": yesterday.to_string(), "allowed": 3, "blocked": 1, "requests": 4,
    });
    assert_eq!(totals, expected);
    let top = house.get(As::One, &format!("{here}/domains/blocked?date={yesterday}")).await.ok();
    assert_eq!(rows(&top), [("bad.example".to_owned(), 1)]);
    assert_eq!(rows(&house.get(As::One, &format!("{here}/categories/blocked?date={yesterday}")).await.ok())[0].1, 1);
    assert_eq!(house.get(As::One, &stats).await.ok()["requests"], 0, "today there was nothing");
}

#[tokio::test]
async fn traffic_is_told_by_day_and_by_hour() {
    let Logged { house, yesterday, .. } = Logged::open().await;
    let stats = format!("/users/{}/stats", house.one);
    let day_before = yesterday.saturating_sub(1.day());
    let traffic = house.get(As::One, &format!("{stats}/traffic/0")).await.ok();
    let newest = json!({ "date": yesterday.to_string(), "allowed": 3, "blocked": 1 });
    let before = json!({ "date": day_before.to_string(), "allowed": 1, "blocked": 0 });
    assert_eq!(traffic["data"].as_array().expect("rows")[..2], [newest.clone(), before]);
    assert_eq!(traffic["total"], traffic["count"]);
    let one = house.get(As::One, &format!("{stats}/traffic?days=1")).await.ok();
    assert_eq!(one["data"], json!([newest]));
    let hours = house.get(As::One, &format!("{stats}/recenttraffic/yesterday")).await.ok();
    assert_eq!(hours["total"], 24);
    assert_eq!(hours["data"][9], json!({ "date": format!("{yesterday} 09:00:00"), "allowed": 1, "blocked": 1 }));
    let today = house.get(As::One, &format!("{stats}/recenttraffic/today")).await.ok();
    assert!((1..=24).contains(&today["count"].as_u64().expect("a number")));
}

#[tokio::test]
async fn each_level_sees_the_sums_of_what_it_reaches() {
    let Logged { house, yesterday, .. } = Logged::open().await;
    // By UTC all of it lies within these days.
    let utc = Time::now().to_zoned(TimeZone::UTC).date();
    let days = format!("start={}&end={}", utc.saturating_sub(5.days()), utc.saturating_sub(1.day()));
    let requests = |totals: &Value| totals["requests"].as_u64().expect("a number");
    let all = house.get(As::System, &format!("/stats?{days}")).await.ok();
    let own = house.get(As::Msp, &format!("/stats?{days}")).await.ok();
    let other = house.get(As::OtherMsp, &format!("/stats?{days}")).await.ok();
    assert_eq!(requests(&all), requests(&own) + requests(&other));
    assert_eq!((own["top_user"].clone(), own["users"].clone()), (json!("one"), json!(1)));
    assert_eq!(house.get(As::Sales, &format!("/stats?{days}")).await.ok(), all);
    let users = house.get(As::System, &format!("/stats/users/allowed?{days}")).await.ok();
    assert_eq!(rows(&users)[0].0, "one");
    assert!(rows(&house.get(As::OtherMsp, &format!("/stats/domains/blocked?{days}")).await.ok()).is_empty());
    house.get(As::Msp, &format!("/stats/categories/allowed?{days}")).await.ok();
    house.get(As::Msp, "/stats/traffic/3").await.ok();
    assert_eq!(house.get(As::Msp, "/stats/recenttraffic/yesterday").await.ok()["count"], 24);
    house.get(As::One, "/stats").await.refused(403);
    let mut blocked = 0;
    for day in 0..4 {
        let date = utc.saturating_sub(day.days());
        let stats = house.get(As::Msp, &format!("/msps/{}/stats?date={date}", house.msp)).await.ok();
        blocked += stats["malware_blocked"].as_u64().expect("a number");
        assert_eq!(stats["malware_allowed"], 0);
    }
    assert_eq!(blocked, 1, "{yesterday}");
}

#[tokio::test]
async fn history_shows_a_day_line_by_line() {
    let Logged { house, yesterday, .. } = Logged::open().await;
    let history = format!("/users/{}/history", house.one);
    let list = house.get(As::One, &format!("{history}/all?date={yesterday}")).await.ok();
    assert_eq!((list["total"].clone(), list["count"].clone()), (json!(4), json!(4)));
    assert_eq!((list["order_by"].clone(), list["order_dir"].clone()), (json!("time"), json!("desc")));
    let row = &list["data"][0];
    let expected = json!({
        "time": "23:15:00", "user": "198.51.100.3", "url": "b.example", "category": "", "reason": "", "action": "allowed",
        "externalip": "198.51.100.3", "internalip": null, "policy": "Default", "location": "Main", "type": "A",
        "rcode": "NOERROR", "took_us": 40,
    });
    assert_eq!(*row, expected);
    for (query, total) in [
        (format!("blocked/{yesterday}"), 1),
        (format!("allowed/{yesterday}"), 3),
        (format!("bypassed/{yesterday}"), 0),
        (format!("all/{yesterday}?q=A.EXAM"), 2),
        (format!("all/{yesterday}?starttime=09-00&endtime=09-15"), 2),
        (format!("all/{yesterday}?starttime=09:16"), 1),
    ] {
        let list = house.get(As::One, &format!("{history}/{query}")).await.ok();
        assert_eq!(list["total"], total, "{query}");
    }
    let page = house.get(As::Sales, &format!("{history}/all/{yesterday}?order_dir=asc&offset=1&limit=1")).await.ok();
    assert_eq!((page["count"].clone(), page["total"].clone()), (json!(1), json!(4)));
    assert_eq!(page["data"][0]["time"], "09:15:00");
    for (query, message) in [
        ("all".to_owned(), "date: is required"),
        ("all?date=2026-13-01".to_owned(), "date: must be a day as YYYY-MM-DD"),
        ("all?date=9000-01-01".to_owned(), "date: must not lie after today"),
        (format!("some?date={yesterday}"), "action: must be one of: allowed blocked bypassed all"),
        (format!("all/{yesterday}?starttime=25-00"), "starttime: must be a time of day as HH-MM"),
        (format!("all/{yesterday}?starttime=10-00&endtime=09-00"), "endtime: must not lie before starttime"),
        (
            format!("all/{yesterday}?order_by=url"),
            "order_by: must be one of: user policy location time externalip internalip",
        ),
        (
            format!("all/{yesterday}?offset=100001"),
            "offset: must be at most 100000 here; ask for a shorter time of day",
        ),
        (format!("all/{yesterday}?limit=x"), "limit: must be a whole number from 0 to 2147483647"),
    ] {
        assert_eq!(house.get(As::One, &format!("{history}/{query}")).await.refused(400), message, "{query}");
    }
}

#[tokio::test]
async fn bad_questions_are_told_what_is_wrong_with_them() {
    let house = House::new().await;
    let stats = format!("/users/{}/stats", house.one);
    for (query, message) in [
        ("?date=yesterday", "date: must be a day as YYYY-MM-DD"),
        ("?start=2026-01-01", "end: is required with start"),
        ("?date=9000-01-01", "date: must not lie after today"),
        ("/domains/all", "action: must be one of: allowed blocked bypassed"),
        ("/domains/allowed?limit=1001", "limit: must be a whole number from 0 to 1000"),
        ("/traffic/x", "days: must be a whole number from 0 to 3660"),
        ("/traffic", "days: is required"),
        ("/recenttraffic/tomorrow", "day: must be one of: today yesterday"),
    ] {
        assert_eq!(house.get(As::One, &format!("{stats}{query}")).await.refused(400), message, "{query}");
    }
    let message = house.get(As::One, &format!("/users/{}/locations/2147483000/stats", house.one)).await.refused(404);
    assert_eq!(message, "There is no such location");
    // No log at all is no error.
    assert_eq!(house.get(As::One, &stats).await.ok()["requests"], 0);
    assert_eq!(house.get(As::System, "/stats/traffic/0").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn a_customer_takes_its_own_log_away_and_nobody_elses() {
    let Logged { house, zone, yesterday, .. } = Logged::open().await;
    let text = |value: Value| value.as_str().expect("text").to_owned();
    let one = text(house.get(As::Msp, &format!("/users/{}", house.one)).await.ok()["uuid_str"].clone());
    let other = text(house.get(As::OtherMsp, &format!("/users/{}", house.other)).await.ok()["uuid_str"].clone());
    let list = house.get(As::One, "/logs?list_type=2").await.ok();
    assert_eq!(list["object"], "logs");
    let names: Vec<String> = list["data"].as_array().expect("rows").iter().cloned().map(text).collect();
    assert!(names.iter().all(|name| name.starts_with(&one) && name.ends_with(".wtc.json.gz")), "{names:?}");
    assert_eq!(names.len(), 4, "one an hour: {names:?}");
    assert_eq!(house.get(As::Msp, &format!("/logs?prefix={one}")).await.ok(), list);
    let at = yesterday.at(9, 15, 0, 0).to_zoned(zone).expect("a time").with_time_zone(TimeZone::UTC);
    let (date, file) = (at.date(), format!("{:02}00.wtc.json.gz", at.hour()));
    let of_day = house.get(As::One, &format!("/logs?prefix={one}/{date}")).await.ok();
    assert!(of_day["data"].as_array().expect("rows").contains(&json!(format!("{one}/{date}/{file}"))), "{of_day}");

    for (caller, path) in [(As::One, format!("/logs/{date}/{file}")), (As::Sales, format!("/logs/{one}/{date}/{file}"))]
    {
        let answer = house.get(caller, &path).await;
        assert_eq!(
            (answer.status, &answer.headers["content-type"]),
            (200, &"application/gzip".parse().expect("valid"))
        );
        let spool = answer.spool.expect("a file");
        assert_eq!(answer.headers["content-length"], spool.octets().to_string());
        let octets = spool.read_at(0, 1 << 20).expect("reads");
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*octets).read_to_string(&mut text).expect("reads");
        assert_eq!((text.lines().count(), text.contains("bad.example"), text.contains("other")), (2, true, false));
    }
    for (caller, path) in [(As::One, format!("/logs/{date}")), (As::Msp, format!("/logs/{one}/{date}"))] {
        let answer = house.get(caller, &path).await;
        assert_eq!(answer.headers["content-disposition"], format!("attachment; filename=\"{one}-{date}.tar.gz\""));
        let octets = answer.spool.expect("a file").read_at(0, 1 << 20).expect("reads");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*octets));
        let names: Vec<String> = archive
            .entries()
            .expect("an archive")
            .map(|entry| entry.expect("a member").path().expect("a path").display().to_string())
            .collect();
        assert!(names.contains(&file), "{names:?}");
    }
    let nothing = "There is no such customer";
    assert_eq!(house.get(As::One, &format!("/logs/{other}/{date}")).await.refused(404), nothing);
    assert_eq!(house.get(As::Msp, &format!("/logs/{other}/{date}/{file}")).await.refused(404), nothing);
    assert_eq!(house.get(As::One, &format!("/logs?prefix={other}")).await.refused(404), nothing);
    assert_eq!(house.get(As::One, "/logs/2020-01-01").await.refused(404), "There is no such log file");
    for (caller, path, message) in [
        (As::One, "/logs?list_type=1".to_owned(), "list_type: must be a whole number from 2 to 2"),
        (
            As::One,
            "/logs?prefix=x".to_owned(),
            "prefix: must be the UUID of a customer, or that and a day as YYYY-MM-DD",
        ),
        (As::One, "/logs/today".to_owned(), "date: must be a day as YYYY-MM-DD"),
        (As::Msp, "/logs".to_owned(), "prefix: cannot be empty: your account is no customer, so one has to be named"),
        (
            As::Msp,
            format!("/logs/{date}"),
            "uuid: cannot be empty: your account is no customer, so one has to be named",
        ),
    ] {
        assert_eq!(house.get(caller, &path).await.refused(400), message, "{path}");
    }
}
