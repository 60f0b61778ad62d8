//! Rules of one plugin, told as stories.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A version is run with its own name here.
type Versions = Deployment<String>;

const ROLLOUT: Rollout = Rollout {
    arrival: Arrival::AtOnce,
    canary_percent: 10,
    breaker: BreakerSettings { failures: 3, window: 5, rest: Duration::from_secs(60) },
};

fn arriving(arrival: Arrival) -> Rollout {
    Rollout { arrival, ..ROLLOUT }
}

fn empty() -> Versions {
    Deployment::new(Choice::default(), false)
}

/// The file `triage.wasm` holds this version now.
fn drop_in(deployment: &mut Versions, name: &str, rollout: &Rollout) -> Vec<News> {
    drop_into(deployment, "triage.wasm", name, rollout)
}

fn drop_into(deployment: &mut Versions, file: &str, name: &str, rollout: &Rollout) -> Vec<News> {
    let known = Known { digest: digest(name), version: name.to_owned(), taken_at: 0 };
    deployment.came(known, name.to_owned(), file, rollout)
}

fn digest(name: &str) -> String {
    format!("{name}-digest")
}

fn command(deployment: &mut Versions, command: Command) -> Vec<News> {
    let target = deployment.target(&command).expect("it can be done");
    if let Some(digest) = &target {
        // As the folder does.
        let name = digest.trim_end_matches("-digest").to_owned();
        deployment.adopt(Known { digest: digest.clone(), version: name.clone(), taken_at: 0 }, name);
    }
    deployment.command(&command, target.as_deref(), &ROLLOUT)
}

/// What the next so many sessions get; they go on.
fn sessions(deployment: &mut Versions, count: usize) -> BTreeMap<String, usize> {
    let now = Instant::now();
    let mut got = BTreeMap::new();
    for _ in 0..count {
        let version = deployment.start(now).unwrap_or_else(|| "none".to_owned());
        *got.entry(version).or_default() += 1;
    }
    got
}

fn all_get(deployment: &mut Versions, name: &str) -> bool {
    sessions(deployment, 3) == BTreeMap::from([(name.to_owned(), 3)])
}

/// One session on the version that is next, which fails.
fn fail(deployment: &mut Versions, now: Instant) -> Vec<News> {
    let name = deployment.start(now).expect("a session begins");
    deployment.ended(&digest(&name), Some("it broke"), now, &ROLLOUT)
}

#[test]
fn the_latest_file_is_what_new_sessions_get() {
    let mut deployment = empty();
    assert_eq!(deployment.start(Instant::now()), None);
    drop_in(&mut deployment, "1", &ROLLOUT);
    assert!(all_get(&mut deployment, "1"));
    let news = drop_in(&mut deployment, "2", &ROLLOUT);
    assert_eq!(news, [News::Current { version: "2".into(), digest: digest("2") }]);
    assert!(all_get(&mut deployment, "2"));
    assert_eq!(deployment.version(&digest("1")).expect("it has sessions").counts.running, 3);
    // The same once more changes nothing.
    assert_eq!(drop_in(&mut deployment, "2", &ROLLOUT), []);
}

#[test]
fn a_version_is_let_go_when_its_last_session_has_ended() {
    let mut deployment = empty();
    for name in ["1", "2", "3"] {
        drop_in(&mut deployment, name, &ROLLOUT);
        assert!(all_get(&mut deployment, name));
    }
    let is_loaded = |deployment: &Versions, name: &str| {
        deployment.version(&digest(name)).is_some_and(|version| version.plugin.is_some())
    };
    let now = Instant::now();
    for left in [2, 1] {
        deployment.ended(&digest("1"), None, now, &ROLLOUT);
        assert!(is_loaded(&deployment, "1"), "{left} sessions run on it");
    }
    deployment.left(&digest("1"), now);
    assert!(!is_loaded(&deployment, "1"));
    assert!(is_loaded(&deployment, "2") && is_loaded(&deployment, "3"));
    assert_eq!(deployment.resolve("1"), Ok(digest("1")), "it is remembered all the same");
    for _ in 0..3 {
        deployment.ended(&digest("2"), None, now, &ROLLOUT);
    }
    assert!(is_loaded(&deployment, "2"), "a rollback would need it");
}

