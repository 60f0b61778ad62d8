//! One message to an SMTP server, and what its answer means.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use mail_parser::MessageParser;
use tokio::sync::Mutex;

use crate::login::{Login, Security};

/// Answers about who we are, not about the message (RFC 4954, section 6, and 538 of its forerunner).
const ABOUT_THE_LOGIN: [u16; 5] = [454, 530, 534, 535, 538];

/// An idle connection is closed after this time.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// An SMTP server that takes our messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpSettings {
    /// Name or address of the host; its certificate must be for this name.
    pub host: String,
    /// Port; usually 587 with STARTTLS, 465 with implicit TLS, 25 without.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// Certificates (PEM) that are trusted beside those of the system.
    pub ca: Option<PathBuf>,
    /// Who we are there; none: the server does not ask.
    pub login: Option<Login>,
    /// The name we give ourselves; empty: our address.
    pub hello: String,
    /// Connections at once; each sends one message after the other. At least 1.
    pub connections: usize,
    /// Longest time for one attempt with one message.
    pub attempt_within: Duration,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The server has it.
    Sent,
    /// The server will never take it; its words.
    Refused(String),
    /// It did not take it this time (4yz).
    Later(String),
    /// No message would have got through: no connection, a bad certificate, a wrong password.
    NoServer(String),
}

type Transport = AsyncSmtpTransport<Tokio1Executor>;

pub(crate) struct Smtp {
    settings: SmtpSettings,
    /// Made when it is needed, and anew after a failure: passwords and certificates may have changed.
    transport: Mutex<Option<Arc<Transport>>>,
}

impl Smtp {
    pub(crate) fn new(settings: SmtpSettings) -> Smtp {
        Smtp { settings, transport: Mutex::new(None) }
    }

    /// Tries to send a message. Dropped before its end, the server may have it all the same.
    pub(crate) async fn attempt(&self, message: &[u8]) -> Attempt {
        let envelope = match envelope(message) {
            Ok(envelope) => envelope,
            Err(reason) => return Attempt::Refused(reason),
        };
        let transport = match self.transport().await {
            Ok(transport) => transport,
            Err(error) => return Attempt::NoServer(error.to_string()),
        };
        let within = self.settings.attempt_within;
        let attempt = match tokio::time::timeout(within, transport.send_raw(&envelope, message)).await {
            Ok(Ok(_)) => Attempt::Sent,
            Ok(Err(error)) => judge(&error, &envelope),
            Err(_) => Attempt::NoServer(format!("the server did not take a message within {} s", within.as_secs())),
        };
        if matches!(attempt, Attempt::NoServer(_)) {
            self.forget(&transport).await;
        }
        attempt
    }

    /// Closes idle connections.
    pub(crate) async fn close(&self) {
        if let Some(transport) = self.transport.lock().await.take() {
            transport.shutdown().await;
        }
    }

    async fn transport(&self) -> io::Result<Arc<Transport>> {
        let mut kept = self.transport.lock().await;
        if let Some(transport) = &*kept {
            return Ok(Arc::clone(transport));
        }
        let settings = self.settings.clone();
        let made = tokio::task::spawn_blocking(move || builder(&settings)).await.map_err(io::Error::other)??;
        let made = Arc::new(made.build());
        *kept = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The next attempt makes a new one. None of its connections is used again: one may stand in the middle of
    /// a message.
    async fn forget(&self, transport: &Arc<Transport>) {
        let mut kept = self.transport.lock().await;
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, transport)) {
            *kept = None;
        }
        drop(kept);
        transport.shutdown().await;
    }
}

