//! What a strategy names as targets: an agent, a place, an agent group, a skill expression.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jackfield_routing::{
    AgentProfile, Directory, LinkId, RouteId, SKILL_EXPRESSION_BYTES, Selection, SkillExpression, Submit, SubmitError,
    TARGET_TEXT_BYTES, Target, TargetError, TargetKind, WrittenTarget,
};

pub(crate) const WORDS: &[&str] = &[
    "Billing",
    "English",
    "\"Tech Support\"",
    "\"\"",
    "2nd_level",
    " & ",
    " | ",
    "(",
    ")",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "0",
    "-1",
    "2147483647",
    "-2147483648",
    "2147483648",
    "--",
    "\"",
    "?",
    ":",
    "@.",
    "@SS.GA",
    "A",
    ",",
    "{StatCallsInQueue<10}",
    "[25]",
    "ä",
    "٣",
    "\u{a0}",
];

/// A skill expression is refused with a place in it, or can be asked, printed and read again as the same. And
/// whatever the text is, as each kind of target it waits for somebody or is refused.
pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = SkillExpression::parse(text);
    match &read {
        Ok(expression) => {
            expression.matches(|_| i32::MIN);
            expression.matches(|_| i32::MAX);
            let printed = expression.to_string();
            // Spaces may make it longer than what may be read.
            if printed.len() <= SKILL_EXPRESSION_BYTES {
                let again = SkillExpression::parse(&printed);
                assert_eq!(again.as_ref(), Ok(expression), "{text:?} is printed as {printed:?}");
            }
        }
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{:?} is no place in {text:?}", error.span);
            assert!(!error.message.is_empty(), "says nothing of {text:?}");
        }
    }
    written(text);
    for kind in [TargetKind::Agent, TargetKind::Place, TargetKind::AgentGroup, TargetKind::Skill] {
        let submitted = submit(Target::new(kind, text));
        let is_expected = match (kind, &submitted) {
            (TargetKind::Place, Ok(())) => true,
            (TargetKind::Agent, Ok(())) => text == "kim",
            (TargetKind::AgentGroup, Ok(())) => text == "Everybody",
            (TargetKind::Skill, Ok(())) => read.is_ok(),
            (TargetKind::Agent, Err(SubmitError::Target(TargetError::UnknownAgent(name)))) => name == text,
            (TargetKind::AgentGroup, Err(SubmitError::Target(TargetError::UnknownAgentGroup(name)))) => name == text,
            (TargetKind::Skill, Err(SubmitError::Target(TargetError::Skill { error, .. }))) => {
                read.as_ref().err() == Some(error)
            }
            _ => false,
        };
        assert!(is_expected, "as {kind:?}, {text:?}: {submitted:?}");
    }
}

/// The same of a list of targets as the field writes them.
fn written(text: &str) {
    match WrittenTarget::parse_list(text) {
        Ok(targets) => {
            let printed = targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            if printed.len() <= TARGET_TEXT_BYTES {
                assert_eq!(WrittenTarget::parse_list(&printed), Ok(targets), "{text:?} is printed as {printed:?}");
            }
        }
        Err(error) => assert!(text.get(error.span.clone()).is_some(), "{:?} is no place in {text:?}", error.span),
    }
}

/// To one agent, who is not there.
fn submit(target: Target) -> Result<(), SubmitError> {
    let profile = AgentProfile {
        skills: BTreeMap::from([("Billing".into(), 7), ("Tech Support".into(), -1)]),
        groups: BTreeSet::from(["Everybody".into()]),
    };
    let mut selection = Selection::new(Directory::from_iter([("kim".to_owned(), profile)]));
    let submit = Submit::new(RouteId(1), LinkId(0), "i".into(), "email".into(), vec![target]);
    selection.submit(Instant::now(), submit)
}
