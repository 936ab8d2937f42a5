//! What was said before, elsewhere: messages that are moved into a history.

use std::collections::HashSet;

use uuid::Uuid;

use crate::{
    Actor,
    agent::spoken,
    agent_loop::pending_calls,
    error::{Error, FieldError, Result},
    image,
    llm::TokenCounter,
    message::{check_past, speaks_in_text},
    orm::{Conn, HistoryId, agents::AgentRow, conversations, histories, messages},
    schema::{
        ContentPart, ImageSource, InputRole, MessageContent, MessageId, MessageRole, PastMessage, StoredMessage,
        Timestamp,
    },
};

/// The part of the window, in percent, that past messages may fill together with what is there: the rest is for what
/// comes.
const FILLED: i64 = 70;
/// What an image counts for, in tokens.
const IMAGE_TOKENS: i64 = 1_000;

/// Refuses messages that cannot be taken in, and calls their images what they are.
///
/// # Errors
/// 422 that names the message.
pub(super) async fn checked(mut past: Vec<PastMessage>) -> Result<Vec<PastMessage>> {
    image::aside(move || check(&mut past).map(|()| past)).await
}

fn check(past: &mut [PastMessage]) -> Result<()> {
    check_past("messages", past.len())?;
    for (index, message) in past.iter_mut().enumerate() {
        let refuse = |text: &str| {
            let location = ["body", "messages", &index.to_string(), "content"].map(str::to_owned).to_vec();
            Err(Error::Unprocessable(vec![FieldError { kind: "value_error", location, message: text.to_owned() }]))
        };
        let empty = |part: &ContentPart| part.as_text().is_some_and(|text| text.trim_matches('\0').is_empty());
        let is_empty = match &message.content {
            MessageContent::Text(text) => text.trim_matches('\0').is_empty(),
            MessageContent::Parts(parts) => parts.iter().all(empty),
        };
        if is_empty {
            return refuse("The message is empty. Give it some text or an image, or leave it out.");
        }
        let MessageContent::Parts(parts) = &mut message.content else { continue };
        for part in parts {
            let ContentPart::Image(image) = part else { continue };
            let ImageSource::Base64(image) = &mut image.source else {
                return refuse("An image of a past message must be in the message itself: send it as base64.");
            };
            if let Err(why) = image::check(image) {
                return refuse(&why);
            }
        }
    }
    Ok(())
}

/// Stores the messages behind those of the history, and returns what was stored. Of those that fit into the window
/// together with what is there the model sees as many as it can, the newest of them; all are listed. A message whose
/// `otid` the history has already is the same message, and left out.
///
/// # Errors
/// 409 with what waits when the history waits for an approval.
pub(super) fn store(
    conn: &mut Conn,
    actor: &Actor,
    agent: &AgentRow,
    history: &HistoryId,
    past: Vec<PastMessage>,
) -> Result<Vec<StoredMessage>> {
    let past = new_ones(conn, actor, history, past)?;
    if past.is_empty() {
        return Ok(Vec::new());
    }
    let context = histories::context(conn, actor.organization_id, history)?.unwrap_or_default();
    let context = messages::by_ids(conn, actor.organization_id, &context)?;
    // Nothing can be put between a call and its return.
    if let Some(calls) = pending_calls(&context) {
        return Err(Error::PendingApproval(Box::new(calls)));
    }
    // A message of the agent may be two rows, which the model sees both or not at all.
    let units: Vec<Vec<StoredMessage>> = past.into_iter().map(|message| rows(agent, history, message)).collect();
    let room = agent.llm_config.context_window.saturating_mul(FILLED) / 100 - tokens(&context);
    let unseen = units.len() - fitting(&units, room);
    let (unseen, seen) = units.split_at(unseen);
    let stored: Vec<StoredMessage> = units.iter().flatten().cloned().collect();
    messages::insert(conn, actor, &stored)?;
    histories::append_unseen(conn, history, &ids(unseen))?;
    histories::append(conn, actor, history, &ids(seen))?;
    note_time(conn, actor, history, &stored)?;
    Ok(stored)
}

/// The messages that the history does not have yet, each with a client's id.
fn new_ones(
    conn: &mut Conn,
    actor: &Actor,
    history: &HistoryId,
    mut past: Vec<PastMessage>,
) -> Result<Vec<PastMessage>> {
    let otids: Vec<&str> = past.iter().filter_map(|message| message.otid.as_deref()).collect();
    let mut known: HashSet<String> = messages::known_otids(conn, actor.organization_id, history, &otids)?;
    past.retain_mut(|message| {
        let otid = message.otid.get_or_insert_with(|| Uuid::new_v4().to_string());
        known.insert(otid.clone())
    });
    Ok(past)
}

