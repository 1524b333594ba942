//! The starter set: well-known names of every category, compiled in, for a node without a category
//! file; and the reserved test names under `weir.test` (RFC 6761 keeps `.test` out of the public DNS).

use super::{Catalogue, Index, format::random_key};
use crate::model::{CategorySet, DomainName, Timestamp};
use std::sync::LazyLock;

/// Paragraphs of `Category name:` and indented names; `#` begins a comment.
const FILES: [&str; 5] = [
    include_str!("../../config/starter/threats.txt"),
    include_str!("../../config/starter/adult.txt"),
    include_str!("../../config/starter/technology.txt"),
    include_str!("../../config/starter/society.txt"),
    include_str!("../../config/starter/everyday.txt"),
];

impl Index {
    /// The starter set, built in memory at the first call. Its time of building is 0.
    pub fn built_in() -> Index {
        static BUILT_IN: LazyLock<Index> = LazyLock::new(|| {
            let names = names(Catalogue::get()).expect("the names are compiled in and a test reads them");
            Index::from_names(names, random_key(), Timestamp(0)).expect("memory does not fail, and the sets are few")
        });
        BUILT_IN.clone()
    }
}

/// The starter set's names under `weir.test`, which every index has.
pub(super) fn test_names() -> impl Iterator<Item = (DomainName, CategorySet)> {
    let reserved = DomainName::from_text("weir.test").expect("a valid name");
    let names = names(Catalogue::get()).expect("the names are compiled in and a test reads them");
    names.into_iter().filter(move |(name, _)| name.as_name().is_at_or_below(reserved.as_name()))
}

/// Each name of the starter set with one of its categories.
fn names(catalogue: &Catalogue) -> Result<Vec<(DomainName, CategorySet)>, String> {
    let mut names = Vec::new();
    for category in catalogue.categories() {
        names.push((parse(&format!("{}.weir.test", category.slug))?, CategorySet::EMPTY.with(category.id)));
    }
    for file in FILES {
        let mut category = None;
        for line in file.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            if let Some(header) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
                category = Some(catalogue.by_name(header).ok_or_else(|| format!("{header} is no category"))?.id);
                continue;
            }
            let id = category.ok_or_else(|| format!("no category stands above {line}"))?;
            for name in line.split_whitespace() {
                names.push((parse(name)?, CategorySet::EMPTY.with(id)));
            }
        }
    }
    Ok(names)
}

fn parse(name: &str) -> Result<DomainName, String> {
    DomainName::from_text(name).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        category::{CategoryMatch, suffix::is_public_suffix},
        model::{CategoryId, Level},
    };
    use std::collections::{HashMap, HashSet};

    fn lookup(text: &str) -> CategoryMatch {
        Index::built_in().categories(DomainName::from_text(text).expect("a valid name").as_name())
    }

    #[test]
    fn every_category_has_names_and_all_together_at_least_1500() {
        let names = names(Catalogue::get()).expect("readable files");
        let mut counts: HashMap<CategoryId, usize> = HashMap::new();
        for (_, set) in &names {
            *counts.entry(set.first().expect("one category")).or_default() += 1;
        }
        for category in Catalogue::get().categories() {
            let count = counts.get(&category.id).copied().unwrap_or(0);
            // Sites broken into are clean again soon: those are test names only, with one famous exception.
            let least = if category.slug == "compromised" { 4 } else { 25 };
            assert!(count >= least, "{} has {count} names", category.name);
        }
        let different: HashSet<_> = names.iter().map(|(name, _)| name).collect();
        let real = different.iter().filter(|name| !name.to_string().ends_with("weir.test")).count();
        assert!(real >= 1500, "{real} names");
    }

    #[test]
    fn no_category_lists_a_name_twice_and_no_name_is_a_public_suffix() {
        let mut seen = HashSet::new();
        let names = names(Catalogue::get()).expect("readable files");
        let twice: Vec<_> = names.iter().filter(|entry| !seen.insert(*entry)).collect();
        assert!(twice.is_empty(), "{twice:?}");
        let suffixes: Vec<_> = names.iter().filter(|(name, _)| is_public_suffix(name.as_name())).collect();
        assert!(suffixes.is_empty(), "{suffixes:?}");
    }

    #[test]
    fn every_category_can_be_tried_with_its_test_name() {
        for category in Catalogue::get().categories() {
            let found = lookup(&format!("www.{}.weir.test", category.slug)).set;
            assert_eq!(found, CategorySet::EMPTY.with(category.id), "{}", category.name);
        }
        for (name, number) in [("malware", 5), ("phishing", 4), ("ads", 48), ("porn", 8), ("gambling", 19), ("vpn", 11)]
        {
            let found = lookup(&format!("{name}.weir.test")).set;
            assert_eq!(found.iter().map(CategoryId::number).collect::<Vec<_>>(), [number], "{name}");
        }
        assert_eq!(lookup("weir.test"), CategoryMatch::default());
    }

    #[test]
    fn no_harmless_popular_site_is_in_a_category_that_every_preset_blocks() {
        let low = Catalogue::get().preset(Level::L);
        let harmless = "google.com www.google.com youtube.com facebook.com apple.com icloud.com microsoft.com github.com \
            windowsupdate.com office.com live.com amazon.com amazonaws.com cloudfront.net cloudflare.com akamai.net \
            akamaiedge.net fastly.net wikipedia.org gstatic.com googleapis.com googleusercontent.com android.com \
            whatsapp.net instagram.com linkedin.com netflix.com spotify.com zoom.us slack.com adobe.com yahoo.com bing.com \
            duckduckgo.com reddit.com stackoverflow.com debian.org ubuntu.com mozilla.org mozilla.com letsencrypt.org \
            digicert.com ntp.org samsung.com xiaomi.com baidu.com qq.com bbc.co.uk nytimes.com who.int europa.eu paypal.com \
            ebay.com etsy.com dropbox.com wordpress.org w3.org opendns.com quad9.net eicar.org wicar.org adguard.com \
            nextdns.io controld.com mullvad.com alidns.com smartscreen.microsoft.com testcategory.com proton.me \
            protonmail.com startpage.com wise.com";
        for name in harmless.split_whitespace() {
            let found = lookup(name).set.intersection(low);
            assert!(found.is_empty(), "{name}: {:?}", Catalogue::get().names(found).collect::<Vec<_>>());
        }
    }
}
