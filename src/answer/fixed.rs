//! Answers that a record, a rule or a table prescribes.
//!
//! An alias is led on through the policy's own records, then its end is resolved by our resolver: at once where the
//! cache knows it, else the caller waits for [`Written::Wait`] and comes again. What the end leads to is inspected
//! like any answer (decision order, section 3, step 9). Nothing here is signed or says AD, whatever DO asks for.
//!
//! Where an answer leads to a name for which a rule prescribes the answer, the chain up to that name stays and what is
//! prescribed stands behind it, as resolvers do that know response policies: [`Plane::write_prescribed`].

use super::{
    Plane,
    reply::{Asked, Scene, Text, own_soa, ttl_at},
};
use crate::{
    identify::Transport,
    model::{Account, DomainName, FixedAnswer, ListSourceId, Name, RecordData},
    policy::{
        CompiledPolicy, Decision, ListHit, NameKey, Question, Rewrite, SearchEngines, Snapshot, Suffixes, Verdict,
        rule_for, rule_for_address,
    },
    resolve::Answer,
    rewrite::block_text,
    telemetry::QueryVerdict,
    wire::{At, Expanded, Extras, NameBuf, ReplyWriter, Sections, Ttl, ede, rcode, rtype},
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// TTL of the alias that holds a search engine to its filtered results, seconds.
const SEARCH_TTL_S: u32 = 60;
/// Aliases that a prescribed answer is made of, those of an answer before them included.
const ALIASES_MAX: usize = 16;

/// Names that were waited for, with their answers.
pub(super) type Waited = [(DomainName, Arc<Answer>)];

/// An answer that is prescribed, and how it is told.
#[derive(Clone, Copy)]
pub(super) struct Fixed<'a> {
    /// What it consists of.
    pub answer: &'a FixedAnswer,
    /// TTL of its records, seconds.
    pub ttl_s: u32,
    /// The extended error that goes with it; [`ede::FORGED_ANSWER`] suits what the asker did not ask to have changed.
    pub ede: Option<(u16, &'a str)>,
    /// What the query counts as.
    pub verdict: QueryVerdict,
    /// Addresses that are given while the target of an alias does not resolve, or has no address at all.
    pub fallback: &'a [IpAddr],
}

impl Fixed<'_> {
    /// Whether the name has records: then ANY gets a word of its own (RFC 8482), not what is prescribed.
    pub(super) fn has_records(&self) -> bool {
        use FixedAnswer::{Alias, AliasBelow, Null, Records};
        matches!(self.answer, Null | Records(_) | Alias(_) | AliasBelow(_))
    }
}

/// What became of a prescribed answer.
pub(super) enum Written {
    /// The reply stands in the buffer.
    Reply(usize),
    /// Send nothing.
    Drop,
    /// Nothing is prescribed for this transport: the query goes on.
    Pass,
    /// This name must be resolved first, with the type asked for; see [`Plane::write_fixed`].
    Wait(DomainName),
}

/// What a decision prescribes, as the snapshot has it now; `None` where it does so no longer. `target`: the question is
/// about a name that an answer leads to.
pub(super) fn prescribed<'s>(
    snapshot: &'s Snapshot,
    policy: &'s CompiledPolicy,
    question: &Question<'_>,
    rewrite: Rewrite,
    target: bool,
) -> Option<Fixed<'s>> {
    match rewrite {
        Rewrite::Record(id) => {
            let record = policy.records.get(question.suffixes, id)?;
            Some(Fixed {
                answer: &record.answer,
                ttl_s: record.ttl_s,
                ede: None,
                verdict: QueryVerdict::Local,
                fallback: &[],
            })
        }
        Rewrite::Rule(list) => {
            let hit = rule_for(snapshot, policy, question, target)?;
            by_rule(snapshot, policy, hit, list)
        }
        // Whoever has the answer looks it up: it is about nothing in the question.
        Rewrite::Address(_) => None,
        Rewrite::Search { engine, level } => {
            let target = SearchEngines::get().by_number(engine)?.target(level)?;
            // Hints of an HTTPS record would lead past the alias, and so would anything else beside it.
            let leads = matches!(question.qtype, rtype::A | rtype::AAAA | rtype::CNAME | rtype::ANY);
            Some(Fixed {
                answer: if leads { &target.answer } else { &FixedAnswer::NoData },
                ttl_s: SEARCH_TTL_S,
                ede: Some((ede::FORGED_ANSWER, "")),
                verdict: QueryVerdict::SafeSearch,
                fallback: &target.fallback,
            })
        }
    }
}

