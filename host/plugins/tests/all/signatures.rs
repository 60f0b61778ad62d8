//! Where signatures are required, only what a trusted key has signed is taken, whatever comes first: file or signature.

use std::io::Cursor;

use jackfield_packages::{TrustedKey, TrustedKeys, Vouching};
use minisign::KeyPair;

use crate::support::{Home, refused, serves, versioned};

fn signature(keys: &KeyPair, bytes: &[u8]) -> Vec<u8> {
    let signature = minisign::sign(Some(&keys.pk), &keys.sk, Cursor::new(bytes), Some("a test"), None);
    signature.expect("a signature").into_string().into_bytes()
}

fn trusting(keys: &KeyPair) -> Vouching {
    let key = TrustedKey::parse("releases", &keys.pk.to_base64()).expect("a key");
    Vouching { required: true, keys: TrustedKeys::from_iter([key]) }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_trusted_key_has_signed_is_taken() {
    let keys = KeyPair::generate_unencrypted_keypair().expect("keys");
    let strangers = KeyPair::generate_unencrypted_keypair().expect("keys");
    let mut home = Home::new();
    home.settings.vouching = trusting(&keys);
    let (one, two) = (versioned(1), versioned(2));
    home.write("v.wasm.minisig", &signature(&keys, &one));
    home.write("v.wasm", &one);
    let folder = home.open().await;
    serves(&folder, 1).await;

    // The signature of the file before does not fit the new one, and what serves goes on serving.
    home.move_in("v.wasm", &two);
    let problem = refused(&folder, &home.path("v.wasm")).await;
    assert!(problem.contains("v.wasm: ") && problem.contains("signature"), "{problem}");
    home.write("v.wasm.minisig", &signature(&strangers, &two));
    let problem = refused(&folder, &home.path("v.wasm")).await;
    assert!(problem.contains("v.wasm: "), "{problem}");
    serves(&folder, 1).await;
    // It comes after its file.
    home.write("v.wasm.minisig", &signature(&keys, &two));
    serves(&folder, 2).await;
    // What is known already is not taken without one either.
    std::fs::remove_file(home.path("v.wasm.minisig")).expect("removed");
    let problem = refused(&folder, &home.path("v.wasm")).await;
    assert!(problem.contains("minisig"), "{problem}");
    // Whoever needs none any more gets what was refused.
    let settings = jackfield_plugins::FolderSettings { vouching: Vouching::default(), ..home.settings.clone() };
    folder.set_settings(settings);
    crate::support::until("it is taken", || {
        crate::support::file(&folder, &home.path("v.wasm"))
            .filter(|file| file.state == jackfield_plugins::FileState::Taken)
    })
    .await;
    folder.close().await;
}