fn builder(settings: &SmtpSettings) -> io::Result<lettre::transport::smtp::AsyncSmtpTransportBuilder> {
    let tls = || -> io::Result<TlsParameters> {
        let mut tls = TlsParameters::builder(settings.host.clone());
        if let Some(ca) = &settings.ca {
            let wrong = |reason: String| io::Error::other(format!("certificates in {}: {reason}", ca.display()));
            let pem = std::fs::read(ca).map_err(|error| wrong(error.to_string()))?;
            tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?);
        }
        tls.build().map_err(io::Error::other)
    };
    let security = match settings.security {
        Security::StartTls => Tls::Required(tls()?),
        Security::Implicit => Tls::Wrapper(tls()?),
        Security::None => Tls::None,
    };
    let connections = u32::try_from(settings.connections.max(1)).unwrap_or(u32::MAX);
    let mut builder = Transport::builder_dangerous(&settings.host)
        .port(settings.port)
        .tls(security)
        .timeout(Some(settings.attempt_within))
        .pool_config(PoolConfig::new().max_size(connections).idle_timeout(IDLE_FOR));
    if !settings.hello.is_empty() {
        builder = builder.hello_name(ClientId::Domain(settings.hello.clone()));
    }
    if let Some(login) = &settings.login {
        builder = builder.credentials(Credentials::new(login.user.clone(), login.password.read()?.0));
    }
    Ok(builder)
}

/// Who it goes to, by its own headers, and who hears of it when it does not arrive: nobody where a machine
/// answers, so that two machines never go on answering each other (RFC 3834, section 3.3).
fn envelope(message: &[u8]) -> Result<Envelope, String> {
    let parsed = MessageParser::default().parse_headers(message).ok_or("the message has no headers")?;
    let address = |text: &str| text.parse::<Address>().map_err(|error| format!("`{text}` is no address: {error}"));
    let is_answer_of_a_machine =
        parsed.header_raw("Auto-Submitted").is_some_and(|value| value.trim().starts_with("auto-replied"));
    let from = parsed.from().and_then(|from| from.first()).and_then(|from| from.address());
    let from = match from {
        Some(from) if !is_answer_of_a_machine => Some(address(from)?),
        _ => None,
    };
    let mut to = Vec::new();
    for list in [parsed.to(), parsed.cc()].into_iter().flatten() {
        for one in list.iter().filter_map(|one| one.address()) {
            let one = address(one)?;
            if !to.contains(&one) {
                to.push(one);
            }
        }
    }
    Envelope::new(from, to).map_err(|error| error.to_string())
}

fn judge(error: &Error, envelope: &Envelope) -> Attempt {
    let text = in_words(error);
    match error.status().map(u16::from) {
        Some(code) if ABOUT_THE_LOGIN.contains(&code) => {
            Attempt::NoServer(format!("the server does not take our user and password: {text}"))
        }
        // It will say so of any message; 421 closes the connection.
        Some(421) => Attempt::NoServer(text),
        Some(_) if error.is_permanent() => Attempt::Refused(text),
        Some(_) => Attempt::Later(text),
        None if error.is_client() && !is_ascii(envelope) => Attempt::Refused(text),
        None => Attempt::NoServer(text),
    }
}

/// Otherwise it can go only to servers that have SMTPUTF8.
fn is_ascii(envelope: &Envelope) -> bool {
    envelope.from().into_iter().chain(envelope.to()).all(|address| address.to_string().is_ascii())
}

/// The server's own words, or the causes of a failure, in one line.
fn in_words(error: &Error) -> String {
    let source = std::error::Error::source(error);
    let mut text = match (error.status(), source) {
        (Some(code), Some(words)) => format!("{code} {words}"),
        (Some(code), None) => code.to_string(),
        (None, _) => error.to_string(),
    };
    let mut cause = source.and_then(std::error::Error::source);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_in_the_headers_and_a_machines_answer_has_no_sender() {
        let message = "From: Help <help@example.org>\r\nTo: a@example.com, b@example.com\r\nCc: a@example.com\r\n";
        let made = envelope(format!("{message}\r\nhello").as_bytes()).expect("an envelope");
        let texts: Vec<_> = made.to().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["a@example.com", "b@example.com"]);
        assert_eq!(made.from().map(ToString::to_string).as_deref(), Some("help@example.org"));
        let made = envelope(format!("{message}Auto-Submitted: auto-replied\r\n\r\nhello").as_bytes());
        assert!(made.expect("an envelope").from().is_none());
        assert!(envelope(b"From: help@example.org\r\n\r\nhello").is_err(), "it goes to nobody");
    }
}
