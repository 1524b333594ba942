//! Answers that a record, a rule or a table prescribes.
//!
//! An alias is led on through the policy's own records, then its end is resolved by our resolver: at once where the
//! cache knows it, else the caller waits for [`Written::Wait`] and comes again. What the end leads to is inspected
//! like any answer (decision order, section 3, step 9). Nothing here is signed or says AD, whatever DO asks for.

use super::{
    Plane,
    reply::{Asked, Scene, Text, own_soa, ttl_at},
};
use crate::{
    identify::Transport,
    model::{Account, DomainName, FixedAnswer, RecordData},
    policy::{CompiledPolicy, Question, Rewrite, SearchEngines, Snapshot, Suffixes, rule_for},
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
/// Aliases followed through records of ours.
const ALIASES_MAX: usize = 8;

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

/// What a decision prescribes, as the snapshot has it now; `None` where it does so no longer.
pub(super) fn prescribed<'s>(
    snapshot: &'s Snapshot,
    policy: &'s CompiledPolicy,
    question: &Question<'_>,
    rewrite: Rewrite,
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
            let hit = rule_for(snapshot, policy, question)?;
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

/// The names a prescribed answer leads through, and what stands at the last one.
struct Path<'a> {
    aliases: [Option<(NameBuf, u32)>; ALIASES_MAX],
    end: End<'a>,
    ttl_s: u32,
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
    /// Follows `fixed` from the name asked for through the records of the policy.
    fn follow(asked: &Asked<'a>, fixed: &Fixed<'a>, key: crate::policy::NameKey) -> Self {
        let mut path = Path { aliases: [const { None }; ALIASES_MAX], end: End::Broken, ttl_s: fixed.ttl_s };
        let qtype = asked.query.qtype;
        let (mut answer, mut count) = (fixed.answer, 0);
        loop {
            let name = path.last(asked);
            let target = match answer {
                FixedAnswer::Alias(target) => Some(NameBuf::of(target.as_name())),
                FixedAnswer::AliasBelow(apex) => NameBuf::below(name.name(), apex.as_name()),
                FixedAnswer::Records(records) => match records.iter().find(|record| record.rtype == rtype::CNAME) {
                    Some(alias) => NameBuf::read(&alias.rdata),
                    None => {
                        path.end = End::Records(records);
                        return path;
                    }
                },
                denial => {
                    path.end = End::Denial(denial);
                    return path;
                }
            };
            let Some(target) = target else { return path };
            if target.name() == name.name() {
                path.end = End::Resolve;
                return path;
            }
            let seen = |known: &Option<(NameBuf, u32)>| known.as_ref().is_some_and(|(n, _)| n.name() == target.name());
            if count == ALIASES_MAX
                || target.name() == asked.query.name.name()
                || path.aliases[..count].iter().any(seen)
            {
                return path;
            }
            let found = (!asked.policy.records.is_empty() && qtype != rtype::CNAME)
                .then(|| asked.policy.records.find(&Suffixes::new(target.name(), key), qtype))
                .flatten();
            path.aliases[count] = Some((target, path.ttl_s));
            count += 1;
            match found {
                _ if qtype == rtype::CNAME => {
                    path.end = End::Chain;
                    return path;
                }
                Some(record) => {
                    path.ttl_s = record.ttl_s;
                    answer = &record.answer;
                }
                None => {
                    path.end = End::Resolve;
                    return path;
                }
            }
        }
    }

    /// The name at the end.
    fn last(&self, asked: &Asked<'_>) -> NameBuf {
        let last = self.aliases.iter().rev().flatten().next();
        last.map_or_else(|| asked.query.name.clone(), |(name, _)| name.clone())
    }
}

impl Plane {
    /// Writes a prescribed answer. [`Written::Wait`] asks the caller to resolve that name and to come again with it
    /// and its answer as `resolved`; a cached one is found here. Questions for ANY, and what HTTPS and SVCB questions
    /// about a rewritten name get, are the caller's matter.
    ///
    /// Allocates nothing but for `Wait`.
    pub(super) fn write_fixed(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        fixed: &Fixed<'_>,
        resolved: Option<&(DomainName, Arc<Answer>)>,
        buffer: &mut [u8],
        limit: usize,
    ) -> Written {
        let over_udp = asked.origin.transport == Transport::Udp;
        match fixed.answer {
            FixedAnswer::Truncate if over_udp => {
                let mut writer = ReplyWriter::start(buffer, limit, &asked.query.head(), rcode::NOERROR);
                writer.truncate();
                self.record(asked, fixed.verdict, rcode::NOERROR);
                return Written::Reply(writer.finish(&Extras { ede: fixed.ede, ..Extras::default() }));
            }
            FixedAnswer::Truncate => return Written::Pass,
            _ => {}
        }
        let path = Path::follow(asked, fixed, scene.snapshot.key);
        match path.end {
            End::Denial(FixedAnswer::Drop) => {
                self.record(asked, QueryVerdict::Dropped, rcode::REFUSED);
                Written::Drop
            }
            End::Resolve => self.write_led(scene, asked, fixed, &path, resolved, buffer, limit),
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
        path: &Path<'_>,
        resolved: Option<&(DomainName, Arc<Answer>)>,
        buffer: &mut [u8],
        limit: usize,
    ) -> Written {
        let end = path.last(asked);
        let query = asked.query;
        let cached;
        let answer = match resolved {
            Some((name, answer)) if name.as_name() == end.name() => Some(&**answer),
            _ => {
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
                write_aliases(&mut writer, path);
                self.record(asked, fixed.verdict, rcode::NOERROR);
                return Written::Reply(writer.finish(&Extras { ede: fixed.ede, ..Extras::default() }));
            }
        };
        let answer = match self.inspect_alias(scene, asked, end.name(), answer) {
            Ok(answer) => answer,
            Err(decision) => return Written::Reply(self.write_block(&Asked { decision, ..*asked }, buffer, limit)),
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
            let at = write_aliases(&mut writer, path);
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
    let aged = |stored: u32| match ttl {
        Ttl::Aged(age) => stored.saturating_sub(age).max(1),
        Ttl::Fixed(seconds) => seconds,
    };
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
