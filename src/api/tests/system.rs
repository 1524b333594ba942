//! Certificates, upstream resolvers, licence, embedded reports and batches.

use super::harness::{As, House, LOOPBACK, id};
use crate::{
    api::{EmbedTokens, Endpoints, Options, Rate},
    auth::{LicenceKey, licence::tests::Issuer},
    model::*,
    resolve,
};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
};

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

async fn download(house: &House, caller: As, path: &str) -> Response<Bytes> {
    let mut request = Request::get(format!("/restapi{path}")).header("host", "weir.test");
    if caller != As::Nobody {
        request = request.header("authorization", format!("Bearer {}", house.token(caller)));
    }
    house.api.handle(request.body(Full::<Bytes>::default()).expect("a request"), LOOPBACK).await
}

fn certificate(common_name: &str) -> Value {
    json!({
        "duration": 1, "common_name": common_name, "organization": "Example CA", "unit": "Network", "city": "Galway",
        "state": "Galway", "country_code": "ie",
    })
}

#[tokio::test]
async fn the_active_certificate_signs_what_the_next_connection_is_shown() {
    let house = House::new().await;
    let certificates = house.services.certificates.clone().expect("TLS is on");
    let own = certificates.shown().cert.clone();
    assert_eq!(download(&house, As::Nobody, "/sslcerts/active/download").await.status(), 404);
    let one = house.post(As::System, "/sslcerts", certificate("one.example")).await.ok();
    assert_eq!((text(&one["issuer"]), text(&one["commonname"])), ("Example CA", "one.example"));
    let serial = text(&one["serialnumber"]).to_owned();
    assert_eq!(serial.len(), 59);
    let other = house.post(As::Sales, "/sslcerts", certificate("other.example")).await.ok();
    let list = house.get(As::Sales, "/sslcerts?limit=1").await.ok();
    assert_eq!((list["count"].clone(), list["total"].clone()), (json!(1), json!(2)));
    house.get(As::System, "/sslcerts/active").await.refused(404);
    assert_eq!(certificates.shown().cert, own, "making one changes nothing");

    let active = house.post(As::Sales, "/sslcerts/active", json!({ "id": serial.to_uppercase() })).await.ok();
    assert_eq!(active, one);
    assert_eq!(house.get(As::System, "/sslcerts/active").await.ok(), one);
    let der = download(&house, As::Nobody, "/sslcerts/active/download").await;
    assert_eq!(der.headers()["content-type"], "application/x-x509-ca-cert");
    assert_eq!(certificates.shown().cert[1].as_ref(), &der.body()[..], "it stands above the one that is shown");
    let pem = download(&house, As::Nobody, "/sslcerts/active/download?type=pem").await;
    assert!(pem.body().starts_with(b"-----BEGIN CERTIFICATE-----"));
    let name = pem.headers()["content-disposition"].to_str().expect("text");
    assert_eq!(name, format!("attachment; filename=\"{}\"", text(&one["filename"])));
    let same = download(&house, As::Sales, &format!("/sslcerts/{serial}/download?type=der")).await;
    assert_eq!(same.body(), der.body());

    house.post(As::System, "/sslcerts/active", json!({ "id": other["serialnumber"] })).await.ok();
    assert_ne!(certificates.shown().cert[1].as_ref(), &der.body()[..]);
    assert_eq!(house.store.all::<Certificate>().filter(|row| row.value.active).count(), 1);
    let deleted = house.delete(As::System, &format!("/sslcerts/{}", text(&other["serialnumber"]))).await.ok();
    assert_eq!((deleted["deleted"].clone(), deleted["commonname"].clone()), (json!(true), json!("other.example")));
    assert_eq!(certificates.shown().cert, own, "without an active one the node's own is shown");
    house.get(As::System, &format!("/sslcerts/{}", text(&other["serialnumber"]))).await.refused(404);
    let sealed = house.store.all::<Certificate>().next().expect("one is left").value.key;
    assert!(!format!("{sealed:?}").contains("PRIVATE"));
}

