//! What operators choose is done at once, and is so after a restart.

use jackfield_plugins::{Arrival, Command, Folder, PluginState, Rollout};
use jackfield_strategy::{Policies, Policy};

use crate::support::{Home, component, engine, plugin, refused, serves, the_version, until, version, versioned};

async fn with_versions(home: &Home, numbers: &[u32]) -> Folder {
    let folder = home.open().await;
    for number in numbers {
        home.move_in("v.wasm", &versioned(*number));
        serves(&folder, *number).await;
    }
    folder
}

async fn does(folder: &Folder, command: Command) {
    folder.command("versioned", command).await.expect("it is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_needs_no_file_and_survives_a_restart() {
    let home = Home::new();
    let folder = with_versions(&home, &[1, 2, 3]).await;
    does(&folder, Command::Rollback { version: Some(version(1)) }).await;
    serves(&folder, 1).await;
    folder.close().await;

    let folder = home.open().await;
    serves(&folder, 1).await;
    let back = the_version(&folder, 3).expect("its file is there");
    assert_eq!(back.role, "held back: an operator rolled it back");
    home.move_in("v.wasm", &versioned(4));
    serves(&folder, 4).await;
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_files_with_one_plugin_a_restart_takes_the_one_before() {
    let home = Home::new();
    home.write("b.wasm", &versioned(1));
    let folder = home.open().await;
    serves(&folder, 1).await;
    home.move_in("a.wasm", &versioned(2));
    refused(&folder, &home.path("a.wasm")).await;
    folder.close().await;

    let folder = home.open().await;
    serves(&folder, 1).await;
    assert!(refused(&folder, &home.path("a.wasm")).await.contains("b.wasm does"));
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_hold_for_the_next_version_and_policies_for_new_sessions() {
    let home = Home::new();
    let folder = with_versions(&home, &[1]).await;
    let mut settings = home.settings.clone();
    settings.rollouts.default = Rollout { arrival: Arrival::Waits, ..Rollout::default() };
    let policy = Policy { max_sessions: Some(3), ..Policy::default() };
    let by_plugin = [("versioned".to_owned(), policy.clone())].into();
    engine().set_policies(Policies { by_plugin, ..Policies::default() });
    folder.set_settings(settings);
    let told = || folder.plugins().get("versioned").filter(|plugin| *plugin.policy() == policy);
    until("the policy of a version that is there", told).await;
    engine().set_policies(Policies::default());
    home.move_in("v.wasm", &versioned(2));
    until("the second version waits", || the_version(&folder, 2)).await;
    serves(&folder, 1).await;
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_and_a_disabled_plugin_are_so_after_a_restart() {
    let home = Home::new();
    home.write("echo.wasm", &component("echo"));
    let folder = with_versions(&home, &[1]).await;
    does(&folder, Command::Pin { version: None }).await;
    folder.command("echo", Command::Disable).await.expect("it is done");
    folder.close().await;
    home.write("v.wasm", &versioned(2));

    let folder = home.open().await;
    serves(&folder, 1).await;
    assert_eq!(the_version(&folder, 2).expect("it came").role, "waits");
    assert!(plugin(&folder, "versioned").expect("it is there").pinned);
    assert_eq!(plugin(&folder, "echo").expect("it is there").state, PluginState::Disabled);
    assert!(folder.plugins().get("echo").is_none());
    does(&folder, Command::Unpin).await;
    serves(&folder, 2).await;
    folder.command("echo", Command::Enable).await.expect("it is done");
    assert!(folder.plugins().get("echo").is_some());
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_goes_on_where_it_was_after_a_restart() {
    let mut home = Home::new();
    home.settings.rollouts.default = Rollout { arrival: Arrival::Canary, canary_percent: 25, ..Rollout::default() };
    let folder = with_versions(&home, &[1]).await;
    home.move_in("v.wasm", &versioned(2));
    until("a canary", || the_version(&folder, 2).filter(|version| version.role == "canary 25 %")).await;
    folder.close().await;
    // Its file gives way to none; it is in no file any more then.
    let folder = home.open().await;
    assert_eq!(the_version(&folder, 2).expect("it is there").role, "canary 25 %");
    let mut got = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..100 {
        let plugin = folder.plugins().start("versioned").expect("a session begins");
        *got.entry(plugin.version().to_owned()).or_default() += 1;
    }
    assert_eq!(got, [(version(1), 75), (version(2), 25)].into());
    does(&folder, Command::Promote).await;
    serves(&folder, 2).await;
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_safe_every_plugin_begins_turned_off() {
    let mut home = Home::new();
    home.write("v.wasm", &versioned(1));
    home.settings.safe = true;
    let folder = home.open().await;
    assert_eq!(plugin(&folder, "versioned").expect("it is there").state, PluginState::Safe);
    assert!(folder.plugins().get("versioned").is_none());
    does(&folder, Command::Enable).await;
    serves(&folder, 1).await;
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_says_why() {
    let home = Home::new();
    let folder = with_versions(&home, &[1]).await;
    let error = async |name: &str, command| folder.command(name, command).await.expect_err("refused").to_string();
    assert_eq!(error("triage", Command::Disable).await, "there is no plugin `triage`; there are versioned");
    let rollback = Command::Rollback { version: None };
    assert!(error("versioned", rollback).await.starts_with("there is no version before the current one"));
    let canary = Command::Canary { percent: 10, version: None };
    assert!(error("versioned", canary).await.starts_with("the folder has no version beside the current one"));
    let pin = Command::Pin { version: Some("9.9.9".into()) };
    assert!(error("versioned", pin).await.starts_with("no version is called `9.9.9`"));
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_version_that_is_damaged_is_not_run() {
    let home = Home::new();
    let folder = with_versions(&home, &[1, 2]).await;
    does(&folder, Command::Rollback { version: None }).await;
    folder.close().await;
    let versions = home.settings.state.join("versions");
    for entry in std::fs::read_dir(&versions).expect("versions") {
        std::fs::write(entry.expect("a version").path(), b"something else").expect("written");
    }
    let folder = home.open().await;
    serves(&folder, 2).await;
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_nothing_is_said_and_the_choice_counts_all_the_same() {
    let home = Home::new();
    let folder = with_versions(&home, &[1, 2]).await;
    // Only then nothing more is about to be written.
    let choices = home.settings.state.join("choices.json");
    let recorded = || std::fs::read_to_string(&choices).unwrap_or_default();
    until("both are recorded", || recorded().contains(&version(2)).then_some(())).await;
    // In the way of the file: nobody can write there, root neither.
    std::fs::create_dir(home.settings.state.join("choices.part")).expect("a folder");
    let refused = folder.command("versioned", Command::Rollback { version: None }).await.expect_err("not recorded");
    assert!(refused.to_string().contains("could not be recorded"), "{refused}");
    serves(&folder, 1).await;
    std::fs::remove_dir(home.settings.state.join("choices.part")).expect("removed");
    does(&folder, Command::Pin { version: None }).await;
    folder.close().await;
    let folder = home.open().await;
    serves(&folder, 1).await;
    folder.close().await;
}
