//! The pairs that are attached for a wait in a virtual queue, and the events that tell of it (guide, *Reporting on
//! Virtual Queues*; reference page, *Virtual queue reporting*). Pure.
//!
//! Only what is known is there. `RTargetRule` and `RTargetRuleSelected` are empty, for jackfield has no routing
//! rules; so is a DBID of what has none in the configuration, and that of a skill expression. Keys of other
//! products' counters and prices (`CBR-…`, `PegAG…`, `CustomerSegment`, `ServiceType`) are left out.

use jackfield_protocol::v1::{KeyValueList, RequestDistributeEvent};
use jackfield_strategy::contract::{Destination, Failure, KvPair, KvValue, RouteRequest, Target, TargetType};
use jackfield_strategy::virtual_queue::{PRIMARY_ID_KEY, attachment};

use super::objects::{ObjectKind, Objects};

/// The one number of the reason list `RTR` that is published: of an interaction that was routed.
const ROUTED: i32 = 115;

/// One wait in a virtual queue.
pub(crate) struct Wait<'a> {
    pub id: &'a str,
    pub virtual_queue: &'a str,
    pub route: &'a RouteRequest,
    /// Name of the strategy.
    pub strategy: &'a str,
    /// Number of the server's tenant.
    pub tenant: u32,
}

/// What was found for it.
pub(crate) struct Selected<'a> {
    /// The target, by its name as it was given.
    pub target: &'a str,
    pub destination: &'a Destination,
    /// Where the agent is logged in, where that is known.
    pub place: Option<&'a str>,
}

/// How a wait stands or ends.
pub(crate) enum Stage<'a> {
    Queued,
    Diverted(&'a Selected<'a>),
    Abandoned(&'a Failure),
}

