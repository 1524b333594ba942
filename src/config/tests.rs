use super::*;
use crate::model::PolicyId;

const EXAMPLE: &str = include_str!("../../config/example.toml");

fn faults(text: &str) -> Faults {
    Config::parse("weir.toml", text).expect_err("the text has faults")
}

fn messages(text: &str) -> Vec<String> {
    faults(text).messages().map(str::to_owned).collect()
}

fn env(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// The example with the keys that are not set by default.
fn complete_example() -> String {
    let uncomment = |line: &'static str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => key,
        _ => line,
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_is_the_defaults() {
    let example = Config::parse("example.toml", EXAMPLE).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(example, Config::default());
    assert_eq!(Config::parse("empty.toml", "").expect("no faults"), Config::default());
}

#[test]
fn the_example_has_every_key() {
    let complete = complete_example();
    Config::parse("example.toml", &complete).unwrap_or_else(|faults| panic!("{faults}"));
    let example: toml::Table = complete.parse().expect("the example is TOML");
    let mut count = 0;
    for section in words::known_keys(&[]) {
        let table = example.get(&section).unwrap_or_else(|| panic!("[{section}] is missing"));
        for key in words::known_keys(&[&section]) {
            let value = table.get(&key).unwrap_or_else(|| panic!("[{section}] {key} is missing"));
            count += 1;
            for inner in words::known_keys(&[&section, &key]) {
                let shown = value.get(&inner).is_some() || EXAMPLE.contains(&format!(" {inner} = "));
                assert!(shown, "[{section}] {key}.{inner} is missing");
            }
        }
    }
    assert!(count > 30, "the types told only {count} keys");
}

#[test]
fn self_tests_have_a_name_of_their_own_or_none() {
    let of = |text: &str| {
        Config::parse("weir.toml", &format!("[dns]\nself_test = {text}\n")).map(|config| config.dns.self_test.0)
    };
    assert_eq!(of("false").expect("no fault"), None);
    let base = of("\"Id.Filter.Example\"").expect("no fault").expect("a name");
    assert_eq!(base.to_string(), "id.filter.example");
    for text in ["true", "\"example\"", "\"\"", "7"] {
        assert!(of(text).is_err(), "{text}");
    }
}

#[test]
fn a_file_of_the_usual_shape_is_read() {
    let text = r#"
        [dns]
        listen = ["127.0.0.1:5300", "[::1]:5300"]
        unknown_clients = { policy = 7 }
        rate_limit.exempt = "192.0.2.77"
        [resolve]
        upstreams = "https://dns.example/dns-query"
        zones = [{ name = "Corp.Example", upstreams = ["192.0.2.53:53"] }]
        [cache]
        size = 1048576
        [api]
        tls = { certificate = "chain.pem", key = "key.pem" }
        [policy]
        inheritance = "copy"
        [log]
        format = "json"
    "#;
    let config = Config::parse("weir.toml", text).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.dns.listen.len(), 2);
    assert_eq!(config.dns.unknown_clients, UnknownClients::Policy(PolicyId(7)));
    assert_eq!(config.dns.rate_limit.exempt, ["192.0.2.77/32".parse().expect("a prefix")]);
    assert_eq!(config.resolve.upstreams, ["https://dns.example/dns-query"], "one text stands for a list of one");
    assert_eq!(config.resolve.zones[0].name.to_string(), "corp.example");
    assert_eq!(config.cache.size, ByteSize::mib(1));
    assert_eq!(config.api.tls, ApiTls::Files { certificate: "chain.pem".into(), key: "key.pem".into() });
    assert_eq!(config.policy.inheritance, Inheritance::Copy);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.metrics, Metrics::default(), "what is not written has its default");
}

