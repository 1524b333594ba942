//! Passwords: changing one's own, and setting a new one where it is forgotten.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Email, Lenient, NewPassword, Password, Text},
        operation::operations,
        pages::{NewPasswordPage, Stage},
        reply::{Done, Made, Object, Single},
        scope::{Own, Public},
    },
    auth::{Denied, NoTokens, Origin, ResetMail, end_sessions, form, hash_password},
    mail::Mail,
    model::*,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    auth {
        /// Changes the caller's password.
        /// Every session of the caller ends.
        POST "/auth/password" for [System, Sales, Msp, Customer] => update_password = change;
        /// Mails a link to set a new password.
        /// The answer is the same whether the address is anybody's or not.
        POST "/auth/passwordforgotten" for [Anyone] => password_forgotten = forgotten;
        /// Shows the page that the mailed link leads to.
        GET "/auth/passwordreset" for [Anyone] => password_reset_page = page;
        /// Sets a new password with the mailed token, which works once, for an hour.
        /// Every session of the administrator ends.
        POST "/auth/passwordreset" for [Anyone] => password_reset = reset;
    }
}

#[derive(Deserialize, JsonSchema)]
struct Change {
    /// The current one.
    old_password: Password,
    /// At least 8 characters.
    new_password: NewPassword,
}

/// A password that was set.
#[derive(Debug, Serialize, JsonSchema)]
struct Updated {
    /// Always true.
    updated: bool,
    /// The administrator.
    id: u32,
}

async fn change(call: Call<Own>, input: Change) -> Result<Done<Updated>, ApiError> {
    let id = call.caller()?.admin;
    let admin = call.view.find::<Admin>(id.0, "administrator")?;
    match call.ways().confirm(&admin, &input.old_password.0, call.address, call.now).await {
        Ok(()) => {}
        Err(Denied::Locked(seconds)) => return Err(ApiError::too_many_requests(seconds)),
        Err(Denied::Busy) => return Err(ApiError::too_many_requests(1)),
        Err(Denied::Failed(cause)) => return Err(ApiError::internal(cause)),
        Err(_) => return Err(ApiError::field("old_password", "is not the current password")),
    }
    let confirmed = admin.value.password_hash;
    let password_hash = hash_password(input.new_password.0).await?;
    call.write(|batch| {
        let row = call.view.find::<Admin>(id.0, "administrator")?;
        if row.value.password_hash != confirmed {
            return Err(ApiError::field("old_password", "is not the current password"));
        }
        let new = Admin { password_hash: password_hash.clone(), ..row.value.clone() };
        let reset = call.store().find::<PasswordReset>(id.0);
        let batch = reset.iter().fold(batch.update(&row, &new), |batch, row| batch.delete(row));
        Ok((end_sessions(call.store(), batch, new.account, id), ()))
    })
    .await?;
    Ok(Done::new(Updated { updated: true, id: id.0 }))
}

#[derive(Deserialize, JsonSchema)]
struct Forgotten {
    /// The administrator's user name.
    email: Email,
}

/// A mail goes out if there is anybody to get it.
#[derive(Debug, Serialize, JsonSchema)]
struct Asked {}

impl Object for Asked {
    fn object(&self) -> &'static str {
        "password_forgotten"
    }
}

async fn forgotten(call: Call<Public>, input: Forgotten) -> Result<Single<Asked>, ApiError> {
    let (ways, mailer, now) = (call.ways().clone(), call.services().mail.clone(), call.now);
    let place = reset_place(&call.head().origin, call.server_names());
    // Looking, storing and mailing take their time where the answer does not show it.
    tokio::spawn(async move {
        match ways.forgotten(&input.email.0, now).await {
            Ok(None) => {}
            Ok(Some(mail)) => {
                let relay = mail.relay.clone();
                if let Err(error) = mailer.send(relay, reset_mail(mail, place.as_deref())).await {
                    tracing::error!(%error, "the mail for a forgotten password did not go out");
                }
            }
            Err(error) => tracing::error!(%error, "the token for a forgotten password could not be made"),
        }
    });
    Ok(Single::new(Asked {}))
}

