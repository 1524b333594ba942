//! PNG, JPEG, GIF and BMP: kind, width and height, and that they end where they should.

use super::PictureError;

/// Media type, width and height.
type Found = Result<(&'static str, u32, u32), PictureError>;

/// What kind of picture this is; `None` if it begins like none of them.
pub(super) fn read(octets: &[u8]) -> Option<Found> {
    let (media_type, name, sides) = if octets.starts_with(b"\x89PNG\r\n\x1a\n") {
        ("image/png", "PNG", png(octets))
    } else if octets.starts_with(b"\xff\xd8\xff") {
        ("image/jpeg", "JPEG", jpeg(octets))
    } else if octets.starts_with(b"GIF87a") || octets.starts_with(b"GIF89a") {
        ("image/gif", "GIF", gif(octets))
    } else if octets.starts_with(b"BM") {
        ("image/bmp", "BMP", bmp(octets))
    } else {
        return None;
    };
    Some(sides.map(|(width, height)| (media_type, width, height)).ok_or(PictureError::Damaged(name)))
}

fn u16_be(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes).map(u32::from)
}

fn u16_le(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes).map(u32::from)
}

fn u32_be(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn u32_le(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// Chunks from IHDR to IEND, each with length and checksum around it (PNG, section 5.3).
fn png(octets: &[u8]) -> Option<(u32, u32)> {
    let mut at = 8;
    let mut sides = None;
    let mut has_data = false;
    loop {
        let length = usize::try_from(u32_be(octets, at)?).ok()?;
        let kind = octets.get(at + 4..at + 8)?;
        let end = at.checked_add(12)?.checked_add(length)?;
        octets.get(..end)?;
        match kind {
            b"IHDR" if sides.is_none() && length == 13 => {
                sides = Some((u32_be(octets, at + 8)?, u32_be(octets, at + 12)?))
            }
            b"IEND" => return sides.filter(|_| has_data && end == octets.len()),
            _ if sides.is_none() => return None,
            b"IDAT" => has_data = true,
            _ => {}
        }
        at = end;
    }
}

/// Segments up to the frame header, and the end marker (ITU-T T.81, annex B).
fn jpeg(octets: &[u8]) -> Option<(u32, u32)> {
    if !octets.ends_with(b"\xff\xd9") {
        return None;
    }
    let mut at = 2;
    loop {
        if *octets.get(at)? != 0xff {
            return None;
        }
        let marker = *octets.get(at + 1)?;
        match marker {
            0xff => {
                // Fill octets may stand before a marker.
                at += 1;
                continue;
            }
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Some((u16_be(octets, at + 7)?, u16_be(octets, at + 5)?));
            }
            // Data before the frame header, or no marker.
            0x00..=0x01 | 0xd0..=0xda => return None,
            _ => {}
        }
        let length = usize::try_from(u16_be(octets, at + 2)?).ok()?;
        if length < 2 {
            return None;
        }
        at += 2 + length;
    }
}

/// Blocks up to the trailer (GIF89a, sections 18 to 27).
fn gif(octets: &[u8]) -> Option<(u32, u32)> {
    let sides = (u16_le(octets, 6)?, u16_le(octets, 8)?);
    let table = |flags: u8| if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 };
    let mut at = 13 + table(*octets.get(10)?);
    let mut pictures = 0;
    loop {
        match *octets.get(at)? {
            0x21 => at += 2,
            0x2c => {
                pictures += 1;
                at += 10 + table(*octets.get(at + 9)?) + 1;
            }
            0x3b => return (pictures > 0 && at + 1 == octets.len()).then_some(sides),
            _ => return None,
        }
        loop {
            let length = usize::from(*octets.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
}

/// File header and the header of either age.
fn bmp(octets: &[u8]) -> Option<(u32, u32)> {
    let length = usize::try_from(u32_le(octets, 2)?).ok()?;
    let pixels_at = usize::try_from(u32_le(octets, 10)?).ok()?;
    // Some writers leave the length out; none may claim more than there is.
    if length > octets.len() || pixels_at >= octets.len() {
        return None;
    }
    match u32_le(octets, 14)? {
        12 => Some((u16_le(octets, 18)?, u16_le(octets, 20)?)),
        40..=256 => {
            let width = i32::from_le_bytes(octets.get(18..22)?.try_into().ok()?);
            let height = i32::from_le_bytes(octets.get(22..26)?.try_into().ok()?);
            // Rows from top to bottom are told by a negative height.
            Some((u32::try_from(width).ok()?, height.unsigned_abs()))
        }
        _ => None,
    }
}