#[test]
fn without_a_file_nothing_begins_and_what_runs_goes_on() {
    let mut deployment = empty();
    drop_into(&mut deployment, "a.wasm", "1", &ROLLOUT);
    assert!(all_get(&mut deployment, "1"));
    assert_eq!(deployment.gone("other.wasm"), []);
    assert_eq!(deployment.gone("a.wasm"), [News::Drains]);
    assert_eq!(deployment.start(Instant::now()), None);
    assert_eq!(deployment.version(&digest("1")).expect("it runs").plugin.as_deref(), Some("1"));
    // Back under another name.
    drop_into(&mut deployment, "b.wasm", "1", &ROLLOUT);
    assert!(all_get(&mut deployment, "1"));
}

#[test]
fn a_rollback_holds_the_version_back_until_a_newer_file_comes() {
    let mut deployment = empty();
    for name in ["1", "2", "3"] {
        drop_in(&mut deployment, name, &ROLLOUT);
    }
    command(&mut deployment, Command::Rollback { version: None });
    assert!(all_get(&mut deployment, "2"));
    // The file is still there, at the next start too; and when it is put there once more.
    assert_eq!(drop_in(&mut deployment, "3", &ROLLOUT), []);
    drop_in(&mut deployment, "2", &ROLLOUT);
    assert!(matches!(drop_in(&mut deployment, "3", &ROLLOUT).as_slice(), [News::Waits { .. }]));
    let mut again = Deployment::new(deployment.choice.clone(), false);
    drop_in(&mut again, "3", &ROLLOUT);
    assert_eq!(again.start(Instant::now()), None, "it has to be loaded first");
    assert_eq!(again.wanted(), [digest("2")]);
    again.adopt(Known { digest: digest("2"), version: "2".into(), taken_at: 0 }, "2".into());
    assert!(all_get(&mut again, "2"));
    // Further back, by name.
    command(&mut deployment, Command::Rollback { version: Some("1".into()) });
    assert!(all_get(&mut deployment, "1"));
    assert_eq!(deployment.target(&Command::Rollback { version: None }), Err(CommandError::NothingBefore));
    drop_in(&mut deployment, "4", &ROLLOUT);
    assert!(all_get(&mut deployment, "4"));
    // What an operator names is taken, held back or not.
    command(&mut deployment, Command::Rollback { version: Some("3".into()) });
    assert!(all_get(&mut deployment, "3"));
}

#[test]
fn a_pinned_version_stays_whatever_comes() {
    let mut deployment = empty();
    drop_in(&mut deployment, "1", &ROLLOUT);
    command(&mut deployment, Command::Pin { version: None });
    let news = drop_in(&mut deployment, "2", &ROLLOUT);
    assert_eq!(news, [News::Waits { version: "2".into(), why: "the plugin is pinned to 1".into() }]);
    assert!(all_get(&mut deployment, "1"));
    let now = Instant::now();
    let news: Vec<News> = (0..3).flat_map(|_| fail(&mut deployment, now)).collect();
    assert!(matches!(news.as_slice(), [News::Rests { .. }]), "a breaker does not unpin it: {news:?}");
    command(&mut deployment, Command::Enable);
    command(&mut deployment, Command::Unpin);
    assert!(all_get(&mut deployment, "2"));
}

#[test]
fn a_plugin_that_is_turned_off_or_begins_so_starts_no_session() {
    let mut deployment = Deployment::new(Choice::default(), true);
    drop_in(&mut deployment, "1", &ROLLOUT);
    assert_eq!(deployment.start(Instant::now()), None);
    command(&mut deployment, Command::Enable);
    assert!(all_get(&mut deployment, "1"));
    command(&mut deployment, Command::Disable);
    assert_eq!(deployment.start(Instant::now()), None);
    let mut again = Deployment::new(deployment.choice.clone(), false);
    drop_in(&mut again, "1", &ROLLOUT);
    assert_eq!(again.start(Instant::now()), None, "after a restart too");
}

