//! Certificate authorities of this installation: people trust the active one, and it signs what the
//! API and the block page show.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Label, Nothing, Number, Page, Text, Words, choices},
        operation::operations,
        reply::{Download, List, Media, Object, Single, time_text},
        scope::{Own, Shown},
    },
    certs::{self, make_authority, sign_for},
    model::*,
    store::{Row, Unique},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    ssl_certificates {
        /// Downloads the active certificate.
        /// Who trusts it trusts what this installation shows.
        GET "/sslcerts/active/download" for [Anyone] => download_active_ssl_cert = download_active;
        /// Lists all certificates.
        GET "/sslcerts" for [System, Sales] => list_ssl_certs = list;
        /// Makes a certificate.
        POST "/sslcerts" for [System, Sales] => create_ssl_cert = create;
        /// Shows a certificate.
        GET "/sslcerts/{id}" for [System, Sales] => get_ssl_cert = get;
        /// Deletes a certificate; if it is the active one, the node's own is shown again.
        DELETE "/sslcerts/{id}" for [System, Sales] => delete_ssl_cert = delete;
        /// Shows the active certificate.
        GET "/sslcerts/active" for [System, Sales] => get_active_ssl_cert = get_active;
        /// Chooses the active certificate, from the next connection on.
        POST or PUT "/sslcerts/active" for [System, Sales] => set_active_ssl_cert = set_active;
        /// Downloads a certificate.
        GET "/sslcerts/{id}/download" for [System, Sales] => download_ssl_cert = download;
    }
}

/// Certificates kept.
const CERTIFICATES_MAX: usize = 100;

/// A certificate as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct SslCert {
    issuer: String,
    commonname: String,
    /// Hexadecimal pairs with colons.
    serialnumber: String,
    expires: String,
    filename: String,
}

impl Object for SslCert {
    fn object(&self) -> &'static str {
        "ssl_cert"
    }
}

fn show(certificate: &Certificate) -> SslCert {
    SslCert {
        issuer: certificate.subject.organisation.clone(),
        commonname: certificate.subject.common_name.clone(),
        serialnumber: certificate.serial.clone(),
        expires: time_text(certificate.expires),
        filename: certificate.file_name.clone(),
    }
}

fn single(row: &Row<Certificate>) -> Single<SslCert> {
    Single::new(show(&row.value)).at(row.revision)
}

#[derive(Deserialize, JsonSchema)]
struct Serial {
    /// Serial number of the certificate: hexadecimal pairs with colons.
    id: Text<59>,
}

/// The certificate of a serial number, in either case.
fn named<S>(call: &Call<S>, serial: &Serial) -> Result<Row<Certificate>, ApiError> {
    let key = serial.id.0.trim().to_ascii_lowercase();
    let found = call.view.unique::<Certificate>(Unique::CertificateSerial, key.as_bytes());
    found.ok_or_else(|| ApiError::not_found("certificate"))
}

fn active<S>(call: &Call<S>) -> Result<Row<Certificate>, ApiError> {
    certs::active(call.store()).ok_or_else(|| ApiError::not_found("certificate: none is active"))
}

async fn list(call: Call<Own>, page: Page) -> Result<List<SslCert>, ApiError> {
    let rows = call.view.own::<Certificate>().skip(page.offset()).take(page.limit());
    Ok(List::new(call.view.own_count::<Certificate>(), rows.map(|row| show(&row.value)).collect()))
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    /// Years it is valid.
    duration: Number<1, 10>,
    /// Common name (CN). If it is a host name, what the certificate signs is for that name too.
    common_name: Label<64>,
    /// Organisation (O).
    organization: Label<64>,
    /// Unit (OU).
    unit: Label<64>,
    /// City (L).
    city: Label<128>,
    /// State or province (ST).
    state: Label<128>,
    /// Two letters of ISO 3166 (C).
    country_code: Words<2, 2>,
}

async fn create(call: Call<Own>, input: Create) -> Result<Single<SslCert>, ApiError> {
    let country = input.country_code.0.to_ascii_uppercase();
    if !country.bytes().all(|octet| octet.is_ascii_uppercase()) {
        return Err(ApiError::field("country_code", "must be two letters"));
    }
    let subject = CertificateSubject {
        common_name: input.common_name.0,
        organisation: input.organization.0,
        unit: input.unit.0,
        city: input.city.0,
        state: input.state.0,
        country,
    };
    let certificate =
        make_authority(call.store(), subject, input.duration.0, call.now).map_err(|error| failed(&error))?;
    let id = certificate.id;
    call.write(|batch| {
        if call.view.own_count::<Certificate>() >= CERTIFICATES_MAX {
            return Err(ApiError::conflict(format!("At most {CERTIFICATES_MAX} certificates are kept")));
        }
        Ok((batch.create(&certificate), ()))
    })
    .await?;
    Ok(single(&call.view.find::<Certificate>(id.0, "certificate")?))
}

