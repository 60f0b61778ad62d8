//! When to stop: Ctrl-C, SIGTERM, or the end of the parent process.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::output;

/// Signals that come within this time of the first are the same one.
const SAME_STOP: Duration = Duration::from_millis(200);
/// Bytes read at once from a parent that only holds the pipe open.
const PARENT_READ_BYTES: usize = 64;

/// Cancelled at the first signal; the second one ends the process at once, with code 1.
///
/// With `with_parent` the end of standard input counts as the first signal: a parent that holds our
/// standard input open takes us along however it ends.
///
/// # Errors
/// The operating system does not let us have the signals.
pub fn stop_token(with_parent: bool) -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = token.clone();
    tokio::spawn(async move {
        for repeated in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if repeated {
                output::complain("stopped at once");
                std::process::exit(i32::from(Exit::Failed as u8));
            }
            stop.cancel();
            // One stop may reach us twice, by the process and by its group.
            tokio::time::sleep(SAME_STOP).await;
            let _ = (interrupt.recv().now_or_never(), terminate.recv().now_or_never());
        }
    });
    if with_parent {
        let stop = token.clone();
        tokio::spawn(async move {
            let mut input = tokio::io::stdin();
            let mut bytes = [0; PARENT_READ_BYTES];
            while input.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
            stop.cancel();
        });
    }
    Ok(token)
}
