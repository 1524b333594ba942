//! Texts with a form.

use super::raw::{Raw, field_type};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::{borrow::Cow, fmt};

/// Text of at most `MAX` characters, which may be empty. Control characters other than tabs and
/// line ends are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<const MAX: usize>(pub String);

field_type!([const MAX: usize] Text<MAX>, "Text", { "type": "string", "maxLength": MAX }, |raw| {
    let text = raw.text::<D::Error>()?;
    if text.chars().count() > MAX {
        Err(format!("must have at most {MAX} characters").into())
    } else if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        Err("must not contain control characters".into())
    } else {
        Ok(Text(text))
    }
});

/// A display name: 1 to `MAX` characters, blanks at its ends cut off, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label<const MAX: usize>(pub String);

field_type!([const MAX: usize] Label<MAX>, "Label", { "type": "string", "minLength": 1, "maxLength": MAX }, |raw| {
    let text = raw.text::<D::Error>()?.trim().to_owned();
    if text.is_empty() {
        Err("must not be empty".into())
    } else if text.chars().count() > MAX {
        Err(format!("must have at most {MAX} characters").into())
    } else if text.chars().any(char::is_control) {
        Err("must not contain control characters".into())
    } else {
        Ok(Label(text))
    }
});

/// Text of `MIN` to `MAX` characters, blanks at its ends cut off, no control characters but line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words<const MIN: usize, const MAX: usize>(pub String);

field_type!([const MIN: usize, const MAX: usize] Words<MIN, MAX>, "Words", {
    "type": "string", "minLength": MIN, "maxLength": MAX
}, |raw| {
    let text = raw.text::<D::Error>()?.trim().to_owned();
    if !(MIN..=MAX).contains(&text.chars().count()) {
        let count = if MIN == MAX { format!("exactly {MIN}") } else { format!("{MIN} to {MAX}") };
        Err(format!("must have {count} characters").into())
    } else if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        Err("must not contain control characters".into())
    } else {
        Ok(Words(text))
    }
});

/// A web address (`http` or `https`) of at most 2,000 characters, or empty for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(pub String);

field_type!([] Link, "Link", { "type": "string", "maxLength": 2000, "examples": ["https://support.example.com"] }, |raw| {
    let text = match raw {
        Raw::Null => String::new(),
        raw => raw.text::<D::Error>()?.trim().to_owned(),
    };
    let url = text.parse::<reqwest::Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let good = text.is_empty() || text.len() <= 2000 && url.is_some_and(|url| url.host_str().is_some());
    if good { Ok(Link(text)) } else { Err("must be an http or https address, or empty for none".into()) }
});

/// An e-mail address, as far as its look goes: something, `@`, something, at most 254 octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(pub String);

field_type!([] Email, "Email", { "type": "string", "format": "email", "maxLength": 254 }, |raw| {
    let text = raw.text::<D::Error>()?.trim().to_owned();
    if is_email(&text) { Ok(Email(text)) } else { Err("must be an e-mail address".into()) }
});

/// An e-mail address, or empty for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionalEmail(pub String);

field_type!([] OptionalEmail, "OptionalEmail", { "type": "string", "maxLength": 254 }, |raw| {
    let text = match raw {
        Raw::Null => String::new(),
        raw => raw.text::<D::Error>()?.trim().to_owned(),
    };
    let good = text.is_empty() || is_email(&text);
    if good { Ok(OptionalEmail(text)) } else { Err("must be an e-mail address, or empty for none".into()) }
});

/// Addresses a report goes to.
const EMAILS_MAX: usize = 100;
/// Octets of all of them.
const EMAILS_OCTETS_MAX: usize = 8000;

/// E-mail addresses between commas or semicolons, at least one and at most 100, each kept once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emails(pub Vec<String>);

