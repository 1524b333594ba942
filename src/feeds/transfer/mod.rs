//! Zones by transfer: AXFR (RFC 5936) and IXFR (RFC 1995) over TCP, signed with TSIG (RFC 8945) or not.
//!
//! Who has a copy asks for what has changed since; a server that cannot tell, tells wrong, or answers with
//! nothing useful, is asked for the whole zone. A transfer is taken whole or not at all, within bounds of
//! octets, records and time.
//!
//! `notice` reads what a server says when a zone has changed (NOTIFY, RFC 1996).
//!
//! Read `sequence` (what a stream of records means), `signature` (what of it is to be believed), and then this
//! file, which asks and listens.

mod notice;
mod sequence;
mod signature;
#[cfg(test)]
mod tests;

pub use notice::notice;
pub use signature::TransferKey;

use super::syntax::{self, ImportReport, ParseError, ParseOptions};
use crate::model::{DomainName, RecordData, Rule, Timestamp};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::SOA},
    serialize::binary::{BinDecodable, BinDecoder},
};
use sequence::{Progress, Sequence};
use serde::{Deserialize, Serialize};
use signature::Session;
use std::{collections::HashSet, io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Octets of a message over TCP (RFC 1035, section 4.2.2).
const MESSAGE_OCTETS_MAX: usize = 65_535;

/// Where a zone is had from.
#[derive(Clone, Debug)]
pub struct Primary {
    /// The server; the caller has checked that it may be asked.
    pub server: SocketAddr,
    /// The zone.
    pub zone: DomainName,
    /// The key both sides know; without one, nothing is signed.
    pub key: Option<TransferKey>,
}

/// What a transfer may take at most.
#[derive(Clone, Copy, Debug)]
pub struct TransferLimits {
    /// Octets of all messages.
    pub octets_max: u64,
    /// Records, those of an incremental transfer's both directions included.
    pub records_max: usize,
    /// For everything, connecting included; a second try for the whole zone has the same time again.
    pub time: Duration,
}

impl Default for TransferLimits {
    fn default() -> Self {
        TransferLimits { octets_max: 1 << 30, records_max: 10_000_000, time: Duration::from_secs(600) }
    }
}

/// A zone as it was at one serial number: what an incremental transfer builds upon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneCopy {
    /// Serial number of its SOA record.
    pub serial: u32,
    /// All its records but the SOA record, without TTLs.
    pub records: HashSet<ZoneRecord>,
}

/// A record of a zone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ZoneRecord {
    /// Its owner, absolute.
    pub owner: DomainName,
    /// Its data.
    pub data: RecordData,
}

impl ZoneCopy {
    /// Gives the rules of the zone, owners in order.
    pub fn rules(
        &self,
        zone: &DomainName,
        options: &ParseOptions,
        sink: &mut dyn FnMut(Rule),
    ) -> Result<ImportReport, ParseError> {
        let mut records: Vec<&ZoneRecord> = self.records.iter().collect();
        records.sort_unstable_by(|a, b| {
            (&a.owner, a.data.rtype, &a.data.rdata).cmp(&(&b.owner, b.data.rtype, &b.data.rdata))
        });
        syntax::zone(zone, self.serial, records.into_iter().map(|record| (&record.owner, &record.data)), options, sink)
    }
}

/// What a transfer brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// The zone is as it was.
    Unchanged,
    /// What changed, applied to the copy there was.
    Changed(ZoneCopy),
    /// The whole zone.
    Whole(ZoneCopy),
}

