//! A bare question to an agent's model: no memory, no tools of the agent's, nothing stored.

use futures::StreamExt;
use muisti_llm::{
    Assembler, ChatAnswer, ChatMessage, LlmError, LlmErrorKind, ToolChoice,
    json::tool_arguments,
    structured::{ANSWER_TOOL, answer_tool},
};
use muisti_orm::schema::{AgentId, GenerateRequest, GenerateResponse};
use serde_json::Value;

use super::{AgentLoop, loaded::ChatModel, step::step_usage};
use crate::{Actor, Error, Result, error::FieldError};

/// What the model is told to be when the request does not say.
const INSTRUCTIONS: &str = "You answer what you are asked, completely and to the point.";

impl AgentLoop {
    /// Asks the agent's model, or the one that the request names, a single question.
    ///
    /// With a schema for the answer, the answer is a JSON object as text, of that form as far as the model keeps to it.
    ///
    /// # Errors
    /// 404 for an unknown agent or model, 422 for a blank question, and what the model provider failed with, an answer
    /// among it that is no JSON object though it should be one.
    pub async fn generate(&self, actor: &Actor, agent: AgentId, request: GenerateRequest) -> Result<GenerateResponse> {
        if request.prompt.trim().is_empty() {
            return Err(Error::Unprocessable(vec![FieldError::body("prompt", "The prompt must not be blank.")]));
        }
        let row = self.services.agents().row(actor, agent).await?;
        let instead = request.override_model.as_deref();
        let model =
            ChatModel::of(&self.services, actor, &row.llm_config, instead).await.map_err(|error| match error {
                Error::HandleNotFound(reason) => {
                    let handle = instead.or(row.llm_config.handle.as_deref()).unwrap_or(&row.llm_config.model);
                    Error::NotFound(format!("Model '{handle}' not found or not accessible. {reason}"))
                }
                error => error,
            })?;

        let mut call = model.request();
        let instructions = request.system_prompt.filter(|text| !text.trim().is_empty());
        call.messages = vec![
            ChatMessage::system(instructions.unwrap_or_else(|| INSTRUCTIONS.to_owned())),
            ChatMessage::user(request.prompt),
        ];
        let structured = request.response_schema.is_some();
        if let Some(schema) = request.response_schema {
            call.tools = vec![answer_tool(schema)];
            call.tool_choice = ToolChoice::Named(ANSWER_TOOL.to_owned());
            call.parallel_tool_calls = Some(false);
            call.response_format = None;
        }
        let mut events = model.provider.chat(&call).await?;
        let mut assembler = Assembler::new();
        while let Some(event) = events.next().await {
            assembler.push(&event?);
        }
        let answer = assembler.finish(model.provider.name())?;
        let usage = step_usage(answer.usage, answer.reasoning.as_deref());
        let content = if structured {
            json_answer(answer)
                .map_err(|reason| LlmError::new(LlmErrorKind::InvalidResponse, model.provider.name(), reason))?
        } else {
            answer.text.unwrap_or_default()
        };
        Ok(GenerateResponse { content, usage, model: model.config.model })
    }
}

/// The object that a model answered with: the arguments of the tool that it was made to call, or the text of one that
/// does not know how to call tools.
fn json_answer(answer: ChatAnswer) -> std::result::Result<String, String> {
    let called = answer.tool_calls.into_iter().next().map(|call| call.arguments);
    let text = called.or(answer.text).unwrap_or_default();
    tool_arguments(&text).map(|object| Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use muisti_llm::ToolCallOut;

    use super::*;

    #[test]
    fn an_answer_in_the_form_of_a_schema_is_an_object_wherever_it_stands() {
        let arguments = r#"{"a": 1}"#.to_owned();
        let call = ToolCallOut { id: "1".to_owned(), name: ANSWER_TOOL.to_owned(), arguments: arguments.clone() };
        let called = ChatAnswer { tool_calls: vec![call], ..ChatAnswer::default() };
        let said = ChatAnswer { text: Some(arguments), ..ChatAnswer::default() };
        assert_eq!(json_answer(called).unwrap(), r#"{"a":1}"#);
        assert_eq!(json_answer(said).unwrap(), r#"{"a":1}"#);
        assert!(json_answer(ChatAnswer { text: Some("No.".to_owned()), ..ChatAnswer::default() }).is_err());
    }
}
