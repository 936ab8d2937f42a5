//! Where the events of a turn go.

use std::time::{Duration, Instant};

use muisti_orm::{
    frames::NewFrame,
    schema::{MessageType, RunId, StreamEvent, WireMessage},
};
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    Result,
    frames::{self, FrameStore, FrameWriter},
};

/// How the client of a turn wants to see it.
pub(super) enum Delivery {
    /// As one answer at the end.
    Collected,
    /// Each message when its step is stored.
    Steps(UnboundedSender<StreamEvent>),
    /// The model's answer piece by piece, tool returns when they are stored.
    Tokens(UnboundedSender<StreamEvent>),
    /// As a stream that is stored, for any number of clients, by steps or by tokens.
    Stored {
        /// Where it is stored.
        stream: FrameWriter,
        /// Whether the model's answer is in it piece by piece.
        tokens: bool,
    },
}

/// Takes the events of one turn and hands on what its client asked for.
///
/// What is not in the database yet goes through [`Self::delta`]. What a transaction of the turn stores goes through
/// [`Self::stage`] before it, and [`Self::publish`] after it is committed.
///
/// A client that is gone is no reason to stop: what cannot be sent is dropped. The channel is unbounded because a slow
/// reader must not slow the turn, and a turn's output is bounded by its steps.
pub(super) struct Sink {
    delivery: Delivery,
    types: Option<Vec<MessageType>>,
    collected: Vec<WireMessage>,
    started: Instant,
    first: Option<Duration>,
}

/// What a transaction is about to make true. It is shown when it is published; dropped, it has never been.
#[must_use = "what is staged is shown only when it is published"]
pub(super) struct Staged {
    /// The frames that the transaction must store, with `orm::frames::append`.
    pub(super) rows: Vec<NewFrame>,
    shown: Shown,
}

enum Shown {
    Events(Vec<StreamEvent>),
    Frames(frames::Staged),
}

impl Sink {
    /// `types` names the kinds of messages that the client wants; an empty list means all of them.
    pub(super) fn new(delivery: Delivery, types: Option<Vec<MessageType>>) -> Self {
        let types = types.filter(|types| !types.is_empty());
        Self { delivery, types, collected: Vec::new(), started: Instant::now(), first: None }
    }