/// What a rule of `list` prescribes; `None` where the hit is another list's, or prescribes nothing.
fn by_rule<'s>(snapshot: &'s Snapshot, policy: &CompiledPolicy, hit: ListHit, list: ListSourceId) -> Option<Fixed<'s>> {
    if snapshot.lists.source(hit) != list {
        return None;
    }
    let answer = snapshot.lists.answer(hit)?;
    let owner = snapshot.sources.get(list.0).map(|source| source.owner);
    let code = match (answer, owner) {
        (FixedAnswer::Records(_) | FixedAnswer::Alias(_) | FixedAnswer::AliasBelow(_), _) => ede::FORGED_ANSWER,
        (_, Some(Account::Customer(_))) => ede::FILTERED,
        _ => ede::BLOCKED,
    };
    let told = !matches!(answer, FixedAnswer::Truncate);
    let blocks = told && code != ede::FORGED_ANSWER;
    Some(Fixed {
        answer,
        ttl_s: policy.block_ttl_s,
        ede: told.then_some((code, "")),
        verdict: if blocks { QueryVerdict::Blocked } else { QueryVerdict::Local },
        fallback: &[],
    })
}

/// The names a prescribed answer leads through, and what stands at the last one.
struct Path<'a> {
    aliases: [Option<(NameBuf, u32)>; ALIASES_MAX],
    count: usize,
    end: End<'a>,
    ttl_s: u32,
    /// The last name was decided about: its rule leads to itself, or asks for nothing.
    judged: bool,
}

