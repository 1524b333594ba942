//! How a form or JSON carries a picture.

use super::{Checked, PictureError, check};
use crate::api::input::Upload;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::borrow::Cow;

/// A logo to set: a file of a multipart body, or in JSON a `data:` URL, the text of an SVG, or the address
/// a logo was shown with. Needs `#[serde(default)]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogoField {
    /// Not given, or the empty file of a form in which nobody chose one.
    #[default]
    Absent,
    /// Null, also as the text `null`: no logo.
    Null,
    /// A picture, checked.
    Picture(Checked),
    /// An address.
    Address(String),
}

impl LogoField {
    fn of(octets: Vec<u8>) -> Result<LogoField, PictureError> {
        match std::str::from_utf8(&octets).map(str::trim) {
            Ok("") => Ok(LogoField::Absent),
            Ok("null") => Ok(LogoField::Null),
            Ok(text) if text.starts_with("data:") => {
                let encoded = text.split_once(";base64,").map(|(_, encoded)| encoded);
                let decoded = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
                check(&decoded.ok_or(PictureError::Kind)?).map(LogoField::Picture)
            }
            Ok(text) if ["https://", "http://", "/"].iter().any(|start| text.starts_with(start)) => {
                Ok(LogoField::Address(text.to_owned()))
            }
            _ => check(&octets).map(LogoField::Picture),
        }
    }
}

impl<'de> Deserialize<'de> for LogoField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A value first: an absent logo is null here where JSON says so.
        let value = Value::deserialize(deserializer)?;
        if value.is_null() {
            return Ok(LogoField::Null);
        }
        let Upload(octets) = Upload::deserialize(value).map_err(|_| de::Error::custom("must be a picture"))?;
        LogoField::of(octets).map_err(de::Error::custom)
    }
}

