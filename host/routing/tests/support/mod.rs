//! A small site for the tests of target selection.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::time::Duration;

use jackfield_routing::{
    AgentProfile, AgentState, Assigned, Directory, LinkId, MediaState, Output, RouteId, Selection, Submit, Target,
    TargetKind,
};

pub const LINK: LinkId = LinkId(0);
pub const SECOND: Duration = Duration::from_secs(1);

pub fn profile(skills: &[(&str, i32)], groups: &[&str]) -> AgentProfile {
    AgentProfile {
        skills: skills.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect(),
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// Three agents, and four places on two floors.
pub fn directory() -> Directory {
    let agents: Directory = [
        ("anna".to_owned(), profile(&[("Billing", 7)], &["all"])),
        ("boris".to_owned(), profile(&[("Billing", 3), ("Orders", 5)], &["all"])),
        ("carol".to_owned(), profile(&[("Orders", 9)], &["all", "night"])),
    ]
    .into_iter()
    .collect();
    agents.with_places([
        ("place-anna", vec!["First Floor"]),
        ("place-boris", vec!["First Floor", "Window"]),
        ("place-carol", vec!["Second Floor"]),
        ("place-none", vec![]),
    ])
}

pub fn media(ready: bool, capacity: u32, busy: u32, ready_since: i64) -> MediaState {
    MediaState { media_type: "email".into(), ready, capacity, busy, ready_since }
}

pub fn state(agent: &str, ready: bool, capacity: u32, busy: u32, ready_since: i64) -> AgentState {
    let media = vec![media(ready, capacity, busy, ready_since)];
    AgentState { agent: agent.into(), place: format!("place-{agent}"), media, ..AgentState::default() }
}

pub fn target(kind: TargetKind, name: &str) -> Target {
    Target::new(kind, name)
}

pub fn submit(route: u64, priority: i32, since: i64, targets: &[Target]) -> Submit {
    let interaction = format!("interaction-{route}");
    let submit = Submit::new(RouteId(route), LINK, interaction, "email".into(), targets.to_vec());
    Submit { priority, since, ..submit }
}

pub fn outputs(selection: &mut Selection) -> Vec<Output> {
    std::iter::from_fn(|| selection.poll()).collect()
}

pub fn assigned(selection: &mut Selection) -> Vec<(u64, String)> {
    outputs(selection)
        .into_iter()
        .map(|output| match output {
            Output::Assign(Assigned { route, agent, .. }) => (route.0, agent),
            other => panic!("{other:?}"),
        })
        .collect()
}

pub fn timed_out(route: u64) -> Output {
    Output::TimedOut { route: RouteId(route), nobody_logged_in: false }
}
