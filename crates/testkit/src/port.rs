//! Ports of the loopback address that belong to a test for as long as it wants.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpSocket;

/// A port that nobody else is given while this is kept. Who is told of it may listen there, again and again; while nobody
/// does, connections to it are refused.
///
/// It is bound and does not listen. Linux lets others who say so share such a port, but gives it to nobody who asks for any
/// free one. Elsewhere it is a port that was free a moment ago.
#[derive(Clone, Debug)]
pub struct Port {
    number: u16,
    _bound: Option<Arc<TcpSocket>>,
}

impl Port {
    /// # Panics
    /// When there is none.
    pub fn free() -> Self {
        Self::at(0)
    }

    /// This one; a free one for 0.
    ///
    /// # Panics
    /// When somebody else has it.
    pub fn at(number: u16) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("a socket can be shared");
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, number))).expect("the port must be free");
        let number = socket.local_addr().expect("a bound socket has an address").port();
        Self { number, _bound: cfg!(target_os = "linux").then(|| Arc::new(socket)) }
    }

    pub fn number(&self) -> u16 {
        self.number
    }

    /// `http://127.0.0.1:port` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.number)
    }
}
