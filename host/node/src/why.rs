//! Why target selection decided so: plain data, made to be printed or sent as JSON.

use std::collections::BTreeMap;

use jackfield_routing::{Candidate, LinkId, Why, WhyTarget};
use serde::Serialize;

use crate::node::Node;

/// Why an interaction went where it went, or why it still waits.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyStatus {
    /// Application name of the Interaction Server it came from.
    pub server: String,
    /// Its id.
    pub interaction: String,
    /// Its media type.
    pub media_type: String,
    /// When it was decided; none: it still waits.
    pub decided_at: Option<u64>,
    /// In one sentence.
    pub because: String,
    /// Priority with which it stood in line.
    pub priority: i32,
    /// When it was received: of equals, the older one comes first.
    pub received_at: i64,
    /// `any`, `min`, `max` or `percentage`.
    pub order: &'static str,
    /// What is compared.
    pub statistic: &'static str,
    /// Its targets.
    pub targets: Vec<TargetStatus>,
    /// How many agents there were with each verdict; empty when it lies too far back to say.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// The agents, the nearest to being chosen first.
    pub candidates: Vec<CandidateStatus>,
}

/// One target.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// In words.
    pub target: String,
    /// It was the one.
    pub chosen: bool,
    /// Its statistic, where targets were compared.
    pub value: Option<i64>,
    /// The statistic of its threshold, as it is now.
    pub threshold: Option<i64>,
}

/// One agent.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateStatus {
    /// Employee id.
    pub agent: String,
    /// Where the agent was logged in.
    pub place: String,
    /// `chosen`, `fits`, or what was in the way.
    pub verdict: &'static str,
    /// More about that.
    pub detail: String,
    /// Interactions of the media the agent had.
    pub load: u64,
    /// And might have.
    pub capacity: u32,
    /// The statistic by which agents are compared.
    pub value: Option<i64>,
}

/// What one agent, or a queue, got for one target.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionCount {
    /// Employee id; empty: a queue or a workbin.
    pub agent: String,
    /// The target in words.
    pub target: String,
    /// The agent was free, and came before others who were.
    pub was_free: u64,
    /// The agent became free, and the interaction was first in line.
    pub became_free: u64,
}

impl Node {
    /// Why this interaction went where it went, by the last decision of this node about it, or why it still waits. None:
    /// nothing is remembered of it.
    pub fn why(&self, interaction: &str) -> Option<WhyStatus> {
        let shared = self.shared();
        let now = tokio::time::Instant::now().into_std();
        let links = shared.settings.links.iter().zip(&shared.selections).enumerate();
        let found = links.filter_map(|(link, (settings, selection))| {
            let why = selection.lock().why(now, LinkId(link), interaction)?;
            Some((settings.server.clone(), why))
        });
        // Ids are those of one server; should two have the same, the newer decision counts.
        let (server, why) = found.min_by_key(|(_, why)| why.decided)?;
        Some(status(server, why))
    }

    /// What the last decisions came to.
    pub fn decisions(&self) -> Vec<DecisionCount> {
        let mut counts: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        for selection in &self.shared().selections {
            for decided in selection.lock().decisions() {
                let key = (decided.agent.unwrap_or_default(), decided.target.to_string());
                let (was_free, became_free) = counts.entry(key).or_default();
                *(if decided.agent_came { became_free } else { was_free }) += 1;
            }
        }
        let count = |((agent, target), (was_free, became_free))| DecisionCount { agent, target, was_free, became_free };
        counts.into_iter().map(count).collect()
    }
}

fn status(server: String, why: Why) -> WhyStatus {
    let ago = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let target = |WhyTarget { target, chosen, value, threshold }| TargetStatus {
        target: target.to_string(),
        chosen,
        value,
        threshold,
    };
    let candidate = |Candidate { agent, place, verdict, detail, load, capacity, value, target: _ }| CandidateStatus {
        agent,
        place,
        verdict: verdict.name(),
        detail,
        load,
        capacity,
        value,
    };
    WhyStatus {
        server,
        interaction: why.interaction,
        media_type: why.media_type,
        decided_at: why.decided.map(|time| jackfield_world::wall_ms().saturating_sub(ago(time))),
        because: why.because,
        priority: why.priority,
        received_at: why.since,
        order: why.order,
        statistic: why.statistic,
        targets: why.targets.into_iter().map(target).collect(),
        verdicts: why.verdicts.into_iter().map(|(verdict, count)| (verdict.name(), count)).collect(),
        candidates: why.candidates.into_iter().map(candidate).collect(),
    }
}