async fn get(call: Call<Own>, serial: Serial) -> Result<Single<SslCert>, ApiError> {
    Ok(single(&named(&call, &serial)?))
}

async fn get_active(call: Call<Own>, _: Nothing) -> Result<Single<SslCert>, ApiError> {
    Ok(single(&active(&call)?))
}

/// A certificate that was deleted.
#[derive(Debug, Serialize, JsonSchema)]
struct DeletedCert {
    #[serde(flatten)]
    certificate: SslCert,
    /// Always true.
    deleted: bool,
}

impl Object for DeletedCert {
    fn object(&self) -> &'static str {
        "ssl_cert"
    }
}

async fn delete(call: Call<Own>, serial: Serial) -> Result<Single<DeletedCert>, ApiError> {
    let _turn = call.effect_turn().await;
    let deleted = call
        .write(|batch| {
            let row = named(&call, &serial)?;
            call.check_match(&row)?;
            Ok((batch.delete(&row), row.value))
        })
        .await?;
    if deleted.active {
        take_effect(&call).await?;
    }
    Ok(Single::new(DeletedCert { certificate: show(&deleted), deleted: true }))
}

async fn set_active(call: Call<Own>, serial: Serial) -> Result<Single<SslCert>, ApiError> {
    let _turn = call.effect_turn().await;
    let chosen = named(&call, &serial)?.value;
    if chosen.expires <= call.now {
        return Err(ApiError::conflict("id: the certificate has expired"));
    }
    // A certificate that cannot sign is not made the active one.
    sign_for(call.store(), &chosen, &Default::default(), call.now).map_err(|error| failed(&error))?;
    call.write(|mut batch| {
        let row = named(&call, &serial)?;
        call.check_match(&row)?;
        for other in call.view.own::<Certificate>().filter(|other| other.value.active != (other.value.id == chosen.id))
        {
            batch = batch.update(&other, &Certificate { active: !other.value.active, ..other.value.clone() });
        }
        Ok((batch, ()))
    })
    .await?;
    take_effect(&call).await?;
    Ok(single(&named(&call, &serial)?))
}

/// Lets the API show what the rows say.
async fn take_effect(call: &Call<Own>) -> Result<(), ApiError> {
    let Some(certificates) = call.services().certificates.clone() else { return Ok(()) };
    let (store, now) = (call.store().clone(), call.now);
    let followed = tokio::task::spawn_blocking(move || certificates.follow(&store, now)).await;
    followed.map_err(ApiError::internal)?.map_err(|error| failed(&error))
}

fn failed(error: &certs::CertError) -> ApiError {
    let cause = std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"));
    ApiError::internal(format!("{error}{cause}"))
}

choices! {
    /// How a certificate is written.
    pub enum Format {
        /// Octets; suits Windows.
        Der = "der",
        /// Text.
        Pem = "pem",
    }
}

#[derive(Deserialize, JsonSchema)]
struct Wanted {
    /// Format; `der` where it is absent.
    #[serde(default, rename = "type")]
    #[schemars(extend("x-in" = "query"))]
    format: Option<Format>,
}

/// A certificate's file.
struct CertificateFile;

const DER: &str = "application/x-x509-ca-cert";
const PEM: &str = "application/x-pem-file";

impl Media for CertificateFile {
    const TYPES: &'static [&'static str] = &[DER, PEM];
}

fn file(certificate: &Certificate, wanted: &Wanted) -> Result<Download<CertificateFile>, ApiError> {
    let stem = certificate.file_name.strip_suffix(".pem").unwrap_or(&certificate.file_name);
    match wanted.format.unwrap_or(Format::Der) {
        Format::Der => {
            let der = certificate.der().ok_or_else(|| ApiError::internal("the stored certificate is damaged"))?;
            Ok(Download::new(der, DER, Some(format!("{stem}.der"))))
        }
        Format::Pem => Ok(Download::new(certificate.pem.clone().into_bytes(), PEM, Some(format!("{stem}.pem")))),
    }
}

async fn download_active(call: Call<Shown>, wanted: Wanted) -> Result<Download<CertificateFile>, ApiError> {
    file(&active(&call)?.value, &wanted)
}

async fn download(
    call: Call<Own>,
    Both(serial, wanted): Both<Serial, Wanted>,
) -> Result<Download<CertificateFile>, ApiError> {
    file(&named(&call, &serial)?.value, &wanted)
}
