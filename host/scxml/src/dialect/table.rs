//! The table of actions.

use super::{ActionForm, AttributeForm, Typing};
use crate::model::Module;

const fn name(name: &'static str, words: &'static [&'static str]) -> AttributeForm {
    AttributeForm { name, typing: Typing::Name, required: false, words }
}

const fn value(name: &'static str) -> AttributeForm {
    AttributeForm { name, typing: Typing::Value, required: false, words: &[] }
}

const fn needed(name: &'static str) -> AttributeForm {
    AttributeForm { name, typing: Typing::Value, required: true, words: &[] }
}

const fn word(name: &'static str, words: &'static [&'static str]) -> AttributeForm {
    AttributeForm { name, typing: Typing::Value, required: false, words }
}

const fn location(name: &'static str) -> AttributeForm {
    AttributeForm { name, typing: Typing::Location, required: false, words: &[] }
}

const fn plain(name: &'static str) -> AttributeForm {
    AttributeForm { name, typing: Typing::Plain, required: false, words: &[] }
}

const fn action(module: &'static Module, name: &'static str, attributes: &'static [AttributeForm]) -> ActionForm {
    ActionForm { module, name, attributes, children: &[], takes_params: false, is_action: true, refused: None }
}

const fn inner(module: &'static Module, name: &'static str, attributes: &'static [AttributeForm]) -> ActionForm {
    ActionForm { is_action: false, ..action(module, name, attributes) }
}

const fn refused(module: &'static Module, name: &'static str, why: &'static str) -> ActionForm {
    ActionForm { takes_params: true, refused: Some(why), ..action(module, name, &[]) }
}

const TARGET_TYPES: &[&str] =
    &["agent", "place", "agentgroup", "placegroup", "queue", "dn", "skill", "campaigngroup", "routepoint", "label"];

const MESSAGE_TYPES: &[&str] = &[
    "emailout",
    "acknowledgement",
    "auto_response",
    "outbound_new",
    "inbound_collaboration_reply",
    "outbound_collaboration_invite",
    "outbound_notification",
    "redirect",
    "forwarded",
];

const SUBMIT: &[AttributeForm] = &[
    location("requestid"),
    value("interactionid"),
    value("queue"),
    value("priority"),
    word("ordertype", &["max", "min", "any", "percentage"]),
    value("orderstat"),
    value("timeout"),
    plain("route"),
    plain("clearontimeout"),
    value("type"),
    value("hints"),
];

/// The same as `queue:submit`; its `requestid` is that of an earlier one.
const UPDATE: &[AttributeForm] = &[
    value("requestid"),
    value("interactionid"),
    value("queue"),
    value("priority"),
    word("ordertype", &["max", "min", "any", "percentage"]),
    value("orderstat"),
    value("timeout"),
    plain("route"),
    plain("clearontimeout"),
    value("type"),
    value("hints"),
];

/// All actions that are known.
pub const FORMS: &[ActionForm] = &[
    // Session.
    ActionForm {
        takes_params: true,
        ..action(
            &Module::Session,
            "fetch",
            &[
                location("requestid"),
                needed("srcexpr"),
                word("method", &["get", "post", "put", "delete", "esp"]),
                value("enctype"),
                value("type"),
                plain("maxage"),
                plain("maxstale"),
                value("timeout"),
                value("headers"),
                plain("gdelivery"),
                plain("gd_retries"),
                plain("gd_retry_interval"),
                value("username"),
                value("password"),
                value("hints"),
            ],
        )
    },
    ActionForm {
        takes_params: true,
        ..action(
            &Module::Session,
            "start",
            &[location("requestid"), value("src"), value("srcexpr"), location("sessionid"), value("delay")],
        )
    },
    action(&Module::Session, "terminate", &[location("requestid"), value("sessionid")]),
    ActionForm { takes_params: true, ..action(&Module::Session, "response", &[needed("requestid"), value("content")]) },
    refused(&Module::Session, "updatestart", "the start of a session cannot be changed"),
    // Interactions.
    action(
        &Module::Interaction,
        "terminate",
        &[location("requestid"), needed("interactionid"), value("reason"), value("resource"), value("hints")],
    ),
    action(
        &Module::Interaction,
        "redirect",
        &[
            location("requestid"),
            value("interactionid"),
            value("from"),
            needed("to"),
            value("type"),
            plain("detach"),
            value("hints"),
            value("timeout"),
        ],
    ),
    action(&Module::Interaction, "attach", &[location("requestid"), value("interactionid")]),
    action(&Module::Interaction, "detach", &[location("requestid"), value("interactionid")]),
    action(&Module::Interaction, "accept", &[location("requestid"), value("interactionid"), value("resource")]),
    refused(&Module::Interaction, "associate", "an interaction cannot be given to another session"),
    ActionForm {
        takes_params: true,
        ..action(
            &Module::Interaction,
            "createmessage",
            &[
                location("requestid"),
                value("interactionid"),
                name("type", MESSAGE_TYPES),
                value("media"),
                value("server"),
                value("from"),
                value("to"),
                value("cc"),
                value("bcc"),
                value("subject"),
                value("msgsrc"),
                value("queue"),
                value("hints"),
            ],
        )
    },
    ActionForm {
        takes_params: true,
        ..action(
            &Module::Interaction,
            "sendmessage",
            &[
                location("requestid"),
                value("interactionid"),
                value("server"),
                value("delay"),
                value("queue"),
                value("hints"),
            ],
        )
    },
    refused(&Module::Interaction, "getcontent", "the content of chats is not fetched"),
    refused(&Module::Interaction, "sendchatmessage", "lines of chats are not sent from documents"),
    // Target selection.
    ActionForm { children: &["targets", "runtreatments"], ..action(&Module::Queue, "submit", SUBMIT) },
    ActionForm { children: &["targets", "runtreatments"], ..action(&Module::Queue, "update", UPDATE) },
    action(&Module::Queue, "cancel", &[value("requestid"), value("interactionid"), value("queue")]),
    action(&Module::Queue, "query", &[value("requestid")]),
    refused(&Module::Queue, "start", "virtual queues are not started by documents"),
    refused(&Module::Queue, "stop", "virtual queues are not stopped by documents"),
    ActionForm {
        children: &["target", "targetid", "activity", "workbin"],
        ..inner(&Module::Queue, "targets", &[name("type", TARGET_TYPES), value("statserver")])
    },
    inner(
        &Module::Queue,
        "target",
        &[
            value("name"),
            name("type", TARGET_TYPES),
            value("statserver"),
            value("weight"),
            value("threshold"),
            value("skillexpr"),
        ],
    ),
    inner(&Module::Queue, "targetid", &[needed("expr")]),
    inner(&Module::Queue, "workbin", &[]),
    ActionForm {
        refused: Some("there is no workforce management"),
        takes_params: true,
        ..inner(&Module::Queue, "activity", &[])
    },
    // Classification.
    action(
        &Module::Classification,
        "classify",
        &[location("requestid"), value("server"), value("interactionid"), needed("root"), value("hints")],
    ),
    action(
        &Module::Classification,
        "screen",
        &[location("requestid"), value("server"), value("interactionid"), value("rules"), value("hints")],
    ),
    // Statistics.
    action(
        &Module::Statistic,
        "subscribe",
        &[location("requestid"), needed("object"), needed("statistic"), plain("interval")],
    ),
    action(
        &Module::Statistic,
        "unsubscribe",
        &[location("requestid"), value("object"), value("statistic"), plain("interval")],
    ),
];
