//! From when until when a certificate is valid.

use crate::model::Timestamp;
use jiff::{civil::DateTime, tz::TimeZone};

/// The period a certificate is valid in, both ends included (RFC 5280, section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: Timestamp,
    /// Last second.
    pub not_after: Timestamp,
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0] EXPLICIT`: the certificate's version.
const VERSION: u8 = 0xa0;

impl Validity {
    /// Reads the period out of a certificate in DER. `None` if that is no certificate.
    pub fn of(certificate: &[u8]) -> Option<Validity> {
        let mut outer = Der(certificate);
        let mut certificate = Der(outer.take(SEQUENCE)?);
        let mut to_be_signed = Der(certificate.take(SEQUENCE)?);
        if to_be_signed.0.first() == Some(&VERSION) {
            to_be_signed.take(VERSION)?;
        }
        to_be_signed.take(INTEGER)?; // Serial number.
        to_be_signed.take(SEQUENCE)?; // Signature algorithm.
        to_be_signed.take(SEQUENCE)?; // Issuer.
        let mut validity = Der(to_be_signed.take(SEQUENCE)?);
        Some(Validity { not_before: validity.time()?, not_after: validity.time()? })
    }

    /// Seconds from `now` to the end; negative after it.
    pub fn left_s(&self, now: Timestamp) -> i64 {
        self.not_after.0.saturating_sub(now.0)
    }
}

/// What is left to read of some DER.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The contents of the next element, which must have this tag (ITU-T X.690, section 8.1).
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, first], mut rest) = self.0.split_first_chunk()?;
        if found != tag {
            return None;
        }
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            let count = usize::from(first & 0x7f);
            if !(1..=4).contains(&count) {
                return None;
            }
            let (octets, after) = rest.split_at_checked(count)?;
            length = octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
            rest = after;
        }
        let (contents, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some(contents)
    }

    fn time(&mut self) -> Option<Timestamp> {
        let (text, century_given) = match *self.0.first()? {
            UTC_TIME => (self.take(UTC_TIME)?, false),
            GENERALIZED_TIME => (self.take(GENERALIZED_TIME)?, true),
            _ => return None,
        };
        let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        let (year, rest) = match century_given {
            true => (text.get(..4)?.parse::<i16>().ok()?, text.get(4..)?),
            false => match text.get(..2)?.parse::<i16>().ok()? {
                // RFC 5280, section 4.1.2.5.1.
                year if year >= 50 => (1900 + year, text.get(2..)?),
                year => (2000 + year, text.get(2..)?),
            },
        };
        if rest.len() != 10 {
            return None;
        }
        let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
        let time = DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
        Some(Timestamp(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_is_read_from_either_form_of_time() {
        for (not_before, not_after) in [((2024, 2, 29), (2025, 3, 31)), ((2049, 12, 31), (2050, 1, 1))] {
            let key = rcgen::KeyPair::generate().expect("a key");
            let mut params = rcgen::CertificateParams::new(["test.example".to_owned()]).expect("a name");
            params.not_before = rcgen::date_time_ymd(not_before.0, not_before.1, not_before.2);
            params.not_after = rcgen::date_time_ymd(not_after.0, not_after.1, not_after.2);
            let certificate = params.self_signed(&key).expect("a certificate");
            let expected = Validity {
                not_before: Timestamp(params.not_before.unix_timestamp()),
                not_after: Timestamp(params.not_after.unix_timestamp()),
            };
            assert_eq!(Validity::of(certificate.der()), Some(expected));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_period() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let whole = rcgen::CertificateParams::new(["test.example".to_owned()])
            .and_then(|params| params.self_signed(&key))
            .expect("a certificate");
        for length in 0..whole.der().len() {
            assert_eq!(Validity::of(&whole.der()[..length]), None, "cut off at {length}");
        }
        for octets in [&[0x30, 0x80][..], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x02, 0x01, 0x00]] {
            assert_eq!(Validity::of(octets), None, "{octets:?}");
        }
    }
}
