//! Numbers for receivers' integrations, and who has left the settings.
//!
//! What an integration was told is remembered under its number, so that number
//! must be the same after a reload or restart, and who was told of an alert
//! must hear that it is over although the settings name it no more (promise P2).

use super::Tenants;
use super::source::{Origin, SettingsSource, TenantConfig};
use openclaw_alert::TenantName;
use openclaw_delivery::{Integration, ReceiverSettings};
use openclaw_pipeline::TenantSettings;
use openclaw_routing::{NUMBERS, Receiver, RouteTree, Routing};
use openclaw_state::{Keys, Known, StateError};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A tenant's integrations by receiver and number, those that have left
/// included.
pub(crate) type Senders = HashMap<(Arc<str>, u16), Arc<Integration>>;

/// Why a tenant's integrations can't be numbered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    /// The register can't be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// All numbers are taken by integrations that have left and whose alerts
    /// are not over.
    #[error(
        "receiver `{receiver}` of tenant `{tenant}` has had {NUMBERS} integrations that still have to hear \
         of the end of alerts: change it again when these are over"
    )]
    Full {
        /// Whose.
        tenant: TenantName,
        /// Which receiver.
        receiver: String,
    },
}

/// A tenant whose integrations have their numbers.
pub(crate) struct Registered {
    pub(crate) config: TenantConfig,
    pub(crate) senders: Senders,
}

/// Gives a tenant's integrations their numbers, and adds to its receivers
/// those that have left the settings and that somebody still refers to.
pub(crate) fn register(
    keys: &Keys,
    source: &dyn SettingsSource,
    mut config: TenantConfig,
    is_needed: impl Fn(&Known) -> bool,
) -> Result<Registered, RegisterError> {
    let name = config.name().clone();
    let register = keys.register(&name);
    let before = register.load()?;
    let mut known = by_receiver(before.iter().filter(|known| !known.is_retired || is_needed(known)));
    let mut new = Numbering {
        receivers: config.settings.routing.receivers.clone(),
        senders: Senders::new(),
        known: Vec::new(),
    };
    let origins = std::mem::take(&mut config.origins);
    for (receiver, origins) in config.receivers.iter().zip(origins) {
        let known = known.remove(&*receiver.name).unwrap_or_default();
        let full = || RegisterError::Full { tenant: name.clone(), receiver: receiver.name.to_string() };
        new.number(receiver, origins, known).ok_or_else(full)?;
    }
    new.known.extend(known.into_values().flatten().map(retired));
    new.add_retired(source, &name);
    new.known.sort_by(|a, b| (&a.receiver, a.number).cmp(&(&b.receiver, b.number)));
    if new.known != before {
        register.replace(&new.known)?;
    }
    let mut settings = (*config.settings).clone();
    settings.routing.receivers = new.receivers;
    settings.instance = keys.instance()?;
    config.settings = Arc::new(settings);
    Ok(Registered { config, senders: new.senders })
}

/// A tenant's receivers as they get their numbers.
struct Numbering {
    receivers: Vec<Receiver>,
    senders: Senders,
    known: Vec<Known>,
}

impl Numbering {
    /// `None` when no number is free.
    fn number(&mut self, receiver: &ReceiverSettings, origins: Vec<Origin>, known: Vec<Known>) -> Option<()> {
        let wanted: Vec<_> = receiver.integrations.iter().map(Integration::name).zip(origins).collect();
        let numbers = assign(&known, &wanted)?;
        let mut routed = self.receivers.iter_mut().find(|routed| routed.name == receiver.name);
        for (at, ((kind, origin), &number)) in wanted.into_iter().zip(&numbers).enumerate() {
            if let Some(integration) = routed.as_mut().and_then(|routed| routed.integrations.get_mut(at)) {
                *integration = for_routing(number, &receiver.integrations[at]);
            }
            let sender = Arc::new(receiver.integrations[at].clone());
            self.senders.insert((Arc::clone(&receiver.name), number), sender);
            self.known.push(active(&receiver.name, number, kind, origin));
        }
        let left = known.into_iter().filter(|known| !numbers.contains(&known.number));
        self.known.extend(left.map(retired));
        Some(())
    }

