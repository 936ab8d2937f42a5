//! What a model is asked in a step. It is put together here alone, for the call and for its preview.

use muisti_llm::ChatRequest;

use super::{
    context,
    loaded::{ChatModel, Loaded},
    response_format,
    rules::{Allowed, Rules},
};
use crate::message::speaks_in_text;

/// What a request to the agent says about the request to the model.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wishes<'a> {
    /// The system text in place of the agent's.
    pub(super) system: Option<&'a str>,
    /// Whether to tell the log-probabilities of the answer's tokens.
    pub(super) logprobs: bool,
    /// How many alternatives to tell for each token.
    pub(super) top_logprobs: Option<i64>,
}

/// What the model is asked next: the context, and which tools it may call.
pub(super) fn chat_request(
    loaded: &Loaded,
    model: &ChatModel,
    rules: &Rules,
    allowed: &Allowed,
    wishes: Wishes<'_>,
) -> ChatRequest {
    let in_text = speaks_in_text(loaded.agent.agent_type);
    let format = loaded.agent.response_format.as_ref();
    let mut tools = loaded.tool_specs(&allowed.tools);
    if !in_text {
        response_format::shape_message_tool(&mut tools, format);
    }
    let logprobs = wishes.logprobs || model.config.return_logprobs;
    ChatRequest {
        messages: context::to_chat(&loaded.context, wishes.system, model.config.context_window),
        tools,
        tool_choice: allowed.choice(),
        parallel_tool_calls: Some(in_parallel(loaded, rules)),
        response_format: response_format::of_answer(&model.config, format, in_text),
        logprobs,
        top_logprobs: wishes.top_logprobs.or(model.config.top_logprobs).filter(|_| logprobs),
        ..model.request()
    }
}

/// Whether several calls of one answer are carried out: the model's configuration allows it, and no rule says
/// anything about an order.
pub(super) fn in_parallel(loaded: &Loaded, rules: &Rules) -> bool {
    loaded.agent.llm_config.parallel_tool_calls.unwrap_or(false) && !rules.order_matters()
}
