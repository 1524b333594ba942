//! What becomes of answers: records are taken out, or told of, and everything else stays.

use crate::{
    client::{Client, id},
    daemon::{Daemon, Place},
    dns::{Upstream, ask_for, asked_name, cname, ede_code, exchange, n, query, reply_with, send},
};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        RData, Record, RecordType,
        rdata::{
            self,
            svcb::{Alpn, EchConfigList, IpHint, SVCB, SvcParamKey, SvcParamValue},
        },
    },
};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

const FILTER: &str = "/users/1/policies/default/filter";

fn a(owner: &str, address: &str) -> Record {
    Record::from_rdata(n(owner), 300, RData::A(address.parse::<Ipv4Addr>().unwrap().into()))
}

fn mx(owner: &str, target: &str) -> Record {
    Record::from_rdata(n(owner), 300, RData::MX(rdata::MX::new(5, n(target))))
}

/// `mail.test` has three mail hosts, one of them in `blocked.test`; `chain.test` leads over it; `mixed.test` has a public
/// and a private address, `private.test` a private one; `service.test` has ECH.
fn upstream() -> Upstream {
    Upstream::scripted(|query| {
        let name = asked_name(query);
        let service = || {
            let parameters = vec![
                (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(vec!["h2".into()]))),
                (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(vec![Ipv4Addr::new(192, 0, 2, 9).into()]))),
                (SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(vec![7; 40]))),
            ];
            RData::HTTPS(rdata::HTTPS(SVCB::new(1, n("."), parameters)))
        };
        let records = match (&*name, query.queries[0].query_type()) {
            ("mail.test.", RecordType::MX) => {
                vec![mx(&name, "a.fine.test."), mx(&name, "b.blocked.test."), mx(&name, "c.b.blocked.test.fine.test.")]
            }
            ("chain.test.", RecordType::A) => vec![
                cname(&name, "one.fine.test.", 300),
                cname("one.fine.test.", "two.blocked.test.", 300),
                a("two.blocked.test.", "192.0.2.1"),
            ],
            ("mixed.test.", RecordType::A) => vec![a(&name, "192.0.2.1"), a(&name, "10.0.0.1"), a(&name, "192.0.2.2")],
            ("private.test.", RecordType::A) => vec![a(&name, "10.0.0.1")],
            ("service.test.", RecordType::HTTPS) => vec![Record::from_rdata(n(&name), 300, service())],
            _ => vec![],
        };
        Some(reply_with(query, records))
    })
}

async fn set(admin: &Client, sections: Value) {
    admin.post(FILTER, sections).await.ok();
}

