//! Ports that tests of several processes at once do not take from each other.

use std::net::Ipv4Addr;

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 that is nobody else's. It is bound as long as this lives, so the system gives it to
/// nobody; a server can listen there all the same, for both allow the address to be reused.
pub struct Port(TcpSocket);

impl Port {
    pub fn free() -> Port {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option of sockets");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        Port(socket)
    }

    pub fn number(&self) -> u16 {
        self.0.local_addr().expect("an address").port()
    }
}
