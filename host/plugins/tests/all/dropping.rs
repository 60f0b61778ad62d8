//! Files come, change and go, in every way people and programs do that.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jackfield_plugins::{Converter, FileState, PluginState};

use crate::support::{
    Home, component, engine, file, of_another_contract, plugin, refused, serves, the_version, until, version, versioned,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_at_the_start_is_taken_whatever_else_is_in_the_folder() {
    let home = Home::new();
    home.write("b.wasm", &component("echo"));
    home.write("c.wasm", &component("echo"));
    home.write("a.wasm", &component("waits"));
    home.write("broken.wasm", b"\0asm");
    home.write("README.md", b"plugins");
    home.write(".hidden.wasm", &component("driver"));
    home.write("flow.scxml", b"<scxml/>");
    std::fs::create_dir(home.path("folder.wasm")).expect("a folder");
    let folder = home.open().await;
    let (plugins, files) = folder.status();
    let names: Vec<_> = plugins.iter().map(|plugin| (plugin.name.as_str(), plugin.state)).collect();
    assert_eq!(names, [("echo", PluginState::Serving), ("waits", PluginState::Serving)]);
    assert_eq!(plugins[0].versions[0].file.as_deref(), home.path("b.wasm").to_str());
    let names: Vec<_> = files.iter().filter_map(|file| file.file.rsplit('/').next()).collect();
    assert_eq!(names, ["a.wasm", "b.wasm", "broken.wasm", "c.wasm", "flow.scxml"]);
    let problem = refused(&folder, &home.path("c.wasm")).await;
    assert!(problem.contains("c.wasm: names itself `echo`, as ") && problem.contains("b.wasm does"), "{problem}");
    let problem = refused(&folder, &home.path("flow.scxml")).await;
    assert!(problem.contains("nothing here to convert it; `jackfield convert` does"), "{problem}");
    // The other one is taken when the first is out of its way.
    std::fs::remove_file(home.path("b.wasm")).expect("removed");
    until("c.wasm is taken", || file(&folder, &home.path("c.wasm")).filter(|file| file.state == FileState::Taken))
        .await;
    assert_eq!(plugin(&folder, "echo").expect("it is there").state, PluginState::Serving);
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_converted_and_taken_or_refused_with_what_is_wrong_with_it() {
    let mut home = Home::new();
    home.write("flow.scxml", b"<scxml name='echo'/>");
    home.write("bad.scxml", b"<scxml");
    let echo = component("echo");
    let converter = Converter::new(move |path: &Path, document: &[u8]| match document.ends_with(b"/>") {
        true => Ok(echo.clone()),
        false => Err(format!("{}:1:7: this element does not end", path.display())),
    });
    home.settings.converter = Some(converter);
    let folder = home.open().await;
    assert_eq!(plugin(&folder, "echo").expect("it is there").state, PluginState::Serving);
    let problem = refused(&folder, &home.path("bad.scxml")).await;
    assert!(problem.ends_with("bad.scxml:1:7: this element does not end"), "{problem}");
    // Once it is right it is converted too, and is in the way of the other no longer when that is gone.
    home.write("bad.scxml", b"<scxml name='again'/>");
    let problem = until("the other is seen", || {
        let file = file(&folder, &home.path("bad.scxml"))?;
        file.problem.filter(|problem| problem.contains("names itself `echo`"))
    });
    problem.await;
    std::fs::remove_file(home.path("flow.scxml")).expect("removed");
    until("bad.scxml is taken", || {
        file(&folder, &home.path("bad.scxml")).filter(|file| file.state == FileState::Taken)
    })
    .await;
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_is_named() {
    let home = Home::new();
    std::fs::remove_dir(&home.settings.folder).expect("removed");
    let opened = jackfield_plugins::Folder::open(engine().clone(), home.settings.clone()).await;
    let error = opened.expect_err("refused").to_string();
    assert!(
        error.starts_with(&format!("cannot read the folder of plugins {}", home.settings.folder.display())),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_put_a_file_there_works() {
    let home = Home::new();
    let folder = home.open().await;
    // Written in place.
    home.write("v.wasm", &versioned(1));
    serves(&folder, 1).await;
    // Renamed over.
    home.move_in("v.wasm", &versioned(2));
    serves(&folder, 2).await;
    // Written in place over what is there, in small pieces, with pauses.
    let bytes = versioned(3);
    let mut slow = std::fs::File::create(home.path("v.wasm")).expect("a file");
    for piece in bytes.chunks(bytes.len() / 7 + 1) {
        slow.write_all(piece).expect("written");
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    drop(slow);
    serves(&folder, 3).await;
    assert!(the_version(&folder, 2).is_some_and(|before| before.role == "before"));
    // Copied by a program that keeps the modification time.
    std::fs::write(home.beside("four.wasm"), versioned(4)).expect("a file");
    let copied = Command::new("cp").arg("-p").arg(home.beside("four.wasm")).arg(home.path("v.wasm")).status();
    assert!(copied.expect("cp").success());
    serves(&folder, 4).await;
    // As `rsync` does: a hidden name, the old time, then the right name.
    let hidden = home.path(".v.wasm.Xy12Zz");
    std::fs::write(&hidden, versioned(5)).expect("a file");
    let old = std::fs::File::options().write(true).open(&hidden).expect("a file");
    old.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)).expect("a time");
    drop(old);
    std::fs::rename(&hidden, home.path("v.wasm")).expect("renamed");
    serves(&folder, 5).await;
    // A symbolic link that points elsewhere from now on, as in `current -> releases/7`.
    std::fs::write(home.beside("six.wasm"), versioned(6)).expect("a file");
    std::os::unix::fs::symlink(home.beside("six.wasm"), home.beside("link")).expect("a link");
    std::fs::rename(home.beside("link"), home.path("v.wasm")).expect("renamed");
    serves(&folder, 6).await;
    // Removed, and there again under another name.
    std::fs::remove_file(home.path("v.wasm")).expect("removed");
    until("it drains", || plugin(&folder, "versioned").filter(|plugin| plugin.state == PluginState::Draining)).await;
    assert!(folder.plugins().get("versioned").is_none());
    home.move_in("w.wasm", &versioned(7));
    serves(&folder, 7).await;
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_notifications_is_looked_at_now_and_then() {
    let mut home = Home::new();
    home.settings.notified = false;
    home.settings.poll_every = Duration::from_millis(20);
    let folder = home.open().await;
    home.write("v.wasm", &versioned(1));
    serves(&folder, 1).await;
    home.move_in("v.wasm", &versioned(2));
    serves(&folder, 2).await;
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_changes_nothing_and_says_why() {
    let home = Home::new();
    home.write("v.wasm", &versioned(1));
    let folder = home.open().await;
    serves(&folder, 1).await;
    let good = versioned(2);
    let bad: [(&str, Vec<u8>); 4] = [
        ("not a Wasm file", b"hello".to_vec()),
        ("core module", b"\0asm\x01\0\0\0".to_vec()),
        ("`describe` failed", component("describe_loops")),
        ("is newer than this host", of_another_contract()),
    ];
    for (words, bytes) in bad {
        home.move_in("v.wasm", &bytes);
        let path = home.path("v.wasm");
        until(words, || {
            let problem = file(&folder, &path)?.problem?;
            problem.contains(words).then_some(())
        })
        .await;
        assert_eq!(folder.plugins().get("versioned").expect("it serves").version(), version(1));
    }
    home.move_in("v.wasm", &good);
    serves(&folder, 2).await;
    assert_eq!(file(&folder, &home.path("v.wasm")).expect("it is there").problem, None);
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_ends_too_early_is_refused_once_nothing_more_comes() {
    let home = Home::new();
    home.write("v.wasm", &versioned(1));
    let folder = home.open().await;
    let whole = versioned(2);
    home.write("v.wasm", &whole[..whole.len() / 2]);
    let problem = refused(&folder, &home.path("v.wasm")).await;
    assert!(problem.contains("damaged, or written only in part"), "{problem}");
    serves(&folder, 1).await;
    home.write("v.wasm", &whole);
    serves(&folder, 2).await;
    folder.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_names_another_plugin_drains_the_one_it_held() {
    let home = Home::new();
    home.write("a.wasm", &versioned(1));
    let folder = home.open().await;
    home.move_in("a.wasm", &component("echo"));
    until("echo is there", || folder.plugins().get("echo")).await;
    assert_eq!(plugin(&folder, "versioned").expect("it was there").state, PluginState::Draining);
    folder.close().await;
}
