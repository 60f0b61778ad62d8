//! What the contract says of HTTP requests: their bounds, and which may be repeated.

use std::time::Duration;

use super::{HttpHeader, HttpRequest, Method};

/// Requests of one session that may have no outcome yet.
pub const AT_ONCE: usize = 16;
/// Headers of a response.
pub const RESPONSE_HEADERS: usize = 100;
/// Bytes of the names and values of those.
pub const RESPONSE_HEADER_BYTES: usize = 64 << 10;
/// Bytes of the body of a response.
pub const RESPONSE_BODY_BYTES: usize = 1 << 20;
/// Redirects that are followed.
pub const REDIRECTS: usize = 10;

const URL_BYTES: usize = 8 << 10;
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 16 << 10;
const BODY_BYTES: usize = 1 << 20;
const DEFAULT_TIMEOUT_MS: u64 = 30_000;
const LONGEST_TIMEOUT_MS: u64 = 300_000;

/// Headers that carry the request, and are the host's own affair.
const OF_THE_HOST: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Method {
    /// As it is sent.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Post => "POST",
            Method::Patch => "PATCH",
        }
    }

    /// Whether doing it twice is the same as doing it once (RFC 9110, 9.2.2).
    pub fn may_be_repeated(self) -> bool {
        !matches!(self, Method::Post | Method::Patch)
    }
}

impl HttpRequest {
    /// How long it may take.
    pub fn within(&self) -> Duration {
        Duration::from_millis(self.timeout.unwrap_or(DEFAULT_TIMEOUT_MS))
    }
}

/// Whether a request is within its bounds. Its URL is looked at by whoever knows where it may go.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn check(request: &HttpRequest) -> Result<(), String> {
    let HttpRequest { url, headers, body, timeout, .. } = request;
    let most = |what: &str, is: usize, most: usize| match is <= most {
        true => Ok(()),
        false => Err(format!("{what}: {is}; at most {most}")),
    };
    most("bytes of the URL", url.len(), URL_BYTES)?;
    most("headers", headers.len(), HEADERS)?;
    let bytes = |header: &HttpHeader| header.name.len() + header.value.len();
    most("bytes of the headers", headers.iter().map(bytes).sum(), HEADER_BYTES)?;
    most("bytes of the body", body.len(), BODY_BYTES)?;
    headers.iter().try_for_each(check_header)?;
    match timeout {
        Some(0) => Err("a time-out of 0 ms; leave it out for 30 s".to_owned()),
        Some(timeout) if *timeout > LONGEST_TIMEOUT_MS => {
            Err(format!("a time-out of {timeout} ms; at most {LONGEST_TIMEOUT_MS}"))
        }
        _ => Ok(()),
    }
}

/// RFC 9110, 5.1 and 5.5.
fn check_header(header: &HttpHeader) -> Result<(), String> {
    let HttpHeader { name, value } = header;
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(in_name) {
        return Err(format!("header {name:?}: that is no name of a header"));
    }
    if OF_THE_HOST.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Err(format!("header `{name}`: the host sets it; leave it out"));
    }
    if value.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        return Err(format!("header `{name}`: its value has control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> HttpRequest {
        HttpRequest {
            method: Method::Get,
            url: "http://example.com".into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
        }
    }

    fn header(name: &str, value: &str) -> HttpHeader {
        HttpHeader { name: name.into(), value: value.into() }
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let refused = |change: fn(&mut HttpRequest)| {
            let mut request = request();
            change(&mut request);
            check(&request).expect_err("out of bounds")
        };
        assert_eq!(check(&request()), Ok(()));
        assert_eq!(refused(|it| it.url = "x".repeat(9_000)), "bytes of the URL: 9000; at most 8192");
        assert_eq!(refused(|it| it.headers = vec![header("a", "b"); 65]), "headers: 65; at most 64");
        let large = refused(|it| it.headers = vec![header("a", &"b".repeat(16_384))]);
        assert_eq!(large, "bytes of the headers: 16385; at most 16384");
        assert_eq!(refused(|it| it.body = vec![0; 1_048_577]), "bytes of the body: 1048577; at most 1048576");
        assert_eq!(refused(|it| it.timeout = Some(0)), "a time-out of 0 ms; leave it out for 30 s");
        assert_eq!(refused(|it| it.timeout = Some(300_001)), "a time-out of 300001 ms; at most 300000");
    }

    #[test]
    fn headers_cannot_smuggle_anything() {
        for (name, value) in [
            ("", "x"),
            ("a b", "x"),
            ("a:", "x"),
            ("a\r\nb", "x"),
            ("ä", "x"),
            ("Host", "example.org"),
            ("Transfer-Encoding", "chunked"),
            ("CONTENT-LENGTH", "3"),
            ("x", "1\r\nHost: example.org"),
            ("x", "1\0"),
        ] {
            assert!(check_header(&header(name, value)).is_err(), "{name:?}: {value:?}");
        }
        for (name, value) in [("Accept", "*/*"), ("x-note", ""), ("X_1", "a\tb ü")] {
            assert_eq!(check_header(&header(name, value)), Ok(()), "{name:?}: {value:?}");
        }
    }

    #[test]
    fn what_makes_or_changes_in_part_may_not_be_repeated() {
        let all = [
            (Method::Get, true),
            (Method::Head, true),
            (Method::Options, true),
            (Method::Put, true),
            (Method::Delete, true),
            (Method::Post, false),
            (Method::Patch, false),
        ];
        for (method, repeatable) in all {
            assert_eq!(method.may_be_repeated(), repeatable, "{}", method.name());
        }
    }
}
