//! The hot path with every step kept: what `weir explain`, `POST /explain` and the filtering test
//! show.

use super::{
    Plane,
    begin::moment,
    finish::Waiting,
    fixed::Written,
    inspect::Removal,
    reply::{self, Asked, Scene},
    ways::{lacks_addresses, made_here, prefix_for},
};
use crate::{
    category::Catalogue,
    identify::{Client, Evidence, Identified, Origin, Supposed, Transport},
    model::{Account, CategorySet, CustomerId, DomainName},
    policy::{
        Decision, Detector, Inspected, OwnName, PolicySource, Question, Snapshot, Step, Suffixes, TraceSteps, Verdict,
        categorise, choose, evaluate,
    },
    resolve::Key,
    rewrite::own_shape,
    telemetry::QueryVerdict,
    wire::{Extras, MESSAGE_OCTETS_MAX, TypeName, parse},
};
use hickory_proto::op::Message;
use serde::Serialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Instant,
};

/// A row named for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Party {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
}

/// The reply a client would get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// Response code, as text.
    pub rcode: String,
    /// Records of the answer section in master-file form.
    pub records: Vec<String>,
    /// Extended errors: code and text.
    pub errors: Vec<String>,
}

/// Who was identified by what, which policy and why, each step of the order, and the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The name asked for.
    pub name: String,
    /// The type asked for.
    #[serde(rename = "type")]
    pub qtype: String,
    /// The client's address.
    pub client: IpAddr,
    /// What identified the client, or why nobody is known.
    pub identified_by: String,
    /// The tenant.
    pub customer: Option<Party>,
    /// Where the client is.
    pub location: Option<Party>,
    /// The policy that decides.
    pub policy: Option<Party>,
    /// Why that policy.
    pub policy_source: Option<&'static str>,
    /// The steps of section 3, in order, up to the one that decided.
    pub steps: Vec<Step>,
    /// `allowed`, `blocked`, `local` or `refused`.
    pub verdict: &'static str,
    /// It would be blocked, but the policy is permissive and only tells of it.
    pub spared: bool,
    /// The detector that pointed at the name.
    pub detector: Option<&'static str>,
    /// The step that decided.
    pub decided_by: Option<u8>,
    /// Categories of the name, by name.
    pub categories: Vec<&'static str>,
    /// The reply; absent where it was not asked for.
    pub answer: Option<Answered>,
}

impl Plane {
    /// The customer that a client address belongs to.
    pub fn customer_at(&self, address: IpAddr) -> Option<CustomerId> {
        match self.0.snapshot.load().identify(address) {
            Identified::Known(client) => Some(client.customer),
            Identified::Unknown | Identified::Invalid => None,
        }
    }

