//! Where the events of a turn go.

use std::time::{Duration, Instant};

use muisti_orm::schema::{MessageType, RunId, StopReason, StreamEvent, UsageStatistics, WireMessage};
use tokio::sync::mpsc::UnboundedSender;

use super::failure::Failure;

/// How the client of a turn wants to see it.
pub(super) enum Delivery {
    /// As one answer at the end.
    Collected,
    /// Each message when its step is stored.
    Steps(UnboundedSender<StreamEvent>),
    /// The model's answer piece by piece, tool returns when they are stored.
    Tokens(UnboundedSender<StreamEvent>),
}

/// Takes the events of one turn and hands on what its client asked for.
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

impl Sink {
    /// `types` names the kinds of messages that the client wants; an empty list means all of them.
    pub(super) fn new(delivery: Delivery, types: Option<Vec<MessageType>>) -> Self {
        let types = types.filter(|types| !types.is_empty());
        Self { delivery, types, collected: Vec::new(), started: Instant::now(), first: None }
    }

    /// Whether the client sees something of the turn before it ends.
    pub(super) const fn is_stream(&self) -> bool {
        !matches!(self.delivery, Delivery::Collected)
    }

    pub(super) const fn wants_tokens(&self) -> bool {
        matches!(self.delivery, Delivery::Tokens(_))
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
        if let Delivery::Tokens(client) = &self.delivery
            && self.wanted(&message)
        {
            let _ = client.send(StreamEvent::Message(message));
        }
    }

    /// The messages of a step that is stored now, in order.
    pub(super) fn stored(&mut self, messages: Vec<WireMessage>) {
        for message in messages {
            if !self.wanted(&message) {
                continue;
            }
            match &self.delivery {
                Delivery::Collected => self.collected.push(message),
                Delivery::Steps(client) => {
                    let _ = client.send(StreamEvent::Message(message));
                }
                // The model's part has gone out piece by piece.
                Delivery::Tokens(client) => {
                    if message.message_type() == MessageType::ToolReturnMessage {
                        let _ = client.send(StreamEvent::Message(message));
                    }
                }
            }
        }
    }

    /// The end of a turn that did not fail. Gives back what was collected.
    pub(super) fn finish(self, stop_reason: StopReason, usage: &UsageStatistics) -> Vec<WireMessage> {
        if let Delivery::Steps(client) | Delivery::Tokens(client) = &self.delivery {
            let _ = client.send(StreamEvent::StopReason(stop_reason.into()));
            let _ = client.send(StreamEvent::Usage(usage.clone()));
        }
        self.collected
    }

    /// The end of a turn that failed.
    pub(super) fn fail(self, failure: &Failure, run_id: RunId) {
        if let Delivery::Steps(client) | Delivery::Tokens(client) = &self.delivery {
            let _ = client.send(StreamEvent::StopReason(failure.stop_reason.into()));
            let _ = client.send(StreamEvent::Error(failure.message(run_id)));
        }
    }

    fn wanted(&self, message: &WireMessage) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&message.message_type()))
    }
}
