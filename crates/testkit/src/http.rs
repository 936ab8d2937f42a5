//! The little of HTTP/1.1 that both the scripted model and the test client need: heads, and the three kinds of body.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

pub(crate) type Connection = BufReader<TcpStream>;

/// A head: the first line, and the headers with lower-case names.
pub(crate) struct Head {
    pub(crate) first_line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn content_length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    pub(crate) fn wants_close(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

pub(crate) fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Reads one head; None when the peer closed the connection between messages.
pub(crate) async fn read_head(connection: &mut Connection) -> io::Result<Option<Head>> {
    let mut line = String::new();
    if connection.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let first_line = line.trim_end().to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        if connection.read_line(&mut line).await? == 0 {
            return Err(invalid("the connection closed inside a head"));
        }
        let text = line.trim_end();
        if text.is_empty() {
            return Ok(Some(Head { first_line, headers }));
        }
        let (name, value) = text.split_once(':').ok_or_else(|| invalid(format!("not a header line: {text}")))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// Reads one chunk of a chunked body; None at its end.
pub(crate) async fn read_chunk(connection: &mut Connection) -> io::Result<Option<Vec<u8>>> {
    let mut line = String::new();
    if connection.read_line(&mut line).await? == 0 {
        return Err(invalid("the connection closed inside a chunked body"));
    }
    let size = line.trim_end().split(';').next().unwrap_or_default();
    let size = usize::from_str_radix(size, 16).map_err(|_| invalid(format!("not a chunk size: {line:?}")))?;
    let mut data = vec![0; size + 2];
    connection.read_exact(&mut data).await?;
    data.truncate(size);
    Ok((size > 0).then_some(data))
}

/// Reads the whole body that belongs to the head. `until_close`: what no length means (a response may go on until the end).
pub(crate) async fn read_body(connection: &mut Connection, head: &Head, until_close: bool) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if head.is_chunked() {
        while let Some(chunk) = read_chunk(connection).await? {
            body.extend_from_slice(&chunk);
        }
    } else if let Some(length) = head.content_length() {
        body.resize(length, 0);
        connection.read_exact(&mut body).await?;
    } else if until_close {
        connection.read_to_end(&mut body).await?;
    }
    Ok(body)
}
