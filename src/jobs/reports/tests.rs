//! Days pass, mails go out or do not.

use super::*;
use crate::{mail, querylog::LogReader, store};
use futures_util::{FutureExt, future::BoxFuture};
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tempfile::TempDir;
use uuid::Uuid;

/// A relay that takes mail, or refuses it.
#[derive(Default)]
struct Taken {
    mails: Mutex<Vec<(Relay, Mail)>>,
    refuses: AtomicBool,
}

impl Mailer for Taken {
    fn send(&self, relay: Relay, mail: Mail) -> BoxFuture<'static, Result<(), mail::MailError>> {
        let outcome = if self.refuses.load(Ordering::Relaxed) {
            Err(MailError::Relay { server: relay.server, reason: "451 later".to_owned() })
        } else {
            self.mails.lock().push((relay, mail));
            Ok(())
        };
        async move { outcome }.boxed()
    }
}

/// The wall clock of one test. Tests run beside each other, each on a thread of its own.
fn clock() -> Timestamp {
    Timestamp(NOW.with(|now| now.load(Ordering::Relaxed)))
}

thread_local! {
    static NOW: AtomicI64 = const { AtomicI64::new(0) };
}

fn at(text: &str) {
    let time: jiff::Timestamp = text.parse().expect("a time");
    NOW.with(|now| now.store(time.as_second(), Ordering::Relaxed));
}

struct House {
    parts: ReportParts,
    taken: Arc<Taken>,
    failed: Failed,
    _folder: TempDir,
}

impl House {
    async fn open() -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("data"), store::Options::default()).expect("opens");
        let customer = Customer {
            id: CustomerId(1),
            msp: None,
            name: "One".to_owned(),
            email: "one@weir.test".to_owned(),
            description: String::new(),
            license: String::new(),
            timezone: "Europe/Berlin".to_owned(),
            uuid: Uuid::from_u128(1),
            install_key: Uuid::from_u128(2),
            created: Timestamp(0),
            suspended: false,
        };
        let server = MailServer {
            owner: Account::System,
            server: "relay.test".to_owned(),
            notification_period_min: 60,
            sender: "weir@weir.test".to_owned(),
        };
        let batch = Batch::new(Actor::Daemon, "test", Timestamp(0)).create(&customer).create(&server);
        store.commit(batch).await.expect("commits");
        let taken = Arc::new(Taken::default());
        let stats = Stats::new(LogReader::new(folder.path().join("log")), store.clone(), TimeZone::UTC);
        let parts = ReportParts { store, stats, mailer: taken.clone(), clock };
        House { parts, taken, failed: Failed::default(), _folder: folder }
    }

    async fn turn(&mut self) -> usize {
        let before = self.taken.mails.lock().len();
        self.parts.turn(&mut self.failed, &CancellationToken::new()).await;
        self.taken.mails.lock().len() - before
    }

    /// What a new process begins with.
    fn restart(&mut self) {
        self.failed.clear();
    }

    fn run(&self) -> ScheduledReportRun {
        self.parts.store.find::<ScheduledReportRun>(3).expect("is there").value
    }

    async fn schedule(&self) {
        let report = ScheduledReport {
            id: ScheduledReportId(3),
            customer: CustomerId(1),
            report: "r_requests_domain".to_owned(),
            sender: "from@weir.test".to_owned(),
            recipients: vec!["a@weir.test".to_owned(), "b@weir.test".to_owned()],
            subject: "Domains".to_owned(),
            description: "for you".to_owned(),
            format: ReportFormat::Csv,
            frequency: Frequency::Daily,
            records: 20,
            range: ReportRange::Yesterday,
            filter: String::new(),
            created: clock(),
        };
        let batch = Batch::new(Actor::Daemon, "test", Timestamp(0)).create(&report);
        self.parts.store.commit(batch).await.expect("commits");
    }
}

#[tokio::test]
async fn a_schedule_goes_out_once_a_day_whatever_restarts() {
    let mut house = House::open().await;
    at("2025-01-15T12:00:00Z");
    house.schedule().await;
    assert_eq!(house.turn().await, 0);
    at("2025-01-15T23:06:00Z");
    assert_eq!(house.turn().await, 1);
    house.restart();
    assert_eq!(house.turn().await, 0, "a restart does not repeat it");
    let (relay, mail) = house.taken.mails.lock()[0].clone();
    assert_eq!((&*relay.server, &*relay.sender), ("relay.test", "from@weir.test"));
    assert_eq!((mail.to.len(), &*mail.subject), (2, "Domains"));
    assert!(mail.text.starts_with("for you\r\n\r\nRequests by domain"), "{}", mail.text);
    assert!(mail.text.contains("Period: 2025-01-15\r\n"), "yesterday by the customer's clock: {}", mail.text);
    let file = &mail.attachments[0];
    assert_eq!((&*file.file_name, file.content_type), ("r_requests_domain.csv", "text/csv; charset=utf-8"));
    assert_eq!(file.octets, b"Domain,Requests,Allowed,Blocked\r\n");
    at("2025-01-20T12:00:00Z");
    assert_eq!(house.turn().await, 1, "missed days are one run");
    assert_eq!(house.turn().await, 0);
}

