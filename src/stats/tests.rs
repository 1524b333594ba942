//! A log written by its own writer, and questions about it.

use super::*;
use crate::{
    identify::{Client, Evidence, Origin, Transport},
    model::{CategoryId, CategorySet, DomainName, InternalUserId, PolicyId, Timestamp as RowTime},
    policy::{Cause, Decision, Verdict},
    querylog::{Ended, Options, QueryEvent, QueryLog},
    store::{self, Actor, Batch},
    telemetry::QueryVerdict,
};
use jiff::civil::date;
use std::{net::IpAddr, net::SocketAddr};
use tempfile::TempDir;

/// A query as the tests tell it.
struct Asked {
    time: &'static str,
    customer: u32,
    address: &'static str,
    user: Option<u32>,
    name: &'static str,
    blocked_by: Option<u8>,
}

fn event(asked: &Asked) -> QueryEvent {
    let address: IpAddr = asked.address.parse().expect("an address");
    let local = SocketAddr::from(([127, 0, 0, 1], 53));
    let origin = Origin { client: address, client_port: 4000, local, transport: Transport::Udp };
    let client = Client {
        customer: CustomerId(asked.customer),
        location: Some(LocationId(asked.customer * 10)),
        device: None,
        user: asked.user.map(InternalUserId),
        policy: None,
        evidence: Evidence::SourceAddress { address, range: address.into() },
    };
    let all: CategorySet = asked.blocked_by.and_then(CategoryId::new).into_iter().collect();
    let (verdict, cause, ended) = match asked.blocked_by {
        Some(_) => (Verdict::Block, Cause::Category { blocked: all, all }, QueryVerdict::Blocked),
        None => (Verdict::Allow, Cause::Default { all }, QueryVerdict::Allowed),
    };
    let decision = Decision::new(PolicyId(7), verdict, cause);
    let name = DomainName::from_text(asked.name).expect("a name");
    let ended = Ended { verdict: ended, rcode: 0, took: Duration::from_micros(9) };
    let time: Timestamp = asked.time.parse().expect("a time");
    QueryEvent::new(&origin, &client, name.as_name(), 1, ended, &decision).at(time.as_millisecond())
}

struct Folder {
    stats: Stats,
    store: Store,
    folder: TempDir,
}

fn open() -> Folder {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("data"), store::Options::default()).expect("opens");
    let reader = LogReader::new(folder.path().join("log"));
    Folder { stats: Stats::new(reader, store.clone(), TimeZone::UTC), store, folder }
}

impl Folder {
    fn write(&self, asked: &[Asked]) {
        let options = Options { dir: self.folder.path().join("log"), retention_days: 35 };
        let log = QueryLog::start(options).expect("a thread");
        asked.iter().for_each(|one| log.sender().send(event(one)));
        log.close();
    }
}

fn asked(time: &'static str, customer: u32, name: &'static str, blocked_by: Option<u8>) -> Asked {
    Asked { time, customer, address: "192.0.2.1", user: None, name, blocked_by }
}

fn two_days() -> Vec<Asked> {
    vec![
        asked("2025-01-15T10:00:00Z", 1, "a.example", None),
        asked("2025-01-15T10:30:00Z", 1, "ads.example", Some(3)),
        Asked { user: Some(4), ..asked("2025-01-15T22:30:00Z", 1, "a.example", None) },
        asked("2025-01-15T22:40:00Z", 2, "b.example", None),
        asked("2025-01-16T08:00:00Z", 1, "ads.example", Some(3)),
        Asked { address: "192.0.2.200", ..asked("2025-01-16T09:00:00Z", 1, "c.example", None) },
    ]
}

/// Long after.
fn now() -> Timestamp {
    "2025-01-20T12:00:00Z".parse().expect("a time")
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("a zone")
}

#[tokio::test]
async fn a_day_is_counted_by_the_askers_clock() {
    let house = open();
    house.write(&two_days());
    let one = Of::Customer(CustomerId(1));
    let day = |zone: TimeZone| house.stats.sums(one.clone(), Days::one(zone, date(2025, 1, 15)), now());
    let sums = day(TimeZone::UTC).await.expect("reads");
    assert_eq!(sums.total, Counts { allowed: 2, blocked: 1, bypassed: 0 });
    assert_eq!((sums.names.distinct(), sums.clients.distinct(), sums.customers.distinct()), (2, 2, 1));
    assert_eq!((sums.hours[10].requests(), sums.hours[22].requests()), (2, 1));
    let ads = Names::category(3);
    assert_eq!(sums.top_categories(Measure::Blocked, 10), [(ads, Counts { blocked: 1, ..Counts::default() })]);
    // In Kiritimati, 14 hours ahead, 22:30 is the next day, and so is 10:00.
    let far = TimeZone::get("Pacific/Kiritimati").expect("a zone");
    assert_eq!(day(far).await.expect("reads").total, Counts::default());
    assert_eq!(day(berlin()).await.expect("reads").hours[23].requests(), 1);
}

