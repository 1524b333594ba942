//! Names put into other categories than the category data has them in: by a customer for itself, by an
//! MSP for its customers, by the system for everybody.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Id, NameOrUrl, Nullable, Number, Page},
        operation::operations,
        reply::{Deleted, List, Object, Recategorized, Single, time_text},
        scope::{OfAccount, Own},
    },
    category::{Catalogue, is_public_suffix},
    model::*,
    store::Unique,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    recategorize {
        /// Puts a domain into other categories, for the account and all below it.
        /// The categories take the place of those it had there. Names below the domain follow, unless the
        /// category data knows them better. Of several accounts the nearest is heard: customer, MSP, system.
        POST "/recategorize" for [System, Sales, Msp, Customer] => recategorize_domain = recategorize;
        /// Lists the domains that the account put into other categories.
        GET "/recategorize" for [System, Sales, Msp, Customer] => list_recategorized_domains = list;
        /// Shows one of these domains.
        GET "/recategorize/{recategorizeid}" for [System, Sales, Msp, Customer]
            => get_recategorized_domain = get;
        /// Takes a domain out of the categories it was put into.
        DELETE "/recategorize/{recategorizeid}" for [System, Sales, Msp, Customer]
            => delete_recategorized_domain = delete;
    }
}

/// The number of a category; 0 is one.
type CategoryNumber = Number<0, { i32::MAX as i64 }>;

#[derive(Deserialize, JsonSchema)]
struct Wish {
    /// A domain, or a URL whose host is taken.
    domain: NameOrUrl,
    /// Its category.
    category1: CategoryNumber,
    /// A second category.
    #[serde(default)]
    category2: Nullable<CategoryNumber>,
    /// A third category.
    #[serde(default)]
    category3: Nullable<CategoryNumber>,
}

impl Wish {
    fn categories(&self) -> Result<CategorySet, ApiError> {
        let optional = |number: &Nullable<CategoryNumber>| match number {
            Nullable::Value(number) => Some(*number),
            Nullable::Absent | Nullable::Null => None,
        };
        let numbers = [
            ("category1", Some(self.category1)),
            ("category2", optional(&self.category2)),
            ("category3", optional(&self.category3)),
        ];
        let mut set = CategorySet::EMPTY;
        for (field, number) in numbers {
            let Some(number) = number else { continue };
            let id = u8::try_from(number.0).ok().and_then(CategoryId::new);
            let known = id.and_then(|id| Catalogue::get().by_id(id));
            set = set.with(known.ok_or_else(|| ApiError::field(field, "there is no such category"))?.id);
        }
        Ok(set)
    }
}

async fn recategorize(call: Call<OfAccount>, input: Wish) -> Result<Recategorized, ApiError> {
    let categories = input.categories()?;
    let domain = input.domain.0;
    if is_public_suffix(domain.as_name()) {
        return Err(ApiError::field("domain", "is nobody's own: all kinds of sites are below it"));
    }
    if domain.as_name().labels().any(|label| label.contains(&b'*')) {
        return Err(ApiError::field("domain", "must not contain an asterisk; names below it follow"));
    }
    let owner = call.view.account();
    let id = RecategorisationId(call.next_id::<Recategorisation>());
    let key = Unique::octets_in(owner, domain.as_wire());
    call.write(|batch| {
        let batch = match owner {
            Account::System => batch,
            Account::Msp(id) => batch.expect(&call.view.msp(id)?),
            Account::Customer(id) => batch.expect(&call.view.customer(id)?),
        };
        let Some(old) = call.view.unique::<Recategorisation>(Unique::Recategorisation, &key) else {
            let row = Recategorisation { id, owner, domain: domain.clone(), categories, created: call.now };
            return Ok((batch.create(&row), ()));
        };
        let new = Recategorisation { categories, created: call.now, ..old.value.clone() };
        Ok((if new.categories == old.value.categories { batch } else { batch.update(&old, &new) }, ()))
    })
    .await?;
    Ok(Recategorized::new())
}

/// A domain with the categories it was put into.
#[derive(Debug, Serialize, JsonSchema)]
struct RecategorizedDomain {
    id: u32,
    domain: String,
    /// Numbers of the categories.
    categories: Vec<u8>,
    /// When they were set.
    created: String,
}

impl Object for RecategorizedDomain {
    fn object(&self) -> &'static str {
        "recategorized_domain"
    }
}

fn show(row: &Recategorisation) -> RecategorizedDomain {
    RecategorizedDomain {
        id: row.id.0,
        domain: row.domain.to_string(),
        categories: row.categories.iter().map(CategoryId::number).collect(),
        created: time_text(row.created),
    }
}

async fn list(call: Call<OfAccount>, page: Page) -> Result<List<RecategorizedDomain>, ApiError> {
    let rows = call.view.own::<Recategorisation>().skip(page.offset()).take(page.limit());
    Ok(List::new(call.view.own_count::<Recategorisation>(), rows.map(|row| show(&row.value)).collect()))
}

#[derive(Deserialize, JsonSchema)]
struct At {
    /// Its id in the list.
    recategorizeid: Id,
}

async fn get(call: Call<Own>, at: At) -> Result<Single<RecategorizedDomain>, ApiError> {
    let row = call.view.find::<Recategorisation>(at.recategorizeid.0, "recategorized domain")?;
    Ok(Single::new(show(&row.value)).at(row.revision))
}

async fn delete(call: Call<Own>, at: At) -> Result<Deleted, ApiError> {
    call.write(|batch| {
        let row = call.view.find::<Recategorisation>(at.recategorizeid.0, "recategorized domain")?;
        call.check_match(&row)?;
        Ok((batch.delete(&row), ()))
    })
    .await?;
    Ok(Deleted::new(at.recategorizeid.0))
}
