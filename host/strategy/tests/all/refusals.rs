//! What each bad file is told: the exact texts. Files are written as components in text where they can be.

use jackfield_strategy::LoadError;

use crate::support::{engine, guest};

/// A strategy in text with this in its core module beside what it needs: `manifest` at 0, where five texts and
/// lists are placed that are empty but the name.
fn strategy(name: &str, describe: &str, more: &str) -> String {
    let length = format!("\\{:02x}\\00\\00\\00", name.len());
    format!(
        r#"(component
  (type $record (record (field "name" string) (field "version" string) (field "description" string)
    (field "capabilities" (list string)) (field "states" (list string))))
  (export $manifest "manifest" (type $record))
  (core module $code
    (memory (export "memory") 1)
    (data (i32.const 0) "\40\00\00\00{length}")
    (data (i32.const 64) "{name}")
    (func (export "describe") (result i32) {describe})
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param i32 i32 i32) (result i32) (i32.const 8))
    {more})
  (core instance $code (instantiate $code))
  (func (export "describe") (result $manifest)
    (canon lift (core func $code "describe") (memory $code "memory")))
  (func (export "run") (param "checkpoint" (option (list u8))) (result (result (error string)))
    (canon lift (core func $code "run") (memory $code "memory") (realloc (func $code "realloc"))))
)"#
    )
}