/// The stored form of a message: what an agent of the older types said is a call of the tool by which it speaks.
fn rows(agent: &AgentRow, history: &HistoryId, past: PastMessage) -> Vec<StoredMessage> {
    let at = past.created_at.unwrap_or_else(Timestamp::now);
    let content = past.content.into_parts();
    let mut rows = if past.role == InputRole::Assistant && !speaks_in_text(agent.agent_type) {
        let words: Vec<&str> = content.iter().filter_map(ContentPart::as_text).collect();
        spoken(agent, &words.join("\n"), at)
    } else {
        vec![StoredMessage::new(agent.id, MessageRole::from(past.role), content)]
    };
    for row in &mut rows {
        row.conversation_id = history.conversation_id;
        row.created_at = at;
        // No model of this agent wrote it.
        row.model = None;
    }
    if let Some(first) = rows.first_mut() {
        first.name = past.name;
        first.otid = past.otid;
    }
    rows
}

/// How many of the newest units have room together.
fn fitting(units: &[Vec<StoredMessage>], mut room: i64) -> usize {
    let fits = |unit: &&Vec<StoredMessage>| {
        room = room.saturating_sub(tokens(unit));
        room >= 0
    };
    units.iter().rev().take_while(fits).count()
}

/// A rough count, rather too high than too low: how much of a window is filled exactly is seen in the next turn.
fn tokens(messages: &[StoredMessage]) -> i64 {
    let of_part = |part: &ContentPart| match part {
        ContentPart::Text(text) => TokenCounter::Estimate.count(&text.text),
        ContentPart::Image(_) => IMAGE_TOKENS,
        _ => 0,
    };
    let of_message = |message: &StoredMessage| {
        let calls = message.tool_calls.iter().map(|call| TokenCounter::Estimate.count(&call.function.arguments));
        message.content.iter().map(of_part).chain(calls).sum::<i64>()
    };
    TokenCounter::Estimate.cautious(messages.iter().map(of_message).sum())
}

fn ids(units: &[Vec<StoredMessage>]) -> Vec<MessageId> {
    units.iter().flatten().map(|message| message.id).collect()
}

/// The time of the newest message counts as that of the last message, if none was sent later.
fn note_time(conn: &mut Conn, actor: &Actor, history: &HistoryId, stored: &[StoredMessage]) -> Result<()> {
    let Some(id) = history.conversation_id else { return Ok(()) };
    let last = conversations::for_turn(conn, actor.organization_id, id)?.and_then(|row| row.last_message_at);
    let newest = stored.iter().map(|message| message.created_at).max();
    match newest.filter(|newest| last.is_none_or(|last| last < *newest)) {
        Some(newest) => Ok(conversations::touch(conn, id, newest)?),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::schema::AgentId;

    fn past(list: Value) -> Vec<PastMessage> {
        serde_json::from_value(list).unwrap()
    }

    #[test]
    fn empty_messages_and_what_is_no_image_are_refused_by_their_place() {
        let image = |source: Value| json!([{"type": "image", "source": source}]);
        let url = image(json!({"type": "url", "url": "https://example.com/a.png"}));
        let inside = |data: &str| image(json!({"type": "base64", "media_type": "image/jpeg", "data": data}));
        let mut shown = past(json!([{"role": "user", "content": inside("iVBORw0KGgo=")}]));
        check(&mut shown).unwrap();
        assert_eq!(serde_json::to_value(&shown[0].content).unwrap()[0]["source"]["media_type"], "image/png");
        for (content, word) in [
            (json!(""), "empty"),
            (json!("\0"), "empty"),
            (json!([]), "empty"),
            (url, "base64"),
            (inside("aGk="), "PNG"),
        ] {
            let mut list = past(json!([{"role": "user", "content": "Hi"}, {"role": "user", "content": content}]));
            let Err(Error::Unprocessable(errors)) = check(&mut list) else { panic!("{content}") };
            assert_eq!(errors[0].location, ["body", "messages", "1", "content"]);
            assert!(errors[0].message.contains(word), "{}", errors[0].message);
        }
    }

    #[test]
    fn a_request_brings_a_thousand_messages_at_most() {
        let one = past(json!([{"role": "user", "content": "Hi"}])).remove(0);
        assert!(check(&mut vec![one.clone(); 1_000]).is_ok());
        assert!(matches!(check(&mut vec![one; 1_001]), Err(Error::Unprocessable(_))));
    }

    #[test]
    fn as_many_of_the_newest_as_have_room_are_seen() {
        let unit =
            |text: &str| vec![StoredMessage::new(AgentId::random(), MessageRole::User, vec![ContentPart::text(text)])];
        // 400 bytes are a hundred tokens, and with caution a hundred and thirty.
        let units = vec![unit("a"), unit(&"b".repeat(400)), unit(&"c".repeat(400))];
        let seen: Vec<usize> =
            [-1, 0, 129, 130, 259, 260, 261, 1_000].into_iter().map(|room| fitting(&units, room)).collect();
        assert_eq!(seen, [0, 0, 0, 1, 1, 2, 3, 3]);
    }
}
