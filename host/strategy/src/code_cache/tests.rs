//! Whatever becomes of the folder: what is run is what was compiled, and the rest costs a compile.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Barrier;

use tempfile::TempDir;
use wasmtime::{Config, Engine};

use super::*;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

/// One folder, one engine, and what was logged meanwhile.
struct Kit {
    engine: Engine,
    cache: Arc<CodeCache>,
    folder: TempDir,
}

impl Kit {
    fn new() -> Kit {
        Kit::with(Room { entries: ENTRIES, bytes: BYTES })
    }

    fn with(most: Room) -> Kit {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = Engine::new(&Config::new()).expect("an engine");
        let cache = CodeCache { most, ..CodeCache::new(folder.path().join("code"), &engine) };
        Kit { engine, cache: Arc::new(cache), folder }
    }

    /// As after a restart, or in another process.
    fn another(&self) -> Arc<CodeCache> {
        Arc::new(CodeCache { most: self.cache.most, ..CodeCache::new(self.cache.folder.clone(), &self.engine) })
    }

    fn entry(&self, digest: &str) -> PathBuf {
        self.cache.folder.join(self.cache.name(digest))
    }

    fn component(&self, number: u32) -> Component {
        component(&self.engine, number)
    }

    fn has(&self, digest: &str) -> bool {
        self.cache.get(&self.engine, digest).is_some()
    }
}