#[test]
fn one_fault_does_not_hide_the_next() {
    let text = r#"
[dns]
lisen = ["127.0.0.1:53"]
listen = ["127.0.0.1", "127.0.0.1:5353", "here:53"]
threads = "many"
unknown_clients = "shrug"
[dns.tcp]
idle_timeout_s = 0
[resolve]
upstreams = [1]
zones = [{ name = "a..b", upstreams = ["192.0.2.1"] }, { name = "corp.example" }]
[cache]
size = "lots"
[api]
tls = { certificate = 5, key = "key.pem" }
[policy]
inheritance = "lvie"
[logs]
level = "info"
[metrics]
enabled = 1
"#;
    let faults = faults(text);
    let messages: Vec<&str> = faults.messages().collect();
    let expected = [
        "unknown key `lisen` in [dns]",
        "`listen`: \"127.0.0.1\" is not an address with a port",
        "`listen`: \"here:53\" is not an address with a port",
        "`threads` takes a whole number from 0 to 1024, not \"many\"",
        "`unknown_clients` takes \"refuse\", \"drop\" or { policy = <id> }, not \"shrug\"",
        "`idle_timeout_s` takes a whole number from 1 to 600, not `0`",
        "`upstreams` takes a server, not `1`",
        "`name`: the name has an empty label",
        "`upstreams` is missing",
        "`size`: \"lots\" is no size",
        "`certificate` takes the path of a file or folder, not `5`",
        "`lvie` is no value of `inheritance`",
        "unknown key or section `logs`",
        "`enabled` takes true or false, not `1`",
    ];
    assert_eq!(messages.len(), expected.len(), "{faults}");
    for (message, start) in messages.iter().zip(expected) {
        assert!(message.starts_with(start), "{message}\nis not\n{start}");
    }
    let shown = faults.to_string();
    for part in [
        "weir.toml:3:1",
        "3 | lisen = [\"127.0.0.1:53\"]\n  | ^^^^^",
        "did you mean `listen`?",
        "weir.toml:4:11",
        "did you mean `live`?",
        "did you mean `log`?",
        "14 faults in the configuration",
    ] {
        assert!(shown.contains(part), "{part}\nis not in\n{shown}");
    }
}

#[test]
fn text_that_is_no_toml_is_shown_with_what_else_is_wrong() {
    let broken = "[dns]\nlisten = \nthreads = many\n[cache]\nsiez = 1\n[log\nlevel = \"loud\"\n";
    let messages = messages(broken);
    assert_eq!(messages.len(), 5, "{}", faults(broken));
    assert!(messages.iter().any(|message| message.contains("`siez`")), "{messages:?}");
    let unclosed = "[cache]\nsiez = 1\n[dns]\nlisten = [\"127.0.0.1:53\"\nthreads = 1\n[log]\nlevel = 1\n";
    assert_eq!(faults(unclosed).count(), 2, "{}", faults(unclosed));
    assert_eq!(faults("= 1").count(), 1);
    assert_eq!(faults("[dns]\nthreads = 1\nthreads = 2\n").count(), 1, "a key given twice");
}

#[test]
fn a_key_in_the_wrong_section_is_sent_to_its_own() {
    let shown = faults("[dns]\nupstreams = [\"system\"]\n").to_string();
    assert!(shown.contains("`upstreams` belongs to [resolve]"), "{shown}");
    let shown = faults("listen = \"127.0.0.1:53\"\n").to_string();
    assert!(shown.contains("unknown key or section `listen`"), "{shown}");
}

#[test]
fn contradictions_are_told() {
    for (text, expected) in [
        ("[dns]\nlisten = []", "`listen` needs at least one address"),
        ("[dns]\nlisten = [\"127.0.0.1:53\", \"127.0.0.1:53\"]", "127.0.0.1:53 is listed twice"),
        ("[dns]\nlisten = [\"0.0.0.0:8443\"]", "the API cannot listen on 127.0.0.1:8443"),
        ("[api]\nlisten = \"127.0.0.1:5353\"", "the API cannot listen on 127.0.0.1:5353"),
        ("[lists]\nupload_max = 5", "`upload_max` takes 1 KiB to 4 GiB, not 5 B"),
        ("[api]\nbody_max = 5", "`body_max` takes 1 KiB to 1 GiB, not 5 B"),
        ("[cache]\nttl_min_s = 60\nttl_max_s = 30", "`ttl_min_s` (60) is larger than `ttl_max_s` (30)"),
        ("[resolve]\nupstreams = [\"recurse\", \"192.0.2.1\"]", "`\"recurse\"` stands alone"),
        ("[resolve]\nupstreams = []", "`upstreams` needs at least one server"),
        ("[dns.tcp]\nconnections_max = 5", "`connections_per_client_max` (64) is larger"),
        (
            "[[resolve.zones]]\nname = \"a.example\"\nupstreams = [\"192.0.2.1\"]\n\
             [[resolve.zones]]\nname = \"A.example.\"\nupstreams = [\"192.0.2.2\"]",
            "the zone `a.example` is listed twice",
        ),
    ] {
        let messages = messages(text);
        assert!(messages.len() == 1 && messages[0].starts_with(expected), "{text}\ngave {messages:?}");
    }
    // Port 0 is another port every time.
    Config::parse("weir.toml", "[dns]\nlisten = [\"127.0.0.1:0\"]\n[api]\nlisten = \"127.0.0.1:0\"").expect("no fault");
}

