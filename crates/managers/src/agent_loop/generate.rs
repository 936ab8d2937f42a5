//! A bare question to an agent's model: no memory, no tools of the agent's, nothing stored.

use futures::StreamExt;
use muisti_llm::{Assembler, ChatMessage, ToolChoice, ToolSpec};
use muisti_orm::schema::{AgentId, GenerateRequest, GenerateResponse};
use serde_json::{Map, Value, json};

use super::{AgentLoop, loaded::ChatModel, step::step_usage};
use crate::{Actor, Error, Result, error::FieldError};

/// What the model is told to be when the request does not say.
const INSTRUCTIONS: &str = "You answer what you are asked, completely and to the point.";
/// The tool that a model must call to answer in the form of a schema.
const ANSWER_TOOL: &str = "structured_output";

impl AgentLoop {
    /// Asks the agent's model, or the one that the request names, a single question.
    ///
    /// With a schema for the answer, the answer is JSON text of that form, as far as the model keeps to it.
    ///
    /// # Errors
    /// 404 for an unknown agent or model, 422 for a blank question, and what the model provider failed with.
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
        let structured = answer.tool_calls.into_iter().next().map(|call| call.arguments);
        Ok(GenerateResponse {
            content: structured.or(answer.text).unwrap_or_default(),
            usage: step_usage(answer.usage),
            model: model.config.model,
        })
    }
}

/// The tool whose arguments are the answer: an object with the properties of the schema, all of them required unless
/// it says which.
fn answer_tool(mut schema: Map<String, Value>) -> ToolSpec {
    let properties = schema.remove("properties").filter(Value::is_object).unwrap_or_else(|| json!({}));
    let names = || properties.as_object().into_iter().flat_map(Map::keys).collect::<Vec<_>>();
    let required = schema.remove("required").filter(Value::is_array).unwrap_or_else(|| json!(names()));
    let mut parameters = json!({ "type": "object", "properties": properties, "required": required });
    // Parts of the schema may be referred to from within.
    if let (Some(definitions), Some(parameters)) = (schema.remove("$defs"), parameters.as_object_mut()) {
        parameters.insert("$defs".to_owned(), definitions);
    }
    let description = "Gives the answer. Call it once, with the whole answer.".to_owned();
    ToolSpec { name: ANSWER_TOOL.to_owned(), description, parameters, strict: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(schema: Value) -> Value {
        let Value::Object(schema) = schema else { panic!() };
        answer_tool(schema).parameters
    }

    #[test]
    fn all_properties_of_a_schema_are_required_unless_it_says_which() {
        let properties = json!({ "a": { "type": "string" }, "b": { "type": "integer" } });
        assert_eq!(parameters(json!({ "properties": properties }))["required"], json!(["a", "b"]));
        assert_eq!(parameters(json!({ "properties": properties, "required": ["b"] }))["required"], json!(["b"]));
        assert_eq!(parameters(json!({}))["properties"], json!({}));
    }
}