fn texts(reply: &Message) -> Vec<String> {
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

/// Response code, extended error, answers, and whether an SOA record says that there is no more.
fn get(daemon: &Daemon, name: &str, qtype: RecordType) -> (ResponseCode, Option<u16>, Vec<String>, bool) {
    let reply = ask_for(daemon.udp, name, qtype);
    let soa = reply.authorities.iter().any(|record| record.record_type() == RecordType::SOA);
    (reply.metadata.response_code, ede_code(&reply), texts(&reply), soa)
}

#[tokio::test]
async fn a_policy_takes_out_of_an_answer_what_leads_to_a_blocked_name() {
    let place = Place::with(upstream());
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let ok = ResponseCode::NoError;
    let mail = ["5 a.fine.test.", "5 b.blocked.test.", "5 c.b.blocked.test.fine.test."].map(String::from);
    assert_eq!(get(&daemon, "mail.test", RecordType::MX), (ok, None, mail.to_vec(), false));
    admin.post("/users/1/policies/default/domains/block", json!({ "domain": "blocked.test" })).await.ok();
    assert_eq!(get(&daemon, "mail.test", RecordType::MX), (ok, Some(17), vec![], true), "the whole answer");

    set(&admin, json!({ "answers": { "action": "remove" } })).await;
    let left = vec![mail[0].clone(), mail[2].clone()];
    assert_eq!(get(&daemon, "mail.test", RecordType::MX), (ok, Some(17), left, false));
    let one = vec!["one.fine.test.".to_owned()];
    assert_eq!(get(&daemon, "chain.test", RecordType::A), (ok, Some(17), one, true), "the chain ends before it");
    let reply = ask_for(daemon.udp, "chain.test", RecordType::A);
    assert_eq!(reply.authorities[0].name, n("one.fine.test."), "there is nothing at the name it ends with");

    set(&admin, json!({ "mode": "permissive" })).await;
    assert_eq!(get(&daemon, "mail.test", RecordType::MX), (ok, None, mail.to_vec(), false), "it is only told of");
}

#[tokio::test]
async fn private_addresses_of_public_names_are_taken_out() {
    let place = Place::with(upstream());
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let public = vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()];
    let ok = ResponseCode::NoError;
    assert_eq!(get(&daemon, "mixed.test", RecordType::A), (ok, Some(17), public, false));
    assert_eq!(get(&daemon, "private.test", RecordType::A), (ok, Some(17), vec![], true));
    let explained = json!({ "client": "127.0.0.1", "name": "private.test" });
    let explained = admin.post("/explain", explained).await.ok();
    assert_eq!((explained["verdict"].clone(), explained["decided_by"].clone()), (json!("blocked"), json!(9)));
    let steps = explained["steps"].as_array().unwrap();
    let private = json!("address 10.0.0.1 is private, the name is public");
    assert!(steps.iter().any(|step| step["number"] == 9 && step["finding"] == private), "{explained}");

    let private = vec!["10.0.0.1".to_owned()];
    set(&admin, json!({ "answers": { "rebinding_allowed": ["private.test"] } })).await;
    assert_eq!(get(&daemon, "private.test", RecordType::A), (ok, None, private.clone(), false));
    set(&admin, json!({ "answers": null })).await;
    assert_eq!(get(&daemon, "private.test", RecordType::A).2, Vec::<String>::new());
    let entry = json!({ "domain": "private.test" });
    let entry = id(&admin.post("/users/1/policies/default/domains/allow", entry).await.ok());
    assert_eq!(get(&daemon, "private.test", RecordType::A).2, private, "a list allows the name");
    admin.delete(&format!("/users/1/policies/default/domains/allow/{entry}")).await.ok();
    set(&admin, json!({ "answers": { "rebinding_protection": false } })).await;
    assert_eq!(get(&daemon, "private.test", RecordType::A).2, private);
}

#[tokio::test]
async fn ech_is_taken_out_and_nothing_else() {
    let place = Place::with(upstream());
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let before = ask_for(daemon.udp, "service.test", RecordType::HTTPS);
    set(&admin, json!({ "answers": { "strip_ech": true } })).await;
    let after = ask_for(daemon.udp, "service.test", RecordType::HTTPS);
    let parameters = |reply: &Message| match &reply.answers[..] {
        [Record { data: RData::HTTPS(https), .. }] => https.0.svc_params.clone(),
        _ => panic!("{reply:?}"),
    };
    let mut expected = parameters(&before);
    assert_eq!(expected.len(), 3);
    expected.retain(|(key, _)| *key != SvcParamKey::EchConfigList);
    assert_eq!((parameters(&after), ede_code(&after)), (expected, None));
}

#[tokio::test]
async fn an_answer_that_nothing_is_taken_out_of_stays_octet_for_octet() {
    let place = Place::with(upstream());
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let ask = |name: &str, qtype| exchange(daemon.udp, "127.0.0.1", &query(name, qtype).to_vec().unwrap());
    let names = [("mail.test", RecordType::MX), ("chain.test", RecordType::A), ("nothing.test", RecordType::TXT)];
    let before = names.map(|(name, qtype)| ask(name, qtype));
    let answers = json!({ "action": "remove", "blocked_networks": ["198.51.100.0/24"], "strip_ech": true });
    set(&admin, json!({ "answers": answers })).await;
    // A second may have gone by since: the TTLs with it.
    let ttls = |octets: &[u8]| {
        let mut reply = Message::from_vec(octets).unwrap();
        reply.answers.iter_mut().for_each(|record| record.ttl = 0);
        (format!("{reply:?}"), octets.len())
    };
    assert_eq!(names.map(|(name, qtype)| ttls(&ask(name, qtype))), before.map(|octets| ttls(&octets)));
    let mut question = query("chain.test", RecordType::A);
    question.metadata.recursion_desired = false;
    assert_eq!(send(daemon.udp, "127.0.0.1", &question).answers.len(), 3, "from memory");
}
