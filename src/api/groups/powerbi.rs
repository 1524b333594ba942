//! Embedded Power BI reports.
//!
//! Who may see which reports stands in rows, one an account at most, and holds for all below it. The
//! secret of a row is sealed and never shown; the services it is sent to are the node's
//! configuration.

use super::singletons::{own, put, reset as take_away};
use crate::{
    api::{
        call::Call,
        embed::Wanted,
        error::ApiError,
        input::{Label, Nothing, Text, UuidText},
        operation::operations,
        reply::{Object, Reset, Single},
        scope::{OfProvider, Own},
    },
    model::*,
    store::{Row, Unique},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    powerbi {
        /// Shows workspaces and reports.
        GET "/powerbi/config" for [System, Sales, Msp, Customer] => get_powerbi_config = get;
        /// Sets tenant, application and reports, for the system or an MSP and all below.
        /// The secret is kept where it is absent, and never shown.
        POST or PUT "/powerbi/config" for [System, Msp] => update_powerbi_config = update;
        /// Takes the account's own configuration away, so that the one above holds again.
        DELETE "/powerbi/config" for [System, Msp] => reset_powerbi_config = reset;
        /// Gets an embed token for a report.
        POST "/powerbi/authenticate" for [System, Sales, Msp, Customer] => powerbi_authenticate = authenticate;
    }
}

/// Workspaces of one account.
const WORKSPACES_MAX: usize = 16;
/// Reports of one workspace.
const REPORTS_MAX: usize = 64;

/// Workspaces and their reports.
#[derive(Debug, Serialize, JsonSchema)]
struct Config {
    config: Vec<Workspace>,
}

impl Object for Config {
    fn object(&self) -> &'static str {
        "powerbi_config"
    }
}

/// A workspace.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Workspace {
    /// UUID of the workspace.
    wid: UuidOut,
    rids: Vec<Report>,
}

/// A report.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Report {
    /// Name of the report; the contract calls it so.
    wid: String,
    /// UUID of the report.
    powerbiid: UuidOut,
}

/// A UUID in and out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct UuidOut(uuid::Uuid);

/// The configuration in force for the caller.
fn in_force<S>(call: &Call<S>) -> Option<Row<PowerBi>> {
    call.store().in_force::<PowerBi>(call.view.account())
}

async fn get(call: Call<OfProvider>, _: Nothing) -> Result<Single<Config>, ApiError> {
    Ok(show(&call))
}

fn show(call: &Call<OfProvider>) -> Single<Config> {
    let found = in_force(call);
    let own = found.as_ref().filter(|row| row.value.owner == call.view.account()).map(|row| row.revision);
    let uuid = |text: &str| UuidOut(text.parse().unwrap_or_default());
    let workspaces = found.map(|row| row.value.workspaces).unwrap_or_default();
    let config = workspaces.into_iter().map(|workspace| Workspace {
        wid: uuid(&workspace.id),
        rids: workspace.reports.into_iter().map(|(wid, id)| Report { wid, powerbiid: uuid(&id) }).collect(),
    });
    let shown = Single::new(Config { config: config.collect() });
    match own {
        Some(revision) => shown.at(revision),
        None => shown,
    }
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// Directory (tenant) that issues tokens: a UUID or a domain name.
    #[serde(default)]
    tenant: Option<Label<100>>,
    /// Application (client) that asks for them.
    #[serde(default)]
    client: Option<UuidText>,
    /// Its secret.
    #[serde(default)]
    client_secret: Option<Text<250>>,
    /// Workspaces and their reports, as they are shown.
    #[serde(default)]
    config: Option<Vec<Workspace>>,
}

fn context(owner: Account) -> Vec<u8> {
    format!("power_bi/{owner}/client_secret").into_bytes()
}

/// The rows of the workspaces that a field lists.
fn workspaces(config: &[Workspace]) -> Result<Vec<PowerBiWorkspace>, ApiError> {
    if config.len() > WORKSPACES_MAX {
        return Err(ApiError::field("config", format!("must be at most {WORKSPACES_MAX} workspaces")));
    }
    let checked = config.iter().map(|workspace| {
        if workspace.rids.len() > REPORTS_MAX {
            return Err(ApiError::field("config", format!("must be at most {REPORTS_MAX} reports a workspace")));
        }
        let reports = workspace.rids.iter().map(|report| {
            let name = report.wid.trim();
            match !name.is_empty() && name.chars().count() <= 100 && !name.chars().any(char::is_control) {
                true => Ok((name.to_owned(), report.powerbiid.0.to_string())),
                false => Err(ApiError::field("config", "the name of a report must have 1 to 100 characters")),
            }
        });
        Ok(PowerBiWorkspace { id: workspace.wid.0.to_string(), reports: reports.collect::<Result<_, _>>()? })
    });
    checked.collect()
}

