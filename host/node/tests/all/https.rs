//! HTTPS requests of strategies, over a real server with a certificate of its own authority.
//!
//! Whom a process trusts is read from its environment, so each case is this program once more, in a process of its own.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::http::Scene;
use crate::http_server::HttpServer;
use crate::support::{tell, watching};

/// What the process of a case is told: the host and port of the server, and what the strategy has to see.
const HOST: &str = "JACKFIELD_TEST_HTTPS_HOST";
const SEEN: &str = "JACKFIELD_TEST_HTTPS_SEEN";

/// A server for the name `localhost`, and the certificate of its authority as a file in this folder.
async fn server(folder: &Path) -> HttpServer {
    let name = || vec!["localhost".to_owned()];
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = authority.self_signed(&key).expect("a certificate");
    std::fs::write(folder.join("authority.pem"), certificate.pem()).expect("written");
    let issuer = rcgen::Issuer::new(authority, key);

    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(name()).expect("parameters").signed_by(&key, &issuer);
    let certificate = certificate.expect("a certificate").der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate with its key");
    HttpServer::open_with(Some(TlsAcceptor::from(Arc::new(settings)))).await
}

/// One case in a process of its own, which trusts whom the file names; without one, whom the machine trusts.
async fn case(trusted: Option<&Path>, host: &str, seen: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["https::a_strategy_asks", "--exact", "--ignored", "--nocapture"]).env(HOST, host).env(SEEN, seen);
    match trusted {
        Some(file) => command.env("SSL_CERT_FILE", file),
        None => command.env_remove("SSL_CERT_FILE"),
    };
    tokio::task::spawn_blocking(move || command.output().expect("it starts")).await.expect("nobody panics")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_certificate_is_trusted_is_reached_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = server(folder.path()).await;
    let authority = folder.path().join("authority.pem");
    let host = format!("localhost:{}", server.address.port());
    for (trusted, host, seen) in [
        (Some(authority.as_path()), &host, "http 200 hello"),
        (None, &host, "failed 2016 http_failed: "),
        // Its certificate is for another name.
        (Some(authority.as_path()), &server.address.to_string(), "failed 2016 http_failed: "),
    ] {
        let output = case(trusted, host, seen).await;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && text.contains("1 passed"), "{trusted:?} {host}: {text}");
    }
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["say/hello"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one case of the test above, which starts it"]
async fn a_strategy_asks() {
    let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (host, seen) = (told(HOST), told(SEEN));
    let scene = Scene::open(std::slice::from_ref(&host)).await;
    let (node, _journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "get", &format!("https://{host}/say/hello")).await;
    scene.site.seen(&interaction, &seen).await;
}
