//! The e-mail media server, against an Interaction Server that does what each test says and real mail servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod by_smtp;
mod from_imap;
mod from_maildir;
mod message;
mod sending;
mod site;
mod smtp_server;
#[path = "../../../link/tests/support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The longest that anything is waited for.
const AT_LAST: Duration = Duration::from_secs(60);

/// Looks until it is so.
async fn until(what: &str, mut look: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !look() {
        assert!(begin.elapsed() < AT_LAST, "not seen: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A port that nobody listens at.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// A certificate for `localhost` and its key, in a folder.
struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
}

fn certificate(folder: &std::path::Path, name: &str) -> Certificate {
    let issued = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, issued.cert.pem()).expect("written");
    std::fs::write(&key, issued.signing_key.serialize_pem()).expect("written");
    Certificate { certificate, key }
}
