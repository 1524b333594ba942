use super::{
    state::{FeedReport, FeedState, Made, Version},
    *,
};
use crate::feeds::Validators;
use flate2::{Compression, write::GzEncoder};
use std::{io::Write, path::Path};
use tempfile::TempDir;

const DAY: u32 = 86_400;

fn version(digest: &str, names: u64) -> Version {
    let validators = Validators { etag: Some(digest.into()), last_modified: None };
    Version { validators, digest: digest.into(), octets: 1, report: FeedReport { names, ..FeedReport::default() } }
}

fn made(category: &str) -> Made {
    Made { category: Some(category.into()), syntax: None }
}

#[test]
fn a_feed_goes_from_pending_to_current_to_failing_and_back() {
    let mut state = FeedState::default();
    state.follow("a", &made("gambling"));
    assert_eq!((state.standing(), state.next, state.known()), (Standing::Pending, None, Validators::default()));
    let now = Timestamp(1_000_000);
    state.adopted(version("one", 1_000), made("gambling"), DAY, now);
    assert_eq!((state.standing(), state.next), (Standing::Current, Some(Timestamp(now.0 + 86_400))));
    assert_eq!(state.known().etag.as_deref(), Some("one"));
    for (errors, pause) in [(1, 60), (2, 120), (3, 240), (4, 480), (5, 960)] {
        state.failed("404", None, now);
        assert_eq!((state.errors, state.next), (errors, Some(Timestamp(now.0 + pause))));
        assert_eq!(state.standing(), if errors < 5 { Standing::Retrying } else { Standing::Failing });
    }
    state.failed("503", Some(50_000), now);
    assert_eq!(state.next, Some(Timestamp(now.0 + 50_000)), "as the server asked");
    state.failed("503", Some(u64::MAX), now);
    assert!(state.next <= Some(Timestamp(now.0 + 86_400)), "a day at most");
    assert!(state.holds_back(499) && !state.holds_back(500));
    state.held_back(version("two", 10), DAY, now);
    assert_eq!((state.standing(), state.names), (Standing::Held, 1_000));
    state.unchanged(None, DAY, now);
    assert_eq!((state.standing(), state.held), (Standing::Current, None));
}

#[test]
fn another_address_or_category_is_fetched_at_once_without_validators_and_whatever_its_size() {
    let now = Timestamp(0);
    for (origin, category) in [("b", "gambling"), ("a", "sports")] {
        let mut state = FeedState::default();
        state.follow("a", &made("gambling"));
        state.adopted(version("one", 1_000), made("gambling"), DAY, now);
        state.follow(origin, &made(category));
        assert_eq!((state.next, state.known()), (None, Validators::default()), "{origin} {category}");
        assert!(!state.holds_back(1) && !state.has("one"), "{origin} {category}");
        assert_eq!(state.stamp().as_deref(), Some("gambling one"), "the copy is still the old one");
        state.failed("404", None, now);
        state.follow(origin, &made(category));
        assert_eq!(state.errors, 1, "a restart is no reason to ask at once again");
        state.adopted(version("one", 1_000), made(category), DAY, now);
        assert_eq!(state.known().etag.as_deref(), Some("one"));
    }
}

fn later() -> Timestamp {
    Timestamp(1_700_000_000)
}

fn feeds(dir: &Path, file: &Path, category: Option<&str>) -> (Feeds, CategoryFeed) {
    let feed = CategoryFeed {
        name: "one".into(),
        origin: FeedOrigin::File(file.to_owned()),
        category: category.map(str::to_owned),
        syntax: None,
        refresh_s: DAY,
    };
    let parts = FeedParts {
        dir: dir.join("feeds"),
        out: dir.join("feeds.weir"),
        feeds: vec![feed.clone()],
        fetcher: Fetcher::new(Default::default()).expect("a client"),
        octets_max: 1 << 20,
        categories: Arc::new(ArcSwap::from_pointee(Index::built_in())),
        clock: later,
    };
    (Feeds::new(parts), feed)
}

