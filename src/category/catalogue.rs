//! The 53 categories: numbers, names, presets, and the list names that feed them.
//!
//! `config/categories.toml` is the table; it is compiled in and read once. A source name is compared
//! in its normal form: lower case, every run of other characters than letters and digits one `_`.

use crate::model::{CategoryId, CategorySet, Level};
use serde::Deserialize;
use std::{collections::HashMap, sync::LazyLock};

const TABLE: &str = include_str!("../../config/categories.toml");

/// One category.
#[derive(Clone, Debug)]
pub struct Category {
    /// Its number in the contract.
    pub id: CategoryId,
    /// Its name as the API, the log and the console show it.
    pub name: String,
    /// Lower-case letters, digits and single hyphens: the label of its test name under `weir.test`.
    pub slug: String,
    /// The lowest preset that blocks it; `C` means none does.
    pub level: Level,
    /// Whether security reports count it.
    pub threat: bool,
    /// One sentence for people.
    pub description: String,
    /// Names of lists that feed it, in normal form, its own name not repeated.
    pub sources: Vec<String>,
}

/// What the catalogue knows about a list by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// Its names belong to these categories; never empty.
    Feeds(CategorySet),
    /// It is known and left out, for this reason.
    Ignored(&'a str),
    /// Nobody has said what it means.
    Unknown,
}

/// All categories, immutable.
#[derive(Debug)]
pub struct Catalogue {
    categories: Vec<Category>,
    by_number: [Option<u8>; 64],
    feeds: HashMap<String, CategorySet>,
    ignored: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    category: Vec<CategoryRow>,
    ignored: Vec<IgnoredRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CategoryRow {
    id: u8,
    name: String,
    level: Level,
    threat: bool,
    description: String,
    sources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IgnoredRow {
    reason: String,
    sources: Vec<String>,
}

impl Catalogue {
    /// The catalogue of this program.
    pub fn get() -> &'static Catalogue {
        static CATALOGUE: LazyLock<Catalogue> =
            LazyLock::new(|| Catalogue::read(TABLE).expect("the table is compiled in and a test reads it"));
        &CATALOGUE
    }

    fn read(table: &str) -> Result<Catalogue, String> {
        let table: Table = toml::from_str(table).map_err(|fault| fault.to_string())?;
        let mut catalogue = Catalogue {
            categories: Vec::with_capacity(table.category.len()),
            by_number: [None; 64],
            feeds: HashMap::new(),
            ignored: HashMap::new(),
        };
        for row in table.category {
            let id = CategoryId::new(row.id).ok_or_else(|| format!("{} is no category number", row.id))?;
            let category = Category {
                id,
                slug: joined(&row.name, '-'),
                name: row.name,
                level: row.level,
                threat: row.threat,
                description: row.description,
                sources: row.sources.iter().map(|name| normal(name)).collect(),
            };
            if catalogue.by_number[usize::from(id.number())].replace(catalogue.categories.len() as u8).is_some() {
                return Err(format!("two categories are numbered {id}"));
            }
            for source in category.sources.iter().cloned().chain([normal(&category.name)]) {
                let set = catalogue.feeds.entry(source).or_default();
                if set.contains(id) {
                    return Err(format!("{} names a source twice", category.name));
                }
                *set = set.with(id);
            }
            catalogue.categories.push(category);
        }
        for row in table.ignored {
            for source in row.sources.iter().map(|name| normal(name)) {
                if catalogue.feeds.contains_key(&source)
                    || catalogue.ignored.insert(source.clone(), row.reason.clone()).is_some()
                {
                    return Err(format!("the source {source} is ignored and used, or ignored twice"));
                }
            }
        }
        Ok(catalogue)
    }

    /// All categories by rising number.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// The category with this number; `None` for the eleven numbers without one.
    pub fn by_id(&self, id: CategoryId) -> Option<&Category> {
        self.by_number[usize::from(id.number())].map(|at| &self.categories[usize::from(at)])
    }

    /// The category with this name or slug; case does not matter.
    pub fn by_name(&self, name: &str) -> Option<&Category> {
        let name = name.trim();
        self.categories.iter().find(|c| c.name.eq_ignore_ascii_case(name) || c.slug.eq_ignore_ascii_case(name))
    }

    /// What a list of this name stands for. Any spelling of the name will do.
    pub fn by_source(&self, name: &str) -> Source<'_> {
        let name = normal(name);
        if let Some(&set) = self.feeds.get(&name) {
            return Source::Feeds(set);
        }
        self.ignored.get(&name).map_or(Source::Unknown, |reason| Source::Ignored(reason))
    }