    /// Decides as for a query of `qtype` for `name` from `address`, by the deciding function of
    /// the query path. With `resolve`, allowed names are resolved and their answers looked at; with
    /// `supposed`, the client is that device or person.
    pub async fn explain(
        &self,
        address: IpAddr,
        supposed: Option<Supposed>,
        name: &DomainName,
        qtype: u16,
        resolve: bool,
    ) -> Explanation {
        let origin = Origin {
            client: address.to_canonical(),
            client_port: 0,
            local: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
            transport: Transport::Tcp,
        };
        let snapshot = self.snapshot();
        let categories = self.categories();
        let suffixes = Suffixes::new(name.as_name(), snapshot.key);
        let mut explanation = Explanation {
            name: name.to_string(),
            qtype: TypeName(qtype).to_string(),
            client: origin.client,
            identified_by: "nothing: the client is unknown".into(),
            customer: None,
            location: None,
            policy: None,
            policy_source: None,
            steps: Vec::new(),
            verdict: "refused",
            spared: false,
            detector: None,
            decided_by: None,
            categories: names(categorise(&snapshot, Account::System, &suffixes, &*categories).set),
            answer: None,
        };
        let known = match (supposed, snapshot.identify(origin.client)) {
            (Some(supposed), _) => snapshot.suppose(origin.client, supposed),
            (None, Identified::Known(client)) => Some(client),
            (None, Identified::Invalid) => None,
            (None, Identified::Unknown) => match self.0.unknown_clients {
                super::UnknownClients::Policy(policy) => snapshot.unknown_as(origin.client, policy),
                _ => None,
            },
        };
        let Some(client) = known else { return explanation };
        explanation.introduce(&snapshot, &client);
        let account = Account::Customer(client.customer);
        explanation.categories = names(categorise(&snapshot, account, &suffixes, &*categories).set);
        let Some(chosen) = choose(&snapshot, &client) else {
            explanation.identified_by.push_str("; the customer is suspended");
            return explanation;
        };
        explanation.policy = Some(Party { id: chosen.policy.id.0, name: chosen.policy.name.clone() });
        explanation.policy_source = Some(match chosen.source {
            PolicySource::User => "set on the user",
            PolicySource::Group => "of the user's heaviest group",
            PolicySource::Device => "set on the device",
            PolicySource::Location => "set on the location",
            PolicySource::UnknownClients => "what unknown_clients names",
            PolicySource::CustomerDefault => "the customer's default",
        });

        let at = moment(&snapshot, chosen.policy);
        let mut trace = TraceSteps::default();
        let decision = {
            let question = Question { suffixes: &suffixes, qtype, client: &client, at, stream: false };
            let mut decision = evaluate(&snapshot, chosen.policy, &question, &*categories, &mut trace);
            self.observe(&snapshot, chosen.policy, &question, origin.client, false, &mut decision, &mut trace);
            decision
        };
        let packet = question(name, qtype);
        let Ok(query) = parse(&packet) else { return explanation };
        let started = Instant::now();
        let asked = Asked { origin: &origin, client: &client, policy: chosen.policy, query: &query, decision, started };
        // What the answer decided, where it did.
        let mut decided = decision;
        let mut answer = None;
        if decision.verdict == Verdict::Allow && resolve && qtype != crate::wire::rtype::ANY {
            self.prepare(chosen.policy);
            let way = self.way(chosen.policy, origin.client, None);
            let key = Key { way, ..Key::plain(name.clone(), qtype) };
            let resolved = self.0.resolver.resolve(key).await;
            let scene = Scene { snapshot: &snapshot, categories: &categories, now: started };
            let found = match self.inspect(&scene, &asked, &resolved, &mut trace) {
                Inspected::Untouched(noted) => noted.filter(|_| !decision.spared),
                Inspected::Blocked(found) | Inspected::Prescribed(found) => Some(found),
                Inspected::Changed { decision, records, strip_ech } => {
                    let removal = Removal { decision, records: &records, strip_ech };
                    removal.from(&asked, &resolved).map(|remainder| removal.decided(&asked, &remainder))
                }
            };
            decided = found.unwrap_or(decision);
            answer = Some(resolved);
        }
        if decided.step() == 10 {
            let finding = "nothing decided before: allowed".into();
            trace.0.push(Step { number: 10, title: "allow", finding, decided: true });
        }
        explanation.steps = trace.0;
        explanation.decided_by = Some(decided.step());
        explanation.spared = decided.spared;
        explanation.detector = decision.noted.map(Detector::name);
        explanation.verdict = match decided.verdict {
            Verdict::Allow => "allowed",
            Verdict::Block => "blocked",
            Verdict::Own(_) | Verdict::Rewrite(_) => "local",
        };
        explanation.answer = match decision.verdict {
            Verdict::Rewrite(_) if resolve => self.fixed_of(&asked).await,
            Verdict::Allow if resolve && made_here(chosen.policy, &query).is_some() => self.fixed_of(&asked).await,
            Verdict::Allow
                if let (Some(prefix), Some(aaaa)) = (prefix_for(chosen.policy, &query), &answer)
                    && lacks_addresses(aaaa) =>
            {
                let way = self.way(chosen.policy, origin.client, None);
                let key = Key { way, ..Key::plain(name.clone(), crate::wire::rtype::A) };
                let a = self.0.resolver.resolve(key).await;
                self.answer_of(&asked, aaaa, Some(&(prefix, a))).await
            }
            Verdict::Allow => match &answer {
                Some(answer) => self.answer_of(&asked, answer, None).await,
                None => None,
            },
            _ => self.reply_of(&asked, &snapshot),
        };
        explanation
    }

    /// The reply that is prescribed, its alias resolved.
    async fn fixed_of(&self, asked: &Asked<'_>) -> Option<Answered> {
        let mut buffer = vec![0; MESSAGE_OCTETS_MAX];
        match self.write_fixed_waiting(&asked.silent(), &mut buffer).await? {
            Written::Reply(octets) => Some(Answered::read(&Message::from_vec(&buffer[..octets]).ok()?)),
            _ => None,
        }
    }

    /// The reply that is made of an upstream's answer.
    async fn answer_of(
        &self,
        asked: &Asked<'_>,
        answer: &crate::resolve::Answer,
        synthesis: Option<&(ipnet::Ipv6Net, std::sync::Arc<crate::resolve::Answer>)>,
    ) -> Option<Answered> {
        let octets = self.write_answer_waiting(&asked.silent(), true, answer, synthesis).await;
        Some(Answered::read(&Message::from_vec(&octets).ok()?))
    }

    fn reply_of(&self, asked: &Asked<'_>, snapshot: &Snapshot) -> Option<Answered> {
        let mut buffer = vec![0; MESSAGE_OCTETS_MAX];
        let limit = buffer.len();
        let silent = Asked { decision: Decision { log: false, ..asked.decision }, ..*asked };
        let octets = match asked.decision.verdict {
            Verdict::Block => self.write_block(&silent, &mut buffer, limit),
            Verdict::Own(OwnName::SelfTest) => self.write_self_test(snapshot, &silent, &mut buffer, limit),
            Verdict::Own(own) => {
                let shape = own_shape(own, asked.query.qtype);
                self.write_shape(&silent, shape, &Extras::default(), QueryVerdict::Local, &mut buffer, limit)
            }
            Verdict::Rewrite(_) | Verdict::Allow => return None,
        };
        let message = Message::from_vec(&buffer[..octets]).ok()?;
        Some(Answered::read(&message))
    }

