//! The installation: licence, embedded reports, batches, the audit trail.

use crate::{
    client::Client,
    daemon::{Daemon, Place},
    dns::{ALLOWED, Got, ask},
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::mpsc,
};

/// A licence as its issuer signs it (RFC 8037).
fn signed(key: &Ed25519KeyPair, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({ "alg": "EdDSA", "typ": "JWT" })), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()));
    format!("{text}.{signature}")
}

#[tokio::test]
async fn a_licence_counts_only_with_its_issuers_signature() {
    // An Ed25519 key as PEM has these octets before it (RFC 8410).
    const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let place = Place::new();
    let issuer = Ed25519KeyPair::generate().unwrap();
    let der = [&PREFIX[..], issuer.public_key().as_ref()].concat();
    let file = place.path("licence.pem");
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    std::fs::write(&file, pem).unwrap();
    let settings = [("WEIR_LICENSE__PUBLIC_KEY", file.to_str().unwrap())];
    let mut daemon = place.start_with(&settings);
    let admin = place.administrator(&daemon);
    let (_, key) = admin.customer("one", "127.1.0.0/16").await;
    assert_eq!(key.get("/license").await.ok()["description"], "Community License");
    let claims = json!({ "license_number": "L-1", "description": "Production License", "organisation": "Example Ltd" });
    let import =
        async |client: &Client, text: &str| client.upload("/license/import", &[], ("license", text.as_bytes())).await;
    import(&admin, &signed(&Ed25519KeyPair::generate().unwrap(), &claims)).await.refused(400);
    import(&admin, "no licence").await.refused(400);
    import(&key, &signed(&issuer, &claims)).await.refused(403);
    assert_eq!(key.get("/license").await.ok()["description"], "Community License");
    import(&admin, &signed(&issuer, &claims)).await.ok();
    assert!(daemon.stop());
    let daemon = place.start_with(&settings);
    let admin = place.administrator(&daemon);
    assert_eq!(admin.get("/license").await.ok()["organisation"], "Example Ltd");
    let system = admin.get("/system").await.ok();
    assert_eq!(
        (system["license_number"].clone(), system["version"].clone()),
        (json!("L-1"), json!(env!("CARGO_PKG_VERSION")))
    );
}

