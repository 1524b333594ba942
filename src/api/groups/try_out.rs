//! Test tools: look a name up, see its categories, see what a client would get.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{IpText, NameOrUrl, Nullable},
        operation::operations,
        reply::{Object, Single},
        scope::Own,
    },
    category::Catalogue,
    model::Account,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    tests {
        /// Resolves a name on the server, unfiltered, and shows the answer as dig does.
        GET "/test/dnslookup" for [System, Sales, Msp, Customer] => test_dns_lookup = dns_lookup;
        /// Shows the categories of a domain.
        POST "/test/categories" for [System, Sales, Msp, Customer] => test_categories = categories;
        /// Shows the verdict a client address would get.
        POST "/test/filtering" for [System, Sales, Msp, Customer] => test_filtering = filtering;
    }
}

/// DNS type A.
const TYPE_A: u16 = 1;

#[derive(Deserialize, JsonSchema)]
struct Domain {
    /// A name, or a URL whose host is taken.
    domain: NameOrUrl,
}

/// What a look-up answered.
#[derive(Debug, Serialize, JsonSchema)]
struct LookupReply {
    success: bool,
    /// Text as dig writes it.
    output: String,
}

impl Object for LookupReply {
    fn object(&self) -> &'static str {
        "test_dns_lookup"
    }
}

async fn dns_lookup(call: Call<Own>, input: Domain) -> Result<Single<LookupReply>, ApiError> {
    let output = call.filtering().dig(&input.domain.0, TYPE_A).await;
    Ok(Single::new(LookupReply { success: true, output }))
}

/// What a name is.
#[derive(Debug, Serialize, JsonSchema)]
struct CategoriesReply {
    success: bool,
    /// Names of its categories; none means unclassified.
    categories: Vec<String>,
}

impl Object for CategoriesReply {
    fn object(&self) -> &'static str {
        "test_categories"
    }
}

async fn categories(call: Call<Own>, input: Domain) -> Result<Single<CategoriesReply>, ApiError> {
    let set = call.filtering().categories(call.view.account(), &input.domain.0);
    let categories = Catalogue::get().names(set).map(str::to_owned).collect();
    Ok(Single::new(CategoriesReply { success: true, categories }))
}

#[derive(Deserialize, JsonSchema)]
struct Filtering {
    /// A name, or a URL whose host is taken.
    domain: NameOrUrl,
    /// The client's address; absent is the caller's own.
    #[serde(default)]
    ip: Nullable<IpText>,
}

/// What a client would get.
#[derive(Debug, Serialize, JsonSchema)]
struct FilteringReply {
    success: bool,
    /// `Allowed`, `Blocked`, or `Refused` for clients nobody knows.
    result: &'static str,
    ip: String,
    /// Names of the categories of the name.
    category: Vec<String>,
}

impl Object for FilteringReply {
    fn object(&self) -> &'static str {
        "test_filtering"
    }
}

async fn filtering(call: Call<Own>, input: Filtering) -> Result<Single<FilteringReply>, ApiError> {
    let address = match input.ip {
        Nullable::Value(ip) => ip.0,
        Nullable::Absent | Nullable::Null => call.address,
    };
    let explained = call.filtering().explain(address, None, &input.domain.0, TYPE_A, true).await;
    if explained.customer.is_some_and(|customer| !call.view.reaches(Account::Customer(customer))) {
        return Err(ApiError::not_found("client"));
    }
    let result = match explained.details.get("verdict").and_then(serde_json::Value::as_str) {
        Some("refused") => "Refused",
        _ if explained.blocked => "Blocked",
        _ => "Allowed",
    };
    Ok(Single::new(FilteringReply { success: true, result, ip: address.to_string(), category: explained.categories }))
}