#[tokio::test]
async fn days_are_put_together_and_kept() {
    let house = open();
    house.write(&two_days());
    let days = Days { zone: TimeZone::UTC, first: date(2025, 1, 10), last: date(2025, 1, 16) };
    let all = house.stats.sums(Of::All, days.clone(), now()).await.expect("reads");
    assert_eq!(all.total, Counts { allowed: 4, blocked: 2, bypassed: 0 });
    assert_eq!(all.customers.top(Measure::Requests, 1)[0].0, 1);
    let name = |of: &DaySums| of.names.top(Measure::Blocked, 1)[0].0.to_string();
    assert_eq!(name(&all), "ads.example");
    let some = Of::Customers(Arc::from([CustomerId(2), CustomerId(3)]));
    assert_eq!(house.stats.sums(some, days.clone(), now()).await.expect("reads").total.requests(), 1);
    let here = Of::Location(CustomerId(1), LocationId(10));
    assert_eq!(house.stats.sums(here, days.clone(), now()).await.expect("reads").total.requests(), 5);
    let elsewhere = Of::Location(CustomerId(1), LocationId(20));
    assert_eq!(house.stats.sums(elsewhere, days.clone(), now()).await.expect("reads").total.requests(), 0);
    // Finished days were read once: the files may go.
    std::fs::remove_dir_all(house.folder.path().join("log")).expect("deleted");
    let again = house.stats.by_day(Of::All, days, now()).await.expect("kept");
    assert_eq!(again.iter().map(|(_, counts)| counts.requests()).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 4, 2]);
}

#[tokio::test]
async fn a_day_that_goes_on_is_counted_again_when_the_log_has_grown() {
    let house = open();
    let during: Timestamp = "2025-01-16T12:00:00Z".parse().expect("a time");
    let today = || house.stats.sums(Of::All, Days::one(TimeZone::UTC, date(2025, 1, 16)), during);
    assert_eq!(today().await.expect("reads").total.requests(), 0);
    house.write(&two_days());
    assert_eq!(today().await.expect("reads").total.requests(), 2);
    house.write(&[asked("2025-01-16T11:59:00Z", 1, "late.example", None)]);
    assert_eq!(today().await.expect("reads").total.requests(), 3);
}

fn query(zone: TimeZone) -> HistoryQuery {
    HistoryQuery {
        customer: CustomerId(1),
        zone,
        date: date(2025, 1, 15),
        from: None,
        to: None,
        measure: Measure::Requests,
        text: String::new(),
        order_by: OrderBy::Time,
        descending: true,
        offset: 0,
        limit: 100,
    }
}