#[tokio::test]
async fn a_refused_mail_is_tried_again_and_its_reason_kept() {
    let mut house = House::open().await;
    at("2025-01-15T12:00:00Z");
    house.schedule().await;
    house.taken.refuses.store(true, Ordering::Relaxed);
    at("2025-01-16T12:00:00Z");
    assert_eq!(house.turn().await, 0);
    assert_eq!(house.run().last_error, "the relay relay.test did not take the mail: 451 later");
    house.taken.refuses.store(false, Ordering::Relaxed);
    assert_eq!(house.turn().await, 0, "not before ten minutes are over");
    house.restart();
    assert_eq!(house.turn().await, 1, "a restart does not lose it");
    assert_eq!((house.run().last_error.as_str(), house.run().last_run), ("", Some(clock())));
}

#[tokio::test]
async fn a_queued_schedule_goes_out_at_once_and_a_suspended_customers_does_not() {
    let mut house = House::open().await;
    at("2025-01-15T12:00:00Z");
    house.schedule().await;
    let queued = |run| ScheduledReportRun { queued: Some(clock()), ..run };
    house.parts.record(ScheduledReportId(3), queued).await.expect("commits");
    let customer = house.parts.store.find::<Customer>(1).expect("is there");
    let suspended = Customer { suspended: true, ..customer.value.clone() };
    let batch = Batch::new(Actor::Daemon, "test", Timestamp(0)).update(&customer, &suspended);
    house.parts.store.commit(batch).await.expect("commits");
    assert_eq!(house.turn().await, 0);
    let row = house.parts.store.find::<Customer>(1).expect("is there");
    let batch = Batch::new(Actor::Daemon, "test", Timestamp(0)).update(&row, &customer.value);
    house.parts.store.commit(batch).await.expect("commits");
    assert_eq!(house.turn().await, 1);
    assert_eq!((house.run().queued, house.turn().await), (None, 0));
}

#[tokio::test]
async fn what_keeps_failing_is_tried_more_and_more_rarely() {
    let mut house = House::open().await;
    at("2025-01-15T12:00:00Z");
    house.schedule().await;
    house.taken.refuses.store(true, Ordering::Relaxed);
    at("2025-01-16T12:00:00Z");
    let mut rests = Vec::new();
    for _ in 0..8 {
        let before = Instant::now();
        assert_eq!(house.turn().await, 0);
        let rest = house.failed.get_mut(&Which::Scheduled(ScheduledReportId(3))).expect("it failed");
        let until = rest.until.replace(before).expect("a time");
        rests.push(until.duration_since(before).as_secs() / 600);
    }
    assert_eq!(rests, [1, 2, 4, 8, 16, 32, 36, 36], "in ten minutes");
    let notes = house.parts.store.changes_since(Revision(0)).filter_map(Result::ok);
    let notes = notes.filter(|entry| &*entry.operation == "mail_scheduled_report").count();
    assert_eq!(notes, 1, "the same reason is written down once");
}

#[tokio::test]
async fn a_report_for_nobody_says_so_and_waits_for_an_address() {
    let mut house = House::open().await;
    at("2025-01-15T12:00:00Z");
    let change = async |house: &House, email: &str| {
        let row = house.parts.store.find::<Customer>(1).expect("is there");
        let changed = Customer { email: email.to_owned(), ..row.value.clone() };
        let batch = Batch::new(Actor::Daemon, "test", Timestamp(0)).update(&row, &changed);
        house.parts.store.commit(batch).await.expect("commits");
    };
    change(&house, "").await;
    let batch = Batch::new(Actor::Daemon, "test", Timestamp(0)).create(&overview());
    house.parts.store.commit(batch).await.expect("commits");
    assert_eq!(house.turn().await, 0);
    let report = |house: &House| house.parts.store.find::<Report>(8).expect("is there");
    assert_eq!(report(&house).value.last_error, "the customer has no e-mail address");
    let noted = report(&house).revision;
    for day in 15..18 {
        at(&format!("2025-01-{day}T13:00:00Z"));
        assert_eq!(house.turn().await, 0);
        assert!(house.failed.values().all(|rest| rest.failures == 1), "it is not tried again");
    }
    house.restart();
    assert_eq!((house.turn().await, report(&house).revision), (0, noted), "nothing new to say");
    change(&house, "new@weir.test").await;
    assert_eq!(house.turn().await, 1, "at once");
    assert_eq!(report(&house).value.last_error, "");
    assert!(house.turn().await == 0 && house.failed.is_empty());
}

fn overview() -> Report {
    Report {
        id: ReportId(8),
        uuid: Uuid::from_u128(8),
        customer: CustomerId(1),
        name: "Weekly look".to_owned(),
        frequency: Frequency::Daily,
        run_now: true,
        times: 2,
        runs: 0,
        last_run: None,
        last_error: String::new(),
        created: clock(),
    }
}

#[tokio::test]
async fn a_report_runs_now_and_then_as_often_as_it_was_told() {
    let mut house = House::open().await;
    at("2025-01-15T12:00:00Z");
    let batch = Batch::new(Actor::Daemon, "test", Timestamp(0)).create(&overview());
    house.parts.store.commit(batch).await.expect("commits");
    let mut sent = Vec::new();
    for day in 15..20 {
        at(&format!("2025-01-{day}T12:00:00Z"));
        sent.push(house.turn().await);
        assert_eq!(house.turn().await, 0);
    }
    assert_eq!(sent, [1, 1, 1, 0, 0], "at once, and twice after it");
    let (relay, mail) = house.taken.mails.lock()[0].clone();
    assert_eq!((&*relay.sender, mail.to), ("weir@weir.test", vec!["one@weir.test".to_owned()]));
    assert!(mail.attachments[0].octets.starts_with(b"%PDF-"));
}
