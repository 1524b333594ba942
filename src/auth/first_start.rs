//! The first start: an administrator to sign in with, and a policy for the networks at hand, so that
//! the first query is filtered.

use super::{keys, private_file, secret};
use crate::{
    model::*,
    store::{Actor, Batch, CommitError, Store},
};
use serde::Serialize;
use std::{
    io,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// The file the first administrator's credentials are in.
pub const CREDENTIALS_FILE: &str = "initial-credentials.toml";
/// The file the command line's bearer token is in.
pub const CLI_TOKEN_FILE: &str = "cli-token";

/// Ranges that are never a stranger's: loopback, private, link-local and carrier-shared addresses
/// (RFC 1918, RFC 3927, RFC 4193, RFC 4291, RFC 6598).
const LOCAL_RANGES: [&str; 9] = [
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
];

/// What a start found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// There are administrators: nothing was done.
    NotFirst,
    /// The first rows were made.
    Made {
        /// Where the credentials are.
        credentials: PathBuf,
    },
}

/// Why the first rows could not be made. Nothing of them is in the store then.
#[derive(Debug, thiserror::Error)]
pub enum FirstStartError {
    /// A file of the data folder cannot be written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No randomness, or no hash.
    #[error(transparent)]
    Secret(#[from] secret::SecretError),
    /// The store refused.
    #[error("the first rows could not be stored: {0}")]
    Commit(#[from] CommitError),
}

/// What `initial-credentials.toml` holds.
#[derive(Serialize)]
struct Credentials<'a> {
    email: &'a str,
    password: &'a str,
    consumer_key: &'a str,
    consumer_secret: &'a str,
    access_token: &'a str,
    access_token_secret: &'a str,
}

/// Makes the first rows of an empty store in one batch: the global default policy, the system
/// administrator with its keys and the command line's token, and the customer `Local network`.
///
/// The two files are written and synced before the batch is committed: whatever moment the power
/// fails at, an administrator that exists has its file. If the commit is lost, the next start makes
/// new ones; if a file is deleted later, nothing makes it again. Blocks for the password hash.
pub fn first_start(store: &Store, data_dir: &Path, email: &str, now: Timestamp) -> Result<FirstStart, FirstStartError> {
    if store.count_all::<Admin>() > 0 {
        return Ok(FirstStart::NotFirst);
    }
    let admin_id = AdminId(store.next_id::<Admin>());
    let password = secret::random_hex(24)?;
    let admin = Admin {
        id: admin_id,
        account: Account::System,
        role: Role::System,
        email: email.to_owned(),
        full_name: "System administrator".to_owned(),
        description: String::new(),
        password_hash: secret::hash_password_blocking(&password)?,
        custom_role: None,
        main: true,
        created: now,
    };
    let (key_row, client) = keys::make(store, admin_id, Account::System, now)?;
    let (token_row, token) =
        keys::make_token(store, (admin_id, Account::System), "Command line", TokenScope::All, None, now)?;

    let credentials = data_dir.join(CREDENTIALS_FILE);
    let text = toml::to_string(&Credentials {
        email,
        password: &password,
        consumer_key: &client.consumer_key,
        consumer_secret: &client.consumer_secret,
        access_token: &client.access_token,
        access_token_secret: &client.access_token_secret,
    });
    let text =
        text.map_err(|error| FirstStartError::File { path: credentials.clone(), source: io::Error::other(error) })?;
    write_private(&credentials, text.as_bytes())?;
    write_private(&data_dir.join(CLI_TOKEN_FILE), format!("{token}\n").as_bytes())?;

    let batch = Batch::new(Actor::Daemon, "first_start", now)
        .create(&global_default(store, now))
        .create(&admin)
        .create(&key_row)
        .create(&token_row);
    store.commit_blocking(local_network(store, batch, now))?;
    Ok(FirstStart::Made { credentials })
}

fn global_default(store: &Store, now: Timestamp) -> Policy {
    Policy {
        id: PolicyId(store.next_id::<Policy>()),
        owner: Account::System,
        is_default: true,
        name: "Default".to_owned(),
        description: "Global default policy".to_owned(),
        settings: PolicySettings {
            email_notifications: Some(String::new()),
            allow_unclassified: Some(true),
            safe_search: Some(SafeSearch::Off),
            level: Some(Level::M),
            block_answer: Some(BlockAnswer::Page),
            block_ttl_s: Some(60),
            block_text: Some(true),
            ..PolicySettings::default()
        },
        created: now,
        updated: now,
    }
}

/// The customer whose network is wherever the daemon runs.
fn local_network(store: &Store, batch: Batch, now: Timestamp) -> Batch {
    let customer = Customer {
        id: CustomerId(store.next_id::<Customer>()),
        msp: None,
        name: "Local network".to_owned(),
        email: String::new(),
        description: "Made at the first start".to_owned(),
        license: String::new(),
        timezone: String::new(),
        uuid: Uuid::new_v4(),
        install_key: Uuid::new_v4(),
        created: now,
        suspended: false,
    };
    let policy = Policy {
        id: PolicyId(store.next_id::<Policy>()),
        owner: Account::Customer(customer.id),
        is_default: true,
        name: "Default".to_owned(),
        description: "Default policy".to_owned(),
        settings: PolicySettings { level: Some(Level::M), ..PolicySettings::default() },
        created: now,
        updated: now,
    };
    let location = Location {
        id: LocationId(store.next_id::<Location>()),
        customer: customer.id,
        kind: LocationKind::StaticIp,
        name: "Loopback and private ranges".to_owned(),
        policy: None,
        deletable: true,
        created: now,
    };
    let mut batch = batch.create(&customer).create(&policy).create(&location);
    for range in LOCAL_RANGES {
        batch = batch.create(&Address {
            id: AddressId(store.next_id::<Address>()),
            customer: customer.id,
            location: location.id,
            net: range.parse().expect("the table holds CIDR ranges"),
            description: String::new(),
        });
    }
    batch
}

fn write_private(path: &Path, octets: &[u8]) -> Result<(), FirstStartError> {
    private_file::write(path, octets).map_err(|source| FirstStartError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{Authenticator, ClientKeys, Refusal, SignatureMethod, SignedRequest, SigningKey, sign},
        store::Options,
    };
    use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn start(folder: &Path) -> (Store, FirstStart) {
        let store = Store::open(folder, Options::default()).expect("opens");
        let found = first_start(&store, folder, "admin@weir.local", NOW).expect("starts");
        (store, found)
    }

    fn keys(folder: &Path) -> ClientKeys {
        let text = fs::read_to_string(folder.join(CREDENTIALS_FILE)).expect("is there");
        let table: toml::Table = text.parse().expect("is TOML");
        let value = |name: &str| table[name].as_str().expect("text").to_owned();
        assert_eq!(value("email"), "admin@weir.local");
        ClientKeys {
            consumer_key: value("consumer_key"),
            consumer_secret: value("consumer_secret"),
            access_token: value("access_token"),
            access_token_secret: value("access_token_secret"),
        }
    }

    #[test]
    fn the_first_start_makes_an_administrator_once_and_a_filtered_network() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, found) = start(folder.path());
        assert_eq!(found, FirstStart::Made { credentials: folder.path().join(CREDENTIALS_FILE) });
        for name in [CREDENTIALS_FILE, CLI_TOKEN_FILE] {
            let mode = fs::metadata(folder.path().join(name)).expect("is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(store.count_all::<Address>(), LOCAL_RANGES.len());
        assert_eq!(store.count_all::<Policy>(), 2);
        let again = first_start(&store, folder.path(), "other@weir.local", NOW).expect("starts");
        assert_eq!(again, FirstStart::NotFirst);
        assert_eq!(store.count_all::<Admin>(), 1);
        keys(folder.path());
    }

    #[test]
    fn the_written_credentials_sign_in_and_a_request_works_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _) = start(folder.path());
        let key = Arc::new(SigningKey::open(&store).expect("makes a key"));
        let authenticator = Authenticator::new(store.clone(), key, Timestamp(NOW.0 - 400));
        let request = SignedRequest {
            method: "GET",
            scheme: "https",
            authority: "127.0.0.1:8443",
            path: "/restapi/users",
            query: None,
            form: None,
            authorization: None,
        };
        let keys = keys(folder.path());
        let header = sign(&request, &keys, SignatureMethod::HmacSha1, NOW.0, "n1").expect("signs");
        let signed = SignedRequest { authorization: Some(&header), ..request };
        let caller = authenticator.authenticate(&signed, NOW).expect("is let in");
        assert_eq!((caller.role, caller.account), (Role::System, Account::System));
        assert_eq!(authenticator.authenticate(&signed, NOW), Err(Refusal::Replayed));

