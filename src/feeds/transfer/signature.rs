//! Signatures of a transfer (RFC 8945, section 5.3.1): the question is signed, so is the first answer and the
//! last one, and of those between no more than 99 in a row are not; each signature covers all messages since
//! the one before.
//!
//! Keys and their arithmetic are hickory-proto's; which octets a signature covers is found out here, because
//! messages between two signatures belong to them.

use super::TransferError;
use crate::model::{DomainName, Timestamp};
use hickory_proto::{
    op::{Message, MessageType},
    rr::{
        Name, TSigner,
        rdata::tsig::{TSIG, TsigAlgorithm, TsigError},
    },
    serialize::binary::BinEncoder,
};
use std::fmt;

/// Seconds by which clocks may differ (RFC 8945, section 10).
const FUDGE_S: u16 = 300;
/// Messages in a row without a signature (RFC 8945, section 5.3.1).
const UNSIGNED_MAX: usize = 99;
const HEADER_OCTETS: usize = 12;
const TSIG_TYPE: u16 = 250;

/// A key that both sides know.
#[derive(Clone)]
pub struct TransferKey(TSigner);

impl TransferKey {
    /// A key by its name, its algorithm (`hmac-sha256`, `hmac-sha384`, `hmac-sha512`) and its secret.
    pub fn new(algorithm: &str, name: &DomainName, secret: Vec<u8>) -> Result<Self, TransferError> {
        let algorithm = match algorithm.trim_end_matches('.').to_ascii_lowercase().as_str() {
            "hmac-sha256" => TsigAlgorithm::HmacSha256,
            "hmac-sha384" => TsigAlgorithm::HmacSha384,
            "hmac-sha512" => TsigAlgorithm::HmacSha512,
            _ => return Err(TransferError::Signature("hmac-sha256, hmac-sha384 and hmac-sha512 are understood")),
        };
        if secret.is_empty() {
            return Err(TransferError::Signature("the secret is empty"));
        }
        let name = super::wire_name(name)?;
        let signer = TSigner::new(secret, algorithm, name, FUDGE_S);
        signer.map(TransferKey).map_err(|_| TransferError::Signature("the key cannot be used"))
    }
}

impl fmt::Debug for TransferKey {
    /// Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransferKey({} {})", self.0.algorithm(), self.0.signer_name())
    }
}

/// The signatures of one question and its answers.
pub(super) struct Session {
    key: Option<TSigner>,
    now: u64,
    /// The last signature.
    mac: Vec<u8>,
    /// Messages since then.
    unsigned: Vec<u8>,
    unsigned_count: usize,
    first: bool,
}

impl Session {
    pub(super) fn new(key: Option<&TransferKey>, now: Timestamp) -> Result<Self, TransferError> {
        let now = u64::try_from(now.0).map_err(|_| TransferError::Signature("the clock is wrong"))?;
        let key = key.map(|key| key.0.clone());
        Ok(Session { key, now, mac: Vec::new(), unsigned: Vec::new(), unsigned_count: 0, first: true })
    }

    /// The octets of the question, signed if there is a key.
    pub(super) fn sign(&mut self, question: &mut Message) -> Result<Vec<u8>, TransferError> {
        const FAILED: TransferError = TransferError::Signature("the question cannot be signed");
        if let Some(key) = &self.key {
            let (record, _) = key.sign_message(question, self.now).map_err(|_| FAILED)?;
            self.mac.clone_from(&record.data.mac);
            question.set_signature(record);
        }
        question.to_vec().map_err(|_| FAILED)
    }

