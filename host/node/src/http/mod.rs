//! HTTP requests of strategies, carried out: bounded in number, size and time, and only to hosts the plugin may
//! reach (`reach`), redirects and what a name resolves to included.
//!
//! One client for each list of hosts, made when it is first needed, because where a redirect may go and which
//! addresses a name may have is the client's affair. A request ends with an answer within its bounds, or with a
//! failure; dropping it cuts its connection.

pub(crate) mod reach;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jackfield_strategy::contract::http::{REDIRECTS, RESPONSE_BODY_BYTES, RESPONSE_HEADER_BYTES, RESPONSE_HEADERS};
use jackfield_strategy::contract::{Failure, HttpHeader, HttpRequest, HttpResponse};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response};
use tokio::sync::Semaphore;
use url::Url;

use self::reach::{Hosts, is_public, may_reach};
use crate::failures::HostError;

/// Requests of a node under way at once; more wait.
const AT_ONCE: usize = 256;
/// Those of one list of hosts, so that slow servers of one plugin do not hold up another.
const AT_ONCE_OF_ONE: usize = 64;
/// Requests of a node under way or waiting; more fail.
const WAITING: usize = 4_096;
/// Lists of hosts there may be clients for. The connections of others are dropped.
const CLIENTS: usize = 256;
/// Connections to one host that are kept for the next request, and how long.
const IDLE_CONNECTIONS: usize = 8;
const IDLE_TIME: Duration = Duration::from_secs(30);
/// What is sent unless the strategy says something else.
const AGENT: &str = concat!("jackfield/", env!("CARGO_PKG_VERSION"));
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Carries them out. Shared by the links of a node.
pub(crate) struct Http {
    clients: Mutex<BTreeMap<Vec<String>, Arc<Reach>>>,
    at_once: Semaphore,
    waiting: Semaphore,
}

/// What is needed to reach one list of hosts.
struct Reach {
    client: Client,
    hosts: Arc<Hosts>,
    at_once: Semaphore,
}

impl Default for Http {
    fn default() -> Self {
        Http { clients: Mutex::default(), at_once: Semaphore::new(AT_ONCE), waiting: Semaphore::new(WAITING) }
    }
}

impl Http {
    /// Asks, and waits for the answer. `key` is sent as `idempotency-key` where the request has none. Dropping
    /// it is safe; whether the server did what it was asked for is not known then.
    pub async fn fetch(&self, hosts: &[String], request: HttpRequest, key: &str) -> Result<HttpResponse, Failure> {
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return Err(HostError::TooManyRequests.with(format!("{WAITING} HTTP requests of this node are under way")));
        };
        let within = request.within();
        let is_open = !request.method.may_be_repeated();
        match tokio::time::timeout(within, self.carry_out(hosts, request, key)).await {
            Ok(answer) => answer,
            Err(_) if is_open => Err(HostError::Timeout
                .with(format!("no answer within {} ms; whether the server did it is not known", within.as_millis()))),
            Err(_) => Err(HostError::Timeout.with(format!("no answer within {} ms", within.as_millis()))),
        }
    }

    async fn carry_out(&self, hosts: &[String], request: HttpRequest, key: &str) -> Result<HttpResponse, Failure> {
        let url = Url::parse(&request.url).map_err(|error| HostError::BadRequest.with(format!("the URL: {error}")))?;
        let reach = self.reach(hosts)?;
        may_reach(&reach.hosts, &url).map_err(|why| HostError::HostNotAllowed.with(why))?;
        let closed = |_| HostError::HttpFailed.with("the node is stopping");
        let _one = reach.at_once.acquire().await.map_err(closed)?;
        let _all = self.at_once.acquire().await.map_err(closed)?;
        let method = reqwest::Method::from_bytes(request.method.name().as_bytes()).map_err(|_| unsendable())?;
        let asked = reach.client.request(method, url).headers(headers(&request.headers, key)?).body(request.body);
        let response = asked.send().await.map_err(failure)?;
        answer(response).await
    }

    fn reach(&self, entries: &[String]) -> Result<Arc<Reach>, Failure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reach) = clients.get(entries) {
            return Ok(reach.clone());
        }
        let hosts = Arc::new(Hosts::new(entries).map_err(|why| HostError::HostNotAllowed.with(why))?);
        let client = client(&hosts).map_err(|error| HostError::HttpFailed.with(chain(&error)))?;
        let reach = Arc::new(Reach { client, hosts, at_once: Semaphore::new(AT_ONCE_OF_ONE) });
        if clients.len() >= CLIENTS {
            clients.pop_first();
        }
        clients.insert(entries.to_vec(), reach.clone());
        Ok(reach)
    }
}

/// Whether an entry is one of those a plugin's list of hosts may have: `host` (its ports 80 and 443),
/// `host:port`, `*.domain` (all that is below, with public addresses) or `*.domain:port`. A host is a name, an
/// IPv4 address, or an IPv6 address in brackets.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_host(entry: &str) -> Result<(), String> {
    Hosts::new(&[entry.to_owned()]).map(drop)
}

fn client(hosts: &Arc<Hosts>) -> reqwest::Result<Client> {
    // Whoever was first has set it; there is no other one in this program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (redirects, names) = (hosts.clone(), hosts.clone());
    Client::builder()
        .user_agent(AGENT)
        .no_proxy()
        .referer(false)
        .redirect(Policy::custom(move |attempt| follow(&redirects, attempt)))
        .dns_resolver(Arc::new(Resolver(names)))
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIME)
        .http2_max_header_list_size(u32::try_from(RESPONSE_HEADER_BYTES).unwrap_or(u32::MAX))
        .build()
}

