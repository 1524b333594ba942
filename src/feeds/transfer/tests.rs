//! A server in the test: it holds versions of a zone, signs or does not, and may be told to misbehave.

use super::*;
use crate::model::{Effect, FixedAnswer, NameRule, Pattern};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        RecordType, TSigner,
        rdata::{
            CNAME,
            tsig::{TSIG, TsigAlgorithm, make_tsig_record},
        },
    },
};
use std::str::FromStr;
use tokio::{net::TcpListener, task::JoinHandle};

const NOW: Timestamp = Timestamp(1_790_000_000);

/// What the server does.
#[derive(Clone)]
struct Script {
    secret: Option<&'static [u8]>,
    /// Records of answers to IXFR and AXFR, a list for each message; none: NOTIMP.
    ixfr: Vec<Vec<Record>>,
    axfr: Vec<Vec<Record>>,
    /// Only each so many-th message and the first one is signed.
    every: usize,
    sign_last: bool,
    /// Seconds by which its clock is wrong.
    late: u64,
    /// Every message's octets are changed after signing.
    forged: bool,
}

impl Default for Script {
    fn default() -> Self {
        Script { secret: None, ixfr: Vec::new(), axfr: Vec::new(), every: 1, sign_last: true, late: 0, forged: false }
    }
}

fn name(text: &str) -> Name {
    Name::from_str(text).expect("a name")
}

fn soa(serial: u32) -> Record {
    let soa = SOA::new(name("localhost."), name("root.localhost."), serial, 60, 60, 60, 60);
    Record::from_rdata(name("rpz.example."), 60, RData::SOA(soa))
}

fn blocked(owner: &str) -> Record {
    Record::from_rdata(name(&format!("{owner}.rpz.example.")), 60, RData::CNAME(CNAME(Name::root())))
}

/// Answers until nobody asks any more.
async fn serve(listener: TcpListener, script: Script) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Ok(length) = stream.read_u16().await else { continue };
        let mut octets = vec![0; usize::from(length)];
        if stream.read_exact(&mut octets).await.is_err() {
            continue;
        }
        let question = Message::from_vec(&octets).expect("a question");
        let incremental = question.queries[0].query_type() == RecordType::IXFR;
        let messages = if incremental { &script.ixfr } else { &script.axfr };
        let signer = script.secret.map(|secret| {
            TSigner::new(secret.to_vec(), TsigAlgorithm::HmacSha256, name("key.example."), 300).expect("a key")
        });
        let mut mac = question.signature.as_ref().map(|record| record.data.mac.clone()).unwrap_or_default();
        let mut unsigned = Vec::new();
        let refusal = vec![Vec::new()];
        let list = if messages.is_empty() { &refusal } else { messages };
        for (index, records) in list.iter().enumerate() {
            let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
            answer.add_query(question.queries[0].clone());
            if messages.is_empty() {
                answer.metadata.response_code = ResponseCode::NotImp;
            }
            answer.add_answers(records.iter().cloned());
            let mut plain = answer.to_vec().expect("an answer");
            let is_last = index + 1 == list.len();
            if let Some(signer) = &signer {
                if index % script.every == 0 || is_last && script.sign_last {
                    let time = NOW.0 as u64 + script.late;
                    let id = question.metadata.id;
                    let stub = TSIG::new(TsigAlgorithm::HmacSha256, time, 300, Vec::new(), id, None, Vec::new());
                    let covered = [&unsigned[..], &plain[..]].concat();
                    let octets = if index == 0 {
                        signer.encode_response_tbs(&mac, &covered, &stub).expect("octets")
                    } else {
                        [&(mac.len() as u16).to_be_bytes()[..], &mac, &covered, &time.to_be_bytes()[2..], &[1, 44]]
                            .concat()
                    };
                    mac = signer.sign(&octets).expect("a signature");
                    unsigned.clear();
                    answer.set_signature(Box::new(make_tsig_record(name("key.example."), stub.set_mac(mac.clone()))));
                    plain = answer.to_vec().expect("an answer");
                } else {
                    unsigned.extend_from_slice(&plain);
                }
            }
            if script.forged {
                // The RA bit: still a message.
                plain[3] ^= 0x80;
            }
            let length = (plain.len() as u16).to_be_bytes();
            if stream.write_all(&[&length[..], &plain].concat()).await.is_err() {
                break;
            }
        }
    }
}

