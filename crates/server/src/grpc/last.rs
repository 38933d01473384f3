//! Who was let in last. Of calls that are answered at once many show the same
//! credential, which is checked once for all of them.

use super::front::Admitted;
use crate::auth::TENANT_HEADER;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};

pub(super) struct Last {
    pub(super) admitted: Admitted,
    /// Nothing where nobody else is known by the same.
    shown: Option<Shown>,
}

struct Shown {
    authorization: HeaderValue,
    tenant: Option<HeaderValue>,
}

impl Last {
    pub(super) fn new(headers: &HeaderMap, admitted: Admitted) -> Self {
        let shown = || {
            let authorization = one(headers, &AUTHORIZATION)??.clone();
            Some(Shown { authorization, tenant: one(headers, &TENANT_HEADER)?.cloned() })
        };
        Self { admitted, shown: shown() }
    }

    /// Whether these show the same.
    pub(super) fn shows(&self, headers: &HeaderMap) -> bool {
        let Some(shown) = &self.shown else { return false };
        let is_same = |authorization: &HeaderValue| {
            // How long it takes doesn't tell how many bytes agree.
            verify_slices_are_equal(authorization.as_bytes(), shown.authorization.as_bytes()).is_ok()
        };
        one(headers, &AUTHORIZATION).flatten().is_some_and(is_same)
            && one(headers, &TENANT_HEADER) == Some(shown.tenant.as_ref())
    }
}

/// A header that stands once or not at all; nothing where it stands twice.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Option<&'h HeaderValue>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    values.next().is_none().then_some(first)
}
