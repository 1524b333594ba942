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
/// 1. The nearest account that put the name or an ancestor into categories of its own is heard: the
///    customer, the MSP, the system; of its names the longest.
/// 2. Its word stands in for what the category data says of that name and of those above it. Names below
///    follow, unless the data knows them better, that is, says more of a longer name than of the
///    recategorised one.
/// 3. What is known better is not the account's to say. The next account is asked, and where none is
///    heard, what the data says of the longer names counts alone.
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
    let of_msp = msp.and_then(|id| Some((Account::Msp(id), &snapshot.msps.get(id.0)?.recategorised)));
    let nearest_first: [Option<(Account, &NameMap<Recategorised>)>; 3] = [
        customer.map(|customer| (account, &customer.recategorised)),
        of_msp,
        Some((Account::System, &snapshot.system_recategorised)),
    ];
    let mut known_better: Option<(usize, CategorySet)> = None;
    for (account, names) in nearest_first.into_iter().flatten() {
        let Some((labels, found)) = names.longest(suffixes) else { continue };
        let (word, longer) = categories.split(suffixes.name(), labels);
        if longer.0 & !word.0 == 0 {
            let by = Recategoriser { account, row: found.row, labels: labels as u8 };
            return Categorised { set: found.categories, by: Some(by) };
        }
        if known_better.is_none_or(|(other, _)| other < labels) {
            known_better = Some((labels, longer));
        }
    }
    let set = match known_better {
        Some((_, longer)) => longer,
        None => categories.of(suffixes.name()),
    };
    Categorised { set, by: None }
}
