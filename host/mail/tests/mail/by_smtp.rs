//! Messages sent to a real SMTP server.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jackfield_link::Reconnect;
use jackfield_mail::{FaultCode, Login, MailSettings, Outgoing, Password, Retry, Security, SmtpSettings};
use jackfield_protocol::v1::KeyValueList;
use tempfile::TempDir;

use crate::site::{Site, fault, interaction_id, message, message_to, state};
use crate::smtp_server::{Manner, PASSWORD, SmtpServer, USER, taken};
use crate::{certificate, free_port, until};

const OPEN: Manner<'static> = Manner { security: Security::None, certificate: None, login: false };

fn server(port: u16, security: Security) -> SmtpSettings {
    SmtpSettings {
        host: "localhost".into(),
        port,
        security,
        ca: None,
        login: None,
        hello: String::new(),
        connections: 2,
        attempt_within: Duration::from_secs(20),
    }
}

/// Messages of this site go to that server; what is not taken is tried again soon.
fn sending(folder: &TempDir, server: SmtpSettings) -> impl FnOnce(MailSettings) -> MailSettings + use<> {
    let spool = folder.path().join("spool");
    move |settings| {
        let pauses = Reconnect { first: Duration::from_millis(20), max: Duration::from_millis(100) };
        let retry = Retry { pauses, give_up_after: Duration::from_secs(3_600), waiting: 100 };
        let server = Box::new(server);
        let outgoing = Outgoing::Smtp { server, retry, spool, answer_within: Duration::from_secs(20) };
        MailSettings { outgoing, ..settings }
    }
}

/// The same, but who asks is answered at once.
fn at_once(settings: MailSettings) -> MailSettings {
    match settings.outgoing {
        Outgoing::Smtp { server, retry, spool, .. } => {
            let outgoing = Outgoing::Smtp { server, retry, spool, answer_within: Duration::from_millis(1) };
            MailSettings { outgoing, ..settings }
        }
        Outgoing::Maildir(_) => settings,
    }
}

struct Scene {
    site: Site,
    smtp: SmtpServer,
}

async fn scene() -> Option<Scene> {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let smtp = SmtpServer::start(&folder.path().join("taken"), 0, &OPEN)?;
    let change = sending(&folder, server(smtp.port, Security::None));
    Some(Scene { site: Site::start_in(folder, change).await, smtp })
}

#[tokio::test]
async fn a_message_arrives_once_and_one_connection_serves_several() {
    let Some(Scene { site, smtp }) = scene().await else { return };
    for key in ["k1", "k2", "k3", "k1"] {
        assert_eq!(state(&site.create_and_send(message("emailout", "review"), key).await), "sent");
    }
    let taken = smtp.taken();
    assert_eq!(taken.len(), 3);
    assert_eq!(
        (&taken[0]["from"], &taken[0]["to"]),
        (&"help@example.org".into(), &serde_json::json!(["ann@example.com"]))
    );
    assert!(taken[0]["content"].as_str().is_some_and(|content| content.contains("we have it")));
    let connections: BTreeSet<_> = taken.iter().map(|taken| taken["peer"].to_string()).collect();
    assert_eq!(connections.len(), 1, "one after the other");
}

