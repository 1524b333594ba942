use super::*;
use serde_json::json;

fn read<T: Input>(value: Value) -> Result<T, String> {
    T::read(&value).map_err(|error| error.message().to_owned())
}

#[derive(Deserialize, JsonSchema)]
struct One<T> {
    x: T,
}

fn field<T: de::DeserializeOwned + JsonSchema + Send + 'static>(x: Value) -> Result<T, String> {
    read::<One<T>>(json!({ "x": x })).map(|one| one.x)
}

#[test]
fn flags_and_numbers_are_read_from_values_and_from_text() {
    for yes in [json!(true), json!(1), json!("true"), json!("1"), json!("True")] {
        assert_eq!(field(yes), Ok(Flag(true)));
    }
    for no in [json!(false), json!(0), json!("false"), json!("0"), json!(" FALSE ")] {
        assert_eq!(field(no), Ok(Flag(false)));
    }
    for bad in [json!("yes"), json!(2), json!(null), json!([]), json!({}), json!("")] {
        assert_eq!(field::<Flag>(bad), Err("x: must be true or false".into()));
    }
    assert_eq!(field(json!("17")), Ok(Id(17)));
    assert_eq!(field(json!(17.0)), Ok(Id(17)));
    for bad in [json!(0), json!("-1"), json!(2147483648u64), json!("1x"), json!(1.5), json!(true)] {
        assert_eq!(field::<Id>(bad), Err("x: must be an id from 1 to 2147483647".into()));
    }
    assert_eq!(field(json!("DEFAULT")), Ok(PolicyRef::Default));
    assert_eq!(field(json!("3")), Ok(PolicyRef::Id(3)));
}

choices! {
    enum Word {
        /// One.
        One = "one",
        /// Two.
        Two = "two",
    }
}

#[test]
fn a_word_is_read_in_any_case_and_missed_by_name() {
    assert_eq!(field(json!(" ONE ")), Ok(Word::One));
    assert_eq!(field(json!("two")), Ok(Word::Two));
    for bad in [json!("three"), json!(1), json!(null), json!([])] {
        assert_eq!(field::<Word>(bad), Err("x: must be one of: one two".into()));
    }
    assert_eq!(read::<One<Word>>(json!({})).err(), Some("x: is required".into()));
}

#[test]
fn an_error_names_the_field_wherever_it_is() {
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        rows: Vec<One<Flag>>,
    }
    assert_eq!(
        read::<Outer>(json!({ "rows": [{ "x": 1 }, { "x": "maybe" }] })).err(),
        Some("rows[1].x: must be true or false".into())
    );
    assert_eq!(read::<Outer>(json!({ "rows": [{}] })).err(), Some("rows[0].x: is required".into()));
    assert_eq!(read::<One<Flag>>(json!({ "y": 1 })).err(), Some("x: is required".into()));
}

#[test]
fn absent_null_and_given_are_three_things() {
    #[derive(Deserialize, JsonSchema)]
    struct Holder {
        #[serde(default)]
        x: Nullable<Id>,
    }
    for (value, expected) in [
        (json!({}), Nullable::Absent),
        (json!({ "x": null }), Nullable::Null),
        (json!({ "x": "null" }), Nullable::Null),
        (json!({ "x": "" }), Nullable::Null),
        (json!({ "x": "4" }), Nullable::Value(Id(4))),
        (json!({ "x": 4 }), Nullable::Value(Id(4))),
    ] {
        assert_eq!(read::<Holder>(value).expect("reads").x, expected);
    }
    assert_eq!(read::<Holder>(json!({ "x": "four" })).err(), Some("x: must be an id from 1 to 2147483647".into()));
}

