//! `virtual-queues`: reporting data of virtual queues (reference page, *Virtual queue reporting*).

use crate::active::well_formed;
use crate::contract::interfaces::virtual_queues::Host;
use crate::contract::{KvPair, KvValue, RequestId};
use crate::plugin::Capability;
use crate::random::Random;
use crate::request::Request;
use crate::state::State;

/// User data key: the id of one wait in a virtual queue.
const ID_KEY: &str = "RVQID";
/// User data key: the id of the interaction's first wait.
const PRIMARY_ID_KEY: &str = "RPVQID";

impl Host for State {
    fn attach(&mut self, interaction: String, virtual_queue: String, data: Vec<KvPair>) -> wasmtime::Result<RequestId> {
        // Drawn whatever comes of it, so that a rebuilt session draws the same.
        let id = virtual_queue_id(&mut self.random);
        let session = self.session()?;
        let allowed = session
            .may(Capability::VirtualQueues)
            .and_then(|()| session.holds(&interaction))
            .and_then(|()| well_formed(&data));
        let mut added = Vec::with_capacity(data.len() + 2);
        added.push(KvPair { key: ID_KEY.into(), value: KvValue::Text(id.clone()) });
        if !session.standing.has_key(&interaction, PRIMARY_ID_KEY) {
            added.push(KvPair { key: PRIMARY_ID_KEY.into(), value: KvValue::Text(id) });
        }
        added.extend(data);
        session.ask(allowed, Request::AttachVirtualQueue { interaction, virtual_queue, added })
    }
}

/// 32 upper-case hexadecimal digits.
fn virtual_queue_id(random: &mut Random) -> String {
    format!("{:016X}{:016X}", random.next(), random.next())
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