#[tokio::test]
async fn a_certificate_needs_all_its_fields() {
    let house = House::new().await;
    for (field, value, message) in [
        ("duration", json!(11), "duration: must be a whole number from 1 to 10"),
        ("common_name", json!(""), "common_name: must not be empty"),
        ("organization", json!("x".repeat(65)), "organization: must have at most 64 characters"),
        ("unit", json!(null), "unit: must be text"),
        ("country_code", json!("IRL"), "country_code: must have exactly 2 characters"),
        ("country_code", json!("1!"), "country_code: must be two letters"),
    ] {
        let mut body = certificate("x");
        body[field] = value;
        assert_eq!(house.post(As::System, "/sslcerts", body).await.refused(400), message);
    }
    let id = "a".repeat(60);
    let message = house.get(As::System, &format!("/sslcerts/{id}")).await.refused(400);
    assert_eq!(message, "id: must have at most 59 characters");
    house.get(As::System, "/sslcerts/62:9d").await.refused(404);
    house.post(As::System, "/sslcerts/active", json!({ "id": "62:9d" })).await.refused(404);
    let format = house.get(As::Nobody, "/sslcerts/active/download?type=p12").await.refused(400);
    assert_eq!(format, "type: must be one of: der pem");
    assert_eq!(house.store.count_all::<Certificate>(), 0);
}

/// A server that answers every question with one address.
async fn dns_server(address: [u8; 4]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let at = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let question_end = buffer[12..length].iter().position(|octet| *octet == 0).expect("a name") + 17;
            let mut reply = buffer[..question_end].to_vec();
            reply[2..4].copy_from_slice(&[0x81, 0x80]);
            reply[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            reply.extend(address);
            let _ = socket.send_to(&reply, peer).await;
        }
    });
    at
}

#[tokio::test]
async fn chosen_upstreams_are_asked_from_the_next_query_on() {
    let house = House::new().await;
    let resolver = &house.services.resolver;
    let lookup = || async {
        let name = DomainName::from_text("www.example").expect("a name");
        let key = resolve::Key::plain(name, 1);
        resolver.resolve(key).await.addresses().next().map(|address| address.to_string())
    };
    let (one, other) = (dns_server([192, 0, 2, 1]).await, dns_server([192, 0, 2, 2]).await);
    let configured = house.get(As::Sales, "/dns").await.ok();
    assert_eq!(configured["dns1"], "127.0.0.1:9");
    let set = house.post(As::System, "/dns", json!({ "dns1": one.to_string(), "dns3": "192.0.2.53" })).await.ok();
    assert_eq!(
        (text(&set["dns1"]), text(&set["dns2"]), set["dns3"].clone()),
        (one.to_string().as_str(), "192.0.2.53", Value::Null)
    );
    assert_eq!(lookup().await.as_deref(), Some("192.0.2.1"));
    house.post(As::System, "/dns", json!({ "dns1": other.to_string() })).await.ok();
    assert_eq!(lookup().await.as_deref(), Some("192.0.2.2"));
    for (body, message) in [
        (json!({ "dns1": "dns.example" }), "dns1: must be the address of a resolver, with or without a port"),
        (
            json!({ "dns1": null, "dns2": "tls://192.0.2.1" }),
            "dns2: must be the address of a resolver, with or without a port",
        ),
        (json!({ "dns3": "0.0.0.0" }), "dns3: must be the address of a resolver, with or without a port"),
    ] {
        assert_eq!(house.post(As::System, "/dns", body).await.refused(400), message);
    }
    assert_eq!(lookup().await.as_deref(), Some("192.0.2.2"));
    house.post(As::Sales, "/dns", json!({ "dns1": null })).await.refused(403);
    let back = house.post(As::System, "/dns", json!({ "dns1": null, "dns2": "null", "dns3": "" })).await.ok();
    assert_eq!(back, configured);
    assert!(house.store.get::<DnsSettings>(Account::System, 1).is_none());
}

async fn import(house: &House, token: &str) -> super::harness::Answer {
    let body =
        format!("--x\r\nContent-Disposition: form-data; name=\"license\"; filename=\"l\"\r\n\r\n{token}\r\n--x--\r\n");
    let request = Request::post("/restapi/license/import")
        .header("host", "weir.test")
        .header("authorization", format!("Bearer {}", house.token(As::System)))
        .header("content-type", "multipart/form-data; boundary=x");
    house.send(request.body(Full::new(Bytes::from(body))).expect("a request")).await
}