impl JsonSchema for LogoField {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "LogoField".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "null"], "contentMediaType": "application/octet-stream" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// One pixel.
    const GIF: &[u8] =
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\
                         \x02\x02\x44\x01\x00\x3b";

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut octets = b"\x89PNG\r\n\x1a\n".to_vec();
        let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
        for (kind, data) in [(b"IHDR", header.as_slice()), (b"IDAT", &[0; 4]), (b"IEND", &[])] {
            octets.extend((data.len() as u32).to_be_bytes());
            octets.extend(kind);
            octets.extend(data);
            octets.extend([0; 4]);
        }
        octets
    }

    fn jpeg() -> Vec<u8> {
        let mut octets = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0];
        octets.extend([0xff, 0xc0, 0, 11, 8, 0, 2, 0, 3, 1, 1, 0x11, 0, 0xff, 0xda, 0xff, 0xd9]);
        octets
    }

    fn bmp(width: i32, height: i32) -> Vec<u8> {
        let mut octets = vec![0; 58];
        octets[..2].copy_from_slice(b"BM");
        octets[2..6].copy_from_slice(&58u32.to_le_bytes());
        octets[10..14].copy_from_slice(&54u32.to_le_bytes());
        octets[14..18].copy_from_slice(&40u32.to_le_bytes());
        octets[18..22].copy_from_slice(&width.to_le_bytes());
        octets[22..26].copy_from_slice(&height.to_le_bytes());
        octets
    }

    fn kind(octets: &[u8]) -> Result<&'static str, PictureError> {
        check(octets).map(|checked| checked.media_type)
    }

    #[test]
    fn pictures_are_known_by_their_octets() {
        assert_eq!(kind(GIF), Ok("image/gif"));
        assert_eq!(kind(&png(1, 4096)), Ok("image/png"));
        assert_eq!(kind(&jpeg()), Ok("image/jpeg"));
        assert_eq!(kind(&bmp(3, -2)), Ok("image/bmp"));
        assert_eq!(kind(&png(0, 1)), Err(PictureError::Dimensions));
        assert_eq!(kind(&png(4097, 1)), Err(PictureError::Dimensions));
        assert_eq!(kind(&bmp(-3, 2)), Err(PictureError::Damaged("BMP")));
        assert_eq!(kind(b"RIFF....WEBP"), Err(PictureError::Kind));
        assert_eq!(kind(b"\xff\xfe"), Err(PictureError::Kind));
        assert_eq!(kind(&vec![b' '; 256 * 1024 + 1]), Err(PictureError::Octets));
        for whole in [GIF.to_vec(), png(2, 2), jpeg()] {
            for length in 8..whole.len() {
                assert!(kind(&whole[..length]).is_err(), "cut off at {length}");
            }
            let mut longer = whole.clone();
            longer.extend(b"<script>");
            assert!(kind(&longer).is_err(), "something stands behind it");
        }
    }

    fn svg(inside: &str) -> String {
        let head = r#"xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 4 4""#;
        let checked = check(format!("<svg {head}>{inside}</svg>").as_bytes()).expect("a picture");
        assert_eq!(checked.media_type, "image/svg+xml");
        let text = String::from_utf8(checked.octets).expect("text");
        let start = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4">"#;
        text.strip_prefix(start).and_then(|rest| rest.strip_suffix("</svg>")).expect("an svg").to_owned()
    }

    #[test]
    fn an_svg_is_written_anew_without_what_could_harm() {
        for (inside, left) in [
            ("<script>alert(1)</script><g id=\"a\"/>", "<g id=\"a\"></g>"),
            ("<g onload=\"alert(1)\" fill=\"red\"/>", "<g fill=\"red\"></g>"),
            ("<a href=\"https://x.example\"><g/></a>", ""),
            ("<foreignObject><p>x</p></foreignObject>", ""),
            ("<use xlink:href=\"#a\"/><use href=\"https://x.example/#a\"/>", "<use href=\"#a\"></use><use></use>"),
            ("<g fill=\"url(#a)\" stroke=\"url(https://x.example)\"/>", "<g fill=\"url(#a)\"></g>"),
            ("<g style=\"fill:url( 'https://x.example')\"/>", "<g></g>"),
            ("<style>@import 'https://x.example';</style><style>.a{fill:red}</style>", "<style>.a{fill:red}</style>"),
            ("<style>.a{background:u\\72l(https://x.example)}</style>", ""),
            ("<image href=\"https://x.example/a.png\"/>", ""),
            ("<image href=\"data:image/svg+xml;base64,PHN2Zy8+\"/>", ""),
            ("<set attributeName=\"href\" to=\"javascript:alert(1)\"/>", ""),
            ("<text>a &lt;b&gt; &amp; c</text>", "<text>a &lt;b&gt; &amp; c</text>"),
            ("<x:script xmlns:x=\"http://www.w3.org/2000/svg\">alert(1)</x:script>", ""),
            ("<!-- comment --><?php x?>", ""),
        ] {
            assert_eq!(svg(inside), left, "{inside}");
        }
        let data = format!("<image href=\"data:image/gif;base64,{}\"/>", STANDARD.encode(GIF));
        assert!(svg(&data).starts_with("<image href=\"data:image/gif"));
    }

    #[test]
    fn an_svg_that_is_a_bomb_or_none_is_refused() {
        let namespace = "xmlns=\"http://www.w3.org/2000/svg\"";
        let deep = format!("<svg {namespace} viewBox=\"0 0 1 1\">{}{}</svg>", "<g>".repeat(9000), "</g>".repeat(9000));
        let entities = format!(
            "<!DOCTYPE svg [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><svg {namespace} viewBox=\"0 0 1 1\">&b;</svg>"
        );
        for text in [
            deep.as_str(),
            &entities,
            "<svg viewBox=\"0 0 1 1\"/>",
            &format!("<svg {namespace}/>"),
            &format!("<svg {namespace} viewBox=\"0 0 -1 1\"/>"),
            "<html/>",
            "<svg",
            "hello",
        ] {
            assert!(check(text.as_bytes()).is_err(), "{}", text.chars().take(60).collect::<String>());
        }
        let doctype = format!(
            "<?xml version=\"1.0\"?><!DOCTYPE svg PUBLIC \"a\" \"b\"><svg {namespace} width=\"4px\" height=\"4\"/>"
        );
        assert!(check(doctype.as_bytes()).is_ok());
    }

    #[test]
    fn a_field_is_a_file_a_data_url_an_address_or_nothing() {
        let read = |value: Value| LogoField::deserialize(value);
        let picture = LogoField::Picture(Checked { media_type: "image/gif", octets: GIF.to_vec() });
        let encoded = STANDARD.encode(GIF);
        assert_eq!(read(json!({ "base64": encoded })).expect("reads"), picture);
        assert_eq!(read(json!(format!("data:image/gif;base64,{encoded}"))).expect("reads"), picture);
        assert_eq!(read(json!("")).expect("reads"), LogoField::Absent);
        assert_eq!(read(json!(null)).expect("reads"), LogoField::Null);
        assert!(matches!(read(json!("https://host/restapi/storage/logo/x")), Ok(LogoField::Address(_))));
        assert!(read(json!("data:image/gif;base64,!")).is_err());
        assert!(read(json!(5)).is_err());
    }
}
