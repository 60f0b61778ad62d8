//! What a server can say of itself.

use std::collections::{BTreeMap, HashMap};

use jackfield_protocol::v1::{ClientStatus, EventServerStatus, QueueStatus};

use super::Core;
use super::holding::Holder;

/// Clients one status lists.
const CLIENTS_LISTED: usize = 1_000;
/// Waiting interactions that are looked through for the oldest of each queue; where more wait, the
/// status does not say, rather than hold everything up.
const LOOKED_THROUGH: usize = 100_000;

impl Core {
    pub(super) fn status(&self) -> EventServerStatus {
        let mut queues: BTreeMap<&str, QueueStatus> =
            self.settings.queues.iter().map(|queue| (queue.name.as_str(), QueueStatus::default())).collect();
        for (queue, waiting) in self.views.counts() {
            let status = queues.entry(queue).or_default();
            status.waiting = waiting as u64;
        }
        if self.views.len() <= LOOKED_THROUGH {
            for entry in self.views.entries() {
                let oldest = &mut queues.entry(&entry.key.queue).or_default().oldest_received_at;
                if *oldest == 0 || entry.key.received_at < *oldest {
                    *oldest = entry.key.received_at;
                }
            }
        }
        for entry in self.workbins.entries() {
            queues.entry(&entry.key.queue).or_default().workbin += 1;
        }
        let mut held: HashMap<u64, u64> = HashMap::new();
        for out in self.out.values() {
            let status = queues.entry(&out.entry.key.queue).or_default();
            match &out.holder {
                Holder::Agent { .. } => status.handling += 1,
                Holder::Router { .. } | Holder::Invited { .. } => status.routing += 1,
            }
            if let Some(client) = out.holder.client() {
                *held.entry(client).or_default() += 1;
            }
        }
        let clients = self
            .clients
            .iter()
            .filter_map(|(id, client)| {
                let registration = client.registration.as_ref()?;
                Some(ClientStatus {
                    client_name: registration.name.clone(),
                    client_type: registration.client_type.into(),
                    held: held.get(id).copied().unwrap_or(0),
                    reporting_sequence: client.reporting.as_ref().map_or(0, |reporting| reporting.told),
                })
            })
            .take(CLIENTS_LISTED)
            .collect();
        EventServerStatus {
            server_name: self.settings.name.clone(),
            queues: queues.into_iter().map(|(queue, status)| QueueStatus { queue: queue.into(), ..status }).collect(),
            strategies: self.strategies.statuses(),
            agents: self.agents.states(),
            clients,
            interactions: (self.views.len() + self.workbins.entries().count() + self.out.len()) as u64,
            health: "ok".into(),
        }
    }
}
