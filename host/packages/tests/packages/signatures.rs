//! Signatures as minisign makes them, held against keys a site trusts.

use std::io::Cursor;
use std::path::Path;
use std::sync::OnceLock;

use jackfield_packages::signature::{self, KeyError, SignatureError, verify};
use jackfield_packages::{TrustedKey, TrustedKeys, Vouching};
use minisign::{KeyPair, PublicKey};
use proptest::prelude::*;

const FILE: &[u8] = b"a plugin";

/// A signature in the form before minisign 0.10, of the text `test`, and the key it was made with.
const OLD_FORM: &str = "untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==";
const OLD_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

fn pair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

fn sign(pair: &KeyPair, bytes: &[u8]) -> String {
    minisign::sign(Some(&pair.pk), &pair.sk, Cursor::new(bytes), Some("at ten"), None).unwrap().into_string()
}

fn trusted(name: &str, key: &PublicKey) -> TrustedKey {
    TrustedKey::parse(name, &key.to_base64()).unwrap()
}

fn keys(pairs: &[(&str, &KeyPair)]) -> TrustedKeys {
    pairs.iter().map(|(name, pair)| trusted(name, &pair.pk)).collect()
}

#[test]
fn a_trusted_signature_says_whose_it_is_and_what_was_said_with_it() {
    let (kim, ana) = (pair(), pair());
    let signed = verify(FILE, &sign(&ana, FILE), &keys(&[("kim", &kim), ("ana", &ana)])).unwrap();
    assert_eq!((signed.key_name.as_str(), signed.trusted_comment.as_str()), ("ana", "at ten"));
    // As minisign writes the number of a key.
    let shown = ana.pk.to_box().unwrap().into_string();
    assert!(shown.contains(&signed.key_id.to_string()), "{shown}: {}", signed.key_id);
}

#[test]
fn what_is_wrong_with_a_signature_and_what_to_do() {
    let (kim, ana) = (pair(), pair());
    let only_kim = keys(&[("kim", &kim)]);
    let right = sign(&kim, FILE);
    let of_ana = trusted("ana", &ana.pk).id().to_string();
    let of_kim = trusted("kim", &kim.pk).id().to_string();
    let old = TrustedKeys::from_iter([TrustedKey::parse("old", OLD_KEY).unwrap()]);
    let check = |bytes: &[u8], text: &str, keys: &TrustedKeys, parts: &[&str]| {
        let error = verify(bytes, text, keys).expect_err("refused");
        for part in parts {
            assert!(error.to_string().contains(part), "`{part}` is not in: {error}");
        }
        error
    };
    check(FILE, &sign(&ana, FILE), &only_kim, &["not trusted", &of_ana, &format!("kim ({of_kim})"), "[[trusted-key]]"]);
    check(FILE, &right, &TrustedKeys::default(), &["trusted: none is"]);
    let error = check(b"another plugin", &right, &only_kim, &["with key kim does not fit the file"]);
    assert_eq!(error, SignatureError::DoesNotFit { key_name: "kim".into() });
    // What was said with it is signed, too.
    check(FILE, &right.replace("at ten", "at six"), &only_kim, &["does not fit"]);
    check(b"test", OLD_FORM, &old, &["the old form"]);
    for text in ["", "x\ny\nz", &right[..right.len() / 2], &"x".repeat(10_000), "\n\n\n\n"] {
        check(FILE, text, &only_kim, &["damaged, or not one of minisign"]);
    }
}

