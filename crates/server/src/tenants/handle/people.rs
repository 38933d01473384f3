//! What people do in other tools with a group of alerts, which these name by
//! its dedup key.

#[cfg(test)]
#[path = "people_tests.rs"]
mod past_tests;

use super::{Explained, ReadError, Remembered, TenantHandle, blocking};
use crate::host::Unavailable;
use openclaw_alert::{Acted, EpisodeId, Feedback, Labels, MatchOp, Matcher, Timestamp};
use openclaw_journal::{Position, StoredFrame};
use openclaw_pipeline::trail::{self, Happened};
use openclaw_pipeline::{Action, GroupRef, Input, PastGroup, group_in_dedup_key};
use openclaw_routing::{PostedSilence, SilenceId, SilenceRefusal, SilenceState};
use std::time::Duration;

/// The latest frames of a past group that are looked through.
const FRAMES_MAX: usize = 64;

/// Alerts of a past message that can still be judged.
const EPISODES_MAX: usize = 100;

/// A group as another tool names it.
#[derive(Debug)]
pub(crate) enum Named {
    /// It is here.
    Here(GroupRef),
    /// It has left memory; its last message told of these alerts.
    Past(Vec<EpisodeId>),
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Came {
    /// It was done.
    Done,
    /// It, or more, had been done before.
    NoNews(Acted),
    /// All alerts have ended; what they were worth was noted all the same.
    Noted,
    /// All alerts have ended, and there is nothing to do with them.
    Over,
}

/// A silence that was asked for.
#[derive(Debug)]
pub(crate) enum Silenced {
    /// What is silenced, and until when.
    Until(Vec<Matcher>, Timestamp),
    /// The alerts have nothing in common that one could silence.
    NothingShared,
    /// All alerts have ended.
    Over,
    /// It can't be set.
    Refused(SilenceRefusal),
}

impl TenantHandle {
    /// The group that another tool names, whether it is still here or not.
    pub(crate) async fn named(&self, key: &str) -> Result<Option<Named>, ReadError> {
        if let Some(here) = self.group_of_dedup_key(key).await? {
            return Ok(Some(Named::Here(here)));
        }
        match self.past_group(key).await {
            Ok(episodes) => Ok(Some(Named::Past(episodes))),
            Err(ReadError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn past_group(&self, key: &str) -> Result<Vec<EpisodeId>, ReadError> {
        let (partition, group) = group_in_dedup_key(key).ok_or(ReadError::NotFound)?;
        let number = self.read(|partition, tenant, _| partition.tenant_number(tenant)).await?;
        if partition != self.partition() {
            return Err(ReadError::NotFound);
        }
        let frame = self.opening_frame(EpisodeId { partition, offset: group }).await?;
        let past = PastGroup::find(frame.base_offset, &frame.payload, group).ok_or(ReadError::NotFound)?;
        let instance = self.config().settings.instance;
        if number != Some(past.tenant) || !past.has_dedup_key(instance, self.name(), key) {
            return Err(ReadError::NotFound);
        }
        self.told_last(group, frame.position).await
    }

    /// The alerts of the last message about a group: what people see who still
    /// have it before them.
    async fn told_last(&self, group: u64, from: Position) -> Result<Vec<EpisodeId>, ReadError> {
        let partition = self.partition();
        let mut told = Vec::new();
        for frame in self.last_frames(trail::group_key(partition, group), from).await?.iter().rev() {
            PastGroup::told(&frame.payload, group, &mut told);
            if !told.is_empty() {
                break;
            }
        }
        told.sort_unstable();
        told.dedup();
        told.truncate(EPISODES_MAX);
        Ok(told.into_iter().map(|offset| EpisodeId { partition, offset }).collect())
    }

    async fn last_frames(&self, key: u64, from: Position) -> Result<Vec<StoredFrame>, ReadError> {
        let log = self.host.log().clone();
        let partition = self.partition();
        let frames = blocking(move || {
            let positions = log.find(key, from)?;
            let latest = positions.len().saturating_sub(FRAMES_MAX);
            positions[latest..].iter().map(|position| log.read_at(*position)).collect::<Result<Vec<_>, _>>()
        });
        Ok(frames.await?.into_iter().filter(|frame| frame.partition == partition).collect())
    }

    /// Takes what somebody did with a group; given back once it is durable.
    pub(crate) async fn hear(&self, named: &Named, action: Action<'_>) -> Result<Came, ReadError> {
        match named {
            Named::Here(group) => self.hear_of_group(group, action).await,
            Named::Past(episodes) => self.hear_of_past(episodes, action).await,
        }
    }

    async fn hear_of_group(&self, group: &GroupRef, action: Action<'_>) -> Result<Came, ReadError> {
        let open = self.open_alerts(group).await?;
        if open.is_empty() {
            return self.hear_of_past(&self.told_last(group.group, Position::START).await?, action).await;
        }
        if let Some(before) = none_new(&open, &action) {
            return Ok(Came::NoNews(before));
        }
        self.act_on_group(group, action).await?;
        Ok(Came::Done)
    }

    /// What was last done with each alert that the message speaks of and that
    /// has not ended.
    async fn open_alerts(&self, group: &GroupRef) -> Result<Vec<Option<Acted>>, Unavailable> {
        self.read(|partition, tenant, _| partition.acts_in(tenant, group)).await
    }

    async fn hear_of_past(&self, episodes: &[EpisodeId], action: Action<'_>) -> Result<Came, ReadError> {
        let mut came = Came::Over;
        for &id in episodes {
            match self.hear_of_one(id, action).await? {
                Came::Over => {}
                Came::NoNews(_) if came != Came::Over => {}
                Came::Noted if came == Came::Done => {}
                other => came = other,
            }
        }
        Ok(came)
    }

    /// An alert of a past group may fire still, in a group of other settings.
    async fn hear_of_one(&self, id: EpisodeId, action: Action<'_>) -> Result<Came, ReadError> {
        let open = self.read(|partition, tenant, now| {
            let alert = partition.alert(tenant, id.offset)?;
            partition.is_listed(&alert, now).then(|| alert.acted.cloned())
        });
        let (open, is_open) = match open.await? {
            Some(acted) => (acted, true),
            None if !judges(action.action) => return Ok(Came::Over),
            None => match self.last_acted(id).await {
                Ok(acted) => (acted, false),
                // Its beginning is older than what the journal keeps.
                Err(ReadError::NotFound) => return Ok(Came::Over),
                Err(error) => return Err(error),
            },
        };
        if let Some(before) = none_new(&[open], &action) {
            return Ok(Came::NoNews(before));
        }
        self.feedback(id, action.action, action.by, action.note).await?;
        Ok(if is_open { Came::Done } else { Came::Noted })
    }

    async fn last_acted(&self, id: EpisodeId) -> Result<Option<Acted>, ReadError> {
        let story = self.own_story(id).await?;
        Ok(story.events.into_iter().rev().find_map(|event| match event.what {
            Happened::Feedback { action, by, .. } => Some(Acted { action, by: by.into(), at: event.at }),
            _ => None,
        }))
    }

    /// Takes what a person did with an alert; given back once it is durable.
    pub(crate) async fn feedback(
        &self,
        id: EpisodeId,
        action: Feedback,
        by: &str,
        note: &str,
    ) -> Result<(), ReadError> {
        let known =
            self.read(|partition, tenant, _| partition.rated(tenant, id.offset).map(Remembered::of)).await?;
        let remembered = match known {
            Some(remembered) => remembered,
            None => Remembered::from_trail(&self.own_story(id).await?).ok_or(ReadError::NotFound)?,
        };
        let of = remembered.view(self.name(), id.offset);
        let input = Input::Feedback { of, action: Action::new(action, by, note) };
        let stepped = self.host.step_with_room(self.partition(), &input).await?;
        Ok(self.durable(stepped.wait_for).await?)
    }

    /// What happened to an alert itself, without its groups and messages.
    async fn own_story(&self, id: EpisodeId) -> Result<Explained, ReadError> {
        let (mut explained, from) = self.opened(id).await?;
        let mut trail = trail::Trail::of(id.offset);
        self.follow(&mut trail, trail::episode_key(id.partition, id.offset), from).await?;
        explained.events = trail.finish();
        Ok(explained)
    }

    /// The group that another tool names by a dedup key of ours, while it is
    /// here.
    async fn group_of_dedup_key(&self, key: &str) -> Result<Option<GroupRef>, Unavailable> {
        self.read(|partition, tenant, _| partition.group_of_dedup_key(tenant, key)).await
    }

    /// Takes what a person did with all alerts of a group; given back once it
    /// is durable.
    async fn act_on_group(&self, group: &GroupRef, action: Action<'_>) -> Result<(), Unavailable> {
        loop {
            let GroupRef { group, integration, .. } = *group;
            let input = Input::GroupFeedback { tenant: self.name(), group, integration, action };
            let stepped = self.host.step_with_room(self.partition(), &input).await?;
            if !stepped.is_unfinished {
                return self.durable(stepped.wait_for).await;
            }
        }
    }

    /// Silences what a group's alerts share, for a time from now. A silence
    /// that somebody set in the same way before is made longer.
    pub(crate) async fn silence_group(
        &self,
        named: &Named,
        by: &str,
        lasts: Duration,
        new_id: SilenceId,
    ) -> Result<Silenced, Unavailable> {
        let Named::Here(group) = named else { return Ok(Silenced::Over) };
        let open = self.open_alerts(group).await?;
        let matchers = self.matchers_of(group).await?;
        if open.is_empty() {
            return Ok(Silenced::Over);
        }
        if matchers.is_empty() {
            return Ok(Silenced::NothingShared);
        }
        let (id, ends_at) = self.same_silence(&matchers, lasts).await?;
        let posted = PostedSilence {
            id,
            matchers: matchers.clone(),
            starts_at: None,
            ends_at,
            created_by: by.into(),
            comment: COMMENT.into(),
            annotations: Vec::new(),
        };
        Ok(match self.set_silence(&posted, new_id).await? {
            Ok(_) => Silenced::Until(matchers, ends_at),
            Err(refusal) => Silenced::Refused(refusal),
        })
    }

    /// The labels that define the group, or else those that its alerts share.
    async fn matchers_of(&self, group: &GroupRef) -> Result<Vec<Matcher>, Unavailable> {
        self.read(|partition, tenant, now| {
            let view = partition.group(tenant, group.group, now);
            let own = view.map(|view| equals(view.labels)).filter(|own| !own.is_empty());
            own.unwrap_or_else(|| equals(Labels::from_encoded(&group.labels)))
        })
        .await
    }

    async fn same_silence(
        &self,
        matchers: &[Matcher],
        lasts: Duration,
    ) -> Result<(Option<SilenceId>, Timestamp), Unavailable> {
        self.read(|partition, tenant, now| {
            let silences = partition.silences(tenant).into_iter().flat_map(|silences| silences.kept(now));
            let same = silences.filter(|silence| {
                silence.state(now) == SilenceState::Active
                    && *silence.comment == *COMMENT
                    && silence.matchers == matchers
            });
            (same.map(|silence| silence.id).next(), now.plus(lasts))
        })
        .await
    }
}

/// Why a silence was set from a message.
const COMMENT: &str = "asked for in a message about these alerts";

fn equals(labels: Labels<'_>) -> Vec<Matcher> {
    labels.iter().filter_map(|(name, value)| Matcher::new(name, MatchOp::Equal, value).ok()).collect()
}

/// Whether it says what an alert was worth, which counts after its end too.
fn judges(action: Feedback) -> bool {
    matches!(action, Feedback::Resolve | Feedback::Dismiss)
}

/// Where there are alerts and the action is news to none of them: what was
/// done before.
fn none_new(alerts: &[Option<Acted>], action: &Action<'_>) -> Option<Acted> {
    let is_news = |acted: &Option<Acted>| action.is_news_to(acted.as_ref().map(|acted| acted.action));
    if alerts.iter().any(is_news) { None } else { alerts.first()?.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Feedback::{Ack, Dismiss, Escalate, Resolve};

    fn heard(action: Feedback, echoes: bool) -> Action<'static> {
        Action { echoes, ..Action::new(action, "bob in PagerDuty", "") }
    }

    fn acted(action: Feedback) -> Option<Acted> {
        Some(Acted { action, by: "ann in Slack".into(), at: Timestamp::from_secs(1) })
    }

    #[test]
    fn what_has_been_done_is_no_news() {
        for action in [Ack, Resolve, Dismiss, Escalate] {
            assert_eq!(none_new(&[acted(action)], &heard(action, false)), acted(action));
            assert_eq!(none_new(&[None], &heard(action, true)), None);
            assert_eq!(none_new(&[acted(action), None], &heard(action, false)), None, "news to one of them");
        }
        assert_eq!(none_new(&[], &heard(Ack, false)), None);
    }

    #[test]
    fn an_echo_takes_nothing_back() {
        let is_kept = |before, now, echoes| none_new(&[acted(before)], &heard(now, echoes)).is_some();
        assert!(is_kept(Resolve, Ack, false) && is_kept(Dismiss, Ack, false));
        assert!(is_kept(Dismiss, Resolve, true) && !is_kept(Dismiss, Resolve, false));
        assert!(!is_kept(Resolve, Dismiss, true), "people may think again");
        assert!(!is_kept(Escalate, Ack, true), "somebody came");
    }
}
