//! A registry that says what a test makes it say.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What it says to one request.
pub enum Answer {
    /// This, whole.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// It announces a length, sends this, and breaks the connection off.
    CutOff { announced: usize, sent: Vec<u8> },
    /// The same byte, without end.
    Endless,
    /// Nothing, ever.
    Nothing,
}

impl Answer {
    pub fn ok(body: impl Into<Vec<u8>>) -> Answer {
        Answer::Whole(200, Vec::new(), body.into())
    }

    pub fn error(status: u16, body: &str) -> Answer {
        Answer::Whole(status, Vec::new(), body.into())
    }
}

/// A request it was asked: path with query, and headers.
pub type Asked = (String, HeaderMap);

/// Listens as long as this lives.
pub struct Lying {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _server: JoinSet<()>,
}

impl Lying {
    /// `answer` is given the method and the path.
    pub async fn start(answer: impl Fn(&str, &str, &HeaderMap) -> Answer + Send + Sync + 'static) -> Lying {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (answer, asked) = (Arc::new(answer), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&asked);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                let service = service_fn(move |request: Request<Incoming>| {
                    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
                    let said = answer(request.method().as_str(), &path, request.headers());
                    seen.lock().expect("nobody panicked").push((path, request.headers().clone()));
                    respond(said)
                });
                connections.spawn(async move {
                    // Clients that try TLS first make it fail.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Lying { address, asked, _server: server }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `oci://<it>/<name>`
    pub fn reference(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.address)
    }

    /// All it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panicked").clone()
    }
}

async fn respond(answer: Answer) -> Result<Response<BoxBody<Bytes, io::Error>>, Infallible> {
    let frame = |bytes: Vec<u8>| Ok(Frame::data(Bytes::from(bytes)));
    let response = match answer {
        Answer::Whole(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(BodyExt::boxed(StreamBody::new(stream::iter([frame(body)]))))
        }
        Answer::CutOff { announced, sent } => {
            // What was sent so far leaves when the body has nothing more for a moment.
            let broken = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::other("as the test wants it"))
            });
            let body = StreamBody::new(stream::iter([frame(sent)]).chain(broken));
            Response::builder().header("content-length", announced).body(BodyExt::boxed(body))
        }
        Answer::Endless => {
            let body = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b'x'; 1 << 16]))));
            Response::builder().body(BodyExt::boxed(StreamBody::new(body)))
        }
        Answer::Nothing => pending().await,
    };
    Ok(response.expect("a response"))
}

/// The manifest of a plugin whose file has this digest and size.
pub fn manifest(content: &str, size: usize) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
            "config":{{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{content}","size":2}},
            "layers":[{{"mediaType":"application/wasm","digest":"{content}","size":{size}}}]}}"#
    )
}
