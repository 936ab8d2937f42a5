//! A reader of a background run who does not give up: after every interruption it reads on where it was.

use std::time::{Duration, Instant};

use muisti_testkit::{SseEvent, SseStream};
use serde_json::{Value, json};

use crate::{
    clients::Turn,
    conversation::{Conversation, client},
    dice::Dice,
};

/// How long a reader waits for the end of a stream, the death and the takeover of its node included.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a message to be worked on in the background, and reads the stream of it to its end, whichever server is there.
pub(crate) async fn send(
    url: &str,
    servers: &[String],
    conversation: &Conversation,
    mut body: Value,
    accepted: impl Fn(),
    dice: &Dice,
) -> Turn {
    body["streaming"] = true.into();
    body["background"] = true.into();
    body["stream_tokens"] = dice.once_in(2).into();
    let mut reader = Reader::default();
    let Ok(stream) = client(url).stream(&conversation.messages(), &body).await else { return Turn::Lost };
    if stream.status != 200 {
        let text = stream.text().await.unwrap_or_default();
        conversation.fault(format!("a background stream was refused: {text}"));
        return Turn::Lost;
    }
    let whole = reader.read(stream, &accepted).await;
    let turn = match (whole, reader.run.clone()) {
        (Ok(()), Some(run)) => reader.read_on(&run, servers, dice).await.map(|cut| (cut, run)),
        (Ok(()), None) => return Turn::Lost,
        (Err(fault), _) => Err(fault),
    };
    let checked = match turn {
        Ok((cut, run)) => reader.compare(&run, servers, dice).await.map(|()| cut),
        Err(fault) => Err(fault),
    };
    match checked {
        Ok(true) => Turn::Lost,
        Ok(false) => Turn::of(&reader.stop_reason),
        Err(fault) => {
            conversation.fault(fault);
            Turn::Lost
        }
    }
}

/// What has been read of a stream.
#[derive(Default)]
struct Reader {
    run: Option<String>,
    /// The place of the last frame. Every frame has one, whether it says so or not.
    place: u64,
    frames: Vec<String>,
    stop_reason: Value,
    done: bool,
}

impl Reader {
    /// Reads until the stream breaks off or ends.
    async fn read(&mut self, mut stream: SseStream, accepted: &impl Fn()) -> Result<(), String> {
        while let Ok(Some(event)) = stream.next().await {
            accepted();
            self.take(&event)?;
            if self.done {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, event: &SseEvent) -> Result<(), String> {
        let frame = event.json();
        if let Some(run) = frame["run_id"].as_str() {
            self.run = Some(run.to_owned());
        }
        // A sign of life of the connection is no part of the stream.
        if frame["message_type"] == "ping" && frame["seq_id"].is_null() {
            return Ok(());
        }
        self.place += 1;
        match frame["seq_id"].as_u64() {
            Some(seq) if seq != self.place => {
                return Err(format!("after frame {} of a background stream comes {seq}: {frame}", self.place - 1));
            }
            _ => {}
        }
        if frame["message_type"] == "stop_reason" {
            self.stop_reason = frame["stop_reason"].clone();
        }
        self.done = event.is_done();
        self.frames.push(event.data.clone());
        Ok(())
    }

    /// Reads to the end from whichever server answers. Whether that took more than one try.
    async fn read_on(&mut self, run: &str, servers: &[String], dice: &Dice) -> Result<bool, String> {
        let end = Instant::now() + PATIENCE;
        let mut cut = false;
        while !self.done {
            cut = true;
            if Instant::now() > end {
                return Err(format!(
                    "the stream of {run} does not come to its end; {} frames so far",
                    self.frames.len()
                ));
            }
            let url: &String = dice.one_of(servers);
            match reread(run, self.place, url).await {
                Some(Ok(stream)) => self.read(stream, &|| {}).await?,
                Some(Err(refusal)) => return Err(format!("the stream of {run} cannot be read on: {refusal}")),
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        Ok(cut)
    }

    /// Reads the whole stream once more: it must be the same.
    async fn compare(&self, run: &str, servers: &[String], dice: &Dice) -> Result<(), String> {
        let mut again = Self::default();
        again.read_on(run, servers, dice).await?;
        if again.frames == self.frames {
            return Ok(());
        }
        let differs = again.frames.iter().zip(&self.frames).find(|(one, other)| one != other);
        let (is, was) = (again.frames.len(), self.frames.len());
        Err(format!(
            "the stream of {run} is another one when it is read again: {is} frames instead of {was}, {differs:?}"
        ))
    }
}

/// The rest of a stream; nothing from a server that is not there.
async fn reread(run: &str, after: u64, url: &str) -> Option<Result<SseStream, String>> {
    let body = json!({ "starting_after": after });
    let stream = client(url).stream(&format!("/v1/runs/{run}/stream"), &body).await.ok()?;
    if stream.status == 200 {
        return Some(Ok(stream));
    }
    let status = stream.status;
    // A server that is starting or stopping is as good as none.
    if status == 503 {
        return None;
    }
    Some(Err(format!("{status} {}", stream.text().await.unwrap_or_default())))
}
