//! Client certificates as credentials. The handshake has verified them against
//! `client_ca_file`; here it is looked up whose they are. No header is believed
//! about them.

use super::who::Who;
use openclaw_alert::TenantName;
use openclaw_state::Scopes;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Names of a certificate that are looked at.
const NAMES_MAX: usize = 64;

/// What of a certificate says whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CertificateSubject {
    /// SHA-256 of the whole certificate.
    Sha256([u8; 32]),
    /// A DNS name among its alternative names, in lower case.
    Dns(String),
    /// A URI among its alternative names, such as a SPIFFE id.
    Uri(String),
}

/// A certificate that a tenant's settings name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRule {
    /// Which.
    pub subject: CertificateSubject,
    /// What it may be used for.
    pub scopes: Scopes,
}

/// The certificate that a connection's other side has shown.
#[derive(Debug)]
pub(crate) struct Peer {
    subjects: Vec<CertificateSubject>,
    who: Who,
}

impl Peer {
    /// `None` for what is no certificate; the handshake lets none through.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        let sha256: [u8; 32] = Sha256::digest(certificate).into();
        let dns = parsed.valid_dns_names().map(|name| CertificateSubject::Dns(name.to_ascii_lowercase()));
        let uris = parsed.valid_uri_names().map(|name| CertificateSubject::Uri(name.to_owned()));
        let mut subjects = vec![CertificateSubject::Sha256(sha256)];
        subjects.extend(dns.chain(uris).take(NAMES_MAX));
        let mut start = String::new();
        for byte in &sha256[..8] {
            let _ = write!(start, "{byte:02x}");
        }
        Some(Self { subjects, who: Who::Certificate(start.into()) })
    }

    pub(super) fn who(&self) -> Who {
        self.who.clone()
    }
}

/// Whose each certificate is.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    owners: HashMap<CertificateSubject, Vec<(TenantName, Scopes)>>,
}

/// Whose a certificate is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Nobody,
    One(TenantName, Scopes),
    /// More than one tenant names it, so it is taken for neither.
    Many,
}

impl Certificates {
    pub(crate) fn new<'r>(rules: impl Iterator<Item = (&'r TenantName, &'r [CertificateRule])>) -> Arc<Self> {
        let mut new = Self::default();
        for (tenant, rules) in rules {
            for CertificateRule { subject, scopes } in rules {
                new.owners.entry(subject.clone()).or_default().push((tenant.clone(), *scopes));
            }
        }
        Arc::new(new)
    }

    /// What any of a tenant's rules allows, if the certificate is of one alone.
    pub(super) fn owner(&self, peer: &Peer) -> Owner {
        let mut found = Owner::Nobody;
        let named = peer.subjects.iter().filter_map(|subject| self.owners.get(subject)).flatten();
        for (tenant, scopes) in named {
            found = match found {
                Owner::Nobody => Owner::One(tenant.clone(), *scopes),
                Owner::One(known, before) if known == *tenant => Owner::One(known, before.with(*scopes)),
                Owner::One(..) | Owner::Many => return Owner::Many,
            };
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_state::Scope;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn peer(dns: &[&str], uris: &[&str]) -> Peer {
        let mut params =
            CertificateParams::new(dns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        let uri = |uri: &&str| SanType::URI((*uri).try_into().unwrap());
        params.subject_alt_names.extend(uris.iter().map(uri));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Peer::of(certificate.der()).unwrap()
    }

    fn dns(name: &str) -> CertificateSubject {
        CertificateSubject::Dns(name.to_owned())
    }

    fn rule(subject: CertificateSubject, scope: Scope) -> CertificateRule {
        CertificateRule { subject, scopes: scope.into() }
    }

    fn owner(rules: &[(&str, Vec<CertificateRule>)], peer: &Peer) -> Owner {
        let named: Vec<_> =
            rules.iter().map(|(name, rules)| (TenantName::new(name).unwrap(), rules)).collect();
        Certificates::new(named.iter().map(|(name, rules)| (name, rules.as_slice()))).owner(peer)
    }

    #[test]
    fn names_are_compared_whole() {
        let acme = TenantName::new("acme").unwrap();
        let uri = "spiffe://example.org/ns/acme";
        let peer = peer(&["Prom.Acme.Example", "*.wild.example"], &[uri]);
        let read = Owner::One(acme, Scope::Read.into());
        let sha256 = peer.subjects[0].clone();
        let uri_of = |uri: &str| CertificateSubject::Uri(uri.to_owned());
        for subject in [sha256, dns("prom.acme.example"), uri_of(uri)] {
            assert_eq!(owner(&[("acme", vec![rule(subject, Scope::Read)])], &peer), read);
        }
        let others = [
            dns("acme.example"),
            dns("a.wild.example"),
            dns(uri),
            uri_of("spiffe://example.org/ns/acm"),
            uri_of("prom.acme.example"),
            CertificateSubject::Sha256([0; 32]),
        ];
        for subject in others {
            assert_eq!(owner(&[("acme", vec![rule(subject, Scope::Read)])], &peer), Owner::Nobody);
        }
    }

    #[test]
    fn a_certificate_of_two_tenants_is_of_neither() {
        let peer = peer(&["a.example", "b.example"], &[]);
        let (a, b) = (rule(dns("a.example"), Scope::Read), rule(dns("b.example"), Scope::Ingest));
        let acme = TenantName::new("acme").unwrap();
        let both = owner(&[("acme", vec![a.clone(), b.clone()])], &peer);
        assert_eq!(both, Owner::One(acme, Scope::Read | Scope::Ingest));
        assert_eq!(owner(&[("acme", vec![a.clone()]), ("globex", vec![b])], &peer), Owner::Many);
        assert_eq!(owner(&[("acme", vec![a.clone()]), ("globex", vec![a])], &peer), Owner::Many);
    }
}
