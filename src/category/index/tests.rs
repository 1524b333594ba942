use super::{super::format::HEADER_OCTETS, *};
use crate::model::CategoryId;
use proptest::prelude::*;
use std::{collections::HashMap, io::Write, sync::LazyLock};

const KEY: FingerprintKey = *b"a key for tests.";

fn name(text: &str) -> DomainName {
    DomainName::from_text(text).expect("a valid name")
}

fn set(numbers: &[u8]) -> CategorySet {
    numbers.iter().filter_map(|&number| CategoryId::new(number)).collect()
}

fn index(names: &[(&str, &[u8])]) -> Index {
    let names = names.iter().map(|(text, numbers)| (name(text), set(numbers)));
    Index::from_names(names, KEY, Timestamp(1_790_000_000)).expect("a sound index")
}

fn sample() -> Vec<u8> {
    static SAMPLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let names = (0..500u32).map(|n| (name(&format!("host{n}.example{}.com", n % 7)), CategorySet(1 << (n % 50))));
        encode_names(names, KEY, Timestamp(5)).expect("memory does not fail")
    });
    SAMPLE.clone()
}

#[test]
fn a_stored_name_stands_for_itself_and_everything_below() {
    let index = index(&[("example.com", &[5]), ("mail.example.com", &[45]), ("a.b.c.d.example.net", &[7])]);
    for (asked, numbers, labels) in [
        ("example.com", &[5][..], 2),
        ("www.example.com", &[5], 2),
        ("mail.example.com", &[5, 45], 3),
        ("x.y.z.mail.example.com", &[5, 45], 3),
        ("badexample.com", &[], 0),
        ("com", &[], 0),
        (".", &[], 0),
        ("b.c.d.example.net", &[], 0),
        ("a.b.c.d.example.net", &[7], 6),
        ("1.2.3.4.5.6.7.8.9.10.11.12.a.b.c.d.example.net", &[7], 6),
    ] {
        let expected = CategoryMatch { set: set(numbers), labels };
        assert_eq!(index.categories(name(asked).as_name()), expected, "{asked}");
    }
}

#[test]
fn explain_names_every_stored_ancestor_shortest_first() {
    let index = index(&[("example.com", &[5]), ("mail.example.com", &[45])]);
    assert_eq!(
        index.explain(name("imap.mail.example.com").as_name()),
        [(name("example.com"), set(&[5])), (name("mail.example.com"), set(&[45]))]
    );
    assert_eq!(index.explain(name("example.org").as_name()), []);
}

#[test]
fn the_longest_name_is_looked_up_whole() {
    let deep = name(&vec!["a"; 127].join("."));
    let index = Index::from_names([(deep.clone(), set(&[1]))], KEY, Timestamp(0)).expect("a sound index");
    assert_eq!(index.categories(deep.as_name()), CategoryMatch { set: set(&[1]), labels: 127 });
}

#[test]
fn an_index_without_names_finds_nothing() {
    let index = index(&[]);
    assert!(index.is_empty());
    assert_eq!(index.categories(name("example.com").as_name()), CategoryMatch::default());
}

#[test]
fn the_counts_are_those_of_the_names_given() {
    let index = index(&[("a.example", &[1]), ("b.example", &[1]), ("b.example", &[2]), ("c.example", &[1])]);
    assert_eq!((index.len(), index.listings(), index.built_at()), (3, 4, Timestamp(1_790_000_000)));
    let mut sets: Vec<_> = index.sets().collect();
    sets.sort_by_key(|&(set, _)| set.0);
    assert_eq!(sets, [(set(&[1]), 2), (set(&[1, 2]), 1)]);
}

#[test]
fn a_name_costs_at_most_16_octets_from_a_thousand_names_on() {
    for names in [1_000u32, 10_000, 50_000] {
        let names = (0..names).map(|n| (name(&format!("n{n}.example")), set(&[(n % 40) as u8])));
        let index = Index::from_names(names, KEY, Timestamp(0)).expect("a sound index");
        let each = index.octets() as f64 / index.len() as f64;
        assert!(each <= 16.0, "{each} octets a name for {} names", index.len());
    }
}

#[test]
fn every_flipped_header_octet_is_noticed_with_its_reason() {
    let sound = sample();
    for at in 0..HEADER_OCTETS {
        let mut octets = sound.clone();
        octets[at] ^= 0x10;
        let error = Index::from_vec(octets).expect_err("a damaged header");
        let expected = match at {
            0..8 => matches!(error, IndexError::Magic),
            8..12 => matches!(error, IndexError::Version(_)),
            16..24 => matches!(error, IndexError::Length { .. }),
            _ => matches!(error, IndexError::Checksum),
        };
        assert!(expected, "octet {at}: {error}");
    }
}

