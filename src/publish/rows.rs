//! Which of the store's rows bear on decisions.

use crate::{policy::Row, store::AnyRow};

/// The row as the policy room takes it; `None` for rows that decide nothing.
pub(super) fn deciding(row: &AnyRow) -> Option<Row> {
    Some(match row {
        AnyRow::Msp(row) => Row::Msp(row.clone()),
        AnyRow::Customer(row) => Row::Customer(row.clone()),
        AnyRow::Policy(row) => Row::Policy(row.clone()),
        AnyRow::ListEntry(row) => Row::Entry(row.clone()),
        AnyRow::Location(row) => Row::Location(row.clone()),
        AnyRow::Address(row) => Row::Address(row.clone()),
        AnyRow::Group(row) => Row::Group(row.clone()),
        AnyRow::InternalUser(row) => Row::User(row.clone()),
        AnyRow::Device(row) => Row::Device(row.clone()),
        AnyRow::Recategorisation(row) => Row::Recategorisation(row.clone()),
        AnyRow::PolicyFilter(row) => Row::Filter(row.clone()),
        AnyRow::LocalRecord(row) => Row::Record(row.clone()),
        AnyRow::ForwardZone(row) => Row::Zone(row.clone()),
        AnyRow::ListSource(row) => Row::Source(row.clone()),
        _ => return None,
    })
}
