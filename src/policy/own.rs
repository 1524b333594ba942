//! Names that are answered here whatever the lists say, and names no category may take away.

use crate::model::{CategoryId, DomainName, Name};

/// Filter evasion: proxies, VPNs, public encrypted DNS (categories.toml, id 11). A policy that
/// blocks it wants the signals below sent.
pub const ANONYMIZER: CategoryId = match CategoryId::new(11) {
    Some(id) => id,
    None => unreachable!(),
};

/// How an own or special name is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnName {
    /// NODATA: `resolver.arpa` and below (RFC 9462, section 6.4: never forwarded).
    NoData,
    /// NXDOMAIN: browsers' and devices' canaries, where the policy closes ways around the filter.
    Canary,
    /// Loopback addresses: `localhost` and below (RFC 6761, section 6.3).
    Loopback,
    /// NXDOMAIN: `onion` (RFC 7686, section 2) and `invalid` (RFC 6761, section 6.4).
    NeverExists,
    /// Who asks and by which policy, told to whoever asks; see [`is_self_test`].
    SelfTest,
}

/// Names below and at which the answer is ours.
const SPECIAL: [(&[u8], OwnName); 4] = [
    (b"\x08resolver\x04arpa\x00", OwnName::NoData),
    (b"\x09localhost\x00", OwnName::Loopback),
    (b"\x05onion\x00", OwnName::NeverExists),
    (b"\x07invalid\x00", OwnName::NeverExists),
];

/// Names whose NXDOMAIN tells a program that this network filters: Firefox's DoH, iCloud Private
/// Relay, Chrome's prefetch proxy.
const CANARIES: [&[u8]; 5] = [
    b"\x13use-application-dns\x03net\x00",
    b"\x04mask\x06icloud\x03com\x00",
    b"\x07mask-h2\x06icloud\x03com\x00",
    b"\x0bmask-canary\x06icloud\x03com\x00",
    b"\x10dns-tunnel-check\x09googlezip\x03net\x00",
];

/// iCloud Private Relay's other names, which the canaries lead to: those with a label `mask` or `mask-…` below this.
const RELAY: &[u8] = b"\x09apple-dns\x03net\x00";

/// The answer of ours for `name`, if it is one of ours; canaries are where the policy closes ways around it.
///
/// `test` (RFC 6761, section 6.2) is not among them: it goes where other names go, because test benches resolve it and
/// the test names of categories lie there. `local`, `home.arpa` and `internal` are zones of
/// `answer::LocalZones`, so that a policy's records and forwarded zones may have names there.
pub fn own_name(name: Name<'_>, close_bypasses: bool) -> Option<OwnName> {
    let wire = name.as_wire();
    for (special, own) in SPECIAL {
        if wire.ends_with(special) && name.is_at_or_below(Name::from_lower_wire(special)) {
            return Some(own);
        }
    }
    (close_bypasses && is_canary(name)).then_some(OwnName::Canary)
}

/// Whether the name is a self-test of this installation: `check.<base>`, or `<anything>-check.<base>`, which no cache
/// on the way can know. `base` is `None` where there is none.
pub fn is_self_test(name: Name<'_>, base: Option<&DomainName>) -> bool {
    let Some(base) = base else { return false };
    let (wire, base) = (name.as_wire(), base.as_name().as_wire());
    let Some(label) = wire.strip_suffix(base).and_then(|front| front.split_first()) else { return false };
    usize::from(*label.0) == label.1.len() && (label.1 == b"check" || label.1.ends_with(b"-check"))
}

/// Whether the name's NXDOMAIN is a signal.
pub fn is_canary(name: Name<'_>) -> bool {
    let wire = name.as_wire();
    CANARIES.contains(&wire)
        || wire.ends_with(RELAY)
            && name.is_at_or_below(Name::from_lower_wire(RELAY))
            && name.labels().any(|label| label == b"mask" || label.starts_with(b"mask-"))
}

