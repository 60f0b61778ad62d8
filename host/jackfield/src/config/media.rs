//! `[[media-server]]`: what runs beside the node and speaks to customers.

use std::ops::Range;
use std::path::{Path, PathBuf};

use jackfield_chat::ChatSettings;
use jackfield_link::Reconnect;
use jackfield_mail::{
    ImapSettings, IntakeSettings, Login, MailSettings, Outgoing, Password, Retry, Security, SmtpSettings, Source,
};
use toml::Spanned;

use super::Site;
use super::objects::one_of;
use super::options::{self, Owner};
use super::problem::{Problem, nearest_word};
use super::section::{Notes, Section, Text, wrong_type};
use super::values::{OptionValues, keys};

/// A media server that runs beside the node.
#[derive(Clone, Debug)]
pub struct MediaServer {
    /// Application name.
    pub name: Text,
    /// Name of the Interaction Server it serves.
    pub server: Text,
    /// Media type it serves.
    pub media: Text,
    /// What it is told, by its kind.
    pub kind: MediaKind,
    /// Queues that it submits into, with their places.
    queues: Vec<Text>,
}

/// What a media server is told.
#[derive(Clone, Debug)]
pub enum MediaKind {
    /// `kind = "email"`
    Email(Box<MailSettings>),
    /// `kind = "chat"`
    Chat(Box<ChatSettings>),
}

impl MediaServer {
    /// The Maildir it writes into, if it does.
    pub fn maildir(&self) -> Option<&Path> {
        match &self.kind {
            MediaKind::Email(settings) => match &settings.outgoing {
                Outgoing::Maildir(maildir) => Some(maildir),
                Outgoing::Smtp { .. } => None,
            },
            MediaKind::Chat(_) => None,
        }
    }

    /// Where its page is, if it has one.
    pub fn page(&self) -> Option<String> {
        match &self.kind {
            MediaKind::Email(_) => None,
            MediaKind::Chat(settings) => Some(format!("http://{}/", settings.listen)),
        }
    }
}

/// Where relative paths begin, and where the node keeps what is its own.
pub struct Folders<'f> {
    /// The folder of the configuration.
    pub site: &'f Path,
    /// The data folder.
    pub data: &'f Path,
}

/// Reads one.
pub fn media_server(section: &mut Section<'_, '_>, folders: &Folders<'_>, notes: &Notes) -> Option<MediaServer> {
    let name = section.required_text("name");
    let kind = section.required_text("kind");
    let kind = kind.and_then(|kind| one_of(&kind, "kind", &["email", "chat"], notes));
    let server = section.required_text("server");
    let media = section.required_text("media");
    let called = name.as_ref().map_or("media-server", |name| name.get_ref());
    let about = About {
        name: called.to_owned(),
        media: media.as_ref().map(|media| media.get_ref().clone()).unwrap_or_default(),
        own: folders.data.join(called.replace(['/', '\0'], "_")),
    };
    // Of a kind that there is not, nothing more is known.
    let read = match kind? {
        "chat" => chat(section, folders, &about, notes),
        _ => email(section, folders, &about, notes),
    };
    let (kind, queues) = read?;
    Some(MediaServer { name: name?, server: server?, media: media?, kind, queues })
}

/// What is known of one whatever its kind.
struct About {
    name: String,
    media: String,
    /// Folder of what is its own, where nothing else is said.
    own: PathBuf,
}

fn email(
    section: &mut Section<'_, '_>,
    folders: &Folders<'_>,
    about: &About,
    notes: &Notes,
) -> Option<(MediaKind, Vec<Text>)> {
    let own = &about.own;
    let from = section.text("from").map(Spanned::into_inner).unwrap_or_default();
    let maildir = section.text("maildir");
    let smtp = inner(section, "smtp", "[media-server.smtp]", notes, |smtp| smtp_server(smtp, folders, own, notes));
    let outgoing = match (&maildir, smtp) {
        (Some(maildir), None) => Some(Outgoing::Maildir(folders.site.join(maildir.get_ref()))),
        (None, Some(smtp)) => smtp,
        _ => {
            notes.push(
                Problem::new(
                    section.span(),
                    "where do its e-mails go? it takes either `maildir` or `smtp`",
                    "this one",
                )
                .help("add `maildir`: a folder; or [media-server.smtp] with `host` and what else it needs"),
            );
            None
        }
    };
    let imap = inner(section, "imap", "[media-server.imap]", notes, |imap| imap_mailbox(imap, folders, own, notes));
    let inbox = inner(section, "inbox", "[media-server.inbox]", notes, |inbox| {
        let folder = folders.site.join(inbox.required_text("maildir")?.into_inner());
        if maildir.as_ref().is_some_and(|maildir| folders.site.join(maildir.get_ref()) == folder) {
            let message = "its e-mails go into the same Maildir from which it takes some";
            notes.push(Problem::new(inbox.span(), message, "would answer itself").help("name another folder"));
        }
        intake(inbox, "inbox", Source::Maildir(folder), notes)
    });
    let (intakes, queues) = [imap, inbox].into_iter().flatten().flatten().unzip();
    let settings = MailSettings {
        name: about.name.clone(),
        media_type: about.media.clone(),
        outgoing: outgoing?,
        intakes,
        default_from: from,
        ..MailSettings::default()
    };
    Some((MediaKind::Email(Box::new(settings)), queues))
}

