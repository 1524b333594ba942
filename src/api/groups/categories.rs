//! The 53 categories of a policy.
//!
//! A preset decides them all. Setting one makes the level `C`, which begins with what the preset
//! decided; where the policy only inherited its level, the other categories keep following the
//! policy above. Whether a category notifies is independent of the level.

use super::policies::{At, change, level_word, named, set_level};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        fields::ROOT,
        input::{Both, Flag, Number, Page},
        operation::operations,
        reply::{List, Object, Single},
        scope::{OfAccount, OfCustomer, Own, Scope},
    },
    category::{Catalogue, Category},
    model::*,
    policy::{EffectiveSettings, Presets},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    default_policy {
        /// Lists the categories of the default policy.
        GET "/defaultpolicy/categories?policyid=default" for [System, Sales, Msp] => list_default_policy_categories = list::<Own>;
        /// Sets all categories of the default policy, or those listed.
        POST or PUT "/defaultpolicy/categories?policyid=default" for [System, Sales, Msp]
            => update_default_policy_categories = update_many::<Own>;
        /// Shows one category of the default policy.
        GET "/defaultpolicy/categories/{categoryid}?policyid=default" for [System, Sales, Msp]
            => get_default_policy_category = get::<Own>;
        /// Sets one category of the default policy.
        POST or PUT "/defaultpolicy/categories/{categoryid}?policyid=default"
            also "/categories/{categoryid}?policyid=default"
            for [System, Sales, Msp] => update_default_policy_category = update::<Own>;
    }
    customer_policies {
        /// Lists the categories of a policy.
        GET "/users/{id}/policies/{policyid}/categories" for [System, Sales, Msp, Customer]
            => list_customer_policy_categories = list::<OfCustomer>;
        /// Sets all categories of a policy, or those listed.
        POST or PUT "/users/{id}/policies/{policyid}/categories" for [System, Sales, Msp, Customer]
            => update_customer_policy_categories = update_many::<OfCustomer>;
        /// Shows one category of a policy.
        GET "/users/{id}/policies/{policyid}/categories/{categoryid}" for [System, Sales, Msp, Customer]
            => get_customer_policy_category = get::<OfCustomer>;
        /// Sets one category of a policy.
        POST or PUT "/users/{id}/policies/{policyid}/categories/{categoryid}" for [System, Sales, Msp, Customer]
            => update_customer_policy_category = update::<OfCustomer>;
    }
    customer_default_policy {
        /// Lists the categories of a customer's default policy.
        GET "/users/{id}/policies/default/categories?policyid=default" for [System, Sales, Msp, Customer]
            => list_customer_default_policy_categories = list::<OfCustomer>;
        /// Sets all categories of a customer's default policy, or those listed.
        POST or PUT "/users/{id}/policies/default/categories?policyid=default" for [System, Sales, Msp, Customer]
            => update_customer_default_policy_categories = update_many::<OfCustomer>;
        /// Shows one category of a customer's default policy.
        GET "/users/{id}/policies/default/categories/{categoryid}?policyid=default" for [System, Sales, Msp, Customer]
            => get_customer_default_policy_category = get::<OfCustomer>;
        /// Sets one category of a customer's default policy.
        POST or PUT "/users/{id}/policies/default/categories/{categoryid}?policyid=default"
            for [System, Sales, Msp, Customer] => update_customer_default_policy_category = update::<OfCustomer>;
    }
    policies {
        /// Lists the categories of a policy.
        GET "/policies/{policyid}/categories" for [System, Sales, Msp, Customer] => list_policy_categories = list::<OfAccount>;
        /// Sets all categories of a policy, or those listed.
        POST or PUT "/policies/{policyid}/categories" for [System, Sales, Msp, Customer]
            => update_policy_categories = update_many::<OfAccount>;
        /// Shows one category of a policy.
        GET "/policies/{policyid}/categories/{categoryid}" for [System, Sales, Msp, Customer]
            => get_policy_category = get::<OfAccount>;
        /// Sets one category of a policy.
        POST or PUT "/policies/{policyid}/categories/{categoryid}" for [System, Sales, Msp, Customer]
            => update_policy_category = update::<OfAccount>;
    }
}

/// A category as a policy has it.
#[derive(Debug, Serialize, JsonSchema)]
struct CategoryReply {
    id: u8,
    name: &'static str,
    /// Whether the policy lets it through.
    allowed: bool,
    /// Whether a query for it notifies.
    notify: bool,
    description: &'static str,
    /// The lowest preset that blocks it; `C` where none does.
    level: &'static str,
}

impl Object for CategoryReply {
    fn object(&self) -> &'static str {
        "category"
    }
}

fn show(category: &'static Category, settings: &EffectiveSettings) -> CategoryReply {
    CategoryReply {
        id: category.id.number(),
        name: &category.name,
        allowed: !settings.blocked.contains(category.id),
        notify: settings.notify.contains(category.id),
        description: &category.description,
        level: level_word(category.level),
    }
}

/// The number of a category.
type CategoryNumber = Number<0, { i32::MAX as i64 }>;

fn category(number: CategoryNumber) -> Result<&'static Category, ApiError> {
    let id = u8::try_from(number.0).ok().and_then(CategoryId::new);
    id.and_then(|id| Catalogue::get().by_id(id)).ok_or_else(|| ApiError::not_found("category"))
}

