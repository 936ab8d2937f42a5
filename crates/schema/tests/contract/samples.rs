//! Instances of the contract's schemas.

use serde_json::{Map, Value, json};

/// A schema of the contract.
pub(crate) type Schema = Map<String, Value>;

/// How deep schemas may nest before only null and the empty list are left.
const MAX_DEPTH: usize = 8;

/// The contract: the paths and schemas of the API, without prose.
pub(crate) struct Contract {
    schemas: Schema,
}

impl Contract {
    pub(crate) fn load() -> Self {
        let contract: Value = serde_json::from_str(include_str!("../../../../tests/contract.json")).unwrap();
        Self { schemas: contract["components"]["schemas"].as_object().unwrap().clone() }
    }

    /// The schema of a component.
    pub(crate) fn schema(&self, name: &str) -> &Schema {
        self.schemas.get(name).unwrap_or_else(|| panic!("the contract has no schema {name}")).as_object().unwrap()
    }

    /// The names of a component's properties.
    pub(crate) fn properties(&self, name: &str) -> Vec<&str> {
        properties(self.schema(name)).map(|(property, _)| property).collect()
    }

    /// The names of the properties that a component must have.
    pub(crate) fn required(&self, name: &str) -> Vec<&str> {
        let mut required: Vec<&str> = required(self.schema(name)).collect();
        if name == "Message" {
            // Every stored message belongs to an agent.
            required.push("agent_id");
        }
        required
    }

    /// Instances of a component, each with a title for the case that it fails: with all properties, with the
    /// required ones only, and with each property in each form that it may have.
    pub(crate) fn samples(&self, name: &str) -> Vec<(String, Value)> {
        let schema = self.schema(name);
        if !schema.contains_key("properties") {
            let context = Context { component: name, property: "", depth: 0 };
            return self
                .forms(&Value::Object(schema.clone()), context)
                .into_iter()
                .map(|form| (format!("{name} as {form}"), form))
                .collect();
        }
        let full = self.full(name, 0);
        let mut samples = vec![
            (format!("{name} with all properties"), full.clone()),
            (format!("{name} with the required properties"), self.minimal(name, 0)),
        ];
        for (property, schema) in properties(schema) {
            for form in self.forms(schema, Context { component: name, property, depth: 0 }) {
                if !is_meant(name, property, &form) {
                    continue;
                }
                let mut sample = full.clone();
                sample[property] = form;
                samples.push((format!("{name} with {property}: {}", sample[property]), sample));
            }
        }
        samples
    }

    /// The properties of a component that hold an enum, directly or by reference, null or not.
    pub(crate) fn enum_properties(&self, name: &str) -> Vec<&str> {
        let is_enum = |schema: &Value| {
            let options = schema["anyOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
            let options: Vec<Value> = options.into_iter().filter(|option| option["type"] != "null").collect();
            options.len() == 1 && options.iter().all(|option| self.resolve(option).get("enum").is_some())
        };
        properties(self.schema(name)).filter(|(_, schema)| is_enum(schema)).map(|(property, _)| property).collect()
    }

    /// An instance with all properties.
    pub(crate) fn full(&self, name: &str, depth: usize) -> Value {
        self.object(name, depth, |_| true)
    }

    /// An instance with the required properties only.
    pub(crate) fn minimal(&self, name: &str, depth: usize) -> Value {
        let required = self.required(name);
        self.object(name, depth, |property| required.contains(&property))
    }

    fn object(&self, name: &str, depth: usize, wanted: impl Fn(&str) -> bool) -> Value {
        let members = properties(self.schema(name)).filter(|(property, _)| wanted(property));
        let members = members.map(|(property, schema)| {
            let forms = self.forms(schema, Context { component: name, property, depth });
            let form = forms.iter().find(|form| !form.is_null()).cloned().unwrap_or(Value::Null);
            (property.to_owned(), form)
        });
        Value::Object(members.collect())
    }

    /// Every form that a value may have, the most telling first.
    fn forms(&self, schema: &Value, context: Context<'_>) -> Vec<Value> {
        if let Some(options) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            let tag = schema["discriminator"]["propertyName"].as_str();
            // An empty object does not say which member of a union it is.
            let is_ambiguous = tag.is_none() && options.iter().filter_map(reference).count() > 1;
            return options
                .iter()
                .flat_map(|option| match (tag, reference(option)) {
                    (Some(tag), Some(name)) => self.tagged(name, tag, context.depth + 1),
                    _ => self.forms(option, context),
                })
                .filter(|form| !is_ambiguous || form != &json!({}))
                .collect();
        }
        if let Some(name) = reference(schema) {
            let target = self.schema(name);
            if !target.contains_key("properties") {
                return self.forms(&Value::Object(target.clone()), Context { component: name, ..context });
            }
            if context.depth > MAX_DEPTH {
                return vec![Value::Null];
            }
            return vec![self.full(name, context.depth + 1), self.minimal(name, context.depth + 1)];
        }
        if let Some(constant) = schema.get("const") {
            return vec![constant.clone()];
        }
        if let Some(values) = schema["enum"].as_array() {
            return values.clone();
        }
        match schema["type"].as_str() {
            Some("array") => {
                if context.depth > MAX_DEPTH {
                    return vec![json!([])];
                }
                let items = self.forms(&schema["items"], context);
                vec![Value::Array(items), json!([])]
            }
            Some("object") => vec![match &schema["additionalProperties"] {
                Value::Object(values) => {
                    let value = self.forms(&Value::Object(values.clone()), context).swap_remove(0);
                    json!({ "key": value })
                }
                _ if context.property == "completion_tokens_details" => json!({"reasoning_tokens": 7}),
                _ if context.property == "prompt_tokens_details" => json!({"cached_tokens": 7}),
                _ => json!({"key": "value", "nested": {"list": [1, null, 2.5]}}),
            }],
            Some("integer") => vec![json!(schema["minimum"].as_i64().unwrap_or(7).max(7))],
            Some("number") => vec![json!(0.25)],
            Some("boolean") => vec![json!(true), json!(false)],
            Some("string") => vec![context.text(schema).into()],
            Some("null") => vec![Value::Null],
            _ if context.property == "tool_call_id" => vec!["text".into()],
            _ => vec![json!({"any": ["thing", 1]})],
        }
    }

