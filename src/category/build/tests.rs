use super::*;
use crate::category::{CategoryMatch, Index};
use proptest::prelude::*;
use std::{fmt::Write as _, io::Read as _};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/category").join(path)
}

struct Built {
    folder: tempfile::TempDir,
    result: Result<BuildReport, BuildError>,
}

impl Built {
    fn report(&self) -> &BuildReport {
        self.result.as_ref().expect("a build without errors")
    }

    fn error(&self) -> &BuildError {
        self.result.as_ref().expect_err("a build that fails")
    }

    fn source(&self, name: &str) -> &SourceCounts {
        self.report().sources.iter().find(|source| source.name == name).expect("a source of this name")
    }

    /// The categories of a name by number.
    fn categories(&self, name: &str) -> Vec<u8> {
        let index = Index::open(&self.folder.path().join("names.weir")).expect("a sound index");
        let name = DomainName::from_text(name).expect("a valid name");
        index.categories(name.as_name()).set.iter().map(|id| id.number()).collect()
    }
}

fn build_all(sources: &[PathBuf]) -> Built {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = BuildOptions {
        out: folder.path().join("names.weir"),
        sources: sources.to_vec(),
        built_at: Timestamp(1_790_000_000),
        memory_budget: BuildOptions::MEMORY_BUDGET,
    };
    let result = build(&options, &mut Silent);
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a readable folder").flatten().map(|e| e.path()).collect();
    assert!(left.iter().all(|path| *path == options.out), "temporary files are left: {left:?}");
    assert_eq!(left.len(), usize::from(result.is_ok()));
    Built { folder, result }
}

/// Test names that every index has.
fn test_names() -> u64 {
    starter::test_names().count() as u64
}

/// A folder with one list, and the build of it.
fn build_list(name: &str, octets: &[u8]) -> Built {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    fs::write(&path, octets).expect("a writable folder");
    build_all(&[path])
}