#[derive(Clone, Copy)]
enum End<'a> {
    /// Records of ours.
    Records(&'a [RecordData]),
    /// A denial, or `Null`.
    Denial(&'a FixedAnswer),
    /// The chain itself was asked for.
    Chain,
    /// The resolver knows.
    Resolve,
    /// It comes to no end, or to no name.
    Broken,
}

impl<'a> Path<'a> {
    /// The name asked for, and nothing else so far.
    fn new() -> Self {
        Path { aliases: [const { None }; ALIASES_MAX], count: 0, end: End::Broken, ttl_s: 0, judged: false }
    }

    /// Goes on to `target`; false where there is no room for it, or the path was there.
    fn push(&mut self, asked: &Asked<'_>, target: NameBuf, ttl_s: u32) -> bool {
        let is_target = |known: &(NameBuf, u32)| known.0.name() == target.name();
        let seen = self.aliases[..self.count].iter().flatten().any(is_target);
        if self.count == ALIASES_MAX || seen || target.name() == asked.query.name.name() {
            return false;
        }
        self.aliases[self.count] = Some((target, ttl_s));
        self.count += 1;
        self.judged = false;
        true
    }

    /// Goes on along the aliases of an answer for the last name, to `target`; false where they do not lead there.
    fn go_along(&mut self, asked: &Asked<'_>, answer: &Answer, target: Name<'_>, ttl: Ttl) -> bool {
        let start = self.last(asked);
        let mut end = start.clone();
        for record in Sections::new(start.name(), &answer.body, answer.counts[0]) {
            if end.name() == target {
                break;
            }
            if record.rtype != rtype::CNAME || record.owner.name() != end.name() {
                continue;
            }
            match record.target() {
                Some(next) if self.push(asked, next.clone(), aged(record.ttl, ttl)) => end = next,
                _ => return false,
            }
        }
        end.name() == target
    }

    /// Goes on from the last name by `fixed`, and through the records of the policy.
    fn go_on(&mut self, asked: &Asked<'a>, fixed: &Fixed<'a>, key: NameKey) {
        let qtype = asked.query.qtype;
        let mut answer = fixed.answer;
        self.ttl_s = fixed.ttl_s;
        self.end = loop {
            let name = self.last(asked);
            let target = match answer {
                FixedAnswer::Alias(target) => Some(NameBuf::of(target.as_name())),
                FixedAnswer::AliasBelow(apex) => NameBuf::below(name.name(), apex.as_name()),
                FixedAnswer::Records(records) => match records.iter().find(|record| record.rtype == rtype::CNAME) {
                    Some(alias) => NameBuf::read(&alias.rdata),
                    None => break End::Records(records),
                },
                denial => {
                    self.judged = matches!(denial, FixedAnswer::Truncate);
                    break End::Denial(denial);
                }
            };
            let Some(target) = target else { break End::Broken };
            if target.name() == name.name() {
                self.judged = true;
                break End::Resolve;
            }
            let found = (!asked.policy.records.is_empty() && qtype != rtype::CNAME)
                .then(|| asked.policy.records.find(&Suffixes::new(target.name(), key), qtype))
                .flatten();
            if !self.push(asked, target, self.ttl_s) {
                break End::Broken;
            }
            match found {
                _ if qtype == rtype::CNAME => break End::Chain,
                Some(record) => {
                    self.ttl_s = record.ttl_s;
                    answer = &record.answer;
                }
                None => break End::Resolve,
            }
        };
    }

    /// The name at the end.
    fn last(&self, asked: &Asked<'_>) -> NameBuf {
        let last = self.aliases[..self.count].iter().rev().flatten().next();
        last.map_or_else(|| asked.query.name.clone(), |(name, _)| name.clone())
    }
}

/// A TTL as it stands by now.
fn aged(stored: u32, ttl: Ttl) -> u32 {
    match ttl {
        Ttl::Aged(age) => stored.saturating_sub(age).max(1),
        Ttl::Fixed(seconds) => seconds,
    }
}

impl Plane {
    /// Writes a prescribed answer. [`Written::Wait`] asks the caller to resolve that name and to come again with it
    /// and its answer among `resolved`; a cached one is found here. Questions for ANY, and what HTTPS and SVCB questions
    /// about a rewritten name get, are the caller's matter.
    ///
    /// Allocates nothing but for `Wait`.
    pub(super) fn write_fixed(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        fixed: &Fixed<'_>,
        resolved: &Waited,
        buffer: &mut [u8],
        limit: usize,
    ) -> Written {
        if matches!(fixed.answer, FixedAnswer::Truncate) && asked.origin.transport != Transport::Udp {
            return Written::Pass;
        }
        self.write_path(scene, asked, fixed, Path::new(), resolved, buffer, limit)
    }

    /// Writes an answer that ends early: a rule prescribes the answer for one of the names it leads to, which
    /// `asked.decision` tells ([`Inspected::Prescribed`](crate::policy::Inspected)). The chain up to that name stays.
    /// A name that is not on the chain of aliases is blocked.
    pub(super) fn write_prescribed(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        answer: &Answer,
        resolved: &Waited,
        buffer: &mut [u8],
        limit: usize,
    ) -> Written {
        self.write_from(scene, asked, Path::new(), answer, resolved, buffer, limit)
    }

    /// The same, where `answer` is that for the last name of `path`.
    #[expect(clippy::too_many_arguments, reason = "the hot path passes what it holds, without a struct per query")]
    fn write_from(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        mut path: Path<'_>,
        answer: &Answer,
        resolved: &Waited,
        buffer: &mut [u8],
        limit: usize,
    ) -> Written {
        if let Verdict::Rewrite(Rewrite::Address(list)) = asked.decision.verdict {
            return self.write_addressed(scene, asked, path, (list, answer), resolved, buffer, limit);
        }
        let index = asked.decision.target.map_or(usize::MAX, usize::from);
        let lead = answer.contents.leads().nth(index);
        match lead {
            Some((_, name)) if path.go_along(asked, answer, name, ttl_at(answer, scene.now)) => {
                self.write_ruled(scene, asked, path, resolved, buffer, limit)
            }
            _ => self.write_barred(asked, buffer, limit),
        }
    }

    /// Writes the path, the aliases of `answer` up to the name that has the address which `asked.decision` tells, and
    /// what the rule of `list` about that address prescribes there. A name that the rule itself led to is blocked.
    #[expect(clippy::too_many_arguments, reason = "the hot path passes what it holds, without a struct per query")]
    fn write_addressed(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        mut path: Path<'_>,
        (list, answer): (ListSourceId, &Answer),
        resolved: &Waited,
        buffer: &mut [u8],
        limit: usize,
    ) -> Written {
        let start = path.last(asked);
        let suffixes = Suffixes::new(start.name(), scene.snapshot.key);
        let question = asked.about(scene, &suffixes);
        let index = asked.decision.target.map_or(usize::MAX, usize::from);
        let owned = answer.contents.addresses(&answer.body).nth(index).filter(|_| !path.judged);
        let owned = owned.filter(|(record, _)| *record < answer.counts[0]).and_then(|(record, address)| {
            let owner = Sections::new(start.name(), &answer.body, record + 1).last()?.owner;
            let hit = rule_for_address(scene.snapshot, asked.policy, &question, address)?;
            Some((owner, by_rule(scene.snapshot, asked.policy, hit, list)?))
        });
        match owned {
            Some((owner, fixed)) if path.go_along(asked, answer, owner.name(), ttl_at(answer, scene.now)) => {
                self.write_path(scene, asked, &fixed, path, resolved, buffer, limit)
            }
            _ => self.write_barred(asked, buffer, limit),
        }
    }

    /// Writes the block answer for what would be prescribed, but cannot stand where it is.
    fn write_barred(&self, asked: &Asked<'_>, buffer: &mut [u8], limit: usize) -> Written {
        let decision = Decision { verdict: Verdict::Block, ..asked.decision };
        Written::Reply(self.write_block(&Asked { decision, ..*asked }, buffer, limit))
    }

    /// Writes the path and what the rule prescribes for its last name, by which `asked.decision` decided.
    fn write_ruled(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        path: Path<'_>,
        resolved: &Waited,
        buffer: &mut [u8],
        limit: usize,
    ) -> Written {
        let Verdict::Rewrite(rewrite) = asked.decision.verdict else {
            return self.write_barred(asked, buffer, limit);
        };
        let end = path.last(asked);
        let suffixes = Suffixes::new(end.name(), scene.snapshot.key);
        let question = asked.about(scene, &suffixes);
        match prescribed(scene.snapshot, asked.policy, &question, rewrite, true) {
            Some(fixed) => self.write_path(scene, asked, &fixed, path, resolved, buffer, limit),
            None => self.write_barred(asked, buffer, limit),
        }
    }

    /// Writes `path` and what is prescribed for its last name.
    #[expect(clippy::too_many_arguments, reason = "the hot path passes what it holds, without a struct per query")]
    fn write_path<'a>(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'a>,
        fixed: &Fixed<'a>,
        mut path: Path<'a>,
        resolved: &Waited,
        buffer: &mut [u8],
        limit: usize,
    ) -> Written {
        path.go_on(asked, fixed, scene.snapshot.key);
        let over_udp = asked.origin.transport == Transport::Udp;
        match path.end {
            End::Denial(FixedAnswer::Drop) => {
                self.record(asked, QueryVerdict::Dropped, rcode::REFUSED);
                Written::Drop
            }
            End::Denial(FixedAnswer::Truncate) if over_udp => {
                let mut writer = ReplyWriter::start(buffer, limit, &asked.query.head(), rcode::NOERROR);
                writer.truncate();
                self.record(asked, fixed.verdict, rcode::NOERROR);
                Written::Reply(writer.finish(&Extras { ede: fixed.ede, ..Extras::default() }))
            }
            // Over a connection it asks for nothing: the name is resolved.
            End::Resolve | End::Denial(FixedAnswer::Truncate) => {
                self.write_led(scene, asked, fixed, path, resolved, buffer, limit)
            }
            End::Chain
                if let Some(decision) = self.judge_alias(scene, asked, path.last(asked).name())
                    && !matches!(decision.verdict, Verdict::Rewrite(_)) =>
            {
                Written::Reply(self.write_block(&Asked { decision, ..*asked }, buffer, limit))
            }
            _ => Written::Reply(self.write_here(asked, fixed, &path, buffer, limit)),
        }
    }

    /// Writes what ends in something of ours.
    fn write_here(
        &self,
        asked: &Asked<'_>,
        fixed: &Fixed<'_>,
        path: &Path<'_>,
        buffer: &mut [u8],
        limit: usize,
    ) -> usize {
        let rcode = match path.end {
            End::Denial(FixedAnswer::NxDomain) => rcode::NXDOMAIN,
            End::Denial(FixedAnswer::Refused) => rcode::REFUSED,
            End::Denial(FixedAnswer::ServFail) | End::Broken => rcode::SERVFAIL,
            _ => rcode::NOERROR,
        };
        let mut writer = ReplyWriter::start(buffer, limit, &asked.query.head(), rcode);
        if matches!(rcode, rcode::NOERROR | rcode::NXDOMAIN) {
            let at = write_aliases(&mut writer, path);
            let qtype = asked.query.qtype;
            let mut some = matches!(path.end, End::Chain);
            match path.end {
                End::Records(records) => {
                    for record in records.iter().filter(|record| record.rtype == qtype) {
                        writer.answer_raw(at, qtype, path.ttl_s, &record.rdata);
                        some = true;
                    }
                }
                End::Denial(FixedAnswer::Null) => {
                    let null: Option<IpAddr> = match qtype {
                        rtype::A => Some(Ipv4Addr::UNSPECIFIED.into()),
                        rtype::AAAA => Some(Ipv6Addr::UNSPECIFIED.into()),
                        _ => None,
                    };
                    if let Some(null) = null {
                        writer.answer_address_at(at, path.ttl_s, null);
                        some = true;
                    }
                }
                _ => {}
            }
            if !some {
                writer.soa(at, path.ttl_s, &own_soa(path.ttl_s));
            }
        }
        let mut reason = Text::default();
        let told = match fixed.ede {
            _ if matches!(path.end, End::Broken) => Some((ede::OTHER, "the alias leads nowhere")),
            Some((code @ (ede::FILTERED | ede::BLOCKED), "")) => {
                let _ = block_text(&mut reason, asked.policy, &asked.decision);
                Some((code, reason.as_str()))
            }
            told => told,
        };
        self.record(asked, fixed.verdict, rcode);
        writer.finish(&Extras { ede: told, ..Extras::default() })
    }

    /// Writes what ends with a name for the resolver.
    #[expect(clippy::too_many_arguments, reason = "the hot path passes what it holds, without a struct per query")]
    fn write_led(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        fixed: &Fixed<'_>,
        path: Path<'_>,
        resolved: &Waited,
        buffer: &mut [u8],
        limit: usize,
    ) -> Written {
        let end = path.last(asked);
        let query = asked.query;
        let cached;
        let answer = match resolved.iter().find(|(name, _)| name.as_name() == end.name()) {
            Some((_, answer)) => Some(&**answer),
            None => {
                cached = self.target_cached(scene, asked, &end);
                cached.as_deref()
            }
        };
        let answer = match answer {
            Some(answer) => answer,
            None if query.flags.recursion_desired() => return Written::Wait(end.name().to_owned()),
            None => {
                // Without recursion the client gets the aliases, and asks on by itself.
                let mut writer = ReplyWriter::start(buffer, limit, &query.head(), rcode::NOERROR);
                write_aliases(&mut writer, &path);
                self.record(asked, fixed.verdict, rcode::NOERROR);
                return Written::Reply(writer.finish(&Extras { ede: fixed.ede, ..Extras::default() }));
            }
        };
        if !path.judged
            && let Some(decision) = self.judge_alias(scene, asked, end.name())
        {
            let asked = Asked { decision, ..*asked };
            return match decision.verdict {
                Verdict::Rewrite(_) => self.write_ruled(scene, &asked, path, resolved, buffer, limit),
                _ => Written::Reply(self.write_block(&asked, buffer, limit)),
            };
        }
        let answer = match self.inspect_alias(scene, asked, end.name(), answer) {
            Ok(answer) => answer,
            Err(decision) => {
                let asked = Asked { decision, ..*asked };
                return match decision.verdict {
                    Verdict::Rewrite(_) => self.write_from(scene, &asked, path, answer, resolved, buffer, limit),
                    _ => Written::Reply(self.write_block(&asked, buffer, limit)),
                };
            }
        };

        let pinned = |address: &&IpAddr| query.qtype == if address.is_ipv4() { rtype::A } else { rtype::AAAA };
        let has_some = answer.addresses().any(|address| pinned(&&address));
        // A target without IPv6 addresses is one that resolves; one without IPv4 addresses does not.
        let missing = !has_some && (answer.rcode != rcode::NOERROR || query.qtype == rtype::A);
        let mut fallback = fixed.fallback.iter().filter(pinned).filter(|_| missing).peekable();
        let failed = fallback.peek().is_none() && answer.rcode != rcode::NOERROR && answer.rcode != rcode::NXDOMAIN;
        let code = if fallback.peek().is_some() { rcode::NOERROR } else { answer.rcode };
        let mut writer = ReplyWriter::start(buffer, limit, &query.head(), code);
        if !failed {
            let at = write_aliases(&mut writer, &path);
            if fallback.peek().is_some() {
                for address in fallback {
                    writer.answer_address_at(at, path.ttl_s, *address);
                }
            } else {
                write_answer_at(&mut writer, at, &end, query.qtype, &answer, ttl_at(&answer, scene.now));
            }
        }
        let verdict = if failed { QueryVerdict::Failed } else { fixed.verdict };
        self.record(asked, verdict, code);
        let told = if failed { answer.ede.map(|code| (code, "")) } else { fixed.ede };
        Written::Reply(writer.finish(&Extras { ede: told, ..Extras::default() }))
    }

    /// What is known of the end of an alias without waiting.
    fn target_cached(&self, scene: &Scene<'_>, asked: &Asked<'_>, end: &NameBuf) -> Option<Arc<Answer>> {
        if self.is_ours(asked.policy, &Suffixes::new(end.name(), scene.snapshot.key)) {
            // Our empty zones deny it; nobody else should see the question.
            return Some(Arc::new(Answer::empty(rcode::NXDOMAIN, None, scene.now)));
        }
        let checking_disabled = asked.query.flags.checking_disabled();
        let way = self.way(asked.policy, asked.origin.client, Some(asked.query));
        self.0.resolver.cached_by(way, end.name(), asked.query.qtype, false, checking_disabled, scene.now)
    }
}