    /// The sink of a background run that another process has left: its stream goes on behind the last stored frame.
    /// `age` is the time since the request.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) async fn resume(
        store: &FrameStore,
        run: RunId,
        age: Duration,
        tokens: bool,
        types: Option<Vec<MessageType>>,
    ) -> Result<Self> {
        let stream = store.resume(run).await?;
        let sink = Self::new(Delivery::Stored { stream, tokens }, types);
        Ok(Self { started: sink.started.checked_sub(age).unwrap_or(sink.started), ..sink })
    }

    /// Whether the client sees something of the turn before it ends.
    pub(super) const fn is_stream(&self) -> bool {
        !matches!(self.delivery, Delivery::Collected)
    }

    pub(super) const fn wants_tokens(&self) -> bool {
        matches!(self.delivery, Delivery::Tokens(_) | Delivery::Stored { tokens: true, .. })
    }

    /// Notes that the model has begun to answer.
    pub(super) fn first_sign(&mut self) {
        self.first.get_or_insert_with(|| self.started.elapsed());
    }

    /// The time since the request.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The time from the request to the first sign of an answer.
    pub(super) const fn time_to_first(&self) -> Option<Duration> {
        self.first
    }

    /// A piece of an answer that is not stored yet.
    pub(super) fn delta(&mut self, message: WireMessage) {
        if !self.wants_tokens() || !self.wanted(message.message_type()) {
            return;
        }
        match &self.delivery {
            Delivery::Stored { stream, .. } => stream.push(message),
            Delivery::Tokens(client) => {
                let _ = client.send(StreamEvent::Message(message));
            }
            Delivery::Collected | Delivery::Steps(_) => {}
        }
    }

    /// Waits until all pieces so far are in the database, if they are to be there at all.
    #[cfg(test)]
    pub(super) async fn flushed(&mut self) {
        if let Delivery::Stored { stream, .. } = &self.delivery {
            stream.flushed().await;
        }
    }

    /// Whether the client has had a message of this kind piece by piece when it is stored.
    pub(super) const fn has_had(&self, kind: MessageType) -> bool {
        self.wants_tokens() && comes_in_pieces(kind)
    }

    /// Prepares what a transaction is about to make true, in order. With a stop reason among the events the stream
    /// ends.
    ///
    /// Pieces that are still on their way to the database are among the rows, so that the transaction stores all that
    /// comes before it too.
    pub(super) fn stage(&mut self, mut events: Vec<StreamEvent>) -> Staged {
        let end = events.iter().any(|event| matches!(event, StreamEvent::StopReason(_)));
        events.retain(|event| self.shows(event));
        match &self.delivery {
            Delivery::Stored { stream, .. } => {
                let mut staged = stream.stage(events, end);
                Staged { rows: std::mem::take(&mut staged.rows), shown: Shown::Frames(staged) }
            }
            _ => Staged { rows: Vec::new(), shown: Shown::Events(events) },
        }
    }

    /// Shows what was staged. The transaction that made it true must have been committed.
    pub(super) fn publish(&mut self, staged: Staged) {
        match (staged.shown, &self.delivery) {
            (Shown::Frames(frames), Delivery::Stored { stream, .. }) => stream.publish(frames),
            (Shown::Events(events), Delivery::Steps(client) | Delivery::Tokens(client)) => {
                for event in events {
                    let _ = client.send(event);
                }
            }
            (Shown::Events(events), _) => self.collected.extend(events.into_iter().filter_map(|event| match event {
                StreamEvent::Message(message) => Some(message),
                _ => None,
            })),
            (Shown::Frames(_), _) => {}
        }
    }

    /// What was collected for one answer at the end.
    pub(super) fn into_collected(self) -> Vec<WireMessage> {
        self.collected
    }

    /// Whether an event of a transaction is shown.
    fn shows(&self, event: &StreamEvent) -> bool {
        match event {
            StreamEvent::Message(message) => self.wanted(message.message_type()),
            _ => true,
        }
    }

    fn wanted(&self, kind: MessageType) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&kind))
    }
}

