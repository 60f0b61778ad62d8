//! Requests and events into the `oneof` they travel in.

use crate::v1::{self, event, request};

macro_rules! into_message {
    ($oneof:path: $($variant:ident($message:ident),)+) => {
        $(impl From<v1::$message> for $oneof {
            fn from(message: v1::$message) -> Self {
                <$oneof>::$variant(message)
            }
        })+
    };
}

into_message! { request::Message:
    RegisterClient(RequestRegisterClient),
    UnregisterClient(RequestUnregisterClient),
    Submit(RequestSubmit),
    Pull(RequestPull),
    CancelPull(RequestCancelPull),
    PlaceInQueue(RequestPlaceInQueue),
    PlaceInWorkbin(RequestPlaceInWorkbin),
    Deliver(RequestDeliver),
    Accept(RequestAccept),
    Reject(RequestReject),
    StopProcessing(RequestStopProcessing),
    ChangeProperties(RequestChangeProperties),
    GetInteractionProperties(RequestGetInteractionProperties),
    AgentLogin(RequestAgentLogin),
    AgentLogout(RequestAgentLogout),
    ReadyForMedia(RequestReadyForMedia),
    NotReadyForMedia(RequestNotReadyForMedia),
    GetWorkbinContent(RequestGetWorkbinContent),
    ThirdServer(Request3rdServer),
    ThirdServerAnswer(Answer3rdServer),
    StartReporting(RequestStartReporting),
    DistributeEvent(RequestDistributeEvent),
    ServerStatus(RequestServerStatus),
    Reclaim(RequestReclaim),
    FindInteractions(RequestFindInteractions),
}

into_message! { event::Message:
    Ack(EventAck),
    Error(EventError),
    ClientRegistered(EventClientRegistered),
    PulledInteractions(EventPulledInteractions),
    Interaction(EventInteraction),
    Invite(EventInvite),
    Revoked(EventRevoked),
    Delivery(EventDelivery),
    WorkbinContent(EventWorkbinContent),
    ThirdServerRequest(Event3rdServerRequest),
    ThirdServerResponse(Event3rdServerResponse),
    ThirdServerFault(Event3rdServerFault),
    AgentStates(EventAgentStates),
    Reporting(EventReporting),
    ServerStatus(EventServerStatus),
    ForcedAgentStateChange(EventForcedAgentStateChange),
    PropertiesChanged(EventPropertiesChanged),
    Reclaimed(EventReclaimed),
    InteractionsFound(EventInteractionsFound),
}