#[tokio::test]
async fn a_signed_licence_takes_the_place_of_the_community_licence() {
    let issuer = Issuer::new();
    let key = LicenceKey::from_pem(&issuer.public_pem()).expect("a key");
    let house = House::with_services(Options::default(), |services| services.licence_key = Some(key)).await;
    let community = house.get(As::One, "/license").await.ok();
    assert_eq!((text(&community["description"]), text(&community["status"])), ("Community License", "License Valid"));
    assert_eq!((text(&community["no_of_accounts"]), text(&community["no_of_users"])), ("Unlimited", "Unlimited"));
    let claims = json!({
        "license_number": "L-1", "description": "Production License", "organisation": "Example Ltd",
        "no_of_users": 5, "iat": 1_767_398_400, "updates_until": 1_830_556_800,
    });
    let header = || json!({ "alg": "EdDSA", "typ": "JWT" });
    let forged = Issuer::new().sign(header(), &claims);
    assert_eq!(import(&house, &forged).await.refused(400), "license: its signature is not valid");
    assert_eq!(import(&house, "x").await.refused(400), "license: is no licence file");
    assert_eq!(house.get(As::One, "/license").await.ok(), community, "nothing changed");
    let imported = import(&house, &issuer.sign(header(), &claims)).await.ok();
    assert_eq!((imported["success"].clone(), imported["imported"].clone()), (json!(true), json!(true)));
    let shown = house.get(As::Msp, "/license").await.ok();
    assert_eq!(imported["license_information"]["license_number"], shown["license_number"]);
    assert_eq!((text(&shown["organisation"]), text(&shown["organistion"])), ("Example Ltd", "Example Ltd"));
    assert_eq!((text(&shown["issued_date"]), shown["no_of_users"].clone()), ("January 03, 2026", json!(5)));
    let system = house.get(As::One, "/system").await.ok();
    assert_eq!((text(&system["object"]), text(&system["version"])), ("system", env!("CARGO_PKG_VERSION")));
    assert_eq!((system["license_number"].clone(), system["buildno"].is_u64()), (json!("L-1"), true));
    house.post(As::Sales, "/license/import", json!({})).await.refused(403);
}

#[tokio::test]
async fn without_a_key_no_licence_is_taken() {
    let house = House::new().await;
    let token = Issuer::new().sign(json!({ "alg": "EdDSA" }), &json!({ "license_number": "L" }));
    assert!(import(&house, &token).await.refused(409).starts_with("license: "));
    assert_eq!(house.post(As::System, "/license/import", json!({})).await.refused(400), "license: is required");
}

/// A service over TLS that answers like Power BI, and what it was asked.
async fn power_bi() -> (EmbedTokens, Arc<parking_lot::Mutex<Vec<String>>>) {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(pair.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("both versions")
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .expect("a certificate with its key");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    let asked = Arc::<parking_lot::Mutex<Vec<String>>>::default();
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            let whole = |request: &[u8]| {
                let text = String::from_utf8_lossy(request).to_ascii_lowercase();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
                let length =
                    head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
                body.len() >= length.unwrap_or(0)
            };
            while !whole(&request) {
                let length = stream.read(&mut buffer).await.expect("a request");
                request.extend(&buffer[..length]);
            }
            let request = String::from_utf8(request).expect("text");
            let reply = match request.split(' ').nth(1).expect("a path") {
                path if path.ends_with("/oauth2/v2.0/token") => json!({ "access_token": "at" }),
                path if path.contains("/reports/") => json!({ "datasetId": "d5" }),
                path if path.contains("/datasets/") => json!({ "isEffectiveIdentityRequired": true }),
                _ => json!({ "token": "embed" }),
            };
            seen.lock().push(request);
            let reply = reply.to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", reply.len());
            stream.write_all((head + &reply).as_bytes()).await.expect("written");
            let _ = stream.shutdown().await;
        }
    });
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pair.cert.der().clone()).expect("a root");
    let url = format!("https://localhost:{port}");
    let endpoints = Endpoints { login: url.clone(), api: url };
    (EmbedTokens::new(endpoints, Some(roots)).expect("a client"), asked)
}

