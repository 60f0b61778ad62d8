//! Messages created and sent into a Maildir.

use jackfield_mail::FaultCode;
use jackfield_protocol::v1::key_value::Value;
use jackfield_protocol::v1::{ClientType, KeyValueList};
use jackfield_protocol::{ORCHESTRATION_SYSTEM, OWNER_KEY_PREFIX};

use crate::site::{Site, fault, interaction_id, message, state};
use crate::until;

#[tokio::test]
async fn a_create_without_a_queue_is_submitted_into_orchestration_system_and_answered_with_its_id() {
    let site = Site::start().await;
    assert_eq!(site.note(|book| book.registration.client_type()), ClientType::MediaServer);
    assert_eq!(site.note(|book| book.registration.media_type.clone()), "email");
    let key = format!("{OWNER_KEY_PREFIX}east:0000000000000001");
    let owner = KeyValueList::default().with("Session", "s").with("Node", "node_1").with("Url", "");
    let user_data = KeyValueList::default().with(key.as_str(), owner.clone());
    for _ in 0..3 {
        let parameters = message("acknowledgement", ORCHESTRATION_SYSTEM);
        let answer = site.ask("Create", parameters, user_data.clone(), "session-1:1").await;
        assert_eq!(interaction_id(&answer), "0000000000000042");
    }
    let submitted = site.submitted();
    assert_eq!(submitted.len(), 1);
    assert_eq!(submitted[0].queue, ORCHESTRATION_SYSTEM);
    assert_eq!(
        (submitted[0].parent_id.as_str(), submitted[0].interaction_subtype.as_str()),
        ("0000000000000001", "Acknowledgement")
    );
    assert_eq!(submitted[0].user_data.as_ref().and_then(|data| data.get(&key)), Some(&Value::List(owner)));
    assert!(site.sent().is_empty(), "it is sent when it is asked for");
    assert_eq!(state(&site.send("0000000000000042").await), "sent");
    let sent = site.sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].contains("To: <ann@example.com>") && sent[0].contains("Auto-Submitted: auto-replied"), "{sent:?}");
}

#[tokio::test]
async fn the_same_create_asked_twice_sends_one_message_also_after_a_restart() {
    let site = Site::start().await;
    assert_eq!(state(&site.create_and_send(message("emailout", "review"), "session-1:1").await), "sent");
    assert_eq!(state(&site.create_and_send(message("emailout", "review"), "session-1:1").await), "sent");
    let first = site.sent();
    assert_eq!(first.len(), 1);

    let site = site.restart(|settings| settings).await;
    assert_eq!(interaction_id(&site.create(message("emailout", "review"), "session-1:1").await), "0000000000000042");
    assert!(site.submitted().is_empty(), "it is known");
    assert_eq!(state(&site.send("0000000000000042").await), "sent");
    assert_eq!(site.sent(), first);
    // Another key is another message, and so is one without a key.
    let site = site.restart(|settings| settings).await;
    for key in ["session-1:2", "", ""] {
        site.create(message("emailout", "review"), key).await;
    }
    assert_eq!(site.submitted().len(), 3);
    let unknown = site.send("0000000000000099").await;
    assert_eq!(fault(&unknown).0, FaultCode::UnknownMessage as i32);
}

#[tokio::test]
async fn what_was_to_be_sent_when_the_process_ended_is_sent_by_the_next() {
    let site = Site::start().await;
    let id = interaction_id(&site.create(message("emailout", "review"), "k").await);
    let drafts = site.folder.path().join("outbox/.jackfield/drafts");
    let draft = std::fs::read_dir(&drafts).expect("drafts").next().expect("one").expect("an entry").path();
    // As a crash leaves it between the two.
    let outgoing = site.folder.path().join("outbox/.jackfield/outgoing").join(draft.file_name().expect("a name"));
    std::fs::rename(draft, outgoing).expect("moved");
    let site = site.restart(|settings| settings).await;
    assert_eq!(site.sent().len(), 1);
    assert_eq!(state(&site.send(&id).await), "sent");
    assert_eq!(site.sent().len(), 1);
}

#[tokio::test]
async fn mail_of_a_machine_is_not_answered_by_one() {
    let site = Site::start().await;
    site.note(|book| book.parent = Some(KeyValueList::default().with("Header_Auto-Submitted", "auto-generated")));
    let (code, text) = fault(&site.create(message("acknowledgement", "review"), "k1").await);
    assert_eq!(code, FaultCode::AutomaticMail as i32);
    assert!(text.contains("auto-generated"), "{text}");
    assert!(site.submitted().is_empty());
    // A person may answer it.
    interaction_id(&site.create(message("emailout", "review"), "k2").await);
}

#[tokio::test]
async fn the_sender_and_the_thread_are_those_of_what_is_answered() {
    let site = Site::start().await;
    let mut parameters = message("acknowledgement", "review");
    parameters.remove("From");
    let (code, text) = fault(&site.create(parameters.clone(), "").await);
    assert!(code == FaultCode::BadParameter as i32 && text.contains("`From`"), "{text}");
    let parent = KeyValueList::default()
        .with("Mailbox", "desk@example.org")
        .with("Header_Message-ID", "<3@example.com>")
        .with("Header_References", "<1@example.com> <2@example.com>");
    site.note(|book| book.parent = Some(parent));
    site.create_and_send(parameters, "").await;
    let sent = site.sent().remove(0);
    assert!(sent.contains("From: <desk@example.org>") && sent.contains("In-Reply-To: <3@example.com>"), "{sent}");
    let unfolded = sent.replace("\r\n\t", " ").replace("\r\n ", " ").replace("  ", " ");
    assert!(unfolded.contains("References: <1@example.com> <2@example.com> <3@example.com>"), "{sent}");
    // A new conversation has nothing before it.
    site.create_and_send(message("outbound_new", "review"), "").await;
    assert!(site.sent().iter().any(|sent| !sent.contains("In-Reply-To") && !sent.contains("References")));
}

#[tokio::test]
async fn what_is_wrong_is_a_fault_that_says_so() {
    let site = Site::start().await;
    let answer = site.ask("Delete", KeyValueList::default(), KeyValueList::default(), "").await;
    assert_eq!(fault(&answer).0, FaultCode::UnknownMethod as i32);
    for (kind, queue, word) in [("telegram", "review", "telegram"), ("emailout", "", "`Queue`")] {
        let (code, text) = fault(&site.create(message(kind, queue), "").await);
        assert!(code == FaultCode::BadParameter as i32 && text.contains(word), "{text}");
    }
    // Where a folder must be there is a file. The media server has made its folders by then.
    let folder = site.folder.path().join("outbox/.jackfield");
    until("the folders", || folder.join("failed").exists()).await;
    let blocked = folder.join("tmp");
    std::fs::remove_dir_all(&blocked).expect("removed");
    std::fs::write(&blocked, "").expect("written");
    assert_eq!(fault(&site.create(message("emailout", "review"), "k").await).0, FaultCode::NotStored as i32);
    std::fs::remove_file(&blocked).expect("there");
    site.create_and_send(message("emailout", "review"), "k").await;
    assert_eq!((site.sent().len(), site.submitted().len()), (1, 1));
}
