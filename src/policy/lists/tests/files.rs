//! Compiled lists written and read back.

use super::*;
use crate::model::RecordData;
use proptest::prelude::*;
use std::sync::LazyLock;

fn rich() -> Arc<CompiledList> {
    let conditions = Conditions {
        types: vec![A],
        clients: vec![ClientTerm::Name("tom".into()), ClientTerm::Net("10.0.0.0/8".parse().expect("a range"))],
        names_except: vec![name("ok.a.example")],
        ..Conditions::default()
    };
    let records = FixedAnswer::Records(vec![RecordData { rtype: A, rdata: Box::new([192, 0, 2, 1]) }]);
    let simple = ["||a.example", "@@|a.example", "!*.b.example", "-x-", "/ab+c/", "||r.example=nx"];
    let net = "192.0.2.0/24".parse().expect("a range");
    compiled(simple.iter().map(|text| Rule::Name(rule(text))).chain([
        when("||c.example", conditions.clone()),
        when("||d.example", Conditions { invert: true, ..conditions }),
        Rule::Name(NameRule { effect: Effect::Answer(Box::new(records)), ..rule("||e.example") }),
        Rule::NameServer(rule("||ns.example")),
        Rule::Address(AddressRule { trigger: AddressTrigger::Answer, net, effect: Effect::Block }),
    ]))
}

fn written(list: &CompiledList) -> Vec<u8> {
    let mut octets = Vec::new();
    list.write(&mut octets).expect("memory");
    octets
}

fn read(octets: &[u8]) -> Result<CompiledList, ListFileError> {
    CompiledList::read(octets, KEY)
}

#[test]
fn a_list_reads_back_as_it_was_written() {
    for list in [rich(), compiled([]), list(&["||one.example"])] {
        let octets = written(&list);
        let back = read(&octets).expect("whole");
        assert_eq!(written(&back), octets);
        assert_eq!(back.counted(), list.counted());
    }
    let lists = [rich(), Arc::new(read(&written(&rich())).expect("whole"))];
    let table = table(lists.map(|list| (BLOCK, list)));
    for asked in ["a.example", "x.a.example", "x.b.example", "q-x-q.test", "abbbc.test", "c.example", "e.example"] {
        let (one, two) = (ask(&table, &[1], asked), ask(&table, &[2], asked));
        assert_eq!(one.split_once(' ').map(|parts| parts.1), two.split_once(' ').map(|parts| parts.1), "{asked}");
    }
}

#[test]
fn numbers_take_the_octets_they_need() {
    for count in [1, 2, 300, 70_000] {
        let numbers: Vec<u32> = (0..count).collect();
        let small = super::super::compiled::Numbers::new(&numbers, count as usize);
        assert!(numbers.iter().all(|number| small.get(*number as usize) == *number), "{count}");
    }
    // A different answer for each name.
    let many = compiled((0..400).map(|number| Rule::Name(rule(&format!("||n{number}.example=to{number}.example")))));
    let table = table([(BLOCK, Arc::new(read(&written(&many)).expect("whole")))]);
    assert_eq!(ask(&table, &[1], "n399.example"), "1 Answer ||n399.example^$dnsrewrite=to399.example");
}

#[test]
fn what_is_no_such_file_is_refused_with_its_reason() {
    let octets = written(&rich());
    assert_eq!(read(b"").unwrap_err(), ListFileError::Magic);
    assert_eq!(read(b"weirlist").unwrap_err(), ListFileError::Length);
    assert_eq!(read(&octets[..octets.len() - 1]).unwrap_err(), ListFileError::Checksum);
    assert_eq!(CompiledList::read(&octets, NameKey(1)).unwrap_err(), ListFileError::Key);
    let mut newer = octets.clone();
    newer[8] = 3;
    assert_eq!(read(&newer).unwrap_err(), ListFileError::Version(3));
    // A right checksum over octets no build writes.
    let resealed = |change: fn(&mut Vec<u8>)| {
        let mut octets = octets[..octets.len() - 32].to_vec();
        change(&mut octets);
        let sum = blake3::hash(&octets);
        octets.extend_from_slice(sum.as_bytes());
        read(&octets).unwrap_err()
    };
    assert_eq!(resealed(|octets| octets[12] = 3), ListFileError::Layout("numbers of an odd width"));
    assert_eq!(resealed(|octets| octets[24] ^= 1), ListFileError::Length);
    assert_eq!(resealed(|octets| octets[47] = 0xff), ListFileError::Layout("names out of order"));
    assert_eq!(resealed(|octets| octets.truncate(octets.len() - 1)), ListFileError::Length);
}

static RICH: LazyLock<Vec<u8>> = LazyLock::new(|| written(&rich()));

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn a_changed_octet_is_noticed(at in 0usize..10_000, bit in 0u8..8) {
        let mut octets = RICH.clone();
        let at = at % octets.len();
        octets[at] ^= 1 << bit;
        prop_assert!(read(&octets).is_err());
    }

    #[test]
    fn resealed_rubbish_never_panics(changes in prop::collection::vec((0usize..10_000, any::<u8>()), 1..4)) {
        let mut octets = RICH.clone();
        octets.truncate(octets.len() - 32);
        for (at, octet) in changes {
            let at = at % octets.len();
            octets[at] = octet;
        }
        let sum = blake3::hash(&octets);
        octets.extend_from_slice(sum.as_bytes());
        if let Ok(list) = read(&octets) {
            let table = table([(BLOCK, Arc::new(list))]);
            for asked in ["x.a.example", "q-x-q.b.example", "abc.example"] {
                _ = ask(&table, &[1], asked);
            }
        }
    }
}
