//! Builds the component that converted SCXML documents run in (`sdk/scxml-runtime/component`), which the program carries.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What it is made of, beside its dependencies.
const SOURCES: [&str; 8] = [
    "Cargo.toml",
    "Cargo.lock",
    "sdk/rust/src",
    "sdk/scxml-program/src",
    "sdk/scxml-runtime/src",
    "sdk/scxml-runtime/component/Cargo.toml",
    "sdk/scxml-runtime/component/src",
    "wit/since-0.3.0/strategy.wit",
];
const PACKAGE: &str = "jackfield-scxml-component";
const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "guest";
/// What cargo has set for this program, and what would change the other build.
const OURS: [&str; 5] =
    ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "RUSTC_WRAPPER"];

fn main() {
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")).join("../..");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut cargo = Command::new(variable("CARGO"));
    cargo.args(["build", "--quiet", "--package", PACKAGE, "--target", TARGET, "--profile", PROFILE]);
    cargo.arg("--target-dir").arg(&target).current_dir(&root);
    for variable in OURS {
        cargo.env_remove(variable);
    }
    let status = cargo.status().unwrap_or_else(|error| fail(&format!("cargo cannot be started: {error}")));
    if !status.success() {
        fail(&format!(
            "{PACKAGE} does not build for {TARGET}; `rustup target add {TARGET}` where that is missing, as \
             `cargo xtask` does"
        ));
    }
    let built = target.join(TARGET).join(PROFILE).join(PACKAGE.replace('-', "_")).with_extension("wasm");
    let copy = Path::new(&variable("OUT_DIR")).join("scxml-runtime.wasm");
    if let Err(error) = fs::copy(&built, &copy) {
        fail(&format!("{} cannot be copied: {error}", built.display()));
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| fail(&format!("{name}: {error}")))
}

fn fail(problem: &str) -> ! {
    eprintln!("{problem}");
    std::process::exit(1)
}
