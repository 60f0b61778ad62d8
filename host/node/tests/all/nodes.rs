//! Several nodes against the same server.

use std::collections::BTreeMap;
use std::time::Duration;

use jackfield_node::Settings;
use jackfield_server::Timers;

use crate::support::{Home, Site, Started, crash, plugins, session, settings, start, tell, until};

fn named(name: &str, site: &Site) -> Settings {
    Settings { name: name.into(), ..settings(&[site], &["obeys"]) }
}

async fn node(name: &str, site: &Site) -> Started {
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(named(name, site), engine, plugins).await;
    until("the node pulls", async || (node.status().pulls[0].asked > 0).then_some(())).await;
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_work_by_pulling_and_each_session_belongs_to_one() {
    let site = Site::open("email", &["obeys"], true);
    let nodes = [node("node_1", &site).await, node("node_2", &site).await];
    let mut all = Vec::new();
    for _ in 0..40 {
        all.push(site.submit("obeys").await);
    }
    let sessions = until("all have a session", async || {
        let sessions = nodes.each_ref().map(|node| node.status().sessions);
        (sessions.iter().map(Vec::len).sum::<usize>() == all.len()).then_some(sessions)
    })
    .await;
    let mut of: BTreeMap<String, usize> = BTreeMap::new();
    for session in sessions.iter().flatten() {
        *of.entry(session.interaction.clone()).or_default() += 1;
    }
    assert!(all.iter().all(|interaction| of.get(interaction) == Some(&1)), "{of:?}");
    // First come, first served: who was answered asks again, behind the other.
    assert!(sessions.iter().all(|sessions| sessions.len() > 10), "{:?}", sessions.map(|sessions| sessions.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_node_held_comes_back_to_its_queue_and_the_other_takes_it() {
    let timers = Timers { reclaim_window: Duration::from_millis(300), ..Timers::default() };
    let site = Site::open_with("email", &["obeys"], true, timers);
    let (home, (engine, plugins)) = (Home::new(), plugins(&["obeys"]).await);
    let (first, journal) = home.start(named("node_1", &site), &engine, &plugins).await;
    let interaction = site.submit("obeys").await;
    let before = session(&first, &interaction).await;
    crash(first, journal).await;
    let second = node("node_2", &site).await;
    let after = session(&second, &interaction).await;
    assert_ne!(before.id, after.id);
    // The dead one comes back: its session has lost it, and the other is not disturbed.
    let (first, _journal) = home.start(named("node_1", &site), &engine, &plugins).await;
    until("it is lost to the first", async || {
        let link = &first.status().links[0];
        (link.up && link.interactions == 0).then_some(())
    })
    .await;
    tell(&second, &after, "place", "done").await;
    site.waiting("done", 1).await;
    assert_eq!((second.status().counters.failed, first.status().counters.failed), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_of_one_name_the_later_goes_on_alone_and_the_earlier_stays_away_and_says_so() {
    let site = Site::open("email", &["obeys"], true);
    let earlier = node("node_1", &site).await;
    let later = node("node_1", &site).await;
    until("the earlier one is told", async || {
        let link = &earlier.status().links[0];
        (!link.up && link.problem.contains("another node has registered there as `node_1`")).then_some(())
    })
    .await;
    for _ in 0..10 {
        let interaction = site.submit("obeys").await;
        let session = session(&later, &interaction).await;
        tell(&later, &session, "place", "done").await;
        tell(&later, &session, "finish", "").await;
    }
    assert_eq!((earlier.status().links[0].connections, later.status().links[0].connections), (1, 1));
}
