//! Logos: kept as files, shown to whoever has their address.
//!
//! The address names the row a logo belongs to and the digest of its octets. It is public, because
//! blocked people and sign-in pages have no credentials, and works for as long as that row has that
//! logo.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::Text,
        operation::operations,
        picture::{Checked, LogoField, MEDIA_TYPES},
        reply::{Download, Media},
        scope::Shown,
    },
    model::*,
};
use schemars::JsonSchema;
use serde::Deserialize;

operations! {
    interface {
        /// Gives a logo.
        /// Its address is what `logo` of a block page or of the branding says.
        GET "/storage/logo/{token}" for [Anyone] => get_logo = get;
    }
}

/// What a logo is shown on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    BlockPage,
    Interface,
}

/// The media types of logos.
struct Logo;

impl Media for Logo {
    const TYPES: &'static [&'static str] = &MEDIA_TYPES;
}

/// The path of an account's logo.
fn path(place: Place, owner: Account, picture: &Picture) -> String {
    let place = match place {
        Place::BlockPage => 'b',
        Place::Interface => 'i',
    };
    let owner = match owner {
        Account::System => "s".to_owned(),
        Account::Msp(id) => format!("m{id}"),
        Account::Customer(id) => format!("c{id}"),
    };
    format!("/storage/logo/{place}{owner}-{}", picture.file)
}

/// Its address.
pub(super) fn address<S>(call: &Call<S>, place: Place, owner: Account, picture: &Picture) -> String {
    call.url(&path(place, owner, picture))
}

/// The logo that a field asks for, kept as a file: `Some(None)` for none, `None` for the one there is.
/// `shown` is the one whose address the field may repeat.
pub(super) async fn keep<S>(
    call: &Call<S>,
    field: LogoField,
    shown: Option<&Picture>,
) -> Result<Option<Option<Picture>>, ApiError> {
    match field {
        LogoField::Absent => Ok(None),
        LogoField::Null => Ok(Some(None)),
        LogoField::Address(address) => {
            let digest = address.rsplit_once('-').and_then(|(_, digest)| digest.parse::<FileDigest>().ok());
            match (digest, shown) {
                (Some(digest), Some(shown)) if shown.file == digest => Ok(None),
                _ => Err(ApiError::field("logo", "must be a picture, or the address of the one there is")),
            }
        }
        LogoField::Picture(Checked { media_type, octets }) => {
            let store = call.store().clone();
            let kept = tokio::task::spawn_blocking(move || store.put_file(&octets)).await;
            let file = kept.map_err(ApiError::internal)??;
            Ok(Some(Some(Picture { file, media_type: media_type.to_owned() })))
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Token {
    /// Which logo.
    token: Text<100>,
}

async fn get(call: Call<Shown>, Token { token }: Token) -> Result<Download<Logo>, ApiError> {
    let missing = || ApiError::not_found("logo");
    let picture = named(&call, &token.0).ok_or_else(missing)?;
    let media_type = MEDIA_TYPES.into_iter().find(|known| *known == picture.media_type).ok_or_else(missing)?;
    let store = call.store().clone();
    let read = tokio::task::spawn_blocking(move || store.file(picture.file)).await.map_err(ApiError::internal)?;
    let octets = read.map_err(ApiError::internal)?.ok_or_else(missing)?;
    Ok(Download::new(octets, media_type, None))
}

/// The picture of the row that a token names, if it is still that one.
fn named(call: &Call<Shown>, token: &str) -> Option<Picture> {
    let (place, digest) = token.split_once('-')?;
    let digest: FileDigest = digest.parse().ok()?;
    let mut chars = place.chars();
    let place = chars.next()?;
    let owner = match (chars.next()?, chars.as_str()) {
        ('s', "") => Account::System,
        ('m', id) => Account::Msp(id.parse().ok()?),
        ('c', id) => Account::Customer(id.parse().ok()?),
        _ => return None,
    };
    let logo = match place {
        'b' => call.store().get::<BlockPage>(owner, 1)?.value.logo,
        'i' => call.store().get::<Branding>(owner, 1)?.value.logo,
        _ => return None,
    };
    logo.filter(|picture| picture.file == digest)
}