/// Why there is no new copy.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The server cannot be reached, or hung up.
    #[error("the server cannot be reached or hung up: {0}")]
    Connection(#[source] io::Error),
    /// It took too long.
    #[error("the transfer took longer than {0:?}")]
    Time(Duration),
    /// The server refuses, with this response code.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// The signature is missing or wrong, or the clocks differ.
    #[error("the signature is not to be believed: {0}")]
    Signature(&'static str),
    /// The server does not keep to the protocol.
    #[error("the server's answer makes no sense: {0}")]
    Protocol(&'static str),
    /// A bound was reached.
    #[error("the zone is larger than allowed")]
    TooLarge,
}

impl From<io::Error> for TransferError {
    fn from(error: io::Error) -> Self {
        TransferError::Connection(error)
    }
}

/// Has a zone transferred: what changed since the copy, or all of it. `now` is the time for signatures.
pub async fn transfer(
    primary: &Primary,
    copy: Option<&ZoneCopy>,
    limits: &TransferLimits,
    now: Timestamp,
) -> Result<Transfer, TransferError> {
    if let Some(copy) = copy {
        match timed(limits, ask(primary, Some(copy), limits, now)).await {
            Ok(Some(transfer)) => return Ok(transfer),
            // A wrong key stays wrong, and a server out of reach stays there.
            Err(error @ (TransferError::Connection(_) | TransferError::Signature(_) | TransferError::Time(_))) => {
                return Err(error);
            }
            Ok(None) | Err(_) => {}
        }
    }
    let whole = timed(limits, ask(primary, None, limits, now)).await?;
    whole.ok_or(TransferError::Protocol("there is no zone in it"))
}

async fn timed<T>(
    limits: &TransferLimits,
    work: impl Future<Output = Result<T, TransferError>>,
) -> Result<T, TransferError> {
    tokio::time::timeout(limits.time, work).await.unwrap_or(Err(TransferError::Time(limits.time)))
}

/// Asks once, incrementally if there is a copy; nothing where the whole zone must be asked for.
async fn ask(
    primary: &Primary,
    copy: Option<&ZoneCopy>,
    limits: &TransferLimits,
    now: Timestamp,
) -> Result<Option<Transfer>, TransferError> {
    let zone = wire_name(&primary.zone)?;
    let mut question = question(&zone, copy);
    let id = question.metadata.id;
    let mut session = Session::new(primary.key.as_ref(), now)?;
    let octets = session.sign(&mut question)?;
    let mut stream = TcpStream::connect(primary.server).await?;
    stream.set_nodelay(true)?;
    let length = u16::try_from(octets.len()).map_err(|_| TransferError::Protocol("the question is too long"))?;
    stream.write_all(&[&length.to_be_bytes()[..], &octets].concat()).await?;

    let mut sequence = Sequence::new(copy, limits.records_max);
    let mut left = limits.octets_max;
    let mut buffer = Vec::with_capacity(MESSAGE_OCTETS_MAX);
    loop {
        let length = stream.read_u16().await?;
        left = left.checked_sub(2 + u64::from(length)).ok_or(TransferError::TooLarge)?;
        buffer.resize(usize::from(length), 0);
        stream.read_exact(&mut buffer).await?;
        let message = session.message(&buffer, id)?;
        if message.metadata.response_code != ResponseCode::NoError {
            return Err(TransferError::Refused(message.metadata.response_code.to_string()));
        }
        for record in &message.answers {
            match sequence.record(read(record, &zone)?)? {
                Progress::More => {}
                Progress::Done => break,
            }
        }
        if message.answers.is_empty() {
            return Err(TransferError::Protocol("a message has no records"));
        }
        if let Some(transfer) = sequence.end_of_message()? {
            session.finish()?;
            return Ok(transfer);
        }
    }
}

/// The question, with the serial number there is if only changes are wanted (RFC 1995, section 3).
fn question(zone: &Name, copy: Option<&ZoneCopy>) -> Message {
    let id = Message::query().metadata.id;
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    let rtype = if copy.is_some() { RecordType::IXFR } else { RecordType::AXFR };
    message.add_query(Query::query(zone.clone(), rtype));
    if let Some(copy) = copy {
        let soa = SOA::new(Name::root(), Name::root(), copy.serial, 0, 0, 0, 0);
        message.add_authority(Record::from_rdata(zone.clone(), 0, RData::SOA(soa)));
    }
    message
}

/// A record as the sequence takes it.
enum Item {
    Soa(u32),
    Record(ZoneRecord),
}

fn read(record: &Record, zone: &Name) -> Result<Item, TransferError> {
    const FOREIGN: TransferError = TransferError::Protocol("a record is not of the zone");
    if let RData::SOA(soa) = &record.data {
        return if record.name == *zone { Ok(Item::Soa(soa.serial)) } else { Err(FOREIGN) };
    }
    if !zone.zone_of(&record.name) {
        return Err(FOREIGN);
    }
    let unreadable = || TransferError::Protocol("a record cannot be read");
    let owner = own_name(&record.name).ok_or_else(unreadable)?;
    let rdata = syntax::rdata_wire(&record.data).ok_or_else(unreadable)?;
    let mut data = RecordData { rtype: u16::from(record.record_type()), rdata: rdata.into() };
    if data.rtype == u16::from(RecordType::CNAME) {
        // Targets are compared in lower case.
        data.rdata.make_ascii_lowercase();
    }
    Ok(Item::Record(ZoneRecord { owner, data }))
}

fn wire_name(name: &DomainName) -> Result<Name, TransferError> {
    let mut decoder = BinDecoder::new(name.as_wire());
    Name::read(&mut decoder).map_err(|_| TransferError::Protocol("the zone has no name"))
}

fn own_name(name: &Name) -> Option<DomainName> {
    let mut wire = Vec::with_capacity(name.len() + 1);
    for label in name.iter() {
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    DomainName::from_wire(&wire).ok()
}
