//! Why a query gets the answer it gets.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Flag, Id, IpText, NameOrUrl, Text},
        operation::operations,
        reply::{Object, Single},
        scope::Own,
    },
    identify::Supposed,
    model::{Account, Device, DeviceId, InternalUser, InternalUserId},
};
use hickory_proto::rr::RecordType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

operations! {
    explain {
        /// Explains what a client's query would get.
        /// Who was identified by what, which policy and why, each step of the order with what matched, the answer.
        /// The function that decides queries decides this one too.
        POST "/explain" for [System, Sales, Msp, Customer] => explain = explain;
    }
}

#[derive(Deserialize, JsonSchema)]
struct Question {
    /// The client's address.
    client: IpText,
    /// The name asked for, or a URL whose host is taken.
    name: NameOrUrl,
    /// The type asked for, by name or number; `A` where absent.
    #[serde(default, rename = "type")]
    qtype: Option<Text<10>>,
    /// Suppose that the client is this device, with whoever uses it.
    #[serde(default)]
    device_id: Option<Id>,
    /// Suppose that the client is this internal user.
    #[serde(default)]
    internal_user_id: Option<Id>,
    /// Whether an allowed name is resolved and its answer looked at; true where absent.
    #[serde(default)]
    resolve: Option<Flag>,
}

/// The explanation; its fields are those of `weir explain --json`.
#[derive(Debug, Serialize, JsonSchema)]
struct ExplanationReply(Map<String, Value>);

impl Object for ExplanationReply {
    fn object(&self) -> &'static str {
        "explanation"
    }
}

fn record_type(text: &str) -> Option<u16> {
    let text = text.trim().to_ascii_uppercase();
    let digits = text.strip_prefix("TYPE").unwrap_or(&text);
    digits.parse().ok().or_else(|| text.parse().ok().map(|known: RecordType| u16::from(known)))
}

async fn explain(call: Call<Own>, input: Question) -> Result<Single<ExplanationReply>, ApiError> {
    let qtype = match &input.qtype {
        None => u16::from(RecordType::A),
        Some(text) => record_type(&text.0).ok_or_else(|| ApiError::field("type", "is no DNS record type"))?,
    };
    let supposed = match (input.device_id, input.internal_user_id) {
        (None, None) => None,
        (Some(id), None) => {
            call.view.find::<Device>(id.0, "device")?;
            Some(Supposed::Device(DeviceId(id.0)))
        }
        (None, Some(id)) => {
            call.view.find::<InternalUser>(id.0, "internal user")?;
            Some(Supposed::User(InternalUserId(id.0)))
        }
        (Some(_), Some(_)) => return Err(ApiError::field("internal_user_id", "cannot stand beside device_id")),
    };
    let resolve = input.resolve.is_none_or(|flag| flag.0);
    let explained = call.filtering().explain(input.client.0, supposed, &input.name.0, qtype, resolve).await;
    if explained.customer.is_some_and(|customer| !call.view.reaches(Account::Customer(customer))) {
        return Err(ApiError::not_found("client"));
    }
    match explained.details {
        Value::Object(details) => Ok(Single::new(ExplanationReply(details))),
        _ => Err(ApiError::internal("an explanation is no JSON object")),
    }
}

#[cfg(test)]
mod tests {
    use super::record_type;

    #[test]
    fn record_types_are_read_by_name_and_by_number() {
        for (text, number) in [
            ("A", Some(1)),
            ("aaaa", Some(28)),
            ("https", Some(65)),
            ("TYPE64", Some(64)),
            ("15", Some(15)),
            ("x", None),
        ] {
            assert_eq!(record_type(text), number, "{text}");
        }
    }
}
