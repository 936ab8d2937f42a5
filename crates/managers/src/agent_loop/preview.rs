//! What the model provider would be sent for a request to an agent. Nothing is asked and nothing stored.

use muisti_orm::{
    histories::HistoryId,
    schema::{MessageRole, RunId, StreamingSendRequest},
};
use serde_json::Value;

use super::{
    AgentLoop, asking,
    loaded::{ChatModel, Loaded},
    pending::Pending,
    request::{self, TurnRequest},
    rules::{Calls, Rules},
};
use crate::{Actor, Error, Result, image};

impl AgentLoop {
    /// The body of the first request to the model provider, in the form that this provider takes.
    ///
    /// # Errors
    /// As [`Self::send`], for what is known before the model is asked.
    pub async fn preview(&self, actor: &Actor, history: HistoryId, request: &StreamingSendRequest) -> Result<Value> {
        let mut messages = request::check(&request.request, &request.stream)?;
        image::bring_in(&self.services, &mut messages).await?;
        let owner = *actor;
        let mut loaded = self.services.db().read(move |conn| Loaded::read(conn, &owner, history)).await?;
        let input = request::to_stored(history, RunId::random(), messages)?;
        let answers = input.first().filter(|first| first.role == MessageRole::Approval);
        match (Pending::at_end_of(&loaded.context), answers) {
            (Some(pending), Some(answer)) => pending.check(answer)?,
            (Some(pending), None) => return Err(Error::PendingApproval(Box::new(pending.calls()))),
            (None, _) => {}
        }
        let request = TurnRequest::of(request);
        let model = ChatModel::for_turn(&self.services, actor, &loaded, request.override_model.as_deref()).await?;
        loaded.begin_anew();
        loaded.context.extend(input);
        let rules = Rules::new(loaded.agent.tool_rules.clone(), Calls::default());
        let allowed = rules.allowed(&loaded.tool_names(&request));
        let asked = asking::chat_request(&loaded, &model, &rules, &allowed, &request);
        Ok(model.provider.request_body(&asked))
    }
}
