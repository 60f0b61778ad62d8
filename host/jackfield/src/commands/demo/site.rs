//! The site of a demo: the given one, moved into a fresh folder and onto free ports.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::net::TcpSocket;
use toml::{Table, Value};

use crate::config::{self, Site};
use crate::exit::Usage;

/// Says that a folder belongs to demos, which may remove what is in it.
const MARKER: &str = ".jackfield-demo";
/// In a demo an agent who rejected something is asked again soon: there are only a few agents.
const REJECTION_REST_SECONDS: i64 = 1;

/// A folder with a site in it.
pub struct DemoSite {
    /// The folder.
    pub folder: PathBuf,
    /// Its configuration file.
    pub path: PathBuf,
    /// What it says.
    pub site: Site,
    /// The ports of its servers: as long as these are bound nobody else is given one of them, and a server can
    /// listen there all the same, for both allow the address to be reused.
    _ports: Vec<TcpSocket>,
}

impl DemoSite {
    /// Makes `folder` afresh, and writes the site of `original` into it.
    ///
    /// # Errors
    /// The folder holds something that is not of a demo, or cannot be written; the site is wrong.
    pub fn make(original: &Path, folder: &Path, plugins: Option<&Path>) -> anyhow::Result<DemoSite> {
        // The original is checked first, so that its mistakes are shown in its own text.
        let (site, _) = config::load(original)?;
        let folder = fresh(folder)?;
        // A folder of its own: what is swapped in a demo stays there.
        let plugins = copied(plugins.unwrap_or(&site.application.plugins), &folder.join("plugins"))?;
        let text = std::fs::read_to_string(original)?;
        let mut table: Table = toml::from_str(&text).context("the configuration cannot be read again")?;
        let ports = rewrite(&mut table, &folder, &plugins)?;
        let path = folder.join("jackfield.toml");
        let heading = format!("# Made by `jackfield demo` from {}.\n\n", original.display());
        std::fs::write(&path, heading + &toml::to_string(&table)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let (site, _) = config::load(&path)?;
        Ok(DemoSite { folder, path, site, _ports: ports })
    }
}

fn fresh(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = std::path::absolute(folder)?;
    let is_empty = std::fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty {
        if !folder.join(MARKER).exists() {
            let text = format!("{} holds something that is not of a demo; choose another --folder", folder.display());
            return Err(Usage(text).into());
        }
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder.join("log")).with_context(|| format!("cannot make {}", folder.display()))?;
    std::fs::write(folder.join(MARKER), "")?;
    Ok(folder)
}

/// Copies the components of a folder.
fn copied(from: &Path, to: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in
        std::fs::read_dir(from).with_context(|| format!("cannot read the plugins folder {}", from.display()))?
    {
        let path = entry?.path();
        if let (Some("wasm"), Some(name)) =
            (path.extension().and_then(|extension| extension.to_str()), path.file_name())
        {
            std::fs::copy(&path, to.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(to.to_owned())
}

fn rewrite(table: &mut Table, folder: &Path, plugins: &Path) -> anyhow::Result<Vec<TcpSocket>> {
    let at = |name: &str| Value::String(folder.join(name).display().to_string());
    if let Some(application) = table.get_mut("application").and_then(Value::as_table_mut) {
        application.insert("data".into(), at("data"));
        application.insert("plugins".into(), Value::String(plugins.display().to_string()));
        let options = application.entry("options").or_insert_with(|| Value::Table(Table::new()));
        let orchestration = options.as_table_mut().map(|options| options.entry("orchestration"));
        if let Some(Value::Table(orchestration)) =
            orchestration.map(|entry| entry.or_insert_with(|| Value::Table(Table::new())))
        {
            orchestration.insert("rejection-rest".into(), Value::Integer(REJECTION_REST_SECONDS));
        }
    }
    let mut ports = Vec::new();
    for server in objects(table, "server") {
        let name = server.get("name").and_then(Value::as_str).unwrap_or("server").to_owned();
        let port = free_port().context("there is no free port")?;
        server.insert("host".into(), Value::String(Ipv4Addr::LOCALHOST.to_string()));
        server.insert("port".into(), Value::Integer(port.local_addr()?.port().into()));
        server.insert("embedded".into(), Value::Boolean(false));
        let store = folder.join("data").join(format!("{name}.db"));
        server.insert("store".into(), Value::String(format!("sqlite:{}", store.display())));
        ports.push(port);
    }
    for media_server in objects(table, "media-server") {
        let name = media_server.get("name").and_then(Value::as_str).unwrap_or("outbox").to_owned();
        // Nothing of a demo leaves the machine, and nobody's mailbox is emptied.
        for elsewhere in ["smtp", "imap", "inbox"] {
            media_server.remove(elsewhere);
        }
        if media_server.get("kind").and_then(Value::as_str) == Some("chat") {
            let port = free_port().context("there is no free port")?;
            media_server.insert("listen".into(), Value::String(port.local_addr()?.to_string()));
            media_server.insert("folder".into(), at(&name));
            ports.push(port);
        } else {
            media_server.insert("maildir".into(), at(&name));
        }
    }
    Ok(ports)
}

fn free_port() -> std::io::Result<TcpSocket> {
    let port = TcpSocket::new_v4()?;
    port.set_reuseaddr(true)?;
    port.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    Ok(port)
}

fn objects<'t>(table: &'t mut Table, kind: &str) -> impl Iterator<Item = &'t mut Table> {
    let array = table.get_mut(kind).and_then(Value::as_array_mut);
    array.into_iter().flatten().filter_map(Value::as_table_mut)
}