fn chat(
    section: &mut Section<'_, '_>,
    folders: &Folders<'_>,
    about: &About,
    notes: &Notes,
) -> Option<(MediaKind, Vec<Text>)> {
    let queue = section.required_text("queue");
    let listen = section.required_text("listen");
    let address = listen.as_ref().and_then(|listen| {
        let address = listen.get_ref().parse();
        if address.is_err() {
            let message = format!("`{}` is no address to listen at", listen.get_ref());
            notes.push(Problem::new(listen.span(), message, "here").help("write it as in \"127.0.0.1:8080\""));
        }
        address.ok()
    });
    let folder =
        section.text("folder").map_or_else(|| about.own.join("chats"), |folder| folders.site.join(folder.get_ref()));
    let options = own_options(section, "chat", notes);
    let count = |name| options.count(Owner::MediaServer, "chat", name);
    let duration = |name| options.duration(Owner::MediaServer, "chat", name);
    let queue = queue?;
    let settings = ChatSettings {
        name: about.name.clone(),
        media_type: about.media.clone(),
        queue: queue.get_ref().clone(),
        listen: address?,
        folder,
        grace: duration("grace"),
        kept: duration("transcript-retention"),
        chats: count("chats"),
        connections: count("connections"),
        connections_a_chat: count("connections-per-chat"),
        lines_a_second: u32::try_from(count("lines-per-second")).unwrap_or(u32::MAX),
        reconnect: Reconnect::default(),
    };
    Some((MediaKind::Chat(Box::new(settings)), vec![queue]))
}

/// What refers to other objects.
pub fn check(site: &Site, notes: &Notes) {
    for media_server in &site.media_servers {
        let server = media_server.server.get_ref();
        for queue in &media_server.queues {
            if site.server(server).is_some() && !site.has_queue(server, queue.get_ref()) {
                let queues = site.queues.iter().filter(|queue| queue.is_on(server));
                let help = nearest_word(queue.get_ref(), queues.map(|queue| queue.name.get_ref().as_str()));
                let message = format!("server `{server}` has no queue `{}` for what comes in", queue.get_ref());
                notes.push(Problem::new(queue.span(), message, "not a queue there").help(help));
            }
        }
    }
}

/// A table inside, where it is there; inside none, when it has a mistake.
fn inner<T>(
    section: &mut Section<'_, '_>,
    key: &'static str,
    what: &'static str,
    notes: &Notes,
    read: impl FnOnce(&mut Section<'_, '_>) -> Option<T>,
) -> Option<Option<T>> {
    let value = section.value(key)?;
    let Some(table) = value.get_ref().as_table() else {
        wrong_type(notes, key, value, &format!("a table: write {what}"));
        return Some(None);
    };
    let mut inside = Section::new(notes, what, value.span(), table);
    let read = read(&mut inside);
    inside.finish();
    Some(read)
}

fn smtp_server(section: &mut Section<'_, '_>, folders: &Folders<'_>, own: &Path, notes: &Notes) -> Option<Outgoing> {
    let options = own_options(section, "smtp", notes);
    let host = host(section, Security::StartTls, folders, notes);
    let login = login(section, folders, notes);
    let hello = section.text("hello").map(Spanned::into_inner).unwrap_or_default();
    let spool = section.text("folder").map_or_else(|| own.join("out"), |folder| folders.site.join(folder.get_ref()));
    let host = host?;
    warn_of_open_password(&host, login.as_ref(), section.span(), notes);
    let duration = |name| options.duration(Owner::MediaServer, "smtp", name);
    let count = |name| options.count(Owner::MediaServer, "smtp", name);
    Some(Outgoing::Smtp {
        server: Box::new(SmtpSettings {
            port: host.port.unwrap_or(match host.security {
                Security::StartTls => 587,
                Security::Implicit => 465,
                Security::None => 25,
            }),
            host: host.name,
            security: host.security,
            ca: host.ca,
            login,
            hello,
            connections: count("connections"),
            attempt_within: duration("attempt-timeout"),
        }),
        retry: Retry {
            pauses: Reconnect { first: duration("retry-first"), max: duration("retry-max") },
            give_up_after: duration("give-up-after"),
            waiting: count("waiting"),
        },
        spool,
        answer_within: duration("answer-within"),
    })
}