#[tokio::test]
async fn history_is_searched_sorted_and_paged() {
    let house = open();
    let user = crate::model::InternalUser {
        id: InternalUserId(4),
        customer: CustomerId(1),
        name: "Ada".to_owned(),
        email: String::new(),
        description: String::new(),
        policy: None,
        groups: Vec::new(),
        deletable: true,
        created: RowTime(0),
    };
    let batch = Batch::new(Actor::Daemon, "test", RowTime(0)).create(&user);
    house.store.commit(batch).await.expect("commits");
    house.write(&two_days());
    let page = house.stats.history(query(berlin())).await.expect("reads");
    assert_eq!(page.total, 3);
    let row = &page.rows[0];
    assert_eq!((row.time.to_string().as_str(), &*row.user, &*row.name), ("23:30:00", "Ada", "a.example"));
    assert_eq!((row.action, &*row.policy, &*row.location), ("allowed", "policy 7", "location 10"));
    assert_eq!((&*row.qtype, &*row.rcode, row.took_us), ("A", "NOERROR", Some(9)));
    let blocked = HistoryQuery { measure: Measure::Blocked, ..query(berlin()) };
    let page = house.stats.history(blocked).await.expect("reads");
    assert_eq!((page.total, page.rows[0].category), (1, Names::category(3)));
    for (text, total) in [("ADA", 1), ("ads", 1), ("192.0.2", 3), (".example", 3), ("nothing", 0)] {
        let found = HistoryQuery { text: text.to_owned(), ..query(berlin()) };
        assert_eq!(house.stats.history(found).await.expect("reads").total, total, "{text}");
    }
    for (descending, offset, limit, names) in
        [(false, 0, 2, vec!["a.example", "ads.example"]), (true, 1, 1, vec!["ads.example"]), (true, 0, 0, vec![])]
    {
        let page = HistoryQuery { descending, offset, limit, ..query(berlin()) };
        let page = house.stats.history(page).await.expect("reads");
        assert_eq!(page.rows.iter().map(|row| &*row.name).collect::<Vec<_>>(), names);
        assert_eq!(page.total, 3);
    }
    let by_user = HistoryQuery { order_by: OrderBy::User, ..query(berlin()) };
    let users: Vec<String> =
        house.stats.history(by_user).await.expect("reads").rows.into_iter().map(|r| r.user).collect();
    assert_eq!(users, ["Ada", "192.0.2.1", "192.0.2.1"]);
    let (from, to) = (Some(jiff::civil::time(11, 30, 0, 0)), Some(jiff::civil::time(11, 30, 0, 0)));
    let minute = HistoryQuery { from, to, ..query(berlin()) };
    assert_eq!(house.stats.history(minute).await.expect("reads").total, 1);
}

#[tokio::test]
async fn the_log_can_be_taken_away_in_files() {
    let house = open();
    house.write(&two_days());
    let one = CustomerId(1);
    let files = house.stats.log_files(one, None, now()).await.expect("reads");
    let expected = [
        (date(2025, 1, 15), vec!["1000.wtc.json.gz".to_owned(), "2200.wtc.json.gz".to_owned()]),
        (date(2025, 1, 16), vec!["0800.wtc.json.gz".to_owned(), "0900.wtc.json.gz".to_owned()]),
    ];
    assert_eq!(files, expected);
    let file = house.stats.log_file(one, date(2025, 1, 15), "2200.wtc.json.gz").await.expect("reads").expect("there");
    let text = lines(&file.read_at(0, 1 << 20).expect("reads"));
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("a.example") && !text.contains("b.example"), "{text}");
    for name in ["2300.wtc.json.gz", "9900.wtc.json.gz", "../passwd", "1000", "+100.wtc.json.gz"] {
        assert!(house.stats.log_file(one, date(2025, 1, 15), name).await.expect("reads").is_none(), "{name}");
    }
    let day = house.stats.log_day(one, date(2025, 1, 15)).await.expect("reads").expect("there");
    let octets = day.read_at(0, 1 << 20).expect("reads");
    assert_eq!(octets.len() as u64, day.octets());
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*octets));
    let mut members = Vec::new();
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("a member");
        let mut octets = Vec::new();
        std::io::copy(&mut entry, &mut octets).expect("reads");
        members.push((entry.path().expect("a path").display().to_string(), lines(&octets).lines().count()));
    }
    assert_eq!(members, [("1000.wtc.json.gz".to_owned(), 2), ("2200.wtc.json.gz".to_owned(), 1)]);
    assert!(house.stats.log_day(CustomerId(3), date(2025, 1, 15)).await.expect("reads").is_none());
}

#[tokio::test]
async fn a_file_that_nobody_reads_is_there_until_it_is_closed() {
    let house = open();
    house.write(&two_days());
    let take = || house.stats.log_day(CustomerId(1), date(2025, 1, 15));
    let mut open = Vec::new();
    for _ in 0..files::DOWNLOADS_MAX {
        open.push(take().await.expect("reads").expect("there"));
    }
    assert!(matches!(take().await, Err(StatsError::Busy)));
    drop(open.pop());
    take().await.expect("there is room again");
    let stalled = &open[0];
    let (progress, moment, hour) = (Arc::default(), Duration::from_millis(40), Duration::from_secs(3600));
    stalled.watch_for(progress, moment, hour).await;
    assert!(stalled.read_at(0, 10).is_err(), "it was closed");
    let (one, two) = (take().await.expect("reads"), take().await.expect("and for a second one"));
    assert!(one.and(two).is_some());
    assert!(
        std::fs::read_dir(house.store.data_dir())
            .expect("reads")
            .flatten()
            .all(|entry| { !entry.file_name().to_string_lossy().starts_with("spool") })
    );
}

fn lines(gzip: &[u8]) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(gzip), &mut text).expect("reads");
    text
}
