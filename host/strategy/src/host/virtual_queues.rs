//! `virtual-queues`: reporting data of virtual queues.

use crate::active::well_formed;
use crate::contract::interfaces::virtual_queues::Host;
use crate::contract::{KvPair, RequestId};
use crate::holdings::Change;
use crate::plugin::Capability;
use crate::state::State;
use crate::turn::Request;

impl Host for State {
    fn attach(&mut self, interaction: String, virtual_queue: String, data: Vec<KvPair>) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session
            .may(Capability::VirtualQueues)
            .and_then(|()| session.holds(&interaction))
            .and_then(|()| well_formed(&data));
        session.ask(allowed, Request::AttachVirtualQueue { interaction, virtual_queue, data }, Change::Nothing)
    }
}
