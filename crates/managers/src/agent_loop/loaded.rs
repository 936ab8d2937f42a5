//! What a turn works with: the agent, its tools, its model, and the messages in its context.

use std::sync::Arc;

use muisti_llm::{ChatRequest, Provider, ToolSpec};
use muisti_orm::{
    Conn, agents, conversations,
    histories::{self, HistoryId},
    messages,
    schema::{ClientTool, Conversation, LlmConfig, MessageId, StoredMessage, Tool},
    tools,
};
use serde_json::Value;

use super::{
    pending::Pending,
    request::TurnRequest,
    skills::{self, Skill},
};
use crate::{Actor, Error, Result, Services, model};

/// An agent as a turn needs it.
pub(super) struct Loaded {
    pub(super) agent: agents::AgentRow,
    pub(super) tools: Vec<Tool>,
    /// What it knows how to do, by its blocks.
    pub(super) skills: Vec<Skill>,
    /// The messages in context, the system message first.
    pub(super) context: Vec<StoredMessage>,
    /// The conversation, unless it is the agent's default history.
    pub(super) conversation: Option<Conversation>,
}

impl Loaded {
    /// Reads the agent with its tools and the context of one of its histories.
    pub(super) fn read(conn: &mut Conn, actor: &Actor, history: HistoryId) -> Result<Self> {
        let (organization, id) = (actor.organization_id, history.agent_id);
        let agent = agents::get(conn, organization, id)?.ok_or_else(|| Error::missing("Agent", id))?;
        let tools = tools::attached_to(conn, id)?;
        let (conversation, in_context) = match history.conversation_id {
            None => (None, agent.message_ids.clone()),
            Some(id) => {
                let conversation = conversations::for_turn(conn, organization, id)?;
                let context = histories::context(conn, organization, &history)?;
                (conversation, context.ok_or_else(|| Error::missing("Conversation", id))?)
            }
        };
        let context = messages::by_ids(conn, organization, &in_context)?;
        if context.is_empty() {
            let way_out = match history.conversation_id {
                Some(_) => "Begin a new conversation.".to_owned(),
                None => format!("Begin its history afresh with PATCH /v1/agents/{id}/reset-messages."),
            };
            return Err(Error::BadRequest(format!(
                "{} has no message in its context, not even its system message. {way_out}",
                history.key()
            )));
        }
        let skills = skills::read(conn, history)?;
        Ok(Self { agent, tools, skills, context, conversation })
    }

    /// With autoclear, leaves nothing in context but the system message, and gives that. Calls that wait for the client
    /// keep their turn there until it has ended.
    pub(super) fn begin_anew(&mut self) -> Option<MessageId> {
        if !self.agent.message_buffer_autoclear || Pending::at_end_of(&self.context).is_some() {
            return None;
        }
        self.context.truncate(1);
        self.context.first().map(|system| system.id)
    }

    /// The names of the agent's own tools that the client does not put its own in the place of, in the order in which
    /// they were attached.
    pub(super) fn tool_names(&self, request: &TurnRequest) -> Vec<&str> {
        let names = self.tools.iter().map(|tool| tool.name.as_str());
        names.filter(|name| !request.is_client_tool(name)).collect()
    }

    /// What the model is told of these tools of the agent and of the client's.
    pub(super) fn offer(&self, names: &[String], request: &TurnRequest) -> Vec<ToolSpec> {
        let mut offered = self.tool_specs(names);
        offered.extend(request.client_tools.iter().map(client_spec));
        offered
    }

    /// What the model is told of these tools of the agent.
    pub(super) fn tool_specs(&self, names: &[String]) -> Vec<ToolSpec> {
        let tools = self.tools.iter().filter(|tool| names.contains(&tool.name));
        tools.filter_map(|tool| spec(tool, self.agent.llm_config.strict)).collect()
    }

    /// The timezone that the agent tells the time in.
    pub(super) fn timezone(&self) -> &str {
        self.agent.timezone.as_deref().unwrap_or("UTC")
    }
}

fn client_spec(tool: &ClientTool) -> ToolSpec {
    let parameters = tool.parameters.clone().map(Value::Object);
    ToolSpec {
        name: tool.name.clone(),
        description: tool.description.clone().unwrap_or_default(),
        parameters: parameters.unwrap_or_else(no_parameters),
        strict: false,
    }
}

fn no_parameters() -> Value {
    serde_json::json!({"type": "object", "properties": {}})
}

fn spec(tool: &Tool, strict: bool) -> Option<ToolSpec> {
    let schema = tool.json_schema.as_ref()?;
    let description = schema.get("description").and_then(|text| text.as_str()).or(tool.description.as_deref());
    let parameters = schema.get("parameters").cloned();
    Some(ToolSpec {
        name: tool.name.clone(),
        description: description.unwrap_or_default().to_owned(),
        parameters: parameters.unwrap_or_else(no_parameters),
        strict,
    })
}

/// The model that a turn asks.
pub(super) struct ChatModel {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) config: LlmConfig,
}

impl ChatModel {
    /// The model of a turn: the one that the request names, else that of the conversation, else that of the agent.
    ///
    /// # Errors
    /// 404 when no provider has it.
    pub(super) async fn for_turn(
        services: &Services,
        actor: &Actor,
        loaded: &Loaded,
        instead: Option<&str>,
    ) -> Result<Self> {
        let own = match &loaded.conversation {
            Some(conversation) if instead.is_none() => {
                services.conversations().model_config(actor, &loaded.agent, conversation).await?
            }
            _ => None,
        };
        Self::of(services, actor, own.as_ref().unwrap_or(&loaded.agent.llm_config), instead).await
    }

    /// The model of the agent, or the one that the request names instead.
    ///
    /// # Errors
    /// 404 when no provider has it.
    pub(super) async fn of(services: &Services, actor: &Actor, own: &LlmConfig, instead: Option<&str>) -> Result<Self> {
        let config = match instead {
            Some(handle) => {
                let info = services.models().resolve(actor, handle).await?;
                let mut config = model::config::from_info(&info);
                config.context_window = config.context_window.min(services.settings().max_context_window);
                config.max_tokens = model::config::at_most_half(config.max_tokens, config.context_window);
                config.parallel_tool_calls = own.parallel_tool_calls;
                config
            }
            None => own.clone(),
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