/// Whether a redirect is followed.
fn follow(hosts: &Hosts, attempt: Attempt<'_>) -> reqwest::redirect::Action {
    // The first one is the request itself.
    if attempt.previous().len() > REDIRECTS {
        return attempt.error(Refused(HostError::HttpFailed, format!("more than {REDIRECTS} redirects")));
    }
    if attempt.url().scheme() == "http" && attempt.previous().iter().any(|url| url.scheme() == "https") {
        return attempt.error(Refused(HostError::HttpFailed, "a redirect from https to http".to_owned()));
    }
    match may_reach(hosts, attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(why) => attempt.error(Refused(HostError::HostNotAllowed, format!("a redirect: {why}"))),
    }
}

/// Looks up names. What a pattern names must be public.
struct Resolver(Arc<Hosts>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let hosts = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            if hosts.name_exactly(name.as_str()) {
                return Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs);
            }
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                let why = format!(
                    "`{}` has no public address; to reach it, name it itself among the `http-hosts` of the plugin's policy",
                    name.as_str()
                );
                return Err(Box::new(Refused(HostError::HostNotAllowed, why)) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Refused by us, in the middle of the client's work.
#[derive(Debug)]
struct Refused(HostError, String);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.1)
    }
}

impl Error for Refused {}

fn headers(given: &[HttpHeader], key: &str) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::with_capacity(given.len() + 1);
    for HttpHeader { name, value } in given {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unsendable())?;
        headers.append(name, value);
    }
    if !headers.contains_key(IDEMPOTENCY_KEY) {
        // A string, as the draft of that header has it.
        let key = HeaderValue::try_from(format!("\"{key}\"")).map_err(|_| unsendable())?;
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    if !headers.contains_key(USER_AGENT) {
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    }
    Ok(headers)
}

/// The host has looked at all of it when the strategy asked.
fn unsendable() -> Failure {
    HostError::BadRequest.with("the request cannot be sent as it is")
}

/// The answer, as far as it is within its bounds.
async fn answer(mut response: Response) -> Result<HttpResponse, Failure> {
    let too_large =
        |what: &str, most: usize| HostError::TooLarge.with(format!("the answer has more than {most} {what}"));
    let status = response.status().as_u16();
    if response.headers().len() > RESPONSE_HEADERS {
        return Err(too_large("headers", RESPONSE_HEADERS));
    }
    let header = |(name, value): (&HeaderName, &HeaderValue)| HttpHeader {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    let headers: Vec<HttpHeader> = response.headers().iter().map(header).collect();
    if headers.iter().map(|header| header.name.len() + header.value.len()).sum::<usize>() > RESPONSE_HEADER_BYTES {
        return Err(too_large("bytes of headers", RESPONSE_HEADER_BYTES));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > RESPONSE_BODY_BYTES {
            return Err(too_large("bytes in its body", RESPONSE_BODY_BYTES));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse { status, headers, body })
}

/// What a strategy learns of a request that failed on its way.
fn failure(error: reqwest::Error) -> Failure {
    // The strategy knows its URL; what is in it may be nobody else's business.
    let error = error.without_url();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(Refused(kind, why)) = error.downcast_ref() {
            return kind.with(why);
        }
        cause = error.source();
    }
    HostError::HttpFailed.with(chain(&error))
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use jackfield_strategy::contract::Method;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Notify;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_name_that_only_a_pattern_names_must_be_public() {
        let resolve = async |entries: &[&str]| {
            let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
            let resolver = Resolver(Arc::new(Hosts::new(&entries).expect("hosts")));
            resolver.resolve("localhost".parse().expect("a name")).await
        };
        let error = resolve(&["*.example.com"]).await.err().expect("a refusal");
        assert!(error.downcast_ref::<Refused>().is_some_and(|Refused(kind, _)| *kind == HostError::HostNotAllowed));
        assert!(error.to_string().starts_with("`localhost` has no public address; to reach it, name it itself"));
        assert!(resolve(&["localhost"]).await.is_ok_and(|mut found| found.all(|address| address.ip().is_loopback())));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_than_so_many_are_under_way_for_one_list_of_hosts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (under_way, most, all_there) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let (counted, peak, there) = (under_way.clone(), most.clone(), all_there.clone());
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (counted, peak, there) = (counted.clone(), peak.clone(), there.clone());
                connections.spawn(async move {
                    let mut bytes = [0; 4_096];
                    let _ = stream.read(&mut bytes).await;
                    let notified = there.notified();
                    let now = counted.fetch_add(1, Ordering::SeqCst) + 1;
                    peak.fetch_max(now, Ordering::SeqCst);
                    // Nobody is answered before as many are there as there may be.
                    if now == AT_ONCE_OF_ONE {
                        there.notify_waiters();
                    } else if peak.load(Ordering::SeqCst) < AT_ONCE_OF_ONE {
                        notified.await;
                    }
                    counted.fetch_sub(1, Ordering::SeqCst);
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
                });
            }
        });
        let http = Arc::new(Http::default());
        let mut asked = JoinSet::new();
        for number in 0..AT_ONCE_OF_ONE + 20 {
            let http = http.clone();
            asked.spawn(async move {
                let request = HttpRequest {
                    method: Method::Get,
                    url: format!("http://{address}/{number}"),
                    headers: Vec::new(),
                    body: Vec::new(),
                    timeout: None,
                };
                http.fetch(&[address.to_string()], request, "key").await
            });
        }
        let answers = asked.join_all().await;
        assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 204)), "{answers:?}");
        assert_eq!(most.load(Ordering::SeqCst), AT_ONCE_OF_ONE);
        assert_eq!(http.at_once.available_permits(), AT_ONCE);
        assert_eq!(http.waiting.available_permits(), WAITING);
        server.abort();
    }
}