#[test]
fn a_canary_gets_its_part_and_is_promoted_or_taken_back() {
    let mut deployment = empty();
    drop_in(&mut deployment, "1", &arriving(Arrival::Canary));
    assert!(all_get(&mut deployment, "1"), "the first is current");
    let news = drop_in(&mut deployment, "2", &arriving(Arrival::Canary));
    assert_eq!(news, [News::Canary { version: "2".into(), percent: 10 }]);
    assert_eq!(sessions(&mut deployment, 200), BTreeMap::from([("1".into(), 180), ("2".into(), 20)]));
    command(&mut deployment, Command::Canary { percent: 33, version: None });
    assert_eq!(sessions(&mut deployment, 100).get("2"), Some(&33));
    command(&mut deployment, Command::Promote);
    assert!(all_get(&mut deployment, "2"));
    assert_eq!(deployment.choice.canary, None);

    drop_in(&mut deployment, "3", &arriving(Arrival::Canary));
    let now = Instant::now();
    let news: Vec<News> = (0..3).flat_map(|_| deployment.ended(&digest("3"), Some("no"), now, &ROLLOUT)).collect();
    assert_eq!(news, [News::CanaryTakenBack { version: "3".into(), failures: 3 }]);
    assert_eq!(sessions(&mut deployment, 100), BTreeMap::from([("2".into(), 100)]));
    assert_eq!(drop_in(&mut deployment, "3", &arriving(Arrival::Canary)), []);
    drop_in(&mut deployment, "4", &arriving(Arrival::Canary));
    command(&mut deployment, Command::CanaryOff);
    assert!(all_get(&mut deployment, "2"));
}

#[test]
fn a_shadow_stands_beside_the_current_version_only() {
    let mut deployment = empty();
    drop_in(&mut deployment, "1", &ROLLOUT);
    drop_in(&mut deployment, "2", &arriving(Arrival::Shadow));
    assert!(all_get(&mut deployment, "1"));
    assert_eq!(deployment.shadow_of(&digest("1")).map(String::as_str), Some("2"));
    assert_eq!(deployment.shadow_of(&digest("2")), None);
    deployment.compared(&digest("2"), "a", Comparison::Same);
    for session in 0..20 {
        deployment.compared(&digest("2"), &session.to_string(), Comparison::Differed("otherwise".into()));
    }
    let compared = &deployment.version(&digest("2")).expect("it is there").compared;
    assert_eq!((compared.same, compared.differed, compared.differences.len()), (1, 20, DIFFERENCES_MOST));
    assert_eq!(compared.differences.last().map(|(session, _)| session.as_str()), Some("19"));
    command(&mut deployment, Command::ShadowOff);
    assert_eq!(deployment.shadow_of(&digest("1")), None);
}

#[test]
fn a_version_that_fails_is_taken_back_and_one_without_another_rests() {
    let (mut deployment, now) = (empty(), Instant::now());
    drop_in(&mut deployment, "1", &ROLLOUT);
    drop_in(&mut deployment, "2", &ROLLOUT);
    let news: Vec<News> = (0..3).flat_map(|_| fail(&mut deployment, now)).collect();
    let taken_back = News::TakenBack { version: "2".into(), failures: 3, now: "1".into() };
    assert_eq!(news, [taken_back]);
    assert_eq!(
        deployment.choice.held_back.get(&digest("2")).map(String::as_str),
        Some("3 of its last 5 sessions failed")
    );

    let news: Vec<News> = (0..3).flat_map(|_| fail(&mut deployment, now)).collect();
    assert_eq!(news, [News::Rests { version: "1".into(), rest: ROLLOUT.breaker.rest }]);
    assert_eq!(deployment.start(now), None);
    let later = now + ROLLOUT.breaker.rest;
    assert_eq!(deployment.start(later).as_deref(), Some("1"), "one is tried");
    assert_eq!(deployment.start(later), None);
    deployment.ended(&digest("1"), None, later, &ROLLOUT);
    assert_eq!(deployment.start(later).as_deref(), Some("1"));
}

