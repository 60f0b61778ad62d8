//! Properties and user data of interactions: read and changed.

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::{
    EventInteraction, EventPropertiesChanged, Interaction, ReportingName, RequestChangeProperties,
    RequestGetInteractionProperties,
};

use super::delivery::Invitation;
use super::holding::Holder;
use super::reporting::Party;
use super::{Answered, ClientId, Core, Reply, acknowledge, checks};
use crate::store::{Write, custom_values};

impl Core {
    pub(super) fn get_properties(&mut self, request: RequestGetInteractionProperties) -> Answered {
        let id = &request.interaction_id;
        if self.entry(id).is_none() {
            return Err(Self::unknown_interaction(id));
        }
        let interaction = Some(self.interaction(id)?);
        Ok(Reply::Now(EventMessage::Interaction(EventInteraction { interaction })))
    }

    /// For its holder, and for the media server that submitted it, wherever it is. Who has it and did not
    /// change it is told.
    pub(super) fn change_properties(&mut self, client: ClientId, request: RequestChangeProperties) -> Answered {
        let RequestChangeProperties { interaction_id: id, changed, deleted, added, defaults, .. } = request;
        let RequestChangeProperties { is_online, priority, external_id, .. } = request;
        if let Some(external_id) = &external_id {
            checks::at_most("the external id", external_id, checks::EXTERNAL_ID_BYTES)?;
        }
        let by_holder = match self.held_by(client, &id).map(|_| ()) {
            Ok(()) => true,
            Err(_) if self.submitted_by(client, &id) => false,
            Err(refusal) => return Err(refusal),
        };
        let mut interaction = self.interaction(&id)?;
        let mut reported = changed.clone().unwrap_or_default();
        reported.pairs.extend(added.iter().flat_map(|added| added.pairs.iter().cloned()));
        let user_data = interaction.user_data.get_or_insert_default();
        for key in &deleted {
            user_data.remove(key);
        }
        user_data.set(changed.unwrap_or_default().pairs);
        user_data.pairs.extend(added.unwrap_or_default().pairs);
        for pair in defaults.unwrap_or_default().pairs {
            if user_data.get(&pair.key).is_none() {
                reported.pairs.push(pair.clone());
                user_data.pairs.push(pair);
            }
        }
        checks::user_data(user_data)?;

        // From here on nothing is refused: take the entry out of its place, change it, put it back.
        let out = self.out.get(&id);
        let is_out = out.is_some();
        let Some(mut entry) =
            out.map(|out| out.entry.clone()).or_else(|| self.views.remove(&id)).or_else(|| self.workbins.remove(&id))
        else {
            return Err(Self::unknown_interaction(&id));
        };
        let from = entry.key.clone();
        let is_abandoned = entry.is_online && is_online == Some(false);
        entry.is_online = is_online.unwrap_or(entry.is_online);
        entry.abandoned_at = match (is_abandoned, entry.is_online) {
            (true, _) => self.now.wall,
            (false, true) => 0,
            (false, false) => entry.abandoned_at,
        };
        entry.key.priority = priority.unwrap_or(entry.key.priority);
        entry.external_id = external_id.unwrap_or(entry.external_id);
        entry.custom = custom_values(&self.settings.custom_properties, interaction.user_data.as_ref());
        entry.apply_to(&mut interaction);
        let news = self.news_for_others(client, &interaction);

        self.bodies.put(interaction.clone(), self.sequence);
        self.outbox.writes.push(Write::Update { interaction: Box::new(interaction), from, to: entry.clone() });

        let holder = match (by_holder, self.out.get_mut(&id)) {
            (_, None) => None,
            (by_holder, Some(out)) => {
                out.entry = entry.clone();
                by_holder.then(|| out.holder.clone())
            }
        };
        let party = holder.as_ref().map_or(Party::Client(client), Party::Holder);
        self.report_interaction_with(ReportingName::PropertiesChanged, &entry, party, "", || Some(reported));
        if is_abandoned {
            self.report_interaction(ReportingName::Abandoned, &entry, party, "");
        }
        if !is_out {
            self.rest(entry);
        }
        for (other, interaction) in news {
            let interaction = Some(interaction);
            self.event(other, EventMessage::PropertiesChanged(EventPropertiesChanged { interaction }));
        }
        acknowledge()
    }

    /// What the clients that go by what they know of an interaction are told when this one changes it:
    /// its holder; while it is offered, its router and the invited agent.
    fn news_for_others(&self, client: ClientId, interaction: &Interaction) -> Vec<(ClientId, Interaction)> {
        let id = &interaction.interaction_id;
        let parties: Vec<ClientId> = match self.out.get(id).map(|out| &out.holder) {
            None => Vec::new(),
            Some(Holder::Router { client, .. } | Holder::Agent { client, .. }) => vec![*client],
            Some(Holder::Invited { ticket }) => {
                self.invitations.get(ticket).into_iter().flat_map(Invitation::parties).collect()
            }
        };
        let others = parties.into_iter().filter(|&party| party != client);
        others
            .map(|other| {
                let mut interaction = interaction.clone();
                self.show_holder(id, &mut interaction);
                (other, interaction)
            })
            .collect()
    }
}