#[test]
fn each_upstream_that_is_no_server_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("weir.toml");
    let text = "[resolve]\nupstreams = [\"system\", \"bad one\"]\n[[resolve.zones]]\nname = \"a.example\"\nupstreams = \"bad two\"\n";
    std::fs::write(&file, text).expect("written");
    let check = |text: &str| if text.starts_with("bad") { Err(format!("{text:?} is no server")) } else { Ok(()) };
    let faults = Config::load(Some(&file), [], check).expect_err("two faults");
    let shown = faults.to_string();
    assert_eq!(faults.count(), 2, "{shown}");
    for part in ["\"bad one\" is no server", "weir.toml:2:24", "\"bad two\" is no server", "weir.toml:5:13"] {
        assert!(shown.contains(part), "{part}\nis not in\n{shown}");
    }
}

#[test]
fn variables_override_the_file_and_are_toml_or_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, "[dns]\nlisten = [\"127.0.0.1:1053\"]\nthreads = 2\nunknown_clients = \"drop\"\n")
        .expect("written");
    let variables = [
        ("WEIR_DNS__LISTEN", r#"["127.0.0.1:2053", "[::1]:2053"]"#),
        ("WEIR_DNS__TCP__IDLE_TIMEOUT_S", "5"),
        ("WEIR_DNS__UNKNOWN_CLIENTS__POLICY", "9"),
        ("WEIR_API__LISTEN", "127.0.0.1:2443"),
        ("WEIR_RESOLVE__UPSTREAMS", "192.0.2.1:53"),
        ("WEIR_QUERYLOG__ENABLED", "true"),
        ("WEIR_CACHE__SIZE", "2 MiB"),
        ("WEIR_SOMETHING", "of somebody else"),
        ("WEIR", "/usr/bin/weir"),
        ("HOME", "/root"),
    ];
    let config = Config::load(Some(&file), env(&variables), |_| Ok(())).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.dns.listen.len(), 2);
    assert_eq!(config.dns.threads, 2, "the file holds where no variable speaks");
    assert_eq!(config.dns.tcp.idle_timeout_s, 5);
    assert_eq!(config.dns.unknown_clients, UnknownClients::Policy(PolicyId(9)));
    assert_eq!(config.api.listen.port(), 2443);
    assert_eq!(config.resolve.upstreams, ["192.0.2.1:53"]);
    assert!(config.querylog.enabled);
    assert_eq!(config.cache.size, ByteSize::mib(2));
}

#[test]
fn a_variable_with_a_fault_is_named_and_shown() {
    let variables = [
        ("WEIR_DNS__LISEN", "1"),
        ("WEIR_NOWHERE__KEY", "1"),
        ("WEIR_DNS__THREADS", "[1]"),
        ("WEIR_DNS__LISTEN", "[\"x\"]"),
    ];
    let faults = Config::load(None, env(&variables), |_| Ok(())).expect_err("four faults");
    assert_eq!(faults.count(), 4, "{faults}");
    let shown = faults.to_string();
    for part in [
        "environment variable WEIR_DNS__LISEN:1:11",
        "WEIR_DNS__LISEN=1",
        "did you mean `listen`?",
        "environment variable WEIR_NOWHERE__KEY:1:6",
        "environment variable WEIR_DNS__THREADS:1:19",
        "environment variable WEIR_DNS__LISTEN:1:19",
    ] {
        assert!(shown.contains(part), "{part}\nis not in\n{shown}");
    }
}

#[test]
fn paths_start_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("weir.toml");
    let text = "[category]\nfile = \"names.weir\"\n[querylog]\ndir = \"/var/log/weir\"\n\
                [api]\ntls = { certificate = \"tls/chain.pem\", key = \"tls/key.pem\" }\n";
    std::fs::write(&file, text).expect("written");
    let config = Config::load(Some(&file), [], |_| Ok(())).expect("no faults");
    assert_eq!(config.data.dir, folder.path().join("weir-data"));
    assert_eq!(config.category.file, Some(folder.path().join("names.weir")));
    assert_eq!(config.querylog_dir(), Path::new("/var/log/weir"));
    let tls = |name| folder.path().join("tls").join(name);
    assert_eq!(config.api.tls, ApiTls::Files { certificate: tls("chain.pem"), key: tls("key.pem") });
    assert_eq!(Config::load(None, [], |_| Ok(())).expect("defaults").data.dir, Path::new("./weir-data"));
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault() {
    let faults = Config::load(Some(Path::new("/nonexistent/weir.toml")), [], |_| Ok(())).expect_err("no such file");
    assert!(faults.to_string().contains("cannot read /nonexistent/weir.toml"), "{faults}");
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let warnings = |text: &str| Config::parse("weir.toml", text).expect("no faults").warnings();
    assert!(warnings("").is_empty());
    assert!(warnings("[api]\ntls = \"off\"").is_empty(), "a proxy on the same machine");
    assert_eq!(warnings("[api]\ntls = \"off\"\nlisten = \"0.0.0.0:80\"\n[metrics]\npublic = true").len(), 2);
}
