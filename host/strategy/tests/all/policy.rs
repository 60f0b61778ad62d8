//! What a plugin's policy forbids is refused when it is loaded, and what passes one of its limits ends that
//! session alone, with the reason. What is recorded was judged when it happened.

use std::sync::OnceLock;
use std::time::Duration;

use jackfield_strategy::{
    CAPABILITIES, EndReason, Engine, Limit, LoadError, Look, Plugin, Policies, Policy, SessionEnd, SessionEvent,
    Settings,
};

use crate::support::{Recorder, Run, guest, live, resume, small, start, strict};

/// An engine of these tests' own.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(small()).expect("an engine"))
}

/// Loads a guest under a policy; plugins that are loaded already keep theirs.
async fn load(name: &str, policy: Policy) -> Result<Plugin, LoadError> {
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _alone = ONE_AT_A_TIME.lock().await;
    engine().set_policies(Policies { default: strict(), by_plugin: [(name.to_owned(), policy)].into() });
    engine().load(&guest(name)).await
}

/// A session of a guest under a policy.
async fn run(name: &str, policy: Policy, id: &str) -> Run {
    start(engine(), load(name, policy).await.expect("a plugin"), id)
}

fn allowing(capabilities: &[&str]) -> Policy {
    Policy { capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(), ..strict() }
}

