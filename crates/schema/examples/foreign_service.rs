//! How another Rust service uses the wire types: read an agent that the server answered, look at its rules, and
//! write the request for one like it; or read what an agent said and did.
//!
//! ```console
//! $ curl -s http://127.0.0.1:8283/v1/agents/agent-… | cargo run -p muisti-schema --example foreign_service
//! $ curl -s http://127.0.0.1:8283/v1/agents/agent-…/messages | cargo run -p muisti-schema --example foreign_service
//! ```

use std::{
    error::Error,
    io::{self, Read, Write},
};

use muisti_schema::{AgentState, CreateAgent, CreateBlock, TextOrParts, ToolCalls, ToolRule, WireMessage};

fn main() -> Result<(), Box<dyn Error>> {
    let mut json = String::new();
    io::stdin().read_to_string(&mut json)?;
    let mut out = io::stdout();
    if json.trim_start().starts_with('[') {
        for message in serde_json::from_str::<Vec<WireMessage>>(&json)? {
            writeln!(out, "{} {}", message.base().date, told(&message))?;
        }
        return Ok(());
    }

    let agent: AgentState = serde_json::from_str(&json)?;
    writeln!(out, "{} ({}) uses {}", agent.name, agent.id, agent.model.as_deref().unwrap_or(&agent.llm_config.model))?;
    for rule in agent.tool_rules.iter().flatten() {
        writeln!(out, "- {}: {}", rule.tool_name(), meaning(rule))?;
    }

    let twin = twin_of(&agent);
    writeln!(out, "\nPOST /v1/agents/\n{}", serde_json::to_string_pretty(&twin)?)?;
    Ok(())
}

/// What a rule makes the agent do.
fn meaning(rule: &ToolRule) -> String {
    match rule {
        ToolRule::RunFirst(_) => "is called first".to_owned(),
        ToolRule::ExitLoop(_) => "ends the response".to_owned(),
        ToolRule::ContinueLoop(_) => "makes the agent go on".to_owned(),
        ToolRule::RequiresApproval(_) => "waits for a person's approval".to_owned(),
        ToolRule::RequiredBeforeExit(_) => "must be called before the response ends".to_owned(),
        ToolRule::MaxCountPerStep(rule) => format!("is called {} times at most", rule.max_count_limit),
        ToolRule::ConstrainChildTools(rule) => format!("is followed by one of {}", rule.children.join(", ")),
        ToolRule::ParentLastTool(rule) => format!("comes before {}", rule.children.join(", ")),
        ToolRule::Conditional(rule) => {
            let ways = rule.child_output_mapping.iter().map(|(output, tool)| format!("{output} → {tool}"));
            format!("is followed by what its output says: {}", ways.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A message in a line.
fn told(message: &WireMessage) -> String {
    match message {
        WireMessage::System(message) => format!("is told: {}", message.content),
        WireMessage::User(message) => match &message.content {
            TextOrParts::Text(text) => format!("hears: {text}"),
            TextOrParts::Parts(parts) => format!("is shown {} things", parts.len()),
        },
        WireMessage::Reasoning(message) => format!("thinks: {}", message.reasoning),
        WireMessage::HiddenReasoning(_) => "thinks in secret".to_owned(),
        WireMessage::Assistant(message) => match &message.content {
            TextOrParts::Text(text) => format!("says: {text}"),
            TextOrParts::Parts(parts) => format!("says {} things", parts.len()),
        },
        WireMessage::ToolCall(message) => format!("calls {}", names(message.tool_calls.as_ref())),
        WireMessage::ToolReturn(message) => format!("gets {}: {}", message.status, message.tool_return),
        WireMessage::ApprovalRequest(message) => format!("asks to call {}", names(message.tool_calls.as_ref())),
        WireMessage::ApprovalResponse(message) => {
            format!("gets {} answers", message.approvals.as_ref().map_or(0, Vec::len))
        }
        WireMessage::Summary(message) => format!("remembers: {}", message.summary),
        WireMessage::Event(_) => "shortens its history".to_owned(),
    }
}

/// The names of the tools that are called.
fn names(calls: Option<&ToolCalls>) -> String {
    match calls {
        Some(ToolCalls::List(calls)) => calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>().join(", "),
        Some(ToolCalls::Delta(piece)) => piece.name.clone().unwrap_or_default(),
        None => "nothing".to_owned(),
    }
}

/// The request for a new agent with the same model, prompt, rules and memory.
fn twin_of(agent: &AgentState) -> CreateAgent {
    let blocks = agent.blocks.iter().map(|block| CreateBlock {
        description: block.description.clone(),
        limit: block.limit,
        read_only: block.read_only,
        ..CreateBlock::new(&block.label, &block.value)
    });
    CreateAgent {
        name: Some(format!("{} twin", agent.name)),
        agent_type: agent.agent_type,
        model: agent.model.clone(),
        embedding: agent.embedding.clone(),
        system: Some(agent.system.clone()),
        memory_blocks: Some(blocks.collect()),
        tool_ids: Some(agent.tools.iter().map(|tool| tool.id).collect()),
        tool_rules: agent.tool_rules.clone(),
        tags: Some(agent.tags.clone()),
        ..CreateAgent::default()
    }
}