    /// Resolves a name with our own resolver, unfiltered, and shows the reply in dig's form.
    pub async fn dig(&self, name: &DomainName, qtype: u16) -> String {
        let started = Instant::now();
        let key = Key::plain(name.clone(), qtype);
        let answer = self.0.resolver.resolve(key).await;
        let mut buffer = vec![0; MESSAGE_OCTETS_MAX];
        let packet = question(name, qtype);
        let Ok(query) = parse(&packet) else { return String::new() };
        let mut writer = crate::wire::ReplyWriter::start(&mut buffer, MESSAGE_OCTETS_MAX, &query.head(), answer.rcode);
        let ttl = reply::ttl_at(&answer, Instant::now());
        writer.copy_body(answer.counts, &answer.body, &answer.ttl_offsets, ttl);
        let octets = writer.finish(&answer.ede.map_or_else(Extras::default, |code| reply::ede(code, "")));
        match Message::from_vec(&buffer[..octets]) {
            Ok(message) => dig_text(name, qtype, &message, octets, started),
            Err(error) => format!(";; the answer could not be read: {error}"),
        }
    }
}

impl<'a> Asked<'a> {
    /// The same for nobody's log.
    fn silent(&self) -> Waiting<'a> {
        Waiting {
            origin: self.origin,
            client: self.client,
            query: self.query,
            decision: Decision { log: false, ..self.decision },
            started: self.started,
        }
    }
}

impl Explanation {
    fn introduce(&mut self, snapshot: &Snapshot, client: &Client) {
        self.identified_by = match client.evidence {
            Evidence::SourceAddress { address, range } => format!("source address {address} within {range}"),
            Evidence::Supposed { address } => {
                let device = client.device.map(|id| format!("device {id}"));
                let user = client.user.map(|id| format!("user {id}"));
                let who: Vec<String> = device.into_iter().chain(user).collect();
                format!("supposing {} at {address}", who.join(" of "))
            }
            Evidence::UnknownClients { address } => {
                format!("no evidence for {address}: unknown_clients applies a policy")
            }
        };
        let customer = snapshot.customers.get(client.customer.0);
        self.customer = customer.map(|customer| Party { id: client.customer.0, name: customer.name.clone() });
        self.location =
            client.location.and_then(|id| Some(Party { id: id.0, name: snapshot.locations.get(id.0)?.name.clone() }));
    }
}

impl Answered {
    fn read(message: &Message) -> Self {
        let errors = message.edns.iter().flat_map(|edns| edns.options().as_ref().iter()).filter_map(|(_, option)| {
            let octets = match option {
                hickory_proto::rr::rdata::opt::EdnsOption::Unknown(15, octets) => octets.clone(),
                _ => return None,
            };
            let (code, text) = octets.split_first_chunk::<2>()?;
            Some(format!("{} {}", u16::from_be_bytes(*code), String::from_utf8_lossy(text)).trim_end().to_owned())
        });
        Answered {
            rcode: format!("{:?}", message.metadata.response_code).to_uppercase(),
            records: message.answers.iter().map(ToString::to_string).collect(),
            errors: errors.collect(),
        }
    }
}

/// A query packet for one question, with RD and EDNS.
fn question(name: &DomainName, qtype: u16) -> Vec<u8> {
    let mut packet = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    packet.extend_from_slice(name.as_wire());
    packet.extend_from_slice(&qtype.to_be_bytes());
    packet.extend_from_slice(&[0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet
}

fn names(set: CategorySet) -> Vec<&'static str> {
    Catalogue::get().names(set).collect()
}

fn dig_text(name: &DomainName, qtype: u16, message: &Message, octets: usize, started: Instant) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let kind = TypeName(qtype);
    let rcode = format!("{:?}", message.metadata.response_code).to_uppercase();
    let _ = writeln!(text, "; <<>> weir <<>> {name} {kind}");
    let _ = writeln!(text, ";; ->>HEADER<<- opcode: QUERY, status: {rcode}, id: {}", message.metadata.id);
    let _ = writeln!(
        text,
        ";; flags: qr rd ra; QUERY: 1, ANSWER: {}, AUTHORITY: {}, ADDITIONAL: {}\n",
        message.answers.len(),
        message.authorities.len(),
        message.additionals.len()
    );
    let _ = writeln!(text, ";; QUESTION SECTION:\n;{name}.\t\tIN\t{kind}\n");
    for (title, records) in
        [("ANSWER", &message.answers), ("AUTHORITY", &message.authorities), ("ADDITIONAL", &message.additionals)]
    {
        if !records.is_empty() {
            let _ = writeln!(text, ";; {title} SECTION:");
            for record in records.iter() {
                let _ = writeln!(text, "{record}");
            }
            text.push('\n');
        }
    }
    let _ = writeln!(text, ";; Query time: {} msec", started.elapsed().as_millis());
    let _ = writeln!(text, ";; MSG SIZE  rcvd: {octets}");
    text
}
