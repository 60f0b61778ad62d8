//! The files of the test strategies, for every crate whose tests run some: they include this file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The file of a guest; all of them are built when it is missing, or older than its source.
pub fn guest(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    // Every crate that includes this is two folders below the workspace.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let file = target.join("wasm32-wasip2/guest/examples").join(name).with_extension("wasm");
    let guests = root.join("host/strategy/guests");
    let sources = [
        guests.join("examples").join(name).with_extension("rs"),
        guests.join("src/lib.rs"),
        root.join("wit/since-0.3.0/strategy.wit"),
    ];
    let newest = sources.iter().map(|source| changed(source).expect("a guest's source")).max();
    if changed(&file) < newest {
        BUILT.get_or_init(|| {
            let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
                .args(["build", "--package", "test-guests", "--examples"])
                .args(["--target", "wasm32-wasip2", "--profile", "guest"])
                .current_dir(&root)
                .status()
                .expect("cargo");
            assert!(status.success(), "the guests do not build; is the target wasm32-wasip2 installed?");
        });
    }
    assert!(file.is_file(), "{} is not there", file.display());
    file
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