impl Wait<'_> {
    /// Attached while it waits.
    pub fn waiting(&self, objects: &Objects) -> Vec<KvPair> {
        let mut data = vec![self.dbid(objects), text("RTargetRule", "")];
        for target in &self.route.targets {
            match target.target_type {
                TargetType::AgentGroup | TargetType::Skill => data.push(text("RTargetAgentGroup", &as_asked(target))),
                TargetType::PlaceGroup => data.push(text("RTargetPlaceGroup", &as_asked(target))),
                TargetType::Agent | TargetType::Place | TargetType::InteractionQueue => {}
            }
        }
        data
    }

    fn dbid(&self, objects: &Objects) -> KvPair {
        text("RVQDBID", &objects.dbid(ObjectKind::VirtualQueue, self.virtual_queue))
    }

    /// Attached when it is routed.
    pub fn selected(&self, objects: &Objects, selected: &Selected<'_>) -> Vec<KvPair> {
        let target = self.target(selected);
        let (kind, number) = target.map_or((None, ""), |target| kind(target.target_type));
        let object = target.map(as_asked).unwrap_or_else(|| selected.target.to_owned());
        let object_dbid = kind.map(|kind| objects.dbid(kind, selected.target)).unwrap_or_default();
        let agent = match selected.destination {
            Destination::Agent(agent) => agent.as_str(),
            _ => "",
        };
        let place = match selected.destination {
            Destination::Place(place) => place.as_str(),
            _ => selected.place.unwrap_or_default(),
        };
        let skills = match target {
            Some(target) if target.target_type == TargetType::Skill => skills_asked(&target.name),
            _ => Vec::new(),
        };
        let combination: Vec<String> = skills.iter().map(|(skill, level)| format!("{skill}={level}")).collect();
        let skill_list = serde_json::json!(skills);
        let reason = serde_json::json!([["RTR", ROUTED]]);
        vec![
            text("RTargetRuleSelected", ""),
            text("RTargetTypeSelected", number),
            text("RTargetObjectSelected", &object),
            text("RTargetObjSelDBID", &object_dbid),
            text("RTargetAgentSelected", agent),
            text("RTargetAgSelDBID", &objects.dbid(ObjectKind::Agent, agent)),
            text("RTargetPlaceSelected", place),
            text("RTargetPlSelDBID", &objects.dbid(ObjectKind::Place, place)),
            text("RTenant", objects.tenants.get(&self.tenant).map_or("", String::as_str)),
            text("RTenantDBID", &self.tenant.to_string()),
            text("RStrategyName", self.strategy),
            text("RStrategyDBID", &objects.dbid(ObjectKind::Strategy, self.strategy)),
            text("RTargetRequested", &object),
            text("RRequestedSkillCombination", &combination.join(",")),
            KvPair { key: "RRequestedSkills".into(), value: KvValue::Nested(skill_list.to_string()) },
            KvPair { key: "Reason".into(), value: KvValue::Nested(reason.to_string()) },
        ]
    }

    /// All that is known, for the interaction or the event.
    pub fn pairs(&self, objects: &Objects, waits: bool, selected: Option<&Selected<'_>>) -> Vec<KvPair> {
        let mut data = if waits { self.waiting(objects) } else { vec![self.dbid(objects)] };
        data.extend(selected.into_iter().flat_map(|selected| self.selected(objects, selected)));
        attachment(self.id.to_owned(), true, data)
    }

    /// The target that was selected, as it was asked for.
    fn target(&self, selected: &Selected<'_>) -> Option<&Target> {
        let is_queue = matches!(selected.destination, Destination::InteractionQueue(_));
        let later = self.route.relaxation.iter().flatten().flat_map(|step| &step.targets);
        let mut targets = self.route.targets.iter().chain(later).filter(|target| target.name == selected.target);
        targets.find(|target| (target.target_type == TargetType::InteractionQueue) == is_queue)
    }

    /// The event that tells of it.
    pub fn event(&self, objects: &Objects, from: &From<'_>, stage: &Stage<'_>) -> RequestDistributeEvent {
        let (name, selected, reasons) = match stage {
            Stage::Queued => ("EventQueued", None, None),
            Stage::Diverted(selected) => ("EventDiverted", Some(*selected), Some(("RTR", ROUTED.into()))),
            Stage::Abandoned(why) => ("EventAbandoned", None, Some(("Reason", why.name.as_str().into()))),
        };
        let extensions = KeyValueList::default()
            .with("SIGNATURE", "router")
            .with("NAME", from.name)
            .with("VERSION", env!("CARGO_PKG_VERSION"))
            .with("CLUSTER", from.cluster)
            .with("VQID", self.id)
            .with("Location", objects.switches.get(from.server).map_or("", String::as_str))
            // An interaction is a call of the same id.
            .with("CallUUID", self.route.interaction.as_str());
        let reasons: Option<KeyValueList> =
            reasons.map(|reason: (&str, jackfield_protocol::v1::key_value::Value)| [reason].into_iter().collect());
        RequestDistributeEvent {
            interaction_id: self.route.interaction.clone(),
            name: name.to_owned(),
            // Lists within are made here, and are lists.
            data: jackfield_strategy::contract::pairs_to_protocol(self.pairs(objects, true, selected)).ok(),
            this_dn: self.virtual_queue.to_owned(),
            this_queue: self.virtual_queue.to_owned(),
            extensions: Some(extensions),
            reasons,
        }
    }
}

/// Who tells.
pub(crate) struct From<'a> {
    pub name: &'a str,
    pub cluster: &'a str,
    pub server: &'a str,
}

/// Pairs that take the place of those before, and those that count only where there are none.
pub(crate) fn first_of_each(pairs: Vec<KvPair>) -> (Vec<KvPair>, Vec<KvPair>) {
    pairs.into_iter().partition(|pair| pair.key != PRIMARY_ID_KEY)
}

/// As targets are written in the field.
fn as_asked(target: &Target) -> String {
    match target.target_type {
        TargetType::Skill => format!("?{}:{}", target.group.as_deref().unwrap_or_default(), target.name),
        _ => target.name.clone(),
    }
}

/// The object that has a DBID, and the number of its type for Stat Server.
fn kind(target_type: TargetType) -> (Option<ObjectKind>, &'static str) {
    match target_type {
        TargetType::Agent => (Some(ObjectKind::Agent), "0"),
        TargetType::Place => (Some(ObjectKind::Place), "1"),
        TargetType::AgentGroup => (Some(ObjectKind::AgentGroup), "2"),
        TargetType::Skill => (None, "2"),
        TargetType::PlaceGroup => (Some(ObjectKind::PlaceGroup), "3"),
        TargetType::InteractionQueue => (Some(ObjectKind::InteractionQueue), "5"),
    }
}

