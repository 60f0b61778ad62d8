//! Interaction Servers that run in this process.

use std::collections::BTreeMap;

use anyhow::Context;
use jackfield_link::{Endpoint, InProcess};
use jackfield_server::{Server, SqliteStore};

use crate::config::{self, Site};

/// Opens the server `of` the site, and listens at its address for clients.
///
/// # Errors
/// Its store cannot be opened, or its address is taken.
pub async fn start(site: &Site, of: &config::Server) -> anyhow::Result<Server> {
    let name = of.name.get_ref();
    if let Some(folder) = of.store.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let settings = config::server_settings(site, of);
    let path = of.store.clone();
    // Opening loads everything that waits: no work for a thread that others need.
    let opened = tokio::task::spawn_blocking(move || {
        let store = SqliteStore::open(&path).map_err(anyhow::Error::from)?;
        Server::open(settings, Box::new(store)).map_err(anyhow::Error::from)
    });
    // The server has logged its warnings itself.
    let (server, _warnings) = opened.await?.with_context(|| format!("server `{name}`"))?;
    let address = of.address();
    let resolved = tokio::net::lookup_host(&address)
        .await
        .with_context(|| format!("server `{name}`: cannot resolve {address}"))?
        .next()
        .with_context(|| format!("server `{name}`: {address} has no address"))?;
    let bound = match server.listen(resolved).await {
        Ok(bound) => bound,
        Err(error) => {
            server.shutdown().await;
            return Err(error).with_context(|| format!("server `{name}` cannot listen at {address}"));
        }
    };
    tracing::info!(server = %name, address = %bound, store = %of.store.display(), "interaction server is up");
    Ok(server)
}

/// The servers of this process, by name.
#[derive(Default)]
pub struct Embedded(BTreeMap<String, Server>);

impl Embedded {
    /// Starts every server of the site that is marked as embedded.
    ///
    /// # Errors
    /// One of them does not start; those that did are stopped again.
    pub async fn start(site: &Site) -> anyhow::Result<Embedded> {
        let mut embedded = Embedded::default();
        for server in site.servers.iter().filter(|server| server.embedded) {
            match start(site, server).await {
                Ok(running) => {
                    embedded.0.insert(server.name.get_ref().clone(), running);
                }
                Err(error) => {
                    embedded.shutdown().await;
                    return Err(error);
                }
            }
        }
        Ok(embedded)
    }

    /// How clients in this process reach `server`: through a pipe when it is here, over TCP when not.
    pub fn endpoint(&self, server: &config::Server) -> Endpoint {
        match self.0.get(server.name.get_ref()) {
            Some(running) => Endpoint::InProcess(InProcess::new(running.in_process())),
            None => Endpoint::Tcp(server.address()),
        }
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Server)> {
        self.0.iter()
    }

    /// Stops them, one after the other.
    pub async fn shutdown(&self) {
        for server in self.0.values() {
            server.shutdown().await;
        }
    }
}