    /// Every category.
    pub fn all(&self) -> CategorySet {
        self.categories.iter().map(|category| category.id).collect()
    }

    /// The categories a preset blocks: those of its level and the levels below; none for `C`.
    pub fn preset(&self, level: Level) -> CategorySet {
        match level {
            Level::C => CategorySet::EMPTY,
            _ => self.categories.iter().filter(|c| c.level <= level).map(|c| c.id).collect(),
        }
    }

    /// The categories that security reports count.
    pub fn threats(&self) -> CategorySet {
        self.categories.iter().filter(|category| category.threat).map(|category| category.id).collect()
    }

    /// The names of a set's members, lowest number first; a number without a category is left out.
    pub fn names(&self, set: CategorySet) -> impl Iterator<Item = &str> {
        set.iter().filter_map(|id| self.by_id(id)).map(|category| category.name.as_str())
    }
}

/// The normal form of a source name.
pub(super) fn normal(name: &str) -> String {
    joined(name, '_')
}

fn joined(name: &str, with: char) -> String {
    let mut text = String::with_capacity(name.len());
    for word in name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !text.is_empty() {
            text.push(with);
        }
        text.extend(word.chars().flat_map(char::to_lowercase));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[u8]) -> CategorySet {
        numbers.iter().filter_map(|&number| CategoryId::new(number)).collect()
    }

    #[test]
    fn the_compiled_in_table_holds_the_53_categories_of_the_contract() {
        let catalogue = Catalogue::read(TABLE).expect("a readable table");
        let numbers: Vec<u8> = catalogue.categories().iter().map(|c| c.id.number()).collect();
        assert_eq!(numbers, (0..=53).filter(|&n| n != 40).collect::<Vec<u8>>());
        assert_eq!(catalogue.all().iter().count(), 53);
        for category in catalogue.categories() {
            assert_eq!(catalogue.by_id(category.id).map(|c| &c.name), Some(&category.name));
            assert_eq!(catalogue.by_name(&category.name.to_uppercase()).map(|c| c.id), Some(category.id));
            assert_eq!(catalogue.by_name(&category.slug).map(|c| c.id), Some(category.id));
            assert!(!category.description.is_empty() && !category.sources.is_empty(), "{}", category.name);
        }
        assert!(catalogue.by_id(CategoryId::new(40).expect("below 64")).is_none());
        assert!(catalogue.by_name("Unclassified").is_none());
    }

    #[test]
    fn presets_grow_with_their_level_and_custom_blocks_nothing() {
        let catalogue = Catalogue::get();
        let (low, moderate, high) = (Level::L, Level::M, Level::H);
        assert_eq!(catalogue.preset(low), set(&[0, 1, 2, 4, 5, 11, 52]));
        assert_eq!(catalogue.preset(moderate), set(&[0, 1, 2, 4, 5, 11, 52, 3, 8, 9, 10, 13, 48]));
        assert_eq!(catalogue.preset(high), catalogue.preset(moderate).union(set(&[6, 7, 15, 18, 19, 20, 22, 42, 44])));
        assert_eq!(catalogue.preset(Level::C), CategorySet::EMPTY);
        assert_eq!(catalogue.threats(), set(&[0, 1, 4, 5, 11, 52]));
    }

    #[test]
    fn source_names_lead_to_their_categories_in_any_spelling() {
        for (source, numbers) in [
            ("ads", &[48][..]),
            ("publicite", &[48]),
            ("Audio-Video", &[35, 37]),
            ("audio_video", &[35, 37]),
            ("agressif", &[2, 9]),
            ("drogue", &[3]),
            ("sex/education", &[16, 33]),
            ("education", &[33]),
            ("ddos", &[1, 5]),
            ("Phishing/Fraud", &[4]),
            ("chat_im", &[42]),
            ("doh", &[11]),
            ("strict_redirector", &[11]),
            ("warez", &[13]),
            ("bitcoin", &[39]),
            ("mail", &[45]),
        ] {
            assert_eq!(Catalogue::get().by_source(source), Source::Feeds(set(numbers)), "{source}");
        }
        for source in ["child", "whitelist_fr", "nrd", "examen_pix", "update"] {
            assert!(matches!(Catalogue::get().by_source(source), Source::Ignored(_)), "{source}");
        }
        assert_eq!(Catalogue::get().by_source("my own list"), Source::Unknown);
    }

    #[test]
    fn popular_collections_have_no_list_the_catalogue_does_not_know() {
        let ut1 = "adult agressif arjel associations_religieuses astrology audio-video bank bitcoin blog celebrity \
            chat child cleaning cooking cryptojacking dangerous_material dating ddos dialer doh download drogue \
            dynamic-dns educational_games examen_pix exceptions_liste_bu fakenews filehosting financial forums gambling \
            games hacking jobsearch jstor lingerie liste_blanche liste_bu malware manga marketingware mixed_adult \
            mobile-phone phishing press publicite radio reaffected redirector remote-control residential-proxies sect \
            sexual_education shopping shortener social_networks special sports stalkerware strict_redirector \
            strong_redirector translation tricheur tricheur_pix update vpn warez webhosting webmail ai";
        let shalla = "adv aggressive alcohol anonvpn automobile/bikes automobile/cars chat costtraps dating downloads \
            drugs dynamic education/schools finance/banking finance/insurance finance/moneylending finance/other \
            finance/realestate finance/trading fortunetelling forum gamble government hacking hobby/cooking \
            hobby/games-misc hobby/games-online hobby/gardening hobby/pets homestyle hospitals imagehosting isp \
            jobsearch library military models movies music news podcasts politics porn radiotv recreation/humor \
            recreation/martialarts recreation/restaurants recreation/sports recreation/travel recreation/wellness \
            redirector religion remotecontrol ringtones science/astronomy science/chemistry searchengines \
            sex/education sex/lingerie shopping socialnet spyware tracker updatesites urlshortener violence warez \
            weapons webmail webphone webradio webtv";
        for source in ut1.split_whitespace().chain(shalla.split_whitespace()) {
            assert_ne!(Catalogue::get().by_source(source), Source::Unknown, "{source}");
        }
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused() {
        let row = |id: u8, name: &str, source: &str| {
            format!(
                "[[category]]\nid={id}\nname=\"{name}\"\nlevel=\"L\"\nthreat=false\ndescription=\"\"\nsources=[\"{source}\"]\n"
            )
        };
        let ignored = |source: &str| format!("[[ignored]]\nreason=\"\"\nsources=[\"{source}\"]\n");
        for table in [
            row(64, "A", "a1") + &ignored("x"),
            row(1, "A", "a1") + &row(1, "B", "b1") + &ignored("x"),
            row(1, "A", "a") + &ignored("x"),
            row(1, "A", "a1") + &ignored("a1"),
            row(1, "A", "a1"),
            row(1, "A", "a1") + &ignored("x") + "colour = 1\n",
        ] {
            assert!(Catalogue::read(&table).is_err(), "{table}");
        }
    }
}
