//! What is no plugin is refused, with a text that says what is wrong and what to do.

use crate::support::{engine, guest, plugin};

async fn refusal(name: &str) -> String {
    let error = engine().load(&guest(name)).await.expect_err("a refusal").to_string();
    assert!(error.contains(&format!("{name}.wasm: ")), "names the file: {error}");
    error
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
async fn describe_runs_under_limits() {
    let error = refusal("describe_loops").await;
    assert!(error.contains("`describe` failed: it ran for more than 200 ms"), "{error}");
    let error = refusal("describe_imports").await;
    assert!(error.contains("there is no session"), "{error}");
    let error = refusal("describe_lies").await;
    assert!(error.contains("its name is \"../../etc/passwd\""), "{error}");
}
