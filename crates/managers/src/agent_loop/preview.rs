//! What the model provider would be sent for a request to an agent. Nothing is asked and nothing stored.

use muisti_orm::{
    histories::HistoryId,
    schema::{RunId, StreamingSendRequest},
};
use serde_json::Value;

use super::{
    AgentLoop, asking,
    calls::register,
    loaded::{ChatModel, Loaded},
    opening::{Asking, Opening},
    request::{self, TurnRequest},
    rules::{Calls, Rules},
};
use crate::{Actor, Error, Result, image};

/// What stands for the return of a call that would be made.
const NOT_CALLED: &str = "What this tool returns. A preview calls no tools.";

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
        let run = RunId::random();
        let input = request::to_stored(history, run, messages)?;
        let request = TurnRequest::of(request);
        let model = ChatModel::for_turn(&self.services, actor, &loaded, request.override_model.as_deref()).await?;
        loaded.begin_anew();
        let asking = Asking {
            services: &self.services,
            organization: actor.organization_id,
            history,
            run,
            when_pending: self.services.settings().when_pending,
        };
        let mut rules = Rules::new(loaded.agent.tool_rules.clone(), Calls::default());
        match asking.understand(input, &loaded).await? {
            Opening::Ask { input, .. } => loaded.context.extend(input),
            Opening::CarryOut { answer, mut draft, followed } => {
                draft.pretend(NOT_CALLED);
                register(&mut rules, &draft);
                loaded.context.push(answer);
                loaded.context.extend(draft.into_messages().into_iter().chain(followed));
            }
            // No model would be asked before the rest is answered.
            Opening::Wait { pending, .. } => return Err(Error::PendingApproval(Box::new(pending.calls()))),
        }
        let allowed = rules.allowed(&loaded.tool_names(&request));
        let asked = asking::chat_request(&loaded, &model, &rules, &allowed, &request);
        Ok(model.provider.request_body(&asked))
    }
}
