//! Mail that a relay is really handed: reports with their files, and links for forgotten passwords.

use crate::{
    client::{Client, id},
    daemon::{Place, until},
    dns::ask,
    relay::Relay,
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn reports_go_out_with_their_files() {
    let (place, relay) = (Place::new(), Relay::start());
    let daemon = place.start_with(&[("WEIR_QUERYLOG__ENABLED", "true"), ("TZ", "UTC")]);
    let admin = place.administrator(&daemon);
    let settings = json!({ "mail_server": relay.address(), "sender": "reports@weir.test" });
    assert_eq!(admin.post("/mailserver", settings).await.ok()["server"], relay.address());
    let (one, key) = admin.customer("one", "127.1.0.0/16").await;
    ask(daemon.udp, "127.1.0.9", "www.example.com");
    ask(daemon.udp, "127.1.0.9", "malware.weir.test");
    ask(daemon.udp, "127.0.0.1", "foreign.example");
    until(|| {
        let log = std::fs::read_dir(place.data().join("querylog")).ok()?.flatten();
        log.map(|file| std::fs::read_to_string(file.path()).unwrap()).find(|text| text.contains("foreign.example"))
    });
    let schedule = json!({
        "report": "r_requests_domain", "sender": "boss@weir.test", "recipients": "a@weir.test, b@weir.test",
        "subject": "What was asked for", "format": "csv", "range": "today",
    });
    let schedule = key.post(&format!("/users/{one}/scheduledreports"), schedule).await.ok();
    let path = format!("/users/{one}/scheduledreports/{}", id(&schedule));
    assert_eq!(schedule["last_run"], json!(null));
    key.post(&format!("{path}/queue"), json!({})).await.ok();
    let report =
        key.post(&format!("/users/{one}/reports"), json!({ "name": "Overview", "scheduled_run_now": true })).await.ok();
    let mut mails = [relay.next(), relay.next()];
    mails.sort_by_key(|mail| mail.recipients.len());
    let [overview, scheduled] = mails;

    assert_eq!(
        (scheduled.sender.as_str(), &*scheduled.recipients),
        ("boss@weir.test", &["a@weir.test", "b@weir.test"].map(str::to_owned)[..])
    );
    assert!(scheduled.message.contains("\nSubject: What was asked for\n"), "{}", scheduled.message);
    let file = scheduled.parts().pop().unwrap();
    assert!(file.head.contains("text/csv") && file.head.contains(".csv"), "{}", file.head);
    let table = String::from_utf8(file.octets).unwrap();
    assert!(table.contains("www.example.com") && table.contains("malware.weir.test"), "{table}");
    assert!(!table.contains("foreign.example"), "{table}");

    assert_eq!((overview.sender.as_str(), overview.recipients[0].as_str()), ("reports@weir.test", "one@weir.test"));
    assert!(overview.message.contains("\nSubject: Overview\n"), "{}", overview.message);
    let file = overview.parts().pop().unwrap();
    assert!(file.octets.starts_with(b"%PDF-") && file.head.contains("application/pdf"), "{}", file.head);

    // What went out is written down, and goes out once.
    for _ in 0..600 {
        if key.get(&path).await.ok()["last_run"].is_string() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let shown = key.get(&path).await.ok();
    assert!(shown["last_run"].is_string() && shown["last_error"] == "", "{shown}");
    assert!(relay.is_empty());
    let report = report["id"].as_str().unwrap();
    assert!(key.get(&format!("/users/{one}/reports")).await.ok()["data"].as_array().unwrap().contains(&json!(report)));
    key.delete(&format!("/users/{one}/reports/{report}")).await.ok();
    key.delete(&path).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_set_anew_by_the_mailed_link_once() {
    let (place, systems, relay) = (Place::new(), Relay::start(), Relay::start());
    let daemon = place.start_with(&[("WEIR_API__NAMES", r#"["127.0.0.1"]"#)]);
    let admin = place.administrator(&daemon);
    admin.post("/mailserver", json!({ "mail_server": systems.address(), "sender": "weir@weir.test" })).await.ok();
    let (msp_id, msp) = admin.msp("msp").await;
    let own = json!({ "mail_server": relay.address(), "sender": "msp@weir.test" });
    let refused = msp.post("/mailserver", own.clone()).await.refused(400);
    assert!(refused["error"].as_str().unwrap().contains("must have one of the ports"), "{refused}");
    admin.post(&format!("/mailserver?msp_id={msp_id}"), own).await.ok();
    let (_, key) = admin.customer_of(Some(msp_id), "one", "127.1.0.0/16").await;
    let session = Client::signed_in(&daemon.api, "one@weir.test", "secret1").await;
    let nobody = Client::nobody(&daemon.api);
    let asked = nobody.post("/auth/passwordforgotten", json!({ "email": "one@weir.test" })).await.ok();
    let unknown = nobody.post("/auth/passwordforgotten", json!({ "email": "two@weir.test" })).await.ok();
    assert_eq!(asked, unknown, "nobody learns who is here");
    let mail = relay.next();
    assert_eq!((mail.sender.as_str(), &*mail.recipients), ("msp@weir.test", &["one@weir.test".to_owned()][..]));
    let text = mail.text();
    let link = text.split_whitespace().find(|word| word.starts_with(&daemon.api)).unwrap();
    let page = link.strip_prefix(&daemon.api).unwrap();
    let token = page.split_once("token=").unwrap().1;
    let shown = nobody.get(page).await;
    assert!(shown.status == 200 && shown.json.as_str().unwrap().contains("new_password"), "{}", shown.json);
    session.get("/users").await.ok();
    let form = format!("token={token}&new_password=another+secret");
    nobody.form("/auth/passwordreset", &form).await.ok();
    nobody.form("/auth/passwordreset", &form).await.refused(400);
    assert_eq!(nobody.get(page).await.status, 400, "the link worked once");
    session.get("/users").await.refused(401);
    Client::sign_in(&daemon.api, "one@weir.test", "secret1", None).await.refused(401);
    Client::sign_in(&daemon.api, "one@weir.test", "another secret", None).await.ok();
    key.get("/users").await.ok();
    assert!(relay.is_empty() && systems.is_empty(), "no mail for whom nobody knows");
}
