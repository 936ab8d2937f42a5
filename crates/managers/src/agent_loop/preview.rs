//! What the model provider would be sent for a request to an agent. Nothing is asked and nothing stored.

use muisti_orm::{
    Conn,
    histories::{self, HistoryId},
    messages,
    schema::{RunId, StreamingSendRequest},
};
use serde_json::Value;

use super::{
    AgentLoop,
    asking::{self, Wishes},
    loaded::{ChatModel, Loaded},
    request,
    rules::Rules,
};
use crate::{Actor, Error, Result};

impl AgentLoop {
    /// The body of the first request to the model provider, in the form that this provider takes.
    ///
    /// # Errors
    /// As [`Self::send`], for what is known before the model is asked.
    pub async fn preview(&self, actor: &Actor, history: HistoryId, request: &StreamingSendRequest) -> Result<Value> {
        let input = request::check(request)?;
        let owner = *actor;
        let mut loaded = self.services.db().read(move |conn| read(conn, &owner, history)).await?;
        if let Some(request) = loaded.context.last().filter(|message| message.is_approval_request()) {
            return Err(Error::PendingApproval(Some(request.id)));
        }
        let send = &request.request;
        let instead = send.override_model.as_deref();
        let model = ChatModel::of(&self.services, actor, &loaded.agent.llm_config, instead).await?;
        let input = request::to_stored(history.agent_id, history.conversation_id, RunId::random(), input)?;
        loaded.context.extend(input);
        let rules = Rules::new(loaded.agent.tool_rules.clone());
        let allowed = rules.allowed(&loaded.tool_names());
        let wishes = Wishes {
            system: send.override_system.as_deref(),
            logprobs: send.return_logprobs,
            top_logprobs: send.top_logprobs,
        };
        let asked = asking::chat_request(&loaded, &model, &rules, &allowed, wishes);
        Ok(model.provider.request_body(&asked))
    }
}

fn read(conn: &mut Conn, actor: &Actor, history: HistoryId) -> Result<Loaded> {
    let mut loaded = Loaded::read(conn, actor, history.agent_id)?;
    if let Some(conversation) = history.conversation_id {
        let context = histories::context(conn, actor.organization_id, &history)?;
        let context = context.ok_or_else(|| Error::missing("Conversation", conversation))?;
        loaded.context = messages::by_ids(conn, actor.organization_id, &context)?;
    }
    Ok(loaded)
}