/// Hosts a network needs to notice that it is a network: connectivity checks, time, certificate
/// status. Names at or below them pass whatever their categories; an explicit list entry still
/// blocks them.
const PROTECTED: [&str; 34] = [
    "captive.apple.com",
    "connectivity-check.ubuntu.com",
    "connectivitycheck.android.com",
    "connectivitycheck.gstatic.com",
    "connectivitycheck.platform.hicloud.com",
    "crl.microsoft.com",
    "crl.pki.goog",
    "crl3.digicert.com",
    "crl4.digicert.com",
    "c.lencr.org",
    "detectportal.firefox.com",
    "dns.msftncsi.com",
    "fedoraproject.org",
    "i.lencr.org",
    "msftconnecttest.com",
    "msftncsi.com",
    "network-test.debian.org",
    "networkcheck.kde.org",
    "nmcheck.gnome.org",
    "o.lencr.org",
    "o.pki.goog",
    "ocsp.apple.com",
    "ocsp.digicert.com",
    "ocsp.globalsign.com",
    "ocsp.pki.goog",
    "ocsp.sectigo.com",
    "ocsp.usertrust.com",
    "ocsp2.apple.com",
    "oneocsp.microsoft.com",
    "pool.ntp.org",
    "time.apple.com",
    "time.cloudflare.com",
    "time.google.com",
    "time.windows.com",
];

/// Whether categories may not block `name`. Called only once a category would.
pub fn is_protected(name: Name<'_>) -> bool {
    name.ancestors().any(|ancestor| {
        let labels = ancestor.label_count();
        (2..=4).contains(&labels) && PROTECTED.iter().any(|protected| equals(ancestor, protected))
    })
}

fn equals(name: Name<'_>, text: &str) -> bool {
    name.as_wire().len() == text.len() + 2 && name.labels().eq(text.split('.').map(str::as_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    fn own(name: &str, close_bypasses: bool) -> Option<OwnName> {
        own_name(DomainName::from_text(name).expect("valid").as_name(), close_bypasses)
    }

    #[test]
    fn special_names_are_ours_at_and_below_label_boundaries() {
        for (name, expected) in [
            ("_dns.resolver.arpa", Some(OwnName::NoData)),
            ("resolver.arpa", Some(OwnName::NoData)),
            ("xresolver.arpa", None),
            ("localhost", Some(OwnName::Loopback)),
            ("a.localhost", Some(OwnName::Loopback)),
            ("localhost.example", None),
            ("abc.onion", Some(OwnName::NeverExists)),
            ("onion", Some(OwnName::NeverExists)),
            ("x.invalid", Some(OwnName::NeverExists)),
            ("example.test", None),
            ("printer.local", None),
            ("nas.home.arpa", None),
            ("a.internal", None),
            ("in-addr.arpa", None),
        ] {
            assert_eq!(own(name, false), expected, "{name}");
        }
    }

    #[test]
    fn canaries_speak_only_where_evasion_is_blocked() {
        for name in
            ["use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com", "dns-tunnel-check.googlezip.net"]
        {
            assert_eq!(own(name, true), Some(OwnName::Canary), "{name}");
            assert_eq!(own(name, false), None, "{name}");
        }
        for name in
            ["mask.apple-dns.net", "mask-h2.apple-dns.net", "canary.mask.apple-dns.net", "mask-t.g.apple-dns.net"]
        {
            assert_eq!(own(name, true), Some(OwnName::Canary), "{name}");
            assert_eq!(own(name, false), None, "{name}");
        }
        for name in ["www.icloud.com", "gateway.fe2.apple-dns.net", "apple-dns.net", "mask.apple-dns.net.example"] {
            assert_eq!(own(name, true), None, "{name}");
        }
    }

    #[test]
    fn self_tests_are_one_label_below_their_base() {
        let base = DomainName::from_text("weir.internal").expect("valid");
        for (name, expected) in [
            ("check.weir.internal", true),
            ("x7f3-check.weir.internal", true),
            ("-check.weir.internal", true),
            ("xcheck.weir.internal", false),
            ("check.check.weir.internal", false),
            ("a.x-check.weir.internal", false),
            ("weir.internal", false),
            ("check.xweir.internal", false),
            ("internal", false),
        ] {
            let name = DomainName::from_text(name).expect("valid");
            assert_eq!(is_self_test(name.as_name(), Some(&base)), expected, "{name}");
            assert!(!is_self_test(name.as_name(), None));
        }
    }

    #[test]
    fn connectivity_checks_are_protected() {
        for (name, protected) in [
            ("www.msftconnecttest.com", true),
            ("0.pool.ntp.org", true),
            ("r3.o.lencr.org", true),
            ("apple.com", false),
            ("com", false),
            ("notpool.ntp.org", false),
        ] {
            assert_eq!(is_protected(DomainName::from_text(name).expect("valid").as_name()), protected, "{name}");
        }
    }
}
