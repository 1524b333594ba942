//! The rules of a device exception: for a name, at a place, or both.

use super::device_exceptions;
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Id, IpText, ListedName, Nullable, Number, Page, Text},
        operation::operations,
        reply::{List, Object, Single, time_text},
        scope::{Own, View},
    },
    model::*,
    store::Row,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

operations! {
    device_exception_rules {
        /// Lists the rules of a device exception.
        GET "/deviceexceptions/{exceptionid}/rules" for [System, Sales, Msp, Customer]
            => list_device_exception_rules = list;
        /// Adds a rule.
        POST "/deviceexceptions/{exceptionid}/rules" for [System, Sales, Msp, Customer]
            => create_device_exception_rule = create;
        /// Shows a rule.
        GET "/deviceexceptions/{exceptionid}/rules/{id}" for [System, Sales, Msp, Customer]
            => get_device_exception_rule = get;
        /// Changes a rule; absent fields stay.
        POST or PUT "/deviceexceptions/{exceptionid}/rules/{id}" for [System, Sales, Msp, Customer]
            => update_device_exception_rule = update;
        /// Deletes a rule.
        /// The answer is the rule as it was.
        DELETE "/deviceexceptions/{exceptionid}/rules/{id}" for [System, Sales, Msp, Customer]
            => delete_device_exception_rule = delete;
    }
}

/// Rules an exception may have: an agent holds them all.
const RULES_MAX: usize = 1_000;

/// A rule as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct RuleReply {
    id: u32,
    description: String,
    /// Applies to this name and those below it; null is every name.
    domain: Option<String>,
    /// Applies while the device has this address; null is anywhere.
    ip: Option<String>,
    /// The resolver of a rule of type 2.
    resolver: Option<String>,
    /// `ByPass OTG` or `Use Resolver`.
    rule_type: &'static str,
    /// 1 bypasses the agent, 2 asks the resolver.
    device_exception_rule_type_id: u8,
    created_at: String,
    updated_at: String,
    /// Only in the answer to its deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<bool>,
}

impl Object for RuleReply {
    fn object(&self) -> &'static str {
        "device_exception_rule"
    }
}

fn show(rule: &DeviceExceptionRule) -> RuleReply {
    let (rule_type, type_id) = match rule.kind {
        DeviceExceptionKind::BypassAgent { .. } => ("ByPass OTG", 1),
        DeviceExceptionKind::Resolver(_) => ("Use Resolver", 2),
    };
    RuleReply {
        id: rule.id.0,
        description: rule.description.clone(),
        domain: rule.domain.as_ref().map(ToString::to_string),
        ip: rule.address.map(|address| address.to_string()),
        resolver: rule.kind.resolver().map(|address| address.to_string()),
        rule_type,
        device_exception_rule_type_id: type_id,
        created_at: time_text(rule.created),
        updated_at: time_text(rule.updated),
        deleted: None,
    }
}

fn rules(view: &View, exception: &DeviceException) -> impl Iterator<Item = Row<DeviceExceptionRule>> + use<> {
    view.under::<DeviceExceptionRule>(Account::Customer(exception.customer), exception.id.0)
}

/// How many rules an exception has.
pub(super) fn count(view: &View, exception: &DeviceException) -> usize {
    rules(view, exception).count()
}

/// An exception that the path names.
#[derive(Deserialize, JsonSchema)]
struct At {
    /// Id of the device exception.
    exceptionid: Id,
}

/// A rule that the path names.
#[derive(Deserialize, JsonSchema)]
struct AtRule {
    /// Id of the device exception.
    exceptionid: Id,
    /// Id of the rule.
    id: Id,
}

impl AtRule {
    fn find(&self, view: &View) -> Result<Row<DeviceExceptionRule>, ApiError> {
        let exception = device_exceptions::find(view, self.exceptionid.0)?;
        let row = view.find::<DeviceExceptionRule>(self.id.0, "rule")?;
        if row.value.exception != exception.value.id {
            return Err(ApiError::not_found("rule"));
        }
        Ok(row)
    }
}

async fn list(call: Call<Own>, Both(at, page): Both<At, Page>) -> Result<List<RuleReply>, ApiError> {
    let exception = device_exceptions::find(&call.view, at.exceptionid.0)?.value;
    let rows = rules(&call.view, &exception).skip(page.offset()).take(page.limit());
    Ok(List::new(count(&call.view, &exception), rows.map(|row| show(&row.value)).collect()))
}

