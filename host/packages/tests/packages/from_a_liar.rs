//! A registry that lies, breaks off, never ends, or sends one elsewhere.

use std::net::Ipv4Addr;
use std::time::Duration;

use jackfield_packages::oci::{Access, Limits, Login, RegistryError};
use jackfield_packages::sha256;
use tokio::net::TcpSocket;

use super::lying::{Answer, Lying, manifest};
use super::{component, fetch, fetch_by, find, says};

/// A registry whose manifest is right for `bytes`, and whose file is what `blob` says.
async fn with_blob(bytes: &[u8], blob: impl Fn() -> Answer + Send + Sync + 'static) -> Lying {
    let manifest = manifest(&sha256(bytes), bytes.len());
    Lying::start(move |_, path, _| match path {
        "/v2/" => Answer::ok(""),
        _ if path.contains("/manifests/") => Answer::ok(manifest.clone()),
        _ => blob(),
    })
    .await
}

/// A registry that gives this for every manifest, and no file.
async fn with_manifest(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Lying {
    Lying::start(move |_, path, _| if path == "/v2/" { Answer::ok("") } else { answer() }).await
}

fn blobs_asked(registry: &Lying) -> usize {
    registry.asked().iter().filter(|(path, _)| path.contains("/blobs/")).count()
}

#[tokio::test]
async fn the_truth_for_comparison() {
    let bytes = component(1000, 1);
    let sent = bytes.clone();
    let registry = with_blob(&bytes, move || Answer::ok(sent.clone())).await;
    assert_eq!(fetch(&registry.reference("triage:1")).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_file_that_breaks_off() {
    let bytes = component(1000, 1);
    let (all, half) = (bytes.len(), bytes[..500].to_vec());
    let cut = half.clone();
    let registry = with_blob(&bytes, move || Answer::CutOff { announced: all, sent: cut.clone() }).await;
    let error = says(fetch(&registry.reference("triage:1")).await, &["broken off after", "of 1012 bytes", "try again"]);
    assert!(error.is_retriable() && !error.is_unreachable());

    // It says itself that this is all.
    let registry = with_blob(&bytes, move || Answer::ok(half.clone())).await;
    let error = says(fetch(&registry.reference("triage:1")).await, &["broken off after 500 of 1012 bytes"]);
    assert!(error.is_retriable());
}

#[tokio::test]
async fn a_file_of_another_digest() {
    let (asked, sent) = (component(1000, 1), component(1000, 2));
    let (expected, found) = (sha256(&asked), sha256(&sent));
    let registry = with_blob(&asked, move || Answer::ok(sent.clone())).await;
    let error = fetch(&registry.reference("triage:1")).await;
    let error = says(error, &["other contents than it should", &expected, &found, "do not use them"]);
    assert!(matches!(error, RegistryError::OtherDigest { .. }) && !error.is_retriable());
}

#[tokio::test]
async fn a_file_without_end_is_not_read_to_its_end() {
    let registry = with_blob(&component(1000, 1), || Answer::Endless).await;
    says(fetch(&registry.reference("triage:1")).await, &["its manifest says 1012 bytes, its file has more"]);
}

#[tokio::test]
async fn a_file_of_another_size_than_its_manifest_says() {
    let bytes = component(1000, 1);
    let (says_more, sent) = (manifest(&sha256(&bytes), bytes.len() + 1), bytes);
    let registry = Lying::start(move |_, path, _| match path {
        "/v2/" => Answer::ok(""),
        _ if path.contains("/manifests/") => Answer::ok(says_more.clone()),
        _ => Answer::ok(sent.clone()),
    })
    .await;
    says(fetch(&registry.reference("triage:1")).await, &["its manifest says 1013 bytes, its file has fewer"]);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_not_asked_for() {
    let huge = manifest(&sha256(b""), (128 << 20) + 1);
    let registry = with_manifest(move || Answer::ok(huge.clone())).await;
    says(fetch(&registry.reference("triage:1")).await, &["134217729 bytes; a plugin has at most 134217728"]);
    assert_eq!(blobs_asked(&registry), 0);

    let registry = with_manifest(|| Answer::ok(vec![b' '; (4 << 20) + 1])).await;
    says(fetch(&registry.reference("triage:1")).await, &["a manifest has at most 4194304"]);
}

#[tokio::test]
async fn a_manifest_of_another_digest() {
    let manifest = manifest(&sha256(b""), 1);
    let (asked, found) = (sha256(b"another"), sha256(manifest.as_bytes()));
    let sent = manifest.clone();
    let registry = with_manifest(move || Answer::ok(sent.clone())).await;
    let error = find(&registry.reference(&format!("triage@{asked}"))).await;
    says(error, &["other contents than it should", &asked, &found]);

    // It says itself what it does not send.
    let header = ("docker-content-digest", asked.clone());
    let registry = with_manifest(move || Answer::Whole(200, vec![header.clone()], manifest.clone().into())).await;
    says(find(&registry.reference("triage:1")).await, &["other contents than it should", &asked, &found]);
}

#[tokio::test]
async fn what_is_no_plugin() {
    for (text, why) in [
        ("<html>", "no JSON"),
        (r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#, "an index"),
        (&manifest(&sha256(b""), 1).replace("application/wasm", "text/plain"), "its layer is of the type"),
    ] {
        let text = text.to_owned();
        let registry = with_manifest(move || Answer::ok(text.clone())).await;
        says(find(&registry.reference("triage:1")).await, &["triage:1: not a plugin", why]);
    }
}

#[tokio::test]
async fn what_registries_say_when_they_refuse() {
    let envelope = |code: &str| format!(r#"{{"errors":[{{"code":"{code}","message":"so it is"}}]}}"#);
    for (status, body, why) in [
        (404, envelope("MANIFEST_UNKNOWN"), "no such plugin, tag or digest"),
        (404, "<html>".into(), "no such plugin, tag or digest"),
        (401, envelope("UNAUTHORIZED"), "wants another login"),
        (403, envelope("DENIED"), "wants another login"),
        (403, "no".into(), "wants another login"),
        (429, envelope("TOOMANYREQUESTS"), "the registry refused: so it is"),
        (500, "broken\u{1b}[31m\nhere".into(), "the registry refused: 500 broken [31m here"),
        (503, "x".repeat(5_000), "x…"),
    ] {
        let registry = with_manifest(move || Answer::error(status, &body)).await;
        let error = says(find(&registry.reference("triage:1")).await, &["/triage:1: ", why]);
        assert!(error.to_string().len() < 600, "{error}");
        assert!(!error.is_unreachable());
    }
}

#[tokio::test]
async fn a_file_that_is_elsewhere_is_fetched_there_without_the_login() {
    let bytes = component(1000, 1);
    let sent = bytes.clone();
    let store = Lying::start(move |_, _, _| Answer::ok(sent.clone())).await;
    let location = format!("http://127.0.0.1:{}/somewhere/else?signed", store.port());
    let manifest = manifest(&sha256(&bytes), bytes.len());
    let registry = Lying::start(move |_, path, headers| {
        let known = headers.contains_key("authorization");
        match path {
            "/v2/" => Answer::Whole(401, vec![("www-authenticate", "Basic realm=\"tests\"".into())], Vec::new()),
            _ if !known => Answer::error(401, ""),
            _ if path.contains("/manifests/") => Answer::ok(manifest.clone()),
            _ => Answer::Whole(307, vec![("location", location.clone())], Vec::new()),
        }
    })
    .await;
    let login = Some(Login { user: "kim".into(), password: "open sesame".into() });
    let access = Access { login, ..Access::default() };
    assert_eq!(fetch_by(&registry.reference("triage:1"), access).await.unwrap(), bytes);
    let asked = store.asked();
    let [(path, headers)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(path, "/somewhere/else?signed");
    assert!(!headers.contains_key("authorization"), "{headers:?}");
}

#[tokio::test]
async fn a_registry_that_gives_tokens_for_a_login() {
    let bytes = component(1000, 1);
    let (sent, manifest) = (bytes.clone(), manifest(&sha256(&bytes), bytes.len()));
    let registry = Lying::start(move |_, path, headers| {
        let said = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        let realm = format!("http://{}/token", headers["host"].to_str().unwrap());
        // "kim:open sesame"
        match (path, said) {
            ("/v2/", _) => {
                Answer::Whole(401, vec![("www-authenticate", format!("Bearer realm=\"{realm}\""))], Vec::new())
            }
            ("/token?scope=repository%3Atriage%3Apull", "Basic a2ltOm9wZW4gc2VzYW1l") => {
                Answer::ok(r#"{"token":"pass"}"#)
            }
            (_, "Bearer pass") if path.contains("/manifests/") => Answer::ok(manifest.clone()),
            (_, "Bearer pass") => Answer::ok(sent.clone()),
            _ => Answer::error(401, ""),
        }
    })
    .await;
    let reference = registry.reference("triage:1");
    let login = Some(Login { user: "kim".into(), password: "open sesame".into() });
    assert_eq!(fetch_by(&reference, Access { login, ..Access::default() }).await.unwrap(), bytes);
    says(fetch(&reference).await, &["wants another login; use `docker login 127.0.0.1:"]);
}

#[tokio::test]
async fn a_token_that_can_be_no_header_is_an_error() {
    let registry = Lying::start(|_, path, headers| {
        let realm = format!("http://{}/token", headers["host"].to_str().unwrap());
        match path {
            "/v2/" => Answer::Whole(401, vec![("www-authenticate", format!("Bearer realm=\"{realm}\""))], Vec::new()),
            _ => Answer::ok(r#"{"token":"one\u0000two"}"#),
        }
    })
    .await;
    says(find(&registry.reference("triage:1")).await, &["its answer makes no sense"]);
}

#[tokio::test]
async fn one_that_never_answers() {
    let quick = || Access {
        limits: Limits {
            connect: Duration::from_millis(200),
            idle: Duration::from_millis(200),
            answer: Duration::from_millis(200),
            ..Limits::default()
        },
        ..Access::default()
    };
    let silent = Lying::start(|_, _, _| Answer::Nothing).await;
    let error = says(fetch_by(&silent.reference("triage:1"), quick()).await, &["127.0.0.1:"]);
    assert!(error.is_unreachable() && error.is_retriable(), "{error}");

    let registry = with_blob(&component(1000, 1), || Answer::Nothing).await;
    let error = says(fetch_by(&registry.reference("triage:1"), quick()).await, &["127.0.0.1:"]);
    assert!(error.is_unreachable(), "{error}");
}

#[tokio::test]
async fn one_that_is_not_there() {
    // Bound, so that nobody else gets it, but nobody listens there.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let reference = format!("oci://{}/triage:1", socket.local_addr().unwrap());
    let error = says(find(&reference).await, &["127.0.0.1:", "cannot be reached", "refused"]);
    assert!(error.is_unreachable());
}

#[tokio::test]
async fn plain_http_elsewhere_only_where_it_is_allowed() {
    let bytes = component(1000, 1);
    let sent = bytes.clone();
    let registry = with_blob(&bytes, move || Answer::ok(sent.clone())).await;
    // This is the same machine, by an address that does not say so.
    let elsewhere = format!("oci://0.0.0.0:{}/triage:1", registry.port());
    let error = fetch(&elsewhere).await.expect_err("no TLS");
    assert!(matches!(error, RegistryError::PlainHttp { .. } | RegistryError::Unreachable { .. }), "{error}");
    assert_eq!(registry.asked().len(), 0);
    let insecure = Access { insecure: true, ..Access::default() };
    assert_eq!(fetch_by(&elsewhere, insecure).await.unwrap(), bytes);
}