#[tokio::test]
async fn an_answer_of_a_machine_says_so_and_nobody_hears_when_it_fails() {
    let Some(Scene { site, smtp }) = scene().await else { return };
    site.create_and_send(message("acknowledgement", "review"), "k").await;
    let taken = smtp.taken().remove(0);
    assert_eq!(taken["from"], "<>", "RFC 3834: the envelope has no sender");
    assert!(taken["content"].as_str().is_some_and(|content| content.contains("Auto-Submitted: auto-replied")));
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_a_fault_with_its_words_and_stays_one() {
    let Some(Scene { site, smtp }) = scene().await else { return };
    for (to, words) in
        [("nobody@example.com", "550 5.1.1 there is nobody of that name"), ("picky@example.com", "554 5.7.1")]
    {
        let created = site.create(message_to(to, "emailout", "review"), to).await;
        let id = interaction_id(&created);
        for _ in 0..2 {
            let (code, text) = fault(&site.send(&id).await);
            assert_eq!(code, FaultCode::NotSent as i32);
            assert!(text.contains(words), "{text}");
        }
    }
    assert!(smtp.taken().is_empty());
    // Nor does another process ask again. The next message goes out all the same.
    let change = sending(&site.folder, server(smtp.port, Security::None));
    let site = site.restart(change).await;
    assert_eq!(fault(&site.send("0000000000000042").await).0, FaultCode::NotSent as i32);
    assert_eq!(state(&site.create_and_send(message("emailout", "review"), "k").await), "sent");
    until("both are kept", || site.folder.path().join("spool/failed").read_dir().expect("a folder").count() == 2).await;
}

#[tokio::test]
async fn what_is_not_taken_at_first_is_tried_again() {
    let Some(Scene { site, smtp }) = scene().await else { return };
    let answer = site.create_and_send(message_to("busy@example.com", "emailout", "review"), "k").await;
    assert_eq!(state(&answer), "sent");
    assert_eq!(smtp.taken().len(), 1);
}

#[tokio::test]
async fn what_is_never_taken_is_given_up_and_reported() {
    let Some(Scene { site, smtp }) = scene().await else { return };
    let change = sending(&site.folder, server(smtp.port, Security::None));
    let site = site
        .restart(|settings| {
            let mut settings = at_once(change(settings));
            if let Outgoing::Smtp { retry, .. } = &mut settings.outgoing {
                retry.give_up_after = Duration::from_millis(300);
            }
            settings
        })
        .await;
    let id = interaction_id(&site.create(message_to("always-busy@example.com", "emailout", "review"), "k").await);
    assert_eq!(state(&site.send(&id).await), "waiting");
    until("the report", || site.note(|book| !book.told.is_empty())).await;
    let told = site.note(|book| book.told.remove(0));
    assert_eq!(told.name, "MessageNotSent");
    assert!(
        told.data.as_ref().and_then(|data| data.text("Reason")).is_some_and(|text| text.contains("450 4.2.1")),
        "{told:?}"
    );
    let (code, text) = fault(&site.send(&id).await);
    assert!(code == FaultCode::NotSent as i32 && text.contains("given up"), "{text}");
}

#[tokio::test]
async fn while_the_server_is_down_messages_wait_also_through_a_restart() {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let (port, taken_in) = (free_port(), folder.path().join("taken"));
    let change = sending(&folder, server(port, Security::None));
    let site = Site::start_in(Arc::clone(&folder), |settings| at_once(change(settings))).await;
    for key in ["k1", "k2"] {
        assert_eq!(state(&site.create_and_send(message("emailout", "review"), key).await), "waiting");
    }
    let site = site.restart(sending(&folder, server(port, Security::None))).await;
    let Some(smtp) = SmtpServer::start(&taken_in, port, &OPEN) else { return };
    until("both messages", || smtp.taken().len() == 2).await;
    assert_eq!(state(&site.send("0000000000000042").await), "sent");
    drop(smtp);
    // Down again while it works, and back.
    let change = sending(&folder, server(port, Security::None));
    let site = site.restart(|settings| at_once(change(settings))).await;
    assert_eq!(state(&site.create_and_send(message("emailout", "review"), "k3").await), "waiting");
    let _smtp = SmtpServer::start(&taken_in, port, &OPEN).expect("it started before");
    until("the third", || taken(&taken_in).len() == 3).await;
}

#[tokio::test]
async fn a_connection_cut_in_data_sends_it_again_and_cut_after_data_twice_under_one_message_id() {
    let Some(Scene { site, smtp }) = scene().await else { return };
    let answer = site.create_and_send(message_to("cut-in@example.com", "emailout", "review"), "k1").await;
    assert_eq!(state(&answer), "sent");
    assert_eq!(smtp.taken().len(), 1);
    let answer = site.create_and_send(message_to("cut-after@example.com", "emailout", "review"), "k2").await;
    assert_eq!(state(&answer), "sent");
    let ids: Vec<String> = smtp.taken().iter().map(|taken| message_id(&taken["content"])).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids[1] == ids[2] && ids[0] != ids[1], "the receiver can tell: {ids:?}");
}

