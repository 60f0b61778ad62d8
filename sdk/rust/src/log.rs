//! Lines in the host's log, with the session's id. At most 8 KiB of a line are kept.

#[cfg(target_family = "wasm")]
use crate::bindings::jackfield::strategy::log as import;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something is odd.
    Warn,
    /// What happens.
    Info,
    /// What it was decided upon.
    Debug,
    /// Everything.
    Trace,
}

/// Writes one line. Natively, in tests, it goes to standard error.
pub fn write(level: Level, text: &str) {
    #[cfg(target_family = "wasm")]
    import::write(
        match level {
            Level::Error => import::Level::Error,
            Level::Warn => import::Level::Warn,
            Level::Info => import::Level::Info,
            Level::Debug => import::Level::Debug,
            Level::Trace => import::Level::Trace,
        },
        text,
    );
    #[cfg(not(target_family = "wasm"))]
    eprintln!("{level:?}: {text}");
}

/// Logs a line at level error; takes what `format!` takes.
#[macro_export]
macro_rules! error {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($text)+)) };
}

/// Logs a line at level warn; takes what `format!` takes.
#[macro_export]
macro_rules! warn {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($text)+)) };
}

/// Logs a line at level info; takes what `format!` takes.
#[macro_export]
macro_rules! info {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($text)+)) };
}

/// Logs a line at level debug; takes what `format!` takes.
#[macro_export]
macro_rules! debug {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($text)+)) };
}

/// Logs a line at level trace; takes what `format!` takes.
#[macro_export]
macro_rules! trace {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Trace, &::std::format!($($text)+)) };
}
