//! What `virtual-queues.attach` adds, and when it shows.

use jackfield_strategy::contract::{KvPair, KvValue, Outcome, RequestId};
use jackfield_strategy::{Request, SessionEvent, Turn};

use crate::support::{Run, engine, plugin, start};

/// What was asked for so far: request, virtual queue, pairs.
fn attached(turns: &[Turn]) -> Vec<(RequestId, String, Vec<KvPair>)> {
    let requests = turns.iter().flat_map(|turn| &turn.requests);
    requests
        .filter_map(|(id, request)| match request {
            Request::AttachVirtualQueue { virtual_queue, added, .. } => {
                Some((*id, virtual_queue.clone(), added.clone()))
            }
            _ => None,
        })
        .collect()
}

async fn attach(run: &Run, queue: &str) -> (RequestId, String, Vec<KvPair>) {
    let before = attached(&run.recorder.turns()).len();
    run.tell("attach", queue);
    run.recorder.wait_for("attach", |turns| attached(turns).into_iter().nth(before)).await
}

/// How many pairs of a key the session's own copy has, as the guest writes it down.
async fn count(run: &Run, key: &str) -> String {
    let lines = |turns: &[Turn]| -> Vec<String> {
        let requests = turns.iter().flat_map(|turn| &turn.requests);
        requests
            .filter_map(|(_, request)| match request {
                Request::UpdateUserData { pairs, .. } => match &pairs.last()?.value {
                    KvValue::Text(line) if line.starts_with("count") => Some(line.clone()),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    };
    let before = lines(&run.recorder.turns()).len();
    run.tell("count", key);
    run.recorder.wait_for("count", |turns| lines(turns).into_iter().nth(before)).await
}

fn keys(pairs: &[KvPair]) -> Vec<&str> {
    pairs.iter().map(|pair| pair.key.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wait_has_an_id_and_the_first_is_the_primary_one_too() {
    let run = start(engine(), plugin("obeys").await, "virtual-queues");
    run.tell("watch", "");
    let (first, queue, pairs) = attach(&run, "Billing").await;
    assert_eq!((queue.as_str(), keys(&pairs)), ("Billing", vec!["RVQID", "RPVQID", "RTenant"]));
    assert_eq!(pairs[0].value, pairs[1].value);
    let (second, _, others) = attach(&run, "Everyone").await;
    assert_eq!(keys(&others), ["RVQID", "RTenant"], "asked for is as good as there");
    assert_ne!(pairs[0].value, others[0].value);

    assert_eq!(count(&run, "RVQID").await, "count 0", "nothing shows before it is done");
    for (request, shown) in [(first, "count 1"), (second, "count 2")] {
        run.session.deliver(SessionEvent::RequestDone { request, outcome: Outcome::Done }).expect("taken");
        assert_eq!(count(&run, "RVQID").await, shown);
    }
    assert_eq!(count(&run, "RPVQID").await, "count 1");
}
