//! What a turn works with: the agent, its tools, its model, and the messages in its context.

use std::sync::Arc;

use muisti_llm::{ChatRequest, Provider, ToolSpec};
use muisti_orm::{
    Conn, agents, messages,
    schema::{AgentId, LlmConfig, StoredMessage, Tool},
    tools,
};

use crate::{Actor, Error, Result, Services, model};

/// An agent as a turn needs it.
pub(super) struct Loaded {
    pub(super) agent: agents::AgentRow,
    pub(super) tools: Vec<Tool>,
    /// The messages in context, the system message first.
    pub(super) context: Vec<StoredMessage>,
}

impl Loaded {
    /// Reads the agent with its tools and its context: three queries.
    pub(super) fn read(conn: &mut Conn, actor: &Actor, id: AgentId) -> Result<Self> {
        let organization = actor.organization_id;
        let agent = agents::get(conn, organization, id)?.ok_or_else(|| Error::missing("Agent", id))?;
        let tools = tools::attached_to(conn, id)?;
        // With autoclear every turn begins with nothing but the system message.
        let in_context = match agent.message_ids.as_slice() {
            [system, ..] if agent.message_buffer_autoclear => std::slice::from_ref(system),
            all => all,
        };
        let context = messages::by_ids(conn, organization, in_context)?;
        if context.is_empty() {
            return Err(Error::BadRequest(format!(
                "Agent {id} has no message in its context, not even its system message. Recompile its system prompt, \
                 or set its message_ids."
            )));
        }
        Ok(Self { agent, tools, context })
    }

    /// The names of the tools, in the order in which they were attached.
    pub(super) fn tool_names(&self) -> Vec<&str> {
        self.tools.iter().map(|tool| tool.name.as_str()).collect()
    }

    /// These tools as the model is told of them.
    pub(super) fn tool_specs(&self, names: &[String]) -> Vec<ToolSpec> {
        let tools = self.tools.iter().filter(|tool| names.contains(&tool.name));
        tools.filter_map(|tool| spec(tool, self.agent.llm_config.strict)).collect()
    }
}

fn spec(tool: &Tool, strict: bool) -> Option<ToolSpec> {
    let schema = tool.json_schema.as_ref()?;
    let description = schema.get("description").and_then(|text| text.as_str()).or(tool.description.as_deref());
    let parameters = schema.get("parameters").cloned();
    Some(ToolSpec {
        name: tool.name.clone(),
        description: description.unwrap_or_default().to_owned(),
        parameters: parameters.unwrap_or_else(|| serde_json::json!({"type": "object", "properties": {}})),
        strict,
    })
}

/// The model that a turn asks.
pub(super) struct ChatModel {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) config: LlmConfig,
}

impl ChatModel {
    /// The model of the agent, or the one that the request names instead.
    ///
    /// # Errors
    /// 404 when no provider has it.
    pub(super) async fn of(
        services: &Services,
        actor: &Actor,
        config: &LlmConfig,
        instead: Option<&str>,
    ) -> Result<Self> {
        let config = match instead {
            Some(handle) => {
                let info = services.models().resolve(actor, handle).await?;
                let mut config = model::config::from_info(&info);
                config.context_window = config.context_window.min(services.settings().max_context_window);
                config
            }
            None => config.clone(),
        };
        // The provider is enough: whether it lists the model at this moment says nothing about a call.
        let named = config.provider_name.as_deref().and_then(|name| services.catalog().provider(name));
        let provider = match named {
            Some(provider) => provider,
            None => {
                let handle = config.handle.clone().unwrap_or_else(|| config.model.clone());
                let found = services.catalog().resolve(&handle).await;
                found.map_err(|error| Error::HandleNotFound(error.to_string()))?.0
            }
        };
        Ok(Self { provider, config })
    }

    /// A request with what the model's configuration says, and nothing to answer yet.
    pub(super) fn request(&self) -> ChatRequest {
        let config = &self.config;
        ChatRequest {
            model: config.model.clone(),
            temperature: Some(config.temperature),
            max_tokens: config.max_tokens,
            frequency_penalty: config.frequency_penalty,
            reasoning_effort: config.reasoning_effort.map(|effort| effort.to_string()),
            verbosity: config.verbosity.map(|verbosity| verbosity.to_string()),
            response_format: config.response_format.as_ref().and_then(|format| serde_json::to_value(format).ok()),
            stream: true,
            ..ChatRequest::default()
        }
    }
}
