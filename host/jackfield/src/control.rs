//! The control socket: where a running node answers questions of the same user on the same machine.
//!
//! A Unix domain socket in the data folder, mode 0600. One line of JSON in, one line out, on each
//! connection any number of times: `{"ask":"status"}` is answered by the node's status, and what cannot be
//! done by `{"error": "why"}`. A socket left behind by a dead node is taken over; one that answers is not. It is
//! removed when the node stops.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jackfield_plugins::Command as Change;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::exit::Unreachable;

/// Longest question, in bytes.
const QUESTION_BYTES: u64 = 4_096;
/// Longest answer taken, in bytes.
const ANSWER_BYTES: u64 = 64 << 20;
/// Connections at once; further ones wait.
const CONNECTIONS: usize = 16;
/// A connection that asks nothing for this long is closed; an answer has as long.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a node may take to show that it is there and not frozen.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// Longest path of a socket, in bytes (`sun_path` of Linux, with its ending zero).
const SOCKET_PATH_BYTES: usize = 107;

/// A question to a running node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// Links, pulls, sessions, counters.
    Status,
    /// Why target selection decided so about an interaction; null when nothing is remembered of it.
    Why {
        /// Its id.
        interaction: String,
    },
    /// What the last decisions of target selection came to.
    Decisions,
    /// Plugins, and the files of their folder.
    Plugins,
    /// Something is to become of a plugin; answered like `Plugins`, or with what is in the way.
    Plugin {
        /// Name in its manifest.
        name: String,
        /// What.
        change: Change,
    },
    /// Sessions of a strategy are to go on with the version in that file; with the `number` of such a move, how
    /// far it is.
    Move {
        /// Name of the strategy.
        strategy: String,
        /// The file; a whole path.
        to: PathBuf,
        /// None: begin.
        number: Option<u64>,
    },
}

/// The listening socket. Dropping it, or `close`, ends it and removes the file.
pub struct Control {
    path: PathBuf,
    /// Which file it is: another node may have put its own there.
    file: Option<(u64, u64)>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Control {
    /// Listens at `path`; `answer` answers.
    ///
    /// # Errors
    /// Another node answers there already, or the socket cannot be made.
    pub async fn listen(
        path: &Path,
        answer: impl Fn(Question) -> Answering + Send + Sync + 'static,
    ) -> anyhow::Result<Control> {
        if path.as_os_str().len() > SOCKET_PATH_BYTES {
            anyhow::bail!(
                "the path of the control socket {} is longer than {SOCKET_PATH_BYTES} bytes; choose a shorter data folder",
                path.display()
            );
        }
        must_be_free(path).await?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot replace {}", path.display()));
            }
            _ => {}
        }
        let listener = UnixListener::bind(path).with_context(|| format!("cannot listen at {}", path.display()))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let control = Control {
            path: path.to_owned(),
            file: file_at(path),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        control.tasks.spawn(accept(listener, Arc::new(answer), control.stop.clone(), control.tasks.clone()));
        Ok(control)
    }

    /// Stops answering.
    pub async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop.cancel();
        if self.file.is_some() && self.file == file_at(&self.path) {
            // Whoever finds it later takes it over anyway.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn file_at(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// An answer on its way; it has ten seconds.
pub type Answering = Pin<Box<dyn Future<Output = Json> + Send>>;

type Answer = Arc<dyn Fn(Question) -> Answering + Send + Sync>;

async fn accept(listener: UnixListener, answer: Answer, stop: CancellationToken, tasks: TaskTracker) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot take a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (answer, stop) = (Arc::clone(&answer), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // A visitor who breaks off has only himself to blame.
                _ = serve(stream, answer) => {}
            }
            drop(permit);
        });
    }
}

