//! Compiled code is kept, and compiling holds up no session.

use std::fmt::Write as _;

use jackfield_strategy::{Engine, Settings};

use crate::support::{guest, small, start};

fn engine_with(folder: &std::path::Path) -> Engine {
    Engine::new(Settings { code_cache: Some(folder.join("code")), ..small() }).expect("an engine")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_warm_cache_compiles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["driver", "echo", "waits"];
    let cold = engine_with(folder.path());
    for name in names {
        let plugin = cold.load(&guest(name)).await.expect("a plugin");
        assert!(plugin.compile_time().is_some(), "{name}");
    }
    assert_eq!(cold.compiled(), 3);
    let warm = engine_with(folder.path());
    for name in names {
        let plugin = warm.load(&guest(name)).await.expect("a plugin");
        assert_eq!((plugin.name(), plugin.compile_time()), (name, None));
    }
    assert_eq!(warm.compiled(), 0);
    // What came out of the cache runs.
    let run = start(&warm, warm.load(&guest("driver")).await.expect("a plugin"), "warm");
    assert_eq!(run.ask("held", "").await, "i1");
    run.session.kill("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_beyond_its_code_is_found_again_with_a_warm_cache() {
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        let engine = engine_with(folder.path());
        let error = engine.load(&guest("describe_lies")).await.expect_err("a refusal").to_string();
        assert!(error.contains("its name is \"../../etc/passwd\""), "{error}");
    }
    // Its code asks for more than this engine gives; it fits the other one.
    let text = r#"(component (core module $m (memory 200)) (core instance (instantiate $m)))"#;
    let roomy = engine_with(folder.path());
    let error = roomy.load_bytes("a", text.as_bytes()).await.expect_err("a refusal").to_string();
    assert!(error.contains("does not export `describe`"), "{error}");
    let settings = Settings { memory_bytes: 1 << 20, code_cache: Some(folder.path().join("code")), ..small() };
    let narrow = Engine::new(settings).expect("an engine");
    let error = narrow.load_bytes("a", text.as_bytes()).await.expect_err("a refusal").to_string();
    assert!(error.contains("cannot be compiled for this host"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_used_fails_no_load() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("code"), "").expect("a file");
    let engine = engine_with(folder.path());
    for count in 1..3 {
        engine.load(&guest("echo")).await.expect("a plugin");
        assert_eq!(engine.compiled(), count);
    }
}

/// A plugin that carries this file.
fn carrying(plugin: &[u8], name: &str, content: &[u8]) -> Vec<u8> {
    let small = |number: usize| u8::try_from(number).expect("less than 128");
    let name = format!("jackfield:file:{name}");
    let mut bytes = plugin.to_vec();
    bytes.extend([0, small(1 + name.len() + content.len()), small(name.len())]);
    bytes.extend(name.as_bytes());
    bytes.extend(content);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_that_differ_only_in_the_files_they_carry_are_compiled_once_and_read_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let code = std::fs::read("tests/fixtures/since-0.3.0.wasm").expect("the fixture");
    let plugins = ["", "a", "more"].map(|content| carrying(&code, "document", content.as_bytes()));
    let engine = engine_with(folder.path());
    // At once, and compiled once all the same.
    let [first, second, third] = &plugins;
    let loaded =
        tokio::join!(engine.load_bytes("1", first), engine.load_bytes("2", second), engine.load_bytes("3", third));
    let loaded = [loaded.0, loaded.1, loaded.2].map(|plugin| plugin.expect("a plugin"));
    assert_eq!(engine.compiled(), 1);
    let mut digests: Vec<&str> = loaded.iter().map(jackfield_strategy::Plugin::digest).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 3, "they are three versions");
    for (plugin, length) in loaded.into_iter().zip([0, 1, 4]) {
        let run = start(&engine, plugin, "carries");
        run.heard("event", 0).await;
        run.tell("file", "document");
        assert_eq!(run.heard("file", 0).await, format!("Some({length})"));
        run.tell("file", "another");
        assert_eq!(run.heard("file", 1).await, "None");
        run.session.kill("done");
    }
    // The code itself is the same with no file at all, and comes out of the cache after a restart.
    engine.load_bytes("4", &code).await.expect("a plugin");
    assert_eq!(engine.compiled(), 1);
    let warm = engine_with(folder.path());
    warm.load_bytes("5", second).await.expect("a plugin");
    assert_eq!(warm.compiled(), 0);
}

/// A component with much to compile.
fn big() -> String {
    let mut functions = String::new();
    for number in 0..800 {
        let _ = write!(functions, "(func (param $x i64) (result i64) (local $y i64) (loop $again ");
        for step in 0..40 {
            let _ = write!(
                functions,
                "(local.set $y (i64.xor (i64.mul (local.get $x) (i64.const {step})) (i64.rotl (local.get $y) (i64.const {number}))))"
            );
        }
        functions.push_str("(br_if $again (i64.eqz (local.get $y)))) (local.get $y))\n");
    }
    // It is no strategy: it is refused when it has been compiled.
    format!("(component (core module {functions}))")
}

/// One thread runs the sessions: if it compiled too, nothing would go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn turns_go_on_while_a_big_component_is_compiled() {
    // Each turn leaves a request without an outcome, and there are many until the compiler is reached.
    let engine = Engine::new(Settings { requests_waiting: 1_000_000, ..small() }).expect("an engine");
    let run = start(&engine, engine.load(&guest("driver")).await.expect("a plugin"), "beside");
    run.ask("held", "").await;
    let before = engine.compiled();
    let compiling = tokio::spawn({
        let engine = engine.clone();
        async move { engine.load_bytes("big", big().as_bytes()).await.map(drop) }
    });
    while engine.compiled() == before {
        assert!(!compiling.is_finished(), "{:?}", compiling.await);
        run.ask("held", "").await;
    }
    for _ in 0..100 {
        run.ask("held", "").await;
    }
    assert!(!compiling.is_finished(), "it was compiled before the turns had ended: is it big?");
    let error = compiling.await.expect("a task").expect_err("a refusal").to_string();
    assert!(error.starts_with("big: does not export `describe`"), "{error}");
    run.session.kill("done");
}
