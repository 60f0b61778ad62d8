//! E-mail taken from a mailbox of a real IMAP server: Dovecot, where it is installed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jackfield_mail::{ImapSettings, IntakeSettings, Login, MailSettings, Password, Security, Source};
use tempfile::TempDir;

use crate::site::Site;
use crate::{Certificate, certificate, free_port, until};

/// The package of Debian and Ubuntu that has the program.
const PACKAGE: &str = "dovecot-imapd";
const PASSWORD: &str = "battery \"staple\"";

/// A server with one mailbox, that of ann, in a Maildir.
struct Dovecot {
    child: Option<Child>,
    folder: Arc<TempDir>,
    certificate: Certificate,
    port: u16,
    tls_port: u16,
}

impl Dovecot {
    /// None where the program is not installed, or cannot be used by whoever runs the tests: then the test is
    /// passed over, and says so.
    async fn start() -> Option<Dovecot> {
        let program =
            ["/usr/sbin/dovecot", "/usr/local/sbin/dovecot"].into_iter().find(|path| Path::new(path).exists());
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
        let (Some(_), true) = (program, is_root) else {
            eprintln!("passed over: there is no Dovecot, or we are not root (apt-get install {PACKAGE})");
            return None;
        };
        let folder = Arc::new(tempfile::Builder::new().prefix("imap").tempdir().expect("a folder"));
        // Its processes run as others.
        open_to_all(folder.path());
        let certificate = certificate(folder.path(), "localhost");
        let mut dovecot = Dovecot { child: None, folder, certificate, port: free_port(), tls_port: free_port() };
        for part in ["mail", "mail/ann", "mail/ann/tmp", "mail/ann/new", "mail/ann/cur"] {
            std::fs::create_dir_all(dovecot.path(part)).expect("made");
            open_to_all(&dovecot.path(part));
        }
        std::fs::write(dovecot.path("users"), format!("ann:{{PLAIN}}{PASSWORD}::::::\n")).expect("written");
        let at = dovecot.folder.path().display();
        let (port, tls_port) = (dovecot.port, dovecot.tls_port);
        let configuration = format!(
            "base_dir = {at}/run\nstate_dir = {at}/run\nlog_path = {at}/log\nprotocols = imap\nlisten = 127.0.0.1\n\
             ssl = yes\nssl_cert = <{at}/certificate.pem\nssl_key = <{at}/key.pem\ndisable_plaintext_auth = yes\n\
             auth_mechanisms = plain\nmail_location = maildir:{at}/mail/%u\nfirst_valid_uid = 1\n\
             passdb {{\n driver = passwd-file\n args = {at}/users\n}}\n\
             userdb {{\n driver = static\n args = uid=65534 gid=65534 home={at}/mail/%u\n}}\n\
             service imap-login {{\n inet_listener imap {{\n port = {port}\n }}\n inet_listener imaps {{\n port = {tls_port}\n ssl = yes\n }}\n}}\n"
        );
        std::fs::write(dovecot.path("dovecot.conf"), configuration).expect("written");
        dovecot.run().await;
        Some(dovecot)
    }

