//! What the records of a transfer mean, one after the other.
//!
//! A whole zone stands between two SOA records (RFC 5936, section 2.2). What changed stands behind the new SOA
//! record as differences: the SOA record of a version, what was taken out of it, the SOA record of the next
//! version, what was put in; the new SOA record ends it (RFC 1995, section 4). A single SOA record says that
//! nothing changed.

use super::{Item, Transfer, TransferError, ZoneCopy, ZoneRecord};
use std::collections::HashSet;

/// Whether more records are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    Done,
}

enum State {
    /// Nothing came yet.
    Start,
    /// The new SOA record came.
    New,
    /// A whole zone.
    Whole(HashSet<ZoneRecord>),
    /// Differences: records go out.
    Out(HashSet<ZoneRecord>),
    /// Differences: records come in, towards this version.
    In(HashSet<ZoneRecord>, u32),
    /// All came.
    Done(Option<Transfer>),
}

/// A transfer that is under way.
pub(super) struct Sequence<'a> {
    copy: Option<&'a ZoneCopy>,
    new: u32,
    left: usize,
    state: State,
}

/// Whether a serial number is newer than another (RFC 1982, section 3.2).
fn is_newer(serial: u32, than: u32) -> bool {
    serial != than && serial.wrapping_sub(than) < 1 << 31
}

impl<'a> Sequence<'a> {
    /// A transfer of at most so many records; with a copy, differences are understood.
    pub(super) fn new(copy: Option<&'a ZoneCopy>, records_max: usize) -> Self {
        Sequence { copy, new: 0, left: records_max, state: State::Start }
    }

    /// Takes the next record.
    pub(super) fn record(&mut self, item: Item) -> Result<Progress, TransferError> {
        self.left = self.left.checked_sub(1).ok_or(TransferError::TooLarge)?;
        let state = std::mem::replace(&mut self.state, State::Start);
        self.state = match (state, item) {
            (State::Start, Item::Soa(serial)) => {
                self.new = serial;
                State::New
            }
            (State::Start, Item::Record(_)) => {
                return Err(TransferError::Protocol("the zone does not begin with its SOA record"));
            }
            (State::New, Item::Soa(serial)) => match self.copy {
                Some(copy) if copy.serial == serial && is_newer(self.new, serial) => State::Out(copy.records.clone()),
                Some(_) if serial != self.new => {
                    return Err(TransferError::Protocol("the differences are not from the version there is"));
                }
                _ if serial == self.new => self.whole(HashSet::new()),
                _ => return Err(TransferError::Protocol("the zone has two SOA records")),
            },
            (State::New, Item::Record(record)) => State::Whole(HashSet::from([record])),
            (State::Whole(mut records), Item::Record(record)) => {
                records.insert(record);
                State::Whole(records)
            }
            (State::Whole(records), Item::Soa(serial)) if serial == self.new => self.whole(records),
            (State::Whole(_), Item::Soa(_)) => {
                return Err(TransferError::Protocol("the zone changed while it was sent"));
            }
            (State::Out(mut records), Item::Record(record)) => {
                if !records.remove(&record) {
                    return Err(TransferError::Protocol("a record was to go that was not there"));
                }
                State::Out(records)
            }
            (State::Out(records), Item::Soa(serial)) => State::In(records, serial),
            (State::In(mut records, to), Item::Record(record)) => {
                records.insert(record);
                State::In(records, to)
            }
            (State::In(records, to), Item::Soa(serial)) if serial == to => match to == self.new {
                true => State::Done(Some(Transfer::Changed(ZoneCopy { serial: to, records }))),
                false => State::Out(records),
            },
            (State::In(..), Item::Soa(_)) => {
                return Err(TransferError::Protocol("the differences do not follow each other"));
            }
            (State::Done(_), _) => return Err(TransferError::Protocol("there is more behind the end of the zone")),
        };
        Ok(if matches!(self.state, State::Done(_)) { Progress::Done } else { Progress::More })
    }

    fn whole(&self, records: HashSet<ZoneRecord>) -> State {
        State::Done(Some(Transfer::Whole(ZoneCopy { serial: self.new, records })))
    }

    /// What came of it, if all came: `Some(None)` where the whole zone must be asked for, because a single SOA
    /// record says no more than that there is another version.
    pub(super) fn end_of_message(&mut self) -> Result<Option<Option<Transfer>>, TransferError> {
        match (&mut self.state, self.copy) {
            (State::Done(transfer), _) => Ok(Some(transfer.take())),
            (State::New, Some(copy)) if copy.serial == self.new => Ok(Some(Some(Transfer::Unchanged))),
            // RFC 1995, section 2: the server has no differences to give, or they do not fit.
            (State::New, Some(_)) => Ok(Some(None)),
            _ => Ok(None),
        }
    }
}