    fn add_retired(&mut self, source: &dyn SettingsSource, tenant: &TenantName) {
        for gone in self.known.iter().filter(|known| known.is_retired) {
            if let Some(integration) = built(source, tenant, gone) {
                let receiver = add_retired(&mut self.receivers, gone, &integration);
                self.senders.insert((receiver, gone.number), Arc::new(integration));
            }
        }
    }
}

/// An integration from what was kept of it.
fn built(source: &dyn SettingsSource, tenant: &TenantName, known: &Known) -> Option<Integration> {
    let integration = source.integration(tenant, &known.settings, &known.templates);
    let told = |error: &String| {
        tracing::error!(
            %tenant, receiver = known.receiver, %error,
            "an integration that left the settings can't be told of the end of what it was told of"
        );
    };
    integration.inspect_err(told).ok()
}

/// Who sends for the tenants that are not in the settings: what is on its way,
/// and the end of what they were told of.
pub(crate) fn senders_of_others(
    keys: &Keys,
    source: &dyn SettingsSource,
    is_configured: impl Fn(&TenantName) -> bool,
) -> Vec<(TenantName, Arc<Senders>)> {
    let unread = |error: &StateError| tracing::error!(%error, "the register of integrations can't be read");
    let mut tenants = keys.registered().inspect_err(unread).unwrap_or_default();
    tenants.retain(|tenant| !is_configured(tenant));
    let senders = |tenant: TenantName| {
        let known = keys.register(&tenant).load().inspect_err(unread).ok()?;
        let sender = |known: &Known| {
            let integration = built(source, &tenant, known)?;
            Some(((known.receiver.as_str().into(), known.number), Arc::new(integration)))
        };
        let senders: Senders = known.iter().filter_map(sender).collect();
        Some((tenant, Arc::new(senders)))
    };
    tenants.into_iter().filter_map(senders).collect()
}

/// The settings of a tenant that is in no file any more, as far as the register
/// knows who still has to hear of an end: no routes, and no limits to speak of.
pub(crate) fn last_settings(
    keys: &Keys,
    source: &dyn SettingsSource,
    tenant: &TenantName,
) -> Result<TenantSettings, StateError> {
    let mut receivers = Vec::new();
    for known in keys.register(tenant).load()? {
        if let Some(integration) = built(source, tenant, &known) {
            add_retired(&mut receivers, &known, &integration);
        }
    }
    let first =
        receivers.first().map_or_else(|| tenant.as_str().into(), |receiver| Arc::clone(&receiver.name));
    let routing = Routing::new(RouteTree::single(&first), receivers);
    Ok(TenantSettings::new(tenant.clone(), routing))
}

fn by_receiver<'k>(known: impl Iterator<Item = &'k Known>) -> BTreeMap<String, Vec<Known>> {
    let mut sorted = BTreeMap::<String, Vec<Known>>::new();
    known.for_each(|known| sorted.entry(known.receiver.clone()).or_default().push(known.clone()));
    sorted
}

fn active(receiver: &str, number: u16, kind: &str, origin: Origin) -> Known {
    let Origin { target, place, settings, templates } = origin;
    Known {
        receiver: receiver.to_owned(),
        number,
        kind: kind.to_owned(),
        target,
        place,
        is_retired: false,
        settings,
        templates,
    }
}

fn retired(known: Known) -> Known {
    Known { is_retired: true, ..known }
}

fn add_retired(receivers: &mut Vec<Receiver>, gone: &Known, integration: &Integration) -> Arc<str> {
    let at = receivers.iter().position(|receiver| *receiver.name == *gone.receiver);
    let at = at.unwrap_or_else(|| {
        receivers.push(Receiver::new(&gone.receiver, &[]));
        receivers.len() - 1
    });
    let receiver = &mut receivers[at];
    let routed = for_routing(gone.number, integration);
    receiver.integrations.push(openclaw_routing::Integration { is_retired: true, ..routed });
    Arc::clone(&receiver.name)
}