#[track_caller]
fn is_past(end: &SessionEnd, limit: Limit, text: &str) {
    assert_eq!(end.reason, EndReason::PastLimit(limit));
    assert_eq!(end.reason.to_string(), text);
    assert!(end.reason.is_failure());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_forbids_is_refused_when_it_is_loaded() {
    let file = guest("driver").display().to_string();
    let refused = load("driver", allowing(&["routing", "virtual-queues"])).await.expect_err("a refusal");
    assert_eq!(
        refused.to_string(),
        format!(
            "{file}: plugin `driver` imports `jackfield:strategy/messages@0.3.0`, which its policy does not allow; to \
             allow it, add \"messages\" to `capabilities` of [[plugin]] `driver`, or of [application.options.strategy] \
             where it has none of its own"
        ),
        "its manifest does not name it, but it could be called"
    );
    let refused = load("driver", allowing(&["messages", "virtual-queues"])).await.expect_err("a refusal");
    assert!(refused.to_string().contains("imports `jackfield:strategy/routing@0.3.0`"), "{refused}");
    load("driver", allowing(CAPABILITIES)).await.expect("all that it imports is allowed");
    load("counts", allowing(&[])).await.expect("it imports what is everybody's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capability_that_is_only_named_is_forbidden_too() {
    let refused = load("names_routing", allowing(&["messages"])).await.expect_err("a refusal");
    assert!(refused.to_string().contains("plugin `names_routing` names the capability `routing`, which"), "{refused}");
    load("names_routing", allowing(&["routing"])).await.expect("it is allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_keeps_the_policy_it_was_loaded_under_until_it_is_told_another() {
    let engine = Engine::new(small()).expect("an engine");
    let before = engine.load(&guest("counts")).await.expect("a plugin");
    let other = Policy { max_sessions: Some(3), http_hosts: vec!["example.com".into()], ..Policy::default() };
    engine.set_policies(Policies { by_plugin: [("counts".to_owned(), other.clone())].into(), ..Policies::default() });
    let after = engine.load(&guest("counts")).await.expect("a plugin");
    let reduces = engine.load(&guest("reduces")).await.expect("a plugin");
    assert_eq!((&*before.policy(), &*after.policy()), (&Policy::default(), &other));
    assert_eq!(*reduces.policy(), Policy::default(), "it has none of its own");
    before.set_policies(&engine.policies());
    assert_eq!(*before.policy(), other, "once it is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_ends_the_session_that_passes_it_and_no_other() {
    let neighbour = run("driver", strict(), "neighbour").await;
    assert_eq!(neighbour.ask("held", "").await, "i1");
    let cases = [
        (
            Policy { turn_cpu: Duration::from_millis(20), ..strict() },
            ("compute", u64::MAX),
            Limit::TurnCpu(Duration::from_millis(20)),
            "it ran for more than 20 ms without waiting in `events.next` (`turn-cpu-limit`)",
        ),
        (
            Policy { session_cpu: Some(Duration::from_millis(50)), ..strict() },
            ("compute", u64::MAX),
            Limit::SessionCpu(Duration::from_millis(50)),
            "its turns ran for more than 50 ms in all (`session-cpu-limit`)",
        ),
        (
            Policy { memory_bytes: 4 << 20, ..strict() },
            ("large-request", 6 << 20),
            Limit::Memory(4 << 20),
            "it wanted more than 4 MiB of memory (`memory-limit`)",
        ),
        (
            Policy { requests_per_turn: 5, ..strict() },
            ("tell-many", 6),
            Limit::RequestsPerTurn(5),
            "it made more than 5 requests in one turn (`requests-per-turn`)",
        ),
        (
            Policy { requests_per_second: Some(5), ..strict() },
            ("tell-many", 6),
            Limit::RequestsPerSecond(5),
            "it made more than 5 requests in a second (`requests-per-second`)",
        ),
    ];
    for (policy, (name, data), limit, text) in cases {
        let within = run("driver", policy.clone(), "within").await;
        assert_eq!(within.ask("held", "").await, "i1", "{text}");
        let past = run("driver", policy, "past").await;
        past.tell(name, data);
        is_past(&past.ended().await, limit, text);
        assert_eq!(neighbour.ask("held", "").await, "i1", "{text}");
        assert_eq!(within.session.end(), None, "{text}");
        within.session.kill("the test is over");
    }
    neighbour.session.kill("the test is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_that_are_short_each_pass_the_limit_of_the_session_together() {
    let most = Duration::from_millis(100);
    let short = run("driver", Policy { session_cpu: Some(most), ..strict() }, "short turns").await;
    let end = loop {
        if let Some(end) = short.session.end() {
            break end;
        }
        let told = short.count("computed");
        let (name, data) = ("compute".into(), "1000000".into());
        let message = SessionEvent::Message { key: String::new(), name, data };
        if short.session.deliver(message).is_err() {
            break short.ended().await;
        }
        tokio::select! {
            end = short.ended() => break end,
            _ = short.heard("computed", told) => {}
        }
    };
    is_past(&end, Limit::SessionCpu(most), "its turns ran for more than 100 ms in all (`session-cpu-limit`)");
    assert!(short.count("computed") > 1, "no turn of it was long");
    assert_eq!(end.failed_turn, None, "run again, its last turn would not fail");
    // One that never waits for anything.
    let spins = run("spins", Policy { session_cpu: Some(most), ..strict() }, "spins").await;
    let end = spins.ended().await;
    is_past(&end, Limit::SessionCpu(most), "its turns ran for more than 100 ms in all (`session-cpu-limit`)");
    assert!(end.turns > 10, "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilding_a_session_does_not_count_against_it() {
    let most = Duration::from_millis(400);
    // Each turn has an instance of its own, in which all turns before it happen again.
    let engine = Engine::new(Settings { live: 0, ..small() }).expect("an engine");
    engine.set_policies(Policies {
        default: Policy { session_cpu: Some(most), turn_cpu: most, ..Policy::default() },
        ..Policies::default()
    });
    let run = start(&engine, engine.load(&guest("driver")).await.expect("a plugin"), "rebuilt");
    while run.session.cpu() <= most {
        let before = run.count("computed");
        run.tell("compute", 3_000_000);
        run.heard("computed", before).await;
    }
    assert!(run.count("computed") > 1, "it was not rebuilt");
    assert_eq!(run.ask("held", "").await, "i1", "its own turns were within the limit");
    run.session.kill("the test is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_near_its_limits_is_rebuilt_whatever_became_of_them() {
    let near = Policy { requests_per_turn: 6, requests_per_second: Some(1_000), ..strict() };
    let before = run("driver", near, "near").await;
    for round in 1..=3 {
        before.tell("tell-many", 6);
        before.heard("many", round * 6 - 1).await;
    }
    let recorder = Recorder::holding(before.recorder.read());
    before.session.kill("the process is gone");
    // The configuration has become strict meanwhile.
    let strict = Policy {
        requests_per_turn: 2,
        requests_per_second: Some(2),
        session_cpu: Some(Duration::from_millis(100)),
        log_bytes_per_second: 1,
        ..strict()
    };
    let plugin = load("driver", strict).await.expect("a plugin");
    let looked = engine()
        .look(Look { session: "near".into(), plugin: plugin.clone(), history: recorder.read(), failed: None })
        .await;
    assert_eq!((looked.difference, looked.failure), (None, None));
    let after = resume(engine(), plugin, "near", recorder);
    after.tell("tell-many", 3);
    // The first of its new turns: whichever of the two it is past first, by the second it is in.
    let end = after.ended().await.reason;
    let limits = [Limit::RequestsPerTurn(2), Limit::RequestsPerSecond(2)].map(EndReason::PastLimit);
    assert!(limits.contains(&end), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_past_a_limit_does_so_again_when_it_is_looked_at() {
    let flood = Policy { requests_per_second: Some(20), ..strict() };
    let large = Policy { memory_bytes: 4 << 20, ..strict() };
    let many = Policy { requests_per_turn: 5, ..strict() };
    for (name, policy, message) in [
        // Over many turns.
        ("hostile_turns", flood, None),
        ("driver", large, Some(("large-request", 6 << 20))),
        ("driver", many, Some(("tell-many", 6))),
    ] {
        let plugin = load(name, policy).await.expect("a plugin");
        let run = start(engine(), plugin.clone(), "looked at");
        if let Some((name, data)) = message {
            run.tell(name, data);
        }
        let end = run.ended().await;
        assert!(matches!(end.reason, EndReason::PastLimit(_)), "{name}: {}", end.reason);
        let failed = end.failed_turn.map(|turn| *turn);
        assert!(failed.is_some(), "{name}");
        let look = Look { session: "looked at".into(), plugin, history: run.recorder.read(), failed };
        let looked = engine().look(look).await;
        assert_eq!((looked.difference, looked.failure), (None, Some(end.reason)), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn describe_has_the_policy_of_all_others() {
    let engine = Engine::new(Settings { live: live(1), ..small() }).expect("an engine");
    let generous = Policy { turn_cpu: Duration::from_secs(600), ..Policy::default() };
    let default = Policy { turn_cpu: Duration::from_millis(30), ..Policy::default() };
    engine.set_policies(Policies { default, by_plugin: [("describe_loops".to_owned(), generous)].into() });
    let refused = engine.load(&guest("describe_loops")).await.expect_err("a refusal").to_string();
    assert!(refused.contains("`describe` failed: it ran for more than 30 ms"), "{refused}");
}
