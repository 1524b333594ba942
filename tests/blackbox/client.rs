//! A caller of the API: with OAuth 1.0a keys, a token, or nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Method, Response, header};
use serde_json::{Value, json};
use std::sync::Once;
use weir::auth::{ClientKeys, SignatureMethod, SignedRequest, sign};

pub type Keys = ClientKeys;

pub struct Client {
    http: reqwest::Client,
    base: String,
    credentials: Credentials,
}

/// What a caller shows.
enum Credentials {
    Keys(Keys, SignatureMethod),
    Token(String),
    Nothing,
}

/// The verifier of every sign-in here (RFC 7636).
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// An answer: status and JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub json: Value,
}

impl Answer {
    /// The body, if the call went through.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.json);
        self.json
    }

    /// The body, if the call was refused with this status.
    #[track_caller]
    pub fn refused(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.json);
        assert_eq!(self.json["code"], status, "{}", self.json);
        self.json
    }
}

/// An HTTP client that takes the daemon's self-signed certificate.
pub fn http() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
    reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap()
}

impl Client {
    pub fn new(base: &str, keys: Keys) -> Client {
        Client::with(base, Credentials::Keys(keys, SignatureMethod::HmacSha1))
    }

    /// With an access token or an API token.
    pub fn bearing(base: &str, token: &Value) -> Client {
        Client::with(base, Credentials::Token(token.as_str().unwrap().to_owned()))
    }

    /// Without credentials.
    pub fn nobody(base: &str) -> Client {
        Client::with(base, Credentials::Nothing)
    }

    fn with(base: &str, credentials: Credentials) -> Client {
        Client { http: http(), base: base.to_owned(), credentials }
    }

    /// Signs in with a password: the answer with the tokens.
    pub async fn sign_in(base: &str, user: &str, password: &str, otp: Option<&str>) -> Answer {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, VERIFIER.as_bytes());
        let mut query = format!(
            "response_type=code&client_id=2&redirect_uri={base}/oauth/callback&state=s&code_challenge={}\
             &code_challenge_method=S256&code_verifier={VERIFIER}",
            URL_SAFE_NO_PAD.encode(digest)
        );
        if let Some(otp) = otp {
            query += &format!("&otp={otp}");
        }
        let request = http().get(format!("{base}/oauth/authorize?{query}")).basic_auth(user, Some(password));
        answer(request.send().await.unwrap()).await
    }

    /// A caller who has signed in.
    pub async fn signed_in(base: &str, user: &str, password: &str) -> Client {
        Client::bearing(base, &Client::sign_in(base, user, password, None).await.ok()["access_token"])
    }

    /// Makes an MSP whose administrator is `name@weir.test` with the password `secret1`: its id, and
    /// that administrator.
    pub async fn msp(&self, name: &str) -> (u64, Client) {
        let email = format!("{name}@weir.test");
        let msp = id(&self.post("/msps", json!({ "name": name, "email": email, "password": "secret1" })).await.ok());
        (msp, Client::signed_in(&self.base, &email, "secret1").await)
    }

    /// Makes a customer whose queries come from a loopback range: its id, and its keys. Its
    /// administrator is `name@weir.test` with the password `secret1`.
    pub async fn customer(&self, name: &str, range: &str) -> (u64, Client) {
        self.customer_of(None, name, range).await
    }

    /// The same below an MSP. Made by the system: nobody else gives away parts of the local network's range.
    pub async fn customer_of(&self, msp: Option<u64>, name: &str, range: &str) -> (u64, Client) {
        let email = format!("{name}@weir.test");
        let mut body = json!({ "accountname": name, "email": email, "license": "L", "password": "secret1" });
        if let Some(msp) = msp {
            body["msp_id"] = json!(msp);
        }
        let user = self.post("/users", body).await.ok();
        let location = json!({ "name": "office", "ip": range });
        self.post(&format!("/users/{}/locations/staticip", id(&user)), location).await.ok();
        (id(&user), self.of_user(&user))
    }

    /// The same caller, signing with HMAC-SHA256.
    pub fn with_sha256(self) -> Client {
        let Credentials::Keys(keys, _) = self.credentials else { panic!("has no keys") };
        Client { credentials: Credentials::Keys(keys, SignatureMethod::HmacSha256), ..self }
    }

    /// A caller with the keys that `create_user` answered.
    pub fn of_user(&self, user: &Value) -> Client {
        let value = |name: &str| user[name].as_str().unwrap().to_owned();
        let keys = Keys {
            consumer_key: value("consumer_key"),
            consumer_secret: value("consumer_secret"),
            access_token: value("access_token"),
            access_token_secret: value("access_token_secret"),
        };
        Client::new(&self.base, keys)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None).await
    }

    /// Gets a file: what type it says it is, and its octets.
    pub async fn download(&self, path: &str) -> (String, Vec<u8>) {
        let response = self.respond(Method::GET, path, None, None).await;
        assert_eq!(response.status(), 200, "{path}");
        let content_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        (content_type, response.bytes().await.unwrap().to_vec())
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, None).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some("application/json"), Some(body.to_string())).await
    }

    /// Posts a form, given as its text.
    pub async fn form(&self, path: &str, body: &str) -> Answer {
        self.send(Method::POST, path, Some("application/x-www-form-urlencoded"), Some(body.to_owned())).await
    }

    /// Posts form fields and one file (RFC 7578).
    pub async fn upload(&self, path: &str, fields: &[(&str, &str)], file: (&str, &[u8])) -> Answer {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
        }
        let (name, octets) = file;
        body.extend(
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\r\n").bytes(),
        );
        body.extend(octets);
        body.extend(b"\r\n--x--\r\n");
        answer(self.respond(Method::POST, path, Some("multipart/form-data; boundary=x"), Some(body)).await).await
    }

    async fn send(&self, method: Method, path: &str, content_type: Option<&str>, body: Option<String>) -> Answer {
        answer(self.respond(method, path, content_type, body.map(String::into_bytes)).await).await
    }

    async fn respond(&self, method: Method, path: &str, content_type: Option<&str>, body: Option<Vec<u8>>) -> Response {
        let url: reqwest::Url = format!("{}{path}", self.base).parse().unwrap();
        let authorization = match &self.credentials {
            Credentials::Nothing => None,
            Credentials::Token(token) => Some(format!("Bearer {token}")),
            Credentials::Keys(keys, signature) => {
                let is_form = content_type == Some("application/x-www-form-urlencoded");
                let authority = format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap());
                let signed = SignedRequest {
                    method: method.as_str(),
                    scheme: url.scheme(),
                    authority: &authority,
                    path: url.path(),
                    query: url.query(),
                    form: body.as_deref().filter(|_| is_form),
                    authorization: None,
                };
                let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
                let nonce = uuid::Uuid::new_v4().simple().to_string();
                Some(sign(&signed, keys, *signature, now, &nonce).unwrap())
            }
        };
        let mut request = self.http.request(method, url);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if let (Some(content_type), Some(body)) = (content_type, body) {
            request = request.header(header::CONTENT_TYPE, content_type).body(body);
        }
        request.send().await.unwrap()
    }
}

pub async fn answer(response: Response) -> Answer {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    Answer { status, json: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

/// The id of an object.
#[track_caller]
pub fn id(object: &Value) -> u64 {
    object["id"].as_u64().unwrap()
}
