//! A caller of the API with OAuth 1.0a keys.

use reqwest::{Method, Response, header};
use serde_json::Value;
use std::sync::Once;
use weir::auth::{ClientKeys, SignatureMethod, SignedRequest, sign};

pub type Keys = ClientKeys;

pub struct Client {
    http: reqwest::Client,
    base: String,
    keys: Keys,
    method: SignatureMethod,
}

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
        Client { http: http(), base: base.to_owned(), keys, method: SignatureMethod::HmacSha1 }
    }

    /// The same caller, signing with HMAC-SHA256.
    pub fn with_sha256(self) -> Client {
        Client { method: SignatureMethod::HmacSha256, ..self }
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

    async fn send(&self, method: Method, path: &str, content_type: Option<&str>, body: Option<String>) -> Answer {
        answer(self.respond(method, path, content_type, body).await).await
    }

    async fn respond(&self, method: Method, path: &str, content_type: Option<&str>, body: Option<String>) -> Response {
        let url: reqwest::Url = format!("{}{path}", self.base).parse().unwrap();
        let is_form = content_type == Some("application/x-www-form-urlencoded");
        let authority = format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap());
        let signed = SignedRequest {
            method: method.as_str(),
            scheme: url.scheme(),
            authority: &authority,
            path: url.path(),
            query: url.query(),
            form: body.as_deref().filter(|_| is_form).map(str::as_bytes),
            authorization: None,
        };
        let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let authorization = sign(&signed, &self.keys, self.method, now, &nonce).unwrap();
        let mut request = self.http.request(method, url).header(header::AUTHORIZATION, authorization);
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