async fn brought(octets: &[u8], category: Option<&str>) -> (TempDir, FeedStatus) {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("feed");
    fs::write(&file, octets).expect("written");
    let (feeds, feed) = feeds(dir.path(), &file, category);
    feeds.bring(&feed, false).await;
    let status = feeds.status("one").expect("it is there");
    (dir, status)
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(octets).expect("packs");
    packed.finish().expect("packs")
}

fn tar(lists: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in lists {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, text.as_bytes()).expect("appends");
    }
    archive.into_inner().expect("an archive")
}

#[tokio::test]
async fn a_plain_list_is_read_in_any_syntax_and_packing_and_reported() {
    let text =
        b"! adblock\n||bet.example^\n||dice.example^\n||dice.example^\n@@||fine.example^\n||not..a.name^\n/x[0-9]+/\n";
    for octets in [text.to_vec(), gzip(text)] {
        let (_dir, status) = brought(&octets, Some("gambling")).await;
        assert_eq!((status.standing, status.state.names), (Standing::Current, 2), "{status:?}");
        let report = status.state.report.expect("a report");
        assert_eq!((report.syntax, report.duplicates), (Some(ListSyntax::Adblock), 1));
        assert_eq!((report.invalid > 0, report.left_out), (true, 2), "{report:?}");
        assert_eq!(report.categories, BTreeMap::from([("Gambling".to_owned(), 2)]));
    }
}

#[tokio::test]
async fn what_is_no_feed_is_refused_with_the_reason() {
    let good = gzip(&tar(&[("blacklists/gambling/domains", &"bet.example\n".repeat(1_000))]));
    let unknown = gzip(&tar(&[("blacklists/x-nobody/domains", "bet.example\n")]));
    let large = gzip(&tar(&[("blacklists/gambling/domains", &"a".repeat(9 << 20))]));
    for (octets, category, says) in [
        (&b"<!DOCTYPE html><html>no"[..], Some("gambling"), "no list"),
        (b"# nothing\n", Some("gambling"), "no names"),
        (b"", Some("gambling"), ""),
        (b"bet.example\n", None, ""),
        (&good[..good.len() / 2], None, ""),
        (&good[..good.len() - 4], None, ""),
        (&unknown, None, "no names"),
        (&large, None, "unpacked"),
        (&gzip(b""), None, "empty"),
    ] {
        let (dir, status) = brought(octets, category).await;
        let error = status.state.error.clone().unwrap_or_default();
        assert_eq!(status.standing, Standing::Retrying, "{says} {status:?}");
        assert!(!error.is_empty() && error.contains(says), "{error:?} has not {says:?}");
        assert!(!dir.path().join("feeds/one/lists").exists());
    }
    let (_dir, status) = brought(&good, None).await;
    assert_eq!((status.standing, status.state.names), (Standing::Current, 1), "{status:?}");
}

#[tokio::test]
async fn an_exchange_that_was_cut_off_is_mended_and_a_lost_copy_fetched_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("feed");
    fs::write(&file, "bet.example\n").expect("written");
    let (first, feed) = feeds(dir.path(), &file, Some("gambling"));
    first.bring(&feed, false).await;
    assert!(first.clone().build().await && !first.is_stale());
    let folder = dir.path().join("feeds/one");
    fs::rename(folder.join("lists"), folder.join("old")).expect("renamed");
    let (second, _) = feeds(dir.path(), &file, Some("gambling"));
    assert!(folder.join("lists").exists());
    assert_eq!(second.status("one").expect("there").standing, Standing::Current);
    fs::remove_dir_all(folder.join("lists")).expect("removed");
    let (third, _) = feeds(dir.path(), &file, Some("gambling"));
    assert_eq!(third.status("one").expect("there").standing, Standing::Pending);
    assert_eq!(third.due().len(), 1);
    third.bring(&feed, false).await;
    assert!(third.is_stale(), "the index that serves here is another");
    assert!(third.clone().build().await && !third.is_stale());
    assert!(third.index().names > 0);
}