/// What a rule says, on create and on update.
#[derive(Deserialize, JsonSchema)]
struct Content {
    /// Applies to this name and those below it; null or absent is every name.
    #[serde(default)]
    domain: Nullable<ListedName>,
    /// Applies while the device has this address; null or absent is anywhere.
    #[serde(default)]
    ip: Nullable<IpText>,
    /// The resolver that is asked (type 2).
    #[serde(default)]
    resolver: Nullable<IpText>,
    /// 1 bypasses the agent, 2 asks `resolver`; a new rule has type 1 where it is absent.
    #[serde(default)]
    device_exception_rule_type_id: Option<Number<1, 2>>,
    #[serde(default)]
    description: Option<Text<2000>>,
}

impl Content {
    /// Puts what was given into a rule.
    fn apply(&self, rule: &mut DeviceExceptionRule) -> Result<(), ApiError> {
        match &self.domain {
            Nullable::Absent => {}
            Nullable::Null => rule.domain = None,
            Nullable::Value(domain) => rule.domain = Some(domain.name.clone()),
        }
        match self.ip {
            Nullable::Absent => {}
            Nullable::Null => rule.address = None,
            Nullable::Value(ip) => rule.address = Some(host("ip", ip.0)?),
        }
        if rule.domain.is_none() && rule.address.is_none() {
            return Err(ApiError::field("domain", "is required where there is no ip"));
        }
        let resolver = match self.resolver {
            Nullable::Absent => rule.kind.resolver(),
            Nullable::Null => None,
            Nullable::Value(ip) => Some(host("resolver", ip.0)?),
        };
        let asks_resolver = match self.device_exception_rule_type_id {
            Some(number) => number.0 == 2,
            None => matches!(rule.kind, DeviceExceptionKind::Resolver(_)),
        };
        rule.kind = match (asks_resolver, resolver) {
            (false, resolver) => DeviceExceptionKind::BypassAgent { resolver },
            (true, Some(resolver)) => DeviceExceptionKind::Resolver(resolver),
            (true, None) => return Err(ApiError::field("resolver", "is required for rules of type 2")),
        };
        if let Some(description) = &self.description {
            rule.description = description.0.clone();
        }
        Ok(())
    }
}

/// An address that one host can have.
fn host(field: &str, address: IpAddr) -> Result<IpAddr, ApiError> {
    if address.is_unspecified() || address.is_multicast() {
        return Err(ApiError::field(field, "must be the address of one host"));
    }
    Ok(address)
}

async fn create(call: Call<Own>, Both(at, input): Both<At, Content>) -> Result<Single<RuleReply>, ApiError> {
    let id = DeviceExceptionRuleId(call.next_id::<DeviceExceptionRule>());
    call.write(|batch| {
        let exception = device_exceptions::find(&call.view, at.exceptionid.0)?;
        let mut rule = DeviceExceptionRule {
            id,
            customer: exception.value.customer,
            exception: exception.value.id,
            domain: None,
            address: None,
            kind: DeviceExceptionKind::BypassAgent { resolver: None },
            description: String::new(),
            created: call.now,
            updated: call.now,
        };
        input.apply(&mut rule)?;
        if count(&call.view, &exception.value) >= RULES_MAX {
            return Err(ApiError::conflict(format!("A device exception has at most {RULES_MAX} rules")));
        }
        Ok((batch.expect(&exception).create(&rule), ()))
    })
    .await?;
    single(&call, &AtRule { exceptionid: at.exceptionid, id: Id(id.0) })
}

fn single(call: &Call<Own>, at: &AtRule) -> Result<Single<RuleReply>, ApiError> {
    let row = at.find(&call.view)?;
    Ok(Single::new(show(&row.value)).at(row.revision))
}

async fn get(call: Call<Own>, at: AtRule) -> Result<Single<RuleReply>, ApiError> {
    single(&call, &at)
}

async fn update(call: Call<Own>, Both(at, input): Both<AtRule, Content>) -> Result<Single<RuleReply>, ApiError> {
    call.write(|batch| {
        let old = at.find(&call.view)?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        input.apply(&mut new)?;
        if new == old.value {
            return Ok((batch, ()));
        }
        new.updated = call.now;
        Ok((batch.update(&old, &new), ()))
    })
    .await?;
    single(&call, &at)
}

async fn delete(call: Call<Own>, at: AtRule) -> Result<Single<RuleReply>, ApiError> {
    let rule = call
        .write(|batch| {
            let row = at.find(&call.view)?;
            call.check_match(&row)?;
            Ok((batch.delete(&row), row.value))
        })
        .await?;
    Ok(Single::new(RuleReply { deleted: Some(true), ..show(&rule) }))
}
