//! The page, and the conversation with it over WebSocket.
//!
//! Nothing waits for a slow reader: each connection reads the transcript from where it is, at its own pace, and
//! is closed when one line cannot be sent in time. What a browser sends is bounded in size and rate, and never
//! becomes part of the page: the page shows text only.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chats::{Chats, Here};
use crate::pace::Pace;
use crate::transcript::{From, LINE_BYTES, NotSaid};

const PAGE: &str = include_str!("page.html");
/// In the page, where the nonce of its script and style goes.
const NONCE: &str = "{{nonce}}";
/// Bytes of one message of a browser: a line whose every character is escaped, and what is around it.
const MESSAGE_BYTES: usize = 6 * LINE_BYTES + 1_000;
/// Characters of a customer's name.
const NAME_CHARACTERS: usize = 80;
/// How long a browser may take to send a request, and its first message.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// How long sending one message may take.
const SENT_WITHIN: Duration = Duration::from_secs(20);
/// Between two pings; a browser that answers none until the next is gone.
const PING_EVERY: Duration = Duration::from_secs(30);

/// From the browser.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Said {
    /// First of all: who is there, and the key of the chat that goes on.
    Hello {
        #[serde(default)]
        key: Option<String>,
        #[serde(default)]
        name: String,
    },
    Say {
        text: String,
    },
    Leave,
}

/// To the browser.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Tell<'t> {
    /// The key to come back with.
    Key {
        key: &'t str,
    },
    Line {
        from: From,
        text: &'t str,
        at: i64,
    },
    /// The last line was not said.
    Refused {
        why: String,
    },
    Ended,
    /// There is no such chat any more, or no room for another.
    Unknown {
        why: &'t str,
    },
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

pub(crate) async fn serve(chats: Arc<Chats>, listener: TcpListener, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(chats.settings.connections));
    let tracker = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // As when there are no more files to be had: others may be let go meanwhile.
                tracing::warn!(%error, "a customer cannot connect");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Without room it is closed at once, and the page tries again later.
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        let (chats, stop) = (Arc::clone(&chats), stop.clone());
        let talking = tracker.clone();
        tracker.spawn(async move {
            let _permit = permit;
            stop.clone().run_until_cancelled(requests(chats, stream, talking, stop)).await;
        });
    }
    tracker.close();
    tracker.wait().await;
}

async fn requests(chats: Arc<Chats>, stream: TcpStream, tracker: TaskTracker, stop: CancellationToken) {
    // A conversation counts as one connection until it ends.
    let (over, mut conversation) = tokio::sync::mpsc::channel::<Infallible>(1);
    let answer = service_fn(move |request| {
        let response = respond(&chats, request, &tracker, &stop, over.clone());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(FIRST_WITHIN)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    if let Err(error) = serving.await {
        tracing::debug!(%error, "a customer's request broke off");
    }
    // Ends when the last sender is gone.
    let _ = conversation.recv().await;
}

fn respond(
    chats: &Arc<Chats>,
    mut request: Request<Incoming>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
    over: tokio::sync::mpsc::Sender<Infallible>,
) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/") => page(),
        (&Method::GET, "/chat") => {
            let Some(accept) = accept(request.headers()) else {
                return refuse(StatusCode::BAD_REQUEST, "this is for WebSocket connections of the page itself");
            };
            let upgraded = hyper::upgrade::on(&mut request);
            let (chats, stop) = (Arc::clone(chats), stop.clone());
            tracker.spawn(async move {
                let _over = over;
                let Ok(upgraded) = upgraded.await else { return };
                let limits = WebSocketConfig::default()
                    .max_message_size(Some(MESSAGE_BYTES))
                    .max_frame_size(Some(MESSAGE_BYTES))
                    .max_write_buffer_size(4 * MESSAGE_BYTES);
                let socket = Socket::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await;
                stop.run_until_cancelled(converse(&chats, socket)).await;
            });
            let mut response = refuse(StatusCode::SWITCHING_PROTOCOLS, "");
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
            response
        }
        (_, "/" | "/chat") => refuse(StatusCode::METHOD_NOT_ALLOWED, "only GET"),
        _ => refuse(StatusCode::NOT_FOUND, "there is only the page at /"),
    }
}

