//! A small server on a thread of its own, so that synchronous and asynchronous tests use it alike.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::port::Port;

/// A running server. It stops when dropped; connections in flight are cut.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) port: Port,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on this port of the loopback address and hands the socket to `serve`.
    ///
    /// # Panics
    /// When the port cannot be bound.
    pub(crate) fn start<F: Future<Output = ()>>(
        name: &str,
        port: Port,
        serve: impl FnOnce(TcpListener) -> F + Send + 'static,
    ) -> Self {
        let socket = std::net::TcpListener::bind(("127.0.0.1", port.number())).expect("the port must be free");
        socket.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = socket.local_addr().expect("a bound socket has an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let socket = TcpListener::from_std(socket).expect("a socket for the runtime");
                tokio::select! {
                    () = serve(socket) => {}
                    _ = stopped => {}
                }
            });
            // Connections in the middle of an answer end here, as they would when a server dies.
            runtime.shutdown_timeout(Duration::ZERO);
        });
        let thread = thread.expect("a thread for the server");
        Self { address, port, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
