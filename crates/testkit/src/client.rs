//! A keep-alive HTTP client for one connection: enough to drive the server, with next to no cost of its own to measure.

use std::collections::VecDeque;
use std::io;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::http::{self, Connection, Head, invalid};

/// Talks to one server over one connection, which it opens when needed and keeps.
///
/// It never repeats a request by itself: a test of crashes must know what it sent.
#[derive(Debug)]
pub struct Client {
    address: String,
    headers: Vec<(String, String)>,
    connection: Option<Connection>,
}

/// An answer read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The body as JSON; null when it is empty or something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The JSON of a 2xx answer.
    ///
    /// # Panics
    /// When the status is another one; the message carries the body.
    #[track_caller]
    pub fn expect_json(&self) -> Value {
        assert!(self.is_success(), "expected a 2xx answer, got {}: {}", self.status, self.text());
        self.json()
    }
}

/// One record of an event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseEvent {
    /// The `event:` field, absent for ordinary frames.
    pub event: Option<String>,
    pub data: String,
}

impl SseEvent {
    /// The data as JSON; null for `[DONE]`.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or(Value::Null)
    }

    pub fn is_done(&self) -> bool {
        self.data == "[DONE]"
    }
}

impl Client {
    /// `base` is `http://host:port`, a path after it is ignored.
    pub fn new(base: &str) -> Self {
        let address = base.strip_prefix("http://").unwrap_or(base);
        let address = address.split('/').next().unwrap_or(address).to_owned();
        Self { address, headers: Vec::new(), connection: None }
    }

    /// Sends this header with every request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub async fn get(&mut self, path: &str) -> io::Result<Response> {
        self.send("GET", path, None).await
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> io::Result<Response> {
        self.send("POST", path, Some(body)).await
    }

    pub async fn patch(&mut self, path: &str, body: &Value) -> io::Result<Response> {
        self.send("PATCH", path, Some(body)).await
    }

    pub async fn delete(&mut self, path: &str) -> io::Result<Response> {
        self.send("DELETE", path, None).await
    }

    /// Sends a JSON body, or none, and reads the whole answer.
    pub async fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Response> {
        let body = body.map(serde_json::to_vec).transpose()?;
        self.send_bytes(method, path, "application/json", body.as_deref()).await
    }

    /// Sends any bytes, for what no JSON library would write.
    pub async fn send_bytes(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&[u8]>,
    ) -> io::Result<Response> {
        let (mut connection, head, status) = self.exchange(method, path, content_type, body).await?;
        let body = if method == "HEAD" || status == 204 || status == 304 {
            Vec::new()
        } else {
            http::read_body(&mut connection, &head, true).await?
        };
        let reusable = !head.wants_close() && (head.is_chunked() || head.content_length().is_some() || status == 204);
        self.connection = reusable.then_some(connection);
        Ok(Response { status, headers: head.headers, body })
    }

    /// Sends a JSON body and hands over the answer as an event stream once its head has come. The connection is the stream's.
    pub async fn stream(&mut self, path: &str, body: &Value) -> io::Result<SseStream> {
        let body = serde_json::to_vec(body)?;
        let (connection, head, status) = self.exchange("POST", path, "application/json", Some(&body)).await?;
        Ok(SseStream { status, head, connection, buffer: Vec::new(), ready: VecDeque::new(), ended: false })
    }

    async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&[u8]>,
    ) -> io::Result<(Connection, Head, u16)> {
        // A server may close an idle connection at any time; that is no failure of the next request.
        let kept = self.connection.take().filter(is_open);
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(&self.address).await?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            request.push_str(&format!("content-type: {content_type}\r\ncontent-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        connection.get_mut().write_all(&bytes).await?;
        let head = http::read_head(&mut connection)
            .await?
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed without an answer"))?;
        let status = head.first_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("not a status line: {}", head.first_line)))?;
        Ok((connection, head, status))
    }
}

fn is_open(connection: &Connection) -> bool {
    // Nothing has been asked yet, so the only thing there can be to read is the end.
    matches!(connection.get_ref().try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// An answer that is read record by record while it comes.
#[derive(Debug)]
pub struct SseStream {
    pub status: u16,
    head: Head,
    connection: Connection,
    buffer: Vec<u8>,
    ready: VecDeque<SseEvent>,
    ended: bool,
}

impl SseStream {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The next record; None when the body has ended.
    ///
    /// # Errors
    /// When the connection broke before the body's end.
    pub async fn next(&mut self) -> io::Result<Option<SseEvent>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            match self.piece().await? {
                Some(piece) => self.take(&piece),
                None => self.ended = true,
            }
        }
    }

    /// The next bytes as they are, comments included; None when the body has ended.
    ///
    /// # Errors
    /// When the connection broke before the body's end.
    pub async fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.head.is_chunked() {
            return http::read_chunk(&mut self.connection).await;
        }
        let mut piece = vec![0; 8192];
        let read = self.connection.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then_some(piece))
    }

    /// Everything up to the end of the body.
    pub async fn collect(mut self) -> io::Result<Vec<SseEvent>> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await? {
            events.push(event);
        }
        Ok(events)
    }

    /// The rest of the body as text, for an answer that was an error and not a stream.
    pub async fn text(mut self) -> io::Result<String> {
        let body = http::read_body(&mut self.connection, &self.head, true).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    fn take(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
        let mut start = 0;
        while let Some(length) = self.buffer[start..].windows(2).position(|pair| pair == b"\n\n") {
            let record = String::from_utf8_lossy(&self.buffer[start..start + length]).into_owned();
            start += length + 2;
            let mut event = None;
            let mut data: Vec<&str> = Vec::new();
            for line in record.lines() {
                if let Some(value) = line.strip_prefix("event:") {
                    event = Some(value.trim().to_owned());
                } else if let Some(value) = line.strip_prefix("data:") {
                    data.push(value.strip_prefix(' ').unwrap_or(value));
                }
            }
            if event.is_some() || !data.is_empty() {
                self.ready.push_back(SseEvent { event, data: data.join("\n") });
            }
        }
        self.buffer.drain(..start);
    }
}

impl std::fmt::Debug for Head {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.first_line)
    }
}
