use super::*;
use crate::{
    feeds::{Progress, Validators},
    model::{HostsMeaning, ListSyntax, NameReach},
};

const ID: ListSourceId = ListSourceId(3);
const BOUNDS: Bounds = Bounds { octets_max: 1 << 20, rules_max: 1_000 };

struct Kept {
    _dir: tempfile::TempDir,
    library: Library,
    recipe: Recipe,
}

fn kept(syntax: Option<ListSyntax>, text: &str) -> Kept {
    let dir = tempfile::tempdir().expect("a folder");
    let library = Library::open(dir.path()).expect("opens");
    let recipe = Recipe { syntax, reach: NameReach::BySyntax, hosts: HostsMeaning::Block, zone: None };
    let progress = Progress::default();
    let copied = library.copy(ID, text.as_bytes(), BOUNDS.octets_max, &progress).expect("copied");
    let draft = library.read(copied, recipe.clone(), BOUNDS, Validators::default(), &progress).expect("a list");
    library.adopt(ID, draft).expect("kept");
    Kept { _dir: dir, library, recipe }
}

impl Kept {
    fn page(&self, sought: &str, offset: usize, limit: usize) -> Findings {
        let part = Part { offset, limit, go_on: &mut || true };
        self.library.search(ID, &self.recipe, BOUNDS, &Sought::new(sought), part).expect("readable")
    }

    /// What is found, as `line text`.
    fn find(&self, sought: &str) -> Vec<String> {
        let found = self.page(sought, 0, 100);
        assert!(found.complete && found.total == found.rules.len());
        let line = |line: Option<u64>| line.map_or_else(|| "-".to_owned(), |line| line.to_string());
        found.rules.into_iter().map(|rule| format!("{} {}", line(rule.line), rule.text)).collect()
    }
}

#[test]
fn rules_are_found_by_text_and_by_the_names_they_match() {
    let list = "! Title: example\n||ads.example^\nexample.org\n@@||good.ads.example^ # example\n/^track[0-9]/\n\
                ||*.bücher.example^\n\n||late.example^$denyallow=ok.late.example\n||ads.example^\n||198.51.100.0^";
    let adblock = kept(Some(ListSyntax::Adblock), list);
    for (sought, expected) in [
        ("x.good.ads.example", &["2 ||ads.example^", "4 @@||good.ads.example^ # example", "9 ||ads.example^"][..]),
        ("ADS.example.", &["2 ||ads.example^", "9 ||ads.example^"]),
        ("ORG", &["3 example.org"]),
        ("example.org", &["3 example.org"]),
        ("www.example.org", &[]),
        ("track7.test", &["5 /^track[0-9]/"]),
        ("a.bücher.example", &["6 ||*.bücher.example^"]),
        ("a.xn--bcher-kva.example", &["6 ||*.bücher.example^"]),
        ("late.example", &["8 ||late.example^$denyallow=ok.late.example"]),
        ("x.ok.late.example", &[]),
        ("198.51.100.0", &["10 ||198.51.100.0^"]),
        ("nowhere.test", &[]),
        ("Title", &[]),
    ] {
        assert_eq!(adblock.find(sought), expected, "{sought}");
    }
    assert_eq!(adblock.find("").len(), 8, "all rules, neither comments nor blank lines");
}

#[test]
fn every_syntax_has_its_lines_but_those_without() {
    for (syntax, list, sought, expected) in [
        (None, "# x\n0.0.0.0 a.test b.test\n0.0.0.0 c.test", "b.test", "2 0.0.0.0 a.test b.test"),
        (None, "a.test\nb.test", "x.b.test", "2 b.test"),
        (None, "address=/a.test/b.test/#\n", "x.b.test", "1 address=/a.test/b.test/#"),
        (
            None,
            "server:\nlocal-zone: \"a.test\" always_nxdomain\nlocal-data: \"b.test A 192.0.2.1\"",
            "b.test",
            "3 local-data: \"b.test A 192.0.2.1\"",
        ),
        (None, "domain,why\na.test,x\nb.test,y\n", "www.b.test", "3 b.test,y"),
        (
            Some(ListSyntax::Rpz),
            "$ORIGIN rpz.test.\n$TTL 5\n@ SOA a b 1 2 3 4 5\na.test CNAME .\n*.b.test CNAME (\n . )\n",
            "www.b.test",
            "6  . )",
        ),
        (None, "[\"a.test\",\"b.test\"]", "www.b.test", "- ||b.test^"),
    ] {
        assert_eq!(kept(syntax, list).find(sought), [expected], "{list}");
    }
}

#[test]
fn a_page_ends_the_search_and_says_so() {
    let list: String = (1..=30).map(|number| format!("a{number}.test\n")).collect();
    let list = kept(None, &list);
    let page = list.page("test", 10, 5);
    assert_eq!((page.total, page.lines, page.complete), (15, 15, false));
    assert_eq!(page.rules.iter().map(|rule| rule.line).collect::<Vec<_>>(), (11..=15).map(Some).collect::<Vec<_>>());
    let last = list.page("test", 28, 5);
    assert_eq!((last.total, last.rules.len(), last.complete), (30, 2, true));
    assert_eq!(list.page("test", 0, 0), Findings::default());
    let mut patience = 7_u32;
    let part =
        Part { offset: 0, limit: 100, go_on: &mut || patience.checked_sub(1).map(|left| patience = left).is_some() };
    let found = list.library.search(ID, &list.recipe, BOUNDS, &Sought::new(""), part).expect("readable");
    assert_eq!((found.total, found.complete), (8, false));
    let part = Part { offset: 0, limit: 100, go_on: &mut || true };
    let nothing = list.library.search(ListSourceId(4), &list.recipe, BOUNDS, &Sought::new(""), part).expect("no copy");
    assert_eq!((nothing.total, nothing.complete), (0, true));
}