#[test]
fn lists_in_every_packing_become_one_index() {
    let built = build_all(&[fixture("lists")]);
    for (name, categories) in [
        ("ads.example.com", &[48][..]),
        ("deep.below.ads.example.com", &[48]),
        ("banner.example.net", &[5, 48]),
        ("pixel.example.org", &[48]),
        ("track.example.org", &[48]),
        ("evil.example.com", &[5, 11]),
        ("bücher.example", &[5]),
        ("www.phish.example.com", &[4]),
        ("vpn.example.com", &[11]),
        ("good.example.com", &[]),
        ("mars.example.com", &[]),
        ("example.co.uk", &[]),
        ("somebody.github.io", &[]),
        ("localhost", &[]),
    ] {
        assert_eq!(built.categories(name), categories, "{name}");
    }
    let ads = built.source("ads");
    assert_eq!((ads.lines, ads.names, ads.duplicates, ads.invalid, ads.suffixes, ads.addresses), (10, 4, 1, 1, 2, 1));
    assert_eq!(ads.samples[0].line, 10);
    let malware = built.source("malware");
    assert_eq!((malware.names, malware.invalid), (3, 1));
    assert_eq!(malware.samples[0].reason, "the line is not UTF-8");

    let report = built.report();
    assert_eq!((report.listings, report.names), (11 + test_names(), 9 + test_names()));
    assert_eq!(report.unknown().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["martians"]);
    assert_eq!(report.ignored().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["whitelist"]);
    assert_eq!(report.skipped.others, 1);
    let text = report.to_string();
    for part in ["Online Ads", "martians: no category", "whitelist: an allow list", "README.md", " different names, "] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn folders_in_ut1_layout_are_read_and_links_are_names_not_copies() {
    let built = build_all(&[fixture("folders")]);
    for (name, categories) in [
        ("adult.example.com", &[8][..]),
        ("adult1.example.com", &[8]),
        ("forum.example.com", &[43]),
        ("edu.example.com", &[16, 33]),
        // The catalogue does not know `list17`, but its link `gambling`.
        ("seventeen.example.com", &[19]),
    ] {
        assert_eq!(built.categories(name), categories, "{name}");
    }
    let adult = built.source("adult");
    assert_eq!((adult.lines, adult.names, adult.duplicates), (3, 2, 1));
    assert_eq!(adult.aliases, ["porn"]);
    assert_eq!(built.source("forums").aliases, ["mail"]);
    assert_eq!(built.report().skipped.companions, 2);
}

#[test]
fn an_archive_in_ut1_layout_is_read_as_its_folder_would_be() {
    let built = build_all(&[fixture("ut1.tar.gz")]);
    for (name, categories) in [
        ("hate.example.com", &[2, 9][..]),
        ("pub.example.com", &[48]),
        ("eighteen.example.com", &[22]),
        ("nineteen.example.com", &[]),
        ("kids.example.com", &[]),
        ("games.example.com", &[20]),
    ] {
        assert_eq!(built.categories(name), categories, "{name}");
    }
    assert_eq!(built.source("publicite").aliases, ["ads"]);
    assert_eq!(built.source("games").aliases, ["porn"]);
    let report = built.report();
    assert_eq!((report.listings, report.names), (5 + test_names(), 5 + test_names()));
    assert_eq!((report.skipped.companions, report.skipped.others), (1, 1));
    assert_eq!(report.unknown().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["list19"]);
}

#[test]
fn a_file_is_taken_by_its_name_whatever_its_ending() {
    for (name, file) in [("casino.example", "gambling"), ("casino.example", "gambling.blocklist")] {
        assert_eq!(build_list(file, b"casino.example\n").categories(name), [19], "{file}");
    }
}

#[test]
fn every_index_has_the_test_names() {
    let built = build_list("ads.txt", b"ads.example\n");
    assert_eq!(built.categories("malware.weir.test"), [5]);
    assert_eq!(built.categories("alcohol.weir.test"), [15]);
    assert!(built.categories("weir.test").is_empty());
}

#[test]
fn a_link_out_of_the_tree_is_followed_under_its_own_name() {
    let (tree, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, tree.path().join(name)).expect("a link");
    fs::create_dir(elsewhere.path().join("f17")).expect("a folder");
    fs::write(elsewhere.path().join("f17/domains"), "wine.example\n").expect("a writable folder");
    fs::write(elsewhere.path().join("data"), "news.example\n").expect("a writable folder");
    link(&elsewhere.path().join("f17"), "alcohol");
    link(&elsewhere.path().join("data"), "news.txt");
    link(&elsewhere.path().join("nothing"), "games.txt");
    link(tree.path(), "loop");
    let built = build_all(&[tree.path().to_owned()]);
    assert_eq!((built.categories("wine.example"), built.categories("news.example")), (vec![15], vec![38]));
    assert_eq!(built.report().sources.len(), 2);
    assert_eq!(built.report().skipped.others, 1);
}

#[test]
fn the_same_path_twice_is_read_once() {
    let built = build_all(&[fixture("lists"), fixture("lists/ads.txt"), fixture("lists")]);
    assert_eq!(built.source("ads").lines, 10);
}

#[test]
fn names_beyond_the_memory_budget_are_sorted_on_disk() {
    let mut list = String::new();
    // 1 MiB, the least budget, holds 65,536 records.
    for number in 0..150_000u32 {
        writeln!(list, "n{}.example.com", number.wrapping_mul(2_654_435_761) % 140_000).expect("memory does not fail");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("ads.txt"), &list).expect("a writable folder");
    fs::write(folder.path().join("malware.txt"), "n0.example.com\n").expect("a writable folder");
    let options = BuildOptions {
        out: folder.path().join("names.weir"),
        sources: vec![folder.path().to_owned()],
        built_at: Timestamp(1),
        memory_budget: 0,
    };
    let report = build(&options, &mut Silent).expect("a build without errors");
    let different: std::collections::HashSet<&str> = list.lines().collect();
    assert_eq!(report.names, different.len() as u64 + test_names());
    assert_eq!(report.listings, report.names + 1);
    let index = Index::open(&options.out).expect("a sound index");
    assert_eq!((index.len(), index.built_at()), (report.names, Timestamp(1)));
    let both = index.categories(DomainName::from_text("n0.example.com").expect("a valid name").as_name());
    assert_eq!(both.set.iter().map(|id| id.number()).collect::<Vec<_>>(), [5, 48]);
    for name in different.iter().step_by(97) {
        let found = index.categories(DomainName::from_text(name).expect("a valid name").as_name());
        assert_eq!(found.labels, 3, "{name}");
    }
}

#[test]
fn a_build_without_a_single_name_fails_and_says_what_it_saw() {
    for (file, octets) in
        [("ads.txt", &b"# nothing\n"[..]), ("martians.txt", b"mars.example\n"), ("child.txt", b"kid.example\n")]
    {
        let built = build_list(file, octets);
        assert!(matches!(built.error(), BuildError::Nothing(_)), "{file}");
    }
    assert!(build_list("martians.txt", b"mars.example\n").error().to_string().contains("martians: no category"));
}

#[test]
fn a_list_that_cannot_be_read_to_its_end_leaves_the_old_index_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = folder.path().join("ads.txt.gz");
    let options = BuildOptions {
        out: folder.path().join("names.weir"),
        sources: vec![list.clone()],
        built_at: Timestamp(1),
        memory_budget: 0,
    };
    let whole = fs::read(fixture("lists/phishing.txt.gz")).expect("a fixture");
    fs::write(&list, &whole).expect("a writable folder");
    build(&options, &mut Silent).expect("a build without errors");
    let before = fs::read(&options.out).expect("a readable folder");

    for (octets, what) in [(&whole[..whole.len() - 9], "cut short"), (b"plain.example\n", "not gzip"), (b"", "empty")] {
        fs::write(&list, octets).expect("a writable folder");
        let error = build(&options, &mut Silent).expect_err("a build that fails");
        assert!(error.to_string().contains("ads.txt.gz cannot be read"), "{what}: {error}");
        assert_eq!(fs::read(&options.out).expect("a readable folder"), before, "{what}");
    }
    assert!(matches!(build_all(&[folder.path().join("none")]).error(), BuildError::Read { .. }));
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for out in [folder.path().join("no/such/folder/names.weir"), folder.path().to_owned(), PathBuf::from("/")] {
        let options = BuildOptions { out, sources: vec![fixture("lists")], built_at: Timestamp(1), memory_budget: 0 };
        let error = build(&options, &mut Silent).expect_err("a build that fails");
        assert!(matches!(error, BuildError::Write { .. }), "{error}");
    }
}

