//! What a model is asked in a step. It is put together here alone, for the call and for its preview.

use std::borrow::Cow;

use muisti_llm::ChatRequest;
use muisti_orm::schema::MessageRole;

use super::{
    context,
    loaded::{ChatModel, Loaded},
    request::TurnRequest,
    response_format,
    rules::{Allowed, Rules},
    skills,
    style::Style,
};

/// What the model is asked next: the context, and which tools it may call.
pub(super) fn chat_request(
    loaded: &Loaded,
    model: &ChatModel,
    rules: &Rules,
    allowed: &Allowed,
    request: &TurnRequest,
) -> ChatRequest {
    let style = Style::of(loaded.agent.agent_type, &model.config);
    let in_text = !style.one_call_only();
    let format = loaded.agent.response_format.as_ref();
    let mut tools = loaded.offer(&allowed.tools, request);
    if !in_text {
        response_format::shape_message_tool(&mut tools, format);
    }
    for tool in tools.iter_mut().filter(|tool| !request.is_client_tool(&tool.name)) {
        style.offer(tool, rules.ends_turn(&tool.name));
    }
    let logprobs = request.return_logprobs || model.config.return_logprobs;
    let system = system_text(loaded, request);
    ChatRequest {
        messages: context::to_chat(&loaded.context, system.as_deref(), model.config.context_window),
        tool_choice: style.choice(allowed, &tools),
        tools,
        parallel_tool_calls: Some(in_parallel(loaded, model, rules)),
        response_format: response_format::of_answer(&model.config, format, in_text),
        logprobs,
        top_logprobs: request.top_logprobs.or(model.config.top_logprobs).filter(|_| logprobs),
        ..model.request()
    }
}

/// What the model is told in the place of the stored system message, if that is not all.
pub(super) fn system_text<'a>(loaded: &Loaded, request: &'a TurnRequest) -> Option<Cow<'a, str>> {
    if let Some(text) = &request.override_system {
        return Some(text.into());
    }
    let stored = loaded.context.first().filter(|first| first.role == MessageRole::System)?;
    let skills = skills::section(&loaded.skills, &request.client_skills)?;
    Some(format!("{}\n\n{skills}", context::text_of(&stored.content)).into())
}

/// Whether several calls of one answer are carried out: the agent's style and the model's configuration allow it, and
/// no rule says anything about an order.
pub(super) fn in_parallel(loaded: &Loaded, model: &ChatModel, rules: &Rules) -> bool {
    !Style::of(loaded.agent.agent_type, &model.config).one_call_only()
        && model.config.parallel_tool_calls.unwrap_or(false)
        && !rules.order_matters()
}
