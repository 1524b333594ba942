//! Uploaded pictures: what they are by their octets, not by what they are called.
//!
//! A picture is shown to people who did not choose it, so raster formats are walked to their end (with
//! nothing behind it), and SVG is parsed and written anew from what is known to be harmless. Read
//! `raster`, `svg`, then `field` (how a form or JSON carries one).

mod field;
mod raster;
mod svg;

pub use field::LogoField;

use crate::model::FILE_OCTETS_MAX;

/// Width and height of the largest picture taken.
const SIDE_MAX: u32 = 4096;
/// The media types of pictures.
pub const MEDIA_TYPES: [&str; 5] = ["image/png", "image/jpeg", "image/gif", "image/bmp", "image/svg+xml"];

/// A picture that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// One of [`MEDIA_TYPES`].
    pub media_type: &'static str,
    /// Its octets: those of a raster picture as they came, an SVG's rewritten.
    pub octets: Vec<u8>,
}

/// Why octets are no picture to be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Nothing that is known.
    #[error("must be a PNG, JPEG, GIF, BMP or SVG picture")]
    Kind,
    /// It begins well and does not go on so.
    #[error("the {0} picture is damaged")]
    Damaged(&'static str),
    /// No picture, or one that a browser would choke on.
    #[error("must be 1 to {SIDE_MAX} pixels wide and high")]
    Dimensions,
    /// Too many octets.
    #[error("must have at most {FILE_OCTETS_MAX} octets")]
    Octets,
    /// SVG that cannot be read.
    #[error("the SVG cannot be read: {0}")]
    Svg(String),
}

/// Checks a picture, and rewrites it if it is SVG.
pub fn check(octets: &[u8]) -> Result<Checked, PictureError> {
    if octets.len() > FILE_OCTETS_MAX {
        return Err(PictureError::Octets);
    }
    if let Some(found) = raster::read(octets) {
        let (media_type, width, height) = found?;
        let sides = 1..=SIDE_MAX;
        return match sides.contains(&width) && sides.contains(&height) {
            true => Ok(Checked { media_type, octets: octets.to_vec() }),
            false => Err(PictureError::Dimensions),
        };
    }
    let text = std::str::from_utf8(octets).map_err(|_| PictureError::Kind)?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if !text.starts_with('<') {
        return Err(PictureError::Kind);
    }
    let written = svg::rewrite(text)?;
    match written.len() <= FILE_OCTETS_MAX {
        true => Ok(Checked { media_type: "image/svg+xml", octets: written.into_bytes() }),
        false => Err(PictureError::Octets),
    }
}