fn message_id(content: &serde_json::Value) -> String {
    let content = content.as_str().expect("text");
    let line = content.lines().find(|line| line.starts_with("Message-ID:")).expect("a Message-ID");
    line.to_owned()
}

#[tokio::test]
async fn starttls_and_implicit_tls_with_a_login() {
    for security in [Security::StartTls, Security::Implicit] {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let issued = certificate(folder.path(), "localhost");
        let manner = Manner { security, certificate: Some(&issued), login: true };
        let Some(smtp) = SmtpServer::start(&folder.path().join("taken"), 0, &manner) else { return };
        let password = folder.path().join("password");
        std::fs::write(&password, format!("{PASSWORD}\n")).expect("written");
        let settings = SmtpSettings {
            ca: Some(issued.certificate.clone()),
            login: Some(Login { user: USER.into(), password: Password::File(password) }),
            ..server(smtp.port, security)
        };
        let site = Site::start_in(Arc::clone(&folder), sending(&folder, settings)).await;
        assert_eq!(state(&site.create_and_send(message("emailout", "review"), "k").await), "sent", "{security:?}");
        let taken = smtp.taken().remove(0);
        assert_eq!((&taken["tls"], &taken["user"]), (&true.into(), &USER.into()), "{security:?}");
    }
}

#[tokio::test]
async fn a_bad_certificate_and_a_wrong_password_keep_messages_waiting_until_they_are_mended() {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let issued = certificate(folder.path(), "localhost");
    let manner = Manner { security: Security::StartTls, certificate: Some(&issued), login: true };
    let Some(smtp) = SmtpServer::start(&folder.path().join("taken"), 0, &manner) else { return };
    let trusted = folder.path().join("trusted.pem");
    let other = tempfile::tempdir().expect("a folder");
    let copy = |from: &PathBuf| std::fs::copy(from, &trusted).expect("copied");
    copy(&certificate(other.path(), "localhost").certificate);
    let password = folder.path().join("password");
    std::fs::write(&password, "wrong").expect("written");
    let settings = SmtpSettings {
        ca: Some(trusted.clone()),
        login: Some(Login { user: USER.into(), password: Password::File(password.clone()) }),
        ..server(smtp.port, Security::StartTls)
    };
    let change = sending(&folder, settings);
    let site = Site::start_in(Arc::clone(&folder), |settings| at_once(change(settings))).await;
    let id = interaction_id(&site.create(message("emailout", "review"), "k").await);
    assert_eq!(state(&site.send(&id).await), "waiting", "nobody vouches for that certificate");
    copy(&issued.certificate);
    assert_eq!(state(&site.send(&id).await), "waiting", "the password is wrong");
    assert!(smtp.taken().is_empty());
    std::fs::write(&password, PASSWORD).expect("written");
    until("the message", || smtp.taken().len() == 1).await;
}

#[tokio::test]
async fn no_more_messages_wait_than_there_is_room_for() {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let change = sending(&folder, server(free_port(), Security::None));
    let site = Site::start_in(Arc::clone(&folder), |settings| {
        let mut settings = at_once(change(settings));
        if let Outgoing::Smtp { retry, .. } = &mut settings.outgoing {
            retry.waiting = 1;
        }
        settings
    })
    .await;
    assert_eq!(state(&site.create_and_send(message("emailout", "review"), "k1").await), "waiting");
    let answer = site.create_and_send(message("emailout", "review"), "k2").await;
    assert_eq!(fault(&answer).0, FaultCode::NotStored as i32);
    // The same one again is no other one.
    let parameters = KeyValueList::default().with("InteractionId", "0000000000000042");
    assert_eq!(state(&site.ask("Send", parameters, KeyValueList::default(), "").await), "waiting");
}
