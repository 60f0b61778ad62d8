//! What somebody who watches the folder sees while something is installed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use jackfield_packages::{Locked, PluginsFolder, sha256};

use super::component;

#[test]
fn a_watcher_sees_the_old_file_or_the_new_one() {
    let temporary = tempfile::tempdir().unwrap();
    let versions = [component(200_000, 1), component(300_000, 2)];
    let reference = "oci://ghcr.io/acme/triage:1".parse().unwrap();
    let mut folder = PluginsFolder::open(temporary.path()).unwrap();
    let mut put = |bytes: &[u8]| {
        let locked = Locked::new("triage.wasm".into(), &reference, sha256(b"manifest"), sha256(bytes));
        folder.put(locked, bytes, None).unwrap();
    };
    put(&versions[0]);
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = HashSet::new();
            let mut last = false;
            while !last {
                last = done.load(Ordering::Acquire);
                for entry in std::fs::read_dir(temporary.path()).unwrap() {
                    let path = entry.unwrap().path();
                    if path.extension().is_some_and(|extension| extension == "wasm") {
                        seen.insert((path.clone(), sha256(&std::fs::read(path).unwrap())));
                    }
                }
            }
            seen
        });
        for round in 1..=50 {
            put(&versions[round % 2]);
        }
        done.store(true, Ordering::Release);
        watcher.join().unwrap()
    });
    let file = temporary.path().join("triage.wasm");
    let whole: HashSet<_> = versions.iter().map(|bytes| (file.clone(), sha256(bytes))).collect();
    assert!(!seen.is_empty() && seen.is_subset(&whole), "{seen:?}");
}