/// Skills and the least level of each, where an expression asks for all of them; otherwise none.
fn skills_asked(expression: &str) -> Vec<(String, i32)> {
    let comparison = |part: &str| {
        let (skill, level, above) = ["=>", ">=", ">", "="].iter().find_map(|operator| {
            let (skill, level) = part.split_once(operator)?;
            Some((skill, level, i32::from(*operator == ">")))
        })?;
        let level: i32 = level.trim().parse().ok()?;
        let skill = skill.trim().trim_matches('"');
        let is_plain = !skill.is_empty() && !skill.contains(['(', ')', '!', '<', '|']);
        is_plain.then(|| (skill.to_owned(), level.saturating_add(above)))
    };
    expression.split('&').map(comparison).collect::<Option<_>>().unwrap_or_default()
}

fn text(key: &str, value: &str) -> KvPair {
    KvPair { key: key.to_owned(), value: KvValue::Text(value.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> Objects {
        let dbids = [
            (ObjectKind::VirtualQueue, "VQ_Billing", 1523),
            (ObjectKind::AgentGroup, "Billing", 7),
            (ObjectKind::Agent, "kim", 123),
            (ObjectKind::Place, "desk_1", 9),
            (ObjectKind::Strategy, "Triage", 4),
        ];
        Objects {
            dbids: dbids.map(|(kind, name, dbid)| ((kind, name.to_owned()), dbid)).into(),
            tenants: [(1, "Resources".to_owned())].into(),
            switches: [("email_server".to_owned(), "media_switch".to_owned())].into(),
        }
    }

    fn route(targets: &[(TargetType, &str)]) -> RouteRequest {
        let target = |(target_type, name): &(TargetType, &str)| Target {
            target_type: *target_type,
            name: (*name).into(),
            group: None,
            workbin: None,
            threshold: None,
            weight: None,
        };
        RouteRequest {
            interaction: "0000GaBNKN2Q0021".into(),
            virtual_queue: Some("VQ_Billing".into()),
            priority: 0,
            targets: targets.iter().map(target).collect(),
            timeout: None,
            deliver: true,
            choice: None,
            aging: None,
            relaxation: None,
            clear_on_timeout: None,
        }
    }

    fn wait<'a>(route: &'a RouteRequest) -> Wait<'a> {
        Wait {
            id: "0123456789ABCDEF0123456789ABCDEF",
            virtual_queue: "VQ_Billing",
            route,
            strategy: "Triage",
            tenant: 1,
        }
    }

    fn shown(pairs: Vec<KvPair>) -> Vec<String> {
        let show = |pair: KvPair| match pair.value {
            KvValue::Text(text) | KvValue::Nested(text) => format!("{}={text}", pair.key),
            other => panic!("{other:?}"),
        };
        pairs.into_iter().map(show).collect()
    }

    #[test]
    fn while_it_waits_each_group_and_skill_expression_is_a_pair_of_its_own() {
        let route = route(&[
            (TargetType::Skill, "Billing > 1"),
            (TargetType::AgentGroup, "Billing"),
            (TargetType::Agent, "kim"),
            (TargetType::PlaceGroup, "hall"),
        ]);
        assert_eq!(
            shown(wait(&route).pairs(&objects(), true, None)),
            [
                "RVQID=0123456789ABCDEF0123456789ABCDEF",
                "RPVQID=0123456789ABCDEF0123456789ABCDEF",
                "RVQDBID=1523",
                "RTargetRule=",
                "RTargetAgentGroup=?:Billing > 1",
                "RTargetAgentGroup=Billing",
                "RTargetPlaceGroup=hall",
            ]
        );
    }

    #[test]
    fn what_is_selected_is_named_and_numbered() {
        let route = route(&[(TargetType::Skill, "Test_157 = 1 & French > 2"), (TargetType::InteractionQueue, "later")]);
        let agent = Destination::Agent("kim".into());
        let selected = Selected { target: "Test_157 = 1 & French > 2", destination: &agent, place: Some("desk_1") };
        assert_eq!(
            shown(wait(&route).selected(&objects(), &selected)),
            [
                "RTargetRuleSelected=",
                "RTargetTypeSelected=2",
                "RTargetObjectSelected=?:Test_157 = 1 & French > 2",
                "RTargetObjSelDBID=",
                "RTargetAgentSelected=kim",
                "RTargetAgSelDBID=123",
                "RTargetPlaceSelected=desk_1",
                "RTargetPlSelDBID=9",
                "RTenant=Resources",
                "RTenantDBID=1",
                "RStrategyName=Triage",
                "RStrategyDBID=4",
                "RTargetRequested=?:Test_157 = 1 & French > 2",
                "RRequestedSkillCombination=Test_157=1,French=3",
                r#"RRequestedSkills=[["Test_157",1],["French",3]]"#,
                r#"Reason=[["RTR",115]]"#,
            ]
        );
        let later = Destination::InteractionQueue("later".into());
        let queue = Selected { target: "later", destination: &later, place: None };
        let shown = shown(wait(&route).selected(&objects(), &queue));
        assert!(shown.contains(&"RTargetTypeSelected=5".into()) && shown.contains(&"RTargetAgentSelected=".into()));
        assert!(shown.contains(&"RRequestedSkillCombination=".into()), "{shown:?}");
    }

    #[test]
    fn skills_are_named_where_all_of_them_are_asked_for() {
        let asked = |text: &str| {
            skills_asked(text).into_iter().map(|(skill, level)| format!("{skill}={level}")).collect::<Vec<_>>()
        };
        assert_eq!(asked("Billing >= 5"), ["Billing=5"]);
        assert_eq!(asked(r#""My skill" > 0 & B=2"#), ["My skill=1", "B=2"]);
        for other in ["Billing < 5", "A > 1 | B > 1", "A != 1", "A > 1 & (B > 1)", ""] {
            assert_eq!(asked(other), Vec::<String>::new(), "{other}");
        }
    }

    #[test]
    fn events_name_the_virtual_queue_twice_and_say_who_tells() {
        let route = route(&[(TargetType::AgentGroup, "Billing")]);
        let from = From { name: "jackfield", cluster: "east", server: "email_server" };
        let queued = wait(&route).event(&objects(), &from, &Stage::Queued);
        assert_eq!((queued.name.as_str(), queued.this_dn.as_str()), ("EventQueued", "VQ_Billing"));
        assert_eq!((queued.this_queue.as_str(), queued.reasons), ("VQ_Billing", None));
        let extensions = queued.extensions.expect("extensions");
        let keys: Vec<&str> = extensions.pairs.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!(keys, ["SIGNATURE", "NAME", "VERSION", "CLUSTER", "VQID", "Location", "CallUUID"]);
        assert_eq!((extensions.text("SIGNATURE"), extensions.text("Location")), (Some("router"), Some("media_switch")));
        assert_eq!(extensions.text("CallUUID"), Some("0000GaBNKN2Q0021"));

        let agent = Destination::Agent("kim".into());
        let selected = Selected { target: "Billing", destination: &agent, place: None };
        let diverted = wait(&route).event(&objects(), &from, &Stage::Diverted(&selected));
        assert_eq!(diverted.reasons.and_then(|reasons| reasons.integer("RTR")), Some(115));
        let data = diverted.data.expect("user data");
        assert_eq!((data.text("RTargetAgentSelected"), data.text("RTargetObjSelDBID")), (Some("kim"), Some("7")));

        let why = Failure { code: 2001, name: "timeout".into(), description: String::new() };
        let abandoned = wait(&route).event(&objects(), &from, &Stage::Abandoned(&why));
        assert_eq!(abandoned.reasons.as_ref().and_then(|reasons| reasons.text("Reason")), Some("timeout"));
        assert!(abandoned.data.expect("user data").text("RTargetAgentSelected").is_none());
    }
}