#[test]
fn a_chosen_version_that_is_lost_gives_way_to_the_file() {
    let mut deployment = empty();
    drop_in(&mut deployment, "1", &ROLLOUT);
    command(&mut deployment, Command::Pin { version: None });
    drop_in(&mut deployment, "2", &ROLLOUT);
    let mut again = Deployment::new(deployment.choice.clone(), false);
    drop_in(&mut again, "2", &ROLLOUT);
    assert_eq!(again.wanted(), [digest("1")]);
    assert_eq!(again.lost(&digest("1")), [News::Current { version: "2".into(), digest: digest("2") }]);
    assert!(all_get(&mut again, "2") && !again.choice.pinned);
}

#[test]
fn versions_are_named_by_what_they_say_or_by_their_digest() {
    let mut deployment = empty();
    let mut known = |digest: &str, version: &str| {
        let known = Known { digest: digest.into(), version: version.into(), taken_at: 0 };
        deployment.came(known, digest.into(), "triage.wasm", &ROLLOUT);
    };
    known("aaaa1111", "0.1.0");
    known("aaaa2222", "0.1.0");
    known("bbbb1111", "0.1.0");
    assert_eq!(deployment.resolve("aaaa1"), Ok("aaaa1111".into()));
    assert!(deployment.resolve("bbb").is_err(), "too short");
    let error = deployment.resolve("aaaa").unwrap_err().to_string();
    assert_eq!(error, "`aaaa` may mean 0.1.0 (aaaa1111), 0.1.0 (aaaa2222); give more of the digest");
    let error = deployment.resolve("2.0").unwrap_err().to_string();
    assert!(error.starts_with("no version is called `2.0`") && error.contains("0.1.0 (bbbb1111)"), "{error}");
}

proptest! {
    /// Whatever happens: sessions get versions that are loaded, none while it is off or has no file; what is
    /// remembered stays bounded; and a restart with the same files comes to the same version.
    #[test]
    fn whatever_happens_the_rules_hold(steps in proptest::collection::vec((0..12_u8, 0..6_u8), 1..120)) {
        let mut now = Instant::now();
        let mut deployment = empty();
        let mut file: Option<String> = None;
        let mut running: Vec<String> = Vec::new();
        for (what, which) in steps {
            let name = which.to_string();
            match what {
                0..=2 => {
                    drop_in(&mut deployment, &name, &arriving([Arrival::AtOnce, Arrival::Canary, Arrival::Shadow][usize::from(what)]));
                    file = Some(name);
                }
                3 => {
                    deployment.gone("triage.wasm");
                    file = None;
                }
                4 | 5 => running.extend(deployment.start(now)),
                6 | 7 if !running.is_empty() => {
                    let version = running.swap_remove(usize::from(which) % running.len());
                    deployment.ended(&digest(&version), (what == 6).then_some("no"), now, &ROLLOUT);
                }
                8 => now += Duration::from_secs(30),
                _ => {
                    let wanted = [
                        Command::Rollback { version: None },
                        Command::Pin { version: None },
                        Command::Unpin,
                        Command::Promote,
                        Command::Disable,
                        Command::Enable,
                    ];
                    let wanted = wanted.into_iter().nth(usize::from(which)).expect("six");
                    if deployment.target(&wanted).is_ok() {
                        command(&mut deployment, wanted);
                    }
                }
            }
            for digest in deployment.wanted() {
                let name = digest.trim_end_matches("-digest").to_owned();
                deployment.adopt(Known { digest, version: name.clone(), taken_at: 0 }, name);
            }
            if file.is_none() || deployment.choice.disabled {
                prop_assert_eq!(deployment.serving(now), None);
            }
            for version in &running {
                let version = deployment.version(&digest(version));
                prop_assert!(version.is_some_and(|version| version.plugin.is_some() && version.counts.running > 0));
            }
            let total: u64 = deployment.versions.iter().map(|version| version.counts.running).sum();
            prop_assert_eq!(total, running.len() as u64);
            prop_assert!(deployment.choice.known.len() <= KNOWN_MOST && deployment.choice.past.len() <= PAST_MOST);
        }
        if let Some(file) = file {
            let mut again = Deployment::new(deployment.choice.clone(), false);
            drop_in(&mut again, &file, &ROLLOUT);
            prop_assert_eq!(&again.choice.current, &deployment.choice.current);
            prop_assert_eq!(&again.choice, &deployment.choice);
        }
    }
}