field_type!([] Emails, "Emails", {
    "type": "string", "minLength": 3, "maxLength": EMAILS_OCTETS_MAX, "examples": ["a@example.com, b@example.com"]
}, |raw| {
    let text = raw.text::<D::Error>()?;
    let mut emails: Vec<String> = Vec::new();
    for email in text.split([',', ';']).map(str::trim).filter(|email| !email.is_empty()) {
        if !emails.iter().any(|known| known == email) {
            emails.push(email.to_owned());
        }
    }
    if emails.is_empty() || !emails.iter().all(|email| is_email(email)) {
        Err("must be e-mail addresses between commas".into())
    } else if emails.len() > EMAILS_MAX || text.len() > EMAILS_OCTETS_MAX {
        Err(format!("must be at most {EMAILS_MAX} addresses of {EMAILS_OCTETS_MAX} octets together").into())
    } else {
        Ok(Emails(emails))
    }
});

fn is_email(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    text.len() <= 254
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty())
}

/// A password of 6 characters to 1,024 octets. Never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

field_type!([] Password, "Password", {
    "type": "string", "format": "password", "minLength": 6, "maxLength": 1024
}, |raw| {
    let text = raw.text::<D::Error>()?;
    if text.chars().count() < 6 {
        Err("must have at least 6 characters".into())
    } else if text.len() > 1024 {
        Err("must have at most 1024 octets".into())
    } else {
        Ok(Password(text))
    }
});

/// A password somebody chooses anew: 8 characters to 1,024 octets.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPassword(pub String);

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(..)")
    }
}

field_type!([] NewPassword, "NewPassword", {
    "type": "string", "format": "password", "minLength": 8, "maxLength": 1024
}, |raw| {
    let text = raw.text::<D::Error>()?;
    if text.chars().count() < 8 {
        Err("must have at least 8 characters".into())
    } else if text.len() > 1024 {
        Err("must have at most 1024 octets".into())
    } else {
        Ok(NewPassword(text))
    }
});

/// A UUID in its usual form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UuidText(pub uuid::Uuid);

field_type!([] UuidText, "UuidText", { "type": "string", "format": "uuid" }, |raw| {
    raw.text::<D::Error>()?.trim().parse().map(UuidText).map_err(|_| "must be a UUID".into())
});

/// An IANA time zone; empty, and the words `System Time Zone` that old clients send, are the
/// system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(pub String);

field_type!([] TimeZone, "TimeZone", { "type": "string", "examples": ["Europe/London"] }, |raw| {
    let text = raw.text::<D::Error>()?.trim().to_owned();
    if text.eq_ignore_ascii_case("System Time Zone") {
        return Ok(TimeZone(String::new()));
    }
    let known = text.is_empty() || text.len() <= 64 && jiff::tz::TimeZone::get(&text).is_ok();
    if known { Ok(TimeZone(text)) } else { Err("must be an IANA time zone such as Europe/London".into()) }
});

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub jiff::civil::Date);

field_type!([] Date, "Date", { "type": "string", "format": "date" }, |raw| {
    let text = raw.text::<D::Error>()?;
    jiff::civil::Date::strptime("%Y-%m-%d", text.trim()).map(Date).map_err(|_| "must be a day as YYYY-MM-DD".into())
});

/// A minute of the day, as `HH-MM` or `HH:MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(pub jiff::civil::Time);

field_type!([] TimeOfDay, "TimeOfDay", { "type": "string", "pattern": "^[0-9]{2}[-:][0-9]{2}$" }, |raw| {
    let text = raw.text::<D::Error>()?.trim().replace('-', ":");
    let time = Some(text).filter(|text| text.len() == 5).and_then(|text| jiff::civil::Time::strptime("%H:%M", text).ok());
    time.map(TimeOfDay).ok_or_else(|| "must be a time of day as HH-MM".into())
});

/// Makes an enum that is read from words, in any case.
macro_rules! choices {
    ($($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($(#[$word_doc])* $variant),+ }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = match <String as serde::Deserialize>::deserialize(deserializer) {
                    Ok(text) => text,
                    // That it is absent is told in other words.
                    Err(error) if error.to_string().starts_with("missing field") => return Err(error),
                    Err(_) => String::new(),
                };
                $(if text.trim().eq_ignore_ascii_case($word) { return Ok($name::$variant); })+
                Err(serde::de::Error::custom(concat!("must be one of:" $(, " ", $word)+)))
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($word),+] })
            }
        }
    )+};
}
pub(in crate::api) use choices;
