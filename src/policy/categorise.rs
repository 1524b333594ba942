//! What a name's categories are for somebody: the category data's word, or an account's own.

use super::{Categories, NameMap, Snapshot, Suffixes};
use crate::model::{Account, CategorySet, RecategorisationId};

/// Categories that an account put a name into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recategorised {
    /// The row.
    pub row: RecategorisationId,
    /// The categories.
    pub categories: CategorySet,
}

/// The categories of a name for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Categorised {
    /// The categories; empty where the name has none.
    pub set: CategorySet,
    /// Who said so instead of the category data.
    pub by: Option<Recategoriser>,
}

/// The recategorisation that speaks for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recategoriser {
    /// Whose it is.
    pub account: Account,
    /// The row.
    pub row: RecategorisationId,
    /// Labels of its name, the asked one or an ancestor of it.
    pub labels: u8,
}

/// The categories that count for `account`, a customer's queries among them.
///
/// The nearest account that put the name or an ancestor into categories of its own is heard: the
/// customer, the MSP, the system; of its names the longest. Its word stands in for what the category
/// data says of that name and of those above it. Names below it follow, unless the data knows them
/// better: where it says more of a longer name than of the recategorised one, what it says of the
/// longer name counts alone.
///
/// `suffixes` must be hashed with the snapshot's key. Allocates nothing.
pub fn categorise(
    snapshot: &Snapshot,
    account: Account,
    suffixes: &Suffixes<'_>,
    categories: &impl Categories,
) -> Categorised {
    let customer = match account {
        Account::Customer(id) => snapshot.customers.get(id.0),
        Account::Msp(_) | Account::System => None,
    };
    let msp = match account {
        Account::Msp(id) => Some(id),
        Account::Customer(_) | Account::System => customer.and_then(|customer| customer.msp),
    };
    let longest = |account: Account, names: &NameMap<Recategorised>| {
        names.longest(suffixes).map(|(labels, found)| (account, labels, *found))
    };
    let found = customer
        .and_then(|customer| longest(account, &customer.recategorised))
        .or_else(|| longest(Account::Msp(msp?), &snapshot.msps.get(msp?.0)?.recategorised))
        .or_else(|| longest(Account::System, &snapshot.system_recategorised));
    let Some((account, labels, found)) = found else {
        return Categorised { set: categories.of(suffixes.name()), by: None };
    };
    let (word, below) = categories.split(suffixes.name(), labels);
    if below.0 & !word.0 != 0 {
        return Categorised { set: below, by: None };
    }
    let by = Recategoriser { account, row: found.row, labels: labels as u8 };
    Categorised { set: found.categories, by: Some(by) }
}