async fn start(script: Script) -> (Primary, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let server = listener.local_addr().expect("an address");
    let zone = DomainName::from_text("rpz.example").expect("a name");
    let primary = Primary { server, zone, key: None };
    (primary, tokio::spawn(serve(listener, script)))
}

fn key(secret: &[u8]) -> Option<TransferKey> {
    let name = DomainName::from_text("key.example").expect("a name");
    Some(TransferKey::new("hmac-sha256", &name, secret.to_vec()).expect("a key"))
}

async fn run(script: Script, key: Option<TransferKey>, copy: Option<&ZoneCopy>) -> Result<Transfer, TransferError> {
    let (primary, server) = start(script).await;
    let primary = Primary { key, ..primary };
    let limits = TransferLimits { time: Duration::from_secs(60), records_max: 1000, octets_max: 1 << 20 };
    let result = transfer(&primary, copy, &limits, NOW).await;
    server.abort();
    result
}

/// A copy with these names blocked.
fn copy(serial: u32, names: &[&str]) -> ZoneCopy {
    let records = names.iter().map(|name| ZoneRecord {
        owner: DomainName::from_text(&format!("{name}.rpz.example")).expect("a name"),
        data: RecordData { rtype: 5, rdata: Box::new([0]) },
    });
    ZoneCopy { serial, records: records.collect() }
}

#[tokio::test]
async fn a_whole_zone_comes_over_several_messages() {
    let axfr = vec![vec![soa(7), blocked("a.example")], vec![blocked("*.A.example")], vec![soa(7)]];
    let result = run(Script { axfr, ..Script::default() }, None, None).await.expect("a zone");
    let Transfer::Whole(zone) = result else { panic!("{result:?}") };
    assert_eq!(zone, copy(7, &["a.example", "*.a.example"]));

    let mut rules = Vec::new();
    let name = DomainName::from_text("rpz.example").expect("a name");
    let report = zone.rules(&name, &ParseOptions::default(), &mut |rule| rules.push(rule)).expect("rules");
    let rule = |pattern| Rule::Name(NameRule::plain(pattern, Effect::Answer(Box::new(FixedAnswer::NxDomain))));
    let top = DomainName::from_text("a.example").expect("a name");
    assert_eq!(rules.len(), 2);
    assert!(rules.contains(&rule(Pattern::Exact(top.clone()))) && rules.contains(&rule(Pattern::Below(top))));
    assert_eq!((report.serial, report.rules.total()), (Some(7), 2));
}

#[tokio::test]
async fn a_signed_zone_is_believed_when_all_signatures_hold() {
    let part = |index| vec![blocked(&format!("n{index}.example"))];
    let mut axfr = vec![vec![soa(7)]];
    axfr.extend((0..20).map(part));
    axfr.push(vec![soa(7)]);
    for every in [1, 3, 50] {
        let script = Script { secret: Some(b"secret"), axfr: axfr.clone(), every, ..Script::default() };
        let result = run(script, key(b"secret"), None).await.expect("a zone");
        assert!(matches!(&result, Transfer::Whole(zone) if zone.records.len() == 20), "{result:?}");
    }
    for (script, key) in [
        (Script { secret: Some(b"secret"), ..Script::default() }, key(b"other")),
        (Script { secret: None, ..Script::default() }, key(b"secret")),
        (Script { secret: Some(b"secret"), late: 301, ..Script::default() }, key(b"secret")),
        (Script { secret: Some(b"secret"), forged: true, ..Script::default() }, key(b"secret")),
        (Script { secret: Some(b"secret"), every: 50, sign_last: false, ..Script::default() }, key(b"secret")),
    ] {
        let result = run(Script { axfr: axfr.clone(), ..script }, key, None).await;
        assert!(matches!(result, Err(TransferError::Signature(_))), "{result:?}");
    }
}

