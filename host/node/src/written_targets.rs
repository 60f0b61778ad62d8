//! Targets as they are written in the field, as strategies give them, and as target selection has them.

use jackfield_routing::{self as routing, TargetKind, Threshold, WrittenTarget};
use jackfield_strategy::contract::{Failure, Target, TargetType, TextError};

use crate::failures::HostError;

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
    let routing::Target { kind, name, group, workbin, threshold, weight } = written.into();
    let target_type = match kind {
        TargetKind::Agent => TargetType::Agent,
        TargetKind::Place => TargetType::Place,
        TargetKind::AgentGroup => TargetType::AgentGroup,
        TargetKind::PlaceGroup => TargetType::PlaceGroup,
        TargetKind::Skill => TargetType::Skill,
        TargetKind::Queue => TargetType::InteractionQueue,
    };
    let threshold = threshold.map(|threshold| threshold.to_string());
    Target { target_type, name, group, workbin, threshold, weight: Some(weight) }
}

/// A target of the contract, as target selection has it.
///
/// # Errors
/// Its threshold cannot be read.
pub(crate) fn understood(target: Target) -> Result<routing::Target, Failure> {
    let Target { target_type, name, group, workbin, threshold, weight } = target;
    let kind = match target_type {
        TargetType::Agent => TargetKind::Agent,
        TargetType::Place => TargetKind::Place,
        TargetType::AgentGroup => TargetKind::AgentGroup,
        TargetType::PlaceGroup => TargetKind::PlaceGroup,
        TargetType::Skill => TargetKind::Skill,
        TargetType::InteractionQueue => TargetKind::Queue,
    };
    let threshold = threshold.map(|text| {
        Threshold::parse(&text).map_err(|error| HostError::BadRequest.with(format!("threshold `{text}`: {error}")))
    });
    Ok(routing::Target {
        group,
        workbin,
        threshold: threshold.transpose()?,
        weight: weight.unwrap_or(1),
        ..routing::Target::new(kind, name)
    })
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