/// What routing has to know of an integration.
fn for_routing(number: u16, integration: &Integration) -> openclaw_routing::Integration {
    openclaw_routing::Integration {
        send_resolved: integration.send_resolved(),
        shows_actions: integration.shows_actions(),
        pace: integration.pace(),
        ..openclaw_routing::Integration::new(number)
    }
}

/// Numbers for a receiver's integrations in their order: whoever sends to the
/// same place is the same, also with another credential, but first of all with
/// the same; the rest are new, so that nobody hears the end of what another
/// was told of. `None` when no number is free.
fn assign(known: &[Known], wanted: &[(&str, Origin)]) -> Option<Vec<u16>> {
    let mut numbers: Vec<Option<u16>> = vec![None; wanted.len()];
    let mut is_taken = vec![false; known.len()];
    let is_same_target =
        |known: &Known, (kind, origin): &(&str, Origin)| known.kind == *kind && known.target == origin.target;
    let is_same_place =
        |known: &Known, (kind, origin): &(&str, Origin)| known.kind == *kind && known.place == origin.place;
    take_places(known, wanted, &mut numbers, &mut is_taken, is_same_target);
    take_places(known, wanted, &mut numbers, &mut is_taken, |known, wanted| {
        is_same_place(known, wanted) && !known.is_retired
    });
    take_places(known, wanted, &mut numbers, &mut is_taken, is_same_place);
    let mut used: Vec<u16> = known.iter().map(|known| known.number).collect();
    for number in numbers.iter_mut().filter(|number| number.is_none()) {
        let free = (0..NUMBERS).find(|free| !used.contains(free))?;
        used.push(free);
        *number = Some(free);
    }
    numbers.into_iter().collect()
}

fn take_places(
    known: &[Known],
    wanted: &[(&str, Origin)],
    numbers: &mut [Option<u16>],
    is_taken: &mut [bool],
    is_same: impl Fn(&Known, &(&str, Origin)) -> bool,
) {
    for (number, wanted) in numbers.iter_mut().zip(wanted).filter(|(number, _)| number.is_none()) {
        let place = (0..known.len()).find(|&at| !is_taken[at] && is_same(&known[at], wanted));
        if let Some(at) = place {
            is_taken[at] = true;
            *number = Some(known[at].number);
        }
    }
}

/// What a tenant's register and receivers are without those that have left and
/// that nobody refers to any more; `None` where that changes nothing.
pub(crate) fn prune(
    keys: &Keys,
    config: &TenantConfig,
    is_needed: impl Fn(&Known) -> bool,
) -> Result<Option<TenantConfig>, StateError> {
    let stays = |known: &Known| !known.is_retired || is_needed(known);
    let Some(left) = retain(keys, config.name(), stays)? else { return Ok(None) };
    let mut settings = (*config.settings).clone();
    let receivers = &mut settings.routing.receivers;
    for receiver in receivers.iter_mut() {
        let stays =
            |number| left.iter().any(|known| known.number == number && *known.receiver == *receiver.name);
        let left: Vec<_> =
            receiver.integrations.iter().copied().filter(|i| !i.is_retired || stays(i.number)).collect();
        receiver.integrations = left;
    }
    let is_named = |receiver: &Receiver| config.receivers.iter().any(|named| named.name == receiver.name);
    receivers.retain(|receiver| !receiver.integrations.is_empty() || is_named(receiver));
    Ok(Some(config.with(settings)))
}

/// Drops what nobody refers to of the register of a tenant that is not in the
/// settings, and who sends for it.
pub(crate) fn prune_other(
    keys: &Keys,
    tenants: &Tenants,
    tenant: &TenantName,
    is_needed: impl Fn(&Known) -> bool,
) -> Result<(), StateError> {
    let Some(left) = retain(keys, tenant, is_needed)? else { return Ok(()) };
    tenants.retain_senders(tenant, |receiver, number| {
        left.iter().any(|known| known.number == number && *known.receiver == *receiver)
    });
    Ok(())
}