#[tokio::test]
async fn an_embed_token_is_for_the_customer_it_is_shown_to() {
    let (embed, asked) = power_bi().await;
    let house = House::with_services(Options::default(), |services| services.embed = embed).await;
    let empty = house.get(As::One, "/powerbi/config").await.ok();
    assert_eq!(empty, json!({ "object": "powerbi_config", "code": 200, "config": [] }));
    let rid = json!({ "rid": "behaviour" });
    assert_eq!(
        house.post(As::One, "/powerbi/authenticate", rid.clone()).await.refused(409),
        "Power BI is not configured"
    );
    let (wid, report) = ("afaae9ac-c6df-402d-aa58-7596cca90eb1", "761e05a5-321d-4911-87be-8110cf000001");
    let body = json!({
        "tenant": "contoso.example", "client": "4d20e977-0ec4-434a-b21d-2c529fb1d062", "client_secret": "s&cret",
        "config": [{ "wid": wid, "rids": [{ "wid": "behaviour", "powerbiid": report }] }],
    });
    for (field, value, message) in [
        ("tenant", json!("../x"), "tenant: must be a UUID or a domain name"),
        ("client", json!("x"), "client: must be a UUID"),
        ("client_secret", json!(""), "client_secret: must not be empty"),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        assert_eq!(house.post(As::System, "/powerbi/config", wrong).await.refused(400), message);
    }
    assert_eq!(house.post(As::Msp, "/powerbi/config", json!({})).await.refused(400), "tenant: is required");
    let set = house.post(As::Msp, "/powerbi/config", body.clone()).await.ok();
    assert_eq!(set["config"], body["config"]);
    assert!(!set.to_string().contains("cret"), "the secret is not shown");
    assert_eq!(house.get(As::One, "/powerbi/config").await.ok()["config"], body["config"]);
    assert_eq!(house.get(As::Other, "/powerbi/config").await.ok(), empty);

    let answer = house.post(As::One, "/powerbi/authenticate", rid.clone()).await.ok();
    let uuid = house.store.find::<Customer>(house.one).expect("is there").value.uuid.to_string();
    assert_eq!(answer["authentication"], json!([{ "token": "embed", "uuid": uuid }]));
    let requests = std::mem::take(&mut *asked.lock());
    assert_eq!(requests.len(), 4);
    assert!(
        requests[0].starts_with("POST /contoso.example/oauth2/v2.0/token ")
            && requests[0].contains("client_secret=s%26cret")
    );
    assert!(requests[3].contains(&uuid) && requests[3].contains(report), "{}", requests[3]);
    let named = json!({ "rid": report, "uuid": uuid });
    house.post(As::Msp, "/powerbi/authenticate", named.clone()).await.ok();
    assert_eq!(
        house.post(As::OtherMsp, "/powerbi/authenticate", named).await.refused(404),
        "There is no such customer"
    );
    assert_eq!(
        house.post(As::One, "/powerbi/authenticate", json!({ "rid": "x" })).await.refused(404),
        "There is no such report"
    );
    house.delete(As::Msp, "/powerbi/config").await.ok();
    house.post(As::One, "/powerbi/authenticate", rid).await.refused(409);
}

#[tokio::test]
async fn a_service_that_fails_is_told_without_its_words() {
    let endpoints = Endpoints { login: "https://127.0.0.1:9".into(), api: "https://127.0.0.1:9".into() };
    let embed = EmbedTokens::new(endpoints, None).expect("a client");
    let house = House::with_services(Options::default(), |services| services.embed = embed).await;
    let (wid, report) = ("afaae9ac-c6df-402d-aa58-7596cca90eb1", "761e05a5-321d-4911-87be-8110cf000001");
    let body = json!({
        "tenant": "t", "client": wid, "client_secret": "s",
        "config": [{ "wid": wid, "rids": [{ "wid": "r", "powerbiid": report }] }],
    });
    house.post(As::System, "/powerbi/config", body).await.ok();
    let message = house.post(As::System, "/powerbi/authenticate", json!({ "rid": "r" })).await.refused(503);
    assert_eq!(message, "Power BI did not give a token");
}