#[test]
fn keys_as_people_write_them() {
    let pair = pair();
    let line = pair.pk.to_base64();
    let file = pair.pk.to_box().unwrap().into_string();
    let key = TrustedKey::parse("kim", &line).unwrap();
    for text in [file.as_str(), &format!("  {line}\n\n"), &file.replace('\n', "\r\n")] {
        assert_eq!(TrustedKey::parse("kim", text).as_ref(), Ok(&key));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("minisign.pub");
    assert!(matches!(TrustedKey::read("kim", &path), Err(KeyError::Unreadable { .. })));
    std::fs::write(&path, &file).unwrap();
    assert_eq!(TrustedKey::read("kim", &path), Ok(key));

    for text in ["", "kim", &line[2..], &line.replace("RW", "RX"), &"x".repeat(10_000)] {
        assert_eq!(TrustedKey::parse("kim", text), Err(KeyError::Malformed), "{text}");
    }
    let secret = pair.sk.to_box(None).unwrap().into_string();
    let error = TrustedKey::parse("kim", &secret).unwrap_err();
    assert_eq!(error, KeyError::Secret);
    let last = secret.lines().last().unwrap();
    assert!(!error.to_string().contains(last) && error.to_string().contains("take it away"));
}

struct Beside {
    folder: tempfile::TempDir,
}

impl Beside {
    fn with(signature: Option<&str>) -> Beside {
        let folder = tempfile::tempdir().unwrap();
        if let Some(signature) = signature {
            std::fs::write(signature::beside(&folder.path().join("a.wasm")), signature).unwrap();
        }
        Beside { folder }
    }

    fn check(&self, required: bool, keys: TrustedKeys) -> Result<Option<String>, SignatureError> {
        let path = self.folder.path().join("a.wasm");
        let signed = Vouching { required, keys }.check(&path, FILE)?;
        Ok(signed.map(|signed| signed.key_name))
    }
}

#[test]
fn what_a_site_takes() {
    let (kim, ana) = (pair(), pair());
    let trusts_kim = || keys(&[("kim", &kim)]);
    let by_kim = Beside::with(Some(&sign(&kim, FILE)));
    let by_ana = Beside::with(Some(&sign(&ana, FILE)));
    let of_another = Beside::with(Some(&sign(&kim, b"another")));
    let damaged = Beside::with(Some("x"));
    let unsigned = Beside::with(None);

    for required in [true, false] {
        assert_eq!(by_kim.check(required, trusts_kim()), Ok(Some("kim".into())));
        // One that says it is of a trusted key must be.
        assert!(matches!(of_another.check(required, trusts_kim()), Err(SignatureError::DoesNotFit { .. })));
        assert_eq!(damaged.check(required, trusts_kim()), Err(SignatureError::Malformed));
    }
    assert!(matches!(by_ana.check(true, trusts_kim()), Err(SignatureError::UnknownKey { .. })));
    assert_eq!(by_ana.check(false, trusts_kim()), Ok(None));
    let missing = unsigned.check(true, trusts_kim()).unwrap_err();
    assert_eq!(missing, SignatureError::Missing { file: "a.wasm".into() });
    assert!(missing.to_string().contains("`minisign -S -m a.wasm`"), "{missing}");
    assert_eq!(unsigned.check(false, trusts_kim()), Ok(None));
    // Who trusts nobody looks at nothing.
    for other in [&by_kim, &of_another, &damaged, &unsigned] {
        assert_eq!(other.check(false, TrustedKeys::default()), Ok(None));
    }
    assert!(unsigned.check(true, TrustedKeys::default()).is_err());
    assert!(by_kim.check(true, TrustedKeys::default()).is_err());
}

#[test]
fn a_signature_that_cannot_be_read_is_no_missing_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wasm");
    std::fs::create_dir(signature::beside(&path)).unwrap();
    let vouching = Vouching { required: false, keys: keys(&[("kim", &pair())]) };
    assert!(matches!(vouching.check(&path, FILE), Err(SignatureError::Unreadable { .. })));
    assert_eq!(signature::beside(Path::new("plugins/a.wasm")), Path::new("plugins/a.wasm.minisig"));
}

/// One pair for all cases: to draw one takes long.
fn drawn() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(pair)
}

proptest! {
    #[test]
    fn no_text_is_taken_for_a_signature_or_a_key(text in "\\PC*", line in "[A-Za-z0-9+/]{100}") {
        let keys = keys(&[("kim", drawn())]);
        let form = format!("untrusted comment: x\n{line}\ntrusted comment: x\n{}\n", &line[..88]);
        for text in [text, form] {
            prop_assert!(verify(FILE, &text, &keys).is_err());
            prop_assert!(TrustedKey::parse("kim", &text).is_err());
        }
    }

    #[test]
    fn a_changed_bit_is_noticed(at in 0..FILE.len(), bit in 0..8_u32) {
        let (signature, keys) = (sign(drawn(), FILE), keys(&[("kim", drawn())]));
        let mut changed = FILE.to_vec();
        changed[at] ^= 1 << bit;
        prop_assert!(verify(FILE, &signature, &keys).is_ok());
        prop_assert!(verify(&changed, &signature, &keys).is_err());
    }
}