async fn refusal(bytes: impl AsRef<[u8]>) -> LoadError {
    engine().load_bytes("bad", bytes.as_ref()).await.expect_err("a refusal")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_in_text_is_taken() {
    let text = strategy("written", "(i32.const 0)", "");
    let plugin = engine().load_bytes("written.wat", text.as_bytes()).await.expect("a plugin");
    assert_eq!((plugin.name(), plugin.contract_version()), ("written", None));
    assert_eq!(&plugin.bytes()[..], text.as_bytes(), "what it is loaded from again");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_says_what_is_wrong_and_what_to_do() {
    let name_of_65 = "n".repeat(65);
    let lists: String = (0..1_000).map(|number| format!("(type $t{} (list $t{number}))\n", number + 1)).collect();
    let nested_types = format!("(component (type $t0 (list u8))\n{lists}(import \"x\" (func (param \"a\" $t1000))))");
    let nested = format!("{}{}", "(component ".repeat(1_000), ")".repeat(1_000));
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "bad: damaged, or written only in part: it is empty; copy it again"),
        ("a script", b"#!/bin/sh\n".to_vec(), "bad: not a Wasm file; build a component for the target wasm32-wasip2"),
        (
            "half a header",
            b"\0asm\x0d\0".to_vec(),
            "bad: damaged, or written only in part: it has 6 bytes; copy it again",
        ),
        (
            "a core module",
            b"\0asm\x01\0\0\0".to_vec(),
            "bad: a core module and not a component; build it for the target wasm32-wasip2",
        ),
        (
            "a core module in text",
            b"(module)".to_vec(),
            "bad: a core module and not a component; build it for the target wasm32-wasip2",
        ),
        (
            "another version of components",
            b"\0asm\x0c\0\x01\0".to_vec(),
            "bad: damaged, or built wrongly: unknown binary version:    0x1000c, at byte 4; build it again",
        ),
        (
            "a section that is none",
            b"\0asm\x0d\0\x01\0\x63\x01\0".to_vec(),
            "bad: damaged, or built wrongly: malformed section id: 99, at byte 10; build it again",
        ),
        (
            "a word that is none",
            b"(component\n  (core modul))".to_vec(),
            "bad: line 2, column 4: expected valid component field",
        ),
        (
            "a name that is none",
            b"(component\n  (core instance (instantiate $a)))".to_vec(),
            "bad: line 2, column 31: unknown core module: failed to find name `$a`",
        ),
        ("text cut short", b"(component\n  (core module".to_vec(), "bad: line 2, column 15: expected `)`"),
        ("not UTF-8", b"(component\n  \xff)".to_vec(), "bad: line 2, column 3: this is not UTF-8"),
        (
            "no exports",
            b"(component)".to_vec(),
            "bad: does not export `describe`; export the world `strategy` of jackfield:strategy@0.3.0; this host takes 0.1.0 to 0.3.0",
        ),
        (
            "an import of nobody",
            b"(component (import \"acme:disk/format\" (instance)))".to_vec(),
            "bad: imports `acme:disk/format`, which strategies do not have; they have jackfield:strategy and WASI 0.2",
        ),
        (
            "another contract",
            b"(component (import \"jackfield:strategy/log@9.1.0\" (instance)))".to_vec(),
            "bad: imports `jackfield:strategy/log@9.1.0`: version 9.1.0 of the contract is newer than this host, which takes 0.1.0 to 0.3.0; build it for one of those, or update jackfield",
        ),
        (
            "wrong types",
            strategy("a", "(i32.const 0)", "(func (i64.const 0))").into_bytes(),
            "bad: damaged, or built wrongly: type mismatch: values remaining on stack at end of block, at byte 193; build it again",
        ),
        (
            "threads",
            strategy("a", "(i32.const 0)", "(memory 1 1 shared)").into_bytes(),
            "bad: uses a part of Wasm that strategies do not have: threads must be enabled for shared memories; build it for the target wasm32-wasip2",
        ),
        (
            "its manifest out of bounds",
            strategy("a", "(i32.const 70000)", "").into_bytes(),
            "bad: `describe` failed: pointer out of bounds of memory",
        ),
        (
            "describe traps",
            strategy("a", "unreachable", "").into_bytes(),
            "bad: `describe` failed: it panicked (wasm `unreachable`)",
        ),
        (
            "describe loops",
            strategy("a", "(loop (br 0)) (i32.const 0)", "").into_bytes(),
            "bad: `describe` failed: it ran for more than 200 ms without waiting in `events.next` (`turn-cpu-limit`)",
        ),
        (
            "describe eats memory",
            strategy("a", "(loop (drop (memory.grow (i32.const 1))) (br 0)) (i32.const 0)", "").into_bytes(),
            "bad: `describe` failed: it wanted more than 16 MiB of memory (`memory-limit`)",
        ),
        (
            "a long name",
            strategy(&name_of_65, "(i32.const 0)", "").into_bytes(),
            "bad: its name is \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\"; it must be 1 to 64 of A-Z a-z 0-9 _ . -",
        ),
        (
            "a name with a path",
            strategy("../a", "(i32.const 0)", "").into_bytes(),
            "bad: its name is \"../a\"; it must be 1 to 64 of A-Z a-z 0-9 _ . -",
        ),
        (
            "huge memory",
            b"(component (core module $m (memory 65536)) (core instance (instantiate $m)))".to_vec(),
            "bad: cannot be compiled for this host: module memory does not fit in pooling allocator requirements: memory index 0 is unsupported in this pooling allocator configuration: memory has a minimum byte size of 4294967296 which exceeds the limit of 0x1000000 bytes",
        ),
        (
            "modules only",
            b"(component (core module) (core module))".to_vec(),
            "bad: does not export `describe`; export the world `strategy` of jackfield:strategy@0.3.0; this host takes 0.1.0 to 0.3.0",
        ),
        (
            "nested types",
            nested_types.into_bytes(),
            "bad: damaged, or built wrongly: type nesting is too deep, at byte 245; build it again",
        ),
        ("nested components", nested.into_bytes(), "bad: line 1, column 1102: item nesting too deep"),
        (
            "much text",
            format!("(component {})", " ".repeat(4 << 20)).into_bytes(),
            "bad: 4194316 bytes; a plugin of its kind has at most 4194304",
        ),
    ];
    let mut wrong = Vec::new();
    for (what, bytes, text) in table {
        let error = refusal(&bytes).await.to_string();
        if error != text {
            wrong.push(format!("{what}:\n  {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_only_half_written_is_told_apart() {
    let bytes = std::fs::read(guest("echo")).expect("a guest");
    for part in (0..bytes.len()).step_by(bytes.len() / 8).chain([1, 4, 7, 9, bytes.len() - 1]) {
        let error = refusal(&bytes[..part]).await;
        assert!(error.is_incomplete(), "{part} of {}: {error}", bytes.len());
        // Cut between two sections it is a shorter component: what it exports comes last.
        let text = error.to_string();
        let is_cut =
            text.starts_with("bad: damaged, or written only in part: it ") && text.ends_with("; copy it again");
        assert!(is_cut || matches!(error, LoadError::Misfit { .. }), "{part}: {text}");
    }
    let text = strategy("written", "(i32.const 0)", "");
    let whole = text.trim_end().len();
    for part in (1..whole).step_by(whole / 8).chain([whole - 1]) {
        let error = refusal(&text[..part]).await;
        assert!(error.is_incomplete(), "{part} of {whole}: {error}");
    }
    // What only the rest of the file could mend is not the matter with these.
    for bytes in [&b"#!/bin/sh"[..], b"\0asm\x01\0\0\0", b"(module)", b"(component (oops))"] {
        let error = refusal(bytes).await;
        assert!(!error.is_incomplete(), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_wrong_byte_is_refused_or_is_a_plugin_and_nothing_else_happens() {
    let bytes = std::fs::read(guest("waits")).expect("a guest");
    let (mut refused, mut taken) = (0, 0);
    for part in 0..40 {
        let mut bytes = bytes.clone();
        let position = part * bytes.len() / 40;
        bytes[position] ^= 0x55;
        match engine().load_bytes("bad", &bytes).await {
            Ok(_) => taken += 1,
            Err(error) => {
                assert!(error.to_string().starts_with("bad: "), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && refused + taken == 40, "{refused} refused, {taken} taken");
}