async fn list<S: Scope>(call: Call<S>, Both(at, page): Both<At, Page>) -> Result<List<CategoryReply>, ApiError> {
    let policy = named(&call.view, at.policyid)?.value;
    Ok(page_of(&call, &policy, page.offset(), page.limit()))
}

fn page_of<S>(call: &Call<S>, policy: &Policy, offset: usize, limit: usize) -> List<CategoryReply> {
    let settings = call.view.effective(policy, call.presets());
    let categories = Catalogue::get().categories();
    let rows = categories.iter().skip(offset).take(limit);
    List::new(categories.len(), rows.map(|category| show(category, &settings)).collect())
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Its number; 0 is one.
    categoryid: CategoryNumber,
}

async fn get<S: Scope>(call: Call<S>, Both(at, which): Both<At, Which>) -> Result<Single<CategoryReply>, ApiError> {
    let policy = named(&call.view, at.policyid)?;
    let category = category(which.categoryid)?;
    let settings = call.view.effective(&policy.value, call.presets());
    Ok(Single::new(show(category, &settings)).at(policy.revision))
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
struct Setting {
    /// True lets the category through, false blocks it.
    #[serde(default)]
    allowed: Option<Flag>,
    /// Whether a query for it notifies.
    #[serde(default)]
    notify: Option<Flag>,
}

fn apply(settings: &mut PolicySettings, id: CategoryId, setting: Setting, presets: &Presets) {
    if let Some(allowed) = setting.allowed {
        set_level(settings, Level::C, presets);
        settings.categories.allow(id, allowed.0);
    }
    if let Some(notify) = setting.notify {
        settings.categories.notify(id, notify.0);
    }
}

async fn update<S: Scope>(
    call: Call<S>,
    Both(at, Both(which, setting)): Both<At, Both<Which, Setting>>,
) -> Result<Single<CategoryReply>, ApiError> {
    // Whether there is such a policy comes first, as everywhere.
    named(&call.view, at.policyid)?;
    let category = category(which.categoryid)?;
    if setting.allowed.is_none() && setting.notify.is_none() {
        return Err(ApiError::field("allowed", "is required, or notify"));
    }
    let policy = change(&call, at.policyid, |policy| {
        apply(&mut policy.settings, category.id, setting, call.presets());
        Ok(())
    })
    .await?;
    let policy = call.view.find::<Policy>(policy.0, "policy")?;
    let settings = call.view.effective(&policy.value, call.presets());
    Ok(Single::new(show(category, &settings)).at(policy.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Settings {
    /// True lets every category through, false blocks every one; not read where some are listed.
    #[serde(default)]
    allowed: Option<Flag>,
    /// Whether a query for any category notifies; not read where some are listed.
    #[serde(default)]
    notify: Option<Flag>,
    /// Only these; those not listed keep their setting. A bare array as the body means the same.
    #[serde(default, alias = "[]")]
    #[schemars(extend("x-also" = "[]"))]
    categories: Option<Vec<Listed>>,
}

/// A category of a list.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Listed {
    /// Its number.
    id: CategoryNumber,
    /// True lets the category through, false blocks it.
    #[serde(default)]
    allowed: Option<Flag>,
    /// Whether a query for it notifies.
    #[serde(default)]
    notify: Option<Flag>,
}

/// Applies what a list says of one category.
pub(super) fn apply_listed(settings: &mut PolicySettings, listed: &Listed, presets: &Presets) -> Result<(), ApiError> {
    let category = category(listed.id)?;
    apply(settings, category.id, Setting { allowed: listed.allowed, notify: listed.notify }, presets);
    Ok(())
}

const _: () = assert!(matches!(ROOT.as_bytes(), b"[]"), "the alias above is the name of a body that is an array");

async fn update_many<S: Scope>(
    call: Call<S>,
    Both(at, input): Both<At, Settings>,
) -> Result<List<CategoryReply>, ApiError> {
    named(&call.view, at.policyid)?;
    let settings: Vec<(CategoryId, Setting)> = match &input.categories {
        Some(listed) => listed
            .iter()
            .enumerate()
            .map(|(index, row)| {
                let known = category(row.id);
                let known =
                    known.map_err(|_| ApiError::field(&format!("categories[{index}].id"), "no such category"))?;
                Ok((known.id, Setting { allowed: row.allowed, notify: row.notify }))
            })
            .collect::<Result<_, ApiError>>()?,
        None if input.allowed.is_none() && input.notify.is_none() => {
            return Err(ApiError::field("allowed", "is required, or notify, or categories"));
        }
        None => {
            let all = Setting { allowed: input.allowed, notify: input.notify };
            Catalogue::get().categories().iter().map(|category| (category.id, all)).collect()
        }
    };
    let policy = change(&call, at.policyid, |policy| {
        for (id, setting) in &settings {
            apply(&mut policy.settings, *id, *setting, call.presets());
        }
        Ok(())
    })
    .await?;
    let policy = call.view.find::<Policy>(policy.0, "policy")?;
    Ok(page_of(&call, &policy.value, 0, usize::MAX))
}
