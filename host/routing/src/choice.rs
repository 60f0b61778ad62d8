//! What a submit asks for beyond its targets: which of those that fit, how its priority grows, what it may go to later.

use std::time::Duration;

use crate::statistic::{self, Statistic};
use crate::target::{Target, TargetError};

/// Steps one submit may have.
pub const STEPS_PER_SUBMIT: usize = 16;
/// The shortest time after which a priority grows.
pub const AGING_EVERY_LEAST: Duration = Duration::from_secs(1);

/// Which of the targets that fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The one that stands first; of its agents the least loaded.
    #[default]
    Any,
    /// The one with the smallest value of the statistic.
    Min,
    /// The one with the largest.
    Max,
    /// They share by their weights.
    Percentage,
}

impl Order {
    /// Its name in the field.
    pub fn name(self) -> &'static str {
        match self {
            Order::Any => "any",
            Order::Min => "min",
            Order::Max => "max",
            Order::Percentage => "percentage",
        }
    }
}

/// How one of those that fit is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Of the targets.
    pub order: Order,
    /// What is compared, where something is.
    pub statistic: &'static Statistic,
}

impl Choice {
    /// `StatAgentLoading` where no statistic is named.
    ///
    /// # Errors
    /// There is no such statistic.
    pub fn new(order: Order, statistic: Option<&str>) -> Result<Choice, TargetError> {
        let name = statistic.unwrap_or("StatAgentLoading");
        let statistic = statistic::find(name).ok_or_else(|| TargetError::UnknownStatistic(name.to_owned()))?;
        Ok(Choice { order, statistic })
    }

    /// What is the less the better.
    pub(crate) fn cost(&self, value: i64) -> i64 {
        if self.order == Order::Max { value.saturating_neg() } else { value }
    }
}

impl Default for Choice {
    fn default() -> Choice {
        Choice { order: Order::Any, statistic: statistic::LOADING }
    }
}

/// Priority that grows with the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aging {
    /// Each time so much has passed since the submit; from [`AGING_EVERY_LEAST`], less counts as that.
    pub every: Duration,
    /// this is added,
    pub by: u32,
    /// until this priority is reached.
    pub at_most: i32,
}

impl Aging {
    pub(crate) fn every(&self) -> Duration {
        self.every.max(AGING_EVERY_LEAST)
    }

    /// The priority after it has grown so many times.
    pub(crate) fn priority(&self, first: i32, times: u64) -> i32 {
        let grown = i128::from(first) + i128::from(self.by) * i128::from(times);
        let grown = i32::try_from(grown).unwrap_or(i32::MAX);
        // What begins above it stays there.
        grown.min(self.at_most.max(first))
    }

    /// Whether it can still become more.
    pub(crate) fn goes_on(&self, priority: i32) -> bool {
        self.by > 0 && priority < self.at_most
    }
}

/// Later targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// After the submit.
    pub after: Duration,
    /// They take the place of those before.
    pub targets: Vec<Target>,
}