/// The address of the page, if this server's is known for certain: a `Host` header is whatever a
/// stranger writes into it, and the link must not lead to them.
fn reset_place(origin: &Origin, names: &[String]) -> Option<String> {
    let host = origin.host().trim_start_matches('[').trim_end_matches(']');
    let known = names.iter().any(|name| name.trim_end_matches('.').eq_ignore_ascii_case(host));
    let base = if known {
        origin.url()
    } else {
        let name = names.iter().find(|name| !name.starts_with('*'))?.trim_end_matches('.');
        let name = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
        format!("{}://{name}{}", if origin.tls { "https" } else { "http" }, origin.port())
    };
    Some(format!("{base}/restapi/auth/passwordreset"))
}

fn reset_mail(mail: ResetMail, place: Option<&str>) -> Mail {
    let ResetMail { to, token, .. } = mail;
    let how = match place {
        Some(place) => {
            let mut link = format!("{place}?token=");
            form::encode(&token, &mut link);
            format!("To set a new one, open this link within an hour:\n\n  {link}\n")
        }
        None => format!(
            "To set a new one, open the page /restapi/auth/passwordreset of your Weir server within an hour \
             and enter this code:\n\n  {token}\n"
        ),
    };
    let text = format!(
        "Somebody, probably you, has forgotten the password of {to} at Weir.\n\n{how}\n\
         If it was not you, do nothing: your password stays as it is.\n"
    );
    Mail { to: vec![to], subject: "Your Weir password".to_owned(), text, attachments: Vec::new() }
}

#[derive(Deserialize, JsonSchema)]
struct Link {
    /// What was mailed.
    #[serde(default)]
    token: Text<128>,
}

async fn page(call: Call<Public>, input: Link) -> Result<Made<Done<Updated>>, ApiError> {
    let token = &input.token.0;
    let works = token.is_empty() || call.ways().is_reset_token(token, call.now);
    let (token, error, status) = match works {
        true => (token.as_str(), None, StatusCode::OK),
        false => ("", Some("This link was used before or has expired. Ask for a new one."), StatusCode::BAD_REQUEST),
    };
    NewPasswordPage { stage: Stage::Asking, token, error }.show(status).map(Made::from)
}

#[derive(Deserialize, JsonSchema)]
struct Reset {
    /// What was mailed.
    token: Text<128>,
    /// At least 8 characters.
    new_password: NewPassword,
}

async fn reset(call: Call<Public>, input: Lenient<Reset>) -> Result<Made<Done<Updated>>, ApiError> {
    let wants_page = call.head().wants_page();
    let show = |stage, token: &str, error: Option<&str>, status| {
        NewPasswordPage { stage, token, error }.show(status).map(Made::from)
    };
    let input = match input.0 {
        Ok(input) => input,
        Err(error) if wants_page => {
            return show(Stage::Asking, "", Some(error.message()), StatusCode::BAD_REQUEST);
        }
        Err(error) => return Err(error),
    };
    let token = input.token.0.trim();
    // A hash is only worth its work for a token that works.
    let set = match call.ways().is_reset_token(token, call.now) {
        true => {
            let hash = hash_password(input.new_password.0).await?;
            call.ways().reset(token, &hash, call.address, call.now).await
        }
        false => Err(NoTokens::Invalid("the link was used before or has expired")),
    };
    match set {
        Ok(_) if wants_page => show(Stage::Set, "", None, StatusCode::OK),
        Ok(id) => Made::json(&Done::new(Updated { updated: true, id: id.0 })),
        Err(NoTokens::Invalid(why)) if wants_page => {
            let error = format!("Sorry, {why}. Ask for a new one.");
            show(Stage::Asking, "", Some(&error), StatusCode::BAD_REQUEST)
        }
        Err(NoTokens::Invalid(why)) => Err(ApiError::field("token", why)),
        Err(NoTokens::Commit(error)) => Err(error.into()),
        Err(NoTokens::Secret(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailed_link_never_leads_to_a_host_that_a_stranger_named() {
        let names = ["weir.example".to_owned(), "2001:db8::1".to_owned()];
        for (host, place) in [
            ("weir.example:8443", "https://weir.example:8443/restapi/auth/passwordreset"),
            ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443/restapi/auth/passwordreset"),
            ("evil.example:8443", "https://weir.example:8443/restapi/auth/passwordreset"),
            ("evil.example", "https://weir.example/restapi/auth/passwordreset"),
        ] {
            assert_eq!(reset_place(&Origin::new(true, host), &names).as_deref(), Some(place), "{host}");
        }
        assert_eq!(reset_place(&Origin::new(true, "weir.example"), &[]), None);
    }
}