/// Drops the others from a register; gives those that are left, `None` where
/// all are.
fn retain(
    keys: &Keys,
    tenant: &TenantName,
    stays: impl Fn(&Known) -> bool,
) -> Result<Option<Vec<Known>>, StateError> {
    let register = keys.register(tenant);
    let mut known = register.load()?;
    let before = known.len();
    known.retain(stays);
    if known.len() == before {
        return Ok(None);
    }
    register.replace(&known)?;
    Ok(Some(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenants::Sources;
    use openclaw_alert::fnv1a;
    use openclaw_delivery::{Secret, Target, webhook};

    /// Of the place in the tens, with the credential in the ones.
    fn known(number: u16, kind: &str, target: u64, is_retired: bool) -> Known {
        let Origin { target, place, settings, templates } = origin(target);
        let (receiver, kind) = ("r".to_owned(), kind.to_owned());
        Known { receiver, number, kind, target, place, is_retired, settings, templates }
    }

    fn origin(target: u64) -> Origin {
        Origin { target, place: target / 10, settings: String::new(), templates: "".into() }
    }

    fn check(known: &[Known], wanted: &[(&str, u64)], want: &[u16]) {
        let wanted: Vec<_> = wanted.iter().map(|&(kind, target)| (kind, origin(target))).collect();
        assert_eq!(assign(known, &wanted).unwrap(), want);
    }

    #[test]
    fn numbers_follow_targets_then_places() {
        check(&[], &[("webhook", 10), ("slack", 10)], &[0, 1]);
        let two = [known(0, "webhook", 10, false), known(1, "webhook", 20, false)];
        check(&two, &[("webhook", 20), ("webhook", 10)], &[1, 0]);
        // A rotated credential beside one that stays.
        check(&two, &[("webhook", 21), ("webhook", 10)], &[1, 0]);
        check(&two, &[("slack", 10), ("webhook", 20)], &[2, 1]);
        // Another place is another integration, also where one leaves.
        check(&two, &[("webhook", 30), ("webhook", 10)], &[2, 0]);
        check(&two, &[("webhook", 30)], &[2]);
        // Two credentials of one place, one of them rotated.
        let same = [known(0, "webhook", 10, false), known(1, "webhook", 11, false)];
        check(&same, &[("webhook", 12), ("webhook", 10)], &[1, 0]);
    }

    #[test]
    fn who_has_left_comes_back_only_as_itself() {
        let left = [known(0, "webhook", 10, true), known(1, "webhook", 20, false)];
        check(&left, &[("webhook", 30), ("webhook", 40)], &[2, 3]);
        check(&left, &[("webhook", 10)], &[0]);
        check(&left, &[("webhook", 11)], &[0]);
        // Who is there comes before who has left.
        let both = [known(0, "webhook", 10, true), known(1, "webhook", 11, false)];
        check(&both, &[("webhook", 12)], &[1]);
    }

    /// Builds a webhook from its address.
    #[derive(Debug)]
    struct Addresses;

    impl SettingsSource for Addresses {
        fn read(&self) -> Result<Vec<TenantConfig>, String> {
            Ok(Vec::new())
        }

        fn integration(&self, _: &TenantName, settings: &str, _: &str) -> Result<Integration, String> {
            let target = Target::parse(&Secret::new(settings)).map_err(|error| error.to_string())?;
            Ok(Integration::Webhook(webhook::Settings::new(webhook::Address::Fixed(target))))
        }

        fn names(&self, _: &TenantName) -> bool {
            false
        }

        fn stamp(&self) -> u64 {
            0
        }

        fn stamp_read(&self) -> u64 {
            0
        }
    }

    fn config(receivers: &[(&str, &[&str])]) -> TenantConfig {
        let name = TenantName::new("acme").unwrap();
        let build = |url: &&str| Addresses.integration(&name, url, "").unwrap();
        let settings = |&(name, urls): &(&str, &[&str])| ReceiverSettings {
            name: name.into(),
            integrations: urls.iter().map(build).collect(),
        };
        let routed = |&(name, urls): &(&str, &[&str])| Receiver::new(name, &vec![true; urls.len()]);
        let origin = |url: &&str| {
            let hash = fnv1a(&[url.as_bytes()]);
            Origin { target: hash, place: hash, settings: (*url).to_owned(), templates: "".into() }
        };
        let routing = Routing::new(RouteTree::single("ops"), receivers.iter().map(routed).collect());
        TenantConfig {
            settings: Arc::new(TenantSettings::new(name.clone(), routing)),
            receivers: receivers.iter().map(settings).collect(),
            origins: receivers.iter().map(|(_, urls)| urls.iter().map(origin).collect()).collect(),
            takes_alerts: true,
            routing_yaml: String::new(),
            sources: Sources::default(),
            limits: openclaw_admission::LimitSettings::default(),
            tokens: None,
            certificates: Vec::new(),
            version: 0,
        }
    }

    /// Receivers with the numbers of their integrations, retired ones below 0.
    fn numbers(config: &TenantConfig) -> Vec<(String, Vec<i32>)> {
        let number = |integration: &openclaw_routing::Integration| {
            let number = i32::from(integration.number);
            if integration.is_retired { -number - 1 } else { number }
        };
        let receivers = config.settings.routing.receivers.iter();
        let told = |receiver: &Receiver| receiver.integrations.iter().map(number).collect();
        receivers.map(|receiver| (receiver.name.to_string(), told(receiver))).collect()
    }

    #[test]
    fn who_has_left_stays_until_nobody_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let put = |config, is_needed: bool| register(&keys, &Addresses, config, |_| is_needed).unwrap();
        let (a, b, c) = ("http://a/", "http://b/", "http://c/");
        let all = put(config(&[("ops", &[a, b]), ("web", &[c])]), true);
        assert_eq!(numbers(&all.config), [("ops".to_owned(), vec![0, 1]), ("web".to_owned(), vec![0])]);
        let fewer = put(config(&[("ops", &[b])]), true);
        let left = [("ops".to_owned(), vec![1, -1]), ("web".to_owned(), vec![-1])];
        assert_eq!(numbers(&fewer.config), left);
        assert_eq!(fewer.senders.len(), 3);
        let same = put(config(&[("ops", &[b])]), true);
        assert_eq!(numbers(&same.config), left, "a restart changes nothing");
        assert!(prune(&keys, &same.config, |_| true).unwrap().is_none());
        let pruned = prune(&keys, &same.config, |known| known.receiver == "ops").unwrap().unwrap();
        assert_eq!(numbers(&pruned), [("ops".to_owned(), vec![1, -1])]);
        let alone = put(config(&[("ops", &[b])]), false);
        assert_eq!(numbers(&alone.config), [("ops".to_owned(), vec![1])]);
        assert_eq!(alone.senders.len(), 1);
    }

    #[test]
    fn who_sends_for_a_tenant_that_has_gone_stays_until_nobody_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let acme = TenantName::new("acme").unwrap();
        register(&keys, &Addresses, config(&[("ops", &["http://a/", "http://b/"])]), |_| true).unwrap();
        assert!(senders_of_others(&keys, &Addresses, |tenant| *tenant == acme).is_empty());
        let tenants = Tenants::default();
        tenants.set_senders(senders_of_others(&keys, &Addresses, |_| false));
        let sends = |number| tenants.integration(&acme, &"ops".into(), number).is_some();
        assert!(sends(0) && sends(1) && !sends(2));
        prune_other(&keys, &tenants, &acme, |known| known.number == 1).unwrap();
        assert!(!sends(0) && sends(1));
        prune_other(&keys, &tenants, &acme, |_| false).unwrap();
        assert!(!sends(1));
        assert_eq!(keys.registered().unwrap(), []);
    }

    #[test]
    fn numbers_run_out() {
        let all: Vec<_> = (0..NUMBERS).map(|number| known(number, "webhook", number.into(), true)).collect();
        assert_eq!(assign(&all, &[("slack", origin(99))]), None);
    }
}
