//! The Rust target that strategies are built for, added when it is missing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::WASM_TARGET;

/// Makes sure that the toolchain can build for it.
pub fn ensure() -> Result<()> {
    if is_installed()? {
        return Ok(());
    }
    eprintln!("the target {WASM_TARGET} is missing; adding it with rustup");
    let advice = "add it yourself, with `rustup target add wasm32-wasip2` once there is a network, \
                  or from where your Rust toolchain came from";
    match Command::new("rustup").args(["target", "add", WASM_TARGET]).status() {
        Err(error) => {
            bail!("rustup cannot be started ({error}), and strategies need the target {WASM_TARGET}: {advice}")
        }
        Ok(status) if !status.success() => {
            bail!("rustup could not add the target {WASM_TARGET} ({status}), and strategies need it: {advice}")
        }
        Ok(_) if !is_installed()? => {
            bail!("rustup added {WASM_TARGET}, but to another toolchain than the one in use: {advice}")
        }
        Ok(_) => Ok(()),
    }
}

fn is_installed() -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().context("rustc cannot be started")?;
    let sysroot = String::from_utf8(output.stdout).context("rustc names a sysroot that is not UTF-8")?;
    Ok(PathBuf::from(sysroot.trim()).join("lib/rustlib").join(WASM_TARGET).join("lib").is_dir())
}
