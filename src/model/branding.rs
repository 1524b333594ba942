//! What people see: the block page, the support contact, logo and titles.

use super::Account;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// A stored file, by the BLAKE3 of its octets. Files are too large for rows and live beside them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileDigest(pub [u8; 32]);

/// Octets of the largest file kept (a logo).
pub const FILE_OCTETS_MAX: usize = 256 * 1024;

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a digest of 64 hexadecimal digits")]
pub struct DigestError;

impl fmt::Display for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for FileDigest {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digits = text.as_bytes();
        let mut octets = [0; 32];
        if digits.len() != 2 * octets.len() {
            return Err(DigestError);
        }
        let digit = |c: u8| char::from(c).to_digit(16).ok_or(DigestError);
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            *octet = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Ok(FileDigest(octets))
    }
}

/// Hexadecimal where the format is for people, octets where it is not.
impl Serialize for FileDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for FileDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(FileDigest)
        }
    }
}

/// A picture as it was uploaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// The file.
    pub file: FileDigest,
    /// Its media type: `image/png`, `image/jpeg`, `image/gif`, `image/bmp` or `image/svg+xml`.
    pub media_type: String,
}

/// What a blocked person reads. At most one an account; without one, that of the account above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockPage {
    /// Whose it is.
    pub owner: Account,
    /// Heading, 4 to 250 characters.
    pub title: String,
    /// What happened, 10 to 250 characters.
    pub access_denied_message: String,
    /// Logo.
    pub logo: Option<Picture>,
    /// Last line.
    pub footer: String,
}

/// Where people turn for help. At most one an account; without one, that of the account above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SupportContact {
    /// Whose it is.
    pub owner: Account,
    /// E-mail address; may be empty.
    pub email: String,
    /// Web address; may be empty.
    pub link: String,
}

/// How the console looks. At most one an account; an absent field is that of the account above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branding {
    /// Whose it is.
    pub owner: Account,
    /// Logo.
    pub logo: Option<Picture>,
    /// Title.
    pub title: Option<String>,
    /// Who runs it, at most 50 characters.
    pub powered_by: Option<String>,
    /// Last line.
    pub footer: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_text_and_octets() {
        let digest = FileDigest(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<FileDigest>(&json).unwrap(), digest);
        assert_eq!(postcard::from_bytes::<FileDigest>(&postcard::to_stdvec(&digest).unwrap()).unwrap(), digest);
        for text in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(text.parse::<FileDigest>(), Err(DigestError), "{text}");
        }
    }
}
