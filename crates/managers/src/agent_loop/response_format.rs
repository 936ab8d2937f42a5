//! The form that an agent's answers must have.
//!
//! It is said in two places: in the settings of the model, and on the agent. An agent that speaks in text answers in
//! that form; the older kinds speak through a tool, so there it is the form of what they say with it.

use muisti_llm::ToolSpec;
use muisti_orm::schema::{DEFAULT_MESSAGE_TOOL, DEFAULT_MESSAGE_TOOL_KWARG, LlmConfig, ResponseFormat};
use serde_json::{Map, Value, json};

/// The form that the model provider is asked for: that of the model's settings, or of an agent that speaks in text.
pub(super) fn of_answer(model: &LlmConfig, agent: Option<&ResponseFormat>, speaks_in_text: bool) -> Option<Value> {
    let format = model.response_format.as_ref().or(agent.filter(|_| speaks_in_text))?;
    serde_json::to_value(format).ok()
}

/// Makes what is said through the message tool, if that is on offer, an object of the agent's form.
pub(super) fn shape_message_tool(tools: &mut [ToolSpec], agent: Option<&ResponseFormat>) {
    let Some(form) = agent.and_then(schema_of) else { return };
    let tool = tools.iter_mut().find(|tool| tool.name == DEFAULT_MESSAGE_TOOL);
    let path = format!("/properties/{DEFAULT_MESSAGE_TOOL_KWARG}");
    let Some(Value::Object(message)) = tool.and_then(|tool| tool.parameters.pointer_mut(&path)) else { return };
    let description = message.remove("description");
    *message = form;
    message.extend(description.map(|description| ("description".to_owned(), description)));
}

/// The schema of an object of this form; none for text.
fn schema_of(format: &ResponseFormat) -> Option<Map<String, Value>> {
    match format {
        ResponseFormat::JsonSchema(format) => format.json_schema.get("schema")?.as_object().cloned(),
        ResponseFormat::JsonObject(_) => json!({ "type": "object", "additionalProperties": true }).as_object().cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::ModelEndpointType;

    use super::*;

    fn format(value: Value) -> ResponseFormat {
        serde_json::from_value(value).unwrap()
    }

    fn sky() -> ResponseFormat {
        let schema = json!({ "type": "object", "properties": { "sky": { "type": "string" } } });
        format(json!({ "type": "json_schema", "json_schema": { "name": "sky", "schema": schema } }))
    }

    fn message_tool() -> ToolSpec {
        let message = json!({ "type": "string", "description": "What to say." });
        ToolSpec {
            name: "send_message".to_owned(),
            description: String::new(),
            parameters: json!({ "type": "object", "properties": { "message": message }, "required": ["message"] }),
            strict: false,
        }
    }

    #[test]
    fn the_models_own_form_goes_before_the_agents_and_older_agents_have_none() {
        let mut model = LlmConfig::new(ModelEndpointType::Openai, "m", 8_000);
        let kind = |model: &LlmConfig, in_text| {
            of_answer(model, Some(&sky()), in_text).map(|format| format["type"].as_str().unwrap().to_owned())
        };
        assert_eq!(kind(&model, true).as_deref(), Some("json_schema"));
        assert_eq!(kind(&model, false), None);
        model.response_format = Some(format(json!({ "type": "json_object" })));
        assert_eq!(kind(&model, true).as_deref(), Some("json_object"));
        assert_eq!(kind(&model, false).as_deref(), Some("json_object"));
    }

    #[test]
    fn the_message_of_older_agents_takes_the_form() {
        let mut tools = [message_tool()];
        shape_message_tool(&mut tools, Some(&sky()));
        let message = &tools[0].parameters["properties"]["message"];
        assert_eq!((&message["type"], &message["description"]), (&json!("object"), &json!("What to say.")));
        assert_eq!(message["properties"]["sky"]["type"], "string");

        let mut tools = [message_tool()];
        shape_message_tool(&mut tools, Some(&format(json!({ "type": "json_object" }))));
        assert_eq!(tools[0].parameters["properties"]["message"]["type"], "object");

        let mut tools = [message_tool()];
        shape_message_tool(&mut tools, Some(&format(json!({ "type": "text" }))));
        assert_eq!(tools, [message_tool()]);
    }
}