/// A service over TLS that answers as Power BI does; its certificate, its address, and what it is asked.
async fn power_bi() -> (String, String, mpsc::UnboundedReceiver<String>) {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(pair.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![pair.cert.der().clone()], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (sender, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut stream = BufReader::new(stream);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") && stream.read_line(&mut request).await.is_ok_and(|octets| octets > 0)
            {
            }
            let length = request.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
            });
            let mut body = vec![0; length.unwrap_or_default()];
            stream.read_exact(&mut body).await.unwrap();
            request += &String::from_utf8(body).unwrap();
            let reply = match request.split(' ').nth(1).unwrap() {
                path if path.ends_with("/oauth2/v2.0/token") => json!({ "access_token": "at" }),
                path if path.contains("/reports/") => json!({ "datasetId": "d5" }),
                path if path.contains("/datasets/") => json!({ "isEffectiveIdentityRequired": true }),
                _ => json!({ "token": "embed" }),
            };
            let _ = sender.send(request);
            let reply = reply.to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", reply.len());
            stream.write_all((head + &reply).as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    (pair.cert.pem(), address, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_power_bi_is_shown_to_whom_it_is_configured_for() {
    let place = Place::new();
    let (certificate, address, mut asked) = power_bi().await;
    let roots = place.path("roots.pem");
    std::fs::write(&roots, certificate).unwrap();
    let daemon = place.start_with(&[
        ("SSL_CERT_FILE", roots.to_str().unwrap()),
        ("WEIR_POWERBI__LOGIN", &address),
        ("WEIR_POWERBI__API", &address),
    ]);
    let admin = place.administrator(&daemon);
    let (msp_id, msp) = admin.msp("msp").await;
    let (one, key) = admin.customer_of(Some(msp_id), "one", "127.1.0.0/16").await;
    let (_, other) = admin.customer("other", "127.2.0.0/16").await;
    let wanted = json!({ "rid": "behaviour" });
    assert_eq!(
        key.post("/powerbi/authenticate", wanted.clone()).await.refused(409)["error"],
        "Error: Power BI is not configured"
    );
    let (workspace, report) = ("afaae9ac-c6df-402d-aa58-7596cca90eb1", "761e05a5-321d-4911-87be-8110cf000001");
    let configuration = json!({
        "tenant": "contoso.example", "client": "4d20e977-0ec4-434a-b21d-2c529fb1d062", "client_secret": "hush",
        "config": [{ "wid": workspace, "rids": [{ "wid": "behaviour", "powerbiid": report }] }],
    });
    key.post("/powerbi/config", configuration.clone()).await.refused(403);
    msp.post("/powerbi/config", configuration).await.ok();
    let shown = key.get("/powerbi/config").await.ok();
    assert!(shown.to_string().contains(report) && !shown.to_string().contains("hush"), "{shown}");
    let answer = key.post("/powerbi/authenticate", wanted.clone()).await.ok();
    assert_eq!(answer["authentication"][0]["token"], "embed");
    let mut requests = Vec::new();
    while let Ok(request) = asked.try_recv() {
        requests.push(request);
    }
    assert!(
        requests[0].starts_with("POST /contoso.example/oauth2/v2.0/token ")
            && requests[0].contains("client_secret=hush")
    );
    let uuid = msp.get(&format!("/users/{one}")).await.ok()["uuid_str"].as_str().unwrap().to_owned();
    assert!(requests[3].contains(&uuid), "for this customer: {}", requests[3]);
    other.post("/powerbi/authenticate", wanted.clone()).await.refused(409);
    msp.delete("/powerbi/config").await.ok();
    key.post("/powerbi/authenticate", wanted).await.refused(409);
}

#[tokio::test]
async fn requests_of_a_batch_have_their_own_answers_rights_and_effects() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let (one, key) = admin.customer("one", "127.1.0.0/16").await;
    let (two, _) = admin.customer("two", "127.2.0.0/16").await;
    let mut batch: Map<String, Value> = (0..40)
        .map(|number| {
            let parameters = json!({ "domain": format!("n{number}.example") });
            let path = format!("users/{one}/policies/default/domains/block");
            (format!("n{number}"), json!({ "method": "POST", "path": path, "parameters": parameters }))
        })
        .collect();
    let foreign = format!("users/{two}/policies/default/domains/block");
    let parameters = json!({ "domain": "foreign.example" });
    for (name, method, path) in [
        ("foreign", "POST", foreign.as_str()),
        ("forbidden", "POST", "domains/block"),
        ("missing", "GET", "nothing"),
        ("method", "DELETE", "users"),
        ("nested", "POST", "batch"),
    ] {
        batch.insert(name.to_owned(), json!({ "method": method, "path": path, "parameters": parameters }));
    }
    let answers = key.post("/batch", Value::Object(batch.clone())).await;
    assert_eq!(answers.status, 200);
    assert_eq!(answers.json.as_object().unwrap().len(), batch.len());
    for (name, code) in [("foreign", 404), ("forbidden", 403), ("missing", 404), ("method", 405), ("nested", 400)] {
        let answer = &answers.json[name];
        assert_eq!((&answer["code"], &answer["response"]["code"]), (&json!(code), &json!(code)), "{name}: {answer}");
    }
    for number in 0..40 {
        assert_eq!(answers.json[&format!("n{number}")]["response"]["domain"], format!("n{number}.example"));
        assert_eq!(ask(daemon.udp, "127.1.0.9", &format!("n{number}.example")), Got::Blocked(17));
    }
    for from in ["127.1.0.9", "127.2.0.9", "127.0.0.1"] {
        assert_eq!(ask(daemon.udp, from, "foreign.example"), ALLOWED, "{from}");
    }
    Client::nobody(&daemon.api).post("/batch", Value::Object(batch)).await.refused(401);
}

fn verified(place: &Place, daemon: Option<&Daemon>) -> String {
    let api = daemon.map(|daemon| daemon.api.trim_start_matches("https://").trim_end_matches("/restapi"));
    let variable = api.map(|api| ("WEIR_API__LISTEN", api));
    let ended = place.run(&["audit", "verify"], variable.as_slice());
    assert_eq!(ended.code, Some(0), "{}", ended.error);
    assert!(ended.out.contains("is whole"), "{}", ended.out);
    ended.out
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_tells_who_changed_what_and_never_a_secret() {
    let place = Place::new();
    let mut daemon = place.start();
    let admin = place.administrator(&daemon);
    let (msp_id, msp) = admin.msp("msp").await;
    let (one, key) = admin.customer_of(Some(msp_id), "one", "127.1.0.0/16").await;
    let (_, other) = admin.customer("other", "127.2.0.0/16").await;
    Client::sign_in(&daemon.api, "one@weir.test", "a wrong one", None).await.refused(401);
    let policy = format!("/users/{one}/policies/default");
    key.post(&policy, json!({ "allowunclassified": false })).await.ok();
    let token = key.post("/tokens", json!({ "name": "script" })).await.ok()["token"].clone();
    msp.post(&format!("/users/{one}"), json!({ "password": "hunter22", "description": "changed" })).await.ok();

    let entry = key.get("/audit?operation=update_customer_default_policy").await.ok()["data"][0].clone();
    assert_eq!((&entry["actor"]["email"], &entry["address"]), (&json!("one@weir.test"), &json!("127.0.0.1")));
    let change = &entry["changes"][0];
    assert_eq!((&change["kind"], &change["action"]), (&json!("policy"), &json!("updated")));
    assert_ne!(change["before"], change["after"]);
    let entry = key.get("/audit?operation=update_user").await.ok()["data"][0].clone();
    assert_eq!((&entry["actor"]["kind"], &entry["actor"]["email"]), (&json!("msp"), &Value::Null), "from above");
    let entry = msp.get(&format!("/users/{one}/audit?operation=update_user")).await.ok()["data"][0].clone();
    assert_eq!(entry["actor"]["email"], "msp@weir.test");
    let all = admin.get("/audit?limit=1000").await.ok().to_string();
    assert!(all.contains("\"description\":\"changed\"") && all.contains("(secret)"));
    for secret in ["secret1", "hunter22", "$argon2", token.as_str().unwrap()] {
        assert!(!all.contains(secret), "{secret} in the trail");
    }
    let failed = admin.get(&format!("/users/{one}/audit")).await.ok();
    let incident = failed["data"].as_array().unwrap().iter().find(|entry| !entry["incident"].is_null()).unwrap();
    assert_eq!(incident["incident"]["subject"], "one@weir.test", "a failed sign-in stands there too");
    assert!(!other.get("/audit?limit=1000").await.ok().to_string().contains("one@weir.test"));
    other.get(&format!("/users/{one}/audit")).await.refused(404);

    assert_eq!(admin.post("/audit/verify", json!({})).await.ok()["whole"], true);
    msp.post("/audit/verify", json!({})).await.refused(403);
    let head = verified(&place, Some(&daemon));
    key.post(&policy, json!({ "allowunclassified": true })).await.ok();
    assert_ne!(verified(&place, Some(&daemon)), head, "another entry, another head");
    assert!(daemon.stop());
    verified(&place, None);
}