#[tokio::test]
async fn only_what_changed_comes_where_there_is_a_copy() {
    let old = copy(1, &["a.example", "b.example"]);
    let ixfr = vec![
        vec![soa(3), soa(1), blocked("a.example"), soa(2), blocked("c.example")],
        vec![soa(2), soa(3), blocked("d.example"), soa(3)],
    ];
    let script = Script { secret: Some(b"secret"), ixfr, ..Script::default() };
    let result = run(script, key(b"secret"), Some(&old)).await.expect("a zone");
    assert_eq!(result, Transfer::Changed(copy(3, &["b.example", "c.example", "d.example"])));

    let unchanged = Script { ixfr: vec![vec![soa(1)]], ..Script::default() };
    assert_eq!(run(unchanged, None, Some(&old)).await.expect("a zone"), Transfer::Unchanged);
}

#[tokio::test]
async fn a_server_without_differences_is_asked_for_the_whole_zone() {
    let old = copy(1, &["a.example"]);
    let axfr = vec![vec![soa(3), blocked("b.example"), soa(3)]];
    let whole = Transfer::Whole(copy(3, &["b.example"]));
    for ixfr in [
        // Not implemented; only the new SOA record; a whole zone at once; differences that do not fit.
        vec![],
        vec![vec![soa(3)]],
        axfr.clone(),
        vec![vec![soa(3), soa(2), soa(3), soa(3)]],
        vec![vec![soa(3), soa(1), blocked("never.example"), soa(3), soa(3)]],
    ] {
        let script = Script { ixfr, axfr: axfr.clone(), ..Script::default() };
        assert_eq!(run(script, None, Some(&old)).await.expect("a zone"), whole);
    }
}

#[tokio::test]
async fn what_makes_no_sense_or_is_too_large_is_refused() {
    let many: Vec<Record> = (0..1001).map(|index| blocked(&format!("n{index}.example"))).collect();
    let mut large = vec![vec![soa(1)]];
    large.extend(many.chunks(100).map(<[Record]>::to_vec));
    let foreign = Record::from_rdata(name("a.example."), 60, RData::CNAME(CNAME(Name::root())));
    for (axfr, expected) in [
        (vec![], "the server refuses: Not Implemented"),
        (vec![vec![]], "the server's answer makes no sense: a message has no records"),
        (
            vec![vec![blocked("a.example")]],
            "the server's answer makes no sense: the zone does not begin with its SOA record",
        ),
        (vec![vec![soa(1), foreign, soa(1)]], "the server's answer makes no sense: a record is not of the zone"),
        (
            vec![vec![soa(1), blocked("a.example"), soa(2)]],
            "the server's answer makes no sense: the zone changed while it was sent",
        ),
        (large, "the zone is larger than allowed"),
    ] {
        let error = run(Script { axfr, ..Script::default() }, None, None).await.expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
    // It hangs up in the midst of the zone.
    let cut = run(Script { axfr: vec![vec![soa(1)]], ..Script::default() }, None, None).await;
    assert!(matches!(cut, Err(TransferError::Connection(_))), "{cut:?}");
}

#[test]
fn a_key_never_shows_its_secret() {
    let shown = format!("{:?}", key(b"very secret"));
    assert!(shown.contains("hmac-sha256") && !shown.contains("secret"), "{shown}");
    let name = DomainName::from_text("key.example").expect("a name");
    assert!(TransferKey::new("hmac-md5", &name, vec![1]).is_err());
    assert!(TransferKey::new("hmac-sha512", &name, Vec::new()).is_err());
}