async fn update(call: Call<OfProvider>, input: Update) -> Result<Single<Config>, ApiError> {
    let owner = call.view.account();
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.');
    if input.tenant.as_ref().is_some_and(|tenant| !tenant.0.bytes().all(plain) || tenant.0.contains("..")) {
        return Err(ApiError::field("tenant", "must be a UUID or a domain name"));
    }
    if input.client_secret.as_ref().is_some_and(|secret| secret.0.is_empty()) {
        return Err(ApiError::field("client_secret", "must not be empty"));
    }
    let config = input.config.as_deref().map(workspaces).transpose()?;
    let secret = input.client_secret.map(|secret| call.store().seal(&context(owner), secret.0.as_bytes()));
    call.write(|batch| {
        let old = own::<_, PowerBi>(&call)?;
        let there = old.as_ref().map(|row| row.value.clone());
        let required = |name: &str| ApiError::field(name, "is required");
        let tenant = input.tenant.as_ref().map(|tenant| tenant.0.clone());
        let client = input.client.as_ref().map(|client| client.0.to_string());
        let new = PowerBi {
            owner,
            tenant: tenant.or_else(|| Some(there.as_ref()?.tenant.clone())).ok_or_else(|| required("tenant"))?,
            client: client.or_else(|| Some(there.as_ref()?.client.clone())).ok_or_else(|| required("client"))?,
            client_secret: secret
                .clone()
                .or_else(|| Some(there.as_ref()?.client_secret.clone()))
                .ok_or_else(|| required("client_secret"))?,
            workspaces: config
                .clone()
                .or_else(|| Some(there.as_ref()?.workspaces.clone()))
                .ok_or_else(|| required("config"))?,
        };
        Ok((put(&call, batch, old.as_ref(), &new)?, ()))
    })
    .await?;
    Ok(show(&call))
}

async fn reset(call: Call<OfProvider>, _: Nothing) -> Result<Reset, ApiError> {
    take_away::<_, PowerBi>(&call).await?;
    Ok(Reset::new("powerbi_config"))
}

#[derive(Deserialize, JsonSchema)]
struct Authenticate {
    /// The report, by UUID or name.
    rid: Label<100>,
    /// The customer it is shown to, by `uuid_str`; the caller's own account where it is absent.
    #[serde(default)]
    uuid: Option<UuidText>,
}

/// A token, and whom it is for.
#[derive(Debug, Serialize, JsonSchema)]
struct Token {
    token: String,
    /// The customer or MSP it is for; empty for the system.
    uuid: String,
}

/// Tokens.
#[derive(Debug, Serialize, JsonSchema)]
struct Authenticated {
    authentication: Vec<Token>,
}

impl Object for Authenticated {
    fn object(&self) -> &'static str {
        "powerbi_authenticate"
    }
}

async fn authenticate(call: Call<Own>, input: Authenticate) -> Result<Single<Authenticated>, ApiError> {
    let account = match input.uuid {
        None => call.reach.account(),
        Some(uuid) => {
            let found = call.store().find_unique::<Customer>(Unique::CustomerUuid, uuid.0.as_bytes());
            let customer = found.ok_or_else(|| ApiError::not_found("customer"))?.value.id;
            Account::Customer(call.reach.customer(customer)?.value.id)
        }
    };
    let (viewer, role) = match account {
        Account::System => ("system".to_owned(), "system"),
        Account::Msp(id) => (call.reach.msp(id)?.value.uuid.to_string(), "msp"),
        Account::Customer(id) => (call.reach.customer(id)?.value.uuid.to_string(), "customer"),
    };
    let row = call.store().in_force::<PowerBi>(account);
    let row = row.ok_or_else(|| ApiError::conflict("Power BI is not configured"))?.value;
    let (workspace, report) = report_of(&row, &input.rid.0).ok_or_else(|| ApiError::not_found("report"))?;
    let secret = call.store().unseal(&context(row.owner), &row.client_secret).map_err(ApiError::internal)?;
    let secret = String::from_utf8(secret).map_err(ApiError::internal)?;
    let wanted = Wanted {
        tenant: &row.tenant,
        client: &row.client,
        client_secret: &secret,
        workspace: &workspace,
        report: &report,
        viewer: &viewer,
        role,
    };
    let token = call.services().embed.token(&wanted).await?;
    let uuid = if account == Account::System { String::new() } else { viewer };
    Ok(Single::new(Authenticated { authentication: vec![Token { token, uuid }] }))
}

/// The ids of the workspace and the report that a text names: by UUID, else by name.
fn report_of(row: &PowerBi, text: &str) -> Option<(String, String)> {
    let reports =
        || row.workspaces.iter().flat_map(|workspace| workspace.reports.iter().map(|one| (&workspace.id, one)));
    let by_id = reports().find(|(_, (_, id))| id.eq_ignore_ascii_case(text));
    let (workspace, (_, report)) = by_id.or_else(|| reports().find(|(_, (name, _))| name == text))?;
    Some((workspace.clone(), report.clone()))
}