#[test]
fn a_file_with_a_right_checksum_and_impossible_counts_is_refused() {
    let sound = sample();
    // The octet at this offset gets this value.
    for (at, value) in [(12, 200), (13, 0), (64, 0), (71, 1), (72, 1), (79, 1), (80, 0), (83, 1), (87, 1)] {
        let mut octets = sound.clone();
        octets[at] = value;
        if at == 64 {
            octets[64..72].fill(0);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&octets[HEADER_OCTETS..]).update(&octets[..96]);
        octets[96..128].copy_from_slice(hasher.finalize().as_bytes());
        let error = Index::from_vec(octets).expect_err("impossible counts");
        assert!(matches!(error, IndexError::Layout(_)), "octet {at}: {error}");
    }
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(matches!(Index::open(folder.path()), Err(IndexError::Magic)), "a folder");
    assert!(matches!(Index::open(&folder.path().join("none")), Err(IndexError::Io(_))), "no file");
    for (octets, what) in [(&b""[..], "empty"), (b"\x1f\x8b\x08\0\0\0\0\0\0", "gzip"), (b"weir", "half a magic")] {
        let path = folder.path().join("file");
        std::fs::write(&path, octets).expect("a writable folder");
        assert!(matches!(Index::open(&path), Err(IndexError::Magic)), "{what}");
    }
}

#[test]
fn a_mapped_file_answers_after_it_was_replaced_and_removed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("names.weir");
    std::fs::write(&path, sample()).expect("a writable folder");
    let index = Index::open(&path).expect("a sound file");
    assert_eq!(index.source(), Some(path.as_path()));
    let asked = name("host8.example1.com");
    let before = index.categories(asked.as_name());
    assert!(!before.set.is_empty());

    let mut other = tempfile::NamedTempFile::new_in(folder.path()).expect("a writable folder");
    other.write_all(&encode_names([], KEY, Timestamp(6)).expect("memory does not fail")).expect("a writable folder");
    other.persist(&path).expect("a rename");
    assert_eq!(index.categories(asked.as_name()), before);
    std::fs::remove_file(&path).expect("a file to remove");
    assert_eq!(index.clone().categories(asked.as_name()), before);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn an_index_agrees_with_a_map_of_names(
        stored in prop::collection::vec(("[ab]{1,2}(\\.[ab]{1,2}){0,5}", 1u64..1 << 54), 0..200),
        asked in prop::collection::vec("[ab]{1,2}(\\.[ab]{1,2}){0,12}", 0..100),
        key in any::<FingerprintKey>(),
    ) {
        let mut model: HashMap<DomainName, CategorySet> = HashMap::new();
        for (text, bits) in &stored {
            let all = model.entry(name(text)).or_default();
            *all = all.union(CategorySet(*bits));
        }
        let index = Index::from_names(stored.iter().map(|(text, bits)| (name(text), CategorySet(*bits))), key, Timestamp(0))
            .expect("a sound index");
        prop_assert_eq!(index.len(), model.len() as u64);
        for text in asked.iter().chain(stored.iter().map(|(text, _)| text)) {
            let asked = name(text);
            let mut expected = CategoryMatch::default();
            for ancestor in asked.as_name().ancestors() {
                if let Some(&set) = model.get(&ancestor.to_owned()) {
                    expected.set = expected.set.union(set);
                    expected.labels = expected.labels.max(ancestor.label_count() as u8);
                }
            }
            prop_assert_eq!(index.categories(asked.as_name()), expected);
        }
    }

    #[test]
    fn a_file_cut_short_or_continued_is_refused(cut in 0usize..4096, more in prop::collection::vec(any::<u8>(), 1..40)) {
        let sound = sample();
        prop_assert!(Index::from_vec(sound[..cut.min(sound.len() - 1)].to_vec()).is_err());
        prop_assert!(Index::from_vec([sound, more].concat()).is_err());
    }

    #[test]
    fn a_file_with_any_changed_octet_is_refused(at in any::<prop::sample::Index>(), change in 1u8..) {
        let mut octets = sample();
        let at = at.index(octets.len());
        octets[at] ^= change;
        prop_assert!(Index::from_vec(octets).is_err());
    }

    #[test]
    fn random_octets_are_refused(octets in prop::collection::vec(any::<u8>(), 0..600), with_magic in any::<bool>()) {
        let mut octets = octets;
        if with_magic && octets.len() > 12 {
            octets[..12].copy_from_slice(b"weir-cat\x01\0\0\0");
        }
        prop_assert!(Index::from_vec(octets).is_err());
    }
}
