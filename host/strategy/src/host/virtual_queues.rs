//! `virtual-queues`: reporting data of virtual queues (reference page, *Virtual queue reporting*).

use crate::active::well_formed;
use crate::contract::interfaces::virtual_queues::Host;
use crate::contract::{KvPair, RequestId};
use crate::plugin::Capability;
use crate::random::Random;
use crate::request::Request;
use crate::state::State;
use crate::virtual_queue::{PRIMARY_ID_KEY, attachment, id_of};

impl Host for State {
    fn attach(&mut self, interaction: String, virtual_queue: String, data: Vec<KvPair>) -> wasmtime::Result<RequestId> {
        // Drawn whatever comes of it, so that a rebuilt session draws the same.
        let id = virtual_queue_id(&mut self.random);
        let session = self.session()?;
        let allowed = session
            .may(Capability::VirtualQueues)
            .and_then(|()| session.holds(&interaction))
            .and_then(|()| well_formed(&data));
        let is_first = !session.standing.has_key(&interaction, PRIMARY_ID_KEY);
        let added = attachment(id, is_first, data);
        session.ask(allowed, Request::AttachVirtualQueue { interaction, virtual_queue, added })
    }
}

fn virtual_queue_id(random: &mut Random) -> String {
    id_of((u128::from(random.next()) << 64) | u128::from(random.next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_32_digits_and_is_not_drawn_twice() {
        let mut random = Random::new([1; 32], 0);
        let ids: std::collections::HashSet<String> = (0..100).map(|_| virtual_queue_id(&mut random)).collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| b"0123456789ABCDEF".contains(&byte))));
    }
}
