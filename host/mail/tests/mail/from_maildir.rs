//! E-mail taken from a Maildir.

use std::sync::Arc;
use std::time::Duration;

use jackfield_mail::{IntakeSettings, MailSettings, Source};
use jackfield_protocol::ErrorCode;
use tempfile::TempDir;

use crate::site::Site;
use crate::until;

fn from(folder: &TempDir) -> impl FnOnce(MailSettings) -> MailSettings + use<> {
    let inbox = folder.path().join("inbox");
    move |settings| {
        let intake = IntakeSettings {
            source: Source::Maildir(inbox),
            queue: "email.inbound".into(),
            at_once: 4,
            message_bytes: 10_000,
            look_every: Duration::from_millis(20),
        };
        MailSettings { intakes: vec![intake], ..settings }
    }
}

fn deliver(folder: &TempDir, name: &str, text: &str) {
    let inbox = folder.path().join("inbox");
    for part in ["tmp", "new"] {
        std::fs::create_dir_all(inbox.join(part)).expect("made");
    }
    std::fs::write(inbox.join("tmp").join(name), text).expect("written");
    std::fs::rename(inbox.join("tmp").join(name), inbox.join("new").join(name)).expect("delivered");
}

fn mail(subject: &str) -> String {
    format!(
        "From: ann@example.com\r\nTo: help@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n\r\nhello\r\n"
    )
}

fn names(folder: &TempDir, part: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.path().join("inbox").join(part)) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.expect("one").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn each_message_is_submitted_once_and_leaves_new_when_it_is_acknowledged() {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    deliver(&folder, "1", &mail("one"));
    let site = Site::start_in(Arc::clone(&folder), from(&folder)).await;
    deliver(&folder, "2", &mail("two"));
    until("both in cur", || names(&folder, "cur").len() == 2).await;
    assert_eq!(names(&folder, "cur"), ["1:2,S", "2:2,S"]);
    let submitted = site.submitted();
    assert_eq!(submitted.len(), 2);
    assert!(submitted.iter().all(|submit| submit.queue == "email.inbound" && submit.media_type == "email"));
    // As after a crash before it was moved.
    std::fs::rename(folder.path().join("inbox/cur/1:2,S"), folder.path().join("inbox/new/1")).expect("moved back");
    until("it is in cur again", || names(&folder, "cur").len() == 2).await;
    assert_eq!((site.submitted().len(), site.note(|book| book.repeated)), (2, 1));
}

#[tokio::test]
async fn what_cannot_be_read_is_put_aside_with_the_reason_and_blocks_nothing() {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    deliver(&folder, "1", "");
    deliver(&folder, "2", &mail(&"long".repeat(5_000)));
    deliver(&folder, "3", &mail("three"));
    let site = Site::start_in(Arc::clone(&folder), from(&folder)).await;
    until("the third", || names(&folder, "cur") == ["3:2,S"] && names(&folder, "new").is_empty()).await;
    assert_eq!(names(&folder, ".jackfield/aside"), ["1", "1.reason", "2", "2.reason"]);
    let reason = std::fs::read_to_string(folder.path().join("inbox/.jackfield/aside/2.reason")).expect("a reason");
    assert!(reason.contains("more than the 10000"), "{reason}");
    assert_eq!(site.submitted().len(), 1);
}

#[tokio::test]
async fn what_is_not_acknowledged_stays_until_it_is() {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let site = Site::start_in(Arc::clone(&folder), from(&folder)).await;
    site.note(|book| book.refuses = Some(ErrorCode::StoreUnavailable));
    deliver(&folder, "1", &mail("one"));
    let site = site.restart(from(&folder)).await;
    until("it is taken", || names(&folder, "cur") == ["1:2,S"]).await;
    assert_eq!(site.submitted().len(), 1);
    // Refused for what is in it.
    site.note(|book| book.refuses = Some(ErrorCode::BadRequest));
    deliver(&folder, "2", &mail("two"));
    until("it is put aside", || names(&folder, ".jackfield/aside") == ["2", "2.reason"]).await;
}
