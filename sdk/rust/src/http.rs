//! HTTP requests to hosts the plugin may reach.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::jackfield::strategy::http;
use crate::session::{Session, milliseconds};
use crate::{Error, Request, RequestId};

pub use crate::bindings::jackfield::strategy::http::Method;
pub use crate::bindings::jackfield::strategy::types::{HttpHeader, HttpResponse};

/// An HTTP request being put together; see [`Session::fetch`].
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRequest(pub(crate) http::Request);

impl HttpRequest {
    /// A request of any method. `url` is absolute, `http` or `https`, and has no user name in it.
    pub fn new(method: Method, url: impl Into<String>) -> HttpRequest {
        let url = url.into();
        HttpRequest(http::Request { method, url, headers: Vec::new(), body: Vec::new(), timeout: None })
    }

    /// `GET`
    pub fn get(url: impl Into<String>) -> HttpRequest {
        HttpRequest::new(Method::Get, url)
    }

    /// `POST`. See [`Session::fetch`] for what becomes of it when the host goes down.
    pub fn post(url: impl Into<String>) -> HttpRequest {
        HttpRequest::new(Method::Post, url)
    }

    /// `PUT`
    pub fn put(url: impl Into<String>) -> HttpRequest {
        HttpRequest::new(Method::Put, url)
    }

    /// `DELETE`
    pub fn delete(url: impl Into<String>) -> HttpRequest {
        HttpRequest::new(Method::Delete, url)
    }

    /// Adds a header. Credentials go here: `authorization`.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> HttpRequest {
        self.0.headers.push(HttpHeader { name: name.to_owned(), value: value.into() });
        self
    }

    /// The body as it is. Say what it is in the header `content-type`.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> HttpRequest {
        self.0.body = body.into();
        self
    }

    /// A body of JSON, with its header.
    ///
    /// # Errors
    /// [`Error::Other`] when the value cannot be written as JSON.
    pub fn json(self, value: &impl Serialize) -> Result<HttpRequest, Error> {
        let body =
            serde_json::to_vec(value).map_err(|error| Error::other(format!("the body cannot be JSON: {error}")))?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// How long it may take altogether; 30 s when not said, 5 min at the most.
    pub fn within(mut self, timeout: Duration) -> HttpRequest {
        self.0.timeout = Some(milliseconds(timeout));
        self
    }
}

impl From<HttpRequest> for Request {
    fn from(request: HttpRequest) -> Self {
        Request::Fetch(request.0)
    }
}

impl HttpResponse {
    /// Whether the server did what it was asked for: a status from 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first value of a header; upper and lower case do not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.as_str())
    }

    /// The body as UTF-8; what is none is replaced by U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// [`Error::Other`] when it is none, or not that of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::other(format!("the answer (status {}) is not the JSON wanted: {error}", self.status))
        })
    }
}

/// A request about to be made; made by [`Session::fetch`], ended by [`send`](Fetch::send).
#[must_use = "nothing is asked for until `send`"]
pub struct Fetch<'session> {
    session: &'session mut Session,
    request: HttpRequest,
}

impl<'session> Fetch<'session> {
    pub(crate) fn new(session: &'session mut Session, request: HttpRequest) -> Fetch<'session> {
        Fetch { session, request }
    }

    /// How long it may take altogether; 30 s when not said, 5 min at the most.
    pub fn within(self, timeout: Duration) -> Self {
        Fetch { session: self.session, request: self.request.within(timeout) }
    }

    /// Asks, and waits for the answer: whatever the server says, that it refuses included
    /// ([`HttpResponse::is_success`]).
    ///
    /// # Errors
    /// [`Error::Timeout`]; [`Error::Refused`] when there is no answer for another reason. Its name is
    /// `host_not_allowed` where the plugin's policy does not name the host, `outcome_unknown` where the host
    /// went down meanwhile and the request may not be repeated, `too_large` or `http_failed` otherwise.
    pub fn send(self) -> Result<HttpResponse, Error> {
        self.session.fetched(self.request.into())
    }

    /// Makes the request and does not wait; see [`Session::wait`]. A session may have 16 under way.
    pub fn submit(self) -> RequestId {
        self.session.request(self.request.into())
    }
}