#[test]
fn text_has_its_bounds() {
    assert_eq!(field(json!("")), Ok(Text::<3>(String::new())));
    assert_eq!(field(json!("äöü")), Ok(Text::<3>("äöü".into())));
    assert_eq!(field::<Text<3>>(json!("abcd")), Err("x: must have at most 3 characters".into()));
    assert_eq!(field::<Text<3>>(json!("a\u{0}")), Err("x: must not contain control characters".into()));
    assert_eq!(field::<Text<3>>(json!(5)), Err("x: must be text".into()));
    assert_eq!(field(json!(" a ")), Ok(Label::<3>("a".into())));
    assert_eq!(field::<Label<3>>(json!("  ")), Err("x: must not be empty".into()));
    assert!(field::<Email>(json!("a@b")).is_ok());
    for bad in ["", "a", "@b", "a@", "a b@c"] {
        assert!(field::<Email>(json!(bad)).is_err(), "{bad}");
    }
    assert_eq!(field(json!("a@b; c@d,,a@b ")), Ok(Emails(vec!["a@b".into(), "c@d".into()])));
    for bad in [json!(""), json!(" , "), json!("a@b, c"), json!(vec!["a"; 2]), json!("a@b,".repeat(2100))] {
        assert!(field::<Emails>(bad.clone()).is_err(), "{bad}");
    }
    assert_eq!(field(json!("09-05")), Ok(TimeOfDay(jiff::civil::time(9, 5, 0, 0))));
    assert_eq!(field(json!("23:59")), Ok(TimeOfDay(jiff::civil::time(23, 59, 0, 0))));
    for bad in ["", "24-00", "9-5", "12", "12-60", "12:30:10"] {
        assert!(field::<TimeOfDay>(json!(bad)).is_err(), "{bad}");
    }
    assert!(field::<TimeZone>(json!("Europe/London")).is_ok());
    assert!(field::<TimeZone>(json!("Mars/Olympus")).is_err());
    assert!(field::<Password>(json!("12345")).is_err());
}

#[test]
fn listed_names_may_ask_for_their_subdomains() {
    for (text, name, subdomains) in [
        ("Blocked.Example.", "blocked.example", false),
        (".blocked.example", "blocked.example", true),
        ("*.blocked.example", "blocked.example", true),
        ("bücher.example", "xn--bcher-kva.example", false),
    ] {
        let listed: ListedName = field(json!(text)).expect("valid");
        assert_eq!((listed.name.to_string().as_str(), listed.subdomains), (name, subdomains));
    }
    for bad in [".", "", "..a", "a..b", "http://a.example/", "a.*.b", "192.0.2.1", "*"] {
        assert!(field::<ListedName>(json!(bad)).is_err(), "{bad}");
    }
    for (text, host) in [
        ("https://user:pw@www.example.com:8443/path?q#f", "www.example.com"),
        ("www.example.com/path", "www.example.com"),
        ("example.com:53", "example.com"),
    ] {
        assert_eq!(field::<NameOrUrl>(json!(text)).expect("valid").0.to_string(), host);
    }
    assert!(field::<NameOrUrl>(json!("http://[2001:db8::1]/")).is_err());
}

#[test]
fn ranges_lose_their_host_bits() {
    for (text, net) in [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("2001:DB8::1/32", "2001:db8::/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
    ] {
        assert_eq!(field::<Range>(json!(text)).expect("valid").0.to_string(), net);
    }
    for bad in
        ["", "192.0.2", "192.0.2.0/33", "192.0.2.0/-1", "0.0.0.0/0", "0.0.0.0", "224.0.0.1", "a", "::ffff:1.2.3.4/8"]
    {
        assert!(field::<Range>(json!(bad)).is_err(), "{bad}");
    }
    let ranges: Ranges = field(json!("192.0.2.7, 192.0.2.7 198.51.100.0/24")).expect("valid");
    assert_eq!(ranges.0.len(), 2);
}

#[test]
fn a_document_is_taken_as_object_and_as_text() {
    let document = json!({ "filter": [1, { "a": null }] });
    let Value::Object(object) = document.clone() else { panic!("an object") };
    assert_eq!(field(document.clone()), Ok(JsonObject(object.clone())));
    assert_eq!(field(json!(document.to_string())), Ok(JsonObject(object)));
    for bad in [json!([]), json!("[]"), json!(1), json!("null"), json!(null)] {
        assert_eq!(field::<JsonObject>(bad), Err("x: must be a JSON object or its text".into()));
    }
    let broken = field::<JsonObject>(json!("{'filter:{'type':'value'}}")).expect_err("is no JSON");
    assert!(broken.starts_with("x: must be a JSON document: "), "{broken}");
    let long = json!({ "a": "x".repeat(8 * 1024) });
    assert_eq!(field::<JsonObject>(long), Err("x: must have at most 8192 octets".into()));
}
