//! What is no plugin is refused, with a text that says what is wrong and what to do.

use jackfield_strategy::{Engine, LoadError, Plugins};

use crate::support::{engine, guest, plugin};

async fn refusal(name: &str) -> String {
    let error = engine().load(&guest(name)).await.expect_err("a refusal").to_string();
    assert!(error.contains(&format!("{name}.wasm: ")), "names the file: {error}");
    error
}

async fn refusal_of_bytes(engine: &Engine, bytes: &[u8]) -> LoadError {
    engine.load_bytes("memory", bytes).await.expect_err("a refusal")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_plugin_says_who_it_is() {
    let plugin = plugin("driver").await;
    assert_eq!((plugin.name(), plugin.version(), plugin.description()), ("driver", "1", "a test"));
    assert_eq!(plugin.capabilities(), ["routing"]);
    assert_eq!(plugin.digest().len(), 64);
    assert!(plugin.origin().ends_with("driver.wasm"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_is_told_apart() {
    let text = |error: LoadError| error.to_string();
    let engine = engine();
    let not_wasm = text(refusal_of_bytes(engine, b"#!/bin/sh\n").await);
    assert_eq!(not_wasm, "memory: not a Wasm file; build a component for the target wasm32-wasip2");
    assert!(matches!(refusal_of_bytes(engine, b"").await, LoadError::NotWasm { .. }));
    let core = text(refusal_of_bytes(engine, b"\0asm\x01\0\0\0").await);
    assert_eq!(core, "memory: a core module and not a component; build it for the target wasm32-wasip2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_cut_short_anywhere_is_refused() {
    let bytes = std::fs::read(guest("echo")).expect("a guest");
    for part in [9, bytes.len() / 7, bytes.len() / 2, bytes.len() - 1] {
        let error = refusal_of_bytes(engine(), &bytes[..part]).await;
        assert!(matches!(error, LoadError::Invalid { .. }), "{part} of {}: {error}", bytes.len());
        assert!(error.to_string().starts_with("memory: damaged, or written only in part: "), "{error}");
    }
    let error = refusal_of_bytes(engine(), &bytes[..8]).await;
    assert!(error.to_string().contains("does not export `describe`"), "an empty component: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn describe_runs_under_limits() {
    let error = refusal("describe_loops").await;
    assert!(error.contains("`describe` failed: ran for too long"), "{error}");
    let error = refusal("describe_imports").await;
    assert!(error.contains("there is no session"), "{error}");
    let error = refusal("describe_lies").await;
    assert!(error.contains("its name is \"../../etc/passwd\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_loaded_whatever_else_is_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = |from: &str, to: &str| std::fs::copy(guest(from), folder.path().join(to)).expect("a copy");
    copy("echo", "b.wasm");
    copy("echo", "c.wasm");
    copy("waits", "a.wasm");
    std::fs::write(folder.path().join("broken.wasm"), b"\0asm").expect("a file");
    std::fs::write(folder.path().join("README.md"), "plugins").expect("a file");
    let (plugins, errors) = Plugins::from_folder(engine(), folder.path()).await.expect("a folder");
    let names: Vec<_> = plugins.all().iter().map(|plugin| plugin.name().to_owned()).collect();
    assert_eq!(names, ["echo", "waits"]);
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("broken.wasm: not a Wasm file"), "{errors:?}");
    assert!(errors[1].contains("c.wasm: names itself `echo`, as ") && errors[1].contains("b.wasm does"), "{errors:?}");
    assert!(plugins.get("echo").is_some_and(|plugin| plugin.origin().ends_with("b.wasm")));
    assert!(Plugins::from_folder(engine(), &folder.path().join("none")).await.is_err());
}