fn imap_mailbox(
    section: &mut Section<'_, '_>,
    folders: &Folders<'_>,
    own: &Path,
    notes: &Notes,
) -> Option<(IntakeSettings, Text)> {
    let host = host(section, Security::Implicit, folders, notes);
    let login = login(section, folders, notes);
    if login.is_none() {
        notes.push(
            Problem::new(section.span(), "[media-server.imap] has no `user`", "this one")
                .help("add `user`, and `password-file` or `password-variable`"),
        );
    }
    let mailbox = section.text("mailbox").map_or_else(|| "INBOX".to_owned(), Spanned::into_inner);
    let move_to = section.text("move-to").map(Spanned::into_inner);
    let memory = section.text("folder").map_or_else(|| own.join("imap"), |folder| folders.site.join(folder.get_ref()));
    let source = host.zip(login).map(|(host, login)| {
        warn_of_open_password(&host, Some(&login), section.span(), notes);
        let options = own_options(section, "imap", notes);
        Source::Imap(Box::new(ImapSettings {
            port: host.port.unwrap_or(if host.security == Security::Implicit { 993 } else { 143 }),
            host: host.name,
            security: host.security,
            ca: host.ca,
            login,
            mailbox,
            move_to,
            memory,
            answer_within: options.duration(Owner::MediaServer, "imap", "answer-timeout"),
        }))
    });
    // Whatever is wrong with the rest is said, too.
    match source {
        Some(source) => intake(section, "imap", source, notes),
        None => intake(section, "imap", Source::Maildir(PathBuf::new()), notes).and(None),
    }
}

fn intake(
    section: &mut Section<'_, '_>,
    of: &'static str,
    source: Source,
    notes: &Notes,
) -> Option<(IntakeSettings, Text)> {
    let queue = section.required_text("queue");
    let options = own_options(section, of, notes);
    let count = |name| options.count(Owner::MediaServer, of, name);
    let queue = queue?;
    let settings = IntakeSettings {
        source,
        queue: queue.get_ref().clone(),
        at_once: count("at-once"),
        message_bytes: count("message-size"),
        look_every: options.duration(Owner::MediaServer, of, "look-every"),
    };
    Some((settings, queue))
}

fn own_options(section: &mut Section<'_, '_>, of: &str, notes: &Notes) -> OptionValues {
    keys(section, options::of_section(Owner::MediaServer, of), notes)
}

struct Host {
    name: String,
    port: Option<u16>,
    security: Security,
    ca: Option<PathBuf>,
}

fn host(section: &mut Section<'_, '_>, usually: Security, folders: &Folders<'_>, notes: &Notes) -> Option<Host> {
    let name = section.required_text("host");
    let port = section.integer("port", 1, i64::from(u16::MAX));
    let port = port.and_then(|port| u16::try_from(port.into_inner()).ok());
    let security = match section.text("tls") {
        Some(word) => match one_of(&word, "tls", &["starttls", "implicit", "none"], notes)? {
            "starttls" => Security::StartTls,
            "implicit" => Security::Implicit,
            _ => Security::None,
        },
        None => usually,
    };
    let ca = section.text("ca").map(|file| {
        let path = folders.site.join(file.get_ref());
        warn_unreadable(&path, file.span(), notes);
        path
    });
    Some(Host { name: name?.into_inner(), port, security, ca })
}

fn login(section: &mut Section<'_, '_>, folders: &Folders<'_>, notes: &Notes) -> Option<Login> {
    let user = section.text("user");
    let password = match (section.text("password-file"), section.text("password-variable")) {
        (Some(file), None) => {
            let path = folders.site.join(file.get_ref());
            warn_unreadable(&path, file.span(), notes);
            Some(Password::File(path))
        }
        (None, Some(variable)) => {
            if std::env::var_os(variable.get_ref()).is_none() {
                let message = format!("there is no environment variable `{}` now", variable.get_ref());
                notes.push(Problem::new(variable.span(), message, "nobody could log in").warning());
            }
            Some(Password::Environment(variable.into_inner()))
        }
        (None, None) => None,
        (Some(_), Some(variable)) => {
            let message = "the password is in a file or in an environment variable, not in both";
            notes.push(Problem::new(variable.span(), message, "one too many"));
            return None;
        }
    };
    match (user, password) {
        (Some(user), Some(password)) => Some(Login { user: user.into_inner(), password }),
        (None, None) => None,
        (user, _) => {
            let span = user.map_or_else(|| section.span(), |user| user.span());
            notes.push(
                Problem::new(span, "a user needs a password, and a password a user", "one of them is missing")
                    .help("`user` goes with `password-file` or `password-variable`"),
            );
            None
        }
    }
}

fn warn_unreadable(path: &Path, span: Range<usize>, notes: &Notes) {
    if let Err(error) = std::fs::File::open(path) {
        let message = format!("{} cannot be read: {error}", path.display());
        notes.push(Problem::new(span, message, "is needed when it connects").warning());
    }
}

fn warn_of_open_password(host: &Host, login: Option<&Login>, span: Range<usize>, notes: &Notes) {
    let is_here =
        host.name == "localhost" || host.name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if login.is_some() && host.security == Security::None && !is_here {
        let message = format!("the password goes to {} as it is, for everybody on the way to read", host.name);
        notes.push(Problem::new(span, message, "no TLS").help("write tls = \"starttls\" or \"implicit\"").warning());
    }
}
