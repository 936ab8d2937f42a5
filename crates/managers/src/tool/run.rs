//! Running a tool for an agent because somebody asks for it, not the agent.

use serde_json::{Map, Value};

use super::ToolContext;
use crate::{
    Actor, Services,
    error::Result,
    schema::{AgentId, ToolExecutionResult, ToolStatus},
};

impl Services {
    /// Runs a tool that the agent has, with what it does to the agent. Neither a run nor a message is recorded, and
    /// the agent's rules are not asked. A tool that fails is a result that says so.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NotFound`] when there is no such agent, or it has no such tool.
    pub async fn run_tool(
        &self,
        actor: &Actor,
        agent: AgentId,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<ToolExecutionResult> {
        let tool = self.tools().get_by_name(actor, agent, name).await?;
        let row = self.agents().row(actor, agent).await?;
        let context =
            ToolContext { agent_id: agent, conversation_id: None, timezone: row.timezone.as_deref().unwrap_or("UTC") };
        let outcome = self.tool_executor().execute(actor, &context, &tool, arguments).await;
        Ok(ToolExecutionResult {
            status: if outcome.ok { ToolStatus::Success } else { ToolStatus::Error },
            func_return: outcome.ok.then_some(outcome.value),
            agent_state: None,
            stdout: Some(outcome.stdout),
            stderr: Some(outcome.stderr),
            sandbox_config_fingerprint: None,
        })
    }
}