/// What the handshake is answered with (RFC 6455, section 4.2); none: it is none, or of another site's page.
fn accept(headers: &HeaderMap) -> Option<HeaderValue> {
    let has = |name, word: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
    };
    let host = headers.get(header::HOST)?.to_str().ok()?;
    // Programs that are no browsers send none, and could send any.
    let is_ours = headers.get(header::ORIGIN).is_none_or(|origin| {
        origin
            .to_str()
            .is_ok_and(|origin| origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host)))
    });
    let is_upgrade = has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket");
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    (is_ours && is_upgrade && has(header::SEC_WEBSOCKET_VERSION, "13"))
        .then(|| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok())?
}

fn page() -> Response<Full<Bytes>> {
    let nonce = format!("{:032x}", rand::random::<u128>());
    let mut response = Response::new(Full::new(Bytes::from(PAGE.replace(NONCE, &nonce))));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn refuse(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// One browser, until it goes or the chat has ended.
async fn converse(chats: &Arc<Chats>, mut socket: Socket) {
    let ended = match begin(chats, &mut socket).await {
        Ok(Some(here)) => go_on(chats, &here, &mut socket).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a customer's connection broke off");
    }
    let _ = tokio::time::timeout(SENT_WITHIN, socket.close(None)).await;
}

async fn begin(chats: &Arc<Chats>, socket: &mut Socket) -> Result<Option<Here>, Error> {
    let Ok(Some(first)) = tokio::time::timeout(FIRST_WITHIN, socket.next()).await else { return Ok(None) };
    let Ok(Said::Hello { key, name }) = read(&first?) else { return Ok(None) };
    let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARACTERS).collect();
    match chats.come(key.as_deref(), name.trim()) {
        Some((here, new_key)) => {
            if let Some(key) = new_key {
                tell(socket, &Tell::Key { key: &key }).await?;
            }
            Ok(Some(here))
        }
        None => {
            let why = if key.is_some() { "gone" } else { "full" };
            tell(socket, &Tell::Unknown { why }).await?;
            Ok(None)
        }
    }
}

async fn go_on(chats: &Arc<Chats>, here: &Here, socket: &mut Socket) -> Result<(), Error> {
    let chat = &here.chat;
    let mut changes = chat.transcript.changes();
    let a_second = chats.settings.lines_a_second;
    let mut pace = Pace::new(a_second.saturating_mul(4), a_second, Instant::now());
    let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let (mut told, mut is_alive) = (0, true);
    loop {
        changes.mark_unchanged();
        // One at a time: whoever reads slowly holds one line, not all of them.
        while let Some(line) = chat.transcript.look(|state| state.lines.get(told).cloned()) {
            told += 1;
            tell(socket, &Tell::Line { from: line.from, text: &line.text, at: line.at }).await?;
        }
        if chat.transcript.look(|state| state.ended) {
            return tell(socket, &Tell::Ended).await;
        }
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            _ = ping.tick() => {
                if !std::mem::take(&mut is_alive) {
                    return Ok(());
                }
                send(socket, Message::Ping(Bytes::new())).await?;
            }
            message = socket.next() => {
                let Some(message) = message else { return Ok(()) };
                let message = message?;
                is_alive = true;
                if message.is_close() {
                    return Ok(());
                }
                if message.is_ping() || message.is_pong() {
                    continue;
                }
                let refused = match read(&message) {
                    Ok(Said::Say { .. }) if !pace.lets(Instant::now()) => Some("you write too fast".to_owned()),
                    Ok(Said::Say { text }) => said(chats.say(chat, From::Customer, &text, "").await),
                    Ok(Said::Leave) => {
                        let ended = chats.end(chat, "The customer has left.").await;
                        ended.err().map(|error| error.to_string())
                    }
                    // No page of ours sends this.
                    Ok(Said::Hello { .. }) | Err(_) => return Ok(()),
                };
                if let Some(why) = refused {
                    tell(socket, &Tell::Refused { why }).await?;
                }
            }
        }
    }
}

fn said(outcome: Result<usize, NotSaid>) -> Option<String> {
    match outcome {
        Ok(_) => None,
        Err(NotSaid::NotStored(reason)) => {
            tracing::error!(reason, "a line cannot be written down");
            Some("it cannot be written down just now".to_owned())
        }
        Err(other) => Some(other.to_string()),
    }
}

fn read(message: &Message) -> Result<Said, String> {
    let text = message.to_text().map_err(|error| error.to_string())?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

async fn tell(socket: &mut Socket, tell: &Tell<'_>) -> Result<(), Error> {
    let text = serde_json::to_string(tell).map_err(|error| Error::Io(error.into()))?;
    send(socket, Message::text(text)).await
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), Error> {
    let late = || Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut));
    tokio::time::timeout(SENT_WITHIN, socket.send(message)).await.map_err(|_| late())?
}
