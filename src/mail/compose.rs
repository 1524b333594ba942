//! A mail as octets, with its envelope (RFC 5322, RFC 2045).

use super::{Attachment, Mail, MailError};
use lettre::{
    Address, Message,
    message::{
        Attachment as Part, Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

/// Recipients of one mail.
const RECIPIENTS_MAX: usize = 100;
/// Octets of a mail's text and files before they are encoded.
const OCTETS_MAX: usize = 24 * 1024 * 1024;
/// Characters of a subject.
const SUBJECT_MAX: usize = 250;

/// The message of a mail from `sender`, which may be `Name <address>`.
pub(super) fn compose(sender: &str, mail: Mail) -> Result<Message, MailError> {
    let bad = |text: &str| MailError::Address(format!("{:?}", text.chars().take(254).collect::<String>()));
    let from: Mailbox = sender.parse().map_err(|_| bad(sender))?;
    if mail.to.is_empty() {
        return Err(MailError::Mail("it has no recipient"));
    }
    if mail.to.len() > RECIPIENTS_MAX {
        return Err(MailError::Mail("it has more than 100 recipients"));
    }
    let octets = mail.text.len() + mail.attachments.iter().map(|file| file.octets.len()).sum::<usize>();
    if octets > OCTETS_MAX {
        return Err(MailError::Mail("it has more than 24 MiB"));
    }
    let id = format!("<{}@{}>", uuid::Uuid::new_v4(), from.email.domain());
    let subject: String =
        mail.subject.chars().take(SUBJECT_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut message = Message::builder().from(from).subject(subject).date_now().message_id(Some(id)).raw_header(
        // So that nobody's out-of-office note answers (RFC 3834, section 5).
        HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()),
    );
    for recipient in &mail.to {
        let address: Address = recipient.parse().map_err(|_| bad(recipient))?;
        message = message.to(Mailbox::new(None, address));
    }
    let text = SinglePart::plain(mail.text);
    let composed = if mail.attachments.is_empty() {
        message.singlepart(text)
    } else {
        let mut parts = MultiPart::mixed().singlepart(text);
        for Attachment { file_name, content_type, octets } in mail.attachments {
            let content_type = ContentType::parse(content_type).map_err(|_| MailError::Mail("a file has no type"))?;
            parts = parts.singlepart(Part::new(file_name).body(octets, content_type));
        }
        message.multipart(parts)
    };
    composed.map_err(|_| MailError::Mail("it cannot be put into a message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, subject: &str) -> Mail {
        Mail { to: vec![to.into()], subject: subject.into(), text: "Hello\n".into(), attachments: vec![] }
    }

    #[test]
    fn a_line_end_in_a_header_starts_no_other_header() {
        let message = compose("a@weir.test", mail("b@weir.test", "x\r\nBcc: c@weir.test")).expect("composed");
        let text = String::from_utf8(message.formatted()).expect("text");
        assert!(text.lines().all(|line| !line.starts_with("Bcc:")), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated\r\n"), "{text}");
        assert!(text.contains("@weir.test>\r\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_its_reason() {
        for (sender, mail, expected) in [
            ("nobody", mail("b@weir.test", ""), "\"nobody\" is no valid mail address"),
            ("a@weir.test", mail("b", ""), "\"b\" is no valid mail address"),
            ("a@weir.test", mail("b@weir.test\r\nRCPT TO:<c@weir.test>", ""), "no valid mail address"),
            ("a@weir.test", Mail { to: vec![], ..mail("", "") }, "it has no recipient"),
            ("a@weir.test", Mail { to: vec!["b@weir.test".into(); 101], ..mail("", "") }, "more than 100"),
            ("a@weir.test", Mail { text: "x".repeat(OCTETS_MAX + 1), ..mail("b@weir.test", "") }, "24 MiB"),
        ] {
            let error = compose(sender, mail).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error} lacks {expected}");
        }
    }
}
