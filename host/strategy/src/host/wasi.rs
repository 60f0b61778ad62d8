//! WASI 0.2 as far as a strategy has it: standard output and error, which become log lines; clocks,
//! whose time is the turn's; random, from the session's own generator. There are no files, no
//! sockets, no environment, no arguments and no standard input.
//!
//! What is not defined here is stubbed when a plugin is loaded, and traps when it is called. A
//! strategy waits in `events.next` and nowhere else: to sleep or to poll traps too. Nothing here
//! needs a table of resources: the few there can be are told apart by constant numbers.

use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};

use crate::output::Stream;
use crate::state::State;

/// Bytes one call may draw.
const RANDOM_BYTES: u64 = 1 << 20;
/// Bytes one write may have: what a stream says it has room for.
const WRITE_BYTES: u64 = 64 << 10;
/// The packages of WASI 0.2 a component may import from.
const PACKAGES: &[&str] = &["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// Whether an import, such as `wasi:io/streams@0.2.6`, is of the part of WASI that is linked.
pub(crate) fn is_known(import: &str) -> bool {
    let Some((package, rest)) = import.strip_prefix("wasi:").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    PACKAGES.contains(&package) && rest.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."))
}

/// Defines an interface, under the very name by which a component imports it.
pub(crate) fn define(linker: &mut Linker<State>, import: &str) -> wasmtime::Result<()> {
    let mut instance = linker.instance(import)?;
    // An interface exports the resources it uses of others too; a name is the same one everywhere.
    resource::<Descriptor>(&mut instance, "descriptor")?;
    resource::<InputStream>(&mut instance, "input-stream")?;
    resource::<IoError>(&mut instance, "error")?;
    resource::<OutputStream>(&mut instance, "output-stream")?;
    resource::<Pollable>(&mut instance, "pollable")?;
    resource::<TerminalInput>(&mut instance, "terminal-input")?;
    resource::<TerminalOutput>(&mut instance, "terminal-output")?;
    match import.split_once('@').map_or(import, |(interface, _)| interface) {
        "wasi:cli/environment" => environment(&mut instance),
        "wasi:cli/exit" => exit(&mut instance),
        "wasi:cli/stdin" => instance.func_wrap("get-stdin", |_, (): ()| Ok((Resource::<InputStream>::new_own(STDIN),))),
        "wasi:cli/stdout" => {
            instance.func_wrap("get-stdout", |_, (): ()| Ok((Resource::<OutputStream>::new_own(STDOUT),)))
        }
        "wasi:cli/stderr" => {
            instance.func_wrap("get-stderr", |_, (): ()| Ok((Resource::<OutputStream>::new_own(STDERR),)))
        }
        "wasi:cli/terminal-stdin" => {
            instance.func_wrap("get-terminal-stdin", |_, (): ()| Ok((None::<Resource<TerminalInput>>,)))
        }
        "wasi:cli/terminal-stdout" => {
            instance.func_wrap("get-terminal-stdout", |_, (): ()| Ok((None::<Resource<TerminalOutput>>,)))
        }
        "wasi:cli/terminal-stderr" => {
            instance.func_wrap("get-terminal-stderr", |_, (): ()| Ok((None::<Resource<TerminalOutput>>,)))
        }
        "wasi:clocks/monotonic-clock" => monotonic_clock(&mut instance),
        "wasi:clocks/wall-clock" => wall_clock(&mut instance),
        "wasi:filesystem/preopens" => {
            instance.func_wrap("get-directories", |_, (): ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))
        }
        "wasi:io/poll" => poll(&mut instance),
        "wasi:io/streams" => streams(&mut instance),
        "wasi:random/random" => {
            instance.func_wrap("get-random-bytes", random_bytes)?;
            instance.func_wrap("get-random-u64", random_number)
        }
        "wasi:random/insecure" => {
            instance.func_wrap("get-insecure-random-bytes", random_bytes)?;
            instance.func_wrap("get-insecure-random-u64", random_number)
        }
        "wasi:random/insecure-seed" => instance.func_wrap("insecure-seed", |mut store: Store<'_>, (): ()| {
            let random = &mut store.data_mut().random;
            Ok(((random.next(), random.next()),))
        }),
        _ => Ok(()),
    }
}

type Store<'a> = StoreContextMut<'a, State>;
type Instance<'a> = LinkerInstance<'a, State>;
type Streamed<T> = Result<T, StreamError>;

// The resources of WASI, as types that tell them apart.
struct Descriptor;
struct InputStream;
struct IoError;
struct OutputStream;
struct Pollable;
struct TerminalInput;
struct TerminalOutput;

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;
/// A pollable that is always ready: of a stream, or of a time that has come.
const READY: u32 = 0;
/// A pollable of a time that does not come while the turn runs.
const NEVER: u32 = 1;

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    /// Never made: it is part of the type.
    #[component(name = "last-operation-failed")]
    #[allow(dead_code)]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

fn resource<T: 'static>(instance: &mut Instance<'_>, name: &str) -> wasmtime::Result<()> {
    instance.resource(name, ResourceType::host::<T>(), |_, _| Ok(()))
}

fn waits_elsewhere<T>() -> wasmtime::Result<T> {
    Err(wasmtime::Error::msg("it slept or polled; a strategy waits in `events.next` and nowhere else"))
}

