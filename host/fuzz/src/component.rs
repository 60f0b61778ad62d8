//! A file in the plugins folder.

use std::sync::LazyLock;
use std::time::Duration;

use jackfield_strategy::{Engine, LoadError, Plugin, Policies, Policy, Settings};
use tokio::runtime::{Builder, Runtime};

/// What the text of a refusal has at most, in bytes, after where the file came from.
const TEXT_BYTES: usize = 6 << 10;
const ORIGIN: &str = "fuzz.wasm";

pub(crate) const WORDS: &[&str] = &[
    "\0asm\x0d\0\x01\0",
    "\0asm\x01\0\0\0",
    "(component ",
    "(core module ",
    "(import \"",
    "jackfield:strategy/log@0.3.0",
    "jackfield:strategy/routing@9.0.0",
    "wasi:cli/environment@0.2.3",
    "(func (export \"describe\")",
    "(memory 1)",
    "(memory 70000)",
    "(table 100000000 funcref)",
    "(loop (br 0))",
    "unreachable",
    "(list ",
    "string",
    "(type ",
    "\u{1b}[2J",
    "\n",
    ")",
];

/// One engine, with limits that are met soon.
static ENGINE: LazyLock<(Engine, Runtime)> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
    let settings = Settings { live: 2, memory_bytes: 4 << 20, ..Settings::default() };
    let engine = Engine::new(settings).expect("an engine");
    let default = Policy { turn_cpu: Duration::from_millis(50), memory_bytes: 4 << 20, ..Policy::default() };
    engine.set_policies(Policies { default, ..Policies::default() });
    (engine, runtime)
});

/// It is loaded, or refused with a text of one line that says of which file and is short enough to be read; and
/// loading it again ends the same way.
pub fn component(bytes: &[u8]) {
    let first = load(bytes);
    match &first {
        Ok(plugin) => {
            assert_eq!(&plugin.bytes()[..], bytes, "a plugin is what it was loaded from");
            let name = plugin.name();
            assert!((1..=64).contains(&name.len()), "the name {name:?}");
        }
        Err(error) => {
            let text = error.to_string();
            let reason = text.strip_prefix(ORIGIN).and_then(|rest| rest.strip_prefix(": "));
            let reason = reason.unwrap_or_else(|| panic!("does not say of which file: {text:?}"));
            assert!(!reason.is_empty() && reason.len() <= TEXT_BYTES, "{} bytes: {text:?}", reason.len());
            assert!(!text.contains(|character: char| character.is_control()), "not one line: {text:?}");
        }
    }
    let second = load(bytes);
    // How far `describe` comes in its time depends on the machine.
    if !described_badly(&first) && !described_badly(&second) {
        assert_eq!(outcome(&first), outcome(&second), "the second time it ends otherwise");
    }
}

fn load(bytes: &[u8]) -> Result<Plugin, LoadError> {
    let (engine, runtime) = &*ENGINE;
    runtime.block_on(engine.load_bytes(ORIGIN, bytes))
}

fn described_badly(result: &Result<Plugin, LoadError>) -> bool {
    matches!(result, Err(LoadError::Describe { .. }))
}

/// Name, version and digest, or the refusal.
fn outcome(result: &Result<Plugin, LoadError>) -> Result<(&str, &str, &str), &LoadError> {
    result.as_ref().map(|plugin| (plugin.name(), plugin.version(), plugin.digest()))
}
