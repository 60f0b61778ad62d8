//! The object model of interactions (section 4.1): snapshots of what the session holds.

use jackfield_scxml_runtime::Datum;
use jackfield_sdk::bindings::jackfield::strategy::interactions;
use jackfield_sdk::bindings::jackfield::strategy::types::Interaction;

use super::values;

/// All that the session holds, the oldest first.
pub(crate) fn all() -> Vec<Datum> {
    interactions::held().iter().filter_map(|id| interactions::get(id)).map(object).collect()
}

/// Media types as the reference names them.
fn media(media_type: &str) -> &'static str {
    match media_type {
        "email" => "TMediaEMail",
        "chat" => "TMediaChat",
        "sms" => "TMediaSMS",
        "fax" => "TMediaFax",
        "webform" => "TMediaWebForm",
        "workitem" => "TMediaWorkItem",
        _ => "TMediaOpenMedia",
    }
}

fn object(interaction: Interaction) -> Datum {
    let user_data = values::object(&interaction.user_data);
    let of_user_data = |key: &str| user_data.get(key).cloned().unwrap_or(Datum::text(""));
    let text = |text: &str| Datum::text(text);
    let optional = |text: Option<&str>| Datum::text(text.unwrap_or_default());
    let addresses = |key: &str| {
        let list = of_user_data(key).display();
        let addresses = list.split(',').map(str::trim).filter(|address| !address.is_empty());
        Datum::List(addresses.map(Datum::text).collect())
    };
    let is_chat = interaction.media_type == "chat";
    let category = if is_chat { "chat" } else { "msgbased" };
    let mut of_media = vec![
        ("type", text(if is_chat { "chat" } else { &interaction.interaction_subtype })),
        ("media", text(media(&interaction.media_type))),
        ("externalID", optional(interaction.external_id.as_deref())),
        ("queue", text(&interaction.queue)),
        ("view", optional(interaction.view.as_deref())),
    ];
    if is_chat {
        of_media.push(("transcript", Datum::List(Vec::new())));
    } else {
        of_media.extend([
            ("state", text("processing")),
            ("from", of_user_data("FromAddress")),
            ("to", addresses("To")),
            ("cc", addresses("Cc")),
            ("subject", of_user_data("Subject")),
        ]);
    }
    let view = optional(interaction.view.as_deref());
    map([
        ("g_uid", text(&interaction.id)),
        ("category", text(category)),
        ("tenantid", Datum::Number(interaction.tenant.into())),
        ("parentid", optional(interaction.parent_id.as_deref())),
        ("contactedaddr", of_user_data("To")),
        ("parties", Datum::List(Vec::new())),
        ("xdata", map([("ixn_queue_view", view)])),
        ("location", map([("media_server", text(""))])),
        ("priority", Datum::Number(interaction.priority.into())),
        (category, map(of_media)),
        ("udata", user_data),
    ])
}

fn map<'a>(members: impl IntoIterator<Item = (&'a str, Datum)>) -> Datum {
    Datum::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
