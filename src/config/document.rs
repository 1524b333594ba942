//! From texts to a `Config`: the file and the environment become one tree of values that know their
//! positions; the tree is read into the section types; whatever they refuse is noted, cut out of the
//! tree, and the rest read again. So one fault never hides the next.

use super::{
    Config,
    faults::{Fault, Source},
    words::explain,
};
use serde::Deserialize;
use std::{borrow::Cow, ops::Range};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The prefix of variables that override the file.
pub(super) const PREFIX: &str = "WEIR_";
/// What stands between the names of tables and keys in a variable's name.
const SEPARATOR: &str = "__";

/// All values of a configuration with their positions.
pub(super) struct Document<'t> {
    root: Spanned<DeTable<'t>>,
    /// What stands after a bracket that is never closed, and was taken for its contents.
    swallowed: Range<usize>,
}

impl<'t> Document<'t> {
    /// Reads the file's text. What is no TOML becomes faults; the rest is there.
    pub(super) fn parse(file: &'t Source, faults: &mut Vec<Fault>) -> Self {
        let (root, mut errors) = DeTable::parse_recoverable(&file.text);
        let mut swallowed = 0..0;
        if errors
            .iter()
            .any(|error| matches!(error.message().split(",").next(), Some("unclosed array" | "unclosed inline table")))
        {
            errors.truncate(1);
            swallowed = errors[0].span().map_or(0, |span| span.start)..file.text.len();
        }
        faults.extend(errors.iter().map(|error| Fault::new(error.message(), error.span())));
        Document { root, swallowed }
    }

    /// Puts a variable's value in the place its name says. The value is TOML, or else plain text.
    pub(super) fn set(&mut self, variable: &'t Source) {
        let Some((name, text)) = variable.text.split_once('=') else { return };
        let value_at = variable.start + name.len() + 1;
        let value = match DeValue::parse(text) {
            Ok(value) => shift(value, value_at),
            Err(_) => Spanned::new(value_at..value_at + text.len(), DeValue::String(Cow::Borrowed(text))),
        };
        let mut at = variable.start + PREFIX.len();
        let mut keys = name[PREFIX.len()..].split(SEPARATOR).map(|key| {
            let span = at..at + key.len();
            at = span.end + SEPARATOR.len();
            Spanned::new(span, Cow::Owned(key.to_ascii_lowercase()))
        });
        let Some(mut key) = keys.next() else { return };
        let mut table = self.root.get_mut();
        for inner_key in keys {
            let new_table = Spanned::new(key.span(), DeValue::Table(DeTable::new()));
            let entry = table.entry(key).or_insert_with(|| new_table.clone());
            if !matches!(entry.get_ref(), DeValue::Table(_)) {
                *entry = new_table;
            }
            let DeValue::Table(inner) = entry.get_mut() else { return };
            (table, key) = (inner, inner_key);
        }
        // The key is taken out first: a replaced entry would keep the position of the file's key.
        table.remove(key.get_ref().as_ref());
        table.insert(key, value);
    }

    /// Reads the tree into a `Config`. Keys with faults have their defaults there.
    pub(super) fn read(&self, faults: &mut Vec<Fault>) -> Config {
        let mut root = self.root.clone();
        let mut cut_keys: Vec<Vec<String>> = Vec::new();
        loop {
            let error = match Config::deserialize(toml::Deserializer::from(root.clone())) {
                Ok(config) => return config,
                Err(error) => error,
            };
            let path = error.span().and_then(|span| cut(root.get_mut(), &span));
            let missing = error.message().strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
            let lost = missing.zip(path.clone()).and_then(|(key, mut path)| {
                path.push(key.to_owned());
                cut_keys.iter().position(|cut| *cut == path)
            });
            match lost {
                // A table that lost a faulty key is then refused for lacking it: said already.
                Some(index) => drop(cut_keys.swap_remove(index)),
                None if error.span().is_some_and(|span| self.swallowed.contains(&span.start)) => {}
                None => faults.push(explain(error.message(), path.as_deref().unwrap_or_default(), error.span())),
            }
            match path {
                Some(path) => cut_keys.push(path),
                None => return Config::default(),
            }
        }
    }

    /// The position of a value, its keys and list indexes given from the top; `None` where it is not set.
    pub(super) fn locate(&self, path: &[&str]) -> Option<Range<usize>> {
        let (first, rest) = path.split_first()?;
        let mut value = self.root.get_ref().get(*first)?;
        for step in rest {
            value = match value.get_ref() {
                DeValue::Table(table) => table.get(*step)?,
                DeValue::Array(array) => array.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value.span())
    }
}

/// The same value at another position.
fn shift(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let moved = |span: Range<usize>| span.start + by..span.end + by;
    let span = moved(value.span());
    let value = match value.into_inner() {
        DeValue::Array(items) => DeValue::Array(items.into_iter().map(|item| shift(item, by)).collect()),
        DeValue::Table(entries) => DeValue::Table(
            entries
                .into_iter()
                .map(|(key, value)| (Spanned::new(moved(key.span()), key.into_inner()), shift(value, by)))
                .collect(),
        ),
        plain => plain,
    };
    Spanned::new(span, value)
}

/// Takes the innermost key or list item at a position out of the tree. Returns the keys and list
/// indexes that lead to it, or `None` if nothing is there.
fn cut(root: &mut DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    let exact = |at: Range<usize>| at == *span;
    let around = |at: Range<usize>| at.start <= span.start && span.end <= at.end;
    let mut path = Vec::new();
    let found = cut_from_table(root, &exact, &mut path) || cut_from_table(root, &around, &mut path);
    path.reverse();
    found.then_some(path)
}

fn cut_from_table(table: &mut DeTable<'_>, hit: &impl Fn(Range<usize>) -> bool, path: &mut Vec<String>) -> bool {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        if cut_from_value(value, hit, path) {
            path.push(key.get_ref().to_string());
            return true;
        }
        if hit(key.span()) || hit(value.span()) {
            found = Some(key.get_ref().to_string());
            break;
        }
    }
    let Some(key) = found else { return false };
    table.remove(key.as_str());
    path.push(key);
    true
}

fn cut_from_value(
    value: &mut Spanned<DeValue<'_>>,
    hit: &impl Fn(Range<usize>) -> bool,
    path: &mut Vec<String>,
) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => cut_from_table(table, hit, path),
        DeValue::Array(items) => {
            if let Some(index) = items.iter_mut().position(|item| cut_from_value(item, hit, path)) {
                path.push(index.to_string());
                return true;
            }
            match items.iter().position(|item| hit(item.span())) {
                Some(index) => {
                    *items =
                        items.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, item)| item.clone()).collect();
                    path.push(index.to_string());
                    true
                }
                None => false,
            }
        }
        _ => false,
    }
}
