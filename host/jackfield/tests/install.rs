//! Plugins from a registry: `jackfield publish` and `jackfield install`, against a real registry and one that lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

#[path = "../../packages/tests/support/lying.rs"]
mod lying;
#[path = "../../packages/tests/support/real.rs"]
mod real;
mod support;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Output;

use jackfield_packages::{LockFile, sha256};
use lying::{Answer, Lying};
use minisign::KeyPair;
use real::{Options, PASSWORD, RealRegistry, USER};
use serde_json::Value as Json;
use support::{Site, guest, json_lines, output_text};

/// A strategy of the examples, in another build: same name, other contents.
fn triage(build: u8) -> Vec<u8> {
    let mut bytes = std::fs::read(guest("triage")).expect("the guest");
    // A custom section with no name and one byte.
    bytes.extend([0, 2, 0, build]);
    bytes
}

/// A site, what is published from it, and what is installed into it.
struct Bench {
    site: Site,
}

impl Bench {
    fn new() -> Bench {
        Bench { site: Site::new() }
    }

    #[track_caller]
    fn run(&self, words: &[&str], code: i32) -> Output {
        self.run_with(words, &[], code)
    }

    #[track_caller]
    fn run_with(&self, words: &[&str], environment: &[(&str, &Path)], code: i32) -> Output {
        let mut command = self.site.command(words);
        // Nothing that is stored for whoever runs the tests.
        command.env("HOME", self.site.path("home")).env("NO_PROXY", "*");
        for name in ["DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "JACKFIELD_REGISTRY_USER", "SSL_CERT_FILE"] {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        let output = command.output().expect("runs");
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", output_text(&output));
        output
    }

    /// What it says when it fails with `code`.
    #[track_caller]
    fn fails(&self, words: &[&str], code: i32, parts: &[&str]) {
        let text = output_text(&self.run(words, code));
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
    }

    /// What `jackfield install` says of one plugin.
    #[track_caller]
    fn install(&self, words: &[&str]) -> Json {
        let words = [&["install", "--json"], words].concat();
        let mut lines = json_lines(&self.run(&words, 0).stdout);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    /// Publishes a build of triage, and returns the digest of its manifest.
    #[track_caller]
    fn publish(&self, build: u8, reference: &str) -> String {
        let file = self.write("build.wasm", &triage(build));
        let output = self.run(&["publish", file.to_str().unwrap(), reference, "--json"], 0);
        json_lines(&output.stdout)[0]["manifest"].as_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.site.path(name), bytes).unwrap();
        self.site.path(name)
    }

    fn installed(&self) -> Option<Vec<u8>> {
        std::fs::read(self.site.path("plugins/triage.wasm")).ok()
    }

    fn names(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(self.site.path("plugins")) else { return Vec::new() };
        let mut names: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn trust(&self, pair: &KeyPair, required: bool) {
        let key = pair.pk.to_base64();
        self.site.configure(
            "[[tenant]]",
            &format!(
                "[application.options.plugins]\nrequire-signature = {required}\n\
                 [[trusted-key]]\nname = \"kim\"\nkey = \"{key}\"\n[[tenant]]"
            ),
        );
    }
}

#[test]
fn what_is_published_is_installed_pinned_and_left_alone_when_it_is_there() {
    let Some(registry) = RealRegistry::start(&Options::default()) else { return };
    let (bench, reference) = (Bench::new(), registry.reference("strategies/triage:1"));
    let manifest = bench.publish(1, &reference);

    let dry = bench.install(&["--dry-run", &reference]);
    assert_eq!((&dry["state"], &dry["dryRun"]), (&"installed".into(), &true.into()));
    assert_eq!(bench.names(), [""; 0]);

    let first = bench.install(&[&reference]);
    let content = sha256(&triage(1));
    for (key, value) in [
        ("state", "installed"),
        ("file", "triage.wasm"),
        ("plugin", "triage"),
        ("reference", &reference),
        ("manifest", &manifest),
        ("content", &content),
    ] {
        assert_eq!(first[key], value, "{first}");
    }
    assert_eq!((&first["signed"], &first["was"]), (&Json::Null, &Json::Null));
    assert_eq!(bench.installed().unwrap(), triage(1));
    assert_eq!(bench.names(), ["jackfield.lock", "triage.wasm"]);
    let lock = LockFile::read(&bench.site.path("plugins")).unwrap();
    let [locked] = lock.all() else { panic!("{lock:?}") };
    assert_eq!((&locked.reference, &locked.manifest, &locked.content), (&reference, &manifest, &content));

    assert_eq!(bench.install(&[&reference])["state"], "unchanged");
    let shown = output_text(&bench.run(&["install"], 0));
    assert!(shown.contains("plugins/triage.wasm is as the lock file says"), "{shown}");
    let pinned = bench.install(&[&registry.reference(&format!("strategies/triage@{manifest}"))]);
    assert_eq!((&pinned["state"], &pinned["was"]), (&"installed".into(), &Json::Null));
}

#[test]
fn the_lock_file_holds_until_it_is_told_to_move() {
    let Some(registry) = RealRegistry::start(&Options::default()) else { return };
    let (bench, reference) = (Bench::new(), registry.reference("triage:latest"));
    let first = bench.publish(1, &reference);
    bench.install(&[&reference]);
    let second = bench.publish(2, &reference);

    // Changed by hand, then gone: each time it becomes what it was, though the tag is elsewhere.
    bench.write("plugins/triage.wasm", b"changed");
    assert_eq!(bench.install(&[])["manifest"], first);
    assert_eq!(bench.installed().unwrap(), triage(1));
    std::fs::remove_file(bench.site.path("plugins/triage.wasm")).unwrap();
    assert_eq!(bench.install(&[])["state"], "installed");
    assert_eq!(bench.installed().unwrap(), triage(1));

    let tried = bench.install(&["--update", "--dry-run"]);
    assert_eq!((&tried["state"], &tried["manifest"]), (&"updated".into(), &second.clone().into()));
    assert_eq!(bench.installed().unwrap(), triage(1));
    let moved = bench.install(&["--update"]);
    assert_eq!((&moved["state"], &moved["was"]), (&"updated".into(), &first.clone().into()));
    assert_eq!(bench.installed().unwrap(), triage(2));
    assert_eq!(bench.install(&["--update"])["state"], "unchanged");
    assert_eq!(bench.install(&[])["state"], "unchanged");

    // A digest stays where it is, and a tag must be the digest that is given with it.
    let pinned = registry.reference(&format!("triage@{first}"));
    assert_eq!(bench.install(&[&pinned])["state"], "updated");
    assert_eq!(bench.install(&["--update"])["state"], "unchanged");
    assert_eq!(bench.installed().unwrap(), triage(1));
    let both = registry.reference(&format!("triage:latest@{first}"));
    bench.fails(&["install", &both], 1, &["the tag is now", &second, &first]);
}

#[test]
fn contents_that_are_not_what_the_lock_file_says_are_refused() {
    let Some(registry) = RealRegistry::start(&Options::default()) else { return };
    let (bench, reference) = (Bench::new(), registry.reference("triage:1"));
    bench.publish(1, &reference);
    bench.install(&[&reference]);
    let path = bench.site.path("plugins/jackfield.lock");
    let right = std::fs::read_to_string(&path).unwrap();
    bench.write("plugins/jackfield.lock", right.replace(&sha256(&triage(1)), &sha256(b"else")).as_bytes());
    bench.fails(&["install"], 1, &["but the lock file says", &sha256(b"else"), "by its reference"]);

    let unknown = sha256(b"unknown");
    let other = right.lines().map(|line| if line.starts_with("manifest") { "" } else { line }).collect::<Vec<_>>();
    bench.write("plugins/jackfield.lock", format!("{}\nmanifest = \"{unknown}\"\n", other.join("\n")).as_bytes());
    std::fs::remove_file(bench.site.path("plugins/triage.wasm")).unwrap();
    bench.fails(&["install"], 1, &[&unknown, "no such plugin, tag or digest"]);
    bench.write("plugins/jackfield.lock", b"version = 9");
    bench.fails(&["install"], 1, &["has format 9"]);
}

#[test]
fn without_the_registry() {
    let Some(registry) = RealRegistry::start(&Options::default()) else { return };
    let (bench, reference) = (Bench::new(), registry.reference("triage:1"));
    bench.publish(1, &reference);
    bench.install(&[&reference]);
    drop(registry);
    // What is there needs none.
    assert_eq!(bench.install(&[])["state"], "unchanged");
    bench.fails(&["install", "--update"], 4, &["error: 127.0.0.1:", "cannot be reached"]);
    bench.fails(&["publish", "build.wasm", &reference], 4, &["cannot be reached"]);
    let output = bench.run(&["install", "--json", &reference], 4);
    assert_eq!(json_lines(&output.stderr).last().unwrap()["exitCode"], 4);
    assert_eq!(bench.installed().unwrap(), triage(1));
}

#[test]
fn a_site_that_requires_signatures() {
    let Some(registry) = RealRegistry::start(&Options::default()) else { return };
    let bench = Bench::new();
    let (kim, stranger) =
        (KeyPair::generate_unencrypted_keypair().unwrap(), KeyPair::generate_unencrypted_keypair().unwrap());
    bench.trust(&kim, true);
    let sign = |pair: &KeyPair, bytes: &[u8]| {
        let signed = minisign::sign(None, &pair.sk, Cursor::new(bytes), Some("at ten"), None).unwrap().into_string();
        bench.write("build.wasm.minisig", signed.as_bytes());
    };
    let reference = |tag: &str| registry.reference(&format!("triage:{tag}"));

    bench.publish(1, &reference("unsigned"));
    bench.fails(&["install", &reference("unsigned")], 1, &["it has no signature", "`minisign -S -m triage.wasm`"]);
    sign(&stranger, &triage(1));
    bench.publish(1, &reference("strange"));
    bench.fails(&["install", &reference("strange")], 1, &["which is not trusted; trusted: kim ("]);
    sign(&kim, &triage(2));
    bench.publish(1, &reference("changed"));
    bench.fails(&["install", &reference("changed")], 1, &["with key kim does not fit the file"]);
    assert_eq!(bench.names(), [""; 0]);

    sign(&kim, &triage(1));
    bench.publish(1, &reference("signed"));
    let signed = bench.install(&[&reference("signed")]);
    assert_eq!((&signed["signed"]["key"], &signed["signed"]["comment"]), (&"kim".into(), &"at ten".into()));
    assert_eq!(bench.names(), ["jackfield.lock", "triage.wasm", "triage.wasm.minisig"]);
    // The signature belongs to it: without, the file is not as it should be.
    std::fs::remove_file(bench.site.path("plugins/triage.wasm.minisig")).unwrap();
    assert_eq!(bench.install(&[])["state"], "installed");
    assert_eq!(bench.names(), ["jackfield.lock", "triage.wasm", "triage.wasm.minisig"]);

    bench.write("build.wasm.minisig", b"nothing");
    bench.fails(&["publish", "build.wasm", &reference("2")], 1, &["build.wasm: its signature is damaged"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_lies_changes_nothing() {
    let (right, bench) = (triage(1), Bench::new());
    let manifest = lying::manifest(&sha256(&right), right.len());
    let (whole, other, half) = (right.clone(), triage(2), right[..right.len() / 2].to_vec());
    let all = right.len();
    let registry = Lying::start(move |_, path, _| match path {
        "/v2/" => Answer::ok(""),
        _ if path.contains("/manifests/") => Answer::ok(manifest.clone()),
        _ if path.starts_with("/v2/right/") => Answer::ok(whole.clone()),
        _ if path.starts_with("/v2/other/") => Answer::ok(other.clone()),
        _ if path.starts_with("/v2/half/") => Answer::CutOff { announced: all, sent: half.clone() },
        _ => Answer::Endless,
    })
    .await;
    bench.fails(&["install", &registry.reference("other:1")], 1, &["other contents than it should", "do not use them"]);
    bench.fails(&["install", &registry.reference("half:1")], 1, &["broken off after", "try again"]);
    bench.fails(&["install", &registry.reference("endless:1")], 1, &["its file has more"]);
    assert_eq!(bench.names(), [""; 0]);
    bench.install(&[&registry.reference("right:1")]);
    bench.fails(&["install", &registry.reference("other:1")], 1, &["other contents than it should"]);
    assert_eq!(bench.installed().unwrap(), right);
    assert_eq!(bench.names(), ["jackfield.lock", "triage.wasm"]);

    // Of several, each by itself.
    let words = ["install", &registry.reference("half:1"), &registry.reference("right:1")];
    bench.fails(&words, 3, &["broken off after", "is as the lock file says"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_strategy_is_not_installed() {
    let bench = Bench::new();
    let empty = [0, b'a', b's', b'm', 0x0d, 0, 1, 0].to_vec();
    let manifest = lying::manifest(&sha256(&empty), empty.len());
    let registry = Lying::start(move |_, path, _| match path {
        "/v2/" => Answer::ok(""),
        _ if path.contains("/manifests/") => Answer::ok(manifest.clone()),
        _ => Answer::ok(empty.clone()),
    })
    .await;
    let reference = registry.reference("triage:1");
    bench.fails(&["install", &reference], 1, &[&format!("{reference}: does not export `describe`")]);
    assert_eq!(bench.names(), [""; 0]);
}

#[test]
fn a_file_that_was_not_installed_is_not_replaced_unasked() {
    let Some(registry) = RealRegistry::start(&Options::default()) else { return };
    let (bench, reference) = (Bench::new(), registry.reference("triage:1"));
    bench.publish(1, &reference);
    std::fs::create_dir(bench.site.path("plugins")).unwrap();
    bench.write("plugins/triage.wasm", &triage(9));
    bench.fails(&["install", &reference], 1, &["plugins/triage.wasm is there already", "--replace"]);
    assert_eq!(bench.installed().unwrap(), triage(9));
    assert_eq!(bench.install(&["--replace", &reference])["state"], "installed");
    assert_eq!(bench.installed().unwrap(), triage(1));
    // Once it was, it is.
    bench.publish(2, &reference);
    assert_eq!(bench.install(&[&reference])["state"], "updated");
}

#[test]
fn mistakes_on_the_command_line() {
    let bench = Bench::new();
    bench.fails(&["install"], 2, &["nothing was installed in plugins so far; name a plugin, oci://"]);
    bench.fails(&["install", "ghcr.io/acme/triage"], 2, &["does not begin with oci://", "write oci://host"]);
    bench.fails(&["install", "--update", "oci://ghcr.io/triage:1"], 2, &["--update"]);
    let digest = format!("oci://ghcr.io/triage@{}", sha256(b""));
    bench.fails(&["publish", "triage.wasm", &digest], 2, &["name a tag only"]);
    bench.fails(&["publish", "triage.wasm", "oci://ghcr.io/triage:1"], 1, &["triage.wasm: could not be read"]);
}

#[test]
fn with_the_login_that_docker_has_stored() {
    let Some(registry) = RealRegistry::start(&Options { login: true, ..Options::default() }) else { return };
    let (bench, reference) = (Bench::new(), registry.reference("triage:1"));
    let host = reference.trim_start_matches("oci://").split('/').next().unwrap();
    bench.write("build.wasm", &triage(1));
    bench.fails(&["publish", "build.wasm", &reference], 1, &[&format!("`docker login {host}`")]);
    let stored = serde_json::json!({ "auths": { host: { "username": USER, "password": PASSWORD } } });
    let folder = bench.write("config.json", stored.to_string().as_bytes()).parent().unwrap().to_owned();
    let environment = [("DOCKER_CONFIG", folder.as_path())];
    bench.run_with(&["publish", "build.wasm", &reference], &environment, 0);
    bench.run_with(&["install", &reference], &environment, 0);
    let own = [("JACKFIELD_REGISTRY_USER", Path::new(USER)), ("JACKFIELD_REGISTRY_PASSWORD", Path::new("guessed"))];
    let text = output_text(&bench.run_with(&["install", "--update"], &own, 1));
    assert!(text.contains("another login than that of `kim`"), "{text}");
}

#[test]
fn over_tls_with_a_certificate_that_is_trusted() {
    let bench = Bench::new();
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".into(), "localhost".into()]).unwrap();
    let certificate = bench.write("certificate.pem", issued.cert.pem().as_bytes());
    let key = bench.write("key.pem", issued.signing_key.serialize_pem().as_bytes());
    let options = Options { tls: Some((&certificate, &key)), ..Options::default() };
    let Some(registry) = RealRegistry::start(&options) else { return };
    let reference = registry.reference("triage:1");
    bench.write("build.wasm", &triage(1));
    bench.fails(&["publish", "build.wasm", &reference], 1, &["the certificate of 127.0.0.1", "SSL_CERT_FILE"]);
    let environment = [("SSL_CERT_FILE", certificate.as_path())];
    bench.run_with(&["publish", "build.wasm", &reference], &environment, 0);
    bench.run_with(&["install", &reference], &environment, 0);
    assert_eq!(bench.installed().unwrap(), triage(1));
}
