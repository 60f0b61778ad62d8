//! Error numbers of the Interaction Server, all in one table.

use crate::v1::EventError;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)+) => {
        /// Why a request was refused. The numbers 42, 43, 83, 107, 108 and 109 are the vendor's
        /// (reference page, *Error codes*); those from 1,000 are our own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant = $number,)+
        }

        impl ErrorCode {
            /// Every code, in the order of their numbers.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// The number on the wire.
            pub fn number(self) -> u32 {
                self as u32
            }

            /// The name on the wire, such as `__we_error_unknown_view_in_request`.
            pub fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $name,)+
                }
            }

            /// The code with this number, where there is one.
            pub fn from_number(number: u32) -> Option<ErrorCode> {
                match number {
                    $($number => Some(ErrorCode::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// The view named in a pull does not exist or is not visible to this server.
    UnknownView = 42, "__we_error_unknown_view_in_request";
    /// No such interaction; to a client that stops one this means it is stopped already.
    UnknownInteraction = 43, "__we_error_unknown_interaction_identifier";
    /// The view's condition or order is not valid.
    ViewDefinitionInvalid = 83, "__we_error_view_definition_invalid";
    /// A pull names a strategy that does not exist.
    StrategyDoesNotExist = 107, "__we_error_strategy_does_not_exist";
    /// A pull names a strategy that no submitter joins to a view.
    StrategyHasNoViews = 108, "__we_error_strategy_has_no_views";
    /// A pull names a strategy that is switched off.
    StrategyIsDisabled = 109, "__we_error_strategy_is_disabled";
    /// The request lacks something, or holds something out of range; the description says what.
    BadRequest = 1000, "__we_error_bad_request";
    /// A client must register first, and only once.
    NotRegistered = 1001, "__we_error_client_not_registered";
    /// This type of client may not make this request.
    NotPermitted = 1002, "__we_error_not_permitted";
    /// The client does not hold the interaction.
    NotOwner = 1003, "__we_error_access_denied_not_owner";
    /// No such interaction queue.
    UnknownQueue = 1004, "__we_error_unknown_queue";
    /// No such workbin, or no such owner of it.
    UnknownWorkbin = 1005, "__we_error_unknown_workbin";
    /// No such agent.
    UnknownAgent = 1006, "__we_error_unknown_agent";
    /// No such place.
    UnknownPlace = 1007, "__we_error_unknown_place";
    /// The agent is not logged in on this server.
    AgentNotLoggedIn = 1008, "__we_error_agent_not_logged_in";
    /// The agent is not ready for this media.
    AgentNotReady = 1009, "__we_error_agent_not_ready";
    /// The agent is logged in through another connection already.
    AgentLoggedInElsewhere = 1010, "__we_error_agent_logged_in_elsewhere";
    /// Another agent is logged in at this place.
    PlaceOccupied = 1011, "__we_error_place_occupied";
    /// No such invitation, or it has ended.
    UnknownTicket = 1012, "__we_error_unknown_ticket";
    /// An interaction with this id exists already.
    DuplicateInteraction = 1013, "__we_error_duplicate_interaction";
    /// No connected client has this name or serves this media.
    UnknownServer = 1014, "__we_error_unknown_external_server";
    /// The other server did not answer in time, or went away: whether it did it is not known.
    ServiceTimeout = 1015, "__we_error_external_service_timeout";
    /// The interaction is busy with something that must end first.
    InteractionBusy = 1016, "__we_error_interaction_busy";
    /// The client asks for more at once than it may.
    TooManyRequests = 1017, "__we_error_too_many_requests";
    /// A name of a media type, interaction type or subtype that is not configured.
    UnknownMediaType = 1018, "__we_error_unknown_media_type";
    /// Client and server have no version of the protocol in common.
    VersionMismatch = 1019, "__we_error_protocol_version_mismatch";
    /// The store refuses writes (full disk, damaged file); nothing was changed.
    StoreUnavailable = 1020, "__we_error_store_unavailable";
    /// The same idempotency key came with another request before.
    KeyReused = 1021, "__we_error_idempotency_key_reused";
    /// The server is stopping.
    ShuttingDown = 1022, "__we_error_server_shutting_down";
    /// No such tenant on this server.
    UnknownTenant = 1023, "__we_error_unknown_tenant";
    /// The agent has as many interactions of this media as the capacity rules allow: another router was faster, or the
    /// router has not heard the last report yet.
    AgentAtCapacity = 1029, "__we_error_agent_at_capacity";
    /// Another connection of a routing engine of this name has registered; this one ends. Not the answer to a
    /// request.
    Replaced = 1030, "__we_error_client_replaced";
}

impl ErrorCode {
    /// An error with this code; `description` is lower-case, without a full stop, and says what to do.
    pub fn with(self, description: impl Into<String>) -> RequestError {
        RequestError { code: self.number(), name: self.name().into(), description: description.into() }
    }

    /// Whether a pull that got this error must rest for `mcr-pull-after-error-timeout` (guide,
    /// *Interaction Server Error Messages*).
    pub fn rests_pull(self) -> bool {
        matches!(
            self,
            ErrorCode::UnknownView
                | ErrorCode::ViewDefinitionInvalid
                | ErrorCode::StrategyDoesNotExist
                | ErrorCode::StrategyHasNoViews
                | ErrorCode::StrategyIsDisabled
        )
    }
}

/// A refused request, as it travels: number, name, description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{description} ({name} {code})")]
pub struct RequestError {
    /// Number; see [`ErrorCode`]. Numbers this build does not know are kept.
    pub code: u32,
    /// Name of the number.
    pub name: String,
    /// For people: what, where, what to do.
    pub description: String,
}

impl RequestError {
    /// The code, where this build knows it.
    pub fn known(&self) -> Option<ErrorCode> {
        ErrorCode::from_number(self.code)
    }
}

impl From<RequestError> for EventError {
    fn from(error: RequestError) -> Self {
        EventError { code: error.code, name: error.name, description: error.description }
    }
}

impl From<EventError> for RequestError {
    fn from(event: EventError) -> Self {
        RequestError { code: event.code, name: event.name, description: event.description }
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn numbers_and_names_are_unique_and_lead_back() {
        let mut names = std::collections::HashSet::new();
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(code.number()), Some(code));
            assert!(names.insert(code.name()), "{} twice", code.name());
        }
    }

    #[test]
    fn the_guides_five_rest_a_pull_and_no_others() {
        let resting: Vec<u32> =
            ErrorCode::ALL.iter().filter(|code| code.rests_pull()).map(|code| code.number()).collect();
        assert_eq!(resting, [42, 83, 107, 108, 109]);
    }
}
