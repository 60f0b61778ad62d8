//! Components that do not fit the contract are refused with texts that name the interface, the version they were
//! built for, those there are, and the first difference. Each is a fixture with a few bytes changed, so that it is
//! whole otherwise. What types can differ in is tested where they are compared (`contract/mismatch/shape.rs`).

use std::path::Path;

use crate::support::engine;

/// The fixture of a version with each of these replaced wherever it stands.
fn patched(version: &str, changes: &[(&[u8], &[u8])]) -> Vec<u8> {
    let file = format!("tests/fixtures/since-{version}.wasm");
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("the fixture");
    changes.iter().fold(bytes, |mut bytes, (from, to)| {
        assert_eq!(from.len(), to.len(), "nothing moves");
        let places: Vec<usize> = (0..=bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
        assert!(!places.is_empty(), "{from:?} is not in it");
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        bytes
    })
}

/// One change, wherever it stands.
fn change(from: &'static [u8], to: &'static [u8]) -> Vec<(&'static [u8], &'static [u8])> {
    vec![(from, to)]
}

/// The interfaces of a fixture, as they are imported, under another version.
async fn refusal_as(version: &str, other: &str) -> String {
    let text = match version {
        "0.1.0" => include_str!("../../../../wit/since-0.1.0/strategy.wit"),
        "0.2.0" => include_str!("../../../../wit/since-0.2.0/strategy.wit"),
        _ => include_str!("../../../../wit/since-0.3.0/strategy.wit"),
    };
    let interfaces = text.lines().filter_map(|line| line.strip_prefix("interface ")?.strip_suffix(" {"));
    let name = |interface: &str, version: &str| format!("jackfield:strategy/{interface}@{version}").into_bytes();
    let changes: Vec<_> = interfaces.map(|interface| (name(interface, version), name(interface, other))).collect();
    let changes: Vec<(&[u8], &[u8])> = changes.iter().map(|(from, to)| (from.as_slice(), to.as_slice())).collect();
    refusal(version, &changes).await
}

async fn refusal(version: &str, changes: &[(&[u8], &[u8])]) -> String {
    engine().load_bytes("x.wasm", &patched(version, changes)).await.expect_err("a refusal").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_there_is_not_is_refused_with_those_there_are() {
    for (version, other, expected) in [
        (
            "0.1.0",
            "0.4.0",
            "x.wasm: imports `jackfield:strategy/types@0.4.0`: version 0.4.0 of the contract is newer than this host, \
             which takes 0.1.0 to 0.3.0; build it for one of those, or update jackfield",
        ),
        (
            "0.2.0",
            "9.1.0",
            "x.wasm: imports `jackfield:strategy/types@9.1.0`: version 9.1.0 of the contract is newer than this host, \
             which takes 0.1.0 to 0.3.0; build it for one of those, or update jackfield",
        ),
        (
            // What the engine would take for the same.
            "0.3.0",
            "0.3.1",
            "x.wasm: imports `jackfield:strategy/types@0.3.1`: version 0.3.1 of the contract is newer than this host, \
             which takes 0.1.0 to 0.3.0; build it for one of those, or update jackfield",
        ),
        (
            "0.2.0",
            "0.0.9",
            "x.wasm: imports `jackfield:strategy/types@0.0.9`, and there is no version 0.0.9 of the contract; this host \
             takes 0.1.0 to 0.3.0; build it for one of those",
        ),
        (
            "0.2.0",
            "0.1.0",
            "x.wasm: imports `jackfield:strategy/http@0.1.0`, which version 0.1.0 of the contract does not have: it has \
             `types`, `interactions`, `messages`, `routing`, `virtual-queues`, `timers`, `events`, `facts`, `session`, \
             `log`; this host takes 0.1.0 to 0.3.0",
        ),
    ] {
        assert_eq!(refusal_as(version, other).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_difference_is_named_where_it_is() {
    let differs = |what: &str, version: &str, difference: &str| {
        format!(
            "x.wasm: {what}, which is not that of version {version} of the contract: {difference}; this host takes 0.1.0 \
             to 0.3.0; build it against wit/since-{version} as it was published"
        )
    };
    for version in ["0.1.0", "0.2.0", "0.3.0"] {
        let import = |interface: &str| format!("imports `jackfield:strategy/{interface}@{version}`");
        for (changes, expected) in [
            (
                change(b"\x05write", b"\x05flush"),
                differs(&import("log"), version, "it wants `flush`, and there is `write`"),
            ),
            (
                change(b"\x05trace", b"\x05fatal"),
                differs(
                    &import("log"),
                    version,
                    "in parameter `level` of `write`: it has case `fatal`, the contract case `trace`",
                ),
            ),
            (
                // Of s32 it makes u8.
                change(b"\x08priority\x7a\x07targets", b"\x08priority\x7d\x07targets"),
                differs(
                    &import("routing"),
                    version,
                    "in parameter `request` of `submit`, field `priority`: it has `u8`, the contract `s32`",
                ),
            ),
            (
                change(b"\x09is-online", b"\x09is-onlime"),
                differs(
                    &import("interactions"),
                    version,
                    "in the result of `get`, in the option: it has field `is-onlime`, the contract field `is-online`",
                ),
            ),
            (
                // Of a string it makes a u8.
                change(b"\x07version\x73", b"\x07version\x7d"),
                differs(
                    "exports `describe`",
                    version,
                    "in the result of `describe`, field `version`: it has `u8`, the contract `string`",
                ),
            ),
            (
                change(b"\x03run", b"\x03ran"),
                format!(
                    "x.wasm: does not export `run`; export the world `strategy` of jackfield:strategy@{version}; this \
                     host takes 0.1.0 to 0.3.0"
                ),
            ),
        ] {
            assert_eq!(refusal(version, &changes).await, expected);
        }
        let from = format!("jackfield:strategy/log@{version}");
        let to = format!("jackfield:strategy/lag@{version}");
        let refusal = refusal(version, &[(from.as_bytes(), to.as_bytes())]).await;
        let beginning = format!(
            "x.wasm: imports `jackfield:strategy/lag@{version}`, which version {version} of the contract does not have: \
             it has `types`, `interactions`, "
        );
        assert!(refusal.starts_with(&beginning), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_of_the_contract_at_all_is_named() {
    let refusal = refusal("0.2.0", &[(b"jackfield:strategy/log@0.2.0", b"jackfield:brewery/log@2.10.0")]).await;
    assert_eq!(
        refusal,
        "x.wasm: imports `jackfield:brewery/log@2.10.0`, which strategies do not have; they have jackfield:strategy and \
         WASI 0.2"
    );
}