    async fn run(&mut self) {
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(self.path("dovecot.conf")).stdin(Stdio::null());
        self.child = Some(command.spawn().expect("it starts"));
        let port = self.port;
        until("Dovecot listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    }

    /// It ends, and with it every connection.
    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = child.id().to_string();
            let _ = Command::new("kill").arg(pid).status();
            let _ = child.wait();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Another program puts a message there.
    fn deliver(&self, name: &str, text: &str) {
        let (tmp, new) = (self.path("mail/ann/tmp").join(name), self.path("mail/ann/new").join(name));
        std::fs::write(&tmp, text).expect("written");
        open_to_all(&tmp);
        std::fs::rename(tmp, new).expect("delivered");
    }

    /// How many messages bear the mark of being read, as the file names of a Maildir have it.
    fn seen(&self) -> usize {
        let names = std::fs::read_dir(self.path("mail/ann/cur"))
            .expect("a folder")
            .map(|entry| entry.expect("one").file_name());
        names.filter(|name| name.to_string_lossy().split(":2,").nth(1).is_some_and(|flags| flags.contains('S'))).count()
    }

    fn settings(&self) -> ImapSettings {
        // Read whenever it is needed, so it stays.
        let password = self.path("password");
        std::fs::write(&password, PASSWORD).expect("written");
        ImapSettings {
            host: "localhost".into(),
            port: self.tls_port,
            security: Security::Implicit,
            ca: Some(self.certificate.certificate.clone()),
            login: Login { user: "ann".into(), password: Password::File(password) },
            mailbox: "INBOX".into(),
            move_to: None,
            memory: self.path("memory"),
            answer_within: Duration::from_secs(20),
        }
    }

    async fn site(&self, imap: ImapSettings) -> Site {
        Site::start_in(Arc::new(tempfile::tempdir().expect("a folder")), from(imap)).await
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.stop();
    }
}

fn from(imap: ImapSettings) -> impl FnOnce(MailSettings) -> MailSettings {
    move |settings| {
        let intake = IntakeSettings {
            source: Source::Imap(Box::new(imap)),
            queue: "email.inbound".into(),
            at_once: 4,
            message_bytes: 20_000,
            // Far longer than the test: what comes meanwhile is told of (IDLE).
            look_every: Duration::from_secs(600),
        };
        MailSettings { intakes: vec![intake], ..settings }
    }
}

#[cfg(unix)]
fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("changed");
}

fn mail(subject: &str) -> String {
    format!(
        "From: ann@example.com\r\nTo: help@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n\r\nhello\r\n"
    )
}

fn subjects(site: &Site) -> Vec<String> {
    let subject = |submit: &jackfield_protocol::v1::RequestSubmit| {
        submit.user_data.as_ref().and_then(|data| data.text("Subject")).unwrap_or_default().to_owned()
    };
    site.submitted().iter().map(subject).collect()
}

#[tokio::test]
async fn what_is_there_and_what_comes_is_taken_once_and_marked() {
    let Some(dovecot) = Dovecot::start().await else { return };
    for number in 0..9 {
        dovecot.deliver(&format!("a{number}"), &mail(&number.to_string()));
    }
    let site = dovecot.site(dovecot.settings()).await;
    until("all marked", || dovecot.seen() == 9).await;
    assert_eq!(site.submitted().len(), 9);
    // The server tells of it: nothing looks for ten minutes.
    dovecot.deliver("b1", &mail("news"));
    until("the news", || subjects(&site).contains(&"news".to_owned())).await;
    until("it is marked", || dovecot.seen() == 10).await;
    // Another process with the same memory takes nothing again, and what came in between.
    site.server.shutdown().await;
    dovecot.deliver("b2", &mail("later"));
    let site = dovecot.site(dovecot.settings()).await;
    until("what came in between", || dovecot.seen() == 11).await;
    assert_eq!(subjects(&site), ["later"]);
}

#[tokio::test]
async fn what_cannot_be_taken_is_put_aside_and_blocks_nothing() {
    let Some(dovecot) = Dovecot::start().await else { return };
    dovecot.deliver("a1", "no header at all\r\n\r\nnothing");
    dovecot.deliver("a2", &mail(&"long".repeat(9_000)));
    dovecot.deliver("a3", &mail("good"));
    let site = dovecot.site(dovecot.settings()).await;
    until("the good one is marked", || dovecot.seen() == 1).await;
    assert_eq!(subjects(&site), ["good"]);
    let aside = || {
        let names = std::fs::read_dir(dovecot.path("memory/aside")).expect("a folder");
        let mut names: Vec<_> =
            names.map(|entry| entry.expect("one").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    };
    // The large one was never read.
    let aside = aside();
    assert_eq!(aside.iter().filter(|name| name.ends_with(".reason")).count(), 2, "{aside:?}");
    assert_eq!(aside.iter().filter(|name| name.ends_with(".eml")).count(), 1, "{aside:?}");
}

#[tokio::test]
async fn it_is_moved_where_that_is_wanted_and_starttls_will_do() {
    let Some(dovecot) = Dovecot::start().await else { return };
    dovecot.deliver("a1", &mail("one"));
    let move_to = Some("Taken".to_owned());
    let imap = ImapSettings { port: dovecot.port, security: Security::StartTls, move_to, ..dovecot.settings() };
    let _site = dovecot.site(imap).await;
    let moved = || std::fs::read_dir(dovecot.path("mail/ann/.Taken/cur")).is_ok_and(|names| names.count() == 1);
    until("it is moved", moved).await;
    let gone = || std::fs::read_dir(dovecot.path("mail/ann/cur")).is_ok_and(|names| names.count() == 0);
    until("nothing is left of it", gone).await;
}

#[tokio::test]
async fn when_the_server_numbers_anew_nothing_is_taken_twice_and_nothing_is_lost() {
    let Some(mut dovecot) = Dovecot::start().await else { return };
    for name in ["one", "two"] {
        dovecot.deliver(name, &mail(name));
    }
    let site = dovecot.site(dovecot.settings()).await;
    until("both marked", || dovecot.seen() == 2).await;
    dovecot.stop();
    // Numbers, keywords and all that the server knows is gone; of one message its marks, too.
    for entry in std::fs::read_dir(dovecot.path("mail/ann")).expect("a folder") {
        let entry = entry.expect("one");
        if entry.file_name().to_string_lossy().starts_with("dovecot") {
            std::fs::remove_file(entry.path()).expect("removed");
        }
    }
    let cur = dovecot.path("mail/ann/cur");
    let one = std::fs::read_dir(&cur).expect("a folder").next().expect("one").expect("an entry");
    let name = one.file_name().into_string().expect("text");
    std::fs::rename(one.path(), cur.join(name.split(":2,").next().expect("a part"))).expect("renamed");
    dovecot.deliver("three", &mail("three"));
    // Numbers of a mailbox are made of the second in which it began.
    let begin = std::time::SystemTime::now();
    until("another second", || begin.elapsed().is_ok_and(|passed| passed > Duration::from_secs(1))).await;
    dovecot.run().await;
    until("the third, and the marks", || subjects(&site).len() == 3 && dovecot.seen() == 3).await;
    let mut subjects = subjects(&site);
    subjects.sort();
    assert_eq!((subjects, site.note(|book| book.repeated)), (vec!["one".into(), "three".into(), "two".into()], 0));
}

#[tokio::test]
async fn a_wrong_password_or_certificate_takes_nothing_until_it_is_mended() {
    let Some(dovecot) = Dovecot::start().await else { return };
    dovecot.deliver("a1", &mail("one"));
    let imap = dovecot.settings();
    let trusted = dovecot.path("trusted.pem");
    let other = tempfile::tempdir().expect("a folder");
    std::fs::copy(certificate(other.path(), "localhost").certificate, &trusted).expect("copied");
    let site = dovecot.site(ImapSettings { ca: Some(trusted.clone()), ..imap.clone() }).await;
    std::fs::copy(&dovecot.certificate.certificate, &trusted).expect("copied");
    until("it is taken", || site.submitted().len() == 1).await;
    site.server.shutdown().await;

    dovecot.deliver("a2", &mail("two"));
    let wrong = dovecot.path("wrong");
    std::fs::write(&wrong, "wrong").expect("written");
    let login = Login { user: "ann".into(), password: Password::File(wrong) };
    let site = dovecot.site(ImapSettings { login, ..imap.clone() }).await;
    let refused = || std::fs::read_to_string(dovecot.path("log")).is_ok_and(|log| log.contains("auth failed"));
    until("it is refused", refused).await;
    assert!(site.submitted().is_empty());
    site.server.shutdown().await;
    let site = dovecot.site(imap).await;
    until("it is taken", || site.submitted().len() == 1).await;
}