#[tokio::test]
async fn a_batch_answers_each_request_under_its_key_with_its_own_rights() {
    let house = House::new().await;
    let body = json!({
        "create-user": { "method": "POST", "path": "users/", "parameters": {
            "accountname": "Batch", "email": "batch@weir.test", "password": "secret1", "license": "L" } },
        "mine": { "method": "get", "path": "/users?limit=1" },
        "absolute": { "method": "GET", "path": "/restapi/msps" },
        "foreign": { "method": "GET", "path": format!("users/{}", house.other) },
        "forbidden": { "method": "GET", "path": "sslcerts" },
        "missing": { "method": "GET", "path": "nothing" },
        "method": { "method": "DELETE", "path": "users" },
        "wrong": { "method": "POST", "path": "users", "parameters": { "accountname": ["x"] } },
        "nested": { "method": "POST", "path": "batch", "parameters": {} },
        "public": { "method": "GET", "path": "sslcerts/active/download" },
    });
    let answer = house.call(As::Msp, Method::POST, "/batch", body).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let answers = answer.json;
    let code = |key: &str| {
        assert_eq!(answers[key]["code"], answers[key]["response"]["code"], "{key}");
        answers[key]["code"].as_u64().expect("a number")
    };
    assert_eq!((code("create-user"), code("mine"), code("absolute")), (200, 200, 200));
    assert_eq!((code("foreign"), code("forbidden"), code("missing")), (404, 403, 404));
    assert_eq!((code("method"), code("wrong"), code("nested"), code("public")), (405, 400, 400, 404));
    assert_eq!(answers["wrong"]["response"]["error"], "Error: accountname: must be text");
    let made = id(&answers["create-user"]["response"]);
    assert_eq!(house.store.find::<Customer>(made).expect("was made").value.msp, Some(MspId(house.msp)));
    let file = json!({ "f": { "method": "GET", "path": "sslcerts/active/download?type=pem" } });
    let one = house.post(As::System, "/sslcerts", certificate("one.example")).await.ok();
    house.post(As::System, "/sslcerts/active", json!({ "id": one["serialnumber"] })).await.ok();
    let file = house.post(As::One, "/batch", file).await.json;
    assert_eq!(file["f"]["response"]["content_type"], "application/x-pem-file");
}

#[tokio::test]
async fn a_batch_that_is_none_runs_nothing() {
    let house = House::new().await;
    let before = house.store.revision();
    let good = json!({ "method": "POST", "path": "interface", "parameters": { "title": "x" } });
    let many: serde_json::Map<String, Value> = (0..51).map(|index| (index.to_string(), good.clone())).collect();
    for (body, message) in [
        (json!({}), "The batch has no request"),
        (json!({ "a": good, "b": 5 }), "b: must be an object"),
        (json!({ "a": good, "b": { "path": "x" } }), "b.method: is required"),
        (
            json!({ "a": good, "b": { "method": "PATCH", "path": "x" } }),
            "b.method: must be one of: GET POST PUT DELETE",
        ),
        (Value::Object(many), "at most 50 requests stand in a batch"),
    ] {
        let refused = house.post(As::Msp, "/batch", body).await.refused(400);
        assert!(refused.contains(message), "{refused}");
    }
    assert_eq!(house.store.revision(), before);
}

#[tokio::test]
async fn the_requests_of_a_batch_count_for_the_callers_rate() {
    let options = Options { key_rate: Rate { per_second: 1, burst: 30 }, ..Options::default() };
    let house = House::with(options).await;
    let body: serde_json::Map<String, Value> =
        (0..40).map(|index| (index.to_string(), json!({ "method": "GET", "path": "msps" }))).collect();
    let answers = house.post(As::One, "/batch", Value::Object(body)).await.json;
    let codes: Vec<u64> = (0..40).map(|index| answers[index.to_string()]["code"].as_u64().expect("a code")).collect();
    assert!(codes.contains(&200) && codes.contains(&429), "{codes:?}");
    assert!(codes.iter().filter(|code| **code == 200).count() <= 32);
    let guesses: serde_json::Map<String, Value> = (0..40)
        .map(|index| (index.to_string(), json!({ "method": "GET", "path": "sslcerts/active/download" })))
        .collect();
    let answers = house.post(As::Other, "/batch", Value::Object(guesses)).await.json;
    let limited = (0..40).filter(|index| answers[index.to_string()]["code"] == 429).count();
    assert!(limited > 0, "operations without credentials count too");
}
