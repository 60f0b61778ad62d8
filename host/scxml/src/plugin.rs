//! A converted document is the runtime with files in it: the component that runs any document, and the compiled one and
//! its manifest as custom sections (interface `files` of the contract). The same document makes the same bytes, and all
//! plugins made with one runtime share its compiled code.

use jackfield_scxml_program::Bundle;
use serde::Serialize;
use wasm_encoder::{ComponentSection as _, CustomSection};

/// How the name of a section begins that holds a file (`wit/since-0.3.0`, interface `files`).
const PREFIX: &str = "jackfield:file:";

/// Who the strategy is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// What routing scripts call it; `[A-Za-z0-9_.-]`, 1 to 64 characters.
    pub name: String,
    /// For people.
    pub version: String,
    /// For people.
    pub description: String,
}

/// The plugin. `runtime` is the component `sdk/scxml-runtime/component`.
pub fn plugin(runtime: &[u8], manifest: &Manifest, document: &Bundle) -> Vec<u8> {
    let mut plugin = runtime.to_vec();
    // A record of texts: writing it does not fail.
    let manifest = serde_json::to_vec(manifest).unwrap_or_default();
    for (name, content) in [("manifest.json", manifest), ("document", document.encode())] {
        let section = CustomSection { name: format!("{PREFIX}{name}").into(), data: content.into() };
        section.append_to_component(&mut plugin);
    }
    plugin
}

/// A name for a strategy, made of the name of its document: what is not allowed in it becomes `_`.
pub fn name_of(document: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' };
    let name: String = document.chars().map(allowed).take(64).collect();
    if name.is_empty() { "document".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_document_makes_the_same_bytes_behind_the_runtime() {
        let runtime = b"\0asm\x0d\0\x01\0";
        let manifest = Manifest { name: "a".into(), version: "1".into(), description: "it".into() };
        let made = plugin(runtime, &manifest, &Bundle::default());
        assert_eq!(made, plugin(runtime, &manifest, &Bundle::default()));
        assert!(made.starts_with(runtime));
        let text = br#"{"name":"a","version":"1","description":"it"}"#;
        assert!(made.windows(text.len()).any(|window| window == text));
    }

    #[test]
    fn every_document_has_a_name_that_a_strategy_may_have() {
        assert_eq!(name_of("IPD_default.Main-Workflow"), "IPD_default.Main-Workflow");
        assert_eq!(name_of("Über uns"), "_ber_uns");
        assert_eq!(name_of(""), "document");
        assert_eq!(name_of(&"x".repeat(100)).len(), 64);
    }
}