/// Whether a token stream has messages of this kind piece by piece, and not once more when they are stored; nor does it
/// repeat what its client has answered.
const fn comes_in_pieces(kind: MessageType) -> bool {
    matches!(
        kind,
        MessageType::AssistantMessage
            | MessageType::ReasoningMessage
            | MessageType::HiddenReasoningMessage
            | MessageType::ToolCallMessage
            | MessageType::ApprovalRequestMessage
            | MessageType::ApprovalResponseMessage
    )
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::{
        AssistantMessage, EventMessage, EventType, MessageBase, Ping, StopReason, StopReasonEvent, SummaryMessage,
        Timestamp, UsageStatistics,
    };
    use serde_json::Map;
    use tokio::sync::mpsc;

    use super::*;
    use crate::frames::tests::{World, rest, value};

    fn base() -> MessageBase {
        MessageBase::new("message-1", Timestamp::now())
    }

    fn says(text: &str) -> WireMessage {
        AssistantMessage { base: base(), content: text.into() }.into()
    }

    /// What a transaction can make true, of every kind that is treated differently.
    fn events() -> Vec<StreamEvent> {
        let summary = SummaryMessage { base: base(), summary: "s".into(), compaction_stats: None };
        let event = EventMessage { base: base(), event_type: EventType::Compaction, event_data: Map::new() };
        vec![
            Ping::new(None).into(),
            StreamEvent::Message(says("whole")),
            StreamEvent::Message(summary.into()),
            StreamEvent::Message(event.into()),
            StopReasonEvent::from(StopReason::EndTurn).into(),
            UsageStatistics::default().into(),
        ]
    }

    /// Of these events what its client has not had piece by piece.
    fn unsaid(sink: &Sink) -> Vec<StreamEvent> {
        let had = |event: &StreamEvent| match event {
            StreamEvent::Message(message) => sink.has_had(message.message_type()),
            _ => false,
        };
        events().into_iter().filter(|event| !had(event)).collect()
    }

    /// What is seen of a piece and these events.
    fn seen(delivery: Delivery, types: Option<Vec<MessageType>>) -> Sink {
        let mut sink = Sink::new(delivery, types);
        sink.delta(says("piece"));
        let staged = sink.stage(unsaid(&sink));
        sink.publish(staged);
        sink
    }

    fn sent(
        deliver: fn(UnboundedSender<StreamEvent>) -> Delivery,
        types: Option<Vec<MessageType>>,
    ) -> Vec<&'static str> {
        let (client, mut events) = mpsc::unbounded_channel();
        drop(seen(deliver(client), types));
        let mut kinds = Vec::new();
        while let Some(event) = events.blocking_recv() {
            kinds.push(event.message_type());
        }
        kinds
    }

    const END: [&str; 2] = ["stop_reason", "usage_statistics"];

    #[test]
    fn a_stream_of_steps_has_whole_messages_and_one_of_tokens_has_their_pieces() {
        let compaction = ["summary_message", "event_message"];
        let steps = ["ping", "assistant_message"].into_iter().chain(compaction).chain(END);
        assert_eq!(sent(Delivery::Steps, None), steps.collect::<Vec<_>>());
        let tokens = ["assistant_message", "ping"].into_iter().chain(compaction).chain(END);
        assert_eq!(sent(Delivery::Tokens, None), tokens.collect::<Vec<_>>());
    }

    #[test]
    fn what_is_not_asked_for_is_left_out_but_for_signs_and_the_end() {
        let types = || Some(vec![MessageType::SummaryMessage]);
        let left = ["ping", "summary_message", "stop_reason", "usage_statistics"];
        assert_eq!(sent(Delivery::Steps, types()), left);
        assert_eq!(sent(Delivery::Tokens, types()), left);
        assert_eq!(sent(Delivery::Steps, Some(Vec::new())).len(), 6, "an empty list asks for all");
    }

    #[test]
    fn one_answer_at_the_end_has_the_messages_alone() {
        let collected = seen(Delivery::Collected, None).into_collected();
        assert_eq!(collected.len(), 3);
        assert_eq!(collected[0].message_type(), MessageType::AssistantMessage);
    }

    #[tokio::test]
    async fn a_stored_stream_has_what_its_only_client_would_have_seen_and_its_end() {
        for world in World::each().await {
            for tokens in [false, true] {
                let run = world.run().await;
                let store = world.services.frames();
                let mut sink = Sink::new(Delivery::Stored { stream: store.open(run), tokens }, None);
                sink.delta(says("piece"));
                sink.flushed().await;
                let mut staged = sink.stage(unsaid(&sink));
                let rows = std::mem::take(&mut staged.rows);
                world.db().write(move |conn| muisti_orm::frames::append(conn, &rows)).await.unwrap();
                sink.publish(staged);
                let frames = rest(store.read(run, 0)).await;
                let kinds: Vec<_> = frames.iter().map(|frame| value(frame)["message_type"].clone()).collect();
                let expected = tokio::task::spawn_blocking(move || {
                    sent(if tokens { Delivery::Tokens } else { Delivery::Steps }, None)
                })
                .await
                .unwrap();
                assert_eq!(kinds[..kinds.len() - 1], expected);
                assert!(frames.iter().zip(1..).all(|(frame, seq)| frame.seq == seq));
                assert!(frames.last().unwrap().terminal);
            }
        }
    }
}