fn environment(instance: &mut Instance<'_>) -> wasmtime::Result<()> {
    instance.func_wrap("get-environment", |_, (): ()| Ok((Vec::<(String, String)>::new(),)))?;
    instance.func_wrap("get-arguments", |_, (): ()| Ok((Vec::<String>::new(),)))?;
    instance.func_wrap("initial-cwd", |_, (): ()| Ok((None::<String>,)))
}

fn exit(instance: &mut Instance<'_>) -> wasmtime::Result<()> {
    instance.func_wrap("exit", |_, (status,): (Result<(), ()>,)| -> wasmtime::Result<()> {
        let status = if status.is_ok() { "success" } else { "failure" };
        Err(wasmtime::Error::msg(format!("it called exit ({status}); a strategy ends when `run` returns")))
    })?;
    instance.func_wrap("exit-with-code", |_, (code,): (u8,)| -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg(format!("it called exit (code {code}); a strategy ends when `run` returns")))
    })
}

fn monotonic_clock(instance: &mut Instance<'_>) -> wasmtime::Result<()> {
    fn now(store: &Store<'_>) -> u64 {
        store.data().clock.monotonic
    }
    fn pollable(is_ready: bool) -> Resource<Pollable> {
        Resource::new_own(if is_ready { READY } else { NEVER })
    }
    instance.func_wrap("now", |store: Store<'_>, (): ()| Ok((now(&store),)))?;
    instance.func_wrap("resolution", |_, (): ()| Ok((1_u64,)))?;
    instance
        .func_wrap("subscribe-instant", |store: Store<'_>, (when,): (u64,)| Ok((pollable(when <= now(&store)),)))?;
    instance.func_wrap("subscribe-duration", |_, (length,): (u64,)| Ok((pollable(length == 0),)))
}

fn wall_clock(instance: &mut Instance<'_>) -> wasmtime::Result<()> {
    instance.func_wrap("now", |store: Store<'_>, (): ()| {
        let now = Duration::from_nanos(store.data().clock.wall);
        Ok((Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() },))
    })?;
    instance.func_wrap("resolution", |_, (): ()| Ok((Datetime { seconds: 0, nanoseconds: 1 },)))
}

fn poll(instance: &mut Instance<'_>) -> wasmtime::Result<()> {
    instance
        .func_wrap("[method]pollable.ready", |_, (pollable,): (Resource<Pollable>,)| Ok((pollable.rep() == READY,)))?;
    instance.func_wrap(
        "[method]pollable.block",
        |_, (pollable,): (Resource<Pollable>,)| {
            if pollable.rep() == READY { Ok(()) } else { waits_elsewhere() }
        },
    )?;
    instance.func_wrap("poll", |_, (pollables,): (Vec<Resource<Pollable>>,)| {
        let ready: Vec<u32> = (0..).zip(&pollables).filter(|(_, p)| p.rep() == READY).map(|(at, _)| at).collect();
        if ready.is_empty() { waits_elsewhere() } else { Ok((ready,)) }
    })
}

fn streams(instance: &mut Instance<'_>) -> wasmtime::Result<()> {
    for name in ["read", "blocking-read"] {
        instance.func_wrap(
            &format!("[method]input-stream.{name}"),
            |_, (_, _): (Resource<InputStream>, u64)| -> wasmtime::Result<(Streamed<Vec<u8>>,)> {
                Ok((Err(StreamError::Closed),))
            },
        )?;
    }
    for name in ["skip", "blocking-skip"] {
        instance.func_wrap(
            &format!("[method]input-stream.{name}"),
            |_, (_, _): (Resource<InputStream>, u64)| -> wasmtime::Result<(Streamed<u64>,)> {
                Ok((Err(StreamError::Closed),))
            },
        )?;
    }
    instance.func_wrap("[method]input-stream.subscribe", |_, (_,): (Resource<InputStream>,)| {
        Ok((Resource::<Pollable>::new_own(READY),))
    })?;

    instance.func_wrap("[method]output-stream.check-write", |_, (_,): (Resource<OutputStream>,)| {
        Ok((Streamed::Ok(WRITE_BYTES),))
    })?;
    for name in ["write", "blocking-write-and-flush"] {
        instance.func_wrap(&format!("[method]output-stream.{name}"), write)?;
    }
    for name in ["flush", "blocking-flush"] {
        instance.func_wrap(&format!("[method]output-stream.{name}"), |_, (_,): (Resource<OutputStream>,)| {
            Ok((Streamed::Ok(()),))
        })?;
    }
    instance.func_wrap("[method]output-stream.subscribe", |_, (_,): (Resource<OutputStream>,)| {
        Ok((Resource::<Pollable>::new_own(READY),))
    })
}

fn write(
    mut store: Store<'_>,
    (stream, bytes): (Resource<OutputStream>, Vec<u8>),
) -> wasmtime::Result<(Streamed<()>,)> {
    let stream = if stream.rep() == STDERR { Stream::Stderr } else { Stream::Stdout };
    store.data_mut().output.write(stream, &bytes);
    Ok((Ok(()),))
}

fn random_bytes(mut store: Store<'_>, (length,): (u64,)) -> wasmtime::Result<(Vec<u8>,)> {
    if length > RANDOM_BYTES {
        return Err(wasmtime::Error::msg(format!(
            "it asked for {length} random bytes at once; at most {RANDOM_BYTES}"
        )));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    store.data_mut().random.fill(&mut bytes);
    Ok((bytes,))
}

fn random_number(mut store: Store<'_>, (): ()) -> wasmtime::Result<(u64,)> {
    Ok((store.data_mut().random.next(),))
}