        let other = ClientKeys { access_token_secret: "x".into(), ..keys.clone() };
        let header = sign(&request, &other, SignatureMethod::HmacSha1, NOW.0, "n2").expect("signs");
        let forged = SignedRequest { authorization: Some(&header), ..request };
        assert_eq!(authenticator.authenticate(&forged, NOW), Err(Refusal::Unknown));
        let header = sign(&request, &keys, SignatureMethod::HmacSha256, NOW.0 - 301, "n3").expect("signs");
        let old = SignedRequest { authorization: Some(&header), ..request };
        assert_eq!(authenticator.authenticate(&old, NOW), Err(Refusal::Stale));
        assert_eq!(authenticator.authenticate(&request, NOW), Err(Refusal::Missing));

        let token = fs::read_to_string(folder.path().join(CLI_TOKEN_FILE)).expect("is there");
        let header = format!("Bearer {}", token.trim());
        let with_token = SignedRequest { authorization: Some(&header), ..request };
        assert_eq!(authenticator.authenticate(&with_token, NOW).map(|caller| caller.role), Ok(Role::System));
        let with_other = SignedRequest { authorization: Some("Bearer 00"), ..request };
        assert_eq!(authenticator.authenticate(&with_other, NOW), Err(Refusal::Unknown));
    }
}
