//! The licence, and what this installation is.

use super::singletons::{own, put};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Nothing, Upload},
        operation::operations,
        reply::{Item, Object, Single},
        scope::Own,
    },
    model::*,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    system_information {
        /// Shows version, build and licence.
        GET "/system" for [System, Sales, Msp, Customer] => get_system_information = system;
    }
    license {
        /// Shows the licence.
        GET "/license" for [System, Sales, Msp, Customer] => get_license = get;
        /// Installs a licence file.
        /// It is a JSON Web Token that was signed with Ed25519 by the key of the configuration.
        POST "/license/import" for [System] => import_license = import;
    }
}

/// A number, or that there is no limit.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Allowed {
    /// So many.
    Number(u32),
    /// `Unlimited`.
    Word(&'static str),
}

impl From<Option<u32>> for Allowed {
    fn from(most: Option<u32>) -> Self {
        most.map_or(Allowed::Word("Unlimited"), Allowed::Number)
    }
}

/// A licence as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct Shown {
    description: String,
    license_number: String,
    #[serde(rename = "type")]
    kind: String,
    license_category: String,
    no_of_accounts: Allowed,
    no_of_ips: Allowed,
    /// `License Valid` or `License Expired`.
    status: &'static str,
    organisation: String,
    /// The same under the name that old clients read.
    organistion: String,
    address: String,
    contact: String,
    email: String,
    telephone: String,
    fax: String,
    /// Empty where it was never issued.
    issued_date: String,
    /// Empty means for ever.
    update_expiry_date: String,
    no_of_users: Allowed,
}

impl Object for Shown {
    fn object(&self) -> &'static str {
        "license"
    }
}

/// The licence that holds where none was imported.
fn community() -> Licence {
    let text = str::to_owned;
    Licence {
        description: text("Community License"),
        number: text("COMMUNITY"),
        kind: text("Community"),
        category: text("Community"),
        accounts_max: None,
        addresses_max: None,
        users_max: None,
        organisation: String::new(),
        address: String::new(),
        contact: String::new(),
        email: String::new(),
        telephone: String::new(),
        fax: String::new(),
        issued: Timestamp(0),
        updates_until: None,
        expires: None,
    }
}

fn show(call: &Call<Own>) -> Shown {
    let licence = call.store().get::<Licence>(Account::System, 1).map_or_else(community, |row| row.value);
    let expired = licence.expires.is_some_and(|expires| expires <= call.now);
    Shown {
        description: licence.description,
        license_number: licence.number,
        kind: licence.kind,
        license_category: licence.category,
        no_of_accounts: licence.accounts_max.into(),
        no_of_ips: licence.addresses_max.into(),
        status: if expired { "License Expired" } else { "License Valid" },
        organistion: licence.organisation.clone(),
        organisation: licence.organisation,
        address: licence.address,
        contact: licence.contact,
        email: licence.email,
        telephone: licence.telephone,
        fax: licence.fax,
        issued_date: if licence.issued.0 == 0 { String::new() } else { day_text(licence.issued) },
        update_expiry_date: licence.updates_until.map_or_else(String::new, day_text),
        no_of_users: licence.users_max.into(),
    }
}

/// `January 03, 2026`, as licences are written.
fn day_text(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_second(time.0).ok();
    time.map_or_else(String::new, |time| time.strftime("%B %d, %Y").to_string())
}

async fn get(call: Call<Own>, _: Nothing) -> Result<Single<Shown>, ApiError> {
    let shown = Single::new(show(&call));
    Ok(match call.store().get::<Licence>(Account::System, 1) {
        Some(row) => shown.at(row.revision),
        None => shown,
    })
}

/// Version, build and licence.
#[derive(Debug, Serialize, JsonSchema)]
struct System {
    /// Version of the program.
    version: &'static str,
    /// The version as one number that grows: 1002003 is 1.2.3.
    buildno: u32,
    #[serde(flatten)]
    licence: Shown,
}

impl Object for System {
    fn object(&self) -> &'static str {
        "system"
    }
}

async fn system(call: Call<Own>, _: Nothing) -> Result<Single<System>, ApiError> {
    let version = env!("CARGO_PKG_VERSION");
    let parts = version.split(['.', '-', '+']).take(3).map(|part| part.parse::<u32>().unwrap_or(0));
    let buildno = parts.fold(0, |number, part| number * 1000 + part);
    Ok(Single::new(System { version, buildno, licence: show(&call) }))
}

#[derive(Deserialize, JsonSchema)]
struct Import {
    /// The licence file.
    license: Upload,
}

/// That the import succeeded, and what was imported.
#[derive(Debug, Serialize, JsonSchema)]
struct Imported {
    /// Always true.
    success: bool,
    /// Always true.
    imported: bool,
    license_information: Item<Shown>,
}

impl Object for Imported {
    fn object(&self) -> &'static str {
        "license"
    }
}

async fn import(call: Call<Own>, input: Import) -> Result<Single<Imported>, ApiError> {
    let key = call.services().licence_key.ok_or_else(|| {
        ApiError::conflict("license: the configuration names no key to check licences with ([license] public_key)")
    })?;
    let licence = key.read(&input.license.0, call.now).map_err(|error| ApiError::field("license", error))?;
    call.write(|batch| {
        let old = own::<_, Licence>(&call)?;
        Ok((put(&call, batch, old.as_ref(), &licence)?, ()))
    })
    .await?;
    Ok(Single::new(Imported { success: true, imported: true, license_information: show(&call).into() }))
}