/// Writes the aliases and says where the last name stands.
fn write_aliases(writer: &mut ReplyWriter<'_>, path: &Path<'_>) -> At {
    let mut at = At::QUESTION;
    for (name, ttl_s) in path.aliases.iter().flatten() {
        at = writer.answer_cname(at, *ttl_s, name.name());
    }
    at
}

/// Writes the chain and the records of type `qtype` that `answer` has for `name`, which stands at `at`; an SOA of
/// ours where there are none.
fn write_answer_at(writer: &mut ReplyWriter<'_>, mut at: At, name: &NameBuf, qtype: u16, answer: &Answer, ttl: Ttl) {
    let aged = |stored: u32| aged(stored, ttl);
    let mut end = name.clone();
    let mut some = false;
    for record in Sections::new(name.name(), &answer.body, answer.counts[0]) {
        if record.owner.name() != end.name() {
            continue;
        }
        if record.rtype == qtype {
            let mut room = Expanded::default();
            if let Some(data) = record.data(&mut room) {
                writer.answer_raw(at, qtype, aged(record.ttl), data);
                some = true;
            }
        } else if record.rtype == rtype::CNAME
            && let Some(target) = record.target()
        {
            at = writer.answer_cname(at, aged(record.ttl), target.name());
            end = target;
        }
    }
    if !some {
        let left = aged(answer.ttl_s);
        writer.soa(at, left, &own_soa(left));
    }
}
