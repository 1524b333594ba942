//! Which permission an operation asks for: one subject a group, to view what only reads and to
//! manage the rest.

use super::operation::{Operation, Who};
use crate::model::{Permission, Permissions, Role, Subject};

/// What callers must hold beside their role.
pub fn permission_of(operation: &Operation) -> Option<Permission> {
    let subject = subject_of(operation.group)?;
    Some(Permission { subject, manage: !operation.reads() })
}

/// The subject of a group of operations; `None` where all who sign in may call them.
fn subject_of(group: &str) -> Option<Subject> {
    Some(match group {
        // Signing in and out, one's own password and keys; each request of a batch asks for its own.
        "oauth2" | "auth" | "sessions" | "batch" | "permissions" => return None,
        "customers" => Subject::Users,
        "msps" => Subject::Msps,
        "alias_admins" => Subject::Admins,
        "roles" => Subject::Roles,
        "tokens" => Subject::HttpTokens,
        "policies"
        | "policy_filter"
        | "local_records"
        | "forward_zones"
        | "what_if"
        | "safe_search"
        | "services"
        | "default_policy"
        | "customer_policies"
        | "customer_default_policy"
        | "explain"
        | "tests" => Subject::Policies,
        "global_domains" | "customer_domains" | "policy_domains" | "lists" | "customer_lists" | "msp_lists" => {
            Subject::Lists
        }
        "categories" | "category_feeds" | "recategorize" => Subject::Categories,
        "locations" | "location_addresses" | "customer_locations" | "customer_location_addresses" => Subject::Locations,
        "customer_devices" | "general_devices" => Subject::Devices,
        "device_exceptions" | "device_exception_rules" => Subject::Exceptions,
        "groups" => Subject::Groups,
        "internal_users" => Subject::People,
        "cloud_keys" => Subject::CloudKeys,
        "reports" | "scheduled_reports" => Subject::Reports,
        "history" => Subject::History,
        "system_stats" | "customer_stats" | "location_stats" => Subject::Statistics,
        "log_files" => Subject::Logs,
        "alerts" => Subject::Alerts,
        "audit" => Subject::Audit,
        "interface" | "support" => Subject::Branding,
        "block_page" => Subject::BlockPage,
        "ssl_certificates" => Subject::Certificates,
        "powerbi" => Subject::Analytics,
        // A group that nobody has sorted is for those who may do everything.
        _ => Subject::Settings,
    })
}

/// What a built-in role allows: the permissions of the operations it may call.
pub fn of_role(operations: &[Operation], role: Role) -> Permissions {
    operations
        .iter()
        .filter(|operation| operation.admits(role) && !operation.who.contains(&Who::Anyone))
        .filter_map(permission_of)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::groups;

    #[test]
    fn every_group_is_sorted_under_a_subject() {
        let settings = ["mail_server", "dns_settings", "system_information", "license"];
        for operation in groups::operations() {
            let subject = subject_of(operation.group);
            assert_eq!(subject == Some(Subject::Settings), settings.contains(&operation.group), "{}", operation.group);
        }
    }

    #[test]
    fn a_built_in_role_is_what_its_operations_ask_for() {
        let operations = groups::operations();
        let of = |role| of_role(&operations, role);
        let label = |text: &str| text.parse().expect("a label");
        assert!(of(Role::System).has(label("policy.certificates.manage")));
        assert!(!of(Role::Msp).has(label("policy.certificates.view")));
        assert!(of(Role::Msp).has(label("policy.users.manage")));
        assert!(!of(Role::Customer).has(label("policy.users.manage")));
        assert!(of(Role::Customer).has(label("policy.locations.manage")));
    }
}