#[test]
fn an_index_in_use_is_replaced_and_keeps_answering() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = folder.path().join("ads.txt");
    let options = BuildOptions {
        out: folder.path().join("names.weir"),
        sources: vec![list.clone()],
        built_at: Timestamp(1),
        memory_budget: 0,
    };
    let one = DomainName::from_text("one.example").expect("a valid name");
    fs::write(&list, "one.example\n").expect("a writable folder");
    build(&options, &mut Silent).expect("a build without errors");
    let old = Index::open(&options.out).expect("a sound index");
    fs::write(&list, "two.example\n").expect("a writable folder");
    build(&options, &mut Silent).expect("a build without errors");
    let new = Index::open(&options.out).expect("a sound index");
    assert_eq!(old.categories(one.as_name()).labels, 2);
    assert_eq!(new.categories(one.as_name()), CategoryMatch::default());
}

#[test]
fn progress_hears_of_every_octet_once() {
    #[derive(Default)]
    struct Heard {
        announced: u64,
        read: u64,
        steps: Vec<String>,
    }
    impl Progress for Heard {
        fn begin(&mut self, octets: u64) {
            self.announced = octets;
        }
        fn source(&mut self, name: &str) {
            self.steps.push(name.to_owned());
        }
        fn advance(&mut self, octets: u64) {
            self.read += octets;
        }
        fn phase(&mut self, phase: Phase) {
            self.steps.push(format!("{phase:?}"));
        }
        fn finish(&mut self) {
            self.steps.push("finished".to_owned());
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("names.weir");
    let options = BuildOptions { out, sources: vec![fixture("lists")], built_at: Timestamp(1), memory_budget: 0 };
    let mut heard = Heard::default();
    build(&options, &mut heard).expect("a build without errors");
    assert_eq!(heard.steps, ["ads", "malware", "phishing", "vpn", "Sorting", "Writing", "finished"]);
    assert_eq!(heard.read, heard.announced);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_archive_is_read_or_refused_and_nothing_worse(
        at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut octets = Vec::new();
        let packed = fs::read(fixture("ut1.tar.gz")).expect("a fixture");
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut octets).expect("a sound fixture");
        for (at, value) in at {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        octets.truncate(1 + cut.index(octets.len()));
        // Half of a name may be another one; no more can come out than went in.
        if let Ok(report) = &build_list("lists.tar", &octets).result {
            prop_assert!(report.names <= test_names() + octets.len() as u64);
        }
    }
}
