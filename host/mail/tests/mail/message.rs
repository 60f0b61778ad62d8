//! Messages in, submissions out; and no bytes that make it fall over.

use jackfield_mail::{MessageError, TEXT_BYTES, automatic, idempotency_key, parse};
use jackfield_protocol::v1::{KeyValueList, RequestSubmit};
use proptest::prelude::*;

/// 2026-03-01T12:00:00Z
const NOW: i64 = 1_772_366_400_000;

const FULL: &str = "Return-Path: <ann@example.com>\r\n\
    From: =?utf-8?q?M=C3=BCller=2C_Ann?= <ann@example.com>\r\n\
    To: Help <help@example.org>, desk@example.org\r\n\
    Cc: boss@example.org\r\n\
    Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n\
    Date: Sun, 1 Mar 2026 11:00:00 +0100\r\n\
    Message-ID: <m1@example.com>\r\n\
    In-Reply-To:\r\n\t<m0@example.org>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    Sch=F6ne Gr=FC=DFe\r\n\
    --b\r\nContent-Type: application/pdf; name=\"bill.pdf\"\r\nContent-Disposition: attachment\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n--b--\r\n";

fn data(request: &RequestSubmit) -> &KeyValueList {
    request.user_data.as_ref().expect("user data")
}

fn read(message: &str) -> RequestSubmit {
    parse(message.as_bytes(), NOW).expect("a message")
}

#[test]
fn the_keys_of_the_reference_page_are_filled() {
    let request = read(FULL);
    assert_eq!(request.media_type, "email");
    assert_eq!((request.interaction_type.as_str(), request.interaction_subtype.as_str()), ("Inbound", "InboundReply"));
    assert_eq!(request.external_id, "m1@example.com");
    assert_eq!(request.received_at, NOW - 2 * 3_600_000);
    let data = data(&request);
    for (key, value) in [
        ("FromAddress", "ann@example.com"),
        ("EmailAddress", "ann@example.com"),
        ("FromPersonal", "Müller, Ann"),
        ("FirstName", "Ann"),
        ("LastName", "Müller"),
        ("To", "help@example.org, desk@example.org"),
        ("Cc", "boss@example.org"),
        ("Mailbox", "help@example.org"),
        ("Subject", "Grüße"),
        ("Header_Message-ID", "<m1@example.com>"),
        ("Header_In-Reply-To", "<m0@example.org>"),
        ("_AttachmentFileNames", "bill.pdf"),
    ] {
        assert_eq!(data.text(key), Some(value), "{key}");
    }
    assert_eq!(data.text("Text").map(str::trim), Some("Schöne Grüße"));
    assert_eq!(data.integer("_ContainsAttachment"), Some(1));
    assert_eq!(data.integer("_AttachmentsSize"), Some(4));
    assert_eq!(data.integer("_AutoReplyCount"), Some(0));
    assert_eq!(data.text("_Problems"), None);
}

#[test]
fn html_alone_becomes_text() {
    let request = read(
        "From: a@b.c\r\nTo: d@e.f\r\nContent-Type: text/html\r\n\r\n<style>p{}</style><p>Hello &amp; <b>bye</b></p>",
    );
    let text = data(&request).text("Text").expect("text");
    assert!(text.contains("Hello & bye") && !text.contains('<'), "{text}");
    assert_eq!(request.interaction_subtype, "InboundNew");
}

#[test]
fn a_machines_mail_is_told_apart() {
    let request = read("From: a@b.c\r\nAuto-Submitted: auto-replied\r\n\r\nI am away");
    assert_eq!(data(&request).integer("_AutoReplyCount"), Some(1));
    assert!(automatic(data(&request)).expect("automatic").contains("auto-replied"));
}

#[test]
fn what_cannot_be_a_message_is_an_error() {
    assert_eq!(parse(b"", NOW), Err(MessageError::Empty));
    assert_eq!(parse(b" \r\n\0\n", NOW), Err(MessageError::Empty));
    assert_eq!(parse(b"\r\njust some text\r\nand more", NOW), Err(MessageError::NoHeaders));
    assert_eq!(parse(b"just some text", NOW), Err(MessageError::NoHeaders));
}

#[test]
fn what_is_broken_is_taken_and_says_what_is_wrong() {
    let request = read("Subject: help\r\nDate: Tue, 1 Jan 2095 00:00:00 +0000\r\n\r\n");
    assert_eq!(request.received_at, NOW);
    let problems = data(&request).text("_Problems").expect("problems");
    for problem in ["sender", "date", "text"] {
        assert!(problems.contains(problem), "{problem} is not in: {problems}");
    }
}

#[test]
fn long_texts_are_cut_between_characters() {
    let request =
        read(&format!("From: a@b.c\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nx{}", "ü".repeat(TEXT_BYTES)));
    let text = data(&request).text("Text").expect("text");
    assert!(text.len() <= TEXT_BYTES && text.len() > TEXT_BYTES - 4, "{}", text.len());
    assert!(data(&request).text("_Problems").expect("problems").contains("cut off"));
}

#[test]
fn the_key_depends_on_the_bytes_alone() {
    assert_eq!(idempotency_key(b"abc"), "mail-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_ne!(idempotency_key(b"abc"), idempotency_key(b"abd"));
}

fn bounded(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(request) = parse(bytes, NOW) {
        let size = prost_size(data(&request));
        prop_assert!(size < TEXT_BYTES + 40 * 8_200, "{size} bytes of user data");
    }
    Ok(())
}

fn prost_size(list: &KeyValueList) -> usize {
    list.pairs.iter().map(|pair| pair.key.len() + list.text(&pair.key).map_or(4, str::len)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        bounded(&bytes)?;
    }

    #[test]
    fn mutated_messages_do_no_harm(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..12),
        repeat in 1_usize..4,
    ) {
        let mut bytes = FULL.repeat(repeat).into_bytes();
        for (from, to, byte) in cuts {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            match byte % 4 {
                0 => bytes[from] = byte,
                1 => { let piece = bytes[from.min(to)..from.max(to)].to_vec(); bytes.splice(to..to, piece); }
                2 if bytes.len() > 200 => { bytes.drain(from..(from + 100).min(bytes.len())); }
                _ => bytes.insert(from, byte),
            }
        }
        bounded(&bytes)?;
    }
}
