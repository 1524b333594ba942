//! Services and groups of them, blocked or allowed.

use super::words::ActionWord;
use crate::{api::error::ApiError, model::ServiceRule, policy::Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Services of a policy.
const SERVICES_MAX: usize = 500;

/// What is done with a service or a group.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceEntry {
    /// An id of `GET /services`, or `group:` and the id of a group.
    #[schemars(length(min = 1, max = 64))]
    service: String,
    /// Blocked or let through; one service's entry wins over its group's.
    action: ActionWord,
}

impl From<&ServiceRule> for ServiceEntry {
    fn from(rule: &ServiceRule) -> Self {
        ServiceEntry { service: rule.service.clone(), action: rule.action.into() }
    }
}

/// An id of a service or a group, as it is stored; `field` is where it stands.
pub(super) fn known(text: &str, field: &str) -> Result<String, ApiError> {
    let id = text.trim().to_ascii_lowercase();
    if Services::get().named(&id).is_none() {
        let shown: String = id.chars().take(64).collect();
        return Err(ApiError::field(field, format!("there is no service or group {shown:?}")));
    }
    Ok(id)
}

/// Reads the section.
pub(super) fn read(services: &[ServiceEntry]) -> Result<Vec<ServiceRule>, ApiError> {
    if services.len() > SERVICES_MAX {
        return Err(ApiError::field("services", format!("must have at most {SERVICES_MAX} entries")));
    }
    let mut rules: Vec<ServiceRule> = Vec::with_capacity(services.len());
    for (index, entry) in services.iter().enumerate() {
        let field = format!("services[{index}].service");
        let service = known(&entry.service, &field)?;
        if rules.iter().any(|rule| rule.service == service) {
            return Err(ApiError::field(&field, format!("{service:?} stands there twice")));
        }
        rules.push(ServiceRule { service, action: entry.action.into() });
    }
    Ok(rules)
}
