//! A server that only notes what it is sent and answers as told: for callbacks, webhooks and files to fetch.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::http::{self, Connection};
use crate::listener::Listener;
use crate::model::{SeenRequest, read_request};
use crate::port::Port;

/// What a [`Receiver`] answers.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    chunked: bool,
}

impl Reply {
    /// An empty answer of this status.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO, chunked: false }
    }

    /// This body.
    pub fn body(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        Self { headers, body: body.into(), ..Self::status(200) }
    }

    /// To be found there.
    pub fn redirect(to: &str) -> Self {
        Self { headers: vec![("location".to_owned(), to.to_owned())], ..Self::status(302) }
    }

    /// The same, so much later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same, without saying how long the body is.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Reply>,
    fallback: Reply,
    requests: Vec<SeenRequest>,
}

type Shared = Arc<Mutex<State>>;

/// A running receiver on a free port. It answers 200 unless told otherwise, and stops when dropped.
#[derive(Debug)]
pub struct Receiver {
    listener: Listener,
    state: Shared,
}

impl Receiver {
    /// Starts to listen.
    pub fn start() -> Self {
        let state = State { queue: VecDeque::new(), fallback: Reply::status(200), requests: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let listener = Listener::start("receiver", Port::free(), |socket| accept(socket, shared));
        Self { listener, state }
    }

    /// `http://127.0.0.1:port` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listener.address)
    }

    /// Adds one answer to the queue.
    pub fn push(&self, reply: Reply) {
        lock(&self.state).queue.push_back(reply);
    }

    /// The answer when the queue is empty.
    pub fn always(&self, reply: Reply) {
        lock(&self.state).fallback = reply;
    }

    /// The requests got so far, in order.
    pub fn requests(&self) -> Vec<SeenRequest> {
        lock(&self.state).requests.clone()
    }

    /// Waits until `count` requests have come, at most a minute, and gives all.
    ///
    /// # Panics
    /// When they have not.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize) -> Vec<SeenRequest> {
        let end = Instant::now() + Duration::from_secs(60);
        while self.requests().len() < count {
            assert!(Instant::now() < end, "expected {count} requests, got {}", self.requests().len());
            thread::sleep(Duration::from_millis(5));
        }
        self.requests()
    }
}

async fn accept(socket: TcpListener, shared: Shared) {
    while let Ok((stream, _)) = socket.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut connection = BufReader::new(stream);
            while let Ok(Some(head)) = http::read_head(&mut connection).await {
                let Ok(request) = read_request(&mut connection, head).await else { return };
                let reply = {
                    let mut state = lock(&shared);
                    state.requests.push(request);
                    state.queue.pop_front().unwrap_or_else(|| state.fallback.clone())
                };
                if say(&mut connection, &reply).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn say(connection: &mut Connection, reply: &Reply) -> io::Result<()> {
    tokio::time::sleep(reply.delay).await;
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let length = reply.body.len();
    head += &if reply.chunked {
        "transfer-encoding: chunked\r\n\r\n".to_owned()
    } else {
        format!("content-length: {length}\r\n\r\n")
    };
    let socket = connection.get_mut();
    socket.write_all(head.as_bytes()).await?;
    if reply.chunked {
        socket.write_all(format!("{length:x}\r\n").as_bytes()).await?;
    }
    socket.write_all(&reply.body).await?;
    if reply.chunked {
        socket.write_all(b"\r\n0\r\n\r\n").await?;
    }
    socket.flush().await
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
