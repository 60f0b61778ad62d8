//! An HTTP server that answers by path, and remembers what it was asked.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::header::{HeaderValue, LOCATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

/// Answers `/say/<text>` with the text, `/status/<number>` with that status, `/bytes/<number>` with so many
/// bytes, `/to/<URL>` with a redirect, `/round` with one to
/// itself, and `/hold` never.
pub struct HttpServer {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Ends with it.
    _tasks: JoinSet<()>,
}

impl HttpServer {
    pub async fn open() -> HttpServer {
        HttpServer::open_with(None).await
    }

    /// With TLS, if there is one who accepts it.
    pub async fn open_with(tls: Option<TlsAcceptor>) -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let mut tasks = JoinSet::new();
        let book = asked.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (book, tls) = (book.clone(), tls.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(book.clone(), request));
                    // A client that goes away is no fault, nor one that does not trust us.
                    let _ = match tls {
                        None => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
                            Err(_) => Ok(()),
                        },
                    };
                });
            }
        });
        HttpServer { address, asked, _tasks: tasks }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panics").clone()
    }
}

async fn answer(book: Arc<Mutex<Vec<Asked>>>, request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let asked = Asked { method: request.method().to_string(), path: path.clone(), headers };
    book.lock().expect("nobody panics").push(asked);
    let mut response = Response::new(String::new());
    match path.split_once('/').unwrap_or((&path, "")) {
        ("say", text) => *response.body_mut() = text.to_owned(),
        ("status", number) => {
            *response.status_mut() = StatusCode::from_bytes(number.as_bytes()).expect("a status");
        }
        ("bytes", number) => *response.body_mut() = "x".repeat(number.parse().expect("a number")),
        ("to", url) => {
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert(LOCATION, HeaderValue::from_str(url).expect("a URL"));
        }
        ("round", _) => {
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert(LOCATION, HeaderValue::from_static("/round"));
        }
        _ => std::future::pending().await,
    }
    Ok(response)
}