async fn serve(stream: UnixStream, answer: Answer) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut question = String::new();
        let mut limited = (&mut read).take(QUESTION_BYTES);
        let count = tokio::time::timeout(PATIENCE, limited.read_line(&mut question)).await??;
        if count == 0 {
            return Ok(());
        }
        let complete = question.ends_with('\n');
        let reply = match serde_json::from_str(&question) {
            Ok(question) if complete => tokio::time::timeout(PATIENCE, answer(question)).await?,
            Ok(_) => json!({ "error": format!("a question is one line of at most {QUESTION_BYTES} bytes") }),
            Err(error) => json!({ "error": format!("not a question: {error}") }),
        };
        let reply = format!("{reply}\n");
        tokio::time::timeout(PATIENCE, write.write_all(reply.as_bytes())).await??;
        if !complete {
            return Ok(());
        }
    }
}

/// Whether a node could listen at `path`.
///
/// # Errors
/// Another one is there, whether or not it answers.
pub async fn must_be_free(path: &Path) -> anyhow::Result<()> {
    let Ok(there) = UnixStream::connect(path).await else { return Ok(()) };
    let id = there.peer_cred().ok().and_then(|owner| owner.pid());
    drop(there);
    if let Ok(Ok(_)) = tokio::time::timeout(SIGN_OF_LIFE, ask(path, Question::Status)).await {
        anyhow::bail!("a node with this name runs already (it answers at {})", path.display());
    }
    let (who, end) = match id {
        Some(id) => (format!(", process {id},"), format!("`kill -9 {id}`")),
        None => (String::new(), "SIGKILL".to_owned()),
    };
    anyhow::bail!(
        "a node with this name{who} is there and does not answer: it may be frozen. End it with {end}; where that \
         cannot be done, remove {}",
        path.display()
    )
}

/// Asks the node that listens at `path`.
///
/// # Errors
/// [`Unreachable`] when no node answers there.
pub async fn ask(path: &Path, question: Question) -> anyhow::Result<Json> {
    let nobody = |error: &dyn std::fmt::Display| {
        Unreachable(format!("no node answers at {}: {error}; start it with `jackfield run`", path.display()))
    };
    let asking = async {
        let stream = UnixStream::connect(path).await?;
        let (read, mut write) = stream.into_split();
        write.write_all(format!("{}\n", serde_json::to_string(&question)?).as_bytes()).await?;
        let mut reply = String::new();
        BufReader::new(read).take(ANSWER_BYTES).read_line(&mut reply).await?;
        io::Result::Ok(reply)
    };
    let reply = tokio::time::timeout(PATIENCE, asking)
        .await
        .map_err(|_| nobody(&"it does not answer in time"))?
        .map_err(|error| nobody(&error))?;
    serde_json::from_str(&reply).map_err(|error| nobody(&error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_questions_and_says_what_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.sock");
        let answer = |question| -> Answering { Box::pin(async move { json!({ "asked": question }) }) };
        let control = Control::listen(&path, answer).await.expect("listens");
        assert_eq!(std::fs::metadata(&path).expect("the socket").permissions().mode() & 0o777, 0o600);
        assert_eq!(ask(&path, Question::Status).await.expect("an answer"), json!({ "asked": { "ask": "status" } }));

        let mut stream = UnixStream::connect(&path).await.expect("connects");
        stream.write_all(b"{\"ask\":\"nonsense\"}\n").await.expect("writes");
        let mut reply = String::new();
        BufReader::new(&mut stream).read_line(&mut reply).await.expect("reads");
        assert!(reply.contains("not a question") && reply.contains("status"), "{reply}");

        let second = Control::listen(&path, answer).await.err().expect("refused");
        assert!(second.to_string().contains("runs already"), "{second}");

        control.close().await;
        assert!(!path.exists());
        assert!(ask(&path, Question::Status).await.expect_err("nobody").is::<Unreachable>());
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_taken_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
        assert!(path.exists());
        let answer = |_| -> Answering { Box::pin(async { Json::Null }) };
        Control::listen(&path, answer).await.expect("takes over").close().await;
    }
}