    /// Instances of a member of a union, with its tag.
    fn tagged(&self, name: &str, tag: &str, depth: usize) -> Vec<Value> {
        let full = self.full(name, depth);
        let mut minimal = self.minimal(name, depth);
        minimal[tag] = full[tag].clone();
        vec![full, minimal]
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Schema {
        reference(schema).map_or_else(|| schema.as_object().unwrap(), |name| self.schema(name))
    }
}

#[derive(Clone, Copy)]
struct Context<'a> {
    component: &'a str,
    property: &'a str,
    depth: usize,
}

impl Context<'_> {
    /// A text as the property wants it: an id, a time, or just a text.
    fn text(self, schema: &Value) -> String {
        if schema["format"] == "date-time" {
            return if self.property == "date" { "2025-01-02T03:04:05+00:00" } else { "2025-01-02T03:04:05.123456Z" }
                .to_owned();
        }
        let by_pattern = schema["pattern"].as_str().and_then(|pattern| pattern.strip_prefix('^')?.split_once("-["));
        match by_pattern
            .map(|(prefix, _)| prefix)
            .filter(|prefix| !prefix.starts_with('('))
            .or_else(|| self.id_prefix())
        {
            Some(prefix) => format!("{prefix}-123e4567-e89b-42d3-a456-426614174000"),
            None => "text".to_owned(),
        }
    }

    fn id_prefix(self) -> Option<&'static str> {
        Some(match (self.property, self.component) {
            ("id", "AgentState") => "agent",
            ("id", "Block" | "BlockResponse" | "FileBlock") => "block",
            ("id", "Group") => "group",
            ("id", "Provider") => "provider",
            ("id", "AgentFileAttachment") => "file_agent",
            ("id", "ArchivalMemorySearchResult") => "passage",
            ("id", "Conversation") => "conv",
            ("id", "Run" | "RunMetrics") => "run",
            ("id", "Step" | "StepMetrics") => "step",
            ("id", "Job" | "BatchJob") => "job",
            ("id", "ProviderTrace") => "provider_trace",
            ("id", "ToolCall" | "ToolCallContent") => return None,
            ("id", _) | ("message_ids" | "in_context_message_ids" | "last_processed_message_id", _) => "message",
            ("message_id", _) => "message",
            ("org_id", _) => "org",
            ("created_by_id" | "last_updated_by_id" | "user_id", _) => "user",
            ("agent_id" | "agent_ids" | "manager_agent_id", _) => "agent",
            ("block_ids" | "shared_block_ids" | "isolated_block_ids", _) => "block",
            ("identity_ids", _) => "identity",
            ("tool_ids", _) => "tool",
            ("file_id", _) => "file",
            ("source_id" | "folder_id" | "source_ids" | "folder_ids", _) => "source",
            ("archive_id", _) => "archive",
            ("run_id" | "run_ids", _) => "run",
            ("step_id", _) => "step",
            ("conversation_id", _) => "conv",
            ("organization_id", _) => "org",
            ("provider_id", _) => "provider",
            _ => return None,
        })
    }
}

/// Whether the API really means a form that the contract's schema allows.
fn is_meant(name: &str, property: &str, form: &Value) -> bool {
    match (name, property) {
        // The arguments for children in the sample would be for none of them.
        ("ChildToolRule", "children") => form != &json!([]),
        // Any text by the schema, but always the type of the agent.
        ("Memory", "agent_type") => form != &json!("text"),
        // Null is the same as "message", and every stored message belongs to an agent.
        ("MessageCreate", "type") | ("Message", "agent_id") => !form.is_null(),
        // False and the empty list are always written as null.
        (_, "is_err") => form != &json!(false),
        ("Message", "tool_calls" | "tool_returns" | "approvals") => form != &json!([]),
        _ => true,
    }
}

/// The name of the component that a schema refers to.
fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn properties(schema: &Schema) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(property, schema)| (property.as_str(), schema))
}

/// The declared properties that must be there. The contract leaves some ids optional, since its authors' classes
/// make them up; a resource without an id does not exist.
fn required(schema: &Schema) -> impl Iterator<Item = &str> {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    properties(schema)
        .map(|(property, _)| property)
        .filter(move |property| *property == "id" || required.contains(property))
}
