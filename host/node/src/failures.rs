//! Why the host itself refuses, or gives up on, a strategy's request: the host's own table of numbers.
//!
//! Numbers below 2,000 in a failure are those of the Interaction Server and are passed on as they
//! come; everything from 2,000 is in here, and nowhere else.

use std::fmt;

use jackfield_protocol::RequestError;
use jackfield_strategy::contract::Failure;

macro_rules! host_errors {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)+) => {
        /// Why the host failed a request of a strategy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum HostError {
            $($(#[$doc])* $variant = $number,)+
        }

        impl HostError {
            /// Every one, in the order of their numbers.
            pub const ALL: &[HostError] = &[$(HostError::$variant,)+];

            /// `code` of the failure a strategy gets.
            pub fn number(self) -> u32 {
                self as u32
            }

            /// `name` of the failure a strategy gets.
            pub fn name(self) -> &'static str {
                match self {
                    $(HostError::$variant => $name,)+
                }
            }
        }
    };
}

host_errors! {
    /// The link to the Interaction Server was down for longer than `link-down-timeout`; the description says
    /// whether the request may have been done before.
    LinkDown = 2000, "link_down";
    /// Target selection found nobody in time, or a server did not answer in time.
    Timeout = 2001, "timeout";
    /// The strategy cancelled the request itself.
    Cancelled = 2002, "cancelled";
    /// A skill expression that cannot be read, or a kind of target that cannot be what is asked for.
    UnknownTarget = 2003, "unknown_target";
    /// The session does not hold this interaction, or no longer.
    NotHeld = 2004, "not_held";
    /// No such session on this node, or it has ended.
    SessionUnknown = 2005, "session_unknown";
    /// The interaction waits for a target, or is being delivered; end that first.
    InteractionBusy = 2006, "interaction_busy";
    /// The request lacks something, or holds something out of range; the description says what.
    BadRequest = 2007, "bad_request";
    /// The agent rejected the interaction.
    Rejected = 2008, "rejected";
    /// The agent did not answer the invitation.
    NotAnswered = 2009, "not_answered";
    /// The agent's application went away during the invitation.
    AgentGone = 2010, "agent_gone";
    /// A request to cancel names nothing that waits for a target.
    RequestUnknown = 2011, "request_unknown";
    /// The session has more unanswered requests than it may.
    TooManyRequests = 2012, "too_many_requests";
    /// The other session does not take any more events.
    SessionNotReading = 2013, "session_not_reading";
    /// A media server, or another server behind the Interaction Server, answered with a fault.
    ServiceFault = 2014, "service_fault";
    /// A server answered with something that is no answer to the request.
    UnexpectedAnswer = 2015, "unexpected_answer";
    /// An HTTP request did not get through, or what came back is no HTTP; the description says what.
    HttpFailed = 2016, "http_failed";
    /// The node went down while a request was under way that may not be repeated: whether the server did
    /// what it was asked for is not known.
    OutcomeUnknown = 2017, "outcome_unknown";
    /// An HTTP request, or a redirect, goes to a host that the plugin's policy does not name.
    HostNotAllowed = 2018, "host_not_allowed";
    /// The answer to an HTTP request is larger than a session may get.
    TooLarge = 2019, "too_large";
    /// A target is an agent who is neither configured nor logged in.
    UnknownAgent = 2020, "unknown_agent";
    /// A target is an agent group with no configured agent in it.
    UnknownAgentGroup = 2021, "unknown_agent_group";
    /// A target is a place that is not configured, and nobody is logged in there.
    UnknownPlace = 2022, "unknown_place";
    /// A target is a place group with no configured place in it.
    UnknownPlaceGroup = 2023, "unknown_place_group";
    /// A threshold, or an order, by something that is no statistic.
    UnknownStatistic = 2024, "unknown_statistic";
    /// Target selection found nobody in time, and nobody whom the targets mean was logged in.
    NobodyLoggedIn = 2025, "nobody_logged_in";
}

impl HostError {
    /// The failure a strategy gets; `description` is lower-case, without a full stop.
    pub fn with(self, description: impl fmt::Display) -> Failure {
        Failure { code: self.number(), name: self.name().to_owned(), description: description.to_string() }
    }
}

/// A refusal by the Interaction Server, as the strategy sees it: number and name unchanged.
pub(crate) fn refused(error: RequestError) -> Failure {
    Failure { code: error.code, name: error.name, description: error.description }
}

#[cfg(test)]
mod tests {
    use super::HostError;

    #[test]
    fn numbers_start_at_two_thousand_and_are_unique_like_the_names() {
        let mut seen = std::collections::HashSet::new();
        for error in HostError::ALL {
            assert!(error.number() >= 2000);
            assert!(seen.insert(error.number().to_string()) && seen.insert(error.name().to_owned()), "{error:?} twice");
        }
    }
}