    /// Reads an answer and checks its signature; one that need not have any is checked with the next.
    pub(super) fn message(&mut self, octets: &[u8], id: u16) -> Result<Message, TransferError> {
        let message = Message::from_vec(octets).map_err(|_| TransferError::Protocol("a message cannot be read"))?;
        if message.metadata.message_type != MessageType::Response || message.metadata.id != id {
            return Err(TransferError::Protocol("a message is no answer to the question"));
        }
        if message.metadata.truncation {
            return Err(TransferError::Protocol("a message is cut off"));
        }
        let Some(key) = self.key.clone() else { return Ok(message) };
        match &message.signature {
            Some(record) => {
                self.check(&key, octets, &record.name, &record.data)?;
                self.unsigned.clear();
                self.unsigned_count = 0;
                self.first = false;
                self.mac.clone_from(&record.data.mac);
            }
            None if self.first => return Err(TransferError::Signature("the first answer is not signed")),
            None if self.unsigned_count >= UNSIGNED_MAX => {
                return Err(TransferError::Signature("too many messages in a row are not signed"));
            }
            None => {
                self.unsigned.extend_from_slice(octets);
                self.unsigned_count += 1;
            }
        }
        Ok(message)
    }

    /// Fails where the last answer was not signed.
    pub(super) fn finish(&self) -> Result<(), TransferError> {
        match self.unsigned_count {
            0 => Ok(()),
            _ => Err(TransferError::Signature("the last answer is not signed")),
        }
    }

    fn check(&self, key: &TSigner, octets: &[u8], name: &Name, tsig: &TSIG) -> Result<(), TransferError> {
        let refuse = |reason| Err(TransferError::Signature(reason));
        match tsig.error {
            None => {}
            Some(TsigError::BadKey) => return refuse("the server does not know the key"),
            Some(TsigError::BadSig) => return refuse("the server finds the signature wrong: is the secret the same?"),
            Some(TsigError::BadTime) => return refuse("the clocks differ too much"),
            Some(_) => return refuse("the server tells of an error"),
        }
        if name != key.signer_name() || tsig.algorithm != *key.algorithm() {
            return refuse("it is of another key");
        }
        let mut covered = Vec::with_capacity(octets.len() + self.unsigned.len() + 256);
        covered.extend_from_slice(&(self.mac.len() as u16).to_be_bytes());
        covered.extend_from_slice(&self.mac);
        covered.extend_from_slice(&self.unsigned);
        without_signature(octets, tsig.oid, &mut covered).ok_or(TransferError::Protocol("a message cannot be read"))?;
        if self.first {
            let mut variables = Vec::new();
            let mut encoder = BinEncoder::new(&mut variables);
            let emitted = tsig.emit_tsig_for_mac(&mut encoder, name);
            emitted.map_err(|_| TransferError::Protocol("a signature cannot be read"))?;
            covered.extend_from_slice(&variables);
        } else {
            covered.extend_from_slice(&tsig.time.to_be_bytes()[2..]);
            covered.extend_from_slice(&tsig.fudge.to_be_bytes());
        }
        if key.verify(&covered, &tsig.mac).is_err() {
            return refuse("it is wrong");
        }
        match self.now.abs_diff(tsig.time) > u64::from(tsig.fudge.min(FUDGE_S)) {
            true => refuse("the clocks differ too much"),
            false => Ok(()),
        }
    }
}

/// Appends a message as it was before it was signed: with its first id, and without its last record.
fn without_signature(octets: &[u8], id: u16, out: &mut Vec<u8>) -> Option<()> {
    let count = |at: usize| Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]));
    let questions = count(4)?;
    let additionals = count(10)?.checked_sub(1)?;
    let records = u32::from(count(6)?) + u32::from(count(8)?) + u32::from(additionals);
    let mut at = HEADER_OCTETS;
    for _ in 0..questions {
        at = after_name(octets, at)? + 4;
    }
    for _ in 0..records {
        let data = after_name(octets, at)? + 10;
        at = data + usize::from(count(data - 2)?);
    }
    // The last record is the signature itself.
    if count(after_name(octets, at)?)? != TSIG_TYPE {
        return None;
    }
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(octets.get(2..10)?);
    out.extend_from_slice(&additionals.to_be_bytes());
    out.extend_from_slice(octets.get(HEADER_OCTETS..at)?);
    Some(())
}

/// Where a name ends (RFC 1035, section 4.1.4).
fn after_name(octets: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *octets.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length if length & 0xc0 == 0 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
}
