//! Targets as they are written in the field, as strategies give them.

use jackfield_routing::{Meant, TargetKind, WrittenTarget};
use jackfield_strategy::contract::{Target, TargetType, TextError};

/// Reads a list of targets.
///
/// # Errors
/// What is wrong with the text, and where.
pub(crate) fn read(text: &str) -> Result<Vec<Target>, TextError> {
    match WrittenTarget::parse_list(text) {
        Ok(written) => Ok(written.into_iter().map(target).collect()),
        Err(error) => {
            let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            Err(TextError { message: error.message, start: place(error.span.start), end: place(error.span.end) })
        }
    }
}

fn target(written: WrittenTarget) -> Target {
    let WrittenTarget { threshold, weight, meant, stat_server: _ } = written;
    let (target_type, name, group) = match meant {
        Meant::Named(TargetKind::Agent, name) => (TargetType::Agent, name, None),
        Meant::Named(TargetKind::Place, name) => (TargetType::Place, name, None),
        Meant::Named(TargetKind::AgentGroup, name) => (TargetType::AgentGroup, name, None),
        Meant::Named(TargetKind::Skill, expression) => (TargetType::Skill, expression, None),
        Meant::PlaceGroup(name) => (TargetType::PlaceGroup, name, None),
        Meant::Queue(name) => (TargetType::InteractionQueue, name, None),
        Meant::Skill { group, expression } => (TargetType::Skill, expression.to_string(), group),
    };
    let threshold = threshold.map(|threshold| threshold.to_string());
    Target { target_type, name, group, workbin: None, threshold, weight: Some(weight) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_the_targets_it_names_or_says_where_it_is_wrong() {
        let targets = read("{StatCallsInQueue<10}[25]?Night:Billing > 5@stat.GA, kim@.A, Floor@.GP, overflow@.Q");
        let targets = targets.expect("targets");
        let first = targets.first().expect("one");
        assert_eq!((first.target_type, first.name.as_str()), (TargetType::Skill, "Billing > 5"));
        assert_eq!((first.group.as_deref(), first.weight), (Some("Night"), Some(25)));
        assert_eq!(first.threshold.as_deref(), Some("StatCallsInQueue<10"));
        let rest: Vec<_> = targets.iter().skip(1).map(|target| (target.target_type, target.name.as_str())).collect();
        assert_eq!(
            rest,
            [(TargetType::Agent, "kim"), (TargetType::PlaceGroup, "Floor"), (TargetType::InteractionQueue, "overflow")]
        );
        let wrong = read("kim@.A, kim@.X").expect_err("X is no type");
        assert_eq!((wrong.start, wrong.end), (13, 14));
    }
}