fn component(engine: &Engine, number: u32) -> Component {
    let text = format!(r#"(component (core module (func (export "f") (result i32) (i32.const {number}))))"#);
    let buffer = wast::parser::ParseBuffer::new(&text).expect("text");
    let binary = wast::parser::parse::<wast::Wat<'_>>(&buffer).expect("text").encode().expect("a component");
    Component::from_binary(engine, &binary).expect("a component")
}

/// What is logged while this is done.
fn logged(what: impl FnOnce()) -> Vec<String> {
    let written = Arc::new(Mutex::new(Vec::new()));
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer({
            let written = Arc::clone(&written);
            move || Writer(Arc::clone(&written))
        })
        .finish();
    tracing::subscriber::with_default(subscriber, what);
    let text = String::from_utf8(lock(&written).clone()).expect("text");
    text.lines().map(str::to_owned).collect()
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

/// Names of what is in the folder, without the key.
fn names(cache: &CodeCache) -> Vec<String> {
    let files = std::fs::read_dir(&cache.folder).expect("a folder");
    let mut names: Vec<_> = files.map(|file| file.expect("a file").file_name().into_string().expect("text")).collect();
    names.retain(|name| name != KEY);
    names.sort_unstable();
    names
}

#[test]
fn what_was_kept_is_taken_again_also_after_a_restart() {
    let kit = Kit::new();
    let compiled = kit.component(7);
    let log = logged(|| {
        assert!(!kit.has(A), "there is nothing yet");
        drop(kit.cache.put(&compiled, A));
        for cache in [&kit.cache, &kit.another()] {
            let (taken, _in_use) = cache.get(&kit.engine, A).expect("an entry");
            assert_eq!(taken.serialize().expect("code"), compiled.serialize().expect("code"));
        }
        assert!(!kit.has(B), "another plugin");
    });
    assert_eq!(log, [""; 0], "nothing to say");
    assert_eq!(names(&kit.cache), [kit.cache.name(A)], "and nothing is left over");
    assert_eq!(mode(&kit.cache.folder), 0o700);
    assert_eq!(mode(&kit.entry(A)), 0o600);
    assert_eq!(mode(&kit.cache.folder.join(KEY)), 0o600);
}

/// Does this to the entry of `A`: it must be thrown away, said so once, and be written anew.
fn is_thrown_away(kit: &Kit, what: &str, reason: &str, spoil: impl FnOnce(&Path)) {
    let component = kit.component(7);
    drop(kit.cache.put(&component, A));
    assert!(kit.has(A), "{what}: it is there");
    spoil(&kit.entry(A));
    let log = logged(|| assert!(!kit.has(A), "{what}: it is not run"));
    assert_eq!(log.len(), 1, "{what}: {log:?}");
    assert!(log[0].contains("compiled code is thrown away, and compiled anew: "), "{what}: {log:?}");
    assert!(log[0].contains(reason), "{what}: {log:?}");
    assert!(!kit.entry(A).exists(), "{what}: it is gone");
    drop(kit.cache.put(&component, A));
    assert!(kit.has(A), "{what}: it is there again");
}

#[test]
fn damage_anywhere_is_found() {
    let kit = Kit::new();
    drop(kit.cache.put(&kit.component(7), A));
    let length = std::fs::read(kit.entry(A)).expect("an entry").len();
    let code = MAGIC.len() + CHECK;
    let mut positions = vec![0, MAGIC.len() - 1, MAGIC.len(), code - 1, code, code + 1, length - 1];
    positions.extend((0..40).map(|part| part * length / 40));
    for position in positions {
        let reason = if position < MAGIC.len() { "does not begin like one" } else { "damaged, or not from here" };
        is_thrown_away(&kit, &format!("byte {position}"), reason, |entry| {
            let mut bytes = std::fs::read(entry).expect("an entry");
            bytes[position] ^= 0x10;
            std::fs::write(entry, bytes).expect("an entry");
        });
    }
    for (left, reason) in [
        (0, "does not begin like one"),
        (MAGIC.len() - 1, "does not begin like one"),
        (MAGIC.len(), "too short"),
        (code - 1, "too short"),
        (code, "damaged, or not from here"),
        (length / 2, "damaged, or not from here"),
        (length - 1, "damaged, or not from here"),
    ] {
        is_thrown_away(&kit, &format!("{left} bytes left"), reason, |entry| {
            let bytes = std::fs::read(entry).expect("an entry");
            std::fs::write(entry, &bytes[..left]).expect("an entry");
        });
    }
    is_thrown_away(&kit, "a byte more", "damaged, or not from here", |entry| {
        let mut bytes = std::fs::read(entry).expect("an entry");
        bytes.push(0);
        std::fs::write(entry, bytes).expect("an entry");
    });
}

#[test]
fn what_others_may_have_written_is_not_run() {
    let kit = Kit::new();
    for by in [0o020, 0o002] {
        is_thrown_away(&kit, "written by others", "others may have written it", |entry| set_mode(entry, 0o600 | by));
    }
    is_thrown_away(&kit, "a symbolic link", "it is a symbolic link", |entry| {
        let elsewhere = kit.folder.path().join("elsewhere");
        std::fs::rename(entry, &elsewhere).expect("moved");
        symlink(elsewhere, entry).expect("a link");
    });
    is_thrown_away(&kit, "a pipe", "it is not a file", |entry| {
        std::fs::remove_file(entry).expect("removed");
        rustix::fs::mknodat(rustix::fs::CWD, entry, rustix::fs::FileType::Fifo, Mode::from(0o600), 0).expect("a pipe");
    });
    // All that a forger without the key can do: code in the right form, with another key's check.
    is_thrown_away(&kit, "a foreign entry", "damaged, or not from here", |entry| {
        let other = Kit::new();
        drop(other.cache.put(&other.component(8), A));
        std::fs::copy(other.entry(A), entry).expect("a copy");
    });
}

#[test]
fn a_foreign_key_makes_all_entries_foreign() {
    let kit = Kit::new();
    let key = kit.cache.folder.join(KEY);
    is_thrown_away(&kit, "another key", "damaged, or not from here", |_| {
        std::fs::write(&key, [7; 32]).expect("a key");
    });
    for (what, spoil) in [
        ("read by others", (|key| set_mode(key, 0o640)) as fn(&Path)),
        ("shorter", |key| std::fs::write(key, [7; 31]).expect("a key")),
        ("longer", |key| std::fs::write(key, [7; 33]).expect("a key")),
        ("a link", |key| {
            std::fs::rename(key, key.with_extension("moved")).expect("moved");
            symlink(key.with_extension("moved"), key).expect("a link");
        }),
    ] {
        spoil(&key);
        let log = logged(|| assert!(!kit.has(A), "{what}"));
        assert_eq!(log.len(), 2, "{what}: {log:?}");
        assert!(log[0].contains("the key of compiled code is thrown away"), "{what}: {log:?}");
        drop(kit.cache.put(&kit.component(7), A));
        assert!(kit.has(A), "{what}: it goes on with a new key");
        assert_eq!(mode(&key), 0o600, "{what}");
    }
    std::fs::remove_file(&key).expect("removed");
    assert!(!kit.has(A), "a new key");
}

#[test]
fn entries_cannot_be_exchanged() {
    let kit = Kit::new();
    drop(kit.cache.put(&kit.component(1), A));
    drop(kit.cache.put(&kit.component(2), B));
    std::fs::copy(kit.entry(A), kit.entry(C)).expect("a copy");
    std::fs::rename(kit.entry(B), kit.entry(A)).expect("moved");
    std::fs::rename(kit.entry(C), kit.entry(B)).expect("moved");
    assert!(!kit.has(A));
    assert!(!kit.has(B));
}

#[test]
fn code_of_an_engine_with_other_settings_is_another_entry() {
    let kit = Kit::new();
    drop(kit.cache.put(&kit.component(7), A));
    let other = Engine::new(Config::new().epoch_interruption(true)).expect("an engine");
    let cache = Arc::new(CodeCache::new(kit.cache.folder.clone(), &other));
    assert!(cache.get(&other, A).is_none());
    assert!(kit.has(A), "it stays");
    // Under the other's name it is not run.
    std::fs::copy(kit.entry(A), kit.cache.folder.join(cache.name(A))).expect("a copy");
    assert!(cache.get(&other, A).is_none());
    drop(cache.put(&component(&other, 7), A));
    assert!(cache.get(&other, A).is_some());
    assert!(kit.has(A), "both are there");
}

#[test]
fn an_entry_is_never_replaced() {
    let kit = Kit::new();
    drop(kit.cache.put(&kit.component(1), A));
    let first = std::fs::read(kit.entry(A)).expect("an entry");
    drop(kit.cache.put(&kit.component(2), A));
    assert_eq!(std::fs::read(kit.entry(A)).expect("an entry"), first);
    assert_eq!(names(&kit.cache), [kit.cache.name(A)], "nothing is left over");
}

#[test]
fn many_at_once_write_one_entry_and_all_can_use_it() {
    let kit = Kit::new();
    let caches: Vec<_> = (0..8).map(|_| kit.another()).collect();
    let component = kit.component(7);
    let start = Barrier::new(caches.len());
    std::thread::scope(|threads| {
        for cache in &caches {
            threads.spawn(|| {
                start.wait();
                let log = logged(|| {
                    drop(cache.put(&component, A));
                    assert!(cache.get(&kit.engine, A).is_some());
                });
                assert_eq!(log, [""; 0]);
            });
        }
    });
    assert_eq!(names(&kit.cache), [kit.cache.name(A)]);
}

/// While this is the matter nothing is kept, the log says it once, and it goes on when it is mended.
fn costs_a_compile(kit: &Kit, what: &str, reason: &str, spoil: impl FnOnce(&Path), mend: impl FnOnce(&Path)) {
    let folder = &kit.cache.folder;
    let component = kit.component(7);
    spoil(folder);
    let log = logged(|| {
        for _ in 0..3 {
            assert!(!kit.has(A), "{what}");
            drop(kit.cache.put(&component, A));
        }
    });
    assert_eq!(log.len(), 1, "{what}: {log:?}");
    assert!(log[0].contains("compiled code cannot be kept, and plugins are compiled each time: "), "{what}: {log:?}");
    assert!(log[0].contains(reason), "{what}: {log:?}");
    mend(folder);
    drop(kit.cache.put(&component, A));
    assert!(kit.has(A), "{what}: mended");
    std::fs::remove_file(kit.entry(A)).expect("an entry");
}

#[test]
fn a_folder_that_cannot_be_used_costs_a_compile() {
    let kit = Kit::new();
    let remove = |folder: &Path| std::fs::remove_dir_all(folder).expect("removed");
    costs_a_compile(
        &kit,
        "a file in its place",
        "File exists",
        |folder| std::fs::write(folder, "").expect("a file"),
        |folder| std::fs::remove_file(folder).expect("removed"),
    );
    let away = kit.folder.path().join("away");
    costs_a_compile(
        &kit,
        "a link in its place",
        "it is not a folder, or a symbolic link to one",
        |folder| {
            std::fs::rename(folder, &away).expect("moved");
            symlink(&away, folder).expect("a link");
        },
        |folder| std::fs::remove_file(folder).expect("removed"),
    );
    for by in [0o020, 0o002] {
        costs_a_compile(
            &kit,
            "others may write to it",
            "others may write to the folder; empty it, and `chmod 700` it",
            |folder| set_mode(folder, 0o700 | by),
            |folder| set_mode(folder, 0o700),
        );
    }
    costs_a_compile(
        &kit,
        "a folder in the key's place",
        "Is a directory",
        |folder| {
            std::fs::remove_file(folder.join(KEY)).expect("removed");
            std::fs::create_dir(folder.join(KEY)).expect("a folder");
        },
        remove,
    );
}

#[test]
fn a_folder_that_is_removed_meanwhile_is_made_again() {
    let kit = Kit::new();
    let component = kit.component(7);
    drop(kit.cache.put(&component, A));
    std::fs::remove_dir_all(&kit.cache.folder).expect("removed");
    let log = logged(|| {
        assert!(!kit.has(A));
        drop(kit.cache.put(&component, A));
        assert!(kit.has(A));
    });
    assert_eq!(log, [""; 0]);
}

/// Marks an entry as used so many seconds after the epoch.
fn used_at(path: &Path, seconds: u64) {
    let file = File::options().write(true).open(path).expect("an entry");
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).expect("a time");
}

#[test]
fn what_is_longest_unused_makes_room_and_never_what_is_in_use() {
    let kit = Kit::with(Room { entries: 2, bytes: BYTES });
    let a = kit.cache.put(&kit.component(1), A);
    drop(kit.cache.put(&kit.component(2), B));
    used_at(&kit.entry(A), 1);
    used_at(&kit.entry(B), 2);
    let c = kit.cache.put(&kit.component(3), C);
    assert!(kit.entry(A).exists(), "the oldest, but in use");
    assert!(!kit.entry(B).exists());
    let log = logged(|| drop(kit.cache.put(&kit.component(2), B)));
    assert!(!kit.entry(B).exists(), "there is no room: both are in use");
    assert!(log[0].contains("2 entries of") && log[0].contains("leave no room, and are all in use"), "{log:?}");
    // To be taken counts as use.
    drop((a, c));
    used_at(&kit.entry(A), 1);
    used_at(&kit.entry(C), 2);
    assert!(kit.has(A));
    drop(kit.cache.put(&kit.component(2), B));
    assert!(kit.entry(A).exists() && kit.entry(B).exists() && !kit.entry(C).exists(), "{:?}", names(&kit.cache));
}

#[test]
fn bytes_are_bounded_too() {
    let kit = Kit::new();
    drop(kit.cache.put(&kit.component(1), A));
    let bytes = std::fs::metadata(kit.entry(A)).expect("an entry").len();
    let kit = Kit::with(Room { entries: ENTRIES, bytes: bytes * 2 + bytes / 2 });
    for (number, digest) in (1..).zip([A, B, C]) {
        drop(kit.cache.put(&kit.component(number), digest));
        used_at(&kit.entry(digest), number.into());
    }
    assert_eq!(names(&kit.cache), [kit.cache.name(B), kit.cache.name(C)]);
}

#[test]
fn nothing_makes_room_while_another_process_uses_the_folder() {
    let kit = Kit::with(Room { entries: 1, bytes: BYTES });
    drop(kit.cache.put(&kit.component(1), A));
    let other = kit.another();
    assert!(other.get(&kit.engine, A).is_some());
    drop(kit.cache.put(&kit.component(2), B));
    assert_eq!(names(&kit.cache), [kit.cache.name(A)]);
    drop(other);
    drop(kit.cache.put(&kit.component(2), B));
    assert_eq!(names(&kit.cache), [kit.cache.name(B)]);
}

#[test]
fn what_a_crash_left_unfinished_is_removed() {
    let kit = Kit::new();
    drop(kit.cache.put(&kit.component(1), A));
    std::fs::write(kit.cache.folder.join("new-0123"), "half").expect("a file");
    drop(kit.another().put(&kit.component(2), B));
    assert_eq!(names(&kit.cache).len(), 3, "while the first uses the folder it may be writing that");
    let Kit { engine, cache, folder } = kit;
    let another = Arc::new(CodeCache::new(cache.folder.clone(), &engine));
    drop(cache);
    drop(another.put(&component(&engine, 3), C));
    assert_eq!(names(&another).len(), 3, "three entries");
    drop(folder);
}
