//! Routes its interaction to the agent group `everyone` and waits for as long as it takes; in the virtual queue of the
//! parameter `virtual-queue`, where there is one.
use test_guests::{Guest, Manifest, events, facts, interactions, manifest, route, routing, target};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("route_anyone", &["routing"])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let interaction = interactions::held().into_iter().next().ok_or("no interaction")?;
        let everyone = target(routing::TargetType::AgentGroup, "everyone");
        let virtual_queue = facts::parameter("virtual-queue");
        let request = routing::submit(&routing::RouteRequest { virtual_queue, ..route(interaction, vec![everyone]) });
        loop {
            match events::next(None) {
                Some(events::Event::RequestDone(done)) if done.request == request => return Ok(()),
                Some(events::Event::RequestFailed(failed)) if failed.request == request => {
                    return Err(failed.failure.description);
                }
                Some(events::Event::InteractionNotControlled(_) | events::Event::InteractionDeleted(_)) => {
                    return Ok(());
                }
                Some(events::Event::StopRequested(_)) | None => return Ok(()),
                Some(_) => {}
            }
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
