//! Clients of Interaction Servers, by the names of the site.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jackfield_link::{Client, Endpoint, Link, LinkError, LinkEvent, Reconnect};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::{ClientType, RequestRegisterClient};
use tokio::sync::mpsc;

use crate::config::{Server, Site, nearest_word};
use crate::exit::{Unreachable, Usage};

/// Pauses of the command line's own clients: short, a person is waiting.
const RECONNECT: Reconnect = Reconnect { first: Duration::from_millis(100), max: Duration::from_secs(2) };

/// Milliseconds since 1970-01-01T00:00:00Z.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The servers named on the command line; all of the site's when none is.
///
/// # Errors
/// A name that is none of the site's.
pub fn servers<'a>(site: &'a Site, names: &[String]) -> Result<Vec<&'a Server>, Usage> {
    if names.is_empty() {
        return Ok(site.servers.iter().collect());
    }
    names.iter().map(|name| server(site, name)).collect()
}

/// The server of this name.
///
/// # Errors
/// There is none.
pub fn server<'a>(site: &'a Site, name: &str) -> Result<&'a Server, Usage> {
    site.server(name).ok_or_else(|| {
        if let Some(t_server) = site.t_server(name) {
            let address = t_server.address();
            return Usage(format!("`{name}` is only a T-Server object; name the Interaction Server at {address}"));
        }
        let help = nearest_word(name, site.servers.iter().map(|server| server.name.get_ref().as_str()));
        Usage(format!("there is no server `{name}` in {}; {help}", site.path.display()))
    })
}

/// What a client of type `kind` registers with.
pub fn registration(name: &str, kind: ClientType) -> RequestRegisterClient {
    RequestRegisterClient { client_name: name.into(), client_type: kind.into(), ..RequestRegisterClient::default() }
}

/// Connects once.
///
/// # Errors
/// [`Unreachable`] when the server is not there; otherwise what it refused.
pub async fn client(server: &Server, name: &str, kind: ClientType) -> anyhow::Result<(Client, mpsc::Receiver<Event>)> {
    let endpoint = Endpoint::Tcp(server.address());
    match Client::connect(&endpoint, registration(name, kind)).await {
        Ok(connected) => Ok(connected),
        Err(error) if error.is_retriable() => Err(unreachable(server, &error).into()),
        Err(error) => Err(anyhow::anyhow!("server `{}`: {error}", server.name.get_ref())),
    }
}

/// A connection that comes back when it is lost.
pub fn link(server: &Server, register: RequestRegisterClient) -> (Link, mpsc::Receiver<LinkEvent>) {
    Link::open(Endpoint::Tcp(server.address()), register, RECONNECT)
}

/// The server cannot be reached: where it was looked for, and what to do.
pub fn unreachable(server: &Server, error: &LinkError) -> Unreachable {
    Unreachable(format!(
        "cannot reach server `{}` at {}: {error}; start it with `jackfield run` or `jackfield server --name {}`",
        server.name.get_ref(),
        server.address(),
        server.name.get_ref()
    ))
}
